"""The database role, on a real Postgres: the whole way with it and no other, and all that it must not be able to do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pytest

from tests.docs.commands import call
from tests.support import postgrest
from tests.support.deployment import DEPLOY, ROOT
from tests.support.postgres import PASSWORD, Database

SAMPLES = DEPLOY / "supabase" / "sample_tables.sql"
SHAPE = (
    "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text, column_default::text"
    " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
)
DAYS, A_DAY = 5, 10


def script(database: Database, path: Path) -> None:
    """As a superuser; the whole file as one query, as psql -f would."""
    with database.server.connected(database.name) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_sql_query(path.read_text())
        cursor.adbc_statement.execute_update()


@pytest.fixture
def project(database: Database) -> Database:
    """A project with the sample tables, rows in them, another table that is nobody's business, and the migrations."""
    postgrest.prepare(database)
    script(database, SAMPLES)
    database.execute(
        "CREATE TABLE contacts (id int PRIMARY KEY, phone text)",
        "INSERT INTO contacts VALUES (1, '+49 171 3920001')",
        "CREATE TABLE archiver_open (id int)",
        "INSERT INTO app_audit_log (id, created_at, actor_email, action) SELECT gen_random_uuid(),"
        f" now() - interval '1 day' * d, 'a@beispiel.example', 'login' FROM unnest(ARRAY[1, 2, 33, 34, 35]) d, generate_series(1, {A_DAY})",
        "INSERT INTO log_workflow_events (id, created_at, workflow_id, execution_id, node_id, event_type, status) SELECT"
        " gen_random_uuid(), now() - interval '1 day' * d, gen_random_uuid(), gen_random_uuid(), 'n', 'e', 'ok'"
        f" FROM unnest(ARRAY[1, 2, 33, 34, 35]) d, generate_series(1, {A_DAY})",
    )
    postgrest.migrate(database)
    database.execute(f"ALTER ROLE archiver PASSWORD '{PASSWORD}'")
    return database


@pytest.fixture
def as_archiver(project: Database) -> Iterator[adbc_driver_postgresql.dbapi.Connection]:
    with adbc_driver_postgresql.dbapi.connect(project.dsn_of("archiver"), autocommit=True) as connection:
        yield connection


def count(database: Database, table: str) -> int:
    return int(str(database.query(f"SELECT count(*) FROM {table}")[0][0]))


def test_the_sample_tables_are_those_of_the_demo(database: Database) -> None:
    script(database, SAMPLES)
    sample = database.query(SHAPE)
    indexes = "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    sample_indexes = database.query(indexes)
    script(database, SAMPLES)  # again: harmless
    database.execute("DROP TABLE app_audit_log, log_workflow_events")
    script(database, ROOT / "archiver" / "demo" / "tables.sql")
    assert sample == database.query(SHAPE)
    assert sample_indexes == database.query(indexes)


def test_the_whole_way_with_this_role_and_no_other(project: Database, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "SUPABASE_DB_URL": project.dsn_of("archiver"), "ARCHIVER_ANCHOR": "postgres"}

    def run(*arguments: str, status: int = 0) -> str:
        ended, printed = call(arguments, environment, tmp_path)
        assert ended == status, printed
        return printed

    run("init", "--store", f"file://{tmp_path}/archive", "--archive-retention", "365d",
        "--purpose", "Nachweis", "--legal-basis", "Art. 6(1)(f) DSGVO")  # fmt: skip
    run("export")
    run("verify", "--deep")
    gone = json.loads(run("purge", "--execute", "--json").splitlines()[-1])["rows"]
    assert set(gone) == {"app_audit_log", "log_workflow_events"}
    for table, rows in gone.items():
        assert rows > 0
        assert count(project, table) == DAYS * A_DAY - rows
    run("verify")
    assert count(project, "contacts") == 1
    seq = project.query("SELECT seq FROM archiver.archiver_anchor")
    assert int(str(seq[0][0])) > 0
    project.execute(
        "REVOKE DELETE ON app_audit_log FROM archiver",
        "INSERT INTO app_audit_log (id, created_at, action) VALUES (gen_random_uuid(), now() - interval '33 days', 'x')",
    )
    run("export")
    run("verify")
    assert "GRANT" in run("purge", "--execute", status=2)


