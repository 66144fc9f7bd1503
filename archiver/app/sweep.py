"""Sweeping: what crashed runs left in the store."""

from dataclasses import dataclass

from archiver.app import deletion
from archiver.app.archive import Archive
from archiver.app.outcome import Outcome
from archiver.operations.archive.sweep import SweepPlan, SweepReceipt, plan_sweep
from archiver.operations.archive.sweep import sweep as delete_litter


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlanned(Outcome):
    """What a sweep would do."""

    plan: SweepPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept(Outcome):
    """What a sweep did."""

    receipt: SweepReceipt


def sweep(archive: Archive, *, execute: bool) -> SweepPlanned | Swept:
    """Delete what no entry names and is older than the grace time, by the store's own clock where it has one.

    Raises:
        ArchiverError: As ``operations.archive.sweep``.
    """
    now = archive.ledger.store.clock() or archive.clock()
    plan = plan_sweep(archive.ledger, now=now, grace=archive.settings.sweep.grace)
    if not execute:
        return SweepPlanned(plan=plan)
    receipt = delete_litter(archive.ledger, plan, run=archive.run)
    return Swept(
        receipt=receipt,
        exit_status=deletion.status_of((), left=len(receipt.problems) + len(receipt.kept_until)),
        problems=tuple(receipt.problems),
        interrupted=deletion.interruption(receipt),
    )
