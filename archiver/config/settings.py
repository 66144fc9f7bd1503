"""The tree of settings. Closed: what is not here is an error wherever it stands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PlainSerializer,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from archiver.config.times import format_duration, parse_duration
from archiver.layout import DATASET_NAME
from archiver.model import Dataset, PolicyAction

MIB = 1024 * 1024
DAY_S = 86_400
TRANSACTION_POOLER_PORT = 6543
LOGS = "loki"
"""The dataset of Loki's chunks."""
LOG_COLUMNS = frozenset(
    {
        "timestamp",
        "tenant",
        "stream_hash",
        "chunk",
        "line",
        "line_bytes",
        "labels",
        "structured_metadata",
        "structured_metadata_pairs",
        "date",
    }
)
"""What every row of logs has; ``date`` is the partition's."""


def _duration(value: Any) -> Any:
    """A number without a unit is refused: whoever writes 365 means days, and would have been given seconds."""
    return value if value is None or isinstance(value, timedelta) else parse_duration(value)


def _retention(value: Any) -> Any:
    return None if value == "never" else _duration(value)


def _written(value: timedelta | None) -> str:
    return "never" if value is None else format_duration(value)


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(_written)]
Retention = Annotated[timedelta | None, BeforeValidator(_retention), PlainSerializer(_written)]
"""A duration, or ``never``."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a store or an anchor is.

    Attributes:
        kind: ``file``, ``s3``, ``postgres`` or ``supabase``.
        path: Absolute; for ``file``.
        bucket, prefix: For ``s3``; the prefix has no slash at either end.
    """

    kind: Literal["file", "s3", "postgres", "supabase"]
    path: Path | None = None
    bucket: str = ""
    prefix: str = ""

    @classmethod
    def of_store(cls, url: str) -> "Location":
        """``file:///dir`` or ``s3://bucket/prefix``.

        Raises:
            ValueError: It is anything else.
        """
        parts = urlsplit(url)
        if parts.scheme == "s3" and parts.netloc and not parts.query and "@" not in parts.netloc:
            return cls("s3", bucket=parts.netloc, prefix=unquote(parts.path).strip("/"))
        return cls._of_file(url, "file:///directory or s3://bucket/prefix")

    @classmethod
    def of_anchor(cls, url: str) -> "Location":
        """``file:///file``, ``postgres`` or ``supabase``.

        Raises:
            ValueError: It is anything else.
        """
        if url in ("postgres", "supabase"):
            return cls("postgres" if url == "postgres" else "supabase")
        return cls._of_file(url, "file:///path/of/a/file, postgres, or supabase")

    @classmethod
    def _of_file(cls, url: str, accepted: str) -> "Location":
        parts = urlsplit(url)
        path = Path(unquote(parts.path))
        if (
            parts.scheme != "file"
            or parts.netloc not in ("", "localhost")
            or not path.is_absolute()
            or path == Path("/")
        ):
            raise ValueError(f"{url.rsplit('@', maxsplit=1)[-1]!r} is not supported; write {accepted}")
        return cls("file", path=path)


def _address(value: str | None) -> str | None:
    if value is None:
        return None
    if not re.match(r"https?://[^/\s]+", value):
        raise ValueError("must begin with http:// or https:// and name a host")
    if "@" in value.split("://", 1)[1].split("/", 1)[0]:
        # An address is shown in messages, reports and `config show`.
        raise ValueError("holds a user or a password, which is shown wherever the address is; set them on their own")
    return value


