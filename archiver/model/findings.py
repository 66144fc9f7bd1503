"""Findings: what a check, a step or a look at a place found. Stated in entries, read by reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from archiver.model.statements import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsKept:
    """Rows that a purge left in their source, and why."""

    reason: Statement
    rows: int


def rows_kept(counts: Mapping[Statement, int]) -> tuple[RowsKept, ...]:
    """Counted reasons as an entry has them: without those of no row, in an order that no run changes."""
    return tuple(
        RowsKept(reason=reason, rows=counts[reason])
        for reason in sorted(counts, key=lambda reason: reason.sort_key)
        if counts[reason]
    )


class Verdict(StrEnum):
    """What a check found. Unreachable, unauthorised and unknown are never ``ok``."""

    OK = "ok"
    BREACH = "breach"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check says about one subject, as statements.

    Attributes:
        check: Stable name for machines: ``prometheus.retention.observed``.
        subject: What it is about: a URL without credentials, a path, a table.
        fix: The next steps for a person; empty when the verdict is ok.
    """

    check: str
    subject: str
    promised: tuple[Statement, ...] = ()
    configured: tuple[Statement, ...] = ()
    in_force: tuple[Statement, ...] = ()
    observed: tuple[Statement, ...] = ()
    verdict: Verdict
    fix: tuple[Statement, ...] = ()


class StepOutcome(StrEnum):
    """How a step of a run ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step of a run.

    Attributes:
        step: ``export``, ``verify``, ``purge``, ``expire``, ``compact``, ``stack_check``, ``report``.
        exit_status: What the step alone would have ended with.
        reason: Why it failed or was skipped. None when it was done.
    """

    step: str
    outcome: StepOutcome
    exit_status: int
    duration_ms: int
    reason: Statement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a place really held of a dataset after a run: the negative check of its deletions.

    Attributes:
        place: ``source`` or ``archive``.
        rows: All of them; None: it could not be looked at.
        rows_overdue: Older than may be, whatever the reason.
        oldest: RFC 3339 UTC text of a time that no row is older than; None when there is no row with one.
        reasons: Why overdue rows are still there; they add up to ``rows_overdue``.
    """

    dataset: str
    place: Literal["source", "archive"]
    rows: int | None
    rows_overdue: int
    oldest: str | None
    reasons: tuple[RowsKept, ...] = ()
    rows_undated: int = 0
    rows_future: int = 0
