"""A report as files: the same bytes again, nothing beside them, whole or not at all."""

import re
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest

from archiver.app.report import write_files
from archiver.errors import LocalResourceError
from archiver.reports.build import build_report
from archiver.reports.document import PLAIN_MAX, SIGNS, Command, Document, Facts, Paragraph, Section, cells, visible
from archiver.reports.files import rendered
from archiver.reports.html import html
from archiver.reports.pdf import pdf
from tests.support.debian import binary
from tests.support.november import CONTEXT, FORMATS, LANGUAGES, NOVEMBER, files, november
from tests.support.story import END, exported, rules, signed, story

MARGIN_POINTS = 18 / 25.4 * 72
"""Of the page, left and right: see the template."""


def test_the_same_ledger_gives_the_same_bytes() -> None:
    again = dict(rendered(build_report(story(), NOVEMBER, CONTEXT), LANGUAGES, FORMATS))
    assert {name: data == again[name] for name, data in files().items()} == dict.fromkeys(files(), True)


def test_a_month_that_is_over_stays_the_same_when_the_ledger_goes_on() -> None:
    steps = [(one.entry.at, one.entry.events) for one in story()]
    later = END + timedelta(hours=2)
    longer = signed([*steps, (later, [exported("app_audit_log", END - timedelta(days=1), 5, later), rules()])])
    assert build_report(longer, NOVEMBER, CONTEXT) == november()


def test_html_has_no_script_and_asks_for_nothing() -> None:
    for name in ("archiver-report-2026-11.de.html", "archiver-report-2026-11.en.html"):
        text = files()[name].decode()
        assert "default-src 'none'" in text.replace("&#x27;", "'")
        found = re.findall(r"(?:src|href|xlink:href|action|data|poster|srcset)\s*=\s*[\"']?([^\"'>\s]+)", text)
        assert [one for one in found if not one.startswith("#")] == []
        assert not re.search(r"<(script|link|iframe|object|embed|img|form|base)\b|url\(|@import|\bon\w+=|style=", text)


def text_of(path: Path, how: str) -> str:
    """Of a PDF."""
    argv = [binary("pdftotext"), how, str(path), "-"]
    return subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout.decode()


def test_nothing_runs_off_the_page_of_a_pdf(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(files()["archiver-report-2026-11.de.pdf"])
    boxes = text_of(path, "-bbox")
    (width,) = set(re.findall(r'<page width="([0-9.]+)"', boxes))
    words = re.findall(r'xMax="([0-9.]+)" yMax="[0-9.]+">([^<]*)<', boxes)
    assert len(words) > 1000
    assert [text for right, text in words if float(right) > float(width) - MARGIN_POINTS + 1] == []


def test_what_is_copied_out_of_a_pdf_is_what_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(files()["archiver-report-2026-11.de.pdf"])
    text = text_of(path, "-layout")
    assert not re.search("[\u200b\u2060\ufeff]", text), "an invisible character in a digest or a command"
    chain = november().facts.chain
    assert chain is not None
    copied = " ".join(text.split())
    for expected in (november().verify_command, f"sha256sum ./copy/{chain.head_key}", chain.head_hash, "--execute"):
        assert expected in copied


def test_a_pdf_is_an_archival_and_accessible_one() -> None:
    data = files()["archiver-report-2026-11.de.pdf"]
    assert data.startswith(b"%PDF-1.7")
    for mark in (b"<pdfaid:part>3</pdfaid:part>", b"<pdfaid:conformance>A</pdfaid:conformance>", b"pdfuaid:part"):
        assert mark in data
    assert b"/EmbeddedFile" in data


@pytest.mark.parametrize("is_there", [False, True])
def test_a_file_that_cannot_be_written_leaves_what_was_there(tmp_path: Path, is_there: bool) -> None:
    name = "archiver-report-2026-11.json"
    blocked = tmp_path / name
    blocked.mkdir()
    if is_there:
        (blocked / "another").touch()
    with pytest.raises(LocalResourceError, match="cannot be written"):
        write_files(november(), ("de",), ("json",), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def document(text: str) -> Document:
    """One that shows a text in every way."""
    blocks = (Paragraph(text), Facts((("x", cells(text, tone="code")),)), Command(text))
    return Document("de", "t", "s", "n", None, "", "", "", (), date(2026, 1, 1), (Section("a", "b", blocks),))


def test_a_pdf_has_every_letter_that_it_says_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archiver.reports.pdf.NO_GLYPH", "never mind")
    letters = "".join(chr(number) for number in range(32, PLAIN_MAX + 1)) + SIGNS
    assert pdf(document(visible(letters)))


def test_letters_that_the_fonts_lack_are_spelled_out() -> None:
    text = "שלום 😀 漢字"
    assert pdf(document(text)) == pdf(document(visible(text, plainly=True)))
    assert visible("漢", plainly=True) == "\\u{6f22}"


def test_marks_that_nobody_sees_are_spelled_out_everywhere() -> None:
    text = html(document("a\x1b[31m\u202eb<b>")).decode()
    assert "a\\u{1b}[31m\\u{202e}b&lt;b&gt;" in text
    assert "\x1b" not in text
