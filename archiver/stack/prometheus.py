"""What a deployed Prometheus says about its retention: configured, in force, and observed.

  - The flags are configured; a ``storage.tsdb.retention`` block in the configuration file replaces them (since 3.8).
    From 3.8 to 3.10 a time in that block was applied a million times too long (prometheus#18200, mended in 3.11).
  - ``storageRetention`` of ``/api/v1/status/runtimeinfo`` is in force.
  - ``prometheus_tsdb_lowest_timestamp_seconds`` is observed, and a query for samples that should be gone is the
    cross-check.

Whole blocks are deleted, so "30d" does not mean that no sample is older: ``oldest_possible``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from archiver.model import Finding, Verdict
from archiver.stack.targets import PrometheusTarget, address
from archiver.stack.web import Server, at, parse_yaml
from archiver.stack.words import (
    Unknown,
    age,
    instant_of,
    is_size,
    moment,
    parse_duration,
    plural,
    setting,
    span,
    version_of,
)

DEFAULT_RETENTION = timedelta(days=15)
AGENT_DEFAULT_RETENTION = timedelta(hours=4)
KNOWN_MAJORS = (2, 3)
FIRST_WITH_BLOCK_DEFECT, FIRST_WITHOUT_BLOCK_DEFECT = (3, 8), (3, 11)
BLOCK_DEFECT_FACTOR = 1_000_000

BLOCK_SMALLEST = timedelta(hours=2)
BLOCK_GROWTH = 3
BLOCK_RANGES = 10
BLOCK_LARGEST = timedelta(days=31)
HEAD_LAG = timedelta(hours=3)
"""The head becomes a block at one and a half times the smallest range, and age counts from the newest block."""

EMPTY_S = 4e12
"""An empty database says 9.2e15: no sample is from the year 126 000."""

CROSS_CHECK_REACH = timedelta(days=400)
CROSS_CHECK_STEP = timedelta(hours=6)
META_BYTES_MAX = 1024 * 1024
BLOCK_DIRECTORIES_MAX = 100_000


def oldest_possible(retention: timedelta, largest_block: timedelta | None = None) -> timedelta:
    """How old a sample can get under a retention: with 30 d about 32.4 d.

    A block goes as a whole, when its newest sample is older than the retention, counted from the newest block.

    Args:
        largest_block: ``--storage.tsdb.max-block-duration``; None: a tenth of the retention, as Prometheus sets it.
    """
    limit = min(retention / 10, BLOCK_LARGEST) if largest_block is None else largest_block
    ranges = [BLOCK_SMALLEST * BLOCK_GROWTH**step for step in range(BLOCK_RANGES)]
    return retention + max((one for one in ranges if one <= limit), default=BLOCK_SMALLEST) + HEAD_LAG


def setting_within(promise: timedelta) -> timedelta | None:
    """The longest retention, in whole days, under which no sample outlives the promise. None: there is none."""
    candidates = (timedelta(days=days) for days in range(promise.days, 0, -1))
    return next((one for one in candidates if oldest_possible(one) <= promise), None)


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
    found = server.json(path, params=params)
    if isinstance(found, Unknown):
        return found
    data = at(found, "data")
    if at(found, "status") != "success" or not isinstance(data, Mapping):
        return Unknown(f"{path}: not the answer of a Prometheus", "see that the address is the right one")
    return data


def _text(data: Mapping[str, Any] | Unknown, key: str) -> str | Unknown:
    if isinstance(data, Unknown):
        return data
    found = data.get(key)
    return found if isinstance(found, str) else Unknown(f"the answer has no {key}")


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
    seconds = samples.get("prometheus_tsdb_lowest_timestamp_seconds")
    if seconds is None:
        return Unknown("/metrics has no prometheus_tsdb_lowest_timestamp_seconds")
    if seconds >= EMPTY_S:
        return None
    return instant_of(seconds) or Unknown(f"prometheus_tsdb_lowest_timestamp_seconds is {seconds:g}: no time")


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
        return Unknown(f"{path}: not the answer of a Prometheus")
    try:
        times = [float(values[0]) for one in series for values in one["values"]]
    except (TypeError, KeyError, IndexError, ValueError):
        return Unknown(f"{path}: not the answer of a Prometheus")
    return instant_of(min(times)) if times else None


# ── Judging ────────────────────────────────────────────────────────────────────────────────────────────────────


def judge(target: PrometheusTarget, answers: Answers, now: datetime) -> tuple[Finding, ...]:
    """Decide. Pure, but for the directory that is looked into when one is given."""
    if isinstance(answers.version, Unknown):
        return (_cannot_tell(target, "prometheus.reachable", answers.version), *_on_disk(target, now))
    findings: list[Finding] = []
    if answers.is_agent:
        findings.append(_agent(target, answers))
    else:
        findings += [_setting(target, answers), _observed(target, answers, now)]
    findings += _copies(target, answers)
    return (*findings, *_on_disk(target, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The retention that somebody wrote down.

    Attributes:
        time: None: no limit in time.
        words: As written, and where.
        from_file: The configuration file's block holds it, and its flags are ignored.
    """

    time: timedelta | None
    words: str
    from_file: bool = False


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
        return Unknown(f"the flag's retention {written!r} cannot be read")
    parts = [f"--storage.tsdb.retention.time={written}"] if written else []
    parts += [f"--storage.tsdb.retention.size={size}"] if is_size(size) else []
    if not parts:
        return Configured(time=DEFAULT_RETENTION, words="no flag: the default, 15d")
    return Configured(time=time, words=" ".join(parts))


