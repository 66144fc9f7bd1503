"""A report as files: which there are, how they are called, what is in them."""

from collections.abc import Iterator, Sequence
from typing import Literal

from archiver.reports.compose import report_document
from archiver.reports.data import csv_bytes, json_bytes
from archiver.reports.html import html
from archiver.reports.model import Report
from archiver.reports.pdf import Attachment, pdf
from archiver.reports.words import Words
from archiver.words import LanguageCode

Format = Literal["html", "pdf", "json", "csv"]
PREFIX = "archiver-report"


def rendered(
    report: Report, languages: Sequence[LanguageCode], formats: Sequence[Format]
) -> Iterator[tuple[str, bytes]]:
    """Each file's name and bytes. Data are written once; what a person reads, once for each language.

    Raises:
        ConfigError: A PDF is asked for, and what sets it is not installed.
    """
    name = f"{PREFIX}-{report.facts.period.label}"
    data, record = json_bytes(report), csv_bytes(report)
    for language in dict.fromkeys(languages):
        document = report_document(report, Words(language))
        if "html" in formats:
            yield f"{name}.{language}.html", html(document)
        if "pdf" in formats:
            attached = (
                Attachment(f"{name}.json", data.decode(), "application/json", "The report as data"),
                Attachment(f"{name}.csv", record.decode(), "text/csv", "The deletion record"),
            )
            yield f"{name}.{language}.pdf", pdf(document, attached)
    if "json" in formats:
        yield f"{name}.json", data
    if "csv" in formats:
        yield f"{name}.csv", record
