"""The README's picture: the first page of a real report, on the story that the tests tell of one month.

Written anew with ``python -m tests.docs.pictures``; the program's own template draws it.
"""

import json
from importlib import resources
from typing import Any

import typst

from archiver import reports
from archiver.reports import pdf
from archiver.reports.compose import report_document
from archiver.reports.words import Words
from tests.support.deployment import ROOT
from tests.support.november import november

PICTURE = ROOT / "docs" / "images" / "report.de.png"
DOTS_AN_INCH = 80


def first_page() -> bytes:
    """As PNG."""
    document = {**pdf._shown(pdf._plain(report_document(november(), Words("de"))), plainly=False), "attachments": []}
    pages: Any = typst.compile(
        (resources.files(reports) / pdf.TEMPLATE_FILE).read_bytes(),
        format="png",
        ppi=DOTS_AN_INCH,
        ignore_system_fonts=True,
        sys_inputs={"document": json.dumps(document, ensure_ascii=False)},
        timestamp=0,
    )
    return bytes(pages[0] if isinstance(pages, list) else pages)


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(first_page())
