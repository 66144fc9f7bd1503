"""What is to be looked at, and what was promised for it. Frozen; secrets never show in a ``repr``."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field

from archiver.contracts import CronJob, CronLog, LifecycleRule
from archiver.model import SOURCE_RETENTION, Statement
from archiver.stack.settings import (
    AccessSettings,
    AlertmanagerCheckSettings,
    AlertServiceCheckSettings,
    ComposeCheckSettings,
    LogDirectorySettings,
    LokiCheckSettings,
    PrometheusCheckSettings,
)


def address(url: str) -> str:
    """A URL as it may be shown: without credentials, query and fragment, and without a slash at its end."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "a URL that cannot be read"
    if not parts.scheme or not host:
        return "a URL that cannot be read"
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{port}{parts.path.rstrip('/')}"


class Access(AccessSettings):
    """One HTTP server and how it is reached.

    Attributes:
        url: Base, a path included when it stands behind a prefix. Credentials in it are used as basic auth.
    """

    url: str = Field(repr=False)

    @property
    def address(self) -> str:
        """The base URL without credentials."""
        return address(self.url)


class PrometheusTarget(PrometheusCheckSettings, Access):
    """A deployed Prometheus.

    Attributes:
        promise: How long samples may live.
    """

    promise: timedelta = SOURCE_RETENTION


class LokiTarget(LokiCheckSettings, Access):
    """A deployed Loki."""

    promise: timedelta = SOURCE_RETENTION


class AlertmanagerTarget(AlertmanagerCheckSettings, Access):
    """A deployed Alertmanager: its silences carry names and comments of people."""

    url: str = Field(repr=False)
    promise: timedelta = SOURCE_RETENTION


class AlertServiceTarget(AlertServiceCheckSettings, Access):
    """A deployed alert service: alerts and their history carry whatever labels and notes say."""

    url: str = Field(repr=False)
    promise: timedelta = SOURCE_RETENTION


class ComposeTarget(ComposeCheckSettings):
    """The compose file that the stack was started with, or what ``docker compose config`` printed of it."""

    file: Path
    promise: timedelta = SOURCE_RETENTION


class LogDirectoryTarget(LogDirectorySettings):
    """A directory that log files are written to, rotated in, and deleted from."""

    promise: timedelta = SOURCE_RETENTION


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFacts:
    """What a store says about itself. None: it does not tell, or we may not ask.

    Attributes:
        location: For a person; no credentials.
        prefix: Of our keys in the bucket, without a slash at either end.
        holds_archive: Off: Loki's chunks, which a lifecycle rule may delete, because no ledger names them.
        problem: Why it could not be asked at all; then nothing else is known. None: it was.
        promise: How long a deleted object may live on as an old version.
        archive_retention: The longest that any dataset may be held. None: not chosen yet.
        versioning: Whether an overwritten or deleted object stays as an old version (a suspended one counts as on
            when old versions may be left).
        rules: None: unknown; empty: there are none.
        lock_period: The default retention of an object lock; zero: no lock.
    """

    location: str
    prefix: str = ""
    holds_archive: bool = True
    problem: Statement | None = None
    promise: timedelta = SOURCE_RETENTION
    archive_retention: timedelta | None = None
    versioning: bool | None = None
    rules: tuple[LifecycleRule, ...] | None = None
    public: bool | None = None
    lock_period: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What a table holds.

    Attributes:
        relation: With its schema: ``public.app_audit_log``.
        promise: None: its rows are never purged.
        window: Rows are purged when their whole window is old enough.
        oldest: None: no row has a time.
        problem: Why there is no answer, or none that may be believed (row level security hides rows). None: there is.
    """

    relation: str
    promise: timedelta | None = SOURCE_RETENTION
    window: timedelta = timedelta(days=1)
    oldest: datetime | None = None
    problem: Statement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupabaseFacts:
    """What the database and the operator say about a Supabase project.

    Attributes:
        location: For a person; no credentials.
        problem: Why the database could not be asked at all. None: it was.
        promise: How long a deleted row may live on in a backup.
        jobs: None: they could not be read. Empty: pg_cron has none, or is not there.
        own: How archiver's own jobs of pg_cron fare. None: they are not installed.
        own_problem: Why that could not be asked. None: it was.
        own_expected: Those that must be there; those that are there are looked at in any case.
        plan: ``free``, ``pro``, ``team`` or ``enterprise``; empty: not said. No database tells it.
        recovery_period: Of point-in-time recovery, where it was bought.
    """

    location: str
    problem: Statement | None = None
    promise: timedelta = SOURCE_RETENTION
    jobs: tuple[CronJob, ...] | None = None
    own: CronLog | None = None
    own_problem: Statement | None = None
    own_expected: tuple[str, ...] = ()
    tables: tuple[TableFacts, ...] = ()
    plan: str = ""
    recovery_period: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackTargets:
    """All that is configured. What is not here is not looked at."""

    prometheus: tuple[PrometheusTarget, ...] = ()
    loki: tuple[LokiTarget, ...] = ()
    alertmanager: tuple[AlertmanagerTarget, ...] = ()
    alerts: tuple[AlertServiceTarget, ...] = ()
    compose: tuple[ComposeTarget, ...] = ()
    log_directories: tuple[LogDirectoryTarget, ...] = ()
    buckets: tuple[BucketFacts, ...] = ()
    supabase: tuple[SupabaseFacts, ...] = ()
