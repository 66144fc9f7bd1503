"""A night's decisions: what follows from a step that failed, what is verified, what is said of what is left."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.app.night import Skipped, Step, due_for_verification, night_status, run_steps
from archiver.errors import WORST_FIRST, IntegrityError, Interrupted, Refused, TransientError
from archiver.ledger.holdings import DatasetHoldings, HeldSegment, Holdings, SlotHoldings
from archiver.model import (
    Dataset,
    Observed,
    Purged,
    Reason,
    RowsKept,
    Segment,
    Skip,
    Slot,
    SourceState,
    StepOutcome,
    StepResult,
    Window,
)
from archiver.operations.archive.observe import archive_observed, source_observed, unexplained
from archiver.retention import ExpiryPlan, ExpirySlot, PurgePlan, PurgeSlot

MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Watcher:
    """Notes what it is told."""

    heard: list[str] = field(default_factory=list)

    def started(self, step: str) -> None:
        self.heard.append(f"started {step}")

    def failed(self, step: str, problem: Exception) -> None:
        self.heard.append(f"failed {step} {type(problem).__name__}")

    def ended(self, result: StepResult) -> None:
        self.heard.append(f"ended {result.step} {result.outcome.value}")


def done() -> int:
    return 0


def raising(problem: Exception) -> int:
    raise problem


def spend(*steps: Step, stop: bool = False) -> tuple[dict[str, StepResult], Watcher]:
    watcher, ticks = Watcher(), count()
    results = run_steps(steps, stop=lambda: stop, monotonic=lambda: float(next(ticks)), progress=watcher)
    return {result.step: result for result in results}, watcher


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (TransientError("the store is away"), 75),
        (Refused("two clocks disagree"), 6),
        (IntegrityError("an object was altered"), 4),
        (ValueError("+49 170 1234567"), 1),
    ],
)
def test_a_step_that_fails_stops_only_those_that_need_it(problem: Exception, status: int) -> None:
    found, watcher = spend(
        Step(name="verify", work=lambda: raising(problem)),
        Step(name="purge", work=done, needs=("verify",)),
        Step(name="report", work=done),
    )
    assert (found["verify"].outcome, found["verify"].exit_status) == (StepOutcome.FAILED, status)
    assert found["purge"].outcome is StepOutcome.SKIPPED
    assert found["purge"].reason == Skip.NEEDS(step="verify")
    assert found["report"].outcome is StepOutcome.DONE
    assert night_status(found.values()) == status
    assert watcher.heard[1] == f"failed verify {type(problem).__name__}"
    assert "1234567" not in repr(found["verify"].reason), "a library's message may quote a row"


def test_what_has_nothing_to_do_is_no_failure() -> None:
    found, _ = spend(Step(name="expire", work=lambda: raising(Skipped(Skip.NO_ARCHIVE_PERIOD))))
    assert (found["expire"].outcome, found["expire"].exit_status) == (StepOutcome.SKIPPED, 0)
    assert night_status(found.values()) == 0


def test_a_stop_skips_the_rest_and_ends_with_130() -> None:
    found, _ = spend(Step(name="export", work=lambda: raising(Interrupted("asked to stop"))))
    assert night_status(found.values()) == 130
    found, _ = spend(Step(name="export", work=done), stop=True)
    assert found["export"].outcome is StepOutcome.SKIPPED
    assert night_status(found.values()) == 130


def test_a_partial_step_serves_those_that_tolerate_it() -> None:
    found, _ = spend(
        Step(name="export", work=lambda: 3),
        Step(name="verify", work=done, needs=("export",)),
        Step(name="purge", work=done, needs=("export",), tolerates=frozenset({0})),
    )
    assert [one.outcome.value for one in found.values()] == ["failed", "done", "skipped"]


@given(st.lists(st.sampled_from(WORST_FIRST), max_size=7))
def test_the_night_ends_with_the_worst_of_its_steps(statuses: list[int]) -> None:
    results = [
        StepResult(step=f"step {n}", outcome=StepOutcome.DONE, exit_status=status, duration_ms=0)
        for n, status in enumerate(statuses)
    ]
    worst = min(statuses, key=WORST_FIRST.index, default=0)
    assert night_status(results) == worst


def test_a_broken_promise_of_the_stack_is_a_part_that_failed() -> None:
    """4 keeps meaning that the archive itself is not what its ledger says."""
    stack = StepResult(step="stack_check", outcome=StepOutcome.FAILED, exit_status=4, duration_ms=0)
    verify = StepResult(step="verify", outcome=StepOutcome.FAILED, exit_status=4, duration_ms=0)
    assert night_status([stack]) == 3
    assert night_status([stack, verify]) == 4


# ── What is verified tonight ───────────────────────────────────────────────────────────────────────────────────


def held(number: int, *, verified: int | None) -> HeldSegment:
    window = Window(MAY_1 + number * DAY, MAY_1 + (number + 1) * DAY)
    segment = Segment(
        key=f"data/x/{number:04d}", slot=Slot(window=window), part=0, size_bytes=1, sha256="0" * 64, rows=1,
        schema="s", oldest=None, newest=None,
    )  # fmt: skip
    at = None if verified is None else MAY_1 + verified * DAY
    return HeldSegment(segment, 1, MAY_1, at, at)


def holding(*segments: HeldSegment) -> Holdings:
    slots = {one.segment.slot: SlotHoldings(slot=one.segment.slot, segments=[one]) for one in segments}
    return Holdings(datasets={"x": DatasetHoldings(name="x", slots=slots)})


def test_in_thirty_nights_every_object_is_decoded_once() -> None:
    state = dict.fromkeys(range(100), 0)
    for night in range(1, 31):
        keys = due_for_verification(holding(*(held(n, verified=at) for n, at in state.items())), nights=30)
        assert 0 < len(keys) <= 4
        state |= {int(key.rsplit("/", 1)[1]): night for key in keys}
    assert min(state.values()) > 0


def test_what_was_never_verified_is_always_due() -> None:
    keys = due_for_verification(holding(held(1, verified=None), held(2, verified=5), held(3, verified=1)), nights=30)
    assert keys == {"data/x/0001", "data/x/0003"}
    assert due_for_verification(Holdings(), nights=30) == frozenset()


# ── What is left ───────────────────────────────────────────────────────────────────────────────────────────────


def purge_plan(*slots: PurgeSlot) -> PurgePlan:
    return PurgePlan(
        dataset="x", border=MAY_1 + 9 * DAY, slots=slots, rows_in_source=100, rows_undated=2, rows_future=1,
        none_before=MAY_1,
    )  # fmt: skip


def test_every_overdue_row_of_a_source_has_a_reason() -> None:
    windows = [Window(MAY_1 + n * DAY, MAY_1 + (n + 1) * DAY) for n in range(3)]
    slots = [PurgeSlot(slot=Slot(window=window), due=window, rows_due=10) for window in windows]
    plan = purge_plan(
        PurgeSlot(slot=slots[0].slot, due=windows[0], rows_due=10, keep=Reason.HOLD(references=("case 7",))),
        slots[1],
        slots[2],
    )
    purged = Purged(
        dataset="x", intent_seq=1, slot=slots[1].slot, rows=90, kept=(RowsKept(reason=Reason.DIFFERS(), rows=4),),
        state=SourceState(rows=10), snapshot_at=MAY_1,
    )  # fmt: skip
    seen = source_observed(plan, [purged], otherwise=Reason.GUARD())
    assert {one.reason: one.rows for one in seen.reasons} == {
        Reason.HOLD(references=("case 7",)): 10,
        Reason.DIFFERS(): 4,
        Reason.SINCE_PURGE(): 6,
        Reason.GUARD(): 10,
    }
    assert seen.rows_overdue == sum(one.rows for one in seen.reasons) == 30
    assert (seen.rows, seen.oldest, seen.rows_undated, seen.rows_future) == (100, "2026-05-01T00:00:00Z", 2, 1)
    assert unexplained([seen]) == 20


def test_an_archive_says_what_it_may_no_longer_hold() -> None:
    one, two = held(0, verified=1), held(1, verified=1)
    holdings = holding(one, two).datasets["x"]
    due = ExpirySlot(slot=one.segment.slot, due_at=MAY_1, segments=(one,))
    plan = ExpiryPlan(dataset="x", slots=(due,), rows_held=2)
    rule = Dataset(name="x", source="postgres")
    seen = archive_observed(rule, holdings, plan, otherwise=Reason.STEP_SKIPPED(why=Skip.NOT_EXECUTED()))
    assert (seen.rows, seen.rows_overdue) == (2, 1)
    assert archive_observed(rule, holdings, None, otherwise=Reason.FAILED()).rows_overdue == 0
    assert unexplained([seen, Observed(dataset="x", place="source", rows=None, rows_overdue=0, oldest=None)]) == 1
