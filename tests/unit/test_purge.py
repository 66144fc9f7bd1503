"""Purge: what leaves the source, what stays and why, on a source and a store in memory."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.errors import OutcomeUnknown, Partial, Refused, SegmentAltered, TransientError
from archiver.ledger.chain import read_chain
from archiver.ledger.entries import read_descriptor
from archiver.model import Dataset, Purged, PurgeIntended, Reason, Slot, SlotShare, SourceState, Statement, Window
from archiver.operations.tables.purge import PurgeOptions, plan_word, unaccounted
from tests.support import memory_source
from tests.support.archive import LOGS, day, multiset
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.memory_source import MemorySnapshot, MemorySource, MemoryTable
from tests.support.nights import Nights, placed

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
BORDER = NOW - timedelta(days=30)  # the middle of 2026-05-04


def filled(days: int = 8, a_day: int = 6) -> MemoryTable:
    """``days`` days from 2026-05-01, rows every four hours; one without a time, one in the future."""
    table = MemoryTable()
    for number in range(days * a_day):
        at = day(number // a_day) + timedelta(hours=24 / a_day) * (number % a_day)
        table.insert(id=f"id{number:04d}", created_at=at, message=f"user {number % 3}", score=number / 3)
    table.insert(id="undated", created_at=None, message="undated", score=None)
    table.insert(id="future", created_at=datetime(2030, 1, 1, tzinfo=UTC), message="future", score=None)
    return table


def archive(table: MemoryTable, dataset: Dataset = LOGS, **options: Any) -> Nights:
    made = Nights(
        FaultyStore(),
        FaultyAnchor(),
        MemorySource(NOW, {"logs": table}),
        datasets=(dataset,),
        now=lambda: NOW,
        purge_options=PurgeOptions(**options),
    )
    made.init()
    return made


def due(table: MemoryTable) -> list[dict[str, Any]]:
    """The rows that are older than 30 days."""
    return [values for values in table.values() if values["created_at"] and values["created_at"] < BORDER]


def test_exactly_the_rows_that_are_due_go_and_the_archive_keeps_them() -> None:
    table = filled()
    before = table.values()
    old = due(table)
    made = archive(table)
    receipt = made.night()
    assert receipt.rows == {"logs": len(old)} == {"logs": 21}
    assert multiset(table.values()) == multiset([row for row in before if row not in old])
    assert not receipt.kept["logs"]
    made.check(before)
    assert made.purge().rows == {"logs": 0}
    assert made.export().rows == 0, "what was purged is not taken for something new"
    assert unaccounted(made.open().holdings) == {}


def test_a_row_at_the_border_stays() -> None:
    table = MemoryTable()
    table.insert(id="before", created_at=BORDER - timedelta(microseconds=1), message="m", score=0.0)
    table.insert(id="at", created_at=BORDER, message="m", score=0.0)
    made = archive(table)
    assert made.night().rows == {"logs": 1}
    assert [values["id"] for values in table.values()] == ["at"]


@pytest.mark.parametrize("batch_rows_max", [1, 2, 5, 1000])
def test_batches_of_any_size_do_the_same(batch_rows_max: int) -> None:
    table = filled()
    before = table.values()
    made = archive(table, batch_rows_max=batch_rows_max)
    assert made.night().rows == {"logs": 21}
    made.check(before)


def test_nothing_goes_that_was_never_exported() -> None:
    table = filled()
    made = archive(table)
    receipt = made.purge()
    assert receipt.rows == {"logs": 0}
    assert receipt.kept == {"logs": {Reason.NOT_ARCHIVED(): 21}}
    assert len(table.rows) == 50


def test_nothing_goes_that_was_not_verified_since() -> None:
    table = filled()
    made = archive(table)
    made.export()
    assert made.purge().kept == {"logs": {Reason.NOT_VERIFIED(): 21}}
    assert len(table.rows) == 50


def test_nothing_goes_without_a_key() -> None:
    table = filled()
    table.key = ()
    made = archive(table, replace(LOGS, key_columns=()))
    receipt = made.night()
    assert receipt.kept == {"logs": {Reason.NO_KEY(): 21}}
    assert len(table.rows) == 50


def test_a_dataset_that_may_stay_in_its_source_is_not_planned() -> None:
    made = archive(filled(), replace(LOGS, source_retention=None))
    made.export()
    made.verify_and_record()
    assert made.plan_purge() == []


def test_fault_10_a_row_that_came_late_stays_and_goes_a_night_later() -> None:
    table = filled()
    made = archive(table)
    made.export()
    made.verify_and_record()
    table.insert(id="late", created_at=day(1) + timedelta(minutes=1), message="late", score=None)
    receipt = made.purge()
    assert receipt.rows == {"logs": 21}
    assert receipt.kept == {"logs": {Reason.LATE(): 1}}
    assert "late" in [values["id"] for values in table.values()]
    assert made.export().rows == 1, "the next export takes it"
    made.verify_and_record()
    assert made.purge().rows == {"logs": 1}
    assert "late" not in [values["id"] for values in table.values()]


def test_fault_11_a_row_that_was_changed_stays_and_goes_a_night_later() -> None:
    table = filled()
    made = archive(table)
    made.export()
    made.verify_and_record()
    table.update(3, message="changed")
    receipt = made.purge()
    assert receipt.rows == {"logs": 20}
    assert receipt.kept == {"logs": {Reason.DIFFERS(): 1}}
    night = made.night()
    assert night.rows == {"logs": 1}
    assert "changed" in [row["message"] for row in made.rows()]


@pytest.mark.parametrize(
    "change",
    [
        {"score": -0.0},
        {"score": None},
        {"message": "user 0 "},
        {"message": None},
        {"message": ""},
        {"created_at": day(0) + timedelta(microseconds=1)},
    ],
    ids=str,
)
def test_a_difference_in_any_column_however_small_keeps_a_row(change: dict[str, Any]) -> None:
    table = filled()
    table.update(1, score=0.0)
    made = archive(table)
    made.export()
    made.verify_and_record()
    table.update(1, **change)
    assert made.purge().rows == {"logs": 20}
    assert any(values["id"] == "id0000" for values in table.values())


def test_fault_19_rows_that_share_a_key_stay() -> None:
    table = filled()
    table.insert(id="id0000", created_at=day(0) + timedelta(minutes=3), message="twin", score=None)
    made = archive(table)
    receipt = made.night()
    assert receipt.rows == {"logs": 20}
    assert receipt.kept == {"logs": {Reason.DUPLICATE(): 2}}
    assert sum(values["id"] == "id0000" for values in table.values()) == 2


def test_fault_19_undated_and_future_rows_are_never_due() -> None:
    table = filled()
    made = archive(table)
    made.export()
    made.verify_and_record()
    (plan,) = made.plan_purge()
    assert (plan.rows_undated, plan.rows_future) == (1, 1)
    made.purge()
    assert {"undated", "future"} <= {values["id"] for values in table.values()}


def test_a_plan_that_looks_names_every_row_that_will_stay_and_deletes_nothing() -> None:
    table = filled()
    table.insert(id="id0000", created_at=day(0) + timedelta(minutes=3), message="twin", score=None)
    made = archive(
        table, replace(LOGS, subject_columns=("message",)), subject_digest=lambda value: f"digest of {value}"
    )
    made.export()
    made.verify_and_record()
    table.insert(id="late", created_at=day(1) + timedelta(minutes=1), message="late", score=None)
    table.update(14, message="changed")
    before = table.values()
    made.hold("case", subject="digest of user 1", since=day(3))
    (plan,) = made.plan_purge(look=True)
    assert table.values() == before
    stays = {
        one.slot.window.date.day: {row.reason: row.rows for row in one.stays} for one in plan.slots if one.slot.window
    }
    assert stays == {
        1: {Reason.DUPLICATE(): 2},
        2: {Reason.LATE(): 1},
        3: {Reason.DIFFERS(): 1},
        4: {Reason.SUBJECT_HOLD(): 1},
    }
    assert plan_word([plan]) == plan_word(made.plan_purge()), "looking changes what is shown, not what is confirmed"
    done = made.purge()
    told: dict[Statement, int] = {}
    for reasons in stays.values():
        told |= reasons
    assert done.kept == {"logs": told}, "what the plan said is what happened"


def test_a_plan_that_looks_where_nobody_knows_persons_says_that_all_stays() -> None:
    made = archive(filled(), subject_digest=lambda value: f"digest of {value}")
    made.export()
    made.verify_and_record()
    made.hold("case", subject="d", since=day(3))
    (plan,) = made.plan_purge(look=True)
    (row,) = plan.slots[-1].stays
    assert (row.rows, row.reason) == (3, Reason.PERSON_UNNAMED())
    assert [one.stays for one in plan.slots[:-1]] == [(), (), ()]


def test_fault_26_a_hold_placed_while_a_purge_is_at_work_is_respected() -> None:
    table = filled()
    made = archive(table, subject_digest=lambda value: f"digest of {value}")
    made.export()
    made.verify_and_record()
    source = made.source
    assert isinstance(source, MemorySource)
    seen: list[int] = []

    class Placing(MemorySource):
        def scan_started(self) -> int | None:
            if not seen:
                seen.append(1)
                made.hold("case")
            return super().scan_started()

    made.source = Placing(NOW, {"logs": table})
    receipt = made.purge()
    assert [type(problem) for problem in receipt.problems] == [Partial]
    assert receipt.rows == {"logs": 0}
    assert len(table.rows) == 50
    assert unaccounted(made.open().holdings) == {}, "the intent is accounted for all the same"
    made.release("case")
    made.source = source
    assert made.purge().rows == {"logs": 21}


def test_a_hold_keeps_what_it_covers_and_nothing_else() -> None:
    table = filled()
    made = archive(table)
    made.export()
    made.verify_and_record()
    made.hold("case", since=day(2))
    receipt = made.purge()
    assert receipt.rows == {"logs": 12}
    assert receipt.kept == {"logs": {Reason.HOLD(references=("case",)): 9}}


def test_a_hold_on_a_person_keeps_that_persons_rows() -> None:
    table = filled()
    made = archive(
        table, replace(LOGS, subject_columns=("message",)), subject_digest=lambda value: f"digest of {value}"
    )
    made.export()
    made.verify_and_record()
    made.hold("case", subject="digest of user 1")
    receipt = made.purge()
    assert receipt.rows == {"logs": 14}
    assert receipt.kept == {"logs": {Reason.SUBJECT_HOLD(): 7}}
    assert {values["message"] for values in due(table)} == {"user 1"}


@pytest.mark.parametrize("digest", [None, lambda value: f"another digest of {value}"])
def test_fault_a_hold_under_another_key_purges_nothing_that_it_could_cover(
    digest: Callable[[str], str] | None,
) -> None:
    """The privacy key was lost in a move, and a new one made, or none is set: the person can be found in no row."""
    table = filled()
    placer = archive(
        table, replace(LOGS, subject_columns=("message",)), subject_digest=lambda value: f"digest of {value}"
    )
    placer.export()
    placer.verify_and_record()
    placer.hold("case", subject="digest of user 1")
    made = replace(placer, purge_options=PurgeOptions(subject_digest=digest))
    receipt = made.purge()
    assert receipt.rows == {"logs": 0}
    assert receipt.kept == {"logs": {Reason.HOLD(references=("case",)): 21}}
    assert len(table.rows) == 50


def test_a_hold_on_a_person_where_nobody_knows_persons_stops_the_dataset() -> None:
    table = filled()
    made = archive(table, subject_digest=lambda value: f"digest of {value}")
    made.export()
    made.verify_and_record()
    made.hold("case", subject="d")
    receipt = made.purge()
    assert [type(problem) for problem in receipt.problems] == [Partial]
    assert len(table.rows) == 50


def test_fault_23_an_altered_segment_proves_nothing() -> None:
    table = filled()
    made = archive(table)
    made.export()
    made.verify_and_record()
    store = made.store
    assert isinstance(store, FaultyStore)
    key = next(key for key in store.keys if key.startswith("data/logs/date=2026-05-01/"))
    store.tamper(key, store.peek(key)[:-1] + b"x")
    with pytest.raises(SegmentAltered, match=key):
        made.purge()
    assert len(table.rows) == 50
    assert unaccounted(made.open().holdings) == {}


def test_a_key_that_tells_rows_apart_only_in_the_declaration_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source deletes more rows than were proven: everything of that batch is rolled back."""
    table = filled()
    made = archive(table)
    made.export()
    made.verify_and_record()

    class Greedy(memory_source.MemoryPurge):
        def delete(self, *arguments: Any) -> SourceState:
            state = super().delete(*arguments)
            return SourceState(rows=state.rows + 1, digest=state.digest)

    monkeypatch.setattr(memory_source, "MemoryPurge", Greedy)
    (problem,) = made.purge().problems
    assert isinstance(problem, Refused)
    assert "6 rows were proven and 7 would have been deleted" in problem.message
    assert len(table.rows) == 50


