"""What every anchor promises. A new anchor is done when it is added to ``ANCHORS``."""

import hashlib
import re
import secrets
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import httpx
import pytest

from archiver.contracts import Anchor
from archiver.errors import AccessDenied, ConfigError, Conflict, IntegrityError, OutcomeUnknown, TransientError
from archiver.model import Checkpoint
from archiver.neighbours.dataapi.anchor import SupabaseAnchor
from archiver.neighbours.dataapi.client import DataApi, installation_sql
from archiver.neighbours.local.anchor import FileAnchor
from archiver.neighbours.postgres import connection
from archiver.neighbours.postgres.anchor import PostgresAnchor
from tests.support import proxy
from tests.support.faulty import FaultyAnchor
from tests.support.postgres import Database, PostgresServer
from tests.support.postgrest import MIGRATIONS, PUBLISHABLE_KEY, SECRET_KEY, prepare, token
from tests.support.postgrest import DataApi as DataApiServer
from tests.support.postgrest import data_api as data_api_of
from tests.support.project import Project, project_of

if TYPE_CHECKING:
    from collections.abc import Callable

ARCHIVE = "01900000-0000-7000-8000-000000000001"


def checkpoint(seq: int, *, fork: str = "", archive_id: str = ARCHIVE) -> Checkpoint:
    digest = hashlib.sha256(f"{seq} {fork}".encode()).hexdigest()
    return Checkpoint(archive_id=archive_id, seq=seq, hash=digest, signature=digest * 2)


TABLE = "archiver.archiver_anchor"
ANCHORS = ("file", "postgres", "supabase", "fake")


@pytest.fixture(scope="module")
def project(postgres_server: PostgresServer) -> Iterator[Project]:
    with project_of(postgres_server, "contract_anchors") as made:
        yield made


@pytest.fixture
def api_server(project: Project) -> Iterator[DataApiServer]:
    """A project whose anchor's table is empty; what a test arms is gone after it."""
    project.database.execute("TRUNCATE archiver.archiver_anchor")
    yield project.api
    project.api.proxy.disarm()


@pytest.fixture
def through_api(api_server: DataApiServer) -> SupabaseAnchor:
    return SupabaseAnchor(DataApi(api_server.url, api_server.key))


@pytest.fixture(params=ANCHORS)
def anchor(request: pytest.FixtureRequest, tmp_path: Path) -> Anchor:
    match request.param:
        case "file":
            return FileAnchor(tmp_path / "anchor.json")
        case "postgres":
            made = PostgresAnchor(request.getfixturevalue("dsn"))
            made.install()
            return made
        case "supabase":
            through_api: SupabaseAnchor = request.getfixturevalue("through_api")
            through_api.install()
            return through_api
        case _:
            return FaultyAnchor()


def test_there_is_none_at_first(anchor: Anchor) -> None:
    assert anchor.read(ARCHIVE) is None


def test_a_swap_moves_it(anchor: Anchor) -> None:
    anchor.swap(None, checkpoint(0))
    assert anchor.read(ARCHIVE) == checkpoint(0)
    anchor.swap(checkpoint(0), checkpoint(1))
    assert anchor.read(ARCHIVE) == checkpoint(1)


def test_swapping_again_to_the_same_is_success(anchor: Anchor) -> None:
    """A lost reply is repaired by asking again, also after the first swap."""
    anchor.swap(None, checkpoint(0))
    anchor.swap(None, checkpoint(0))
    anchor.swap(checkpoint(0), checkpoint(1))
    anchor.swap(checkpoint(0), checkpoint(1))
    assert anchor.read(ARCHIVE) == checkpoint(1)


@pytest.mark.parametrize(
    ("expected", "new"),
    [
        (None, checkpoint(2)),
        (None, checkpoint(1, fork="other")),
        (checkpoint(0), checkpoint(2)),
        (checkpoint(2), checkpoint(3)),
        (checkpoint(1, fork="other"), checkpoint(2)),
        (Checkpoint(archive_id=ARCHIVE, seq=1, hash=checkpoint(1).hash, signature="ab"), checkpoint(2)),
    ],
)
def test_a_swap_from_anything_else_is_a_conflict(anchor: Anchor, expected: Checkpoint | None, new: Checkpoint) -> None:
    """Number, hash and signature all count."""
    anchor.swap(None, checkpoint(0))
    anchor.swap(checkpoint(0), checkpoint(1))
    with pytest.raises(Conflict):
        anchor.swap(expected, new)
    assert anchor.read(ARCHIVE) == checkpoint(1)


