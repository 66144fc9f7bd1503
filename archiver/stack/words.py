"""Durations and instants as servers write them, and what could not be read."""

import errno
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from archiver.model import Statement

_UNIT_S = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
    "y": 31_536_000,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|[smhdwy])")
_SIZE = re.compile(r"\d+(?:\.\d+)?\s*(?:[KMGTPE]i?)?B", re.IGNORECASE)
_PERCENTAGE = re.compile(r"\d+(?:\.\d+)?\s*%")
_NONE = re.compile(r"0+(?:\.0+)?\s*(?:[KMGTPE]i?B?|B|%)?", re.IGNORECASE)
DAY_S = 86_400
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be found out, and what a person can do about it."""

    reason: Statement
    fix: Statement | None = None


def error_name(problem: OSError) -> str:
    """The name of a system's error, ``EACCES``; its class where it has no number."""
    return errno.errorcode.get(problem.errno or 0, type(problem).__name__)


def parse_duration(text: str) -> timedelta:
    """``30d``, ``1w2d``, ``720h0m0s``, ``1.5h``, ``0``: Prometheus's and Go's ways.

    Raises:
        ValueError: It is anything else, or longer than can be counted.
    """
    word = text.strip()
    if word == "0":
        return timedelta(0)
    total_s, position = 0.0, 0
    for part in _PART.finditer(word):
        if part.start() != position:
            break
        total_s += float(part[1]) * _UNIT_S[part[2]]
        position = part.end()
    if not word or position != len(word):
        raise ValueError(f"{text!r} is no duration")
    try:
        return timedelta(seconds=total_s)
    except OverflowError:
        return timedelta.max


def is_size(text: str) -> bool:
    """Whether it is a size or a share of the disk, and not none."""
    word = text.strip()
    return bool(_SIZE.fullmatch(word) or _PERCENTAGE.fullmatch(word)) and not _NONE.fullmatch(word)


def setting(duration: timedelta) -> str:
    """As Prometheus and Loki read it: ``30d``, ``36h``, ``90m``."""
    seconds = int(duration.total_seconds())
    for size, unit in ((DAY_S, "d"), (HOUR_S, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def instant_of(seconds: float) -> datetime | None:
    """The instant of a Unix time; None where no calendar has it."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def version_of(text: str) -> tuple[int, int] | None:
    """Major and minor of ``2.42.0+ds``, ``v3.9.1``; None for anything that does not begin so."""
    match = re.match(r"v?(\d{1,4})\.(\d{1,4})(?:\.|$|[-+])", text.strip())
    return None if match is None else (int(match[1]), int(match[2]))