# ── Faults of the source ───────────────────────────────────────────────────────────────────────────────────────


def prepared(table: MemoryTable, **options: Any) -> tuple[Nights, MemorySource]:
    made = archive(table, **options)
    made.export()
    made.verify_and_record()
    assert isinstance(made.source, MemorySource)
    return made, made.source


@pytest.mark.parametrize("nth", range(1, 9))
@pytest.mark.parametrize("took_effect", [True, False])
def test_fault_4_a_commit_without_an_answer_is_accounted_for(nth: int, took_effect: bool) -> None:
    """Whichever batch it is, and whether it was carried out: the ledger says exactly what is gone."""
    table = filled()
    before = table.values()
    made, source = prepared(table, batch_rows_max=3)
    source.break_commit(nth=nth, took_effect=took_effect)
    if nth <= 7:
        with pytest.raises(OutcomeUnknown):
            made.purge()
        assert sum(known.rows_purged for known in made.open().holdings.dataset("logs").slots.values()) == 50 - len(
            table.rows
        )
    made.purge()
    held = made.open().holdings
    assert unaccounted(held) == {}
    assert sum(known.rows_purged for known in held.dataset("logs").slots.values()) == 21 == 50 - len(table.rows)
    made.check(before)
    assert made.export().rows == 0


@pytest.mark.parametrize("took_effect", [True, False])
def test_fault_4_the_worker_dies_at_a_commit(took_effect: bool) -> None:
    class Death(BaseException):
        pass

    table = filled()
    before = table.values()
    made, source = prepared(table, batch_rows_max=3)
    source.break_commit(nth=3, took_effect=took_effect, error=Death)
    with pytest.raises(Death):
        made.purge()
    assert unaccounted(made.open().holdings) == {"logs": 3}
    receipt = made.purge()
    assert receipt.rows_reconciled["logs"] == (3 if took_effect else 0)
    assert receipt.rows["logs"] == (12 if took_effect else 15)
    held = made.open().holdings
    assert unaccounted(held) == {}
    assert sum(known.rows_purged for known in held.dataset("logs").slots.values()) == 21
    made.check(before)
    assert made.export().rows == 0


