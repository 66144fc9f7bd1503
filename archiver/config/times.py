"""Dates, ages and durations as people write them. Pure: ``now`` is given."""

import re
from datetime import UTC, datetime, timedelta

from archiver.errors import ConfigError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DURATION_MAX = timedelta(days=36_525)
_DURATION = re.compile(r"(\d{1,6})\s*([smhdw])")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
ACCEPTED = "a date (2026-11-01), a timestamp (2026-11-01T06:30:00Z), or an age (24h, 7d, 2w, yesterday, today, now)"


def parse_duration(text: object) -> timedelta:
    """``90m``, ``24h``, ``30d``, ``2w``; at most a hundred years, so that every sum of it and a time exists.

    Raises:
        ValueError: It is anything else, or zero.
    """
    match = _DURATION.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is no duration: write a number and a unit, such as 90m, 24h, 30d or 2w")
    found = timedelta(seconds=int(match[1]) * UNITS[match[2]])
    if found > DURATION_MAX:
        raise ValueError(f"{text!r} is longer than a hundred years: write at most {DURATION_MAX.days}d")
    return found


def format_duration(duration: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back as the same."""
    seconds = int(duration.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % UNITS[unit] == 0:
            return f"{seconds // UNITS[unit]}{unit}"
    return f"{seconds}s"


def parse_since(text: str, now: datetime, *, option: str = "--since") -> datetime:
    """The instant that a date, a timestamp or an age means.

    Args:
        now: Aware. Ages count back from it; ``today`` and ``yesterday`` are UTC days.

    Returns:
        Aware, in UTC. A date is its midnight UTC; a timestamp without an offset is taken as UTC.

    Raises:
        ConfigError: It is none of these; the message says what is accepted.
    """
    word = text.strip().lower()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": now.astimezone(UTC), "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if word in named:
        return named[word]
    try:
        if _DURATION.fullmatch(word):
            return now.astimezone(UTC) - parse_duration(word)
        if _DATE.match(word):
            found = datetime.fromisoformat(text.strip())
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise ConfigError(
            f"{option} {text!r}: there is no such time; nothing was done", hint=f"write {ACCEPTED}"
        ) from exc
    raise ConfigError(f"{option} {text!r}: cannot be understood; nothing was done", hint=f"write {ACCEPTED}")
