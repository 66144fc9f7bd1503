"""A report as data: JSON by a published schema, the deletion record as CSV (RFC 4180). The same in every language."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from importlib import resources
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from archiver.model import DatasetRules, RulesStated
from archiver.reports.model import Deletion, Report
from archiver.reports.period import LOCAL_ZONE
from archiver.retention import describe
from archiver.words import english, english_list

SCHEMA_FILE = "report.schema.json"


def json_bytes(report: Report) -> bytes:
    """The whole report, indented, one newline at its end."""
    return (json.dumps(to_jsonable_python(asdict(report)), ensure_ascii=False, indent=1) + "\n").encode()


def schema() -> dict[str, Any]:
    """The published JSON schema, as it lies beside this file."""
    text = (resources.files(__package__) / SCHEMA_FILE).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def derived_schema() -> dict[str, Any]:
    """What the schema must be by the report's own types; a test holds the published one against it."""
    derived = TypeAdapter(Report).json_schema(mode="serialization")
    for definition in (derived, *derived.get("$defs", {}).values()):
        if definition.get("type") == "object" and "properties" in definition:
            definition["additionalProperties"] = False
            definition["required"] = sorted(definition["properties"])
            # A docstring's list of attributes is for whoever reads the code.
            definition["description"] = definition.get("description", "").split("\n\n")[0].strip()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "archiver report", **derived}


# ── The deletion record ────────────────────────────────────────────────────────────────────────────────────────


