"""What a deployed Loki says about its retention: configured, in force, and observed.

  - ``GET /config`` is what it runs with. It is read by path: two keys are called ``retention_period``.
  - Only the compactor deletes, and only with ``retention_enabled`` and an index period of 24h. Its metric says when it
    last did; 0 is never, since this process began.
  - ``GET /loki/api/v1/delete`` answers 404 where retention is off, whatever the configuration says.
  - Observed are the oldest line that a query finds, tenant by tenant, and the chunk files on disk.

A change of the period is not retroactive towards less until the compactor has run, so the last two are what counts.
"""

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from archiver.model import Finding, Verdict
from archiver.stack.targets import LokiTarget
from archiver.stack.web import FORBIDDEN, NO_CONTENT, NOT_FOUND, OK, Server, at, parse_yaml
from archiver.stack.words import (
    Unknown,
    age,
    instant_of,
    moment,
    parse_duration,
    plural,
    setting,
    span,
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
FILES_MAX = 20_000_000
NOT_CHUNKS = ("index", "loki_cluster_seed.json", "rules", "deletion_markers")


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
        why = version if isinstance(version, Unknown) else Unknown("buildinfo: not the answer of a Loki")
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
    found = document.get("overrides") or {}
    return found if isinstance(found, Mapping) else Unknown("/runtime_config: its overrides are no mapping")


def _delete_status(server: Server, tenant: str) -> int | Unknown:
    path = "/loki/api/v1/delete"
    reply = server.get(path, headers=_headers(tenant), accepted=(OK, NO_CONTENT, NOT_FOUND, FORBIDDEN))
    if isinstance(reply, Unknown):
        return reply
    if reply.status == FORBIDDEN and "deletion is not available" not in reply.text:
        return Unknown(f"{path}: refused with {FORBIDDEN}")
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
        found = _oldest_within(server, tenant, start, end)
        if found is not None:
            return found
        start = end
    return None


def _oldest_within(server: Server, tenant: str, start: datetime, end: datetime) -> datetime | Unknown | None:
    bounds = {"start": str(_nanoseconds(start)), "end": str(_nanoseconds(end))}
    answer = server.json("/loki/api/v1/labels", params=bounds, headers=_headers(tenant))
    if isinstance(answer, Unknown):
        return answer
    if at(answer, "status") != "success":
        return Unknown("/loki/api/v1/labels: not the answer of a Loki")
    names = at(answer, "data") or []
    labels = [one for one in names if isinstance(one, str) and LABEL_NAME.fullmatch(one) and not one.startswith("__")]
    labels.sort(key=lambda one: (one not in LABELS_FIRST, one))
    oldest: datetime | None = None
    # A query must name a label, and no label is on every stream; the index knows days, so only a line is a proof.
    for label in labels[:LABELS_MAX]:
        found = _first_line(server, tenant, f'{{{label}=~".+"}}', bounds)
        if isinstance(found, Unknown):
            return found
        if found is not None and (oldest is None or found < oldest):
            oldest = found
    if oldest is None and len(labels) > LABELS_MAX:
        return Unknown(f"more than {LABELS_MAX} labels: not every stream was asked for")
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
        return Unknown(f"{path}: not the answer of a Loki")
    if not times:
        return None
    return instant_of(min(times) / 1e9) or Unknown(f"{path}: a line has no time")


def _nanoseconds(instant: datetime) -> int:
    return round(instant.timestamp()) * 1_000_000_000


# ── Judging ────────────────────────────────────────────────────────────────────────────────────────────────────


def judge(target: LokiTarget, answers: Answers, now: datetime) -> tuple[Finding, ...]:
    """Decide. Pure, but for the directory that is looked into when one is given."""
    if isinstance(answers.version, Unknown):
        return (_unknown(target, "loki.reachable", answers.version), *_on_disk(target, FALLBACK_DELAY, now))
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
        *(_oldest(target, answers, tenant, found, delay, now) for tenant, found in answers.oldest.items()),
        *_on_disk(target, delay, now),
    )


def _duration(configuration: Mapping[str, Any] | Unknown, *path: str) -> timedelta | Unknown:
    found = configuration if isinstance(configuration, Unknown) else at(configuration, *path)
    if isinstance(found, Unknown):
        return found
    if found is None:
        return Unknown(f"/config has no {'.'.join(path)}")
    try:
        return parse_duration(str(found))
    except ValueError:
        return Unknown(f"{'.'.join(path)} is {found!r}, which cannot be read")


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
        found = _duration(configuration, *path)
        if isinstance(found, Unknown):
            return FALLBACK_DELAY
        total += found * times
    return total


