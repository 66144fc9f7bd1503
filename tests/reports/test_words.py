"""What a report says of steps, checks and findings: each language in its own words."""

import re
from pathlib import Path

import pytest

import archiver
from archiver.app.night import STEPS
from archiver.reports.catalogue import CATALOGUE
from archiver.reports.words import Words
from archiver.words import STATEMENTS
from tests.support.november import files

CODE = Path(archiver.__file__).parent
PAGE = CODE.parent / "docs" / "stack-check.md"
GERMAN = Words("de")


def test_every_check_of_the_stack_has_a_name_for_people() -> None:
    kinds = "prometheus|loki|alertmanager|alerts|compose|logs|store|supabase"
    named = set(re.findall(rf"`((?:{kinds})\.[a-z_.]+)`", PAGE.read_text()))
    for path in (CODE / "stack").glob("*.py"):
        named |= set(re.findall(rf'"((?:{kinds})\.[a-z_.]+)"', path.read_text()))
        named |= {f"store.{one}" for one in re.findall(r'_finding\(\s*facts,\s*"([a-z]+)"', path.read_text())}
        named |= {f"{one}.check" for one in re.findall(rf'contained\(\s*"({kinds})"', path.read_text())}
    # A label of the compose file's settings is no check, nor is a file's name.
    named -= {"store.retention", *(name for name in named if name.endswith((".yml", ".yaml")))}
    assert {name for name in named if f"check.{name}" not in CATALOGUE} == set()


def test_every_step_of_a_night_has_a_name_for_people() -> None:
    assert {f"stepname.{name}" for name in STEPS} == {key for key in CATALOGUE if key.startswith("stepname.")}


def test_a_german_report_has_no_english_sentence_of_the_catalogue() -> None:
    text = files()["archiver-report-2026-11.de.html"].decode()
    sentences = {
        message.en for message in {**CATALOGUE, **STATEMENTS}.values() if message.en != message.de and "{" not in message.en and " " in message.en
    }  # fmt: skip
    assert {one for one in sentences if f">{one}<" in text} == set()


def test_a_german_report_says_findings_and_their_fix_in_german() -> None:
    text = files()["archiver-report-2026-11.de.html"].decode()
    assert "mit --storage.tsdb.retention.time=30d starten; ältere Blöcke werden dann von selbst gelöscht" in text
    assert "compose.yaml ist nicht lesbar (ENOENT)" in text
    assert 'lang="en"' not in text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Mitbetroffene Zeilen anderer Tabellen, wie purge_may_change es erlaubt."),
        ("en", "Rows of other tables that were affected as well, as purge_may_change allows."),
    ],
)
def test_a_report_says_in_both_languages_what_went_along(language: str, text: str) -> None:
    page = files()[f"archiver-report-2026-11.{language}.html"].decode()
    assert text in page
    table = page[page.index(text) :]
    table = table[: table.index("</table>")]
    assert table.count("public.event_notes") == 3
    assert [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", table, re.DOTALL)][1:5] == [
        "public.event_notes",
        "7",
        "2",
        "0",
    ]


@pytest.mark.parametrize("text", ["gesperrt bis 24.12.2026", "15 Chunk-Dateien", "Löschung ausgesetzt (2026-17)"])
def test_a_german_report_says_what_stayed_and_what_moved(text: str) -> None:
    assert text in files()["archiver-report-2026-11.de.html"].decode()
