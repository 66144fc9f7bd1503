"""``[ping]``, ``[metrics]``, ``[health]``: who hears of a run, and of what is wrong."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, SecretStr, field_validator

from archiver.section import Duration, Section, web_address


class PingSettings(Section):
    """Who is told that a nightly run began and ended, so that somebody complains when none does."""

    url: SecretStr | None = Field(
        None, description="https://hc-ping.com/<uuid>, or Uptime Kuma's push address. Whoever knows it can fake a ping."
    )
    style: Literal["healthchecks", "uptime-kuma"] = Field(
        "healthchecks", description="What the service is: healthchecks (its manner is widely spoken) or uptime-kuma."
    )
    timeout_s: PositiveFloat = Field(10.0, description="A ping that takes longer is a warning, never a failure.")


class MetricsSettings(Section):
    """Where the metrics of a nightly run go. docs/metrics.md names them."""

    textfile: Path | None = Field(
        None,
        description="For the node exporter's textfile collector: archiver.prom in its directory, on Debian"
        " /var/lib/prometheus/node-exporter/archiver.prom. Unset: not written.",
    )
    otlp_url: str | None = Field(
        None,
        description="An OpenTelemetry collector's address for OTLP over HTTP, http://127.0.0.1:4318. Unset: not sent.",
    )
    otlp_token: SecretStr | None = Field(None, description="Sent as x-otlp-token, where the collector asks for one.")
    timeout_s: PositiveFloat = Field(10.0, description="A collector that takes longer is a warning, never a failure.")

    @field_validator("otlp_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and re.match(r"(?:grpc://|[^/]*//[^/]*:4317(?:/|$))", value):
            raise ValueError(
                "is a collector's gRPC address; OTLP is spoken over HTTP here: name its HTTP port, as a rule 4318"
            )
        return web_address(value)


class HealthSettings(Section):
    """What `archiver health` looks at, and who hears of it."""

    app_url: str | None = Field(None, description="The application's own health page. Unset: not asked.")
    expect_status: int = Field(200, ge=100, le=599, description="What it must answer.")
    timeout_s: PositiveFloat = Field(10.0, description="For each question.")
    nightly_max_age: Duration = Field(
        timedelta(hours=26), description="A nightly run that was last green longer ago is an alert."
    )
    alertmanager_url: str | None = Field(
        None, description="Alertmanager's address, http://127.0.0.1:9093: alerts go to its API."
    )
    webhook_url: str | None = Field(
        None,
        description="Who takes Alertmanager's webhook, http://backend-mcp-alerts:8080/alerts. Used where Alertmanager"
        " is not set or does not answer.",
    )

    @field_validator("app_url", "alertmanager_url", "webhook_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        return web_address(value)
