"""The words: both languages say the same, every text is used, and every text that is asked for is there."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import archiver.reports
from archiver.model import Reason, StepOutcome, Verdict
from archiver.reports.catalogue import CATALOGUE
from archiver.reports.compose import FIGURES
from archiver.reports.compose_dataset import FIELD_LABELS
from archiver.reports.model import ChunkFiles, Deletion, Level
from archiver.reports.summary import LABEL_WIDTH
from archiver.reports.vvt import KNOWN_MEASURES
from archiver.reports.words import Words
from tests.support.november import november

SOURCES = {path.name: path.read_text() for path in Path(archiver.reports.__file__).parent.glob("*.py")}
CODE = "".join(text for name, text in sorted(SOURCES.items()) if not name.startswith("catalogue"))
REMARKS = set(re.findall(r'_remark\(\s*"([a-z_]+)"', SOURCES["assess.py"])) | {
    *(f"overdue_{place}" for place in ("source", "archive")),
    *(f"stack_{verdict}" for verdict in Verdict if verdict is not Verdict.OK),
}
CHANGES = set(re.findall(r'_change\(\s*"([a-z_]+)"', SOURCES["assess.py"])) | {
    "rule_changed",
    "dataset_added",
    "dataset_removed",
}
USED = {
    *re.findall(r'"([a-z_]+(?:\.[a-z0-9_]+)+)"', CODE),
    *re.findall(r'words\.t\(\s*"([a-z_]+)"', CODE),
    *re.findall(r'self\.t\("([a-z_]+)"', CODE),
    *(f"remark.{code}" for code in REMARKS),
    *(f"action.{code}" for code in REMARKS),
    *(f"change.{code}" for code in CHANGES),
    *(f"verdict.{level}" for level in Level),
    *(f"verdict.{level}.text" for level in Level),
    *(f"level.{level}" for level in Level),
    *(f"finding.{verdict}" for verdict in Verdict),
    *(f"figure.{code}" for code in FIGURES),
    *(f"measure.{one.code}" for one in november().measures),
    *(f"vvt.measure.{name}" for name in KNOWN_MEASURES),
    *(f"gap.{state}" for state in ("not_configured", "not_recorded")),
    *(f"place.{place}" for place in ("source", "archive")),
    *(f"operation.{name}" for name in ("relocation", "deletion", "residual", "litter")),
    *(f"method.{name}" for name in get_args(get_type_hints(Deletion)["method"])),
    *(f"kept.{name}" for name in get_args(get_type_hints(ChunkFiles)["why_kept"]) if name),
    *(f"chart.{name}" for name in ("archived", "relocated", "deleted", "days", "months")),
    *(f"exit.{status}" for status in (0, 1, 2, 3, 4, 5, 6, 75, 130)),
    *(f"step.{outcome}" for outcome in StepOutcome if outcome is not StepOutcome.DONE),
    *FIELD_LABELS.values(),
    *(key for key in CATALOGUE if key.startswith(("stepname.", "check.", "policy."))),
}  # fmt: skip


def test_no_text_is_left_over() -> None:
    assert set(CATALOGUE) - USED == set()


def test_no_text_is_missing() -> None:
    families = {key.split(".")[0] for key in CATALOGUE}
    asked = {key for key in USED if key.split(".")[0] in families and "." in key} | {
        key for key in USED if "." not in key
    }
    assert {key for key in asked if key not in CATALOGUE and not _is_no_text(key)} == set()


def _is_no_text(key: str) -> bool:
    """Names with a point that are none of the catalogue's: files and checks."""
    return key.endswith((".css", ".typ", ".json", ".oldest_line")) or key.startswith(("facts.", "archiver."))


def test_both_languages_tell_the_same_facts() -> None:
    facts = {key: [set(re.findall(r"\{(\w+)", text)) for text in message] for key, message in CATALOGUE.items()}
    assert {key: found for key, found in facts.items() if found[0] != found[1]} == {}
    assert [
        key for key, message in CATALOGUE.items() if any(not text or text.strip() != text for text in message)
    ] == []


def test_every_remark_and_change_has_its_words() -> None:
    assert {f"remark.{code}" for code in REMARKS} == {key for key in CATALOGUE if key.startswith("remark.")}
    assert {f"change.{code}" for code in CHANGES} == {key for key in CATALOGUE if key.startswith("change.")}


def test_every_measure_has_room_on_a_terminal() -> None:
    labels = [text for key, message in CATALOGUE.items() if key.startswith("measure.") for text in message]
    assert [label for label in labels if len(label) > LABEL_WIDTH] == []


def test_numbers_and_times_are_written_as_each_language_does() -> None:
    german, english = Words("de"), Words("en")
    assert (german.number(1_234_567), english.number(1_234_567)) == ("1.234.567", "1,234,567")
    assert (german.size(1_500), english.size(1_500)) == ("1,5 KiB", "1.5 KiB")
    assert (german.duration(86_400), german.duration(30 * 86_400), german.duration(5_400)) == (
        "1 Tag",
        "30 Tage",
        "1,5 Std.",
    )
    assert (english.t("rows", rows=1), english.t("rows", rows=2)) == ("1 row", "2 rows")
    assert german.fact("oldest", "2026-10-20T00:00:07.123456789Z") == "20.10.2026, 00:00 Uhr (UTC)"
    assert german.statement(Reason.HOLD(references=("2026-17",))) == "Löschung ausgesetzt (2026-17)"
