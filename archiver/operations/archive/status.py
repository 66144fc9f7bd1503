"""Status: what is held, how far it reaches, what is overdue. From the ledger alone; asks no source."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from archiver.ledger.holdings import ChunkHoldings, Holdings
from archiver.model import ChunkQuarantined, ChunkShare, Dataset
from archiver.retention import Overdue, holds_on, is_future, overdue, plan_expiry


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkStatus:
    """Loki's chunks as the archive knows them.

    Attributes:
        waiting: Seen and not archived, by reason.
        lost: Vanished unarchived: when that was noticed, how many, and the object that names them.
        rows_deleted: Entries left out because somebody asked Loki to delete them.
        quarantined: Unsound, and not released yet.
    """

    archived: int
    size_bytes: int
    waiting: tuple[ChunkShare, ...]
    lost: tuple[tuple[datetime, int, str], ...]
    rows_deleted: int
    quarantined: tuple[ChunkQuarantined, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetStatus:
    """One dataset as the archive knows it.

    Attributes:
        slots, oldest: Of what is held, not of what has left.
        reaches_until: End of the newest window that was exported; None when none was.
        rows: Held, every version of a changed row counted.
        rows_in_source: What the source's exported windows had when they were last compared.
        slots_unsettled: Windows that open transactions could still add rows to when they were last compared.
        overdue: What should have left the source by now.
        rows_due: What should have left the archive by now; held, too, for whatever reason.
        due_since: When the first of them was to leave it.
        configured: The configuration still names the dataset.
    """

    dataset: str
    configured: bool
    slots: int
    segments: int
    rows: int
    size_bytes: int
    oldest: datetime | None
    reaches_until: datetime | None
    last_export_at: datetime | None
    last_verified_at: datetime | None
    rows_in_source: int
    rows_undated: int
    rows_future: int
    rows_duplicate_key: int
    slots_unsettled: int
    overdue: Overdue | None
    rows_due: int
    due_since: datetime | None
    schema_version: int
    chunks: ChunkStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStatus:
    """The whole archive in one look.

    Attributes:
        is_anchored: The anchor says where the ledger ends.
    """

    archive_id: str
    location: str
    anchor: str
    is_anchored: bool
    head_seq: int
    head_hash: str
    head_at: datetime | None
    datasets: tuple[DatasetStatus, ...]


def dataset_statuses(holdings: Holdings, datasets: Sequence[Dataset], now: datetime) -> tuple[DatasetStatus, ...]:
    """Every configured dataset in its order, then those that only the archive knows."""
    rules = {dataset.name: dataset for dataset in datasets}
    names = [*rules, *sorted(set(holdings.datasets) - set(rules))]
    return tuple(_status(holdings, name, rules.get(name), now) for name in names)


def _status(holdings: Holdings, name: str, rule: Dataset | None, now: datetime) -> DatasetStatus:
    held = holdings.dataset(name)
    slots = held.ordered()
    holding = held.holding()
    due = () if rule is None else plan_expiry(rule, held, lambda slot: holds_on(holdings, name, slot), now=now).slots
    windows = [known.slot.window for known in slots if known.slot.window is not None]
    return DatasetStatus(
        dataset=name,
        configured=rule is not None,
        slots=len(holding),
        segments=sum(len(known.segments) for known in slots),
        rows=sum(known.rows for known in slots),
        size_bytes=sum(known.size_bytes for known in slots),
        oldest=min((known.slot.window.start for known in holding if known.slot.window is not None), default=None),
        reaches_until=max((window.end for window in windows if window.start <= now), default=None),
        last_export_at=held.last_export_at,
        last_verified_at=holdings.last_verified_at.get(name),
        rows_in_source=sum(known.state.rows for known in slots if known.state),
        rows_undated=sum(known.rows for known in slots if known.slot.window is None),
        rows_future=sum(known.rows for known in slots if is_future(known.slot, now)),
        rows_duplicate_key=sum(known.rows_duplicate_key for known in slots),
        slots_unsettled=sum(not known.settled for known in slots if known.slot.window is not None),
        overdue=None if rule is None else overdue(rule, held, now),
        rows_due=sum(slot.rows for slot in due),
        due_since=min((slot.due_at for slot in due), default=None),
        schema_version=0 if held.schema is None else held.schema.version,
        chunks=_chunks(held.chunks),
    )


def _chunks(chunks: ChunkHoldings) -> ChunkStatus | None:
    if chunks == ChunkHoldings():
        return None
    return ChunkStatus(
        archived=sum(event.list.chunks for event in chunks.archived),
        size_bytes=sum(event.size_bytes for event in chunks.archived),
        waiting=chunks.waiting.reasons if chunks.waiting is not None else (),
        lost=tuple((at, gone.list.chunks, gone.list.key) for at, gone in chunks.gone if gone.cause == "lost"),
        rows_deleted=sum(event.rows_deleted for event in chunks.archived),
        quarantined=tuple(chunks.quarantined.values()),
    )
