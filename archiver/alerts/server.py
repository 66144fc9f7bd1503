"""HTTP: ``POST /alerts`` for Alertmanager, ``/mcp`` for clients, ``/healthz`` and ``/metrics``."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from archiver.alerts import metrics
from archiver.alerts.alertmanager import Alertmanagers
from archiver.alerts.channels import Channel, ping, read_channels, read_secret
from archiver.alerts.database import hold_directory
from archiver.alerts.payload import BODY_BYTES_MAX, NotUnderstood, read_notification
from archiver.alerts.relay import Rules
from archiver.alerts.service import Outside, Service
from archiver.alerts.store import Store
from archiver.alerts.tokens import POST, digest, new
from archiver.alerts.tools import build
from archiver.errors import ArchiverError, ConfigError

log = logging.getLogger("archiver.alerts")
OWN_NAMES: Final = ("127.0.0.1", "localhost", "[::1]", "backend-mcp-alerts")
BAD_REQUEST, UNAUTHORISED, FORBIDDEN, TOO_LARGE, MISDIRECTED, UNAVAILABLE = 400, 401, 403, 413, 421, 503
RETRY_AFTER: Final = {"Retry-After": "5"}
POST_TOKEN_NAME: Final = "post-token-file"  # noqa: S105 - the name of the token, as `token list` shows it
STOP_WITHIN_S: Final = 10


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a start is told.

    Attributes:
        host, port: Where it listens. Port 0: any.
        post_token_file: Holds Alertmanager's token; made where there is none.
        notify_urls_file: Apprise addresses; where it does not exist nobody is told.
        ping_url_file: Likewise, one address.
        allowed_hosts: Names by which it is reached, besides its own.
    """

    host: str
    port: int
    data: Path
    alertmanagers: tuple[str, ...]
    post_token_file: Path | None = None
    notify_urls_file: Path | None = None
    ping_url_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)
    retention: timedelta = timedelta(days=30)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigError: Something of the settings cannot be used; nothing was started.
        Conflict: Another service is at work in the data directory.
    """
    _log_to_stderr()
    listener = listen(settings.host, settings.port)
    with contextlib.closing(listener), contextlib.ExitStack() as stack:
        alertmanagers = Alertmanagers(settings.alertmanagers)
        outside = _outside(settings)
        store = Store.open(settings.data)
        stack.callback(store.close)
        held = hold_directory(settings.data)
        stack.callback(os.close, held)
        service = Service(store, alertmanagers, outside=outside, retention=settings.retention)
        if settings.post_token_file is not None:
            token = _post_token(settings.post_token_file)
            store.set_token(POST_TOKEN_NAME, digest(token), frozenset({POST}), service.now())
        asyncio.run(_serve(service, settings, listener))


async def _serve(service: Service, settings: Settings, listener: socket.socket) -> None:
    # uvicorn raises the signal again when it is done: with these a stop that was asked for ends with status 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server: uvicorn.Server | None = None
    app = application(
        service,
        allowed_hosts=(*OWN_NAMES, settings.host, *settings.allowed_hosts),
        is_stopping=lambda: server is not None and server.should_exit,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
            limit_concurrency=256,
            ws="none",
        )
    )
    host, port = listener.getsockname()[:2]
    shown_host = f"[{host}]" if ":" in host else host
    log.warning("listening on http://%s:%d", shown_host, port)
    await server.serve(sockets=[listener])


def application(
    service: Service, *, allowed_hosts: Sequence[str], is_stopping: Callable[[], bool] = lambda: False
) -> Starlette:
    """The whole of it as an ASGI application; its lifespan is the service's work."""
    mcp = build(service)
    hosts = tuple(dict.fromkeys(allowed_hosts))
    inner = mcp.streamable_http_app(
        stateless_http=True,
        json_response=True,
        transport_security=TransportSecuritySettings(
            allowed_hosts=[*hosts, *(f"{host}:*" for host in hosts)],
            allowed_origins=[
                f"{scheme}://{host}{port}" for scheme in ("http", "https") for host in hosts for port in ("", ":*")
            ],
        ),
    )
    inbox = _Inbox(service, is_stopping)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with service.alertmanagers, mcp.session_manager.run(), service.at_work():
            yield

    async def healthz(_: Request) -> Response:
        if is_stopping():
            return PlainTextResponse("stopping\n", UNAVAILABLE)
        try:
            await service.stored(Store.size_bytes)
        except ArchiverError as problem:
            log.warning("healthz: %s", problem.message)
            return PlainTextResponse("the database cannot be read\n", UNAVAILABLE)
        return PlainTextResponse("ok\n")

    async def metrics_page(_: Request) -> Response:
        try:
            return Response(await metrics.page(service), media_type=metrics.CONTENT_TYPE)
        except ArchiverError as problem:
            log.warning("metrics: %s", problem.message)
            return PlainTextResponse("the database cannot be read\n", UNAVAILABLE)

    return Starlette(
        routes=[
            Route("/alerts", inbox.post, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/metrics", metrics_page),
            Mount("/", inner),
        ],
        middleware=[Middleware(_OnlyByItsNames, hosts=hosts)],
        lifespan=lifespan,
    )


class _OnlyByItsNames:
    """A page in somebody's browser that has this address under another name (DNS rebinding) gets nothing."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
            name = given.rpartition(":")[0] if given.rpartition(":")[2].isdigit() else given
            if name not in self._hosts:
                answer = PlainTextResponse(
                    "The Host header is none of this service's names; see --allowed-host.\n", MISDIRECTED
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Inbox:
    """``POST /alerts``. What is answered with 4xx Alertmanager drops; with 5xx it sends it again."""

    def __init__(self, service: Service, is_stopping: Callable[[], bool]) -> None:
        self._service = service
        self._is_stopping = is_stopping

    async def post(self, request: Request) -> Response:
        try:
            return await self._answered(request)
        except ArchiverError as problem:
            log.warning("a notification was not recorded: %s", problem.message)
            return self._refused(UNAVAILABLE, "unavailable", "not recorded; send it again")

    async def _answered(self, request: Request) -> Response:
        if self._is_stopping():
            return self._refused(UNAVAILABLE, "unavailable", "stopping; send it again")
        refusal = await self._authorised(request)
        if refusal is not None:
            return refusal
        body = await _body(request)
        if body is None:
            log.warning("a notification of more than %d bytes was refused", BODY_BYTES_MAX)
            return self._refused(TOO_LARGE, "too_large", f"more than {BODY_BYTES_MAX} bytes; see max_alerts")
        try:
            notification = read_notification(body)
        except NotUnderstood as problem:
            # Its text is ours: the shape only, nothing of the body.
            log.warning("a notification of %d bytes is no webhook of version 4: %s", len(body), problem)
            return self._refused(BAD_REQUEST, "invalid", f"no webhook of version 4: {problem}")
        await self._service.take(notification)
        if notification.truncated:
            log.warning(
                "%d alerts were left out of a notification (max_alerts); they are fetched", notification.truncated
            )
            await self._service.refresh(at_once=True)
        self._service.counts["notifications", "outcome", "accepted"] += 1
        return JSONResponse({"alerts": len(notification.reports)})

    async def _authorised(self, request: Request) -> Response | None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        access = None
        if kind.lower() == "bearer" and token:
            access = await self._service.stored(Store.token, digest(token.strip()), self._service.now())
        if access is None:
            log.warning("a notification without a valid token was refused")
            return self._refused(
                UNAUTHORISED, "unauthorised", "a bearer token with the scope alerts:post is needed",
                {"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        if POST not in access.scopes:
            log.warning("a notification with the token %s was refused: it has no scope %s", access.name, POST)
            return self._refused(FORBIDDEN, "unauthorised", f"this token has no scope {POST}")
        return None

    def _refused(self, status: int, outcome: str, reason: str, headers: dict[str, str] | None = None) -> Response:
        self._service.counts["notifications", "outcome", outcome] += 1
        extra_headers = RETRY_AFTER if status == UNAVAILABLE else headers
        return JSONResponse({"error": reason}, status, headers=extra_headers)


async def _body(request: Request) -> bytes | None:
    """The whole body; None where it is larger than allowed, whatever its header says."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > BODY_BYTES_MAX:
        return None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            return None
    return bytes(body)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigError: The port is taken, or may not be used, or the address is none of this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        made = socket.socket(family, kind)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(128)
        except BaseException:
            made.close()
            raise
    except OSError as problem:
        raise ConfigError(
            f"--listen {host}:{port}: cannot listen there ({problem.strerror or problem}); nothing was started",
            hint="choose another port, or see who has it: ss -ltnp",
        ) from None
    return made


def _outside(settings: Settings) -> Outside:
    channels: tuple[Channel, ...] = ()
    if (file := settings.notify_urls_file) is not None:
        if file.exists():
            channels = read_channels(file)
        else:
            log.warning("%s does not exist: nobody is told of what is not acknowledged", file)
    call: Callable[[], bool] | None = None
    if (file := settings.ping_url_file) is not None:
        if file.exists():
            url = read_secret(file).strip()
            if url and (not url.startswith(("https://", "http://")) or len(url.split()) != 1):
                raise ConfigError(f"{file}: holds no address to ping; nothing was started", hint="one line, https://…")
            call = _pinging(url) if url else None
        else:
            log.warning("%s does not exist: nobody outside is pinged", file)
    return Outside(channels=channels, ping=call, rules=settings.rules)


def _pinging(url: str) -> Callable[[], bool]:
    return lambda: ping(url)


def _post_token(file: Path) -> str:
    """Alertmanager's token, from a file that it reads too; made where there is none, readable for the file's group."""
    try:
        if not file.exists():
            made = file.with_name(f".{file.name}.new")
            made.unlink(missing_ok=True)
            with made.open("x", encoding="ascii") as opened:
                made.chmod(0o640)
                opened.write(new())
            made.replace(file)
            log.warning("made a token for Alertmanager: %s", file)
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "no token"
        raise ConfigError(
            f"--post-token-file {file}: cannot be read or made ({reason}); nothing was started",
            hint="give the directory to the user that the service runs as",
        ) from None
    if len(token) < 16 or len(token.split()) != 1:  # noqa: PLR2004
        raise ConfigError(
            f"--post-token-file {file}: holds no token of at least 16 characters; nothing was started",
            hint="delete it, and one is made",
        )
    return token


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    line = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    line.converter = time.gmtime
    handler.setFormatter(line)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("archiver.alerts").setLevel(logging.INFO)
