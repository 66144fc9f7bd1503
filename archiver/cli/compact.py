"""``archiver compact``."""

from typing import Annotated

import typer

from archiver.app import compact as use_case
from archiver.app.archive import open_archive
from archiver.app.outcome import each
from archiver.cli.common import JsonOption, WaitOption, chosen_datasets, context, finish
from archiver.cli.views.compact import CompactView


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
    jobs = settings.verify.jobs
    with open_archive(settings, "read" if dry_run else "write", jobs=jobs, wait=wait) as archive:
        finish(output, each(lambda: use_case.compact(archive, chosen, CompactView(output), dry_run=dry_run)))
