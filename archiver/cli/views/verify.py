"""What a person or a program sees of verifications. Decides nothing."""

from dataclasses import asdict
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from archiver.app.verify import Verified
from archiver.cli.views.console import Output, count_text, rows_text, show, size_text
from archiver.ledger.holdings import HeldSegment
from archiver.operations.archive.sweep import PREFIXES
from archiver.operations.archive.verify import VerifyReceipt

OVERDUE_LINES_MAX = 20


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
        """How much is going to be checked."""
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
    overdue = set(receipt.overdue)
    for key in receipt.litter:
        output.json_line("litter", {"key": key, "overdue": key in overdue})
    for upload in receipt.uploads or ():
        output.json_line("upload", asdict(upload))
    counts = {
        "problems": len(receipt.problems),
        "litter": len(receipt.litter),
        "overdue": len(receipt.overdue),
        "witnesses": len(receipt.witnesses),
        "uploads": None if receipt.uploads is None else len(receipt.uploads),
    }
    summary = {name: value for name, value in asdict(receipt).items() if name not in counts}
    output.json_line("summary", {"command": "verify", **summary, **counts})


def _verify_litter(output: Output, receipt: VerifyReceipt) -> None:
    overdue = set(receipt.overdue)
    for key in receipt.overdue[:OVERDUE_LINES_MAX]:
        output.err.print(Text(f"{key}: named by no entry, so no part of the archive, whoever put it there", "yellow"))
    if len(receipt.overdue) > OVERDUE_LINES_MAX:
        output.err.print(Text(f"and {len(receipt.overdue) - OVERDUE_LINES_MAX:,} more; --json lists all", "yellow"))
    for key in receipt.litter:
        if key not in overdue:
            output.say(f"litter: {key} is named by no entry: not data, but it may hold personal data")
    for upload in receipt.uploads or ():
        output.say(f"unfinished upload: {upload.key}, of {upload.begun_at:%Y-%m-%d %H:%M} UTC, may hold personal data")
    if receipt.overdue:
        output.err.print(f"look where it comes from; `archiver sweep` deletes it below {', '.join(PREFIXES)}")
    elif receipt.litter or receipt.uploads:
        output.say("`archiver sweep` deletes these after a grace time")
    if receipt.uploads is None:
        output.say("unfinished uploads could not be listed with these credentials")


@show.register
def _verified(outcome: Verified, output: Output) -> None:
    if outcome.is_unrecorded:
        output.warn("another run appended meanwhile; the result was not noted in the ledger")
    verify_receipt(output, outcome.receipt)
