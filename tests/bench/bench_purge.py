"""A purge of proven rows against a plain batched DELETE of the same rows.

    python -m tests.bench.bench_purge --rows 4000000

Fills ``log_workflow_events`` over 40 days, archives and verifies it, and deletes what is older than 30 days, a quarter:
once with ``archiver purge --execute``, which reads each row again, compares it with the archive in every column and looks
for holds; once with ``DELETE … WHERE created_at >= … AND created_at < …`` in batches as large. A transaction counts as
long as it has written: that is how long somebody who wants the same row waits.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from tests.bench.bench_export import export, new_archive
from tests.bench.measure import Measured, best, print_table, run
from tests.bench.tables import TABLE, fill_events, first_day
from tests.support.postgres import Database, PostgresServer, fresh_database, postgres_cluster, server_programs
from tests.support.program import PROGRAM, Program

DAYS = 40
DAYS_DUE = 10
BATCH_ROWS = 50_000
LOOK_EVERY_S = 0.01
PLAIN, OURS = "plain batched DELETE", "archiver purge, proof included"
AS_OPERATED = ("fsync=on", "full_page_writes=on", "shared_buffers=128MB", "max_wal_size=4GB")
"""A deletion that is not durable would be too cheap to compare anything with."""


@dataclass
class Longest:
    """The longest time that a transaction had been open when it was last seen with something written."""

    seconds: float = 0.0


@contextmanager
def watched(database: Database) -> Iterator[Longest]:
    """Look at the database's transactions every hundredth of a second."""
    longest = Longest()
    stop = threading.Event()

    def watch() -> None:
        with database.server.connected("postgres") as connection, connection.cursor() as cursor:
            while not stop.wait(LOOK_EVERY_S):
                cursor.execute(
                    "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8"
                    f" FROM pg_stat_activity WHERE datname = '{database.name}' AND backend_xid IS NOT NULL"
                )
                longest.seconds = max(longest.seconds, cursor.fetchall()[0][0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield longest
    finally:
        stop.set()
        watcher.join()


@contextmanager
def copied(server: PostgresServer, original: str, name: str) -> Iterator[Database]:
    """A copy of a database to which nobody is connected."""
    with server.connected("postgres") as connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{original}"')
    try:
        yield Database(server, name)
    finally:
        with server.connected("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def plain_delete(database: Database, rows: int) -> Measured:
    """The same rows in batches of about as many, each a transaction, with nothing proven."""
    due = rows * DAYS_DUE // DAYS
    batches = max(1, -(-due // BATCH_ROWS))
    begin, step = first_day(DAYS), timedelta(days=DAYS_DUE) / batches
    statements = [
        f"DELETE FROM {TABLE} WHERE created_at >= '{begin + step * number}' AND created_at < '{begin + step * (number + 1)}'"
        for number in range(batches)
    ]
    psql = [str(server_programs() / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", database.dsn]
    return run([*psql, *(part for one in statements for part in ("-c", one))], server=database.server)


def purge(program: Program, database: Database) -> Measured:
    """The whole process, the reading of the ledger included."""
    there = program.having(SUPABASE_DB_URL=database.dsn)
    return run(
        [PROGRAM, "purge", TABLE, "--execute"],
        environment=there._whole_environment(), directory=there.work, server=database.server,
    )  # fmt: skip


def forget_purge(program: Program, anchor: bytes, entries: set[Path]) -> None:
    """The archive as it was before: its purge was of a copy."""
    program.anchor.write_bytes(anchor)
    for path in set((program.store / "ledger").iterdir()) - entries:
        path.unlink()


def per_rows(one: Measured, factor: float) -> Measured:
    """What it would have been for another number of rows."""
    return replace(one, wall_s=one.wall_s * factor, cpu_s=one.cpu_s * factor, server_s=one.server_s * factor)


def left(database: Database) -> int:
    """How many rows are left."""
    return int(database.query(f"SELECT count(*) FROM {TABLE}")[0][0])


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=400_000, help="in the table; a quarter of them is due")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    rows, due = options.rows, options.rows * DAYS_DUE // DAYS
    found: dict[str, list[Measured]] = {PLAIN: [], OURS: []}
    longest = dict.fromkeys(found, 0.0)
    with (
        postgres_cluster(*AS_OPERATED) as server,
        tempfile.TemporaryDirectory() as temporary,
        fresh_database(server, "bench_purge") as original,
    ):
        fill_events(original, rows, days=DAYS)
        program = new_archive(Path(temporary) / "archive", original)
        export(program, original, jobs=2)
        program.run("verify", timeout_s=600).succeeded()
        start = program.anchor.read_bytes(), set((program.store / "ledger").iterdir())
        for _ in range(options.repeats):
            for name, runs in found.items():
                with copied(server, original.name, "bench_purge_copy") as copy, watched(copy) as seen:
                    one = plain_delete(copy, rows) if name == PLAIN else purge(program, copy)
                    # The border of 30 days is this instant, in the middle of a day: rows are due as far as it.
                    gone = rows - left(copy)
                    assert abs(gone - due) <= rows // DAYS + 1, f"{gone} rows are gone, {due} were due"
                    runs.append(per_rows(one, due / gone))
                longest[name] = max(longest[name], seen.seconds)
            forget_purge(program, *start)
    floor = best(found[PLAIN])
    table = []
    for name, runs in found.items():
        one = best(runs)
        table.append([
            name, f"{due:,}", f"{one.wall_s / floor.wall_s:.2f}", f"{one.total_s / floor.total_s:.2f}", f"{one.wall_s:.2f}",
            f"{one.cpu_s:.2f}", f"{one.server_s:.2f}", f"{due / one.wall_s / 1e3:.0f}", f"{longest[name]:.2f}",
            f"{one.peak_mib:.0f}",
        ])  # fmt: skip
    print_table(
        ["", "Rows deleted", "÷ plain, clock", "÷ plain, processor", "Clock, s", "Processor, s", "of the server, s",
         "k rows/s", "Longest transaction, s", "Peak, MiB"],
        table,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