@pytest.mark.parametrize(
    "new", [checkpoint(4), checkpoint(5, fork="other"), checkpoint(0)], ids=["back", "beside", "0"]
)
def test_a_swap_never_moves_back_or_sideways(anchor: Anchor, new: Checkpoint) -> None:
    """Even for somebody who says rightly what stands there."""
    anchor.swap(None, checkpoint(0))
    anchor.swap(checkpoint(0), checkpoint(5))
    with pytest.raises(Conflict):
        anchor.swap(checkpoint(5), new)
    assert anchor.read(ARCHIVE) == checkpoint(5)


def test_a_swap_from_something_where_there_is_nothing_is_a_conflict(anchor: Anchor) -> None:
    with pytest.raises(Conflict):
        anchor.swap(checkpoint(0), checkpoint(1))
    assert anchor.read(ARCHIVE) is None


def test_of_eight_racing_swappers_exactly_one_wins(anchor: Anchor) -> None:
    """In every round, from nothing on."""
    current: Checkpoint | None = None
    for turn in range(5):
        start = threading.Barrier(8)

        def swap(
            number: int,
            start: threading.Barrier = start,
            expected: Checkpoint | None = current,
            turn: int = turn,
        ) -> Checkpoint | None:
            new = checkpoint(turn, fork=str(number))
            start.wait()
            try:
                anchor.swap(expected, new)
            except Conflict:
                return None
            return new

        with ThreadPoolExecutor(8) as pool:
            won = [new for new in pool.map(swap, range(8)) if new is not None]
        assert len(won) == 1
        current = won[0]
        assert anchor.read(ARCHIVE) == current


def test_a_location_holds_no_credentials(anchor: Anchor) -> None:
    assert anchor.location.split("://")[0] in {"file", "postgresql", "http", "memory"}
    assert "@" not in anchor.location


def test_the_clock_is_somebody_elses_or_none(anchor: Anchor) -> None:
    now = anchor.clock()
    assert now is None or abs(now - datetime.now(UTC)) < timedelta(minutes=5)
    assert isinstance(anchor, PostgresAnchor | SupabaseAnchor) is (now is not None)


# ── File ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "safe" / "anchor.json"


def test_a_missing_directory_is_never_made_in_passing(path: Path) -> None:
    """A file system that is not mounted is not an archive without an anchor."""
    anchor = FileAnchor(path)
    with pytest.raises(ConfigError, match="there is no such directory"):
        anchor.read(ARCHIVE)
    with pytest.raises(ConfigError, match="there is no such directory"):
        anchor.swap(None, checkpoint(0))
    anchor.install()
    anchor.install()
    assert anchor.read(ARCHIVE) is None


def test_the_file_is_the_owners_alone_and_leaves_no_litter(path: Path) -> None:
    anchor = FileAnchor(path)
    anchor.install()
    anchor.swap(None, checkpoint(0))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["anchor.json", "anchor.json.lock"]


def test_another_archives_file_is_refused(path: Path) -> None:
    anchor = FileAnchor(path)
    anchor.install()
    anchor.swap(None, checkpoint(0))
    with pytest.raises(ConfigError, match=f"belongs to archive {ARCHIVE}"):
        anchor.read("another")
    with pytest.raises(ConfigError, match="belongs to archive"):
        anchor.swap(None, checkpoint(0, archive_id="another"))
    assert anchor.read(ARCHIVE) == checkpoint(0)


@pytest.mark.parametrize("text", [b"", b"{}", b"not json", b"x" * 100_000])
def test_an_altered_file_is_an_integrity_error_and_is_not_replaced(path: Path, text: bytes) -> None:
    anchor = FileAnchor(path)
    anchor.install()
    path.write_bytes(text)
    with pytest.raises(IntegrityError, match=r"anchor\.json"):
        anchor.read(ARCHIVE)
    with pytest.raises(IntegrityError):
        anchor.swap(None, checkpoint(0))
    assert path.read_bytes() == text


