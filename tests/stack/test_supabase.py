"""The database: others' jobs, the oldest row, copies in backups; the facts from a real Postgres."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archiver.contracts import CronJob
from archiver.errors import AccessDenied, ConfigError, TransientError
from archiver.model import Dataset, Failure, Verdict
from archiver.neighbours.postgres.source import PostgresSource
from archiver.neighbours.postgres.watch import PostgresWatch
from archiver.stack.supabase import judge
from archiver.stack.targets import SupabaseFacts, TableFacts
from archiver.words import english_list
from tests.stack.answers import NOW, of, texts, verdicts, well_formed
from tests.support.postgres import PASSWORD
from tests.support.program import new_program

if TYPE_CHECKING:
    from pathlib import Path

    from archiver.model import Finding
    from tests.support.postgres import Database

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
DAY = timedelta(days=1)
TABLE = TableFacts(relation="public.app_audit_log", oldest=NOW - 5 * DAY)


def look(**changes: Any) -> tuple[Finding, ...]:
    facts: dict[str, Any] = {"location": "postgresql://db/postgres", "jobs": (), "tables": (TABLE,), "plan": "pro"}
    findings = judge(SupabaseFacts(**{**facts, **changes}), NOW)
    well_formed(findings)
    return findings


def job(command: str, **changes: Any) -> CronJob:
    return CronJob(**{"name": "nightly", "schedule": "0 3 * * *", "command": command, **changes})


def test_a_project_in_order_is_ok() -> None:
    assert verdicts(look()) == {"supabase.jobs": OK, "supabase.oldest_row": OK, "supabase.backups": OK}


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        ("delete from app_audit_log where created_at < now() - interval '90 days'", BREACH),
        ('DELETE  FROM public."app_audit_log"', BREACH),
        ("truncate app_audit_log", BREACH),
        ("select drop_chunks('app_audit_log', older_than => interval '1 week')", BREACH),
        ("insert into copies select * from app_audit_log", CANNOT_TELL),
        ("call tidy('app_audit_log')", CANNOT_TELL),
        ("delete from sessions", OK),
        ("delete from app_audit_log_old", OK),
        ("delete from my_app_audit_log", OK),
    ],
)
def test_jobs(command: str, verdict: Verdict) -> None:
    assert of(look(jobs=(job(command),)), "supabase.jobs").verdict is verdict


def test_a_command_is_never_shown() -> None:
    findings = look(jobs=(job("select net.http_post('https://x', 'sb_secret_geheim'); delete from app_audit_log"),))
    assert of(findings, "supabase.jobs").verdict is BREACH
    assert "geheim" not in repr(findings)


def test_a_job_that_is_switched_off_is_ok_and_unknown_jobs_are_not() -> None:
    assert of(look(jobs=(job("truncate app_audit_log", active=False),)), "supabase.jobs").verdict is OK
    assert of(look(jobs=None), "supabase.jobs").verdict is CANNOT_TELL


@pytest.mark.parametrize(
    ("table", "verdict"),
    [
        ({"oldest": NOW - 31.9 * DAY}, OK),
        ({"oldest": NOW - 32.1 * DAY}, BREACH),
        ({"oldest": NOW - 900 * DAY, "promise": None}, OK),
        ({"oldest": None}, OK),
        ({"problem": "row level security may hide rows"}, CANNOT_TELL),
        ({"oldest": NOW - 900 * DAY, "problem": "row level security may hide rows"}, CANNOT_TELL),
    ],
)
def test_oldest_row(table: dict[str, Any], verdict: Verdict) -> None:
    finding = of(look(tables=(TableFacts(relation="public.app_audit_log", **table),)), "supabase.oldest_row")
    assert finding.verdict is verdict


@pytest.mark.parametrize(
    ("plan", "recovery_days", "promise_days", "verdict", "said"),
    [
        ("free", None, 30, OK, "no residual copy"),
        ("pro", None, 30, OK, "in backups until 2026-11-30"),
        ("team", None, 30, OK, "in backups until 2026-12-07"),
        ("enterprise", None, 30, OK, "in backups until 2026-12-23"),
        ("pro", 28, 30, OK, "in backups until 2026-12-21"),
        ("pro", 28, 14, BREACH, "in backups until 2026-12-21"),
        ("enterprise", None, 14, BREACH, "in backups until 2026-12-23"),
        ("", None, 30, CANNOT_TELL, ""),
    ],
)
def test_backups(plan: str, recovery_days: int | None, promise_days: int, verdict: Verdict, said: str) -> None:
    """Residual copies, with the day on which the last one goes."""
    recovery = None if recovery_days is None else recovery_days * DAY
    finding = of(look(plan=plan, recovery_period=recovery, promise=promise_days * DAY), "supabase.backups")
    assert finding.verdict is verdict
    assert said in english_list(finding.in_force)


def test_a_database_that_is_away() -> None:
    findings = look(problem=Failure.TRANSIENT(), jobs=None, tables=())
    assert verdicts(findings) == {"supabase.reachable": CANNOT_TELL, "supabase.backups": OK}


# -- a real database


CRON = (
    "CREATE SCHEMA cron",
    """
    CREATE TABLE cron.job (jobid bigserial PRIMARY KEY, schedule text NOT NULL, command text NOT NULL,
        username text NOT NULL DEFAULT current_user, active boolean NOT NULL DEFAULT true, jobname text)
    """,
    "ALTER TABLE cron.job ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY cron_job_policy ON cron.job USING (username = current_user)",
    "INSERT INTO cron.job (schedule, command, jobname) VALUES ('0 3 * * *', 'truncate app_audit_log', 'tidy')",
    "INSERT INTO cron.job (schedule, command, active) VALUES ('@daily', 'select 1', false)",
)
"""As pg_cron makes it; the extension itself needs a server that was started with it."""


def dataset(**changes: Any) -> Dataset:
    return Dataset(
        **{
            "name": "app_audit_log",
            "source": "postgres",
            "relation": "app_audit_log",
            "time_column": "created_at",
            **changes,
        }
    )


def watch(dsn: str) -> PostgresWatch:
    return PostgresWatch(PostgresSource(dsn))


def a_role(database: Database, name: str, *grants: str) -> str:
    """A role of this name without any right but these; its address."""
    role = f"{name}_{database.name}"
    database.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'", *(one.replace("{role}", role) for one in grants)
    )
    return database.dsn_of(role)


@pytest.fixture
def roles(database: Database) -> Any:
    yield None
    for (role,) in database.query(f"SELECT rolname FROM pg_roles WHERE rolname LIKE '%{database.name}'"):
        database.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_without_pg_cron_there_are_no_jobs(database: Database) -> None:
    assert watch(database.dsn).scheduled_jobs() == ()


def test_jobs_are_read(database: Database) -> None:
    database.execute(*CRON)
    assert watch(database.dsn).scheduled_jobs() == (
        job("truncate app_audit_log", name="tidy"),
        job("select 1", name="2", schedule="@daily", active=False),
    )


@pytest.mark.usefixtures("roles")
def test_jobs_that_are_hidden_are_unknown(database: Database) -> None:
    """pg_cron shows a role its own jobs; another's deletes just as well."""
    database.execute(*CRON)
    seeing = ("GRANT USAGE ON SCHEMA cron TO {role}", "GRANT SELECT ON cron.job TO {role}")
    assert watch(a_role(database, "nothing")).scheduled_jobs() is None
    assert watch(a_role(database, "own", *seeing)).scheduled_jobs() is None
    found = watch(a_role(database, "every", *seeing, "ALTER ROLE {role} BYPASSRLS")).scheduled_jobs()
    assert found is not None
    assert len(found) == 2
    database.execute("ALTER TABLE cron.job DISABLE ROW LEVEL SECURITY")
    assert watch(a_role(database, "refused")).scheduled_jobs() is None


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("timestamptz", "2026-09-01 02:00:00+02", datetime(2026, 9, 1, tzinfo=UTC)),
        ("timestamp", "2026-09-01 00:00:00", datetime(2026, 9, 1, tzinfo=UTC)),
        ("date", "2026-09-01", datetime(2026, 9, 1, tzinfo=UTC)),
        ("timestamptz", None, None),
        ("timestamptz", "infinity", None),
        ("timestamptz", "-infinity", None),
        ("timestamptz", "0044-03-15 BC", None),
    ],
)
def test_the_oldest_row_is_read(database: Database, kind: str, value: str | None, expected: datetime | None) -> None:
    """In UTC whatever the column's type; rows without a usable time are none."""
    rows = [f"('{value}')" if value else "(NULL)", "('infinity')", "('-infinity')", "(NULL)"]
    database.execute(f'CREATE TABLE "Odd ""Name" ("when" {kind})', f'INSERT INTO "Odd ""Name" VALUES {", ".join(rows)}')
    found = watch(database.dsn).oldest_row(dataset(relation='Odd "Name', time_column="when"))
    assert found == expected


