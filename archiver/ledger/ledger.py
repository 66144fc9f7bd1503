"""The open ledger: its head, its holdings, and the only way to append. How it is written stands in ``entries``."""

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from archiver import layout
from archiver.contracts import Anchor, ObjectStore
from archiver.errors import ConfigError, Conflict, IntegrityError, LedgerBroken, ObjectExists, ObjectMissing
from archiver.ledger.chain import check_signature, named, read_chain
from archiver.ledger.entries import (
    ENTRY_SIZE_BYTES_MAX,
    REFRESH_ROUNDS_MAX,
    TOOL,
    Descriptor,
    SignedEntry,
    Signer,
    check_checkpoint,
    decode_entry,
    encode_entry,
    read_descriptor,
    sha256_hex,
    sign_checkpoint,
)
from archiver.ledger.fold import check_next, fold
from archiver.ledger.holdings import Holdings
from archiver.ledger.memory import EntryCache, Memory, forgotten
from archiver.model import ZERO_HASH, AnchorAdopted, Checkpoint, Entry, Event, Initialised

ANCHOR_BEHIND_ENTRIES_MAX = 1
"""How far an anchor can honestly be behind: a run died between entry and swap, and the next completes that first."""


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
        self._uncached: list[SignedEntry] = []
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
            try:
                self._accept(self._read_new())
                self._reconcile_anchor()
            except Conflict:
                if self.descriptor.ordering == "anchor":
                    # What was read last may be the entry that lost.
                    self._forget()
                continue
            self._remember()
            return self.head is not before
        raise Conflict(f"{self.store.location}: other runs append faster than this one can read; nothing was appended")

    def load(self) -> None:
        """Read the whole chain, from the cache as far as that reaches, and check it against the anchor."""
        cached = self._cache.load() if self._cache is not None else []
        if self._cache is not None and cached:
            try:
                self._accept(cached)
            except IntegrityError:
                # Damaged in a way that its own chain does not show: only the store's word counts.
                self._cache.discard()
                self._forget()
            else:
                # Signed by the archive's key, so it was part of the archive: it is never dropped in silence.
                self._uncached.clear()
                if not self._is_in_store(cached[-1]):
                    self._say_what_is_wrong()
                    raise forgotten(cached[-1], where=self.store.location, path=self._cache.path)
        self.refresh()
        if self.head is None:
            raise LedgerBroken(
                f"{self.store.location}: {layout.DESCRIPTOR} is there, but the ledger has no entries; nothing was done",
                hint="run `archiver init` again if it was interrupted; else restore ledger/ from a copy",
            )

    def _say_what_is_wrong(self) -> None:
        """Read the whole ledger as it lies there, moving nothing.

        Raises:
            LedgerBroken: What it says of itself, or the anchor of it; not raised where both agree.
        """
        self._forget()
        self._checkpoint = self._read_anchor()
        self._accept(self._read_new())
        self._check_reach()

    def _is_in_store(self, signed: SignedEntry) -> bool:
        """Whether the store still has an entry: everything that is appended builds on the last one."""
        hashed = signed.hash if self.descriptor.ordering == "anchor" else ""
        key = layout.entry_key(signed.entry.seq, hashed)
        try:
            return self.store.read(key, size_bytes_max=ENTRY_SIZE_BYTES_MAX) == signed.data
        except ObjectMissing:
            return False

    def _read_new(self) -> list[SignedEntry]:
        """The entries after the head, as far as they count.

        Raises:
            Conflict: The anchor has moved on meanwhile; read again.
        """
        tip = self._checkpoint
        if self.descriptor.ordering == "anchor" and tip is not None and self._is_signed_beyond(tip):
            if self._read_anchor() != tip:
                raise Conflict(f"{self.store.location}: other runs append; read again")
            # Nobody appends to an entry that does not count, so the anchor was set back. What follows it counted once.
            tip = None
        if tip is not None and self.head is not None and tip.seq < self.head.entry.seq:
            tip = None
        return list(read_chain(self.store, self.descriptor, tip=tip, after=self.head))

    def _is_signed_beyond(self, tip: Checkpoint) -> bool:
        """Whether the archive's key signed an entry more than one after the anchor's."""
        last = layout.entry_key(tip.seq + ANCHOR_BEHIND_ENTRIES_MAX).removesuffix(".json") + "~"
        for ref in self.store.list(layout.LEDGER_PREFIX, after=last):
            parsed = layout.parse_entry_key(ref.key)
            if parsed is None or not parsed.digest:
                continue
            # What is not of this archive's making is passed over; `verify` names it.
            with contextlib.suppress(IntegrityError, ConfigError, ObjectMissing):
                signed = decode_entry(self.store.read(ref.key, size_bytes_max=ENTRY_SIZE_BYTES_MAX), where=ref.key)
                check_signature(signed, self.descriptor.public_key, where=ref.key)
                return True
        return False

    def _remember(self) -> None:
        """Keep what counts for the next run: where the anchor orders writers, an entry beyond it may still lose."""
        if self._cache is None:
            return
        if self.descriptor.ordering == "anchor":
            reach = -1 if self._checkpoint is None else self._checkpoint.seq
        else:
            reach = len(self._uncached) and self._uncached[-1].entry.seq
        kept = [signed for signed in self._uncached if signed.entry.seq <= reach]
        self._cache.extend(kept)
        self._uncached = self._uncached[len(kept) :]

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
                    if all(entry.hash != signed.hash for entry in chain):
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
                        f"{self.anchor.location}: was at {named(self._checkpoint)} and is at {named(standing)} now;"
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
        self._remember()
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
        self._uncached += entries
        self._unpacked = [
            signed
            for signed in [*self._unpacked, *entries]
            if signed.entry.seq // layout.PACK_ENTRIES >= last.entry.seq // layout.PACK_ENTRIES
            or signed.entry.seq >= last.entry.seq + 1 - layout.PACK_ENTRIES
        ]

    def _check_genesis(self, first: SignedEntry) -> None:
        begun = first.entry.events[0] if first.entry.events else None
        descriptor = self.descriptor
        if not isinstance(begun, Initialised) or (begun.archive_id, begun.ordering, begun.public_key) != (
            descriptor.archive_id,
            descriptor.ordering,
            descriptor.public_key,
        ):
            raise LedgerBroken(
                f"{self.store.location}: {layout.DESCRIPTOR} and ledger entry 0 do not speak of the same archive",
                hint="one of them was altered; compare the public key with the one that `archiver init` printed",
            )

    def _forget(self) -> None:
        self.holdings, self.head, self._unpacked, self._uncached, self._checkpoint = Holdings(), None, [], [], None

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

    def _check_reach(self) -> None:
        """Refuse an anchor that is ahead of the ledger, or beside its head."""
        if self.anchor is None or self.head is None or self._checkpoint is None:
            return
        head, standing = self.head, self._checkpoint
        if standing.seq > head.entry.seq:
            raise LedgerBroken(
                f"{self.anchor.location} knows entry {standing.seq}, {self.store.location} ends with entry"
                f" {head.entry.seq}: the end of the ledger was cut off; nothing was done",
                hint="restore ledger/ from a copy that reaches as far as the anchor",
            )
        if standing.seq == head.entry.seq and standing.hash != head.hash:
            raise LedgerBroken(
                f"{self.anchor.location} and {self.store.location} disagree about entry {standing.seq}:"
                f" {standing.hash[:16]}… and {head.hash[:16]}…; nothing was done",
                hint="the ledger was replaced; restore it from a copy",
            )

    def _reconcile_anchor(self) -> None:
        """Complete an anchor that is behind the ledger; refuse one that is ahead of it or beside it."""
        self._check_reach()
        if self.anchor is None or self.head is None:
            return
        head, standing = self.head, self._checkpoint
        if standing is not None and standing.seq == head.entry.seq:
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
        if self._signer is None:
            return
        if standing is not None and standing.seq < head.entry.seq - ANCHOR_BEHIND_ENTRIES_MAX:
            # Every run completes the anchor before it appends, so this one was set back. An entry says so for ever and
            # moves the anchor with it; deletions wait for a person.
            self.append([AnchorAdopted(found_seq=standing.seq)])
        else:
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
    archive_id: str = "",
) -> Ledger:
    """Open an archive's ledger at its head, completing an anchor that a run left behind.

    Args:
        anchor: None only for reading a copy.
        signer: None only for reading.
        cache_dir: What this machine remembers between runs; None reads everything from the store.
        archive_id: The archive that the settings name; empty: the one that this machine knows by its key, if any.

    Raises:
        ConfigError: No archive here, of a newer format, or the private key is another archive's.
        IntegrityError: Another archive stands there than the settings name, or this machine remembers.
        LedgerBroken: The ledger contradicts itself, its anchor, or what this machine has seen of it.
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
    memory = Memory(cache_dir, archive_id=archive_id)
    memory.check(descriptor, where=store.location)
    ledger = Ledger(store, anchor, descriptor, signer=signer, run=run, now=now, cache=memory.entries(descriptor))
    ledger.load()
    memory.note(descriptor)
    return ledger
