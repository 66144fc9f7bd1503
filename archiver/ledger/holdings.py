"""What the archive holds now: a fold of the ledger's entries, pure, kept nowhere else.

- folding the same entries gives the same holdings
- a segment is held from the entry that names it on, and by one slot of one dataset
- an entry that contradicts what came before it is an error, never a repair
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from archiver.model import (
    ChunkQuarantined,
    ChunksArchived,
    ChunksDeleted,
    ChunksDeletionIntended,
    ChunksGone,
    ChunksWaiting,
    HoldPlaced,
    Initialised,
    PurgeIntended,
    RulesStated,
    RunEnded,
    SchemaChanged,
    Segment,
    Slot,
    SourceState,
    StackChecked,
)


@dataclass(frozen=True, slots=True)
class HeldSegment:
    """A segment with the steps it has been through.

    Attributes:
        committed_seq: The entry that named it.
        committed_at: That entry's time; of a part that a compaction wrote, that of the newest part that it replaced, so
            that no period begins anew.
        verified_at: When it was last read back and found right; None: never since it was written.
        verified_deep_at: The same, decoded as well.
    """

    segment: Segment
    committed_seq: int
    committed_at: datetime
    verified_at: datetime | None = None
    verified_deep_at: datetime | None = None


@dataclass(slots=True)
class SlotHoldings:
    """What is held of one slot.

    Attributes:
        segments: In the order of their commits.
        state: The source's window as it was when last compared with the archive.
        compared_at: The snapshot's time of that comparison, by the source's clock.
        settled: Whether every transaction that could add rows had ended by then.
        rows_missing: Held rows that the source no longer had when last compared, not counting those that we purged.
        rows_duplicate_key: Rows of the source that share their key with another one, when last compared.
        rows_purged: Rows that we deleted from the source.
        rows_purged_let_go: Of them, those that the slot had when the last of its segments left the archive.
        rows_expired: Rows whose segments have left the archive.
        schema: Fingerprint of the schema under which it was last compared.
        parts_named: One more than the highest number that a part of it ever had.
    """

    slot: Slot
    segments: list[HeldSegment] = field(default_factory=list)
    state: SourceState | None = None
    compared_at: datetime | None = None
    settled: bool = False
    rows_missing: int = 0
    rows_duplicate_key: int = 0
    rows_purged: int = 0
    rows_purged_let_go: int = 0
    last_purged_at: datetime | None = None
    rows_expired: int = 0
    schema: str = ""
    parts_named: int = 0

    @property
    def is_expired(self) -> bool:
        """The archive held rows of it, and all of them have expired."""
        return self.rows_expired > 0 and not self.segments

    @property
    def rows_purged_held(self) -> int:
        """Rows that we deleted from the source and that are held: so many of those that it lacks are not missing."""
        return self.rows_purged - self.rows_purged_let_go

    @property
    def rows(self) -> int:
        """Rows in all parts. A changed row counts once for each of its versions."""
        return sum(held.segment.rows for held in self.segments)

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts as stored."""
        return sum(held.segment.size_bytes for held in self.segments)


@dataclass(slots=True)
class ChunkHoldings:
    """What is known of Loki's chunks. Their names are in the lists that the events name, not here.

    Attributes:
        archived: In the order of their commits.
        waiting: Seen and not archived, as last said.
        gone: Each with the time of its entry.
        open_deletions: Announced by the entry of that number and not accounted for: the run is at work or died.
        deleted: By us, in the order of their commits.
        quarantined: By the digest of their bytes.
        released: Digests of bytes that a person has looked at, with the chunk's key.
    """

    archived: list[ChunksArchived] = field(default_factory=list)
    waiting: ChunksWaiting | None = None
    gone: list[tuple[datetime, ChunksGone]] = field(default_factory=list)
    open_deletions: dict[int, ChunksDeletionIntended] = field(default_factory=dict)
    deleted: list[ChunksDeleted] = field(default_factory=list)
    quarantined: dict[str, ChunkQuarantined] = field(default_factory=dict)
    released: dict[str, str] = field(default_factory=dict)

    def copied(self) -> "ChunkHoldings":
        """A copy that can be changed without changing this one."""
        return ChunkHoldings(
            list(self.archived),
            self.waiting,
            list(self.gone),
            dict(self.open_deletions),
            list(self.deleted),
            dict(self.quarantined),
            dict(self.released),
        )

    def lists(self) -> dict[str, str]:
        """Every list of chunks that an entry names and that still counts, with its digest."""
        named = [event.list for event in self.archived]
        named += [event.list for _, event in self.gone]
        named += [event.list for event in self.open_deletions.values()]
        named += [event.list for event in self.deleted if event.list is not None]
        if self.waiting is not None and self.waiting.list is not None:
            named.append(self.waiting.list)
        return {ref.key: ref.sha256 for ref in named}


