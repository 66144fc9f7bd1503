"""The ledger: what the archive holds, and everything that was ever done to it.

Checked when written and when read:

- ``seq`` counts from 0 without a gap
- ``prev`` is the SHA-256 of the file of entry ``seq - 1``, or 64 zeros for entry 0
- ``at`` never goes back
- a file is canonical JSON (RFC 8785) and signed with the archive's Ed25519 key
- a file is created only if absent, and never written again
- an entry names only objects that were durable before it was written

An entry's hash is the SHA-256 of its file as it lies in the store, signature included, so that ``sha256sum`` shows it.
Because each entry names the hash of the one before, the signature of the last one vouches for all of them: opening
checks every hash and one signature, ``verify`` checks every signature.

Two ways to order writers, fixed when the archive begins:

- ``conditional``: the key of an entry is its number and the store creates only if absent. Of two runs that saw the
  same head one takes the next number. The anchor follows.
- ``anchor``: the store overwrites silently, so the key of an entry carries its hash, nothing can be overwritten, and
  the entry counts once the anchor's compare-and-swap has moved to it. The loser's entry is litter.

There is no lock to leak in either: a run that dies has simply not appended.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Discriminator, ValidationError

from archiver import __version__, layout
from archiver.contracts import Anchor, ObjectStore
from archiver.errors import ConfigError, Conflict, IntegrityError, LedgerBroken, ObjectExists, ObjectMissing
from archiver.holdings import Holdings, check_next, fold
from archiver.model import FORMAT_VERSION, ZERO_HASH, AnchorAdopted, Checkpoint, Entry, Event, Initialised

TOOL = f"archiver {__version__}"
ENTRY_SIZE_BYTES_MAX = 16 * 1024 * 1024
_RESTORE = (
    "an entry was altered, cut out or put in; `archiver verify` names it; restore ledger/ from a copy that verifies"
)
PACK_SIZE_BYTES_MAX = layout.PACK_ENTRIES * ENTRY_SIZE_BYTES_MAX
PARALLEL_READS = 16
REFRESH_ROUNDS_MAX = 8


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


# ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Signer:
    """The archive's private key. Its text form never shows it."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw().hex()

    @classmethod
    def generate(cls) -> "Signer":
        """A new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, data: bytes, *, where: str) -> "Signer":
        """Read a key as ``to_pem`` writes it.

        Raises:
            ConfigError: It is not an unencrypted Ed25519 private key. The message shows only ``where``.
        """
        try:
            private = serialization.load_pem_private_key(data, password=None)
        except (ValueError, TypeError) as exc:
            raise ConfigError(
                f"{where}: not a readable private key; nothing was signed",
                hint="it must be the unencrypted PEM file that `archiver init` wrote",
            ) from exc
        if not isinstance(private, Ed25519PrivateKey):
            raise ConfigError(f"{where}: an Ed25519 private key is needed, this is another kind; nothing was signed")
        return cls(private)

    def to_pem(self) -> bytes:
        """PKCS 8, unencrypted; to be stored with mode 0600."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, data: bytes) -> str:
        """The signature as 128 hex digits. The same data gives the same signature."""
        return self._private.sign(data).hex()

    def __repr__(self) -> str:
        return f"Signer(public_key={self.public_key!r})"


def signature_is_valid(public_key: str, signature: str, data: bytes) -> bool:
    """Whether ``signature`` over ``data`` was made with the private half of ``public_key``; both are hex."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


# ── Files ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _EntryFile(BaseModel):
    """An entry as it is written: its fields, and the signature over all the others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int
    seq: int
    at: datetime
    run: str
    tool: str
    prev: str
    events: tuple[Annotated[Event, Discriminator("kind")], ...]
    signature: str


