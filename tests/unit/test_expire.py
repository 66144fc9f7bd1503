"""Expire and sweep: what leaves the archive, what stays and why, on a store in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from archiver.contracts import ObjectRef, Removal
from archiver.errors import AccessDenied, IntegrityError, Partial, SegmentAltered, TransientError
from archiver.model import DATED_MAX, Expired, ExpireIntended, Exported, Purged, Reason
from archiver.operations.archive.status import DatasetStatus, dataset_statuses
from tests.support.archive import day, multiset
from tests.support.deletions import ARCHIVE_BORDER, Place, check_nothing_lost, events, ripe
from tests.support.faulty import Crash, FaultyStore
from tests.support.memory_source import MemorySource
from tests.support.nights import Nights

TWO_DAYS = [f"data/logs/date=2026-05-0{number}/" for number in (1, 2)]


@pytest.fixture(scope="module")
def begun() -> Place:
    """Two days of the archive are due, one of them in two parts."""
    return ripe()


@pytest.fixture
def place(begun: Place) -> Place:
    return begun.copied()


def store_of(place: Place) -> FaultyStore:
    store = place.made.store
    assert isinstance(store, FaultyStore)
    return store


def due(place: Place) -> list[str]:
    return [key for key in store_of(place).keys if any(key.startswith(day_) for day_ in TWO_DAYS)]


def told(place: Place) -> list[Expired]:
    return [event for event in events(place.made) if isinstance(event, Expired)]


def test_exactly_what_is_due_leaves_and_is_not_found_any_more(place: Place) -> None:
    before, keys = set(store_of(place).keys), due(place)
    assert len(keys) == 3
    receipt = place.made.expire()
    assert (receipt.objects, receipt.rows) == ({"logs": 3}, {"logs": 7})
    data = {key for key in store_of(place).keys if key.startswith("data/")}
    assert data == {key for key in before if key.startswith("data/")} - set(keys)
    (event,) = told(place)
    assert (sorted(event.keys), event.rows, event.versions_deleted, event.kept_until) == (keys, 7, 3, None)
    place.made.check(
        [
            row
            for row in place.rows
            if not (row["created_at"] and row["created_at"] < ARCHIVE_BORDER) and row["id"] != "later"
        ]
    )
    assert place.made.expire().objects == {}


def test_the_status_says_what_is_overdue_in_the_archive_and_speaks_of_what_is_held(place: Place) -> None:
    def told() -> DatasetStatus:
        (status,) = dataset_statuses(place.made.look().holdings, place.made.datasets, place.made.now())
        return status

    before = told()
    assert (before.rows_due, before.due_since) == (7, day(1) + timedelta(days=31))
    assert before.oldest == day(0)
    place.made.hold("case", since=day(1))
    place.made.expire()
    held = told()
    assert (held.rows_due, held.slots, held.oldest) == (4, before.slots - 1, day(1)), "kept is overdue all the same"
    place.made.release("case")
    place.made.expire()
    after = told()
    assert (after.rows_due, after.due_since, after.slots, after.oldest) == (0, None, before.slots - 2, day(2))


def test_the_intent_comes_before_the_first_deletion(place: Place) -> None:
    place.made.expire()
    writes = [(call.kind, call.key) for call in place.faults.writes]
    first = writes.index(("delete", due_first(writes)))
    assert [kind for kind, _ in writes[:first]] == ["create", "anchor.swap"]
    assert isinstance(events(place.made)[-2], ExpireIntended)


def due_first(writes: Sequence[tuple[str, str]]) -> str:
    return next(key for kind, key in writes if kind == "delete")


def test_a_hold_keeps_what_it_covers_and_nothing_else(place: Place) -> None:
    place.made.hold("case 7", since=day(1))
    receipt = place.made.expire()
    assert receipt.kept == {"logs": {Reason.HOLD(references=("case 7",)): 4}}
    assert receipt.objects == {"logs": 1}
    place.made.release("case 7")
    assert place.made.expire().objects == {"logs": 2}


def holder(place: Place, *, digest: Callable[[str], str] | None, columns: tuple[str, ...]) -> Nights:
    """With the privacy key, and a column that names persons."""
    dataset = replace(place.made.datasets[0], subject_columns=columns)
    return replace(place.made, datasets=(dataset,), subject_digest=digest)


def test_a_hold_on_a_person_keeps_the_windows_that_name_them(place: Place) -> None:
    made = holder(place, digest="digest of {}".format, columns=("message",))
    made.hold("case", subject="digest of late")
    receipt = made.expire()
    assert receipt.kept == {"logs": {Reason.SUBJECT_HOLD(): 4}}
    assert receipt.objects == {"logs": 1}


def test_a_hold_on_a_person_nobody_can_look_for_keeps_all_that_it_covers(place: Place) -> None:
    made = holder(place, digest="digest of {}".format, columns=())
    made.hold("case", subject="digest of nobody")
    receipt = made.expire()
    assert receipt.kept == {"logs": {Reason.SUBJECT_HOLD(): 7}}
    assert receipt.objects == {}


@pytest.mark.parametrize("digest", [None, "another digest of {}".format])
def test_fault_a_hold_under_another_key_expires_nothing_that_it_could_cover(
    place: Place, digest: Callable[[str], str] | None
) -> None:
    """The privacy key was lost in a move, and a new one made, or none is set."""
    holder(place, digest="digest of {}".format, columns=("message",)).hold("case", subject="digest of nobody")
    receipt = holder(place, digest=digest, columns=("message",)).expire()
    assert receipt.kept == {"logs": {Reason.HOLD(references=("case",)): 7}}
    assert receipt.objects == {}


def test_an_altered_segment_is_not_searched_and_stays(place: Place) -> None:
    made = holder(place, digest="digest of {}".format, columns=("message",))
    made.hold("case", subject="digest of nobody")
    key = due(place)[0]
    store_of(place).tamper(key, b"altered")
    with pytest.raises(SegmentAltered, match=key):
        made.expire()
    assert len(due(place)) == 3


def test_what_the_source_still_has_stays_in_the_archive(place: Place) -> None:
    """The archive is the only proof by which these rows may leave their source."""
    place.table.insert(id="old", created_at=day(0) + timedelta(minutes=1), message="old", score=None)
    place.made.export()
    receipt = place.made.expire()
    assert receipt.kept == {"logs": {Reason.IN_SOURCE(): 4}}
    assert receipt.objects == {"logs": 2}


def test_without_an_archive_retention_nothing_expires(place: Place) -> None:
    place.made.datasets = (replace(place.made.datasets[0], archive_retention=None),)
    assert place.made.expire().objects == {}
    assert len(due(place)) == 3


def test_what_expired_is_not_exported_again_from_a_source_that_keeps_its_rows(place: Place) -> None:
    place.made.datasets = (replace(place.made.datasets[0], source_retention=None),)
    place.made.expire()
    place.made.export()
    place.table.insert(id="old", created_at=day(0), message="old", score=None)
    assert place.made.export().rows == 0
    assert due(place) == []


def test_what_comes_after_its_window_has_expired_is_proven_deleted_and_expired_in_one_night(place: Place) -> None:
    """Never deleted without proof, and never left overdue for ever."""
    gone = due(place)
    place.made.expire()
    place.made.export()
    place.made.verify_and_record()
    place.made.purge()
    place.table.insert(id="old", created_at=day(0), message="old", score=None)
    assert place.made.purge().kept["logs"][Reason.NOT_ARCHIVED()] == 1
    place.made.export()
    assert len(due(place)) == 1
    assert place.made.purge().kept["logs"][Reason.NOT_VERIFIED()] == 1
    place.made.verify_and_record()
    assert place.made.purge().rows == {"logs": 1}
    assert "old" not in {row["id"] for row in place.table.values()}
    assert place.made.expire().objects == {"logs": 1}
    assert due(place) == []
    assert not set(gone) & set(store_of(place).keys)


def test_what_was_let_go_of_before_the_source_had_a_retention_is_proven_and_leaves_that_too(place: Place) -> None:
    """Its window looks as it did when it was archived; there is nothing by which it could be proven any more."""
    retained = place.made.datasets
    forgetful(place)
    place.table.insert(id="old", created_at=day(0), message="old", score=None)
    place.made.export()
    place.made.expire()
    assert place.made.export().rows == 0
    place.made.datasets = retained
    assert place.made.purge().kept["logs"][Reason.NOT_ARCHIVED()] == 1
    assert place.made.night().rows["logs"] >= 1
    assert "old" not in {row["id"] for row in place.table.values()}
    place.made.expire()
    assert due(place) == []


def forgetful(place: Place) -> Place:
    """The source keeps its rows for ever, the archive for 31 days."""
    place.made.datasets = (replace(place.made.datasets[0], source_retention=None),)
    return place


def later(place: Place, days: int) -> None:
    """So much time passes for everybody."""
    now = place.made.now() + timedelta(days=days)
    place.made.now = lambda: now
    assert isinstance(place.made.source, MemorySource)
    place.made.source.now = now


def test_a_day_is_archived_though_a_row_of_it_was_let_go_of_before_it_came(place: Place) -> None:
    forgetful(place)
    ahead = place.made.now() + timedelta(days=60)
    place.table.insert(id="early", created_at=ahead, message="a wrong clock", score=None)
    place.made.export()
    later(place, 32)
    place.made.expire()
    assert "early" not in {row["id"] for row in place.made.rows()}
    assert place.made.export().rows == 0, "not again as long as nothing else is there"
    later(place, 30)
    place.table.insert(id="right", created_at=ahead, message="at its time", score=None)
    place.made.export()
    assert {"early", "right"} <= {row["id"] for row in place.made.rows()}


def test_rows_without_a_time_leave_one_by_one_though_new_ones_keep_coming(place: Place) -> None:
    number = None
    for count in range(5):
        if number is not None:
            place.table.delete(number)
        number = place.table.insert(id=f"undated{count}", created_at=None, message="m", score=None)
        place.made.export()
        place.made.expire()
        later(place, 10)
    kept = {row["id"] for row in place.made.rows() if row["created_at"] is None}
    assert kept == {"undated", *(f"undated{count}" for count in range(5))}, "the source still has rows without a time"
    for known in [known for known, (_, row) in place.table.rows.items() if row["created_at"] is None]:
        place.table.delete(known)
    place.made.export()
    place.made.expire()
    assert {row["id"] for row in place.made.rows() if row["created_at"] is None} == {"undated2", "undated3", "undated4"}


def test_a_row_without_a_time_is_archived_though_others_were_let_go_of(place: Place) -> None:
    forgetful(place)
    later(place, 32)
    place.made.expire()
    assert not [row for row in place.made.rows() if row["created_at"] is None]
    assert place.made.export().rows == 0, "not again as long as nothing else is there"
    place.table.insert(id="new", created_at=None, message="m", score=None)
    place.made.export()
    assert "new" in {row["id"] for row in place.made.rows()}


def settled(place: Place) -> Place:
    """The oldest windows are archived, purged and expired."""
    place.made.expire()
    place.made.night()
    place.made.expire()
    assert due(place) == []
    return place


def test_what_comes_after_its_window_has_expired_is_accounted_for_when_the_worker_dies(place: Place) -> None:
    """The rows that were purged from the window before are no part of what is held of it now."""
    settled(place)
    place.table.insert(id="old", created_at=day(0), message="old", score=None)
    place.made.export()
    place.made.verify_and_record()
    before = sum(event.rows for event in events(place.made) if isinstance(event, Purged))
    place.faults.crash("source.commit", took_effect=True)
    with pytest.raises(Crash):
        place.made.purge()
    place.faults.heal()
    assert place.made.purge().rows_reconciled == {"logs": 1}
    assert sum(event.rows for event in events(place.made) if isinstance(event, Purged)) == before + 1
    assert place.made.expire().objects == {"logs": 1}
    assert due(place) == []


def test_a_row_that_came_late_and_left_without_us_is_counted_as_missing(place: Place) -> None:
    settled(place)
    number = place.table.insert(id="old", created_at=day(0), message="old", score=None)
    place.made.export()
    place.table.delete(number)
    place.made.export()
    (event,) = [event for event in events(place.made) if isinstance(event, Exported)][-1:]
    assert (event.state.rows, event.rows_missing) == (0, 1)


def test_a_slow_expiry_deletes_nothing_that_came_back_as_it_was(place: Place) -> None:
    """It was taken for dead and accounted for by another run; then the same rows came from a backup, and were archived."""
    gone = due(place)
    settled(place)
    for row in place.rows[:3]:
        place.table.insert(**row)
    place.made.night()
    (key,) = due(place)
    assert key.rpartition("-")[2] in {one.rpartition("-")[2] for one in gone}, "the same bytes"
    for one in gone:
        store_of(place).delete(one)
    assert due(place) == [key]
    assert place.made.verify().problems == []


# ── What the store keeps ───────────────────────────────────────────────────────────────────────────────────────


class Locked(FaultyStore):
    """Keeps old versions of some keys until a date, as Object Lock does."""

    until: dict[str, datetime]

    def delete(self, key: str) -> Removal:
        removal = super().delete(key)
        if key in self.until:
            return Removal(versions_deleted=0, kept_until=self.until[key])
        return removal


def lock(place: Place, until: dict[str, datetime]) -> Locked:
    store = store_of(place)
    store.__class__ = Locked
    assert isinstance(store, Locked)
    store.until = until
    return store


def test_what_comes_back_as_it_was_gets_another_name_than_what_a_lock_keeps(place: Place) -> None:
    """The same rows have the same bytes: under the old name the lock's end would take the new segment with it."""
    first = due(place)[0]
    soon = place.made.now() + timedelta(days=5)
    store = lock(place, {first: soon})
    place.made.expire()
    for row in place.rows[:3]:
        place.table.insert(**row)
    place.made.export()
    (key,) = due(place)
    assert key != first
    assert key.rpartition("-")[2] == first.rpartition("-")[2], "the same bytes"
    store.until = {}
    place.made.now = lambda: soon + timedelta(hours=1)
    assert place.made.expire().residuals_gone == 1
    assert due(place) == [key]
    place.made.verify_and_record()
    assert place.made.purge().rows["logs"] >= 3
    place.made.expire()
    assert due(place) == []


