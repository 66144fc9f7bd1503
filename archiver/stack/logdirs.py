"""What log directories still hold, and whether somebody deletes it in time.

The shipper copies these lines to Loki; an original that is left behind breaks the promise as well as a copy does.
A file is as old as its first line. Where no line tells a time, the file's modification time is a lower bound of its
age: an old one is a breach, a young one proves nothing.
"""

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from archiver.model import Finding, Fix, Force, Look, Promise, Seen, Setting, Statement, Verdict
from archiver.stack.logtimes import first_time
from archiver.stack.rotation import Bound, Rule, current_name, logrotate_bound, pm2_bound, read_logrotate, rules_for
from archiver.stack.targets import LogDirectoryTarget
from archiver.stack.words import Unknown, error_name

FILES_MAX = 20_000
NAMES_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file that holds lines.

    Attributes:
        oldest: Of its first line. None: no line tells a time; then only ``modified`` is known.
        problem: The name of the error with which it could not be read; empty when it was.
    """

    path: Path
    modified: datetime
    oldest: datetime | None
    problem: str = ""

    @property
    def reaches_back_to(self) -> datetime:
        """The latest instant that its oldest line can be of."""
        return self.modified if self.oldest is None else min(self.oldest, self.modified)


def check(target: LogDirectoryTarget, now: datetime) -> tuple[Finding, ...]:
    """Look into a directory, and at the settings that are to delete from it."""
    try:
        files = tuple(_files(target))
    except OSError as exc:
        return (
            Finding(
                check="logs.lines",
                subject=str(target.path),
                promised=(Promise.AGE(limit_s=target.promise),),
                observed=(Look.NO_FILE(path=str(target.path), error=error_name(exc)),),
                verdict=Verdict.CANNOT_TELL,
                fix=(Fix.READABLE(),),
            ),
        )
    return (_lines(target, files, now), *_rotation(target, files))


def _files(target: LogDirectoryTarget) -> Iterator[LogFile]:
    """Every file below the directory that a pattern names and that is not empty.

    Raises:
        OSError: A directory cannot be read, or there are too many files to look at.
    """
    waiting = [target.path]
    count = 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
        for entry in listing:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
                continue
            if not any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in target.patterns):
                continue
            count += 1
            if count > FILES_MAX:
                raise OSError(errno.E2BIG, f"more than {FILES_MAX:,} files")
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # deleted by the rotation meanwhile
                continue
            # A link leads to a file that is looked at where it lies; a socket or a pipe holds nothing.
            if stat.S_ISREG(status.st_mode) and status.st_size:
                file = _look(Path(entry.path), datetime.fromtimestamp(status.st_mtime, UTC), target)
                if file is not None:
                    yield file


def _look(path: Path, modified: datetime, target: LogDirectoryTarget) -> LogFile | None:
    try:
        first = first_time(path, modified, target.zone)
    except FileNotFoundError:
        return None
    except OSError as exc:
        return LogFile(path, modified, None, error_name(exc))
    return None if first.is_empty else LogFile(path, modified, first.at)


def _lines(target: LogDirectoryTarget, files: tuple[LogFile, ...], now: datetime) -> Finding:
    late = [file for file in files if now - file.reaches_back_to > target.promise]
    undated = [file for file in files if file.oldest is None and file not in late]
    said = [Seen.FILES(files=len(files))]
    if files:
        oldest = min(files, key=lambda file: file.reaches_back_to)
        at = oldest.reaches_back_to
        code = Seen.FILE_MODIFIED if oldest.oldest is None else Seen.FILE_LINE
        said.append(code(age_s=now - at, oldest_at=at, name=oldest.path.name))
    if late:
        said.append(Seen.FILES_LATE(files=len(late), names=_names(target, late)))
    if undated:
        said.append(Seen.FILES_UNDATED(files=len(undated), names=_names(target, undated)))
        if errors := sorted({file.problem for file in undated if file.problem}):
            said.append(Seen.FILES_UNREADABLE(errors=tuple(errors)))
    verdict = Verdict.BREACH if late else Verdict.CANNOT_TELL if undated else Verdict.OK
    return Finding(
        check="logs.lines",
        subject=str(target.path),
        promised=(Promise.AGE(limit_s=target.promise),),
        observed=tuple(said),
        verdict=verdict,
        fix=() if verdict is Verdict.OK else (Fix.LOGS_LATE() if late else Fix.LOGS_UNDATED(),),
    )


def _names(target: LogDirectoryTarget, files: list[LogFile]) -> tuple[str, ...]:
    ordered = sorted(files, key=lambda file: file.reaches_back_to)
    return _shortened([str(file.path.relative_to(target.path)) for file in ordered])


def _shortened(names: list[str]) -> tuple[str, ...]:
    """The first names, and ``+4`` for four more."""
    unnamed = len(names) - NAMES_SHOWN_MAX
    return (*names[:NAMES_SHOWN_MAX], *((f"+{unnamed}",) if unnamed > 0 else ()))


# ── Rotation ───────────────────────────────────────────────────────────────────────────────────────────────────


def _rotation(target: LogDirectoryTarget, files: tuple[LogFile, ...]) -> Iterator[Finding]:
    """One finding for each way in which the directory's logs are rotated, and one for those that nobody rotates."""
    if not target.logrotate_files and target.pm2_configuration is None:
        why = Unknown(Look.NO_ROTATION_GIVEN(), Fix.NAME_ROTATION())
        yield _rotation_finding(target, why, [])
        return
    rules: tuple[Rule, ...] | Unknown = ()
    if target.logrotate_files:
        rules = read_logrotate(target.logrotate_files)
    if isinstance(rules, Unknown):
        yield _rotation_finding(target, rules, [])
        rules = ()
    by_pm2 = None if target.pm2_configuration is None else pm2_bound(target.pm2_configuration)
    bounds: dict[Bound | Unknown, list[str]] = {}
    for log in sorted({_current(file.path) for file in files} or {target.path / "any.log"}):
        log_bounds: list[Bound | Unknown] = [logrotate_bound(rule) for rule in rules_for(log, rules)]
        if by_pm2 is not None and (not isinstance(by_pm2, Bound) or by_pm2.age is not None or not log_bounds):
            log_bounds.append(by_pm2)
        for bound in log_bounds or [Bound(None, (Setting.NOTHING_ROTATES(),))]:
            bounds.setdefault(bound, []).append(log.name)
    for bound, names in bounds.items():
        yield _rotation_finding(target, bound, names)


def _current(path: Path) -> Path:
    name = current_name(path.name)
    return path if name is None else path.with_name(name)


def _rotation_finding(target: LogDirectoryTarget, bound: Bound | Unknown, names: list[str]) -> Finding:
    shown = ", ".join(_shortened(names))
    days = max(target.promise.days - 2, 1)
    fix: Statement = Fix.ROTATION(rotate=days, maxage=max(days - 1, 1))
    configured: tuple[Statement, ...]
    in_force: tuple[Statement, ...] = ()
    if isinstance(bound, Unknown):
        verdict, configured, fix = Verdict.CANNOT_TELL, (bound.reason,), bound.fix or fix
    else:
        configured = bound.setting
        in_force = (Force.NO_LIMIT() if bound.age is None else Force.LINE_AGE(period_s=bound.age), *bound.remarks)
        verdict = Verdict.OK if bound.age is not None and bound.age <= target.promise else Verdict.BREACH
    return Finding(
        check="logs.rotation",
        subject=f"{target.path}{shown and ' ' + shown}",
        promised=(Promise.AGE(limit_s=target.promise),),
        configured=configured,
        in_force=in_force,
        verdict=verdict,
        fix=() if verdict is Verdict.OK else (fix,),
    )
