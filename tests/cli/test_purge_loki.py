"""``archiver purge loki`` as a process: a directory of real chunks, and a Loki that answers as one was recorded."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.stack.answers import recorded
from tests.support.loki import DATA, query, stated
from tests.support.program import Program, new_program

OLD = 1_772_900_000


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Chunks of March, archived and verified; their index lies beside them, as old as they are."""
    shutil.copytree(DATA / "v13-zstd" / "store", tmp_path / "chunks")
    for path in (tmp_path / "chunks").rglob("*"):
        os.utime(path, (OLD, OLD))
    made = new_program(tmp_path, ARCHIVER_LOKI_STORE=(tmp_path / "chunks").as_uri()).init()
    made.run("export", "loki").succeeded()
    made.run("verify").succeeded()
    return made


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


@contextmanager
def loki(oldest: timedelta) -> Iterator[str]:
    """A Loki with retention on, whose oldest line is so old; as a recorded one answers otherwise."""
    answers = {path: answer for path, answer in recorded("loki-3.7.6-retention-30d").items() if not callable(answer)}
    answers["/loki/api/v1/delete"] = (200, [])
    line_at = datetime.now(UTC) - oldest

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, body = answers.get(parts.path, (404, "404 page not found"))
            asked = parse_qs(parts.query)
            if "start" in asked:
                start, end = (int(asked[name][0]) / 1e9 for name in ("start", "end"))
                inside = start <= line_at.timestamp() < end
                found = [{"stream": {}, "values": [[str(int(line_at.timestamp() * 1e9)), "x"]]}] if inside else []
                data = (
                    ["job"] if parts.path.endswith("labels") and inside else {"resultType": "streams", "result": found}
                )
                status, body = (
                    200,
                    {"status": "success", "data": [] if parts.path.endswith("labels") and not inside else data},
                )
            text = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_what_the_compactor_has_left_is_named_with_exit_3(program: Program, tmp_path: Path) -> None:
    before = files(tmp_path / "chunks")
    done = program.run("purge", "loki")
    assert done.status == 3, done
    assert "4 chunks that ended before" in done.out
    assert done.out.count("archived, and the compactor should have deleted it") == 5
    told = program.run("purge", "loki", "--execute", "--json")
    assert told.status == 3
    assert told.lines[-1]["due"] == {"left": 4}
    assert [one["standing"] for one in told.lines[:-1]] == ["left"] * 4
    assert files(tmp_path / "chunks") == before
    for name in before:
        if not name.startswith("index/"):
            (tmp_path / "chunks" / name).unlink()
    done = program.run("purge", "loki").succeeded()
    assert "no chunk ends before" in done.out
    assert "4 chunks of that age were archived" in done.out
    assert program.run("purge", "loki", "--execute").succeeded().out == "", "silent in cron"


@pytest.mark.parametrize(("age_days", "status"), [(29, 0), (40, 3)])
def test_the_oldest_line_that_loki_itself_still_shows(
    program: Program, age_days: int, status: int, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "chunks" / "fake")
    with loki(timedelta(days=age_days)) as url:
        done = program.having(ARCHIVER_LOKI_URL=url).run("purge", "loki")
    assert done.status == status, done
    assert ("oldest line" in done.out) == bool(status)


def test_a_loki_that_does_not_answer_is_no_proof(program: Program) -> None:
    done = program.having(ARCHIVER_LOKI_URL="http://127.0.0.1:9", ARCHIVER_RETRY__ATTEMPTS_MAX="1").run("purge", "loki")
    assert done.status == 75, done
    assert "what somebody asked Loki to delete is not known" in done.err


def test_rotated_chunks_go_when_each_line_is_proven_and_nothing_else_does(program: Program, tmp_path: Path) -> None:
    chunks = tmp_path / "chunks"
    ours = program.having(ARCHIVER_LOKI__DELETE="files")
    before = files(chunks)
    index = {name for name in before if name.startswith("index/")}
    assert index
    plan = ours.run("purge", "loki").succeeded()
    assert "4 chunks of 4" in plan.out
    assert files(chunks) == before
    done = ours.run("purge", "loki", "--execute", "--json").succeeded().lines[-1]
    assert (done["chunks"], done["kept"], done["exit"]) == (4, [], 0)
    assert files(chunks) == index
    assert query(program.store) == stated("v13-zstd", "truth", "surplus"), "the archive has every line"
    assert ours.run("purge", "loki", "--execute").succeeded().out == ""
    assert ours.run("export", "loki").succeeded().out == ""
    program.run("verify", "--deep").succeeded()


def test_an_altered_archive_object_lets_no_chunk_go(program: Program, tmp_path: Path) -> None:
    victim = next((program.store / "data" / "loki").rglob("*.parquet"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(data)
    before = files(tmp_path / "chunks")
    done = program.having(ARCHIVER_LOKI__DELETE="files").run("purge", "loki", "--execute")
    assert done.status == 4, done
    assert str(victim.relative_to(program.store)) in done.err
    assert files(tmp_path / "chunks") == before


def test_fault_14_the_guard_asks_for_the_word_of_this_plan(program: Program, tmp_path: Path) -> None:
    strict = program.having(ARCHIVER_LOKI__DELETE="files", ARCHIVER_GUARD__SHARE_ROWS_MIN="1")
    done = strict.run("purge", "loki", "--execute")
    assert done.status == 6, done
    assert "loki: 100% of its chunks would go at once" in done.err
    assert len(files(tmp_path / "chunks")) > 4
    word = strict.run("purge", "loki", "--json").succeeded().lines[-1]["word"]
    assert word in done.err
    strict.run("purge", "loki", "--execute", "--confirm", word).succeeded()


def test_a_directory_that_a_loki_writes_to_is_refused(program: Program, tmp_path: Path) -> None:
    (tmp_path / "chunks" / "loki_cluster_seed.json").write_text("{}")
    before = files(tmp_path / "chunks")
    done = program.having(ARCHIVER_LOKI__DELETE="files").run("purge", "loki", "--execute")
    assert done.status == 6, done
    assert "no Loki reads, and loki_cluster_seed.json was written" in done.err
    assert files(tmp_path / "chunks") == before
