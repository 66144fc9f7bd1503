"""The record of processing activities (Art. 30(1) GDPR), from the configuration. Pure; what is missing is named."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date

from archiver.model import OF_DATABASE, DatasetRules, ResidualRule, RulesStated
from archiver.reports.compose_dataset import archive_rule, configured, source_rule, treatments
from archiver.reports.document import Block, Cell, Document, Facts, Paragraph, Section, cells
from archiver.reports.html import html
from archiver.reports.pdf import pdf
from archiver.reports.words import Words
from archiver.words import LanguageCode

PREFIX = "archiver-vvt"
KNOWN_MEASURES = ("integrity", "deletion", "holds", "minimal")
"""Measures that hold by what archiver is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One dataset's own statements.

    Attributes:
        dataset: Named in the rules too.
    """

    dataset: str
    data_categories: tuple[str, ...]
    person_categories: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingRecord:
    """What the record of processing says.

    Attributes:
        as_of: The day on which the configuration said so.
        activities: One for each of the rules' datasets.
        encryption: What is asked of the object store; empty: its own default. None: the archive is a directory.
        measures: Further ones, as configured.
    """

    written_by: str
    as_of: date
    rules: RulesStated
    activities: tuple[Activity, ...]
    recipients: tuple[str, ...]
    transfers: tuple[str, ...]
    encryption: str | None
    measures: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of statements that are not configured."""
        rules = self.rules
        missing = [name for name in ("controller", "processor", "officer", "record") if not getattr(rules, name)]
        missing += [name for name in ("recipients", "transfers") if not getattr(self, name)]
        for rule in rules.datasets:
            missing += [f"{rule.dataset}.{name}" for name in ("purpose", "legal_basis") if not getattr(rule, name)]
            if rule.archive_retention_s is None:
                missing.append(f"{rule.dataset}.archive_retention")
        for activity in self.activities:
            missing += [
                f"{activity.dataset}.{name}"
                for name in ("data_categories", "person_categories")
                if not getattr(activity, name)
            ]
        return tuple(missing)


def rendered(
    record: ProcessingRecord, languages: tuple[LanguageCode, ...], formats: tuple[str, ...]
) -> Iterator[tuple[str, bytes]]:
    """Each file's name and bytes; there is no CSV of it.

    Raises:
        ConfigError: A PDF is asked for, and what sets it is not installed.
    """
    for language in languages:
        document = record_document(record, Words(language))
        if "html" in formats:
            yield f"{PREFIX}.{language}.html", html(document)
        if "pdf" in formats:
            yield f"{PREFIX}.{language}.pdf", pdf(document)
    if "json" in formats:
        yield f"{PREFIX}.json", json_bytes(record)


def json_bytes(record: ProcessingRecord) -> bytes:
    """The record as data, one newline at its end."""
    document = {**asdict(record), "as_of": record.as_of.isoformat(), "missing": record.missing}
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def record_document(record: ProcessingRecord, words: Words) -> Document:
    """The record in one language."""
    missing = len(record.missing)
    state = words.t("vvt.gaps", gaps=missing) if missing else words.t("vvt.complete")
    return Document(
        language=words.language,
        title=words.t("vvt.title"),
        subtitle=words.t("vvt.subtitle"),
        number=record.rules.record,
        verdict=None,
        verdict_label="",
        verdict_text="",
        verdict_note="",
        figures=(),
        date=record.as_of,
        sections=(
            Section(
                "responsible", words.t("vvt.responsible"), (_responsible(record, words), Paragraph(state, "muted"))
            ),
            *_activities(record, words),
            _monitoring(record, words),
            Section("measures", words.t("vvt.measures"), tuple(_measures(record, words))),
        ),
    )


def _responsible(record: ProcessingRecord, words: Words) -> Block:
    rules = record.rules
    items = (
        ("label.controller", configured(rules.controller, words)),
        ("label.processor", configured(rules.processor, words)),
        ("label.officer", configured(rules.officer, words)),
        ("label.record", configured(rules.record, words)),
        ("vvt.recipients", _several(record.recipients, words)),
        ("vvt.transfers", _several(record.transfers, words)),
        ("label.as_of", cells(words.day(record.as_of))),
        ("label.config", cells(rules.config_sha256, tone="code")),
        ("label.tool", cells(record.written_by)),
    )
    return Facts(tuple((words.t(label), value) for label, value in items))


def _several(texts: tuple[str, ...], words: Words) -> tuple[Cell, ...]:
    return cells(*texts) or configured("", words)


def _activities(record: ProcessingRecord, words: Words) -> Iterator[Section]:
    activities = {activity.dataset: activity for activity in record.activities}
    for rule in record.rules.datasets:
        activity = activities[rule.dataset]
        items = (
            ("label.purpose", configured(rule.purpose, words)),
            ("label.legal_basis", configured(rule.legal_basis, words)),
            ("vvt.persons", _several(activity.person_categories, words)),
            ("vvt.data", _several(activity.data_categories, words)),
            ("label.place", cells(f"{rule.source}: {rule.place}", tone="code")),
            ("label.rule_source", cells(source_rule(rule, words))),
            ("label.rule_archive", archive_rule(rule, words)),
            ("label.deletion_class", configured(rule.deletion_class, words)),
            ("section.residuals", _copies(record, rule, words)),
        )
        yield Section(
            f"activity-{rule.dataset}",
            words.t("vvt.activity", name=rule.dataset),
            (Facts(tuple((words.t(label), value) for label, value in items)),),
        )


def _monitoring(record: ProcessingRecord, words: Words) -> Section:
    items = ((words.t("vvt.deadlines"), cells(words.duration(record.rules.stack_retention_s))),)
    return Section("monitoring", words.t("vvt.monitoring"), (Facts(items),))


def _copies(record: ProcessingRecord, rule: DatasetRules, words: Words) -> tuple[Cell, ...]:
    """Copies that outlive a deletion; logs were never in the database, and are in none of its backups."""
    known = [
        residual
        for residual in record.rules.residuals
        if rule.source != "loki" or residual.copy.code not in OF_DATABASE
    ]
    if known:
        return cells(*(_copy(residual, words) for residual in known))
    return cells(words.t("none")) if record.rules.residuals else configured("", words)


def _copy(rule: ResidualRule, words: Words) -> str:
    return f"{words.statement(rule.copy)}: {words.duration(rule.period_s)}"


def _measures(record: ProcessingRecord, words: Words) -> Iterator[Block]:
    for name in KNOWN_MEASURES:
        yield Paragraph(words.t(f"vvt.measure.{name}"))
    for rule in record.rules.datasets:
        policies = treatments(rule, words)
        if policies:
            measure = words.t("vvt.measure.policies", policies="; ".join(policies))
            yield Paragraph(f"{rule.dataset}: {measure}")
    if record.encryption is not None:
        mode = record.encryption or words.t("vvt.measure.bucket")
        yield Paragraph(words.t("vvt.measure.encryption", mode=mode))
    for text in record.measures:
        yield Paragraph(text)