def test_a_killed_swap_leaves_the_old_checkpoint_and_no_lock(path: Path) -> None:
    anchor = FileAnchor(path)
    anchor.install()
    anchor.swap(None, checkpoint(0))
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from archiver.neighbours.local.anchor import FileAnchor\n"
        "from archiver.model import Checkpoint\n"
        "Path.replace = lambda *_: os._exit(9)\n"
        "anchor = FileAnchor(Path(sys.argv[1]))\n"
        "old = anchor.read(sys.argv[2])\n"
        "anchor.swap(old, Checkpoint(archive_id=sys.argv[2], seq=1, hash='0' * 64))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path), ARCHIVE], check=False, timeout=60)
    assert ended.returncode == 9
    assert anchor.read(ARCHIVE) == checkpoint(0)
    anchor.swap(checkpoint(0), checkpoint(1))
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["anchor.json", "anchor.json.lock"]


def test_processes_exclude_each_other_too(path: Path) -> None:
    """Eight processes swap from nothing at once."""
    FileAnchor(path).install()
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from archiver.neighbours.local.anchor import FileAnchor\n"
        "from archiver.errors import Conflict\n"
        "from archiver.model import Checkpoint\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    FileAnchor(Path(sys.argv[1])).swap(None, Checkpoint(archive_id='a', seq=0, hash=sys.argv[2] * 64))\n"
        "except Conflict:\n"
        "    sys.exit(5)\n"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path), str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in range(8)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
    ended = []
    for worker in workers:
        worker.communicate(timeout=60)
        ended.append(worker.returncode)
    assert sorted(ended) == [0] + [5] * 7


