"""What the network sees: who is let in, what is taken, what is refused and how."""

from __future__ import annotations

import json
import logging
import socket
import sqlite3
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from archiver.alerts import server
from archiver.alerts.database import FILE
from archiver.alerts.payload import BODY_BYTES_MAX
from archiver.alerts.server import listen
from archiver.alerts.store import Store
from archiver.alerts.tokens import POST, READ, WRITE, digest, new
from archiver.errors import ConfigError
from tests.support import daemon
from tests.support.alerts import HTTP, TOKENS, Clock, Inbox, fingerprint, inbox, metric, one, send, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    with inbox(tmp_path_factory.mktemp("alerts") / "data", clock=Clock()) as made:
        yield made


def refused(box: Inbox) -> int:
    names = ("unauthorised", "invalid", "too_large", "unavailable")
    return int(sum(metric(box.url, f'mcp_alerts_notifications_total{{outcome="{name}"}}') or 0 for name in names))


@pytest.mark.parametrize(
    ("token", "status"), [("", 401), ("wrong", 401), (TOKENS[READ], 403), (TOKENS[WRITE], 403), (TOKENS[POST], 200)]
)
def test_who_may_post(box: Inbox, token: str, status: int) -> None:
    before = refused(box)
    reply = send(box.url, webhook(one("Who")), token)
    assert reply.status_code == status, reply.text
    assert refused(box) == before + (status != 200)
    if status == 401:
        assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert TOKENS[POST] not in reply.text


def test_another_kind_of_authorization_is_none(box: Inbox) -> None:
    reply = HTTP.post(f"{box.url}/alerts", json=webhook(), auth=("user", TOKENS[POST]))
    assert reply.status_code == 401


