"""``archiver purge``."""

import archiver.cli.views.purge  # noqa: F401 (its views are registered)
from archiver.app.archive import open_archive
from archiver.app.deletion import purge_source
from archiver.app.outcome import each
from archiver.app.purge import (
    LogsLooked,
    LogsPurged,
    TablesPlanned,
    TablesPurged,
    plan_tables,
    purge_logs,
    purge_tables,
)
from archiver.cli.common import (
    ConfirmOption,
    DatasetsArgument,
    ExecuteOption,
    JsonOption,
    WaitOption,
    chosen_datasets,
    context,
    finish,
    warn_of_key,
)
from archiver.cli.views import purge_logs as log_views
from archiver.cli.views.deletion import DeletionView
from archiver.operations.logs.settings import LOGS


def purge(
    datasets: DatasetsArgument = None,
    execute: ExecuteOption = False,
    confirm: ConfirmOption = None,
    wait: WaitOption = False,
    json_: JsonOption = False,
) -> None:
    """Delete from the database what is too old and provably archived.

    Every row is compared with the archive, in all columns, in the transaction that deletes it. What changed, came late
    or is on hold stays, with its reason.

    The dataset `loki` is that of Loki's chunks: what should be gone and is not, and what is in danger of going
    unarchived, is named. With loki.delete = "files" chunks go when the archive provably has their every line.

    Example: archiver purge, then archiver purge --execute
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    names = [name for name in datasets or () if name != LOGS]
    has_tables = bool(names) or not datasets
    has_logs = LOGS in (datasets or ()) or (not datasets and settings.logs() is not None)
    chosen = (
        [dataset for dataset in chosen_datasets(settings, names) if dataset.source_retention is not None]
        if has_tables
        else []
    )
    if has_tables:
        warn_of_key(output, settings)
    with open_archive(settings, "write" if execute else "read", wait=wait) as archive:
        source = purge_source(archive) if has_tables else None

        def of_tables() -> TablesPlanned | TablesPurged:
            assert source is not None
            if not execute:
                return plan_tables(archive, source, chosen, DeletionView(output))
            return purge_tables(archive, source, chosen, DeletionView(output), confirm=confirm)

        def of_logs() -> LogsLooked | LogsPurged:
            # A token confirms one plan: where the tables have one as well, it is theirs.
            token = None if has_tables else confirm
            reading = archive.with_jobs(settings.loki.jobs)
            return purge_logs(reading, log_views.SilentProof(), execute=execute, confirm=token)

        finish(output, each(of_tables if has_tables else None, of_logs if has_logs else None))
