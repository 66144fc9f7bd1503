"""archiver: keep logs as long as promised, prove it, and delete them on time."""

import os

# Before pyarrow is imported, which decides by it. Its own choice, mimalloc, keeps freed pages for each thread: beside
# the C library's malloc, which the database driver needs anyhow, an export had 50 MiB more, and was no faster.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

__version__ = "0.1.0"