def test_a_link_in_place_of_the_lock_is_not_followed(path: Path, tmp_path: Path) -> None:
    FileAnchor(path).install()
    (tmp_path / "elsewhere").touch()
    path.with_name("anchor.json.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="the anchor was not moved"):
        FileAnchor(path).swap(None, checkpoint(0))


# ── Postgres ───────────────────────────────────────────────────────────────────────────────────────────────────


def run(dsn: str, *statements: str) -> None:
    with adbc_driver_postgresql.dbapi.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def query(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    with adbc_driver_postgresql.dbapi.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]


def as_role(dsn: str, role: str, password: str = "open%20sesame") -> str:  # noqa: S107
    """The same database as another role."""
    return f"{dsn}{'&' if '?' in dsn else '?'}user={role}&password={password}"


@pytest.fixture
def role(dsn: str) -> str:
    """A role without any right; roles belong to the whole server, so its name is its own."""
    name = f"role_{secrets.token_hex(4)}"
    run(dsn, f"CREATE ROLE {name} LOGIN PASSWORD 'open sesame'")
    return name


def test_a_missing_table_is_a_configuration_error_with_the_fix(dsn: str) -> None:
    anchor = PostgresAnchor(dsn)
    calls: list[Callable[[], object]] = [lambda: anchor.read(ARCHIVE), lambda: anchor.swap(None, checkpoint(0))]
    for call in calls:
        with pytest.raises(ConfigError, match="there is no such table") as raised:
            call()
        assert "archiver init" in raised.value.hint


@pytest.mark.parametrize("took_effect", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_swap_whose_reply_was_lost_is_repaired_by_asking_again(
    dsn: str, monkeypatch: pytest.MonkeyPatch, first: bool, took_effect: bool
) -> None:
    """The connection ends before the statement, or after it and before its answer."""
    anchor = PostgresAnchor(dsn)
    anchor.install()
    old = None if first else checkpoint(0)
    if old is not None:
        anchor.swap(None, old)
    real = connection.run

    def lose(opened: Any, script: str) -> None:
        if script != "COMMIT" or took_effect:
            real(opened, script)
        if script != "COMMIT":
            return
        raise adbc_driver_manager.OperationalError(
            "server closed the connection unexpectedly", status_code=adbc_driver_manager.AdbcStatusCode.IO
        )

    with monkeypatch.context() as patch:
        patch.setattr("archiver.neighbours.postgres.anchor.run", lose)
        with pytest.raises(OutcomeUnknown, match="the anchor may have moved"):
            anchor.swap(old, checkpoint(1))
        with pytest.raises(TransientError):
            anchor.read(ARCHIVE)
    assert anchor.read(ARCHIVE) == (checkpoint(1) if took_effect else old)
    anchor.swap(old, checkpoint(1))
    assert anchor.read(ARCHIVE) == checkpoint(1)


def test_a_session_that_the_server_ends_leaves_the_outcome_unknown(dsn: str) -> None:
    """A real one: the row's trigger ends the session that moves it, as a failover would."""
    anchor = PostgresAnchor(dsn)
    anchor.install()
    anchor.swap(None, checkpoint(0))
    run(
        dsn,
        "CREATE FUNCTION public.fall() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END$$",
        "CREATE TRIGGER fall BEFORE UPDATE ON archiver.archiver_anchor FOR EACH ROW EXECUTE FUNCTION public.fall()",
    )
    with pytest.raises(OutcomeUnknown):
        anchor.swap(checkpoint(0), checkpoint(1))
    assert anchor.read(ARCHIVE) == checkpoint(0)
    run(dsn, "DROP TRIGGER fall ON archiver.archiver_anchor")
    anchor.swap(checkpoint(0), checkpoint(1))
    assert anchor.read(ARCHIVE) == checkpoint(1)


def test_several_archives_share_the_table(dsn: str) -> None:
    anchor = PostgresAnchor(dsn, schema="Other Schema")
    anchor.install()
    anchor.install()
    anchor.swap(None, checkpoint(0))
    anchor.swap(None, checkpoint(0, archive_id="another"))
    anchor.swap(checkpoint(0, archive_id="another"), checkpoint(1, archive_id="another"))
    assert anchor.read(ARCHIVE) == checkpoint(0)
    assert anchor.read("another") == checkpoint(1, archive_id="another")


def test_the_installation_sql_works_as_a_migration(dsn: str) -> None:
    anchor = PostgresAnchor(dsn)
    for _ in range(2):
        run(dsn, *filter(str.strip, re.split(r";\n(?=CREATE|REVOKE|COMMENT|$)", anchor.install_sql())))
    anchor.swap(None, checkpoint(0))
    assert anchor.read(ARCHIVE) == checkpoint(0)


def test_a_missing_grant_is_access_denied_and_named(dsn: str, role: str) -> None:
    owner = PostgresAnchor(dsn)
    poor = PostgresAnchor(as_role(dsn, role))
    with pytest.raises(AccessDenied):
        poor.install()
    owner.install()
    calls: list[Callable[[], object]] = [lambda: poor.read(ARCHIVE), lambda: poor.swap(None, checkpoint(0))]
    for call in calls:
        with pytest.raises(AccessDenied, match="the role lacks a right") as raised:
            call()
        assert "GRANT USAGE ON SCHEMA" in raised.value.hint
    run(
        dsn,
        f"GRANT USAGE ON SCHEMA archiver TO {role}",
        f"GRANT SELECT, INSERT, UPDATE ON archiver.archiver_anchor TO {role}",
    )
    poor.install()
    poor.swap(None, checkpoint(0))
    assert owner.read(ARCHIVE) == checkpoint(0)


def test_a_row_that_row_level_security_hides_is_not_a_missing_one(dsn: str, role: str) -> None:
    owner = PostgresAnchor(dsn)
    owner.install()
    owner.swap(None, checkpoint(0))
    run(
        dsn,
        f"GRANT USAGE ON SCHEMA archiver TO {role}",
        f"GRANT SELECT, INSERT, UPDATE ON archiver.archiver_anchor TO {role}",
        "ALTER TABLE archiver.archiver_anchor ENABLE ROW LEVEL SECURITY",
    )
    with pytest.raises(AccessDenied, match="row level security"):
        PostgresAnchor(as_role(dsn, role)).read(ARCHIVE)


@pytest.mark.parametrize(
    "change",
    [
        [
            "DROP TRIGGER anchor_only_forward ON archiver.archiver_anchor",
            "UPDATE archiver.archiver_anchor SET signature = 'not hex'",
        ],
        [
            "ALTER TABLE archiver.archiver_anchor DROP CONSTRAINT archiver_anchor_seq_check",
            "DROP TRIGGER anchor_only_forward ON archiver.archiver_anchor",
            "UPDATE archiver.archiver_anchor SET seq = -1",
        ],
    ],
)
def test_an_altered_row_is_an_integrity_error(dsn: str, change: list[str]) -> None:
    anchor = PostgresAnchor(dsn)
    anchor.install()
    anchor.swap(None, checkpoint(0))
    run(dsn, *change)
    with pytest.raises(IntegrityError, match="is not a checkpoint"):
        anchor.read(ARCHIVE)


def test_a_server_that_nobody_runs_is_transient() -> None:
    with pytest.raises(TransientError, match=r"postgresql://127\.0\.0\.1:1/db: cannot be reached"):
        PostgresAnchor("postgresql://user:hush@127.0.0.1:1/db").read(ARCHIVE)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://user:hush@host:no-port/db",
        "postgresql://user:hush@127.0.0.1/db?no_such_option=1",
        "host=127.0.0.1 password=hush no_such_option=1",
        "mysql://user:hush@host/db",
    ],
)
def test_a_dsn_that_is_none_is_refused_without_quoting_it(dsn: str) -> None:
    with pytest.raises(ConfigError, match="does not understand the DSN") as raised:
        PostgresAnchor(dsn).read(ARCHIVE)
    assert "hush" not in raised.value.message + raised.value.hint
    assert "hush" not in repr(PostgresAnchor(dsn))


