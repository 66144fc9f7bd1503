"""What a person or a program sees of purges of tables. Decides nothing."""

from collections.abc import Sequence

from archiver.app.purge import TablesPlanned, TablesPurged
from archiver.cli.views.console import Output, count_text, rows_text, show, table
from archiver.cli.views.deletion import kept, lost_keys, plan_summary, receipt_summary, refusals
from archiver.model import Statement
from archiver.operations.tables.purge import PurgeReceipt
from archiver.retention import PurgePlan
from archiver.words import english


def purge_plans(output: Output, plans: Sequence[PurgePlan], refused: Sequence[Statement], word: str) -> None:
    """What a purge would do."""
    if output.as_json:
        for plan in plans:
            for slot in plan.slots:
                output.json_line(
                    "due",
                    {
                        "dataset": plan.dataset,
                        "slot": str(slot.slot),
                        "rows": slot.rows_due,
                        "keep": slot.keep,
                        "stays": slot.stays,
                    },
                )
            for remark in plan.remarks:
                output.json_line("remark", {"dataset": plan.dataset, "remark": remark})
            never = {"undated": plan.rows_undated, "future": plan.rows_future}
            output.json_line("never_due", {"dataset": plan.dataset, **never})
        plan_summary(output, "purge", sum(plan.rows_going for plan in plans), refused, word)
        return
    for plan in plans:
        _purge_plan(output, plan)
    refusals(output, refused)


def _purge_plan(output: Output, plan: PurgePlan) -> None:
    when = f"{plan.border:%Y-%m-%d %H:%M} UTC"
    if not plan.slots:
        output.answer(f"{plan.dataset}: no row is older than {when}")
    else:
        shown = table("dataset", "window", "rows due", "what", right=("rows due",))
        for slot in plan.slots:
            what = "goes, each row that is proven" if slot.keep is None else f"stays: {english(slot.keep)}"
            what += "".join(f"; stays, {rows_text(row.rows)}: {english(row.reason)}" for row in slot.stays)
            shown.add_row(plan.dataset, str(slot.slot), f"{slot.rows_due:,}", what)
        output.answer(shown)
        output.answer(
            f"{plan.dataset}: {rows_text(plan.rows_going)} of {rows_text(plan.rows_in_source)} may go: older than"
            f" {when}"
        )
    for remark in plan.remarks:
        output.answer(f"{plan.dataset}: {remark}")
    for count, why in ((plan.rows_undated, "without a usable time"), (plan.rows_future, "with a time to come")):
        if count:
            output.answer(f"{plan.dataset}: {rows_text(count)} {why}: never due")


def purge_receipt(output: Output, receipt: PurgeReceipt, status: int) -> None:
    """What a purge did."""
    if output.as_json:
        receipt_summary(output, "purge", receipt, status)
        return
    for name, rows in receipt.rows_reconciled.items():
        if rows:
            output.answer(f"{name}: {rows_text(rows)} had been purged by a run that could not say so; now it is noted")
    for name, rows in receipt.rows.items():
        output.say(f"{name}: {rows_text(rows)} purged, each proven by the archive in the deleting transaction")
    for name, count in receipt.partitions.items():
        output.say(f"{name}: {count_text(count, 'partition')} of these dropped whole")
    for name, remarks in receipt.remarks.items():
        for remark in remarks:
            output.warn(f"{name}: {remark}")
    kept(output, receipt.kept)


@show.register
def _tables_planned(outcome: TablesPlanned, output: Output) -> None:
    lost_keys(output, outcome.lost)
    purge_plans(output, outcome.plans, outcome.refused, outcome.word)


@show.register
def _tables_purged(outcome: TablesPurged, output: Output) -> None:
    lost_keys(output, outcome.lost)
    purge_receipt(output, outcome.receipt, outcome.exit_status)
