"""Bad input: one clear line that names it, one with the fix, the documented exit status, and nothing changed."""

import http.server
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from tests.support.postgres import Database, PostgresServer, fresh_database
from tests.support.program import Done, Program, fill, new_program
from tests.support.s3 import S3Server

SECRETS = ("geheim-wrong", "geheim-secret-access-key", "only-for-tests", "Jürgen Groß", "+49170", "BEGIN PRIVATE KEY")


@dataclass(frozen=True)
class Bad:
    """One mistake.

    Attributes:
        call: The words after ``archiver``.
        environment: What is set, besides what is right.
        mutate: Done to the archive and its configuration before.
        says: What standard error must name: the thing and the facts.
        hint: What the second line must hold; empty where there is nothing to do.
    """

    says: tuple[str, ...]
    hint: str
    call: tuple[str, ...] = ("export",)
    status: int = 2
    environment: dict[str, str | None] = field(default_factory=dict)
    mutate: Callable[[Program], object] = lambda _: None


def configure(text: str) -> Callable[[Program], object]:
    """Add lines at the end of the configuration file."""

    def add(program: Program) -> None:
        with (program.work / "archiver.toml").open("a") as file:
            file.write(f"\n{text}\n")

    return add


def dotenv(text: str) -> Callable[[Program], object]:
    return lambda program: (program.work / ".env").write_text(text + "\n")


def alter_entry(program: Program) -> None:
    """Another number of rows in an entry, as somebody with a text editor would write it."""
    path = program.store / "ledger" / "0000000001.json"
    path = path if path.exists() else sorted((program.store / "ledger").iterdir())[1]
    data = path.read_bytes()
    altered = re.sub(rb'"rows":(\d)', rb'"rows":9', data, count=1)
    assert altered != data
    path.chmod(0o644)
    path.write_bytes(altered)


def newer_format(program: Program) -> None:
    path = program.store / "archive.json"
    document = json.loads(path.read_bytes())
    document["format"] += 1
    document["something_new"] = True
    path.chmod(0o644)
    path.write_text(json.dumps(document))


def cut_the_tail(program: Program) -> None:
    max((program.store / "ledger").iterdir()).unlink()


def another_key(program: Program) -> None:
    """The private key of another archive."""
    other = new_program(program.directory / "other").init()
    shutil.copy(other.key_file, program.key_file)


