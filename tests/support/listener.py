"""A local HTTP server that notes every request: what pings, alerts and metrics are sent to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Listener:
    """What it heard.

    Attributes:
        status: What it answers.
        body: Likewise.
        heard: Method, path with query, body as far as it is text; in order.
        bodies: The same bodies, byte for byte.
        headers: Of the same requests; names in lower case.
    """

    url: str = ""
    status: int = 200
    body: bytes = b""
    heard: list[tuple[str, str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """Paths with their queries, in order."""
        return [path for _, path, _ in self.heard]


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on a free port."""
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def _note(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.bodies.append(body)
            found.headers.append({name.lower(): value for name, value in self.headers.items()})
            found.heard.append((self.command, self.path, body.decode(errors="replace")))
            self.send_response(found.status)
            if found.status in range(300, 400):
                self.send_header("Location", found.url)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        do_GET = do_POST = do_HEAD = do_CONNECT = _note  # noqa: N815 - http.server's own names

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
