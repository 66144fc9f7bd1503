"""An HTTP proxy that fails as it is told to, in front of PostgREST, of S3, or of anything else that speaks HTTP/1.1.

Faults are armed before the request that they hit. Each request takes the first armed fault that matches it, so that a
test says exactly which one fails; everything else is passed on unchanged, the ``Host`` header that S3 signs included.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect"})
UPSTREAM_TIMEOUT_S = 30.0
HELD_S = 20.0


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    path: str
    """With its query, as the client sent it."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)


@dataclass
class Reply:
    """What goes back to the client.

    Attributes:
        sent: How many bytes of the body are sent before the connection is cut; None: all of them.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    sent: int | None = None


Fault = "Callable[[Request, Callable[[], Reply]], Reply | None]"
"""Gets the request and a way to pass it on; gives the reply, or None to close the connection without one."""


def cut(sent: int | None = None) -> Any:
    """The true reply's headers, a part of its body (half of it unless said), and then a reset connection."""

    def fault(_: Request, pass_on: Callable[[], Reply]) -> Reply:
        reply = pass_on()
        reply.sent = len(reply.body) // 2 if sent is None else min(sent, len(reply.body))
        return reply

    return fault


def truncate(keep: float = 0.5, *, at_line: bool = False) -> Any:
    """A shorter body with a length that fits it: only its content can tell. ``at_line``: whole lines are kept."""

    def fault(_: Request, pass_on: Callable[[], Reply]) -> Reply:
        reply = pass_on()
        reply.body = reply.body[: int(len(reply.body) * keep)]
        if at_line:
            reply.body = reply.body[: reply.body.rfind(b"\n")]
        return reply

    return fault


def answer(status: int, body: bytes | str = b"", content_type: str = "text/html", **headers: str) -> Any:
    """An answer of the proxy's own; the request is not passed on."""
    data = body.encode() if isinstance(body, str) else body

    def fault(_: Request, __: Callable[[], Reply]) -> Reply:
        extra = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return Reply(status, [("Content-Type", content_type), *extra], data)

    return fault


def instead(status: int, body: bytes | str, content_type: str) -> Any:
    """Pass the request on, and give another answer than came."""

    def fault(_: Request, pass_on: Callable[[], Reply]) -> Reply:
        pass_on()
        return Reply(status, [("Content-Type", content_type)], body.encode() if isinstance(body, str) else body)

    return fault


def altered(change: Callable[[bytes], bytes]) -> Any:
    """The true reply with another body."""

    def fault(_: Request, pass_on: Callable[[], Reply]) -> Reply:
        reply = pass_on()
        reply.body = change(reply.body)
        return reply

    return fault


def drop_reply(_: Request, pass_on: Callable[[], Reply]) -> Reply | None:
    """Pass the request on, let it take effect, and close the connection without an answer."""
    pass_on()
    return None


def refuse(_: Request, __: Callable[[], Reply]) -> Reply | None:
    """Close the connection at once; the request goes nowhere."""
    return None


def first(action: Callable[[], object]) -> Any:
    """Do something, then pass the request on: what happens between two requests of a client."""

    def fault(_: Request, pass_on: Callable[[], Reply]) -> Reply:
        action()
        return pass_on()

    return fault


@dataclass
class _Armed:
    fault: Any
    match: str
    method: str
    skip: int
    times: int | None


class Proxy:
    """A running proxy.

    Attributes:
        requests: Everything that was asked for, in order.
        gateway: Sees each request first; may change it, or answer it. What a platform does in front of its service.
    """

    def __init__(self, port: int, upstream: str, gateway: Callable[[Request], Request | Reply] | None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.gateway = gateway
        self.requests: list[Request] = []
        self.released = threading.Event()
        parts = urlsplit(upstream)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._armed: list[_Armed] = []
        self._lock = threading.Lock()
        self._own = threading.local()

    def arm(self, fault: Any, *, match: str = "", method: str = "", skip: int = 0, times: int | None = 1) -> None:
        """Let requests fail.

        Args:
            match: Only those with this text in their path and query, undecoded.
            skip: So many matching requests pass unharmed first.
            times: How many fail; None: all from there on.
        """
        with self._lock:
            self._armed.append(_Armed(fault, match, method, skip, times))

    def hold(self, **which: Any) -> None:
        """Let requests wait for an answer until ``released`` is set."""

        def fault(_: Request, pass_on: Callable[[], Reply]) -> Reply:
            self.released.wait(HELD_S)
            return pass_on()

        self.arm(fault, **which)

    def disarm(self) -> None:
        """No more faults."""
        with self._lock:
            self._armed.clear()

    def count(self, match: str) -> int:
        """How many requests had this text in their path and query."""
        return sum(match in request.path for request in self.requests)

    def take(self, request: Request) -> Any:
        """The fault that hits this request, or None."""
        with self._lock:
            self.requests.append(request)
            for armed in self._armed:
                if armed.match not in request.path or (armed.method and armed.method != request.method):
                    continue
                if armed.skip > 0:
                    armed.skip -= 1
                    continue
                if armed.times is not None:
                    armed.times -= 1
                    if armed.times == 0:
                        self._armed.remove(armed)
                return armed.fault
        return None

    def reply(self, request: Request) -> Reply | None:
        """What this request gets."""
        passed: Request | Reply = request if self.gateway is None else self.gateway(request)
        fault = self.take(request)

        def pass_on() -> Reply:
            return passed if isinstance(passed, Reply) else self._forward(passed)

        if fault is None:
            return pass_on()
        found: Reply | None = fault(request, pass_on)
        return found

    def _forward(self, request: Request) -> Reply:
        # The upstream may have closed a kept connection meanwhile: once more, with a new one. Only before an answer.
        for is_last in (False, True):
            connection = getattr(self._own, "connection", None)
            if connection is None or is_last:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=UPSTREAM_TIMEOUT_S)
                self._own.connection = connection
            try:
                connection.request(request.method, request.path, body=request.body or None, headers=request.headers)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self._own.connection = None
                if is_last:
                    return Reply(502, [("Content-Type", "text/html")], b"<html>bad gateway</html>")
                continue
            return Reply(response.status, response.getheaders(), body)
        raise AssertionError

    def close_own(self) -> None:
        """Close this thread's connection to the upstream."""
        connection = getattr(self._own, "connection", None)
        if connection is not None:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    proxy: Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # One piece, sent at once: otherwise each reply waits for a delayed acknowledgement.
    wbufsize: ClassVar[int] = -1
    disable_nagle_algorithm: ClassVar[bool] = True

    def _handle(self) -> None:
        body = self._body()
        request = Request(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP},
            body,
        )
        reply = self.server.proxy.reply(request)
        if reply is None:
            self._reset()
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        length = len(reply.body)
        if self.command == "HEAD":
            length = int({n.lower(): v for n, v in reply.headers}.get("content-length", 0))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(reply.body if reply.sent is None else reply.body[: reply.sent])
        self.wfile.flush()
        if reply.sent is not None:
            self._reset()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _handle  # noqa: N815

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _reset(self) -> None:
        with suppress(OSError):
            self.wfile.flush()
            # Half of it has left; what remains goes as a reset and not as an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()
        self.server.proxy.close_own()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def proxy(
    upstream: str, gateway: Callable[[Request], Request | Reply] | None = None, *, port: int = 0
) -> Iterator[Proxy]:
    """A proxy in front of a server, as long as the block lasts."""
    server = _Server(("127.0.0.1", port), _Handler)
    made = server.proxy = Proxy(server.server_address[1], upstream, gateway)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
