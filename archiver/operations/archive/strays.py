"""Strays: what lies in the store and no entry names, wherever it lies, and what each of it is.

- *litter* is not data, though it may look like it: a file put there by hand, or left by a run that died
- a *witness* is an entry that another run took the number of: genuine, no part of the chain, holding no row
- an entry *beyond* the head was signed by the archive's key and follows it: it counted once
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from archiver import layout
from archiver.contracts import ObjectStore
from archiver.errors import ConfigError, IntegrityError, ObjectMissing
from archiver.ledger.chain import check_signature
from archiver.ledger.entries import ENTRY_SIZE_BYTES_MAX, Descriptor, SignedEntry, decode_entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Strays:
    """Keys by what they are, each sorted; ``beyond`` with the numbers of the entries."""

    litter: tuple[str, ...]
    witnesses: tuple[str, ...]
    beyond: tuple[tuple[int, str], ...]


def find_strays(
    store: ObjectStore, descriptor: Descriptor, chain: Sequence[SignedEntry], unnamed: AbstractSet[str]
) -> Strays:
    """Tell what the objects are that no event names.

    Args:
        chain: The whole ledger, sound to its end.
        unnamed: Every key of the store that no event of the chain names; the ledger's own are among them.
    """
    litter, witnesses, beyond = [], [], []
    for key in sorted(unnamed - _ledger_keys(descriptor, chain)):
        signed = _signed_entry(store, descriptor, key)
        seq = -1 if signed is None else signed.entry.seq
        if signed is not None and seq >= len(chain):
            beyond.append((seq, key))
        elif signed is not None and seq > 0 and signed.entry.prev == chain[seq - 1].hash:
            # Two runs that saw one head both wrote the next entry, and one of them lost. Nothing follows a loser.
            witnesses.append(key)
        else:
            litter.append(key)
    return Strays(litter=tuple(litter), witnesses=tuple(witnesses), beyond=tuple(beyond))


def _ledger_keys(descriptor: Descriptor, chain: Sequence[SignedEntry]) -> set[str]:
    """What the ledger itself consists of: descriptor, entries, and copies of full runs of them."""
    keys = {layout.DESCRIPTOR}
    for signed in chain:
        seq = signed.entry.seq
        keys.add(layout.entry_key(seq, signed.hash if descriptor.ordering == "anchor" else ""))
        if (seq + 1) % layout.PACK_ENTRIES == 0:
            keys.add(layout.pack_key(seq + 1 - layout.PACK_ENTRIES, seq, signed.hash))
    return keys


def _signed_entry(store: ObjectStore, descriptor: Descriptor, key: str) -> SignedEntry | None:
    """The entry under a key of the form that this archive's entries have; None unless its key signed it."""
    parsed = layout.parse_entry_key(key)
    if parsed is None or bool(parsed.digest) != (descriptor.ordering == "anchor"):
        return None
    try:
        signed = decode_entry(store.read(key, size_bytes_max=ENTRY_SIZE_BYTES_MAX), where=key)
        check_signature(signed, descriptor.public_key, where=key)
    except (IntegrityError, ConfigError, ObjectMissing):
        return None
    return signed if (signed.entry.seq, signed.hash[: len(parsed.digest)]) == (parsed.seq, parsed.digest) else None
