"""The clock guard through the command line, each branch: exit status 6 until confirmed with the plan's token.

The program runs with a clock that is wrong; the database, the store and the anchor have clocks that are right.
"""

from pathlib import Path

import pytest

from tests.support.postgres import Database
from tests.support.program import Done, Program, fill, new_program
from tests.support.s3 import S3Server

HOUR_S = 3600
DAY_S = 24 * HOUR_S
OVERDUE = "created_at < now() - interval '30 days 3 hours'"


@pytest.fixture
def program(database: Database, seaweedfs: S3Server, tmp_path: Path) -> Program:
    """An archive on a server with a clock of its own, the anchor in the database; 33 days, verified."""
    fill(database, audit=12, events=1, days=33)
    bucket = seaweedfs.new_bucket(f"guard-{abs(hash(tmp_path)) % 10**9}")
    made = new_program(tmp_path, SUPABASE_DB_URL=database.dsn, **seaweedfs.environment)
    made.init("--store", f"s3://{bucket}/archive", "--anchor", "postgres", "--archive-retention", "32d")
    made.run("export").succeeded()
    made.run("verify").succeeded()
    return made


def left(database: Database) -> int:
    return int(str(database.query("SELECT count(*) FROM app_audit_log")[0][0]))


def refused(done: Done, *reasons: str) -> str:
    """Exit status 6 with these reasons and nothing else; the token that the hint names."""
    assert done.status == 6, done
    said = " ".join(done.err.split())
    assert "nothing was deleted" in said
    for reason in reasons:
        assert reason in said
    return said.rsplit("--confirm ", 1)[1].split()[0]


def test_fault_14_a_clock_that_is_wrong_deletes_nothing(program: Program, database: Database) -> None:
    """Ahead, behind, and after a jump."""
    everything = left(database)
    others = ("the database's", "the store's", "the anchor's")
    ahead, behind, jumped = 2 * HOUR_S, -2 * HOUR_S, 5 * DAY_S

    shown = program.run("purge", "--json", clock_shift_s=ahead).succeeded().lines[-1]
    assert len(shown["refused"]) == len(others), "the plan says what would be refused"
    word = refused(program.run("purge", "--execute", clock_shift_s=ahead), *others)
    assert word == shown["word"]
    wrong = program.run("purge", "--execute", "--confirm", "00000000", clock_shift_s=ahead)
    assert wrong.status == 6
    assert "confirms another plan" in wrong.err

    refused(program.run("purge", "--execute", clock_shift_s=behind), *others, "but the last entry was written")
    # The database has no say in what leaves the archive; the other clocks have.
    said = program.run("expire", "--execute", clock_shift_s=behind)
    refused(said, *others[1:], "but the last entry was written")
    assert "the database's" not in said.err

    refused(program.run("purge", "--execute", clock_shift_s=jumped), *others, "days passed between two entries")
    assert left(database) == everything

    # An export under the wrong clock makes the last entry fresh; the pause before it is remembered until a deletion.
    program.run("export", clock_shift_s=jumped).succeeded()
    refused(program.run("purge", "--execute", clock_shift_s=jumped), "days passed between two entries")
    assert left(database) == everything


def test_fault_14_the_word_confirms_one_plan_once(program: Program, database: Database) -> None:
    word = refused(program.run("purge", "--execute", clock_shift_s=2 * HOUR_S))
    program.run("purge", "--execute", "--confirm", word, clock_shift_s=2 * HOUR_S).succeeded()
    assert database.query(f"SELECT count(*) FROM app_audit_log WHERE {OVERDUE}") == [(0,)]
    # The entry of that run lies in the future now, which the right clock finds strange.
    refused(program.run("expire", "--execute"), "but the last entry was written")
