"""Supabase's data API (PostgREST), asked through supabase-py: the one place that speaks HTTP with it.

supabase-py builds the requests: address, schema, key, quoting of the path. Its answers are read here and not by it,
because what an answer proves stands in its headers: the media type says that PostgREST wrote it and no proxy, and
``Content-Range`` how many rows it was meant to hold. Its own repetition is off; ``neighbours.retry`` has the only one.

What a server says is never passed on: a message of Postgres may quote a value. A person gets the code that names the
condition, in words of ours.
"""

import base64
import json
import re
import threading
import weakref
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from archiver.errors import (
    AccessDenied,
    ArchiverError,
    ConfigError,
    OutcomeUnknown,
    Refused,
    SchemaDrift,
    TransientError,
)
from archiver.model import Dataset
from archiver.neighbours.dataapi.settings import DataApiSettings
from archiver.neighbours.postgres.connection import CONDITIONS
from archiver.neighbours.postgres.effects import CHANGED, changed
from archiver.neighbours.retry import RetryPolicy
from archiver.retention import describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from supabase import Client

T = TypeVar("T", dict[str, Any], list[Any], int, bool)

MIGRATION: Final = "dataapi.sql"
"""Beside this file, which is in every wheel; the migration in ``deploy/supabase/migrations/`` is a link to it."""

INSTALL: Final = (
    "as the project's owner, paste what `archiver init --show-sql` prints into the SQL editor, or run `supabase db"
    " push` with deploy/supabase/migrations/; then run this again"
)
STUBBORN: Final = "AR002"
"""What our function raises when the database does not let rows go, whatever it raised itself."""

FUNCTIONS_VERSION: Final = 2
"""Of the functions that the migration installs, as ``archiver_look`` tells it."""

PREFER: Final = "timezone=UTC"
URL_BYTES_MAX: Final = 7_000
"""Gateways take 8 KiB for the first line of a request, some more."""

TOO_LONG: Final = "a key column holds very long texts: choose a shorter key, or read through SUPABASE_DB_URL"

CONNECTIONS_MAX: Final = 64

ROWS_ASKED_FIRST: Final = 50
ROWS_ASKED_MAX: Final = 10_000
PAGE_BYTES: Final = 8 * 1024 * 1024
"""As many rows are asked for as make about this much. The server may give fewer, and mostly gives 1000."""

_CODE: Final = re.compile(r"[0-9A-Z]{5,8}")
_RANGE: Final = re.compile(r"(?:(\d+)-(\d+)|\*)/(?:\d+|\*)")

# PostgREST could not reach its database, or has no free connection to it, or does not know the schema yet.
_NOT_BEGUN: Final = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003"})
_BAD_KEY: Final = frozenset({"PGRST300", "PGRST301", "PGRST302", "PGRST303"})
_NO_FUNCTION: Final = frozenset({"PGRST202", "42883"})
_NO_RELATION: Final = frozenset({"42P01", "42703"})
_NOT_KNOWN_YET: Final = frozenset({"PGRST204", "PGRST205"})
_NOT_EXPOSED: Final = frozenset({"PGRST106", "3F000"})
_ROLLED_BACK_CLASSES: Final = frozenset({"25", "40", "53", "55", "57", "58", "XX"})
_BUSY_STATUSES: Final = frozenset({408, 425, 429})
_TOO_LONG_STATUSES: Final = frozenset({414, 431})


def key_kind(key: str) -> Literal["secret", "publishable", "service_role", "anon", "unknown"]:
    """What a key is by its form. The two legacy kinds are tokens whose claims name the role."""
    if key.startswith("sb_secret_"):
        return "secret"
    if key.startswith("sb_publishable_"):
        return "publishable"
    role = _claims(key).get("role")
    if role in ("service_role", "anon"):
        return role  # type: ignore[no-any-return]
    return "unknown"


