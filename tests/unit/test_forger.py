"""A forger has the bucket, or the bucket and the anchor, and no key: whatever is altered, ``verify`` names it.

Thousands instead of the few of every run: ``pytest tests/unit/test_forger.py --seeds 400``.
"""

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from archiver import layout
from archiver.errors import ArchiverError
from archiver.ledger.chain import read_chain
from archiver.ledger.entries import read_descriptor, sha256_hex, sign_checkpoint
from archiver.model import Checkpoint, StackChecked
from archiver.operations.archive.verify import VerifyReceipt
from tests.support.archive import ARCHIVE_ID, SIGNER
from tests.support.deletions import Place, ripe
from tests.support.faulty import FaultyAnchor, FaultyStore

FORGERIES_A_SEED = 12
HARMLESS = re.compile(rf": {layout.PACK_PREFIX}\S+ was cut out$")
PACK_ENTRIES = 8
"""So that a small archive has packs."""


@dataclass
class Forgery:
    """A copy of a whole archive, and one alteration of it."""

    place: Place
    chance: random.Random

    @property
    def store(self) -> FaultyStore:
        store = self.place.made.store
        assert isinstance(store, FaultyStore)
        return store

    def any_key(self) -> str:
        return self.chance.choice(self.store.keys)

    def cut_out(self) -> str:
        key = self.any_key()
        self.store.tamper(key, None)
        return f"{key} was cut out"

    def flipped(self) -> str:
        key = self.any_key()
        data = bytearray(self.store.peek(key))
        place = self.chance.randrange(len(data))
        data[place] ^= 1 << self.chance.randrange(8)
        self.store.tamper(key, bytes(data))
        return f"{key}: a bit of byte {place} was flipped"

    def cut_short(self) -> str:
        key = self.any_key()
        data = self.store.peek(key)
        self.store.tamper(key, data[: self.chance.randrange(len(data))])
        return f"{key} was cut short"

    def grown(self) -> str:
        key = self.any_key()
        self.store.tamper(key, self.store.peek(key) + self.chance.choice([b"\n", b" ", b"\0", b"{}"]))
        return f"{key} has something behind it"

    def exchanged(self) -> str:
        one, other = self.any_key(), self.any_key()
        first, second = self.store.peek(one), self.store.peek(other)
        if first == second:
            return self.flipped()
        self.store.tamper(one, second)
        self.store.tamper(other, first)
        return f"{one} and {other} changed places"

    def replayed(self) -> str:
        """Genuine bytes under a key that looks right."""
        key = self.any_key()
        data, digest = self.store.peek(key), f"{self.chance.getrandbits(64):016x}"
        number = self.chance.randrange(40)
        to = self.chance.choice(
            [
                f"data/logs/date=2026-05-0{1 + number % 5}/part-{number:04d}-{digest}.parquet",
                f"data/logs/date=2026-05-02/part-0000-{sha256_hex(data)[:16]}.parquet",
                layout.entry_key(number, digest),
                layout.entry_key(number, sha256_hex(data)),
                f"ledger/{number}.json",
                f"ledger-pack/{digest}.ndjson",
                layout.pack_key(0, number, digest),
                layout.chunk_list_key("logs", sha256_hex(data)),
                layout.quarantine_key("logs", sha256_hex(data)),
                f"other/{digest}",
                f"{key}.bak",
                digest,
            ]
        )
        if to in self.store.keys:
            return self.flipped()
        self.store.tamper(to, data)
        return f"{key} stands under {to} as well"

    def tail_cut(self) -> str:
        """The last entries go, and nothing that they name is touched."""
        entries = sorted(key for key in self.store.keys if layout.parse_entry_key(key) is not None)
        gone = entries[-self.chance.randrange(1, len(entries)) :]
        for key in gone:
            self.store.tamper(key, None)
        return f"{len(gone)} entries were cut off the end"

    def anchor_set_back(self) -> str:
        """With the anchor in hand as well: to a checkpoint that it held once."""
        anchor = self.place.made.anchor
        assert isinstance(anchor, FaultyAnchor)
        chain = list(read_chain(self.store, read_descriptor(self.store), tip=None, use_packs=False))
        back = self.chance.randrange(2, len(chain))
        held = chain[-1 - back]
        was = Checkpoint(archive_id=ARCHIVE_ID, seq=held.entry.seq, hash=held.hash)
        anchor.tamper(ARCHIVE_ID, sign_checkpoint(was, SIGNER))
        return f"the anchor was set back by {back} entries"

    def written_again(self) -> str:
        """archive.json in another form that says the same."""
        data = self.store.peek(layout.DESCRIPTOR)
        altered = self.chance.choice(
            [data.replace(b":", b": ", 1), data + b"\n", data.replace(b'{"', b'{"format":0,"', 1), b" " + data]
        )
        self.store.tamper(layout.DESCRIPTOR, altered)
        return "archive.json was written in another form"


