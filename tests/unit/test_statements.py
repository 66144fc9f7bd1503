"""Statements: codes of closed sets with their facts, and the words of each in both languages."""

import dataclasses
import inspect
import types
import typing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver import errors
from archiver.app.night import failure_of
from archiver.errors import ArchiverError
from archiver.ledger.entries import Signer, decode_entry, encode_entry
from archiver.model import (
    Code,
    Entry,
    Event,
    HoldPlaced,
    Purged,
    Reason,
    Refusal,
    RowsKept,
    Skip,
    Slot,
    SourceState,
    Statement,
    StepOutcome,
    StepResult,
    is_hold,
)
from archiver.model.statements import known_codes
from archiver.retention import differs, on_hold, still_there
from archiver.words import ENGLISH, STATEMENTS, Language, english
from archiver.words.language import placeholders

NOW = datetime(2026, 11, 24, 6, 30, 7, tzinfo=UTC)
GERMAN = Language("de", STATEMENTS)


def test_every_code_has_words_in_both_languages_and_no_words_are_left_over() -> None:
    assert {code.value for code in known_codes()} == set(STATEMENTS)
    assert [
        key for key, message in STATEMENTS.items() if any(not text or text.strip() != text for text in message)
    ] == []


def test_the_words_of_a_code_use_exactly_its_facts() -> None:
    wrong = {
        code.value: (sorted(code.facts), sorted(placeholders(text)))
        for code in known_codes()
        for text in STATEMENTS[code.value]
        if placeholders(text) != set(code.facts)
    }
    assert wrong == {}


COUNTED = {
    *("at_byte", "days", "percent", "exit_status", "rows", "status", "line", "labels", "times", "blocks", "chunks"),
    *("files", "silences", "rotate", "maxage"),
}


def sample(name: str) -> Any:
    """A fact of the kind that its name states."""
    if name.endswith(("_at", "_clock")):
        return NOW
    if name in ("columns", "references", "names", "checks", "errors", "plans"):
        return ("one", "two")
    if name in ("why", "reason"):
        return Skip.NEEDS(step="verify")
    is_number = name.endswith(("_s", "_bytes", "_max")) or name in COUNTED
    return 2 if is_number else "name"


@pytest.mark.parametrize("code", known_codes())
def test_every_code_can_be_said_and_is_written_and_read_back(code: Code) -> None:
    statement = code(**{name: sample(name) for name in code.facts})
    for language in (GERMAN, ENGLISH):
        said = language.statement(statement)
        assert said
        assert "{" not in said
    event = Purged(
        dataset="x", intent_seq=1, slot=Slot(), rows=0, kept=(RowsKept(reason=statement, rows=1),),
        state=SourceState(rows=1), snapshot_at=NOW,
    )  # fmt: skip
    entry = Entry(seq=0, at=NOW, run="r", tool="t", prev="0" * 64, events=(event,))
    assert decode_entry(encode_entry(entry, Signer.generate()).data, where="x").entry == entry


def test_a_code_is_made_only_with_its_own_facts_and_only_once() -> None:
    with pytest.raises(ValueError, match=r"guard\.pause"):
        Refusal.PAUSE(days=3)
    with pytest.raises(ValueError, match="does not know"):
        Statement(code="on hold (case 7)")
    with pytest.raises((TypeError, RuntimeError)):  # what a class body raises is wrapped by some versions

        class Again(Code):
            HOLD = "reason.hold"


def test_equal_statements_are_counted_together() -> None:
    one, two = Reason.HOLD(references=("a", "b")), Statement(code="reason.hold", facts={"references": ("a", "b")})
    assert (one == two, hash(one) == hash(two), one == Reason.HOLD(references=("b", "a"))) == (True, True, False)


def test_instants_and_lengths_of_time_are_written_as_facts() -> None:
    statement = Refusal.JUMPED(local_clock=NOW, entry_clock=NOW + timedelta(hours=1))
    assert statement.facts == {"local_clock": "2026-11-24T06:30:07Z", "entry_clock": "2026-11-24T07:30:07Z"}
    assert english(statement) == (
        "the local clock says 2026-11-24 06:30:07 UTC, but the last entry was written 2026-11-24 07:30:07 UTC: one of"
        " them jumped"
    )
    assert "vom 24.11.2026, 07:30:07 Uhr (UTC)" in GERMAN.statement(statement)


