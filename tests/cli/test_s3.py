"""The whole way on real S3 servers: one that honours conditions, and one that ignores them, where the anchor orders."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.support.postgres import Database, PostgresServer, fresh_database
from tests.support.program import DAYS, ROWS_A_DAY, Program, fill, killed_at_the_end, new_program
from tests.support.s3 import S3Server

if TYPE_CHECKING:
    import subprocess

EACH = DAYS * ROWS_A_DAY
DATASETS = ("app_audit_log", "log_workflow_events")


@pytest.fixture(params=["seaweedfs", "rclone_s3"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found = request.getfixturevalue(str(request.param))
    assert isinstance(found, S3Server)
    return found


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[Database]:
    with fresh_database(postgres_server, f"cli_s3_{os.getpid()}") as made:
        fill(made)
        yield made


@pytest.fixture(params=["file", "postgres"])
def program(request: pytest.FixtureRequest, server: S3Server, filled: Database, tmp_path: Path) -> Program:
    """An archive on each server, with each anchor."""
    bucket = server.new_bucket(f"cli-{abs(hash(request.node.nodeid)) % 10**9}")
    made = new_program(tmp_path, SUPABASE_DB_URL=filled.dsn, **server.environment)
    anchor = "postgres" if request.param == "postgres" else made.anchor.as_uri()
    return made.init("--store", f"s3://{bucket}/the/archive", "--anchor", anchor)


def keys(server: S3Server, program: Program) -> list[str]:
    """Objects below the archive's place."""
    with server.client() as client:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket_of(program))
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


def bucket_of(program: Program) -> str:
    text = (program.work / "archiver.toml").read_text()
    return text.split('store = "s3://', 1)[1].split("/", 1)[0]


def ids(server: S3Server, program: Program, dataset: str) -> list[Any]:
    """What a stranger reads who copies the bucket and points DuckDB at it."""
    copy = program.directory / "copy"
    prefix = f"the/archive/data/{dataset}/"
    with server.client() as client:
        for key in keys(server, program):
            if key.startswith(prefix):
                (copy / key).parent.mkdir(parents=True, exist_ok=True)
                client.download_file(bucket_of(program), key, str(copy / key))
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT id::varchar FROM read_parquet(?, hive_partitioning = true)", [str(copy / prefix / "**/*.parquet")]
        ).fetchall()
    return [row[0] for row in found]


def test_the_whole_way_on_s3(program: Program, server: S3Server, filled: Database) -> None:
    told = program.run("export", "--json").succeeded().lines[-1]
    assert told["rows"] == 2 * EACH
    assert program.run("export", "--json").succeeded().lines[-1]["rows"] == 0
    verified = program.run("verify", "--deep", "--json").succeeded().lines
    assert [line["type"] for line in verified] == ["summary"]
    assert (verified[0]["rows"], verified[0]["problems"], verified[0]["anchor"]["seq"]) == (2 * EACH, 0, 1)
    assert verified[0]["recorded_seq"] == 2
    for name in DATASETS:
        source = sorted(str(row[0]) for row in filled.query(f"SELECT id::text FROM {name}"))
        assert sorted(ids(server, program, name)) == source
    ledger = sorted(key for key in keys(server, program) if "/ledger/" in key)
    assert len(ledger) == 3
    status = program.run("status").succeeded().out
    assert f"s3://{bucket_of(program)}/the/archive" in status


def test_fault_13_two_exports_at_once_end_right_on_both(program: Program, server: S3Server, filled: Database) -> None:
    """Each wins some commits, or begins again from the new head, or says 5; every row is held once."""
    rivals = program.having(ARCHIVER_EXPORT__COMMIT_INTERVAL_S="0")
    with killed_at_the_end(rivals.start("export")) as one, killed_at_the_end(rivals.start("export")) as two:
        for process in (one, two):
            _, err = communicate(process)
            assert process.returncode in (0, 5), err
            assert "Traceback" not in err
    program.run("export").succeeded()
    told = program.run("verify", "--deep", "--json").succeeded().lines[-1]
    assert (told["rows"], told["problems"]) == (2 * EACH, 0)
    for name in DATASETS:
        found = ids(server, program, name)
        assert (len(found), len(set(found))) == (EACH, EACH)


def communicate(process: "subprocess.Popen[bytes]") -> tuple[str, str]:
    out, err = process.communicate(timeout=120)
    return out.decode(), err.decode()
