"""The deleting transaction of Postgres: exactly the rows that it read; and the connection that is kept between two."""

import gc
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from archiver.errors import TransientError
from archiver.model import Dataset, Window
from archiver.neighbours.postgres.source import PostgresSource
from tests.support.daemon import until
from tests.support.postgres import Database

MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
DAY = Window(MAY_1, MAY_1 + timedelta(days=1))
LOGS = Dataset(name="logs", source="postgres", relation="logs")
SESSIONS = (
    "SELECT pid::int8, state FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'archiver'"
)


@pytest.fixture
def logs(database: Database) -> Database:
    database.execute(
        "CREATE TABLE logs (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, message text)",
        "INSERT INTO logs SELECT i, timestamptz '2026-05-01 00:00+00' + i * interval '1 second', 'm' || i"
        " FROM generate_series(1, 100) i",
    )
    return database


def ids(database: Database) -> list[int]:
    return [row[0] for row in database.query("SELECT id FROM logs ORDER BY id")]


@pytest.mark.parametrize("kept", [0, 1])
def test_a_row_that_came_after_the_scan_stays(logs: Database, kept: int) -> None:
    """Whether all rows of the window go, by the window, or only some, by their keys: no other row goes with them."""
    with PostgresSource(logs.dsn).purging(LOGS) as work:
        schema = work.schema(LOGS)
        read = pa.Table.from_batches(list(work.scan(LOGS, schema, DAY)))
        logs.execute("INSERT INTO logs VALUES (1000, '2026-05-01 12:00+00', 'late')")
        gone = work.delete(LOGS, schema, DAY, read.slice(kept).select(["id"]))
        work.commit()
    assert gone.rows == 100 - kept
    assert ids(logs) == [*range(1, kept + 1), 1000]


@pytest.mark.parametrize("kept", [0, 1])
def test_a_row_that_changed_after_the_scan_stops_the_deletion(logs: Database, kept: int) -> None:
    """What would be deleted is no longer what was read: nothing goes."""
    with pytest.raises(TransientError), PostgresSource(logs.dsn).purging(LOGS) as work:
        schema = work.schema(LOGS)
        read = pa.Table.from_batches(list(work.scan(LOGS, schema, DAY)))
        logs.execute("UPDATE logs SET message = 'changed' WHERE id = 50")
        work.delete(LOGS, schema, DAY, read.slice(kept).select(["id"]))
    assert len(ids(logs)) == 100


def test_only_the_keys_go_when_another_window_was_scanned(logs: Database) -> None:
    """As many keys as some scan had rows are not the rows of this window."""
    half = Window(MAY_1, MAY_1 + timedelta(seconds=51))
    with PostgresSource(logs.dsn).purging(LOGS) as work:
        schema = work.schema(LOGS)
        read = pa.Table.from_batches(list(work.scan(LOGS, schema, half)))
        work.delete(LOGS, schema, DAY, read.select(["id"]))
        work.commit()
    assert ids(logs) == list(range(51, 101))


def test_one_connection_is_kept_and_closed_in_the_end(logs: Database) -> None:
    """Outside of any transaction, so that it holds nothing back; and it goes with its source."""
    source = PostgresSource(logs.dsn)
    seen = set()
    for _ in range(3):
        with source.snapshot() as snapshot:
            snapshot.schema(LOGS)
        ((pid, state),) = logs.query(SESSIONS)
        seen.add(pid)
        assert state == "idle"
    assert len(seen) == 1
    del source, snapshot
    gc.collect()
    until(lambda: logs.query(SESSIONS) == [], "no session is left")


def test_a_kept_connection_that_was_ended_is_replaced(logs: Database) -> None:
    """A server that was restarted between two snapshots is nobody's failure."""
    source = PostgresSource(logs.dsn)
    with source.snapshot() as snapshot:
        snapshot.schema(LOGS)
    logs.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'archiver'")
    with source.snapshot() as snapshot:
        assert snapshot.count(LOGS, snapshot.schema(LOGS), DAY) == 100


def test_a_connection_in_the_middle_of_a_scan_is_not_kept(logs: Database) -> None:
    """Nor one on which anything failed."""
    source = PostgresSource(logs.dsn)
    with source.purging(LOGS) as work:
        next(iter(work.scan(LOGS, work.schema(LOGS), DAY)))
        gc.collect()
    until(lambda: logs.query(SESSIONS) == [], "no session is left")
    with pytest.raises(KeyError), source.snapshot():
        raise KeyError
    until(lambda: logs.query(SESSIONS) == [], "no session is left")
    with source.snapshot() as snapshot:
        assert snapshot.count(LOGS, snapshot.schema(LOGS), DAY) == 100
