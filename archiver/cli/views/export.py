"""What a person or a program sees of exports of tables. Decides nothing."""

import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from archiver.app.export import TablesExported, TablesPlanned
from archiver.cli.views.console import Output, count_text, rows_text, show, size_text, table
from archiver.model import Event, Exported
from archiver.operations.tables.export import ExportReceipt
from archiver.retention import ExportPlan, Need
from archiver.words import english

WHY_DUE = {
    Need.FIRST: "never exported",
    Need.CHANGED: "changed since it was exported",
    Need.POLICY: "column policies ask for more than is held of it",
    Need.AGAIN: "expired from the archive, still in the source",
}


class ExportView:
    """An export as it goes: a bar on a terminal, JSON Lines, or nothing."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._read: dict[str, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self._output.shows_progress:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f} rows"),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=self._output.err,
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def planned(self, plans: Sequence[ExportPlan]) -> None:
        """A further snapshot of the same run plans only what is left, so totals start from what was read."""
        if self._progress is None:
            return
        with self._lock:
            for plan in plans:
                total = self._read.get(plan.dataset, 0) + plan.rows
                if plan.dataset not in self._tasks:
                    if plan.rows:
                        self._tasks[plan.dataset] = self._progress.add_task(plan.dataset, total=total, rate="")
                else:
                    self._progress.update(self._tasks[plan.dataset], total=total)

    def rows_read(self, dataset: str, rows: int) -> None:
        """So many more rows arrived."""
        if self._progress is None:
            return
        with self._lock:
            self._read[dataset] = self._read.get(dataset, 0) + rows
            task = self._tasks.get(dataset)
            if task is None:
                return
            self._progress.update(task, completed=self._read[dataset])
            speed = next((t.speed for t in self._progress.tasks if t.id == task), None)
            if speed:
                self._progress.update(task, rate=f"{speed:,.0f} rows/s")

    def slot_done(self, event: Exported) -> None:
        """A slot was read, written and uploaded."""

    def committed(self, seq: int, events: Sequence[Event]) -> None:
        """An entry was appended."""
        if self._output.as_json:
            for event in events:
                if isinstance(event, Exported):
                    self._output.json_line("exported", {"seq": seq, **asdict(event), "slot": str(event.slot)})


def export_plan(output: Output, plans: Sequence[ExportPlan]) -> None:
    """What an export would do."""
    if output.as_json:
        _export_plan_lines(output, plans)
        return
    for plan in plans:
        if plan.due:
            shown = table("dataset", "window", "rows to read", "why", right=("rows to read",))
            for due in plan.due:
                why = WHY_DUE[due.need]
                shown.add_row(plan.dataset, str(due.slot), f"{due.state.rows:,}", why)
            output.answer(shown)
        else:
            output.answer(f"{plan.dataset}: nothing to export")
        for reason in dict.fromkeys(left.reason for left in plan.left):
            rows = [left.rows for left in plan.left if left.reason == reason]
            windows = f"{count_text(len(rows), 'window')} with {rows_text(sum(rows))}"
            output.answer(f"{plan.dataset}: {windows} left alone: {english(reason)}")


def _export_plan_lines(output: Output, plans: Sequence[ExportPlan]) -> None:
    for plan in plans:
        for due in plan.due:
            facts = {"dataset": plan.dataset, "slot": str(due.slot), "need": due.need, "rows": due.state.rows}
            output.json_line("due", facts)
        for left in plan.left:
            facts = {"dataset": plan.dataset, "slot": str(left.slot), "rows": left.rows, "reason": left.reason}
            output.json_line("left", facts)
    slots, rows = sum(len(plan.due) for plan in plans), sum(plan.rows for plan in plans)
    output.json_line("summary", {"command": "export", "dry_run": True, "slots": slots, "rows": rows})


def export_receipt(output: Output, receipt: ExportReceipt, elapsed_s: float) -> None:
    """What an export did."""
    if output.as_json:
        return
    for export in receipt.datasets.values():
        if export.problem is not None:
            continue
        if export.segments == 0:
            output.say(f"{export.dataset}: nothing new to export")
        else:
            output.say(
                f"{export.dataset}: {rows_text(export.rows)} in {count_text(export.slots, 'window')} archived as"
                f" {count_text(export.segments, 'part')}, {size_text(export.size_bytes)}"
            )
        for count, what in (
            (export.rows_undated, "without a usable time: archived, never purged"),
            (export.rows_future, "with a time that has not come yet: archived, never purged before it has"),
            (export.rows_duplicate_key, "with the key of another row: archived, never purged"),
            (export.rows_changed, "changed in the source after they had been archived; both versions are held"),
            (export.rows_missing, "that the archive holds left the source"),
        ):
            if count:
                output.say(f"  {rows_text(count)} {what}")
        if export.slots_unsettled and export.segments:
            output.say(
                f"  {count_text(export.slots_unsettled, 'window')} may still get rows from open transactions;"
                " they are compared again at every run"
            )
    if receipt.rows and elapsed_s > 0:
        output.say(f"{rows_text(receipt.rows)} in {elapsed_s:.1f} s ({receipt.rows / elapsed_s:,.0f} rows/s)")


@show.register
def _tables_planned(outcome: TablesPlanned, output: Output) -> None:
    export_plan(output, outcome.plans)


@show.register
def _tables_exported(outcome: TablesExported, output: Output) -> None:
    receipt = outcome.receipt
    export_receipt(output, receipt, outcome.elapsed_s)
    if output.as_json:
        done = {"datasets": receipt.datasets, "commits": receipt.commits, "rows": receipt.rows}
        ended = {"exit": outcome.exit_status, "elapsed_s": outcome.elapsed_s}
        output.json_line("summary", {"command": "export", **ended, **done})
