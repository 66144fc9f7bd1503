"""Which of a source's windows an export with bounds looks at."""

from datetime import UTC, datetime, timedelta

import pytest

from archiver.model import DATED_MAX, DATED_MIN
from archiver.retention import census_bounds
from tests.support.archive import LOGS, day


def test_bounds_move_outwards_to_whole_windows() -> None:
    assert census_bounds(LOGS, day(1) + timedelta(hours=3), day(3) + timedelta(microseconds=1)) == (day(1), day(4))
    assert census_bounds(LOGS, day(1), day(3)) == (day(1), day(3))
    assert census_bounds(LOGS, None, day(3)) == (None, day(3))
    assert census_bounds(LOGS, day(1), None) == (day(1), None)


@pytest.mark.parametrize("until", [DATED_MAX, DATED_MAX - timedelta(hours=1), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_bounds_like_others(until: datetime) -> None:
    assert census_bounds(LOGS, datetime.min.replace(tzinfo=UTC), until) == (DATED_MIN, DATED_MAX)
