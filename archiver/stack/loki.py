"""What a deployed Loki says about its retention: configured, in force, and observed.

  - ``GET /config`` is what it runs with. It is read by path: two keys are called ``retention_period``.
  - Only the compactor deletes, and only with ``retention_enabled`` and an index period of 24h. Its metric says when it
    last did; 0 is never, since this process began.
  - ``GET /loki/api/v1/delete`` answers 404 where retention is off, whatever the configuration says.
  - Observed are the oldest line that a query finds, tenant by tenant, and the chunk files on disk.

A change of the period is not retroactive towards less until the compactor has run, so the last two are what counts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from archiver.model import Finding, Fix, Force, Look, Promise, Seen, Setting, Statement, Verdict
from archiver.stack import loki_disk as disk
from archiver.stack.targets import LokiTarget
from archiver.stack.web import FORBIDDEN, NO_CONTENT, NOT_FOUND, OK, Server, at, parse_yaml
from archiver.stack.words import (
    Unknown,
    instant_of,
    parse_duration,
    setting,
    version_of,
)

KNOWN_MAJORS = (2, 3)
RETENTION_MIN = timedelta(hours=24)
INDEX_PERIOD = timedelta(hours=24)
COMPACTOR_SILENCE_MAX = timedelta(hours=24)
COMPACTOR_METRIC = "loki_compactor_apply_retention_last_successful_run_timestamp_seconds"
FALLBACK_DELAY = timedelta(hours=5)
"""Age of a chunk (2h), delay of its deletion (2h) and some runs of the compactor, where /config does not tell them."""

QUERY_LENGTH_MAX = timedelta(days=30)
LABELS_MAX = 40
LABELS_FIRST = ("service_name", "job", "app", "filename", "level")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was asked, and what came.

    Attributes:
        overrides: ``overrides`` of ``/runtime_config``; empty where no runtime configuration is used.
        delete_status: Of the delete API: 200, 404 (retention is off), 403 (deletion is off for the tenant).
        metrics: Samples without labels.
        oldest: By tenant (empty: no header was sent): the oldest line's time; None: no line at all.
    """

    version: str | Unknown
    configuration: Mapping[str, Any] | Unknown
    overrides: Mapping[str, Any] | Unknown
    delete_status: int | Unknown
    metrics: Mapping[str, float] | Unknown
    oldest: Mapping[str, datetime | Unknown | None]


def check(target: LokiTarget, client: httpx.Client, now: datetime) -> tuple[Finding, ...]:
    """Ask a Loki and judge its answers. What it does not tell is ``cannot_tell``, never ``ok``."""
    return judge(target, ask(target, client, now), now)


def ask(target: LokiTarget, client: httpx.Client, now: datetime) -> Answers:
    """Ask for everything that is needed."""
    server = Server(target, client)
    tenants = target.tenants or ("",)
    build = server.json("/loki/api/v1/status/buildinfo")
    version = at(build, "version") if not isinstance(build, Unknown) else build
    if not isinstance(version, str):
        why = (
            version
            if isinstance(version, Unknown)
            else Unknown(Look.OTHER_SERVER(path="/loki/api/v1/status/buildinfo", kind="Loki"))
        )
        return Answers(
            version=why,
            configuration=why,
            overrides=why,
            delete_status=why,
            metrics=why,
            oldest=dict.fromkeys(tenants, why),
        )
    configuration = _yaml(server, "/config")
    return Answers(
        version=version,
        configuration=configuration,
        overrides=_overrides(server, configuration),
        delete_status=_delete_status(server, tenants[0]),
        metrics=server.metrics(),
        oldest={tenant: _oldest_line(server, tenant, target.lookback, configuration, now) for tenant in tenants},
    )


def _yaml(server: Server, path: str) -> Mapping[str, Any] | Unknown:
    reply = server.get(path)
    return reply if isinstance(reply, Unknown) else parse_yaml(reply.text, path)