def test_fault_27_what_a_lock_keeps_is_recorded_named_each_time_and_deleted_when_the_lock_has_ended(
    place: Place,
) -> None:
    keys = due(place)
    soon = place.made.now() + timedelta(days=5)
    store = lock(place, {keys[0]: soon})
    receipt = place.made.expire()
    assert receipt.kept_until == {keys[0]: soon}
    assert receipt.objects == {"logs": 3}
    whole, kept = told(place)
    assert (len(whole.keys), whole.kept_until) == (2, None)
    assert (kept.keys, kept.kept_until) == ((keys[0],), soon)

    entries = len(events(place.made))
    again = place.made.expire()
    assert (again.kept_until, again.residuals) == ({}, {keys[0]: soon})
    assert len(events(place.made)) == entries, "a date that has not come is nothing to write down again"

    place.made.now = lambda: soon + timedelta(hours=1)
    later = soon + timedelta(days=5)
    store.until = {keys[0]: later}
    assert place.made.expire().kept_until == {keys[0]: later}, "somebody has prolonged it"
    assert told(place)[-1].kept_until == later

    place.made.now = lambda: later + timedelta(hours=1)
    store.until = {}
    ended = place.made.expire()
    assert (ended.residuals_gone, ended.residuals, ended.kept_until) == (1, {}, {})
    last = told(place)[-1]
    assert (last.keys, last.rows, last.kept_until) == ((keys[0],), 0, None)
    assert place.made.expire().residuals_gone == 0


