"""Verify: the archive against its ledger, the ledger against its signatures and its anchor. Repairs nothing.

Everything is read from the store itself, never from a cache: every entry, every pack, every segment. Whatever lies in
the store beside them is named: an object that no entry names is no part of the archive, wherever it lies. What this
machine remembers of the archive is only asked whether store and anchor once reached further.
"""

import hashlib
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from archiver import layout
from archiver.contracts import Anchor, ObjectStore, PendingUpload
from archiver.errors import AccessDenied, IntegrityError, Interrupted, LedgerBroken, ObjectMissing, Partial
from archiver.ledger.chain import check_signature, read_chain
from archiver.ledger.entries import (
    PACK_SIZE_BYTES_MAX,
    Descriptor,
    SignedEntry,
    check_checkpoint,
    read_descriptor,
)
from archiver.ledger.fold import fold
from archiver.ledger.holdings import HeldSegment, Holdings
from archiver.ledger.ledger import ANCHOR_BEHIND_ENTRIES_MAX, Ledger
from archiver.ledger.memory import Memory, forgotten
from archiver.model import Checkpoint, ChunksWaiting, Event, Initialised, SchemaChanged, Segment, Verified
from archiver.operations.archive.strays import find_strays
from archiver.operations.archive.sweep import named_keys
from archiver.operations.steps.commit import append_decided
from archiver.operations.steps.fetch import fetch_segment, fetched
from archiver.operations.steps.run import Run
from archiver.parquet import check_part, read_batches, written_schema
from archiver.privacy.columns import unlike_form

READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that contradicts the ledger.

    Attributes:
        subject: The object's key, or the anchor.
        fact: What disagrees with what.
        hint: The next step for a person.
    """

    subject: str
    fact: str
    hint: str = ""


@dataclass(slots=True, kw_only=True)
class VerifyReceipt:
    """What a verification found.

    Attributes:
        litter: Objects that no entry names, wherever they lie: not data, but they may hold personal data.
        overdue: Those of them that are older than the grace time: no run can still be about to name them.
        witnesses: Ledger entries that lost a race, genuine and left where they are: they hold no row.
        uploads: Uploads and temporary files that nobody finished; None where these credentials may not list them.
        anchor: The anchor's checkpoint; None on a copy without it.
        skipped: Segments outside of what was asked for.
    """

    archive_id: str
    public_key: str
    depth: Literal["digest", "deep"]
    entries: int = 0
    head_hash: str = ""
    anchor: Checkpoint | None = None
    segments: int = 0
    skipped: int = 0
    rows: int = 0
    size_bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)
    overdue: list[str] = field(default_factory=list)
    witnesses: list[str] = field(default_factory=list)
    uploads: list[PendingUpload] | None = field(default_factory=list)
    recorded_seq: int | None = None

    def add(self, subject: str, fact: str, hint: str = "") -> None:
        """Note something that contradicts the ledger."""
        self.problems.append(Problem(subject=subject, fact=fact, hint=hint))

    @property
    def exit_status(self) -> int:
        """4: something contradicts the ledger; 3: something lies there that no entry names; else 0."""
        if self.problems:
            return IntegrityError.exit_status
        return Partial.exit_status if self.overdue else 0


class VerifyProgress(Protocol):
    """Watches a verification. Called from several threads; must not raise."""

    def planned(self, segments: int, size_bytes: int) -> None:
        """The ledger is read; so much is to be looked at."""

    def segment_done(self, segment: HeldSegment) -> None:
        """One more was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyScope:
    """What to look at.

    Attributes:
        datasets: Empty: all.
        since, until: Windows inside ``[since, until)``; None is unbounded and takes the undated rows in.
        keys: Only these segments; None: all of them.
    """

    datasets: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    keys: frozenset[str] | None = None

    def covers(self, dataset: str, held: HeldSegment) -> bool:
        """Whether a segment is to be looked at."""
        if self.datasets and dataset not in self.datasets:
            return False
        if self.keys is not None:
            return held.segment.key in self.keys
        window = held.segment.slot.window
        if window is None:
            return self.since is None and self.until is None
        return (self.since is None or window.start >= self.since) and (self.until is None or window.end <= self.until)


