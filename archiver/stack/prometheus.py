"""What a deployed Prometheus says about its retention: configured, in force, and observed.

  - The flags are configured; a ``storage.tsdb.retention`` block in the configuration file replaces them (since 3.8).
    From 3.8 to 3.10 a time in that block was applied a million times too long (prometheus#18200, mended in 3.11).
  - ``storageRetention`` of ``/api/v1/status/runtimeinfo`` is in force.
  - ``prometheus_tsdb_lowest_timestamp_seconds`` is observed, and a query for samples that should be gone is the
    cross-check.

Whole blocks are deleted, so "30d" does not mean that no sample is older: ``oldest_possible``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from archiver.model import Finding, Fix, Force, Look, Promise, Seen, Setting, Statement, Verdict
from archiver.stack import prometheus_disk as disk
from archiver.stack.blocks import oldest_possible, setting_within
from archiver.stack.targets import PrometheusTarget, address
from archiver.stack.web import Server, at, parse_yaml
from archiver.stack.words import (
    Unknown,
    instant_of,
    is_size,
    parse_duration,
    setting,
    version_of,
)

DEFAULT_RETENTION = timedelta(days=15)
AGENT_DEFAULT_RETENTION = timedelta(hours=4)
KNOWN_MAJORS = (2, 3)
FIRST_WITH_BLOCK_DEFECT, FIRST_WITHOUT_BLOCK_DEFECT = (3, 8), (3, 11)
BLOCK_DEFECT_FACTOR = 1_000_000

EMPTY_S = 4e12
"""An empty database says 9.2e15: no sample is from the year 126 000."""

LOWEST_METRIC = "prometheus_tsdb_lowest_timestamp_seconds"
CROSS_CHECK_REACH = timedelta(days=400)
CROSS_CHECK_STEP = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was asked, and what came.

    Attributes:
        in_force: ``storageRetention``: ``30d``, ``1GiB``, ``30d or 1GiB``; empty for an agent.
        oldest: Of the whole database; None: it is empty.
        overdue: The oldest time at which a query finds samples that should be gone; None: it finds none.
        asked_before: The query asked for samples from before this instant.
    """

    version: str | Unknown
    flags: Mapping[str, str] | Unknown
    configuration: Mapping[str, Any] | Unknown
    in_force: str | Unknown
    oldest: datetime | Unknown | None
    overdue: datetime | Unknown | None
    asked_before: datetime

    @property
    def is_agent(self) -> bool:
        """Whether it keeps nothing but what it still has to send."""
        if isinstance(self.flags, Unknown):
            return False
        features = self.flags.get("enable-feature", "").split(",")
        return "agent" in features or self.flags.get("agent") == "true"


def check(target: PrometheusTarget, client: httpx.Client, now: datetime) -> tuple[Finding, ...]:
    """Ask a Prometheus and judge its answers. What it does not tell is ``cannot_tell``, never ``ok``."""
    return judge(target, ask(target, client, now), now)


def ask(target: PrometheusTarget, client: httpx.Client, now: datetime) -> Answers:
    """Ask for everything that is needed."""
    server = Server(target, client)
    version = _text(_data(server, "/api/v1/status/buildinfo"), "version")
    if isinstance(version, Unknown):
        # Not reached, or something else than a Prometheus: six more questions would give the same answer.
        return Answers(
            version=version,
            flags=version,
            configuration=version,
            in_force=version,
            oldest=version,
            overdue=version,
            asked_before=now,
        )
    flags = _data(server, "/api/v1/status/flags")
    before = now - _limit(target, flags)
    return Answers(
        version=version,
        flags=flags,
        configuration=_configuration(server),
        in_force=_text(_data(server, "/api/v1/status/runtimeinfo"), "storageRetention"),
        oldest=_oldest(server),
        overdue=_overdue(server, before),
        asked_before=before,
    )


