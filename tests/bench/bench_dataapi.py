"""A table to the archive through the data API, against a plain paging loop of supabase-py that throws the rows away.

    python -m tests.bench.bench_dataapi --rows 500000

Starts a Postgres, PostgREST with 1000 rows a page and nginx in front of it (``/rest/v1``, as Supabase has it), fills
``log_workflow_events`` and measures whole processes, start and imports included, both sides in turns. The loop goes by
key, asks for all columns, 1000 rows a page, and is not slowed down by what it would do with them. PostgREST's own processor time is in the clock only.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import Measured, best, in_turns, print_table, run
from tests.bench.tables import TABLE, fill_events
from tests.support import debian, postgrest
from tests.support.daemon import free_port, listening
from tests.support.postgres import Database, fresh_database, postgres_cluster
from tests.support.program import PROGRAM, new_program

PAGING = """
import sys, httpx
from supabase import create_client
from supabase.lib.client_options import SyncClientOptions
client = create_client(sys.argv[1], sys.argv[2], SyncClientOptions(httpx_client=httpx.Client(timeout=60)))
query = lambda: client.table(sys.argv[3]).select("*").order("created_at").order("id").limit(1000)
rows, page = 0, query().execute().data
while page:
    rows += len(page)
    page = query().gt("created_at", page[-1]["created_at"]).execute().data
assert rows == int(sys.argv[4]), rows
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; client_max_body_size 100m;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    location /rest/v1/ {{ proxy_pass http://api/; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


@contextmanager
def gateway(upstream: int, folder: Path) -> Iterator[str]:
    """Nginx in front of PostgREST. The proxy of the tests is written in Python and would be what is measured."""
    port = free_port()
    folder.mkdir()
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, upstream=upstream, port=port))
    argv = [debian.binary("nginx"), "-c", str(file), "-e", str(folder / "error.log")]
    with listening(argv, port, folder):
        yield f"http://127.0.0.1:{port}"


class Sides:
    """What is compared: each call is one run that leaves nothing behind."""

    def __init__(self, database: Database, url: str, folder: Path, rows: int) -> None:
        self._database, self._url, self._folder, self._rows = database, url, folder, rows
        # nginx does not know the new keys; a token goes through it as it is.
        self._key = postgrest.token("service_role")
        self._number = 0

    def page(self) -> Measured:
        """Read page by page, keep nothing."""
        command = [sys.executable, "-c", PAGING, self._url, self._key, TABLE, str(self._rows)]
        return run(command, server=self._database.server)

    def export(self, jobs: int) -> Callable[[], Measured]:
        """The whole job into a new archive: counts, order, digests, signed entry, anchor."""

        def once() -> Measured:
            self._number += 1
            program = new_program(
                self._folder / f"{self._number:03d}", SUPABASE_URL=self._url, SUPABASE_SECRET_KEY=self._key
            ).init()
            measured = run(
                [PROGRAM, "export", TABLE, "--jobs", str(jobs), "--json"],
                environment=program._whole_environment(), directory=program.work, server=self._database.server,
            )  # fmt: skip
            assert program.rows(TABLE) == self._rows
            shutil.rmtree(program.directory)
            return measured

        return once


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=30, help="over how many days the rows are spread")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    with (
        postgres_cluster() as server,
        tempfile.TemporaryDirectory() as temporary,
        fresh_database(server, "bench_dataapi") as database,
    ):
        folder = Path(temporary)
        postgrest.prepare(database)
        postgrest.migrate(database)
        fill_events(database, options.rows, days=options.days)
        database.execute(f"GRANT SELECT ON {TABLE} TO service_role")
        with postgrest.data_api(database) as api, gateway(api.upstream_port, folder / "nginx") as url:
            sides = Sides(database, url, folder, options.rows)
            found = in_turns(
                {
                    "supabase-py, pages thrown away": sides.page,
                    "archiver export, 1 job": sides.export(1),
                    "archiver export, 2 jobs": sides.export(2),
                    "archiver export, 4 jobs": sides.export(4),
                },
                options.repeats,
            )
        measured = {name: best(runs) for name, runs in found.items()}
        floor = next(iter(measured.values()))
        print_table(
            ["", "k rows", "÷ loop, clock", "÷ loop, processor", "Clock, s", "Processor, s", "of the server, s",
             "k rows/s", "Peak, MiB"],
            [
                [
                    name, f"{options.rows / 1e3:g}", f"{one.wall_s / floor.wall_s:.2f}",
                    f"{one.total_s / floor.total_s:.2f}", f"{one.wall_s:.2f}", f"{one.cpu_s:.2f}",
                    f"{one.server_s:.2f}", f"{options.rows / one.wall_s / 1e3:.0f}", f"{one.peak_mib:.0f}",
                ]
                for name, one in measured.items()
            ],
        )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
