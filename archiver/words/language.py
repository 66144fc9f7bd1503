"""How a language writes numbers, times and statements. No locale of this machine is asked."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from archiver.model import Statement
from archiver.model.statements import FactValue
from archiver.words.message import Message

LanguageCode = Literal["de", "en"]
DAY_S = 86_400
HOUR_S = 3600
MINUTE_S = 60

_PLURAL = re.compile(r"\{(\w+)\|([^|{}]*)\|([^|{}]*)\}")
_PLAIN = re.compile(r"\{(\w+)\}")
_SHORT = {
    "de": {"d": ("Tag", "Tage"), "h": ("Std.", "Std."), "min": ("Min.", "Min."), "s": ("Sek.", "Sek.")},
    "en": {"d": ("d", "d"), "h": ("h", "h"), "min": ("min", "min"), "s": ("s", "s")},
}


def placeholders(text: str) -> frozenset[str]:
    """The facts that a text names."""
    return frozenset([*_PLAIN.findall(text), *(name for name, _, _ in _PLURAL.findall(text))])


@dataclass(frozen=True, slots=True)
class Language:
    """One language with its texts."""

    language: LanguageCode
    texts: Mapping[str, Message]

    def filled(self, key: str, facts: Mapping[str, object]) -> str:
        """A text with its facts."""
        text: str = getattr(self.texts[key], self.language)

        def counted(match: re.Match[str]) -> str:
            count = facts[match[1]]
            return f"{self.fact(match[1], count)} {match[2] if count == 1 else match[3]}"

        return _PLAIN.sub(lambda match: self.fact(match[1], facts[match[1]]), _PLURAL.sub(counted, text))

    def statement(self, statement: Statement) -> str:
        """A statement in this language."""
        return self.filled(statement.code, statement.facts)

    def statements(self, statements: Iterable[Statement]) -> str:
        """Several of them in one line."""
        return "; ".join(self.statement(statement) for statement in statements)

    def fact(self, name: str, value: object) -> str:
        """One fact of a statement."""
        if isinstance(value, Statement):
            return self.statement(value)
        if isinstance(value, tuple | list):
            return ", ".join(self.fact("", item) for item in value)
        if isinstance(value, int):
            return self._number(name, value)
        text = str(value)
        if name.endswith(("_at", "_clock")) and (instant := parse_instant(text)) is not None:
            return self.to_second(instant) if name.endswith("_clock") else self.instant(instant)
        return self.name(name, text)

    def name(self, fact: str, text: str) -> str:  # noqa: ARG002 - a language may call it otherwise
        """A name, as it is."""
        return text

    def _number(self, name: str, value: int) -> str:
        if name.endswith("_s"):
            return self.span(value)
        return self.size(value) if name.endswith("_bytes") else self.number(value)

    # ── Numbers ────────────────────────────────────────────────────────────────────────────────────────────────

    def number(self, value: int) -> str:
        """``12.345`` or ``12,345``."""
        return f"{value:,}".replace(",", ".") if self.language == "de" else f"{value:,}"

    def decimal(self, value: float) -> str:
        """One place after the point or comma, unless it is 0."""
        whole, _, part = f"{abs(value):.1f}".partition(".")
        point = "," if self.language == "de" else "."
        sign = "-" if value < 0 and (whole != "0" or part != "0") else ""
        return sign + self.number(int(whole)) + (f"{point}{part}" if part != "0" else "")

    def size(self, size_bytes: int) -> str:
        """``1,4 MiB``."""
        amount = float(size_bytes)
        for unit in ("B", "KiB", "MiB", "GiB"):
            if amount < 1024:  # noqa: PLR2004
                return f"{self.decimal(amount)} {unit}"
            amount /= 1024
        return f"{self.decimal(amount)} TiB"

    def span(self, seconds: int) -> str:
        """A length of time in a cell or a line: ``32,4 Tage`` or ``32.4 d``, ``5 h``, ``10 min``, ``12 s``."""
        amount, unit = float(seconds), "s"
        for size_s, larger in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
            if abs(seconds) >= size_s:
                amount, unit = seconds / size_s, larger
                break
        written = self.decimal(amount)
        return f"{written} {_SHORT[self.language][unit][written != '1']}"

    # ── Times ──────────────────────────────────────────────────────────────────────────────────────────────────

    def day(self, value: date) -> str:
        """``24.11.2026`` or ``2026-11-24``."""
        if self.language == "de":
            return f"{value.day:02d}.{value.month:02d}.{value.year:04d}"
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"

    def instant(self, value: datetime) -> str:
        """To the minute: ``24.11.2026, 08:00 Uhr (UTC)`` or ``2026-11-24 08:00 UTC``."""
        return self._clock(value, f"{value:%H:%M}")

    def to_second(self, value: datetime) -> str:
        """The same to the second, where clocks are compared."""
        return self._clock(value, f"{value:%H:%M:%S}")

    def _clock(self, value: datetime, time: str) -> str:
        if self.language == "de":
            return f"{self.day(value.date())}, {time} Uhr (UTC)"
        return f"{self.day(value.date())} {time} UTC"


def parse_instant(text: str) -> datetime | None:
    """The instant of an RFC 3339 text; None where it is none."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo is not None else None


__all__ = ["FactValue", "Language", "LanguageCode", "parse_instant", "placeholders"]
