"""Pings, alerts and OTLP, against whoever listens: a local server, and a real Alertmanager."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

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


class Collector(metrics_service_pb2_grpc.MetricsServiceServicer):  # type: ignore[misc]
    """Takes metrics as the collector's receiver does, behind a token as ours may ask for one."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.rejects = 0
        self.sleep_s = 0.0

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's own name
        if dict(context.invocation_metadata()).get("x-otlp-token") != "t":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
        time.sleep(self.sleep_s)
        self.requests.append(request)
        answer = metrics_service_pb2.ExportMetricsServiceResponse()
        answer.partial_success.rejected_data_points = self.rejects
        return answer


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    server, made = grpc.server(ThreadPoolExecutor(1)), Collector()
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


SERIES: "Series" = {
    ("archiver_ledger_head_sequence", ()): 7.0,
    ("archiver_overdue_rows", (("dataset", "logs"),)): 3.0,
}
TOKEN = {"x-otlp-token": "t"}


def test_the_collector_gets_the_same_over_grpc(collector: tuple[Collector, str]) -> None:
    made, url = collector
    otlp.send(url, SERIES, at=NOW, headers=TOKEN, timeout_s=30, protocol="grpc")
    (request,) = made.requests
    (of_all,) = request.resource_metrics
    assert of_all.resource.attributes[0].value.string_value == "archiver"
    found = {}
    for metric in of_all.scope_metrics[0].metrics:
        (point,) = metric.gauge.data_points
        labels = tuple((one.key, one.value.string_value) for one in point.attributes)
        found[metric.name, labels] = point.as_double
        assert point.time_unix_nano == int(NOW.timestamp() * 1_000_000) * 1000
    assert found == SERIES


def test_what_the_collector_refuses_over_grpc_is_said(collector: tuple[Collector, str]) -> None:
    made, url = collector
    with pytest.raises(otlp.NotSent, match="answered UNAUTHENTICATED over gRPC"):
        otlp.send(url, SERIES, at=NOW, headers={}, timeout_s=30, protocol="grpc")
    made.rejects = 1
    with pytest.raises(otlp.NotSent, match="refused 1 points"):
        otlp.send(url, SERIES, at=NOW, headers=TOKEN, timeout_s=30, protocol="grpc")
    made.sleep_s = 1
    with pytest.raises(otlp.NotSent, match="answered DEADLINE_EXCEEDED"):
        otlp.send(url, SERIES, at=NOW, headers=TOKEN, timeout_s=0.1, protocol="grpc")
    with pytest.raises(otlp.NotSent, match="answered UNAVAILABLE"):
        otlp.send(f"http://127.0.0.1:{free_port()}", SERIES, at=NOW, headers={}, timeout_s=5, protocol="grpc")


def test_what_is_to_go_over_tls_goes_in_no_other_way(collector: tuple[Collector, str]) -> None:
    made, url = collector
    with pytest.raises(otlp.NotSent, match="answered UNAVAILABLE"):
        otlp.send(url.replace("http", "https"), SERIES, at=NOW, headers=TOKEN, timeout_s=30, protocol="grpc")
    assert made.requests == []


def test_a_collector_that_speaks_no_tls_is_told_in_one_line_and_by_us_alone() -> None:
    """Lines of gRPC's own would stand in cron's mail."""
    with listening() as plain:
        script = (
            "from datetime import datetime, UTC; from archiver.telemetry import otlp\n"
            f"try: otlp.send('{plain.url.replace('http', 'https')}', {SERIES!r}, at=datetime.now(UTC), headers={{}},"
            " timeout_s=30, protocol='grpc')\n"
            "except otlp.NotSent as problem: print(problem)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_what_the_collector_refuses_over_http_is_said() -> None:
    with listening() as listener:
        listener.body = b'{"partialSuccess": {"rejectedDataPoints": "2"}}'
        with pytest.raises(otlp.NotSent, match="refused 2 points"):
            otlp.send(listener.url, SERIES, at=NOW, headers={}, timeout_s=5)
        listener.body = b'["thank you"]'
        otlp.send(listener.url, SERIES, at=NOW, headers={}, timeout_s=5)


@pytest.mark.parametrize(
    ("url", "protocol"),
    [("http://127.0.0.1:4317", "grpc"), ("http://127.0.0.1:4318", "http"), ("https://collector.example", "http")],
)
def test_the_port_says_which_protocol_is_spoken(url: str, protocol: str) -> None:
    assert otlp.protocol_of(url) == protocol
