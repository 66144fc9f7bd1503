"""``[stack]``: what is looked at, and what was promised for it."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, PositiveFloat, SecretStr, field_validator, model_validator

from archiver.model import SOURCE_RETENTION
from archiver.section import Duration, Section, web_address


class AccessSettings(Section):
    """How a server of the monitoring stack is asked. Its credentials never stand in its address."""

    username: str = Field("", repr=False, description="Basic auth, with `password`.")
    password: SecretStr | None = Field(None, description="Basic auth.")
    bearer_token: SecretStr | None = Field(None, description="Sent as `Authorization: Bearer …` instead of basic auth.")
    headers: Mapping[str, SecretStr] = Field(
        default_factory=dict, description="Sent with every request, for a proxy that asks for them."
    )
    ca_file: Path | None = Field(None, description="Certificates to trust instead of the system's.")
    tls_verify: bool = Field(True, description="Off: any certificate is taken, and whoever answers is believed.")
    client_certificate_file: Path | None = Field(None, description="For a server that asks for a certificate.")
    client_key_file: Path | None = Field(None, description="Its key, unless the certificate's file holds it.")
    timeout_s: PositiveFloat = Field(10.0, description="For connecting, and between two pieces of an answer.")
    deadline_s: PositiveFloat = Field(60.0, description="For one whole answer.")

    @model_validator(mode="after")
    def _authenticates_once(self) -> "AccessSettings":
        if self.bearer_token is not None and (self.username or self.password is not None):
            raise ValueError("has a bearer_token and a username or password; a request carries only one of them")
        if self.client_key_file is not None and self.client_certificate_file is None:
            raise ValueError("client_key_file is set without client_certificate_file")
        return self


class PrometheusCheckSettings(AccessSettings):
    """What is promised for Prometheus. Its address is prometheus_url."""

    retention: Duration | None = Field(None, description="Promised. Unset: stack.retention.")
    strict: bool = Field(
        False,
        description="The promise holds for every single sample. Whole blocks are deleted, so a setting of 30d lets a"
        " sample live some 32.4 days; strictly 27d is needed. Off: a setting of the promised length is enough.",
    )
    known_copies: tuple[str, ...] = Field(
        (), description="Hosts of remote-write targets whose retention is accounted for elsewhere."
    )
    data_directory: Path | None = Field(
        None, description="--storage.tsdb.path as seen from here. Unset: blocks and snapshots are not looked at."
    )


class LokiCheckSettings(AccessSettings):
    """What is promised for Loki. Its address is loki_url."""

    retention: Duration | None = Field(None, description="Promised. Unset: stack.retention.")
    tenants: tuple[str, ...] = Field(
        (), description="Asked one by one, as X-Scope-OrgID. Empty: one tenant and no header (auth_enabled: false)."
    )
    chunk_directory: Path | None = Field(
        None, description="The filesystem store's root as seen from here. Unset: loki_store, where it is a directory."
    )
    lookback: Duration = Field(timedelta(days=400), description="How far back the oldest line is searched.")


class AlertmanagerCheckSettings(AccessSettings):
    """What is promised for Alertmanager: its silences carry names and comments of people."""

    url: str | None = Field(None, description="The deployed Alertmanager. Unset: it is not looked at.")
    retention: Duration | None = Field(None, description="Promised. Unset: stack.retention.")

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        return web_address(value)


class AlertServiceCheckSettings(AccessSettings):
    """What is promised for the alert service: it keeps labels of alerts, and notes of people."""

    url: str | None = Field(None, description="The deployed alert service. Unset: it is not looked at.")
    retention: Duration | None = Field(None, description="Promised. Unset: stack.retention.")

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        return web_address(value)


class ComposeCheckSettings(Section):
    """The compose file that the stack was started with."""

    file: Path | None = Field(
        None,
        description="It, or what `docker compose config` printed of it: that is needed where it takes variables for"
        " what is looked at, or several files. Unset: not looked at.",
    )
    retention: Duration | None = Field(None, description="Promised. Unset: stack.retention.")


class LogDirectorySettings(Section):
    """A directory that log files are written to, rotated in, and deleted from."""

    path: Path = Field(description="Looked into with all that is below it.")
    retention: Duration | None = Field(None, description="Promised. Unset: stack.retention.")
    patterns: tuple[str, ...] = Field(
        ("*",), min_length=1, description="Names of the files that hold lines; rotated and compressed ones included."
    )
    timezone: str = Field(
        "UTC", description="Of times without an offset (nginx's error log, syslog, PM2's --time): Europe/Berlin."
    )
    logrotate_files: tuple[Path, ...] = Field(
        (), description="/etc/logrotate.conf, or a directory such as /etc/logrotate.d."
    )
    pm2_configuration: Path | None = Field(
        None, description="PM2's module_conf.json, where pm2-logrotate rotates this directory."
    )

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone known here; write UTC, or install tzdata") from None
        return value

    @property
    def zone(self) -> ZoneInfo:
        """Of times without an offset."""
        return ZoneInfo(self.timezone)


class BucketCheckSettings(Section):
    """The buckets of `store` and `loki_store`."""

    enabled: bool = Field(True, description="Off: they are not looked at.")
    retention: Duration | None = Field(
        None, description="How long a deleted object may live on as an old version. Unset: stack.retention."
    )


class SupabaseCheckSettings(Section):
    """The database behind SUPABASE_DB_URL, and its backups."""

    enabled: bool = Field(True, description="Off: it is not looked at.")
    retention: Duration | None = Field(
        None, description="How long a deleted row may live on in a backup. Unset: stack.retention."
    )
    plan: Literal["", "free", "pro", "team", "enterprise"] = Field(
        "", description="The project's plan, which decides how long daily backups are kept; no database tells it."
    )
    recovery_period: Duration | None = Field(
        None, description="Of point-in-time recovery, where it was bought: 7d, 14d, 28d."
    )
    jobs: tuple[Literal["archiver-watch", "archiver-ask", "archiver-trim"], ...] = Field(
        (), description="archiver's own jobs of pg_cron that must be there; one that is there is looked at in any case."
    )


class StackSettings(Section):
    """What `archiver stack check` looks at, and what was promised for it."""

    retention: Duration = Field(
        SOURCE_RETENTION, description="What was promised: how long the monitoring stack may keep anything."
    )
    prometheus: PrometheusCheckSettings = Field(default_factory=PrometheusCheckSettings)
    loki: LokiCheckSettings = Field(default_factory=LokiCheckSettings)
    alertmanager: AlertmanagerCheckSettings = Field(default_factory=AlertmanagerCheckSettings)
    alerts: AlertServiceCheckSettings = Field(default_factory=AlertServiceCheckSettings)
    compose: ComposeCheckSettings = Field(default_factory=ComposeCheckSettings)
    log_directories: Mapping[str, LogDirectorySettings] = Field(default_factory=dict)
    buckets: BucketCheckSettings = Field(default_factory=BucketCheckSettings)
    supabase: SupabaseCheckSettings = Field(default_factory=SupabaseCheckSettings)
