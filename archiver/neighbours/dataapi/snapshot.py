"""What stands in for a snapshot over HTTP, where there is none.

Every window's state (count, digest of the rows' versions, place on disk) is asked for before its first page and after
its last one. A window that changed in between, or of which another number of rows came than was counted, is an error,
and is read again. So a window is read as it was at one instant, different windows at different ones: what the ledger
states is stated by window, and nothing depends on more.

Pages go by key, never by number: (time, key) where the key is unique and short, otherwise (time, place). A page's
length says nothing, because the server caps it silently; what says that all came is the count.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from archiver.contracts import Partitions, SideEffect, Snapshot
from archiver.errors import ConfigError, TransientError
from archiver.model import DATED_MAX, DATED_MIN, Dataset, SourceState, TableSchema, Window
from archiver.neighbours.dataapi.client import RetryingApi
from archiver.neighbours.dataapi.query import Cursor, Span, page_query, spans
from archiver.neighbours.postgres.catalog import Catalog, quoted, relation_name
from archiver.neighbours.postgres.text import parse_rows, typed
from archiver.parquet import arrow_schema, sort_rows

BATCH_ROWS: Final = 16 * 1024
BATCH_BYTES: Final = 8 * 1024 * 1024

SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "TimeZone": ("UTC",),
    "DateStyle": ("ISO, MDY", "ISO, DMY", "ISO, YMD"),
    "IntervalStyle": ("postgres",),
    "extra_float_digits": ("1", "2", "3"),
    "bytea_output": ("hex",),
}
"""What text forms depend on, and the values under which they are exact and those of ``postgres``."""

REG_TYPES: Final = (
    "class collation config dictionary namespace oper operator proc procedure role type".split()  # noqa: SIM905 - a list
)
BY_SEARCH_PATH: Final = frozenset(f"{array}reg{kind}" for array in ("", "_") for kind in REG_TYPES)
"""Types whose text form depends on which schemas the data API searches."""


class _Described:
    """``postgres.catalog.Facts``, from our own function; what was asked once is remembered."""

    def __init__(self, api: RetryingApi) -> None:
        self._api = api
        self._found: dict[tuple[str, str, str], dict[str, Any]] = {}

    def of(self, dataset: Dataset) -> dict[str, Any]:
        question = (dataset.namespace, dataset.relation, dataset.time_column)
        if question not in self._found:
            self._found[question] = self._api.describe(dataset)
        return self._found[question]

    def relation(self, dataset: Dataset) -> Sequence[Any] | None:
        relation: Sequence[Any] | None = self.of(dataset)["relation"]
        return relation

    def names(self) -> Sequence[str]:
        return [name for described in self._found.values() for name in described["names"] or ()]

    def columns(self, dataset: Dataset, oid: int) -> Sequence[Sequence[Any]]:  # noqa: ARG002
        return self.of(dataset)["columns"] or ()

    def unique_keys(self, dataset: Dataset, oid: int) -> Sequence[Sequence[Any]]:  # noqa: ARG002
        return self.of(dataset)["keys"] or ()


class PostgrestSnapshot(Snapshot):
    """What stands in for a snapshot; the module says how far it is one.

    Args:
        settle_margin: Where the server hides when others' transactions began, they count as begun so long ago.
    """

    _with_versions = False
    """Whether pages also hold each row's version."""

    def __init__(self, api: RetryingApi, *, settle_margin: timedelta) -> None:
        self._api = api
        self._settle_margin = settle_margin
        self._facts = _Described(api)
        self._catalog: Catalog | None = None
        self._taken_at: datetime | None = None
        self._settled_until: datetime | None = None

    @property
    @override
    def taken_at(self) -> datetime:
        """The database's clock, before anything was read."""
        assert self._taken_at is not None
        return self._taken_at

    @property
    @override
    def settled_until(self) -> datetime:
        assert self._settled_until is not None
        return self._settled_until

    def begin(self) -> None:
        """Look at the clock, the open transactions and the settings."""
        seen = self._api.look()
        self._check_settings(seen.get("settings") or {}, str(seen["role"]))
        clock = _instant(seen["clock"])
        margin = self._settle_margin
        bounds = [clock, clock - margin if seen.get("hides", True) else clock]
        if seen.get("oldest"):
            bounds.append(_instant(seen["oldest"]))
        if seen.get("prepared"):
            # When a prepared transaction began is not recorded.
            bounds.append(_instant(seen["prepared"]) - margin)
        self._taken_at, self._settled_until = clock, min(bounds)
        self._catalog = Catalog(
            self._facts,
            str(seen["role"]),
            unhide="set SUPABASE_SECRET_KEY to a secret key, sb_secret_…: its role, service_role, sees every row",
        )

    def _check_settings(self, settings: Mapping[str, str], role: str) -> None:
        for name, good in SETTINGS.items():
            if settings.get(name) not in good:
                raise ConfigError(
                    f"{self._api.location}: the data API answers with {name} = {settings.get(name)!r}, under which"
                    f" values are not written exactly; {good[0]!r} is needed and nothing was read",
                    hint=f"as the owner: ALTER ROLE {quoted(role)} SET {name} = '{good[0]}'; NOTIFY pgrst,"
                    " 'reload config';",
                )

    @override
    def schema(self, dataset: Dataset) -> TableSchema:
        schema = self._known.schema(dataset)
        for name, _, base, is_builtin, _ in self._facts.columns(dataset, 0):
            if is_builtin and base in BY_SEARCH_PATH:
                raise ConfigError(
                    f"dataset {dataset.name}: the text of column {name} ({base.lstrip('_')}) depends on the data API's"
                    " search path, so that it cannot be archived exactly; nothing was read",
                    hint="read through SUPABASE_DB_URL, or archive a view that casts this column to oid",
                )
        if not schema.key_columns and not self._known.is_versioned(dataset):
            raise self._unpageable(dataset, "has no key")
        return schema

    @override
    def census(
        self,
        dataset: Dataset,
        schema: TableSchema,
        since: datetime | None,
        until: datetime | None,
        *,
        digests: bool = True,
    ) -> Mapping[Window | None, SourceState]:
        """The digest is that of ``postgres``."""
        states: dict[Window | None, SourceState] = {}
        rows = self._api.ask(
            "archiver_census",
            {
                **_of(dataset, schema),
                "window_s": int(dataset.window.total_seconds()),
                "since": _text(since),
                "until": _text(until),
            },
            doing=f"counting {dataset.name}",
            expects=list,
        )
        for start, count, digest in rows:
            if start is None:
                if count:
                    states[None] = SourceState(rows=count, digest=digest)
                continue
            begin = _instant(start)
            states[Window(begin, begin + dataset.window)] = SourceState(rows=count, digest=digest)
        return states

    @override
    def count(self, dataset: Dataset, schema: TableSchema, window: Window) -> int:
        return int(self._state(dataset, schema, window)[0])

    @override
    def duplicate_keys(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> int:
        return self._api.ask(
            "archiver_duplicate_keys",
            {**_of(dataset, schema), **_bounds(window), "key_columns": list(schema.key_columns)},
            doing=f"looking for keys that occur twice in {dataset.name}",
            expects=int,
        )

    @override
    def has_time_index(self, dataset: Dataset) -> bool:
        return bool(self._facts.of(dataset)["has_time_index"])

    @override
    def side_effects(self, dataset: Dataset, border: datetime) -> tuple[SideEffect, ...]:
        rows = self._api.ask(
            "archiver_effects",
            {
                "namespace": dataset.namespace,
                "relation": dataset.relation,
                "time_column": dataset.time_column,
                "border": border.isoformat(),
            },
            doing=f"looking at what deleting rows of {dataset.name} does besides",
            expects=list,
        )
        return tuple(
            SideEffect(kind=kind, name=name, relation=relation, rows=count) for kind, name, relation, count in rows
        )

    @override
    def partitions(self, dataset: Dataset) -> Partitions:
        """None can be dropped over HTTP."""
        return Partitions()

    @override
    def scan(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> Iterator[pa.RecordBatch]:
        before = self._state(dataset, schema, window)
        wanted = int(before[0])
        came = pages = 0
        sorter = _Sorter(schema, needs_order=self._needs_order(dataset, schema))
        for table in self._pages(dataset, schema, window, wanted):
            came += table.num_rows
            pages += 1
            if came > wanted:
                break
            yield from sorter.add(table)
        if came != wanted:
            raise self._miscounted(dataset, schema, window, wanted, came)
        # One page is one statement: it saw one instant by itself.
        if pages > 1 and self._state(dataset, schema, window) != before:
            raise TransientError(
                f"{self._api.location}: {dataset.name} {window or 'undated rows'} changed while it was read page by"
                " page; what had been read of it was discarded"
            )
        yield from sorter.rest()

    # ── Pages ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _pages(self, dataset: Dataset, schema: TableSchema, window: Window | None, wanted: int) -> Iterator[pa.Table]:
        """Every row of a window, in the database's order of (time, cursor), until as many came as are wanted."""
        cursor = self._cursor(dataset, schema)
        came = 0
        for span in spans(schema, window):
            last: tuple[str | None, ...] | None = None
            while came < wanted:
                texts = self._page(dataset, schema, cursor, span, last)
                if texts is None:
                    break
                came += texts.num_rows
                try:
                    arrays = [typed(texts.column(str(at)), column) for at, column in enumerate(schema.columns)]
                except ValueError as problem:
                    raise self._unreadable(dataset, str(problem)) from None
                table = pa.Table.from_arrays(arrays, schema=arrow_schema(schema))
                self._seen(schema, table, texts)
                yield table
                last = cursor.of_last_row(texts)
                if None in last and came < wanted:
                    raise self._unpageable(dataset, "its key may be NULL")

    def _page(
        self,
        dataset: Dataset,
        schema: TableSchema,
        cursor: Cursor,
        span: Span,
        after: tuple[str | None, ...] | None,
    ) -> pa.Table | None:
        """One page as columns of text: the relation's, then what else was asked for; None: there is none."""
        relation = relation_name(dataset)
        sizes = self._api.sizes
        beside = cursor.beside(schema, with_versions=self._with_versions)
        names = [*(column.name for column in schema.columns), *beside]
        is_whole = schema.columns == self._known.schema(dataset).columns
        limit = sizes.rows_to_ask(relation)
        query = page_query(schema, cursor, span, beside, after, limit=limit, is_whole=is_whole)
        time = str([column.name for column in schema.columns].index(schema.time_column))

        def read() -> pa.Table | None:
            page = self._api.api.page(
                dataset.namespace, dataset.relation, query, names=names, doing=f"reading {dataset.name}"
            )
            if not page.rows:
                return None
            try:
                texts = parse_rows(page.text, len(names))
            except ValueError as problem:
                raise self._unreadable(dataset, str(problem)) from None
            if texts.num_rows != page.rows:
                raise self._unreadable(dataset, f"{page.rows} rows were announced and {texts.num_rows} came")
            # The last field repeats the row's time: a text that was cut at its very end would look whole without it.
            if texts.column(time)[-1] != texts.column(str(len(names) - 1))[-1]:
                raise self._unreadable(dataset, "its last row is not whole")
            sizes.learn(relation, page.rows, len(page.text))
            return texts

        return self._api.policy.call(read)

    def _seen(self, schema: TableSchema, table: pa.Table, texts: pa.Table) -> None:
        """A page was read. Whoever deletes needs the rows' versions."""

    def _unreadable(self, dataset: Dataset, why: str) -> TransientError:
        return TransientError(
            f"{self._api.location}: a page of {dataset.name} is damaged: {why}; it was discarded",
            hint="something between here and PostgREST alters answers",
        )

    def _unpageable(self, dataset: Dataset, why: str) -> ConfigError:
        return ConfigError(
            f"dataset {dataset.name}: {relation_name(dataset)} is no table and {why}, so that it cannot be read page by"
            " page; nothing was archived of it",
            hint=f"set datasets.{dataset.name}.key to columns that tell every row apart, or use SUPABASE_DB_URL",
        )

    def _miscounted(
        self, dataset: Dataset, schema: TableSchema, window: Window | None, wanted: int, came: int
    ) -> ConfigError | TransientError:
        if not self._known.is_versioned(dataset) and self.duplicate_keys(dataset, schema, window):
            return self._unpageable(dataset, "several of its rows have the same key")
        return TransientError(
            f"{self._api.location}: {dataset.name} {window or 'undated rows'}: {wanted} rows were counted and"
            f" {'more' if came > wanted else came} came; nothing of this window was archived",
            hint="if this stays so, the data API hides rows: is SUPABASE_SECRET_KEY a secret key, sb_secret_…?",
        )

    # ── What is known ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _known(self) -> Catalog:
        assert self._catalog is not None
        return self._catalog

    def _state(self, dataset: Dataset, schema: TableSchema, window: Window | None) -> list[Any]:
        """Rows, digest, place on disk."""
        return self._api.ask(
            "archiver_state",
            {**_of(dataset, schema), **_bounds(window)},
            doing=f"counting {dataset.name} {window or 'undated rows'}",
            expects=list,
        )

    def _sorts_as_text(self, dataset: Dataset, schema: TableSchema) -> bool:
        readings = self._known.readings(dataset)
        return any(readings[name].sorts_as_text for name in schema.key_columns)

    def _cursor(self, dataset: Dataset, schema: TableSchema) -> Cursor:
        """What a page goes on after.

        A unique key, unless it holds text: that may be longer than an address, and in an order of some language. Then
        the row's place, which every row of a table has alone. A view has no places: its declared key must do, and the
        count tells if it does not.
        """
        is_short = schema.key_is_unique and not self._sorts_as_text(dataset, schema)
        if is_short or not self._known.is_versioned(dataset):
            return Cursor.of_key(schema)
        return Cursor.of_place(schema)

    def _needs_order(self, dataset: Dataset, schema: TableSchema) -> bool:
        """Whether rows of one instant come in another order than the archive's."""
        return not schema.key_is_unique or self._sorts_as_text(dataset, schema)


class _Sorter:
    """Batches of a useful size, in the archive's order. Waits for the end of an instant before it sorts its rows."""

    def __init__(self, schema: TableSchema, *, needs_order: bool) -> None:
        self._schema = arrow_schema(schema)
        self._time = schema.time_column
        self._order = (schema.time_column, *schema.key_columns)
        self._needs_order = needs_order
        self._waiting: list[pa.Table] = []

    def add(self, rows: pa.Table) -> Iterator[pa.RecordBatch]:
        """Take a page; gives what is ready."""
        self._waiting.append(rows)
        if sum(some.num_rows for some in self._waiting) < BATCH_ROWS and sum(
            some.nbytes for some in self._waiting
        ) < BATCH_BYTES:  # fmt: skip
            return
        whole = pa.concat_tables(self._waiting)
        ready = whole.num_rows
        if self._needs_order:
            # The last instant's rows may go on in the next page. NULLs, which come last of all, are one instant.
            time = whole.column(self._time)
            last = time[-1]
            is_before = pc.is_valid(time) if not last.is_valid else pc.not_equal(time, last)
            ready = pc.sum(is_before).as_py() or 0
        self._waiting = [whole.slice(ready)] if ready < whole.num_rows else []
        yield from self._batches(whole.slice(0, ready))

    def rest(self) -> Iterator[pa.RecordBatch]:
        """What is left when no page follows."""
        if self._waiting:
            whole, self._waiting = pa.concat_tables(self._waiting), []
            yield from self._batches(whole)

    def _batches(self, rows: pa.Table) -> Iterator[pa.RecordBatch]:
        if rows.num_rows:
            ordered = sort_rows(rows, self._order) if self._needs_order else rows
            yield from ordered.combine_chunks().to_batches()


def _of(dataset: Dataset, schema: TableSchema) -> dict[str, Any]:
    return {"namespace": dataset.namespace, "relation": dataset.relation, "time_column": schema.time_column}


def _bounds(window: Window | None) -> dict[str, str | None]:
    return {"since": None, "until": None} if window is None else {
        "since": _text(window.start), "until": _text(window.end),
    }  # fmt: skip


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else max(DATED_MIN, min(instant, DATED_MAX)).isoformat()


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
