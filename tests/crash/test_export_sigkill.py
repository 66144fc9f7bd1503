"""A real ``archiver export`` is killed with SIGKILL at random instants; the next run loses nothing and doubles nothing.

The first is started as ever, the others warm. More instants than the few of every run: ``pytest tests/crash/test_export_sigkill.py --seeds 200``.
"""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.support.postgres import Database, PostgresServer, fresh_database
from tests.support.program import Program, fill, kill, new_program
from tests.support.warm import Nursery, begun_by, nursery

DAYS = 8
EVENTS = 1_500
ODD = """INSERT INTO log_workflow_events VALUES
    (1, 'infinity', NULL, NULL, NULL), (2, now() + interval '3 days', 'x', 0.5, '{"a": [1, null]}')"""
SOURCE = """SELECT id::text, CASE WHEN isfinite(created_at) THEN (extract(epoch FROM created_at) * 1000000)::int8::text END,
    phone, amount::text, payload::text FROM log_workflow_events"""
ARCHIVE = """SELECT id::varchar, CASE WHEN isfinite(created_at) THEN epoch_us(created_at)::varchar END, phone,
    amount::varchar, payload::varchar FROM read_parquet(?, hive_partitioning = true)"""


@pytest.fixture
def filled(postgres_server: PostgresServer) -> Iterator[Database]:
    with fresh_database(postgres_server, f"sigkill_{os.getpid()}") as made:
        fill(made, audit=1, events=EVENTS, days=DAYS)
        made.execute(ODD)
        yield made


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """An empty archive, copied for each seed."""
    return new_program(tmp_path_factory.mktemp("sigkill")).init()


@pytest.fixture(scope="module")
def warm() -> Iterator[Nursery]:
    with nursery() as made:
        yield made


def test_killed_at_a_random_instant(seed: int, filled: Database, begun: Program, tmp_path: Path, warm: Nursery) -> None:
    """Killed once or twice, then run to its end: every row is there once, and nothing is litter."""
    chance = random.Random(seed)
    shutil.copytree(begun.directory, tmp_path, dirs_exist_ok=True)
    configuration = tmp_path / "work" / "archiver.toml"
    configuration.write_text(configuration.read_text().replace(str(begun.directory), str(tmp_path)))
    program = begun_by(
        warm if seed else None,
        tmp_path,
        {
            "SUPABASE_DB_URL": filled.dsn,
            "ARCHIVER_EXPORT__COMMIT_INTERVAL_S": chance.choice(["0", "0.2", "60"]),
            "ARCHIVER_EXPORT__JOBS": chance.choice(["1", "2", "4"]),
        },
    )
    for _ in range(chance.choice([1, 1, 2])):
        kill(program, ["export"], files=chance.randrange(0, 2 * DAYS + 4), wait_s=chance.uniform(0.0, 0.04))
    late = chance.random() < 0.3
    if late:
        # What was uploaded for this window and not committed can no longer be adopted.
        filled.execute(
            "INSERT INTO log_workflow_events SELECT id + 500000, created_at, 'late', amount, payload"
            " FROM log_workflow_events WHERE id % 1000000 = 7"
        )
    program.run("export").succeeded()
    check(program, filled, may_litter=late)
    again = program.run("export", "--json").succeeded()
    assert [line["rows"] for line in again.lines] == [0]


def check(program: Program, database: Database, *, may_litter: bool) -> None:
    """What DuckDB reads is what Postgres has, row for row; the archive proves itself."""
    done = program.run("verify", "--deep", "--json").succeeded()
    *found, told = done.lines
    # A temporary file of the killed run is an upload that nobody finished: listed, and swept after the grace time.
    assert {line["type"] for line in found} <= {"litter", "upload"}
    litter = {line["key"] for line in found if line["type"] == "litter"}
    assert told["problems"] == 0
    assert may_litter or not litter
    events = program.store / "data" / "log_workflow_events"
    files = [str(path) for path in events.rglob("*.parquet") if str(path.relative_to(program.store)) not in litter]
    with duckdb.connect() as connection:
        archived = sorted(map(repr, connection.execute(ARCHIVE, [files]).fetchall()))
    assert archived == sorted(map(repr, database.query(SOURCE)))
    # Nothing but the archive is left behind: the killed run's work directory is removed by the next one.
    leftovers = [path for path in (program.directory / "tmp").rglob("*") if path.is_file()]
    assert leftovers == []
    strange = [path for path in program.store.rglob("*") if path.is_file() and path.suffix not in (".parquet", ".json")]
    assert strange == []
