"""How a Postgres database is reached: one value for its source, its snapshots and its deletions."""

import threading
import weakref
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from archiver.model import SETTLE_MARGIN
from archiver.neighbours.postgres.catalog import Described
from archiver.neighbours.postgres.connection import ConnectionString, close, connect, refuse_pooler
from archiver.neighbours.postgres.settings import PostgresSettings


class Spare:
    """At most one connection that nobody uses now, outside of any transaction; the next snapshot takes it.

    A purge takes a snapshot for each of its batches, and to connect costs as much as to read thousands of rows.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self.was_looked_at = False
        """Whether a connection of this source was found to be no transaction pooler's."""

    def take(self) -> Any:
        """The connection, which the server may have ended meanwhile; None: there is none."""
        with self._lock:
            connection, self._connection = self._connection, None
        return connection

    def put(self, connection: Any) -> None:
        """Keep a connection that is in no transaction."""
        with self._lock:
            connection, self._connection = self._connection, connection
        close(connection)

    def close(self) -> None:
        """Let go of it."""
        close(self.take())


@dataclass(frozen=True, slots=True, weakref_slot=True)
class PostgresAccess:
    """A Postgres database. One connection is kept between snapshots, until this value is collected.

    Attributes:
        dsn: In any form that libpq takes; direct or through a session pooler.
        settings: How long it is waited for.
        settle_margin: Where the server hides when others' transactions began, they count as begun so long ago.
        described: What snapshots found relations to be; a transaction that deletes begins with a look whether it is
            still true.
    """

    dsn: str = field(repr=False)
    settings: PostgresSettings = field(default_factory=PostgresSettings)
    settle_margin: timedelta = SETTLE_MARGIN
    application_name: str = "archiver"
    lock_timeout_s: float = 5.0
    spare: Spare = field(default_factory=Spare, init=False, repr=False, compare=False)
    described: Described = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """See to it that the spare connection is closed in any case."""
        weakref.finalize(self, self.spare.close)

    @property
    def location(self) -> str:
        """Host, port and database, without credentials."""
        return ConnectionString(self.dsn).location

    def connect(self, doing: str = "connecting") -> Any:
        """A new connection, in no transaction. The first one is looked at: a transaction pooler is refused.

        Raises:
            AccessDenied, ConfigError, TransientError: It cannot be had.
        """
        string = ConnectionString(self.dsn)
        connection = connect(
            string,
            doing=doing,
            connect_timeout_s=self.settings.connect_timeout_s,
            application_name=self.application_name,
        )
        if not self.spare.was_looked_at:
            try:
                self.spare.was_looked_at = refuse_pooler(string, connection)
            except BaseException:
                close(connection)
                raise
        return connection
