"""The links of the chain, one by one, and what is said of one that is missing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from archiver import layout
from archiver.errors import LedgerBroken
from archiver.ledger.chain import check_link, read_chain
from archiver.ledger.entries import SignedEntry, encode_entry, read_descriptor
from archiver.model import ZERO_HASH, AnchorAdopted, Entry
from tests.support.archive import ARCHIVE_ID, SIGNER, Archive
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.memory_source import MemorySource

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def entry(seq: int, prev: str, at: datetime = NOW) -> SignedEntry:
    return encode_entry(Entry(seq=seq, at=at, run="r", tool="t", prev=prev, events=(AnchorAdopted(),)), SIGNER)


def test_each_fact_of_a_link_is_checked_by_itself() -> None:
    """Number, hash and time: the other two do not stand in for one that is wrong."""
    first = entry(0, ZERO_HASH)
    check_link(first, None, where="x")
    check_link(entry(1, first.hash), first, where="x")
    for seq in (0, 2):
        with pytest.raises(LedgerBroken, match=f"x: holds entry {seq} where entry 1 belongs"):
            check_link(entry(seq, first.hash), first, where="x")
    with pytest.raises(LedgerBroken, match="holds entry 1 where entry 0 belongs"):
        check_link(entry(1, ZERO_HASH), None, where="x")
    with pytest.raises(LedgerBroken, match="as the hash of entry 0"):
        check_link(entry(1, ZERO_HASH), first, where="x")
    with pytest.raises(LedgerBroken, match="its time lies before that of entry 0"):
        check_link(entry(1, first.hash, NOW - timedelta(microseconds=1)), first, where="x")
    changed = encode_entry(replace(first.entry, run="another"), SIGNER)
    with pytest.raises(LedgerBroken, match="as the hash of entry 0"):
        check_link(entry(1, changed.hash), first, where="x")


def begun(*, conditional: bool) -> tuple[FaultyStore, FaultyAnchor]:
    store, anchor = FaultyStore(conditional=conditional), FaultyAnchor()
    archive = Archive(store, anchor, MemorySource(NOW))
    archive.init()
    for _ in range(4):
        archive.open().append([AnchorAdopted()])
    return store, anchor


@pytest.mark.parametrize("conditional", [True, False])
def test_the_entry_that_is_missing_is_named(conditional: bool) -> None:
    """By its key, so that a person knows what to look for in a copy."""
    store, anchor = begun(conditional=conditional)
    missing = next(key for key in store.keys if (parsed := layout.parse_entry_key(key)) and parsed.seq == 2)
    store.tamper(missing, None)
    with pytest.raises(LedgerBroken, match="is missing") as caught:
        list(read_chain(store, read_descriptor(store), tip=anchor.read(ARCHIVE_ID)))
    assert missing in caught.value.hint


def test_what_lies_beside_the_packs_is_passed_over() -> None:
    store, _ = begun(conditional=True)
    store.tamper(f"{layout.PACK_PREFIX}README", b"what is this")
    assert [signed.entry.seq for signed in read_chain(store, read_descriptor(store), tip=None)] == list(range(5))
