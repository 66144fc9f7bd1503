"""What a person or a program sees of compactions. Decides nothing."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from archiver.app.compact import Compacted, CompactionPlanned
from archiver.cli.views.console import Output, count_text, rows_text, show, size_text, table
from archiver.cli.views.statements import counted, told
from archiver.operations.archive.compact import CompactReceipt
from archiver.retention import CompactionPlan, SlotMerge
from archiver.words import english


class CompactView:
    """A compaction as it goes: JSON Lines, or nothing."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def planned(self, merges: int, size_bytes: int) -> None:
        """The plan is printed on its own."""

    def merge_done(self, merge: SlotMerge) -> None:
        """One more was committed."""
        if self._output.as_json:
            facts = {"slot": str(merge.slot), "parts": len(merge.segments), "rows": merge.rows}
            self._output.json_line("compacted", {**facts, "size_bytes": merge.size_bytes})

    def object_gone(self, key: str) -> None:
        """An old object is deleted."""
        if self._output.as_json:
            self._output.json_line("gone", {"key": key})


def compaction_plans(output: Output, plans: Sequence[CompactionPlan]) -> None:
    """What a compaction would do."""
    if output.as_json:
        for plan in plans:
            for merge in plan.merges:
                facts = {"dataset": plan.dataset, "slot": str(merge.slot), "parts": len(merge.segments)}
                output.json_line("merge", {**facts, "rows": merge.rows, "size_bytes": merge.size_bytes})
            for left in plan.left:
                output.json_line("left", {"dataset": plan.dataset, "slot": str(left.slot), "reason": left.reason})
        merges = [merge for plan in plans for merge in plan.merges]
        facts = {"merges": len(merges), "parts": sum(len(merge.segments) for merge in merges)}
        output.json_line("summary", {"command": "compact", "dry_run": True, **facts})
        return
    for plan in plans:
        if not plan.merges and not plan.left:
            output.answer(f"{plan.dataset}: no day has many small parts")
            continue
        shown = table("dataset", "window", "parts", "rows", "size", "what", right=("parts", "rows", "size"))
        for merge in plan.merges:
            size = size_text(merge.size_bytes)
            shown.add_row(plan.dataset, str(merge.slot), str(len(merge.segments)), f"{merge.rows:,}", size, "merged")
        for left in plan.left:
            shown.add_row(plan.dataset, str(left.slot), "", f"{left.rows:,}", "", f"left alone: {english(left.reason)}")
        output.answer(shown)


def compact_receipt(output: Output, receipt: CompactReceipt, status: int) -> None:
    """What a compaction did."""
    if output.as_json:
        output.json_line("summary", {"command": "compact", "dry_run": False, "exit": status, **_fields(receipt)})
        return
    if receipt.objects_resumed:
        objects = count_text(receipt.objects_resumed, "object")
        output.answer(f"{objects} had been replaced by a run that did not end; deleted now")
    for name, before in receipt.parts_before.items():
        output.say(
            f"{name}: {count_text(before, 'part')}, {size_text(receipt.size_before_bytes[name])}, became"
            f" {count_text(receipt.parts_after[name], 'part')}, {size_text(receipt.size_after_bytes[name])}; the same"
            f" {rows_text(receipt.rows[name])}, compared one by one"
        )
    if not receipt.parts_before:
        output.say("nothing to compact")
    for name, reasons in receipt.left.items():
        for why, slots in told(reasons):
            output.say(f"{name}: {count_text(slots, 'window')} left alone: {why}")
    for key, until in sorted(receipt.kept_until.items()):
        output.answer(f"{key}: replaced, and a lock keeps it until {until:%Y-%m-%d}; the next run tries again")


def _fields(receipt: CompactReceipt) -> dict[str, Any]:
    left = {name: counted(reasons, "slots") for name, reasons in receipt.left.items()}
    return {**{field.name: getattr(receipt, field.name) for field in fields(receipt)}, "left": left}


@show.register
def _planned(outcome: CompactionPlanned, output: Output) -> None:
    compaction_plans(output, outcome.plans)


@show.register
def _compacted(outcome: Compacted, output: Output) -> None:
    compact_receipt(output, outcome.receipt, outcome.exit_status)