@pytest.mark.parametrize(
    ("seconds", "english_text", "german_text"),
    [
        (12, "12 s", "12 Sek."),
        (700, "11.7 min", "11,7 Min."),
        (18_000, "5 h", "5 Std."),
        (86_400, "1 d", "1 Tag"),
        (2_799_360, "32.4 d", "32,4 Tage"),
        (-7_200, "-2 h", "-2 Std."),
    ],
)
def test_lengths_of_time_are_written_as_each_language_does(seconds: int, english_text: str, german_text: str) -> None:
    assert (ENGLISH.span(seconds), GERMAN.span(seconds)) == (english_text, german_text)


# ── No entry has a sentence ────────────────────────────────────────────────────────────────────────────────────

TYPED = {
    # By a person, for the record: quoted as such.
    *("HoldPlaced.reason", "HoldPlaced.reference", "HoldReleased.reason", "QuarantineReleased.reason"),
    # In the configuration.
    *("RulesStated.controller", "RulesStated.processor", "RulesStated.officer", "RulesStated.record"),
    *("DatasetRules.purpose", "DatasetRules.legal_basis", "DatasetRules.deletion_class"),
}
NAMES = {
    # Of tables, columns, keys, runs and the like; digests; numbers and times that are written as text.
    *("archive_id", "format", "public_key", "dataset", "schema", "name", "source_type", "archive_type", "time_column"),
    *("key_columns", "column", "privacy_key", "tenant", "key", "sha256", "oldest", "newest", "digest", "keys", "plan"),
    *("hold", "subject", "replaced", "pattern", "action", "chunk", "config_sha256", "place", "subject_columns"),
    *("line_policies", "check", "step", "command", "code", "relation"),
}


def texts(kind: Any, seen: set[Any]) -> set[str]:
    """Fields of an event, and of what it holds, that are text and no closed set."""
    found: set[str] = set()
    for field in dataclasses.fields(kind):
        for part in parts(typing.get_type_hints(kind)[field.name]):
            if part is str and field.name not in NAMES:
                found.add(f"{kind.__name__}.{field.name}")
            elif dataclasses.is_dataclass(part) and part not in seen and part is not Statement:
                seen.add(part)
                found |= texts(part, seen)
    return found


def parts(hint: Any) -> list[Any]:
    """What a type is made of."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is not None:
        arguments = [] if typing.get_origin(hint) is typing.Literal else typing.get_args(hint)
        return [part for argument in arguments for part in parts(argument)]
    return [hint]


def test_no_event_holds_free_text_but_what_a_person_typed() -> None:
    seen: set[Any] = set()
    found = set().union(*(texts(kind, seen) for kind in typing.get_args(Event)))
    assert found == TYPED


# ── What decides ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hold_is_known_by_its_code() -> None:
    placed = HoldPlaced(
        hold="h1", dataset=None, since=None, until=None, subject=None, reason="", reference="2026-17", review_on=NOW
    )
    assert english(on_hold([placed, dataclasses.replace(placed, hold="h2", reference="")])) == "on hold (2026-17, h2)"
    assert is_hold(on_hold([placed]))
    assert is_hold(Reason.SUBJECT_HOLD())
    assert not is_hold(Reason.PERSON_UNNAMED())
    assert differs([]) == Reason.DIFFERS()
    assert english(differs(["ip", "actor"])).endswith("held less of ip, actor")


@pytest.mark.parametrize(
    ("outcome", "status", "why", "expected"),
    [
        (StepOutcome.DONE, 0, None, Reason.SINCE_PURGED()),
        (StepOutcome.FAILED, 6, None, Reason.GUARD()),
        (StepOutcome.FAILED, 75, None, Reason.FAILED()),
        (StepOutcome.SKIPPED, 0, Skip.NOT_EXECUTED(), Reason.STEP_SKIPPED(why=Skip.NOT_EXECUTED())),
    ],
)
def test_why_rows_are_still_there_follows_from_the_step(
    outcome: StepOutcome, status: int, why: Statement | None, expected: Statement
) -> None:
    step = StepResult(step="purge", outcome=outcome, exit_status=status, duration_ms=0, reason=why)
    assert still_there("purged", step) == expected


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, ArchiverError) and kind is not ArchiverError
    ]
    made = [kind("secret", code="", facts={}) if kind is errors.ChunkUnsound else kind("secret") for kind in kinds]
    said = [failure_of(one) for one in made]
    assert len({one.code for one in said}) == len(kinds)
    assert all("secret" not in english(one) for one in said)
