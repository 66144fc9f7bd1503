"""Purge, expire, hold and sweep as processes of their own, on a real Postgres and a local directory."""

import os
import re
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from archiver.neighbours.local.runlock import run_lock
from tests.support.daemon import until
from tests.support.postgres import Database
from tests.support.program import PATIENCE_S, PROGRAM, Program, fill, new_program

DAYS = 40
A_DAY = 20
OVERDUE = "created_at < date_trunc('hour', now()) - interval '30 days'"


@pytest.fixture
def program(database: Database, tmp_path: Path) -> Program:
    """An archive of 40 days that was exported and verified."""
    fill(database, audit=A_DAY, events=A_DAY, days=DAYS)
    made = new_program(tmp_path, SUPABASE_DB_URL=database.dsn).init("--archive-retention", "35d")
    made.run("export").succeeded()
    made.run("verify").succeeded()
    return made


def count(database: Database, table: str, where: str = "true") -> int:
    return int(str(database.query(f"SELECT count(*) FROM {table} WHERE {where}")[0][0]))


def test_without_execute_only_a_plan_is_shown(program: Program, database: Database) -> None:
    due = count(database, "app_audit_log", OVERDUE)
    done = program.run("purge").succeeded()
    assert f"app_audit_log: {due} rows of 800 rows may go" in done.out
    assert "no index begins with created_at" in done.out
    plan = program.run("purge", "--json").succeeded()
    assert plan.lines[-1]["rows"] == 2 * due
    assert plan.lines[-1]["execute"] is False
    assert count(database, "app_audit_log") == 800
    assert "35d" not in done.err


def test_the_whole_way_ends_with_exactly_the_last_30_days(program: Program, database: Database) -> None:
    due = count(database, "app_audit_log", OVERDUE)
    done = program.run("purge", "--execute", "--json").succeeded()
    assert done.lines[-1]["rows"] == {"app_audit_log": due, "log_workflow_events": due}
    for table in ("app_audit_log", "log_workflow_events"):
        assert count(database, table, OVERDUE) == 0
        assert count(database, table) == 800 - due
        assert program.rows(table) == 800, "the archive still has them"
    assert program.run("purge", "--execute").succeeded().out == ""
    assert program.run("export", "--json").succeeded().lines[-1]["rows"] == 0
    assert "should have left the source" not in program.run("status").succeeded().out

    expired = program.run("expire", "--execute", "--json").succeeded().lines[-1]
    gone = expired["rows"]["app_audit_log"]
    assert gone == A_DAY * 5, "windows that ended more than 35 days ago"
    assert expired["versions"] == expired["objects"] == {"app_audit_log": 5, "log_workflow_events": 5}
    assert program.rows("app_audit_log") == 800 - gone
    program.run("verify", "--deep").succeeded()
    assert program.run("export", "--json").succeeded().lines[-1]["rows"] == 0
    assert program.run("expire", "--execute").succeeded().out == ""


