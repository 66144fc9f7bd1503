"""``run nightly --if-asked`` as a program: nothing without a request, one night for one, exactly one of two workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support import postgrest
from tests.support.postgres import PASSWORD, Database, PostgresServer, fresh_database
from tests.support.program import Program, fill, new_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RETENTION = ("--archive-retention", "365d", "--purpose", "Nachweis", "--legal-basis", "Art. 6(1)(f) DSGVO")


@pytest.fixture(scope="module")
def site(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Program, Database]]:
    directory: Path = tmp_path_factory.mktemp("asked")
    with fresh_database(postgres_server, "if_asked") as database:
        postgrest.prepare(database)
        fill(database, audit=3, events=3, days=3)
        postgrest.migrate(database)
        database.execute(f"ALTER ROLE archiver PASSWORD '{PASSWORD}'")
        program = new_program(
            directory / "site", SUPABASE_DB_URL=database.dsn_of("archiver"), ARCHIVER_ANCHOR="postgres",
            ARCHIVER_STACK__SUPABASE__PLAN="free", ARCHIVER_RETRY__ATTEMPTS_MAX="1",
        ).init("--store", f"file://{directory}/archive", *RETENTION)  # fmt: skip
        yield program, database


def test_a_night_is_spent_once_for_each_request(site: tuple[Program, Database]) -> None:
    program, database = site
    head = "SELECT max(seq) FROM archiver.archiver_anchor"
    before = database.query(head)
    done = program.run("run", "nightly", "--if-asked", "--execute")
    assert (done.status, done.out, done.err) == (0, "", "")
    assert database.query(head) == before, "nobody asked"

    database.execute("SELECT public.archiver_request_run('test')")
    with ThreadPoolExecutor(2) as pool:
        two = list(pool.map(lambda _: program.run("run", "nightly", "--if-asked", "--execute"), range(2)))
    assert [one.status for one in two] == [0, 0], [one.err for one in two]
    assert database.query("SELECT exit_status, attempt FROM archiver.run_request") == [(0, 1)]
    after = database.query(head)
    assert after != before

    assert program.run("run", "nightly", "--if-asked", "--execute").status == 0
    assert database.query(head) == after, "it was taken and ended"


def test_without_the_functions_nothing_is_begun(site: tuple[Program, Database]) -> None:
    program, database = site
    database.execute("ALTER FUNCTION public.archiver_take_run RENAME TO away")
    try:
        done = program.run("run", "nightly", "--if-asked")
        assert done.status == 2
        assert "archiver_watch.sql" in done.err
    finally:
        database.execute("ALTER FUNCTION public.away RENAME TO archiver_take_run")