def csv_bytes(report: Report) -> bytes:
    """A line for each deletion, oldest first by dataset; CRLF, UTF-8, a header."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=list(COLUMNS), lineterminator="\r\n")
    writer.writeheader()
    common = _common(report)
    for deletion in _deletions(report):
        writer.writerow({name: _inert(value) for name, value in {**common, **_line(report, deletion)}.items()})
    return out.getvalue().encode()


def _deletions(report: Report) -> Iterator[Deletion]:
    for dataset in report.facts.datasets:
        yield from dataset.deletions
    yield from report.facts.litter


def _inert(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe, as spreadsheets themselves do."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _when(value: datetime | None) -> str:
    return "" if value is None else to_jsonable_python(value)


def _local(value: datetime) -> str:
    try:
        return value.astimezone(LOCAL_ZONE).isoformat()
    except OverflowError:
        return value.isoformat()


def _common(report: Report) -> dict[str, Any]:
    facts, rules, chain = report.facts, report.facts.rules, report.facts.chain
    findings = facts.stack.findings if facts.stack else ()
    return {
        "report_number": report.number,
        "period_since_utc": _when(facts.period.since),
        "period_until_utc": _when(facts.period.until),
        "period_since_berlin": _local(facts.period.since),
        "period_until_berlin": _local(facts.period.until),
        "config_sha256": NOT_RECORDED if rules is None else rules.config_sha256,
        "controller": _stated(rules, "controller"),
        "processor": _stated(rules, "processor"),
        "officer": _stated(rules, "officer"),
        "record_of_processing": _stated(rules, "record"),
        "stack_findings": NOT_RECORDED
        if facts.stack is None
        else "; ".join(f"{finding.check}={finding.verdict}" for finding in findings),
        "nights_missed": NOT_RECORDED
        if facts.nights.recorded_since is None
        else "; ".join(str(night) for night in facts.nights.missed),
        "runs_failed": sum(run.exit_status != 0 for run in facts.runs),
        "head_seq": "" if chain is None else chain.head_seq,
        "head_sha256": "" if chain is None else chain.head_hash,
        "head_signature": "" if chain is None else chain.head_signature,
        "public_key": "" if chain is None else chain.public_key,
        "verify_command": report.verify_command,
    }


def _stated(rules: RulesStated | DatasetRules | None, name: str) -> str:
    return "not configured" if rules is None else getattr(rules, name) or "not configured"


def _line(report: Report, deletion: Deletion) -> dict[str, Any]:
    rule = deletion.rule
    facts = next((dataset for dataset in report.facts.datasets if dataset.name == deletion.dataset), None)
    place = "source" if deletion.operation == "relocation" else "archive"
    seen = next((seen for seen in (facts.observations if facts else ()) if seen.place == place), None)
    files = deletion.chunks
    limit_s = None
    if rule is not None:
        limit_s = rule.source_retention_s if place == "source" else rule.archive_retention_s
    return {
        "operation": deletion.operation,
        "dataset": deletion.dataset,
        "window": deletion.slot,
        "deletion_class": _stated(rule, "deletion_class"),
        "rule_start": "" if rule is None else (rule.time_column if place == "source" else "end of the window"),
        "rule_period_days": "not configured" if limit_s is None else f"{limit_s / 86_400:g}",
        "purpose": _stated(rule, "purpose"),
        "legal_basis": _stated(rule, "legal_basis"),
        "reason": deletion.reason,
        "storage_place": deletion.place if place == "source" else report.store,
        "due_from": _when(deletion.due_from),
        "due_until": _when(deletion.due_until),
        "oldest": deletion.oldest or "",
        "newest": deletion.newest or "",
        "rows_planned": ("" if deletion.rows_planned is None else deletion.rows_planned)
        if files is None
        else NOT_RECORDED,
        "rows_done": deletion.rows_done if files is None else NOT_RECORDED,
        "rows_difference": deletion.rows_difference if files is None else NOT_RECORDED,
        "chunks_planned": "" if files is None else files.planned,
        "chunks_done": "" if files is None else files.done,
        "chunks_kept": "" if files is None else files.kept,
        "size_bytes": deletion.size_bytes or "",
        "difference_reasons": "; ".join(
            [
                *(f"{kept.rows} {english(kept.reason)}" for kept in deletion.differences),
                *([f"{files.kept} chunks {WHY_KEPT[files.why_kept]}"] if files is not None and files.kept else []),
            ]
        ),
        "rows_on_hold": deletion.rows_on_hold,
        "rows_changed_elsewhere": NOT_RECORDED
        if deletion.changed is None
        else "; ".join(describe(change) for change in deletion.changed),
        "deleted_at": _when(deletion.deleted_at),
        "method": deletion.method,
        "executed_by": f"{deletion.tool}, run {deletion.run}",
        "confirmed": english_list(deletion.confirmed),
        "plan_sha256": deletion.plan_sha256,
        "entry_seq": deletion.entry_seq,
        "entry_sha256": deletion.entry_sha256,
        "proof_objects": "; ".join(proof.key for proof in deletion.proofs),
        "proof_sha256": "; ".join(proof.sha256 for proof in deletion.proofs),
        "proof_rows": "; ".join(str(proof.rows) for proof in deletion.proofs),
        "proof_size_bytes": "; ".join(str(proof.size_bytes) for proof in deletion.proofs),
        "checked_before": "; ".join(_when(proof.verified_at) or "never" for proof in deletion.proofs)
        if files is None
        else _when(files.proven_at) or NOT_RECORDED,
        "rows_left_in_window": "" if deletion.rows_left is None else deletion.rows_left,
        "negative_check_at": _when(deletion.checked_at if files is not None else seen.at if seen else None)
        or NOT_RECORDED,
        "negative_check_rows_overdue": "" if seen is None else seen.rows_overdue,
        "observed_oldest": "" if seen is None else seen.oldest or "",
        "residual_copies": "; ".join(
            f"{english(copy.copy)} until {_when(copy.until) or 'unknown'}" for copy in deletion.residuals
        )
        or ("none" if report.facts.rules is not None and report.facts.rules.residuals else "not configured"),
        "archive_due_at": _when(deletion.archive_due_at),
        "kept_until": _when(deletion.kept_until),
    }


NOT_RECORDED = "not recorded"
WHY_KEPT = {
    "": "",
    "not_deleted": "could not be deleted, or were not the files any more that had been compared",
    "run_died": "were still there: the run that announced them died before it deleted them",
}
"""Why chunk files stayed, in words."""

COLUMNS = (
    *("report_number", "period_since_utc", "period_until_utc", "period_since_berlin", "period_until_berlin"),
    *("config_sha256", "controller", "processor", "officer", "record_of_processing"),
    *("operation", "dataset", "window", "deletion_class", "rule_start", "rule_period_days", "purpose", "legal_basis"),
    *("reason", "storage_place", "due_from", "due_until", "oldest", "newest"),
    *("rows_planned", "rows_done", "rows_difference", "difference_reasons", "rows_on_hold"),
    "rows_changed_elsewhere",
    *("chunks_planned", "chunks_done", "chunks_kept", "size_bytes"),
    *("deleted_at", "method", "executed_by", "confirmed", "plan_sha256", "entry_seq", "entry_sha256"),
    *("proof_objects", "proof_sha256", "proof_rows", "proof_size_bytes", "checked_before"),
    *("rows_left_in_window", "negative_check_at", "negative_check_rows_overdue", "observed_oldest"),
    *("residual_copies", "archive_due_at", "kept_until"),
    *("stack_findings", "nights_missed", "runs_failed"),
    *("head_seq", "head_sha256", "head_signature", "public_key", "verify_command"),
)
"""Of the CSV file, in this order."""
