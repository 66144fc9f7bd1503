"""Connections to a real Postgres, in every form of a connection string, and through a real pooler."""

import os
import pwd
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from archiver.errors import AccessDenied, ArchiverError, ConfigError, Partial
from archiver.model import Dataset, Segment, Slot, Window
from archiver.neighbours.postgres.anchor import PostgresAnchor
from archiver.neighbours.postgres.connection import SESSION
from archiver.neighbours.postgres.source import PostgresSource
from archiver.parquet import PartWriter, arrow_schema, check_part, fingerprint, no_utf8
from tests.support.daemon import free_port, until
from tests.support.debian import binary
from tests.support.postgres import PASSWORD, Database, PostgresServer, fresh_database

MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
DAY = Window(MAY_1, MAY_1 + timedelta(days=1))
LOGS = Dataset(name="logs", source="postgres", relation="logs")
TABLE = (
    "CREATE TABLE logs (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, message text)",
    "INSERT INTO logs VALUES (1, '2026-05-01 12:00+00', 'grün €')",
)


def rows(dsn: str, dataset: Dataset = LOGS) -> list[dict[str, Any]]:
    with PostgresSource(dsn).snapshot() as snapshot:
        schema = snapshot.schema(dataset)
        return [row for batch in snapshot.scan(dataset, schema, DAY) for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://postgres:{secret}@127.0.0.1:{port}/{name}",
        "postgres://127.0.0.1:{port}/{name}?user=postgres&password={secret}&options=-c%20statement_timeout%3D1min",
        "postgresql:///{name}?host={sockets}&port={port}&user=postgres",
        "postgresql://postgres@{sockets_encoded}:{port}/{name}",
        "postgresql://postgres:{secret}@127.0.0.1:1,127.0.0.1:{port}/{name}",
        "host=127.0.0.1 port={port} dbname={name} user=postgres password='{secret}'",
        "postgresql://postgres:{secret}@127.0.0.1:{port}/{name}?client_encoding=latin1",
        "postgresql://postgres:{secret}@127.0.0.1:{port}/{name}?options=-c%20client_encoding%3Dlatin1",
        "host=127.0.0.1 port={port} dbname={name} user=postgres password='{secret}' client_encoding=latin1",
        "postgresql://?service=app",
    ],
)
def test_the_source_and_the_anchor_take_every_form_and_the_encoding_is_ours(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    """Whatever string, environment, role or database say of the encoding and of how values are written."""
    server, name = database.server, database.name
    database.execute(*TABLE)
    for setting, value in (("client_encoding", "latin1"), ("DateStyle", "German"), ("search_path", "nowhere")):
        database.execute(f'ALTER DATABASE "{name}" SET {setting} = {value}')
    monkeypatch.setenv("PGCLIENTENCODING", "latin1")
    monkeypatch.setenv("PGTZ", "Asia/Kathmandu")
    services = tmp_path / "services.conf"
    services.write_text(
        f"[app]\nhost=127.0.0.1\nport={server.port}\ndbname={name}\nuser=postgres\npassword={PASSWORD}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    sockets = str(server.sockets)
    dsn = form.format(
        secret=PASSWORD, port=server.port, name=name, sockets=sockets, sockets_encoded=sockets.replace("/", "%2F")
    )
    assert rows(dsn) == [{"id": 1, "created_at": MAY_1 + timedelta(hours=12), "message": "grün €"}]
    anchor = PostgresAnchor(dsn)
    anchor.install()
    assert anchor.read("none") is None
    for place in (anchor.location, PostgresSource(dsn).location):
        assert PASSWORD not in place
        assert "…" not in place


@pytest.mark.parametrize(
    ("form", "kind", "says"),
    [
        ("postgresql://postgres:{secret}@127.0.0.1:{port}/postgres?sslmode=require", ConfigError, "TLS"),
        ("postgresql://postgres:{secret}@127.0.0.1:{port}/postgres?sslmode=no", ConfigError, "not allowed there"),
        ("postgresql://postgres:{secret}@127.0.0.1:{port}/postgres?nix=1", ConfigError, "a parameter"),
        ("postgresql://postgres:{secret}@127.0.0.1:{port}/postgres?pgbouncer=true", ConfigError, "Prisma"),
        ("postgresql://postgres:{secret}@127.0.0.1:{port}/postgres?schema=public", ConfigError, "Prisma"),
        ("postgresql://postgres:{secret}%@127.0.0.1:{port}/postgres", ConfigError, "%25"),
        ("postgresql://postgres:{secret}@127.0.0.1:{port}/postgres?options=-c%20nix%3D1", ConfigError, "setting"),
        ("postgresql://postgres:{secret}@127.0.0.1:{port}/nix", ConfigError, "no such database"),
        ("postgresql://postgres:wrong@127.0.0.1:{port}/postgres", AccessDenied, "password"),
        ("service=nix", ConfigError, "service"),
    ],
)
def test_what_is_pasted_daily_and_wrong_is_a_configuration_error_with_its_cause(
    postgres_server: PostgresServer, form: str, kind: type[ArchiverError], says: str
) -> None:
    """Never "cannot be reached", which would be asked for again every night; for the source and the anchor alike."""
    dsn = form.format(secret=PASSWORD, port=postgres_server.port)
    for ask in (lambda: rows(dsn), lambda: PostgresAnchor(dsn).read("none")):
        with pytest.raises(kind) as caught:
            ask()
        assert type(caught.value) is kind
        assert says in f"{caught.value.message} {caught.value.hint}"
        assert PASSWORD not in f"{caught.value.message} {caught.value.hint}"


# ── Texts that are none ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ascii_database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database that looks at no encoding."""
    with postgres_server.connected("postgres") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with fresh_database(postgres_server, "ascii_copy", template="ascii") as database:
        database.execute(
            TABLE[0],
            "INSERT INTO logs VALUES (1, '2026-05-01 12:00+00', E'caf\\xe9'), (2, '2026-05-02 12:00+00', 'plain')",
        )
        yield database
    with postgres_server.connected("postgres") as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE ascii WITH (FORCE)")


def test_bytes_that_are_no_utf_8_are_not_read_and_named(ascii_database: Database) -> None:
    """A database in SQL_ASCII converts nothing; what nobody can read back is not archived, and other windows are."""
    with pytest.raises(Partial, match=r"logs, 2026-05-01.*22021"):
        rows(ascii_database.dsn)
    with PostgresSource(ascii_database.dsn).snapshot() as snapshot:
        schema = snapshot.schema(LOGS)
        other = Window(DAY.end, DAY.end + timedelta(days=1))
        assert sum(batch.num_rows for batch in snapshot.scan(LOGS, schema, other)) == 1


def test_bytes_that_are_no_utf_8_are_not_written_and_found_by_verify(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a source would let them through."""
    database.execute(*TABLE)
    with PostgresSource(database.dsn).snapshot() as snapshot:
        schema = snapshot.schema(LOGS)
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\x00\x00\x00\x00\x04\x00\x00\x00"), pa.py_buffer(b"caf\xe9"))
    times = pa.array([MAY_1], pa.timestamp("us", tz="UTC"))
    batch = pa.RecordBatch.from_arrays([pa.array([1]), times, broken], schema=arrow_schema(schema))
    assert no_utf8(batch) == ("message",)
    path = tmp_path / "part.parquet"
    with (
        pytest.raises(Partial, match="message"),
        PartWriter(path, schema, dataset="logs", slot=Slot(window=DAY)) as part,
    ):
        part.write(batch)
    with monkeypatch.context() as patch:
        patch.setattr("archiver.parquet.no_utf8", lambda _: ())
        with PartWriter(path, schema, dataset="logs", slot=Slot(window=DAY)) as part:
            part.write(batch)
            written = part.finish()
    segment = Segment(
        slot=Slot(window=DAY),
        key="data/logs/date=2026-05-01/part-0000.parquet",
        part=0,
        rows=1,
        size_bytes=written.size_bytes,
        sha256=written.sha256,
        schema=fingerprint(schema),
        oldest=written.oldest,
        newest=written.newest,
    )
    assert check_part(path, segment, None) == ["column message holds bytes that are no UTF-8"]


# ── Poolers ────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def pooler(server: PostgresServer, mode: str) -> Iterator[int]:
    """Pgbouncer in front of the server; gives its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="archiver-pgbouncer-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "users").write_text(f'"postgres" "{PASSWORD}"\n', encoding="utf-8")
        (directory / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {directory}/users\n"
            f"pool_mode = {mode}\nmax_client_conn = 50\ndefault_pool_size = 5\nadmin_users = postgres\n"
            "ignore_startup_parameters = extra_float_digits\n",
            encoding="utf-8",
        )
        # It refuses to run as root.
        user = None if os.geteuid() else pwd.getpwnam("nobody").pw_uid
        process = subprocess.Popen([binary("pgbouncer"), "-q", str(directory / "ini")], user=user)
        try:

            def is_up() -> bool:
                assert process.poll() is None, "pgbouncer ended"
                try:
                    return _asks(port)
                except OSError:
                    return False

            until(is_up, "pgbouncer")
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _asks(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def test_a_transaction_pooler_is_found_out_and_refused(database: Database) -> None:
    """By looking, whatever its port; the hint names the right one."""
    database.execute(*TABLE)
    with pooler(database.server, "transaction") as port:
        dsn = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/{database.name}"
        with pytest.raises(ConfigError, match="transaction pooler") as caught, PostgresSource(dsn).snapshot():
            pass
        assert "5432" in caught.value.hint


def test_a_session_pooler_serves_and_its_other_clients_find_nothing_of_ours(database: Database) -> None:
    """Settings end with the transaction, so that a connection that is handed on is as it was; so are the anchor's."""
    database.execute(*TABLE)
    with pooler(database.server, "session") as port:
        dsn = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/{database.name}"
        assert len(rows(dsn)) == 1
        source = PostgresSource(dsn)
        with source.purging(LOGS) as work:
            schema = work.schema(LOGS)
            assert sum(batch.num_rows for batch in work.scan(LOGS, schema, DAY)) == 1
        anchor = PostgresAnchor(dsn)
        anchor.install()
        anchor.read("none")
        names = (*SESSION, "statement_timeout")
        shown = ", ".join(f"current_setting('{name}')" for name in names)
        connection = source.spare.take()
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {shown}")
            found = dict(zip(names, cursor.fetchall()[0], strict=True))
    with database.server.connected(database.name) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {shown}")
        fresh = dict(zip(names, cursor.fetchall()[0], strict=True))
    assert found == fresh
