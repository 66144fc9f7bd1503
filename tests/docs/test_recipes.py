"""docs/recipes.md: what is said to be DuckDB or Postgres is run as it stands there."""

import contextlib
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.deployment import DEPLOY, ROOT
from tests.support.postgres import Database, server_programs
from tests.support.program import Program, new_program

RECIPES = (ROOT / "docs" / "recipes.md").read_text()
DAYS = 6
HIVE = {
    pa.string(): "string",
    pa.timestamp("us", tz="UTC"): "timestamp",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.bool_(): "boolean",
}


def blocks(info: str) -> list[str]:
    return re.findall(rf"(?ms)^```sql {info}\n(.*?)^```", RECIPES)


@pytest.fixture
def archive(database: Database, tmp_path: Path) -> Iterator[Program]:
    """The sample tables, six days of rows, one of them changed after its export; the working directory holds the archive."""
    with database.server.connected(database.name) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_sql_query((DEPLOY / "supabase" / "sample_tables.sql").read_text())
        cursor.adbc_statement.execute_update()
    database.execute(
        "INSERT INTO app_audit_log (id, created_at, actor_email, action, user_agent, details) SELECT md5(d || '.' || i)::uuid,"
        " now() - interval '1 day' * d, 'anna.' || i || '@beispiel.example', E'Straße, \"öffnen\"\\n', CASE i WHEN 1 THEN ''"
        " WHEN 2 THEN '\\N' END, '{\"n\": 12345678901234567890.10}' FROM unnest(ARRAY[12, 15, 32, 33, 34, 40]) d, generate_series(1, 4) i",
        "INSERT INTO log_workflow_events (id, created_at, workflow_id, execution_id, node_id, event_type, status, cost_eur,"
        " tags) SELECT gen_random_uuid(), now() - interval '1 day' * d, gen_random_uuid(), gen_random_uuid(), 'n', 'e',"
        " 'failed', 0.100000, '{a,\"b c\"}' FROM unnest(ARRAY[12, 15, 32, 33, 34, 40]) d",
    )
    chunks = tmp_path / "chunks"
    with zipfile.ZipFile(ROOT / "archiver" / "demo" / "loki_chunks.zip") as packed:
        packed.extractall(chunks)
    program = new_program(
        tmp_path / "p", SUPABASE_DB_URL=database.dsn, ARCHIVER_LOKI_STORE=chunks.as_uri(), ARCHIVER_LOKI__SETTLE="1s"
    )
    program.init("--store", (program.work / "archive").as_uri())
    program.run("export").succeeded()
    database.execute("UPDATE app_audit_log SET action = 'changed' WHERE id = md5('33.1')::uuid")
    program.run("export").succeeded()
    with contextlib.chdir(program.work):
        yield program


def ask(statement: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = duckdb.connect().execute(statement).fetchall()
    return rows


def test_queries(archive: Program) -> None:
    """DuckDB's are run; Athena's table has the columns that the files have."""
    by_day, failed, person, latest, ledger = [ask(one) for one in blocks("duckdb")]
    assert sum(rows for _, rows in by_day) == DAYS
    assert failed
    assert {str(row[3]) for row in failed} == {"0.100000"}
    assert len(person) == DAYS + 1, "both versions of the row that was changed"
    assert len(latest) == DAYS * 4
    assert sum(row[4] == "changed" for row in latest) == 1
    assert sum(row[3] for row in ledger) == DAYS * 5 + 1 + len(ask("SELECT 1 FROM 'archive/data/loki/**/*.parquet'"))
    (logs,) = blocks("duckdb logs")
    assert ask(logs)
    (ddl,) = blocks("athena")
    columns = re.findall(r"(?m)^    (\w+) (\w+),?$", ddl.partition("PARTITIONED")[0])
    file = next((archive.work / "archive" / "data" / "log_workflow_events").rglob("*.parquet"))
    schema = pq.read_schema(file)
    assert columns == [(field.name, HIVE[field.type]) for field in schema]


def test_restore(archive: Program, database: Database) -> None:
    """Gone from the database, back from the archive, every value as it was, of each row its latest version."""
    printed = (
        "SELECT r::text FROM app_audit_log r WHERE created_at < now() - interval '30 days' ORDER BY created_at, id"
    )
    old = "created_at < now() - interval '32 days' AND created_at > now() - interval '35 days'"
    before = database.query(printed)
    database.execute(f"DELETE FROM app_audit_log WHERE {old}")
    assert database.query(printed) != before
    (out,) = blocks("duckdb restore")
    duckdb.connect().execute(out)
    psql = server_programs() / "psql"
    assert psql.exists()
    for script in blocks("postgres restore"):
        done = subprocess.run(
            [str(psql), database.dsn, "-v", "ON_ERROR_STOP=1", "-q", "-f", "-"], input=script, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert database.query(printed) == before
