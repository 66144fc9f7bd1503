"""Pings, alerts and OTLP, against whoever listens: a local server, and a real Alertmanager."""

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service

from archiver.telemetry import alert, otlp
from archiver.telemetry.alert import Alert, AlertNotSent
from archiver.telemetry.metrics import HELP
from archiver.telemetry.ping import Pinger, PingFailed
from archiver.telemetry.settings import MetricsSettings
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


SERIES: "Series" = {
    ("archiver_ledger_head_sequence", ()): 7.0,
    ("archiver_overdue_rows", (("dataset", "logs"), ("place", "source"))): 3.0,
}


def test_the_collector_gets_the_metrics_with_its_token() -> None:
    with listening() as collector:
        otlp.send(collector.url, SERIES, at=NOW, headers={"x-otlp-token": "t"}, timeout_s=5)
    ((method, path, _),) = collector.heard
    assert (method, path, collector.headers[0]["x-otlp-token"]) == ("POST", "/v1/metrics", "t")
    (of_all,) = service.ExportMetricsServiceRequest.FromString(collector.bodies[0]).resource_metrics
    assert [(one.key, one.value.string_value) for one in of_all.resource.attributes] == [("service.name", "archiver")]
    found = {}
    for metric in of_all.scope_metrics[0].metrics:
        assert metric.description == HELP[metric.name]
        (point,) = metric.gauge.data_points
        labels = tuple((one.key, one.value.string_value) for one in point.attributes)
        found[metric.name, labels] = point.as_double
        assert point.time_unix_nano == int(NOW.timestamp() * 1_000_000) * 1000
    assert found == SERIES


@pytest.mark.parametrize("status", [302, 304, 400, 401, 500])
def test_what_the_collector_refuses_is_said(status: int) -> None:
    with listening() as collector:
        collector.status = status
        with pytest.raises(otlp.NotSent, match=f"/v1/metrics: the metrics were answered {status}$"):
            otlp.send(collector.url, SERIES, at=NOW, headers={}, timeout_s=5)
        assert len(collector.heard) == 1


def test_a_collector_that_is_busy_is_asked_again_and_not_for_ever() -> None:
    with listening() as collector:
        collector.status = 503
        with pytest.raises(otlp.NotSent, match="answered 503"):
            otlp.send(collector.url, SERIES, at=NOW, headers={}, timeout_s=3)
        assert len(collector.heard) in {2, 3}


def test_points_that_the_collector_refuses_are_counted() -> None:
    answer = service.ExportMetricsServiceResponse()
    with listening() as collector:
        answer.partial_success.error_message = "a remark"
        collector.body = answer.SerializeToString()
        otlp.send(collector.url, SERIES, at=NOW, headers={}, timeout_s=5)
        answer.partial_success.rejected_data_points = 2
        collector.body = answer.SerializeToString()
        with pytest.raises(otlp.NotSent, match="refused 2 points"):
            otlp.send(collector.url, SERIES, at=NOW, headers={}, timeout_s=5)
        collector.body = b'["thank you"]'
        otlp.send(collector.url, SERIES, at=NOW, headers={}, timeout_s=5)


def test_a_collector_that_is_away_is_told_by_us_alone(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of the exporter's own would stand in cron's mail, and a proxy's answer is not the collector's."""
    with listening() as plain:
        monkeypatch.setenv("http_proxy", plain.url)
        with pytest.raises(otlp.NotSent, match=r"did not arrive \(SSLError\)"):
            otlp.send(plain.url.replace("http", "https"), SERIES, at=NOW, headers={}, timeout_s=0.5)
        plain.heard.clear()
        with pytest.raises(otlp.NotSent, match=r"did not arrive \(ConnectionError\)"):
            otlp.send(f"http://127.0.0.1:{free_port()}", SERIES, at=NOW, headers={}, timeout_s=0.5)
        assert plain.heard == []
    with pytest.raises(otlp.NotSent, match=r"did not arrive \(InvalidURL\)"):
        otlp.send("http://[bad", SERIES, at=NOW, headers={}, timeout_s=5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:4317", "https://collector.example:4317/", "grpc://127.0.0.1:14317"])
def test_a_grpc_address_is_refused_with_what_to_name_instead(url: str) -> None:
    with pytest.raises(
        ValueError, match="gRPC address; OTLP is spoken over HTTP here: name its HTTP port, as a rule 4318"
    ):
        MetricsSettings(otlp_url=url)
    assert MetricsSettings(otlp_url="http://127.0.0.1:4318").otlp_url == "http://127.0.0.1:4318"
