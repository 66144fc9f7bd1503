"""The file for the node exporter's textfile collector: a reader sees the old one or the new one, never half of one."""

import tempfile
from pathlib import Path

from prometheus_client import write_to_textfile

from archiver.errors import LocalResourceError
from archiver.telemetry.metrics import Exposed, Series, parsed

MODE = 0o644
"""The exporter is another user, and systemd's umask lets nobody else read what we write."""

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
        # Beside the file, so that the last step is a rename; the exporter looks into no folder.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            staged = Path(folder) / path.name
            write_to_textfile(str(staged), Exposed(series))
            staged.chmod(MODE)
            staged.replace(path)
    except OSError as problem:
        raise LocalResourceError(
            f"{path}: the metrics cannot be written ({problem.strerror or type(problem).__name__}); the old ones stay",
            hint="metrics.textfile must be in a directory that archiver may write to",
        ) from None
