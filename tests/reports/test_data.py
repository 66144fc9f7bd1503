"""A report as data: valid by the published schema, and a deletion record that lacks no field without saying so."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jsonschema
import pytest

from archiver.model import Initialised
from archiver.reports.build import Context, build_report
from archiver.reports.compose import measured
from archiver.reports.data import COLUMNS, csv_bytes, derived_schema, json_bytes, schema
from archiver.reports.model import Report
from archiver.reports.period import month_of
from archiver.reports.words import Words
from tests.support.archive import ARCHIVE_ID, SIGNER
from tests.support.november import CONTEXT, november
from tests.support.story import chunk_list, signed

RECORD_FIELDS = {
    "report number": ["number"],
    "period in UTC": ["facts.period.since", "facts.period.until"],
    "tool version": ["written_by", "facts.tool"],
    "configuration hash": ["facts.rules.config_sha256"],
    "controller": ["facts.rules.controller"],
    "processor": ["facts.rules.processor"],
    "data protection officer": ["facts.rules.officer"],
    "record-of-processing number": ["facts.rules.record"],
    "data type": ["facts.datasets[].name", "facts.datasets[].deletions[].dataset"],
    "deletion class": ["facts.rules.datasets[].deletion_class"],
    "rule: start": ["facts.rules.datasets[].time_column"],
    "rule: period": ["facts.rules.datasets[].source_retention_s", "facts.rules.datasets[].archive_retention_s"],
    "legal basis": ["facts.rules.datasets[].legal_basis"],
    "purpose": ["facts.rules.datasets[].purpose"],
    "reason": ["facts.datasets[].deletions[].reason"],
    "storage place": ["store", "facts.datasets[].deletions[].place"],
    "operation": ["facts.datasets[].deletions[].operation"],
    "due date": ["facts.datasets[].deletions[].due_from", "facts.datasets[].deletions[].due_until"],
    "oldest and newest": ["facts.datasets[].deletions[].oldest", "facts.datasets[].deletions[].newest"],
    "planned": ["facts.datasets[].deletions[].rows_planned"],
    "done": ["facts.datasets[].deletions[].rows_done"],
    "difference": ["facts.datasets[].deletions[].rows_difference"],
    "difference: reason": ["facts.datasets[].deletions[].differences"],
    "proof: object": ["facts.datasets[].deletions[].proofs[].key"],
    "proof: size": ["facts.datasets[].deletions[].proofs[].size_bytes"],
    "proof: hash": ["facts.datasets[].deletions[].proofs[].sha256"],
    "proof: rows": ["facts.datasets[].deletions[].proofs[].rows"],
    "proof: check before deletion": ["facts.datasets[].deletions[].proofs[].verified_at"],
    "method": ["facts.datasets[].deletions[].method"],
    "executing instance": ["facts.datasets[].deletions[].run", "facts.datasets[].deletions[].tool"],
    "chunk files: planned, done, kept": [
        "facts.datasets[].deletions[].chunks.planned",
        "facts.datasets[].deletions[].chunks.done",
        "facts.datasets[].deletions[].chunks.kept",
    ],
    "chunk files: check before deletion": ["facts.datasets[].deletions[].chunks.proven_at"],
    "negative check": ["facts.datasets[].deletions[].rows_left", "facts.datasets[].observations[].rows_overdue"],
    "residual copies": ["facts.datasets[].residuals[].copy", "facts.datasets[].residuals[].until"],
    "residual copies: archive, object lock": [
        "facts.datasets[].deletions[].archive_due_at",
        "facts.datasets[].deletions[].kept_until",
    ],
    "suspended by hold": ["facts.holds[].reference", "facts.datasets[].deletions[].rows_on_hold"],
    "went along, not archived": [
        "facts.datasets[].deletions[].changed",
        "facts.datasets[].deletions[].changed[].relation",
        "facts.datasets[].deletions[].changed[].deleted",
    ],
    "failures": ["facts.runs[].exit_status"],
    "missed runs": ["facts.nights.missed"],
    "overdue": ["facts.datasets[].observations[].rows_overdue"],
    "monitoring: due": ["facts.datasets[].observations[].limit_s"],
    "monitoring: configured": ["facts.stack.findings[].configured", "facts.stack.findings[].in_force"],
    "monitoring: observed oldest": ["facts.datasets[].observations[].oldest", "facts.stack.findings[].observed"],
    "chain head": ["facts.chain.head_seq", "facts.chain.head_hash"],
    "signature": ["facts.chain.head_signature", "facts.chain.public_key"],
    "command to check": ["verify_command"],
}
"""What an auditor's deletion record (Löschprotokoll) holds, and where the JSON document has it."""


@cache
def empty() -> Report:
    """Of an archive that has just begun and knows nothing."""
    begun = Initialised(archive_id=ARCHIVE_ID, format=1, ordering="conditional", public_key=SIGNER.public_key)
    entries = signed([(datetime(2026, 11, 2, tzinfo=UTC), [begun])])
    return build_report(entries, month_of(datetime(2026, 11, 1, tzinfo=UTC)), Context(store="s3://a", anchor=""))


