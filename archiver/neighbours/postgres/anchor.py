"""The anchor as one row of a Postgres table, in a project that whoever can write to the bucket cannot write to.

- A swap is one statement that compares and moves; the row's lock orders all writers.
- Nothing is made in passing: the table comes from ``install`` (which ``archiver init`` calls) or from a
  migration with the text of ``install_sql``. A missing table is an error with that hint, never "no checkpoint yet".
- A row that row level security may be hiding is not "no checkpoint yet" either.
- What libpq says when it cannot connect is never passed on: it may quote the whole DSN, password included.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from typing_extensions import override

from archiver.contracts import Anchor
from archiver.errors import AccessDenied, ArchiverError, ConfigError, Conflict, IntegrityError, OutcomeUnknown
from archiver.model import Checkpoint
from archiver.neighbours import checkpoint as codec
from archiver.neighbours.postgres.catalog import literal, quoted
from archiver.neighbours.postgres.connection import (
    DRIFT_STATES,
    FAILURES,
    ConnectionString,
    close,
    condition,
    connect,
    fetch,
    is_lost,
    run,
    state_of,
    translate,
)

TABLE: Final = "archiver_anchor"

CONNECT_TIMEOUT_S: Final = 10
STATEMENT_TIMEOUT_S: Final = 20

# SQLSTATEs, PostgreSQL manual, appendix A: no such table, schema or column.
_NO_TABLE: Final = frozenset({"42P01", "3F000", "42703"})


_ONLY_FORWARD: Final = (
    """CREATE OR REPLACE FUNCTION {schema}.anchor_only_forward() RETURNS trigger
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF NEW.archive_id <> OLD.archive_id OR NEW.seq < OLD.seq
        OR (NEW.seq = OLD.seq AND (NEW.hash, NEW.signature) <> (OLD.hash, OLD.signature))
    THEN
        RAISE EXCEPTION 'archiver: an anchor only moves forward' USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.moved_at := CASE WHEN NEW.seq > OLD.seq THEN clock_timestamp() ELSE OLD.moved_at END;
    RETURN NEW;
