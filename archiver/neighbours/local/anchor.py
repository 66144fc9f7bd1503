"""The anchor as a file: one file for one archive, on another machine's or another user's disk than the objects.

A swap holds ``flock`` on a lock file beside it, compares, and replaces the file atomically. The lock file is never
removed: removing it would let two writers hold two different locks. The system frees the lock of a dead process.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from typing_extensions import override

from archiver.contracts import Anchor
from archiver.errors import (
    AccessDenied,
    ArchiverError,
    ConfigError,
    Conflict,
    IntegrityError,
    LocalResourceError,
    OutcomeUnknown,
)
from archiver.model import Checkpoint
from archiver.neighbours import checkpoint as codec

SIZE_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileAnchor(Anchor):
    """One checkpoint in the file ``path``; ``path`` + ``.lock`` stands beside it."""

    path: Path

    @property
    @override
    def location(self) -> str:
        """``file:///…``."""
        return self.path.absolute().as_uri()

    def install(self) -> None:
        """Make the directory, 0700, with its parents. Only ``archiver init`` does this; harmless when repeated.

        Raises:
            AccessDenied: Its parent does not allow it.
            ConfigError: A file stands where the directory should be.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            raise ConfigError(f"{self.path.parent}: a file stands where the anchor's directory should be") from error
        except OSError as error:
            raise self._translate(error, "no directory was made") from error

    @override
    def read(self, archive_id: str) -> Checkpoint | None:
        """See ``contracts.Anchor``.

        Raises:
            ConfigError: The directory does not exist (not mounted?), or the file is another archive's.
        """
        try:
            text = self._text()
        except OSError as error:
            raise self._translate(error, "it was not read") from error
        return None if text is None else self._of(archive_id, text)

    @override
    def swap(self, expected: Checkpoint | None, new: Checkpoint) -> None:
        if expected is not None and expected.archive_id != new.archive_id:
            raise ValueError("a swap stays within one archive")
        try:
            with self._locked():
                text = self._text()
                current = None if text is None else self._of(new.archive_id, text)
                if current not in {expected, new} or (current not in {None, new} and new.seq <= current.seq):
                    raise Conflict(
                        f"{self.location}: stands at {codec.show(current)}, {codec.show(expected)} was expected; "
                        "the anchor was not moved"
                    )
                # Also when it stands there already: the swap that put it there may have died before its last fsync.
                self._replace(codec.encode(new))
        except OSError as error:
            raise self._translate(error, "the anchor was not moved") from error

    @override
    def clock(self) -> datetime | None:
        """None: this machine's own clock says nothing about itself."""
        return None

    def missing_rights(self) -> tuple[str, ...]:
        """What moving it needs and whoever runs this lacks; empty when it can be moved. Changes nothing."""
        return () if os.access(self.path.parent, os.W_OK | os.X_OK) else ("the right to write its directory",)

    def _text(self) -> bytes | None:
        """The file's bytes; None when it does not exist although its directory does."""
        try:
            with self.path.open("rb") as file:
                text = file.read(SIZE_BYTES_MAX + 1)
        except FileNotFoundError:
            if not self.path.parent.is_dir():
                raise
            return None
        if len(text) > SIZE_BYTES_MAX:
            raise IntegrityError(f"{self.location}: larger than any checkpoint; nothing was changed")
        return text

    def _of(self, archive_id: str, text: bytes) -> Checkpoint:
        checkpoint = codec.decode(text, where=self.location)
        if checkpoint.archive_id != archive_id:
            raise ConfigError(
                f"{self.location}: belongs to archive {checkpoint.archive_id}, this is archive {archive_id}; "
                "nothing was changed",
                hint="every archive has an anchor file of its own",
            )
        return checkpoint

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # A file that each swap opens anew: flock then also keeps the threads of one process apart.
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _replace(self, text: bytes) -> None:
        """Called under the lock, so one fixed temporary name is enough, and a dead writer's is overwritten."""
        temporary = self.path.with_name(f"{self.path.name}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        try:
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise OutcomeUnknown(
                f"{self.location}: moved, but not proven to be on disk ({os.strerror(error.errno or 0)})"
            ) from error

    def _translate(self, error: OSError, undone: str) -> ArchiverError:
        fact = os.strerror(error.errno) if error.errno else type(error).__name__
        message = f"{self.location}: {fact}; {undone}"
        if isinstance(error, PermissionError):
            return AccessDenied(message, hint="whoever runs archiver owns the anchor's directory")
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return ConfigError(
                f"{self.location}: there is no such directory; {undone}",
                hint="is its file system mounted? A new anchor's directory is made by `archiver init`",
            )
        return LocalResourceError(message)