def configured_by_file(configuration: Mapping[str, Any], flags: Configured) -> Configured | Unknown:
    """What holds when the configuration file has its say: a retention block replaces the flags."""
    block = at(configuration, "storage", "tsdb", "retention")
    if not isinstance(block, Mapping) or not block:
        return flags
    words = "storage.tsdb.retention in the configuration file: " + ", ".join(f"{k}: {block[k]}" for k in sorted(block))
    if flags.words.startswith("--"):
        words += f" (it replaces {flags.words})"
    written = block.get("time")
    try:
        time = None if written in (None, "0s", 0, "0") else parse_duration(str(written))
    except ValueError:
        return Unknown(f"the configuration file's retention time {written!r} cannot be read")
    return Configured(time=time, words=words, from_file=True)


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
    found: timedelta | None = None
    for part in text.split(" or "):
        if is_size(part):
            continue
        try:
            found = parse_duration(part)
        except ValueError:
            return Unknown(f"storageRetention is {text!r}, which cannot be read")
    return found or None


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
    what, fix = breach or doubt or ("", "")
    shown_force = in_force.reason if isinstance(in_force, Unknown) else _in_force_words(answers, in_force)
    return Finding(
        check="prometheus.retention.setting",
        subject=target.address,
        promised=_promised(target),
        configured=written.reason if isinstance(written, Unknown) else written.words,
        in_force="; ".join(one for one in (shown_force, what) if one),
        observed=f"Prometheus {answers.version}",
        verdict=Verdict.BREACH if breach else Verdict.CANNOT_TELL if doubt else Verdict.OK,
        fix=fix,
    )


def _has_block_defect(number: tuple[int, int] | None) -> bool:
    return number is not None and FIRST_WITH_BLOCK_DEFECT <= number < FIRST_WITHOUT_BLOCK_DEFECT


def _breach_of_setting(
    target: PrometheusTarget,
    answers: Answers,
    number: tuple[int, int] | None,
    written: Configured | Unknown,
    in_force: timedelta | Unknown | None,
) -> tuple[str, str] | None:
    """What is wrong and its fix. Whatever is known decides: a doubt elsewhere never hides a breach."""
    if _has_block_defect(number) and isinstance(written, Configured) and written.from_file:
        what = (
            f"Prometheus 3.8 to 3.10 applies a time in the configuration file {BLOCK_DEFECT_FACTOR:,} times too long"
            if written.time is not None
            else "no limit in time once this version's defects with the block are mended; what is shown may be old"
        )
        return what, f"upgrade to 3.11 or newer; or remove the retention block and {_fix(target, Unknown(''))}"
    limits = [written.time] if isinstance(written, Configured) else []
    limits += [] if isinstance(in_force, Unknown) else [in_force]
    fix = _fix(target, written)
    if None in limits:
        return "no limit in time: samples stay as long as they fit", fix
    for one in limits:
        assert one is not None  # looked for above
        reach = oldest_possible(one, _largest_block(answers.flags))
        if one > target.promise or (target.strict and reach > target.promise):
            return "", fix
    return None


def _doubt_of_setting(
    number: tuple[int, int] | None, written: Configured | Unknown, in_force: timedelta | Unknown | None
) -> tuple[str, str] | None:
    """What is not known, and what helps."""
    for one in (in_force, written):
        if isinstance(one, Unknown):
            return "", one.fix or "look at its flags and at its configuration file"
    if number is None or number[0] not in KNOWN_MAJORS:
        return "how this version applies its settings is not known here", "update archiver, or check by hand"
    return None


def _promised(target: PrometheusTarget) -> str:
    return f"{span(target.promise)}{' for every sample' if target.strict else ''}"


