"""Connection strings, connections and what goes wrong with them: once, for all that asks a Postgres database.

Whatever libpq takes is taken: addresses and ``name=value`` pairs, several hosts, sockets, service files. What is added
to a string is added at its end, where libpq lets it win; nothing that stands there is written anew.

Postgres's own messages may quote a value, and libpq's the address with its password: neither is passed on. What a
person needs is the SQLSTATE, the word that names the condition, and the names of what stood in the way.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pyarrow as pa

from archiver.errors import AccessDenied, ArchiverError, ConfigError, SchemaDrift, TransientError
from archiver.neighbours.postgres.catalog import literal

SETTING: Final = "SUPABASE_DB_URL"
FORM: Final = "postgresql://user:password@host:5432/database, special characters percent-encoded"
TRANSACTION_POOLER_PORT: Final = "6543"

FAILURES: Final = (adbc_driver_manager.Error, pa.ArrowException, OSError)
"""What a connection raises."""

SESSION: Final = {
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
}
"""What the text forms depend on, what keeps a long snapshot alive, and what lets it go: a scan that waits behind
somebody's ``ALTER TABLE`` waits for whom our own snapshot makes wait, and the application stands behind both. Set for
one transaction at a time, so that a pooler's other clients never find any of it."""

# libpq waits for a lost peer for hours unless told otherwise.
_DEFAULTS: Final = {
    "application_name": "archiver",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}

