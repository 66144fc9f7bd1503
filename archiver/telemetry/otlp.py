"""The same metrics to an OpenTelemetry collector: OTLP over gRPC (its port 4317), or over HTTP with JSON (4318)."""

import os
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx

from archiver.telemetry.metrics import HELP, Labels, Series

GRPC_PORT: Final = 4317
EXPORT: Final = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

OtlpProtocol = Literal["grpc", "http"]


class NotSent(Exception):
    """The collector did not take the metrics: a warning, never a failure."""


def protocol_of(url: str) -> OtlpProtocol:
    """What the collector's usual ports say: gRPC at 4317, HTTP everywhere else."""
    return "grpc" if urlsplit(url).port == GRPC_PORT else "http"


def send(
    url: str,
    series: Series,
    *,
    at: datetime,
    headers: Mapping[str, str],
    timeout_s: float,
    protocol: OtlpProtocol | None = None,
) -> None:
    """Send all series once.

    Args:
        url: Of the collector, ``http://127.0.0.1:4317``; over HTTP ``/v1/metrics`` is appended. With ``https`` the
            connection is a TLS connection in both.
        at: Stands on every point.
        headers: gRPC's metadata, or the request's headers.
        protocol: None: as the port says.

    Raises:
        NotSent: It was refused, or not all of it taken, or nobody answered.
    """
    if (protocol or protocol_of(url)) == "grpc":
        refused = _over_grpc(url, payload(series, at), headers, timeout_s)
    else:
        refused = _over_http(url, payload(series, at), headers, timeout_s)
    if refused:
        raise NotSent(f"{url}: the collector refused {refused} points of the metrics")


def _over_http(url: str, body: dict[str, Any], headers: Mapping[str, str], timeout_s: float) -> int:
    address = f"{url.rstrip('/')}/v1/metrics"
    try:
        with httpx.Client(timeout=timeout_s, trust_env=False) as client:
            answer = client.post(address, json=body, headers=dict(headers)).raise_for_status()
    except httpx.HTTPStatusError as problem:
        raise NotSent(f"{address}: the metrics were answered {problem.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise NotSent(f"{address}: the metrics did not arrive ({type(problem).__name__})") from None
    try:
        return int(answer.json().get("partialSuccess", {}).get("rejectedDataPoints", 0))
    except (ValueError, AttributeError, TypeError):
        # Whoever answers in another form took it: the status says so.
        return 0


def _over_grpc(url: str, body: dict[str, Any], headers: Mapping[str, str], timeout_s: float) -> int:
    # It would write lines of its own to stderr, where a run in cron says each failure in one; decided at its import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Their import takes a tenth of a second, which only who sends this way should pay.
    import grpc  # noqa: PLC0415
    from google.protobuf.json_format import ParseDict  # noqa: PLC0415
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service  # noqa: PLC0415

    parts = urlsplit(url)
    # As over HTTP, no proxy of the environment stands between this machine and its collector.
    options = (("grpc.enable_http_proxy", 0),)
    target = parts.netloc if parts.port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"
    if parts.scheme == "https":
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
    else:
        channel = grpc.insecure_channel(target, options)
    request = ParseDict(body, service.ExportMetricsServiceRequest())
    with channel:
        export = channel.unary_unary(
            EXPORT,
            request_serializer=service.ExportMetricsServiceRequest.SerializeToString,
            response_deserializer=service.ExportMetricsServiceResponse.FromString,
        )
        try:
            answer = export(request, timeout=timeout_s, metadata=tuple(headers.items()))
        except grpc.RpcError as problem:
            raise NotSent(f"{url}: the metrics were answered {problem.code().name} over gRPC") from None
    return int(answer.partial_success.rejected_data_points)


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
