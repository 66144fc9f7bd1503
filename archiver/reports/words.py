"""A language: its texts, and how it writes numbers and times. No locale of this machine is asked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from archiver.model import PolicyAction, RowsKept
from archiver.reports.catalogue import CATALOGUE
from archiver.reports.model import DAILY_BACKUPS, RECOVERY, Fact
from archiver.reports.period import LOCAL_ZONE, Period, instant_of
from archiver.retention import ANCHOR_FOUND_EMPTY, ON_HOLD, Reason, Skip, Wait

Language = Literal["de", "en"]
DAY_S = 86_400
HOUR_S = 3600
_PLURAL = re.compile(r"\{(\w+)\|([^|{}]*)\|([^|{}]*)\}")
_PLAIN = re.compile(r"\{(\w+)\}")

REASONS: Mapping[str, str] = {
    Reason.NO_KEY: "reason.no_key",
    Reason.NOT_ARCHIVED: "reason.not_archived",
    Reason.NOT_VERIFIED: "reason.not_verified",
    Reason.LATE: "reason.late",
    Reason.DIFFERS: "reason.differs",
    Reason.DUPLICATE: "reason.duplicate",
    Reason.SINCE_PURGE: "reason.since_purge",
    Reason.MEANWHILE: "reason.meanwhile",
    Reason.PURGE_OPEN: "reason.purge_open",
    Reason.IN_SOURCE: "reason.in_source",
    Reason.SUBJECT_ON_HOLD: "reason.subject",
    Reason.PERSON_ON_HOLD: "reason.subject",
    Reason.PERSON_UNNAMED: "reason.person_unnamed",
    Wait.WRITTEN: "waits.written",
    Wait.DELETION: "waits.deletion",
    Wait.NOT_ASKED: "waits.not_asked",
    Wait.TOO_LARGE: "waits.too_large",
    Wait.DUE: "waits.due",
    Skip.STOPPED: "skip.stopped",
    Skip.NO_DATASET: "skip.no_dataset",
    Skip.NO_SOURCE_PERIOD: "skip.no_source_period",
    Skip.NO_ARCHIVE_PERIOD: "skip.no_archive_period",
    Skip.NOT_EXECUTED: "skip.not_executed",
    Skip.NOTHING_NAMED: "skip.nothing_named",
    Skip.NO_REPORT: "skip.no_report",
    ANCHOR_FOUND_EMPTY: "guard.anchor",
    PolicyAction.KEEP: "policy.keep",
    PolicyAction.DROP: "policy.drop",
    PolicyAction.HMAC: "policy.hmac",
    PolicyAction.TRUNCATE_IP: "policy.truncate_ip",
    RECOVERY: "residual.recovery",
}
"""What the ledger says in English, and which text of the catalogue says the same."""

_CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(form, re.DOTALL), key)
    for form, key in (
        (rf"{ON_HOLD} \((?P<reference>.*)\)", "reason.hold"),
        (
            rf"{re.escape(Reason.DIFFERS)}, or archived under column policies that held less of (?P<columns>.*)",
            "reason.differs_policies",
        ),
        (r"came since they were purged", "reason.since_purged"),
        (r"came since they were expired", "reason.since_expired"),
        (r"not (?:purged|expired): a guard refused", "reason.guard"),
        (r"not (?:purged|expired): the step failed", "reason.failed"),
        (r"not (?:purged|expired): (?P<why>.*)", "reason.skipped"),
        (r"needs (?P<step>\w+), which was not done", "skip.needs"),
        (r"ended with exit status (?P<status>-?\d+)", "skip.status"),
        (r"unexpected (?P<error>\w+)", "skip.unexpected"),
        (
            rf"the local clock says (?P<local>{_CLOCK}), the (?P<place>database|store|anchor)'s (?P<told>{_CLOCK})",
            "guard.clocks",
        ),
        (
            rf"the local clock says (?P<local>{_CLOCK}), but the last entry was written (?P<told>{_CLOCK}): .*",
            "guard.jumped",
        ),
        (
            r"(?P<days>\d+) days passed between two entries, at most (?P<limit>\d+) may: .*",
            "guard.pause",
        ),
        (
            r"(?P<dataset>.+): (?P<share>\d+)% of its (?P<unit>\w+) would go at once, at most (?P<limit>\d+)% may",
            "guard.share",
        ),
        (rf"{DAILY_BACKUPS} \((?P<plan>\w+)\)", "residual.backups"),
        (r"(?P<length>-?\d+(?:\.\d+)? (?:d|h|min|s))", "measured.length"),
        (r"(?P<length>-?\d+(?:\.\d+)? (?:d|h|min|s)) old \((?P<at>[0-9: -]+ UTC)\)", "measured.old"),
    )
)
"""The same for what has something in it. What is no name or number is put into words by itself."""

UNITS = {"d": ("Tag", "Tage"), "h": ("Std.", "Std."), "min": ("Min.", "Min."), "s": ("Sek.", "Sek.")}


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

    def told(self, text: str) -> str | None:
        """What the ledger says in English, in this language; None: it is no form that is known."""
        if text in REASONS:
            return self.t(REASONS[text])
        for form, key in FORMS:
            if (match := form.fullmatch(text)) is not None:
                return self.t(key, **{name: self._part(name, part) for name, part in match.groupdict().items()})
        return None

    def _part(self, name: str, text: str) -> str:
        if name == "why":
            return self.reason(text)
        if name == "step":
            return self.step(text)
        if name in ("place", "unit"):
            return self.t(f"guard.{name}.{text}") if f"guard.{name}.{text}" in CATALOGUE else text
        if name == "length":
            return self._length(text)
        if name == "at":
            return self.text_instant(text.removesuffix(" UTC").replace(" ", "T") + ":00Z")
        return text

    def _length(self, text: str) -> str:
        """``31.2 d`` as this language writes it."""
        if self.language == "en":
            return text
        amount, unit = text.split(" ")
        return f"{amount.replace('.', ',')} {UNITS[unit][amount != '1']}"

    def reason(self, text: str) -> str:
        """A reason of the ledger in this language; where it is no known form, its original wording in quotes."""
        return self.told(text) or self.original(text)

    def original(self, text: str) -> str:
        """A text that nobody translated, marked as such."""
        return f"„{text}“" if self.language == "de" and text else text

    def step(self, name: str) -> str:
        """A step of a run."""
        return self.t(f"stepname.{name}") if f"stepname.{name}" in CATALOGUE else name

    def check(self, name: str) -> str:
        """What a check of the stack looked at, with its stable name."""
        return f"{self.t(f'check.{name}')} ({name})" if f"check.{name}" in CATALOGUE else name

    def kept(self, shares: tuple[RowsKept, ...]) -> str:
        """Reasons with their numbers."""
        return "; ".join(self.t("left.one", rows=one.rows, reason=self.reason(one.reason)) for one in shares)
