"""When a log line was written, in the formats of PM2, nginx, syslog and whoever writes ISO 8601 or JSON.

Only the start of a file is read, decompressed on the way; how much is bounded.
"""

import bz2
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import IO, Any

HEAD_BYTES_MAX = 64 * 1024
LINES_MAX = 100
YEAR_MIN = 2000
MILLISECONDS_MIN = 1e11
"""A number of this size is milliseconds: as seconds it would be the year 5138."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:[.,]\d{1,9})?\s?(Z|[+-]\d{2}:?\d{2})?",
)
_NGINX_ACCESS = re.compile(r"\[(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-]\d{4})\]")
_NGINX_ERROR = re.compile(r"(\d{4})/(\d{2})/(\d{2}) (\d{2}):(\d{2}):(\d{2})")
_RFC3164 = re.compile(r"(?:<\d{1,3}>)?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d{2}):(\d{2}):(\d{2})(?=\s)")
_JSON_KEYS = ("timestamp", "time", "ts", "@timestamp", "datetime", "date")
_LINE_START_MAX = 40
"""A time stands at the beginning of a line, after a bracket, a priority or a short prefix such as ``0|app  | ``."""


@dataclass(frozen=True, slots=True)
class FirstTime:
    """The earliest time that a file's first lines tell.

    Attributes:
        at: None: no line has a time.
        is_empty: There is no line at all.
    """

    at: datetime | None
    is_empty: bool = False


def first_time(path: Path, modified: datetime, zone: tzinfo) -> FirstTime:
    """The time of the first line that has one.

    Args:
        modified: When the file was last written: its lines are not younger, which gives RFC 3164 its year.
        zone: Of times without an offset.

    Raises:
        OSError: The file cannot be read.
    """
    head = _head(path)
    if head is None:
        return FirstTime(None)
    if not head.strip(b"\0 \r\n\t"):
        return FirstTime(None, is_empty=True)
    for line in head.decode(errors="replace").splitlines()[:LINES_MAX]:
        instant = time_of_line(line, modified, zone)
        if instant is not None:
            return FirstTime(instant)
    return FirstTime(None)


def _head(path: Path) -> bytes | None:
    """The first bytes, decompressed; None where that is not possible."""
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(path.suffix)
    if opener is None:
        with path.open("rb") as plain:
            return plain.read(HEAD_BYTES_MAX)
    try:
        stream: IO[bytes]
        with opener(path, "rb") as stream:
            return stream.read(HEAD_BYTES_MAX)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile):
        return None
    except OSError as exc:
        if exc.errno is None:  # bz2 says "Invalid data stream" this way
            return None
        raise


def time_of_line(line: str, modified: datetime, zone: tzinfo) -> datetime | None:
    """The time of a line, in UTC; None when it has none."""
    text = line.strip()
    if text.startswith("{"):
        return _of_json(text, zone)
    start = text[: _LINE_START_MAX + 40]
    for pattern, read in ((_ISO, _of_iso), (_NGINX_ACCESS, _of_nginx), (_NGINX_ERROR, _of_numbers)):
        # nginx's access lines begin with an address and a user, whose lengths nobody bounds.
        match = pattern.search(text[:1024] if pattern is _NGINX_ACCESS else start)
        if match is not None and (pattern is _NGINX_ACCESS or match.start() <= _LINE_START_MAX):
            return read(match, zone)
    match = _RFC3164.match(text)
    return None if match is None else _of_rfc3164(match, modified, zone)


def _of_json(text: str, zone: tzinfo) -> datetime | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, Mapping):
        return None
    for key in _JSON_KEYS:
        value = document.get(key)
        if isinstance(value, str) and (match := _ISO.match(value.strip())):
            return _of_iso(match, zone)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _of_number(float(value))
    return None


def _of_number(value: float) -> datetime | None:
    seconds = value / 1000 if value >= MILLISECONDS_MIN else value
    try:
        instant = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return instant if instant.year >= YEAR_MIN else None


def _of_iso(match: re.Match[str], zone: tzinfo) -> datetime | None:
    return _made([int(number) for number in match.groups()[:6]], zone if match[7] is None else _offset(match[7]))


def _of_numbers(match: re.Match[str], zone: tzinfo) -> datetime | None:
    return _made([int(number) for number in match.groups()[:6]], zone)


def _of_nginx(match: re.Match[str], zone: tzinfo) -> datetime | None:  # noqa: ARG001 - it always has an offset
    month = _MONTHS.get(match[2])
    if month is None:
        return None
    day, year, hour, minute, second = (int(match[group]) for group in (1, 3, 4, 5, 6))
    return _made([year, month, day, hour, minute, second], _offset(match[7]))


def _of_rfc3164(match: re.Match[str], modified: datetime, zone: tzinfo) -> datetime | None:
    """The year is not written: the latest one that does not make the line younger than its file."""
    month = _MONTHS.get(match[1])
    if month is None:
        return None
    day, hour, minute, second = (int(match[group]) for group in (2, 3, 4, 5))
    for year in range(modified.year + 1, modified.year - 9, -1):  # nine: a 29 February comes again within eight
        instant = _made([year, month, day, hour, minute, second], zone)
        if instant is not None and instant <= modified + timedelta(days=1):
            return instant
    return None


def _offset(text: str) -> tzinfo | None:
    """None where no zone is so far from UTC."""
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    shift = timedelta(hours=hours, minutes=minutes)
    return timezone(-shift if text[0] == "-" else shift) if shift < timedelta(days=1) else None


def _made(numbers: list[int], zone: tzinfo | None) -> datetime | None:
    if zone is None or numbers[0] < YEAR_MIN:
        return None
    try:
        year, month, day, hour, minute, second = numbers
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