def test_an_altered_object_makes_purge_refuse_and_verify_name_it(program: Program, database: Database) -> None:
    victim = min((program.store / "data" / "app_audit_log").rglob("*.parquet"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(data)
    name = str(victim.relative_to(program.store))
    done = program.run("purge", "--execute")
    assert done.status == 4, done
    assert name in done.err
    assert count(database, "app_audit_log") == 800
    checked = program.run("verify")
    assert checked.status == 4
    assert name in checked.out + checked.err


def test_what_is_not_verified_or_came_late_stays_and_the_status_says_so(program: Program, database: Database) -> None:
    database.execute(
        "INSERT INTO app_audit_log (created_at, actor) VALUES (now() - interval '35 days 3 hours', 'late')"
    )
    done = program.run("purge", "app_audit_log", "--execute")
    assert done.status == 3
    assert "1 row due and left alone: not archived: came late" in done.out
    assert count(database, "app_audit_log", "actor = 'late'") == 1
    program.run("export").succeeded()
    done = program.run("purge", "app_audit_log", "--execute")
    assert done.status == 3
    assert "not verified since it was archived" in done.out
    program.run("verify").succeeded()
    program.run("purge", "app_audit_log", "--execute").succeeded()
    assert count(database, "app_audit_log", OVERDUE) == 0


def test_fault_14_the_guard_refuses_until_the_plans_word_is_said(program: Program, database: Database) -> None:
    strict = program.having(ARCHIVER_GUARD__SHARE_MAX="0.01", ARCHIVER_GUARD__SHARE_ROWS_MIN="1")
    done = strict.run("purge", "--execute")
    assert done.status == 6, done
    assert "of its rows would go at once, at most 1% may; nothing was deleted" in " ".join(done.err.split())
    assert count(database, "app_audit_log") == 800
    word = strict.run("purge", "--json").succeeded().lines[-1]["word"]
    assert word in done.err
    wrong = strict.run("purge", "--execute", "--confirm", "00000000")
    assert wrong.status == 6
    assert count(database, "app_audit_log") == 800
    strict.run("purge", "--execute", "--confirm", word).succeeded()
    assert count(database, "app_audit_log", OVERDUE) == 0


def test_fault_14_an_anchor_that_was_lost_refuses_deletions(program: Program, database: Database) -> None:
    program.anchor.unlink()
    program.run("export").succeeded()
    done = program.run("purge", "--execute")
    assert done.status == 6
    assert "the anchor was found empty or set back" in done.err
    assert count(database, "app_audit_log") == 800
    word = program.run("purge", "--json").succeeded().lines[-1]["word"]
    program.run("purge", "--execute", "--confirm", word).succeeded()
    database.execute("INSERT INTO app_audit_log (created_at, actor) VALUES (now() - interval '31 days', 'later')")
    program.run("export").succeeded()
    program.run("verify").succeeded()
    program.run("purge", "--execute").succeeded()


def test_holds_keep_windows_and_persons(program: Program, database: Database) -> None:
    with (program.work / "archiver.toml").open() as file:
        text = file.read()
    (program.work / "archiver.toml").write_text(
        text.replace("[datasets.log_workflow_events]", '[datasets.log_workflow_events]\nsubject_columns = ["phone"]')
    )
    due = count(database, "log_workflow_events", OVERDUE)
    theirs = count(database, "log_workflow_events", OVERDUE + " AND phone = '+491703'")
    placed = subprocess.run(
        [PROGRAM, "hold", "add", "--subject", "--dataset", "log_workflow_events", "--reason", "claim",
         "--reference", "2026-17"],
        cwd=program.work, env=program._whole_environment(), input=b"+491703\n", capture_output=True, check=True,
    )  # fmt: skip
    name = placed.stdout.decode().split()[1]
    listed = program.run("hold", "list", "--json").succeeded()
    assert listed.lines[0]["hold"] == name
    assert "+491703" not in listed.out
    assert theirs
    done = program.run("purge", "log_workflow_events", "--execute", "--json").succeeded()
    assert done.lines[-1]["rows"] == {"log_workflow_events": due - theirs}
    assert count(database, "log_workflow_events", OVERDUE) == theirs
    assert b"+491703" not in b"".join(path.read_bytes() for path in (program.store / "ledger").rglob("*.json"))
    program.run("hold", "release", name, "--reason", "settled").succeeded()
    program.run("purge", "log_workflow_events", "--execute").succeeded()
    assert count(database, "log_workflow_events", OVERDUE) == 0

    placing = ("hold", "add", "--reason", "r", "--reference", "case 9", "--dataset")
    said = program.run(*placing, "app_audit_log").succeeded()
    assert "it covers 800 rows of the archive" in " ".join(said.out.split())
    said = program.run(*placing, "loki").succeeded()
    assert "covers no row that the archive holds" in " ".join(said.err.split())
    done = program.run("purge", "app_audit_log", "--execute").succeeded()
    assert "on hold (case 9)" in done.out
    assert count(database, "app_audit_log") == 800


def test_fault_26_a_hold_placed_by_another_process_stops_the_purge_at_its_next_batch(
    program: Program, database: Database
) -> None:
    """The purge waits for a row that somebody has locked; meanwhile the hold comes."""
    days = database.query(
        "SELECT DISTINCT (created_at AT TIME ZONE 'UTC')::date::text FROM app_audit_log ORDER BY 1 LIMIT 2"
    )
    (first,), (second,) = days
    of_first, of_second = (f"(created_at AT TIME ZONE 'UTC')::date = '{one}'" for one in (first, second))
    with database.session() as session, session.cursor() as cursor:
        cursor.execute(f"SELECT id FROM app_audit_log WHERE {of_second} LIMIT 1 FOR UPDATE")
        cursor.fetchall()
        purging = program.having(ARCHIVER_PURGE__LOCK_TIMEOUT_S="60").start("purge", "app_audit_log", "--execute")
        waiting = "SELECT count(*) > 0 FROM pg_locks l JOIN pg_database d ON d.oid = l.database OR l.database IS NULL"
        waiting += " WHERE NOT granted AND datname = current_database()"
        until(lambda: database.query(waiting) == [(True,)], "the purge to wait for the row")
        placed = program.run("hold", "add", "--dataset", "app_audit_log", "--reason", "r", "--reference", "case 9")
        assert "a deletion is at work; what it deletes before it sees the hold is gone" in placed.succeeded().err
        session.rollback()
    _, err = purging.communicate(timeout=PATIENCE_S)
    assert purging.returncode == 3, err
    assert b"was placed on hold meanwhile; nothing more was deleted of it" in b" ".join(err.split())
    assert count(database, "app_audit_log", of_first) == 0
    assert count(database, "app_audit_log", of_second) == A_DAY
    assert count(database, "app_audit_log") == 800 - A_DAY
    done = program.run("purge", "app_audit_log", "--execute").succeeded()
    assert "on hold (case 9)" in done.out
    assert count(database, "app_audit_log") == 800 - A_DAY


def test_expire_keeps_what_is_on_hold(program: Program) -> None:
    program.run("purge", "--execute").succeeded()
    program.run("hold", "add", "--dataset", "app_audit_log", "--reason", "r", "--reference", "case 9").succeeded()
    done = program.run("expire", "--execute", "--json").succeeded().lines[-1]
    assert done["objects"] == {"log_workflow_events": 5}
    assert program.rows("app_audit_log") == 800


def test_expire_waits_for_the_purge_of_the_source(program: Program) -> None:
    done = program.run("expire", "--execute")
    assert done.status == 3
    assert "rows of it are still in the source" in done.out
    assert program.rows("app_audit_log") == 800


def test_sweep_takes_old_litter_only(program: Program) -> None:
    litter = program.store / "data" / "app_audit_log" / "date=2020-01-01" / "part-0000-0123456789abcdef.parquet"
    litter.parent.mkdir()
    litter.write_bytes(b"left behind")
    before = program.tree()
    assert "1 more are younger than the grace time" in program.run("sweep").succeeded().out
    program.run("sweep", "--execute").succeeded()
    assert litter.exists()
    assert program.tree() == before
    a_week_ago = time.time() - 7 * 86_400
    os.utime(litter, (a_week_ago, a_week_ago))
    assert litter.name in program.run("sweep").succeeded().out
    assert litter.exists()
    program.run("sweep", "--execute").succeeded()
    assert not litter.exists()
    assert program.rows("app_audit_log") == 800
    program.run("verify", "--deep").succeeded()


def test_fault_13_a_run_that_finds_another_at_work_ends_with_5(program: Program) -> None:
    (memory,) = (program.directory / "cache" / "archiver").glob("*/ledger.ndjson")
    cache = memory.parent
    with run_lock(cache / "run.lock", wait=lambda: False):
        for command in (["export"], ["purge", "--execute"], ["expire", "--execute"], ["sweep", "--execute"]):
            done = program.run(*command)
            assert done.status == 5, command
            assert "another run is at work" in done.err
        waiting = program.start("purge", "--execute", "--wait")
        assert waiting.poll() is None
    _, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["purge", "nonsense"], "there is no dataset nonsense"),
        (["expire", "nonsense"], "there is no dataset nonsense"),
        (["hold", "release", "h-0", "--reason", "r"], "no hold h-0 is in force"),
        (["hold", "add", "--reason", "r", "--reference", "1", "--review", "yesterday"], "is not in the future"),
        (["hold", "add", "--reason", "r", "--reference", "1", "--subject"], "must hold one identifier"),
        (["hold", "add", "--reason", "r", "--reference", "1", "--dataset", "nonsense"], "no dataset nonsense"),
    ],
)
def test_bad_input_touches_nothing(program: Program, command: list[str], said: str) -> None:
    before = program.tree()
    done = program.run(*command)
    assert done.status == 2, done
    assert said in done.err
    assert program.tree() == before