def _overrides(server: Server, configuration: Mapping[str, Any] | Unknown) -> Mapping[str, Any] | Unknown:
    if isinstance(configuration, Unknown):
        return configuration
    file = at(configuration, "runtime_config", "file") or at(
        configuration, "limits_config", "per_tenant_override_config"
    )
    if not file:
        return {}
    document = _yaml(server, "/runtime_config")
    if isinstance(document, Unknown):
        return document
    overrides = document.get("overrides") or {}
    return overrides if isinstance(overrides, Mapping) else Unknown(Look.NO_MAPPING(place="/runtime_config: overrides"))


def _delete_status(server: Server, tenant: str) -> int | Unknown:
    path = "/loki/api/v1/delete"
    reply = server.get(path, headers=_headers(tenant), accepted=(OK, NO_CONTENT, NOT_FOUND, FORBIDDEN))
    if isinstance(reply, Unknown):
        return reply
    if reply.status == FORBIDDEN and "deletion is not available" not in reply.text:
        return Unknown(Look.REFUSED(path=path, status=FORBIDDEN))
    return reply.status


def _headers(tenant: str) -> dict[str, str]:
    return {"X-Scope-OrgID": tenant} if tenant else {}


# ── The oldest line ────────────────────────────────────────────────────────────────────────────────────────────


def _oldest_line(
    server: Server, tenant: str, lookback: timedelta, configuration: Mapping[str, Any] | Unknown, now: datetime
) -> datetime | Unknown | None:
    """Walk from the past to now in steps that the server allows, until a line is found."""
    step = QUERY_LENGTH_MAX
    allowed = _duration(configuration, "limits_config", "max_query_length")
    if isinstance(allowed, timedelta) and allowed:
        step = min(step, allowed)
    start = now - lookback
    while start < now:
        end = min(start + step, now)
        oldest = _oldest_within(server, tenant, start, end)
        if oldest is not None:
            return oldest
        start = end
    return None


def _oldest_within(server: Server, tenant: str, start: datetime, end: datetime) -> datetime | Unknown | None:
    bounds = {"start": str(_nanoseconds(start)), "end": str(_nanoseconds(end))}
    answer = server.json("/loki/api/v1/labels", params=bounds, headers=_headers(tenant))
    if isinstance(answer, Unknown):
        return answer
    if at(answer, "status") != "success":
        return Unknown(Look.OTHER_SERVER(path="/loki/api/v1/labels", kind="Loki"))
    names = at(answer, "data") or []
    labels = [
        name for name in names if isinstance(name, str) and LABEL_NAME.fullmatch(name) and not name.startswith("__")
    ]
    labels.sort(key=lambda label: (label not in LABELS_FIRST, label))
    oldest: datetime | None = None
    # A query must name a label, and no label is on every stream; the index knows days, so only a line is a proof.
    for label in labels[:LABELS_MAX]:
        first = _first_line(server, tenant, f'{{{label}=~".+"}}', bounds)
        if isinstance(first, Unknown):
            return first
        if first is not None and (oldest is None or first < oldest):
            oldest = first
    if oldest is None and len(labels) > LABELS_MAX:
        return Unknown(Look.LABELS(labels=LABELS_MAX))
    return oldest


def _first_line(server: Server, tenant: str, query: str, bounds: Mapping[str, str]) -> datetime | Unknown | None:
    path = "/loki/api/v1/query_range"
    params = {"query": query, "direction": "forward", "limit": "1", **bounds}
    answer = server.json(path, params=params, headers=_headers(tenant))
    if isinstance(answer, Unknown):
        return answer
    try:
        times = [int(value[0]) for stream in answer["data"]["result"] for value in stream["values"]]
    except (TypeError, KeyError, IndexError, ValueError):
        return Unknown(Look.OTHER_SERVER(path=path, kind="Loki"))
    if not times:
        return None
    return instant_of(min(times) / 1e9) or Unknown(Look.NO_TIME(place=path))


def _nanoseconds(instant: datetime) -> int:
    return round(instant.timestamp()) * 1_000_000_000


# ── Judging ────────────────────────────────────────────────────────────────────────────────────────────────────


