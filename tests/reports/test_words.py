"""What the ledger says in English: a German report says it in German, or quotes it as the original wording."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import archiver
from archiver.model import Finding, HoldPlaced, PolicyAction, StepOutcome, StepResult, Verdict
from archiver.operations.nightly import STEPS, NightProgress, Step, run_steps
from archiver.reports.catalogue import CATALOGUE
from archiver.reports.compose import report_document
from archiver.reports.html import html
from archiver.reports.words import REASONS, Words
from archiver.retention import Clocks, GuardRules, Reason, Skip, Wait, differs, guard, on_hold, still_there
from archiver.stack.words import age, span
from tests.reports.test_files import files, november

CODE = Path(archiver.__file__).parent
PAGE = CODE.parent / "docs" / "stack-check.md"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
GERMAN = Words("de")


def holds() -> Iterator[str]:
    """Of a reference, of none, of several."""
    one = HoldPlaced(
        hold="h1", dataset=None, since=None, until=None, subject=None, reason="", reference="2026-17", review_on=NOW
    )
    yield on_hold([one])
    yield on_hold([one, replace(one, hold="h2", reference="")])


def steps() -> Iterator[StepResult]:
    """Every way in which a step of a night ends."""

    def raising(problem: Exception) -> int:
        raise problem

    def ending(name: str, status: int) -> Step:
        return Step(name=name, work=lambda: status)

    class Silent(NightProgress):
        def started(self, step: str) -> None:
            pass

        def failed(self, step: str, problem: Exception) -> None:
            pass

        def ended(self, result: StepResult) -> None:
            pass

    night = [
        *(ending("export", status) for status in (0, 3, 6)),
        Step(name="verify", work=lambda: raising(KeyError("x"))),
        Step(name="purge", work=lambda: 0, needs=("verify",)),
    ]
    yield from run_steps(night, stop=lambda: False, monotonic=lambda: 0.0, progress=Silent())
    for why in Skip:
        yield StepResult(step="purge", outcome=StepOutcome.SKIPPED, exit_status=0, duration_ms=0, reason=why)


def refusals() -> Iterator[str]:
    """Everything that a guard refuses for."""
    late = NOW + timedelta(days=9)
    for unit in ("rows", "chunks"):
        yield from guard(
            Clocks(local=NOW, database=late, store=late, anchor=late, last_entry=late),
            rules=GuardRules(),
            pause=timedelta(days=40),
            anchor_adopted=True,
            shares={"app_audit_log": (90_000, 0.9)},
            unit=unit,
        )


FORMS_KNOWN = (
    *Reason,
    *Wait,
    *PolicyAction,
    *holds(),
    differs(["ip", "actor"]),
    *(step.reason for step in steps() if step.reason),
    *(still_there("purged", step) for step in steps()),
    *(still_there("expired", step) for step in steps()),
    *refusals(),
    *(span(timedelta(seconds=seconds)) for seconds in (12, 700, 18_000, 86_400, 2_799_360)),
    age(NOW - timedelta(days=31), NOW),
    "Supabase daily backups (pro)",
    "Supabase point-in-time recovery",
)


@pytest.mark.parametrize("text", dict.fromkeys(str(one) for one in FORMS_KNOWN))
def test_every_form_that_the_code_writes_has_german_words(text: str) -> None:
    told = GERMAN.told(text)
    assert told
    assert told != text
    assert "„" not in told.replace("„" + GERMAN.step("verify") + "“", ""), "something in it was not understood"
    assert Words("en").told(text)


def test_reasons_why_rows_stay_come_from_the_closed_set() -> None:
    """A text with a blank where a reason is expected would be one that no report can say in German."""
    names = ["retention/purge.py", "retention/expiry.py", "retention/reasons.py"]
    names += [f"operations/{name}.py" for name in ("purge", "purge_slot", "expire", "observe")]
    found = []
    for name in names:
        for node in ast.walk(ast.parse((CODE / name).read_text())):
            values: list[ast.expr | None] = []
            if isinstance(node, ast.FunctionDef) and node.name == "keep_reason":
                values = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
            elif isinstance(node, ast.Dict):
                values = list(node.keys)
            elif isinstance(node, ast.Subscript):
                values = [node.slice]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_count", "RowsKept"):
                values = [*node.args, *(one.value for one in node.keywords)]
            found += [(name, ast.unparse(one)) for one in values if one is not None and _is_free_text(one)]
    assert found == []


def _is_free_text(value: ast.expr) -> bool:
    return isinstance(value, ast.JoinedStr) or (
        isinstance(value, ast.Constant) and isinstance(value.value, str) and " " in value.value
    )


def test_every_check_of_the_stack_has_a_name_for_people() -> None:
    kinds = "prometheus|loki|alertmanager|alerts|compose|logs|store|supabase"
    named = set(re.findall(rf"`((?:{kinds})\.[a-z_.]+)`", PAGE.read_text()))
    for path in (CODE / "stack").glob("*.py"):
        named |= set(re.findall(rf'"((?:{kinds})\.[a-z_.]+)"', path.read_text()))
        named |= {f"store.{one}" for one in re.findall(r'_finding\(\s*facts,\s*"([a-z]+)"', path.read_text())}
        named |= {f"{one}.check" for one in re.findall(rf'contained\(\s*"({kinds})"', path.read_text())}
    # A label of the compose file's settings is no check.
    assert {name for name in named - {"store.retention"} if f"check.{name}" not in CATALOGUE} == set()


def test_every_step_of_a_night_has_a_name_for_people() -> None:
    assert {f"stepname.{name}" for name in STEPS} == {key for key in CATALOGUE if key.startswith("stepname.")}


def test_a_german_report_has_no_english_sentence_of_the_catalogue() -> None:
    text = files()["archiver-report-2026-11.de.html"].decode()
    sentences = {
        message.en for message in CATALOGUE.values() if message.en != message.de and "{" not in message.en and " " in message.en
    }  # fmt: skip
    assert {one for one in sentences if f">{one}<" in text} == set()
    assert {str(one) for one in REASONS if " " in one and one in text} == set()


def test_what_nobody_translated_is_quoted_as_english() -> None:
    text = files()["archiver-report-2026-11.de.html"].decode()
    assert '<span lang="en">„the database did not answer; nothing was deleted“</span>' in text
    assert '<span lang="en">„set it to 30d“</span>' in text
    assert "„set it to 30d“" not in files()["archiver-report-2026-11.en.html"].decode()


def test_findings_are_said_in_german_as_far_as_their_form_is_known() -> None:
    finding = Finding(
        check="loki.oldest_line", subject="http://127.0.0.1:3100", promised="30 d", configured="720h",
        in_force="32.4 d", observed="31.2 d old (2026-10-22 04:12 UTC)", verdict=Verdict.BREACH, fix="see the findings above",
    )  # fmt: skip
    stack = november().facts.stack
    assert stack is not None
    told = replace(november(), facts=replace(november().facts, stack=replace(stack, findings=(finding,))))
    text = html(report_document(told, GERMAN)).decode()
    for expected in ("30 Tage", "32,4 Tage", "31,2 Tage alt (22.10.2026 04:12 UTC)", "Loki: älteste Zeile", "„720h“"):
        assert expected in text


@pytest.mark.parametrize("text", ["gesperrt bis 24.12.2026", "15 Chunk-Dateien", "Löschung ausgesetzt (2026-17)"])
def test_a_german_report_says_what_stayed_and_what_moved(text: str) -> None:
    assert text in files()["archiver-report-2026-11.de.html"].decode()
