"""The ledger: its chain, its signatures, its order of writers and its anchor."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rfc8785

from archiver import layout
from archiver.errors import ConfigError, Conflict, IntegrityError, LedgerBroken, OutcomeUnknown
from archiver.ledger.entries import (
    Signer,
    decode_entry,
    encode_entry,
    read_descriptor,
    sha256_hex,
    sign_checkpoint,
    signature_is_valid,
    signed_body,
)
from archiver.ledger.ledger import Ledger, open_ledger
from archiver.ledger.memory import Memory
from archiver.model import AnchorAdopted, Checkpoint, Entry, Verified
from archiver.operations.archive.init import initialise
from tests.support.archive import ARCHIVE_ID, SIGNER, Archive
from tests.support.faulty import Faults, FaultyAnchor, FaultyStore
from tests.support.memory_source import MemorySource

NOW = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)


def event(number: int) -> Verified:
    return Verified(dataset="logs", through_seq=number, depth="digest", segments=0, rows=0, size_bytes=0)


def begin(*, conditional: bool = True) -> tuple[FaultyStore, FaultyAnchor]:
    faults = Faults()
    store, anchor = FaultyStore(faults, conditional=conditional), FaultyAnchor(faults)
    Archive(store, anchor, MemorySource(NOW)).init()
    return store, anchor


def opened(store: FaultyStore, anchor: FaultyAnchor | None, run: str = "run", cache_dir: Path | None = None) -> Ledger:
    return open_ledger(store, anchor, signer=SIGNER if anchor else None, run=run, now=lambda: NOW, cache_dir=cache_dir)


def grown(entries: int, *, conditional: bool = True) -> tuple[FaultyStore, FaultyAnchor]:
    """An archive with entry 0 and so many more."""
    store, anchor = begin(conditional=conditional)
    ledger = opened(store, anchor)
    for number in range(entries):
        ledger.append([event(number)])
    return store, anchor


both = pytest.mark.parametrize("conditional", [True, False], ids=["store orders", "anchor orders"])


def entry_keys(store: FaultyStore) -> list[str]:
    return [key for key in store.keys if key.startswith(layout.LEDGER_PREFIX)]


def test_a_file_is_canonical_and_anybody_can_check_it() -> None:
    """RFC 8785 bytes; the hash is sha256sum's; the signature covers all but itself."""
    entry = Entry(seq=7, at=NOW, run="r", tool="t", prev="0" * 64, events=(event(1), event(2)))
    signed = encode_entry(entry, SIGNER)
    content = json.loads(signed.data)
    assert rfc8785.dumps(content) == signed.data
    assert signed.hash == hashlib.sha256(signed.data).hexdigest()
    signature = content.pop("signature")
    assert signature_is_valid(SIGNER.public_key, signature, rfc8785.dumps(content))
    assert signed_body(signed.data) == rfc8785.dumps(content)
    assert decode_entry(signed.data, where="x").entry == entry


def test_every_byte_changed_in_an_entry_is_found() -> None:
    """Whatever byte is altered: the entry cannot be read, or its signature does not fit."""
    data = encode_entry(Entry(seq=1, at=NOW, run="r", tool="t", prev="0" * 64, events=(event(1),)), SIGNER).data
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1
        try:
            signed = decode_entry(bytes(damaged), where="x")
        except (LedgerBroken, ConfigError):
            continue
        assert not signature_is_valid(SIGNER.public_key, signed.signature, signed_body(signed.data)), place


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(extra=1),
        lambda content: content["events"][0].update(extra=1),
        lambda content: content["events"][0].update(kind="unheard_of"),
        lambda content: content["events"][0].update(rows="0"),
        lambda content: content.pop("run"),
        lambda content: content.update(seq="1"),
    ],
)
def test_what_this_version_does_not_know_is_refused(change: Callable[[dict[str, object]], object]) -> None:
    """A field passed over in silence could be a hold."""
    content = json.loads(
        encode_entry(Entry(seq=1, at=NOW, run="r", tool="t", prev="0", events=(event(1),)), SIGNER).data
    )
    change(content)
    with pytest.raises(LedgerBroken, match="ledger/x"):
        decode_entry(rfc8785.dumps(content), where="ledger/x")


