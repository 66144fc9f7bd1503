"""``archiver export loki`` and ``archiver loki``, as processes."""

import json
import os
import shutil
from pathlib import Path

import pytest

from archiver import demo
from tests.support.loki import DATA, query, stated
from tests.support.program import Program, new_program

OLD = 1_772_900_000


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A new archive, and chunks whose files are as old as their lines."""
    shutil.copytree(DATA / "v13-zstd" / "store", tmp_path / "chunks")
    for path in (tmp_path / "chunks").rglob("*"):
        os.utime(path, (OLD, OLD))
    return new_program(tmp_path, ARCHIVER_LOKI_STORE=(tmp_path / "chunks").as_uri()).init()


def damage(chunks: Path) -> Path:
    """Cut one chunk short."""
    path = min(path for path in (chunks / "fake").rglob("*") if path.is_file())
    path.write_bytes(path.read_bytes()[:500])
    os.utime(path, (OLD, OLD))
    return path


def test_logs_are_archived_verified_and_shown(program: Program, tmp_path: Path) -> None:
    plan = program.run("export", "loki", "--dry-run", "--since", "2026-03-01").succeeded()
    assert "4 chunks" in plan.out
    lines = program.run("export", "loki", "--json").succeeded().out.splitlines()
    summary = json.loads(lines[-1])
    assert (summary["type"], summary["chunks"], summary["rows"], summary["exit"]) == ("summary", 4, 1401, 0)
    assert query(program.store) == stated("v13-zstd", "truth", "surplus")
    program.run("verify", "--deep").succeeded()
    assert "4 chunks archived" in program.run("status").succeeded().out
    assert program.run("export", "loki").succeeded().out == ""
    assert tmp_path.is_dir()


def test_fault_20_exit_3_until_a_person_has_released_it(program: Program, tmp_path: Path) -> None:
    damaged = damage(tmp_path / "chunks")
    told = program.run("export", "loki")
    assert told.status == 3
    assert "quarantined" in told.err
    assert damaged.stat().st_size == 500
    assert program.run("export", "loki").status == 3
    status = json.loads(program.run("status", "--json").succeeded().out)
    (logs,) = (one for one in status["datasets"] if one["dataset"] == "loki")
    (quarantined,) = logs["chunks"]["quarantined"]
    assert (program.store / quarantined["key"]).read_bytes() == damaged.read_bytes()
    assert program.run("loki", "release", "0000", "--reason", "x").status == 2
    program.run("loki", "release", quarantined["sha256"], "--reason", "looked at").succeeded()
    program.run("export", "loki").succeeded()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ARCHIVER_LOKI__LABEL_COLUMNS", '["line"]', "label_columns"),
        ("ARCHIVER_LOKI__LINES__PHONE", "hide", "lines"),
    ],
)
def test_settings_that_cannot_be_honoured(program: Program, name: str, value: str, said: str) -> None:
    told = program.having(**{name: value}).run("export", "loki")
    assert told.status == 2
    assert said in told.err


def test_lines_are_scrubbed_with_the_archives_key(program: Program) -> None:
    scrubbing = program.having(ARCHIVER_LOKI__LINES__IPV4="hmac", ARCHIVER_LOKI__LINES__PHONE="drop")
    summary = json.loads(scrubbing.run("export", "loki", "--json").succeeded().out.splitlines()[-1])
    assert {(one["pattern"], one["action"]) for one in summary["scrubbed"]} == {("ipv4", "hmac"), ("phone", "drop")}
    assert any(b"<ipv4:" in line for _, _, _, line, _ in query(program.store))


def test_the_demonstrations_chunks_are_real_ones(tmp_path: Path) -> None:
    assert demo._unpack_chunks(tmp_path / "loki") == 4
    for path in (DATA / "v13-zstd" / "store").rglob("*"):
        if path.is_file():
            assert (tmp_path / "loki" / path.relative_to(DATA / "v13-zstd" / "store")).read_bytes() == path.read_bytes()


def test_without_a_chunk_store_nothing_is_touched(tmp_path: Path) -> None:
    told = new_program(tmp_path).init().run("export", "loki")
    assert told.status == 2
    assert "loki_store" in told.err
