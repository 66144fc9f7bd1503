"""``archiver export``."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from archiver.app import build as wiring
from archiver.app import keys
from archiver.app.archive import opened_in
from archiver.cli.common import (
    INTERRUPTED,
    JobsOption,
    JsonOption,
    SinceOption,
    UntilOption,
    WaitOption,
    bounds,
    chosen_datasets,
    context,
    warn_of_key,
)
from archiver.cli.loki import LOGS, export_logs
from archiver.cli.views import export as views
from archiver.cli.views.console import Output
from archiver.config import Settings
from archiver.errors import ArchiverError, ConfigError, Interrupted, Partial
from archiver.ledger.ledger import Ledger
from archiver.model import Dataset
from archiver.operations.archive.sweep import finish_sweeps
from archiver.operations.steps.run import Run
from archiver.operations.tables.export import Export, ExportOptions, ExportReceipt


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
    tables = [name for name in datasets or () if name != LOGS]
    accepted = frozenset(accept_drift or ())
    asked = _Asked(low, high, accepted, dry_run, wait)
    status = 0
    failed: ArchiverError | None = None
    if tables or not datasets:
        chosen = chosen_datasets(settings, tables)
        chosen_datasets(settings, sorted(accepted - {LOGS}))
        warn_of_key(output, settings)
        try:
            status = _export_tables(output, settings, chosen, asked)
        except (ConfigError, Interrupted):
            raise
        except ArchiverError as exc:
            # A database that is away must not keep logs from being archived before Loki deletes them.
            failed = exc
    if LOGS in (datasets or ()) or (not datasets and settings.logs() is not None):
        with (
            wiring.new_run(settings, jobs=settings.loki.jobs) as run,
            _opened(settings, run, dry_run=dry_run, wait=wait) as ledger,
        ):
            drift = LOGS in accepted
            logs = export_logs(output, settings, run, ledger, (low, high), dry_run=dry_run, accepts_drift=drift)
        status = logs if status in (0, logs) else Partial.exit_status
    if failed is not None:
        raise failed
    if status == INTERRUPTED:
        raise Interrupted("asked to stop; what was committed stays", hint="run again to go on")
    if status:
        raise typer.Exit(status)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say."""

    since: datetime | None
    until: datetime | None
    accepted: frozenset[str]
    dry_run: bool
    wait: bool


def _export_tables(output: Output, settings: Settings, chosen: tuple[Dataset, ...], asked: _Asked) -> int:
    with (
        wiring.new_run(settings, jobs=settings.export_jobs) as run,
        _opened(settings, run, dry_run=asked.dry_run, wait=asked.wait) as ledger,
    ):
        if not asked.dry_run:
            return export_tables(
                output, settings, run, ledger, chosen, (asked.since, asked.until), accepted=asked.accepted
            )
        with views.ExportView(output) as view:
            plans = _table_export(
                settings, run, ledger, chosen, (asked.since, asked.until), asked.accepted, view
            ).plan()
    views.export_plan(output, plans)
    return 0


def export_tables(
    output: Output,
    settings: Settings,
    run: Run,
    ledger: Ledger,
    chosen: tuple[Dataset, ...],
    asked: tuple[datetime | None, datetime | None],
    *,
    accepted: frozenset[str] = frozenset(),
) -> int:
    """Archive the database's datasets, between two times where these are given. Returns the exit status.

    Raises:
        ArchiverError: As ``Export.run``; ``Interrupted`` when the run was asked to stop.
    """
    started = time.monotonic()
    with views.ExportView(output) as view:
        finish_sweeps(ledger)
        receipt = _table_export(settings, run, ledger, chosen, asked, accepted, view).run()
    elapsed_s = time.monotonic() - started
    views.export_receipt(output, receipt, elapsed_s)
    status = _export_status(receipt)
    if output.as_json:
        output.json_line("summary", {"command": "export", "exit": status, "elapsed_s": elapsed_s, **_fields(receipt)})
    for problem in receipt.problems:
        output.error(problem)
    if receipt.interrupted:
        raise Interrupted("asked to stop; what was committed stays", hint="run again to go on")
    return status


def _table_export(
    settings: Settings,
    run: Run,
    ledger: Ledger,
    chosen: tuple[Dataset, ...],
    asked: tuple[datetime | None, datetime | None],
    accepted: frozenset[str],
    view: views.ExportView,
) -> Export:
    since, until = asked
    return Export(
        ledger,
        wiring.build_source(settings, run.stop),
        chosen,
        since=since,
        until=until,
        options=ExportOptions(
            **dict(settings.export),
            accepted_drift=accepted,
            privacy_key=keys.policy_key(settings, chosen),
        ),
        run=run,
        progress=view,
    )


@contextmanager
def _opened(settings: Settings, run: Run, *, dry_run: bool, wait: bool) -> Iterator[Ledger]:
    if dry_run:
        with opened_in(run, settings, "read") as archive:
            yield archive.ledger
        return
    with opened_in(run, settings, "write", wait=wait) as archive:
        yield archive.ledger


def _fields(receipt: ExportReceipt) -> dict[str, Any]:
    return {"datasets": receipt.datasets, "commits": receipt.commits, "rows": receipt.rows}


def _export_status(receipt: ExportReceipt) -> int:
    if receipt.interrupted:
        return INTERRUPTED
    problems = receipt.problems
    if not problems:
        return 0
    alone = len(problems) == len(receipt.datasets) and len({problem.exit_status for problem in problems}) == 1
    return problems[0].exit_status if alone else Partial.exit_status
