"""What the options of ``archiver report`` mean: a period, languages, kinds of files."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

from archiver.cli.common import bounds
from archiver.config import Settings, parse_since
from archiver.errors import ConfigError
from archiver.reports.files import Format
from archiver.reports.period import Period, day_of, month_of, span
from archiver.words import LanguageCode


def period_asked(day: str | None, month: str | None, since: str | None, until: str | None, now: datetime) -> Period:
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


def languages_asked(given: str | None, settings: Settings) -> tuple[LanguageCode, ...]:
    """The languages of ``--lang``, else those of the settings.

    Raises:
        ConfigError: There is none of that name.
    """
    names = settings.report.languages if given is None else _several("--lang", given, get_args(LanguageCode))
    return cast("tuple[LanguageCode, ...]", names)


def formats_asked(given: str | None, settings: Settings) -> tuple[Format, ...]:
    """The kinds of files of ``--format``, else those of the settings.

    Raises:
        ConfigError: There is none of that name.
    """
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