GOOD = one("Shape")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", b"{}", b"[]", b"null", b"\xff\xfe", b'{"version":"4"}', b'{"version":"4","alerts":{}}',
        json.dumps(webhook(GOOD))[:-20].encode(),
        json.dumps(webhook(GOOD, version="3")).encode(),
        *(json.dumps(webhook({**GOOD, **wrong})).encode() for wrong in (
            {"status": "melting"}, {"startsAt": "yesterday"}, {"startsAt": "2026-11-29T06:00:00"}, {"labels": {"a": 1}},
            {"labels": ["alertname"]}, {"fingerprint": "../../etc"}, {"fingerprint": ""}, {"endsAt": "SECRET-OF-THE-BODY"},
        )),
        json.dumps(webhook({"SECRET-OF-THE-BODY": 1})).encode(),
    ],
)  # fmt: skip
def test_what_is_no_webhook_of_version_4(box: Inbox, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        reply = send(box.url, body)
    assert reply.status_code == 400, reply.text
    assert "SECRET" not in reply.text + caplog.text
    assert "no webhook of version 4" in caplog.text
    assert box.ask("list_alerts", status="all").good()["alerts"] == [] or "Shape" not in str(
        box.ask("list_alerts", status="all").good()
    )


def test_too_large(box: Inbox) -> None:
    assert send(box.url, b" " * (BODY_BYTES_MAX + 1)).status_code == 413

    def pieces() -> Iterator[bytes]:  # without a length
        for _ in range(BODY_BYTES_MAX // 65536 + 2):
            yield b" " * 65536

    headers = {"Authorization": f"Bearer {TOKENS[POST]}"}
    try:
        reply = HTTP.post(f"{box.url}/alerts", content=pieces(), headers=headers)
        assert reply.status_code == 413
    except httpx.TransportError:
        pass  # answered and closed while we were still sending
    assert (metric(box.url, 'mcp_alerts_notifications_total{outcome="too_large"}') or 0) >= 2


def test_just_not_too_large(box: Inbox) -> None:
    big = one("Big", annotations={"text": "x" * (BODY_BYTES_MAX - 2000)})
    assert send(box.url, webhook(big)).status_code == 200


@pytest.mark.parametrize("path", ["/mcp", "/alerts", "/metrics", "/healthz"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""])
def test_a_foreign_host_header_gets_nothing(box: Inbox, path: str, host: str) -> None:
    headers = {"Host": host, "Authorization": f"Bearer {TOKENS[POST]}"}
    reply = HTTP.request("POST" if path in ("/mcp", "/alerts") else "GET", box.url + path, headers=headers)
    assert reply.status_code in (421, 400)


@pytest.mark.parametrize("host", ["localhost:1", "backend-mcp-alerts:8080", "backend-mcp-alerts", "LOCALHOST"])
def test_its_own_names(box: Inbox, host: str) -> None:
    assert HTTP.get(f"{box.url}/healthz", headers={"Host": host}).status_code == 200


def test_a_foreign_origin_is_refused(box: Inbox) -> None:
    headers = {
        "Origin": "http://evil.example", "Authorization": f"Bearer {TOKENS[READ]}",
        "Accept": "application/json, text/event-stream",
    }  # fmt: skip
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert HTTP.post(f"{box.url}/mcp", json=body, headers=headers).status_code == 403


@pytest.mark.parametrize(("token", "status"), [("", 401), ("wrong", 401), (TOKENS[POST], 403)])
def test_who_may_not_ask(box: Inbox, token: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    assert HTTP.post(f"{box.url}/mcp", json={}, headers=headers).status_code == status


def test_a_token_counts_at_once_and_no_longer_than_it_may(box: Inbox) -> None:
    token = new()
    assert send(box.url, webhook(), token).status_code == 401
    other = Store.open(box.directory)
    other.add_token("late", digest(token), frozenset({POST}), box.service.now())
    assert send(box.url, webhook(), token).status_code == 200
    assert other.remove_token("late")
    assert send(box.url, webhook(), token).status_code == 401
    other.add_token("brief", digest(token), frozenset({POST}), box.service.now(), expires_at=box.service.now())
    assert send(box.url, webhook(), token).status_code == 401
    other.close()


def test_busy_is_503_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archiver.alerts.database.BUSY_S", 0.2)
    with inbox(tmp_path / "data") as box:
        other = sqlite3.connect(tmp_path / "data" / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        reply = send(box.url, webhook(one("Down")))
        assert reply.status_code == 503
        assert reply.headers["Retry-After"]
        assert daemon.answers(f"{box.url}/healthz"), "it can be read"
        other.execute("ROLLBACK")
        other.close()
        assert send(box.url, webhook(one("Down"))).status_code == 200
        events = box.ask("alert_history", fingerprint=fingerprint("Down")).good()["events"]
        assert [each["kind"] for each in events] == ["firing"]


def test_while_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is kept open must not be told that all is well."""
    true = server.application

    def stopping(service: Any, **options: Any) -> Any:
        return true(service, **{**options, "is_stopping": lambda: True})

    monkeypatch.setattr("tests.support.alerts.application", stopping)
    with inbox(tmp_path / "data") as box:
        assert send(box.url, webhook(one("Down"))).status_code == 503
        assert HTTP.get(f"{box.url}/healthz").status_code == 503
        assert box.ask("list_alerts").good()["total"] == 0


def test_metrics(box: Inbox) -> None:
    send(box.url, webhook(one("Slow", severity="warning"), one("Odd", severity='x"} 1\nevil 2')))
    page = daemon.get(f"{box.url}/metrics")
    assert "evil" not in page
    assert "Slow" not in page, "no label of an alert"
    assert (metric(box.url, 'mcp_alerts_firing{severity="warning"}') or 0) >= 1
    assert (metric(box.url, 'mcp_alerts_firing{severity="other"}') or 0) >= 1
    assert metric(box.url, "mcp_alerts_retention_seconds") == 30 * 86400
    assert metric(box.url, "mcp_alerts_oldest_event_timestamp_seconds") == box.service.now().timestamp()
    assert metric(box.url, "mcp_alerts_alertmanager_up") is None, "none is configured"


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ConfigError, match="cannot listen there"):
        listen("192.0.2.1", 8080)
    with pytest.raises(ConfigError, match="cannot listen there"):
        listen("no-such-host.invalid", 8080)
