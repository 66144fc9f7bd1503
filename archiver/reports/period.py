"""What a report is about: a day, a month, any span. UTC and half-open, as everything is."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Europe/Berlin")
"""Where the people are who read the report. Nothing is decided by it."""

_RFC3339 = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:Z|\+00:00)")
DAY = timedelta(days=1)
DECEMBER = 12
CALENDAR = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """``[since, until)`` in UTC.

    Attributes:
        is_open: It was not over when the report was asked for, and ends where the ledger did.
    """

    kind: Literal["day", "month", "span"]
    since: datetime
    until: datetime
    is_open: bool = False

    def __post_init__(self) -> None:
        if self.since.utcoffset() != timedelta(0) or self.until.utcoffset() != timedelta(0):
            raise ValueError("a period's bounds are aware and in UTC")
        if not self.since < self.until:
            raise ValueError("a period ends after it starts")

    @property
    def label(self) -> str:
        """``2026-11``, ``2026-11-24``, ``2026-11-01_2026-11-20``: names files and numbers reports."""
        if self.kind == "month":
            return f"{self.since:%Y-%m}"
        if self.kind == "day":
            return f"{self.since:%Y-%m-%d}"
        return f"{_bound(self.since)}_{_bound(self.until)}"

    def previous(self) -> "Period | None":
        """The one before: the month before, the day before, a span of the same length; None before the calendar."""
        if self.since - CALENDAR <= DAY:
            return None
        if self.kind == "month":
            return month_of(self.since - DAY)
        length = min(self.until - self.since if self.kind == "span" else DAY, self.since - CALENDAR)
        return Period(kind=self.kind, since=self.since - length, until=self.since)

    def covers(self, instant: datetime) -> bool:
        """Whether an instant belongs to it."""
        return self.since <= instant < self.until


def _bound(instant: datetime) -> str:
    is_midnight = instant.time() == datetime.min.time()
    return f"{instant:%Y-%m-%d}" if is_midnight else f"{instant:%Y-%m-%dT%H%M%SZ}"


def month_of(instant: datetime) -> Period:
    """The UTC month that an instant lies in."""
    since = instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (since.year + 1, 1) if since.month == DECEMBER else (since.year, since.month + 1)
    return Period(kind="month", since=since, until=since.replace(year=after[0], month=after[1]))


def day_of(instant: datetime) -> Period:
    """The UTC day that an instant lies in."""
    since = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return Period(kind="day", since=since, until=since + DAY)


def span(since: datetime, until: datetime) -> Period:
    """Any span; a whole month or day is one."""
    for whole in (month_of(since), day_of(since)):
        if (whole.since, whole.until) == (since, until):
            return whole
    return Period(kind="span", since=since, until=until)


def closed_at(period: Period, *, now: datetime, head_at: datetime) -> Period:
    """The period as far as it is over.

    A report on a period that still goes on ends where the ledger ends, or at the last midnight, whichever is later: so
    that nights without a run are not hidden by the silence that they leave.

    Args:
        head_at: Time of the ledger's last entry.
    """
    if period.until <= now:
        return period
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    until = max(head_at + timedelta(microseconds=1), midnight, period.since + timedelta(microseconds=1))
    if until >= period.until:
        return period
    return Period(kind=period.kind, since=period.since, until=until, is_open=True)


def instant_of(text: str | None) -> datetime | None:
    """RFC 3339 UTC text to microseconds; None for anything else."""
    match = _RFC3339.fullmatch(text or "")
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
    try:
        return datetime(year, month, day, hour, minute, second, int((match[7] or "0").ljust(6, "0")[:6]), UTC)
    except ValueError:
        return None
