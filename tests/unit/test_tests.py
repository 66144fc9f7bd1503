"""The tests' own house."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_no_test_imports_another_test() -> None:
    """What two of them need lives in tests/support."""
    imports = re.compile(r"^\s*(?:from|import) tests\.\w+\.test_\w+.*$", re.MULTILINE)
    found = [
        f"{path.relative_to(TESTS)}: {line}"
        for path in TESTS.rglob("*.py")
        for line in imports.findall(path.read_text())
    ]
    assert found == []
