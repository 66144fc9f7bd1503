"""What a person or a program sees of expiries. Decides nothing."""

from collections.abc import Sequence

from archiver.app.expire import Expired, ExpiryPlanned
from archiver.cli.views.console import Output, count_text, rows_text, show, size_text, table
from archiver.cli.views.deletion import kept, lost_keys, plan_summary, receipt_summary, refusals, residuals
from archiver.model import Statement
from archiver.operations.archive.expire import ExpireReceipt
from archiver.retention import ExpiryPlan
from archiver.words import english


def expiry_plans(output: Output, plans: Sequence[ExpiryPlan], refused: Sequence[Statement], word: str) -> None:
    """What an expiry would do."""
    if output.as_json:
        for plan in plans:
            for slot in plan.slots:
                facts = {
                    "dataset": plan.dataset,
                    "slot": str(slot.slot),
                    "due_at": slot.due_at,
                    "objects": len(slot.segments),
                    "rows": slot.rows,
                    "keep": slot.keep,
                }
                output.json_line("due", facts)
        plan_summary(output, "expire", sum(plan.rows_going for plan in plans), refused, word)
        return
    for plan in plans:
        if not plan.slots:
            output.answer(f"{plan.dataset}: the archive holds nothing for longer than it may")
            continue
        shown = table("dataset", "window", "due", "objects", "rows", "what", right=("objects", "rows"))
        for slot in plan.slots:
            what = "goes" if slot.keep is None else f"stays: {english(slot.keep)}"
            shown.add_row(
                plan.dataset, str(slot.slot), f"{slot.due_at:%Y-%m-%d}", str(len(slot.segments)), f"{slot.rows:,}", what
            )
        output.answer(shown)
    refusals(output, refused)


def expire_receipt(output: Output, receipt: ExpireReceipt, status: int) -> None:
    """What an expiry did."""
    if output.as_json:
        receipt_summary(output, "expire", receipt, status)
        return
    if receipt.objects_resumed:
        objects = count_text(receipt.objects_resumed, "object")
        output.answer(f"{objects} had been announced by a run that did not end; done now")
    for name, count in receipt.objects.items():
        size = size_text(receipt.size_bytes[name])
        output.say(
            f"{name}: {count_text(count, 'object')} with {rows_text(receipt.rows[name])}, {size}, left the archive;"
            f" {count_text(receipt.versions[name], 'version')} deleted, none is found any more"
        )
    if not receipt.objects:
        output.say("nothing expired")
    kept(output, receipt.kept)
    if receipt.residuals_gone:
        objects = count_text(receipt.residuals_gone, "object")
        output.answer(f"{objects} of earlier runs, of which a lock had kept a version, left the store for good")
    residuals(output, {**receipt.residuals, **receipt.kept_until})


@show.register
def _expiry_planned(outcome: ExpiryPlanned, output: Output) -> None:
    lost_keys(output, outcome.lost)
    expiry_plans(output, outcome.plans, outcome.refused, outcome.word)


@show.register
def _expired(outcome: Expired, output: Output) -> None:
    lost_keys(output, outcome.lost)
    expire_receipt(output, outcome.receipt, outcome.exit_status)
