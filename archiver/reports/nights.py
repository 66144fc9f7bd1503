"""Nights: which runs began, and on which days none did. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from archiver.reports.model import Nights
from archiver.reports.period import DAY, Period

NIGHTLY = "nightly"
GAP_MAX = timedelta(hours=30)
"""A day on which no run began is no missed night when the runs around it are no further apart: a clock that is set by
an hour, or a start that waited, moves a run across midnight."""


def nights_of(starts: Sequence[datetime], period: Period) -> Nights:
    """Count the runs, and name the days without one.

    Args:
        starts: Of every nightly run ever recorded, those before the period included.
    """
    ordered = sorted(starts)
    if not ordered:
        return Nights(recorded_since=None, runs=0, missed=())
    missed = []
    position = 0
    day = max(period.since, ordered[0]).replace(hour=0, minute=0, second=0, microsecond=0)
    while period.until - day >= DAY:
        end = day + DAY
        while position < len(ordered) and ordered[position] < end:
            position += 1
        last = ordered[position - 1] if position else None
        if last is not None and last < day and _is_missed(last, ordered[position:], period.until):
            missed.append(day.date())
        day = end
    return Nights(recorded_since=ordered[0], runs=sum(period.covers(night) for night in ordered), missed=tuple(missed))


def _is_missed(last: datetime, later: Sequence[datetime], until: datetime) -> bool:
    """Whether a day without a start, between ``last`` and the next one, was a night that fell out."""
    if later:
        return later[0] - last > GAP_MAX
    return until - last > DAY
