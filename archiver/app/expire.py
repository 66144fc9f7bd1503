"""Expiring: what the archive may no longer hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from archiver.app import deletion
from archiver.app.archive import Archive
from archiver.app.outcome import Outcome
from archiver.model import Dataset, HoldPlaced, Statement
from archiver.operations.archive.compact import finish_compactions
from archiver.operations.archive.expire import Expire, ExpireProgress, ExpireReceipt, expiry_word
from archiver.operations.archive.sweep import finish_sweeps
from archiver.retention import ExpiryPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryPlanned(Outcome):
    """What an expiry would do.

    Attributes:
        refused: Why the guard would refuse it.
        word: Confirms exactly these plans.
        lost: Holds on persons that today's privacy key cannot find.
    """

    plans: Sequence[ExpiryPlan]
    refused: Sequence[Statement]
    word: str
    lost: Sequence[HoldPlaced]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Outcome):
    """What an expiry did.

    Attributes:
        lost: Holds on persons that today's privacy key cannot find.
    """

    receipt: ExpireReceipt
    lost: Sequence[HoldPlaced]


def plan_expiry(archive: Archive, chosen: Sequence[Dataset], progress: ExpireProgress) -> ExpiryPlanned:
    """What the archive may no longer hold, and whether the guard would let it go."""
    plans = expiry_of(archive, chosen, progress).plan()
    refused = deletion.refusals(archive, None, plans)
    lost = deletion.holds_of_another_key(archive.settings, archive.ledger.holdings)
    return ExpiryPlanned(plans=plans, refused=refused, word=expiry_word(plans), lost=lost)


def expire(
    archive: Archive, chosen: Sequence[Dataset], progress: ExpireProgress, *, confirm: str | None = None
) -> Expired:
    """Delete what the archive may no longer hold, unless the guard refuses.

    Raises:
        ArchiverError: As ``Expire.execute``, and ``Refused``.
    """
    ledger = archive.ledger
    work = expiry_of(archive, chosen, progress)
    plans = work.plan()
    refused = deletion.refusals(archive, None, plans)
    confirmation = deletion.confirmed("expire", refused, word=expiry_word(plans), given=confirm)
    swept, replaced = finish_sweeps(ledger), finish_compactions(ledger, run=archive.run)
    work.resume()
    receipt = work.execute(plans, confirmed=confirmation)
    receipt.problems += [*swept.problems, *replaced.problems]
    receipt.kept_until |= swept.kept_until | replaced.kept_until
    left = deletion.broken_promises(receipt.kept) + len(receipt.kept_until)
    return Expired(
        receipt=receipt,
        lost=deletion.holds_of_another_key(archive.settings, archive.ledger.holdings),
        exit_status=deletion.status_of(receipt.problems, left=left),
        problems=tuple(receipt.problems),
        interrupted=deletion.interruption(receipt),
    )


def expiry_of(archive: Archive, chosen: Sequence[Dataset], progress: ExpireProgress) -> Expire:
    """An expiry as the settings want it; decides and does nothing yet."""
    return Expire(
        archive.ledger,
        chosen,
        run=archive.run,
        now=archive.planning_time(),
        subject_digest=deletion.subject_digest(archive.settings),
        progress=progress,
    )
