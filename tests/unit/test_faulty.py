"""The fakes lie exactly as scripted, and let no written byte change."""

import hashlib

import pytest

from archiver.errors import LocalResourceError, OutcomeUnknown, TransientError
from archiver.model import Checkpoint
from tests.support.faulty import Crash, Faults, FaultyAnchor, FaultyStore, Overwritten


def create(store: FaultyStore, key: str, data: bytes = b"x") -> None:
    store.create(key, data, sha256=hashlib.sha256(data).hexdigest())


def test_the_nth_call_of_a_kind_and_a_pattern_fails() -> None:
    store = FaultyStore()
    store.faults.fail("create", key="ledger/*", nth=2, error=LocalResourceError)
    create(store, "ledger/0")
    create(store, "data/x")
    with pytest.raises(LocalResourceError):
        create(store, "ledger/1")
    create(store, "ledger/1")
    assert [(call.key, call.took_effect) for call in store.faults.writes] == [
        ("ledger/0", True),
        ("data/x", True),
        ("ledger/1", False),
        ("ledger/1", True),
    ]


@pytest.mark.parametrize("took_effect", [False, True])
def test_writes_of_store_and_anchor_are_counted_together(took_effect: bool) -> None:
    faults = Faults()
    store, anchor = FaultyStore(faults), FaultyAnchor(faults)
    faults.lose_reply(nth=2, took_effect=took_effect)
    new = Checkpoint(archive_id="a", seq=0, hash="0" * 64)
    create(store, "ledger/0")
    with pytest.raises(OutcomeUnknown):
        anchor.swap(None, new)
    assert anchor.read("a") == (new if took_effect else None)
    assert [call.kind for call in faults.writes] == ["create", "anchor.swap"]


@pytest.mark.parametrize("took_effect", [False, True])
def test_nothing_happens_after_a_crash_until_it_is_healed(took_effect: bool) -> None:
    store = FaultyStore()
    store.faults.crash("create", took_effect=took_effect)
    with pytest.raises(Crash):
        create(store, "data/x")
    with pytest.raises(Crash):
        store.stat("data/x")
    store.faults.heal()
    assert (store.stat("data/x") is not None) is took_effect


def test_a_blind_store_that_would_overwrite_fails_the_test() -> None:
    store = FaultyStore(conditional=False)

    def another_writer(key: str) -> None:
        store.before_blind_write = lambda _: None
        create(store, key, b"other")

    store.before_blind_write = another_writer
    with pytest.raises(Overwritten):
        create(store, "ledger/0")
    assert store.peek("ledger/0") == b"other"


def test_other_bytes_under_a_key_that_was_deleted_fail_the_test() -> None:
    store = FaultyStore()
    create(store, "data/x", b"one")
    store.delete("data/x")
    with pytest.raises(Overwritten):
        create(store, "data/x", b"two")
    create(store, "data/x", b"one")


def test_a_stream_breaks_where_it_was_told_to() -> None:
    store = FaultyStore()
    create(store, "data/x", b"0123456789")
    store.faults.break_stream("data/*", after_bytes=4)
    with store.open("data/x") as stream:
        assert stream.read(3) == b"012"
        with pytest.raises(TransientError):
            stream.read(7)
