"""The nouns. Frozen, small, standard library only; every floor above speaks in them.

- A time is an aware ``datetime`` in UTC, or, where nanoseconds matter, RFC 3339 text ending in ``Z``.
- A window is half-open: ``start`` belongs to it, ``end`` does not.
- An event holds no personal data; a subject appears only as a keyed digest.
- Names are written to disk as they stand here: renaming a field is a change of the archive's format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Literal

FORMAT_VERSION = 2


"""Of the archive as a whole. A reader refuses any other: 1 had sentences where 2 has codes."""


ZERO_HASH = "0" * 64


"""What entry 0 names as the hash of its predecessor."""


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


SETTLE_MARGIN = timedelta(hours=1)
"""How long ago others' transactions count as begun where the server hides it, unless it is set otherwise."""

SOURCE_RETENTION = timedelta(days=30)
"""How long anything may stay where it came from, unless it is set otherwise: the operator's choice; no law names it."""

NAMESPACE = "public"
TIME_COLUMN = "created_at"
WINDOW = timedelta(days=1)
"""Of a dataset, unless they are set otherwise."""


DATED_MIN = datetime(1, 1, 1, tzinfo=UTC)


DATED_MAX = datetime(9999, 12, 31, tzinfo=UTC)


"""Rows whose time lies in ``[DATED_MIN, DATED_MAX)`` have a window; others (NULL, infinity, BC) are undated."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """``[start, end)`` in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() != timedelta(0) or self.end.utcoffset() != timedelta(0):
            raise ValueError("a window's bounds are aware and in UTC")
        if not self.start < self.end:
            raise ValueError(f"a window ends after it starts: {self.start.isoformat()} … {self.end.isoformat()}")

    @property
    def date(self) -> date:
        """The UTC day that the window starts in."""
        return self.start.date()

    def overlaps(self, other: "Window") -> bool:
        """Whether any instant belongs to both."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        if self.end - self.start == timedelta(days=1) and self.start.time() == datetime.min.time():
            return self.date.isoformat()
        return f"{self.start:%Y-%m-%dT%H:%M:%SZ}/{self.end:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where a segment belongs: a tenant's window, or, with no window, rows without a usable time."""

    tenant: str | None = None
    window: Window | None = None

    def __str__(self) -> str:
        place = "undated" if self.window is None else str(self.window)
        return place if self.tenant is None else f"{self.tenant}:{place}"

    @property
    def sort_key(self) -> tuple[str, bool, datetime]:
        """Tenant, then undated first, then time."""
        return (self.tenant or "", self.window is not None, EPOCH if self.window is None else self.window.start)