_URI = re.compile(
    r"(?P<scheme>postgres|postgresql)://(?:(?P<who>[^@/]*)@)?(?P<hosts>[^/?]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_PAIR = re.compile(r"\s*(?P<name>[A-Za-z_]+)\s*=\s*(?P<value>'(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|\Z)", re.DOTALL)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[\w.\-]*|%2[Ff][\w.\-%]*)(?::(?P<port>\d*))?")
_SCHEME = re.compile(r"([a-z][a-z0-9+]*)://")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN_NAME = re.compile(r"[\w.\-$ ]*")

_OF_OTHERS: Final = {
    "pgbouncer": "Prisma",
    "schema": "Prisma",
    "connection_limit": "Prisma",
    "pool_timeout": "Prisma",
    "supa": "Supabase's own clients",
    "prepareThreshold": "JDBC",
    "ssl": "JDBC and node-postgres",
}
"""Parameters that are pasted daily with an address of another program, and that libpq refuses."""

CONDITIONS: Final = {
    "0A000": "feature_not_supported",
    "21000": "cardinality_violation",
    "22003": "numeric_value_out_of_range",
    "22012": "division_by_zero",
    "22021": "character_not_in_repertoire",
    "22P02": "invalid_text_representation",
    "22P05": "untranslatable_character",
    "23001": "restrict_violation",
    "23502": "not_null_violation",
    "23503": "foreign_key_violation",
    "23505": "unique_violation",
    "23514": "check_violation",
    "25006": "read_only_sql_transaction",
    "27000": "triggered_data_change_violation",
    "28000": "invalid_authorization_specification",
    "28P01": "invalid_password",
    "3D000": "invalid_catalog_name",
    "40001": "serialization_failure",
    "40P01": "deadlock_detected",
    "42501": "insufficient_privilege",
    "42703": "undefined_column",
    "42804": "datatype_mismatch",
    "42809": "wrong_object_type",
    "42883": "undefined_function",
    "42P01": "undefined_table",
    "53300": "too_many_connections",
    "55000": "object_not_in_prerequisite_state",
    "55P03": "lock_not_available",
    "57014": "query_canceled",
    "57P01": "admin_shutdown",
    "P0001": "raise_exception",
}

DRIFT_STATES: Final = frozenset({"42703", "42P01", "42883", "42804"})
TRANSIENT_CLASSES: Final = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})
_READ_ONLY: Final = "25006"


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """A connection string, in any form that libpq takes.

    Attributes:
        setting: What a person corrects.
    """

    text: str = field(repr=False)
    setting: str = SETTING

    @property
    def location(self) -> str:
        """Hosts, ports and database, without credentials; of a string that cannot be read, its scheme alone."""
        try:
            return self._location()
        except ConfigError:
            return self._scheme

    def _location(self) -> str:
        values = self.values()
        if "service" in values:
            return f"postgresql://?service={values['service']}"
        hosts = values.get("host", values.get("hostaddr", "")).split(",")
        ports = values.get("port", "").split(",")
        database = values.get("dbname", "")
        if hosts[0].startswith("/"):
            return f"postgresql:///{database}?host={','.join(hosts)}"
        if len(ports) < len(hosts):
            ports = ports * len(hosts) if len(ports) == 1 else ports + [""] * len(hosts)
        named = [
            (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
            for host, port in zip(hosts, ports, strict=False)
        ]
        return f"postgresql://{','.join(named)}/{database}"

    @property
    def _scheme(self) -> str:
        scheme = _SCHEME.match(self.text)
        return f"{scheme[1] if scheme else 'postgresql'}://…"

    @property
    def _is_uri(self) -> bool:
        return "://" in self.text.partition("=")[0]

    def values(self) -> dict[str, str]:
        """Its parameters by name, decoded; where one is given twice, the last.

        Raises:
            ConfigError: libpq would not understand it, or would understand something else than was meant.
        """
        if not self._is_uri:
            return self._pairs()
        match = _URI.fullmatch(self.text.strip())
        if match is None:
            raise self._refusal("it does not begin with postgresql://")
        if "[YOUR-PASSWORD]" in self.text:
            raise self._refusal("it still has [YOUR-PASSWORD] in the password's place")
        if _BROKEN_PERCENT.search(self.text):
            raise self._refusal("a % in it is followed by no two hexadecimal digits; a % itself is written %25")
        database = unquote(match["database"] or "")
        if "@" in match["hosts"] or "@" in database:
            raise self._refusal("an @ stands behind the host; in a password @ is written %40 and / is written %2F")
        user, colon, password = (match["who"] or "").partition(":")
        values = {"user": unquote(user), "dbname": database} | self._hosts(match["hosts"])
        values = {name: value for name, value in values.items() if value}
        if colon:
            values["password"] = unquote(password)
        return self._checked(values | self._query(match["query"] or ""))

    def _hosts(self, text: str) -> dict[str, str]:
        pieces = [_HOST.fullmatch(host) for host in text.split(",")]
        matches = [piece for piece in pieces if piece is not None]
        if len(matches) < len(pieces):
            raise self._refusal("its host and port are none; in a password / is written %2F, : %3A and ? %3F")
        ports = [piece["port"] or "" for piece in matches]
        return {
            "host": ",".join(unquote(piece["host"]).strip("[]") for piece in matches),
            "port": ",".join(ports) if any(ports) else "",
        }

    def _query(self, text: str) -> dict[str, str]:
        values = {}
        for pair in filter(None, text.split("&")):
            name, equals, value = pair.partition("=")
            if not equals or "=" in value:
                raise self._refusal("behind its ? stands something that is no name=value")
            values[unquote(name)] = unquote(value)
        return values

    def _pairs(self) -> dict[str, str]:
        values: dict[str, str] = {}
        place = 0
        while self.text[place:].strip():
            match = _PAIR.match(self.text, place)
            if match is None:
                raise self._refusal("it is neither an address nor a list of name=value")
            value = match["value"]
            values[match["name"]] = re.sub(r"\\(.)", r"\1", value[1:-1] if value.startswith("'") else value)
            place = match.end()
        return self._checked(values)

    def _checked(self, values: dict[str, str]) -> dict[str, str]:
        for name, whose in _OF_OTHERS.items():
            if name in values:
                raise self._refusal(
                    f"{name} is a parameter of {whose}, which Postgres's own library refuses: remove it"
                )
        if not all(port == "" or port.isdigit() for port in values.get("port", "").split(",")):
            raise self._refusal("a port in it is no number")
        shown = (values.get("dbname", ""), values.get("service", ""))
        if any("://" in text or "=" in text or not _PLAIN_NAME.fullmatch(text) for text in shown):
            raise self._refusal("its database's name is none; in a password / is written %2F")
        if TRANSACTION_POOLER_PORT in values.get("port", "").split(","):
            raise self.refused_pooler()
        return values

    def refused_pooler(self) -> ConfigError:
        """It leads to a transaction pooler."""
        return ConfigError(
            f"{self._scheme}: {self.setting} leads to a transaction pooler, where each transaction may have another"
            " session and no snapshot can be shared; nothing was read or written",
            hint=f"correct {self.setting}: the session pooler or the direct address, port 5432 at Supabase",
        )

    def _refusal(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self._scheme}: libpq does not understand the DSN: {why}; nothing was asked",
            hint=f"correct {self.setting}: {FORM}",
        )

    def uri(self, added: Mapping[str, str], *, defaults: Mapping[str, str]) -> str:
        """The string with more parameters, which win over its own; ``defaults`` only where it names none.

        Raises:
            ConfigError: It cannot be read.
        """
        given = self.values()
        parameters = {**{name: value for name, value in defaults.items() if name not in given}, **added}
        if not self._is_uri:
            return self.text + "".join(
                " {}='{}'".format(name, value.replace("\\", "\\\\").replace("'", "\\'"))
                for name, value in parameters.items()
            )
        text = self.text.strip()
        joint = "?" if "?" not in text.rpartition("@")[2] else "" if text.endswith(("?", "&")) else "&"
        return text + joint + "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())


