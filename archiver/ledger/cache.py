"""The cache of entries between runs: a local copy of what can never change. It can hide nothing."""

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from archiver.errors import ConfigError, IntegrityError
from archiver.ledger.chain import check_link
from archiver.ledger.entries import SignedEntry, decode_entry


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
