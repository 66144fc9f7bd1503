"""Compacting: the small parts of days that are over, merged."""

from collections.abc import Sequence
from dataclasses import dataclass

from archiver.app import deletion
from archiver.app.archive import Archive
from archiver.app.outcome import Outcome
from archiver.model import Dataset
from archiver.operations.archive.compact import Compact, CompactProgress, CompactReceipt
from archiver.operations.archive.sweep import finish_sweeps
from archiver.retention import CompactionPlan, CompactionRules


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionPlanned(Outcome):
    """What a compaction would do."""

    plans: Sequence[CompactionPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted(Outcome):
    """What a compaction did."""

    receipt: CompactReceipt


def compact(
    archive: Archive, chosen: Sequence[Dataset], progress: CompactProgress, *, dry_run: bool = False
) -> CompactionPlanned | Compacted:
    """Merge the parts that are worth merging.

    Raises:
        ArchiverError: As ``Compact.execute``.
    """
    settings = archive.settings
    if not dry_run:
        finish_sweeps(archive.ledger)
    work = Compact(
        archive.ledger,
        chosen,
        rules=CompactionRules(**dict(settings.compact), merged_size_bytes_max=settings.export.part_size_bytes_max),
        run=archive.run,
        now=archive.clock(),
        progress=progress,
    )
    if dry_run:
        return CompactionPlanned(plans=work.plan())
    receipt = work.execute(work.plan())
    return Compacted(
        receipt=receipt,
        exit_status=max((problem.exit_status for problem in receipt.problems), default=0),
        problems=tuple(receipt.problems),
        interrupted=deletion.interruption(receipt),
    )
