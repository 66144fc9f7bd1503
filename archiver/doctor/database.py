"""The database: the server, the rights of the role, the way through the data API."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from archiver.contracts import ServerFacts
from archiver.doctor.diagnosis import Diagnosis, ok, problem, warning
from archiver.doctor.facts import DatasetFacts, ProjectFacts

POSTGRES_MIN: Final = 14
"""The first with ``date_bin``."""

STATEMENT_TIMEOUT_MIN: Final = timedelta(minutes=1)
"""A count of some million rows, or a day of them, takes seconds on an idle server and longer at night beside others."""

TRANSACTION_TIMEOUT_MIN: Final = timedelta(hours=1)
"""One snapshot covers all that one commit covers, and reading it may take that long."""

INDEX_ROWS_MIN: Final = 100_000
"""Below, reading the whole table costs as little as an index."""


def judge_server(where: str, facts: ServerFacts, *, connections_needed: int, purges: bool) -> Iterator[Diagnosis]:
    """The server and the role.

    Args:
        where: The database, without credentials.
        connections_needed: At the same time.
        purges: Rows are to be deleted.
    """
    yield _version(where, facts)
    if facts.is_encrypted is False and facts.is_remote:
        yield warning(
            "database.encryption",
            where,
            "the connection is not encrypted: rows and password can be read on their way",
            "add ?sslmode=verify-full&sslrootcert=<file> to SUPABASE_DB_URL (at least sslmode=require)",
        )
    else:
        yield ok("database.encryption", where, "TLS" if facts.is_encrypted else "does not leave this machine")
    yield from _timeouts(where, facts)
    if facts.connections_max < connections_needed:
        yield warning(
            "database.connections",
            where,
            f"the role {facts.role} may hold {facts.connections_max} connections, a run needs {connections_needed}",
            f"lower export.jobs, or: ALTER ROLE {_quoted(facts.role)} CONNECTION LIMIT {connections_needed};",
        )
    else:
        yield ok("database.connections", where, f"{facts.connections_max}, a run needs {connections_needed}")
    if purges and facts.is_standby:
        yield problem(
            "database.writable",
            where,
            "is a replica: nothing can be purged through it",
            "point SUPABASE_DB_URL to the primary",
        )
    elif purges and not facts.may_make_temporary:
        yield problem(
            "database.writable",
            where,
            f"the role {facts.role} may not make temporary tables, which a purge puts proven keys into",
            f"as the database's owner: GRANT TEMPORARY ON DATABASE … TO {_quoted(facts.role)};",
        )
    else:
        yield ok("database.writable", where, "the primary" if not facts.is_standby else "a replica; nothing is purged")
    yield ok(
        "database.transactions",
        where,
        "when others' transactions began is hidden from this role: export.settle_margin is assumed"
        if facts.hides_transactions
        else "shows when others' transactions began",
    )


def _version(where: str, facts: ServerFacts) -> Diagnosis:
    major = facts.version // 10_000
    said = f"Postgres {major}.{facts.version % 10_000}, as the role {facts.role}"
    if major < POSTGRES_MIN:
        return problem(
            "database.version",
            where,
            f"{said}: older than {POSTGRES_MIN}, the first with date_bin",
            f"upgrade the server to Postgres {POSTGRES_MIN} or later",
        )
    return ok("database.version", where, said)


def _timeouts(where: str, facts: ServerFacts) -> Iterator[Diagnosis]:
    limits = (
        ("statement_timeout", facts.statement_timeout, STATEMENT_TIMEOUT_MIN, "or set postgres.statement_timeout_s"),
        ("transaction_timeout", facts.transaction_timeout, TRANSACTION_TIMEOUT_MIN, "archiver bounds its own waits"),
    )
    for name, limit, least, otherwise in limits:
        check = f"database.{name}"
        if limit is None or limit >= least:
            yield ok(check, where, "none" if limit is None else f"{limit.total_seconds():,.0f} s")
            continue
        advised = "15min" if name == "statement_timeout" else "0"
        yield warning(
            check,
            where,
            f"{limit.total_seconds():g} s for the role {facts.role}: a large table cannot be read, counted or purged"
            f" in less than {least.total_seconds():,.0f} s",
            f"ALTER ROLE {_quoted(facts.role)} SET {name} = '{advised}'; {otherwise}",
        )


def judge_dataset(facts: DatasetFacts) -> Iterator[Diagnosis]:
    """A relation, and what the role may do with it besides reading."""
    subject = f"{facts.dataset}: {facts.relation}"
    if facts.is_purged and not facts.told.may_delete:
        yield problem(
            "database.grants",
            subject,
            f"the role {facts.told.role} lacks the right to purge it",
            f"as its owner: GRANT DELETE ON {facts.relation} TO {_quoted(facts.told.role)};"
            f' or set datasets.{facts.dataset}.source_retention = "never"',
        )
    elif facts.key_columns is not None:
        purging = "delete them" if facts.is_purged else "none is to leave it"
        yield ok("database.grants", subject, f"the role {facts.told.role} may see every row, and {purging}")
    if facts.key_columns is not None:
        yield _key_of(facts, subject)
    yield _index(facts, subject)


def _key_of(facts: DatasetFacts, subject: str) -> Diagnosis:
    if facts.key_columns:
        return ok("database.key", subject, ", ".join(facts.key_columns))
    if not facts.is_purged:
        return ok("database.key", subject, "none; nothing is purged from it")
    return warning(
        "database.key",
        subject,
        "no key tells its rows apart: they are archived and never purged",
        f'add a primary key, then remove datasets.{facts.dataset}.key; or source_retention = "never" says so',
    )


def _index(facts: DatasetFacts, subject: str) -> Diagnosis:
    if facts.told.has_time_index:
        return ok("database.index", subject, f"an index begins with {facts.time_column}")
    if not facts.told.is_table:
        return ok("database.index", subject, "is no table; the tables under it need an index on their time column")
    if facts.told.rows_estimate is not None and facts.told.rows_estimate < INDEX_ROWS_MIN:
        return ok("database.index", subject, f"none on {facts.time_column}, and too few rows to need one")
    return warning(
        "database.index",
        subject,
        f"no index begins with {facts.time_column}: every window that is read or purged reads the whole table",
        f"CREATE INDEX CONCURRENTLY ON {facts.relation} ({_quoted(facts.time_column)});",
    )


def judge_project(facts: ProjectFacts, now: datetime) -> Iterator[Diagnosis]:
    """The address and the key of a data API; nothing was asked with it yet."""
    yield _key(facts, now)
    if facts.is_remote and not facts.is_encrypted:
        yield problem(
            "project.encryption",
            facts.location,
            "the address begins with http://: the key travels in the clear",
            "SUPABASE_URL is https://<project>.supabase.co; give out a new key if this one was ever used so",
        )
    else:
        yield ok("project.encryption", facts.location, "TLS" if facts.is_encrypted else "does not leave this machine")


def _key(facts: ProjectFacts, now: datetime) -> Diagnosis:
    where = facts.location
    fix = "set SUPABASE_SECRET_KEY to a secret key, sb_secret_…: in the project's settings, under API keys"
    if facts.key_expires_at is not None and facts.key_expires_at <= now:
        return problem("project.key", where, f"the key expired on {facts.key_expires_at:%Y-%m-%d}", fix)
    match facts.key_kind:
        case "secret":
            return ok("project.key", where, "a secret key")
        case "service_role":
            return warning(
                "project.key", where, "a legacy service_role key, which Supabase gives up by the end of 2026", fix
            )
        case "publishable" | "anon":
            return problem(
                "project.key",
                where,
                f"a key for browsers ({facts.key_kind}): row level security applies to it, so no count can be trusted",
                fix,
            )
        case _:
            return warning("project.key", where, "a key of no known form: neither sb_secret_… nor a legacy token", fix)


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
