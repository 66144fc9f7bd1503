"""What a verification says of a ledger that cannot be followed to its end: no more than it knows."""

import hashlib
from dataclasses import replace

import pytest

from archiver import layout
from archiver.ledger.chain import read_chain
from archiver.ledger.entries import read_descriptor
from archiver.model import StackChecked, Window
from archiver.operations.archive.sweep import lying_objects
from tests.support.archive import ARCHIVE_ID, day
from tests.support.deletions import Place, ripe
from tests.support.faulty import FaultyAnchor, FaultyStore


@pytest.fixture
def place() -> Place:
    """Rows were archived, purged and expired; no litter."""
    place = ripe()
    place.made.night()
    place.made.expire()
    place.made.sweep()
    return place


def store_of(place: Place) -> FaultyStore:
    store = place.made.store
    assert isinstance(store, FaultyStore)
    return store


@pytest.mark.parametrize("how", [b"", b"{}", None])
def test_an_altered_entry_is_the_one_thing_that_is_wrong(place: Place, how: bytes | None) -> None:
    """What left the archive by later entries is not called missing, nor the ledger cut off, nor what they name litter."""
    store, key = store_of(place), layout.entry_key(2)
    store.tamper(key, store.peek(key).replace(b"logs", b"l0gs", 1) if how is None else how)
    receipt = place.made.verify()
    assert {problem.subject for problem in receipt.problems} <= {key, layout.entry_key(3)}
    assert any(problem.subject == key and problem.hint for problem in receipt.problems)
    assert receipt.litter == []
    assert lying_objects(store)


def test_an_object_that_is_not_there_is_said_to_be_untold(place: Place) -> None:
    store, key = store_of(place), layout.entry_key(len(entries(place)) - 3)
    (gone, *_) = place.made.look().holdings.keys
    store.tamper(gone, None)
    store.tamper(key, b"")
    facts = {problem.subject: problem.fact for problem in place.made.verify().problems}
    assert gone not in facts
    assert any("nobody can tell whether a later entry let go of them" in fact for fact in facts.values())


def test_a_pack_that_may_hold_the_sound_copy_is_not_called_worthless(place: Place) -> None:
    store = store_of(place)
    for _ in range(layout.PACK_ENTRIES):
        place.made.say([StackChecked(promised_s=0, findings=())])
    assert list(store.list(layout.PACK_PREFIX))
    store.tamper(layout.entry_key(5), b"")
    assert not [one for one in place.made.verify().problems if one.subject.startswith(layout.PACK_PREFIX)]


def test_a_lost_object_is_made_again_from_its_source(place: Place) -> None:
    """The same rows give the same object in any archive, so that one of a second archive takes its place."""
    whole = next(
        one for one in place.made.look().holdings.dataset("logs").holding() if one.slot.window == Window(day(4), day(5))
    )
    ((key, sha256),) = [(one.segment.key, one.segment.sha256) for one in whole.segments]
    store = store_of(place)
    store.tamper(key, None)
    assert [problem.subject for problem in place.made.verify().problems] == [key]
    second = replace(place.made, store=FaultyStore(), anchor=FaultyAnchor())
    second.init()
    second.export(since=day(4), until=day(5))
    (made,) = second.store.list("data/")
    assert made.key == key
    store.tamper(key, second.store.read(key, size_bytes_max=1 << 20))
    assert hashlib.sha256(store.peek(key)).hexdigest() == sha256
    assert place.made.verify().problems == []


def entries(place: Place) -> list[int]:
    store = place.made.store
    tip = place.made.anchor.read(ARCHIVE_ID)
    return [signed.entry.seq for signed in read_chain(store, read_descriptor(store), tip=tip)]
