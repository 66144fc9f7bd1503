"""Dates and ages as people write them. Pure: ``now`` is given."""

import re
from datetime import UTC, datetime, timedelta

from archiver.errors import ConfigError
from archiver.section import DURATION, parse_duration

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
ACCEPTED = "a date (2026-11-01), a timestamp (2026-11-01T06:30:00Z), or an age (24h, 7d, 2w, yesterday, today, now)"


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
        if DURATION.fullmatch(word):
            return now.astimezone(UTC) - parse_duration(word)
        if _DATE.match(word):
            instant = datetime.fromisoformat(text.strip())
            return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise ConfigError(
            f"{option} {text!r}: there is no such time; nothing was done", hint=f"write {ACCEPTED}"
        ) from exc
    raise ConfigError(f"{option} {text!r}: cannot be understood; nothing was done", hint=f"write {ACCEPTED}")