def judge(target: LokiTarget, answers: Answers, now: datetime) -> tuple[Finding, ...]:
    """Decide. Pure, but for the directory that is looked into when one is given."""
    if isinstance(answers.version, Unknown):
        return (_unknown(target, "loki.reachable", answers.version), *disk.look(target, FALLBACK_DELAY, now))
    delay = deletion_delay(answers.configuration)
    if isinstance(answers.configuration, Unknown):
        configured = [_unknown(target, "loki.retention.enabled", answers.configuration)]
    else:
        configured = [
            _enabled(target, answers, answers.configuration),
            _period(target, answers, answers.configuration, delay),
            *_streams(target, at(answers.configuration, "limits_config"), ""),
            *_tenants(target, answers.overrides),
        ]
        if at(answers.configuration, "compactor", "retention_enabled") is True:
            configured.append(_compactor(target, answers, now))
    return (
        *configured,
        *(_oldest(target, answers, tenant, oldest, delay, now) for tenant, oldest in answers.oldest.items()),
        *disk.look(target, delay, now),
    )


def _duration(configuration: Mapping[str, Any] | Unknown, *path: str) -> timedelta | Unknown:
    value = configuration if isinstance(configuration, Unknown) else at(configuration, *path)
    if isinstance(value, Unknown):
        return value
    if value is None:
        return Unknown(Look.NO_KEY(place="/config", key=".".join(path)))
    try:
        return parse_duration(str(value))
    except ValueError:
        return Unknown(Look.UNREADABLE(setting=".".join(path), value=str(value)))


def deletion_delay(configuration: Mapping[str, Any] | Unknown) -> timedelta:
    """How much longer than the period a line can stay: age of its chunk, runs of the compactor, delay of deletion.

    A chunk goes as a whole, when its newest line is old enough; it is marked by one run and removed by a later one.
    """
    paths = (
        (("ingester", "max_chunk_age"), 1),
        (("compactor", "compaction_interval"), 2),
        (("compactor", "retention_delete_delay"), 1),
    )
    total = timedelta(0)
    for path, times in paths:
        duration = _duration(configuration, *path)
        if isinstance(duration, Unknown):
            return FALLBACK_DELAY
        total += duration * times
    return total


def _finding(
    target: LokiTarget,
    check_name: str,
    verdict: Verdict,
    *,
    configured: Statement | None = None,
    in_force: Statement | None = None,
    observed: tuple[Statement, ...] = (),
    fix: tuple[Statement, ...] = (),
    about: str = "",
) -> Finding:
    return Finding(
        check=check_name,
        subject=f"{target.address}{about and ' ' + about}",
        promised=(Promise.AGE(limit_s=target.promise),),
        configured=() if configured is None else (configured,),
        in_force=() if in_force is None else (in_force,),
        observed=observed,
        verdict=verdict,
        fix=() if verdict is Verdict.OK else fix,
    )


def _unknown(target: LokiTarget, check_name: str, why: Unknown, about: str = "") -> Finding:
    return _finding(
        target,
        check_name,
        Verdict.CANNOT_TELL,
        observed=(why.reason,),
        fix=(why.fix or Fix.IS_KIND(kind="Loki"),),
        about=about,
    )


