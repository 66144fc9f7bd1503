"""``archiver compact``."""

from collections.abc import Sequence
from typing import Annotated

import typer

from archiver.app import build as wiring
from archiver.app.archive import opened_in
from archiver.cli.common import JsonOption, WaitOption, chosen_datasets, context, ended
from archiver.cli.views import compact as views
from archiver.cli.views.console import Output
from archiver.config import Settings
from archiver.ledger.ledger import Ledger
from archiver.model import Dataset
from archiver.operations.archive.compact import Compact
from archiver.operations.archive.sweep import finish_sweeps
from archiver.operations.steps.run import Run
from archiver.retention import CompactionRules


def compact(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="[DATASET]...", help="Without: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be merged, and what not.")] = False,
    wait: WaitOption = False,
    json_: JsonOption = False,
) -> None:
    """Merge the small parts of days that are over.

    No row comes, goes or changes: the new part is read back and compared with the old ones, row for row, before it
    takes their place.

    Example: archiver compact --dry-run
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    chosen = chosen_datasets(settings, datasets, with_logs=True)
    with wiring.new_run(settings, jobs=settings.verify.jobs) as run:
        if dry_run:
            with opened_in(run, settings, "read") as archive:
                views.compaction_plans(output, _compact(output, settings, run, archive.ledger, chosen).plan())
            return
        with opened_in(run, settings, "write", wait=wait) as archive:
            status = execute_compaction(output, settings, run, archive.ledger, chosen)
    if status:
        raise typer.Exit(status)


def execute_compaction(output: Output, settings: Settings, run: Run, ledger: Ledger, chosen: Sequence[Dataset]) -> int:
    """Merge what is worth while. Returns the exit status.

    Raises:
        ArchiverError: As ``Compact.execute``; ``Interrupted`` when the run was asked to stop.
    """
    finish_sweeps(ledger)
    work = _compact(output, settings, run, ledger, chosen)
    receipt = work.execute(work.plan())
    status = max((problem.exit_status for problem in receipt.problems), default=0)
    views.compact_receipt(output, receipt, status)
    return ended(output, receipt.problems, interrupted=receipt.interrupted, status=status)


def _compact(output: Output, settings: Settings, run: Run, ledger: Ledger, chosen: Sequence[Dataset]) -> Compact:
    return Compact(
        ledger,
        chosen,
        rules=CompactionRules(**dict(settings.compact), merged_size_bytes_max=settings.export.part_size_bytes_max),
        run=run,
        now=wiring.now(),
        progress=views.CompactView(output),
    )