def verify(
    store: ObjectStore,
    anchor: Anchor | None,
    *,
    public_key: str | None,
    depth: Literal["digest", "deep"],
    scope: VerifyScope,
    run: Run,
    progress: VerifyProgress,
    litter_before: datetime | None = None,
    memory: Memory | None = None,
) -> tuple[VerifyReceipt, Holdings]:
    """Check a whole archive.

    Args:
        anchor: None for a copy; then only the chain itself says that its end is the end.
        public_key: The one that was handed over out of band, as hex; None trusts the archive's own.
        litter_before: What no entry names is overdue when it was written before this, by the store's clock; None:
            always, as in a copy, which no run is at work on.
        memory: What this machine has seen of the archive; None on one that never saw it.

    Returns:
        The receipt, and the holdings of the chain as far as it is sound.

    Raises:
        ConfigError: There is no archive here.
        TransientError: The store stayed away; nothing can be said.
        Interrupted: Asked to stop.
    """
    descriptor = read_descriptor(store)
    receipt = VerifyReceipt(archive_id=descriptor.archive_id, public_key=descriptor.public_key, depth=depth)
    if public_key is not None and public_key != descriptor.public_key:
        receipt.add(
            layout.DESCRIPTOR,
            f"names the public key {descriptor.public_key}, the one given is {public_key}",
            hint="this is another archive, or it was signed anew by somebody else",
        )
        return receipt, Holdings()
    remembered = None if memory is None else _remembered(memory, descriptor, store, receipt)
    # Before the ledger: what a run names meanwhile is not taken for litter.
    lying, receipt.uploads = {ref.key: ref for ref in store.list("")}, _pending_uploads(store)
    checkpoint = _read_anchor(anchor, descriptor, receipt)
    chain, is_readable = _read_ledger(store, descriptor, checkpoint, receipt, run)
    holdings, schemas, is_sound = _fold(chain, receipt)
    if is_readable:
        _check_anchor(anchor, checkpoint, chain, receipt)
        _check_remembered(memory, remembered, chain, store, receipt)
    _check_packs(store, chain, receipt, is_readable=is_readable)
    _check_segments(store, holdings, schemas, receipt, depth=depth, scope=scope, run=run, progress=progress)
    _check_chunk_objects(store, holdings, receipt)
    _forgive_replaced(store, descriptor, anchor, holdings, receipt)
    if is_readable and is_sound:
        superseded = _superseded(chain)
        _check_digest_names(store, sorted(superseded & lying.keys()), receipt)
        _say_strays(store, descriptor, anchor, chain, lying.keys() - named_keys(holdings) - superseded, receipt)
        receipt.overdue = [
            key for key in receipt.litter if litter_before is None or lying[key].modified_at < litter_before
        ]
    else:
        _withdraw_undecided(store, holdings, receipt)
    receipt.problems.sort(key=lambda problem: problem.subject)
    return receipt, holdings


def record(ledger: Ledger, receipt: VerifyReceipt, holdings: Holdings, scope: VerifyScope) -> None:
    """Append what a verification without problems has proven, one event for each dataset.

    Raises:
        Conflict: Other runs were first each time; nothing was appended.
    """
    events: list[Event] = []
    for name in sorted(holdings.datasets):
        if scope.datasets and name not in scope.datasets:
            continue
        seen = [held for held in holdings.datasets[name].segments() if scope.covers(name, held)]
        if seen:
            events.append(
                Verified(
                    dataset=name,
                    through_seq=holdings.seq,
                    depth=receipt.depth,
                    since=scope.since,
                    until=scope.until,
                    keys=None if scope.keys is None else tuple(sorted(held.segment.key for held in seen)),
                    segments=len(seen),
                    rows=sum(held.segment.rows for held in seen),
                    size_bytes=sum(held.segment.size_bytes for held in seen),
                )
            )
    # What others append meanwhile takes nothing from what was read: the events say up to which entry.
    entry = append_decided(ledger, lambda: events)
    if entry is not None:
        receipt.recorded_seq = entry.seq


def _forgive_replaced(
    store: ObjectStore, descriptor: Descriptor, anchor: Anchor | None, holdings: Holdings, receipt: VerifyReceipt
) -> None:
    """Take back what was said of segments that another run has compacted or expired since the ledger was read."""
    suspects = {problem.subject for problem in receipt.problems} & holdings.keys
    if not suspects:
        return
    try:
        tip = None if anchor is None else anchor.read(descriptor.archive_id)
        later = fold(signed.entry for signed in read_chain(store, descriptor, tip=tip, use_packs=False))
    except IntegrityError:
        return
    left = suspects - later.keys
    receipt.problems = [problem for problem in receipt.problems if problem.subject not in left]


