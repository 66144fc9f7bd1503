"""A report on a terminal, for those who want no file."""

from collections.abc import Iterator

from archiver.reports.compose import measured, remark_note
from archiver.reports.document import Document, Facts, Paragraph, visible
from archiver.reports.model import DatasetFacts, Level, Report
from archiver.reports.words import Words

LABEL_WIDTH = 44
NUMBER_WIDTH = 14


def summary(report: Report, words: Words) -> str:
    """The first screen as plain text, no line ending at its end."""
    return "\n".join(visible(line) for line in _lines(report, words))


def _lines(report: Report, words: Words) -> Iterator[str]:
    facts = report.facts
    yield f"{words.t('title.report')} {words.period(facts.period)}  {report.number}"
    points = sum(remark.level is report.verdict for remark in report.remarks)
    yield f"{words.t(f'verdict.{report.verdict}')}: {words.t(f'verdict.{report.verdict}.text', points=points)}"
    yield ""
    for remark in report.remarks:
        note = remark_note(remark, words)
        mark = {Level.BROKEN: "!!", Level.ATTENTION: "! ", Level.KEPT: "  "}[remark.level]
        yield f"{mark} {note.subject}: {note.text}"
        yield f"   → {note.action.text}"
    if report.remarks:
        yield ""
    yield f"{'':<{LABEL_WIDTH}}{words.t('column.before'):>{NUMBER_WIDTH}}{words.t('column.now'):>{NUMBER_WIDTH}}"
    for measure in report.measures:
        before = words.t("none") if measure.before is None else words.number(measure.before)
        label = words.t(f"measure.{measure.code}")
        yield f"{label:<{LABEL_WIDTH}} {before:>{NUMBER_WIDTH - 1}}{measured(measure, report, words):>{NUMBER_WIDTH}}"
    yield ""
    for dataset in facts.datasets:
        yield f"{dataset.name}: {_dataset(dataset, words)}"
    if facts.chain is not None:
        yield ""
        yield words.t("as_of", seq=str(facts.chain.head_seq), at=facts.chain.head_at) + f", {facts.chain.head_hash}"
        yield report.verify_command


def _dataset(dataset: DatasetFacts, words: Words) -> str:
    parts = (
        ("archived", dataset.archived.rows),
        ("relocated", dataset.rows_relocated),
        ("deleted", dataset.rows_deleted),
    )
    counts = [f"{words.number(rows)} {words.t(f'chart.{name}')}" for name, rows in parts]
    return ", ".join([*counts, f"{words.t('label.held')}: {words.t('rows', rows=dataset.held.rows)}"])


def plain(document: Document) -> str:
    """A document of facts and paragraphs as plain text; tables and charts are for files."""
    lines = [document.title, document.subtitle]
    for section in document.sections:
        lines += ["", section.title]
        for block in section.blocks:
            if isinstance(block, Paragraph):
                lines.append(f"  {block.text}")
            elif isinstance(block, Facts):
                for label, values in block.items:
                    lines.append(f"  {label}: {', '.join(cell.text for cell in values)}")
    return "\n".join(visible(line) for line in lines)
