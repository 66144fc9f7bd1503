"""archiver: keep logs as long as promised, prove it, and delete them on time."""

import contextlib
import ctypes
import os

# Before pyarrow is imported, which decides by it. Its own choice, mimalloc, keeps freed pages for each thread: beside
# the C library's malloc, which the database driver needs anyhow, an export had 50 MiB more, and was no faster.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

_M_ARENA_MAX = -8
"""``mallopt``'s number for it, from glibc's malloc.h."""

if "MALLOC_ARENA_MAX" not in os.environ:
    # glibc gives threads up to eight arenas a core, each of which keeps what was freed there. Two are as fast for ours.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)

__version__ = "0.1.0"
