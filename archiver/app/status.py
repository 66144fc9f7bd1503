"""What is held, how far it reaches, what is overdue: from the ledger alone."""

from archiver.app.archive import Archive
from archiver.operations.archive.status import ArchiveStatus, dataset_statuses


def archive_status(archive: Archive) -> ArchiveStatus:
    """The archive as it stands."""
    ledger = archive.ledger
    assert ledger.head is not None
    return ArchiveStatus(
        archive_id=ledger.descriptor.archive_id,
        location=ledger.store.location,
        anchor="" if ledger.anchor is None else ledger.anchor.location,
        is_anchored=ledger.is_anchored,
        head_seq=ledger.head.entry.seq,
        head_hash=ledger.head.hash,
        head_at=ledger.head.entry.at,
        datasets=dataset_statuses(ledger.holdings, archive.datasets, archive.clock()),
    )
