"""The alert service for tests: in this process, on a real port, or as a process of its own; real Alertmanagers; a client."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import uvicorn
import yaml
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from archiver.alerts.alertmanager import Alertmanagers
from archiver.alerts.server import OWN_NAMES, application, listen
from archiver.alerts.service import Outside, Service
from archiver.alerts.store import Store
from archiver.alerts.tokens import POST, READ, WRITE, digest
from tests.support import daemon, debian
from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

HTTP = httpx.Client(timeout=60, trust_env=False, verify=False)  # noqa: S501 - reading certificates costs more than a test
MOMENT = datetime(2026, 11, 29, 6, 0, tzinfo=UTC)
TOKENS = {READ: "reader-token-of-the-tests", WRITE: "writer-token-of-the-tests", POST: "poster-token-of-the-tests"}


@dataclass
class Clock:
    """Time as a value; both clocks move together."""

    at: datetime = MOMENT

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


# ── What Alertmanager sends ────────────────────────────────────────────────────────────────────────────────────────


def fingerprint(name: str) -> str:
    """Some fingerprint of an alert that no Alertmanager has."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def one(
    name: str,
    *,
    starts: datetime = MOMENT,
    ends: datetime | None = None,
    severity: str = "critical",
    annotations: dict[str, str] | None = None,
    **labels: str,
) -> dict[str, Any]:
    """One alert of a notification; it has ended when ``ends`` is given."""
    return {
        "status": "firing" if ends is None else "resolved",
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"{name} happens"} if annotations is None else annotations,
        "startsAt": starts.isoformat().replace("+00:00", "Z"),
        "endsAt": "0001-01-01T00:00:00Z" if ends is None else ends.isoformat().replace("+00:00", "Z"),
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": fingerprint(name),
    }


def webhook(*alerts: dict[str, Any], external_url: str = "http://alertmanager:9093", **more: Any) -> dict[str, Any]:
    """A notification, version 4."""
    return {
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "mcp",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": external_url,
        "alerts": list(alerts), **more,
    }  # fmt: skip


# ── Clients ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Answer:
    """What a tool said."""

    is_error: bool
    data: dict[str, Any]
    text: str

    def good(self) -> dict[str, Any]:
        """The data, when there was no error."""
        assert not self.is_error, self.text
        return self.data


def with_client(url: str, token: str, act: Callable[[Client], Any], *, mode: str = "auto") -> Any:
    """Do something with a connected MCP client."""

    async def run() -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False, verify=False) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
        ):
            return await act(client)

    return asyncio.run(run())


def ask(url: str, token: str, tool: str, *, mode: str = "auto", **arguments: Any) -> Answer:
    """Call one tool as a real client."""

    async def act(client: Client) -> Answer:
        result = await client.call_tool(tool, arguments)
        text = "".join(getattr(each, "text", "") for each in result.content)
        return Answer(bool(result.is_error), result.structured_content or {}, text)

    answer: Answer = with_client(url, token, act, mode=mode)
    return answer


def send(url: str, notification: Any, token: str = TOKENS[POST]) -> httpx.Response:
    """POST /alerts."""
    body = notification if isinstance(notification, bytes | str) else json.dumps(notification)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return HTTP.post(f"{url}/alerts", content=body, headers=headers)


def metric(url: str, name: str) -> float | None:
    """One sample of /metrics, with its labels as they are written there; None where there is none."""
    for line in daemon.get(f"{url}/metrics").splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[-1])
    return None


# ── The service ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Inbox:
    """A service in a thread of this process, on a real port. ``service`` may be looked at, never used from here."""

    url: str
    service: Service
    directory: Path
    loop: asyncio.AbstractEventLoop

    def send(self, *alerts: dict[str, Any], **more: Any) -> None:
        """A notification that is taken."""
        reply = send(self.url, webhook(*alerts, **more))
        assert reply.status_code == 200, reply.text

    def ask(self, tool: str, scope: str = WRITE, **arguments: Any) -> Answer:
        """A tool, by a token with that scope."""
        return ask(self.url, TOKENS[scope], tool, **arguments)

    def run(self, act: Callable[[], Any]) -> Any:
        """Something of the service's, in its loop: one turn of what it does by the clock."""
        return asyncio.run_coroutine_threadsafe(act(), self.loop).result(60)


def add_tokens(directory: Path) -> None:
    """The three tokens of ``TOKENS``."""
    store = Store.open(directory)
    try:
        for scope, token in TOKENS.items():
            scopes = frozenset({scope, READ}) if scope == WRITE else frozenset({scope})
            store.set_token({READ: "reader", WRITE: "writer", POST: "poster"}[scope], digest(token), scopes, MOMENT)
    finally:
        store.close()


