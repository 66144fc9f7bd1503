"""``archiver purge`` and ``archiver expire``."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from archiver.app import build as wiring
from archiver.app import deletion as wiring_deletion
from archiver.app import keys
from archiver.app.archive import opened_in
from archiver.cli.common import JsonOption, WaitOption, chosen_datasets, context, ended, warn_of_key
from archiver.cli.loki import LOGS
from archiver.cli.purge_loki import purge_logs
from archiver.cli.views import deletion as views
from archiver.cli.views.console import Output
from archiver.config import Settings
from archiver.contracts import Purgeable
from archiver.errors import ArchiverError, Interrupted, Partial
from archiver.ledger.ledger import Ledger
from archiver.model import Dataset
from archiver.operations.archive.compact import finish_compactions
from archiver.operations.archive.expire import Expire, expiry_word
from archiver.operations.archive.sweep import finish_sweeps
from archiver.operations.steps.run import Run
from archiver.operations.tables.purge import Purge, PurgeOptions, plan_word

DatasetsArgument = Annotated[list[str] | None, typer.Argument(metavar="DATASET", help="Without: all.")]
ExecuteOption = Annotated[bool, typer.Option("--execute", help="Do it. Without, only the plan is shown.")]
ConfirmOption = Annotated[
    str | None, typer.Option(metavar="WORD", help="Confirm what the guard refuses, for exactly the plan of this word.")
]


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
    tables = [name for name in datasets or () if name != LOGS]
    has_tables = bool(tables) or not datasets
    chosen: list[Dataset] = []
    if has_tables:
        chosen = [one for one in chosen_datasets(settings, tables) if one.source_retention is not None]
        warn_of_key(output, settings)
    statuses: list[int] = []
    failed: ArchiverError | None = None
    with ExitStack() as stack:
        run = stack.enter_context(wiring.new_run(settings, jobs=1))
        source = wiring_deletion.build_purgeable(settings, run.stop) if has_tables else None
        ledger = stack.enter_context(_opened(settings, run, execute=execute, wait=wait))
        try:
            if source is not None and execute:
                statuses.append(execute_purge(output, settings, run, ledger, source, chosen, confirm=confirm))
            elif source is not None:
                _show_purge(output, settings, run, ledger, source, chosen)
        except Interrupted:
            raise
        except ArchiverError as problem:
            # What becomes of the tables says nothing about the logs.
            failed = problem
        if LOGS in (datasets or ()) or (not datasets and settings.logs() is not None):
            reading = replace(run, jobs=settings.loki.jobs)
            # A word confirms one plan: where the tables have one as well, it is theirs.
            word = confirm if source is None else None
            statuses.append(purge_logs(output, settings, reading, ledger, execute=execute, confirm=word))
    if failed is not None:
        raise failed
    found = {status for status in statuses if status}
    if found:
        raise typer.Exit(found.pop() if len(found) == 1 else Partial.exit_status)


@contextmanager
def _opened(settings: Settings, run: Run, *, execute: bool, wait: bool) -> Iterator[Ledger]:
    if not execute:
        with opened_in(run, settings, "read") as archive:
            yield archive.ledger
        return
    with opened_in(run, settings, "write", wait=wait) as archive:
        yield archive.ledger


def _show_purge(
    output: Output, settings: Settings, run: Run, ledger: Ledger, source: Purgeable, chosen: Sequence[Dataset]
) -> None:
    plans, _ = purge_work(output, settings, run, ledger, source, chosen).plan(look=True)
    refused = wiring_deletion.refusals(settings, ledger, source, plans)
    views.purge_plans(output, plans, refused, plan_word(plans))


def execute_purge(
    output: Output,
    settings: Settings,
    run: Run,
    ledger: Ledger,
    source: Purgeable,
    chosen: Sequence[Dataset],
    *,
    confirm: str | None = None,
) -> int:
    """Delete what may leave the database, unless the guard refuses. Returns the exit status.

    Raises:
        ArchiverError: As ``Purge.execute``; ``Interrupted`` when the run was asked to stop.
    """
    work = purge_work(output, settings, run, ledger, source, chosen)
    # The clocks before anything is written: our own entry would make the last one fresh.
    early = wiring_deletion.refusals(settings, ledger, source, ())
    reconciled = work.reconcile()
    plans, _ = work.plan()
    refused = tuple(dict.fromkeys([*early, *wiring_deletion.refusals(settings, ledger, source, plans)]))
    said = wiring_deletion.confirmed("purge", refused, word=plan_word(plans), given=confirm)
    receipt = work.execute(plans, confirmed=said)
    receipt.rows_reconciled = reconciled
    status = _status(receipt.problems, views.broken_promises(receipt.kept))
    views.purge_receipt(output, receipt, status)
    return ended(output, receipt.problems, interrupted=receipt.interrupted, status=status)


def purge_work(
    output: Output, settings: Settings, run: Run, ledger: Ledger, source: Purgeable, chosen: Sequence[Dataset]
) -> Purge:
    """A purge as the settings want it; decides and does nothing yet."""
    views.lost_keys(output, wiring_deletion.holds_of_another_key(settings, ledger.holdings))
    return Purge(
        ledger,
        source,
        chosen,
        options=PurgeOptions(
            **dict(wiring_deletion.purge_settings(settings)),
            subject_digest=wiring_deletion.subject_digest(settings),
            privacy_key=keys.policy_key(settings, chosen),
        ),
        run=run,
        now=wiring_deletion.deletion_time(),
        progress=views.DeletionView(output),
    )


def expire(
    datasets: DatasetsArgument = None,
    execute: ExecuteOption = False,
    confirm: ConfirmOption = None,
    wait: WaitOption = False,
    json_: JsonOption = False,
) -> None:
    """Delete from the archive what it may no longer hold.

    The object, all its versions, then a look whether it is really gone. Until archive_retention is set, nothing goes.

    Example: archiver expire, then archiver expire --execute
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    chosen = chosen_datasets(settings, datasets, with_logs=True)
    with wiring.new_run(settings, jobs=settings.verify.jobs) as run:
        if not execute:
            with opened_in(run, settings, "read") as archive:
                ledger = archive.ledger
            plans = expiry_work(output, settings, run, ledger, chosen).plan()
            refused = wiring_deletion.refusals(settings, ledger, None, plans)
            views.expiry_plans(output, plans, refused, expiry_word(plans))
            return
        with opened_in(run, settings, "write", wait=wait) as archive:
            status = execute_expiry(output, settings, run, archive.ledger, chosen, confirm=confirm)
    if status:
        raise typer.Exit(status)


