"""Sweep: what lies in the store and no entry names is litter. It is listed, and deleted after a grace time.

A run on another machine may be about to name an object that lies here as litter: the same rows give the same key. So
the ledger decides: first an entry says which keys go, then they go. Who names a key after that entry is refused, and
who named it before is seen by the sweep, whose entry then does not come about. A sweep that was taken for dead may go
on deleting when another has finished its work, so that no segment ever gets a key again that was swept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from archiver import layout
from archiver.contracts import ObjectRef, ObjectStore, PendingUpload
from archiver.errors import ArchiverError
from archiver.ledger.holdings import Holdings
from archiver.ledger.ledger import Ledger
from archiver.model import Event, SweepIntended, Swept
from archiver.operations.steps.commit import append_decided
from archiver.operations.steps.removing import batches, remove_objects
from archiver.operations.steps.run import Run

PREFIXES = (layout.DATA_PREFIX, layout.CHUNKS_PREFIX, layout.QUARANTINE_PREFIX, layout.PROBE_PREFIX)
"""Where litter may lie. Ledger entries that lost a race hold no row, and stay as witnesses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What would be swept.

    Attributes:
        seq: The ledger's last entry when the store was looked through.
        litter: Objects that no entry names, older than the grace time, in the order of their keys.
        uploads: Uploads that nobody finished, older than the grace time.
        young: How many of either are younger: a run may be at work on them.
    """

    seq: int
    litter: tuple[ObjectRef, ...]
    uploads: tuple[PendingUpload, ...]
    young: int

    @property
    def size_bytes(self) -> int:
        """Of the litter."""
        return sum(ref.size_bytes for ref in self.litter)


@dataclass(slots=True, kw_only=True)
class SweepReceipt:
    """What a sweep really did.

    Attributes:
        objects_resumed: Gone, and announced by an earlier sweep that did not end.
        kept_until: Something remains in the store until then, by key: a lock holds it. The next sweep tries again.
        problems: What the store refused to delete. The next sweep tries again.
    """

    objects: int = 0
    size_bytes: int = 0
    uploads: int = 0
    objects_resumed: int = 0
    kept_until: dict[str, datetime] = field(default_factory=dict)
    problems: list[ArchiverError] = field(default_factory=list)
    interrupted: bool = False


def named_keys(holdings: Holdings) -> set[str]:
    """Every object that an entry names and that is not gone: what is held, and what is on its way out."""
    named = set(holdings.keys)
    for dataset in holdings.datasets.values():
        named |= dataset.expiring.keys() | dataset.replaced.keys()
        chunks = dataset.chunks
        named |= chunks.lists().keys()
        # Bytes that a person has looked at stay where they are.
        named |= {layout.quarantine_key(dataset.name, sha256) for sha256 in (*chunks.quarantined, *chunks.released)}
    return named


def lying_objects(store: ObjectStore) -> dict[str, ObjectRef]:
    """Every object that would be litter if no entry named it, by key.

    Look at the store first and at the ledger afterwards, so that what is named in between is not taken for litter.
    """
    return {ref.key: ref for prefix in PREFIXES for ref in store.list(prefix)}


def plan_sweep(ledger: Ledger, *, now: datetime, grace: timedelta) -> SweepPlan:
    """Look for litter that is older than the grace time.

    Args:
        now: By the store's clock where it has one: ages are of its making.
    """
    lying = lying_objects(ledger.store)
    uploads = list(ledger.store.pending_uploads(""))
    ledger.refresh()
    litter = [lying[key] for key in sorted(lying.keys() - named_keys(ledger.holdings))]
    border = now - grace
    old = tuple(ref for ref in litter if ref.modified_at < border)
    old_uploads = tuple(upload for upload in uploads if upload.begun_at < border)
    return SweepPlan(
        seq=ledger.holdings.seq,
        litter=old,
        uploads=old_uploads,
        young=len(litter) - len(old) + len(uploads) - len(old_uploads),
    )


def finish_sweeps(ledger: Ledger) -> SweepReceipt:
    """Complete what an earlier sweep announced and did not account for, as far as the store lets it."""
    receipt = SweepReceipt()
    keys = sorted(ledger.holdings.sweeping)
    if keys:
        receipt.objects_resumed = _delete(ledger, keys, {}, receipt)
    return receipt


def sweep(ledger: Ledger, plan: SweepPlan, *, run: Run) -> SweepReceipt:
    """Complete earlier sweeps, then delete what a plan names and no entry names by now.

    Raises:
        TransientError, OutcomeUnknown: The store stayed away; the next sweep goes on.
    """
    receipt = finish_sweeps(ledger)
    sizes = {ref.key: ref.size_bytes for ref in plan.litter}
    for batch in batches(sizes):
        if run.stop.is_set():
            receipt.interrupted = True
            return receipt
        going: list[str] = []

        def intent(batch: Sequence[str] = batch, going: list[str] = going) -> list[Event]:
            # What another run has swept since then may be there again, and is for a new look to find.
            holdings = ledger.holdings
            swept = {key for key in batch if holdings.swept.get(key, -1) > plan.seq}
            going[:] = sorted(set(batch) - named_keys(holdings) - holdings.sweeping - swept)
            return [SweepIntended(keys=tuple(going))] if going else []

        if append_decided(ledger, intent) is not None:
            receipt.objects += _delete(ledger, going, sizes, receipt)
    for upload in plan.uploads:
        ledger.store.abort_upload(upload)
        receipt.uploads += 1
    return receipt


def _delete(ledger: Ledger, keys: Sequence[str], sizes: Mapping[str, int], receipt: SweepReceipt) -> int:
    """Delete announced litter and say what is gone; what the store keeps stays announced. Returns how many are gone."""
    removed = remove_objects(ledger.store, keys, jobs=1, still="it is still litter")
    receipt.problems += removed.problems
    receipt.kept_until |= removed.kept_until
    gone = [key for key, removal in removed.removals.items() if removal.kept_until is None]

    def swept() -> list[Event]:
        # Another run may have taken us for dead and accounted for some: each is said to be gone once.
        left = [key for key in gone if key in ledger.holdings.sweeping]
        return [Swept(keys=tuple(left), size_bytes=sum(sizes.get(key, 0) for key in left))] if left else []

    append_decided(ledger, swept)
    receipt.size_bytes += sum(sizes.get(key, 0) for key in gone)
    return len(gone)
