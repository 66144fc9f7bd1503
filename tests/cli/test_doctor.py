"""`archiver doctor` on a healthy machine says nothing, and each planted mistake alone is named, with its fix."""

from __future__ import annotations

import json
import shutil
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from archiver.app.doctor import examine
from archiver.config import load
from archiver.doctor import Diagnosis, Severity, exit_status
from tests.support import postgrest
from tests.support.postgres import PASSWORD, Database, PostgresServer, fresh_database
from tests.support.program import Program, fill, new_program
from tests.support.proxy import Reply, Request, proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.proxy import Proxy
    from tests.support.s3 import S3Server

ROLE = "doctor_archiver"
BUCKET = "doctor"
SECRETS = (
    PASSWORD,
    "only-for-tests-only-for-tests",
    "BEGIN PRIVATE KEY",
    postgrest.SECRET_KEY,
    "Jürgen Groß",
    "+49170",
)


@dataclass
class World:
    """A machine, a database and a bucket, all of them in order until a mistake is planted.

    Attributes:
        gateway: In front of the bucket; fails as it is told to.
    """

    program: Program
    database: Database
    s3: S3Server
    gateway: Proxy

    @property
    def config(self) -> Path:
        return self.program.work / "archiver.toml"

    def configure(self, text: str) -> None:
        self.config.write_text(self.config.read_text() + text)

    def replace(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def examine(self, **environment: str | None) -> tuple[Diagnosis, ...]:
        """What the command finds, in this process: starting one would cost more than all the questions."""
        merged = {
            **self.program.environment,
            "ARCHIVER_CACHE_DIR": str(self.program.directory / "cache"),
            **environment,
        }
        present = {name: value for name, value in merged.items() if value is not None}
        return examine(load(config_file=self.config, environ=present, directory=self.program.work))


@pytest.fixture(scope="module")
def world(
    postgres_server: PostgresServer, seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with ExitStack() as stack:
        database = stack.enter_context(fresh_database(postgres_server, "doctor"))
        fill(database, audit=20, events=20, days=2)
        database.execute(
            "CREATE INDEX ON app_audit_log (created_at)",
            "CREATE INDEX ON log_workflow_events (created_at)",
            f"DROP ROLE IF EXISTS {ROLE}",
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'",
            f"GRANT SELECT, DELETE ON app_audit_log, log_workflow_events TO {ROLE}",
        )
        stack.callback(database.execute, f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")
        seaweedfs.new_bucket(BUCKET)
        gateway = stack.enter_context(proxy(seaweedfs.endpoint_url, keep_host))
        program = new_program(tmp_path_factory.mktemp("doctor"), **seaweedfs.environment)
        owner = program.having(SUPABASE_DB_URL=database.dsn)
        owner.init("--store", f"s3://{BUCKET}/logs", "--anchor", "postgres", "--archive-retention", "365d")
        database.execute(
            f"GRANT USAGE ON SCHEMA archiver TO {ROLE}",
            f"GRANT SELECT, INSERT, UPDATE ON archiver.archiver_anchor TO {ROLE}",
        )
        made = World(program.having(SUPABASE_DB_URL=database.dsn_of(ROLE)), database, seaweedfs, gateway)
        made.configure('\n[s3]\nsse = "AES256"\n')
        yield made


def keep_host(request: Request) -> Request:
    return request


@pytest.fixture(autouse=True)
def _restored(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a mistake did to the configuration is undone."""
    if "world" not in request.fixturenames:
        yield
        return
    world: World = request.getfixturevalue("world")
    before = world.config.read_text()
    yield
    world.config.write_text(before)


def wrong(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    return [one for one in found if one.severity is not Severity.OK]


def test_a_healthy_machine(world: World) -> None:
    """Everything was looked at, all of it is well, nothing stays in the bucket."""
    before = objects(world)
    found = world.examine()
    assert wrong(found) == []
    assert exit_status(found) == 0
    looked_at = {one.check for one in found}
    assert {
        "settings.together", "machine.versions", "machine.loop.loki", "machine.loop.uuid", "disk.work_dir",
        "disk.cache_dir", "key.privacy", "key.signing", "store.reachable", "store.conditional", "store.versioning",
        "store.lock", "store.encryption", "store.public", "clock.store", "clock.database", "clock.anchor",
        "anchor.reachable", "anchor.rights", "archive.ledger", "database.reachable", "database.version",
        "database.encryption", "database.statement_timeout", "database.transaction_timeout", "database.connections",
        "database.writable", "database.transactions", "database.grants", "database.key", "database.index",
        "database.effects",
    } == looked_at  # fmt: skip
    assert objects(world) == before


def objects(world: World) -> dict[str, str]:
    with world.s3.client() as client:
        return {one["Key"]: one["ETag"] for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


# ── One mistake at a time ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Mistake:
    """Something that is not as it should be.

    Attributes:
        check: The one check that finds it.
        exit: What `doctor` ends with.
        says: In the fact, what disagrees.
        fix: In the fix.
        do, undo: Statements, as superuser.
        environment: Set, or with None taken away.
        mutate: Done to the world; the configuration file is put back afterwards.
        with_it: Checks that fail with it, as they need the same thing.
    """

    check: str
    exit: int
    says: str
    fix: str
    do: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    environment: dict[str, str | None] = field(default_factory=dict)
    mutate: Callable[[World], object] = lambda _: None
    with_it: frozenset[str] = frozenset()


DATABASE_IS_ANCHOR_TOO = frozenset({"anchor.reachable"})


def drop_first_retention(world: World) -> None:
    text = world.config.read_text()
    world.config.write_text(text.replace('archive_retention = "365d"\n', "", 1))


MISTAKES = {
    "no SELECT": Mistake(
        "database.grants", 2, f"the role {ROLE} may not read", f'GRANT SELECT ON "public"."app_audit_log" TO "{ROLE}"',
        do=(f"REVOKE SELECT ON app_audit_log FROM {ROLE}",), undo=(f"GRANT SELECT ON app_audit_log TO {ROLE}",),
    ),
    "rows are hidden": Mistake(
        "database.grants", 2, "row level security may hide rows", "BYPASSRLS",
        do=("ALTER TABLE app_audit_log ENABLE ROW LEVEL SECURITY",),
        undo=("ALTER TABLE app_audit_log DISABLE ROW LEVEL SECURITY",),
    ),
    "no DELETE": Mistake(
        "database.grants", 2, "lacks the right to purge", f'GRANT DELETE ON "public"."log_workflow_events" TO "{ROLE}"',
        do=(f"REVOKE DELETE ON log_workflow_events FROM {ROLE}",),
        undo=(f"GRANT DELETE ON log_workflow_events TO {ROLE}",),
    ),
    "no index": Mistake(
        "database.index", 3, "no index begins with created_at",
        'CREATE INDEX CONCURRENTLY ON "public"."app_audit_log" ("created_at");',
        do=(
            "DROP INDEX app_audit_log_created_at_idx",
            "UPDATE pg_class SET reltuples = 2000000 WHERE relname = 'app_audit_log'",
        ),
        undo=("CREATE INDEX ON app_audit_log (created_at)",),
    ),
    "no index on a table that was never analysed": Mistake(
        "database.index", 3, "no index begins with created_at", "CREATE INDEX CONCURRENTLY",
        do=(
            "DROP INDEX log_workflow_events_created_at_idx",
            "INSERT INTO log_workflow_events SELECT -i, now(), '', 0, NULL FROM generate_series(1, 90000) i",
            "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relname = 'log_workflow_events'",
        ),
        undo=(
            "DELETE FROM log_workflow_events WHERE id < 0", "VACUUM FULL log_workflow_events",
            "CREATE INDEX ON log_workflow_events (created_at)",
        ),
    ),
    "a short statement time-out": Mistake(
        "database.statement_timeout", 3, "8 s for the role", f'ALTER ROLE "{ROLE}" SET statement_timeout',
        do=(f"ALTER ROLE {ROLE} SET statement_timeout = '8s'",), undo=(f"ALTER ROLE {ROLE} RESET statement_timeout",),
    ),
    "a short statement time-out of our own": Mistake(
        "database.statement_timeout", 3, "5 s for the role", "postgres.statement_timeout_s",
        environment={"ARCHIVER_POSTGRES__STATEMENT_TIMEOUT_S": "5"},
    ),
    "no temporary tables": Mistake(
        "database.writable", 2, "may not make temporary tables", "GRANT TEMPORARY ON DATABASE",
        do=("REVOKE TEMPORARY ON DATABASE doctor FROM PUBLIC",), undo=("GRANT TEMPORARY ON DATABASE doctor TO PUBLIC",),
    ),
    "few connections": Mistake(
        "database.connections", 3, "may hold 4 connections, a run needs 5", "CONNECTION LIMIT 5",
        do=(f"ALTER ROLE {ROLE} CONNECTION LIMIT 4",), undo=(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1",),
    ),
    "no such table": Mistake(
        "database.grants", 2, 'no relation "public"."app_audit_logs"', "did you mean public.app_audit_log",
        mutate=lambda world: world.replace("[datasets.app_audit_log]", '[datasets.app_audit_log]\nrelation = "app_audit_logs"'),
    ),
    "a policy for no column": Mistake(
        "database.policies", 2, "ip_adress, which the relation does not have", "its columns: id, created_at",
        mutate=lambda world: world.replace("[datasets.app_audit_log]", '[datasets.app_audit_log]\ncolumns = { ip_adress = "drop" }'),
    ),
    "a policy for the key": Mistake(
        "database.policies", 2, "part of the key", "correct datasets.app_audit_log.columns",
        mutate=lambda world: world.replace("[datasets.app_audit_log]", '[datasets.app_audit_log]\ncolumns = { id = "drop" }'),
    ),
    "no key": Mistake(
        "database.key", 3, "no key tells its rows apart", "primary key",
        mutate=lambda world: world.replace("[datasets.app_audit_log]", "[datasets.app_audit_log]\nkey = []"),
    ),
    "the anchor cannot be moved": Mistake(
        "anchor.rights", 2, "lacks UPDATE", "GRANT SELECT, INSERT, UPDATE",
        do=(f"REVOKE UPDATE ON archiver.archiver_anchor FROM {ROLE}",),
        undo=(f"GRANT UPDATE ON archiver.archiver_anchor TO {ROLE}",),
    ),
    "the anchor is empty": Mistake(
        "anchor.reachable", 4, "holds nothing for the archive", "set anchor to where it was",
        do=("CREATE TABLE kept AS SELECT * FROM archiver.archiver_anchor", "DELETE FROM archiver.archiver_anchor"),
        undo=("INSERT INTO archiver.archiver_anchor SELECT * FROM kept", "DROP TABLE kept"),
    ),
    "the anchor is ahead of the ledger": Mistake(
        "archive.ledger", 4, "anchor", "",
        do=("UPDATE archiver.archiver_anchor SET seq = seq + 5",),
        # Its table lets nobody set it back, not even its owner by accident.
        undo=(
            "ALTER TABLE archiver.archiver_anchor DISABLE TRIGGER anchor_only_forward",
            "UPDATE archiver.archiver_anchor SET seq = seq - 5",
            "ALTER TABLE archiver.archiver_anchor ENABLE TRIGGER anchor_only_forward",
        ),
    ),
    "no end in the archive": Mistake(
        "settings.together", 3, "nothing of it ever expires", "set datasets.app_audit_log.archive_retention",
        mutate=drop_first_retention,
    ),
    "no such bucket": Mistake(
        "store.reachable", 2, "no such bucket", "bucket",
        environment={"ARCHIVER_STORE": "s3://doctor-misspelt/logs"},
    ),
    "wrong credentials of the store": Mistake(
        "store.reachable", 2, "does not take these credentials", "AWS_ACCESS_KEY_ID",
        environment={"AWS_SECRET_ACCESS_KEY": "wrong-secret"},
    ),
    "no archive yet": Mistake(
        "archive.begun", 2, "no archive", "archiver init",
        environment={"ARCHIVER_STORE": f"s3://{BUCKET}/elsewhere"},
    ),
    "objects are not encrypted": Mistake(
        "store.encryption", 3, "not encrypted at rest", 's3.sse = "AES256"',
        mutate=lambda world: world.replace('sse = "AES256"', ""),
    ),
    "an unused key": Mistake(
        "settings.together", 3, "a key without an address", "set SUPABASE_URL",
        environment={"SUPABASE_SECRET_KEY": postgrest.SECRET_KEY},
    ),
    "a legacy key": Mistake(
        "project.key", 3, "a legacy service_role key", "sb_secret_",
        environment={
            "SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_SECRET_KEY": postgrest.token("service_role"),
        },
    ),
    "an expired key": Mistake(
        "project.key", 2, "the key expired on 2001-09-09", "sb_secret_",
        environment={
            "SUPABASE_URL": "http://127.0.0.1:9",
            "SUPABASE_SECRET_KEY": postgrest.token("service_role", expires_at=10**9),
        },
    ),
    "a wrong password": Mistake(
        "database.reachable", 2, "user or password is wrong", "SUPABASE_DB_URL",
        with_it=DATABASE_IS_ANCHOR_TOO,
        environment={"SUPABASE_DB_URL": "{wrong password}"},
    ),
    "the database is away": Mistake(
        "database.reachable", 75, "cannot be reached", "host and port", with_it=DATABASE_IS_ANCHOR_TOO,
        environment={"SUPABASE_DB_URL": "{closed port}"},
    ),
    "Prometheus is away": Mistake(
        "monitoring.prometheus", 75, "not reached", "see that it runs",
        environment={"ARCHIVER_PROMETHEUS_URL": "http://127.0.0.1:9"},
    ),
    "no chunks": Mistake(
        "logs.reachable", 2, "no such directory", "ARCHIVER_LOKI_STORE",
        environment={"ARCHIVER_LOKI_STORE": "file:///nowhere/chunks", "ARCHIVER_LOKI__ARCHIVE_RETENTION": "365d"},
    ),
    "key in the store's way": Mistake(
        "settings.together", 2, "could move the anchor as well", "set anchor to",
        environment={"ARCHIVER_LOKI_STORE": "file:///nowhere/chunks", "ARCHIVER_LOKI__ENABLED": "false",
                     "ARCHIVER_ANCHOR": "file:///nowhere/chunks/anchor.json"},
        with_it=DATABASE_IS_ANCHOR_TOO,
    ),
}  # fmt: skip


def closed_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_alone(world: World, name: str) -> None:
    """It is named, with the facts and the fix, nothing else is, and no secret stands in any of it."""
    mistake = MISTAKES[name]
    given = {
        "{wrong password}": world.database.dsn_of(ROLE, "geheim-wrong"),
        "{closed port}": f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{closed_port()}/doctor",
    }
    environment = {key: given.get(value or "", value) for key, value in mistake.environment.items()}
    mistake.mutate(world)
    with planted(world, mistake.do, mistake.undo):
        found = world.examine(**environment)
    said = [one for one in wrong(found) if one.check == mistake.check]
    assert len(said) == 1, wrong(found)
    assert {one.check for one in wrong(found)} - {mistake.check} == mistake.with_it
    assert mistake.says in said[0].fact
    assert mistake.fix in said[0].fix
    assert exit_status(found) == mistake.exit
    text = repr(found)
    assert not [secret for secret in (*SECRETS, "geheim-wrong", "wrong-secret") if secret in text]


@contextmanager
def planted(world: World, do: Sequence[str], undo: Sequence[str]) -> Iterator[None]:
    world.database.execute(*do)
    try:
        yield
    finally:
        world.database.execute(*undo)


def test_a_key_that_others_may_read(world: World) -> None:
    world.program.key_file.chmod(0o644)
    try:
        (said,) = wrong(world.examine())
    finally:
        world.program.key_file.chmod(0o600)
    assert (said.check, said.exit, said.fix) == ("key.signing", 2, f"chmod 600 {world.program.key_file}")


def test_another_archives_key(world: World, tmp_path: Path) -> None:
    other = new_program(tmp_path / "other").init()
    (said,) = wrong(world.examine(ARCHIVER_SIGNING_KEY_FILE=str(other.key_file)))
    assert said.check == "key.signing"
    assert "the archive is signed with" in said.fact


def test_a_password_in_a_file_that_others_may_read(world: World) -> None:
    place = world.program.work / ".env"
    place.write_text(f"SUPABASE_DB_URL={world.program.environment['SUPABASE_DB_URL']}\n")
    try:
        place.chmod(0o644)
        (said,) = wrong(world.examine(SUPABASE_DB_URL=None))
        assert (said.check, said.exit, said.fix) == ("settings.secret_file", 3, f"chmod 600 {place}")
        assert "supabase_db_url" in said.fact
        place.chmod(0o600)
        assert wrong(world.examine(SUPABASE_DB_URL=None)) == []
    finally:
        place.unlink()


def test_a_bucket_that_anybody_can_read(world: World) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{BUCKET}/*"]}
        ],
    }
    with world.s3.client() as client:
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
        try:
            (said,) = wrong(world.examine())
        finally:
            client.delete_bucket_policy(Bucket=BUCKET)
    assert (said.check, said.exit) == ("store.public", 2)
    assert "block public access" in said.fix


def test_a_bucket_that_locks_every_object_is_not_tried(world: World) -> None:
    """A probe's object could not be taken out of it again."""
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}
    with world.s3.client() as client:
        client.create_bucket(Bucket="doctor-locked", ObjectLockEnabledForBucket=True)
        client.put_object_lock_configuration(Bucket="doctor-locked", ObjectLockConfiguration=rule)
        found = world.examine(ARCHIVER_STORE="s3://doctor-locked/logs")
        assert "store.probe" in {one.check for one in found}
        assert [one.check for one in wrong(found)] == ["archive.begun"]
        assert "Versions" not in client.list_object_versions(Bucket="doctor-locked")


def test_a_store_whose_clock_is_wrong(world: World) -> None:
    """Every deletion would be refused: the guard's own status."""
    late = format_datetime(datetime.now(UTC) + timedelta(hours=3), usegmt=True)

    def later(_: Request, pass_on: Callable[[], Reply]) -> Reply:
        reply = pass_on()
        kept = [(name, value) for name, value in reply.headers if name.lower() != "date"]
        return Reply(reply.status, [*kept, ("Date", late)], reply.body)

    world.gateway.arm(later, times=None)
    try:
        (said,) = wrong(world.examine(AWS_ENDPOINT_URL_S3=world.gateway.url))
    finally:
        world.gateway.disarm()
    assert (said.check, said.exit) == ("clock.store", 6)
    assert "ahead of this machine's" in said.fact


def test_a_store_that_overwrites_silently_under_an_archive_that_needs_order(world: World, rclone_s3: S3Server) -> None:
    """As after a move of the bucket to another vendor."""
    rclone_s3.new_bucket(BUCKET)
    with world.s3.client() as old, rclone_s3.client() as new:
        for key in objects(world):
            new.put_object(Bucket=BUCKET, Key=key, Body=old.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    found = world.examine(**rclone_s3.environment)
    said = {one.check: one for one in wrong(found)}
    assert said.keys() == {"store.conditional"}
    assert exit_status(found) == 4
    assert "If-None-Match" in said["store.conditional"].fix


def test_a_ledger_whose_end_was_cut_off(world: World) -> None:
    """Found as `verify` would find it, without the doctor repairing anything."""
    world.program.run("export").succeeded()
    last = max(key for key in objects(world) if "/ledger/" in key)
    with world.s3.client() as client:
        held = client.get_object(Bucket=BUCKET, Key=last)["Body"].read()
        client.delete_object(Bucket=BUCKET, Key=last)
        shutil.rmtree(world.program.directory / "cache")
        try:
            found = world.examine()
        finally:
            client.put_object(Bucket=BUCKET, Key=last, Body=held)
    (said,) = wrong(found)
    assert (said.check, exit_status(found)) == ("archive.ledger", 4)
    assert wrong(world.examine()) == []


# ── Several at once, through the command line ──────────────────────────────────────────────────────────────────


def test_five_planted_mistakes_are_all_named_with_their_fixes(world: World) -> None:
    """A problem does not hide another one; the status is that of the worst; nothing is changed, nothing given away."""
    do = (
        "ALTER TABLE app_audit_log ENABLE ROW LEVEL SECURITY",
        f"REVOKE DELETE ON app_audit_log FROM {ROLE}",
        f"ALTER ROLE {ROLE} SET statement_timeout = '8s'",
    )
    undo = (
        "ALTER TABLE app_audit_log DISABLE ROW LEVEL SECURITY",
        f"GRANT DELETE ON app_audit_log TO {ROLE}",
        f"ALTER ROLE {ROLE} RESET statement_timeout",
    )
    drop_first_retention(world)
    world.program.key_file.chmod(0o644)
    before = (world.program.tree(), objects(world))
    try:
        with planted(world, do, undo):
            text = world.program.run("doctor")
            lines = world.program.run("doctor", "--json")
    finally:
        world.program.key_file.chmod(0o600)
    assert (text.status, lines.status) == (2, 2)
    assert (world.program.tree(), objects(world)) == before
    for check, fix in (
        ("database.grants", "BYPASSRLS"),
        ("database.grants", "GRANT DELETE ON"),
        ("database.statement_timeout", "SET statement_timeout = '15min'"),
        ("settings.together", "set datasets.app_audit_log.archive_retention"),
        ("key.signing", f"chmod 600 {world.program.key_file}"),
    ):
        assert check in text.out
        assert fix in text.out
        assert [one for one in lines.lines if one.get("check") == check and fix in one["fix"]]
    summary = lines.lines[-1]
    assert (summary["warning"], summary["problem"], summary["exit"]) == (2, 3, 2)
    assert "ok " not in text.out
    assert not [secret for secret in SECRETS if secret in text.out + text.err + lines.out]


def test_settings_that_cannot_be_read_are_a_finding_too(world: World) -> None:
    done = world.program.having(ARCHIVER_STOER="file:///x").run("doctor", "--json")
    assert done.status == 2
    (said, _) = done.lines
    assert said["check"] == "settings.valid"
    assert "did you mean ARCHIVER_STORE?" in said["fact"]


def test_a_healthy_machine_is_silent_in_cron(world: World) -> None:
    done = world.program.run("doctor").succeeded()
    assert (done.out, done.err) == ("", "")
    assert "database.index" in world.program.run("-v", "doctor").succeeded().out


# ── Through the data API ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def local(tmp_path: Path) -> Program:
    return new_program(tmp_path / "local").init("--archive-retention", "365d")


def project(program: Program, url: str, key: str) -> tuple[Diagnosis, ...]:
    """What is wrong, besides the store and the anchor being on the same disk in this test."""
    given = {"SUPABASE_URL": url, "SUPABASE_SECRET_KEY": key, "ARCHIVER_CACHE_DIR": str(program.directory / "cache")}
    found = examine(load(config_file=program.work / "archiver.toml", environ=given, directory=program.work))
    return tuple(one for one in found if one.check != "anchor.apart")


@contextmanager
def served(database: Database, *, migrated: bool = True) -> Iterator[postgrest.DataApi]:
    postgrest.prepare(database)
    fill(database, audit=5, events=5, days=1)
    database.execute(
        "CREATE INDEX ON app_audit_log (created_at)",
        "CREATE INDEX ON log_workflow_events (created_at)",
        "GRANT SELECT, DELETE ON app_audit_log, log_workflow_events TO service_role",
    )
    if migrated:
        postgrest.migrate(database)
    with postgrest.data_api(database) as api:
        yield api


def test_a_healthy_project(database: Database, local: Program) -> None:
    with served(database) as api:
        found = project(local, api.url, api.key)
        assert wrong(found) == []
        assert {"project.key", "project.reachable", "clock.project", "database.grants"} <= {one.check for one in found}


def test_mistakes_in_a_project(database: Database, local: Program) -> None:
    with served(database) as api:
        (said,) = wrong(project(local, api.url, postgrest.PUBLISHABLE_KEY))
        assert (said.check, said.exit) == ("project.key", 2)
        (said,) = wrong(project(local, api.url, "sb_secret_revoked"))
        assert (said.check, said.exit) == ("project.reachable", 2)
        assert "SUPABASE_SECRET_KEY" in said.fix
        assert "sb_secret_revoked" not in repr(said)
        database.execute("REVOKE SELECT ON app_audit_log FROM service_role")
        (said,) = wrong(project(local, api.url, api.key))
        assert (said.check, said.exit) == ("database.grants", 2)
        assert 'GRANT SELECT ON "public"."app_audit_log" TO "service_role"' in said.fix


def test_a_project_without_our_functions(database: Database, local: Program) -> None:
    with served(database, migrated=False) as api:
        (said,) = wrong(project(local, api.url, api.key))
        assert (said.check, said.exit) == ("project.reachable", 2)
        assert "archiver init --show-sql" in said.fix


def test_nothing_is_set(tmp_path: Path) -> None:
    """A fresh machine: each missing thing is named once, and nothing is made."""
    found = examine(load(environ={"ARCHIVER_CACHE_DIR": str(tmp_path / "cache")}, directory=tmp_path))
    said: dict[str, Any] = {one.check: one.exit for one in wrong(found) if one.check != "settings.together"}
    assert said == {"store.reachable": 2, "key.signing": 2, "anchor.reachable": 2, "database.reachable": 2}
    assert list(tmp_path.iterdir()) == []