def connect(
    string: ConnectionString,
    *,
    doing: str,
    undone: str = "",
    connect_timeout_s: float = 10.0,
    application_name: str = "archiver",
) -> Any:
    """A new connection. Each statement is a transaction of its own, until ``begin`` is run on it.

    Raises:
        AccessDenied, ConfigError, TransientError: It cannot be had.
    """
    defaults = {
        **_DEFAULTS,
        "application_name": application_name,
        "connect_timeout": str(max(2, round(connect_timeout_s))),
    }
    uri = string.uri({"client_encoding": "UTF8"}, defaults=defaults)
    try:
        return adbc_driver_postgresql.dbapi.connect(uri, autocommit=True)
    except FAILURES as exc:
        raise translate(exc, where=string.location, doing=doing, undone=undone, setting=string.setting) from None


def refuse_pooler(string: ConnectionString, connection: Any) -> bool:
    """Look whether another connection gets the same session while this one is open: then a pooler shares them.

    Returns:
        False: no second connection was to be had, so that nothing can be said.

    Raises:
        ConfigError: It does.
    """
    question = "SELECT pg_catalog.pg_backend_pid()"
    try:
        mine = fetch(connection, question)
        with connection.adbc_clone() as other:
            other.adbc_connection.set_autocommit(True)
            theirs = fetch(other, question)
        again = fetch(connection, question)
    except FAILURES:
        return False
    if mine == theirs or mine != again:
        raise string.refused_pooler()
    return True


def begin_script(mode: str, *, snapshot: str | None = None, settings: Mapping[str, str] | None = None) -> str:
    """What begins a repeatable-read transaction in which everything is as we need it, and nothing after it is.

    Args:
        mode: ``READ ONLY`` or ``READ WRITE``.
        snapshot: One that another session exported.
        settings: More of them, or others than usual.
    """
    joins = f" SET TRANSACTION SNAPSHOT {literal(snapshot)};" if snapshot else ""
    chosen = "".join(
        f" SET LOCAL {name} = {literal(value)};" for name, value in {**SESSION, **(settings or {})}.items()
    )
    return f"BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, {mode};{joins}{chosen}"


def close(connection: Any) -> None:
    """Close a connection, whatever state it is in."""
    if connection is not None:
        with suppress(*FAILURES):
            connection.close()


def run(connection: Any, script: str) -> None:
    """Send statements without parameters and without results, all at once."""
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_sql_query(script)
        cursor.adbc_statement.execute_update()


