"""Pings, alerts and OTLP, against whoever listens: a local server, and a real Alertmanager."""

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from archiver.telemetry import alert, otlp
from archiver.telemetry.alert import Alert, AlertNotSent
from archiver.telemetry.ping import Pinger, PingFailed
from tests.support.daemon import free_port
from tests.support.listener import listening
from tests.support.stack_servers import alertmanager

if TYPE_CHECKING:
    from archiver.telemetry.metrics import Series

NOW = datetime.now(UTC)
ALERT = Alert(
    name="AppHealthCheckFailed", labels={"severity": "critical", "component": "app"}, summary="It does not answer",
    description="answered 503", began_at=NOW,
)  # fmt: skip


@pytest.mark.parametrize(("exit_status", "path"), [(0, "/uuid/0"), (4, "/uuid/4")])
def test_healthchecks_hears_of_start_and_end(exit_status: int, path: str) -> None:
    with listening() as service:
        pinger = Pinger(f"{service.url}/uuid", "healthchecks", timeout_s=5)
        pinger.started()
        pinger.ended(exit_status, "run.ended exit=0", duration_s=2)
        assert service.heard == [("POST", "/uuid/start", ""), ("POST", path, "run.ended exit=0")]


def test_the_end_of_a_long_log_is_sent() -> None:
    with listening() as service:
        Pinger(service.url, "healthchecks", timeout_s=5).ended(1, "x" * 20_000 + "end", duration_s=2)
        body = service.heard[0][2]
        assert len(body) == 10_000
        assert body.endswith("end")


@pytest.mark.parametrize(("exit_status", "said"), [(0, "status=up"), (3, "status=down")])
def test_uptime_kuma_hears_of_the_end(exit_status: int, said: str) -> None:
    with listening() as service:
        pinger = Pinger(f"{service.url}/api/push/token", "uptime-kuma", timeout_s=5)
        pinger.started()
        pinger.ended(exit_status, "first\nlast line", duration_s=2)
        ((method, path, _),) = service.heard
        assert method == "GET"
        assert path.startswith(f"/api/push/token?{said}&msg=exit")
        assert path.endswith("last+line&ping=2000")


def test_a_ping_that_fails_names_no_address() -> None:
    with listening() as service:
        service.status = 404
        with pytest.raises(PingFailed, match="answered 404") as refused:
            Pinger(f"{service.url}/secret", "healthchecks", timeout_s=5).started()
    with pytest.raises(PingFailed, match="did not arrive") as gone:
        Pinger(f"{service.url}/secret", "healthchecks", timeout_s=5).started()
    assert "secret" not in f"{refused.value}{gone.value}"


def test_alertmanager_takes_an_alert_and_its_end(tmp_path: Path) -> None:
    """A real Alertmanager shows it as active, and no longer once it is over."""
    with alertmanager(tmp_path) as url:
        alert.send(ALERT, url, "alertmanager", now=NOW, is_over=False, timeout_s=5)
        (found,) = _active(url)
        assert found["labels"] == {"alertname": "AppHealthCheckFailed", "severity": "critical", "component": "app"}
        assert found["annotations"]["description"] == "answered 503"
        alert.send(ALERT, url, "alertmanager", now=datetime.now(UTC), is_over=True, timeout_s=5)
        assert _active(url) == []


def _active(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/api/v2/alerts?active=true", timeout=10) as answer:
        found: list[dict[str, Any]] = json.loads(answer.read())
    return found


def test_a_webhook_hears_what_alertmanager_would_send() -> None:
    with listening() as service:
        alert.send(ALERT, f"{service.url}/alerts", "webhook", now=NOW, is_over=False, timeout_s=5)
        alert.send(ALERT, f"{service.url}/alerts", "webhook", now=NOW, is_over=True, timeout_s=5)
        bodies = [json.loads(body) for _, path, body in service.heard if path == "/alerts"]
    assert [body["status"] for body in bodies] == ["firing", "resolved"]
    assert bodies[0]["version"] == "4"
    assert bodies[0]["alerts"][0]["labels"]["alertname"] == "AppHealthCheckFailed"


def test_an_alert_that_nobody_takes_is_an_error() -> None:
    with listening() as service:
        service.status = 500
        with pytest.raises(AlertNotSent, match="answered 500"):
            alert.send(ALERT, service.url, "webhook", now=NOW, is_over=False, timeout_s=5)
    with pytest.raises(AlertNotSent, match="did not arrive"):
        alert.send(ALERT, f"http://127.0.0.1:{free_port()}", "alertmanager", now=NOW, is_over=False, timeout_s=5)


def test_the_collector_gets_the_metrics_with_its_token() -> None:
    series: Series = {("archiver_ledger_head_sequence", ()): 7.0}
    with listening() as collector:
        otlp.send(collector.url, series, at=NOW, headers={"x-otlp-token": "t"}, timeout_s=5)
        ((_, path, body),) = collector.heard
        assert path == "/v1/metrics"
        assert (
            json.loads(body)["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["name"]
            == "archiver_ledger_head_sequence"
        )
        collector.status = 401
        with pytest.raises(otlp.NotSent, match="answered 401"):
            otlp.send(collector.url, series, at=NOW, headers={}, timeout_s=5)
