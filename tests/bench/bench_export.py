"""A Postgres table to the archive, against reading and throwing away, plain ADBC, DuckDB and dlt.

    python -m tests.bench.bench_export --rows 4000000

Starts a Postgres, fills ``log_workflow_events`` and measures whole processes, start and imports included, all sides in
turns. The floor is ``COPY … (FORMAT binary)`` by psql into nothing. ``--duckdb`` names a Python that has duckdb and
duckdb-extension-postgres-scanner of the same version; ``--dlt`` one that has dlt with connectorx and pyarrow. At last
the run of a night with nothing to do, with a year of holdings.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.measure import Measured, best, in_turns, print_table, run
from tests.bench.tables import TABLE, fill_events
from tests.support.postgres import Database, fresh_database, postgres_cluster, server_programs
from tests.support.program import PROGRAM, Program, new_program

PLAIN_ADBC = """
import sys, adbc_driver_postgresql.dbapi as postgres, pyarrow.parquet as pq
with postgres.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    cursor.execute(f"SELECT * FROM {sys.argv[2]}")
    with cursor.fetch_record_batch() as reader:
        with pq.ParquetWriter(sys.argv[3], reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
"""

DUCKDB = """
import glob, os, sys, duckdb, duckdb_extension_postgres_scanner as scanner
connection = duckdb.connect()
extension, = glob.glob(os.path.dirname(scanner.__file__) + "/extensions/*/postgres_scanner.duckdb_extension")
connection.execute(f"LOAD '{extension}'")
connection.execute(f"ATTACH '{sys.argv[1]}' AS source (TYPE postgres, READ_ONLY)")
order = "ORDER BY created_at, id" if sys.argv[4] == "sorted" else ""
connection.execute(f"COPY (SELECT * FROM source.public.{sys.argv[2]} {order}) TO '{sys.argv[3]}' (FORMAT parquet)")
"""

DLT = """
import sys, dlt
from dlt.sources.sql_database import sql_table
table = sql_table(credentials=sys.argv[1], table=sys.argv[2], backend="connectorx")
pipeline = dlt.pipeline("bench", destination=dlt.destinations.filesystem(bucket_url=sys.argv[3]), pipelines_dir=sys.argv[3])
pipeline.run(table, loader_file_format="parquet")
"""


class Sides:
    """What is compared: each call is one run that leaves nothing behind."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._number = 0

    def throw_away(self) -> Measured:
        """Read everything, keep nothing."""
        psql = [str(server_programs() / "psql"), "-qAtX", self._database.dsn]
        return run([*psql, "-c", f"COPY {TABLE} TO STDOUT (FORMAT binary)"], server=self._database.server)

    def script(self, python: str, script: str, *arguments: str) -> Callable[[], Measured]:
        """Another program's way, as a script that gets the address, the table and where to write."""

        def once() -> Measured:
            target = self._new()
            command = [python, "-c", script, self._database.dsn, TABLE, str(target), *arguments]
            measured = run(command, server=self._database.server)
            shutil.rmtree(target) if target.is_dir() else target.unlink()
            return measured

        return once

    def export(self, jobs: int) -> Callable[[], Measured]:
        """The whole job into a new archive."""

        def once() -> Measured:
            program = new_archive(self._new(), self._database)
            measured = export(program, self._database, jobs=jobs)
            shutil.rmtree(program.directory)
            return measured

        return once

    def _new(self) -> Path:
        self._number += 1
        return self._folder / f"{self._number:03d}"


def new_archive(folder: Path, database: Database) -> Program:
    """An archive that holds nothing, on this machine's disk."""
    return new_program(folder, SUPABASE_DB_URL=database.dsn).init()


def export(program: Program, database: Database, *, jobs: int) -> Measured:
    """One ``archiver export`` as cron starts it."""
    return run(
        [PROGRAM, "export", TABLE, "--jobs", str(jobs), "--json"],
        environment=program._whole_environment(), directory=program.work, server=database.server,
    )  # fmt: skip


def idle_night(database: Database, folder: Path, *, days: int, repeats: int) -> Measured:
    """A run with nothing to do, when so many days are held that were exported one by one."""
    fill_events(database, days * 20, days=days)
    program = new_archive(folder, database)
    export(program, database, jobs=1)
    return best([export(program, database, jobs=1) for _ in range(repeats)])


def main(arguments: list[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--days", type=int, default=30, help="over how many days the rows are spread")
    parser.add_argument("--idle-days", type=int, default=365, help="held when a night has nothing to do")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--duckdb", metavar="PYTHON", help="with duckdb and duckdb-extension-postgres-scanner")
    parser.add_argument("--dlt", metavar="PYTHON", help="with dlt[sql_database,parquet] and connectorx")
    options = parser.parse_args(arguments)
    cores = os.cpu_count() or 1
    with postgres_cluster() as server, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table = []
        for rows in options.rows:
            with fresh_database(server, f"bench_{rows}") as database:
                fill_events(database, rows, days=options.days)
                sides = Sides(database, folder)
                named: dict[str, Callable[[], Measured]] = {
                    "COPY … BINARY, thrown away": sides.throw_away,
                    "ADBC and pyarrow, plain": sides.script(sys.executable, PLAIN_ADBC),
                    "archiver export, 1 job": sides.export(1),
                    f"archiver export, {cores} jobs": sides.export(cores),
                }
                if options.duckdb:
                    named["DuckDB, defaults"] = sides.script(options.duckdb, DUCKDB, "as it comes")
                    named["DuckDB, sorted"] = sides.script(options.duckdb, DUCKDB, "sorted")
                if options.dlt:
                    named["dlt, connectorx"] = sides.script(options.dlt, DLT)
                found = {name: best(runs) for name, runs in in_turns(named, options.repeats).items()}
                floor = next(iter(found.values()))
                table += [
                    [
                        name, f"{rows / 1e6:g}", f"{one.wall_s / floor.wall_s:.2f}",
                        f"{one.total_s / floor.total_s:.2f}", f"{one.wall_s:.2f}", f"{one.cpu_s:.2f}",
                        f"{one.server_s:.2f}", f"{rows / one.wall_s / 1e3:.0f}", f"{one.peak_mib:.0f}",
                    ]
                    for name, one in found.items()
                ]  # fmt: skip
        print_table(
            ["", "M rows", "÷ floor, clock", "÷ floor, processor", "Clock, s", "Processor, s", "of the server, s",
             "k rows/s", "Peak, MiB"],
            table,
        )  # fmt: skip
        with fresh_database(server, "bench_idle") as database:
            idle = idle_night(database, folder / "idle", days=options.idle_days, repeats=options.repeats)
        print()
        print_table(
            ["", "Clock, s", "Processor, s", "Peak, MiB"],
            [
                [
                    f"nothing to do, {options.idle_days} days held",
                    f"{idle.wall_s:.2f}",
                    f"{idle.cpu_s:.2f}",
                    f"{idle.peak_mib:.0f}",
                ],
            ],
        )


if __name__ == "__main__":
    main(sys.argv[1:])
