"""The guard's lower bound of rows: fewer rows are asked for, the more of a dataset would go."""

from datetime import UTC, datetime, timedelta

import pytest

from archiver.retention import Clocks, GuardSettings, guard

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CLOCKS = Clocks(local=NOW, database=NOW, store=NOW, anchor=NOW, last_entry=NOW)


def is_refused(rows: int, share: float, **changes: float) -> bool:
    rules = GuardSettings.model_validate(changes)
    return bool(guard(CLOCKS, rules=rules, pause=timedelta(0), anchor_adopted=False, shares={"logs": (rows, share)}))


def test_fault_a_table_of_900_rows_is_not_emptied_in_one_go() -> None:
    """A retention of 30m where 30d was meant."""
    assert is_refused(900, 1.0)


@pytest.mark.parametrize(
    ("rows", "share", "refused"),
    [
        (99, 1.0, False),
        (100, 1.0, True),
        (549, 0.75, False),
        (550, 0.75, True),
        (1000, 0.5, False),
        (10_000_000, 0.5, False),
        (979, 0.51, False),
        (1000, 0.51, True),
    ],
)
def test_the_bound_falls_as_the_share_grows(rows: int, share: float, *, refused: bool) -> None:
    assert is_refused(rows, share) is refused


def test_a_share_of_all_that_is_allowed_asks_nobody() -> None:
    assert not is_refused(10_000, 1.0, share_max=1.0)