def key_expires_at(key: str) -> datetime | None:
    """When a legacy key ends; None: it does not say."""
    try:
        return datetime.fromtimestamp(_claims(key)["exp"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _claims(key: str) -> "Mapping[str, Any]":
    """What a token says of itself, unchecked; empty for anything else."""
    parts = key.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as CSV, as many as the server says that they are.

    Attributes:
        text: Without the header's line, each row ended by a line feed.
    """

    text: bytes = field(repr=False)
    rows: int


@dataclass(slots=True, weakref_slot=True)
class DataApi:
    """A project's data API. A context manager; safe to use from several threads.

    Attributes:
        url: ``https://<project>.supabase.co``.
        key: ``sb_secret_…``, or the legacy ``service_role`` token.
        settings: How long it is waited for; a statement may run so long as an answer is waited for.
    """

    url: str
    key: str = field(repr=False)
    settings: DataApiSettings = field(default_factory=DataApiSettings)
    _client: "Client | None" = field(default=None, init=False, repr=False)
    _http: httpx.Client | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def location(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}"

    @property
    def warning(self) -> str:
        """What a person should know of the key; empty: nothing."""
        if key_kind(self.key) != "service_role":
            return ""
        return (
            "SUPABASE_SECRET_KEY is a legacy service_role key, which Supabase takes away by the end of 2026: set it to"
            " a secret key, sb_secret_…, from the project's settings, under API keys"
        )

    def check_key(self) -> None:
        """Refuse a key that can never serve, before anything is asked.

        Raises:
            ConfigError: It is meant for browsers.
        """
        kind = key_kind(self.key)
        if kind in ("publishable", "anon"):
            raise ConfigError(
                f"SUPABASE_SECRET_KEY is a{'n' if kind == 'anon' else ''} {kind} key, which row level security applies"
                " to, so that no count could be trusted; nothing was asked",
                hint="set it to a secret key, sb_secret_…: in the project's settings, under API keys",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; asking again opens new ones."""
        with self._lock:
            http, self._http, self._client = self._http, None, None
        if http is not None:
            http.close()

    def _opened(self) -> "Client":
        with self._lock:
            if self._client is None:
                # Half a second of imports that nobody pays who has a database connection.
                from supabase import create_client  # noqa: PLC0415
                from supabase.lib.client_options import SyncClientOptions  # noqa: PLC0415

                self.check_key()
                timeout = httpx.Timeout(self.settings.read_timeout_s, connect=self.settings.connect_timeout_s)
                limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
                self._http = httpx.Client(timeout=timeout, limits=limits, trust_env=True)
                # Whoever lets go of this object need not think of its connections.
                weakref.finalize(self, self._http.close)
                self._client = create_client(
                    self.url,
                    self.key,
                    SyncClientOptions(
                        httpx_client=self._http,
                        postgrest_client_retry=False,
                        auto_refresh_token=False,
                        persist_session=False,
                    ),
                )
            return self._client

    # ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> dict[str, Any]:
        """The database's clock, its open transactions, the role that asks, and the settings that text forms depend on.

        Raises:
            ConfigError: Our functions are not installed, or another version of them.
        """
        doing = "looking for archiver's functions"
        seen = self.call("archiver_look", {}, doing=doing, expects=dict, keys=frozenset({"version", "clock", "role"}))
        if seen["version"] != FUNCTIONS_VERSION:
            raise ConfigError(
                f"{self.location}: has archiver's functions in version {seen['version']!r}, this program needs version"
                f" {FUNCTIONS_VERSION}; nothing was done",
                hint=INSTALL,
            )
        return seen

    def call(
        self,
        function: str,
        arguments: "Mapping[str, Any]",
        *,
        doing: str,
        expects: type[T],
        keys: frozenset[str] = frozenset(),
        writes: bool = False,
    ) -> T:
        """Call one of our functions; gives its value.

        Args:
            doing: For messages: what was being done and is not done now.
            expects: What the function returns. Anything else was not written by it, whatever the status says.
            keys: Of a ``dict``, what it has at least.
            writes: Without an answer nobody knows whether it took effect.
        """
        request = self._opened().rpc(function, dict(arguments)).request
        request.headers["Prefer"] = PREFER
        response = self._send(request, doing, writes=writes)
        if response.status_code not in (200, 204):
            raise self._refusal(response, doing, writes=writes)
        if not _is(response, "application/json"):
            raise self._foreign(response, doing, writes=writes)
        try:
            value = response.json()
        except ValueError:
            raise self._foreign(response, doing, writes=writes) from None
        if type(value) is not expects or not keys <= _keys(value):
            raise self._foreign(response, doing, writes=writes)
        return value

    def page(
        self, namespace: str, relation: str, query: "Mapping[str, str]", *, names: "Sequence[str]", doing: str
    ) -> Page:
        """Read rows of a relation as CSV, which holds every value in the text form that Postgres gives it.

        Args:
            names: What the header must say.

        Raises:
            SchemaDrift: It says something else.
            ConfigError: The question is longer than gateways take.
        """
        request = self._opened().schema(namespace).from_(relation).select().csv().request
        request.headers["Prefer"] = PREFER
        request.params = httpx.QueryParams(dict(query))
        if len(str(request.path)) + len(str(request.params)) > URL_BYTES_MAX:
            raise ConfigError(
                f"{self.location}: {doing} needs an address of more than {URL_BYTES_MAX} bytes, which gateways refuse;"
                " nothing was read",
                hint=TOO_LONG,
            )
        response = self._send(request, doing, writes=False)
        if response.status_code not in (200, 206):
            raise self._refusal(response, doing, writes=False)
        counted = _RANGE.fullmatch(response.headers.get("content-range", ""))
        if not _is(response, "text/csv") or counted is None:
            raise self._foreign(response, doing, writes=False)
        if counted[1] is None:
            return Page(b"", 0)
        header = ",".join(names).encode() + b"\n"
        if not response.content.startswith(header):
            raise SchemaDrift(
                f"{self.location}: gave other columns than it had a moment ago while {doing}; its dataset was not"
                " exported",
                hint="run again; if a column was dropped or retyped, see --accept-drift",
            )
        return Page(response.content[len(header) :] + b"\n", int(counted[2]) - int(counted[1]) + 1)

    def _send(self, request: Any, doing: str, *, writes: bool) -> httpx.Response:
        try:
            response: httpx.Response = request.send(httpx.Headers())
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise TransientError(
                f"{self.location}: cannot be reached; {doing} was not begun",
                hint="check SUPABASE_URL, name resolution and the firewall; a project that is paused does not answer",
            ) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            kind = "no answer came in time" if isinstance(error, httpx.TimeoutException) else "the connection broke"
            if writes:
                raise OutcomeUnknown(f"{self.location}: {kind} while {doing}; it may or may not be done") from None
            raise TransientError(
                f"{self.location}: {kind} while {doing}; what had been read of it was discarded"
            ) from None
        except (httpx.InvalidURL, UnicodeError):
            raise ConfigError(
                f"{self.location}: is no address that can be asked; {doing} was not begun",
                hint="SUPABASE_URL is https://<project>.supabase.co",
            ) from None
        return response

    # ── What an answer means ───────────────────────────────────────────────────────────────────────────────────

    def _foreign(self, response: httpx.Response, doing: str, *, writes: bool) -> ArchiverError:
        """A good status with a body that PostgREST did not write, or not all of it."""
        kind = response.headers.get("content-type", "no media type").partition(";")[0][:40]
        message = f"{self.location}: answered {response.status_code} with {kind}, not with a whole answer of PostgREST"
        if writes:
            return OutcomeUnknown(f"{message}; {doing} may or may not be done")
        return TransientError(
            f"{message}, while {doing}; it was discarded", hint="something between here and PostgREST alters answers"
        )

    def _refusal(  # noqa: PLR0911 - one return for each thing that a status can mean
        self, response: httpx.Response, doing: str, *, writes: bool
    ) -> ArchiverError:
        status, code = response.status_code, _code_of(response)
        what = f"{self.location}: answered {status}{f' ({code})' if code else ''} while {doing}"
        if code in (CHANGED, STUBBORN):
            return _not_deleted(response, code, what)
        if known := self._of_code(code, what):
            return known
        if code[:2] in _ROLLED_BACK_CLASSES and len(code) == 5:  # noqa: PLR2004 - an SQLSTATE
            return TransientError(
                f"{what}; nothing of it was done",
                hint="57014 is a statement time-out: ALTER ROLE service_role SET statement_timeout = '60s';"
                " NOTIFY pgrst, 'reload config';"
                if code == "57014"
                else "",
            )
        if status in (401, 403):
            return self._bad_key(what)
        if status in _TOO_LONG_STATUSES:
            return ConfigError(
                f"{what}: the address is too long for a gateway; nothing was read",
                hint=TOO_LONG,
            )
        if status in _BUSY_STATUSES or (status >= 500 and not writes):  # noqa: PLR2004
            return TransientError(f"{what}; what had been read of it was discarded")
        if status >= 500:  # noqa: PLR2004
            return OutcomeUnknown(f"{what}; it may or may not be done")
        return ConfigError(f"{what}; nothing was done", hint="SUPABASE_URL is https://<project>.supabase.co")

    def _of_code(self, code: str, what: str) -> ArchiverError | None:  # noqa: PLR0911 - one return for each code
        if code in _NOT_BEGUN:
            return TransientError(f"{what}: PostgREST does not reach its database; nothing was done")
        if code in _BAD_KEY:
            return self._bad_key(what)
        if code == "42501":
            return AccessDenied(
                f"{what}: the key's role may not do this; nothing was done",
                hint="is SUPABASE_SECRET_KEY a secret key (sb_secret_…)? Then, as the owner: GRANT SELECT ON … TO"
                " service_role;",
            )
        if code in _NO_FUNCTION:
            return ConfigError(
                f"{what}: the project does not have archiver's functions; nothing was done",
                hint=INSTALL,
            )
        if code == "27000":
            return Refused(
                f"{what}: a trigger or a rule keeps proven rows from being deleted; nothing was deleted",
                hint='take the trigger away, or set source_retention = "never" for this dataset',
            )
        if code == "23503":
            return Refused(
                f"{what}: other tables' rows refer to proven rows; nothing of this batch was deleted",
                hint="archive and purge what refers to them first",
            )
        if code in _NOT_EXPOSED:
            return ConfigError(
                f"{what}: the schema is not exposed by the data API; nothing was read",
                hint="add it to the exposed schemas: in the project's settings, under Data API",
            )
        if code in _NOT_KNOWN_YET:
            return ConfigError(
                f"{what}: the data API does not know the relation or a column of it, which the database has; nothing"
                " was read",
                hint="as the owner: NOTIFY pgrst, 'reload schema';",
            )
        if code in _NO_RELATION:
            return SchemaDrift(
                f"{what}: the relation or a column of it is gone; its dataset was not exported",
                hint="run again; if a column was dropped or retyped, see --accept-drift",
            )
        return None

    def _bad_key(self, what: str) -> AccessDenied:
        return AccessDenied(
            f"{what}: the key is wrong, expired or revoked; nothing was done",
            hint="set SUPABASE_SECRET_KEY to a valid secret key, sb_secret_…: in the project's settings, API keys",
        )


@dataclass(slots=True)
class Sizes:
    """How long rows are, by relation: learned from each page, shared by all snapshots of a source."""

    bytes_a_row: dict[str, float] = field(default_factory=dict)

    def rows_to_ask(self, relation: str) -> int:
        """The limit of the next page."""
        known = self.bytes_a_row.get(relation)
        return ROWS_ASKED_FIRST if known is None else max(1, min(ROWS_ASKED_MAX, int(PAGE_BYTES / max(known, 1.0))))

    def learn(self, relation: str, rows: int, size_bytes: int) -> None:
        """A page came."""
        row_bytes = size_bytes / rows
        known = self.bytes_a_row.get(relation, row_bytes)
        # Long rows count at once, short ones bit by bit.
        self.bytes_a_row[relation] = max(row_bytes, (3 * known + row_bytes) / 4)


@dataclass(frozen=True, slots=True)
class RetryingApi:
    """A data API, asked again and again as the policy says where a question writes nothing.

    Attributes:
        sizes: Shared by all who ask.
    """

    api: DataApi
    policy: RetryPolicy
    sizes: Sizes

    @property
    def location(self) -> str:
        """The inner one's."""
        return self.api.location

    def look(self) -> dict[str, Any]:
        """As ``DataApi.look``."""
        return self.policy.call(self.api.look)

    def ask(
        self,
        function: str,
        arguments: "Mapping[str, Any]",
        *,
        doing: str,
        expects: type[T],
        keys: frozenset[str] = frozenset(),
    ) -> T:
        """As ``DataApi.call``, of a function that writes nothing."""
        return self.policy.call(lambda: self.api.call(function, arguments, doing=doing, expects=expects, keys=keys))

    def describe(self, dataset: Dataset) -> dict[str, Any]:
        """A relation's columns, keys and rights, as the key's role has them."""
        return self.ask(
            "archiver_describe",
            {"namespace": dataset.namespace, "relation": dataset.relation, "time_column": dataset.time_column},
            doing=f"looking at {dataset.name}",
            expects=dict,
            keys=frozenset({"role", "relation", "may_delete", "columns", "keys", "has_time_index", "names"}),
        )


def installation_sql() -> str:
    """What a project's owner runs once, so that its URL and its secret key are enough."""
    return (resources.files(__package__) / MIGRATION).read_text(encoding="utf-8")


def _keys(value: object) -> frozenset[str]:
    return frozenset(value) if isinstance(value, dict) else frozenset()


def _is(response: httpx.Response, kind: str) -> bool:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower() == kind


def _not_deleted(response: httpx.Response, code: str, what: str) -> Refused:
    """What our own function raises where rows may not go; its detail holds names and counts, and is told."""
    try:
        detail = json.loads(response.json()["details"])
        if code == CHANGED:
            why = "would change what nothing proves: " + "; ".join(describe(change) for change in changed(detail))
        else:
            state, constraint, namespace, relation = detail
            named = f" {CONDITIONS[state]}" if state in CONDITIONS else ""
            held = f", constraint {constraint} of {namespace}.{relation}" if constraint else ""
            why = f"the database does not let them go (SQLSTATE {state}{named}{held})"
    except (ValueError, KeyError, TypeError):
        why = "the database does not let them go"
    return Refused(
        f"{what}: {why}; nothing of this batch was deleted",
        hint="archive and purge first what would go along, or, where it is not to be archived, name it in"
        " datasets.<name>.purge_may_change",
    )


def _code_of(response: httpx.Response) -> str:
    """The code of an error: PostgREST's own, or an SQLSTATE. Never anything else of the body."""
    try:
        fields = json.loads(response.content)
    except ValueError:
        return ""
    code = fields.get("code") if isinstance(fields, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