def _enabled(target: LokiTarget, answers: Answers, configuration: Mapping[str, Any]) -> Finding:
    enabled = at(configuration, "compactor", "retention_enabled")
    store = at(configuration, "compactor", "delete_request_store")
    periods = at(configuration, "schema_config", "configs")
    wrong: list[Statement] = []
    missing: list[str] = []
    if enabled is None:
        missing.append("compactor.retention_enabled")
    elif enabled is not True:
        wrong.append(Fix.ENABLE_RETENTION())
    if enabled is True and not store:
        wrong.append(Fix.DELETE_STORE())
    if not isinstance(periods, list) or not periods:
        missing.append("schema_config.configs")
    else:
        lengths = [_duration(period, "index", "period") for period in periods]
        if any(isinstance(length, Unknown) for length in lengths):
            missing.append("schema_config.configs[].index.period")
        if any(isinstance(length, timedelta) and length != INDEX_PERIOD for length in lengths):
            wrong.append(Fix.INDEX_PERIOD())
    version = str(answers.version)
    verdict, fix = Verdict.OK, tuple(wrong)
    if wrong:
        verdict = Verdict.BREACH
    elif doubt := _doubt(version, missing, contradicted=enabled is True and answers.delete_status == NOT_FOUND):
        verdict, fix = Verdict.CANNOT_TELL, (doubt,)
    shown = f"compactor.retention_enabled: {str(enabled).lower()}, delete_request_store: {store or 'none'}"
    return _finding(
        target,
        "loki.retention.enabled",
        verdict,
        configured=Setting.WRITTEN(setting=shown),
        in_force=_delete_status_said(answers.delete_status),
        observed=(Seen.VERSION(product="Loki", version=version),),
        fix=fix,
    )


def _doubt(version: str, missing: Sequence[str], *, contradicted: bool) -> Statement | None:
    """What helps where the configuration and the running process do not tell enough."""
    if missing:
        return Fix.LOKI_LACKS(version=version, names=tuple(missing))
    if (version_of(version) or (0, 0))[0] not in KNOWN_MAJORS:
        return Fix.LOKI_VERSION(version=version)
    return Fix.RESTART_LOKI() if contradicted else None


def _delete_status_said(status: int | Unknown) -> Statement:
    if isinstance(status, Unknown):
        return Force.DELETE_UNKNOWN(why=status.reason)
    return {NOT_FOUND: Force.DELETE_404, FORBIDDEN: Force.DELETE_403}.get(status, Force.DELETE_ON)()


def _judge_period(target: LokiTarget, period: timedelta | Unknown) -> tuple[Verdict, Statement]:
    """Verdict, and what to say about it."""
    if isinstance(period, Unknown):
        return Verdict.CANNOT_TELL, period.reason
    if not period:
        return Verdict.BREACH, Force.FOR_EVER()
    if period > target.promise:
        return Verdict.BREACH, Force.LONGER(period_s=period)
    if period < RETENTION_MIN:
        return Verdict.CANNOT_TELL, Force.SHORTEST(period_s=RETENTION_MIN)
    return Verdict.OK, Force.NOT_LONGER()


def _period(target: LokiTarget, answers: Answers, configuration: Mapping[str, Any], delay: timedelta) -> Finding:
    period = _duration(configuration, "limits_config", "retention_period")
    verdict, said = _judge_period(target, period)
    off = at(configuration, "compactor", "retention_enabled") is False or answers.delete_status == NOT_FOUND
    fix = Fix.LOKI_PERIOD(value=setting(target.promise))
    if verdict is Verdict.OK and off:
        verdict, said, fix = Verdict.BREACH, Force.NOT_APPLIED(), Fix.SEE(checks=("loki.retention.enabled",))
    elif verdict is Verdict.OK:
        assert isinstance(period, timedelta)  # judged above
        said = Force.WHOLE_CHUNKS(period_s=period, delay_s=delay)
    written = at(configuration, "limits_config", "retention_period")
    return _finding(
        target,
        "loki.retention.period",
        verdict,
        configured=Setting.WRITTEN(setting=f"limits_config.retention_period: {written}"),
        in_force=said,
        fix=(fix,),
    )


def _streams(target: LokiTarget, limits: Any, tenant: str) -> Iterator[Finding]:
    """One finding for every stream that has a period of its own."""
    written = at(limits, "retention_stream") or []
    if not isinstance(written, list):
        yield _unknown(target, "loki.retention.stream", Unknown(Look.NO_LIST(place="retention_stream")), tenant)
        return
    place = f"overrides.{tenant}" if tenant else "limits_config"
    for rule in written:
        verdict, said = _judge_period(target, _duration(rule, "period"))
        selector = at(rule, "selector")
        yield _finding(
            target,
            "loki.retention.stream",
            verdict,
            configured=Setting.WRITTEN(setting=f"{place}.retention_stream: {selector} {at(rule, 'period')}"),
            in_force=said,
            fix=(Fix.STREAM(value=setting(target.promise)),),
            about=f"{tenant + ' ' if tenant else ''}{selector or ''}".strip(),
        )