def _in_force_words(answers: Answers, in_force: timedelta | None) -> str:
    shown = answers.in_force if isinstance(answers.in_force, str) else ""
    if in_force is None:
        return shown or "nothing is said"
    reach = oldest_possible(in_force, _largest_block(answers.flags))
    return f"{shown}; whole blocks are deleted, so a sample can get {span(reach)} old"


def _fix(target: PrometheusTarget, written: Configured | Unknown) -> str:
    strictest = setting_within(target.promise)
    wanted = strictest if target.strict and strictest is not None else target.promise
    place = (
        f"set storage.tsdb.retention.time: {setting(wanted)} in the configuration file (its block replaces the flags)"
        if isinstance(written, Configured) and written.from_file
        else f"start it with --storage.tsdb.retention.time={setting(wanted)}"
    )
    hint = (
        f" ({setting(strictest)}: then no sample gets older than {span(target.promise)})"
        if strictest is not None and wanted != strictest
        else ""
    )
    return f"{place}{hint}; older blocks then go by themselves"


def _observed(target: PrometheusTarget, answers: Answers, now: datetime) -> Finding:
    limit = now - answers.asked_before
    said: list[str] = []
    late = False
    if isinstance(answers.oldest, Unknown):
        said.append(answers.oldest.reason)
    elif answers.oldest is None:
        said.append("no sample yet")
    else:
        said.append(f"oldest sample {age(answers.oldest, now)}")
        late = now - answers.oldest > limit
    if isinstance(answers.overdue, Unknown):
        said.append(f"no cross-check: {answers.overdue.reason}")
    elif answers.overdue is None:
        said.append(f"a query finds none from before {moment(answers.asked_before)}")
    else:
        said.append(f"a query finds samples of {moment(answers.overdue)}")
        late = True
    known = [one for one in (answers.oldest, answers.overdue) if not isinstance(one, Unknown)]
    # An age is measured by our clock. A sample from the future says that one of the two clocks is wrong.
    skewed = isinstance(answers.oldest, datetime) and answers.oldest > now + timedelta(hours=1)
    if skewed:
        said.append("that is in the future: its clock and ours disagree")
    verdict = Verdict.BREACH if late else Verdict.OK if known and not skewed else Verdict.CANNOT_TELL
    fixes = {
        Verdict.OK: "",
        Verdict.BREACH: "correct the retention first; a Prometheus that takes in nothing deletes nothing: see that its"
        " targets are up; then look for blocks that were copied or restored into its directory",
        Verdict.CANNOT_TELL: "make /metrics or /api/v1/query_range reachable from here"
        if not skewed
        else "set both clocks by NTP",
    }
    return Finding(
        check="prometheus.retention.observed",
        subject=target.address,
        promised=_promised(target),
        configured="",
        in_force=f"with whole blocks at most {span(limit)}" if not target.strict else f"at most {span(limit)}",
        observed="; ".join(said),
        verdict=verdict,
        fix=fixes[verdict],
    )


def _agent(target: PrometheusTarget, answers: Answers) -> Finding:
    assert not isinstance(answers.flags, Unknown)  # is_agent read them
    written = answers.flags.get("storage.agent.retention.max-time", "0s")
    try:
        kept = parse_duration(written) or AGENT_DEFAULT_RETENTION
        verdict = Verdict.OK if kept <= target.promise else Verdict.BREACH
        shown = f"at most {span(kept)} wait to be sent"
    except ValueError:
        verdict, shown = Verdict.CANNOT_TELL, f"{written!r} cannot be read"
    return Finding(
        check="prometheus.agent",
        subject=target.address,
        promised=_promised(target),
        configured=f"agent mode, --storage.agent.retention.max-time={written}",
        in_force=shown,
        observed=f"Prometheus {answers.version}; it keeps no samples of its own and sends all of them on",
        verdict=verdict,
        fix=""
        if verdict is Verdict.OK
        else f"set --storage.agent.retention.max-time={setting(target.promise)} or less",
    )


def _copies(target: PrometheusTarget, answers: Answers) -> Iterator[Finding]:
    """One finding for each place that samples are sent to: there they live as long as somebody else decides."""
    if isinstance(answers.configuration, Unknown):
        yield _cannot_tell(target, "prometheus.remote_write", answers.configuration)
        return
    written = answers.configuration.get("remote_write") or []
    for one in written if isinstance(written, list) else []:
        url = str(at(one, "url") or "")
        host = _host(url)
        known = host in target.known_copies
        yield Finding(
            check="prometheus.remote_write",
            subject=target.address,
            promised=_promised(target),
            configured=f"remote_write to {host or 'a URL that cannot be read'}",
            in_force="every sample is copied there",
            observed="that copy is accounted for elsewhere" if known else "how long the copy is kept is not known here",
            verdict=Verdict.OK if known else Verdict.CANNOT_TELL,
            fix=""
            if known
            else "check that copy's retention too and name its host among the known copies, or remove the remote_write",
        )