def _data(server: Server, path: str, params: Mapping[str, str] | None = None) -> Mapping[str, Any] | Unknown:
    answer = server.json(path, params=params)
    if isinstance(answer, Unknown):
        return answer
    data = at(answer, "data")
    if at(answer, "status") != "success" or not isinstance(data, Mapping):
        return Unknown(Look.OTHER_SERVER(path=path, kind="Prometheus"), Fix.ADDRESS())
    return data


def _text(data: Mapping[str, Any] | Unknown, key: str) -> str | Unknown:
    if isinstance(data, Unknown):
        return data
    value = data.get(key)
    return value if isinstance(value, str) else Unknown(Look.NO_KEY(place="the answer", key=key))


def _configuration(server: Server) -> Mapping[str, Any] | Unknown:
    path = "/api/v1/status/config"
    text = _text(_data(server, path), "yaml")
    if isinstance(text, Unknown):
        return text
    return {} if not text.strip() else parse_yaml(text, path)


def _oldest(server: Server) -> datetime | Unknown | None:
    samples = server.metrics()
    if isinstance(samples, Unknown):
        return samples
    seconds = samples.get(LOWEST_METRIC)
    if seconds is None:
        return Unknown(Look.NO_KEY(place="/metrics", key=LOWEST_METRIC))
    if seconds >= EMPTY_S:
        return None
    return instant_of(seconds) or Unknown(Look.NO_TIME(place=LOWEST_METRIC))


def _overdue(server: Server, before: datetime) -> datetime | Unknown | None:
    path = "/api/v1/query_range"
    # Counting at instants touches five minutes of samples each: cheap where nothing is left, and enough, because a
    # Prometheus that runs has samples every five minutes.
    params = {
        "query": 'count({__name__=~".+"})',
        "start": f"{(before - CROSS_CHECK_REACH).timestamp():.0f}",
        "end": f"{before.timestamp():.0f}",
        "step": f"{CROSS_CHECK_STEP.total_seconds():.0f}",
        "timeout": "20s",
    }
    data = _data(server, path, params)
    if isinstance(data, Unknown):
        return data
    series = data.get("result")
    if not isinstance(series, list):
        return Unknown(Look.OTHER_SERVER(path=path, kind="Prometheus"))
    try:
        times = [float(values[0]) for metric in series for values in metric["values"]]
    except (TypeError, KeyError, IndexError, ValueError):
        return Unknown(Look.OTHER_SERVER(path=path, kind="Prometheus"))
    return instant_of(min(times)) if times else None


# ── Judging ────────────────────────────────────────────────────────────────────────────────────────────────────