class Descriptor(BaseModel):
    """``archive.json``: what a reader must know before it reads anything else.

    Attributes:
        ordering: As in ``model.Initialised``, which repeats all this under a signature.
        public_key: 32 bytes as hex. A stranger compares it with the one that was handed to them.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int
    archive_id: str
    ordering: Literal["conditional", "anchor"]
    public_key: str


@dataclass(frozen=True, slots=True)
class SignedEntry:
    """An entry with the bytes of its file."""

    entry: Entry
    signature: str
    data: bytes

    @property
    def hash(self) -> str:
        """SHA-256 of the file."""
        return sha256_hex(self.data)


LEFT_OUT: Mapping[str, Mapping[str, Any]] = {"schema_changed": {"policies": [], "privacy_key": ""}}
"""By kind of event, fields that came after the first archives, and what says nothing in them: then they are not
written, so that what was written before they came is still in canonical form."""


def _written(file: "_EntryFile") -> dict[str, Any]:
    body = file.model_dump(mode="json")
    for event in body["events"]:
        for name, nothing in LEFT_OUT.get(event["kind"], {}).items():
            if event[name] == nothing:
                del event[name]
    return body


def encode_entry(entry: Entry, signer: Signer) -> SignedEntry:
    """The bytes of an entry's file, signed."""
    body = _written(_EntryFile.model_construct(**_fields(entry), signature=""))
    del body["signature"]
    signature = signer.sign(rfc8785.dumps(body))
    return SignedEntry(entry, signature, rfc8785.dumps({**body, "signature": signature}))


def decode_entry(data: bytes, *, where: str, strict: bool = True) -> SignedEntry:
    """Read an entry's file.

    Args:
        where: The key, for messages.
        strict: Also check that the bytes are the canonical form of what was understood, so that nothing in them
            was passed over. False for bytes that were checked before.

    Raises:
        LedgerBroken: It is not an entry as some version up to this one writes it.
    """
    try:
        file = _EntryFile.model_validate_json(data)
    except ValidationError as exc:
        if _format_of(data) > FORMAT_VERSION:
            raise _newer_format(where, _format_of(data)) from exc
        first = exc.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise LedgerBroken(
            f"{where}: not a ledger entry ({place}: {first['type']}); nothing was read further", hint=_RESTORE
        ) from exc
    if strict and not _is_canonical(_written(file), data):
        raise LedgerBroken(
            f"{where}: not in canonical form, or holds fields that this version does not know; nothing was read on",
            hint=_RESTORE,
        )
    fields = {name: getattr(file, name) for name in _EntryFile.model_fields if name != "signature"}
    return SignedEntry(Entry(**fields), file.signature, data)


_COMPACT = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _is_canonical(body: dict[str, Any], data: bytes) -> bool:
    """Whether ``data`` is the canonical form of ``body``.

    The compiled encoder is tried first, which takes a tenth of the time: of text, whole numbers and truth values under
    names in ASCII, and no event has anything else, it makes the canonical form.
    """
    return _COMPACT.encode(body).encode(errors="surrogatepass") == data or rfc8785.dumps(body) == data


def signed_body(data: bytes) -> bytes:
    """The bytes that an entry's signature covers: its file without the member ``signature``, canonical."""
    body = json.loads(data)
    body.pop("signature", None)
    return rfc8785.dumps(body)


def encode_descriptor(descriptor: Descriptor) -> bytes:
    """The bytes of ``archive.json``."""
    return rfc8785.dumps(descriptor.model_dump(mode="json"))


def read_descriptor(store: ObjectStore) -> Descriptor:
    """Read ``archive.json``.

    Raises:
        ConfigError: There is no archive here, or it is of a newer format.
        IntegrityError: It cannot be understood.
    """
    try:
        data = store.read(layout.DESCRIPTOR, size_bytes_max=64 * 1024)
    except ObjectMissing as exc:
        raise ConfigError(
            f"{store.location}: there is no archive here ({layout.DESCRIPTOR} is missing); nothing was touched",
            hint="run `archiver init` to begin one, or correct the setting `store`",
        ) from exc
    if _format_of(data) > FORMAT_VERSION:
        raise _newer_format(f"{store.location}: {layout.DESCRIPTOR}", _format_of(data))
    try:
        return Descriptor.model_validate_json(data)
    except ValidationError as exc:
        raise IntegrityError(
            f"{store.location}: {layout.DESCRIPTOR} cannot be understood; nothing was touched",
            hint="compare it with entry 0 of the ledger, which repeats it under a signature",
        ) from exc


def _format_of(data: bytes) -> int:
    with contextlib.suppress(ValueError, AttributeError):
        found = json.loads(data).get("format")
        return found if isinstance(found, int) else 0
    return 0


