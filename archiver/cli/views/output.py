"""What a person or a program sees: text on a terminal, JSON on stdout. Decides nothing.

Data goes to stdout, everything else to stderr. Nothing here ever prints a secret, a row or a subject.
"""

import json
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from archiver.errors import ArchiverError
from archiver.ledger.holdings import HeldSegment
from archiver.model import Event, Exported
from archiver.operations.archive.verify import VerifyReceipt
from archiver.operations.tables.export import ExportReceipt
from archiver.retention import ExportPlan, Need

TABLE_WIDTH_MAX = 100_000
"""Columns; no table is as wide."""


def rows_text(count: int) -> str:
    """``1 row``, ``12,345 rows``."""
    return count_text(count, "row")


def count_text(count: int, noun: str) -> str:
    """``1 window``, ``3 windows``, ``1,200 rows``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def size_text(size_bytes: int) -> str:
    """``1.4 MiB``."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:  # noqa: PLR2004
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def jsonable(value: Any) -> Any:
    """Nouns as JSON has them: RFC 3339 times, durations in seconds, errors with their exit status."""
    return to_jsonable_python(value, timedelta_mode="float", fallback=_error_fields)


def _error_fields(value: Any) -> Any:
    if isinstance(value, ArchiverError):
        return {"error": type(value).__name__, "message": value.message, "hint": value.hint, "exit": value.exit_status}
    return str(value)


WHY_DUE = {
    Need.FIRST: "never exported",
    Need.CHANGED: "changed since it was exported",
    Need.POLICY: "column policies ask for more than is held of it",
    Need.AGAIN: "held once and let go of, and still in the source",
}


