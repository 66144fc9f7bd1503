"""What a person or a program sees of sweeps. Decides nothing."""

from dataclasses import asdict

from archiver.app.sweep import SweepPlanned, Swept
from archiver.cli.views.console import Output, count_text, show, size_text
from archiver.cli.views.deletion import receipt_summary, residuals
from archiver.operations.archive.sweep import SweepPlan, SweepReceipt


def sweep_plan(output: Output, plan: SweepPlan) -> None:
    """What a sweep would do."""
    if output.as_json:
        for ref in plan.litter:
            output.json_line("litter", asdict(ref))
        for upload in plan.uploads:
            output.json_line("upload", asdict(upload))
        facts = {"objects": len(plan.litter), "uploads": len(plan.uploads), "size_bytes": plan.size_bytes}
        output.json_line("summary", {"command": "sweep", "execute": False, "young": plan.young, **facts})
        return
    for ref in plan.litter:
        output.answer(f"litter: {ref.key}, {size_text(ref.size_bytes)}, of {ref.modified_at:%Y-%m-%d}")
    for upload in plan.uploads:
        output.answer(f"unfinished upload: {upload.key}, of {upload.begun_at:%Y-%m-%d}")
    if not plan.litter and not plan.uploads:
        output.answer("no litter")
    if plan.young:
        output.answer(f"{plan.young} more are younger than the grace time: a run may be at work on them")


def sweep_receipt(output: Output, receipt: SweepReceipt, status: int) -> None:
    """What a sweep did."""
    if output.as_json:
        receipt_summary(output, "sweep", receipt, status)
        return
    if receipt.objects_resumed:
        objects = count_text(receipt.objects_resumed, "object")
        output.answer(f"{objects} had been announced by a sweep that did not end; gone now")
    residuals(output, receipt.kept_until)
    output.say(
        f"{count_text(receipt.objects, 'object')} that no entry named, {size_text(receipt.size_bytes)}, and"
        f" {count_text(receipt.uploads, 'unfinished upload')} are gone"
    )


@show.register
def _sweep_planned(outcome: SweepPlanned, output: Output) -> None:
    sweep_plan(output, outcome.plan)


@show.register
def _swept(outcome: Swept, output: Output) -> None:
    sweep_receipt(output, outcome.receipt, outcome.exit_status)