def test_fault_27_a_legal_hold_is_asked_about_each_time(place: Place) -> None:
    keys = due(place)
    store = lock(place, {keys[0]: DATED_MAX})
    place.made.expire()
    entries = len(events(place.made))
    assert place.made.expire().kept_until == {keys[0]: DATED_MAX}
    assert len(events(place.made)) == entries
    store.until = {}
    assert place.made.expire().residuals_gone == 1


def test_fault_27_what_the_store_refuses_to_delete_is_named_and_tried_again(place: Place) -> None:
    key = due(place)[0]
    place.faults.fail("delete", key=key, error=AccessDenied)
    receipt = place.made.expire()
    (problem,) = receipt.problems
    assert isinstance(problem, Partial)
    assert key in problem.message
    assert receipt.objects == {"logs": 2}
    assert due(place) == [key]
    assert key not in place.made.open().holdings.keys, "it is held no longer, and still has to go"
    place.faults.heal()
    again = place.made.expire()
    assert (again.objects_resumed, again.objects) == (1, {"logs": 1})
    assert due(place) == []
    assert sum(event.rows for event in told(place)) == 7


def test_what_is_still_there_after_its_deletion_is_not_said_to_be_gone(place: Place) -> None:
    key = due(place)[0]

    class Stubborn(FaultyStore):
        def stat(self, wanted: str) -> ObjectRef | None:
            found = ObjectRef(key=key, size_bytes=1, modified_at=datetime(2026, 1, 1, tzinfo=UTC))
            return found if wanted == key else super().stat(wanted)

    store_of(place).__class__ = Stubborn
    receipt = place.made.expire()
    assert [type(problem) for problem in receipt.problems] == [IntegrityError]
    assert all(key not in event.keys for event in told(place))
    assert key in place.made.open().holdings.dataset("logs").expiring


