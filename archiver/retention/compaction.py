"""Which small parts of a slot are merged into fewer ones, and why the others are left alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from archiver.ledger.holdings import DatasetHoldings, HeldSegment, SlotHoldings
from archiver.model import Dataset, HoldPlaced, Reason, Slot, Statement
from archiver.retention.expiry import archive_due_at
from archiver.retention.export import LeftSlot
from archiver.retention.reasons import on_hold
from archiver.retention.settings import CompactSettings
from archiver.section import PART_SIZE_BYTES

PARTS_PER_MERGE_MAX = 64
"""So many files are read side by side."""

INSTANT_BYTES_MAX = 32 << 20
"""Rows of one instant are merged in memory, so this is how much of a slot may be merged whose rows all share one: those
without a usable time, and those whose time is a date."""


class CompactionRules(CompactSettings):
    """When parts are merged.

    Attributes:
        merged_size_bytes_max: About the size of a part that a merge writes; so much is read for one.
    """

    merged_size_bytes_max: int = PART_SIZE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotMerge:
    """Parts of one slot, of one schema version, that become one.

    Attributes:
        segments: In the order of their commits, at least two.
    """

    slot: Slot
    segments: tuple[HeldSegment, ...]

    @property
    def rows(self) -> int:
        """Rows in all of these parts."""
        return sum(held.segment.rows for held in self.segments)

    @property
    def size_bytes(self) -> int:
        """Bytes of all of these parts as stored."""
        return sum(held.segment.size_bytes for held in self.segments)

    @property
    def keys(self) -> tuple[str, ...]:
        """What would be replaced."""
        return tuple(held.segment.key for held in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionPlan:
    """What a compaction of one dataset would do.

    Attributes:
        merges: By slot.
        left: Slots that have as many small parts as it takes, and are left alone all the same, with the reason.
    """

    dataset: str
    merges: tuple[SlotMerge, ...]
    left: tuple[LeftSlot, ...]


def plan_compaction(
    dataset: Dataset,
    held: DatasetHoldings,
    holds: Callable[[Slot], Sequence[HoldPlaced]],
    *,
    rules: CompactionRules,
    now: datetime,
) -> CompactionPlan:
    """Decide which parts are merged.

    Args:
        holds: Those that cover a slot, those on persons included.
    """
    merges: list[SlotMerge] = []
    left: list[LeftSlot] = []
    for known in held.holding():
        small = [part for part in known.segments if part.segment.size_bytes <= rules.small_size_bytes_max]
        if len(small) < rules.parts_min:
            continue
        keep = keep_reason(dataset, held, known, holds(known.slot), rules=rules, now=now)
        planned = [] if keep else list(_merges(held, known, small, rules))
        if not keep and not planned:
            keep = Reason.FEW_PARTS()
        if keep:
            left.append(LeftSlot(slot=known.slot, rows=known.rows, reason=keep))
        merges += planned
    return CompactionPlan(dataset=dataset.name, merges=tuple(merges), left=tuple(left))


def keep_reason(
    dataset: Dataset,
    held: DatasetHoldings,
    known: SlotHoldings,
    holds: Sequence[HoldPlaced],
    *,
    rules: CompactionRules,
    now: datetime,
) -> Statement | None:
    """Why no part of a slot is touched; None when they may be merged."""
    window = known.slot.window
    if window is not None and window.end > now - rules.after:
        return Reason.LATE_POSSIBLE()
    if window is None and dataset.archive_retention is not None:
        return Reason.OWN_PERIODS()
    if holds:
        # Its rows would be the same, but whoever placed it may have noted down the objects and their digests.
        return on_hold(holds)
    if held.is_purging(known.slot):
        return Reason.PURGE_OPEN()
    due_at = archive_due_at(dataset, known)
    if due_at is not None and due_at <= now:
        return Reason.EXPIRY_DUE()
    return None


def _merges(
    held: DatasetHoldings, known: SlotHoldings, small: Sequence[HeldSegment], rules: CompactionRules
) -> Iterator[SlotMerge]:
    if any(held.schemas[part.segment.schema].key_columns for part in small if part.segment.schema in held.schemas):
        yield from _last_parts(held, known, rules)
        return
    slot = known.slot
    by_schema: dict[str, list[HeldSegment]] = {}
    for part in small:
        if part.verified_at is not None:
            by_schema.setdefault(part.segment.schema, []).append(part)
    for schema, segments in by_schema.items():
        if schema not in held.schemas or len(segments) < rules.parts_min:
            continue
        for batch in _batches(segments, _limit(held, slot, schema, rules)):
            if len(batch) > 1:
                yield SlotMerge(slot=slot, segments=tuple(batch))


def _last_parts(held: DatasetHoldings, known: SlotHoldings, rules: CompactionRules) -> Iterator[SlotMerge]:
    """The newest parts of a slot whose rows have keys, as far back as they can become one.

    Of two versions of a row the later one is in the part with the higher number, or further down in the same part. A
    merged part has the highest number of all, so that nothing which came after any of its rows may be left out of it.
    """
    taken: list[HeldSegment] = []
    size_bytes = 0
    for part in reversed(known.segments):
        schema = part.segment.schema
        limit = _limit(held, known.slot, schema, rules)
        if (
            part.segment.size_bytes > rules.small_size_bytes_max
            or part.verified_at is None
            or schema not in held.schemas
            or (taken and (schema != taken[0].segment.schema or size_bytes + part.segment.size_bytes > limit))
            or len(taken) == PARTS_PER_MERGE_MAX
        ):
            break
        taken.append(part)
        size_bytes += part.segment.size_bytes
    if len(taken) >= max(rules.parts_min, 2):
        yield SlotMerge(slot=known.slot, segments=tuple(reversed(taken)))


def _limit(held: DatasetHoldings, slot: Slot, schema: str, rules: CompactionRules) -> int:
    """How many bytes may be merged into one part."""
    if slot.window is None or (schema in held.schemas and _has_dates(held, schema)):
        return min(rules.merged_size_bytes_max, INSTANT_BYTES_MAX)
    return rules.merged_size_bytes_max


def _has_dates(held: DatasetHoldings, schema: str) -> bool:
    known = held.schemas[schema]
    return any(column.name == known.time_column and column.archive_type.startswith("date") for column in known.columns)


def _batches(segments: Sequence[HeldSegment], size_bytes_max: int) -> Iterator[list[HeldSegment]]:
    taken: list[HeldSegment] = []
    size_bytes = 0
    for part in segments:
        if taken and (len(taken) == PARTS_PER_MERGE_MAX or size_bytes + part.segment.size_bytes > size_bytes_max):
            yield taken
            taken, size_bytes = [], 0
        taken.append(part)
        size_bytes += part.segment.size_bytes
    if taken:
        yield taken
