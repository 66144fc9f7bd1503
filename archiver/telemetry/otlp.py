"""The same metrics to an OpenTelemetry collector, once: OTLP over HTTP, by OpenTelemetry's own exporter.

What ``OTEL_EXPORTER_OTLP_…`` says beyond address, headers and time-out (a certificate, compression) counts here as in
every program that uses it. This takes a third of a second to import: only who sends this way imports it.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from archiver.telemetry.metrics import HELP, Series

SERVICE: Final = "archiver"
TAKEN: Final = range(200, 300)


class NotSent(Exception):
    """The collector did not take the metrics: a warning, never a failure."""


def send(url: str, series: Series, *, at: datetime, headers: Mapping[str, str], timeout_s: float) -> None:
    """Send all series.

    Args:
        url: Of the collector, ``http://127.0.0.1:4318``; ``/v1/metrics`` is appended.
        at: Stands on every point.
        timeout_s: For all attempts together: the exporter asks again after 429, 502, 503, 504 and a lost connection.

    Raises:
        NotSent: It was refused, or not all of it taken, or nobody answered.
    """
    address = f"{url.rstrip('/')}/v1/metrics"
    with _Session() as session, _silent():
        exporter = OTLPMetricExporter(address, headers=headers, timeout=timeout_s, session=session)
        result = exporter.export(metrics_data(series, at))
    match session.outcome:
        case requests.Response() as answer if result is MetricExportResult.SUCCESS and answer.status_code in TAKEN:
            if refused := _points_refused(answer.content):
                raise NotSent(f"{address}: the collector refused {refused} points of the metrics")
        case requests.Response() as answer:
            # The exporter takes a redirect for success, such as the one to a page for signing in.
            raise NotSent(f"{address}: the metrics were answered {answer.status_code}")
        case problem:
            raise NotSent(f"{address}: the metrics did not arrive ({type(problem).__name__})")


class _Session(requests.Session):
    """Remembers how the last request ended, which the exporter only logs. No proxy of the environment is used."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.outcome: requests.Response | Exception | None = None

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            answer = super().request(*args, **kwargs)
        except Exception as problem:
            self.outcome = problem
            raise
        self.outcome = answer
        return answer


@contextmanager
def _silent() -> Iterator[None]:
    """Without the exporter's own lines on stderr, which is cron's mail."""
    logger = logging.getLogger("opentelemetry.exporter")
    handler, propagated = logging.NullHandler(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


def metrics_data(series: Series, at: datetime) -> MetricsData:
    """All series as gauges of the resource ``service.name="archiver"``, in the order of ``HELP``."""
    nanoseconds = int(at.timestamp() * 1_000_000) * 1000
    points: dict[str, list[NumberDataPoint]] = {}
    for (name, labels), value in sorted(series.items()):
        point = NumberDataPoint(
            attributes=dict(labels), start_time_unix_nano=0, time_unix_nano=nanoseconds, value=float(value)
        )
        points.setdefault(name, []).append(point)
    metrics = [
        Metric(name=name, description=meaning, unit="", data=Gauge(data_points=points[name]))
        for name, meaning in HELP.items()
        if name in points
    ]
    scope = ScopeMetrics(scope=InstrumentationScope(SERVICE), metrics=metrics, schema_url="")
    resource = Resource({SERVICE_NAME: SERVICE})
    return MetricsData([ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")])


def _points_refused(body: bytes) -> int:
    """What an answer of 200 counts as rejected; the exporter does not look."""
    try:
        return int(ExportMetricsServiceResponse.FromString(body).partial_success.rejected_data_points)
    except DecodeError:
        # Whoever answers in another form took it: the status says so.
        return 0
