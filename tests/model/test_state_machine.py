"""Anything in any order: hypothesis writes, changes and deletes rows, lets clocks jump and runs die, and looks for a lie.

``--model-examples 2000`` tries many more, at random; without it the same few are tried each time.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.support.stories import play
from tests.support.world import World, midnight

BEGIN = datetime(2026, 3, 27, 1, 30, tzinfo=UTC)
"""Two nights before the clocks go forward in Europe."""

STEPS = 30


class Nightly(RuleBasedStateMachine):
    """The rules that hypothesis plays with."""

    @initialize(rows=st.integers(0, 12))
    def begin(self, rows: int) -> None:
        self.world = World(BEGIN)
        for number in range(rows):
            self.world.insert(BEGIN - timedelta(hours=31 * number))

    # ── The application ────────────────────────────────────────────────────────────────────────────────────────

    @rule(hours=st.integers(0, 50 * 24))
    def insert(self, hours: int) -> None:
        """A row of now, or a late commit."""
        self.world.insert(self.world.true - timedelta(hours=hours))

    @rule(days=st.one_of(st.none(), st.integers(1, 3)))
    def insert_undated_or_future(self, days: int | None) -> None:
        self.world.insert(None if days is None else self.world.true + timedelta(days=days))

    @rule(pick=st.integers(0, 1000))
    def update(self, pick: int) -> None:
        if self.world.table.rows:
            self.world.update(sorted(self.world.table.rows)[pick % len(self.world.table.rows)])

    @rule(pick=st.integers(0, 1000))
    def delete(self, pick: int) -> None:
        if self.world.table.rows:
            self.world.delete(sorted(self.world.table.rows)[pick % len(self.world.table.rows)])

    # ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(hours=st.sampled_from([1, 12, 23, 24, 25, 48, 24 * 7, 24 * 20]))
    def time_passes(self, hours: int) -> None:
        self.world.pass_time(timedelta(hours=hours))

    @rule(hours=st.sampled_from([-24 * 40, -2, -1, 1, 2, 24, 24 * 40]))
    def the_workers_clock_jumps(self, hours: int) -> None:
        self.world.skew = timedelta(hours=hours)

    @precondition(lambda self: self.world.skew)
    @rule()
    def the_workers_clock_is_set_right(self) -> None:
        self.world.skew = timedelta(0)

    # ── The worker ─────────────────────────────────────────────────────────────────────────────────────────────

    @rule()
    def export(self) -> None:
        self.world.made.export()

    @rule()
    def verify(self) -> None:
        self.world.made.verify_and_record()

    @rule(confirms=st.booleans())
    def purge(self, confirms: bool) -> None:
        self.world.purge(confirms=confirms)

    @rule(confirms=st.booleans())
    def expire(self, confirms: bool) -> None:
        self.world.expire(confirms=confirms)

    @rule()
    def compact(self) -> None:
        self.world.made.compact()

    @rule()
    def sweep(self) -> None:
        self.world.made.sweep()

    @rule()
    def night(self) -> None:
        """What cron does."""
        self.world.made.export()
        self.world.made.verify_and_record()
        self.world.purge()
        self.world.check()
        self.world.expire()
        self.world.check()
        self.world.made.compact()

    @rule(
        which=st.sampled_from(["export", "verify_and_record", "purge", "expire", "compact", "sweep"]),
        nth=st.integers(1, 9),
        took_effect=st.booleans(),
    )
    def a_run_dies(self, which: str, nth: int, took_effect: bool) -> None:
        if which in ("purge", "expire") and not self.world.may_delete(confirms=True):
            return
        self.world.crashing(getattr(self.world.made, which), nth, took_effect=took_effect)

    # ── Holds ──────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(days=st.one_of(st.none(), st.integers(0, 50)))
    def place_hold(self, days: int | None) -> None:
        since = None if days is None else midnight(self.world.true) - timedelta(days=days)
        self.world.hold(
            f"case{len(self.world.written)}-{len(self.world.holds)}-{self.world.made.look().holdings.seq}", since
        )

    @precondition(lambda self: self.world.holds)
    @rule()
    def release_hold(self) -> None:
        self.world.release(min(self.world.holds))

    # ── What must be true ──────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def the_model_agrees(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()


def test_anything_in_any_order(pytestconfig: pytest.Config) -> None:
    """No row lost, none twice, nothing deleted too early or on hold, nothing overdue unexplained."""
    play(Nightly, steps=STEPS, examples=pytestconfig.getoption("model_examples"))
