"""Twenty years of nights: clocks that go forward and back, leap days, jumps, nights that nobody ran; and a quick opening.

Each night is that of cron in Berlin, half past two local time: it is missing on one night of the year and comes twice on
another. Between the nights that matter whole weeks are missed, and the next night makes up for them.
"""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.support.world import DAY, World

BERLIN = ZoneInfo("Europe/Berlin")
FIRST, YEARS = 2026, 20


def nights_that_matter(year: int) -> list[date]:
    """Two nights around each change of the clocks, each end of February, the turn of the year; some in between."""
    changes = [
        day for day in (date(year, 1, 1) + DAY * number for number in range(365)) if _offset(day) != _offset(day + DAY)
    ]
    days = [change + DAY * number for change in changes for number in (0, 1)]
    days += [date(year, 2, 28), date(year, 3, 1) - DAY, date(year, 3, 1), date(year, 7, 1), date(year, 12, 31)]
    return sorted(set(days))


def _offset(day: date) -> timedelta | None:
    return datetime(day.year, day.month, day.day, tzinfo=BERLIN).utcoffset()


def test_twenty_years() -> None:
    chance = random.Random(7)
    made = World(datetime(FIRST, 1, 1, 2, tzinfo=UTC), keeps_open=True)
    nights = 0
    for year in range(FIRST, FIRST + YEARS):
        for day in nights_that_matter(year):
            at = datetime(day.year, day.month, day.day, 2, 30, tzinfo=BERLIN).astimezone(UTC)
            for _ in range(min(3, (at - made.true).days + 1)):
                made.insert(at - timedelta(seconds=chance.randrange(int((at - made.true).total_seconds()) or 1)))
            made.insert(at - timedelta(days=chance.randrange(40)))
            made.pass_time(at - made.true)
            made.skew = timedelta(days=40) if chance.random() < 0.05 else timedelta(0)
            made.made.export()
            made.verify_new()
            assert made.purge() == (not made.skew), "a clock that jumped deletes nothing, a right one deletes on time"
            made.check()
            if made.skew:
                # Entries were written with a time to come: until a person confirms, nothing is deleted.
                made.skew = timedelta(0)
                assert made.refused()
            made.expire()
            made.check()
            nights += 1
    assert nights > YEARS * 8
    reads = len(made.faults.calls)
    made.made.opened = None  # type: ignore[attr-defined]
    entries = made.made.open().holdings.seq + 1
    reads = len(made.faults.calls) - reads
    assert reads < entries / 2, f"opening {entries} entries took {reads} requests: packs are not used"
    made.settle()
