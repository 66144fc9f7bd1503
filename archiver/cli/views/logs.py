"""What a person or a program sees of logs and their chunks. Decides nothing; shows no line and no label."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from archiver.app.export import LogsExported, LogsPlanned
from archiver.cli.views.console import Output, count_text, rows_text, show, size_text
from archiver.cli.views.statements import counted, told
from archiver.model import ChunksArchived, Event, Exported, Wait
from archiver.operations.logs.export import LokiReceipt
from archiver.operations.logs.plan import ChunkPlan
from archiver.operations.logs.settings import LOGS
from archiver.words import english

NAMED_MAX = 20
"""So many chunks are named one by one."""


class LokiView:
    """An export of logs as it goes: a bar on a terminal, JSON Lines, or nothing."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._entries = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self._output.shows_progress:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(binary_units=True),
                TransferSpeedColumn(),
                TextColumn("{task.fields[lines]}"),
                TimeRemainingColumn(),
                console=self._output.err,
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def chunks_planned(self, chunks: int, size_bytes: int) -> None:
        """So much is to be read."""
        if self._progress is not None and chunks:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task("loki", total=size_bytes, lines="")

    def chunk_read(self, size_bytes: int, entries: int) -> None:
        """One more was decoded."""
        if self._progress is None or self._task is None:
            return
        with self._lock:
            self._entries += entries
            self._progress.update(self._task, advance=size_bytes, lines=f"{self._entries:,} lines")

    def chunks_committed(self, seq: int, events: Sequence[Event]) -> None:
        """An entry was appended."""
        if not self._output.as_json:
            return
        for event in events:
            if isinstance(event, Exported):
                self._output.json_line("exported", {"seq": seq, **asdict(event), "slot": str(event.slot)})
            elif isinstance(event, ChunksArchived):
                self._output.json_line("chunks_archived", {"seq": seq, **asdict(event)})


def loki_plan(output: Output, plan: ChunkPlan) -> None:
    """What an export of logs would do."""
    waiting = Counter(chunk.reason() for chunk in plan.waiting)
    if output.as_json:
        for ref in plan.due:
            output.json_line("due", {"chunk": ref.chunk, "size_bytes": ref.size_bytes})
        for chunk in plan.waiting:
            output.json_line("left", {"chunk": chunk.ref.chunk, "reason": chunk.reason(), "detail": chunk.detail})
        output.json_line(
            "summary",
            {
                "command": "export",
                "dataset": "loki",
                "dry_run": True,
                "chunks": len(plan.due),
                "size_bytes": plan.size_bytes,
                "archived": plan.archived,
                "waiting": counted(waiting, "chunks"),
            },
        )
        return
    output.answer(
        f"loki: {count_text(len(plan.due), 'chunk')} with {size_text(plan.size_bytes)} to archive,"
        f" {count_text(plan.archived, 'chunk')} archived before"
    )
    for reason, chunks in told(waiting):
        output.answer(f"loki: {count_text(chunks, 'chunk')} left alone: {reason}")
    for known, reason in plan.gone[:NAMED_MAX]:
        if reason is not Wait.DELETION:
            output.answer(f"loki: {known.chunk} was seen, never archived, and is gone")


def loki_receipt(output: Output, receipt: LokiReceipt, elapsed_s: float) -> None:
    """What an export of logs did."""
    if output.as_json:
        return
    for event in receipt.quarantined:
        output.warn(f"quarantined: {english(event.reason)}; its bytes are in {event.key}")
    for chunk in receipt.lost[:NAMED_MAX]:
        output.warn(f"lost: {chunk} was seen, never archived, and is no longer in Loki's store")
    if len(receipt.lost) > NAMED_MAX:
        output.warn(f"lost: {len(receipt.lost) - NAMED_MAX} more; the ledger's entry names the list of all")
    for line in _told(receipt):
        output.say(line)
    if receipt.entries and elapsed_s > 0:
        output.say(
            f"{receipt.entries:,} lines, {size_text(receipt.line_bytes)}, in {elapsed_s:.1f} s"
            f" ({receipt.entries / elapsed_s:,.0f} lines/s)"
        )


def _told(receipt: LokiReceipt) -> list[str]:
    parts = f"{count_text(receipt.segments, 'part')}, {size_text(receipt.size_bytes)}"
    lines = [f"loki: {rows_text(receipt.rows)} of {count_text(receipt.chunks, 'chunk')} archived as {parts}"]
    if not receipt.chunks:
        lines = ["loki: nothing new to export"]
    if receipt.rows_duplicate:
        lines.append(f"  {rows_text(receipt.rows_duplicate)} left out: another chunk, or the archive, has the same")
    if receipt.rows_deleted:
        lines.append(f"  {rows_text(receipt.rows_deleted)} left out: somebody asked Loki to delete them")
    lines += [f"  {count_text(scrub.lines, 'line')} with {scrub.pattern}: {scrub.action}" for scrub in receipt.scrubbed]
    lines += [f"  {count_text(share.chunks, 'chunk')} waiting: {english(share.reason)}" for share in receipt.waiting]
    return lines


@show.register
def _logs_planned(outcome: LogsPlanned, output: Output) -> None:
    loki_plan(output, outcome.plan)


@show.register
def _logs_exported(outcome: LogsExported, output: Output) -> None:
    receipt = outcome.receipt
    loki_receipt(output, receipt, outcome.elapsed_s)
    if output.as_json:
        ended = {"exit": outcome.exit_status, "elapsed_s": outcome.elapsed_s}
        output.json_line("summary", {"command": "export", "dataset": LOGS, **ended, **asdict(receipt)})
    elif receipt.in_quarantine and not receipt.quarantined:
        output.warn(f"{receipt.in_quarantine} unsound chunks are in quarantine; `archiver status` names them")