ALTERATIONS: tuple[Callable[[Forgery], str], ...] = (
    Forgery.cut_out,
    Forgery.flipped,
    Forgery.cut_short,
    Forgery.grown,
    Forgery.exchanged,
    Forgery.replayed,
    Forgery.replayed,
    Forgery.tail_cut,
    Forgery.anchor_set_back,
    Forgery.written_again,
)


def store_of(place: Place) -> FaultyStore:
    store = place.made.store
    assert isinstance(store, FaultyStore)
    return store


@pytest.fixture(params=[True, False], ids=["store orders", "anchor orders"])
def whole(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Exported, purged, expired, swept; with packs."""
    monkeypatch.setattr(layout, "PACK_ENTRIES", PACK_ENTRIES)
    place = ripe(conditional=request.param)
    place.made.night()
    place.made.expire()
    place.made.sweep()
    while not list(place.made.store.list(layout.PACK_PREFIX)):
        place.made.say([StackChecked(promised_s=0, findings=())])
    return place


def verified(place: Place) -> VerifyReceipt | ArchiverError:
    """What a verification says, or what it refuses to begin with."""
    try:
        return place.made.verify()
    except ArchiverError as refused:
        return refused


def missed(original: Place, seed: int) -> tuple[str, str | None]:
    """Play one alteration: its kind, and what it was when nobody named it."""
    chance = random.Random(seed)
    alteration = chance.choice(ALTERATIONS)
    forgery = Forgery(original.copied(), chance)
    what = alteration(forgery)
    found = verified(forgery.place)
    is_named = isinstance(found, ArchiverError) or found.exit_status != 0
    return alteration.__name__, None if is_named else f"seed {seed}: {what}"


def test_a_sound_archive_is_called_sound(whole: Place) -> None:
    found = verified(whole)
    assert isinstance(found, VerifyReceipt)
    assert (found.exit_status, found.problems, found.litter, found.witnesses) == (0, [], [], [])


def test_a_seeded_forger_finds_nothing_that_verify_misses(whole: Place, pytestconfig: pytest.Config) -> None:
    """Every object, every kind of alteration, in both ways to order writers. A pack is a copy: nobody misses one."""
    played, unnoticed = Counter[str](), []
    for seed in range(pytestconfig.getoption("seeds") * FORGERIES_A_SEED):
        kind, what = missed(whole, seed)
        played[kind] += 1
        unnoticed += [what] if what is not None else []
    assert [what for what in unnoticed if not HARMLESS.search(what)] == []
    assert set(played) == {one.__name__ for one in ALTERATIONS}


@pytest.mark.parametrize("whole", [False], indirect=True, ids=["anchor orders"])
def test_an_entry_that_lost_a_race_is_a_witness_and_changes_nothing(whole: Place) -> None:
    """The one addition that harms nothing: only somebody with the key can have written it, and it is counted."""
    store = store_of(whole)
    before = verified(whole)
    whole.faults.lose_reply("anchor.swap", took_effect=False)
    with pytest.raises(ArchiverError):
        whole.made.say([StackChecked(promised_s=1, findings=())])
    whole.faults.heal()
    lost = max(key for key in store.keys if layout.parse_entry_key(key) is not None)
    data = store.peek(lost)
    store.tamper(lost, None)
    whole.made.say([StackChecked(promised_s=2, findings=())])
    store.tamper(lost, data)
    after = verified(whole)
    assert isinstance(before, VerifyReceipt)
    assert isinstance(after, VerifyReceipt)
    assert (after.exit_status, after.litter, after.witnesses) == (0, [], [lost])
    assert after.entries == before.entries + 1
