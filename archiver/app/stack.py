"""From settings to what `stack check` looks at. What a bucket or a database says is asked for here, and told as facts.

Nothing that a server, a bucket or a database does is raised: what could not be asked is a finding with its reason.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from archiver.app import build
from archiver.app.night import failure_of
from archiver.config import Location, Settings
from archiver.errors import ArchiverError, ConfigError
from archiver.model import Dataset, Finding, Statement
from archiver.neighbours.postgres.source import PostgresSource
from archiver.neighbours.postgres.watch import PostgresWatch
from archiver.neighbours.s3.store import S3Store
from archiver.stack.check import check_stack
from archiver.stack.settings import (
    AlertmanagerCheckSettings,
    AlertServiceCheckSettings,
    ComposeCheckSettings,
    LogDirectorySettings,
    LokiCheckSettings,
    PrometheusCheckSettings,
)
from archiver.stack.targets import (
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
)

Rules = (
    PrometheusCheckSettings
    | LokiCheckSettings
    | AlertmanagerCheckSettings
    | AlertServiceCheckSettings
    | ComposeCheckSettings
    | LogDirectorySettings
)
Target = TypeVar(
    "Target", PrometheusTarget, LokiTarget, AlertmanagerTarget, AlertServiceTarget, ComposeTarget, LogDirectoryTarget
)

SETTINGS_THAT_NAME_A_TARGET = (
    "ARCHIVER_PROMETHEUS_URL, ARCHIVER_LOKI_URL, stack.alertmanager.url, stack.alerts.url, stack.compose.file,"
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
    return check_stack(targets, build.now())


def stack_targets(settings: Settings) -> StackTargets:
    """What the settings name. Asks the bucket and the database for their facts."""
    rules = settings.stack
    promised = rules.retention
    prometheus, loki, alertmanager = server_targets(settings)
    return StackTargets(
        prometheus=() if prometheus is None else (prometheus,),
        loki=() if loki is None else (loki,),
        alertmanager=() if alertmanager is None else (alertmanager,),
        alerts=() if rules.alerts.url is None else (_target(AlertServiceTarget, rules.alerts, promised),),
        compose=() if rules.compose.file is None else (_target(ComposeTarget, rules.compose, promised),),
        log_directories=tuple(
            _target(LogDirectoryTarget, directory, promised) for directory in rules.log_directories.values()
        ),
        buckets=tuple(_buckets(settings)) if rules.buckets.enabled else (),
        supabase=tuple(_supabase(settings)) if rules.supabase.enabled else (),
    )


def server_targets(settings: Settings) -> tuple[PrometheusTarget | None, LokiTarget | None, AlertmanagerTarget | None]:
    """The servers of the stack that are named, and how each is reached."""
    rules, prometheus, loki, alertmanager = settings.stack, None, None, None
    if settings.prometheus_url is not None:
        prometheus = _target(PrometheusTarget, rules.prometheus, rules.retention, url=settings.prometheus_url)
    if settings.loki_url is not None:
        chunks = rules.loki.chunk_directory or _loki_directory(settings)
        own = rules.loki.model_copy(update={"chunk_directory": chunks})
        loki = _target(LokiTarget, own, rules.retention, url=settings.loki_url)
    if rules.alertmanager.url is not None:
        alertmanager = _target(AlertmanagerTarget, rules.alertmanager, rules.retention)
    return prometheus, loki, alertmanager


def oldest_log_lines(settings: Settings, promise: timedelta) -> tuple[Finding, ...]:
    """What Loki itself says of the oldest line that it still has, by tenant; nothing where loki_url is not set."""
    if settings.loki_url is None:
        return ()
    target = LokiTarget(
        **{**dict(settings.stack.loki), "chunk_directory": None}, url=settings.loki_url, promise=promise
    )
    findings = check_targets(StackTargets(loki=(target,)))
    return tuple(finding for finding in findings if finding.check in ("loki.oldest_line", "loki.reachable"))


def _target(kind: type[Target], rules: Rules, promised: timedelta, **fields: Any) -> Target:
    """What is looked at, with the settings' own promise or the one for the whole stack."""
    return kind(**dict(rules), **fields, promise=rules.retention or promised)


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
        store = build.build_store(settings.model_copy(update={"store": url}))
        assert isinstance(store, S3Store)
        with closing(store):
            keeping = store.keeping()
    except ArchiverError as problem:
        return BucketFacts(
            location=url, prefix=place.prefix, holds_archive=holds_archive, promise=promise, problem=failure_of(problem)
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
    known = [period for period in periods if period is not None]
    return max(known) if known and len(known) == len(periods) else None


# ── The database ───────────────────────────────────────────────────────────────────────────────────────────────


def _supabase(settings: Settings) -> Iterator[SupabaseFacts]:
    if settings.supabase_db_url is None:
        return
    rules = settings.stack.supabase
    promise = rules.retention or settings.stack.retention
    source = build.build_source(settings)
    assert isinstance(source, PostgresSource)
    watch = PostgresWatch(source)
    try:
        jobs = watch.scheduled_jobs()
    except ArchiverError as problem:
        yield SupabaseFacts(
            location=watch.location,
            problem=failure_of(problem),
            promise=promise,
            plan=rules.plan,
            recovery_period=rules.recovery_period,
        )
        return
    own, own_problem = None, None
    try:
        own = watch.own_jobs()
    except ArchiverError as problem:
        own_problem = failure_of(problem)
    yield SupabaseFacts(
        location=watch.location,
        promise=promise,
        jobs=jobs,
        own=own,
        own_problem=own_problem,
        own_expected=rules.jobs,
        tables=tuple(_table(watch, dataset) for dataset in settings.resolved_datasets()),
        plan=rules.plan,
        recovery_period=rules.recovery_period,
    )


def _table(watch: PostgresWatch, dataset: Dataset) -> TableFacts:
    relation = f"{dataset.namespace}.{dataset.relation}"
    oldest: datetime | None = None
    problem: Statement | None = None
    try:
        oldest = watch.oldest_row(dataset)
    except ArchiverError as error:
        problem = failure_of(error)
    return TableFacts(
        relation=relation,
        promise=dataset.source_retention,
        window=dataset.window,
        oldest=oldest,
        problem=problem,
    )
