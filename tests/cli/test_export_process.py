"""``archiver export`` as cron and as a person at a terminal call it."""

import fcntl
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.daemon import until
from tests.support.postgres import Database, PostgresServer, fresh_database
from tests.support.program import DAYS, ROWS_A_DAY, Program, fill, killed_at_the_end, new_program

if TYPE_CHECKING:
    import subprocess

DATASETS = ("app_audit_log", "log_workflow_events")
EACH = DAYS * ROWS_A_DAY


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database that no test of this file writes to."""
    with fresh_database(postgres_server, f"cli_export_{os.getpid()}") as made:
        fill(made)
        yield made


@pytest.fixture
def program(filled: Database, tmp_path: Path) -> Program:
    return new_program(tmp_path, SUPABASE_DB_URL=filled.dsn).init()


def midnight(days_ago: int) -> datetime:
    now = datetime.now(UTC)
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)


def test_a_second_run_exports_nothing_and_says_so(program: Program) -> None:
    first = program.run("--verbose", "export").succeeded()
    for name in DATASETS:
        assert f"{name}: 1,200 rows in 6 windows archived as 6 parts" in first.out
    assert re.search(r"2,400 rows in [\d.]+ s \([\d,]+ rows/s\)", first.out)
    before = program.tree()
    second = program.run("--verbose", "export").succeeded()
    for name in DATASETS:
        assert f"{name}: nothing new to export" in second.out
    assert program.tree() == before
    assert [program.rows(name) for name in DATASETS] == [EACH, EACH]


def test_success_is_silent_without_a_terminal(program: Program) -> None:
    """What cron would mail."""
    for _ in range(2):
        done = program.run("export").succeeded()
        assert (done.out, done.err) == ("", "")


def test_a_dry_run_shows_what_is_due_and_writes_nothing(program: Program) -> None:
    before = program.tree()
    done = program.run("export", "--dry-run").succeeded()
    assert done.out.count("never exported") == 2 * DAYS
    assert f"{midnight(1):%Y-%m-%d}" in done.out
    planned = program.run("export", "--dry-run", "--json").succeeded()
    assert planned.err == ""
    assert [line["type"] for line in planned.lines] == ["due"] * (2 * DAYS) + ["summary"]
    assert planned.lines[-1] == {
        "type": "summary", "command": "export", "dry_run": True, "slots": 2 * DAYS, "rows": 2 * EACH,
    }  # fmt: skip
    assert program.tree() == before


def test_a_dry_run_needs_no_private_key(program: Program) -> None:
    """Looking is not writing."""
    program.key_file.unlink()
    program.run("export", "--dry-run").succeeded()


def test_json_lines_end_with_a_summary_and_nothing_else_is_on_stdout(program: Program) -> None:
    done = program.run("export", "--json").succeeded()
    assert done.err == ""
    *exported, summary = done.lines
    assert {line["type"] for line in exported} == {"exported"}
    assert sum(line["rows"] for line in exported) == 2 * EACH
    assert all(line["segments"][0]["sha256"] for line in exported)
    assert (summary["type"], summary["command"], summary["exit"]) == ("summary", "export", 0)
    assert (summary["rows"], summary["commits"]) == (2 * EACH, 1)
    assert {name: one["rows"] for name, one in summary["datasets"].items()} == dict.fromkeys(DATASETS, EACH)
    again = program.run("export", "--json").succeeded()
    assert [(line["type"], line["rows"]) for line in again.lines] == [("summary", 0)]


FORMS = {
    "days": ("2d", "1d", {2, 1}),
    "a word": ("yesterday", "today", {1}),
    "hours": ("25h", None, {2, 1}),
    "dates": (lambda: f"{midnight(4):%Y-%m-%d}", lambda: f"{midnight(2):%Y-%m-%d}", {4, 3}),
    "timestamps": (
        lambda: f"{midnight(4):%Y-%m-%dT%H:%M:%SZ}", lambda: f"{midnight(3):%Y-%m-%dT%H:%M:%S}+00:00", {4}
    ),
    "an offset": (lambda: f"{midnight(4):%Y-%m-%dT01:30:00}+02:00", lambda: f"{midnight(4):%Y-%m-%d}", {5}),
    "weeks": ("1w", lambda: f"{midnight(5):%Y-%m-%d}", {6}),
    "only until": (None, lambda: f"{midnight(4):%Y-%m-%d}", {6, 5}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_since_and_until_in_every_form(form: str, program: Program) -> None:
    """Whole windows that have an instant between the two."""
    arguments = []
    for option, value in zip(("--since", "--until"), FORMS[form][:2], strict=True):
        if value is not None:
            arguments += [option, value() if callable(value) else str(value)]
    planned = program.run("export", "app_audit_log", *arguments, "--dry-run", "--json").succeeded()
    days = {line["slot"][:10] for line in planned.lines if line["type"] == "due"}
    days_ago = FORMS[form][2]
    assert isinstance(days_ago, set)
    expected = {f"{midnight(number):%Y-%m-%d}" for number in days_ago}
    if form == "hours" and datetime.now(UTC).hour >= 1:
        # 25 hours ago was yesterday, unless it is before one o'clock.
        expected = {f"{midnight(1):%Y-%m-%d}"}
    if form == "days":
        # `1d` ago is inside of yesterday, so yesterday is taken as a whole.
        expected = {f"{midnight(number):%Y-%m-%d}" for number in (2, 1)}
    assert days == expected


def test_bounds_are_archived_and_the_rest_later(program: Program) -> None:
    program.run("export", "app_audit_log", "--since", "yesterday", "--until", "today").succeeded()
    assert (program.rows("app_audit_log"), program.rows("log_workflow_events")) == (ROWS_A_DAY, 0)
    program.run("export").succeeded()
    assert [program.rows(name) for name in DATASETS] == [EACH, EACH]


def test_the_terminal_shows_rows_a_second_and_the_time_that_remains(tmp_path: Path, database: Database) -> None:
    fill(database, audit=1, events=40_000, days=4)
    program = new_program(tmp_path, SUPABASE_DB_URL=database.dsn).init()
    status, shown = program.run_on_terminal("export", "log_workflow_events", "--jobs", "1")
    assert status == 0, shown
    assert re.search(r"log_workflow_events .*/160,000 rows", shown)
    assert re.search(r"[\d,]+ rows/s", shown)
    assert re.search(r"\d:\d\d:\d\d", shown)
    assert "log_workflow_events: 160,000 rows in 4 windows archived" in shown
    status, shown = program.run_on_terminal("--quiet", "export")
    assert (status, shown) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_cleanly_at_the_next_commit(number: signal.Signals, tmp_path: Path, database: Database) -> None:
    """Exit 130, what was committed stays, no file is left behind, a later run completes."""
    fill(database, audit=1, events=200, days=30)
    program = new_program(
        tmp_path, SUPABASE_DB_URL=database.dsn, ARCHIVER_EXPORT__COMMIT_INTERVAL_S="0", ARCHIVER_EXPORT__JOBS="1"
    ).init()
    with killed_at_the_end(program.start("export", "log_workflow_events", "--json")) as process:
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        assert b'"exported"' in process.stdout.readline()
        # The pipe has room for a few of the 29 lines that follow: the export cannot end before it is read further.
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"asked to stop" in err
    assert b"what was committed stays" in err
    assert b"Traceback" not in err
    assert b'"exit": 130' in out.splitlines()[-1]
    assert 200 <= program.rows("log_workflow_events") < 6_000
    assert list((tmp_path / "tmp").iterdir()) == []
    program.run("export", "log_workflow_events").succeeded()
    assert program.rows("log_workflow_events") == 6_000
    done = program.run("verify", "--deep", "--json").succeeded()
    assert (done.lines[-1]["rows"], done.lines[-1]["litter"]) == (6_000, 0)


def test_a_second_signal_ends_at_once(tmp_path: Path, database: Database) -> None:
    """Whoever presses Ctrl-C twice does not want to wait for a commit."""
    fill(database)
    program = new_program(tmp_path, SUPABASE_DB_URL=database.dsn).init()
    # A lock on the table keeps the export waiting inside of the database.
    with database.session() as session:
        with session.cursor() as cursor:
            cursor.execute("LOCK TABLE app_audit_log IN ACCESS EXCLUSIVE MODE")
        with killed_at_the_end(program.start("export")) as process:
            until(lambda: _waits(database), "the export waits for the lock")
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            until(lambda: process.poll() is not None or _again(process), "it ends")
        assert process.returncode in (-signal.SIGINT, 130)
        session.rollback()
    program.run("export").succeeded()
    assert [program.rows(name) for name in DATASETS] == [EACH, EACH]


def _again(process: "subprocess.Popen[bytes]") -> bool:
    """Two signals that come together may count as one."""
    process.send_signal(signal.SIGINT)
    return False


def _waits(database: Database) -> bool:
    found = database.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return int(found[0][0]) > 0
