"""One slot of a purge: its rows read again, compared with the archive's own segments, and deleted as far as proven.

A row is proven when a segment, read back from the store with the size and SHA-256 of the ledger, holds a row that is
equal to it in every column. The comparison happens in the deleting transaction: a row that somebody changes meanwhile
makes the transaction fail, and is left alone.

Where a relation has partitions by time, one whose rows are all proven is dropped whole, in one transaction that keeps
its writers out; when anything stands against that, its rows are deleted like others.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from archiver.contracts import (
    DropTransaction,
    Partition,
    Partitions,
    Purgeable,
    PurgesPartitions,
    PurgeTransaction,
    Snapshot,
)
from archiver.errors import ConfigError, Partial, Refused, SegmentMissing, TransientError
from archiver.ledger.holdings import HeldSegment
from archiver.ledger.ledger import Ledger
from archiver.model import (
    Dataset,
    HoldPlaced,
    Reason,
    RowsChanged,
    RowsKept,
    Slot,
    SourceState,
    Statement,
    TableSchema,
    Window,
    rows_kept,
)
from archiver.operations.steps.compare import COMPARE_ROWS, Proof, TimeCursor, aligned, between, prove
from archiver.operations.steps.fetch import fetched, left_meanwhile
from archiver.operations.steps.reading import HeldRows, SourceReader
from archiver.operations.steps.run import Run
from archiver.privacy.key import PrivacyKey, fingerprint_of
from archiver.retention import PurgeSlot, differs, holds_on, under_key

NOTHING_GONE = SourceState(rows=0, digest="0")
SLICE_MIN = timedelta(milliseconds=1)
GAP_MIN = timedelta(minutes=15)
"""A gap of less than this at the beginning of a window is not looked for."""


@dataclass(slots=True)
class SlotWork:
    """How far the work on one slot has come.

    Attributes:
        gone: What was deleted and committed.
        kept: Rows that were looked at and stayed, by reason.
        partitions: Dropped whole; their rows are in ``gone``.
        remarks: Why a partition was not.
        taken_at: The database's clock in the last transaction.
        changed: Rows of other relations that changed along with them, as ``Dataset.purge_may_change`` allows.
        is_complete: Every due row was looked at.
    """

    one: PurgeSlot
    gone: SourceState = NOTHING_GONE
    kept: Counter[Statement] = field(default_factory=Counter)
    partitions: int = 0
    remarks: list[str] = field(default_factory=list)
    taken_at: datetime | None = None
    changed: dict[str, RowsChanged] = field(default_factory=dict)
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What the archive holds of a slot, on this machine's disk."""

    slot: Slot
    segments: tuple[HeldSegment, ...]
    rows: HeldRows

    @property
    def schema(self) -> TableSchema:
        """Today's, as it is archived: rows of older schema versions are read as rows of this one."""
        return self.rows.schema

    @property
    def columns(self) -> pa.Schema:
        """The columns of both sides of a comparison."""
        return self.rows.columns

    def batches(self, window: Window | None = None) -> list[Iterator[pa.RecordBatch]]:
        """A sorted stream for each segment, from its beginning; only what lies in ``window`` when it is given."""
        streams = self.rows.batches()
        if window is None:
            return streams
        start, end = self.bounds(window)
        return [between(stream, self.schema.time_column, start, end) for stream in streams]

    def cursors(self) -> list[TimeCursor]:
        """The same streams, to be read up to a moving bound."""
        return [TimeCursor(stream, self.columns, self.schema.time_column) for stream in self.batches()]

    def bounds(self, window: Window) -> tuple[pa.Scalar, pa.Scalar]:
        """A window's bounds in the type of the time column."""
        kind = self.columns.field(self.schema.time_column).type
        return _bound(window.start, kind), _bound(window.end, kind)