def _finding(
    target: LokiTarget,
    check_name: str,
    verdict: Verdict,
    *,
    configured: str = "",
    in_force: str = "",
    observed: str = "",
    fix: str = "",
    about: str = "",
) -> Finding:
    return Finding(
        check=check_name,
        subject=f"{target.address}{about and ' ' + about}",
        promised=span(target.promise),
        configured=configured,
        in_force=in_force,
        observed=observed,
        verdict=verdict,
        fix="" if verdict is Verdict.OK else fix,
    )


def _unknown(target: LokiTarget, check_name: str, why: Unknown, about: str = "") -> Finding:
    return _finding(
        target,
        check_name,
        Verdict.CANNOT_TELL,
        observed=why.reason,
        fix=why.fix or "see that it is a Loki and answers",
        about=about,
    )


def _enabled(target: LokiTarget, answers: Answers, configuration: Mapping[str, Any]) -> Finding:
    enabled = at(configuration, "compactor", "retention_enabled")
    store = at(configuration, "compactor", "delete_request_store")
    periods = at(configuration, "schema_config", "configs")
    wrong, missing = [], []
    if enabled is None:
        missing.append("compactor.retention_enabled")
    elif enabled is not True:
        wrong.append("set compactor.retention_enabled: true (without it nothing is ever deleted)")
    if enabled is True and not store:
        wrong.append("set compactor.delete_request_store to the object store's name, filesystem for example")
    if not isinstance(periods, list) or not periods:
        missing.append("schema_config.configs")
    else:
        lengths = [_duration(one, "index", "period") for one in periods]
        if any(isinstance(one, Unknown) for one in lengths):
            missing.append("schema_config.configs[].index.period")
        if any(isinstance(one, timedelta) and one != INDEX_PERIOD for one in lengths):
            wrong.append(
                "append a schema period with index.period: 24h (the compactor's retention works with no other)"
            )
    off_by_api = answers.delete_status == NOT_FOUND
    contradicted = enabled is True and off_by_api
    doubtful_version = (version_of(str(answers.version)) or (0, 0))[0] not in KNOWN_MAJORS
    if wrong:
        verdict, fix = Verdict.BREACH, "; ".join(wrong)
    elif missing or contradicted or doubtful_version:
        verdict = Verdict.CANNOT_TELL
        fix = "restart it with this configuration; behind a proxy, let /loki/api/v1/delete through"
        if missing or doubtful_version:
            fix = (
                f"update archiver, or check by hand: Loki {answers.version}, no {', '.join(missing) or 'known version'}"
            )
    else:
        verdict, fix = Verdict.OK, ""
    return _finding(
        target,
        "loki.retention.enabled",
        verdict,
        configured=f"compactor.retention_enabled: {str(enabled).lower()}, delete_request_store: {store or 'none'}",
        in_force=_delete_words(answers.delete_status),
        observed=f"Loki {answers.version}",
        fix=fix,
    )


def _delete_words(status: int | Unknown) -> str:
    if isinstance(status, Unknown):
        return f"the delete API does not tell: {status.reason}"
    return {
        NOT_FOUND: "the delete API answers 404: retention is off in the running process",
        FORBIDDEN: "retention is on; deletion on request is switched off (deletion_mode)",
    }.get(status, "the delete API answers: retention is on in the running process")


def _judge_period(target: LokiTarget, period: timedelta | Unknown) -> tuple[Verdict, str]:
    """Verdict, and what to say about it."""
    if isinstance(period, Unknown):
        return Verdict.CANNOT_TELL, period.reason
    if not period:
        return Verdict.BREACH, "0 keeps lines for ever"
    if period > target.promise:
        return Verdict.BREACH, f"{span(period)} is longer than promised"
    if period < RETENTION_MIN:
        return Verdict.CANNOT_TELL, f"Loki's shortest period is {span(RETENTION_MIN)}"
    return Verdict.OK, ""


def _period(target: LokiTarget, answers: Answers, configuration: Mapping[str, Any], delay: timedelta) -> Finding:
    period = _duration(configuration, "limits_config", "retention_period")
    verdict, words = _judge_period(target, period)
    off = at(configuration, "compactor", "retention_enabled") is False or answers.delete_status == NOT_FOUND
    fix = f"set limits_config.retention_period: {setting(target.promise)} and restart"
    if verdict is Verdict.OK and off:
        verdict, words, fix = Verdict.BREACH, "not applied: retention is off", "see loki.retention.enabled"
    elif verdict is Verdict.OK:
        assert isinstance(period, timedelta)  # judged above
        words = f"a chunk goes as a whole and later, so a line can get {span(period)} and {span(delay)} old"
    return _finding(
        target,
        "loki.retention.period",
        verdict,
        configured=f"limits_config.retention_period: {at(configuration, 'limits_config', 'retention_period')}",
        in_force=words,
        fix=fix,
    )


