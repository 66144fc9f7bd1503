"""What a person or a program sees of a night: its steps as they go, its last line. Decides nothing."""

import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import archiver.cli.views.expire
import archiver.cli.views.purge  # noqa: F401 (their views are registered)
from archiver import __version__
from archiver.app.night import COMMAND, NightWork
from archiver.app.outcome import Outcome
from archiver.cli.views import stack as stack_views
from archiver.cli.views.compact import CompactView
from archiver.cli.views.console import Output, rows_text, show_all
from archiver.cli.views.deletion import DeletionView
from archiver.cli.views.export import ExportView
from archiver.cli.views.logs import LokiView
from archiver.cli.views.purge_logs import SilentProof
from archiver.cli.views.verify import VerifyView
from archiver.errors import ArchiverError
from archiver.model import Entry, Exported, Finding, Purged, RunEnded, Skip, StepOutcome, StepResult
from archiver.model.statements import ordered
from archiver.operations.archive.observe import unexplained
from archiver.stack.check import exit_status
from archiver.telemetry.log import EventLog
from archiver.words import english, english_list


class NightView:
    """A night as it goes: each outcome as by day, and log lines with --verbose."""

    def __init__(self, output: Output, now: Callable[[], datetime]) -> None:
        self._output = output
        self._log = EventLog(sys.stderr if output.verbose else None, as_json=not output.err.is_terminal, now=now)

    # ── Who watches the use cases ──────────────────────────────────────────────────────────────────────────────

    def export(self) -> AbstractContextManager[ExportView]:
        """Tables being read."""
        return ExportView(self._output)

    def logs(self) -> AbstractContextManager[LokiView]:
        """Chunks being read."""
        return LokiView(self._output)

    def verify(self) -> AbstractContextManager[VerifyView]:
        """Segments being read back."""
        return VerifyView(self._output)

    def purge(self) -> DeletionView:
        """Rows being deleted."""
        return DeletionView(self._output)

    def proof(self) -> SilentProof:
        """Chunks being proven."""
        return SilentProof()

    def expire(self) -> DeletionView:
        """Objects being deleted."""
        return DeletionView(self._output)

    def compact(self) -> CompactView:
        """Parts being merged."""
        return CompactView(self._output)

    # ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────

    def began(self, run: str, *, execute: bool) -> None:
        """The night begins."""
        self._log.info("run.started", run=run, version=__version__, execute=execute)

    def started(self, step: str) -> None:
        """A step begins."""
        self._log.info("step.started", step=step)

    def outcome(self, outcome: Outcome) -> None:
        """What a use case did."""
        show_all(outcome, self._output)

    def findings(self, findings: tuple[Finding, ...]) -> None:
        """What the stack check found."""
        stack_views.findings(self._output, findings, exit_status(findings))

    def written(self, files: list[Path]) -> None:
        """The report's files."""
        self._log.info("report.written", files=len(files))

    def failed(self, step: str, problem: Exception) -> None:
        """A step ended with an error."""
        if isinstance(problem, ArchiverError):
            self._output.error(problem)
        else:
            # A library's message may quote what it stumbled over, and that may be a row: only who asks sees it.
            self._output.warn(f"{step}: unexpected {type(problem).__name__}; run it with --verbose for the details")
            if self._output.verbose:
                traceback.print_exception(problem)

    def appended(self, entries: Iterable[Entry]) -> None:
        """What a step appended."""
        for entry in entries:
            for event in entry.events:
                if isinstance(event, Exported):
                    for segment in event.segments:
                        self._log.info(
                            "segment.exported",
                            seq=entry.seq,
                            dataset=event.dataset,
                            slot=str(event.slot),
                            rows=segment.rows,
                            size_bytes=segment.size_bytes,
                        )
                elif isinstance(event, Purged):
                    slot = str(event.slot)
                    self._log.info("slot.purged", seq=entry.seq, dataset=event.dataset, slot=slot, rows=event.rows)

    def ended(self, result: StepResult) -> None:
        """A step ended, or was skipped."""
        reason = {} if result.reason is None else {"reason": result.reason.code}
        self._log.info(
            "step.ended",
            step=result.step,
            outcome=result.outcome.value,
            exit=result.exit_status,
            duration_s=result.duration_ms / 1000,
            **reason,
        )

    # ── The end ────────────────────────────────────────────────────────────────────────────────────────────────

    def finished(self, ended: RunEnded, work: NightWork, duration_s: float) -> None:
        """The night is over and noted."""
        self._log.info("run.ended", exit=ended.exit_status, duration_s=round(duration_s, 3))
        if self._output.as_json:
            fields: dict[str, Any] = {
                "command": COMMAND,
                "exit": ended.exit_status,
                "elapsed_s": duration_s,
                "rows_exported": work.rows_exported,
                "rows_purged": work.rows_purged,
                "rows_expired": work.rows_expired,
                "steps": ended.steps,
                "observed": ended.observed,
            }
            self._output.json_line("summary", fields)
            return
        line = _summary(ended, work)
        if ended.exit_status:
            self._output.warn(line)
        else:
            self._output.say(line)

    def warn(self, text: str) -> None:
        """Something beside the night went wrong."""
        self._output.warn(text)

    @property
    def tail(self) -> str:
        """The last log lines, for whoever is pinged."""
        return self._log.tail


def _summary(ended: RunEnded, work: NightWork) -> str:
    did = (
        f"{rows_text(work.rows_exported)} exported, {rows_text(work.rows_purged)} purged,"
        f" {rows_text(work.rows_expired)} expired"
    )
    bad = [f"{step.step} (exit {step.exit_status})" for step in ended.steps if step.outcome is StepOutcome.FAILED]
    skipped = [
        f"{step.step} ({english(step.reason)})"
        for step in ended.steps
        if step.outcome is StepOutcome.SKIPPED and step.reason is not None and step.reason.code == Skip.NEEDS
    ]
    overdue = unexplained(ended.observed)
    said = [f"nightly: exit {ended.exit_status}", did]
    if bad:
        said.append(f"failed: {', '.join(bad)}")
    if skipped:
        said.append(f"skipped: {', '.join(skipped)}")
    if overdue:
        reasons = ordered({share.reason for seen in ended.observed for share in seen.reasons})
        said.append(f"{rows_text(overdue)} overdue ({english_list(reasons)})")
    return "; ".join(said)