@pytest.mark.usefixtures("roles")
def test_rows_that_may_be_hidden_prove_nothing(database: Database) -> None:
    database.execute(
        "CREATE TABLE app_audit_log (created_at timestamptz)",
        "ALTER TABLE app_audit_log ENABLE ROW LEVEL SECURITY",
    )
    seeing = "GRANT SELECT ON app_audit_log TO {role}"
    with pytest.raises(AccessDenied, match="row level security"):
        watch(a_role(database, "hidden", seeing)).oldest_row(dataset())
    with pytest.raises(AccessDenied, match="42501"):
        watch(a_role(database, "none", "ALTER ROLE {role} BYPASSRLS")).oldest_row(dataset())
    assert watch(a_role(database, "sees", seeing, "ALTER ROLE {role} BYPASSRLS")).oldest_row(dataset()) is None


def test_what_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(ConfigError, match=r'no "public"\."app_audit_log" with a column "created_at"'):
        watch(database.dsn).oldest_row(dataset())
    with pytest.raises(AccessDenied):
        watch(database.dsn_of("postgres", "wrong")).scheduled_jobs()
    with pytest.raises(TransientError):
        watch("postgresql://postgres:x@127.0.0.1:9/postgres").scheduled_jobs()


def test_the_project_of_the_settings(tmp_path: Path, database: Database) -> None:
    """From the command line: a job that deletes, a table that is overdue, one that is not there, no plan."""
    database.execute(
        *CRON,
        "CREATE TABLE app_audit_log (created_at timestamptz)",
        "INSERT INTO app_audit_log VALUES (now() - interval '40 days'), (now())",
    )
    program = new_program(tmp_path, SUPABASE_DB_URL=database.dsn)
    done = program.run("stack", "check", "--json")
    assert done.status == 4
    found = {(one["check"], one["subject"].rpartition(" ")[2]): one for one in done.lines[:-1]}
    assert found[("supabase.jobs", "public.app_audit_log")]["verdict"] == "breach"
    assert found[("supabase.oldest_row", "public.app_audit_log")]["verdict"] == "breach"
    assert "oldest row 40 d old" in texts(found[("supabase.oldest_row", "public.app_audit_log")]["observed"])
    assert found[("supabase.oldest_row", "public.log_workflow_events")]["verdict"] == "cannot_tell"
    backups = next(one for one in done.lines if one.get("check") == "supabase.backups")
    assert backups["verdict"] == "cannot_tell"
    assert PASSWORD not in done.out + done.err
    assert "truncate" not in done.out + done.err

    away = program.having(SUPABASE_DB_URL=f"postgresql://postgres:{PASSWORD}@127.0.0.1:9/postgres")
    lines = away.run("stack", "check", "--json").lines
    assert {one["check"]: one["verdict"] for one in lines[:-1]} == {
        "supabase.reachable": "cannot_tell",
        "supabase.backups": "cannot_tell",
    }


def test_a_project_in_order_from_the_command_line(tmp_path: Path, database: Database) -> None:
    for name in ("app_audit_log", "log_workflow_events"):
        database.execute(
            f"CREATE TABLE {name} (created_at timestamptz)", f"INSERT INTO {name} VALUES (now() - interval '29 days')"
        )
    program = new_program(tmp_path, SUPABASE_DB_URL=database.dsn, ARCHIVER_STACK__SUPABASE__PLAN="pro")
    done = program.run("stack", "check")
    assert (done.status, done.out, done.err) == (0, "", "")