def _withdraw_undecided(store: ObjectStore, holdings: Holdings, receipt: VerifyReceipt) -> None:
    """Where the ledger cannot be followed to its end, an object that is not there may have left by a later entry."""
    suspects = {problem.subject for problem in receipt.problems} & named_keys(holdings)
    absent = {key for key in suspects if store.stat(key) is None}
    if absent:
        receipt.problems = [problem for problem in receipt.problems if problem.subject not in absent]
        receipt.add(
            layout.entry_key(holdings.seq + 1),
            f"{len(absent)} objects are not there, and nobody can tell whether a later entry let go of them",
            hint="verify again when the ledger is restored",
        )


def _read_anchor(anchor: Anchor | None, descriptor: Descriptor, receipt: VerifyReceipt) -> Checkpoint | None:
    if anchor is None:
        return None
    try:
        checkpoint = anchor.read(descriptor.archive_id)
        if checkpoint is not None:
            check_checkpoint(checkpoint, descriptor.public_key, where=anchor.location)
    except IntegrityError as exc:
        receipt.add(anchor.location, exc.message, hint=exc.hint)
        return None
    receipt.anchor = checkpoint
    if checkpoint is None:
        receipt.add(
            anchor.location,
            "the anchor is empty, so nothing says where the ledger ends",
            hint="if it was lost, compare the last entry with a report; the next run that writes sets it again, and"
            " deletions wait until a person has confirmed one",
        )
    return checkpoint


def _read_ledger(
    store: ObjectStore, descriptor: Descriptor, checkpoint: Checkpoint | None, receipt: VerifyReceipt, run: Run
) -> tuple[list[SignedEntry], bool]:
    """The entries up to the first that is unsound, and whether there is none."""
    is_readable = True
    chain: list[SignedEntry] = []
    try:
        for signed in read_chain(store, descriptor, tip=checkpoint, use_packs=False):
            if run.stop.is_set():
                raise Interrupted("asked to stop; nothing was recorded")
            check_signature(signed, descriptor.public_key, where=f"ledger entry {signed.entry.seq}")
            chain.append(signed)
    except LedgerBroken as exc:
        is_readable = False
        key = layout.entry_key(len(chain))
        fact = exc.message.removeprefix(f"{key}: ")
        receipt.add(key, fact, hint=exc.hint)
    receipt.entries = len(chain)
    receipt.head_hash = chain[-1].hash if chain else ""
    begun = chain[0].entry.events[0] if chain and chain[0].entry.events else None
    if isinstance(begun, Initialised):
        described = (descriptor.archive_id, descriptor.ordering, descriptor.public_key)
        if described != (begun.archive_id, begun.ordering, begun.public_key):
            receipt.add(layout.DESCRIPTOR, "does not speak of the same archive as ledger entry 0")
    elif chain:
        receipt.add(layout.entry_key(0), "does not begin an archive")
    else:
        receipt.add(layout.LEDGER_PREFIX, "holds no entry that can be trusted")
    return chain, is_readable


def _fold(
    chain: Iterable[SignedEntry], receipt: VerifyReceipt
) -> tuple[Holdings, dict[tuple[str, str], SchemaChanged], bool]:
    """What the entries say, every schema, and whether none contradicts the ones before it."""
    holdings = Holdings()
    schemas: dict[tuple[str, str], SchemaChanged] = {}
    for signed in chain:
        try:
            holdings = fold([signed.entry], holdings)
        except LedgerBroken as exc:
            receipt.add(layout.entry_key(signed.entry.seq), exc.message, hint=exc.hint)
            return holdings, schemas, False
        for event in signed.entry.events:
            if isinstance(event, SchemaChanged):
                schemas[event.dataset, event.schema] = event
    return holdings, schemas, True


def _superseded(chain: Iterable[SignedEntry]) -> set[str]:
    """Lists of waiting chunks that a later entry replaced: named once, needed no longer, and holding no row.

    A sweep takes them along; nobody needs to hear of them.
    """
    return {
        event.list.key
        for signed in chain
        for event in signed.entry.events
        if isinstance(event, ChunksWaiting) and event.list is not None
    }


