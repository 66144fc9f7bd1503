"""The SQLite file: opened, checked, locked; what it can fail of told as errors of the tree."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from archiver.errors import ArchiverError, ConfigError, Conflict, LocalResourceError, TransientError

FILE: Final = "alerts.sqlite3"
APPLICATION_ID: Final = 0x616C7274  # "alrt"
SCHEMA_VERSION: Final = 1
BUSY_S: Final = 5.0

SCHEMA: Final = """
CREATE TABLE alert (
  fingerprint TEXT NOT NULL, starts_at INTEGER NOT NULL, is_firing INTEGER NOT NULL, ends_at INTEGER,
  fired_at INTEGER NOT NULL, name TEXT NOT NULL, severity TEXT NOT NULL, component TEXT NOT NULL,
  labels TEXT NOT NULL, annotations TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
  deliveries INTEGER NOT NULL, suppressed TEXT NOT NULL DEFAULT '', is_from_alertmanager INTEGER NOT NULL,
  ack_by TEXT, ack_at INTEGER, ack_until INTEGER, ack_note TEXT,
  PRIMARY KEY (fingerprint, starts_at)) WITHOUT ROWID;
CREATE INDEX alert_firing ON alert (is_firing, last_seen);
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, fingerprint TEXT NOT NULL, starts_at INTEGER NOT NULL,
  kind TEXT NOT NULL, actor TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX event_alert ON event (fingerprint, id);
CREATE INDEX event_at ON event (at);
CREATE TABLE told (
  key TEXT NOT NULL, channel TEXT NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (key, channel)) WITHOUT ROWID;
CREATE TABLE token (
  name TEXT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL, created_at INTEGER NOT NULL,
  expires_at INTEGER) WITHOUT ROWID;
"""


def hold_directory(directory: Path) -> int:
    """Take the directory for this process alone; the descriptor must stay open.

    Raises:
        Conflict: Another service has it.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Conflict(
            f"{directory}: another alert service is at work there; this one was not started",
            hint="stop the other one, or name another directory with --data",
        ) from None
    return descriptor


class Database:
    """One connection. Not safe for two threads at once: its user gives it a thread of its own."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    @classmethod
    def open(cls, directory: Path, *, must_exist: bool = False) -> Self:
        """Open what is there, or begin; the directory is made with mode 0700, the file with 0600.

        Raises:
            ConfigError: The directory or the file cannot be used, or is something else.
            TransientError: It is busy.
        """
        path = directory / FILE
        try:
            if must_exist and not path.exists():
                raise ConfigError(
                    f"{path} does not exist; nothing was read",
                    hint="name the directory that `archiver alerts serve` was given with --data",
                )
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path, directory)
            connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.OperationalError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else str(problem)
            raise ConfigError(
                f"--data {directory}: cannot be used ({reason}); nothing was read or written",
                hint="give it to the user that the service runs as: install -d -o <user> -m 0700 <directory>",
            ) from problem
        store = cls(connection, path)
        try:
            store._prepare()
        except BaseException:
            connection.close()
            raise
        return store

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _prepare(self) -> None:
        try:
            # Before the first table: afterwards it would need a VACUUM.
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._db.execute("PRAGMA journal_mode = WAL").fetchone()
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON").fetchone()
            with self._transaction():
                (version,) = self._db.execute("PRAGMA user_version").fetchone()
                (owner,) = self._db.execute("PRAGMA application_id").fetchone()
                (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if version == 0 and owner == 0 and tables == 0:
                    for statement in SCHEMA.split(";\n"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                elif owner != APPLICATION_ID:
                    raise ConfigError(
                        f"{self._path} is a database of another program; nothing was changed",
                        hint="name a directory of the service's own with --data",
                    )
                elif version != SCHEMA_VERSION:
                    raise ConfigError(
                        f"{self._path} has version {version}, known is {SCHEMA_VERSION}; nothing was changed",
                        hint="use the archiver that wrote it, or a newer one",
                    )
            (sound,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as problem:
            raise self._broken_or_busy(problem) from problem
        if sound != "ok":
            raise self._broken(str(sound))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as problem:
            raise self._broken_or_busy(problem) from problem

    def _read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._db.execute(statement, values).fetchall()

    def _give_back(self) -> None:
        """Return free pages to the disk. What was deleted stands in the log until that is written anew."""
        with self._translated():
            self._db.execute("PRAGMA incremental_vacuum").fetchall()
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _broken_or_busy(self, problem: sqlite3.DatabaseError) -> ArchiverError | sqlite3.DatabaseError:
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return TransientError(
                f"{self._path}: busy for more than {BUSY_S:.0f} s; nothing was written",
                hint="see who else has it open: fuser -v <file>",
            )
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            return LocalResourceError(
                f"{self._path}: cannot be written ({problem}); nothing was changed",
                hint="see whether the disk is full, and whether the file belongs to the service's user",
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._broken(str(problem))
        return problem

    def _broken(self, reason: str) -> ConfigError:
        return ConfigError(
            f"{self._path} is no sound database (SQLite: {reason.splitlines()[0]}); nothing was changed",
            hint="move it and its -wal and -shm away: the service begins a new one, and takes what fires from"
            " Alertmanager; tokens must be made anew",
        )


def _make(path: Path, directory: Path) -> None:
    """An empty file that nobody else may read. Root makes it for whom the directory belongs to."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))  # says why, where SQLite only says that it cannot
        return
    try:
        if os.geteuid() == 0:
            owner = directory.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)


def to_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970."""
    return round(instant.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """Aware, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)