def test_a_lost_transaction_is_begun_again() -> None:
    """Deadlocks and serialization failures are retried."""
    table = filled()
    made, source = prepared(table, batch_rows_max=3)
    made.again = lambda _, __: True
    source.break_commit(nth=2, took_effect=False, error=TransientError)
    assert made.purge().rows == {"logs": 21}


def test_fault_11_a_row_that_changes_between_the_comparison_and_the_commit_stays() -> None:
    table = filled()
    made, source = prepared(table)
    made.again = lambda _, __: True
    changed: list[int] = []

    def change() -> None:
        if not changed:
            changed.append(1)
            table.update(2, message="changed")

    source.before_commit = change
    receipt = made.purge()
    assert receipt.rows == {"logs": 20}
    assert "changed" in [values["message"] for values in table.values()]


# ── Two at once ────────────────────────────────────────────────────────────────────────────────────────────────


def beside(made: Nights, act: Callable[[], object]) -> None:
    """Let another run act when the first transaction is about to commit."""
    source = made.source
    assert isinstance(source, MemorySource)
    done: list[int] = []

    def once() -> None:
        if not done:
            done.append(1)
            act()

    source.before_commit = once


def test_fault_13_two_purges_side_by_side_count_each_row_once() -> None:
    table = filled()
    before = table.values()
    made, source = prepared(table, batch_rows_max=3)
    made.again = lambda _, __: True
    other = replace(made, source=MemorySource(NOW, {"logs": table}))
    beside(made, other.purge)
    made.purge()
    held = made.open().holdings
    assert unaccounted(held) == {}
    assert sum(known.rows_purged for known in held.dataset("logs").slots.values()) == 21 == 50 - len(table.rows)
    made.check(before)
    del source