def judge(target: PrometheusTarget, answers: Answers, now: datetime) -> tuple[Finding, ...]:
    """Decide. Pure, but for the directory that is looked into when one is given."""
    if isinstance(answers.version, Unknown):
        return (
            _cannot_tell(target, "prometheus.reachable", answers.version),
            *disk.look(target, now, _promised(target)),
        )
    findings: list[Finding] = []
    if answers.is_agent:
        findings.append(_agent(target, answers))
    else:
        findings += [_setting(target, answers), _observed(target, answers, now)]
    findings += _copies(target, answers)
    return (*findings, *disk.look(target, now, _promised(target)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The retention that somebody wrote down.

    Attributes:
        time: None: no limit in time.
        setting: As written, and where.
        replaced: Flags that do not count.
        from_file: The configuration file's block holds it, and its flags are ignored.
    """

    time: timedelta | None
    setting: Statement
    replaced: str = ""
    from_file: bool = False

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What is configured, and what does not count beside it."""
        return (self.setting, Setting.REPLACES(setting=self.replaced)) if self.replaced else (self.setting,)


def configured_by_flags(flags: Mapping[str, str]) -> Configured | Unknown:
    """What the flags say, as ``/api/v1/status/flags`` or a command line gives them, without their dashes.

    An unset one reads ``0s`` or ``0B``. Without any the default is 15 days; a size alone means no limit in time.
    """
    written = next(
        (
            flags[name]
            for name in ("storage.tsdb.retention.time", "storage.tsdb.retention")
            if flags.get(name, "0s") not in ("0s", "0", "")
        ),
        "",
    )
    size = flags.get("storage.tsdb.retention.size", "0B")
    try:
        time = parse_duration(written) if written else None
    except ValueError:
        return Unknown(Look.UNREADABLE(setting="--storage.tsdb.retention.time", value=written))
    parts = [f"--storage.tsdb.retention.time={written}"] if written else []
    parts += [f"--storage.tsdb.retention.size={size}"] if is_size(size) else []
    if not parts:
        return Configured(time=DEFAULT_RETENTION, setting=Setting.DEFAULT(value="15d"))
    return Configured(time=time, setting=Setting.WRITTEN(setting=" ".join(parts)))


def configured_by_file(configuration: Mapping[str, Any], flags: Configured) -> Configured | Unknown:
    """What holds when the configuration file has its say: a retention block replaces the flags."""
    block = at(configuration, "storage", "tsdb", "retention")
    if not isinstance(block, Mapping) or not block:
        return flags
    written = block.get("time")
    try:
        time = None if written in (None, "0s", 0, "0") else parse_duration(str(written))
    except ValueError:
        return Unknown(Look.UNREADABLE(setting="storage.tsdb.retention.time", value=str(written)))
    shown = Setting.FILE_BLOCK(setting=", ".join(f"{name}: {block[name]}" for name in sorted(block)))
    # A default is not replaced by anything: nobody wrote it down.
    replaced = str(flags.setting.facts.get("setting", ""))
    return Configured(time=time, setting=shown, replaced=replaced, from_file=True)


def _configured(answers: Answers) -> Configured | Unknown:
    if isinstance(answers.flags, Unknown):
        return answers.flags
    flags = configured_by_flags(answers.flags)
    if isinstance(flags, Unknown):
        return flags
    if isinstance(answers.configuration, Unknown):
        return answers.configuration
    return configured_by_file(answers.configuration, flags)


def parse_in_force(text: str) -> timedelta | Unknown | None:
    """The limit in time of ``30d or 1GiB``; None: there is none."""
    shortest: timedelta | None = None
    for part in text.split(" or "):
        if is_size(part):
            continue
        try:
            shortest = parse_duration(part)
        except ValueError:
            return Unknown(Look.UNREADABLE(setting="storageRetention", value=text))
    return shortest or None


def _largest_block(flags: Mapping[str, str] | Unknown) -> timedelta | None:
    if isinstance(flags, Unknown):
        return None
    try:
        return parse_duration(flags.get("storage.tsdb.max-block-duration", "0s")) or None
    except ValueError:
        return None


def _limit(target: PrometheusTarget, flags: Mapping[str, str] | Unknown) -> timedelta:
    """How old a sample may be before the promise is broken."""
    if target.strict:
        return target.promise
    # An explicit block length of more than a tenth is a way around the promise, not a property of whole blocks.
    largest = _largest_block(flags)
    natural = oldest_possible(target.promise)
    return natural if largest is None else min(natural, oldest_possible(target.promise, largest))


def _setting(target: PrometheusTarget, answers: Answers) -> Finding:
    written = _configured(answers)
    in_force = answers.in_force if isinstance(answers.in_force, Unknown) else parse_in_force(answers.in_force)
    number = None if isinstance(answers.version, Unknown) else version_of(answers.version)
    breach = _breach_of_setting(target, answers, number, written, in_force)
    doubt = None if breach is not None else _doubt_of_setting(number, written, in_force)
    what, fix = breach or doubt or ((), ())
    shown = (in_force.reason,) if isinstance(in_force, Unknown) else _in_force(answers, in_force)
    return Finding(
        check="prometheus.retention.setting",
        subject=target.address,
        promised=_promised(target),
        configured=(written.reason,) if isinstance(written, Unknown) else written.statements,
        in_force=(*shown, *what),
        observed=_version(answers),
        verdict=Verdict.BREACH if breach else Verdict.CANNOT_TELL if doubt else Verdict.OK,
        fix=fix,
    )


def _version(answers: Answers) -> tuple[Statement, ...]:
    if isinstance(answers.version, Unknown):
        return (answers.version.reason,)
    return (Seen.VERSION(product="Prometheus", version=answers.version),)


def _has_block_defect(number: tuple[int, int] | None) -> bool:
    return number is not None and FIRST_WITH_BLOCK_DEFECT <= number < FIRST_WITHOUT_BLOCK_DEFECT


def _breach_of_setting(
    target: PrometheusTarget,
    answers: Answers,
    number: tuple[int, int] | None,
    written: Configured | Unknown,
    in_force: timedelta | Unknown | None,
) -> tuple[tuple[Statement, ...], tuple[Statement, ...]] | None:
    """What is wrong and its fix. Whatever is known decides: a doubt elsewhere never hides a breach."""
    if _has_block_defect(number) and isinstance(written, Configured) and written.from_file:
        what = Force.TOO_LONG_BY(times=BLOCK_DEFECT_FACTOR) if written.time is not None else Force.NO_LIMIT_OLD()
        return (what,), (Fix.UPGRADE_PROMETHEUS(), *_fix(target, None))
    limits = [written.time] if isinstance(written, Configured) else []
    limits += [] if isinstance(in_force, Unknown) else [in_force]
    fix = _fix(target, written)
    if None in limits:
        return (Force.NO_LIMIT_SAMPLES(),), fix
    for limit in limits:
        assert limit is not None  # looked for above
        reach = oldest_possible(limit, _largest_block(answers.flags))
        if limit > target.promise or (target.strict and reach > target.promise):
            return (), fix
    return None


def _doubt_of_setting(
    number: tuple[int, int] | None, written: Configured | Unknown, in_force: timedelta | Unknown | None
) -> tuple[tuple[Statement, ...], tuple[Statement, ...]] | None:
    """What is not known, and what helps."""
    for part in (in_force, written):
        if isinstance(part, Unknown):
            return (), (part.fix or Fix.FLAGS_AND_FILE(),)
    if number is None or number[0] not in KNOWN_MAJORS:
        return (Look.VERSION(),), (Fix.UPDATE_OR_HAND(),)
    return None


def _promised(target: PrometheusTarget) -> tuple[Statement, ...]:
    limit = target.promise
    return (Promise.EVERY_SAMPLE(limit_s=limit) if target.strict else Promise.AGE(limit_s=limit),)


def _in_force(answers: Answers, in_force: timedelta | None) -> tuple[Statement, ...]:
    shown = answers.in_force if isinstance(answers.in_force, str) else ""
    if in_force is None:
        return (Force.SAID(value=shown) if shown else Force.NOTHING_SAID(),)
    reach = oldest_possible(in_force, _largest_block(answers.flags))
    return Force.SAID(value=shown), Force.REACH(reach_s=reach)


def _fix(target: PrometheusTarget, written: Configured | Unknown | None) -> tuple[Statement, ...]:
    strictest = setting_within(target.promise)
    wanted = strictest if target.strict and strictest is not None else target.promise
    in_file = isinstance(written, Configured) and written.from_file
    steps = [Fix.SET_IN_FILE(value=setting(wanted)) if in_file else Fix.START_WITH(value=setting(wanted))]
    if strictest is not None and wanted != strictest:
        steps.append(Fix.STRICTEST(value=setting(strictest), limit_s=target.promise))
    return (*steps, Fix.BLOCKS_GO())


def _observed(target: PrometheusTarget, answers: Answers, now: datetime) -> Finding:
    limit = now - answers.asked_before
    said: list[Statement] = []
    late = False
    if isinstance(answers.oldest, Unknown):
        said.append(answers.oldest.reason)
    elif answers.oldest is None:
        said.append(Seen.NO_SAMPLE())
    else:
        said.append(Seen.OLDEST_SAMPLE(age_s=now - answers.oldest, oldest_at=answers.oldest))
        late = now - answers.oldest > limit
    if isinstance(answers.overdue, Unknown):
        said.append(Seen.NO_CROSS_CHECK(why=answers.overdue.reason))
    elif answers.overdue is None:
        said.append(Seen.QUERY_NONE(before_at=answers.asked_before))
    else:
        said.append(Seen.QUERY_FINDS(oldest_at=answers.overdue))
        late = True
    known = [answer for answer in (answers.oldest, answers.overdue) if not isinstance(answer, Unknown)]
    # An age is measured by our clock. A sample from the future says that one of the two clocks is wrong.
    skewed = isinstance(answers.oldest, datetime) and answers.oldest > now + timedelta(hours=1)
    if skewed:
        said.append(Seen.FUTURE())
    verdict = Verdict.BREACH if late else Verdict.OK if known and not skewed else Verdict.CANNOT_TELL
    fixes: Mapping[Verdict, tuple[Statement, ...]] = {
        Verdict.OK: (),
        Verdict.BREACH: (Fix.CORRECT_FIRST(),),
        Verdict.CANNOT_TELL: (Fix.NTP() if skewed else Fix.REACHABLE_PROMETHEUS(),),
    }
    return Finding(
        check="prometheus.retention.observed",
        subject=target.address,
        promised=_promised(target),
        in_force=(Force.AT_MOST(limit_s=limit) if target.strict else Force.WITH_BLOCKS(limit_s=limit),),
        observed=tuple(said),
        verdict=verdict,
        fix=fixes[verdict],
    )


def _agent(target: PrometheusTarget, answers: Answers) -> Finding:
    assert not isinstance(answers.flags, Unknown)  # is_agent read them
    written = answers.flags.get("storage.agent.retention.max-time", "0s")
    try:
        kept = parse_duration(written) or AGENT_DEFAULT_RETENTION
        verdict = Verdict.OK if kept <= target.promise else Verdict.BREACH
        shown = Force.WAITS(limit_s=kept)
    except ValueError:
        verdict, shown = Verdict.CANNOT_TELL, Force.UNREADABLE(value=written)
    return Finding(
        check="prometheus.agent",
        subject=target.address,
        promised=_promised(target),
        configured=(Setting.AGENT(value=written),),
        in_force=(shown,),
        observed=(*_version(answers), Seen.AGENT()),
        verdict=verdict,
        fix=() if verdict is Verdict.OK else (Fix.AGENT(value=setting(target.promise)),),
    )


def _copies(target: PrometheusTarget, answers: Answers) -> Iterator[Finding]:
    """One finding for each place that samples are sent to: there they live as long as somebody else decides."""
    if isinstance(answers.configuration, Unknown):
        yield _cannot_tell(target, "prometheus.remote_write", answers.configuration)
        return
    written = answers.configuration.get("remote_write") or []
    for remote in written if isinstance(written, list) else []:
        host = _host(str(at(remote, "url") or ""))
        known = host in target.known_copies
        yield Finding(
            check="prometheus.remote_write",
            subject=target.address,
            promised=_promised(target),
            configured=(Setting.REMOTE_WRITE(host=host) if host else Setting.REMOTE_WRITE_UNREADABLE(),),
            in_force=(Force.COPIED(),),
            observed=(Seen.COPY_KNOWN() if known else Seen.COPY_UNKNOWN(),),
            verdict=Verdict.OK if known else Verdict.CANNOT_TELL,
            fix=() if known else (Fix.KNOWN_COPY(),),
        )


def _host(url: str) -> str:
    """Host and port alone: a path or a query may hold a token."""
    return urlsplit(address(url)).netloc


def _cannot_tell(target: PrometheusTarget, check_name: str, why: Unknown) -> Finding:
    return Finding(
        check=check_name,
        subject=target.address,
        promised=_promised(target),
        observed=(why.reason,),
        verdict=Verdict.CANNOT_TELL,
        fix=(why.fix or Fix.IS_KIND(kind="Prometheus"),),
    )
