"""What a person or a program sees of an archive as it stands. Decides nothing."""

from archiver.cli.views.console import Output, count_text, rows_text, size_text, table
from archiver.operations.archive.status import ArchiveStatus, ChunkStatus, DatasetStatus
from archiver.words import english


def archive_status(output: Output, status: ArchiveStatus) -> None:
    """The output of ``archiver status``."""
    if output.as_json:
        output.json_document(status)
        return
    output.answer(f"archive {status.archive_id} in {status.location}")
    output.answer(f"anchor  {status.anchor}, entry {status.head_seq} of {status.head_at:%Y-%m-%d %H:%M:%S} UTC")
    if not status.is_anchored:
        output.warn(
            "the anchor is empty, so nothing says that the ledger was not cut off; compare its head with a report: the"
            " next run that writes sets the anchor, and deletions wait until a person has confirmed one"
        )
    shown = table("dataset", "windows", "rows", "size", "from", "until", "verified", right=("windows", "rows", "size"))
    for dataset in status.datasets:
        shown.add_row(
            dataset.dataset,
            str(dataset.slots),
            f"{dataset.rows:,}",
            size_text(dataset.size_bytes),
            f"{dataset.oldest:%Y-%m-%d}" if dataset.oldest else "-",
            f"{dataset.reaches_until:%Y-%m-%d}" if dataset.reaches_until else "-",
            f"{dataset.last_verified_at:%Y-%m-%d %H:%M}" if dataset.last_verified_at else "never",
        )
    output.answer(shown)
    for dataset in status.datasets:
        for line in _remarks(dataset):
            output.answer(f"{dataset.dataset}: {line}")


def _remarks(dataset: DatasetStatus) -> list[str]:
    lines = []
    if dataset.overdue is not None:
        lines.append(
            f"overdue: {rows_text(dataset.overdue.rows)} in {count_text(dataset.overdue.slots, 'window')} should"
            f" have left the source, the oldest of {dataset.overdue.oldest:%Y-%m-%d}"
        )
    if dataset.due_since is not None:
        lines.append(
            f"overdue: {rows_text(dataset.rows_due)} should have left the archive, the first on"
            f" {dataset.due_since:%Y-%m-%d}; `archiver expire` says what keeps them"
        )
    if dataset.rows_undated:
        lines.append(f"{rows_text(dataset.rows_undated)} without a usable time: never purged")
    if dataset.rows_future:
        lines.append(f"{rows_text(dataset.rows_future)} with a time that has not come yet")
    if dataset.rows_duplicate_key:
        lines.append(f"{rows_text(dataset.rows_duplicate_key)} with the key of another: never purged")
    if dataset.chunks is not None:
        lines += _chunk_remarks(dataset.chunks)
    if not dataset.configured:
        lines.append("held, but no longer configured")
    return lines


def _chunk_remarks(chunks: ChunkStatus) -> list[str]:
    """What `status` says of chunks, a line each."""
    lines = []
    if chunks.archived:
        lines.append(f"{count_text(chunks.archived, 'chunk')} archived, {size_text(chunks.size_bytes)}")
    if chunks.rows_deleted:
        lines.append(f"{rows_text(chunks.rows_deleted)} left out, because somebody asked Loki to delete them")
    lines += [f"{count_text(share.chunks, 'chunk')} waiting: {english(share.reason)}" for share in chunks.waiting]
    for at, count, key in chunks.lost:
        lines.append(
            f"LOST: {count_text(count, 'chunk')} seen, never archived, and no longer in Loki's store on {at:%Y-%m-%d};"
            f" named in {key}"
        )
    lines += [f"QUARANTINED: {english(chunk.reason)}; its bytes are in {chunk.key}" for chunk in chunks.quarantined]
    if chunks.quarantined:
        lines.append("when they have been looked at: archiver loki release <digest> --reason '…'")
    return lines
