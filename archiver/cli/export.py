"""``archiver export``."""

from typing import Annotated

import typer

from archiver.app.archive import open_archive
from archiver.app.export import (
    Asked,
    LogsExported,
    LogsPlanned,
    TablesExported,
    TablesPlanned,
    export_logs,
    export_tables,
)
from archiver.app.outcome import each
from archiver.cli.common import (
    JobsOption,
    JsonOption,
    SinceOption,
    UntilOption,
    WaitOption,
    bounds,
    chosen_datasets,
    context,
    finish,
    warn_of_key,
)
from archiver.cli.views import export as views
from archiver.cli.views import logs as log_views
from archiver.errors import ConfigError, Interrupted
from archiver.operations.logs.settings import LOGS


def export(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="DATASET", help="Without: all.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be read, and what not.")] = False,
    jobs: JobsOption = None,
    accept_drift: Annotated[
        list[str] | None, typer.Option(help="Agree to the lossy schema change of this dataset.")
    ] = None,
    wait: WaitOption = False,
    json_: JsonOption = False,
) -> None:
    """Archive every finished window that is new or has changed.

    A window is a UTC day unless configured smaller. What is archived already is compared row for row and not archived
    again. The dataset `loki` is that of Loki's chunks: every chunk that is new.

    Example: archiver export --dry-run, then archiver export

    Example: archiver export app_audit_log --since 7d
    """
    output = context.output(as_json=json_)
    settings = context.load(**{"export.jobs": jobs, "data_api.jobs": jobs, "loki.jobs": jobs}).settings
    low, high = bounds(since, until)
    names = [name for name in datasets or () if name != LOGS]
    has_tables = bool(names) or not datasets
    has_logs = LOGS in (datasets or ()) or (not datasets and settings.logs() is not None)
    asked = Asked(since=low, until=high, accepts_drift=frozenset(accept_drift or ()), dry_run=dry_run)
    tables = chosen_datasets(settings, names) if has_tables else ()
    if has_tables:
        chosen_datasets(settings, sorted(asked.accepts_drift - {LOGS}))
        warn_of_key(output, settings)
    with open_archive(settings, "read" if dry_run else "write", jobs=settings.export_jobs, wait=wait) as archive:

        def of_tables() -> TablesPlanned | TablesExported:
            with views.ExportView(output) as view:
                return export_tables(archive, tables, asked, view)

        def of_logs() -> LogsPlanned | LogsExported:
            with log_views.LokiView(output) as view:
                return export_logs(archive.with_jobs(settings.loki.jobs), asked, view)

        parts = (of_tables if has_tables else None, of_logs if has_logs else None)
        finish(output, each(*parts, at_once=(ConfigError, Interrupted)))
