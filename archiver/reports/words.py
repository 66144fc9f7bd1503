"""A language: its texts, and how it writes numbers and times. No locale of this machine is asked."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from archiver.model import RowsKept
from archiver.reports.catalogue import CATALOGUE
from archiver.reports.model import Fact
from archiver.reports.period import LOCAL_ZONE, Period, instant_of

Language = Literal["de", "en"]
DAY_S = 86_400
HOUR_S = 3600
_PLURAL = re.compile(r"\{(\w+)\|([^|{}]*)\|([^|{}]*)\}")
_PLAIN = re.compile(r"\{(\w+)\}")
_HOLD = re.compile(r"on hold \((.*)\)", re.DOTALL)

REASONS = {
    "nothing tells one row from another (no key)": "reason.no_key",
    "not archived": "reason.not_archived",
    "not verified since it was archived": "reason.not_verified",
    "not archived: came late": "reason.late",
    "differs from what is archived: changed since": "reason.differs",
    "more than one row has the key": "reason.duplicate",
    "changed by another run meanwhile": "reason.meanwhile",
    "a purge of its source is not accounted for yet": "reason.purge_open",
    "rows of it are still in the source": "reason.in_source",
}
"""Reasons as the ledger has them, in English. One that is not here is quoted as it is."""


@dataclass(frozen=True, slots=True)
class Words:
    """Texts of one language."""

    language: Language

    def t(self, key: str, /, **facts: Fact) -> str:
        """A text of the catalogue, filled in."""
        text: str = getattr(CATALOGUE[key], self.language)

        def counted(match: re.Match[str]) -> str:
            count = facts[match[1]]
            return f"{self.fact(match[1], count)} {match[2] if count == 1 else match[3]}"

        return _PLAIN.sub(lambda match: self.fact(match[1], facts[match[1]]), _PLURAL.sub(counted, text))

    def fact(self, name: str, value: Fact) -> str:
        """One fact in a sentence."""
        if isinstance(value, datetime):
            return self.instant(value)
        if isinstance(value, date):
            return self.day(value)
        if isinstance(value, int):
            return self.duration(value) if name.endswith("_s") else self.number(value)
        found = instant_of(value)
        return value if found is None else self.instant(found)

    def number(self, value: int) -> str:
        """``12.345`` or ``12,345``."""
        return f"{value:,}".replace(",", ".") if self.language == "de" else f"{value:,}"

    def decimal(self, value: float) -> str:
        """One place after the point or comma, unless it is 0."""
        whole, _, part = f"{value:.1f}".partition(".")
        point = "," if self.language == "de" else "."
        return self.number(int(whole)) + (f"{point}{part}" if part != "0" else "")

    def size(self, size_bytes: int) -> str:
        """``1,4 MiB``."""
        amount = float(size_bytes)
        for unit in ("B", "KiB", "MiB", "GiB"):
            if amount < 1024:  # noqa: PLR2004
                return f"{self.decimal(amount)} {unit}"
            amount /= 1024
        return f"{self.decimal(amount)} TiB"

    def duration(self, seconds: int | None) -> str:
        """``30 Tage``, ``12 Std.``."""
        if seconds is None:
            return self.t("unlimited")
        if abs(seconds) >= DAY_S or not seconds:
            days = self.decimal(seconds / DAY_S)
            noun = ("Tag", "day") if days == "1" else ("Tage", "days")
        else:
            days, noun = self.decimal(seconds / HOUR_S), ("Std.", "h")
        return f"{days} {noun[0] if self.language == 'de' else noun[1]}"

    def day(self, value: date) -> str:
        """``24.11.2026`` or ``2026-11-24``."""
        if self.language == "de":
            return f"{value.day:02d}.{value.month:02d}.{value.year:04d}"
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"

    def instant(self, value: datetime) -> str:
        """To the minute, in UTC."""
        return f"{self.day(value.date())} {value:%H:%M} UTC"

    def moment(self, value: datetime | None) -> str:
        """To the second, where the column says UTC already."""
        return self.t("none") if value is None else f"{self.day(value.date())} {value:%H:%M:%S}"

    def text_instant(self, value: str | None) -> str:
        """A time as the ledger has it."""
        found = instant_of(value)
        return self.t("none") if found is None else self.instant(found)

    def bounds(self, period: Period) -> str:
        """Both ends, to the minute, in UTC."""
        ends = (f"{self.day(one.date())} {one:%H:%M}" for one in (period.since, period.until))
        return " – ".join(ends) + " UTC"  # noqa: RUF001

    def local_bounds(self, period: Period) -> str:
        """The same in Europe/Berlin, each end with its offset."""
        ends = []
        for one in (period.since, period.until):
            try:
                local = one.astimezone(LOCAL_ZONE)
            except OverflowError:
                local = one
            ends.append(f"{self.day(local.date())} {local:%H:%M} {local:%Z}")
        return " – ".join(ends)  # noqa: RUF001

    def period(self, period: Period) -> str:
        """``11/2026``, a day, or two bounds."""
        if period.kind == "month":
            return f"{period.since.month:02d}/{period.since.year}" if self.language == "de" else period.label
        return self.day(period.since.date()) if period.kind == "day" else self.bounds(period)

    def reason(self, text: str) -> str:
        """A reason of the ledger in this language, as far as it is known."""
        if text in REASONS:
            return self.t(REASONS[text])
        held = _HOLD.fullmatch(text)
        if held is None:
            return text
        reference = self.t("reason.subject") if held[1] in ("subject", "a person") else held[1]
        return self.t("reason.hold", reference=reference)

    def kept(self, shares: tuple[RowsKept, ...]) -> str:
        """Reasons with their numbers."""
        return "; ".join(self.t("left.one", rows=one.rows, reason=self.reason(one.reason)) for one in shares)
