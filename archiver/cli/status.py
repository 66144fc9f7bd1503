"""``archiver status``."""

from archiver.app import build as wiring
from archiver.cli.common import JsonOption, app, context
from archiver.cli.views import output as views
from archiver.cli.views.logs import chunk_remarks
from archiver.operations.archive.status import ArchiveStatus, DatasetStatus, dataset_statuses


@app.command()
def status(json_: JsonOption = False) -> None:
    """What is held, how far it reaches, what is overdue.

    From the ledger alone: no database is asked, nothing is changed.

    Example: archiver status --json
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    with wiring.new_run(settings, jobs=1) as run:
        ledger = wiring.open_for_reading(settings, run)
    assert ledger.head is not None
    head = ledger.head
    logs = settings.logs()
    datasets = (*settings.resolved_datasets(), *(() if logs is None else (logs,)))
    told = ArchiveStatus(
        archive_id=ledger.descriptor.archive_id,
        location=ledger.store.location,
        anchor="" if ledger.anchor is None else ledger.anchor.location,
        is_anchored=ledger.is_anchored,
        head_seq=head.entry.seq,
        head_hash=head.hash,
        head_at=head.entry.at,
        datasets=dataset_statuses(ledger.holdings, datasets, wiring.now()),
    )
    if output.as_json:
        output.json_document(told)
        return
    output.answer(f"archive {told.archive_id} in {told.location}")
    output.answer(f"anchor  {told.anchor}, entry {told.head_seq} of {head.entry.at:%Y-%m-%d %H:%M:%S} UTC")
    if not told.is_anchored:
        output.warn(
            "the anchor is empty, so nothing says that the ledger was not cut off; compare its head with a report: the"
            " next run that writes sets the anchor, and deletions wait until a person has confirmed one"
        )
    shown = views.table(
        "dataset", "windows", "rows", "size", "from", "until", "verified", right=("windows", "rows", "size")
    )
    for one in told.datasets:
        shown.add_row(
            one.dataset,
            str(one.slots),
            f"{one.rows:,}",
            views.size_text(one.size_bytes),
            f"{one.oldest:%Y-%m-%d}" if one.oldest else "-",
            f"{one.reaches_until:%Y-%m-%d}" if one.reaches_until else "-",
            f"{one.last_verified_at:%Y-%m-%d %H:%M}" if one.last_verified_at else "never",
        )
    output.answer(shown)
    for one in told.datasets:
        for line in _remarks(one):
            output.answer(f"{one.dataset}: {line}")


def _remarks(one: DatasetStatus) -> list[str]:
    lines = []
    if one.overdue is not None:
        lines.append(
            f"overdue: {views.rows_text(one.overdue.rows)} in {views.count_text(one.overdue.slots, 'window')} should"
            f" have left the source, the oldest of {one.overdue.oldest:%Y-%m-%d}"
        )
    if one.due_since is not None:
        lines.append(
            f"overdue: {views.rows_text(one.rows_due)} should have left the archive, the first on"
            f" {one.due_since:%Y-%m-%d}; `archiver expire` says what keeps them"
        )
    if one.rows_undated:
        lines.append(f"{views.rows_text(one.rows_undated)} without a usable time: never purged")
    if one.rows_future:
        lines.append(f"{views.rows_text(one.rows_future)} with a time that has not come yet")
    if one.rows_duplicate_key:
        lines.append(f"{views.rows_text(one.rows_duplicate_key)} with the key of another: never purged")
    if one.chunks is not None:
        lines += chunk_remarks(one.chunks)
    if not one.configured:
        lines.append("held, but no longer configured")
    return lines