class SlotPurge:
    """Deletes what is proven of one slot after the other.

    Args:
        ledger: Open, with a signer; read again in every transaction, for holds placed meanwhile.
        batch_rows_max: About how many rows one transaction reads and deletes.
        drop_partitions: Whether a partition whose rows are all proven is dropped whole.
        subject_digest: The keyed digest of a person's identifier, as holds of a subject keep it.
        privacy_key: For column policies that write digests.
        reader: The one that the plan reads with.
    """

    def __init__(
        self,
        ledger: Ledger,
        source: Purgeable,
        *,
        batch_rows_max: int,
        drop_partitions: bool,
        subject_digest: Callable[[str], str] | None,
        privacy_key: PrivacyKey | None,
        reader: SourceReader,
        run: Run,
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._batch_rows_max = batch_rows_max
        self._drop_partitions = drop_partitions
        self._subject_digest = subject_digest
        self._privacy_key = privacy_key
        self._reader = reader
        self._run = run
        self._busy: set[str] = set()
        self._known: dict[str, tuple[TableSchema, Sequence[Partition]]] = {}

    def know(self, dataset: Dataset, schema: TableSchema, partitions: Partitions) -> None:
        """What the plan's snapshot found of a relation. Each transaction sees for itself whether it is still so."""
        self._known[dataset.name] = (schema, partitions.droppable)

    def _of(self, dataset: Dataset) -> tuple[TableSchema, Sequence[Partition]]:
        if dataset.name not in self._known:
            with self._source.snapshot() as snapshot:
                self.know(dataset, self._reader.schema(snapshot, dataset), self.partitions(snapshot, dataset))
        return self._known[dataset.name]

    def run(self, dataset: Dataset, work: SlotWork) -> None:
        """Delete what is proven of one slot, noting in ``work`` whatever was committed.

        Raises:
            Partial: A hold was placed, or the proof has left the archive.
            Refused: A row that was deleted was not one that was read; everything of that batch was rolled back.
            IntegrityError: A segment is not what the ledger says.
            TransientError, OutcomeUnknown: The source or the store stayed away.
        """
        with ExitStack() as files:
            schema, droppable = self._of(dataset)
            held = self.archive(files, dataset, schema, work.one.slot)
            self._whole_partitions(dataset, droppable, work, held)
            known = self._ledger.holdings.dataset(dataset.name).slots[held.slot]
            has_gap = bool(work.gone.rows or known.rows_purged_held)
            try:
                if has_gap or work.one.rows_due > self._batch_rows_max:
                    self._batches(dataset, self._slices(dataset, schema, work.one.due, has_gap=has_gap), held, work)
                else:
                    self._batches(dataset, [work.one.due], held, work, rows_max=2 * self._batch_rows_max)
            except _MoreRowsError:
                self._batches(dataset, self._slices(dataset, schema, work.one.due, has_gap=False), held, work)

    def _batches(
        self, dataset: Dataset, parts: Sequence[Window], held: Held, work: SlotWork, *, rows_max: int | None = None
    ) -> None:
        """One transaction for each part of the window, in ascending order.

        Args:
            rows_max: Parts that nobody counted may not have more rows; None: they were counted.

        Raises:
            _MoreRowsError: One has; nothing of it was deleted.
        """
        cursors = held.cursors()
        for due in parts:
            if self._run.stop.is_set():
                return
            done = self._batch(dataset, due, held, cursors, rows_max)
            work.taken_at = done.taken_at
            work.gone = work.gone.plus(done.gone)
            work.kept.update(done.kept)
            for change in done.changed:
                known = work.changed.get(change.relation)
                work.changed[change.relation] = change if known is None else known.plus(change)
        work.is_complete = True

    def look(
        self, snapshot: Snapshot, dataset: Dataset, schema: TableSchema, planned: PurgeSlot
    ) -> tuple[RowsKept, ...]:
        """Which due rows of a slot would stay, and why. Reads them and the archive's; deletes nothing.

        Raises:
            IntegrityError: A segment is not what the ledger says.
            TransientError: The source or the store stayed away.
        """
        kept = Counter[Statement]()
        with ExitStack() as files:
            held = self.archive(files, dataset, schema, planned.slot)
            scan = self.scan(snapshot, dataset, held, planned.due)
            pairs = aligned(scan, held.batches(planned.due), held.columns, held.schema.time_column, rows=COMPARE_ROWS)
            try:
                holds = self._holds(dataset, planned.slot)
                for ours, theirs in pairs:
                    kept.update(self._judged(ours, theirs, dataset, held, holds)[1])
            except Partial:
                kept = Counter({Reason.PERSON_UNNAMED(): planned.rows_due})
        return rows_kept(kept)

    def archive(self, files: ExitStack, dataset: Dataset, schema: TableSchema, slot: Slot) -> Held:
        """The slot's segments, fetched and proven, to be read as rows of today's schema."""
        known = self._ledger.holdings.dataset(dataset.name)
        segments = tuple(known.slots[slot].segments)
        try:
            paths = [fetched(files, self._run, self._ledger.store, part.segment) for part in segments]
        except SegmentMissing as missing:
            raise left_meanwhile(self._ledger, missing) from missing
        return Held(slot, segments, HeldRows.of(known, segments, paths, schema, self._privacy_key))

    def scan(self, snapshot: Snapshot, dataset: Dataset, held: Held, window: Window | None) -> Iterator[pa.RecordBatch]:
        """The source's rows, to be compared with what is held."""
        return held.rows.comparable(self._reader.scan(snapshot, dataset, held.schema, window))

    def _whole_partitions(self, dataset: Dataset, droppable: Sequence[Partition], work: SlotWork, held: Held) -> None:
        """Drop the partitions that are due and proven as a whole; the rows of others are left for the batches."""
        # One that came or went since they were asked for is found out when it is locked, and looked at again before it
        # is dropped.
        for partition in droppable:
            if self._run.stop.is_set() or dataset.name in self._busy:
                return
            if work.one.due.start > partition.window.start or partition.window.end > work.one.due.end:
                continue
            assert isinstance(self._source, PurgesPartitions)
            try:
                with self._source.dropping(dataset, partition) as transaction:
                    gone = self._drop(transaction, dataset, partition, held)
                    work.taken_at = transaction.taken_at
            except (TransientError, ConfigError, Partial) as problem:
                why = f"{partition.name} is not dropped whole, its rows are deleted one by one: {problem.message}"
                work.remarks.append(why)
                if isinstance(problem, TransientError):
                    # Each attempt makes those who use the table wait for a moment: one for each run is enough.
                    self._busy.add(dataset.name)
                continue
            if gone.rows:
                work.gone = work.gone.plus(gone)
                work.partitions += 1

    def _drop(self, work: DropTransaction, dataset: Dataset, partition: Partition, held: Held) -> SourceState:
        """One transaction over one partition: read, compare, look for holds, drop, commit. Nothing when it has no rows.

        Raises:
            Partial: A row of it is not proven.
        """
        schema = held.schema
        if self._reader.schema(work, dataset) != schema:
            raise Partial("its columns changed meanwhile")
        if not schema.key_is_unique and work.duplicate_keys(dataset, schema, partition.window):
            raise Partial("several rows have the same key")
        holds = self._holds(dataset, held.slot)
        scan = self.scan(work, dataset, held, partition.window)
        theirs = held.batches(partition.window)
        rows = 0
        for ours, archived in aligned(scan, theirs, held.columns, schema.time_column, rows=COMPARE_ROWS):
            _, on_hold = self._without_subjects(ours, dataset, holds)
            if on_hold or prove(ours, archived, schema.key_columns).keys.num_rows < ours.num_rows:
                raise Partial("not all of its rows are proven and free of holds")
            rows += ours.num_rows
        if not rows:
            return NOTHING_GONE
        # Before the table is locked, so that nobody waits for the ledger; the drop itself waits for moments only.
        self._ledger.refresh()
        self._still_true(dataset, held, holds)
        gone = work.drop(dataset, partition, rows)
        work.commit()
        return gone

    def _slices(self, dataset: Dataset, schema: TableSchema, due: Window, *, has_gap: bool) -> list[Window]:
        """Cut a window so that no part has more rows than a batch; ascending. Rows of one instant are never parted.

        Parts without rows are left out: what the archive has there was purged before, and need not be read into memory.

        Args:
            has_gap: The window may begin with such a part, which is then looked for.
        """
        parts = []
        waiting = [due]
        with self._source.snapshot() as snapshot:
            self._reader.schema(snapshot, dataset)
            while waiting:
                part = waiting.pop()
                length = part.end - part.start
                count = snapshot.count(dataset, schema, part)
                if not count:
                    continue
                is_small = count <= self._batch_rows_max and (not has_gap or length <= GAP_MIN)
                if length <= SLICE_MIN or is_small:
                    has_gap = False
                    parts.append(part)
                else:
                    middle = part.start + length / 2
                    waiting += [Window(middle, part.end), Window(part.start, middle)]
        return parts

    def _batch(
        self, dataset: Dataset, due: Window, held: Held, cursors: Sequence[TimeCursor], rows_max: int | None
    ) -> "_Done":
        """One transaction over one slice: read, compare, delete, look for holds, commit; begun again when lost."""
        start, end = held.bounds(due)
        for cursor in cursors:
            cursor.skip(start)
        theirs = pa.concat_tables([cursor.before(end) for cursor in cursors])

        def attempt() -> "_Done":
            with self._source.purging(dataset) as work:
                return self._delete(work, dataset, due, held, theirs, rows_max)

        return self._run.retried(attempt)

    def _delete(
        self,
        work: PurgeTransaction,
        dataset: Dataset,
        due: Window,
        held: Held,
        theirs: pa.Table,
        rows_max: int | None,
    ) -> "_Done":
        schema = held.schema
        if self._reader.schema(work, dataset) != schema:
            raise Partial(f"{dataset.name}: its columns changed while it was purged; nothing more was deleted of it")
        batches = []
        rows = 0
        for batch in self.scan(work, dataset, held, due):
            batches.append(batch)
            rows += batch.num_rows
            if rows_max is not None and rows > rows_max:
                raise _MoreRowsError
        ours = pa.Table.from_batches(batches, schema=held.columns)
        holds = self._holds(dataset, held.slot)
        proof, kept = self._judged(ours, theirs, dataset, held, holds)
        gone = NOTHING_GONE
        if proof.keys.num_rows:
            gone = work.delete(dataset, schema, due, proof.keys)
            if gone.rows != proof.keys.num_rows:
                raise Refused(
                    f"{dataset.name} {due}: {proof.keys.num_rows} rows were proven and {gone.rows} would have been"
                    " deleted; everything of this batch was rolled back",
                    hint="the key does not tell one row from another; correct datasets.<name>.key",
                )
        # Last of all, as close to the commit as can be: what somebody placed on hold while this was under way stays.
        self._ledger.refresh()
        self._still_true(dataset, held, holds)
        changed = work.commit() if gone.rows else ()
        return _Done(gone, kept, work.taken_at, changed)

    def _judged(
        self, ours: pa.Table, theirs: pa.Table, dataset: Dataset, held: Held, holds: Sequence[HoldPlaced]
    ) -> tuple[Proof, Mapping[Statement, int]]:
        """Which rows of the source are proven by the archive's, and how many stay for which reason."""
        ours, on_hold = self._without_subjects(ours, dataset, holds)
        proof = prove(ours, theirs, held.schema.key_columns)
        return proof, {
            Reason.DUPLICATE(): proof.duplicate,
            differs(held.rows.lesser_columns): proof.differing,
            Reason.LATE(): proof.late,
            Reason.SUBJECT_HOLD(): on_hold,
        }

    def _holds(self, dataset: Dataset, slot: Slot) -> tuple[HoldPlaced, ...]:
        key = fingerprint_of(self._subject_digest)
        holds = under_key(holds_on(self._ledger.holdings, dataset.name, slot), key)
        if any(hold.subject is None for hold in holds):
            raise Partial(f"{dataset.name} {slot}: was placed on hold meanwhile; nothing more was deleted of it")
        return holds

    def _still_true(self, dataset: Dataset, held: Held, holds: Sequence[HoldPlaced]) -> None:
        slot = held.slot
        if self._holds(dataset, slot) != tuple(holds):
            raise TransientError(f"{dataset.name} {slot}: holds changed while rows were compared; rolled back")
        known = self._ledger.holdings.dataset(dataset.name).slots.get(slot)
        now = {part.segment.key for part in known.segments} if known is not None else set()
        if not {part.segment.key for part in held.segments} <= now:
            raise Partial(
                f"{dataset.name} {slot}: the archive let go of a segment that was its proof; nothing more was deleted"
            )

    def _without_subjects(self, rows: pa.Table, dataset: Dataset, holds: Sequence[HoldPlaced]) -> tuple[pa.Table, int]:
        """Leave out the rows of persons whose data are on hold."""
        wanted = {hold.subject for hold in holds if hold.subject is not None}
        if not wanted:
            return rows, 0
        digest = self._subject_digest
        names = [name for name in dataset.subject_columns if name in rows.column_names]
        if digest is None or not names:
            raise Partial(
                f"{dataset.name}: a hold on a person covers it, and no subject_columns say where persons are named;"
                " nothing was deleted of it",
                hint=f"set datasets.{dataset.name}.subject_columns",
            )
        stays = pa.repeat(pa.scalar(False), rows.num_rows)
        for name in names:
            # Only distinct values are digested: a day has far fewer persons than rows.
            coded = rows.column(name).combine_chunks().cast(pa.string()).dictionary_encode()
            # Where a column policy has been applied already, the value is its own digest.
            hits = pa.array(
                [value in wanted or digest(value) in wanted for value in coded.dictionary.to_pylist()], pa.bool_()
            )
            if len(hits):
                stays = pc.or_(stays, pc.fill_null(hits.take(coded.indices), False))
        left = rows.filter(pc.invert(stays))
        return left, rows.num_rows - left.num_rows

    def partitions(self, snapshot: Snapshot, dataset: Dataset) -> Partitions:
        """The relation's partitions; none where they are not to be dropped."""
        if self._drop_partitions and isinstance(self._source, PurgesPartitions):
            return snapshot.partitions(dataset)
        return Partitions()


class _Done(NamedTuple):
    """What one transaction did: rows that are gone, rows that stay by reason, its time, what else changed."""

    gone: SourceState
    kept: Mapping[Statement, int]
    taken_at: datetime
    changed: tuple[RowsChanged, ...]


class _MoreRowsError(Exception):
    """A window has far more rows than the plan had counted."""


def _bound(instant: datetime, kind: pa.DataType) -> pa.Scalar:
    """An instant in the type of a time column."""
    if pa.types.is_date(kind):
        # The due part of a window ends inside of a day when dates are few; a date belongs to its midnight.
        day = instant.date() if instant.time() == datetime.min.time() else instant.date() + timedelta(days=1)
        return pa.scalar(day, kind)
    return pa.scalar(instant if kind.tz else instant.replace(tzinfo=None), kind)
