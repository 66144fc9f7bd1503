"""Translate what ADBC, libpq and Postgres raise into our tree.

Postgres's own messages may quote a value, and libpq's the address with its password: neither is passed on. What a
person needs is the SQLSTATE and the one word that names the condition.
"""

import adbc_driver_manager

from archiver.errors import AccessDenied, ArchiverError, ConfigError, SchemaDrift, TransientError

REFUSED_STATES = frozenset({"28000", "28P01"})
DRIFT_STATES = frozenset({"42703", "42P01", "42883", "42804", "0A000"})
TRANSIENT_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})

_REFUSED_WORDS = ("password authentication failed", "no password supplied", "pg_hba.conf", "role ", "SASL")
_NO_DATABASE_WORDS = ("database ",)


def translate(error: BaseException, *, where: str, doing: str) -> ArchiverError:
    """The error of our tree for one of ADBC's.

    Args:
        where: The database, without credentials.
        doing: What was being done and is not done now, for the message.
    """
    state = getattr(error, "sqlstate", None)
    if not state:
        if isinstance(error, adbc_driver_manager.Error):
            return _connecting(str(error), where, doing)
        return TransientError(f"{where}: the connection broke while {doing}; what had been read of it was discarded")
    return _of_state(state, where, doing)


def _of_state(state: str, where: str, doing: str) -> ArchiverError:
    if state in REFUSED_STATES:
        return _refused(where, doing)
    if state == "3D000":
        return _no_database(where, doing)
    if state == "42501":
        return AccessDenied(
            f"{where}: the role may not do what {doing} needs (SQLSTATE 42501); nothing was read",
            hint="`GRANT USAGE ON SCHEMA … TO …; GRANT SELECT ON … TO …;` as the owner",
        )
    if state in DRIFT_STATES:
        return SchemaDrift(
            f"{where}: the relation changed while {doing} (SQLSTATE {state}); its dataset was not exported",
            hint="run again; if a column was dropped or retyped, see --accept-drift",
        )
    if state[:2] in TRANSIENT_CLASSES:
        why = "the statement was cancelled or timed out" if state == "57014" else "the server ended the work"
        return TransientError(
            f"{where}: {why} while {doing} (SQLSTATE {state}); what had been read of it was discarded",
            hint="a longer statement_timeout for this role may help",
        )
    return ConfigError(
        f"{where}: {doing} failed with SQLSTATE {state}; nothing was archived of it",
        hint="run the same query by hand to see the server's own message",
    )


def _connecting(text: str, where: str, doing: str) -> ArchiverError:
    if any(word in text for word in _NO_DATABASE_WORDS) and "does not exist" in text:
        return _no_database(where, doing)
    if any(word in text for word in _REFUSED_WORDS):
        return _refused(where, doing)
    return TransientError(
        f"{where}: cannot be reached, or went away, while {doing}; nothing of it was archived",
        hint="check host and port in SUPABASE_DB_URL; Supabase's direct address needs IPv6, the session pooler none",
    )


def _refused(where: str, doing: str) -> ArchiverError:
    return AccessDenied(
        f"{where}: user or password is wrong, or may not connect from here; {doing} was not begun",
        hint="correct SUPABASE_DB_URL; special characters in the password must be percent-encoded",
    )


def _no_database(where: str, doing: str) -> ArchiverError:
    return ConfigError(
        f"{where}: there is no such database; {doing} was not begun", hint="correct the path in SUPABASE_DB_URL"
    )
