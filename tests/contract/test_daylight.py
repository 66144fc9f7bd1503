"""Days of 23 and of 25 hours: a database, a machine and rows in Europe/Berlin; windows are UTC days all the same."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from archiver.model import Dataset
from archiver.neighbours.postgres.source import PostgresSource
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.nights import Nights
from tests.support.postgres import Database

LOGS = Dataset(name="logs", source="postgres", relation="logs", source_retention=timedelta(days=30))


@pytest.mark.parametrize(
    ("first", "hours"),
    [(datetime(2026, 3, 28, tzinfo=UTC), 23), (datetime(2026, 10, 24, tzinfo=UTC), 25)],
    ids=["23 hours", "25 hours"],
)
def test_fault_15_the_clock_change_leaves_no_gap_and_no_overlap(
    database: Database, monkeypatch: pytest.MonkeyPatch, first: datetime, hours: int
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        database.execute(
            f"ALTER DATABASE \"{database.name}\" SET TimeZone = 'Europe/Berlin'",
            "CREATE TABLE logs (id int PRIMARY KEY, created_at timestamptz)",
            "INSERT INTO logs SELECT n, timestamptz '" + first.isoformat() + "' + interval '30 minutes' * n"
            " FROM generate_series(0, 3 * 48 - 1) n",
        )
        local = database.query(
            "SELECT (created_at AT TIME ZONE 'Europe/Berlin')::date::text, count(*) FROM logs GROUP BY 1"
        )
        assert 2 * hours in dict(local).values(), "the local day is not one of 24 hours"
        now = first + timedelta(days=31, hours=6)
        made = Nights(FaultyStore(), FaultyAnchor(), PostgresSource(database.dsn), datasets=(LOGS,), now=lambda: now)
        made.init()
        made.export()
        made.verify_and_record()
        assert len(made.rows()) == 144
        slots = made.open().holdings.dataset("logs").slots
        assert {slot.window.start: known.rows for slot, known in slots.items() if slot.window} == {
            first + timedelta(days=number): 48 for number in range(3)
        }
        # Rows become due by the hour, whatever the wall clock shows: those of the first day and of six hours.
        assert made.purge().rows == {"logs": 48 + 12}
        ((oldest,),) = database.query("SELECT min(id) FROM logs")
        assert oldest == 60
        assert Counter(row["id"] for row in made.rows()) == Counter(range(144))
        assert made.export().rows == 0
    finally:
        monkeypatch.undo()
        time.tzset()
