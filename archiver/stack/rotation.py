"""How old a line can get before logrotate or pm2-logrotate deletes it.

logrotate keeps ``rotate`` old files and the current one, so that just before a rotation the oldest file's first line is
``rotate + 1`` periods old. ``maxage`` is looked at when a file is rotated, and counts from its last line. Rotation by
size alone knows no time. pm2-logrotate keeps ``retain`` files and rotates by a cron expression as well as by size.
"""

import errno
import fnmatch
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from archiver.model import Fix, Force, Look, Setting, Statement
from archiver.stack.words import Unknown, error_name

FILE_BYTES_MAX = 1024 * 1024
INCLUDES_MAX = 500
INCLUDE_DEPTH_MAX = 10
PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=31),
    "yearly": timedelta(days=366),
}
IGNORED_SUFFIXES = (
    ".dpkg-old",
    ".dpkg-new",
    ".dpkg-dist",
    ".rpmsave",
    ".rpmnew",
    ".rpmorig",
    ".bak",
    "~",
    ".disabled",
    ".swp",
)
SCRIPTS = ("postrotate", "prerotate", "firstaction", "lastaction", "preremove")
PM2_RETAIN_DEFAULT = "30"
PM2_CRON_DEFAULT = "0 0 * * *"


@dataclass(frozen=True, slots=True)
class Bound:
    """How old a line can get.

    Attributes:
        age: None: there is no bound.
        setting: As configured, and why there is no bound.
        remarks: What it does not cover.
    """

    age: timedelta | None
    setting: tuple[Statement, ...]
    remarks: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One block of a logrotate file."""

    patterns: tuple[str, ...]
    directives: Mapping[str, str] = field(default_factory=dict)
    origin: Path = Path()

    def matches(self, path: Path) -> bool:
        """Whether the block names a file. As in a shell, a ``*`` does not cross a slash."""
        names = path.parts
        return any(
            len(parts) == len(names)
            and all(fnmatch.fnmatchcase(name, part) for name, part in zip(names, parts, strict=True))
            for parts in (Path(pattern).parts for pattern in self.patterns)
        )


def read_logrotate(files: tuple[Path, ...]) -> tuple[Rule, ...] | Unknown:
    """Every block of some configuration files, directories and what they include, with the defaults that apply."""
    rules: list[Rule] = []
    defaults: dict[str, str] = {}
    try:
        for path in files:
            _read_place(path, _Reading(rules, defaults))
    except OSError as exc:
        return Unknown(Look.NO_FILE(path="logrotate", error=error_name(exc)), Fix.READABLE_FILE())
    return tuple(rules)


@dataclass(slots=True)
class _Reading:
    """What was read so far. ``depth``: files that are being read, each including the next."""

    rules: list[Rule]
    defaults: dict[str, str]
    files: int = 0
    depth: int = 0


def _read_place(path: Path, so_far: _Reading) -> None:
    so_far.files += 1
    if so_far.files > INCLUDES_MAX or so_far.depth > INCLUDE_DEPTH_MAX:
        raise OSError(errno.E2BIG, "too many included files")
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            if entry.is_file() and not entry.name.startswith(".") and not entry.name.endswith(IGNORED_SUFFIXES):
                _read_place(entry, so_far)
        return
    with path.open("rb") as file:
        text = file.read(FILE_BYTES_MAX).decode(errors="replace")
    so_far.depth += 1
    _read_text(text, path, so_far)
    so_far.depth -= 1


def _read_text(text: str, origin: Path, so_far: _Reading) -> None:
    block: dict[str, str] | None = None
    patterns: list[str] = []
    for raw in _without_scripts(text):
        line = raw
        if block is None and (patterns or line[0] in "/\"'~" or "{" in line):
            names, brace, rest = line.partition("{")
            patterns += _words(names)
            if not brace:
                continue
            # Defaults count as they stand above the block: a later one does not reach back.
            block, line = dict(so_far.defaults), rest.strip()
        words = _words(line.removesuffix("}"))
        if words and words[0] == "include" and block is None:
            _read_place(Path(" ".join(words[1:])), so_far)
        elif words:
            (so_far.defaults if block is None else block).update(_directive(words))
        if line.endswith("}") and block is not None:
            so_far.rules.append(Rule(tuple(patterns), block, origin))
            block, patterns = None, []


def _without_scripts(text: str) -> Iterator[str]:
    """The lines that are not empty, no comment and not part of a script."""
    in_script = False
    for raw in text.splitlines():
        line = raw.strip()
        if in_script:
            in_script = line != "endscript"
        elif line.partition(" ")[0] in SCRIPTS:
            in_script = True
        elif line and not line.startswith("#"):
            yield line


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def _directive(words: list[str]) -> dict[str, str]:
    name, _, value = words[0].partition("=")
    value = value or " ".join(words[1:]).removeprefix("=").strip()
    if name in PERIODS:
        return {"period": name, "size": ""}  # the last one of period and size counts
    if name == "size":
        return {"size": value, "period": ""}
    if name == "nomissingok":
        return {}
    return {name: value}


def logrotate_bound(rule: Rule) -> Bound:
    """How old a line can get under a block."""
    said = rule.directives
    count_text, max_age_text = said.get("rotate", "0"), said.get("maxage", "")
    period = PERIODS.get(said.get("period", ""))
    size = said.get("size", "") or said.get("minsize", "")
    shown = [said["period"]] if said.get("period") else []
    shown += [f"{name} {said[name]}" for name in ("rotate", "maxage", "size", "minsize") if said.get(name)]
    origin = str(rule.origin)
    written = (
        Setting.LOGROTATE(path=origin, setting=", ".join(shown)) if shown else Setting.LOGROTATE_NOTHING(path=origin)
    )
    remarks = tuple(_remarks(said))
    try:
        count, max_age_days = int(count_text or "0"), int(max_age_text) if max_age_text else None
    except ValueError:
        return Bound(None, (written, Setting.NO_NUMBER()), remarks)
    if period is None or size:
        return Bound(None, (written, Setting.BY_SIZE()), remarks)
    ages = [] if count < 0 else [period * (count + 1)]
    if max_age_days is not None:
        ages.append(timedelta(days=max_age_days) + 2 * period)
    if not ages:
        return Bound(None, (written, Setting.NEVER_DELETED()), remarks)
    return Bound(min(ages), (written,), remarks)


def _remarks(said: Mapping[str, str]) -> Iterator[Statement]:
    if "notifempty" in said:
        yield Force.SILENT()
    if "mail" in said and "nomail" not in said:
        yield Force.MAILED()
    if "olddir" in said and "noolddir" not in said:
        yield Force.OLDDIR(path=said["olddir"])


def pm2_bound(path: Path) -> Bound | Unknown:
    """How old a line can get under pm2-logrotate, by PM2's ``module_conf.json``."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(FILE_BYTES_MAX))
    except OSError as exc:
        return Unknown(Look.NO_FILE(path=str(path), error=error_name(exc)), Fix.NAME_PM2())
    except (ValueError, RecursionError):
        return Unknown(Look.NO_JSON(path=str(path)), Fix.NAME_PM2())
    module: Any = document.get("pm2-logrotate") if isinstance(document, Mapping) else None
    if not isinstance(module, Mapping):
        return Bound(None, (Setting.PM2_MISSING(path=str(path)),))
    retain = str(module.get("retain", PM2_RETAIN_DEFAULT)).strip()
    cron = str(module.get("rotateInterval", PM2_CRON_DEFAULT)).strip()
    shown = f"retain {retain}, rotateInterval {cron!r}"
    period = cron_period(cron)
    if period is None:
        return Unknown(Look.PM2_CRON(setting=shown), Fix.PM2_DAILY())
    written = Setting.PM2(setting=shown)
    if not retain.isdigit():
        return Bound(None, (written, Setting.NEVER_DELETED()))
    return Bound(period * (int(retain) + 1), (written, Setting.PM2_FILE(period_s=period)), (Force.SILENT_PM2(),))


