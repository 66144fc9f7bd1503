"""What is to be looked at, and what was promised for it. Frozen; secrets never show in a ``repr``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from archiver.contracts import CronJob, LifecycleRule

PROMISE = timedelta(days=30)
"""The operator's documented choice; no law names it."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How one HTTP server is reached.

    Attributes:
        url: Base, a path included when it stands behind a prefix. Credentials in it are used as basic auth.
        username, password: Basic auth, instead of ``bearer_token``.
        headers: Sent with every request, for a proxy that asks for them.
        ca_file: Certificates to trust instead of the system's.
        tls_verify: Off: any certificate is taken. What was asked is then asked of whoever answered.
        client_certificate_file, client_key_file: For a server that asks for a certificate.
        timeout_s: For connecting, and between two pieces of an answer.
        deadline_s: For one whole answer.
    """

    url: str = field(repr=False)
    username: str = field(default="", repr=False)
    password: SecretStr | None = None
    bearer_token: SecretStr | None = None
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    ca_file: Path | None = None
    tls_verify: bool = True
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None
    timeout_s: float = 10.0
    deadline_s: float = 60.0

    @property
    def address(self) -> str:
        """The base URL without credentials."""
        return address(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusTarget:
    """A deployed Prometheus.

    Attributes:
        promise: How long samples may live.
        strict: Whether the promise holds for every single sample. Otherwise a setting of the promised length is
            enough, and whole blocks may reach beyond it.
        known_copies: Hosts of remote-write targets whose retention is accounted for elsewhere.
        data_directory: ``--storage.tsdb.path`` as seen from here; None: blocks and snapshots are not looked at.
    """

    access: Access
    promise: timedelta = PROMISE
    strict: bool = False
    known_copies: frozenset[str] = frozenset()
    data_directory: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LokiTarget:
    """A deployed Loki.

    Attributes:
        tenants: Sent as ``X-Scope-OrgID``. Empty: one tenant, no header (``auth_enabled: false``).
        chunk_directory: The filesystem store's root as seen from here; None: files are not looked at.
        lookback: How far back the oldest line is searched.
    """

    access: Access
    promise: timedelta = PROMISE
    tenants: tuple[str, ...] = ()
    chunk_directory: Path | None = None
    lookback: timedelta = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerTarget:
    """A deployed Alertmanager: its silences carry names and comments of people."""

    access: Access
    promise: timedelta = PROMISE


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertServiceTarget:
    """A deployed alert service: alerts and their history carry whatever labels and notes say."""

    access: Access
    promise: timedelta = PROMISE


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeTarget:
    """The compose file that the stack was started with.

    Attributes:
        files: In the order of ``docker compose -f``; later ones override earlier ones.
        resolved: They are the output of ``docker compose config``: nothing is left to substitute.
        environment: For the substitution; wins over ``environment_files``.
        environment_files: As compose reads them; ``.env`` beside the first file unless another one is named.
    """

    files: tuple[Path, ...]
    promise: timedelta = PROMISE
    resolved: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment_files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDirectoryTarget:
    """A directory that log files are written to, rotated in, and deleted from.

    Attributes:
        patterns: Names of the files that hold the lines; rotated and compressed ones included.
        timezone: Of times without an offset (nginx's error log, RFC 3164, PM2's ``--time``).
        logrotate_files: ``/etc/logrotate.conf`` or a directory such as ``/etc/logrotate.d``.
        pm2_configuration: PM2's ``module_conf.json``, where pm2-logrotate rotates this directory.
    """

    path: Path
    promise: timedelta = PROMISE
    patterns: tuple[str, ...] = ("*",)
    timezone: tzinfo = UTC
    logrotate_files: tuple[Path, ...] = ()
    pm2_configuration: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFacts:
    """What a store says about itself. None: it does not tell, or we may not ask.

    Attributes:
        location: For a person; no credentials.
        prefix: Of our keys in the bucket, without a slash at either end.
        holds_archive: Off: Loki's chunks, which a lifecycle rule may delete, because no ledger names them.
        problem: Why it could not be asked at all; then nothing else is known. Empty: it was.
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
    problem: str = ""
    promise: timedelta = PROMISE
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
        problem: Why there is no answer, or none that may be believed (row level security hides rows). Empty: there is.
    """

    relation: str
    promise: timedelta | None = PROMISE
    window: timedelta = timedelta(days=1)
    oldest: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupabaseFacts:
    """What the database and the operator say about a Supabase project.

    Attributes:
        location: For a person; no credentials.
        problem: Why the database could not be asked at all. Empty: it was.
        promise: How long a deleted row may live on in a backup.
        jobs: None: they could not be read. Empty: pg_cron has none, or is not there.
        plan: ``free``, ``pro``, ``team`` or ``enterprise``; empty: not said. No database tells it.
        recovery_period: Of point-in-time recovery, where it was bought.
    """

    location: str
    problem: str = ""
    promise: timedelta = PROMISE
    jobs: tuple[CronJob, ...] | None = None
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