class Output:
    """Where everything is printed.

    Args:
        as_json: Data as JSON on stdout; long work as JSON Lines whose last line is a summary.
        quiet: Only data and errors. Without a terminal, success is silent anyway unless ``verbose``.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        self.shows_progress = self.err.is_terminal and not quiet and not as_json
        self.is_talkative = not quiet and not as_json and (self.out.is_terminal or verbose)
        self.verbose = verbose
        self._lock = threading.Lock()

    def json_line(self, kind: str, fields: Mapping[str, Any]) -> None:
        """One JSON object on a line of its own."""
        with self._lock:
            sys.stdout.write(json.dumps({"type": kind, **jsonable(fields)}, ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def json_document(self, fields: Any) -> None:
        """One JSON document: the whole answer."""
        sys.stdout.write(json.dumps(jsonable(fields), ensure_ascii=False, indent=2) + "\n")

    def say(self, text: str | Text = "", style: str = "") -> None:
        """Tell what was done; not in cron, not with --quiet or --json."""
        if self.is_talkative:
            self.out.print(text, style=style, markup=False)

    def answer(self, text: str | Text | Table) -> None:
        """Print what was asked for, terminal or not."""
        if not self.as_json:
            if isinstance(text, str):
                self.out.print(text, markup=False)
            else:
                # A table is never cut to the width of a terminal: a person scrolls, a program reads on.
                unbounded = self.out.options.update(max_width=TABLE_WIDTH_MAX)
                width = max(self.out.width, Measurement.get(self.out, unbounded, text).maximum)
                # A console never prints wider than itself.
                Console(highlight=False, soft_wrap=True, width=width).print(text)

    def warn(self, text: str) -> None:
        """Tell a person, on stderr, always."""
        self.err.print(Text("warning: ", style="yellow") + Text(text))

    def error(self, problem: ArchiverError) -> None:
        """One line that names the problem, and one with the next step."""
        self.err.print(Text("error: ", style="bold red") + Text(problem.message))
        if problem.hint:
            self.err.print(Text("hint: ", style="cyan") + Text(problem.hint))


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A plain table; columns named in ``right`` are aligned to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return made


# ── Export ─────────────────────────────────────────────────────────────────────────────────────────────────────


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
            output.answer(
                f"{plan.dataset}: {count_text(len(rows), 'window')} with {rows_text(sum(rows))} left alone: {reason}"
            )


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
    for one in receipt.datasets.values():
        if one.problem is not None:
            continue
        if one.segments == 0:
            output.say(f"{one.dataset}: nothing new to export")
        else:
            output.say(
                f"{one.dataset}: {rows_text(one.rows)} in {count_text(one.slots, 'window')} archived as"
                f" {count_text(one.segments, 'part')}, {size_text(one.size_bytes)}"
            )
        for count, what in (
            (one.rows_undated, "without a usable time: archived, never purged"),
            (one.rows_future, "with a time that has not come yet: archived, never purged before it has"),
            (one.rows_duplicate_key, "with the key of another row: archived, never purged"),
            (one.rows_changed, "changed in the source after they had been archived; both versions are held"),
            (one.rows_missing, "that the archive holds left the source"),
        ):
            if count:
                output.say(f"  {rows_text(count)} {what}")
        if one.slots_unsettled and one.segments:
            output.say(
                f"  {count_text(one.slots_unsettled, 'window')} may still get rows from open transactions;"
                " they are compared again at every run"
            )
    if receipt.rows and elapsed_s > 0:
        output.say(f"{rows_text(receipt.rows)} in {elapsed_s:.1f} s ({receipt.rows / elapsed_s:,.0f} rows/s)")


# ── Verify ─────────────────────────────────────────────────────────────────────────────────────────────────────


class VerifyView:
    """A verification as it goes."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._output.shows_progress:
            self._progress = Progress(
                TextColumn("verifying"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                console=self._output.err,
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def planned(self, segments: int, size_bytes: int) -> None:
        """So much is to be looked at."""
        if self._progress is not None and segments:
            self._task = self._progress.add_task("verifying", total=size_bytes)

    def segment_done(self, segment: HeldSegment) -> None:
        """One more was read."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, segment.segment.size_bytes)


def verify_receipt(output: Output, receipt: VerifyReceipt) -> None:
    """What a verification found."""
    if output.as_json:
        _verify_lines(output, receipt)
        return
    for problem in receipt.problems:
        output.err.print(Text("problem: ", style="bold red") + Text(f"{problem.subject}: {problem.fact}"))
        if problem.hint:
            output.err.print(Text("hint: ", style="cyan") + Text(problem.hint))
    _verify_litter(output, receipt)
    how = "read, decoded and compared" if receipt.depth == "deep" else "read and compared"
    output.say(f"archive {receipt.archive_id}, key {receipt.public_key}")
    output.say(f"{receipt.entries:,} ledger entries, head {receipt.head_hash[:16]}")
    held = f"{count_text(receipt.segments, 'object')} with {rows_text(receipt.rows)}, {size_text(receipt.size_bytes)}"
    output.say(f"{held}: {how}")
    if receipt.anchor is None and not receipt.problems:
        output.say("no anchor: that nothing was cut off the end can only be told from the anchor")
    if receipt.problems:
        output.err.print(
            Text(f"{count_text(len(receipt.problems), 'problem')}: the archive contradicts its ledger", "bold red")
        )
    else:
        output.say("everything agrees")


def _verify_lines(output: Output, receipt: VerifyReceipt) -> None:
    for problem in receipt.problems:
        output.json_line("problem", asdict(problem))
    for key in receipt.litter:
        output.json_line("litter", {"key": key})
    for upload in receipt.uploads or ():
        output.json_line("upload", asdict(upload))
    counts = {
        "problems": len(receipt.problems),
        "litter": len(receipt.litter),
        "uploads": None if receipt.uploads is None else len(receipt.uploads),
    }
    summary = {name: value for name, value in asdict(receipt).items() if name not in counts}
    output.json_line("summary", {"command": "verify", **summary, **counts})


def _verify_litter(output: Output, receipt: VerifyReceipt) -> None:
    for key in receipt.litter:
        output.say(f"litter: {key} is named by no entry: not data, but it may hold personal data")
    for upload in receipt.uploads or ():
        output.say(f"unfinished upload: {upload.key}, of {upload.begun_at:%Y-%m-%d %H:%M} UTC, may hold personal data")
    if receipt.litter or receipt.uploads:
        output.say("`archiver sweep` deletes these after a grace time")
    if receipt.uploads is None:
        output.say("unfinished uploads could not be listed with these credentials")
