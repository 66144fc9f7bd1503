"""The other commands, each as a process of its own."""

import json
import os
import shutil
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver import __version__
from tests.support.postgres import PASSWORD, Database, PostgresServer, fresh_database
from tests.support.program import DAYS, ROWS_A_DAY, Program, fill, new_program

EACH = DAYS * ROWS_A_DAY
COMMANDS = {
    (): "init export verify status config demo",
    ("init",): "--store --anchor --signing-key-file --archive-retention --purpose --legal-basis",
    ("export",): "--since --until --dry-run --jobs --accept-drift --json [DATASET]...",
    ("report",): "--day --month --since --until --lang --format --output --vvt --json",
    ("verify",): "--deep --offline --public-key --no-record --json [DATASET]...",
    ("status",): "--json",
    ("config",): "show validate",
    ("config", "show"): "--origin --json",
    ("config", "validate"): "--help",
    ("demo",): "--directory",
}


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database that no test of this file writes to."""
    with fresh_database(postgres_server, f"cli_commands_{os.getpid()}") as made:
        fill(made)
        yield made


@pytest.fixture(scope="module")
def exported(filled: Database, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """An archive that holds everything; tests that write to it work on a copy."""
    program = new_program(tmp_path_factory.mktemp("commands"), SUPABASE_DB_URL=filled.dsn).init()
    program.run("export").succeeded()
    return program


def public_key(program: Program) -> str:
    return str(json.loads((program.store / "archive.json").read_bytes())["public_key"])


def summary(text: str) -> dict[str, Any]:
    """The last of the JSON Lines."""
    found = json.loads(text.splitlines()[-1])
    assert isinstance(found, dict)
    assert found["type"] == "summary"
    return found


# ── Without an archive ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_version(tmp_path: Path) -> None:
    done = new_program(tmp_path).run("--version").succeeded()
    assert (done.out, done.err) == (f"archiver {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words) or "archiver")
def test_help_of_every_command_names_its_options(command: tuple[str, ...], tmp_path: Path) -> None:
    """On 80 columns, with nothing configured."""
    done = new_program(tmp_path).run(*command, "--help").succeeded()
    assert done.err == ""
    assert done.out.startswith(f"Usage: archiver {' '.join(command)}".rstrip())
    missing = [word for word in COMMANDS[command].split() if word not in done.out]
    assert missing == []
    assert max(len(line) for line in done.out.splitlines()) <= 80
    if not command:
        assert "130 interrupted" in " ".join(done.out.split())


def test_without_a_command_there_is_help_and_a_usage_error(tmp_path: Path) -> None:
    done = new_program(tmp_path).run()
    assert done.status == 2
    assert "Usage: archiver" in done.out + done.err


# ── init ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_init_makes_the_key_the_store_the_anchor_and_a_valid_configuration(tmp_path: Path) -> None:
    program = new_program(tmp_path)
    done = program.run(
        "init", "--store", program.store.as_uri(), "--anchor", program.anchor.as_uri(), "--archive-retention", "365d",
        "--purpose", 'Nachweis "und" Fehlersuche', "--legal-basis", "Art. 6(1)(f) DSGVO",
    ).succeeded()  # fmt: skip
    assert done.err == ""
    assert f"public key {public_key(program)}" in done.out
    assert "private key: " in done.out
    assert stat.S_IMODE(program.key_file.stat().st_mode) == 0o600
    assert program.key_file.read_text() not in done.out
    written = tomllib.loads((program.work / "archiver.toml").read_text())
    assert written["datasets"]["app_audit_log"]["purpose"] == 'Nachweis "und" Fehlersuche'
    assert written["datasets"]["log_workflow_events"]["archive_retention"] == "365d"
    assert written["loki"] == {
        "archive_retention": "365d", "purpose": 'Nachweis "und" Fehlersuche', "legal_basis": "Art. 6(1)(f) DSGVO"
    }  # fmt: skip
    program.run("config", "validate").succeeded()


def test_init_again_changes_nothing(tmp_path: Path) -> None:
    program = new_program(tmp_path).init()
    before = program.tree()
    assert "is there already" in program.run("init").succeeded().out
    assert program.tree() == before


def test_init_takes_everything_from_the_environment(tmp_path: Path) -> None:
    program = new_program(
        tmp_path,
        ARCHIVER_STORE=(tmp_path / "elsewhere").as_uri(),
        ARCHIVER_ANCHOR=(tmp_path / "anchor").as_uri(),
        ARCHIVER_SIGNING_KEY_FILE=str(tmp_path / "home" / "key.pem"),
    )
    program.run("init", "--archive-retention", "1w", "--purpose", "p", "--legal-basis", "b").succeeded()
    assert (tmp_path / "elsewhere" / "archive.json").is_file()
    assert (tmp_path / "home" / "key.pem").is_file()


# ── status ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_status_tells_what_is_held(exported: Program) -> None:
    done = exported.run("status").succeeded()
    assert done.err == ""
    assert exported.store.as_uri() in done.out
    assert exported.anchor.as_uri() in done.out
    for name in ("app_audit_log", "log_workflow_events"):
        assert any(name in line and "1,200" in line and "never" in line for line in done.out.splitlines())


def test_status_as_json_is_one_document_and_asks_no_database(exported: Program) -> None:
    document = json.loads(exported.having(SUPABASE_DB_URL=None).run("status", "--json").succeeded().out)
    assert document["head_seq"] == 1
    assert {one["dataset"]: one["rows"] for one in document["datasets"]} == {
        "app_audit_log": EACH,
        "log_workflow_events": EACH,
    }


def test_status_needs_no_private_key_and_moves_nothing(exported: Program) -> None:
    before = exported.tree()
    exported.having(ARCHIVER_SIGNING_KEY_FILE="/nonexistent").run("status").succeeded()
    assert exported.tree() == before


def test_status_says_that_nothing_holds_the_ledgers_end(exported: Program) -> None:
    assert "the anchor is empty" not in exported.run("status").succeeded().err
    kept = exported.anchor.rename(exported.anchor.with_suffix(".kept"))
    try:
        assert "the anchor is empty" in exported.run("status").succeeded().err
        assert not json.loads(exported.run("status", "--json").succeeded().out)["is_anchored"]
    finally:
        kept.rename(exported.anchor)


def test_status_says_what_is_overdue(tmp_path: Path, database: Database) -> None:
    fill(database, audit=5, events=1, days=40)
    program = new_program(tmp_path, SUPABASE_DB_URL=database.dsn).init()
    program.run("export", "app_audit_log").succeeded()
    found = [line for line in program.run("status").succeeded().out.splitlines() if "overdue" in line]
    assert len(found) == 1
    assert found[0].startswith("app_audit_log: overdue: ")


# ── verify ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_verify_notes_what_it_has_proven(exported: Program, tmp_path: Path) -> None:
    program = copied(exported, tmp_path)
    told = summary(program.run("verify", "--deep", "--json").succeeded().out)
    assert (told["segments"], told["rows"], told["problems"], told["litter"]) == (2 * DAYS, 2 * EACH, 0, 0)
    assert told["recorded_seq"] == 2
    status = json.loads(program.run("status", "--json").succeeded().out)
    assert all(one["last_verified_at"] for one in status["datasets"])


def test_verify_is_silent_and_with_no_record_leaves_no_trace(exported: Program) -> None:
    before = exported.tree()
    done = exported.run("verify", "--deep", "--no-record").succeeded()
    assert (done.out, done.err) == ("", "")
    told = exported.run("--verbose", "verify", "app_audit_log", "--since", "2d", "--no-record").succeeded()
    assert "everything agrees" in told.out
    assert exported.tree() == before


def test_a_stranger_verifies_a_copy_offline(exported: Program, tmp_path: Path) -> None:
    """No settings, no network, no anchor, no home: only the objects and the public key."""
    shutil.copytree(exported.store, tmp_path / "copy")
    stranger = new_program(tmp_path / "stranger")
    (stranger.work / "key.txt").write_text(public_key(exported) + "\n")
    for key in (public_key(exported), "key.txt"):
        done = stranger.run("verify", "--offline", str(tmp_path / "copy"), "--public-key", key, "--deep", "--json")
        told = summary(done.succeeded().out)
        assert (told["rows"], told["problems"], told["anchor"]) == (2 * EACH, 0, None)
    other = stranger.run("verify", "--offline", str(tmp_path / "copy"), "--public-key", "0" * 64)
    assert other.status == 4
    assert "archive.json" in other.err
    assert not list((stranger.directory / "home").rglob("*"))


@pytest.mark.parametrize("deep", [[], ["--deep"]], ids=["digest", "deep"])
def test_verify_names_every_object_that_does_not_agree(deep: list[str], exported: Program, tmp_path: Path) -> None:
    program = copied(exported, tmp_path)
    altered, missing, swapped, older = sorted(program.store.rglob("*.parquet"))[:4]
    data = bytearray(altered.read_bytes())
    data[len(data) // 2] ^= 1
    rewrite(altered, bytes(data))
    missing.unlink()
    rewrite(swapped, older.read_bytes())
    stranger = program.store / "data" / "app_audit_log" / "date=2020-01-01" / "left-over.parquet"
    stranger.parent.mkdir()
    stranger.write_bytes(b"x")
    before = program.tree()
    done = program.run("--verbose", "verify", *deep)
    assert done.status == 4
    for path in (altered, missing, swapped):
        assert done.err.count(f"problem: {path.relative_to(program.store)}") == 1
    assert "3 problems: the archive contradicts its ledger" in done.err
    assert str(stranger.relative_to(program.store)) in done.out
    assert program.tree() == before
    told = program.run("verify", *deep, "--json")
    assert (told.status, summary(told.out)["problems"], summary(told.out)["litter"]) == (4, 3, 1)


# ── config ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_config_show_tells_where_each_value_came_from_and_hides_secrets(tmp_path: Path) -> None:
    """Flags have no place here; the other four places do, the nearer one wins."""
    program = new_program(
        tmp_path,
        SUPABASE_DB_URL="postgresql://me:hunter2@db.example:5432/postgres",
        AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
        ARCHIVER_EXPORT__JOBS="3",
        ARCHIVER_SECRETS_DIR=str(tmp_path / "secrets"),
    )
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "aws_secret_access_key").write_text("hunter3\n")
    (tmp_path / "secrets" / "supabase_secret_key").write_text("hunter4")
    (program.work / ".env").write_text("ARCHIVER_EXPORT__JOBS=5\nARCHIVER_VERIFY__JOBS=7\nOTHERS_SETTING=1\n")
    (program.work / "archiver.toml").write_text(
        'store = "file:///srv/archive"\n[verify]\njobs = 9\n[datasets.extra]\nrelation = "Extra"\n'
    )
    done = program.run("config", "show", "--origin").succeeded()
    assert done.err == ""
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in done.out.splitlines()}
    assert rows["export.jobs"] == "3 environment: ARCHIVER_EXPORT__JOBS"
    assert rows["verify.jobs"] == f"7 {program.work / '.env'}: ARCHIVER_VERIFY__JOBS"
    assert rows["store"] == f"file:///srv/archive {program.work / 'archiver.toml'}: store"
    assert rows["supabase_db_url"] == "(set, hidden) environment: SUPABASE_DB_URL"
    assert rows["aws_secret_access_key"].startswith(f"(set, hidden) {tmp_path / 'secrets'}")
    assert rows["datasets.extra.relation"].startswith("Extra ")
    assert rows["retry.attempts_max"] == "6 default"
    listed = json.loads(program.run("config", "show", "--json").succeeded().out)
    assert {one["name"]: one["value"] for one in listed}["export.jobs"] == "3"
    assert "hunter" not in done.out + json.dumps(listed)


def test_config_validate_touches_nothing(exported: Program) -> None:
    before = exported.tree()
    unreachable = exported.having(SUPABASE_DB_URL="postgresql://me:hunter2@db.invalid:5432/postgres")
    done = unreachable.run("--verbose", "config", "validate").succeeded()
    assert "every setting is understood" in done.out
    assert "app_audit_log: source 30d, archive 365d" in done.out
    assert exported.tree() == before


def test_a_configuration_file_may_be_named(exported: Program, tmp_path: Path) -> None:
    stranger = new_program(tmp_path)
    configuration = str(exported.work / "archiver.toml")
    stranger.run("--config", configuration, "status").succeeded()
    stranger.having(ARCHIVER_CONFIG=configuration).run("status").succeeded()


# ── Shorthands ─────────────────────────────────────────────────────────────────────────────────────────────────


def copied(program: Program, directory: Path) -> Program:
    """The same archive in another place, with its own anchor and configuration."""
    assert PASSWORD not in (program.work / "archiver.toml").read_text()
    shutil.copytree(program.directory, directory, dirs_exist_ok=True)
    configuration = directory / "work" / "archiver.toml"
    configuration.write_text(configuration.read_text().replace(str(program.directory), str(directory)))
    return Program(directory, program.environment)


def rewrite(path: Path, data: bytes) -> None:
    """Whoever may write to the disk may write to a file that says it is read-only."""
    path.chmod(0o644)
    path.write_bytes(data)
