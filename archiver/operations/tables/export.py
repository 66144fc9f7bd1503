"""Export: rows of a source's windows become segments of the archive.

The order of writes, and what a crash after each leaves:

1. a part is written to this machine's work directory    → a private file that the next run's start removes
2. the part is uploaded under its digest's key             → litter, or adopted: the same rows give the same key
3. one entry names every part of one or more windows       → they are held
4. the anchor moves                                        → nothing is left to do

All that one entry covers was read from one snapshot. A slot counts as compared only when as many rows came as the
same snapshot counted.
"""

import itertools
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from archiver.contracts import Snapshot, Source
from archiver.errors import (
    ArchiverError,
    IntegrityError,
    Interrupted,
    LocalResourceError,
    OutcomeUnknown,
    SchemaDrift,
    TransientError,
)
from archiver.ledger.holdings import DatasetHoldings, HeldSegment, Holdings
from archiver.ledger.ledger import Ledger
from archiver.model import Dataset, Event, Exported, SchemaChanged, TableSchema, Window
from archiver.operations.steps.ahead import Turns, ahead
from archiver.operations.steps.commit import append_decided, refuse_swept
from archiver.operations.steps.compare import aligned, difference, rows_with_known_key
from archiver.operations.steps.fetch import fetched, left_meanwhile
from archiver.operations.steps.parts import Parts
from archiver.operations.steps.reading import HeldRows, SourceReader
from archiver.operations.steps.run import Run
from archiver.operations.steps.schema import schema_event
from archiver.operations.tables.settings import ExportSettings
from archiver.parquet import fingerprint, sort_rows
from archiver.privacy.key import PrivacyKey
from archiver.retention import DueSlot, ExportPlan, Need, census_bounds, is_future, plan_export

SCAN_SLICES = (1, 4, 16, 64)
"""Into how many statements a window's scan is cut, try by try: a statement that is too long for the server's
time-out, or that a failover ended, is asked again in smaller pieces."""


class ExportOptions(ExportSettings):
    """How an export works; what it exports is its datasets and bounds.

    Attributes:
        accepted_drift: Datasets whose lossy schema change a person has agreed to.
        privacy_key: For column policies that write digests.
    """

    accepted_drift: frozenset[str] = frozenset()
    privacy_key: PrivacyKey | None = None


@dataclass(slots=True, kw_only=True)
class DatasetReceipt:
    """What an export really did for one dataset. Rows are rows archived by this run.

    Attributes:
        slots: Windows committed.
        rows_read: Rows that came from the source, those that the archive held already included.
        rows_undated, rows_future: Of ``rows``, those without a usable time, and those whose time has not come.
        rows_missing: Held rows that the source no longer has.
        problem: Why the dataset was stopped; what was committed before stays.
    """

    dataset: str
    slots: int = 0
    segments: int = 0
    rows: int = 0
    rows_read: int = 0
    size_bytes: int = 0
    rows_changed: int = 0
    rows_missing: int = 0
    rows_undated: int = 0
    rows_future: int = 0
    rows_duplicate_key: int = 0
    slots_late: int = 0
    slots_unsettled: int = 0
    problem: ArchiverError | None = None


@dataclass(slots=True, kw_only=True)
class ExportReceipt:
    """What an export really did.

    Attributes:
        commits: Entries appended.
        interrupted: It was asked to stop; what was committed stays.
    """

    datasets: dict[str, DatasetReceipt]
    commits: int = 0
    interrupted: bool = False

    @property
    def rows(self) -> int:
        """Rows archived."""
        return sum(receipt.rows for receipt in self.datasets.values())

    @property
    def slots_unsettled_total(self) -> int:
        """Windows to which an open transaction could still add rows."""
        return sum(receipt.slots_unsettled for receipt in self.datasets.values())

    @property
    def problems(self) -> list[ArchiverError]:
        """One for each dataset that was stopped."""
        return [receipt.problem for receipt in self.datasets.values() if receipt.problem is not None]


class ExportProgress(Protocol):
    """Watches an export. Called from several threads; must not raise."""

    def planned(self, plans: Sequence[ExportPlan]) -> None:
        """A snapshot was taken and these are its plans; called once for each snapshot."""

    def rows_read(self, dataset: str, rows: int) -> None:
        """This many more rows arrived."""

    def slot_done(self, event: Exported) -> None:
        """A slot was read, written and uploaded; it is not committed yet."""

    def committed(self, seq: int, events: Sequence[Event]) -> None:
        """An entry was appended."""


