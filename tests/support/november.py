"""The report on the story's last month, built and rendered once for all tests that look at it."""

from datetime import UTC, datetime
from functools import cache

from archiver.reports.build import Context, build_report
from archiver.reports.files import Format, rendered
from archiver.reports.model import Report
from archiver.reports.period import month_of
from archiver.words import LanguageCode
from tests.support.story import story

NOVEMBER = month_of(datetime(2026, 11, 1, tzinfo=UTC))
CONTEXT = Context(store="s3://archive/logs", anchor="postgresql://db.example/archiver.anchor")
LANGUAGES: tuple[LanguageCode, ...] = ("de", "en")
FORMATS: tuple[Format, ...] = ("html", "pdf", "json", "csv")


@cache
def november() -> Report:
    """The story's last month."""
    return build_report(story(), NOVEMBER, CONTEXT)


@cache
def files() -> dict[str, bytes]:
    """All of its files."""
    return dict(rendered(november(), LANGUAGES, FORMATS))
