"""Begin an archive: entry 0, its descriptor, its anchor. Safe to run again after it was interrupted."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from archiver import layout
from archiver.contracts import Anchor, ObjectStore, StoreFacts
from archiver.errors import ConfigError, ObjectExists, ObjectMissing
from archiver.ledger.chain import check_signature
from archiver.ledger.entries import (
    ENTRY_SIZE_BYTES_MAX,
    TOOL,
    Descriptor,
    Signer,
    decode_entry,
    encode_descriptor,
    encode_entry,
    sha256_hex,
)
from archiver.ledger.ledger import open_ledger
from archiver.ledger.memory import Memory
from archiver.model import FORMAT_VERSION, ZERO_HASH, Entry, Initialised


@dataclass(frozen=True, slots=True, kw_only=True)
class InitReceipt:
    """What ``init`` did.

    Attributes:
        adopted: The archive was begun before, with the same key, and only completed now.
    """

    descriptor: Descriptor
    facts: StoreFacts
    adopted: bool


def ordering_for(facts: StoreFacts) -> Literal["conditional", "anchor"]:
    """What may order the writers of an archive on a store with these facts."""
    return "conditional" if facts.conditional_create else "anchor"


def holds_archive(store: ObjectStore) -> bool:
    """Whether an archive was begun here."""
    return _read_descriptor(store) is not None


def initialise(
    store: ObjectStore,
    anchor: Anchor,
    signer: Signer,
    *,
    facts: StoreFacts,
    archive_id: str,
    run: str,
    now: Callable[[], datetime],
    memory: Memory | None = None,
) -> InitReceipt:
    """Begin an archive in an empty store, or complete one that this key began.

    The order: entry 0, then the descriptor, then the anchor. Until the descriptor is there, nobody takes the place
    for an archive; what an interrupted run left is recognised by its signature and used.

    Args:
        facts: From the store's probe just now.
        archive_id: Random; used only when nothing was begun before.
        memory: What this machine remembers of archives; None: nothing.

    Raises:
        ConfigError: An archive with another key stands here, or the place is not empty. Nothing was written.
    """
    existing = _read_descriptor(store)
    if existing is not None:
        _same_key(store, existing, signer)
        if memory is not None:
            memory.check(existing, where=store.location)
        open_ledger(store, anchor, signer=signer, run=run, now=now)
        return InitReceipt(descriptor=existing, facts=facts, adopted=True)
    begun = _read_genesis(store, signer)
    if begun is None:
        _refuse_foreign_objects(store)
        begun = Initialised(
            archive_id=archive_id, format=FORMAT_VERSION, ordering=ordering_for(facts), public_key=signer.public_key
        )
        signed = encode_entry(Entry(seq=0, at=now(), run=run, tool=TOOL, prev=ZERO_HASH, events=(begun,)), signer)
        try:
            store.create(
                layout.entry_key(0, signed.hash if begun.ordering == "anchor" else ""), signed.data, sha256=signed.hash
            )
        except ObjectExists as exc:
            raise ConfigError(
                f"{store.location}: another run began an archive here at the same time; nothing else was written",
                hint="run `archiver init` again",
            ) from exc
    descriptor = Descriptor(
        format=begun.format, archive_id=begun.archive_id, ordering=begun.ordering, public_key=begun.public_key
    )
    data = encode_descriptor(descriptor)
    store.create(layout.DESCRIPTOR, data, sha256=sha256_hex(data))
    # Opening moves the anchor to entry 0, as it does whenever a run left it behind.
    open_ledger(store, anchor, signer=signer, run=run, now=now)
    if memory is not None:
        memory.note(descriptor)
    return InitReceipt(descriptor=descriptor, facts=facts, adopted=False)


def _read_descriptor(store: ObjectStore) -> Descriptor | None:
    try:
        data = store.read(layout.DESCRIPTOR, size_bytes_max=64 * 1024)
    except ObjectMissing:
        return None
    return Descriptor.model_validate_json(data)


def _same_key(store: ObjectStore, descriptor: Descriptor, signer: Signer) -> None:
    if descriptor.public_key != signer.public_key:
        raise ConfigError(
            f"{store.location}: holds an archive with the key {descriptor.public_key[:16]}…, the private key that is"
            f" set has {signer.public_key[:16]}…; nothing was written",
            hint="set signing_key_file to that archive's key, or choose another place for a new archive",
        )


def _read_genesis(store: ObjectStore, signer: Signer) -> Initialised | None:
    """What an interrupted ``init`` with the same key began; None when nothing was."""
    for ref in store.list(layout.LEDGER_PREFIX):
        parsed = layout.parse_entry_key(ref.key)
        if parsed is None or parsed.seq != 0:
            continue
        signed = decode_entry(store.read(ref.key, size_bytes_max=ENTRY_SIZE_BYTES_MAX), where=ref.key)
        check_signature(signed, signer.public_key, where=ref.key)
        first = signed.entry.events[0] if signed.entry.events else None
        if isinstance(first, Initialised):
            return first
    return None


def _refuse_foreign_objects(store: ObjectStore) -> None:
    for prefix in (layout.LEDGER_PREFIX, layout.DATA_PREFIX, layout.PACK_PREFIX):
        stray = next(iter(store.list(prefix)), None)
        if stray is not None:
            raise ConfigError(
                f"{store.location}: {stray.key} is there, but {layout.DESCRIPTOR} is not; nothing was written",
                hint="choose an empty place, or restore archive.json if this is a damaged archive",
            )