def test_fault_3_the_store_goes_away_in_the_middle_of_an_expiry(place: Place) -> None:
    place.faults.fail("delete", nth=2)
    with pytest.raises(TransientError):
        place.made.expire()
    place.faults.heal()
    check_nothing_lost(place)
    receipt = place.made.expire()
    assert receipt.objects_resumed == 3
    assert due(place) == []
    assert sum(event.rows for event in told(place)) == 7


# ── Sweep ──────────────────────────────────────────────────────────────────────────────────────────────────────


def litter(place: Place) -> Iterator[str]:
    named = place.made.open().holdings.keys
    yield from (key for key in store_of(place).keys if key.startswith("data/") and key not in named)


def test_fault_7_litter_and_uploads_nobody_finished_go_after_the_grace_time_only(place: Place) -> None:
    place.made.grace = timedelta(days=365)
    receipt = place.made.sweep()
    assert (receipt.objects, receipt.uploads) == (0, 0)
    before, found = multiset(place.made.rows()), list(litter(place))
    assert len(found) == 2
    place.made.grace = timedelta(0)
    receipt = place.made.sweep()
    assert (receipt.objects, receipt.uploads) == (2, 1)
    assert list(litter(place)) == []
    assert list(store_of(place).pending_uploads("")) == []
    assert multiset(place.made.rows()) == before


def test_fault_27_litter_that_a_lock_keeps_stays_announced_and_is_tried_again(place: Place) -> None:
    first, _ = litter(place)
    until = place.made.now() + timedelta(days=5)
    store = lock(place, {first: until})
    receipt = place.made.sweep()
    assert (receipt.objects, receipt.kept_until) == (1, {first: until})
    assert place.made.sweep().kept_until == {first: until}
    store.until = {}
    assert place.made.sweep().objects_resumed == 1
    assert place.made.open().holdings.sweeping == set()


def test_litter_that_the_store_refuses_to_delete_stops_nothing_else(place: Place) -> None:
    first, _ = litter(place)
    place.faults.fail("delete", key=first, error=AccessDenied)
    receipt = place.made.sweep()
    assert receipt.objects == 1
    assert [type(problem) for problem in receipt.problems] == [Partial]
    place.faults.heal()
    assert place.made.sweep().objects_resumed == 1
