"""Anything in any order with logs: chunks appear, change and vanish, are archived, held and purged, and runs die.

``--model-examples 2000`` tries many more, at random; without it the same few are tried each time.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from archiver.operations.logs import purge as purge_loki
from archiver.operations.logs.proof import ChunkProof, LokiProof
from tests.support.logs_world import LogsWorld
from tests.support.stories import play
from tests.support.world import DAY

BEGIN = datetime(2026, 3, 27, 1, 30, tzinfo=UTC)
STEPS = 25


class Logs(RuleBasedStateMachine):
    """The rules that hypothesis plays with."""

    @initialize(chunks=st.integers(1, 6))
    def begin(self, chunks: int) -> None:
        self.world = LogsWorld(BEGIN)
        for number in range(chunks):
            self.world.write(timedelta(hours=155 * number))

    @rule(hours=st.integers(0, 50 * 24))
    def write(self, hours: int) -> None:
        self.world.write(timedelta(hours=hours))

    @rule(pick=st.integers(0, 1000))
    def alter(self, pick: int) -> None:
        self.world.alter(pick)

    @rule(pick=st.integers(0, 1000))
    def take(self, pick: int) -> None:
        self.world.take(pick)

    @rule(hours=st.sampled_from([1, 12, 24, 24 * 7, 24 * 20]))
    def time_passes(self, hours: int) -> None:
        self.world.true += timedelta(hours=hours)

    @rule()
    def export(self) -> None:
        self.world.made.export()

    @rule()
    def verify(self) -> None:
        self.world.made.verify_and_record()

    @rule()
    def purge(self) -> None:
        self.world.purge()

    @rule()
    def night(self) -> None:
        """What cron does."""
        self.world.made.export()
        self.world.made.verify_and_record()
        self.world.purge()

    @rule(
        which=st.sampled_from(["export", "verify_and_record", "purge"]),
        nth=st.integers(1, 9),
        took_effect=st.booleans(),
    )
    def a_run_dies(self, which: str, nth: int, took_effect: bool) -> None:
        act = self.world.purge if which == "purge" else getattr(self.world.made, which)
        self.world.faults.dying(act, nth, took_effect=took_effect)

    @rule(days=st.integers(0, 50))
    def place_hold(self, days: int) -> None:
        since = (self.world.true - DAY * days).replace(hour=0, minute=0)
        self.world.hold(f"case {self.world.made.open().holdings.seq}", since)

    @precondition(lambda self: self.world.holds)
    @rule()
    def release_hold(self) -> None:
        self.world.release(min(self.world.holds))

    @invariant()
    def the_model_agrees(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()


def test_anything_in_any_order(pytestconfig: pytest.Config) -> None:
    """No chunk leaves that is not archived, none too early or on hold, and none that is overdue stays unexplained."""
    play(Logs, steps=STEPS, examples=pytestconfig.getoption("model_examples"))


# ── The checks are worth something only if they find what is wrong ─────────────────────────────────────────────


def no_holds(world: LogsWorld, patch: pytest.MonkeyPatch) -> None:
    world.hold("case", BEGIN - DAY * 90)
    patch.setattr(purge_loki, "holds_on", lambda *_: ())


def no_proof(world: LogsWorld, patch: pytest.MonkeyPatch) -> None:
    world.alter(0)
    real = LokiProof.prove

    def everything(self: LokiProof, *arguments: Any) -> Any:
        found = real(self, *arguments)
        return {chunk: ChunkProof(missing=None) for chunk in found}

    patch.setattr(LokiProof, "prove", everything)


DEFECTS: dict[str, tuple[Callable[[LogsWorld, pytest.MonkeyPatch], None], str]] = {
    "holds are not looked at": (no_holds, "a chunk on hold left"),
    "chunks go without their proof": (no_proof, "a chunk left that was not what was archived"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, said = DEFECTS[defect]
    world = LogsWorld(BEGIN)
    world.write(DAY * 40)
    world.true += timedelta(hours=2)
    world.made.export()
    world.made.verify_and_record()
    world.check()
    plant(world, monkeypatch)
    world.purge()
    with pytest.raises(AssertionError, match=said):
        world.check()
