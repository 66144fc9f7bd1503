"""The file for the node exporter's textfile collector: a reader sees the old one or the new one, never half of one."""

import os
import tempfile
from pathlib import Path

from archiver.errors import LocalResourceError
from archiver.telemetry.metrics import Series, exposition, parsed

MODE = 0o644
"""The exporter is another user."""

SIZE_BYTES_MAX = 4 * 1024 * 1024


def read_series(path: Path) -> Series:
    """What the last run wrote; empty when there is nothing, or nothing that can be read."""
    try:
        with path.open("rb") as file:
            return parsed(file.read(SIZE_BYTES_MAX).decode("utf-8", "replace"))
    except OSError:
        return {}


def write_series(path: Path, series: Series) -> None:
    """Replace the file.

    Raises:
        LocalResourceError: It cannot be written; the old one stays.
    """
    try:
        # The exporter reads *.prom: the half-written file must not be called so.
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(exposition(series))
                os.fchmod(file.fileno(), MODE)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise LocalResourceError(
            f"{path}: the metrics cannot be written ({problem.strerror or type(problem).__name__}); the old ones stay",
            hint="metrics.textfile must be in a directory that archiver may write to",
        ) from None