def test_column_policies_from_the_configuration_to_the_last_row(program: Program, database: Database) -> None:
    """Policies set after a month of archiving: nothing is exported again, and all that is due leaves as before."""
    due = count(database, "app_audit_log", OVERDUE)
    policies = 'subject_columns = ["actor"]\ncolumns = { actor = "hmac", ip = "truncate_ip", details = "drop" }\n'
    text = (program.work / "archiver.toml").read_text()
    (program.work / "archiver.toml").write_text(
        text.replace("[datasets.app_audit_log]\n", f"[datasets.app_audit_log]\n{policies}")
    )
    assert program.run("export", "--json").succeeded().lines[-1]["rows"] == 0
    database.execute(
        "INSERT INTO app_audit_log (created_at, actor, ip, details)"
        " VALUES (now() - interval '3 days', 'Jürgen Groß', '198.51.100.7', '{}')"
    )
    assert program.run("export", "--json").succeeded().lines[-1]["rows"] == 1
    program.run("verify", "--deep").succeeded()
    done = program.run("purge", "app_audit_log", "--execute", "--json").succeeded()
    assert done.lines[-1]["rows"] == {"app_audit_log": due}
    newest = max((program.store / "data" / "app_audit_log").rglob("part-0001-*.parquet"))
    (row,) = pq.read_table(newest, partitioning=None).to_pylist()
    assert row["ip"] == "198.51.100.0/24"
    assert re.fullmatch("[0-9a-f]{64}", row["actor"])
    assert "details" not in row
    for wrong, says in (('id = "hmac"', "part of the key"), ('ipp = "drop"', "does not have")):
        text = (program.work / "archiver.toml").read_text()
        (program.work / "archiver.toml").write_text(text.replace("columns = {", f"columns = {{ {wrong},", 1))
        refused = program.run("export")
        (program.work / "archiver.toml").write_text(text)
        assert refused.status == 2
        assert says in refused.err


def test_fault_a_privacy_key_that_entries_name_is_not_replaced(tmp_path: Path) -> None:
    """A server move that lost it: a new key would find nobody whom a hold protects."""
    program = new_program(tmp_path).init()
    subprocess.run(
        [PROGRAM, "hold", "add", "--subject", "--reason", "claim", "--reference", "2026-17"],
        cwd=program.work, env=program._whole_environment(), input=b"+4917", check=True, capture_output=True,
        timeout=PATIENCE_S,
    )  # fmt: skip
    (key,) = tmp_path.rglob("*privacy-key*")
    kept = key.read_bytes()
    key.unlink()
    done = program.run("init")
    assert done.status == 2
    assert "name the privacy key" in done.err
    assert not key.exists(), "no other key was made"
    key.write_bytes(b"00" * 32 + b"\n")
    key.chmod(0o600)
    assert "today's privacy key cannot find" in " ".join(program.run("hold", "list").succeeded().err.split())
    key.write_bytes(kept)
    assert "cannot find" not in program.run("hold", "list").succeeded().err
