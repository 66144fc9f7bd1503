"""Real processes that export, verify, purge and expire are killed with SIGKILL at random instants.

Then a run is left alone: no row is lost, none is there twice, nothing overdue is left, and every row that is gone was
counted once. The first place is run by programs that are started as ever, the others by warm ones. More instants than the few of every run: ``pytest tests/crash/test_deletion_sigkill.py --seeds 200``.
"""

import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.postgres import Database, PostgresServer, fresh_database
from tests.support.program import PATIENCE_S, Program, fill, kill, new_program
from tests.support.warm import Nursery, begun_by, nursery

DAYS = 38
A_DAY = 24
COMMANDS = ("export", "verify", "purge", "expire")
COLUMNS = "id, created_at, phone, amount::text, payload::text"
# What came after its window had left the archive could be proven by nobody, and would stay: these are younger.
LATE = """WITH late AS (INSERT INTO log_workflow_events
    SELECT id + 1000000000::int8 * ({seed} + 1), created_at, 'late', amount, payload FROM original WHERE phone <> 'late'
    AND created_at BETWEEN now() - interval '34 days' AND now() - interval '31 days' ORDER BY random() LIMIT 5 RETURNING *)
    INSERT INTO original SELECT * FROM late"""


@pytest.fixture(scope="module")
def begun(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Program]]:
    """38 days, exported and verified; copied for each seed. A second table says what there was at any time."""
    with fresh_database(postgres_server, f"deletion_{os.getpid()}") as made:
        fill(made, audit=1, events=A_DAY, days=DAYS)
        made.execute("CREATE TABLE original AS TABLE log_workflow_events")
        program = new_program(tmp_path_factory.mktemp("deletion"), SUPABASE_DB_URL=made.dsn)
        program.init("--archive-retention", "35d")
        program.run("export").succeeded()
        program.run("verify").succeeded()
        yield made, program


@pytest.fixture(scope="module")
def warm() -> Iterator[Nursery]:
    with nursery() as made:
        yield made


@contextmanager
def copied(
    begun: tuple[Database, Program],
    server: PostgresServer,
    name: str,
    directory: Path,
    started_by: Nursery | None = None,
) -> Iterator[tuple[Database, Program]]:
    """Copies of the database and the archive."""
    template, program = begun
    with fresh_database(server, f"deletion_{os.getpid()}_{name}", template=template.name) as made:
        shutil.copytree(program.directory, directory, dirs_exist_ok=True)
        configuration = directory / "work" / "archiver.toml"
        configuration.write_text(configuration.read_text().replace(str(program.directory), str(directory)))
        environment = {"SUPABASE_DB_URL": made.dsn, "ARCHIVER_PURGE__BATCH_ROWS_MAX": "10"}
        yield made, begun_by(started_by, directory, environment)


@pytest.fixture
def place(
    begun: tuple[Database, Program], postgres_server: PostgresServer, heavy_seed: int, tmp_path: Path, warm: Nursery
) -> Iterator[tuple[Database, Program]]:
    with copied(begun, postgres_server, str(heavy_seed), tmp_path, warm if heavy_seed else None) as made:
        yield made