def execute_expiry(
    output: Output,
    settings: Settings,
    run: Run,
    ledger: Ledger,
    chosen: Sequence[Dataset],
    *,
    confirm: str | None = None,
) -> int:
    """Delete what the archive may no longer hold, unless the guard refuses. Returns the exit status.

    Raises:
        ArchiverError: As ``Expire.execute``; ``Interrupted`` when the run was asked to stop.
    """
    work = expiry_work(output, settings, run, ledger, chosen)
    plans = work.plan()
    refused = wiring_deletion.refusals(settings, ledger, None, plans)
    said = wiring_deletion.confirmed("expire", refused, word=expiry_word(plans), given=confirm)
    swept, replaced = finish_sweeps(ledger), finish_compactions(ledger, run=run)
    work.resume()
    receipt = work.execute(plans, confirmed=said)
    receipt.problems += [*swept.problems, *replaced.problems]
    receipt.kept_until |= swept.kept_until | replaced.kept_until
    left = views.broken_promises(receipt.kept) + len(receipt.kept_until)
    status = _status(receipt.problems, left)
    views.expire_receipt(output, receipt, status)
    return ended(output, receipt.problems, interrupted=receipt.interrupted, status=status)


def expiry_work(output: Output, settings: Settings, run: Run, ledger: Ledger, chosen: Sequence[Dataset]) -> Expire:
    """An expiry as the settings want it; decides and does nothing yet."""
    views.lost_keys(output, wiring_deletion.holds_of_another_key(settings, ledger.holdings))
    return Expire(
        ledger,
        chosen,
        run=run,
        now=wiring_deletion.deletion_time(),
        subject_digest=wiring_deletion.subject_digest(settings),
        progress=views.DeletionView(output),
    )


def _status(problems: list[ArchiverError], left: int) -> int:
    if problems:
        return max(problem.exit_status for problem in problems)
    return Partial.exit_status if left else 0
