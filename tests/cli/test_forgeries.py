"""What somebody can do who has the bucket, or the bucket and the anchor, and no key: through the command line."""

import shutil
from pathlib import Path

import pytest

from tests.support.postgres import Database
from tests.support.program import Program, fill, new_program

DAY_S = 24 * 3600


@pytest.fixture
def program(database: Database, tmp_path: Path) -> Program:
    """An archive in a local directory, exported once."""
    fill(database, audit=3, events=2, days=4)
    made = new_program(tmp_path, SUPABASE_DB_URL=database.dsn).init()
    made.run("export").succeeded()
    made.run("verify").succeeded()
    return made


def test_an_invented_file_ends_verify_with_3_wherever_it_lies(program: Program) -> None:
    """Once no run can be about to name it. Nothing is said of it before, and nothing of it is ever read."""
    (part,) = list((program.store / "data" / "app_audit_log").rglob("*.parquet"))[:1]
    invented = part.with_name("part-0007-0123456789abcdef.parquet")
    beside = program.store / "other" / "notes.txt"
    pack = program.store / "ledger-pack" / "x.ndjson"
    for path in (invented, beside, pack):
        path.parent.mkdir(exist_ok=True)
        shutil.copy(part, path)
    assert program.run("verify").status == 0
    found = program.run("verify", clock_shift_s=3 * DAY_S)
    assert found.status == 3
    for path in (invented, beside, pack):
        assert path.relative_to(program.store).as_posix() in found.err
    assert "no part of the archive" in found.err
    listed = program.run("verify", "--json", clock_shift_s=3 * DAY_S).lines
    assert [line["overdue"] for line in listed if line["type"] == "litter"] == [True] * 3
    assert listed[-1]["overdue"] == 3
    # A copy is nobody's place of work: what no entry names is told at once.
    assert program.run("verify", "--offline", str(program.store)).status == 3
    # The way out: a person looks, the sweep takes what lies where parts lie.
    program.run("sweep", "--execute", clock_shift_s=3 * DAY_S).succeeded()
    assert not invented.exists()
    beside.unlink()
    pack.unlink()
    program.run("verify", clock_shift_s=3 * DAY_S).succeeded()


def test_bucket_and_anchor_set_back_together(program: Program, database: Database) -> None:
    """Both agree, every signature holds. This machine has seen more, and says so in every command."""
    before = program.directory / "before"
    shutil.copytree(program.store, before / "store")
    shutil.copytree(program.anchor.parent, before / "anchor")
    database.execute(
        "UPDATE app_audit_log SET created_at = created_at WHERE id = (SELECT id FROM app_audit_log LIMIT 1)"
    )
    program.run("export").succeeded()
    for place, of in ((program.store, "store"), (program.anchor.parent, "anchor")):
        shutil.rmtree(place)
        shutil.copytree(before / of, place)
    for command in (("verify",), ("export",), ("status",), ("purge", "--execute")):
        done = program.run(*command)
        assert done.status == 4, command
        assert "ledger and anchor were set back" in done.err
    # The way out: the entries that are missing stand in the file that is named, one a line.
    (memory,) = program.directory.rglob("ledger.ndjson")
    assert str(memory) in " ".join(program.run("status").err.split())
    memory.unlink()
    program.run("export").succeeded()
    program.run("verify").succeeded()


def test_an_archive_exchanged_for_another_of_the_same_key(program: Program, tmp_path: Path) -> None:
    """`init` makes no second archive with one key, so the forger's is made behind its back."""
    assert 'archive_id = "' in (program.work / "archiver.toml").read_text()
    second = program.run("init", "--store", f"file://{tmp_path}/second", "--anchor", f"file://{tmp_path}/second.json")
    assert second.status == 2
    assert "settings name archive" in second.err
    (program.work / "archiver.toml").rename(program.work / "kept.toml")
    keys = ("--signing-key-file", str(program.key_file))
    rules = ("--archive-retention", "365d", "--purpose", "x", "--legal-basis", "y")
    place = ("--store", f"file://{tmp_path}/second", "--anchor", f"file://{tmp_path}/other/second.json")
    again = program.run("init", *place, *keys, *rules)
    assert again.status == 2
    assert "signs archive" in again.err
    assert not (tmp_path / "second" / "archive.json").exists()
    # On a machine that remembers nothing it is made after all, and put in the place of the first.
    forgetful = program.having(XDG_CACHE_HOME=str(tmp_path / "forgetful"))
    forgetful.run("init", *place, *keys, *rules).succeeded()
    shutil.rmtree(program.store)
    shutil.copytree(tmp_path / "second", program.store)
    shutil.copy(tmp_path / "other" / "second.json", program.anchor)
    (program.work / "archiver.toml").unlink()
    (program.work / "kept.toml").rename(program.work / "archiver.toml")
    for operator in (program, forgetful):
        for command in (("verify",), ("export",), ("status",)):
            done = operator.run(*command)
            assert done.status == 4, (command, done)
            assert "holds archive" in done.err


def test_one_key_one_archive_in_the_anchors_table_as_well(database: Database, tmp_path: Path) -> None:
    """Another machine, which remembers nothing: the table tells which archives a key has signed."""
    first = new_program(tmp_path / "first", SUPABASE_DB_URL=database.dsn).init("--anchor", "postgres")
    other = new_program(tmp_path / "other", SUPABASE_DB_URL=database.dsn)
    shutil.copy(first.key_file, other.key_file)
    rules = ("--archive-retention", "365d", "--purpose", "x", "--legal-basis", "y")
    refused = other.run("init", "--store", other.store.as_uri(), "--anchor", "postgres", *rules)
    assert refused.status == 2
    assert "signs archive" in refused.err
    assert not (other.store / "archive.json").exists()
    other.key_file.unlink()
    other.run("init", "--store", other.store.as_uri(), "--anchor", "postgres", *rules).succeeded()