class Section(BaseModel):
    """A part of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ExportSettings(Section):
    """How an export works."""

    jobs: PositiveInt = Field(
        2,
        le=64,
        description="Windows read at the same time, each on its own database connection. Through the data API"
        " `data_api.jobs` counts instead.",
    )
    part_size_bytes_max: int = Field(
        256 * MIB,
        ge=MIB,
        description="A part is closed at about this size. Larger parts mean fewer objects, and more room needed in"
        " work_dir: jobs times this.",
    )
    commit_interval_s: NonNegativeFloat = Field(
        60.0,
        description="Finished windows are committed at least this often; what a killed run loses is at most this"
        " much work, never data.",
    )
    settle_margin: Duration = Field(
        timedelta(hours=1),
        description="Where the database hides when others' transactions began, a window that ended less than this ago"
        " counts as one that may still get rows.",
    )


class S3Settings(Section):
    """How the bucket is reached. Credentials come from the usual AWS_… variables."""

    path_style: bool | None = Field(
        None, description="https://host/bucket instead of https://bucket.host. Unset: with an own endpoint yes."
    )
    sse: Literal["", "AES256", "aws:kms"] = Field(
        "", description="Server-side encryption asked for with every object. Empty: the bucket's own default applies."
    )
    kms_key_id: str | None = Field(None, description="The key for aws:kms; unset: the account's default key.")
    checksums: bool = Field(
        True, description="Send a SHA-256 with every object, which the store checks. Off only for a store that refuses."
    )
    multipart_threshold_bytes: int = Field(16 * MIB, ge=5 * MIB, description="Larger files are uploaded in parts.")
    part_bytes: int = Field(
        16 * MIB, ge=5 * MIB, description="Size of an upload's part: what one upload holds in memory."
    )
    connect_timeout_s: PositiveFloat = Field(10.0, description="For one connection.")
    read_timeout_s: PositiveFloat = Field(60.0, description="Between two pieces of an answer, not for a whole one.")
    connections_max: PositiveInt = Field(16, le=256, description="Kept open at once.")


class PostgresSettings(Section):
    """How the database is reached. The address is SUPABASE_DB_URL."""

    connect_timeout_s: PositiveFloat = Field(10.0, description="For one connection.")
    statement_timeout_s: PositiveFloat | None = Field(
        None, description="Unset: the role's own. A scan that runs into it is asked again in smaller pieces."
    )
    anchor_schema: str = Field("archiver", min_length=1, description="The schema of the anchor's table.")


class DataApiSettings(Section):
    """How Supabase's data API is reached. Its address is SUPABASE_URL, its key SUPABASE_SECRET_KEY."""

    jobs: PositiveInt = Field(
        4,
        le=64,
        description="As export.jobs, through the data API, where every page waits for its answer. Each takes one"
        " connection of PostgREST's pool (`db-pool`, 10 unless configured), which the application uses too.",
    )
    connect_timeout_s: PositiveFloat = Field(10.0, description="For one connection.")
    read_timeout_s: PositiveFloat = Field(
        60.0, description="Between two pieces of an answer; the first one comes when the database has answered."
    )
    purge_rows_max: PositiveInt = Field(
        10_000,
        description="As purge.batch_rows_max, which is lowered to this: keys and versions travel in one question.",
    )


class RetrySettings(Section):
    """How often and how long a service that is away is asked again."""

    attempts_max: PositiveInt = Field(6, le=100, description="The first attempt included.")
    wait_first_s: PositiveFloat = Field(
        0.5, description="Upper bound of the first wait; doubled each time. Waits are random below their bound."
    )
    wait_max_s: PositiveFloat = Field(20.0, description="Upper bound of any wait.")
    deadline_s: PositiveFloat = Field(180.0, description="No wait ends later than this after the first attempt.")


class VerifySettings(Section):
    """How a verification works."""

    jobs: PositiveInt = Field(2, le=64, description="Objects read at the same time.")


class AccessSettings(Section):
    """How a server of the monitoring stack is asked. Its credentials never stand in its address."""

    username: str = Field("", description="Basic auth, with `password`.")
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
        return _address(value)


class AlertServiceCheckSettings(AccessSettings):
    """What is promised for the alert service: it keeps labels of alerts, and notes of people."""

    url: str | None = Field(None, description="The deployed alert service. Unset: it is not looked at.")
    retention: Duration | None = Field(None, description="Promised. Unset: stack.retention.")

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        return _address(value)


