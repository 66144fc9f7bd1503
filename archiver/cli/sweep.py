"""``archiver sweep``."""

import typer

from archiver.app import build as wiring
from archiver.cli.common import JsonOption, WaitOption, app, context, ended
from archiver.cli.purge import ExecuteOption
from archiver.cli.views import deletion as views
from archiver.errors import Partial
from archiver.operations.archive.sweep import plan_sweep, sweep


@app.command("sweep")
def sweep_command(execute: ExecuteOption = False, wait: WaitOption = False, json_: JsonOption = False) -> None:
    """Delete what crashed runs left in the store.

    Objects that no entry of the ledger names, and uploads that nobody finished, after a grace time (sweep.grace).

    Example: archiver sweep, then archiver sweep --execute
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    with wiring.new_run(settings, jobs=1) as run:
        if not execute:
            ledger = wiring.open_for_reading(settings, run)
            now = ledger.store.clock() or wiring.now()
            views.sweep_plan(output, plan_sweep(ledger, now=now, grace=settings.sweep.grace))
            return
        with wiring.writing(settings, run, wait=wait) as ledger:
            now = ledger.store.clock() or wiring.now()
            receipt = sweep(ledger, plan_sweep(ledger, now=now, grace=settings.sweep.grace), run=run)
    status = Partial.exit_status if receipt.problems or receipt.kept_until else 0
    views.sweep_receipt(output, receipt, status)
    if ended(output, receipt.problems, interrupted=receipt.interrupted, status=status):
        raise typer.Exit(status)