def fetch(connection: Any, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Every row of one statement, read to the end."""
    with connection.cursor() as cursor:
        # Through COPY, which ADBC would make of it, a statement may not write, and a row of RETURNING arrives early.
        cursor.adbc_statement.set_options(**{adbc_driver_postgresql.StatementOptions.USE_COPY.value: "false"})
        cursor.execute(statement, values) if values else cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]


def state_of(error: BaseException) -> str:
    """The SQLSTATE; empty: the server said nothing, or not any more."""
    return getattr(error, "sqlstate", None) or ""


def detail_of(error: BaseException) -> str:
    """The detail of an error that our own SQL raised; of any other it may quote a value."""
    fields = dict(getattr(error, "details", None) or ())
    return str(fields.get(b"PG_DIAG_MESSAGE_DETAIL", b"null").decode())


def condition(error: BaseException) -> str:
    """What the server says of an error, as far as it can hold no value of a row.

    Its SQLSTATE, the condition's name, and the names of the constraint and the table.
    """
    state = state_of(error)
    if not state:
        return "no answer of the server"
    names = {
        name.decode(): value.decode(errors="replace")
        for name, value in (getattr(error, "details", None) or ())
        if name in (b"PG_DIAG_CONSTRAINT_NAME", b"PG_DIAG_SCHEMA_NAME", b"PG_DIAG_TABLE_NAME")
    }
    text = f"SQLSTATE {state}" + (f" {CONDITIONS[state]}" if state in CONDITIONS else "")
    if constraint := names.get("PG_DIAG_CONSTRAINT_NAME"):
        text += f", constraint {constraint}"
    if table := names.get("PG_DIAG_TABLE_NAME"):
        text += f" of {names.get('PG_DIAG_SCHEMA_NAME', '')}.{table}"
    return text


_VALUE_WORDS: Final = {
    "invalid byte sequence for encoding": "22021",
    "has no equivalent in encoding": "22P05",
    "invalid input syntax": "22P02",
    "invalid input value for enum": "22P02",
    "out of range": "22003",
    "division by zero": "22012",
}


def value_condition(error: BaseException) -> str:
    """The SQLSTATE and the name of a condition that a value of a row made in the middle of a COPY; empty: another.

    There the driver passes on the server's words alone.
    """
    if not isinstance(error, OSError) or "PGRES_FATAL_ERROR" not in str(error):
        return ""
    state = next((state for words, state in _VALUE_WORDS.items() if words in str(error)), "")
    return f"SQLSTATE {state} {CONDITIONS[state]}" if state else ""


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, so that nobody knows what became of the statement."""
    state = state_of(error)
    return not state or state[:2] == "08" or state in ("57P01", "57P02", "57P03")


def translate(
    error: BaseException, *, where: str, doing: str, undone: str = "", rights: str = "", setting: str = SETTING
) -> ArchiverError:
    """The error of our tree for what a connection raises.

    Args:
        where: The database, without credentials.
        doing: What was being done and is not done now.
        undone: What was not done, for the message's end.
        rights: The statement that gives the right that is missing.
    """
    state = state_of(error)
    if not state:
        if isinstance(error, adbc_driver_manager.Error):
            return _connecting(str(error), where, undone or f"{doing} was not begun", setting)
        return TransientError(
            f"{where}: the connection broke while {doing}; {undone or 'what had been read of it was discarded'}"
        )
    return _of_state(error, where, doing, undone, rights, setting)


def _of_state(  # noqa: PLR0911 - one return for each condition
    error: BaseException, where: str, doing: str, undone: str, rights: str, setting: str
) -> ArchiverError:
    state, reason = state_of(error), condition(error)
    if state in ("28000", "28P01"):
        return _refused(where, undone or f"{doing} was not begun", setting)
    if state == "3D000":
        return _no_database(where, undone or f"{doing} was not begun", setting)
    if state == "42501":
        return AccessDenied(
            f"{where}: the role lacks a right that {doing} needs ({reason}); {undone or 'nothing was read'}",
            hint=rights or "`GRANT USAGE ON SCHEMA … TO …; GRANT SELECT ON … TO …;` as the owner",
        )
    if state == _READ_ONLY:
        return ConfigError(
            f"{where}: this server is read-only ({reason}); {undone or f'{doing} was not done'}",
            hint=f"point {setting} to the primary",
        )
    if state in DRIFT_STATES:
        return SchemaDrift(
            f"{where}: the relation changed while {doing} ({reason}); {undone or 'its dataset was not exported'}",
            hint="run again; if a column was dropped or retyped, see --accept-drift",
        )
    if state[:2] in TRANSIENT_CLASSES:
        why = "the statement was cancelled or timed out" if state == "57014" else "the server ended the work"
        return TransientError(
            f"{where}: {why} while {doing} ({reason}); {undone or 'what had been read of it was discarded'}",
            hint="a longer statement_timeout for this role may help" if state == "57014" else "",
        )
    return ConfigError(
        f"{where}: {doing} failed ({reason}); {undone or 'nothing was archived of it'}",
        hint="run the same query by hand to see the server's own message",
    )


# What libpq and the server say before there is a session, where no SQLSTATE reaches us. Of the causes (words, meaning,
# next step) the first that fits counts; the text itself may hold the password.
_REFUSED_WORDS: Final = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "SASL",
    'role "',
    "user name",
)
_CAUSES: Final = (
    (
        "server does not support SSL",
        "the server does not speak TLS, and sslmode asks for it",
        "turn TLS on at the server; sslmode=disable only where nobody else is on the way",
    ),
    (
        "root certificate file",
        "the file that sslrootcert names, or ~/.postgresql/root.crt, is not there",
        "correct sslrootcert; Supabase's certificate is in the project's settings, under Database",
    ),
    (
        "certificate verify failed",
        "the server's certificate is not one that sslrootcert trusts",
        "correct sslrootcert; Supabase's certificate is in the project's settings, under Database",
    ),
    (
        "does not match host name",
        "the server's certificate is one of another host",
        "use the host's name that its certificate has",
    ),
    ("certificate file", "a certificate that the DSN names cannot be read", "correct sslcert and sslkey"),
    ("private key file", "the key that the DSN names cannot be read", "correct sslkey; its mode must be 0600"),
    ("definition of service", "the service is in no service file", "correct service, or PGSERVICEFILE"),
    ("service file", "the service file cannot be read", "correct PGSERVICEFILE"),
    ("syntax error in service file", "the service file cannot be read", "correct PGSERVICEFILE"),
    (
        "invalid URI query parameter",
        "libpq does not understand the DSN: it has a parameter that libpq does not know",
        "",
    ),
    ("invalid connection option", "libpq does not understand the DSN: it has a parameter that libpq does not know", ""),
    ("invalid", "libpq does not understand the DSN: it has a value that is not allowed there", ""),
    ("could not match", "libpq does not understand the DSN: it has another number of ports than of hosts", ""),
    ("unrecognized configuration parameter", "its options name a setting that the server does not have", ""),
    ("unsupported startup parameter", "a pooler does not take one of its parameters", "use the direct address"),
    ("parameter", "the server does not take one of its parameters", ""),
)


