"""The negative check after a run: what source and archive really hold, what of it should be gone, and why it is not."""

from collections import Counter
from collections.abc import Iterable, Mapping

from archiver.ledger.holdings import DatasetHoldings
from archiver.model import Dataset, Observed, Purged, Reason, RowsKept, Statement, is_hold, rows_kept
from archiver.model.statements import instant_text
from archiver.retention import ExpiryPlan, PurgePlan


def source_observed(plan: PurgePlan, purged: Iterable[Purged], *, otherwise: Statement) -> Observed:
    """What a plan that was made after the purge says of a source.

    Args:
        plan: Made from a snapshot that was taken after everything else.
        purged: Of this dataset, by this run: what it left in a slot, and why.
        otherwise: Why rows that may go are still there, where the run says nothing of their slot.
    """
    kept = {event.slot: event.kept for event in purged}
    reasons: Counter[Statement] = Counter()
    for planned in plan.slots:
        if planned.keep is not None:
            reasons[planned.keep] += planned.rows_due
        else:
            reasons.update(_left(planned.rows_due, kept.get(planned.slot), otherwise))
    return Observed(
        dataset=plan.dataset,
        place="source",
        rows=plan.rows_in_source,
        rows_overdue=sum(planned.rows_due for planned in plan.slots),
        oldest=None if plan.none_before is None else instant_text(plan.none_before),
        reasons=rows_kept(reasons),
        rows_undated=plan.rows_undated,
        rows_future=plan.rows_future,
    )


def _left(rows_due: int, kept: tuple[RowsKept, ...] | None, otherwise: Statement) -> Mapping[Statement, int]:
    """Split the rows of a slot among the reasons that its purge gave; they add up to ``rows_due``."""
    if kept is None:
        return {otherwise: rows_due}
    shares: dict[Statement, int] = {}
    left = rows_due
    for share in kept:
        shares[share.reason] = min(share.rows, left)
        left -= shares[share.reason]
    if left:
        shares[Reason.SINCE_PURGE()] = left
    return shares


def source_unseen(dataset: str) -> Observed:
    """A source that could not be looked at: nothing is known of it, which is not the same as nothing being there."""
    return Observed(dataset=dataset, place="source", rows=None, rows_overdue=0, oldest=None)


def archive_observed(
    dataset: Dataset, held: DatasetHoldings, plan: ExpiryPlan | None, *, otherwise: Statement
) -> Observed:
    """What the ledger says that the archive holds, and what an expiry plan made after the expiry still finds due.

    Args:
        plan: None: no retention is chosen, so nothing is due.
        otherwise: Why what may go is still there.
    """
    reasons: Counter[Statement] = Counter()
    for planned in () if plan is None else plan.slots:
        reasons[planned.keep or otherwise] += planned.rows
    oldest = [part.segment.oldest for part in held.segments() if part.segment.oldest is not None]
    return Observed(
        dataset=dataset.name,
        place="archive",
        rows=sum(part.segment.rows for part in held.segments()),
        rows_overdue=sum(reasons.values()),
        oldest=min(oldest, default=None),
        reasons=rows_kept(reasons),
        rows_undated=sum(known.rows for slot, known in held.slots.items() if slot.window is None),
        rows_future=0,
    )


def unexplained(observed: Iterable[Observed]) -> int:
    """Rows that are overdue without anybody having held them back on purpose."""
    return sum(
        observation.rows_overdue - sum(kept.rows for kept in observation.reasons if is_hold(kept.reason))
        for observation in observed
    )
