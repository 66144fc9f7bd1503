"""Compaction: which parts are merged, that no row comes or goes, and what stands in its way."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver import layout
from archiver.contracts import Removal
from archiver.errors import AccessDenied, IntegrityError, LedgerBroken, SegmentAltered
from archiver.ledger.fold import check_next
from archiver.model import (
    Compacted,
    Dataset,
    Entry,
    HoldReleased,
    PartsRemoved,
    PurgeIntended,
    Reason,
    Slot,
    SlotShare,
    Statement,
)
from archiver.operations.archive import compact as operation
from archiver.operations.archive import compact_rows
from archiver.operations.archive.compact_rows import holds_the_same, merged
from archiver.operations.logs.rows import LABELS, PAIRS
from archiver.retention import CompactionRules, archive_due_at, window_at
from tests.support.archive import LOGS, day, multiset
from tests.support.deletions import events
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.memory_source import MemorySource, MemoryTable
from tests.support.nights import Nights, placed

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
RULES = CompactionRules(parts_min=3, after=timedelta(days=1))


def archive(*, late_rows: int = 4, dataset: Dataset = LOGS, conditional: bool = True) -> tuple[Nights, MemoryTable]:
    """Two days; of the first one ``late_rows`` rows came late, each in a night of its own."""
    table = MemoryTable()
    for number in range(12):
        table.insert(id=f"id{number:02d}", created_at=day(number // 6 + 30) + timedelta(hours=number), message="m")
    made = Nights(
        FaultyStore(conditional=conditional),
        FaultyAnchor(),
        MemorySource(NOW, {"logs": table}),
        datasets=(dataset,),
        now=lambda: NOW,
        compaction=RULES,
    )
    made.init()
    made.export()
    for number in range(late_rows):
        table.insert(
            id=f"late{number}", created_at=day(30) + timedelta(minutes=number), message="late", score=number / 3
        )
        made.export()
    made.verify_and_record()
    return made, table


def parts(made: Nights) -> list[int]:
    return [len(known.segments) for known in made.open().holdings.dataset("logs").ordered()]


def test_small_parts_become_one_and_every_row_stays() -> None:
    made, table = archive()
    before = {key: made.store.read(key, size_bytes_max=1 << 20) for key in made.open().holdings.keys}
    assert parts(made) == [5, 1]
    receipt = made.compact()
    assert (receipt.parts_before, receipt.parts_after, receipt.rows) == ({"logs": 5}, {"logs": 1}, {"logs": 10})
    assert (receipt.objects_removed, receipt.objects_resumed) == (5, 0)
    assert parts(made) == [1, 1]
    made.check(table.values())
    verified = made.verify()
    assert (verified.litter, verified.problems) == ([], [])
    assert sum(key in before for key in made.open().holdings.keys) == 1, "the other day was not touched"
    compacted, removed = events(made)[-2:]
    assert isinstance(compacted, Compacted)
    assert isinstance(removed, PartsRemoved)
    assert set(compacted.replaced) == set(removed.keys) == before.keys() - made.open().holdings.keys
    assert made.compact().parts_before == {}
    assert made.export().rows == 0, "nothing looks new"


def test_what_was_compacted_counts_as_verified_and_purges() -> None:
    made, table = archive()
    later = replace(
        made, now=lambda: NOW + timedelta(days=60), source=MemorySource(NOW + timedelta(days=60), {"logs": table})
    )
    made.compact()
    rows = table.values()
    assert later.purge().rows == {"logs": 16}
    assert table.values() == []
    later.check(rows)


def test_changed_rows_keep_both_versions_and_equal_rows_their_number() -> None:
    made, table = archive(late_rows=1)
    before = table.values()
    table.update(1, message="changed")
    table.insert(**table.rows[2][1])
    made.export()
    made.verify_and_record()
    assert parts(made) == [3, 1]
    made.compact()
    assert parts(made) == [1, 1]
    made.check([*before, table.rows[1][1], table.rows[2][1]])


def test_a_period_does_not_begin_anew() -> None:
    """Rows that were archived before their time had come leave when they were to before their parts were merged."""
    kept_for = timedelta(days=100)
    made, table = archive(late_rows=0, dataset=replace(LOGS, archive_retention=kept_for))
    early = NOW + timedelta(days=20)
    for number in range(3):
        table.insert(id=f"early{number}", created_at=early, message="m", score=None)
        made.export()
    made.verify_and_record()
    later = replace(made, now=lambda: NOW + timedelta(days=30))
    assert later.compact().parts_before == {"logs": 3}
    known = later.open().holdings.dataset("logs").slots[Slot(window=window_at(early, LOGS.window))]
    assert len(known.segments) == 1
    assert archive_due_at(later.datasets[0], known) == NOW + kept_for


# ── What is left alone ─────────────────────────────────────────────────────────────────────────────────────────


def reasons(made: Nights) -> list[Statement]:
    (plan,) = made.plan_compaction()
    assert plan.merges == ()
    receipt = made.compact()
    assert receipt.parts_before == {}
    return [slot.reason for slot in plan.left]


def test_parts_without_a_time_whose_periods_differ_are_not_merged() -> None:
    """Each leaves the archive when its own period is over: merged, the older ones would have to wait for the newest."""
    made, table = archive(late_rows=0, dataset=replace(LOGS, archive_retention=timedelta(days=10)))
    for number in range(3):
        table.insert(id=f"undated{number}", created_at=None, message="m", score=None)
        made.export()
    made.verify_and_record()
    assert reasons(made) == [Reason.OWN_PERIODS()]


def test_too_few_parts_are_not_worth_while() -> None:
    made, _ = archive(late_rows=1)
    assert reasons(made) == []
    assert parts(made) == [2, 1]


def test_a_window_to_which_late_rows_may_come_waits() -> None:
    made, _ = archive()
    made.compaction = RULES.model_copy(update={"after": timedelta(days=4)})
    assert reasons(made) == [Reason.LATE_POSSIBLE()]


def test_parts_that_nobody_has_verified_wait() -> None:
    made, table = archive(late_rows=2)
    for number in range(2):
        table.insert(id=f"later{number}", created_at=day(30) + timedelta(minutes=9), message="late", score=None)
        made.export()
    assert reasons(made) == [Reason.FEW_PARTS()]
    made.verify_and_record()
    assert made.compact().parts_before == {"logs": 5}


def test_large_parts_stay_as_they_are() -> None:
    made, _ = archive()
    made.compaction = RULES.model_copy(update={"small_size_bytes_max": 10})
    assert reasons(made) == []


def test_a_merge_has_a_bounded_size() -> None:
    made, table = archive(late_rows=5)
    sizes = [held.segment.size_bytes for held in made.open().holdings.dataset("logs").ordered()[0].segments]
    made.compaction = RULES.model_copy(update={"merged_size_bytes_max": 3 * max(sizes)})
    made.compact()
    assert parts(made) == [4, 1], "the last three became one"
    made.check(table.values())


@pytest.mark.parametrize("subject", [None, "digest"])
def test_what_is_on_hold_is_not_touched(subject: str | None) -> None:
    made, _ = archive()
    made.say([placed("case", subject=subject)])
    assert reasons(made) == [Reason.HOLD(references=("case",))]
    made.say([HoldReleased(hold="case", reason="done")])
    assert made.compact().parts_before == {"logs": 5}


def test_what_is_being_purged_is_not_touched() -> None:
    made, _ = archive()
    slot = made.open().holdings.dataset("logs").ordered()[0].slot
    made.say([PurgeIntended(dataset="logs", plan="0" * 64, slots=(SlotShare(slot=slot, rows=1),))])
    assert reasons(made) == [Reason.PURGE_OPEN()]


def test_what_is_due_to_leave_the_archive_is_not_touched() -> None:
    made, _ = archive(dataset=replace(LOGS, archive_retention=timedelta(days=2)))
    assert reasons(made) == [Reason.EXPIRY_DUE()]


def latest(made: Nights) -> dict[str, str]:
    """Of each row the version that a reader takes for the last: of the highest part, and there the one furthest down."""
    found: dict[str, tuple[int, int, str]] = {}
    for held in made.open().holdings.dataset("logs").segments():
        rows = pq.read_table(io.BytesIO(made.store.read(held.segment.key, size_bytes_max=1 << 20))).to_pylist()
        for number, row in enumerate(rows):
            known = (held.segment.part, number, row["message"])
            found[row["id"]] = max(found.get(row["id"], known), known)
    return {name: message for name, (_, _, message) in found.items()}


@pytest.mark.parametrize("later", [1, 2, 4])
def test_the_latest_version_of_a_row_is_told_as_before(later: int) -> None:
    """Parts whose columns differ are not merged: the older ones must not get a higher number than those that came later."""
    made, table = archive(late_rows=0)
    for change in range(5 + later):
        if change == 5:
            table.columns = (*table.columns, replace(table.columns[2], name="added"))
        table.update(1, message=f"changed {change}")
        made.export()
    made.verify_and_record()
    believed = {row["id"]: row["message"] for row in table.values()}
    assert latest(made) == believed
    made.compact()
    assert latest(made) == believed
    table.update(1, message="changed again")
    made.export()
    made.verify_and_record()
    made.compact()
    assert latest(made) == {**believed, "id00": "changed again"}


def test_only_parts_of_one_schema_version_are_merged() -> None:
    made, table = archive()
    table.columns = (*table.columns, replace(table.columns[2], name="added"))
    for number in range(3):
        table.insert(id=f"new{number}", created_at=day(30) + timedelta(hours=1), message="m", added="x")
        made.export()
    made.verify_and_record()
    assert parts(made) == [8, 1]
    made.compact()
    assert parts(made) == [6, 1]
    held = made.open().holdings.dataset("logs")
    assert {one.segment.schema for one in held.ordered()[0].segments} == set(held.schemas)
    made.check([{**values, "added": values.get("added")} for values in table.values()])


# ── What goes wrong ────────────────────────────────────────────────────────────────────────────────────────────


def test_fault_23_an_altered_part_is_named_and_nothing_is_replaced() -> None:
    made, _ = archive()
    store = made.store
    assert isinstance(store, FaultyStore)
    victim = made.open().holdings.dataset("logs").ordered()[0].segments[2].segment.key
    data = store.peek(victim)
    store.tamper(victim, data[:100] + bytes([data[100] ^ 1]) + data[101:])
    with pytest.raises(SegmentAltered, match=victim):
        made.compact()
    assert parts(made) == [5, 1]


def test_what_does_not_hold_the_same_rows_replaces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, table = archive()
    whole = compact_rows.merged

    def forgetful(*arguments: Any) -> Any:
        for batch in whole(*arguments):
            yield batch.slice(1)

    monkeypatch.setattr(operation, "merged", forgetful)
    with pytest.raises(IntegrityError, match=r"0 of its rows are not in the 5 parts .* and \d of theirs are not in it"):
        made.compact()
    monkeypatch.setattr(operation, "merged", whole)
    assert parts(made) == [5, 1]
    made.check(table.values())


def test_fault_27_what_a_lock_keeps_stays_announced_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    made, table = archive()
    until = NOW + timedelta(days=5)
    whole = FaultyStore.delete

    def locked(self: FaultyStore, key: str) -> Removal:
        return Removal(versions_deleted=whole(self, key).versions_deleted, kept_until=until)

    monkeypatch.setattr(FaultyStore, "delete", locked)
    receipt = made.compact()
    assert receipt.objects_removed == 0
    assert set(receipt.kept_until.values()) == {until}
    assert len(made.open().holdings.dataset("logs").replaced) == 5
    assert made.verify().litter == []
    made.sweep()
    monkeypatch.setattr(FaultyStore, "delete", whole)
    receipt = made.compact()
    assert (receipt.objects_resumed, receipt.objects_removed, receipt.kept_until) == (5, 5, {})
    made.check(table.values())


def test_what_the_store_refuses_to_delete_is_named_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made, table = archive()

    def denied(_: FaultyStore, key: str) -> Removal:
        raise AccessDenied(f"{key}: may not be deleted")

    with monkeypatch.context() as patched:
        patched.setattr(FaultyStore, "delete", denied)
        receipt = made.compact()
        assert len(receipt.problems) == 5
        assert "still there" in receipt.problems[0].message
    assert made.expire().objects == {}, "an expiry goes on with it as well"
    assert made.open().holdings.dataset("logs").replaced == {}
    made.check(table.values())


def test_a_ledger_that_compacts_what_is_not_there_is_refused() -> None:
    made, _ = archive()
    holdings = made.open().holdings
    known = holdings.dataset("logs").ordered()[0]
    new = replace(known.segments[0].segment, key="data/logs/new", rows=known.rows)
    honest = Compacted(
        dataset="logs",
        slot=known.slot,
        replaced=tuple(held.segment.key for held in known.segments),
        segments=(new,),
        rows=known.rows,
    )

    def entry(event: Compacted | PartsRemoved) -> Entry:
        return Entry(seq=holdings.seq + 1, at=NOW, run="r", tool="t", prev="0" * 64, events=(event,))

    check_next(holdings, entry(honest))
    wrong = (
        replace(honest, replaced=("data/logs/other",)),
        replace(honest, replaced=()),
        replace(honest, replaced=honest.replaced[:1] * 2),
        replace(honest, rows=known.rows + 1),
        replace(honest, segments=(replace(new, rows=1),)),
        replace(honest, segments=(replace(new, schema="0" * 64),)),
        replace(honest, segments=(replace(new, slot=Slot()),)),
        replace(honest, segments=(known.segments[0].segment, replace(new, rows=4))),
        replace(honest, slot=Slot()),
        PartsRemoved(dataset="logs", keys=honest.replaced[:1], size_bytes=1, versions_deleted=1),
    )
    for event in wrong:
        with pytest.raises(LedgerBroken):
            check_next(holdings, entry(event))
    assert parts(made) == [5, 1]


def test_a_verification_beside_a_compaction_finds_nothing_wrong() -> None:
    """What it had read the name of is gone when it looks: another part holds its rows by then."""
    made, _ = archive()
    beside = replace(made)
    seen: list[int] = []

    class Intruded(FaultyStore):
        def list(self, prefix: str, *, after: str = "") -> Any:
            # Packs are looked at after the ledger and before the segments.
            if prefix == layout.PACK_PREFIX and not seen:
                seen.append(1)
                assert beside.compact().objects_removed == 5
            return super().list(prefix, after=after)

    store = made.store
    assert isinstance(store, FaultyStore)
    made.store = store.copied(store.faults)
    made.store.__class__ = Intruded
    beside.store = made.store
    made.store._objects = store._objects
    receipt = made.verify()
    assert receipt.problems == []


# ── Rows ───────────────────────────────────────────────────────────────────────────────────────────────────────

SCHEMA = pa.schema(
    [("at", pa.timestamp("us", tz="UTC")), ("key", pa.dictionary(pa.int32(), pa.string())), ("n", pa.int64())]
)
ROWS = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 5)), st.sampled_from("abc")), max_size=20)


def _order(row: tuple[int | None, str]) -> tuple[bool, int, str]:
    return (row[0] is None, row[0] or 0, row[1])


def _stream(part: list[tuple[int | None, str]], size: int, number: int) -> Any:
    for start in range(0, len(part), size):
        some = part[start : start + size]
        rows = {
            "at": pa.array([row[0] for row in some], pa.int64()).cast(SCHEMA.field("at").type),
            "key": pa.array([row[1] for row in some]).dictionary_encode(),
            "n": pa.array([number] * len(some), pa.int64()),
        }
        yield pa.RecordBatch.from_arrays(list(rows.values()), schema=SCHEMA)


@given(st.lists(ROWS, min_size=1, max_size=5), st.integers(1, 4))
def test_a_merge_is_sorted_and_stable_and_holds_every_row(drawn: list[list[tuple[int | None, str]]], size: int) -> None:
    drawn = [sorted(part, key=_order) for part in drawn]
    expected = sorted(
        ((*row, number) for number, part in enumerate(drawn) for row in part), key=lambda row: (_order(row[:2]), row[2])
    )
    streams = [_stream(part, size, number) for number, part in enumerate(drawn)]
    found = pa.Table.from_batches(list(merged(streams, SCHEMA, ("at", "key"))), schema=SCHEMA)
    plain = found.set_column(0, "at", found.column("at").cast(pa.int64()))
    assert [tuple(row.values()) for row in plain.to_pylist()] == expected
    streams = [_stream(part, size, number) for number, part in enumerate(drawn)]
    assert holds_the_same(iter(found.to_batches()), streams, SCHEMA, "at") == (0, 0)


NESTED = pa.schema(
    [("at", pa.int64()), ("labels", LABELS), ("pairs", PAIRS), ("score", pa.float64()), ("day", pa.date32())]
)


@pytest.mark.parametrize(
    ("column", "left", "right"),
    [
        ("labels", [("ab", "c")], [("a", "bc")]),
        ("labels", [("a", "b"), ("c", "d")], [("c", "d"), ("a", "b")]),
        ("labels", [], None),
        ("pairs", [{"name": b"a", "value": b""}], [{"name": b"", "value": b"a"}]),
        ("pairs", None, []),
        ("score", 0.0, -0.0),
        ("score", None, float("nan")),
        ("day", date(2026, 1, 1), None),
    ],
    ids=str,
)
def test_a_difference_in_any_column_is_seen(column: str, left: Any, right: Any) -> None:
    def rows(value: Any) -> pa.RecordBatch:
        whole = {"at": 1, "labels": [("x", "y")], "pairs": None, "score": 1.0, "day": None}
        return pa.RecordBatch.from_pylist([{**whole, column: value}, whole], schema=NESTED)

    assert holds_the_same(iter([rows(left)]), [iter([rows(left)])], NESTED, "at") == (0, 0)
    assert holds_the_same(iter([rows(left)]), [iter([rows(right)])], NESTED, "at") == (1, 1)
    twice = pa.Table.from_batches([rows(left), rows(left)]).combine_chunks().to_batches()
    assert holds_the_same(iter(twice), [iter([rows(left)])], NESTED, "at") == (2, 0)


def test_multisets_are_what_is_compared() -> None:
    assert multiset([{"a": 1}]) != multiset([{"a": 1}, {"a": 1}])
