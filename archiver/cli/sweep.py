"""``archiver sweep``."""

import typer

from archiver.app.archive import open_archive
from archiver.cli.common import JsonOption, WaitOption, context, ended
from archiver.cli.purge import ExecuteOption
from archiver.cli.views import deletion as views
from archiver.errors import Partial
from archiver.operations.archive.sweep import plan_sweep
from archiver.operations.archive.sweep import sweep as delete_litter


def sweep(execute: ExecuteOption = False, wait: WaitOption = False, json_: JsonOption = False) -> None:
    """Delete what crashed runs left in the store.

    Objects that no entry of the ledger names, and uploads that nobody finished, after a grace time (sweep.grace).

    Example: archiver sweep, then archiver sweep --execute
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    with open_archive(settings, "write" if execute else "read", wait=wait) as archive:
        now = archive.ledger.store.clock() or archive.clock()
        plan = plan_sweep(archive.ledger, now=now, grace=settings.sweep.grace)
        if not execute:
            views.sweep_plan(output, plan)
            return
        receipt = delete_litter(archive.ledger, plan, run=archive.run)
    status = Partial.exit_status if receipt.problems or receipt.kept_until else 0
    views.sweep_receipt(output, receipt, status)
    if ended(output, receipt.problems, interrupted=receipt.interrupted, status=status):
        raise typer.Exit(status)