def _say_strays(
    store: ObjectStore,
    descriptor: Descriptor,
    anchor: Anchor | None,
    chain: Sequence[SignedEntry],
    unnamed: AbstractSet[str],
    receipt: VerifyReceipt,
) -> None:
    strays = find_strays(store, descriptor, chain, unnamed)
    receipt.litter, receipt.witnesses = list(strays.litter), list(strays.witnesses)
    standing = anchor.read(descriptor.archive_id) if anchor is not None and strays.beyond else None
    for seq, key in strays.beyond:
        if standing is not None and standing.seq >= seq - ANCHOR_BEHIND_ENTRIES_MAX:
            continue  # appended since the ledger was read
        receipt.add(
            key,
            f"is signed by the archive's key and follows entry {len(chain) - 1}, where the ledger ends: it"
            " counted once, and the anchor was set back",
            hint="compare the head with the last report; the next run that writes completes the ledger, says so in"
            " an entry, and deletions wait until a person has confirmed one",
        )


def _check_digest_names(store: ObjectStore, keys: Iterable[str], receipt: VerifyReceipt) -> None:
    """Objects that no entry needs any more and whose names are their digests: they must still say what they said."""
    for key in keys:
        sha256 = key.rpartition("/")[2].partition(".")[0]
        _check_digest(store, key, sha256, receipt, missing_is_problem=False)


def _remembered(
    memory: Memory, descriptor: Descriptor, store: ObjectStore, receipt: VerifyReceipt
) -> SignedEntry | None:
    try:
        memory.check(descriptor, where=store.location)
    except IntegrityError as exc:
        receipt.add(layout.DESCRIPTOR, exc.message, hint=exc.hint)
        return None
    return memory.head(descriptor)


def _check_remembered(
    memory: Memory | None,
    remembered: SignedEntry | None,
    chain: Sequence[SignedEntry],
    store: ObjectStore,
    receipt: VerifyReceipt,
) -> None:
    if memory is None or remembered is None or memory.directory is None:
        return
    seq = remembered.entry.seq
    if seq >= len(chain) or chain[seq].hash != remembered.hash:
        path = memory.directory / receipt.archive_id / "ledger.ndjson"
        problem = forgotten(remembered, where=store.location, path=path)
        receipt.add(layout.entry_key(seq), problem.message, hint=problem.hint)


def _check_chunk_objects(store: ObjectStore, holdings: Holdings, receipt: VerifyReceipt) -> None:
    """Lists of Loki's chunks and the bytes of unsound ones: small objects, read whole whatever was asked for."""
    for dataset in holdings.datasets.values():
        chunks = dataset.chunks
        named = chunks.lists()
        released = {layout.quarantine_key(dataset.name, sha256): sha256 for sha256 in chunks.released}
        named |= {event.key: event.sha256 for event in chunks.quarantined.values()}
        for key, sha256 in sorted((named | released).items()):
            _check_digest(store, key, sha256, receipt, missing_is_problem=key not in released)


def _check_digest(
    store: ObjectStore, key: str, sha256: str, receipt: VerifyReceipt, *, missing_is_problem: bool
) -> None:
    digest = hashlib.sha256()
    try:
        with store.open(key) as stream:
            while block := stream.read(READ_BYTES):
                digest.update(block)
    except ObjectMissing:
        if missing_is_problem:
            receipt.add(key, "the ledger names it, the store does not have it")
        return
    if digest.hexdigest() != sha256:
        fact = f"ledger says SHA-256 {sha256[:16]}…, the object has {digest.hexdigest()[:16]}…"
        receipt.add(key, fact)


def _check_anchor(
    anchor: Anchor | None, checkpoint: Checkpoint | None, chain: Sequence[SignedEntry], receipt: VerifyReceipt
) -> None:
    if anchor is None or checkpoint is None:
        return
    if checkpoint.seq >= len(chain):
        receipt.add(
            anchor.location,
            f"knows entry {checkpoint.seq}, the ledger ends with entry {len(chain) - 1}: its end was cut off",
            hint="restore the missing entries from a copy",
        )
    elif checkpoint.seq < len(chain) - 1 - ANCHOR_BEHIND_ENTRIES_MAX and anchor.read(receipt.archive_id) == checkpoint:
        receipt.add(
            anchor.location,
            f"stands at entry {checkpoint.seq}, the ledger ends with entry {len(chain) - 1}: every run"
            " completes the anchor before it appends, so it was set back",
            hint="find out who moved it, or which backup its database was restored from; the next run that writes"
            " moves it on, says so in an entry, and deletions wait until a person has confirmed one",
        )
    elif chain[checkpoint.seq].hash != checkpoint.hash:
        receipt.add(
            anchor.location,
            f"entry {checkpoint.seq} should have the hash {checkpoint.hash[:16]}…, it has"
            f" {chain[checkpoint.seq].hash[:16]}…: the ledger was replaced",
            hint="restore the ledger from a copy",
        )


