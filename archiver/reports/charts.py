"""Charts as SVG with classes and no colours of their own: one drawing for light, dark and paper."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

from archiver.reports.model import DayCount, Observation
from archiver.reports.period import Period
from archiver.reports.words import Words
from archiver.words.language import DAY_S

WIDTH, HEIGHT = 720, 210
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 30, 26
DAILY_MAX = 62
"""Longer periods are drawn by month."""

LABELS_MAX = 11
SERIES = ("archived", "relocated", "deleted")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of time with its three numbers."""

    label: str
    counts: tuple[int, int, int]


def steps(days: Sequence[DayCount], period: Period, words: Words) -> tuple[tuple[Step, ...], bool]:
    """The period cut into days, or into months when it is long, empty ones included; and whether it is months."""
    first, last = period.since.date(), (period.until - timedelta(microseconds=1)).date()
    by_month = (last - first).days >= DAILY_MAX
    if by_month:
        # A span that begins long before the archive is drawn from its first number on.
        first = max(first, min((counted.day for counted in days), default=last))
    sums_by_step: dict[tuple[int, int, int], list[int]] = {}
    day = first
    while day <= last:
        sums_by_step.setdefault(_bin(day, by_month=by_month), [0, 0, 0])
        if day == last:
            break
        day += timedelta(days=1)
    for counted in days:
        sums = sums_by_step.setdefault(_bin(counted.day, by_month=by_month), [0, 0, 0])
        for n, count in enumerate((counted.rows_archived, counted.rows_relocated, counted.rows_deleted)):
            sums[n] += count
    made = []
    for (year, month, day_), (archived, relocated, deleted) in sorted(sums_by_step.items()):
        label = f"{month:02d}/{year}" if by_month else _short(date(year, month, day_), words)
        made.append(Step(label, (archived, relocated, deleted)))
    return tuple(made), by_month


def _bin(day: date, *, by_month: bool) -> tuple[int, int, int]:
    return day.year, day.month, 1 if by_month else day.day


def _short(day: date, words: Words) -> str:
    return f"{day.day:02d}.{day.month:02d}." if words.language == "de" else f"{day.month:02d}-{day.day:02d}"


def _ceiling(value: float) -> float:
    """The next number that a scale looks good with."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if power * step >= value)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _frame(alt: str, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(alt)}">' + "".join(parts) + "</svg>"
    )


def _scale(top: float, words: Words, *, ticks: int = 2) -> list[str]:
    """Horizontal lines with their numbers."""
    parts = []
    for n in range(ticks + 1):
        value = top * n / ticks
        y = _y(value, top)
        label = words.number(round(value)) if top >= ticks else words.decimal(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_n(y)}" y2="{_n(y)}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{_n(y + 3.5)}" text-anchor="end">{escape(label)}</text>')
    return parts


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    """Marks with their words, left to right."""
    parts, x = [], float(LEFT)
    for name, text in entries:
        parts.append(f'<rect class="{name}" x="{_n(x)}" y="6" width="10" height="10" rx="2"/>')
        parts.append(f'<text class="key" x="{_n(x + 15)}" y="15">{escape(text)}</text>')
        x += 15 + 7 * len(text) + 18
    return parts


def bars(made: Sequence[Step], alt: str, words: Words) -> str:
    """Three bars for each step of time."""
    top = _ceiling(max((max(step.counts) for step in made), default=0))
    parts = [*_scale(top, words), *_legend([(name, words.t(f"chart.{name}")) for name in SERIES])]
    width = (WIDTH - LEFT - RIGHT) / max(len(made), 1)
    bar = min(width * 0.26, 22.0)
    every = -(-len(made) // LABELS_MAX)
    for n, step in enumerate(made):
        middle = LEFT + width * (n + 0.5)
        for k, (name, count) in enumerate(zip(SERIES, step.counts, strict=True)):
            if count:
                y = _y(count, top)
                height = max(HEIGHT - BOTTOM - y, 1.0)
                parts.append(
                    f'<rect class="{name}" x="{_n(middle + (k - 1.5) * bar)}" y="{_n(HEIGHT - BOTTOM - height)}"'
                    f' width="{_n(max(bar - 0.6, 0.8))}" height="{_n(height)}"/>'
                )
        if n % every == 0:
            label = (
                f'<text class="tick" x="{_n(middle)}" y="{HEIGHT - 9}" text-anchor="middle">{escape(step.label)}</text>'
            )
            parts.append(label)
    return _frame(alt, parts)


def ages(seen: Sequence[Observation], period: Period, alt: str, words: Words) -> str:
    """A line for each place with the age of its oldest row, and a dashed one for what is allowed."""
    places = [place for place in ("source", "archive") if any(observation.place == place for observation in seen)]
    values = [value for observation in seen for value in (observation.age_s, observation.limit_s) if value is not None]
    top = _ceiling(max(max(values, default=0) / DAY_S * 1.05, 1.0))
    limits: dict[str, int | None] = {observation.place: observation.limit_s for observation in seen}
    legend = [
        (place, words.t("chart.limit", place=words.t(f"place.{place}"), limit=words.duration(limits[place])))
        for place in places
    ]
    parts = [*_scale(top, words), *_legend(legend)]
    length = (period.until - period.since).total_seconds()
    for place in places:
        points = [
            (
                LEFT + (WIDTH - LEFT - RIGHT) * min((observation.at - period.since).total_seconds() / length, 1.0),
                _y(max(observation.age_s or 0, 0) / DAY_S, top),
            )
            for observation in seen
            if observation.place == place
        ]
        limit = limits[place]
        if limit is not None:
            y = _y(limit / DAY_S, top)
            parts.append(f'<line class="limit {place}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_n(y)}" y2="{_n(y)}"/>')
        if len(points) > 1:
            path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
            parts.append(f'<polyline class="line {place}" points="{path}"/>')
        parts += [f'<circle class="{place}" cx="{_n(x)}" cy="{_n(y)}" r="2.5"/>' for x, y in points]
    day, last = period.since.date(), (period.until - timedelta(microseconds=1)).date()
    for at, anchor, x in ((day, "start", LEFT), (last, "end", WIDTH - RIGHT)):
        parts.append(
            f'<text class="tick" x="{x}" y="{HEIGHT - 9}" text-anchor="{anchor}">{escape(words.day(at))}</text>'
        )
    return _frame(alt, parts)