@pytest.mark.parametrize("data", [b"", b"hello", b"{}", b"[2]", b'{"format":"3"}', b'{"format":null}', b'{"format":2}'])
def test_what_says_of_no_other_format_is_damage(data: bytes) -> None:
    """Another version could not read it either: the fix is a copy."""
    with pytest.raises(LedgerBroken, match="ledger/x: not a ledger entry") as caught:
        decode_entry(data, where="ledger/x")
    assert "copy" in caught.value.hint


def test_an_entry_of_a_newer_format_says_to_upgrade() -> None:
    """It is no damage: the fix is another version."""
    with pytest.raises(ConfigError, match="format 99") as caught:
        decode_entry(b'{"format":99,"new":true}', where="ledger/x")
    assert "upgrade" in caught.value.hint


@both
@pytest.mark.parametrize("entries", [0, 1, 5, 300])
def test_what_was_appended_is_read_again(entries: int, conditional: bool) -> None:
    """From the entries, from packs and entries, and from a cache."""
    store, anchor = grown(entries, conditional=conditional)
    ledger = opened(store, anchor)
    assert ledger.head is not None
    assert ledger.head.entry.seq == entries
    assert ledger.holdings.seq == entries
    standing = anchor.read(ARCHIVE_ID)
    assert standing is not None
    assert (standing.seq, standing.hash) == (entries, ledger.head.hash)
    assert any(key.startswith(layout.PACK_PREFIX) for key in store.keys) == (entries >= 255)


@both
def test_a_cache_saves_reading_and_changes_nothing(tmp_path: Path, conditional: bool) -> None:
    """The second opening reads no entry that it knows but the last; new ones are added to the cache."""
    store, anchor = grown(20, conditional=conditional)
    first = opened(store, anchor, cache_dir=tmp_path)
    store.faults.calls.clear()
    second = opened(store, anchor, cache_dir=tmp_path)
    read = [call.key for call in store.faults.calls if call.kind == "read"]
    assert first.head is not None
    assert read == [layout.DESCRIPTOR, layout.entry_key(20, "" if conditional else first.head.hash)]
    assert second.head == first.head
    second.append([event(99)])
    third = opened(store, anchor, cache_dir=tmp_path)
    assert third.head is not None
    assert third.head.entry.seq == 21


