"""``archiver report``."""

from pathlib import Path
from typing import Annotated

import typer

from archiver.app import build
from archiver.app import report as use_case
from archiver.app.archive import open_archive
from archiver.cli.common import JsonOption, SinceOption, UntilOption, context
from archiver.cli.report_options import formats_asked, languages_asked, period_asked
from archiver.config import Settings
from archiver.errors import ConfigError
from archiver.reports import vvt
from archiver.reports.data import json_bytes
from archiver.reports.summary import plain, summary
from archiver.reports.words import Words


def report(
    day: Annotated[str | None, typer.Option(help="One UTC day: 2026-11-24, yesterday.")] = None,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="One UTC month. Without: the last one.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lang: Annotated[str | None, typer.Option(help="de, en, or both: de,en. Without: report.languages.")] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="Write files: html, pdf, json, csv, or several. Without: report.formats."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY", help="Write files there. Without it and --format: only tell, on the terminal."
        ),
    ] = None,
    vvt_: Annotated[
        bool, typer.Option("--vvt", help="The record of processing (Art. 30) from the configuration instead.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """The audit report of a period, proven by the ledger alone.

    What was archived, moved, deleted and left, and why. Asks no source; the same ledger gives the same bytes.

    Example: archiver report --month 2026-11 --lang de,en --output reports

    Example: archiver report --vvt --output reports
    """
    if vvt_:
        if (day, month, since, until) != (None, None, None, None):
            raise ConfigError(
                "--vvt tells of the configuration and takes no period; nothing was written",
                hint="leave --day, --month, --since and --until out",
            )
        _record_of_processing(lang, format_, output, json_=json_)
        return
    loaded = context.load().settings
    console = context.output(as_json=json_)
    period = period_asked(day, month, since, until, build.now())
    languages = languages_asked(lang, loaded)
    formats = formats_asked(format_, loaded)
    with open_archive(loaded, "read") as archive:
        made = use_case.report_on(loaded, archive.ledger, period)
    place = _place(output, format_, loaded)
    files = [] if place is None else use_case.write_files(made, languages, formats, place)
    if json_:
        typer.echo(json_bytes(made).decode(), nl=False)
        return
    if place is None:
        console.answer(summary(made, Words(languages[0])))
    for file in files:
        console.say(f"written {file}")


def _record_of_processing(lang: str | None, format_: str | None, output: Path | None, *, json_: bool) -> None:
    settings = context.load().settings
    record = use_case.processing_record(settings)
    languages = languages_asked(lang, settings)
    console = context.output(as_json=json_)
    place = _place(output, format_, settings)
    if place is not None:
        for file in use_case.write_all(vvt.rendered(record, languages, formats_asked(format_, settings)), place):
            console.say(f"written {file}")
    if json_:
        typer.echo(vvt.json_bytes(record).decode(), nl=False)
    elif place is None:
        console.answer(plain(vvt.record_document(record, Words(languages[0]))))


def _place(output: Path | None, format_: str | None, settings: Settings) -> Path | None:
    """Where files are written; None: they are not."""
    if output is not None or format_ is None:
        return output
    return use_case.report_directory(settings)