def _connecting(text: str, where: str, undone: str, setting: str) -> ArchiverError:
    if 'database "' in text and "does not exist" in text:
        return _no_database(where, undone, setting)
    if any(words in text for words in _REFUSED_WORDS) and "server does not support SSL" not in text:
        return _refused(where, undone, setting)
    if "too many" in text or "remaining connection slots" in text or "starting up" in text or "shutting down" in text:
        return TransientError(f"{where}: has no free connection now; {undone}", hint="a role's limit, or the server's")
    for words, why, step in _CAUSES:
        if words in text:
            return ConfigError(f"{where}: {why}; {undone}", hint=f"{step or FORM} ({setting})")
    return TransientError(
        f"{where}: cannot be reached, or went away; {undone}",
        hint=f"check host and port in {setting}, name resolution and the firewall; Supabase's direct address needs"
        " IPv6, the session pooler none",
    )


def _refused(where: str, undone: str, setting: str) -> AccessDenied:
    return AccessDenied(
        f"{where}: user or password is wrong, or may not connect from here; {undone}",
        hint=f"correct {setting}; special characters in the password must be percent-encoded",
    )


def _no_database(where: str, undone: str, setting: str) -> ConfigError:
    return ConfigError(f"{where}: there is no such database; {undone}", hint=f"correct the path in {setting}")
