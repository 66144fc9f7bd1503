"""Chains: entries in their order, each linked to the one before, read from packs and single objects."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from archiver import layout
from archiver.contracts import ObjectStore
from archiver.errors import LedgerBroken
from archiver.ledger.entries import (
    ENTRY_SIZE_BYTES_MAX,
    PACK_SIZE_BYTES_MAX,
    PARALLEL_READS,
    RESTORE_HINT,
    Descriptor,
    SignedEntry,
    decode_entry,
    sha256_hex,
    signature_is_valid,
    signed_body,
)
from archiver.model import ZERO_HASH, Checkpoint


def check_link(signed: SignedEntry, previous: SignedEntry | None, *, where: str) -> None:
    """Raise LedgerBroken unless an entry follows ``previous`` (None: it is entry 0)."""
    entry = signed.entry
    seq, prev = (0, ZERO_HASH) if previous is None else (previous.entry.seq + 1, previous.hash)
    if entry.seq != seq:
        raise LedgerBroken(f"{where}: holds entry {entry.seq} where entry {seq} belongs; nothing was read further")
    if entry.prev != prev:
        raise LedgerBroken(
            f"{where}: names {entry.prev[:16]}… as the hash of entry {seq - 1}, which is {prev[:16]}…",
            hint=RESTORE_HINT,
        )
    if previous is not None and entry.at < previous.entry.at:
        raise LedgerBroken(f"{where}: its time lies before that of entry {seq - 1}")


def check_signature(signed: SignedEntry, public_key: str, *, where: str) -> None:
    """Raise LedgerBroken unless the archive's key signed the entry."""
    if not signature_is_valid(public_key, signed.signature, signed_body(signed.data)):
        raise LedgerBroken(
            f"{where}: the signature is not that of the archive's key {public_key[:16]}…", hint=RESTORE_HINT
        )


def read_chain(
    store: ObjectStore,
    descriptor: Descriptor,
    *,
    tip: Checkpoint | None,
    after: SignedEntry | None = None,
    use_packs: bool = True,
) -> Iterator[SignedEntry]:
    """Read the entries that follow ``after`` from the store, in order, each checked against the one before.

    Args:
        tip: The anchor's checkpoint; with ordering ``anchor`` it says which of several entries of one number counts.
            None, on a copy without its anchor: the longest chain counts.
        after: The last entry known already; None reads from entry 0.
        use_packs: Read full runs of old entries from their packs. A verification looks at the entries themselves.

    Raises:
        LedgerBroken: An entry is missing, altered or out of order.
    """
    previous = after
    if use_packs:
        for signed in _read_packs(store, previous):
            check_link(signed, previous, where=f"ledger pack, entry {signed.entry.seq}")
            previous = signed
            yield signed
    start = 0 if previous is None else previous.entry.seq + 1
    # The character after a digit closes the range: keys of one number share a prefix, with a hash behind it or not.
    last_known = layout.entry_key(start - 1).removesuffix(".json") + "~" if start else ""
    keys: dict[int, list[str]] = {}
    for ref in store.list(layout.LEDGER_PREFIX, after=last_known):
        parsed = layout.parse_entry_key(ref.key)
        if parsed is not None and parsed.seq >= start and bool(parsed.digest) == (descriptor.ordering == "anchor"):
            keys.setdefault(parsed.seq, []).append(ref.key)
    if descriptor.ordering == "conditional":
        yield from _read_numbered(store, previous, [names[0] for _, names in sorted(keys.items())])
    else:
        yield from _read_hashed(store, previous, keys, tip)


def _read_numbered(store: ObjectStore, previous: SignedEntry | None, keys: list[str]) -> Iterator[SignedEntry]:
    for key, data in _read_all(store, keys):
        expected = 0 if previous is None else previous.entry.seq + 1
        parsed = layout.parse_entry_key(key)
        if parsed is None or parsed.seq != expected:
            raise LedgerBroken(
                f"{store.location}: ledger entry {expected} is missing, {key} follows; nothing was read further",
                hint=f"restore {layout.entry_key(expected)} from a copy",
            )
        signed = decode_entry(data, where=key)
        check_link(signed, previous, where=key)
        previous = signed
        yield signed


