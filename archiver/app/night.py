"""A night: several steps in one run, each failure contained, and what is to be said of it afterwards.

- a step that fails stops only the steps that need it, and these say so
- the night's exit status is the worst of its steps', in the order of ``errors.WORST_FIRST``
- what the night did is read from the entries that it appended, never from what a step believes of itself
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from archiver.errors import (
    AccessDenied,
    ArchiverError,
    ChunkUnsound,
    ConfigError,
    Conflict,
    IntegrityError,
    Interrupted,
    LedgerBroken,
    LocalResourceError,
    ObjectExists,
    ObjectMissing,
    OutcomeUnknown,
    Partial,
    Refused,
    SchemaDrift,
    SegmentAltered,
    SegmentMissing,
    TransientError,
    worst,
)
from archiver.ledger.holdings import Holdings
from archiver.model import Entry, Expired, Exported, Failure, Purged, Skip, Statement, StepOutcome, StepResult

COMMAND = "nightly"
STEPS = ("export", "verify", "purge", "expire", "compact", "stack_check", "report")
"""In the order in which they are done."""

UNEXPECTED = 1
PARTIAL = 3
INTEGRITY = 4
INTERRUPTED = 130


class Skipped(Exception):
    """A step is not done tonight, and nothing is wrong with that."""

    def __init__(self, why: Skip) -> None:
        super().__init__(why.value)
        self.why = why()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        needs: Steps that must have been done, or have failed with a status in ``tolerates``.
        work: Does it; gives its exit status. Raises ``Skipped`` when there is nothing to do.
    """

    name: str
    work: Callable[[], int]
    needs: tuple[str, ...] = ()
    tolerates: frozenset[int] = frozenset({0, PARTIAL})


class NightProgress(Protocol):
    """Watches the steps; must not raise."""

    def started(self, step: str) -> None:
        """A step begins."""

    def failed(self, step: str, problem: Exception) -> None:
        """A step ended with an error; what it says is shown once, here."""

    def ended(self, result: StepResult) -> None:
        """A step ended, or was skipped."""


def run_steps(
    steps: Sequence[Step], *, stop: Callable[[], bool], monotonic: Callable[[], float], progress: NightProgress
) -> tuple[StepResult, ...]:
    """Do the steps in their order. Raises nothing that a step raises.

    Args:
        stop: Whether the night was asked to end; the remaining steps are then skipped with exit status 130.
        monotonic: Seconds.
    """
    done: dict[str, StepResult] = {}
    for step in steps:
        blocked = next((name for name in step.needs if not _served(done.get(name), step)), None)
        if stop():
            result = _skipped(step, Skip.STOPPED(), INTERRUPTED)
        elif blocked is not None:
            result = _skipped(step, Skip.NEEDS(step=blocked), 0)
        else:
            result = _done(step, monotonic, progress)
        done[step.name] = result
        progress.ended(result)
    return tuple(done.values())


def _served(needed: StepResult | None, step: Step) -> bool:
    if needed is None:
        return True
    return needed.outcome is not StepOutcome.SKIPPED and needed.exit_status in step.tolerates


def _skipped(step: Step, why: Statement, status: int) -> StepResult:
    return StepResult(step=step.name, outcome=StepOutcome.SKIPPED, exit_status=status, duration_ms=0, reason=why)


def _done(step: Step, monotonic: Callable[[], float], progress: NightProgress) -> StepResult:
    progress.started(step.name)
    began = monotonic()
    outcome, status = StepOutcome.DONE, 0
    why: Statement | None = None
    try:
        status = step.work()
        if status:
            outcome, why = StepOutcome.FAILED, Failure.STATUS(exit_status=status)
    except Skipped as skipped:
        outcome, why = StepOutcome.SKIPPED, skipped.why
    except Interrupted:
        outcome, status, why = StepOutcome.FAILED, INTERRUPTED, Failure.INTERRUPTED()
    except ArchiverError as problem:
        outcome, status, why = StepOutcome.FAILED, problem.exit_status, failure_of(problem)
        progress.failed(step.name, problem)
    except Exception as problem:  # noqa: BLE001 - a defect of one step must not cost the night its other steps
        outcome, status = StepOutcome.FAILED, UNEXPECTED
        why = Failure.UNEXPECTED(error=type(problem).__name__)
        progress.failed(step.name, problem)
    elapsed_ms = max(0, round((monotonic() - began) * 1000))
    return StepResult(step=step.name, outcome=outcome, exit_status=status, duration_ms=elapsed_ms, reason=why)