def test_fault_13_a_purge_beside_an_export_loses_and_doubles_nothing() -> None:
    table = filled()
    made, _ = prepared(table, batch_rows_max=3)
    other = replace(made, source=MemorySource(NOW, {"logs": table}))

    def late() -> None:
        table.insert(id="late", created_at=day(1) + timedelta(minutes=1), message="late", score=None)
        other.export()

    before = [*table.values()]
    beside(made, late)
    made.again = lambda _, __: True
    made.purge()
    made.export()
    made.check([*before, {"id": "late", "created_at": day(1) + timedelta(minutes=1), "message": "late", "score": None}])
    assert made.export().rows == 0


def test_an_intent_is_not_written_for_a_proof_that_is_leaving() -> None:
    """Between the plan and its intent another run placed a hold: the slot stays, and says why."""
    table = filled()
    made, _ = prepared(table)
    store = made.store
    assert isinstance(store, FaultyStore)
    with_hold = replace(made)
    with tempfile.TemporaryDirectory() as work_dir:
        work = with_hold._purge(Path(work_dir))
        plans, _ = work.plan()
        made.say([placed("case")])
        receipt = work.execute(plans)
    assert receipt.rows == {"logs": 0}
    assert receipt.kept == {"logs": {Reason.MEANWHILE(): 21}}
    assert len(table.rows) == 50


