"""The demonstration, as `make demo` runs it, with fewer rows: every command that it shows ends well."""

import tempfile
from pathlib import Path

import pytest

from archiver import demo


def test_the_whole_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with a database that holds the last 30 days, and with a report to file."""
    # The embedded server runs as a user of its own when root starts it: pytest's private directories are closed to it.
    with tempfile.TemporaryDirectory(prefix="archiver-demo-test-") as made:
        Path(made).chmod(0o755)
        monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # of the commands that it starts; they are tested elsewhere
        directory = Path(made) / "demo"
        assert demo.run(print, directory, audit_rows=900, event_rows=1800) == 0
        reports = {path.suffix for path in (directory / "reports").iterdir()}
        assert reports >= {".html", ".pdf", ".json", ".csv"}