def _streams(target: LokiTarget, limits: Any, tenant: str) -> Iterator[Finding]:
    """One finding for every stream that has a period of its own."""
    written = at(limits, "retention_stream") or []
    if not isinstance(written, list):
        yield _unknown(target, "loki.retention.stream", Unknown("retention_stream is no list"), tenant)
        return
    for one in written:
        verdict, words = _judge_period(target, _duration(one, "period"))
        place = f"overrides.{tenant}" if tenant else "limits_config"
        yield _finding(
            target,
            "loki.retention.stream",
            verdict,
            configured=f"{place}.retention_stream: {at(one, 'selector')} {at(one, 'period')}",
            in_force=words or "not longer than promised",
            fix=f"remove the override, or give it a period of {setting(target.promise)} or less",
            about=f"{tenant + ' ' if tenant else ''}{at(one, 'selector') or ''}".strip(),
        )


def _tenants(target: LokiTarget, overrides: Mapping[str, Any] | Unknown) -> Iterator[Finding]:
    if isinstance(overrides, Unknown):
        yield _unknown(target, "loki.retention.tenant", overrides)
        return
    for tenant, limits in overrides.items():
        name = str(tenant)
        if at(limits, "retention_period") is not None:
            verdict, words = _judge_period(target, _duration(limits, "retention_period"))
            yield _finding(
                target,
                "loki.retention.tenant",
                verdict,
                configured=f"overrides.{name}.retention_period: {at(limits, 'retention_period')}",
                in_force=words or "not longer than promised",
                fix=f"in the runtime configuration set its retention_period to {setting(target.promise)} or less",
                about=name,
            )
        yield from _streams(target, limits, name)


def _compactor(target: LokiTarget, answers: Answers, now: datetime) -> Finding:
    name = "loki.compactor.ran"
    if isinstance(answers.metrics, Unknown):
        return _unknown(target, name, answers.metrics)
    last_s = answers.metrics.get(COMPACTOR_METRIC)
    began = instant_of(answers.metrics.get("process_start_time_seconds", -1))
    fix = "look at the compactor's log and at its working directory: nothing is deleted until it runs"
    if last_s is None:
        return _unknown(
            target,
            name,
            Unknown(f"/metrics has no {COMPACTOR_METRIC}", "ask the instance that runs the compactor"),
        )
    last = instant_of(last_s) if last_s else None
    if last is not None:
        seen = f"last successful run {age(last, now)}"
        verdict = Verdict.OK if now - last <= COMPACTOR_SILENCE_MAX else Verdict.BREACH
    elif began is not None and began.year > 1970:  # noqa: PLR2004
        seen = f"not once since the process began, {age(began, now)}"
        verdict = Verdict.BREACH if now - began > COMPACTOR_SILENCE_MAX else Verdict.CANNOT_TELL
    else:
        seen, verdict = "not once since the process began, and it does not tell when that was", Verdict.CANNOT_TELL
    if verdict is Verdict.CANNOT_TELL:
        fix = "ask again after the compactor's next run"
    return _finding(
        target,
        name,
        verdict,
        in_force=f"at least every {span(COMPACTOR_SILENCE_MAX)}",
        observed=seen,
        fix=fix,
    )


def _oldest(
    target: LokiTarget,
    answers: Answers,
    tenant: str,
    found: datetime | Unknown | None,
    delay: timedelta,
    now: datetime,
) -> Finding:
    name, about = "loki.oldest_line", tenant and f"tenant {tenant}"
    if isinstance(found, Unknown):
        return _unknown(target, name, found, about)
    hidden = _duration(answers.configuration, "limits_config", "max_query_lookback")
    is_hidden = isinstance(hidden, timedelta) and timedelta(0) < hidden < target.lookback
    seen = f"no line within {span(target.lookback)}" if found is None else f"oldest line {age(found, now)}"
    fix = "see loki.retention.enabled, loki.retention.period and loki.compactor.ran"
    if found is not None and now - found > target.promise + delay:
        verdict = Verdict.BREACH
    elif is_hidden:
        assert isinstance(hidden, timedelta)
        verdict = Verdict.CANNOT_TELL
        seen += f"; max_query_lookback hides everything older than {span(hidden)}"
        fix = "set max_query_lookback: 0s, or give the chunk directory to look into"
    else:
        verdict = Verdict.OK
    return _finding(
        target,
        name,
        verdict,
        in_force=f"at most {span(target.promise)} and {span(delay)}",
        observed=seen,
        fix=fix,
        about=about,
    )