@dataclass(slots=True)
class _Work:
    """One dataset in one snapshot."""

    dataset: Dataset
    schema: TableSchema
    plan: ExportPlan
    schema_event: SchemaChanged | None
    held: DatasetHoldings
    held_schema: str | None
    seq: int
    parts: Parts


@dataclass(frozen=True, slots=True)
class _Result:
    work: _Work
    due: DueSlot
    event: Exported
    base: tuple[str, ...]
    """Keys of the slot's segments when it was planned: it may be committed only if these are still all."""
    rows_purged: int | None
    """Of the slot when it was planned; None when a purge of it was open then, so that none was reckoned with."""


class Export:
    """One run of the export. ``plan`` shows what ``run`` would do; nothing is written before ``run``.

    Args:
        ledger: Open, with a signer.
        run: ``jobs`` windows are read at the same time, each on its own connection; ``again`` is asked after a
            snapshot was lost, with the number of failures since the last commit.
    """

    def __init__(
        self,
        ledger: Ledger,
        source: Source,
        datasets: Sequence[Dataset],
        *,
        since: datetime | None,
        until: datetime | None,
        options: ExportOptions,
        run: Run,
        progress: ExportProgress,
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._datasets = tuple(datasets)
        self._since = since
        self._until = until
        self._options = options
        self._reader = SourceReader(options.privacy_key)
        self._run = run
        self._progress = progress
        self._scanning = self._writing = Turns(run.jobs)
        self._receipt = ExportReceipt(datasets={d.name: DatasetReceipt(dataset=d.name) for d in self._datasets})

    # ── Deciding ───────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self) -> list[ExportPlan]:
        """What ``run`` would read, and what it would leave alone. Reads one snapshot; writes nothing.

        Raises:
            ArchiverError: A dataset cannot be exported; the first one's reason.
        """
        with self._source.snapshot() as snapshot:
            works = self._look(snapshot)
        for problem in self._receipt.problems:
            raise problem
        return [work.plan for work in works]

    def _look(self, snapshot: Snapshot) -> list[_Work]:
        works = []
        for dataset in self._datasets:
            receipt = self._receipt.datasets[dataset.name]
            if receipt.problem is not None:
                continue
            held = self._ledger.holdings.dataset(dataset.name)
            schema = self._reader.schema(snapshot, dataset)
            try:
                event = schema_event(dataset, held, schema, accepted=dataset.name in self._options.accepted_drift)
            except SchemaDrift as drift:
                receipt.problem = drift
                continue
            low, high = census_bounds(dataset, self._since, self._until)
            plan = plan_export(
                dataset,
                held,
                snapshot.census(dataset, schema, low, high),
                now=snapshot.taken_at,
                settled_until=snapshot.settled_until,
                since=self._since,
                until=self._until,
                schema=schema,
            )
            held_schema = None if held.schema is None else held.schema.schema
            parts = Parts(self._ledger, held, schema, self._run, self._options.part_size_bytes_max)
            works.append(_Work(dataset, schema, plan, event, held, held_schema, self._ledger.holdings.seq, parts))
        self._progress.planned([work.plan for work in works])
        return works

    # ── Doing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> ExportReceipt:
        """Export until nothing is due, a dataset at a time as far as its problems let it.

        Raises:
            ConfigError: A dataset cannot be read at all; nothing was written.
            TransientError: The source or the store stayed away; what was committed before stays.
            IntegrityError, LocalResourceError: As in the contracts; what was committed before stays.
        """
        try:
            # A lost snapshot, or a lost race for the ledger's head: take a new snapshot and decide again.
            while not self._run.retried(
                self._attempt, on_conflict=self._ledger.refresh, progress=lambda: self._receipt.commits
            ):
                pass
        except Interrupted:
            self._receipt.interrupted = True
        return self._receipt

    def _attempt(self) -> bool:
        with self._source.snapshot() as snapshot:
            return self._pass(snapshot)

    def _pass(self, snapshot: Snapshot) -> bool:
        """Work through one snapshot. True when nothing is left to do."""
        works = self._look(snapshot)
        queue = deque((work, due) for work in works for due in work.plan.due)
        started = self._run.monotonic()
        results: list[_Result] = []
        failure: BaseException | None = None
        # One more than are read at once: while one slot's last rows are written, the next one's are on their way.
        lanes = self._run.jobs + 1
        self._scanning, self._writing = Turns(self._run.jobs), Turns(self._run.jobs)
        numbers = itertools.count()
        with ThreadPoolExecutor(lanes, thread_name_prefix="export") as pool:
            running: dict[Future[_Result], _Work] = {}
            while True:
                while queue and len(running) < lanes and self._may_start(started, results, failure):
                    work, due = queue.popleft()
                    if self._receipt.datasets[work.dataset.name].problem is None:
                        running[pool.submit(self._slot, snapshot, work, due, next(numbers))] = work
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    failure = self._collect(future, running.pop(future), results) or failure
        dropped = self._commit(results)
        if failure is not None and not isinstance(failure, Interrupted):
            raise left_meanwhile(self._ledger, failure)
        if self._run.stop.is_set():
            self._receipt.interrupted = True
            return True
        return not queue and not dropped

    def _collect(self, future: Future[_Result], work: _Work, results: list[_Result]) -> BaseException | None:
        """Take a finished slot. Returns what must stop the whole pass, once what is done has been committed."""
        error = future.exception()
        if error is None:
            result = future.result()
            self._progress.slot_done(result.event)
            results.append(result)
        elif isinstance(error, TransientError | OutcomeUnknown | IntegrityError | LocalResourceError | Interrupted):
            return error
        elif isinstance(error, ArchiverError):
            self._receipt.datasets[work.dataset.name].problem = error
        else:
            return error
        return None

    def _may_start(self, started: float, results: list[_Result], failure: BaseException | None) -> bool:
        if failure is not None or self._run.stop.is_set():
            return False
        return not results or self._run.monotonic() - started < self._options.commit_interval_s

    def _commit(self, results: list[_Result]) -> int:
        """Append one entry for the results; after a lost race, for those that the winner did not touch.

        Returns:
            How many were dropped because another run had their slots meanwhile; their objects are litter unless they
            are the very same. What is due now is for a new snapshot to say.
        """
        left = sorted(results, key=lambda result: (result.work.dataset.name, result.due.slot.sort_key))

        def events() -> list[Event]:
            holdings = self._ledger.holdings
            left[:] = [result for result in left if _still_true(holdings, result)]
            keys = [segment.key for result in left for segment in result.event.segments]
            refuse_swept(holdings, keys, since_seq=min((result.work.seq for result in left), default=0))
            wanted: list[Event] = []
            for result in left:
                announced = result.work.schema_event
                known = holdings.dataset(result.event.dataset).schema
                is_known = announced is None or (known is not None and known.schema == announced.schema)
                if announced is not None and not is_known and announced not in wanted:
                    wanted.append(announced)
                wanted.append(result.event)
            return wanted

        entry = append_decided(self._ledger, events)
        if entry is not None:
            for result in left:
                self._count(result)
            self._receipt.commits += 1
            self._progress.committed(entry.seq, entry.events)
        return len(results) - len(left)

    def _count(self, result: _Result) -> None:
        event, receipt = result.event, self._receipt.datasets[result.event.dataset]
        receipt.slots += 1
        receipt.segments += len(event.segments)
        receipt.rows += event.rows
        receipt.rows_read += event.state.rows
        receipt.size_bytes += sum(segment.size_bytes for segment in event.segments)
        receipt.rows_changed += event.rows_changed
        receipt.rows_missing += event.rows_missing
        receipt.rows_duplicate_key += event.rows_duplicate_key
        receipt.slots_late += event.late and event.rows > 0
        receipt.slots_unsettled += not event.settled
        if event.slot.window is None:
            receipt.rows_undated += event.rows
        elif is_future(event.slot, event.snapshot_at):
            receipt.rows_future += event.rows

    # ── One slot, on a worker thread ───────────────────────────────────────────────────────────────────────────

    def _slot(self, snapshot: Snapshot, work: _Work, due: DueSlot, number: int) -> _Result:
        last: TransientError | None = None
        for slices in SCAN_SLICES:
            try:
                with (
                    ahead(self._watched(work, self._scan(snapshot, work, due, slices, number))) as batches,
                    self._writing.turn(number),
                ):
                    return self._slot_in(snapshot, work, due, batches)
            except TransientError as exc:
                last = exc
        assert last is not None
        raise last

    def _slot_in(self, snapshot: Snapshot, work: _Work, due: DueSlot, batches: Iterator[pa.RecordBatch]) -> _Result:
        known = work.held.slots.get(due.slot)
        held = list(known.segments) if known is not None else []
        is_purging = work.held.is_purging(due.slot)
        rows_purged = known.rows_purged if known is not None else 0
        scan = _Counted(batches)
        with ExitStack() as files:
            tally = _Tally()
            is_first = due.need is Need.FIRST or not held
            rows = scan if is_first else self._unheld(files, work, held, scan, tally)
            parts = list(work.parts.write(files, due.slot, rows))
            if scan.rows != due.state.rows:
                raise TransientError(
                    f"{work.dataset.name} {due.slot}: the source counted {due.state.rows} rows and gave {scan.rows} in"
                    " the same snapshot; nothing of this window was archived"
                )
            segments = tuple(work.parts.upload(work.parts.named(due.slot, part), part) for part in parts)
        duplicates = 0
        if work.schema.key_columns and not work.schema.key_is_unique and due.state.rows:
            duplicates = snapshot.duplicate_keys(work.dataset, work.schema, due.slot.window)
        event = Exported(
            dataset=work.dataset.name,
            slot=due.slot,
            segments=segments,
            state=due.state,
            rows=sum(segment.rows for segment in segments),
            rows_changed=tally.changed,
            # While a purge is open nobody knows how many of the missing rows are its own: whoever accounts for it
            # counts them, and must not find them counted here.
            rows_missing=known.rows_missing
            if known is not None and is_purging
            else max(0, tally.missing - (0 if known is None else known.rows_purged_held)),
            rows_duplicate_key=duplicates,
            late=bool(held),
            settled=due.settled,
            snapshot_at=snapshot.taken_at,
        )
        return _Result(work, due, event, tuple(part.segment.key for part in held), None if is_purging else rows_purged)

    def _scan(
        self, snapshot: Snapshot, work: _Work, due: DueSlot, slices: int, number: int
    ) -> Iterator[pa.RecordBatch]:
        with self._scanning.turn(number):
            if due.state.rows == 0:
                return
            for window in _sliced(due.slot.window, slices):
                yield from self._reader.scan(snapshot, work.dataset, work.schema, window)

    def _watched(self, work: _Work, batches: Iterable[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
        for batch in batches:
            self._run.check_stop()
            self._progress.rows_read(work.dataset.name, batch.num_rows)
            yield batch

    def _unheld(
        self,
        files: ExitStack,
        work: _Work,
        held: Sequence[HeldSegment],
        scan: Iterator[pa.RecordBatch],
        tally: "_Tally",
    ) -> Iterator[pa.RecordBatch]:
        """The source's rows that no held part of the slot has, in order; the archive's side is read back."""
        order = (work.schema.time_column, *work.schema.key_columns)
        paths = [fetched(files, self._run, self._ledger.store, part.segment) for part in held]
        archived = HeldRows.of(work.held, held, paths, work.schema, self._options.privacy_key)
        time = work.schema.time_column
        for ours, theirs in aligned(archived.comparable(scan), archived.batches(), archived.columns, time):
            changes = difference(ours, theirs)
            tally.missing += changes.missing
            if changes.new.num_rows:
                tally.changed += rows_with_known_key(changes.new, theirs, work.schema.key_columns)
                yield from sort_rows(archived.archivable(changes.new), order).to_batches()


@dataclass(slots=True)
class _Tally:
    changed: int = 0
    missing: int = 0


class _Counted(Iterator[pa.RecordBatch]):
    """Batches, counted as they pass."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.rows = 0

    def __next__(self) -> pa.RecordBatch:
        batch = next(self._batches)
        self.rows += batch.num_rows
        return batch


def _still_true(holdings: Holdings, result: _Result) -> bool:
    """Whether nobody touched a result's slot, its source or its dataset's schema since it was planned."""
    dataset = holdings.dataset(result.event.dataset)
    slot = dataset.slots.get(result.event.slot)
    base = tuple(part.segment.key for part in slot.segments) if slot is not None else ()
    current = dataset.schema.schema if dataset.schema is not None else None
    purged = 0 if slot is None else slot.rows_purged
    if result.rows_purged is not None and (purged != result.rows_purged or dataset.is_purging(result.event.slot)):
        return False
    return base == result.base and current in (result.work.held_schema, fingerprint(result.work.schema))


def _sliced(window: Window | None, slices: int) -> Iterator[Window | None]:
    if window is None or slices == 1:
        yield window
        return
    length = max((window.end - window.start) // slices, timedelta(microseconds=1))
    start = window.start
    while start < window.end:
        end = min(start + length, window.end)
        yield Window(start, end)
        start = end