def cron_period(expression: str) -> timedelta | None:
    """The longest time between two runs of a cron expression of five or six fields; None where it is not simple."""
    fields = expression.split()
    if len(fields) == 6:  # noqa: PLR2004
        fields = fields[1:]
    if len(fields) != 5:  # noqa: PLR2004
        return None
    minute, hour, day, month, weekday = ("*" if field == "?" else field for field in fields)
    if month != "*":
        return None
    if day != "*":
        return PERIODS["monthly"] if weekday == "*" and day.isdigit() else None
    if weekday != "*":
        return PERIODS["weekly"]
    if hour == "*":
        return PERIODS["hourly"]
    return PERIODS["daily"] if re.fullmatch(r"[\d,/*-]+", hour + minute) else None


_ROTATED = re.compile(
    r"(?:[._-]\d{1,4}|-\d{8,14}|[._-]{1,2}\d{4}-\d{2}-\d{2}(?:[T_-]\d{2}-\d{2}(?:-\d{2})?)?)(?:\.log)?$"
)
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


def current_name(name: str) -> str | None:
    """The name of the log that a file was rotated from; None where it is the current log itself.

    ``access.log.1``, ``access.log-20261101.gz``, ``app-out__2026-11-01_00-00-00.log``.
    """
    bare = name
    for suffix in COMPRESSED:
        bare = bare.removesuffix(suffix)
    match = _ROTATED.search(bare)
    if match is None or match.start() == 0:
        return None if bare == name else bare
    base = bare[: match.start()]
    return base if "." in base or not bare.endswith(".log") else f"{base}.log"


def rules_for(path: Path, rules: tuple[Rule, ...]) -> Iterator[Rule]:
    """The blocks that name a current log."""
    return (rule for rule in rules if rule.matches(path))
