"""The report on a fixed ledger, word for word: a change of what is filed must be seen in review.

Write the files anew with ``python -m tests.golden.test_report`` and read the difference.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.reports.build import build_report
from archiver.reports.data import json_bytes
from archiver.reports.period import day_of
from archiver.reports.summary import summary
from archiver.reports.words import Words
from tests.support.november import CONTEXT, november
from tests.support.story import story

DAY = day_of(datetime(2026, 11, 24, tzinfo=UTC))
HERE = Path(__file__).parent
GOLDEN: dict[str, Callable[[], str]] = {
    "report-2026-11-24.json": lambda: json_bytes(build_report(story(), DAY, CONTEXT)).decode(),
    "report-2026-11.de.txt": lambda: summary(november(), Words("de")) + "\n",
    "report-2026-11.en.txt": lambda: summary(november(), Words("en")) + "\n",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_report_is_what_it_was(name: str) -> None:
    assert GOLDEN[name]() == (HERE / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    for name, make in GOLDEN.items():
        (HERE / name).write_text(make(), encoding="utf-8")