# ── Supabase ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_ways_to_a_project_find_the_same_row(through_api: SupabaseAnchor, api_server: DataApiServer) -> None:
    """What one wrote the other moves; and the migration's table is the one that `init` makes."""
    direct = PostgresAnchor(api_server.database.dsn)
    direct.install()
    through_api.swap(None, checkpoint(0))
    direct.swap(checkpoint(0), checkpoint(1))
    assert through_api.read(ARCHIVE) == direct.read(ARCHIVE) == checkpoint(1)
    shape = (
        "SELECT column_name::text, data_type::text, is_nullable::text, column_default::text"
        " FROM information_schema.columns WHERE table_name = 'archiver_anchor' ORDER BY ordinal_position"
    )
    checks = (
        "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'archiver.archiver_anchor'::regclass ORDER BY 1"
    )
    migrated = (api_server.database.query(shape), api_server.database.query(checks))
    api_server.database.execute("DROP TABLE archiver.archiver_anchor")
    direct.install()
    assert (api_server.database.query(shape), api_server.database.query(checks)) == migrated


@pytest.mark.parametrize("took_effect", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_swap_through_the_api_whose_reply_was_lost_is_repaired_by_asking_again(
    through_api: SupabaseAnchor, api_server: DataApiServer, first: bool, took_effect: bool
) -> None:
    old = None if first else checkpoint(0)
    if old is not None:
        through_api.swap(None, old)
    api_server.proxy.arm(proxy.drop_reply if took_effect else proxy.refuse, match="archiver_anchor_swap")
    with pytest.raises(OutcomeUnknown):
        through_api.swap(old, checkpoint(1))
    assert through_api.read(ARCHIVE) == (checkpoint(1) if took_effect else old)
    through_api.swap(old, checkpoint(1))
    assert through_api.read(ARCHIVE) == checkpoint(1)


@pytest.mark.parametrize("body", ['{"code":"XX000","message":"boom"}', "null", "1", "<html>"])
def test_an_answer_that_is_none_of_the_swaps_leaves_the_outcome_unknown(
    through_api: SupabaseAnchor, api_server: DataApiServer, body: str
) -> None:
    """A good status by itself says nothing."""
    api_server.proxy.arm(proxy.instead(200, body, "application/json"), match="archiver_anchor_swap")
    with pytest.raises(OutcomeUnknown, match="not with a whole answer"):
        through_api.swap(None, checkpoint(0))
    through_api.swap(None, checkpoint(0))


EDITS = {
    "back": "UPDATE {} SET seq = 4",
    "another hash under the same number": f"UPDATE {{}} SET hash = '{'b' * 64}'",
    "another signature in place": "UPDATE {} SET signature = 'ab'",
    "another archive's": "UPDATE {} SET archive_id = 'another'",
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_table_itself_lets_nobody_move_it_back_or_sideways(database: Database, edit: str) -> None:
    """Installed by `init` or by the data API's migration alone, without the role's: not even its owner does by accident."""
    prepare(database)
    by_dsn = PostgresAnchor(database.dsn, schema="made by init")
    by_dsn.install()
    with data_api_of(database) as api:
        api.install()
        for anchor, table in (
            (by_dsn, '"made by init".archiver_anchor'),
            (SupabaseAnchor(DataApi(api.url, api.key)), TABLE),
        ):
            anchor.swap(None, checkpoint(5))
            with pytest.raises(adbc_driver_manager.Error, match="only moves forward"):
                run(database.dsn, EDITS[edit].format(table))
            assert anchor.read(ARCHIVE) == checkpoint(5)


def test_an_anchor_cannot_be_made_to_look_fresh(dsn: str) -> None:
    """When it moved last is what a watcher in the database looks at: only a step forward changes it."""
    anchor = PostgresAnchor(dsn)
    anchor.install()
    anchor.swap(None, checkpoint(0))
    moved_at = f"SELECT moved_at FROM {TABLE}"
    before = query(dsn, moved_at)
    run(dsn, f"UPDATE {TABLE} SET moved_at = '2020-01-01'", f"UPDATE {TABLE} SET moved_at = now() + interval '1 day'")
    assert query(dsn, moved_at) == before
    anchor.swap(checkpoint(0), checkpoint(1))
    assert query(dsn, moved_at) > before


def test_the_key_reaches_the_anchor_only_through_its_functions(api_server: DataApiServer) -> None:
    """Neither the table nor its schema is there for the data API; other roles may not call the functions."""
    headers = {"apikey": SECRET_KEY, "Accept-Profile": "archiver"}
    assert httpx.get(f"{api_server.url}/rest/v1/archiver_anchor", headers=headers).status_code == 406
    assert httpx.get(f"{api_server.url}/rest/v1/archiver_anchor", headers={"apikey": SECRET_KEY}).status_code == 404
    for key in (PUBLISHABLE_KEY, token("authenticated")):
        call = httpx.post(
            f"{api_server.url}/rest/v1/rpc/archiver_anchor_read",
            json={"archive": ARCHIVE},
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
        )
        assert call.json()["code"] == "42501"


def test_an_altered_row_behind_the_api_is_an_integrity_error(
    through_api: SupabaseAnchor, api_server: DataApiServer
) -> None:
    through_api.swap(None, checkpoint(0))
    without_guard = "ALTER TABLE archiver.archiver_anchor {} TRIGGER anchor_only_forward"
    api_server.database.execute(
        without_guard.format("DISABLE"),
        "UPDATE archiver.archiver_anchor SET signature = 'not hex'",
        without_guard.format("ENABLE"),
    )
    with pytest.raises(IntegrityError, match="is not a checkpoint"):
        through_api.read(ARCHIVE)


def test_a_project_without_the_functions_is_told_how_to_get_them(database: Database) -> None:
    prepare(database)
    with data_api_of(database) as api:
        anchor = SupabaseAnchor(DataApi(api.url, api.key))
        calls: list[Callable[[], object]] = [
            anchor.install,
            lambda: anchor.read(ARCHIVE),
            lambda: anchor.swap(None, checkpoint(0)),
        ]
        for call in calls:
            with pytest.raises(ConfigError, match="does not have archiver's functions") as raised:
                call()
            assert "archiver init --show-sql" in raised.value.hint
        api.install()


def test_the_migration_is_what_the_program_prints() -> None:
    """One file: the migration is a link to what the package holds (a checkout without links has its path instead)."""
    (migration,) = MIGRATIONS.glob("*_archiver.sql")
    assert migration.is_symlink()
    assert migration.read_text() == installation_sql()


def test_applying_the_migration_again_is_harmless(through_api: SupabaseAnchor, api_server: DataApiServer) -> None:
    through_api.swap(None, checkpoint(0))
    api_server.install()
    assert through_api.read(ARCHIVE) == checkpoint(0)
