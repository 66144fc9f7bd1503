"""What this machine remembers of an archive between runs: which one its key signs, and the entries that it has seen.

It can hide nothing, and it tells what nobody else can: that store and anchor once reached further, or held another
archive. What is damaged in it is thrown away; what the archive's key signed is not.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from archiver.errors import ConfigError, IntegrityError, LedgerBroken
from archiver.ledger.chain import check_link, check_signature
from archiver.ledger.entries import Descriptor, SignedEntry, decode_entry

ARCHIVE_ID_BYTES_MAX = 256


class EntryCache:
    """Entries read before, on this machine's disk, one file a line. Anything wrong with it and it is thrown away.

    It can not hide a change of the chain's end, which is checked against the anchor and the store. A verification only
    asks it for its last entry, which must still be part of the chain.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size_bytes = 0

    def load(self) -> list[SignedEntry]:
        """The cached chain from entry 0; empty when there is none or it is damaged."""
        entries: list[SignedEntry] = []
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    signed = decode_entry(line[:-1], where=str(self.path), strict=False)
                    check_link(signed, entries[-1] if entries else None, where=str(self.path))
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
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
            self.path.unlink()


class Memory:
    """One machine's memory of archives, below one directory.

    Args:
        directory: ``<directory>/<archive id>/ledger.ndjson`` has the entries, ``<directory>/keys/<public key>`` the id
            of the one archive that this key signs. None: nothing is remembered.
        archive_id: The archive that the settings name; empty: they name none.
    """

    def __init__(self, directory: Path | None, *, archive_id: str = "") -> None:
        self.directory = directory
        self.archive_id = archive_id

    def check(self, descriptor: Descriptor, *, where: str) -> None:
        """Raise unless this is the archive that the settings name, or, if they name none, the one known by its key.

        Raises:
            IntegrityError: Another archive stands there.
        """
        if self.archive_id:
            if descriptor.archive_id != self.archive_id:
                raise IntegrityError(
                    f"{where}: holds archive {descriptor.archive_id}, the settings name archive {self.archive_id};"
                    " nothing was done",
                    hint="restore the archive there, or correct `store`; if it was begun anew on purpose, correct"
                    " archive_id (ARCHIVER_ARCHIVE_ID)",
                )
            return
        known = self.signed_by(descriptor.public_key)
        if known is not None and known != descriptor.archive_id:
            raise IntegrityError(
                f"{where}: holds archive {descriptor.archive_id}; the archive that this machine knows by the same key"
                f" is {known}; nothing was done",
                hint=f'restore that archive; if it was given up on purpose, set archive_id = "{descriptor.archive_id}"'
                " (ARCHIVER_ARCHIVE_ID)",
            )

    def note(self, descriptor: Descriptor) -> None:
        """Remember which archive this key signs. A disk that will not have it is no failure."""
        path = self._key_file(descriptor.public_key)
        if path is None or self.signed_by(descriptor.public_key) == descriptor.archive_id:
            return
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_text(descriptor.archive_id + "\n", encoding="ascii")
            temporary.replace(path)

    def signed_by(self, public_key: str) -> str | None:
        """The id of the archive that this machine knows a key to sign; None when it knows none."""
        path = self._key_file(public_key)
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                text = file.read(ARCHIVE_ID_BYTES_MAX).decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return text or None

    def entries(self, descriptor: Descriptor) -> EntryCache | None:
        """The entries that were seen of an archive; None when nothing is remembered."""
        if self.directory is None:
            return None
        return EntryCache(self.directory / descriptor.archive_id / "ledger.ndjson")

    def head(self, descriptor: Descriptor) -> SignedEntry | None:
        """The newest entry that was seen and that the archive's key signed; None when there is none."""
        cache = self.entries(descriptor)
        entries = cache.load() if cache is not None else []
        if not entries:
            return None
        try:
            check_signature(entries[-1], descriptor.public_key, where="the memory of this machine")
        except LedgerBroken:
            return None
        return entries[-1]

    def _key_file(self, public_key: str) -> Path | None:
        return None if self.directory is None else self.directory / "keys" / public_key


def forgotten(head: SignedEntry, *, where: str, path: Path) -> LedgerBroken:
    """The error for an entry that this machine has seen, signed, and that store and anchor do not know any more."""
    return LedgerBroken(
        f"{where}: ledger entry {head.entry.seq} ({head.hash[:16]}…), which this machine has seen and the archive's key"
        " signed, is not there any more: ledger and anchor were set back; nothing was done",
        hint=f"restore the missing entries: {path} holds them, one a line; if the archive itself was restored from an"
        " older copy on purpose, move that file away",
    )
