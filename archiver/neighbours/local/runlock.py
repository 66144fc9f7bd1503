"""One run at a time changes an archive from this machine. The ledger orders runs from several; this only saves work.

The lock is the kernel's: it goes with the process that holds it, however that ends, so that none is ever left behind.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from archiver.errors import Conflict, LocalResourceError


@contextmanager
def run_lock(path: Path, *, wait: Callable[[], bool]) -> Iterator[None]:
    """Hold the lock for the block.

    Args:
        path: Made when it is not there, with its directories; it stays.
        wait: Called each time the lock is taken; waits, and says whether to try once more.

    Raises:
        Conflict: Another run holds it, and waiting is over.
        LocalResourceError: The file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise LocalResourceError(
            f"{path}: the lock of runs cannot be made ({exc.strerror}); nothing was touched",
            hint="set cache_dir to a directory that may be written to",
        ) from exc
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait():
                    holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                    raise Conflict(
                        f"another run is at work on this archive (process {holder or 'unknown'}); nothing was touched",
                        hint="wait for it, or use --wait",
                    ) from None
            else:
                break
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