TOMORROW = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
BAD = {
    "no such dataset": Bad(
        call=("export", "app_audit_logs"), says=("no dataset app_audit_logs",), hint="app_audit_log, log_workflow_events"
    ),
    "no such dataset to verify": Bad(
        call=("verify", "app_audit_logs"), says=("no dataset app_audit_logs",), hint="app_audit_log, log_workflow_events"
    ),
    "no such dataset to accept": Bad(
        call=("export", "--accept-drift", "nix"), says=("no dataset nix",), hint="app_audit_log, log_workflow_events"
    ),
    "since in the future": Bad(
        call=("export", "--since", TOMORROW), says=("--since", TOMORROW, "lies in the future"), hint="past"
    ),
    "since after until": Bad(
        call=("export", "--since", "1d", "--until", "2d"), says=("--since 1d", "--until 2d", "not before"), hint="swap"
    ),
    "no age": Bad(
        call=("export", "--since", "soonish"), says=("--since 'soonish'", "cannot be understood"), hint="24h, 7d"
    ),
    "no unit": Bad(call=("export", "--until", "24"), says=("--until '24'", "cannot be understood"), hint="24h, 7d"),
    "a hold without a reason": Bad(
        call=("hold", "add", "--reason", " ", "--reference", "7"), says=("--reason ' '", "says nothing"), hint="why"
    ),
    "a hold without a reference": Bad(
        call=("hold", "add", "--reason", "r", "--reference", ""), says=("--reference ''", "says nothing"), hint="number"
    ),
    "a negative age": Bad(call=("export", "--since=-3d"), says=("--since '-3d'", "cannot be understood"), hint="24h, 7d"),
    "no such date": Bad(
        call=("export", "--since", "2026-02-30"), says=("--since '2026-02-30'", "no such time"), hint="2026-11-01"
    ),
    "no such time column": Bad(
        environment={"ARCHIVER_DATASETS__APP_AUDIT_LOG__ENABLED": "false"},
        mutate=configure('[datasets.extra]\nrelation = "app_audit_log"\ntime_column = "created"'),
        says=("extra", "created"),
        hint="created_at",
    ),
    "no such key column": Bad(
        environment={"ARCHIVER_DATASETS__APP_AUDIT_LOG__ENABLED": "false"},
        mutate=configure('[datasets.extra]\nrelation = "app_audit_log"\nkey = ["uid"]'),
        says=("extra", "uid"),
        hint="id",
    ),
    "two datasets of one relation": Bad(
        mutate=configure('[datasets.extra]\nrelation = "app_audit_log"'),
        says=("app_audit_log and extra", "public.app_audit_log"),
        hint="datasets.extra.enabled = false",
    ),
    "no such relation": Bad(
        mutate=configure('[datasets.extra]\nrelation = "app_audit_logg"'),
        says=("extra", "app_audit_logg"),
        hint="app_audit_log",
    ),
    "no key": Bad(
        mutate=configure('[datasets.keyless]\nrelation = "keyless"'), says=("keyless", "key"), hint="key = ["
    ),
    "no store": Bad(
        mutate=lambda program: (program.work / "archiver.toml").unlink(),
        says=("not set", "ARCHIVER_"),
        hint="archiver init",
    ),
    "no database address": Bad(environment={"SUPABASE_DB_URL": None}, says=("SUPABASE_DB_URL", "not set"), hint="postgresql://"),
    "a database address that is none": Bad(
        environment={"SUPABASE_DB_URL": "mysql://me:geheim-wrong@db/x"}, says=("supabase_db_url", "postgresql://"), hint="config show"
    ),
    "the transaction pooler": Bad(
        environment={"SUPABASE_DB_URL": "postgresql://me:geheim-wrong@127.0.0.1:6543/x"},
        says=("supabase_db_url", "6543", "session pooler"),
        hint="config show",
    ),
    "wrong password": Bad(
        environment={"SUPABASE_DB_URL": "postgresql://postgres:geheim-wrong@127.0.0.1:{port}/postgres"},
        says=("127.0.0.1:{port}/postgres", "password"),
        hint="SUPABASE_DB_URL",
    ),
    "no such database": Bad(
        environment={"SUPABASE_DB_URL": "postgresql://postgres:only-for-tests@127.0.0.1:{port}/nix"},
        says=("127.0.0.1:{port}/nix", "no such database"),
        hint="SUPABASE_DB_URL",
    ),
    "nobody listens": Bad(
        status=75,
        environment={
            "SUPABASE_DB_URL": "postgresql://postgres:geheim-wrong@127.0.0.1:1/postgres", "ARCHIVER_RETRY__ATTEMPTS_MAX": "1",
        },
        says=("127.0.0.1:1/postgres", "cannot be reached"),
        hint="SUPABASE_DB_URL",
    ),
    "not an archive": Bad(
        environment={"ARCHIVER_STORE": "file://{directory}/home"}, says=("{directory}/home", "no archive here"), hint="archiver init"
    ),
    "no such directory": Bad(
        environment={"ARCHIVER_STORE": "file://{directory}/nix"}, says=("{directory}/nix",), hint="archiver init"
    ),
    "an archive of a newer format": Bad(mutate=newer_format, says=("format 3", "reads format 2"), hint="upgrade archiver"),
    "verify a newer format": Bad(call=("verify",), mutate=newer_format, says=("format 3", "reads format 2"), hint="upgrade archiver"),
    "an altered entry": Bad(mutate=alter_entry, status=4, says=("entry 1", "signature"), hint="verify"),
    "an altered entry, verified": Bad(call=("verify",), mutate=alter_entry, status=4, says=("entry 1",), hint="copy"),
    "an altered entry, looked at": Bad(call=("status",), mutate=alter_entry, status=4, says=("entry 1",), hint="verify"),
    "a tail that was cut": Bad(mutate=cut_the_tail, status=4, says=("anchor",), hint="copy"),
    "no private key": Bad(
        mutate=lambda program: program.key_file.unlink(), says=("archiver-signing-key.pem", "no such private key"), hint="copy"
    ),
    "a private key that is a directory": Bad(
        environment={"ARCHIVER_SIGNING_KEY_FILE": "{directory}/work"}, says=("work: the private key cannot be read",),
        hint="the file itself",
    ),
    "a private key that others read": Bad(
        mutate=lambda program: program.key_file.chmod(0o644), says=("archiver-signing-key.pem", "0644"), hint="chmod 600"
    ),
    "a private key that is none": Bad(
        mutate=lambda program: program.key_file.write_text("BEGIN PRIVATE KEY"),
        says=("archiver-signing-key.pem",),
        hint="PEM",
    ),
    "another archive's private key": Bad(mutate=another_key, says=("key",), hint="signing_key_file"),
    "a misspelt setting in the file": Bad(
        mutate=configure("[export]\njob = 3"), says=("archiver.toml", "export.job is no setting", "export.jobs"), hint="config show"
    ),
    "a misspelt section in the file": Bad(
        mutate=configure("[exprot]\njobs = 3"), says=("archiver.toml", "exprot.jobs is no setting", "export.jobs"), hint="config show"
    ),
    "a misspelt setting in the environment": Bad(
        environment={"ARCHIVER_EXPORT__JOB": "3"},
        says=("environment: ARCHIVER_EXPORT__JOB is no setting", "ARCHIVER_EXPORT__JOBS"),
        hint="config show",
    ),
    "a misspelt setting in .env": Bad(
        mutate=dotenv("ARCHIVER_STOER=file:///x"), says=(".env: ARCHIVER_STOER is no setting", "ARCHIVER_STORE"), hint="config show"
    ),
    "a value of the wrong kind": Bad(
        environment={"ARCHIVER_EXPORT__JOBS": "many"}, says=("export.jobs", "ARCHIVER_EXPORT__JOBS", "integer"), hint="config show"
    ),
    "a window that does not divide a day": Bad(
        mutate=configure('[datasets.extra]\nwindow = "7h"'), says=("datasets.extra.window", "7h"), hint="config show"
    ),
    "a period of minutes": Bad(
        environment={"ARCHIVER_DATASETS__APP_AUDIT_LOG__SOURCE_RETENTION": "30m"},
        says=("datasets.app_audit_log.source_retention = 30m", "less than a day"),
        hint="did you mean 30d? If 30m is meant, set datasets.app_audit_log.short_periods = true",
    ),
    "a file that is no TOML": Bad(mutate=configure("= 3"), says=("archiver.toml", "is not TOML"), hint="config show"),
    "no such configuration file": Bad(
        call=("--config", "nix.toml", "export"), says=("nix.toml", "no such configuration file"), hint="archiver init"
    ),
    "no such copy": Bad(call=("verify", "--offline", "nix"), says=("nix", "no such directory"), hint="copy"),
    "a public key that is none": Bad(call=("verify", "--public-key", "abc"), says=("--public-key", "64 hex digits"), hint="archive.json"),
    "a work directory that is a file": Bad(
        status=1, environment={"ARCHIVER_WORK_DIR": "archiver.toml"}, says=("archiver.toml",), hint="work_dir"
    ),
    "init with another key": Bad(
        call=("init", "--signing-key-file", "{directory}/new-key.pem"), says=("holds an archive already", "new-key.pem"), hint="signing_key_file"
    ),
    "init with another archive's key": Bad(
        call=("init",), mutate=another_key, says=("holds an archive with the key",), hint="signing_key_file"
    ),
    "init without an anchor": Bad(
        call=("init", "--store", "file://{directory}/new", "--archive-retention", "1d", "--purpose", "p", "--legal-basis", "b"),
        mutate=lambda program: (program.work / "archiver.toml").unlink(),
        says=("`anchor`", "not set"),
        hint="file:///",
    ),
    "init of a store that is none": Bad(
        call=("init", "--store", "ftp://x/y"), says=("store", "ftp://x/y"), hint="config show"
    ),
    "init with nothing chosen": Bad(
        call=("init", "--store", "file://{directory}/new", "--anchor", "file://{directory}/other"),
        mutate=lambda program: (program.work / "archiver.toml").unlink(),
        says=("--archive-retention, --purpose, --legal-basis", "not chosen"),
        hint="the controller does",
    ),
    "init without a purpose": Bad(
        call=("init", "--store", "file://{directory}/new", "--anchor", "file://{directory}/other",
              "--archive-retention", "365d", "--purpose", " ", "--legal-basis", "b"),
        mutate=lambda program: (program.work / "archiver.toml").unlink(),
        says=("--purpose: not chosen",),
        hint="--purpose",
    ),
    "init with a period of minutes": Bad(
        call=("init", "--archive-retention", "365m"),
        says=("--archive-retention 365m", "less than a day"),
        hint="did you mean 365d?",
    ),
    "init with no retention": Bad(
        call=("init", "--archive-retention", "for ever"), says=("--archive-retention", "for ever"), hint="365d"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[Database]:
    with fresh_database(postgres_server, f"cli_bad_{os.getpid()}") as made:
        fill(made, audit=10, events=10, days=2)
        made.execute("CREATE TABLE keyless (created_at timestamptz, message text)")
        yield made


@pytest.fixture(scope="module")
def exported(filled: Database, tmp_path_factory: pytest.TempPathFactory) -> Program:
    program = new_program(tmp_path_factory.mktemp("bad"), SUPABASE_DB_URL=filled.dsn).init()
    program.run("export").succeeded()
    return program


@pytest.fixture
def program(exported: Program, tmp_path: Path) -> Program:
    """A copy for the one test to spoil."""
    shutil.copytree(exported.directory, tmp_path, dirs_exist_ok=True)
    configuration = tmp_path / "work" / "archiver.toml"
    configuration.write_text(configuration.read_text().replace(str(exported.directory), str(tmp_path)))
    return Program(tmp_path, exported.environment)


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, program: Program, postgres_server: PostgresServer) -> None:
    bad = BAD[name]

    def real(text: str) -> str:
        return text.replace("{port}", str(postgres_server.port)).replace("{directory}", str(program.directory))

    bad.mutate(program)
    given = {variable: None if value is None else real(value) for variable, value in bad.environment.items()}
    program = program.having(**given)
    before = program.tree()
    done = program.run(*map(real, bad.call))
    check(done, bad.status, [real(word) for word in bad.says], bad.hint)
    assert program.tree() == before


def check(done: Done, status: int, says: list[str], hint: str) -> None:
    """One clear line, its fix, its status; no traceback, no secret, nothing on standard output."""
    assert done.status == status, f"exit {done.status}\n{done.out}\n{done.err}"
    assert done.out == ""
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    assert not [secret for secret in SECRETS if secret in done.err]
    first, *rest = done.err.splitlines()
    assert first.startswith(("error: ", "problem: ")), done.err
    assert not [word for word in says if word not in first], done.err
    assert rest, done.err
    assert rest[0].startswith("hint: "), done.err
    assert hint in rest[0], done.err


# ── Buckets ────────────────────────────────────────────────────────────────────────────────────────────────────


class Forbidding(http.server.BaseHTTPRequestHandler):
    """An S3 server where these credentials may do nothing."""

    protocol_version = "HTTP/1.1"
    body: ClassVar[bytes] = b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _refuse  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def forbidding() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forbidding)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def on_s3(program: Program, bucket: str, environment: dict[str, str]) -> Program:
    return program.having(ARCHIVER_STORE=f"s3://{bucket}/archive", **environment)