@contextmanager
def inbox(
    directory: Path, *, alertmanagers: Sequence[str] = (), outside: Outside | None = None, clock: Clock | None = None
) -> Iterator[Inbox]:
    """A running service."""
    add_tokens(directory)
    store = Store.open(directory)
    clocks = {} if clock is None else {"now": clock.now, "monotonic": clock.monotonic}
    service = Service(store, Alertmanagers(alertmanagers), outside=outside, **clocks)  # type: ignore[arg-type]
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(application(service, allowed_hosts=OWN_NAMES), log_config=None, access_log=False, ws="none")
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve([listener])), daemon=True)
    thread.start()
    try:
        daemon.until(lambda: server.started, "the service in this process")
        yield Inbox(f"http://127.0.0.1:{listener.getsockname()[1]}", service, directory, loop)
    finally:
        server.should_exit = True
        thread.join(30)
        loop.close()
        listener.close()
        store.close()


@dataclass
class Process:
    """The service as a process of its own, which can be killed and started again on the same port."""

    directory: Path
    port: int
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin; ``up`` waits until it answers."""
        log = self.directory.with_name("service.log")
        argv = [PROGRAM, "alerts", "serve", "--listen", f"127.0.0.1:{self.port}", "--data", str(self.directory)]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*argv, *self.arguments], stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self.directory.parent,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(self.directory.parent)},
            )  # fmt: skip

    def up(self) -> None:
        """Wait until it answers."""

        def look() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                text = self.directory.with_name("service.log").read_text()
                raise AssertionError(f"the service ended with {self.process.returncode}:\n{text[-2000:]}")
            return daemon.answers(f"{self.url}/healthz")

        daemon.until(look, f"the service at {self.url}")

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def process(directory: Path, *arguments: str) -> Iterator[Process]:
    """A service that runs; killed at the end."""
    add_tokens(directory)
    made = Process(directory, daemon.free_port(), arguments)
    made.start()
    try:
        made.up()
        yield made
    finally:
        made.kill()


# ── Real Alertmanagers ─────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def alertmanagers(directory: Path, webhook_url: str, *, count: int = 1, quick: bool = True) -> Iterator[list[str]]:
    """One, or a cluster of them, that sends to ``webhook_url``; their addresses."""
    directory.mkdir(parents=True, exist_ok=True)
    token = directory / "token"
    token.write_text(TOKENS[POST])
    hook = {
        "url": webhook_url, "send_resolved": True, "max_alerts": 50,
        "http_config": {"authorization": {"credentials_file": str(token)}},
    }  # fmt: skip
    waits = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"} if quick else {}
    route = {"receiver": "mcp", "group_by": ["alertname"], **waits}
    config = {"route": route, "receivers": [{"name": "mcp", "webhook_configs": [hook]}]}
    file = directory / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    with ExitStack() as stack:
        yield start_alertmanagers(stack, directory, file, count)


def start_alertmanagers(
    stack: ExitStack, directory: Path, file: Path, count: int, *, port: int | None = None
) -> list[str]:
    """Members of one cluster with this configuration."""
    gossip = [daemon.free_port() for _ in range(count)]
    urls = []
    for number in range(count):
        home = directory / f"alertmanager-{number}"
        home.mkdir()
        at = port or daemon.free_port()
        cluster = ["--cluster.listen-address="]
        if count > 1:
            cluster = [
                f"--cluster.listen-address=127.0.0.1:{gossip[number]}", "--cluster.settle-timeout=1s",
                "--cluster.gossip-interval=50ms", "--cluster.peer-timeout=300ms",
                *(f"--cluster.peer=127.0.0.1:{other}" for other in gossip if other != gossip[number]),
            ]  # fmt: skip
        argv = [
            debian.binary("prometheus-alertmanager"), f"--config.file={file}", f"--storage.path={home}",
            f"--web.listen-address=127.0.0.1:{at}", *cluster,
        ]  # fmt: skip
        stack.enter_context(daemon.running(argv, f"http://127.0.0.1:{at}/-/ready", home))
        urls.append(f"http://127.0.0.1:{at}")
    return urls


def report(urls: Sequence[str], name: str, *, starts: datetime, ends: datetime, **labels: str) -> None:
    """What a Prometheus tells every member: the alert is there from then to then."""
    document = [{
        "labels": {"alertname": name, "severity": "critical", **labels}, "annotations": {"summary": f"{name} happens"},
        "startsAt": starts.isoformat(), "endsAt": ends.isoformat(),
    }]  # fmt: skip
    for url in urls:
        HTTP.post(f"{url}/api/v2/alerts", json=document).raise_for_status()


def amtool(url: str, *arguments: str) -> list[dict[str, Any]]:
    """What amtool says, as JSON."""
    argv = [debian.binary("amtool"), f"--alertmanager.url={url}", "--output=json", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
