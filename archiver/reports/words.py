"""A language as reports write it: the catalogue of statements, their own texts, and how periods are written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from archiver.model import RowsKept, Statement
from archiver.reports.catalogue import CATALOGUE
from archiver.reports.model import Fact
from archiver.reports.period import LOCAL_ZONE, Period, instant_of
from archiver.words import STATEMENTS, Language, LanguageCode, Message
from archiver.words.language import DAY_S, HOUR_S

TEXTS: Final[Mapping[str, Message]] = {**STATEMENTS, **CATALOGUE}

_DAY = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?=$|[T/])")


@dataclass(frozen=True, slots=True)
class Words(Language):
    """Texts of one language."""

    language: LanguageCode
    texts: Mapping[str, Message] = field(default_factory=lambda: TEXTS)

    def t(self, key: str, /, **facts: Fact) -> str:
        """A text of the catalogue, filled in."""
        return self.filled(
            key, {name: self.duration(value) if name.endswith("_s") else value for name, value in facts.items()}
        )

    def fact(self, name: str, value: object) -> str:
        """One fact in a sentence."""
        if isinstance(value, datetime):
            return self.instant(value)
        if isinstance(value, date):
            return self.day(value)
        if value is None:
            return self.t("none")
        if isinstance(value, str) and (instant := instant_of(value)) is not None and not name.endswith("_clock"):
            return self.instant(instant)
        if isinstance(value, tuple) and value and isinstance(value[0], Statement):
            return self.statements(value)
        return Language.fact(self, name, value)

    def name(self, fact: str, text: str) -> str:
        """A name; steps have words of their own."""
        return self.step(text) if fact == "step" else text

    def duration(self, seconds: Fact) -> str:
        """``30 Tage``, ``12 Std.``; ``unbefristet`` for None."""
        if not isinstance(seconds, int):
            return self.t("unlimited")
        if abs(seconds) >= DAY_S or not seconds:
            days = self.decimal(seconds / DAY_S)
            noun = ("Tag", "day") if days == "1" else ("Tage", "days")
        else:
            days, noun = self.decimal(seconds / HOUR_S), ("Std.", "h")
        return f"{days} {noun[0] if self.language == 'de' else noun[1]}"

    def slot(self, text: str) -> str:
        """A window with its days as this language writes them."""
        return _DAY.sub(lambda match: self.day(date.fromisoformat(match[0])), text)

    def moment(self, value: datetime | None) -> str:
        """To the second, where the column says UTC already."""
        return self.t("none") if value is None else f"{self.day(value.date())} {value:%H:%M:%S}"

    def text_instant(self, value: str | None) -> str:
        """A time as the ledger has it."""
        instant = instant_of(value)
        return self.t("none") if instant is None else self.instant(instant)

    def bounds(self, period: Period) -> str:
        """Both ends, to the minute, in UTC."""
        ends = (f"{self.day(end.date())} {end:%H:%M}" for end in (period.since, period.until))
        return " – ".join(ends) + " UTC"  # noqa: RUF001

    def local_bounds(self, period: Period) -> str:
        """The same in Europe/Berlin, each end with its offset."""
        ends = []
        for end in (period.since, period.until):
            try:
                local = end.astimezone(LOCAL_ZONE)
            except OverflowError:
                local = end
            ends.append(f"{self.day(local.date())} {local:%H:%M} {local:%Z}")
        return " – ".join(ends)  # noqa: RUF001

    def period(self, period: Period) -> str:
        """``11/2026``, a day, or two bounds."""
        if period.kind == "month":
            return f"{period.since.month:02d}/{period.since.year}" if self.language == "de" else period.label
        return self.day(period.since.date()) if period.kind == "day" else self.bounds(period)

    def step(self, name: str) -> str:
        """A step of a run."""
        return self.t(f"stepname.{name}") if f"stepname.{name}" in self.texts else name

    def action(self, name: str) -> str:
        """What a policy does."""
        return self.t(f"policy.{name}") if f"policy.{name}" in self.texts else name

    def check(self, name: str) -> str:
        """What a check of the stack looked at, with its stable name."""
        return f"{self.t(f'check.{name}')} ({name})" if f"check.{name}" in self.texts else name

    def kept(self, shares: tuple[RowsKept, ...]) -> str:
        """Reasons with their numbers."""
        return "; ".join(self.t("left.one", rows=share.rows, reason=self.statement(share.reason)) for share in shares)
