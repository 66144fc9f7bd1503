"""``archiver compact`` as a process, on a real Postgres and a local directory."""

from pathlib import Path

from tests.support.postgres import Database
from tests.support.program import fill, new_program

LATE = "INSERT INTO app_audit_log (created_at, actor) VALUES (date_trunc('day', now()) - interval '4 days', 'late')"


def test_late_parts_are_merged_and_nothing_else_changes(database: Database, tmp_path: Path) -> None:
    fill(database, audit=3, events=3, days=6)
    program = new_program(
        tmp_path, SUPABASE_DB_URL=database.dsn, ARCHIVER_COMPACT__PARTS_MIN="3", ARCHIVER_COMPACT__AFTER="1d"
    ).init()
    program.run("export").succeeded()
    assert "no day has many small parts" in program.run("compact", "--dry-run").succeeded().out
    for _ in range(2):
        database.execute(LATE)
        program.run("export").succeeded()
    waiting = program.run("compact", "--dry-run", "--json").succeeded()
    assert (
        waiting.lines[0]["reason"]["text"]
        == "too few of its small parts are verified, have the same columns, and follow one another"
    )
    program.run("verify").succeeded()
    before = program.rows("app_audit_log")
    tree = program.tree()
    plan = program.run("compact", "--dry-run", "--json").succeeded()
    assert (plan.lines[0]["dataset"], plan.lines[0]["parts"]) == ("app_audit_log", 3)
    assert (plan.lines[-1]["merges"], plan.lines[-1]["parts"], plan.lines[-1]["dry_run"]) == (1, 3, True)
    assert program.tree() == tree
    done = program.run("compact", "--json").succeeded().lines[-1]
    assert (done["parts_before"], done["parts_after"]) == ({"app_audit_log": 3}, {"app_audit_log": 1})
    assert (done["objects_removed"], done["exit"]) == (3, 0)
    assert program.rows("app_audit_log") == before == 20
    program.run("verify", "--deep").succeeded()
    assert program.run("export", "--json").succeeded().lines[-1]["rows"] == 0
    assert program.run("compact").succeeded().out == "", "silent in cron"
    assert program.run("compact", "nonsense").status == 2
