"""A private directory for each run, where rows stand in the clear until they are archived.

It goes with its run. When a run was killed, the next one on this machine removes what it left: each directory holds a
file that its run keeps locked, and the kernel's lock goes with the process, however that ends.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from archiver.errors import LocalResourceError

PREFIX = "archiver-run-"
LOCK = "in-use"
ATTEMPTS_MAX = 8


@contextmanager
def work_directory(parent: Path) -> Iterator[Path]:
    """Make one for the block, with mode 0700, after removing those that dead runs of this user left.

    Raises:
        LocalResourceError: None can be made there.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(parent)
        made, lock = _make(parent)
    except OSError as exc:
        raise LocalResourceError(
            f"{parent}: no work directory can be made there ({exc.strerror}); nothing was touched",
            hint="set work_dir to a directory on a disk with room",
        ) from exc
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(lock)


def _make(parent: Path) -> tuple[Path, int]:
    """A directory whose lock is ours. Another run may take it for abandoned as long as it is not."""
    for _ in range(ATTEMPTS_MAX):
        made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with suppress(FileNotFoundError):
            lock = os.open(made / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_the_file(made / LOCK, lock):
                return made, lock
            os.close(lock)
    raise FileNotFoundError(0, "others remove it at once", str(parent))


def _remove_abandoned(parent: Path) -> None:
    for directory in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
                continue
            # Its run died before it had its lock: empty. One that is just being made makes itself anew.
            if not (directory / LOCK).exists():
                directory.rmdir()
                continue
            lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The lock last, so that a removal that is interrupted is taken up again.
                for inside in directory.iterdir():
                    if inside.name != LOCK:
                        inside.unlink()
                shutil.rmtree(directory)
            finally:
                os.close(lock)


def _is_the_file(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
