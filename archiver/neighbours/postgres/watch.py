"""What a database does and holds beside archiver: its scheduled jobs, and the oldest row of a table.

Each question is a connection of its own, read only and bounded in time: a check must never be in anybody's way.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from archiver.contracts import CronJob, CronLog, CronRuns
from archiver.errors import AccessDenied, ConfigError
from archiver.model import DATED_MAX, DATED_MIN, Dataset
from archiver.neighbours.postgres.catalog import literal, quoted, relation_name
from archiver.neighbours.postgres.connection import FAILURES, begin_script, close, run, translate
from archiver.neighbours.postgres.source import PostgresSource

STATEMENT_TIMEOUT_S = 60.0
"""Where the role's own is not set. Without an index on the time column the oldest row is found by reading all."""


@dataclass(frozen=True, slots=True)
class PostgresWatch:
    """Questions about a Postgres database that no export asks."""

    source: PostgresSource

    @property
    def location(self) -> str:
        """Host, port and database, without credentials."""
        return self.source.location

    def scheduled_jobs(self) -> tuple[CronJob, ...] | None:
        """The jobs of pg_cron; None: there is a list of jobs, and this role may not see all of it.

        Raises:
            AccessDenied, ConfigError, TransientError: The database cannot be asked.
        """
        # The catalogue says that the list is there even to a role that may not read it.
        rows = self._query(
            "SELECT c.relrowsecurity AND row_security_active(c.oid) FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'cron' AND c.relname = 'job'",
            "looking for scheduled jobs",
        )
        if not rows:
            return ()
        if rows[0][0]:
            # pg_cron's own policy: a role sees the jobs that it made, and others' jobs delete as well.
            return None
        try:
            jobs = self._query(
                "SELECT coalesce(jobname, jobid::text)::text, schedule::text, command::text, active FROM cron.job"
                " ORDER BY jobid",
                "reading the scheduled jobs",
            )
        except AccessDenied:
            return None
        return tuple(
            CronJob(name=name, schedule=when, command=what, active=active) for name, when, what, active in jobs
        )

    def own_jobs(self) -> CronLog | None:
        """How archiver's own jobs fare, by the function that the migration ``archiver_watch`` makes.

        Returns:
            None: that migration was not applied, or there is no pg_cron.

        Raises:
            AccessDenied, ConfigError, TransientError: The database cannot be asked.
        """
        doing = "looking at archiver's own jobs"
        if self._query("SELECT to_regprocedure('public.archiver_jobs()') IS NULL", doing) == [(True,)]:
            return None
        text = self._query("SELECT public.archiver_jobs()::text", doing)[0][0]
        if text is None:
            return None
        log = json.loads(text)
        return CronLog(
            clock=_moment(log["clock"]),
            oldest_run=None if log["oldest_run"] is None else _moment(log["oldest_run"]),
            jobs=tuple(
                CronRuns(
                    name=job["name"],
                    active=job["active"],
                    failed=None if job["status"] is None else job["status"] != "succeeded",
                    succeeded_at=None if job["succeeded_at"] is None else _moment(job["succeeded_at"]),
                )
                for job in log["jobs"]
            ),
        )

    def oldest_row(self, dataset: Dataset) -> datetime | None:
        """The earliest time of a table's rows; None: no row has a time that a calendar has.

        Raises:
            AccessDenied: Some of the rows may be hidden from this role, so that the answer would prove nothing.
            ConfigError, TransientError, SchemaDrift: The table cannot be asked.
        """
        time = quoted(dataset.time_column)
        relation, doing = relation_name(dataset), f"looking for the oldest row of {dataset.name}"
        rows = self._query(
            "SELECT c.relrowsecurity AND row_security_active(c.oid), format_type(a.atttypid, NULL)"
            " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped AND a.attnum > 0"
            f" WHERE n.nspname = {literal(dataset.namespace)} AND c.relname = {literal(dataset.relation)}"
            f" AND a.attname = {literal(dataset.time_column)}",
            doing,
        )
        if not rows:
            raise ConfigError(
                f"{self.location}: there is no {relation} with a column {time}; nothing was read",
                hint="correct relation, schema and time_column of the dataset",
            )
        hides, kind = rows[0]
        if hides:
            raise AccessDenied(
                f"{self.location}: row level security may hide rows of {relation} from this role; nothing was read",
                hint="a role with BYPASSRLS, or a policy that lets it read every row",
            )
        # A constant of the column's own type lets an index answer; date and timestamp mean UTC here.
        stamp = "timestamptz" if kind == "timestamp with time zone" else "timestamp"
        zone = "+00" if stamp == "timestamptz" else ""
        oldest = self._query(
            f"SELECT min({time})::timestamptz FROM {relation} WHERE {time} >= {stamp} '{_day(DATED_MIN)}{zone}'"
            f" AND {time} < {stamp} '{_day(DATED_MAX)}{zone}'",
            doing,
        )[0][0]
        return None if oldest is None else _aware(oldest)

    def _query(self, statement: str, doing: str) -> list[tuple[Any, ...]]:
        return ask_once(self.source, statement, doing)


def ask_once(source: PostgresSource, statement: str, doing: str) -> list[tuple[Any, ...]]:
    """The rows of one question, on a connection of its own, read only and bounded in time.

    Raises:
        AccessDenied, ConfigError, TransientError, SchemaDrift: The database cannot be asked.
    """
    timeout_s = source.settings.statement_timeout_s or STATEMENT_TIMEOUT_S
    connection = source.connect(doing)
    try:
        run(connection, begin_script("READ ONLY", settings={"statement_timeout": f"{round(timeout_s * 1000)}ms"}))
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]
    except FAILURES as exc:
        raise translate(exc, where=source.location, doing=doing) from None
    finally:
        close(connection)


def _day(instant: datetime) -> str:
    return f"{instant.year:04d}-{instant:%m-%d} 00:00:00"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