# ── On disk ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ChunkName:
    """What a chunk file's name says: whose it is, and the milliseconds that its lines lie between, both included."""

    tenant: str
    from_ms: int
    through_ms: int


def parse_chunk_path(parts: tuple[str, ...]) -> ChunkName | None:
    """The name of a chunk below the store's root, in either layout; None where it is no chunk's.

    Up to schema v11 it is ``base64(tenant/fingerprint:from:through:crc)``, from v12 on
    ``tenant/fingerprint/base64(from:through:crc)``; numbers are hex without padding.
    """
    decoded = _base64(parts[-1])
    if decoded is None:
        return None
    if len(parts) == 1:
        tenant, slash, rest = decoded.partition("/")
        numbers = rest.split(":")[1:] if slash else []
    elif len(parts) == 3:  # noqa: PLR2004
        tenant, numbers = parts[0], decoded.split(":")
    else:
        return None
    if not tenant or len(numbers) != 3 or not all(re.fullmatch(r"[0-9a-f]{1,16}", one) for one in numbers):  # noqa: PLR2004
        return None
    return ChunkName(tenant, int(numbers[0], 16), int(numbers[1], 16))


def _base64(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None


def _on_disk(target: LokiTarget, delay: timedelta, now: datetime) -> Iterator[Finding]:
    if target.chunk_directory is None:
        return
    name, root = "loki.chunk_files", target.chunk_directory
    limit = now - target.promise - delay
    try:
        seen = _count(root, limit)
    except OSError as exc:
        yield Finding(
            check=name,
            subject=str(root),
            promised=span(target.promise),
            configured="",
            in_force="",
            observed=f"cannot be read: {exc.strerror or type(exc).__name__}",
            verdict=Verdict.CANNOT_TELL,
            fix="let archiver's user read the directory, or leave it out",
        )
        return
    said = [plural(seen.chunks, "chunk file")]
    if seen.late:
        said.append(f"{seen.late:,} of them older than promised")
    if seen.oldest is not None:
        said.append(f"the oldest ends {moment(seen.oldest)}")
    if seen.others:
        said.append(f"{plural(seen.others, 'file')} that no chunk is named like")
    verdict = Verdict.BREACH if seen.late else Verdict.CANNOT_TELL if seen.others or not seen.chunks else Verdict.OK
    fix = (
        "see loki.compactor.ran; Loki never deletes files that its index does not name: archive them, then delete"
        if seen.late
        else "see that this is the store's chunk directory, and what the other files are"
    )
    yield Finding(
        check=name,
        subject=str(root),
        promised=span(target.promise),
        configured="",
        in_force=f"at most {span(target.promise)} and {span(delay)}",
        observed=", ".join(said),
        verdict=verdict,
        fix="" if verdict is Verdict.OK else fix,
    )


@dataclass(slots=True)
class _Seen:
    chunks: int = 0
    late: int = 0
    others: int = 0
    oldest: datetime | None = None


def _count(root: Path, limit: datetime) -> _Seen:
    """Count the files below a root.

    Raises:
        OSError: A directory cannot be read, or there is no end to it.
    """
    seen = _Seen()
    limit_ms = limit.timestamp() * 1000
    oldest_ms: int | None = None
    for parts in _files(root):
        if seen.chunks + seen.others >= FILES_MAX:
            raise OSError(f"more than {FILES_MAX:,} files")
        chunk = parse_chunk_path(parts)
        if chunk is None:
            seen.others += 1
            continue
        seen.chunks += 1
        seen.late += chunk.through_ms < limit_ms
        oldest_ms = chunk.through_ms if oldest_ms is None else min(oldest_ms, chunk.through_ms)
    seen.oldest = None if oldest_ms is None else (instant_of(oldest_ms / 1000) or datetime.max.replace(tzinfo=UTC))
    return seen


def _files(root: Path) -> Iterator[tuple[str, ...]]:
    """Every file below a root but Loki's own, as parts of its path; directories one by one, so that memory is bounded.

    Raises:
        OSError: A directory cannot be read. One that Loki deletes meanwhile is passed over.
    """
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        above = waiting.pop()
        try:
            with os.scandir(root.joinpath(*above)) as entries:
                for entry in entries:
                    if not above and entry.name in NOT_CHUNKS:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((*above, entry.name))
                    else:
                        yield (*above, entry.name)
        except FileNotFoundError:
            if not above:
                raise