def _newer_format(where: str, found: int) -> ConfigError:
    return ConfigError(
        f"{where}: the archive has format {found}, this version reads up to {FORMAT_VERSION}; nothing was touched",
        hint="upgrade archiver",
    )


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__dataclass_fields__}


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> Checkpoint:
    """The checkpoint with its signature."""
    return replace(checkpoint, signature=signer.sign(_checkpoint_body(checkpoint)))


def check_checkpoint(checkpoint: Checkpoint, public_key: str, *, where: str) -> None:
    """Raise LedgerBroken unless the archive's key signed the checkpoint."""
    if not signature_is_valid(public_key, checkpoint.signature, _checkpoint_body(checkpoint)):
        raise LedgerBroken(
            f"{where}: the checkpoint of entry {checkpoint.seq} is not signed by the archive's key; nothing was done",
            hint="somebody altered the anchor, or it belongs to another archive of the same name",
        )


def _checkpoint_body(checkpoint: Checkpoint) -> bytes:
    body = asdict(checkpoint)
    del body["signature"]
    return rfc8785.dumps({"type": "archiver-checkpoint", **body})


# ── Chains ─────────────────────────────────────────────────────────────────────────────────────────────────────


def check_link(signed: SignedEntry, previous: SignedEntry | None, *, where: str) -> None:
    """Raise LedgerBroken unless an entry follows ``previous`` (None: it is entry 0)."""
    entry = signed.entry
    seq, prev = (0, ZERO_HASH) if previous is None else (previous.entry.seq + 1, previous.hash)
    if entry.seq != seq:
        raise LedgerBroken(f"{where}: holds entry {entry.seq} where entry {seq} belongs; nothing was read further")
    if entry.prev != prev:
        raise LedgerBroken(
            f"{where}: names {entry.prev[:16]}… as the hash of entry {seq - 1}, which is {prev[:16]}…",
            hint=_RESTORE,
        )
    if previous is not None and entry.at < previous.entry.at:
        raise LedgerBroken(f"{where}: its time lies before that of entry {seq - 1}")


def check_signature(signed: SignedEntry, public_key: str, *, where: str) -> None:
    """Raise LedgerBroken unless the archive's key signed the entry."""
    if not signature_is_valid(public_key, signed.signature, signed_body(signed.data)):
        raise LedgerBroken(f"{where}: the signature is not that of the archive's key {public_key[:16]}…", hint=_RESTORE)


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
        found = layout.parse_entry_key(key)
        if found is None or found.seq != expected:
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
        found = layout.parse_entry_key(key)
        if found is None or sha256_hex(data)[:16] != found.digest:
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


def _at(checkpoint: Checkpoint | None) -> str:
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


# ── The cache: a local copy of what can never change ───────────────────────────────────────────────────────────