class PolicyAction(StrEnum):
    """What is done to a column before anything is written."""

    KEEP = "keep"
    DROP = "drop"
    HMAC = "hmac"
    TRUNCATE_IP = "truncate_ip"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPolicy:
    """What is done to one column before anything is written."""

    column: str
    action: PolicyAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One kind of record and the rules for it.

    Attributes:
        name: Lower case; names the folder in the archive.
        source: Which way it is read: ``postgres``, ``postgrest`` or ``loki``.
        namespace: The database schema. Empty for Loki.
        relation: Table or view, unquoted, in its exact case. Empty for Loki.
        time_column: Rule: start of the period plus retention.
        key_columns: None: the primary key is read from the database. Empty: there is none, and nothing is ever purged.
        window: Length of a window; divides a day.
        source_retention: How long rows may stay in their source. None: they are never purged.
        archive_retention: How long the archive may hold them. None: not chosen yet; nothing expires.
        deletion_class: Of the deletion concept, for the deletion record (DIN 66398).
        purge_may_change: Relations that are not to be archived and that a purge of this one may change, as
            ``schema.relation``: what cascades, what triggers write, what a view hides.
    """

    name: str
    source: Literal["postgres", "postgrest", "loki"]
    namespace: str = NAMESPACE
    relation: str = ""
    time_column: str = TIME_COLUMN
    key_columns: tuple[str, ...] | None = None
    subject_columns: tuple[str, ...] = ()
    policies: Mapping[str, PolicyAction] = field(default_factory=dict)
    window: timedelta = WINDOW
    source_retention: timedelta | None = SOURCE_RETENTION
    archive_retention: timedelta | None = None
    purpose: str = ""
    legal_basis: str = ""
    deletion_class: str = ""
    purge_may_change: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsChanged:
    """What became of another relation when rows of one were deleted: by a constraint, a trigger, a rule, a view.

    Attributes:
        relation: ``schema.relation``.
        altered: It was emptied at once, or altered, so that nothing was counted.
    """

    relation: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    altered: bool = False

    def plus(self, other: "RowsChanged") -> "RowsChanged":
        """Both together, of one relation."""
        return RowsChanged(
            relation=self.relation,
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            deleted=self.deleted + other.deleted,
            altered=self.altered or other.altered,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column as the archive writes it.

    Attributes:
        source_type: The source's own name of the type, with its modifiers: ``numeric(12,4)``.
        archive_type: Arrow's name of the written type: ``string``, ``int64``, ``timestamp[us, tz=UTC]``.
    """

    name: str
    source_type: str
    archive_type: str
    nullable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """What a relation's rows look like, in column order, and what identifies a row.

    Attributes:
        key_is_unique: The source itself keeps the key unique; else duplicates are looked for.
        policies: What was done to columns, by name of the column; those that were dropped stand only here.
        privacy_key: Fingerprint of the key of digests; empty where no column has any.
    """

    columns: tuple[Column, ...]
    time_column: str
    key_columns: tuple[str, ...]
    key_is_unique: bool = True
    policies: tuple[ColumnPolicy, ...] = ()
    privacy_key: str = ""

    def column(self, name: str) -> Column | None:
        """The column of that exact name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One immutable Parquet object holding one part of one window.

    Attributes:
        key: Below the archive's root.
        sha256: Of the whole object, 64 hex digits.
        schema: Fingerprint of the columns' names and types.
        oldest, newest: RFC 3339 UTC text of the earliest and latest time in it; None when no row has one.
    """

    key: str
    slot: Slot
    part: int
    size_bytes: int
    sha256: str
    rows: int
    schema: str
    oldest: str | None
    newest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What a window of the source looked like in one snapshot: cheap to ask again, changed when any row changed.

    Attributes:
        rows: Exact count.
        digest: A number that is the sum over the versions of the rows, in decimal, so that it changes with every
            update and can be reckoned on; empty where the source cannot give one (a view), so that only the count is
            compared; ``?`` when it is not known and the next run must compare.
    """

    rows: int
    digest: str = ""

    def minus(self, gone: "SourceState") -> "SourceState":
        """What is left when exactly these rows have gone. What came meanwhile is not in it, and so is noticed."""
        rows = max(0, self.rows - gone.rows)
        if not self.digest or not gone.digest:
            return SourceState(rows=rows)
        if "?" in (self.digest, gone.digest):
            return SourceState(rows=rows, digest="?")
        return SourceState(rows=rows, digest=str(int(self.digest) - int(gone.digest)))

    def plus(self, other: "SourceState") -> "SourceState":
        """Both together; they have no row in common."""
        if not self.digest or not other.digest:
            return SourceState(rows=self.rows + other.rows)
        if "?" in (self.digest, other.digest):
            return SourceState(rows=self.rows + other.rows, digest="?")
        return SourceState(rows=self.rows + other.rows, digest=str(int(self.digest) + int(other.digest)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRules:
    """The rules of one dataset as configured for a run: what a record of deletions quotes.

    Attributes:
        place: Where the rows are, without credentials: ``public.app_audit_log``, ``loki``.
        source_retention_s, archive_retention_s: Seconds; None: never, and not chosen yet.
        line_policies: For logs: ``pattern=action``, sorted.
    """

    dataset: str
    source: Literal["postgres", "postgrest", "loki"]
    place: str
    time_column: str
    subject_columns: tuple[str, ...] = ()
    policies: tuple[ColumnPolicy, ...] = ()
    line_policies: tuple[str, ...] = ()
    source_retention_s: int | None
    archive_retention_s: int | None
    purpose: str = ""
    legal_basis: str = ""
    deletion_class: str = ""
