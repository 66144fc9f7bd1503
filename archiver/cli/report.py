"""``archiver report``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from archiver.app import build
from archiver.app import report as wiring_report
from archiver.app.archive import open_archive
from archiver.cli.common import JsonOption, SinceOption, UntilOption, bounds, context
from archiver.config import Settings, parse_since
from archiver.errors import ConfigError
from archiver.reports import vvt
from archiver.reports.data import json_bytes
from archiver.reports.files import Format
from archiver.reports.period import Period, day_of, month_of, span
from archiver.reports.summary import plain, summary
from archiver.reports.words import Words
from archiver.words import LanguageCode


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
    told = context.output(as_json=json_)
    period = _period(day, month, since, until, build.now())
    languages = _languages(lang, loaded)
    formats = _formats(format_, loaded)
    with open_archive(loaded, "read") as archive:
        made = wiring_report.report_on(loaded, archive.ledger, period)
    place = _place(output, format_, loaded)
    files = [] if place is None else wiring_report.write_files(made, languages, formats, place)
    if json_:
        typer.echo(json_bytes(made).decode(), nl=False)
        return
    if place is None:
        told.answer(summary(made, Words(languages[0])))
    for file in files:
        told.say(f"written {file}")


def _record_of_processing(lang: str | None, format_: str | None, output: Path | None, *, json_: bool) -> None:
    settings = context.load().settings
    record = wiring_report.processing_record(settings)
    languages = _languages(lang, settings)
    told = context.output(as_json=json_)
    place = _place(output, format_, settings)
    if place is not None:
        for file in wiring_report.write_all(vvt.rendered(record, languages, _formats(format_, settings)), place):
            told.say(f"written {file}")
    if json_:
        typer.echo(vvt.json_bytes(record).decode(), nl=False)
    elif place is None:
        told.answer(plain(vvt.record_document(record, Words(languages[0]))))


def _place(output: Path | None, format_: str | None, settings: Settings) -> Path | None:
    """Where files are written; None: they are not."""
    if output is not None or format_ is None:
        return output
    return wiring_report.report_directory(settings)


def _period(day: str | None, month: str | None, since: str | None, until: str | None, now: datetime) -> Period:
    """The one period that the options mean.

    Raises:
        ConfigError: They mean several, or none that there is.
    """
    if sum((day is not None, month is not None, since is not None or until is not None)) > 1:
        raise ConfigError(
            "--day, --month and --since are three ways to say when, and more than one was given; nothing was written",
            hint="leave all but one of them out",
        )
    if day is not None:
        return day_of(parse_since(day, now, option="--day"))
    if month is not None:
        return _month(month)
    if since is None and until is None:
        return month_of(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1))
    low, high = bounds(since, until)
    if low is None:
        raise ConfigError(
            "--until was given without --since; nothing was written", hint="say from when on: --since 2026-11-01"
        )
    # Up to the next midnight: where the ledger ends the report ends, so that the same ledger gives the same report.
    return span(low, high or day_of(now).until)


def _month(text: str) -> Period:
    try:
        return month_of(datetime.strptime(text.strip(), "%Y-%m").replace(tzinfo=UTC))
    except ValueError:
        raise ConfigError(f"--month {text!r} is no month; nothing was written", hint="write it as 2026-11") from None


def _languages(given: str | None, settings: Settings) -> tuple[LanguageCode, ...]:
    names = settings.report.languages if given is None else _several("--lang", given, get_args(LanguageCode))
    return cast("tuple[LanguageCode, ...]", names)


def _formats(given: str | None, settings: Settings) -> tuple[Format, ...]:
    names = settings.report.formats if given is None else _several("--format", given, get_args(Format))
    return cast("tuple[Format, ...]", names)


def _several(option: str, text: str, known: tuple[Any, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ConfigError(
            f"{option} {text!r}: {unknown[0] if unknown else 'nothing'} is none of {', '.join(known)}; nothing was"
            " written",
            hint=f"write one or more of {', '.join(known)}, separated by commas",
        )
    return names
