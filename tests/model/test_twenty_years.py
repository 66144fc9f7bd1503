"""Twenty years of nights, every one of them: clocks that go forward and back, leap days, jumps, nights that nobody ran.

Each night is that of cron in Berlin, half past two local time: it is missing on one night of the year and comes twice on
another. Rows come every few days, and around each night that matters; on every other night there is nothing to do but to
decide so, which is as easily done wrong.
"""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.support.world import DAY, World

BERLIN = ZoneInfo("Europe/Berlin")
FIRST, YEARS = date(2026, 1, 2), 20
DAYS_BETWEEN_ROWS = 7
JUMP = timedelta(days=40)


def matters(day: date) -> bool:
    """Two nights around each change of the clocks, the end of February, the turn of the year."""
    changes = any(_offset(day - DAY * number) != _offset(day - DAY * number + DAY) for number in (0, 1))
    return changes or (day.month, day.day) in ((2, 28), (2, 29), (3, 1), (12, 31), (1, 1))


def _offset(day: date) -> timedelta | None:
    return datetime(day.year, day.month, day.day, tzinfo=BERLIN).utcoffset()


def test_twenty_years() -> None:
    chance = random.Random(7)
    made = World(datetime(FIRST.year, FIRST.month, FIRST.day - 1, 2, tzinfo=UTC), keeps_open=True)
    nights, jumps, missed = 0, 0, 0
    day = FIRST
    while day.year < FIRST.year + YEARS:
        at = datetime(day.year, day.month, day.day, 2, 30, tzinfo=BERLIN).astimezone(UTC)
        comes = matters(day) or day.toordinal() % DAYS_BETWEEN_ROWS == 0
        if comes:
            made.insert(at - timedelta(seconds=chance.randrange(int((at - made.true).total_seconds()))))
            if chance.random() < 0.1:
                made.insert(at - timedelta(days=chance.randrange(40)))
        made.pass_time(at - made.true)
        made.skew = JUMP if chance.random() < (0.03 if comes else 0.003) else timedelta(0)
        entries = made.made.open().holdings.seq
        made.made.export()
        made.verify_new()
        assert made.purge() == (not made.skew), "a clock that jumped deletes nothing, a right one deletes on time"
        if made.skew:
            # If an entry was written with a time to come, nothing is deleted until a person confirms.
            made.skew = timedelta(0)
            told = made.made.open().holdings.seq > entries
            assert made.refused() or not told
            jumps += told
        made.expire()
        made.check()
        nights += 1
        days = 1
        if chance.random() < 0.003:
            days = chance.randrange(2, 12)
            missed += days - 1
        day += DAY * days
    assert nights + missed >= YEARS * 365 + 4
    assert nights > YEARS * 350
    assert jumps > YEARS / 2
    reads = len(made.faults.calls)
    made.made.opened = None  # type: ignore[attr-defined]
    entries = made.made.open().holdings.seq + 1
    reads = len(made.faults.calls) - reads
    assert reads < entries / 2, f"opening {entries} entries took {reads} requests: packs are not used"
    made.settle()