FORBIDDEN = {
    "read another table": "SELECT * FROM contacts",
    "change a row": "UPDATE app_audit_log SET action = 'other'",
    "add a row": "INSERT INTO app_audit_log (id, action) VALUES (gen_random_uuid(), 'x')",
    "empty a table": "TRUNCATE app_audit_log",
    "drop a table": "DROP TABLE app_audit_log",
    "alter a table": "ALTER TABLE app_audit_log ADD COLUMN x int",
    "switch row level security off": "ALTER TABLE app_audit_log DISABLE ROW LEVEL SECURITY",
    "make a table": "CREATE TABLE public.mine (id int)",
    "make a schema": "CREATE SCHEMA mine",
    "make a role": "CREATE ROLE mine",
    "become service_role": "SET ROLE service_role",
    "become the owner": "SET ROLE postgres",
    "call the data API's purge": "SELECT public.archiver_purge('public', 'contacts', 'id', NULL, NULL, '{id}', '[]', '[]')",
    "call a helper": "SELECT archiver.digest_of('pg_class'::regclass)",
    "remove the anchor": "DELETE FROM archiver.archiver_anchor",
    "take away the anchor's guard": "ALTER TABLE archiver.archiver_anchor DISABLE TRIGGER anchor_only_forward",
    "move the anchor back": "UPDATE archiver.archiver_anchor SET seq = seq - 1",
    "put another head beside it": f"UPDATE archiver.archiver_anchor SET hash = '{'b' * 64}'",
    "put another signature under the head": "UPDATE archiver.archiver_anchor SET signature = 'other'",
    "give the anchor to another archive": "UPDATE archiver.archiver_anchor SET archive_id = 'other'",
    "read a file of the server": "SELECT pg_read_file('/etc/passwd')",
    "run a program": "COPY (SELECT 1) TO PROGRAM 'true'",
}


@pytest.fixture
def anchored(project: Database) -> Database:
    project.execute(f"INSERT INTO archiver.archiver_anchor VALUES ('a', 7, '{'a' * 64}', 's')")
    return project


def test_what_the_role_must_not_be_able_to_do(anchored: Database) -> None:
    before = (count(anchored, "app_audit_log"), anchored.query("SELECT * FROM archiver.archiver_anchor"))
    allowed = []
    for what, statement in FORBIDDEN.items():
        with adbc_driver_postgresql.dbapi.connect(anchored.dsn_of("archiver"), autocommit=True) as connection:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    cursor.fetchall()
            except adbc_driver_manager.Error as error:
                if error.sqlstate not in ("42501", "0LP01"):
                    allowed.append(f"{what}: {error.sqlstate}")  # refused for another reason proves nothing
            else:
                allowed.append(what)
    assert allowed == []
    assert (count(anchored, "app_audit_log"), anchored.query("SELECT * FROM archiver.archiver_anchor")) == before


def test_what_the_role_may_do_is_listed_here(project: Database) -> None:
    """So that a grant that somebody adds is seen."""
    found = project.query(
        "SELECT table_schema || '.' || table_name || ' ' || string_agg(privilege_type, ',' ORDER BY privilege_type)"
        " FROM information_schema.role_table_grants WHERE grantee = 'archiver' GROUP BY table_schema, table_name ORDER BY 1"
    )
    assert [row[0] for row in found] == [
        "archiver.archiver_anchor INSERT,SELECT,UPDATE",
        "public.app_audit_log DELETE,SELECT",
        "public.log_workflow_events DELETE,SELECT",
    ]
    attributes = project.query(
        "SELECT rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname = 'archiver'"
    )
    assert attributes == [(False, False, False, False, True, False, True)]
    assert project.query("SELECT 1 FROM pg_auth_members WHERE member = 'archiver'::regrole") == []


def test_applied_twice_and_taken_away_again(project: Database) -> None:
    postgrest.migrate(project)
    role = (DEPLOY / "supabase" / "migrations" / "20261124000002_archiver_role.sql").read_text()
    (undo,) = re.findall(r"To take it away again: (DROP OWNED.*?) DROP ROLE", role)
    project.execute(undo.rstrip(";"))
    assert project.query("SELECT 1 FROM information_schema.role_table_grants WHERE grantee = 'archiver'") == []
    assert count(project, "app_audit_log") == DAYS * A_DAY


def test_a_dataset_that_is_not_there_is_passed_over(database: Database) -> None:
    postgrest.prepare(database)
    postgrest.migrate(database)
    found = database.query(
        "SELECT table_name::text FROM information_schema.role_table_grants WHERE grantee = 'archiver'"
    )
    assert {row[0] for row in found} == {"archiver_anchor"}
