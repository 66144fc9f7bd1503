"""Read an object back from the store onto this machine's disk, proving on the way that it is the one that is meant."""

import hashlib
import os
from contextlib import ExitStack
from pathlib import Path

from archiver.contracts import ObjectStore
from archiver.errors import Conflict, LocalResourceError, ObjectMissing, SegmentAltered, SegmentMissing
from archiver.ledger.ledger import Ledger
from archiver.model import Segment
from archiver.operations.steps.run import Run

CHUNK_BYTES = 1024 * 1024


def fetch_segment(store: ObjectStore, segment: Segment, into: Path | None) -> None:
    """Read a whole segment and compare its size and SHA-256 with the ledger's.

    Args:
        into: A path that does not exist, written with mode 0600; None reads without keeping.

    Raises:
        SegmentMissing, SegmentAltered: What is left at ``into`` must not be used.
        TransientError: The store went away in the middle.
        LocalResourceError: The disk that the work directory is on is full.
    """
    digest = hashlib.sha256()
    size_bytes = 0
    target = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600) if into is not None else None
    try:
        with store.open(segment.key) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                size_bytes += len(chunk)
                if target is not None:
                    _write_whole(target, chunk, segment.key)
    except ObjectMissing as exc:
        raise SegmentMissing(
            f"{segment.key}: the ledger names it, {store.location} does not have it",
            hint="restore the object from a copy of the bucket; its rows may be gone from their source",
            key=segment.key,
        ) from exc
    finally:
        if target is not None:
            os.close(target)
    if size_bytes != segment.size_bytes:
        raise SegmentAltered(
            f"{segment.key}: ledger says {segment.size_bytes} bytes, the object has {size_bytes}",
            hint="restore the object from a copy of the bucket",
        )
    if digest.hexdigest() != segment.sha256:
        raise SegmentAltered(
            f"{segment.key}: ledger says SHA-256 {segment.sha256[:16]}…, the object has {digest.hexdigest()[:16]}…",
            hint="restore the object from a copy of the bucket",
        )


def fetched(files: ExitStack, run: Run, store: ObjectStore, segment: Segment) -> Path:
    """A whole segment on this machine's disk, for as long as ``files``; read again when the store went away meanwhile.

    Raises:
        SegmentMissing, SegmentAltered, TransientError, LocalResourceError: As ``fetch_segment``.
    """
    path = run.new_file(files)

    def attempt() -> Path:
        path.unlink(missing_ok=True)
        fetch_segment(store, segment, path)
        return path

    return run.retried(attempt)


def _write_whole(target: int, data: bytes, key: str) -> None:
    """A disk that is nearly full takes a part, and refuses the rest."""
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(target, left) :]
    except OSError as exc:
        raise LocalResourceError(
            f"{key}: cannot be written to the work directory ({exc.strerror}); it was not compared",
            hint="make room there, or set work_dir to a directory on a disk with room",
        ) from exc


def left_meanwhile(ledger: Ledger, problem: BaseException) -> BaseException:
    """A segment that was not found because another run has compacted or expired it is no contradiction: a Conflict."""
    if isinstance(problem, SegmentMissing) and has_left(ledger, problem):
        return Conflict(
            f"{problem.key}: another run compacted or expired it meanwhile; nothing was done", hint="run again"
        )
    return problem


def has_left(ledger: Ledger, missing: SegmentMissing) -> bool:
    """Whether a segment that was not found is named no longer: another run has compacted or expired it meanwhile.

    Other objects that the ledger names (lists of chunks) carry no key here and never leave: one that is missing is a
    contradiction.
    """
    if not missing.key:
        return False
    ledger.refresh()
    return missing.key not in ledger.holdings.keys