def failure_of(problem: ArchiverError) -> Statement:
    """What is noted of an error: its kind. What it says is shown once, and may name what no entry should."""
    return next(code() for kind, code in _FAILURES.items() if isinstance(problem, kind))


_FAILURES: Mapping[type[ArchiverError], Failure] = {
    # The more special before the more general.
    AccessDenied: Failure.ACCESS,
    ConfigError: Failure.SETTINGS,
    SchemaDrift: Failure.SCHEMA_DRIFT,
    ChunkUnsound: Failure.CHUNK_UNSOUND,
    Partial: Failure.PARTIAL,
    Conflict: Failure.CONFLICT,
    Refused: Failure.REFUSED,
    TransientError: Failure.TRANSIENT,
    OutcomeUnknown: Failure.OUTCOME_UNKNOWN,
    Interrupted: Failure.INTERRUPTED,
    ObjectExists: Failure.OBJECT_EXISTS,
    ObjectMissing: Failure.OBJECT_MISSING,
    LocalResourceError: Failure.LOCAL,
    SegmentMissing: Failure.SEGMENT_MISSING,
    SegmentAltered: Failure.SEGMENT_ALTERED,
    LedgerBroken: Failure.LEDGER_BROKEN,
    IntegrityError: Failure.INTEGRITY,
}


def night_status(results: Iterable[StepResult]) -> int:
    """The worst of the steps.

    A stack that breaks its promise ends a check alone with 4; of a night it is a part that failed, so that 4 keeps
    meaning that the archive itself is not what its ledger says.
    """
    statuses = {
        PARTIAL if result.step == "stack_check" and result.exit_status == INTEGRITY else result.exit_status
        for result in results
    }
    return worst(statuses)


# ── What is verified tonight ───────────────────────────────────────────────────────────────────────────────────


def due_for_verification(holdings: Holdings, *, nights: int) -> frozenset[str]:
    """Segments to be read back tonight: all that never were, and of the others those that waited longest.

    Args:
        nights: In so many nights every object is decoded once.

    Returns:
        Their keys.
    """
    held = [held_segment for _, held_segment in holdings.segments()]
    fresh = {held_segment.segment.key for held_segment in held if held_segment.verified_at is None}
    waiting = sorted(
        (held_segment for held_segment in held if held_segment.verified_at is not None),
        key=lambda held_segment: (
            held_segment.verified_deep_at is not None,
            held_segment.verified_deep_at or held_segment.committed_at,
            held_segment.segment.key,
        ),
    )
    return frozenset(fresh | {held_segment.segment.key for held_segment in waiting[: math.ceil(len(held) / nights)]})


# ── What the night did ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True, kw_only=True)
class DatasetWork:
    """What a run did to one dataset."""

    rows_exported: int = 0
    bytes_exported: int = 0
    rows_purged: int = 0
    rows_expired: int = 0
    bytes_expired: int = 0


@dataclass(slots=True, kw_only=True)
class NightWork:
    """What a run did, by dataset, as its own entries tell it."""

    datasets: dict[str, DatasetWork] = field(default_factory=dict)
    entries: int = 0

    @property
    def rows_exported(self) -> int:
        """Of all datasets."""
        return sum(work.rows_exported for work in self.datasets.values())

    @property
    def rows_purged(self) -> int:
        """Of all datasets."""
        return sum(work.rows_purged for work in self.datasets.values())

    @property
    def rows_expired(self) -> int:
        """Of all datasets."""
        return sum(work.rows_expired for work in self.datasets.values())


def work_of(entries: Iterable[Entry]) -> NightWork:
    """Add up what entries say."""
    night = NightWork()
    for entry in entries:
        night.entries += 1
        for event in entry.events:
            if isinstance(event, Exported | Purged | Expired):
                work = night.datasets.setdefault(event.dataset, DatasetWork())
                _count(work, event)
    return night


def _count(work: DatasetWork, event: Exported | Purged | Expired) -> None:
    if isinstance(event, Exported):
        work.rows_exported += event.rows
        work.bytes_exported += sum(segment.size_bytes for segment in event.segments)
    elif isinstance(event, Purged):
        work.rows_purged += event.rows
    else:
        work.rows_expired += event.rows
        work.bytes_expired += event.size_bytes
