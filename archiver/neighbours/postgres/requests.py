"""Requests for a run, through functions of the migration ``archiver_watch``. Each call is a connection of its own."""

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pyarrow as pa

from archiver.contracts import RunRequest
from archiver.errors import AccessDenied, ConfigError, OutcomeUnknown, TransientError
from archiver.neighbours.postgres.errors import translate
from archiver.neighbours.postgres.source import PostgresSource

STATEMENT_TIMEOUT_S: Final = 20

_MISSING_STATES: Final = frozenset({"42883", "42P01", "3F000"})
_MIGRATION: Final = "deploy/supabase/migrations/20261129000004_archiver_watch.sql"


@dataclass(frozen=True, slots=True)
class PostgresRunRequests:
    """See ``contracts.RunRequests``."""

    source: PostgresSource

    @property
    def location(self) -> str:
        """Host, port and database, without credentials."""
        return self.source.location

    def take(self, who: str) -> RunRequest | None:
        """See ``contracts.RunRequests``."""
        said = self._call("SELECT public.archiver_take_run($1)::text", (who,), "taking a request for a run")
        found = json.loads(said)
        return RunRequest(date.fromisoformat(found["day"]), found["attempt"]) if found else None

    def end(self, request: RunRequest, exit_status: int) -> bool:
        """See ``contracts.RunRequests``."""
        statement = "SELECT public.archiver_end_run($1::text::date, $2::bigint::integer, $3::bigint::integer)"
        values = (request.day.isoformat(), request.attempt, exit_status)
        return bool(self._call(statement, values, "noting how a run ended"))

    def _call(self, statement: str, values: tuple[object, ...], doing: str) -> Any:
        try:
            connection = self.source.connect()
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
            raise translate(error, where=self.location, doing=doing) from None
        with closing(connection), connection.cursor() as cursor:
            try:
                # Through COPY a function's value arrives before its transaction has been committed.
                cursor.adbc_statement.set_options(
                    **{adbc_driver_postgresql.StatementOptions.USE_COPY.value: "false"},
                )
                cursor.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
                cursor.execute(statement, values)
                found = cursor.fetchall()[0][0]
                connection.commit()
            except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
                raise self._problem(error, doing) from None
        return found

    def _problem(self, error: BaseException, doing: str) -> Exception:
        state = getattr(error, "sqlstate", None) or ""
        if state in _MISSING_STATES:
            return ConfigError(
                f"{self.location}: the database does not have archiver's functions for requests; nothing was taken",
                hint=f"apply {_MIGRATION} as the project's owner",
            )
        if state == "42501":
            return AccessDenied(
                f"{self.location}: the role may not call what {doing} needs; nothing was taken",
                hint=f"apply {_MIGRATION} again, after the one that makes the role archiver",
            )
        problem = translate(error, where=self.location, doing=doing)
        if isinstance(problem, TransientError) and (not state or state[:2] in ("08", "57")):
            return OutcomeUnknown(f"{self.location}: the connection ended while {doing}; it may or may not be done")
        return problem