class EntryCache:
    """Entries read before, on this machine's disk, one file a line. Anything wrong with it and it is thrown away.

    It can not hide a change of the chain's end, which is checked against the anchor and the store, nor does a
    verification ever read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_bytes = 0

    def load(self) -> list[SignedEntry]:
        """The cached chain from entry 0; empty when there is none or it is damaged."""
        entries: list[SignedEntry] = []
        try:
            with self._path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    signed = decode_entry(line[:-1], where=str(self._path), strict=False)
                    check_link(signed, entries[-1] if entries else None, where=str(self._path))
                    entries.append(signed)
                    self._size_bytes += len(line)
        except (OSError, IntegrityError, ConfigError):
            self.discard()
            return []
        return entries

    def extend(self, entries: Iterable[SignedEntry]) -> None:
        """Append entries; skipped when another run changed the file meanwhile, or the disk will not have it."""
        data = b"".join(signed.data + b"\n" for signed in entries)
        if not data:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                size_bytes = file.seek(0, os.SEEK_END)
                if size_bytes < self._size_bytes:
                    return
                tail_is_ours = size_bytes == self._size_bytes
                if not tail_is_ours:
                    # A partial last line of a run that died is cut; a whole one is another run's and stays.
                    file.seek(self._size_bytes)
                    if file.read().endswith(b"\n"):
                        return
                    file.truncate(self._size_bytes)
                    file.seek(self._size_bytes)
                file.write(data)
                self._size_bytes += len(data)
        except OSError:
            return

    def discard(self) -> None:
        """Forget everything."""
        self._size_bytes = 0
        with contextlib.suppress(OSError):
            self._path.unlink()


# ── The open ledger ────────────────────────────────────────────────────────────────────────────────────────────


class Ledger:
    """An archive's ledger, opened at its head. Not for use by several threads.

    Use ``open_ledger``. ``holdings`` is the fold of all entries up to ``head``; ``appended`` are those that this run
    added, in order.
    """

    def __init__(
        self,
        store: ObjectStore,
        anchor: Anchor | None,
        descriptor: Descriptor,
        *,
        signer: Signer | None,
        run: str,
        now: Callable[[], datetime],
        cache: EntryCache | None = None,
    ) -> None:
        self.store = store
        self.anchor = anchor
        self.descriptor = descriptor
        self.run = run
        self._signer = signer
        self._now = now
        self._cache = cache
        self._unpacked: list[SignedEntry] = []
        self._checkpoint: Checkpoint | None = None
        self.holdings = Holdings()
        self.head: SignedEntry | None = None
        self.appended: list[Entry] = []

    def refresh(self) -> bool:
        """Read what other runs appended meanwhile. True when there was something.

        Raises:
            LedgerBroken: What is there contradicts what was read before, or the anchor.
        """
        before = self.head
        for _ in range(REFRESH_ROUNDS_MAX):
            # The anchor first: what is appended between the two reads makes the ledger longer than the anchor says,
            # which is no contradiction; the other way round it would look as if its end had been cut off.
            self._checkpoint = self._read_anchor()
            fresh = list(read_chain(self.store, self.descriptor, tip=self._checkpoint, after=self.head))
            self._accept(fresh)
            if self._cache is not None:
                self._cache.extend(fresh)
            try:
                self._reconcile_anchor()
            except Conflict:
                continue
            return self.head is not before
        raise Conflict(f"{self.store.location}: other runs append faster than this one can read; nothing was appended")

    def load(self) -> None:
        """Read the whole chain, from the cache as far as that reaches, and check it against the anchor."""
        cached = self._cache.load() if self._cache is not None else []
        if cached:
            try:
                self._accept(cached)
                self._check_end()
                self.refresh()
            except IntegrityError:
                # The cache may be another archive's or damaged in a way that its own chain does not show.
                # Only the store's word counts: forget it and read everything again.
                if self._cache is not None:
                    self._cache.discard()
                self._forget()
            else:
                return
        self.refresh()
        if self.head is None:
            raise LedgerBroken(
                f"{self.store.location}: {layout.DESCRIPTOR} is there, but the ledger has no entries; nothing was done",
                hint="run `archiver init` again if it was interrupted; else restore ledger/ from a copy",
            )

    def _check_end(self) -> None:
        """Compare the cache's last entry with the store's: everything that is appended builds on it."""
        assert self.head is not None
        hashed = self.head.hash if self.descriptor.ordering == "anchor" else ""
        key = layout.entry_key(self.head.entry.seq, hashed)
        try:
            same = self.store.read(key, size_bytes_max=ENTRY_SIZE_BYTES_MAX) == self.head.data
        except ObjectMissing:
            same = False
        if not same:
            raise LedgerBroken(f"{key} is not what was read before")

    def append(self, events: Iterable[Event]) -> Entry:
        """Commit events as the next entry. Every object that they name must be durable already.

        Raises:
            LedgerBroken: The events contradict what is held; nothing was appended.
            Conflict: Another run took this number; nothing was appended. ``refresh`` and decide again.
            OutcomeUnknown: No answer came; the next run finds out.
            ConfigError: There is no private key.
        """
        if self._signer is None:
            raise ConfigError(
                "this needs the archive's private key, and none is set; nothing was appended",
                hint="set signing_key_file (ARCHIVER_SIGNING_KEY_FILE) to the file that `archiver init` wrote",
            )
        seq, prev = (0, ZERO_HASH) if self.head is None else (self.head.entry.seq + 1, self.head.hash)
        # A clock that went back must not stop an export, so time stands still until it has caught up; deletions have
        # their own guard, which compares the clocks.
        at = self._now() if self.head is None else max(self._now(), self.head.entry.at)
        entry = Entry(seq=seq, at=at, run=self.run, tool=TOOL, prev=prev, events=tuple(events))
        # An entry that readers refuse would make the archive unreadable for ever: it is never written.
        check_next(self.holdings, entry)
        signed = encode_entry(entry, self._signer)
        by_anchor = self.descriptor.ordering == "anchor"
        key = layout.entry_key(seq, signed.hash if by_anchor else "")
        try:
            self.store.create(key, signed.data, sha256=signed.hash)
        except ObjectExists as exc:
            raise Conflict(
                f"ledger entry {seq} was taken by another run; nothing was appended", hint="run again"
            ) from exc
        # From here on a crash leaves an entry that the anchor does not know. With a conditional store it counts
        # already, and the next run completes the anchor; else it counts when the anchor has moved.
        checkpoint = sign_checkpoint(
            Checkpoint(archive_id=self.descriptor.archive_id, seq=seq, hash=signed.hash), self._signer
        )
        if self.anchor is not None:
            try:
                self.anchor.swap(self._checkpoint, checkpoint)
            except Conflict as exc:
                if by_anchor:
                    # Another run may have taken us for dead and completed the anchor for us, and gone on.
                    standing = self._read_anchor()
                    chain = list(read_chain(self.store, self.descriptor, tip=standing, after=self.head))
                    if all(one.hash != signed.hash for one in chain):
                        raise
                    # All of it is read, so that the next swap starts from the entry that our next one follows.
                    self._checkpoint = standing
                    self._appended(chain)
                    self.appended.append(signed.entry)
                    with contextlib.suppress(Conflict):
                        self._reconcile_anchor()
                    return signed.entry
                # Our entry stands, so this is no Conflict for the caller. Another run may have read it, completed the
                # anchor and gone on; anything else means that the anchor was moved by hand.
                standing = self._read_anchor()
                if standing is None or standing.seq <= seq:
                    raise LedgerBroken(
                        f"{self.anchor.location}: was at {_at(self._checkpoint)} and is at {_at(standing)} now;"
                        f" entry {seq} is in the ledger, the anchor was left alone",
                        hint="run `archiver verify`; somebody or something else moves this anchor",
                    ) from exc
                checkpoint = standing
        self._checkpoint = checkpoint
        self._appended([signed])
        self.appended.append(signed.entry)
        return signed.entry

    def _appended(self, entries: list[SignedEntry]) -> None:
        self._accept(entries)
        if self._cache is not None:
            self._cache.extend(entries)
        self._pack()

    def _accept(self, entries: list[SignedEntry]) -> None:
        if not entries:
            return
        last = entries[-1]
        check_signature(last, self.descriptor.public_key, where=f"ledger entry {last.entry.seq}")
        if self.head is None:
            self._check_genesis(entries[0])
        self.holdings = fold((signed.entry for signed in entries), self.holdings)
        self.head = last
        self._unpacked = [
            signed
            for signed in [*self._unpacked, *entries]
            if signed.entry.seq // layout.PACK_ENTRIES >= last.entry.seq // layout.PACK_ENTRIES
            or signed.entry.seq >= last.entry.seq + 1 - layout.PACK_ENTRIES
        ]

    def _check_genesis(self, first: SignedEntry) -> None:
        begun = first.entry.events[0] if first.entry.events else None
        told = self.descriptor
        if not isinstance(begun, Initialised) or (begun.archive_id, begun.ordering, begun.public_key) != (
            told.archive_id,
            told.ordering,
            told.public_key,
        ):
            raise LedgerBroken(
                f"{self.store.location}: {layout.DESCRIPTOR} and ledger entry 0 do not speak of the same archive",
                hint="one of them was altered; compare the public key with the one that `archiver init` printed",
            )

    def _forget(self) -> None:
        self.holdings, self.head, self._unpacked, self._checkpoint = Holdings(), None, [], None

    @property
    def is_anchored(self) -> bool:
        """Whether the anchor held a checkpoint when the ledger was last read or written to."""
        return self._checkpoint is not None

    def _read_anchor(self) -> Checkpoint | None:
        if self.anchor is None:
            return None
        standing = self.anchor.read(self.descriptor.archive_id)
        if standing is not None and standing != self._checkpoint:
            check_checkpoint(standing, self.descriptor.public_key, where=self.anchor.location)
        return standing

    def _reconcile_anchor(self) -> None:
        """Complete an anchor that is behind the ledger; refuse one that is ahead of it or beside it."""
        if self.anchor is None or self.head is None:
            return
        head, standing = self.head, self._checkpoint
        if standing is not None and standing.seq > head.entry.seq:
            raise LedgerBroken(
                f"{self.anchor.location} knows entry {standing.seq}, {self.store.location} ends with entry"
                f" {head.entry.seq}: the end of the ledger was cut off; nothing was done",
                hint="restore ledger/ from a copy that reaches as far as the anchor",
            )
        if standing is not None and standing.seq == head.entry.seq:
            if standing.hash != head.hash:
                raise LedgerBroken(
                    f"{self.anchor.location} and {self.store.location} disagree about entry {standing.seq}:"
                    f" {standing.hash[:16]}… and {head.hash[:16]}…; nothing was done",
                    hint="the ledger was replaced; restore it from a copy",
                )
            return
        if standing is None and head.entry.seq > 0 and self._signer is not None:
            # The entry comes first and moves the anchor with it: a run that dies in between leaves the anchor empty,
            # and the next one says so again.
            self.append([AnchorAdopted()])
            return
        if standing is not None and not self._contains(standing):
            raise LedgerBroken(
                f"{self.anchor.location} names {standing.hash[:16]}… as the hash of entry {standing.seq},"
                f" {self.store.location} has another entry there; nothing was done",
                hint="the ledger was replaced; restore it from a copy",
            )
        if self._signer is not None:
            checkpoint = sign_checkpoint(
                Checkpoint(archive_id=self.descriptor.archive_id, seq=head.entry.seq, hash=head.hash), self._signer
            )
            self.anchor.swap(standing, checkpoint)
            self._checkpoint = checkpoint

    def _contains(self, checkpoint: Checkpoint) -> bool:
        """Whether the chain that was read has the checkpoint's entry with its hash."""
        for signed in self._unpacked:
            if signed.entry.seq == checkpoint.seq:
                return signed.hash == checkpoint.hash
            if signed.entry.seq == checkpoint.seq + 1:
                return signed.entry.prev == checkpoint.hash
        return any(
            signed.hash == checkpoint.hash
            for signed in read_chain(self.store, self.descriptor, tip=None)
            if signed.entry.seq == checkpoint.seq
        )

    def _pack(self) -> None:
        """Copy the last full run of entries into one object. Readers can do without: nothing depends on it."""
        if self.head is None or (self.head.entry.seq + 1) % layout.PACK_ENTRIES:
            return
        last = self.head.entry.seq
        run = [signed for signed in self._unpacked if signed.entry.seq > last - layout.PACK_ENTRIES]
        data = b"".join(signed.data + b"\n" for signed in run)
        key = layout.pack_key(run[0].entry.seq, last, self.head.hash)
        self.store.create(key, data, sha256=sha256_hex(data))