def _check_packs(
    store: ObjectStore, chain: Sequence[SignedEntry], receipt: VerifyReceipt, *, is_readable: bool
) -> None:
    for ref in store.list(layout.PACK_PREFIX):
        pack = layout.parse_pack_key(ref.key)
        if pack is None or (pack.last >= len(chain) and not is_readable):
            # Litter; or it may hold the only sound copy of the entry that is not.
            continue
        want = b"".join(signed.data + b"\n" for signed in chain[pack.first : pack.last + 1])
        data = store.read(ref.key, size_bytes_max=PACK_SIZE_BYTES_MAX)
        if data != want:
            receipt.add(
                ref.key,
                f"is not a copy of the entries {pack.first} to {pack.last}",
                hint="the entries themselves count: delete this object, nothing is lost with it",
            )


def _check_segments(
    store: ObjectStore,
    holdings: Holdings,
    schemas: dict[tuple[str, str], SchemaChanged],
    receipt: VerifyReceipt,
    *,
    depth: Literal["digest", "deep"],
    scope: VerifyScope,
    run: Run,
    progress: VerifyProgress,
) -> None:
    everything = list(holdings.segments())
    wanted = [(name, held) for name, held in everything if scope.covers(name, held)]
    receipt.skipped = len(everything) - len(wanted)
    progress.planned(len(wanted), sum(held.segment.size_bytes for _, held in wanted))

    def look(item: tuple[str, HeldSegment]) -> list[Problem]:
        name, held = item
        if run.stop.is_set():
            raise Interrupted("asked to stop; nothing was recorded")
        problem = _check_segment(store, held.segment, schemas.get((name, held.segment.schema)), run, depth)
        progress.segment_done(held)
        return problem

    with ThreadPoolExecutor(run.jobs, thread_name_prefix="verify") as pool:
        # Slices, so that a stop is heeded soon and the queue stays small.
        for start in range(0, len(wanted), 256):
            for problems in pool.map(look, wanted[start : start + 256]):
                receipt.problems.extend(problems)
    receipt.segments = len(wanted)
    receipt.rows = sum(held.segment.rows for _, held in wanted)
    receipt.size_bytes = sum(held.segment.size_bytes for _, held in wanted)


def _check_segment(
    store: ObjectStore, segment: Segment, schema: SchemaChanged | None, run: Run, depth: Literal["digest", "deep"]
) -> list[Problem]:
    try:
        if depth == "digest":
            run.retried(lambda: fetch_segment(store, segment, None))
            return []
        with ExitStack() as files:
            path = fetched(files, run, store, segment)
            facts = check_part(path, segment, None if schema is None else written_schema(schema.table))
            if schema is not None and schema.policies and not facts:
                facts = _check_policies(path, schema)
    except IntegrityError as exc:
        return [Problem(subject=segment.key, fact=exc.message.removeprefix(f"{segment.key}: "), hint=exc.hint)]
    if schema is None:
        facts.append(f"the ledger never announced its schema {segment.schema[:16]}…")
    return [Problem(subject=segment.key, fact=fact) for fact in facts]


def _check_policies(path: Path, schema: SchemaChanged) -> list[str]:
    """Whether every value has the form that its column policy leaves; one sentence for each column that has others."""
    actions = {policy.column: policy.action for policy in schema.policies}
    wrong: set[str] = set()
    for batch in read_batches(path):
        for name in actions.keys() & set(batch.schema.names) - wrong:
            if unlike_form(batch.column(name), actions[name]):
                wrong.add(name)
    return [f"column {name} is to hold {actions[name]} values only, and holds others" for name in sorted(wrong)]


def _pending_uploads(store: ObjectStore) -> list[PendingUpload] | None:
    try:
        return list(store.pending_uploads(""))
    except AccessDenied:
        # Whoever may only read can still check everything that the ledger names.
        return None