@pytest.fixture
def shared(
    begun: tuple[Database, Program], postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[tuple[Database, Program]]:
    with copied(begun, postgres_server, "shared", tmp_path) as made:
        yield made


def test_faults_1_2_3_4_killed_at_random_instants(heavy_seed: int, place: tuple[Database, Program]) -> None:
    database, program = place
    chance = random.Random(heavy_seed)
    for command in ("purge", *chance.choices(COMMANDS, weights=(1, 1, 3, 3), k=2)):
        if chance.random() < 0.3:
            database.execute(LATE.format(seed=chance.randrange(100_000)))
        arguments = [command] if command in ("export", "verify") else [command, "--execute"]
        # Written under way are the entries of what is done: a slot of a purge each. Between two lie several commits.
        written, wait_s = (chance.randrange(0, 10), 0.03) if command == "purge" else (chance.randrange(0, 3), 0.3)
        kill(program, arguments, files=written, wait_s=chance.uniform(0.0, wait_s))
        check_nothing_lost(program, database)
    for command in COMMANDS:
        program.run(command, *(() if command in ("export", "verify") else ("--execute",))).succeeded()
    check_nothing_lost(program, database)
    check_all_done(program, database)


def archived(program: Program, names: set[str]) -> Counter[str]:
    files = [str(program.store / name) for name in sorted(names)]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(
            "SELECT id::varchar, epoch_us(created_at)::varchar, phone, amount::varchar, payload::varchar"
            " FROM read_parquet(?, hive_partitioning = true)",
            [files],
        ).fetchall()
    return Counter(map(repr, rows))


def of_table(database: Database, name: str, where: str = "true") -> Counter[str]:
    return Counter(
        map(
            repr,
            database.query(
                "SELECT id::text, (extract(epoch FROM created_at) * 1000000)::int8::text, phone, amount::text, payload::text"
                f" FROM {name} WHERE {where}"
            ),
        )
    )


def events(program: Program) -> list[dict[str, Any]]:
    """What the ledger says, in order."""
    entries = [json.loads(path.read_bytes()) for path in sorted((program.store / "ledger").glob("*.json"))]
    return [event for entry in entries for event in entry["events"] if event.get("dataset") == "log_workflow_events"]


def named(told: list[dict[str, Any]]) -> set[str]:
    """The segments that the archive holds."""
    exported = {segment["key"] for event in told if event["kind"] == "exported" for segment in event["segments"]}
    return exported - {key for event in told if event["kind"] == "expire_intended" for key in event["keys"]}


OUTDATED = "created_at < date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '35 days'"


def check_nothing_lost(program: Program, database: Database) -> None:
    """At any instant: what is in neither place has left both as it should."""
    held = archived(program, named(events(program)))
    assert not [row for row, count in held.items() if count > 1], "a row is in the archive twice"
    original = of_table(database, "original")
    assert not held - original
    lost = original - held - of_table(database, "log_workflow_events")
    assert not lost - of_table(database, "original", OUTDATED), lost


def check_all_done(program: Program, database: Database) -> None:
    told = events(program)
    keeps = of_table(database, "original", f"NOT ({OUTDATED})")
    assert archived(program, named(told)) == keeps
    # The border is that of the hour in which the purge ran; one may have begun since.
    late = database.query(
        "SELECT count(*) FROM log_workflow_events WHERE created_at < now() - interval '30 days 2 hours'"
    )
    assert late == [(0,)]
    young = "created_at >= now() - interval '30 days'"
    assert of_table(database, "log_workflow_events", young) == of_table(database, "original", young)
    gone = len(list((of_table(database, "original") - of_table(database, "log_workflow_events")).elements()))
    assert sum(event["rows"] for event in told if event["kind"] == "purged") == gone
    expired = Counter(key for event in told if event["kind"] == "expired" for key in event["keys"])
    assert expired == Counter(key for event in told if event["kind"] == "expire_intended" for key in event["keys"])
    assert all(not (program.store / key).exists() for key in expired)
    checked = program.run("verify", "--deep", "--json").succeeded()
    assert checked.lines[-1]["problems"] == 0
    leftovers = [path for path in (program.directory / "tmp").rglob("*") if path.is_file()]
    assert leftovers == []


PAIRS = (("purge", "purge"), ("export", "purge"), ("purge", "expire"), ("sweep", "export"), ("expire", "expire"))


def test_fault_13_real_runs_side_by_side_on_two_machines(shared: tuple[Database, Program]) -> None:
    """Two caches, so that no lock keeps them apart: whatever the one says that found the other in its way, all is well."""
    database, program = shared
    other = program.having(XDG_CACHE_HOME=str(program.directory / "cache of another machine"))
    for number, pair in enumerate(PAIRS):
        database.execute(LATE.format(seed=number))
        started = [
            machine.start(command, *(() if command == "export" else ("--execute",)))
            for machine, command in zip((program, other), pair, strict=True)
        ]
        for process, command in zip(started, pair, strict=True):
            _, err = process.communicate(timeout=PATIENCE_S)
            # Done; something left alone, for a reason; the other was first; ask again.
            assert process.returncode in (0, 3, 5, 75), (command, pair, err.decode())
        check_nothing_lost(program, database)
    for command in COMMANDS:
        program.run(command, *(() if command in ("export", "verify") else ("--execute",))).succeeded()
    check_all_done(program, database)
