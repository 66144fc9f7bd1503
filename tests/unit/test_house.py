"""What holds for the source itself, beside what ruff, mypy and import-linter check."""

from pathlib import Path

import archiver

ROOT = Path(archiver.__file__).parent
LINES_MAX = 600


def test_no_module_is_longer_than_one_can_keep_in_mind() -> None:
    """At most 600 lines."""
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in ROOT.rglob("*.py")
    }
    assert len(lines) > 100  # they were found at all
    assert {name for name, count in lines.items() if count > LINES_MAX} == set()
