"""From settings to what `stack check` looks at. What a bucket or a database says is asked for here, and told as facts.

Nothing that a server, a bucket or a database does is raised: what could not be asked is a finding with its reason.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from archiver import wiring
from archiver.config import Location, Settings
from archiver.config.settings import AccessSettings
from archiver.errors import ArchiverError, ConfigError
from archiver.model import Dataset, Finding
from archiver.sources.postgres import PostgresSource
from archiver.sources.postgres_watch import PostgresWatch
from archiver.stack import (
    Access,
    AlertmanagerTarget,
    AlertServiceTarget,
    BucketFacts,
    ComposeTarget,
    LogDirectoryTarget,
    LokiTarget,
    PrometheusTarget,
    StackTargets,
    SupabaseFacts,
    TableFacts,
    check_stack,
)
from archiver.stores.s3 import S3Store

SETTINGS_THAT_NAME_A_TARGET = (
    "ARCHIVER_PROMETHEUS_URL, ARCHIVER_LOKI_URL, stack.alertmanager.url, stack.alerts.url, stack.compose.files,"
    " stack.log_directories.<name>.path, an S3 store or loki_store, SUPABASE_DB_URL"
)


def check_deployed_stack(settings: Settings) -> tuple[Finding, ...]:
    """Ask everything that the settings name, and judge.

    Raises:
        ConfigError: The settings name nothing to look at; nothing was asked.
    """
    targets = stack_targets(settings)
    if targets == StackTargets():
        raise ConfigError(
            "no setting names anything to look at; nothing was asked",
            hint=f"set one or more of {SETTINGS_THAT_NAME_A_TARGET}",
        )
    return check_targets(targets)


def check_targets(targets: StackTargets) -> tuple[Finding, ...]:
    """Ask what is named, and judge."""
    return check_stack(targets, wiring.now())


def stack_targets(settings: Settings) -> StackTargets:
    """What the settings name. Asks the bucket and the database for their facts."""
    rules = settings.stack
    promised = rules.retention
    return StackTargets(
        prometheus=()
        if settings.prometheus_url is None
        else (
            PrometheusTarget(
                access=access_of(settings.prometheus_url, rules.prometheus),
                promise=rules.prometheus.retention or promised,
                strict=rules.prometheus.strict,
                known_copies=frozenset(rules.prometheus.known_copies),
                data_directory=rules.prometheus.data_directory,
            ),
        ),
        loki=()
        if settings.loki_url is None
        else (
            LokiTarget(
                access=access_of(settings.loki_url, rules.loki),
                promise=rules.loki.retention or promised,
                tenants=rules.loki.tenants,
                chunk_directory=rules.loki.chunk_directory or _loki_directory(settings),
                lookback=rules.loki.lookback,
            ),
        ),
        alertmanager=()
        if rules.alertmanager.url is None
        else (
            AlertmanagerTarget(
                access=access_of(rules.alertmanager.url, rules.alertmanager),
                promise=rules.alertmanager.retention or promised,
            ),
        ),
        alerts=()
        if rules.alerts.url is None
        else (
            AlertServiceTarget(
                access=access_of(rules.alerts.url, rules.alerts), promise=rules.alerts.retention or promised
            ),
        ),
        compose=()
        if not rules.compose.files
        else (
            ComposeTarget(
                files=rules.compose.files,
                promise=rules.compose.retention or promised,
                resolved=rules.compose.resolved,
                environment_files=rules.compose.env_files,
            ),
        ),
        log_directories=tuple(
            LogDirectoryTarget(
                path=one.path,
                promise=one.retention or promised,
                patterns=one.patterns,
                timezone=ZoneInfo(one.timezone),
                logrotate_files=one.logrotate_files,
                pm2_configuration=one.pm2_configuration,
            )
            for one in rules.log_directories.values()
        ),
        buckets=tuple(_buckets(settings)) if rules.buckets.enabled else (),
        supabase=tuple(_supabase(settings)) if rules.supabase.enabled else (),
    )


def oldest_log_lines(settings: Settings, promise: timedelta) -> tuple[Finding, ...]:
    """What Loki itself says of the oldest line that it still has, by tenant; nothing where loki_url is not set."""
    if settings.loki_url is None:
        return ()
    rules = settings.stack.loki
    target = LokiTarget(
        access=access_of(settings.loki_url, rules), promise=promise, tenants=rules.tenants, lookback=rules.lookback
    )
    findings = check_targets(StackTargets(loki=(target,)))
    return tuple(one for one in findings if one.check in ("loki.oldest_line", "loki.reachable"))


def access_of(url: str, rules: AccessSettings) -> Access:
    """How a server of the stack is reached."""
    return Access(
        url=url,
        username=rules.username,
        password=rules.password,
        bearer_token=rules.bearer_token,
        headers=rules.headers,
        ca_file=rules.ca_file,
        tls_verify=rules.tls_verify,
        client_certificate_file=rules.client_certificate_file,
        client_key_file=rules.client_key_file,
        timeout_s=rules.timeout_s,
        deadline_s=rules.deadline_s,
    )


def _loki_directory(settings: Settings) -> Path | None:
    return None if settings.loki_store is None else Location.of_store(settings.loki_store).path


# ── Buckets ────────────────────────────────────────────────────────────────────────────────────────────────────


def _buckets(settings: Settings) -> Iterator[BucketFacts]:
    """The archive's bucket, and Loki's: an old version of a deleted chunk is a copy of its lines."""
    for url, holds_archive in ((settings.store, True), (settings.loki_store, False)):
        if url is not None and Location.of_store(url).kind == "s3":
            yield _bucket(settings, url, holds_archive=holds_archive)


def _bucket(settings: Settings, url: str, *, holds_archive: bool) -> BucketFacts:
    place = Location.of_store(url)
    promise = settings.stack.buckets.retention or settings.stack.retention
    try:
        store = wiring.build_store(settings.model_copy(update={"store": url}))
        assert isinstance(store, S3Store)
        with closing(store):
            keeping = store.keeping()
    except ArchiverError as problem:
        return BucketFacts(
            location=url, prefix=place.prefix, holds_archive=holds_archive, promise=promise, problem=problem.message
        )
    return BucketFacts(
        location=url,
        prefix=place.prefix,
        holds_archive=holds_archive,
        promise=promise,
        archive_retention=_longest_hold(settings),
        versioning=keeping.versioning,
        rules=keeping.rules,
        public=keeping.public,
        lock_period=keeping.lock_period,
    )


def _longest_hold(settings: Settings) -> timedelta | None:
    """The longest that any dataset is held; None while one of them has no end yet."""
    periods = [dataset.archive_retention for dataset in settings.resolved_datasets()]
    known = [one for one in periods if one is not None]
    return max(known) if known and len(known) == len(periods) else None


# ── The database ───────────────────────────────────────────────────────────────────────────────────────────────


def _supabase(settings: Settings) -> Iterator[SupabaseFacts]:
    if settings.supabase_db_url is None:
        return
    rules = settings.stack.supabase
    promise = rules.retention or settings.stack.retention
    source = wiring.build_source(settings)
    assert isinstance(source, PostgresSource)
    watch = PostgresWatch(source)
    try:
        jobs = watch.scheduled_jobs()
    except ArchiverError as problem:
        yield SupabaseFacts(
            location=watch.location,
            problem=problem.message,
            promise=promise,
            plan=rules.plan,
            recovery_period=rules.recovery_period,
        )
        return
    yield SupabaseFacts(
        location=watch.location,
        promise=promise,
        jobs=jobs,
        tables=tuple(_table(watch, dataset) for dataset in settings.resolved_datasets()),
        plan=rules.plan,
        recovery_period=rules.recovery_period,
    )


def _table(watch: PostgresWatch, dataset: Dataset) -> TableFacts:
    relation = f"{dataset.namespace}.{dataset.relation}"
    oldest: datetime | None = None
    problem = ""
    try:
        oldest = watch.oldest_row(dataset)
    except ArchiverError as error:
        problem = error.message
    return TableFacts(
        relation=relation,
        promise=dataset.source_retention,
        window=dataset.window,
        oldest=oldest,
        problem=problem,
    )