END
$$""",
    """CREATE OR REPLACE TRIGGER anchor_only_forward BEFORE UPDATE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {schema}.anchor_only_forward()""",
)
"""The same guard as in the migrations: a head that was moved is neither set back nor exchanged in place."""


@dataclass(frozen=True, slots=True)
class PostgresAnchor(Anchor):
    """One row for each archive in ``<schema>.archiver_anchor``. Each call opens a connection of its own.

    Attributes:
        dsn: In any form that libpq takes; direct or through a session pooler.
    """

    dsn: str = field(repr=False)
    schema: str = "archiver"

    @property
    @override
    def location(self) -> str:
        """Host, database and table, without credentials."""
        return f"{ConnectionString(self.dsn).location} {self.schema}.{TABLE}"

    @property
    def _table(self) -> str:
        return f"{quoted(self.schema)}.{TABLE}"

    def install_sql(self) -> str:
        """The DDL, for a migration; repeating it is harmless."""
        return "".join(f"{statement};\n" for statement in self._statements())

    def _statements(self) -> Sequence[str]:
        # No default grants and no row level security: whoever may read the row sees it, and nobody else may.
        columns = (
            "archive_id text PRIMARY KEY",
            "seq bigint NOT NULL CHECK (seq >= 0)",
            "hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$')",
            "signature text NOT NULL",
            "moved_at timestamptz NOT NULL DEFAULT clock_timestamp()",
        )
        listed = ",\n    ".join(columns)
        comment = (
            "archiver: the signed head of each archive''s ledger. Moved by archiver alone; "
            "editing it by hand makes every verification fail."
        )
        return (
            f"CREATE SCHEMA IF NOT EXISTS {quoted(self.schema)}",
            f"CREATE TABLE IF NOT EXISTS {self._table} (\n    {listed}\n)",
            f"REVOKE ALL ON {self._table} FROM PUBLIC",
            f"COMMENT ON TABLE {self._table} IS '{comment}'",
            *(text.format(schema=quoted(self.schema), table=self._table) for text in _ONLY_FORWARD),
        )

    def install(self) -> None:
        """Make schema and table where they are missing. Only ``archiver init`` does this.

        Raises:
            AccessDenied: The role may not create them; the hint is to run ``install_sql`` as one that may.
        """
        with self._connected("no table was made", write=False) as connection:
            # CREATE … IF NOT EXISTS asks for the right to create even when there is nothing to do.
            if fetch(connection, "SELECT to_regclass($1)::text", (self._table,)) != [(None,)]:
                return
            for statement in self._statements():
                run(connection, statement)

    @override
    def read(self, archive_id: str) -> Checkpoint | None:
        """See ``contracts.Anchor``.

        Raises:
            ConfigError: The table does not exist.
            AccessDenied: Reading it is not allowed, or row level security may be hiding the row.
        """
        with self._connected("it was not read", write=False) as connection:
            return self._read(connection, archive_id)

    def _read(self, connection: Any, archive_id: str) -> Checkpoint | None:
        rows = fetch(
            connection,
            f"SELECT archive_id, seq, hash, signature FROM {self._table} WHERE archive_id = $1",
            (archive_id,),
        )
        if not rows:
            if fetch(connection, "SELECT row_security_active($1::text)", (self._table,)) == [(True,)]:
                raise AccessDenied(
                    f"{self.location}: row level security is active for this role, so a missing row proves nothing; "
                    "it was not read",
                    hint="use the table's owner, a role with BYPASSRLS, or turn row level security off for the table",
                )
            return None
        names = ("archive_id", "seq", "hash", "signature")
        return codec.from_fields(dict(zip(names, rows[0], strict=True)), where=self.location)

    def archives(self) -> tuple[Checkpoint, ...]:
        """Every checkpoint that the table holds: those of other archives, too.

        Raises:
            ConfigError: The table does not exist.
        """
        with self._connected("it was not read", write=False) as connection:
            rows = fetch(connection, f"SELECT archive_id, seq, hash, signature FROM {self._table}", ())
        names = ("archive_id", "seq", "hash", "signature")
        return tuple(codec.from_fields(dict(zip(names, row, strict=True)), where=self.location) for row in rows)

    @override
    def swap(self, expected: Checkpoint | None, new: Checkpoint) -> None:
        if expected is not None and expected.archive_id != new.archive_id:
            raise ValueError("a swap stays within one archive")
        fields = (new.archive_id, new.seq, new.hash, new.signature)
        if expected is None:
            # Under the same key only the same checkpoint counts as already there; the row is left as it is.
            statement = (
                f"INSERT INTO {self._table} AS anchor (archive_id, seq, hash, signature) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (archive_id) DO UPDATE SET moved_at = anchor.moved_at "
                "WHERE (anchor.seq, anchor.hash, anchor.signature) = ($2, $3, $4) RETURNING seq"
            )
            values: tuple[object, ...] = fields
        else:
            statement = (
                f"UPDATE {self._table} SET seq = $2, hash = $3, signature = $4, moved_at = clock_timestamp() "
                "WHERE archive_id = $1 AND ((seq, hash, signature) = ($5, $6, $7) AND seq < $2 "
                "OR (seq, hash, signature) = ($2, $3, $4)) RETURNING seq"
            )
            values = (*fields, expected.seq, expected.hash, expected.signature)
        with self._connected("the anchor was not moved", write=True) as connection:
            moved = fetch(connection, statement, values)
        if not moved:
            current = self.read(new.archive_id)
            raise Conflict(
                f"{self.location}: stands at {codec.show(current)}, {codec.show(expected)} was expected; the"
                " anchor was not moved"
            )

    @override
    def clock(self) -> datetime | None:
        """The database server's."""
        with self._connected("its clock was not read", write=False) as connection:
            rows = fetch(connection, "SELECT clock_timestamp()", ())
        now = rows[0][0]
        if not isinstance(now, datetime):
            raise IntegrityError(f"{self.location}: the server's clock is no time ({type(now).__name__})")
        return now.astimezone(UTC)

    def missing_rights(self) -> tuple[str, ...]:
        """What moving it needs and the role lacks; empty when it can be moved. Changes nothing.

        Raises:
            ConfigError: The table does not exist.
        """
        with self._connected("its rights were not looked at", write=False) as connection:
            rows = fetch(
                connection,
                "SELECT has_table_privilege($1::text, 'INSERT'), has_table_privilege($1::text, 'UPDATE'),"
                " NOT pg_is_in_recovery()",
                (self._table,),
            )
        return tuple(
            what for what, given in zip(("INSERT", "UPDATE", "a primary server"), rows[0], strict=True) if not given
        )

    @contextmanager
    def _connected(self, undone: str, *, write: bool) -> Iterator[Any]:
        """A connection in a transaction, which is committed in the end; its settings end with it."""
        connection = connect(
            ConnectionString(self.dsn),
            doing="asking for the anchor",
            undone=undone,
            connect_timeout_s=CONNECT_TIMEOUT_S,
        )
        sent = False
        try:
            timeout = literal(f"{STATEMENT_TIMEOUT_S}s")
            run(connection, f"BEGIN; SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = {timeout}")
            sent = write
            yield connection
            run(connection, "COMMIT")
        except FAILURES as error:
            raise self._refuse(error, undone, write=sent) from error
        finally:
            close(connection)

    def _refuse(self, error: BaseException, undone: str, *, write: bool) -> ArchiverError:
        if state_of(error) in _NO_TABLE:
            return ConfigError(
                f"{self.location}: there is no such table; {undone}", hint="run `archiver init`, which makes it"
            )
        failure = f"{self.location}: {condition(error)}"
        if state_of(error) in DRIFT_STATES:
            return ConfigError(f"{failure}; {undone}", hint="is the table the one that `archiver init` made?")
        if is_lost(error) and write:
            return OutcomeUnknown(f"{failure}: the connection ended before the answer; the anchor may have moved")
        return translate(
            error,
            where=self.location,
            doing="asking for the anchor",
            undone=undone,
            rights=f"GRANT USAGE ON SCHEMA {quoted(self.schema)} and SELECT, INSERT, UPDATE ON {self._table} to this"
            " role; to make the table run the installation SQL as its owner",
        )
