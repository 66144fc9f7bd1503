"""The HTML report in a real browser: it asks for nothing, says nothing to the console, and can be read everywhere."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.reports.words import Words
from tests.support import debian
from tests.support.browser import Browser, browsing, colours
from tests.support.november import LANGUAGES, files, november

BACKGROUNDS = {"light": (0xFF, 0xFF, 0xFF), "dark": (0x12, 0x17, 0x1D)}
"""``--bg`` of the style sheet."""

COLOURS_MIN = 20
"""A page without text or chart has one; smoothed letters alone have more than this."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("browser")) as found:
        yield found


def page(directory: Path, language: str) -> Path:
    """The story's report as a file."""
    path = directory / f"report.{language}.html"
    path.write_bytes(files()[f"archiver-report-2026-11.{language}.html"])
    return path


def test_a_page_that_asks_or_complains_is_noticed(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text('<img src="http://a.example/x"><img src="https://b.example/y"><script>console.error("no")</script>')
    browser.open(path)
    assert {"GET http://a.example/x", "CONNECT b.example:443"} <= set(browser.heard)
    assert browser.errors
    browser.forget()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_asks_for_nothing_and_fits(browser: Browser, tmp_path: Path, language: str) -> None:
    path = page(tmp_path, language)
    browser.open(path)
    words = Words("de" if language == "de" else "en")
    assert words.t(f"verdict.{november().verdict}") in browser.evaluate("document.querySelector('.verdict').innerText")
    for scheme, background in BACKGROUNDS.items():
        browser.prefer(scheme)
        for width in (1280, 390):
            browser.resize(width)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert browser.evaluate("document.documentElement.scrollHeight") > 1000
            seen = colours(browser.screenshot(scale=0.25))
            assert seen.most_common(1)[0][0] == background
            assert len(seen) > COLOURS_MIN
    assert browser.errors == []
    assert browser.requests == [path.as_uri()]
    assert browser.heard == []


@pytest.mark.parametrize("scheme", BACKGROUNDS)
def test_the_report_prints_in_light_with_all_it_says(browser: Browser, tmp_path: Path, scheme: str) -> None:
    browser.open(page(tmp_path, "de"))
    browser.prefer(scheme)
    printed = tmp_path / "printed.pdf"
    printed.write_bytes(browser.pdf())
    text = _output("pdftotext", "-layout", str(printed), "-").decode()
    chain = november().facts.chain
    assert chain is not None
    for expected in (Words("de").t(f"verdict.{november().verdict}"), "Löschprotokoll", chain.head_hash[:16]):
        assert expected in text
    _output("pdftoppm", "-r", "30", "-png", "-singlefile", str(printed), str(tmp_path / "first"))
    seen = colours((tmp_path / "first.png").read_bytes())
    assert seen.most_common(1)[0][0] == BACKGROUNDS["light"]
    assert len(seen) > COLOURS_MIN


def _output(program: str, *arguments: str) -> bytes:
    return subprocess.run([debian.binary(program), *arguments], capture_output=True, check=True, timeout=60).stdout
