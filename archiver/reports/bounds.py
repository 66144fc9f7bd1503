"""Bounds that events imply: when something is due, until when a copy or a lock keeps it, what is oldest and newest."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from archiver.ledger.holdings import SlotHoldings
from archiver.model import (
    DATED_MAX,
    EPOCH,
    OF_DATABASE,
    Copy,
    Dataset,
    DatasetRules,
    Expired,
    RowsKept,
    RulesStated,
    Segment,
    is_hold,
)
from archiver.reports.model import (
    Residual,
)
from archiver.retention import archive_due_at


def lock_end(until: datetime | None) -> datetime | None:
    """A lock without an end is written down as the end of the calendar."""
    return None if until == DATED_MAX else until


def oldest_of(segments: Iterable[Segment]) -> str | None:
    """RFC 3339 text of the earliest time in any of them; None when none has one."""
    return min((segment.oldest for segment in segments if segment.oldest), key=_order, default=None)


def newest_of(segments: Iterable[Segment]) -> str | None:
    """RFC 3339 text of the latest time in any of them; None when none has one."""
    return max((segment.newest for segment in segments if segment.newest), key=_order, default=None)


def _order(text: str) -> str:
    # Of two texts of one second, the one with a fraction is the later one.
    return text.removesuffix("Z")


def rows_on_hold(kept: Sequence[RowsKept]) -> int:
    """Of rows that stayed, those that a hold keeps."""
    return sum(share.rows for share in kept if is_hold(share.reason))


def later(start: datetime, period: timedelta) -> datetime | None:
    """The instant a period later; None where the calendar ends before."""
    try:
        return start + period
    except OverflowError:
        return None


def source_place(rule: DatasetRules | None) -> str:
    """Where the rows of a dataset are; empty where no rule is known."""
    return "" if rule is None else f"{rule.source}: {rule.place}"


def residuals_of(rules: RulesStated | None, rule: DatasetRules | None, deleted_at: datetime) -> tuple[Residual, ...]:
    """Configured copies with the last day on which each can still hold what was deleted.

    Args:
        rule: Of the dataset: logs were never in the database, and are in none of its backups.
    """
    residuals = []
    for residual in rules.residuals if rules else ():
        if rule is not None and rule.source == "loki" and residual.copy.code in OF_DATABASE:
            continue
        residuals.append(Residual(copy=residual.copy, until=later(deleted_at, timedelta(seconds=residual.period_s))))
    return tuple(residuals)


def nominal(rule: DatasetRules) -> Dataset:
    """As much of a dataset as decisions about time need."""
    return Dataset(
        name=rule.dataset,
        source=rule.source,
        source_retention=None if rule.source_retention_s is None else timedelta(seconds=rule.source_retention_s),
        archive_retention=None if rule.archive_retention_s is None else timedelta(seconds=rule.archive_retention_s),
    )


def archive_due(rule: DatasetRules, slot: SlotHoldings) -> datetime | None:
    """When a slot must expire from the archive; None: no period, or beyond the calendar."""
    try:
        return archive_due_at(nominal(rule), slot)
    except OverflowError:
        return None


def archive_due_within(
    rule: DatasetRules | None, slots: Iterable[SlotHoldings], first: datetime | None, last: datetime | None
) -> datetime | None:
    """When the last slot that touches these bounds must leave the archive; None: no period, or no such slot."""
    if rule is None or first is None or last is None:
        return None
    ends = [
        archive_due(rule, slot)
        for slot in slots
        if slot.segments and slot.slot.window and slot.slot.window.start <= last and first < slot.slot.window.end
    ]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def of_ms(milliseconds: int) -> datetime | None:
    """Of a bound in a chunk's name; None where the calendar has none."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def text_of(at: datetime | None) -> str | None:
    """RFC 3339 to the millisecond, as names of chunks have it."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lock_of(event: Expired) -> tuple[Residual, ...]:
    """What a lock keeps of segments that have left the archive."""
    if event.kept_until is None:
        return ()
    return (Residual(copy=Copy.LOCK(), until=lock_end(event.kept_until)),)