def open_ledger(
    store: ObjectStore,
    anchor: Anchor | None,
    *,
    signer: Signer | None,
    run: str,
    now: Callable[[], datetime],
    cache_dir: Path | None = None,
) -> Ledger:
    """Open an archive's ledger at its head, completing an anchor that a run left behind.

    Args:
        anchor: None only for reading a copy.
        signer: None only for reading.
        cache_dir: Where entries are kept between runs; None reads everything from the store.

    Raises:
        ConfigError: No archive here, of a newer format, or the private key is another archive's.
        LedgerBroken: The ledger contradicts itself or its anchor.
    """
    descriptor = read_descriptor(store)
    if signer is not None and signer.public_key != descriptor.public_key:
        raise ConfigError(
            f"{store.location} is signed with the key {descriptor.public_key[:16]}…, the private key that is set has"
            f" {signer.public_key[:16]}…; nothing was touched",
            hint="set signing_key_file to this archive's key, or store to that key's archive",
        )
    if anchor is None and descriptor.ordering == "anchor" and signer is not None:
        raise ConfigError(f"{store.location}: only its anchor orders the writers, and none is set; nothing was touched")
    cache = EntryCache(cache_dir / descriptor.archive_id / "ledger.ndjson") if cache_dir is not None else None
    ledger = Ledger(store, anchor, descriptor, signer=signer, run=run, now=now, cache=cache)
    ledger.load()
    return ledger
