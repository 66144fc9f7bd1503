"""An operator who has a URL and a secret key and no database connection: the same nights with the same guarantees."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import postgrest, proxy
from tests.support.postgres import Database
from tests.support.program import Program, fill, new_program

DAYS, A_DAY = 32, 12
OVERDUE = "created_at < date_trunc('hour', now()) - interval '30 days'"
MEETING_S = 50.0
"""Shorter than the program waits for an answer, so that whoever waits in vain still gets one."""
TABLES = ("app_audit_log", "log_workflow_events")
GRANTS = tuple(f"GRANT SELECT, DELETE ON {table} TO service_role" for table in TABLES)


@pytest.fixture
def project(database: Database) -> Iterator[postgrest.DataApi]:
    """A project with both tables and their grants, and nothing of ours yet."""
    postgrest.prepare(database)
    fill(database, audit=A_DAY, events=A_DAY, days=DAYS)
    database.execute(*GRANTS)
    with postgrest.data_api(database) as api:
        yield api


def operator(directory: Path, api: postgrest.DataApi, **environment: str) -> Program:
    given = {
        "SUPABASE_URL": api.url,
        "SUPABASE_SECRET_KEY": api.key,
        "ARCHIVER_RETRY__WAIT_FIRST_S": "0.01",
        **environment,
    }
    return new_program(directory, **given)


def count(api: postgrest.DataApi, table: str, where: str = "true") -> int:
    return int(str(api.database.query(f"SELECT count(*) FROM {table} WHERE {where}")[0][0]))


def segments(program: Program) -> dict[str, bytes]:
    return {name: data for name, data in program.tree().items() if name.endswith(".parquet")}


def test_nights_with_a_url_and_a_key_only_and_the_same_rows_as_the_other_way(
    project: postgrest.DataApi, tmp_path: Path
) -> None:
    """Init says what is missing and how to install it; export, verify, purge; the other way gives the same segments."""
    program = operator(tmp_path / "api", project)
    before = program.tree()
    given = ("--store", program.store.as_uri(), "--anchor", "supabase", "--archive-retention", "365d", "--purpose", "p", "--legal-basis", "l")  # fmt: skip
    refused = program.run("init", *given)
    assert refused.status == 2
    assert "does not have archiver's functions" in refused.err
    assert "archiver init --show-sql" in " ".join(refused.err.split())
    assert program.tree() == before
    sql = program.run("init", "--show-sql").succeeded().out
    with project.database.server.connected(project.database.name) as owner, owner.cursor() as cursor:
        cursor.adbc_statement.set_sql_query(sql)
        cursor.adbc_statement.execute_update()
    project.reloaded(knows_functions=True)
    program.run("init", *given).succeeded()
    done = program.run("export", "--json").succeeded()
    assert done.lines[-1]["rows"] == 2 * DAYS * A_DAY

    other = new_program(tmp_path / "direct", SUPABASE_DB_URL=project.database.dsn).init()
    other.run("export").succeeded()
    ours, theirs = segments(program), segments(other)
    assert len(ours) == 2 * DAYS
    assert ours == theirs

    program.run("verify").succeeded()
    due = {table: count(project, table, OVERDUE) for table in TABLES}
    assert program.run("purge", "--execute", "--json").succeeded().lines[-1]["rows"] == due
    for table in TABLES:
        assert count(project, table, OVERDUE) == 0
        assert count(project, table) == DAYS * A_DAY - due[table]
        assert program.rows(table) == DAYS * A_DAY
    assert program.run("export", "--json").succeeded().lines[-1]["rows"] == 0
    assert project.key not in sql + done.out + done.err

    # From one night to the next the way may change: the windows' states are the same both ways.
    switched = program.having(SUPABASE_DB_URL=project.database.dsn)
    assert switched.run("export", "--json").succeeded().lines[-1]["rows"] == 0


def test_what_a_person_must_know_before_anything_is_touched(project: postgrest.DataApi, tmp_path: Path) -> None:
    """Keys of the wrong kind, a key that is missing, an old one, a missing grant: the fix in one line."""
    program = operator(tmp_path, project)
    project.install()
    program.init("--anchor", "supabase")
    for key, said in (
        (postgrest.PUBLISHABLE_KEY, "is a publishable key"),
        ("sb_secret_no-such-key", "wrong, expired or revoked"),
        (None, "needs SUPABASE_SECRET_KEY"),
    ):
        done = program.having(SUPABASE_SECRET_KEY=key).run("export")
        assert done.status == 2
        assert said in " ".join(done.err.split())
        assert "no-such-key" not in done.err
    project.database.execute("REVOKE SELECT ON app_audit_log FROM service_role")
    done = program.run("export")
    assert done.status == 2
    assert 'GRANT SELECT ON "public"."app_audit_log" TO "service_role";' in " ".join(done.err.split())
    assert program.rows("log_workflow_events") == 0
    project.database.execute(*GRANTS)
    old = program.having(SUPABASE_SECRET_KEY=postgrest.token("service_role")).run("export").succeeded()
    assert "legacy service_role key" in " ".join(old.err.split())
    assert program.run("export").succeeded().err == ""


def test_four_windows_are_read_at_once_unless_told_otherwise(project: postgrest.DataApi, tmp_path: Path) -> None:
    """The first four pages get their answers when all four have been asked for; with fewer jobs that never happens."""
    together = threading.Barrier(4)

    def meet(_: proxy.Request, pass_on: Callable[[], proxy.Reply]) -> proxy.Reply:
        with suppress(threading.BrokenBarrierError):
            together.wait(MEETING_S)
        return pass_on()

    project.proxy.arm(meet, match="/log_workflow_events?", times=4)
    project.install()
    program = operator(tmp_path, project).init("--anchor", "supabase")
    program.run("export", "log_workflow_events").succeeded()
    assert not together.broken
    assert program.rows("log_workflow_events") == DAYS * A_DAY


def test_a_key_that_expires_in_the_middle_of_an_export_loses_nothing(
    project: postgrest.DataApi, tmp_path: Path
) -> None:
    """What was committed stays; with a new key the next run goes on."""
    project.install()
    program = operator(tmp_path, project).init("--anchor", "supabase")
    expired = proxy.answer(401, '{"code":"PGRST301","message":"JWT expired"}', "application/json")
    project.proxy.arm(expired, match="/log_workflow_events?", skip=3, times=None)
    done = program.run("export")
    assert done.status in (2, 3)
    assert "wrong, expired or revoked" in " ".join(done.err.split())
    project.proxy.disarm()
    program.run("export").succeeded()
    assert program.rows("log_workflow_events") == program.rows("app_audit_log") == DAYS * A_DAY


def test_fault_4_a_process_that_is_killed_at_its_deletion_is_accounted_for(
    project: postgrest.DataApi, tmp_path: Path
) -> None:
    """Before the statement reached the server, and after it took effect: the next run says exactly what is gone."""
    project.install()
    program = operator(tmp_path, project).init("--anchor", "supabase")
    program.run("export").succeeded()
    program.run("verify").succeeded()
    due = {table: count(project, table, OVERDUE) for table in TABLES}
    for took_effect in (False, True):
        process = program.start("purge", "--execute")

        def die(
            _: proxy.Request,
            pass_on: Callable[[], proxy.Reply],
            process: subprocess.Popen[bytes] = process,
            took_effect: bool = took_effect,
        ) -> None:
            if took_effect:
                pass_on()
            process.kill()

        project.proxy.arm(die, match="rpc/archiver_purge")
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
    done = program.run("purge", "--execute", "--json").succeeded().lines[-1]
    gone = {table: done["rows"][table] + done["rows_reconciled"].get(table, 0) for table in TABLES}
    assert gone == due
    assert sum(done["rows_reconciled"].values()) > 0
    assert [count(project, table, OVERDUE) for table in TABLES] == [0, 0]
    assert program.run("export", "--json").succeeded().lines[-1]["rows"] == 0