@both
@pytest.mark.parametrize("cut", [True, False], ids=["cut off", "altered"])
def test_a_cache_does_not_hide_that_the_last_entry_changed(tmp_path: Path, conditional: bool, cut: bool) -> None:
    """Everything that is appended builds on it, so it is read from the store at every opening."""
    store, anchor = grown(20, conditional=conditional)
    first = opened(store, anchor, cache_dir=tmp_path)
    assert first.head is not None
    key = layout.entry_key(20, "" if conditional else first.head.hash)
    store.tamper(key, None if cut else store.peek(key).replace(b"digest", b"deep", 1))
    with pytest.raises(LedgerBroken):
        opened(store, anchor, cache_dir=tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data.replace(b"logs", b"lags", 1),
        lambda data: b"\n".join(data.split(b"\n")[1:]),
        lambda _: b"\xff\xfe",
        lambda data: data + data.split(b"\n")[-2] + b"\n",
    ],
)
def test_a_damaged_cache_is_thrown_away(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Whatever happened to it, the store's word counts."""
    store, anchor = grown(5)
    expected = opened(store, anchor, cache_dir=tmp_path).head
    cache = next(tmp_path.rglob("ledger.ndjson"))
    cache.write_bytes(damage(cache.read_bytes()))
    for _ in range(2):
        assert opened(store, anchor, cache_dir=tmp_path).head == expected


@both
@pytest.mark.parametrize("back", [1, 9])
def test_store_and_anchor_set_back_together_are_found_by_what_this_machine_has_seen(
    tmp_path: Path, conditional: bool, back: int
) -> None:
    """Both agree, every signature holds; only the memory of this machine knows that there was more."""
    store, anchor = grown(12 - back, conditional=conditional)
    older_store, older_anchor = store.copied(Faults()), anchor.copied(Faults())
    ledger = opened(store, anchor)
    for number in range(back):
        ledger.append([event(100 + number)])
    newest = opened(store, anchor, cache_dir=tmp_path).head
    assert newest is not None
    for _ in range(2):
        with pytest.raises(
            LedgerBroken, match=r"entry 12 .*is not there any more: ledger and anchor were set back"
        ) as caught:
            opened(older_store, older_anchor, cache_dir=tmp_path)
    (path,) = tmp_path.rglob("ledger.ndjson")
    assert str(path) in caught.value.hint
    assert path.read_bytes().endswith(newest.data + b"\n")
    # The way out, once a person has decided that the older state is the one that counts.
    path.unlink()
    assert opened(older_store, older_anchor, cache_dir=tmp_path).holdings.seq == 12 - back


@both
def test_an_entry_that_lost_is_not_remembered_as_one_that_was(tmp_path: Path, conditional: bool) -> None:
    """A reader sees an entry whose run died before its swap. Where the anchor decides, another one may take its place."""
    store, anchor = grown(3, conditional=conditional)
    store.faults.lose_reply("anchor.swap", took_effect=False)
    with pytest.raises(OutcomeUnknown):
        opened(store, anchor).append([event(4)])
    store.faults.heal()
    reader = open_ledger(store, anchor, signer=None, run="reader", now=lambda: NOW, cache_dir=tmp_path)
    assert reader.holdings.seq == 4
    (lost,) = [key for key in entry_keys(store) if layout.parse_entry_key(key).seq == 4]  # type: ignore[union-attr]
    if not conditional:
        store.tamper(lost, None)
        assert opened(store, anchor, cache_dir=tmp_path).holdings.seq == 3
    assert opened(store, anchor, cache_dir=tmp_path).holdings.seq == (4 if conditional else 3)


def another_archive_of_the_same_key(*, conditional: bool = True) -> tuple[FaultyStore, FaultyAnchor, str]:
    """Everything in it is genuine."""
    store, anchor, archive_id = FaultyStore(conditional=conditional), FaultyAnchor(), "0190" + "f" * 28
    facts = store.probe("00")
    initialise(store, anchor, SIGNER, facts=facts, archive_id=archive_id, run="another", now=lambda: NOW)
    return store, anchor, archive_id


@both
@pytest.mark.parametrize("pinned", ["settings", "memory"])
def test_an_archive_swapped_for_another_of_the_same_key_is_found(
    tmp_path: Path, conditional: bool, pinned: str
) -> None:
    """Whichever archive the settings name, or this machine knows by the key, is the one; an empty one in its place is none."""
    store, anchor = grown(5, conditional=conditional)
    named = ARCHIVE_ID if pinned == "settings" else ""
    memory = tmp_path if pinned == "memory" else None

    def open_it(store: FaultyStore, anchor: FaultyAnchor, name: str = named) -> Ledger:
        return open_ledger(store, anchor, signer=SIGNER, run="run", now=lambda: NOW, cache_dir=memory, archive_id=name)

    open_it(store, anchor)
    other_store, other_anchor, other_id = another_archive_of_the_same_key(conditional=conditional)
    for _ in range(2):
        with pytest.raises(IntegrityError, match=f"holds archive {other_id}") as caught:
            open_it(other_store, other_anchor)
    assert "ARCHIVER_ARCHIVE_ID" in caught.value.hint
    # A person's word ends it, and it is remembered.
    assert open_it(other_store, other_anchor, other_id).holdings.seq == 0
    assert open_it(other_store, other_anchor, other_id if pinned == "settings" else "").holdings.seq == 0


@both
@pytest.mark.parametrize("cached", [False, True], ids=["no memory", "memory"])
@pytest.mark.parametrize("back", [1, 2, 4, 24])
def test_an_anchor_that_was_set_back_is_said_for_ever(
    tmp_path: Path, conditional: bool, back: int, cached: bool
) -> None:
    """One entry behind is a run that died. More is a hand: nothing is lost, an entry says it, deletions wait for a person."""
    memory = tmp_path if cached else None
    store, anchor = grown(24, conditional=conditional)
    older = replace_checkpoint(store, 24 - back)
    opened(store, anchor, cache_dir=memory)
    anchor.tamper(ARCHIVE_ID, older)
    ledger = opened(store, anchor, cache_dir=memory)
    assert ledger.head is not None
    if back == 1:
        assert ledger.holdings.seq == 24
        assert ledger.holdings.anchor_adopted_at is None
    else:
        assert ledger.holdings.seq == 25
        assert ledger.head.entry.events == (AnchorAdopted(found_seq=24 - back),)
        assert ledger.holdings.anchor_adopted_at == NOW
    standing = anchor.read(ARCHIVE_ID)
    assert standing is not None
    assert (standing.seq, standing.hash) == (ledger.head.entry.seq, ledger.head.hash)
    assert opened(store, anchor, cache_dir=memory).holdings.seq == ledger.holdings.seq


def replace_checkpoint(store: FaultyStore, seq: int) -> Checkpoint:
    """The checkpoint that the anchor held when entry ``seq`` was the head."""
    (key,) = [key for key in entry_keys(store) if layout.parse_entry_key(key).seq == seq]  # type: ignore[union-attr]
    digest = hashlib.sha256(store.peek(key)).hexdigest()
    return sign_checkpoint(Checkpoint(archive_id=ARCHIVE_ID, seq=seq, hash=digest), SIGNER)


@pytest.mark.parametrize(
    "altered",
    [
        lambda data: data.replace(b'{"', b'{"format":2,"', 1),
        lambda data: data.replace(b'"format":2', b'"format":0'),
        lambda data: data.replace(b'":', b'": '),
        lambda data: data + b"\n",
        lambda data: data.replace(b'"format":2', b'"format":2.0'),
    ],
    ids=["a member twice", "format 0", "another spacing", "a newline behind", "another number"],
)
def test_a_descriptor_in_another_form_is_found(altered: Callable[[bytes], bytes]) -> None:
    """It says the same, and somebody's hand was at it."""
    store, anchor = grown(1)
    before = store.peek(layout.DESCRIPTOR)
    assert altered(before) != before
    store.tamper(layout.DESCRIPTOR, altered(before))
    with pytest.raises(IntegrityError, match=r"archive\.json (is not in the form|cannot be understood)"):
        opened(store, anchor)


@both
def test_eight_writers_take_one_number_once(conditional: bool) -> None:
    """One wins each commit, the others are told and can go on from the new head."""
    store, anchor = begin(conditional=conditional)
    writers = [opened(store, anchor, run=f"run-{number}") for number in range(8)]
    done = 0
    for writer in writers:
        try:
            writer.append([event(1)])
            done += 1
        except Conflict:
            assert writer.refresh()
    assert done == 1
    writers[3].append([event(2)])
    assert opened(store, anchor).holdings.seq == 2


def test_fault_2_an_anchor_left_behind_is_completed() -> None:
    """The entry is durable, the anchor was not moved: opening moves it."""
    store, anchor = grown(3)
    before = anchor.read(ARCHIVE_ID)
    store.faults.lose_reply("anchor.swap", took_effect=False)
    with pytest.raises(OutcomeUnknown):
        opened(store, anchor).append([event(4)])
    assert anchor.read(ARCHIVE_ID) == before
    store.faults.heal()
    opened(store, anchor)
    standing = anchor.read(ARCHIVE_ID)
    assert standing is not None
    assert standing.seq == 4


def test_fault_9_where_the_store_overwrites_the_anchor_decides() -> None:
    """A rival writes the same number between looking and writing: no bytes are overwritten, one of the two counts."""
    store, anchor = begin(conditional=False)
    rival = opened(store, anchor, run="rival")
    ours = opened(store, anchor, run="ours")
    entered: list[str] = []

    def let_in(key: str) -> None:
        if not entered and key.startswith(layout.LEDGER_PREFIX):
            entered.append(key)
            rival.append([event(1)])

    store.before_blind_write = let_in
    with pytest.raises(Conflict):
        ours.append([event(2)])
    assert len([key for key in entry_keys(store) if layout.parse_entry_key(key).seq == 1]) == 2  # type: ignore[union-attr]
    head = opened(store, anchor).head
    assert head is not None
    assert head.entry.run == "rival"


@both
@pytest.mark.parametrize("victim", [1, 3, 5])
@pytest.mark.parametrize("how", ["cut out", "altered", "replaced", "swapped"])
def test_fault_23_entries_that_were_tampered_with_are_found(how: str, victim: int, conditional: bool) -> None:
    """Cut out, altered, replaced by one that our key signed, swapped with another: opening refuses and names it."""
    store, anchor = grown(5, conditional=conditional)
    keys = entry_keys(store)
    data = store.peek(keys[victim])
    if how == "cut out":
        store.tamper(keys[victim], None)
    elif how == "altered":
        store.tamper(keys[victim], data.replace(b"digest", b"deep"))
    elif how == "replaced":
        entry = decode_entry(data, where="x").entry
        store.tamper(keys[victim], encode_entry(replace(entry, events=(event(77),)), SIGNER).data)
    else:
        store.tamper(keys[victim], store.peek(keys[victim - 1]))
    with pytest.raises(LedgerBroken, match=r"ledger|anchor"):
        opened(store, anchor)


@both
@pytest.mark.parametrize("cut", [1, 4])
def test_fault_23_a_tail_that_was_cut_is_found_through_the_anchor(cut: int, conditional: bool) -> None:
    """The chain that is left is perfect; only the anchor knows that there was more."""
    store, anchor = grown(5, conditional=conditional)
    for key in entry_keys(store)[-cut:]:
        store.tamper(key, None)
    with pytest.raises(LedgerBroken, match=r"cut off|is not there"):
        opened(store, anchor)


def test_a_ledger_written_anew_by_somebody_else_is_found() -> None:
    """Another key made a whole new chain and descriptor: the anchor's signature does not fit it."""
    _, anchor = grown(2)
    other, forged = Signer.generate(), FaultyStore()
    initialise(
        forged, FaultyAnchor(), other, facts=forged.probe("00"), archive_id=ARCHIVE_ID, run="thief", now=lambda: NOW
    )
    with pytest.raises(ConfigError, match="signed with the key"):
        opened(forged, anchor)
    with pytest.raises(LedgerBroken, match="not signed by the archive's key"):
        open_ledger(forged, anchor, signer=None, run="reader", now=lambda: NOW)


def test_an_anchor_beside_the_chain_is_found() -> None:
    """It names an entry of the same number with another hash."""
    store, _ = grown(4)
    moved = FaultyAnchor()
    moved.swap(None, sign_checkpoint(Checkpoint(archive_id=ARCHIVE_ID, seq=2, hash="ab" * 32), SIGNER))
    with pytest.raises(LedgerBroken, match="names abab"):
        opened(store, moved)


def test_an_anchor_that_is_moved_by_hand_while_an_entry_is_appended_is_named() -> None:
    """The error says where it was and where it is; the entry stands, and the anchor is left as it was found."""
    store, anchor = grown(3)
    ledger = opened(store, anchor)
    anchor.tamper(ARCHIVE_ID, None)
    with pytest.raises(LedgerBroken, match="was at entry 3 and is at nothing now; entry 4 is in the ledger"):
        ledger.append([event(4)])
    assert anchor.read(ARCHIVE_ID) is None
    assert len(entry_keys(store)) == 5


@both
def test_an_anchor_that_is_emptied_under_an_open_ledger_is_filled_and_an_entry_says_so(conditional: bool) -> None:
    """As when it is found empty at the opening: deletions wait for a person."""
    store, anchor = grown(3, conditional=conditional)
    ledger = opened(store, anchor)
    anchor.tamper(ARCHIVE_ID, None)
    assert ledger.refresh()
    assert ledger.holdings.anchor_adopted_at == NOW
    standing = anchor.read(ARCHIVE_ID)
    assert standing is not None
    assert standing.seq == ledger.holdings.seq == 4


@both
def test_what_lies_beside_the_entries_is_passed_over(conditional: bool) -> None:
    """What has no entry's name, or one of the other way to order writers, is not read; a verification names it."""
    store, anchor = grown(3, conditional=conditional)
    ledger = opened(store, anchor)
    store.tamper(f"{layout.LEDGER_PREFIX}README", b"what is this")
    for seq in (1, 4):
        store.tamper(layout.entry_key(seq, "ab" * 32 if conditional else ""), b"not this way")
    assert not ledger.refresh()
    assert opened(store, anchor).holdings.seq == 3
    ledger.append([event(4)])
    assert opened(store, anchor).holdings.seq == 4


def test_a_writer_without_an_anchor_misses_none() -> None:
    """Where the store orders writers an archive can do without: nothing is adopted that is not there."""
    store, _ = grown(3)
    writer = open_ledger(store, None, signer=SIGNER, run="r", now=lambda: NOW)
    writer.append([event(4)])
    ledger = open_ledger(store, None, signer=SIGNER, run="r", now=lambda: NOW)
    assert (ledger.holdings.seq, ledger.holdings.anchor_adopted_at, ledger.is_anchored) == (4, None, False)


def test_a_reader_without_an_anchor_remembers_what_it_read(tmp_path: Path) -> None:
    """Where the store orders writers, every entry that is there counts, whatever an anchor says."""
    store, _ = grown(20)

    def reads() -> int:
        store.faults.calls.clear()
        reader = open_ledger(store, None, signer=None, run="r", now=lambda: NOW, cache_dir=tmp_path)
        assert reader.holdings.seq == 20
        return sum(call.kind == "read" and call.key.startswith(layout.LEDGER_PREFIX) for call in store.faults.calls)

    assert reads() == 21
    assert reads() == 1, "only the last one that it knows"


def test_this_machine_knows_the_newest_entry_that_it_has_seen(tmp_path: Path) -> None:
    """Only of the archive that is asked for, and only one that its key signed."""
    store, anchor = grown(3)
    ledger, descriptor = opened(store, anchor, cache_dir=tmp_path), read_descriptor(store)
    assert Memory(tmp_path).head(descriptor) == ledger.head
    strangers = descriptor.model_copy(update={"public_key": Signer.generate().public_key})
    assert Memory(tmp_path).head(strangers) is None
    assert Memory(tmp_path).head(descriptor.model_copy(update={"archive_id": "f" * 32})) is None
    assert Memory(None).head(descriptor) is None


def test_time_never_goes_back_in_the_ledger() -> None:
    """A clock that was set back does not stop an export: time stands still until it has caught up."""
    store, anchor = begin()
    late = open_ledger(store, anchor, signer=SIGNER, run="r", now=lambda: NOW + timedelta(hours=5))
    assert late.append([event(1)]).at == NOW + timedelta(hours=5)
    assert opened(store, anchor).append([event(2)]).at == NOW + timedelta(hours=5)


def test_a_reader_without_the_private_key_cannot_append() -> None:
    """It says which setting is missing."""
    store, _ = begin()
    reader = open_ledger(store, None, signer=None, run="r", now=lambda: NOW)
    with pytest.raises(ConfigError, match="private key"):
        reader.append([event(1)])


def test_there_is_no_archive() -> None:
    """The error says how to begin one."""
    with pytest.raises(ConfigError, match="no archive here") as caught:
        opened(FaultyStore(), FaultyAnchor())
    assert "archiver init" in caught.value.hint


@pytest.mark.parametrize(("found", "next_step"), [(1, "archiver init"), (3, "upgrade")])
def test_an_archive_of_another_format(found: int, next_step: str) -> None:
    """It is named, with what to do, and nothing is touched."""
    store, anchor = begin()
    descriptor = json.loads(store.peek(layout.DESCRIPTOR))
    store.tamper(layout.DESCRIPTOR, rfc8785.dumps({**descriptor, "format": found}))
    writes = len(store.faults.writes)
    with pytest.raises(ConfigError, match=f"format {found}, this version reads format 2") as caught:
        opened(store, anchor)
    assert next_step in caught.value.hint
    assert len(store.faults.writes) == writes


def test_an_entry_of_the_old_format_is_refused_though_it_could_be_understood() -> None:
    """The first one of an archive had the same fields."""
    entry = Entry(format=1, seq=7, at=NOW, run="r", tool="t", prev="0" * 64, events=(AnchorAdopted(),))
    with pytest.raises(ConfigError, match="has format 1"):
        decode_entry(encode_entry(entry, SIGNER).data, where="ledger/x")


def test_a_descriptor_that_contradicts_entry_0() -> None:
    """The descriptor is not signed; entry 0 is."""
    store, anchor = begin()
    descriptor = json.loads(store.peek(layout.DESCRIPTOR))
    store.tamper(layout.DESCRIPTOR, rfc8785.dumps({**descriptor, "archive_id": "f" * 32}))
    with pytest.raises(IntegrityError, match="same archive"):
        opened(store, anchor)


def test_the_private_key_shows_itself_nowhere() -> None:
    """Neither in its text form nor in an error about it."""
    secret = SIGNER.to_pem().decode().splitlines()[1]
    assert secret not in repr(SIGNER)
    with pytest.raises(ConfigError) as caught:
        Signer.from_pem(secret.encode(), where="/etc/key")
    assert secret not in f"{caught.value!r} {caught.value.hint}"


def test_a_pack_that_was_altered_is_found() -> None:
    """Packs are copies; the chain runs through them."""
    store, anchor = grown(260)
    key = next(key for key in store.keys if key.startswith(layout.PACK_PREFIX))
    data = store.peek(key)
    store.tamper(key, data.replace(b'"through_seq":17', b'"through_seq":18', 1))
    with pytest.raises(LedgerBroken):
        opened(store, anchor)
    store.tamper(key, None)
    head = opened(store, anchor).head
    assert head is not None
    assert sha256_hex(head.data) == head.hash