@dataclass(slots=True)
class DatasetHoldings:
    """What is held of one dataset.

    Attributes:
        open_purges: Intents, by their entry's number, whose slots are not all accounted for: the run that wrote one is
            at work or died.
        expiring: Segments that are held no longer and whose deletion is not accounted for yet, by key.
        residuals: What remained in the store of segments that have left the archive, by key, and until when a lock
            keeps it; ``DATED_MAX`` when nobody says until when.
        replaced: Segments whose rows are held by others since a compaction, and whose deletion is not accounted for,
            by key.
        schemas: Every version, by its fingerprint.
        credited: Rows that another run accounted for in the place of the one that intended their deletion, by the
            intent's entry and the slot. That run may be alive, and must not count them again.
    """

    name: str
    slots: dict[Slot, SlotHoldings] = field(default_factory=dict)
    schema: SchemaChanged | None = None
    last_export_at: datetime | None = None
    open_purges: dict[int, PurgeIntended] = field(default_factory=dict)
    expiring: dict[str, HeldSegment] = field(default_factory=dict)
    residuals: dict[str, datetime] = field(default_factory=dict)
    replaced: dict[str, HeldSegment] = field(default_factory=dict)
    schemas: dict[str, SchemaChanged] = field(default_factory=dict)
    credited: dict[tuple[int, Slot], int] = field(default_factory=dict)
    chunks: ChunkHoldings = field(default_factory=ChunkHoldings)

    def is_purging(self, slot: Slot) -> bool:
        """Whether a deletion of the slot's rows from their source was announced and is not accounted for."""
        return any(share.slot == slot for intent in self.open_purges.values() for share in intent.slots)

    def ordered(self) -> list[SlotHoldings]:
        """Slots by tenant and time, undated first."""
        return sorted(self.slots.values(), key=lambda held: held.slot.sort_key)

    def holding(self) -> list[SlotHoldings]:
        """The slots of ``ordered`` that still hold something: few of them, once most have expired over the years."""
        return sorted((held for held in self.slots.values() if held.segments), key=lambda held: held.slot.sort_key)

    def segments(self) -> Iterator[HeldSegment]:
        """Every held segment, by slot, then in the order of commits."""
        for slot in self.holding():
            yield from slot.segments

    def next_part(self, slot: Slot) -> int:
        """The number for the next part of the slot's day: days with several windows share one folder.

        One that no part of it ever had, those included that have left: whoever began to delete such a part and was
        taken for dead may still be at it, and the same rows under the same number would have its key.
        """
        day = None if slot.window is None else slot.window.date
        named = [
            other.parts_named
            for other in self.slots.values()
            if other.slot.tenant == slot.tenant
            and (None if other.slot.window is None else other.slot.window.date) == day
        ]
        return max(named, default=0)


@dataclass(slots=True)
class Holdings:
    """The whole archive, as its ledger tells it. Built by ``fold``; treat as read-only.

    Attributes:
        seq: Of the last entry folded; -1 before the first.
        at: Time of the last entry.
        last_verified_at: When a verification of the whole archive was last recorded, by dataset.
        holds: Those in force, by name.
        sweeping: Litter that is being deleted, and that no entry may name until it is gone.
        swept: The entry that announced it, of everything that was ever swept. A run that was taken for dead may still
            be deleting it, so no segment ever gets such a key again.
        anchor_adopted_at: The anchor was found empty or set back and was moved on, and no deletion was confirmed
            since.
        pause: The longest time between two entries since the last deletion was intended: a clock that jumped forward
            shows in it, also when an export has written entries since.
        rules: As stated last.
        stack_checked: What the last check of the deployed stack found, with the time of its entry.
        last_runs: The last end of a run, by its command, with the time of its entry.
        last_successes: When a step of a run was last done, by its name; ``nightly`` is the run as a whole.
    """

    archive: Initialised | None = None
    seq: int = -1
    at: datetime | None = None
    datasets: dict[str, DatasetHoldings] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    last_verified_at: dict[str, datetime] = field(default_factory=dict)
    holds: dict[str, HoldPlaced] = field(default_factory=dict)
    sweeping: set[str] = field(default_factory=set)
    swept: dict[str, int] = field(default_factory=dict)
    anchor_adopted_at: datetime | None = None
    pause: timedelta = timedelta(0)
    rules: RulesStated | None = None
    stack_checked: tuple[datetime, StackChecked] | None = None
    last_runs: dict[str, tuple[datetime, RunEnded]] = field(default_factory=dict)
    last_successes: dict[str, datetime] = field(default_factory=dict)

    def dataset(self, name: str) -> DatasetHoldings:
        """The holdings of a dataset; empty ones when nothing was ever exported."""
        return self.datasets.get(name) or DatasetHoldings(name=name)

    def segments(self) -> Iterator[tuple[str, HeldSegment]]:
        """Every held segment with its dataset's name, datasets by name."""
        for name in sorted(self.datasets):
            for held in self.datasets[name].segments():
                yield name, held