def test_asked_to_stop_a_purge_accounts_for_everything_and_ends() -> None:
    table = filled()
    made, source = prepared(table, batch_rows_max=3)
    source.before_commit = made.stop.set
    receipt = made.purge()
    assert receipt.interrupted
    assert 0 < receipt.rows["logs"] < 21
    assert sum(receipt.kept["logs"].values()) + receipt.rows["logs"] == 21
    assert unaccounted(made.open().holdings) == {}
    made.stop.clear()
    source.before_commit = lambda: None
    assert made.purge().rows["logs"] == 21 - receipt.rows["logs"]


def test_the_word_changes_with_the_plan() -> None:
    table = filled()
    made, _ = prepared(table)
    word = plan_word(made.plan_purge())
    assert plan_word(made.plan_purge()) == word
    table.insert(id="late", created_at=day(1), message="late", score=None)
    assert plan_word(made.plan_purge()) != word


def test_the_events_of_a_purge() -> None:
    table = filled(days=1)
    made, _ = prepared(table)
    made.purge()
    chain = list(read_chain(made.store, read_descriptor(made.store), tip=None))
    events = [event for signed in chain[-2:] for event in signed.entry.events]
    slot = Slot(window=Window(day(0), day(1)))
    intent, purged = events
    assert isinstance(intent, PurgeIntended)
    assert isinstance(purged, Purged)
    assert intent.slots == (SlotShare(slot=slot, rows=6),)
    assert (purged.slot, purged.rows, purged.kept, purged.reconciled) == (slot, 6, (), False)
    assert purged.state.rows == 0


def test_row_versions_are_asked_for_only_where_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is executed is compared row by row in any case."""
    made = archive(filled())
    real, asked = MemorySnapshot.census, []

    def census(self: MemorySnapshot, *arguments: Any, digests: bool = True) -> Any:
        asked.append(digests)
        return real(self, *arguments, digests=digests)

    monkeypatch.setattr(MemorySnapshot, "census", census)
    seen = made.plan_purge(look=True)
    assert asked == [True]
    assert [one.rows_due for plan in made.plan_purge() for one in plan.slots] == [
        one.rows_due for plan in seen for one in plan.slots
    ]
    made.purge()
    assert asked == [True, False, False]