def found(document: Any, path: str) -> list[Any]:
    """Every value at a path; ``[]`` goes through a list."""
    values = [document]
    for part in path.split("."):
        name, _, many = part.partition("[")
        values = [value[name] for value in values if value is not None]
        if many:
            values = [one for value in values for one in value or ()]
    return values


@pytest.mark.parametrize("report", [november, empty])
def test_json_is_valid_by_the_published_schema(report: Any) -> None:
    jsonschema.validate(json.loads(json_bytes(report())), schema())


def test_the_published_schema_is_that_of_the_types() -> None:
    assert schema() == json.loads(json.dumps(derived_schema())), "write it anew: see docs/report.md"


@pytest.mark.parametrize("field", RECORD_FIELDS)
def test_each_field_of_the_deletion_record_is_there_or_stated_as_a_gap(field: str) -> None:
    document = json.loads(json_bytes(november()))
    gaps = {re.sub(r"\[[^\]]*\]", "[]", gap["field"]) for gap in document["gaps"]}
    for path in RECORD_FIELDS[field]:
        values = found(document, path)
        assert values, f"{path} is nowhere"
        assert any(value not in ("", None) for value in values) or path in gaps


@pytest.mark.parametrize("name", ["controller", "processor", "officer", "record", "residuals"])
def test_what_is_not_configured_is_a_gap(name: str) -> None:
    gaps = {gap.field for gap in november().gaps}
    assert november().facts.rules is not None
    assert (f"facts.rules.{name}" in gaps) == (not getattr(november().facts.rules, name))


def test_an_archive_that_knows_nothing_says_what_is_not_recorded() -> None:
    report = empty()
    assert [(gap.field, gap.state) for gap in report.gaps] == [("facts.rules", "not_recorded")]
    assert {one.code for one in report.remarks} == {"rules_not_recorded", "stack_not_checked", "nights_not_recorded"}
    assert report.verdict == "attention"
    counted = {one.code: measured(one, report, Words("de")) for one in report.measures}
    assert [counted[name] for name in ("nights_missed", "findings_breach", "rows_deleted")] == ["–", "–", "0"]  # noqa: RUF001
    assert report.compared_with is None


def test_the_csv_file_has_a_line_for_each_deletion() -> None:
    data = csv_bytes(november())
    assert b"\r\n" in data
    assert not re.search(rb"[^\r]\n", data)
    lines = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    deletions = [one for dataset in november().facts.datasets for one in dataset.deletions]
    assert len(lines) == len(deletions) + len(november().facts.litter)
    assert {name for line in lines for name, value in line.items() if value} == set(COLUMNS)
    first = lines[0]
    assert (first["operation"], first["window"], first["rows_planned"], first["rows_done"]) == (
        "relocation",
        "2026-10-01",
        "1007",
        "1007",
    )
    assert first["due_from"] == "2026-10-31T00:00:00Z"
    assert first["period_since_berlin"] == "2026-11-01T01:00:00+01:00"
    assert first["legal_basis"] == "Art. 6(1)(f) DSGVO"
    changed = next(line for line in lines if line["difference_reasons"])
    assert changed["difference_reasons"] == "12 differs from what is archived: changed since"
    assert int(changed["rows_planned"]) - int(changed["rows_done"]) == int(changed["rows_difference"]) == 12
    assert {line["rows_changed_elsewhere"] for line in lines} == {
        "",
        "not recorded",
        "public.event_notes: 7 rows deleted, 2 rows updated",
    }
    gone = next(line for line in lines if line["operation"] == "deletion")
    assert (gone["rows_left_in_window"], gone["storage_place"], gone["rule_start"]) == (
        "0",
        CONTEXT.store,
        "end of the window",
    )


def test_chunk_files_are_lines_of_the_csv_file_that_count_chunks() -> None:
    lines = csv.DictReader(io.StringIO(csv_bytes(november()).decode(), newline=""))
    files = [line for line in lines if line["chunks_planned"]]
    assert [(line["chunks_planned"], line["chunks_done"], line["chunks_kept"]) for line in files] == [
        ("6", "6", "0"),
        ("6", "4", "2"),
        ("5", "3", "2"),
        ("2", "2", "0"),
    ]
    assert {(line["operation"], line["storage_place"], line["rows_done"]) for line in files} == {
        ("relocation", "loki: loki", "not recorded")
    }
    assert {line["residual_copies"] for line in files} == {"none"}
    assert files[1]["difference_reasons"].startswith("2 chunks could not be deleted")
    assert files[2]["difference_reasons"].startswith("2 chunks were still there: the run")
    assert files[2]["checked_before"] < files[2]["deleted_at"]
    assert (files[0]["size_bytes"], files[0]["proof_sha256"]) == (str(6 * 4_096), chunk_list("gone 18 6", 6).sha256)
    gaps = {gap.field: gap.state for gap in november().gaps}
    assert gaps["facts.datasets[loki].deletions[].rows_done"] == "not_recorded"


def test_no_text_in_the_csv_file_is_a_formula() -> None:
    text = csv_bytes(november()).decode()
    for line in csv.reader(io.StringIO(text, newline="")):
        assert not [value for value in line if value[:1] in ("=", "+", "-", "@")]