def _tenants(target: LokiTarget, overrides: Mapping[str, Any] | Unknown) -> Iterator[Finding]:
    if isinstance(overrides, Unknown):
        yield _unknown(target, "loki.retention.tenant", overrides)
        return
    for tenant, limits in overrides.items():
        name = str(tenant)
        written = at(limits, "retention_period")
        if written is not None:
            verdict, said = _judge_period(target, _duration(limits, "retention_period"))
            yield _finding(
                target,
                "loki.retention.tenant",
                verdict,
                configured=Setting.WRITTEN(setting=f"overrides.{name}.retention_period: {written}"),
                in_force=said,
                fix=(Fix.TENANT(value=setting(target.promise)),),
                about=name,
            )
        yield from _streams(target, limits, name)


def _compactor(target: LokiTarget, answers: Answers, now: datetime) -> Finding:
    name = "loki.compactor.ran"
    if isinstance(answers.metrics, Unknown):
        return _unknown(target, name, answers.metrics)
    last_s = answers.metrics.get(COMPACTOR_METRIC)
    began = instant_of(answers.metrics.get("process_start_time_seconds", -1))
    if last_s is None:
        why = Unknown(Look.NO_KEY(place="/metrics", key=COMPACTOR_METRIC), Fix.COMPACTOR_INSTANCE())
        return _unknown(target, name, why)
    last = instant_of(last_s) if last_s else None
    if last is not None:
        seen = Seen.COMPACTOR_RAN(age_s=now - last, last_at=last)
        verdict = Verdict.OK if now - last <= COMPACTOR_SILENCE_MAX else Verdict.BREACH
    elif began is not None and began.year > 1970:  # noqa: PLR2004
        seen = Seen.COMPACTOR_NEVER(age_s=now - began, began_at=began)
        verdict = Verdict.BREACH if now - began > COMPACTOR_SILENCE_MAX else Verdict.CANNOT_TELL
    else:
        seen, verdict = Seen.COMPACTOR_NEVER_UNKNOWN(), Verdict.CANNOT_TELL
    return _finding(
        target,
        name,
        verdict,
        in_force=Force.AT_LEAST_EVERY(period_s=COMPACTOR_SILENCE_MAX),
        observed=(seen,),
        fix=(Fix.COMPACTOR_LATER() if verdict is Verdict.CANNOT_TELL else Fix.COMPACTOR(),),
    )


def _oldest(
    target: LokiTarget,
    answers: Answers,
    tenant: str,
    oldest: datetime | Unknown | None,
    delay: timedelta,
    now: datetime,
) -> Finding:
    name, about = "loki.oldest_line", tenant and f"tenant {tenant}"
    if isinstance(oldest, Unknown):
        return _unknown(target, name, oldest, about)
    hidden = _duration(answers.configuration, "limits_config", "max_query_lookback")
    seen = [
        Seen.NO_LINE(lookback_s=target.lookback)
        if oldest is None
        else Seen.OLDEST_LINE(age_s=now - oldest, oldest_at=oldest)
    ]
    fix = Fix.SEE(checks=("loki.retention.enabled", "loki.retention.period", "loki.compactor.ran"))
    if oldest is not None and now - oldest > target.promise + delay:
        verdict = Verdict.BREACH
    elif isinstance(hidden, timedelta) and timedelta(0) < hidden < target.lookback:
        verdict, fix = Verdict.CANNOT_TELL, Fix.LOOKBACK()
        seen.append(Seen.HIDDEN(hidden_s=hidden))
    else:
        verdict = Verdict.OK
    return _finding(
        target,
        name,
        verdict,
        in_force=Force.AT_MOST_AND(limit_s=target.promise, delay_s=delay),
        observed=tuple(seen),
        fix=(fix,),
        about=about,
    )
