"""Requests for a run, through functions of the migration ``archiver_watch``. Each call is a connection of its own."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from typing_extensions import override

from archiver.contracts import RunRequest, RunRequests
from archiver.errors import AccessDenied, ArchiverError, ConfigError, OutcomeUnknown
from archiver.neighbours.postgres.connection import FAILURES, close, fetch, is_lost, run, state_of, translate
from archiver.neighbours.postgres.source import PostgresSource

STATEMENT_TIMEOUT_S: Final = 20

_MISSING_STATES: Final = frozenset({"42883", "42P01", "3F000"})
_MIGRATION: Final = "deploy/supabase/migrations/20261129000004_archiver_watch.sql"


@dataclass(frozen=True, slots=True)
class PostgresRunRequests(RunRequests):
    """The requests for a run that wait in the project, over a connection."""

    source: PostgresSource

    @property
    @override
    def location(self) -> str:
        """Host, port and database, without credentials."""
        return self.source.location

    @override
    def take(self, who: str) -> RunRequest | None:
        answer = self._call("SELECT public.archiver_take_run($1)::text", (who,), "taking a request for a run")
        request = json.loads(answer)
        return RunRequest(date.fromisoformat(request["day"]), request["attempt"]) if request else None

    @override
    def end(self, request: RunRequest, exit_status: int) -> bool:
        statement = "SELECT public.archiver_end_run($1::text::date, $2::bigint::integer, $3::bigint::integer)"
        values = (request.day.isoformat(), request.attempt, exit_status)
        return bool(self._call(statement, values, "noting how a run ended"))

    def _call(self, statement: str, values: tuple[object, ...], doing: str) -> Any:
        connection = self.source.connect(doing)
        try:
            run(connection, f"BEGIN; SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
            value = fetch(connection, statement, values)[0][0]
            run(connection, "COMMIT")
        except FAILURES as error:
            raise self._problem(error, doing) from None
        finally:
            close(connection)
        return value

    def _problem(self, error: BaseException, doing: str) -> ArchiverError:
        if state_of(error) in _MISSING_STATES:
            return ConfigError(
                f"{self.location}: the database does not have archiver's functions for requests; nothing was taken",
                hint=f"apply {_MIGRATION} as the project's owner",
            )
        if state_of(error) == "42501":
            return AccessDenied(
                f"{self.location}: the role may not call what {doing} needs; nothing was taken",
                hint=f"apply {_MIGRATION} again, after the one that makes the role archiver",
            )
        if is_lost(error):
            return OutcomeUnknown(f"{self.location}: the connection ended while {doing}; it may or may not be done")
        return translate(error, where=self.location, doing=doing, undone=f"{doing} was not done")