class ComposeCheckSettings(Section):
    """The compose file that the stack was started with."""

    files: tuple[Path, ...] = Field(
        (), description="In the order of `docker compose -f`; later ones override earlier ones."
    )
    resolved: bool = Field(
        False, description="They are the output of `docker compose config`: nothing is left to substitute."
    )
    env_files: tuple[Path, ...] = Field(
        (), description="As `docker compose --env-file`. Empty: .env beside the first file, where there is one."
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


class StackSettings(Section):
    """What `archiver stack check` looks at, and what was promised for it."""

    retention: Duration = Field(
        timedelta(days=30), description="What was promised: how long the monitoring stack may keep anything."
    )
    prometheus: PrometheusCheckSettings = Field(default_factory=PrometheusCheckSettings)
    loki: LokiCheckSettings = Field(default_factory=LokiCheckSettings)
    alertmanager: AlertmanagerCheckSettings = Field(default_factory=AlertmanagerCheckSettings)
    alerts: AlertServiceCheckSettings = Field(default_factory=AlertServiceCheckSettings)
    compose: ComposeCheckSettings = Field(default_factory=ComposeCheckSettings)
    log_directories: Mapping[str, LogDirectorySettings] = Field(default_factory=dict)
    buckets: BucketCheckSettings = Field(default_factory=BucketCheckSettings)
    supabase: SupabaseCheckSettings = Field(default_factory=SupabaseCheckSettings)


class GuardSettings(Section):
    """When a deletion is refused until a person confirms it for that one run."""

    clock_tolerance: Duration = Field(
        timedelta(minutes=5),
        description="By how much the clocks of this machine, database, store and anchor may differ.",
    )
    pause_max: Duration = Field(
        timedelta(days=3), description="After a longer pause between two ledger entries the clock may have jumped."
    )
    share_max: float = Field(0.5, gt=0, le=1, description="The part of a dataset that may go at once.")
    share_rows_min: NonNegativeInt = Field(1000, description="Fewer rows than this are never too large a share.")


class PurgeSettings(Section):
    """How rows leave their source."""

    batch_rows_max: PositiveInt = Field(
        50_000, description="About how many rows one transaction reads and deletes: how long its locks are held."
    )
    lock_timeout_s: PositiveFloat = Field(
        5.0, description="How long a deletion waits for the application's locks before it gives way and tries again."
    )
    drop_partitions: bool = Field(
        True,
        description="A partition whose rows are all due and proven is detached and dropped. Off: its rows are deleted.",
    )


class SweepSettings(Section):
    """How litter leaves the store."""

    grace: Duration = Field(
        timedelta(days=3), description="Objects that no entry names stay this long: another run may be at work on them."
    )


class CompactSettings(Section):
    """When the small parts of a day are merged. A merged part has about the size of export.part_size_bytes_max."""

    parts_min: int = Field(8, ge=2, description="So many small parts of one day make it worth while.")
    small_size_bytes_max: int = Field(32 * MIB, ge=1, description="Larger parts stay as they are.")
    after: Duration = Field(
        timedelta(days=2), description="A window must have ended this long ago: until then late rows still come."
    )


class LokiSettings(Section):
    """Logs: how Loki's chunks become rows of the dataset `loki`. Where the chunks are is loki_store."""

    enabled: bool = Field(True, description="Off: no logs are exported; what is held stays.")
    jobs: PositiveInt = Field(2, le=64, description="Chunks decoded, and days written, at the same time.")
    settle: Duration = Field(
        timedelta(minutes=15),
        description="A chunk file younger than this may still be written to, and waits for the next run.",
    )
    label_columns: tuple[str, ...] = Field(
        ("job", "app", "level", "filename", "service_name"),
        description="Labels that become columns of their own, so that a filter on them reads little.",
    )
    lines: Mapping[Literal["bearer", "email", "ipv6", "ipv4", "phone"], Literal["drop", "hmac"]] = Field(
        default_factory=dict,
        description="What is taken out of lines before they are written, each as drop or hmac. Unset: nothing.",
    )
    round_size_bytes_max: int = Field(
        256 * MIB,
        ge=MIB,
        description="Chunk bytes of one commit. work_dir needs room for about ten times as much.",
    )
    chunk_size_bytes_max: int = Field(256 * MIB, ge=MIB, description="A larger chunk is left alone, and reported.")
    decoded_bytes_max: int = Field(
        512 * MIB,
        ge=MIB,
        lt=2048 * MIB,
        description="What one chunk may decompress to. More is taken for a forgery and goes into quarantine.",
    )
    source_retention: Duration = Field(
        timedelta(days=30), description="How long Loki may hold logs: its retention_period. `purge loki` checks it."
    )
    delete: Literal["compactor", "files"] = Field(
        "compactor",
        description="Who deletes chunks: Loki's compactor, and archiver only checks; or archiver itself, which is for a"
        " directory of rotated chunks that no Loki reads any more.",
    )
    delete_grace: Duration = Field(
        timedelta(days=1), description="How much longer than that a chunk may lie there: the compactor works in rounds."
    )
    warn_before: Duration = Field(
        timedelta(days=7), description="So long before a chunk is due, `purge loki` warns when it is not archived."
    )
    archive_retention: Duration | None = Field(
        None, description="How long the archive may hold logs. Unset: not chosen yet, nothing expires."
    )
    purpose: str = Field("", description="Why they are kept, for the record of processing (Art. 30).")
    legal_basis: str = Field("", description="On what legal ground.")
    deletion_class: str = Field(
        "", description="The class of the deletion concept that they belong to, for the deletion record (DIN 66398)."
    )
    data_categories: tuple[str, ...] = Field(
        (), description="Which kinds of personal data they hold, for the record of processing (Art. 30)."
    )
    person_categories: tuple[str, ...] = Field((), description="Whose data these are: users, customers, staff.")

    @field_validator("label_columns")
    @classmethod
    def _are_free(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name in LOG_COLUMNS or value.count(name) > 1:
                raise ValueError(f"{name!r} cannot be a label's column: logs have a column of that name already")
        return value


class DatasetSettings(Section):
    """One kind of record. The two that the product is for exist without any configuration."""

    enabled: bool = Field(True, description="Off: it is neither exported nor purged; what is held stays.")
    relation: str = Field("", description="Table or view, in its exact case. Empty: the dataset's name.")
    namespace: str = Field("public", alias="schema", min_length=1, description="The database schema.")
    time_column: str = Field(
        "created_at", min_length=1, description="timestamptz, timestamp (taken as UTC) or date: where retention begins."
    )
    key: tuple[str, ...] | None = Field(
        None,
        description="The columns that identify a row. Unset: read from the database. Empty: there are none, and nothing"
        " is ever purged.",
    )
    subject_columns: tuple[str, ...] = Field(
        (), description="Columns that name a person; holds and requests for access look here."
    )
    columns: Mapping[str, PolicyAction] = Field(
        default_factory=dict,
        description="What is done to a column before anything is written: keep, drop, hmac, truncate_ip.",
    )
    window: Duration = Field(
        timedelta(days=1), description="The length of a window; divides a day. Fixed by the first export."
    )
    source_retention: Retention = Field(
        timedelta(days=30), description="How long rows may stay in the database, or never to leave them there."
    )
    archive_retention: Duration | None = Field(
        None,
        description="How long the archive may hold them. Unset: not chosen yet, nothing expires. There is no `never`:"
        " moving a row here is not deleting it, and personal data needs an end.",
    )
    purpose: str = Field("", description="Why it is kept, for the record of processing (Art. 30).")
    legal_basis: str = Field("", description="On what legal ground.")
    deletion_class: str = Field(
        "", description="The class of the deletion concept that it belongs to, for the deletion record (DIN 66398)."
    )
    data_categories: tuple[str, ...] = Field(
        (), description="Which kinds of personal data it holds, for the record of processing (Art. 30)."
    )
    person_categories: tuple[str, ...] = Field((), description="Whose data these are: users, customers, staff.")

    model_config = ConfigDict(populate_by_name=True)

    @field_validator("window")
    @classmethod
    def _divides_a_day(cls, value: timedelta) -> timedelta:
        if DAY_S % value.total_seconds():
            raise ValueError(f"a window of {format_duration(value)} does not divide a day; write 1d, 12h, 6h, 1h …")
        return value


class ReportSettings(Section):
    """What the audit report and the record of processing say besides what the ledger says. All of it is printed."""

    directory: Path | None = Field(
        None, description="Where reports are written. Unset: `reports` in the working directory."
    )
    languages: tuple[Literal["de", "en"], ...] = Field(
        ("de",), min_length=1, description="Of the reports: de, en; a file for each."
    )
    formats: tuple[Literal["html", "pdf", "json", "csv"], ...] = Field(
        ("html", "pdf", "json", "csv"), min_length=1, description="What a report is written as."
    )
    controller: str = Field(
        "", description="Who is responsible (Art. 4(7)): name and address of the company, and who represents it."
    )
    processor: str = Field("", description="Who works on their behalf (Art. 28): hosting, database, object storage.")
    officer: str = Field("", description="How the data protection officer is reached; the office, not the person.")
    record: str = Field("", description="The number of this processing in the record of processing activities.")
    recipients: tuple[str, ...] = Field((), description="To whom the data are disclosed (Art. 30(1)(d)).")
    transfers: tuple[str, ...] = Field(
        (), description="Third countries that data go to, each with its safeguard (Art. 30(1)(e)). Empty: not stated."
    )
    measures: tuple[str, ...] = Field(
        (), description="Technical and organisational measures besides those that archiver knows of itself."
    )
    residuals: Mapping[str, Duration] = Field(
        default_factory=dict,
        description="Copies that outlive a deletion elsewhere, each with how long: backups, exports. Supabase's own"
        " follow from stack.supabase.plan and stack.supabase.recovery_period.",
    )


class NightlySettings(Section):
    """What `archiver run nightly` does besides what its steps' own sections say."""

    deep_nights: PositiveInt = Field(
        30,
        description="In so many nights every object of the archive is decoded once; new ones are the night they come.",
    )
    report: bool = Field(True, description="Write the audit report of the day before into report.directory.")


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
        description="An OpenTelemetry collector's address, http://127.0.0.1:4317 for gRPC or http://127.0.0.1:4318 for"
        " HTTP. Unset: not sent.",
    )
    otlp_protocol: Literal["grpc", "http"] | None = Field(
        None, description="Unset: gRPC where otlp_url has the port 4317, HTTP elsewhere."
    )
    otlp_token: SecretStr | None = Field(None, description="Sent as x-otlp-token, where the collector asks for one.")
    timeout_s: PositiveFloat = Field(10.0, description="A collector that takes longer is a warning, never a failure.")

    @field_validator("otlp_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        return _address(value)


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
        return _address(value)


DEFAULT_DATASETS: Mapping[str, DatasetSettings] = {
    "app_audit_log": DatasetSettings(),
    "log_workflow_events": DatasetSettings(),
}


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    store: str | None = Field(None, description="Where the archive is: file:///directory or s3://bucket/prefix.")
    anchor: str | None = Field(
        None,
        description="Where the ledger's head is kept, in another trust domain than the store: file:///path, postgres"
        " (a table through SUPABASE_DB_URL) or supabase (through the data API).",
    )
    signing_key_file: Path | None = Field(
        None,
        description="The archive's private key, which `archiver init` makes. Keep a copy: without it nothing can be"
        " added. A secrets directory may hold it as `archiver_signing_key`.",
    )
    privacy_key_file: Path | None = Field(
        None,
        description="The key of the digests that stand for persons (holds, pseudonyms), which `archiver init` makes."
        " Keep a copy. A secrets directory may hold it as `archiver_privacy_key`.",
    )
    loki_store: str | None = Field(None, description="Loki's chunks: file:///directory or s3://bucket/prefix.")
    prometheus_url: str | None = Field(None, description="The deployed Prometheus whose retention is checked.")
    loki_url: str | None = Field(None, description="The deployed Loki whose retention is checked.")
    work_dir: Path | None = Field(
        None,
        description="Where parts are written before they are uploaded. Unset: the system's temporary directory. On a"
        " disk with room for export.jobs times export.part_size_bytes_max.",
    )
    cache_dir: Path | None = Field(
        None, description="Where ledger entries are kept between runs. Unset: the user's cache directory."
    )

    supabase_db_url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:5432/database, direct or through the session pooler."
    )
    supabase_url: str | None = Field(None, description="https://<project>.supabase.co, for the data API.")
    supabase_secret_key: SecretStr | None = Field(None, description="sb_secret_…, for the data API.")

    aws_access_key_id: str | None = Field(None, description="As everywhere; unset: boto3's own search.")
    aws_secret_access_key: SecretStr | None = Field(None, description="As everywhere.")
    aws_session_token: SecretStr | None = Field(None, description="As everywhere.")
    aws_region: str | None = Field(None, description="As everywhere; AWS_DEFAULT_REGION serves too.")
    aws_endpoint_url_s3: str | None = Field(
        None, description="The S3 server, unless it is AWS; AWS_ENDPOINT_URL serves too."
    )
    aws_ca_bundle: Path | None = Field(None, description="Certificates to trust instead of the system's.")

    export: ExportSettings = Field(default_factory=ExportSettings)
    s3: S3Settings = Field(default_factory=S3Settings)
    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    data_api: DataApiSettings = Field(default_factory=DataApiSettings)
    retry: RetrySettings = Field(default_factory=RetrySettings)
    verify: VerifySettings = Field(default_factory=VerifySettings)
    stack: StackSettings = Field(default_factory=StackSettings)
    guard: GuardSettings = Field(default_factory=GuardSettings)
    purge: PurgeSettings = Field(default_factory=PurgeSettings)
    sweep: SweepSettings = Field(default_factory=SweepSettings)
    compact: CompactSettings = Field(default_factory=CompactSettings)
    loki: LokiSettings = Field(default_factory=LokiSettings)
    report: ReportSettings = Field(default_factory=ReportSettings)
    nightly: NightlySettings = Field(default_factory=NightlySettings)
    ping: PingSettings = Field(default_factory=PingSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    datasets: Mapping[str, DatasetSettings] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``sources.load`` has gathered and checked; it knows where each value came from."""
        return (init_settings,)

    @field_validator("store", "loki_store")
    @classmethod
    def _is_store(cls, value: str | None) -> str | None:
        if value is not None:
            Location.of_store(value)
        return value

    @field_validator("anchor")
    @classmethod
    def _is_anchor(cls, value: str | None) -> str | None:
        if value is not None:
            Location.of_anchor(value)
        return value

    @field_validator("supabase_db_url")
    @classmethod
    def _is_session_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value.get_secret_value())
            port = parts.port
        except ValueError:
            raise ValueError("is not a URL; special characters in the password must be percent-encoded") from None
        if parts.scheme not in ("postgres", "postgresql"):
            raise ValueError("must begin with postgresql://")
        if port == TRANSACTION_POOLER_PORT:
            raise ValueError(
                "points to the transaction pooler (port 6543), which has no snapshots; use the session pooler or the"
                " direct connection (port 5432)"
            )
        return value

    @field_validator("supabase_url", "prometheus_url", "loki_url", "aws_endpoint_url_s3")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        return _address(value)

    @field_validator("datasets")
    @classmethod
    def _are_named(cls, value: Mapping[str, DatasetSettings]) -> Mapping[str, DatasetSettings]:
        for name in value:
            if name == LOGS:
                raise ValueError(f"the dataset {LOGS!r} is that of Loki's chunks; its settings stand in [loki]")
            if not DATASET_NAME.fullmatch(name):
                raise ValueError(f"a dataset's name has lower-case letters, digits and _ only, {name!r} has others")
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> "Settings":
        if self.s3.kms_key_id and self.s3.sse != "aws:kms":
            raise ValueError('s3.kms_key_id is set, so s3.sse must be "aws:kms"')
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set both, or neither")
        return self

    def all_datasets(self) -> dict[str, DatasetSettings]:
        """The default datasets, overridden and added to by what is configured; also those that are not enabled."""
        return {**DEFAULT_DATASETS, **self.datasets}

    def logs(self) -> Dataset | None:
        """The dataset of Loki's chunks; None when no chunks are to be archived.

        Its source retention is not set: no rows leave a database. How long Loki may hold them is
        ``loki.source_retention``, which `purge loki` sees to.
        """
        if self.loki_store is None or not self.loki.enabled:
            return None
        return Dataset(
            name=LOGS,
            source="loki",
            namespace="",
            time_column="timestamp",
            key_columns=(),
            source_retention=None,
            archive_retention=self.loki.archive_retention,
            purpose=self.loki.purpose,
            legal_basis=self.loki.legal_basis,
        )

    @property
    def reads_data_api(self) -> bool:
        """Whether tables are read through the data API, for want of a database's address."""
        return self.supabase_db_url is None and self.supabase_url is not None

    @property
    def export_jobs(self) -> int:
        """Windows of tables read at the same time, the way they are read here."""
        return self.data_api.jobs if self.reads_data_api else self.export.jobs

    def resolved_datasets(self) -> tuple[Dataset, ...]:
        """The enabled datasets as nouns, in the order of their definition."""
        source: Literal["postgres", "postgrest"] = "postgrest" if self.reads_data_api else "postgres"
        return tuple(
            Dataset(
                name=name,
                source=source,
                namespace=rules.namespace,
                relation=rules.relation or name,
                time_column=rules.time_column,
                key_columns=rules.key,
                subject_columns=rules.subject_columns,
                policies=dict(rules.columns),
                window=rules.window,
                source_retention=rules.source_retention,
                archive_retention=rules.archive_retention,
                purpose=rules.purpose,
                legal_basis=rules.legal_basis,
            )
            for name, rules in self.all_datasets().items()
            if rules.enabled
        )