def _host(url: str) -> str:
    """Host and port alone: a path or a query may hold a token."""
    return urlsplit(address(url)).netloc


def _cannot_tell(target: PrometheusTarget, check_name: str, why: Unknown) -> Finding:
    return Finding(
        check=check_name,
        subject=target.address,
        promised=_promised(target),
        configured="",
        in_force="",
        observed=why.reason,
        verdict=Verdict.CANNOT_TELL,
        fix=why.fix or "see that it is a Prometheus and answers",
    )


# ── On disk ────────────────────────────────────────────────────────────────────────────────────────────────────


def _on_disk(target: PrometheusTarget, now: datetime) -> Iterator[Finding]:
    """Blocks that retention has left, and snapshots, which no retention ever reaches."""
    if target.data_directory is None:
        return
    root = target.data_directory
    try:
        blocks = _blocks(root)
        snapshot_root = root / "snapshots"
        snapshots = sorted(one for one in snapshot_root.iterdir() if one.is_dir()) if snapshot_root.is_dir() else []
        taken = [(one, _blocks(one)) for one in snapshots]
    except OSError as exc:
        yield Finding(
            check="prometheus.blocks",
            subject=str(root),
            promised=_promised(target),
            configured="",
            in_force="",
            observed=f"cannot be read: {exc.strerror or type(exc).__name__}",
            verdict=Verdict.CANNOT_TELL,
            fix="let archiver's user read the directory, or leave it out",
        )
        return
    limit = target.promise if target.strict else oldest_possible(target.promise)
    yield _block_finding(target, "prometheus.blocks", root, blocks, limit, now)
    for path, found in taken:
        yield _block_finding(target, "prometheus.snapshot", path, found, limit, now)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The blocks of one directory.

    Attributes:
        oldest: The earliest time that any readable one begins with.
        unreadable: Directories of blocks whose ``meta.json`` says no time.
    """

    count: int
    oldest: datetime | None
    unreadable: int


def _blocks(root: Path) -> _Blocks:
    """Every block in a directory, those being deleted included.

    Raises:
        OSError: The directory cannot be read.
    """
    count, unreadable, oldest = 0, 0, None
    for number, path in enumerate(root.iterdir()):
        if number >= BLOCK_DIRECTORIES_MAX:
            raise OSError(f"more than {BLOCK_DIRECTORIES_MAX} entries")
        meta = path / "meta.json"
        if not meta.is_file():
            continue
        count += 1
        begins = _begin_of(meta)
        if begins is None:
            unreadable += 1
        elif oldest is None or begins < oldest:
            oldest = begins
    return _Blocks(count, oldest, unreadable)


def _begin_of(meta: Path) -> datetime | None:
    with meta.open("rb") as file:
        text = file.read(META_BYTES_MAX)
    try:
        milliseconds = at(json.loads(text), "minTime")
    except (ValueError, RecursionError):
        return None
    return instant_of(milliseconds / 1000) if isinstance(milliseconds, int) else None


def _block_finding(
    target: PrometheusTarget, check_name: str, path: Path, blocks: _Blocks, limit: timedelta, now: datetime
) -> Finding:
    is_snapshot = check_name == "prometheus.snapshot"
    said = [plural(blocks.count, "block")]
    if blocks.oldest is not None:
        said.append(f"the oldest begins {moment(blocks.oldest)}")
        if is_snapshot and now - blocks.oldest <= limit:
            said.append(f"from {moment(blocks.oldest + limit)} on it breaks the promise")
    if blocks.unreadable:
        said.append(f"{blocks.unreadable} without a readable time")
    late = blocks.oldest is not None and now - blocks.oldest > limit
    verdict = Verdict.BREACH if late else Verdict.CANNOT_TELL if blocks.unreadable else Verdict.OK
    remove = "a snapshot is a copy without an end: delete the directory" if is_snapshot else ""
    return Finding(
        check=check_name,
        subject=str(path),
        promised=_promised(target),
        configured="",
        in_force="no retention reaches a snapshot" if is_snapshot else f"at most {span(limit)}",
        observed=", ".join(said),
        verdict=verdict,
        fix=""
        if verdict is Verdict.OK
        else remove or "see prometheus.retention.setting; blocks copied in by hand have to be deleted by hand",
    )