def _read_hashed(
    store: ObjectStore, previous: SignedEntry | None, keys: dict[int, list[str]], tip: Checkpoint | None
) -> Iterator[SignedEntry]:
    by_hash: dict[str, SignedEntry] = {}
    for key, data in _read_all(store, [name for _, names in sorted(keys.items()) for name in sorted(names)]):
        parsed = layout.parse_entry_key(key)
        if parsed is None or sha256_hex(data)[:16] != parsed.digest:
            raise LedgerBroken(f"{key}: its bytes have the hash {sha256_hex(data)[:16]}…; nothing was read further")
        signed = decode_entry(data, where=key)
        by_hash[signed.hash] = signed
    known = ZERO_HASH if previous is None else previous.hash
    heads: list[str] = sorted(by_hash)
    if tip is not None:
        if tip.hash != known and tip.hash not in by_hash:
            raise LedgerBroken(
                f"{store.location}: the anchor names entry {tip.seq} with hash {tip.hash[:16]}…, which is not there",
                hint="the end of the ledger was cut off or altered; restore it from a copy",
            )
        # An entry that follows the anchor's was written by a run that died, or is just being written, before its swap.
        # Completing it is harmless: a swap to what stands there already succeeds.
        heads = [name for name in heads if by_hash[name].entry.prev == tip.hash] or [tip.hash]
    best, gap = _longest_chain(by_hash, heads, known)
    if not best and by_hash and (tip is None or tip.hash != known):
        raise LedgerBroken(
            f"{store.location}: ledger entry {gap} is missing, a later one names it; nothing was read further",
            hint=f"restore {gap} from a copy",
        )
    for signed in reversed(best):
        check_link(signed, previous, where=f"ledger entry {signed.entry.seq}")
        previous = signed
        yield signed


def _longest_chain(
    by_hash: Mapping[str, SignedEntry], heads: Iterable[str], known: str
) -> tuple[list[SignedEntry], str]:
    """The longest chain from one of the heads back to the entry with hash ``known``, newest first.

    Also the key of an entry that some head's chain names and that is not there, or an empty text.
    """
    best: list[SignedEntry] = []
    gap = ""
    for head in heads:
        chain, at = [], head
        while at != known and at in by_hash:
            chain.append(by_hash[at])
            at = by_hash[at].entry.prev
        if at == known:
            best = max(best, chain, key=len)
        elif chain:
            gap = layout.entry_key(chain[-1].entry.seq - 1, at)
    return best, gap


def _seq(signed: SignedEntry | None) -> int:
    return -1 if signed is None else signed.entry.seq


def named(checkpoint: Checkpoint | None) -> str:
    """Say in a message which head a checkpoint speaks of."""
    return "nothing" if checkpoint is None else f"entry {checkpoint.seq}"


def _read_packs(store: ObjectStore, previous: SignedEntry | None) -> Iterator[SignedEntry]:
    """Entries of the packs that continue ``previous`` without a gap."""
    expected = _seq(previous) + 1
    packs: list[tuple[layout.PackKey, str]] = []
    # None is longer than that, so those before cannot reach what is expected: there are many after many years.
    for ref in store.list(layout.PACK_PREFIX, after=layout.pack_mark(max(expected - layout.PACK_ENTRIES, 0))):
        pack = layout.parse_pack_key(ref.key)
        if pack is not None and pack.last >= expected:
            packs.append((pack, ref.key))
    wanted = []
    reach = expected
    for pack, key in packs:
        if pack.first <= reach <= pack.last:
            wanted.append(key)
            reach = pack.last + 1
    for key, data in _read_all(store, wanted, size_bytes_max=PACK_SIZE_BYTES_MAX):
        for line in data.splitlines():
            signed = decode_entry(line, where=key)
            if signed.entry.seq >= expected:
                yield signed


def _read_all(
    store: ObjectStore, keys: list[str], *, size_bytes_max: int = ENTRY_SIZE_BYTES_MAX
) -> Iterator[tuple[str, bytes]]:
    """Read objects in parallel and give them back in order."""
    if len(keys) < 2:  # noqa: PLR2004 - no threads for one object
        for key in keys:
            yield key, store.read(key, size_bytes_max=size_bytes_max)
        return
    with ThreadPoolExecutor(PARALLEL_READS, thread_name_prefix="ledger") as pool:
        # Slices bound what waits in memory when the reader is slower than the store.
        for start in range(0, len(keys), 512):
            some = keys[start : start + 512]
            yield from zip(
                some, pool.map(lambda key: store.read(key, size_bytes_max=size_bytes_max), some), strict=True
            )