@pytest.mark.parametrize("call", [("export",), ("init",), ("verify",)], ids=lambda words: words[0])
def test_a_bucket_that_does_not_exist(call: tuple[str, ...], program: Program, seaweedfs: S3Server) -> None:
    spoilt = on_s3(program, "no-such-bucket", dict(seaweedfs.environment))
    before = spoilt.tree()
    check(spoilt.run(*call), 2, ["s3://no-such-bucket", "no such bucket"], "bucket")
    assert spoilt.tree() == before


def test_init_that_fails_leaves_no_keys_behind(tmp_path: Path, seaweedfs: S3Server) -> None:
    """The next attempt begins from nothing."""
    program = new_program(tmp_path, **seaweedfs.environment)
    done = program.run(
        "init", "--store", "s3://no-such-bucket/x", "--anchor", program.anchor.as_uri(), "--archive-retention", "365d",
        "--purpose", "p", "--legal-basis", "b",
    )  # fmt: skip
    check(done, 2, ["s3://no-such-bucket", "no such bucket"], "bucket")
    assert program.tree() == {}


def test_credentials_that_the_store_does_not_take(program: Program, seaweedfs: S3Server) -> None:
    bucket = seaweedfs.new_bucket("bad-input")
    environment = {**seaweedfs.environment, "AWS_SECRET_ACCESS_KEY": "geheim-secret-access-key"}
    spoilt = on_s3(program, bucket, environment)
    before = spoilt.tree()
    check(spoilt.run("export"), 2, ["s3://bad-input", "credentials"], "AWS_SECRET_ACCESS_KEY")
    assert spoilt.tree() == before


@pytest.mark.parametrize("call", [("export",), ("init",)], ids=lambda words: words[0])
def test_a_bucket_without_rights(call: tuple[str, ...], program: Program) -> None:
    with forbidding() as endpoint:
        spoilt = on_s3(
            program, "theirs", {
                "AWS_ENDPOINT_URL_S3": endpoint, "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "geheim-secret-access-key",
                "AWS_REGION": "us-east-1",
            },
        )  # fmt: skip
        before = spoilt.tree()
        check(spoilt.run(*call), 2, ["s3://theirs", "AccessDenied", "s3:"], "grant")
        assert spoilt.tree() == before


def test_a_bucket_that_is_empty_is_no_archive(program: Program, seaweedfs: S3Server) -> None:
    spoilt = on_s3(program, seaweedfs.new_bucket("bad-input"), dict(seaweedfs.environment))
    before = spoilt.tree()
    check(spoilt.run("export"), 2, ["s3://bad-input/archive", "no archive here"], "archiver init")
    assert spoilt.tree() == before
