"""The same metrics to an OpenTelemetry collector: OTLP over HTTP with JSON, which needs no package of its own.

The collector's port for it is 4318; 4317 is gRPC and is not spoken here.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from archiver.telemetry.metrics import HELP, Labels, Series


class NotSent(Exception):
    """The collector did not take the metrics: a warning, never a failure."""


def send(url: str, series: Series, *, at: datetime, headers: Mapping[str, str], timeout_s: float) -> None:
    """Send all series once.

    Args:
        url: Of the collector, ``http://127.0.0.1:4318``; ``/v1/metrics`` is appended.
        at: Stands on every point.

    Raises:
        NotSent: It was refused, or nobody answered.
    """
    address = f"{url.rstrip('/')}/v1/metrics"
    try:
        with httpx.Client(timeout=timeout_s, trust_env=False) as client:
            client.post(address, json=payload(series, at), headers=dict(headers)).raise_for_status()
    except httpx.HTTPStatusError as problem:
        raise NotSent(f"{address}: the metrics were answered {problem.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise NotSent(f"{address}: the metrics did not arrive ({type(problem).__name__})") from None


def payload(series: Series, at: datetime) -> dict[str, Any]:
    """An ``ExportMetricsServiceRequest`` as protobuf's JSON mapping has it: 64-bit integers are strings."""
    nanoseconds = str(int(at.timestamp() * 1_000_000) * 1000)
    points: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (name, labels), value in sorted(series.items()):
        points[name].append({"timeUnixNano": nanoseconds, "asDouble": float(value), "attributes": _attributes(labels)})
    metrics = [
        {"name": name, "description": HELP[name], "gauge": {"dataPoints": points[name]}}
        for name in HELP
        if name in points
    ]
    resource = {"attributes": _attributes((("service.name", "archiver"),))}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}


def _attributes(labels: Labels) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in labels]
