"""What a purge asks of its database: counted by the server itself, which writes down every statement that it gets."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from archiver.model import Dataset
from archiver.neighbours.postgres.source import PostgresSource
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.nights import Nights
from tests.support.postgres import Database, PostgresServer, fresh_database, postgres_cluster

LOGS = Dataset(name="logs", source="postgres", relation="logs")
NOW = datetime(2026, 6, 12, tzinfo=UTC)  # the border is 2026-05-13
ROWS = 2_144
WINDOWS = 11
SNAPSHOTS_MAX = 14
STATEMENTS_MAX = 80

_WRITTEN = re.compile(r"\[(\w+)\] LOG:  (?:statement|execute \S+): (.*(?:\n\t.*)*)")


@pytest.fixture(scope="module")
def counting() -> Iterator[PostgresServer]:
    """A server that writes down who sends what."""
    with postgres_cluster("log_statement=all", "log_line_prefix=[%a] ") as server:
        yield server


@pytest.fixture
def logs(counting: PostgresServer) -> Iterator[Database]:
    with fresh_database(counting, "counted") as database:
        database.execute(
            "CREATE TABLE logs (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, message text)",
            "CREATE INDEX ON logs (created_at)",
            # Eleven days that are due, and one row that is not.
            f"INSERT INTO logs SELECT i, timestamptz '2026-05-02 00:00+00' + i * interval '{WINDOWS} days' / {ROWS},"
            f" 'm' || i FROM generate_series(0, {ROWS - 1}) i",
            "INSERT INTO logs VALUES (9000, '2026-06-01 00:00+00', 'young')",
        )
        yield database


def sent(server: PostgresServer) -> list[str]:
    """Every statement that archiver has sent, as the server wrote it down."""
    return [text for name, text in _WRITTEN.findall(server.log.read_text(errors="replace")) if name == "archiver"]


def test_a_purge_reads_its_source_once(logs: Database, counting: PostgresServer) -> None:
    """One snapshot for the plan, one transaction for each batch, and little said in each; the proof is as it was."""
    made = Nights(FaultyStore(), FaultyAnchor(), PostgresSource(logs.dsn), datasets=(LOGS,), now=lambda: NOW)
    made.init()
    made.export()
    made.verify_and_record()
    # A process of its own: nothing is known yet.
    made.source = PostgresSource(logs.dsn)
    before = len(sent(counting))
    assert made.purge().rows == {"logs": ROWS}
    said = sent(counting)[before:]
    assert logs.query("SELECT id FROM logs") == [(9000,)]
    snapshots = [text for text in said if "REPEATABLE READ" in text]
    deleting = [text for text in said if "DELETE FROM" in text]
    assert len(deleting) == WINDOWS
    # Two of each kind are left for the guard, which looks at the database's clock before and after the plan.
    assert len(snapshots) <= SNAPSHOTS_MAX - 2, f"{len(snapshots)} snapshots"
    assert len(said) <= STATEMENTS_MAX - 6, f"{len(said)} statements:\n" + "\n".join(said)
