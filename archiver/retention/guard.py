"""The guard before every deletion: clocks that disagree, long pauses, and a large share at once."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeGuard

from archiver.model import Refusal, Statement
from archiver.retention.settings import GuardSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """What each clock said at about the same moment. None: that neighbour has no clock of its own."""

    local: datetime
    database: datetime | None
    store: datetime | None
    anchor: datetime | None
    last_entry: datetime | None


def guard(
    clocks: Clocks,
    *,
    rules: GuardSettings,
    pause: timedelta,
    anchor_adopted: bool,
    shares: Mapping[str, tuple[int, float]],
    unit: Literal["rows", "chunks"] = "rows",
) -> tuple[Statement, ...]:
    """Why a deletion must be refused; empty when it need not.

    Args:
        pause: The longest time between two entries since the last deletion, as ``Holdings.pause``.
        anchor_adopted: The anchor was found empty or set back, and nobody has confirmed a deletion since.
        shares: For each dataset the rows that would go, and which part of it they are.
        unit: What is counted.
    """
    reasons = [*_apart(clocks, rules)]
    if clocks.last_entry is not None:
        if clocks.local < clocks.last_entry - rules.clock_tolerance:
            reasons.append(Refusal.JUMPED(local_clock=_second(clocks.local), entry_clock=_second(clocks.last_entry)))
        pause = max(pause, clocks.local - clocks.last_entry)
    if pause > rules.pause_max:
        reasons.append(Refusal.PAUSE(days=pause.days, days_max=rules.pause_max.days))
    if anchor_adopted:
        reasons.append(Refusal.ANCHOR_FOUND_EMPTY())
    for dataset, (rows, share) in sorted(shares.items()):
        if share > rules.share_max and rows >= share_rows_min(share, rules):
            code = Refusal.SHARE if unit == "rows" else Refusal.SHARE_OF_CHUNKS
            reasons.append(code(dataset=dataset, percent=round(share * 100), percent_max=round(rules.share_max * 100)))
    return tuple(reasons)


def share_rows_min(share: float, rules: GuardSettings) -> int:
    """From how many rows on a share above ``share_max`` is too large: fewer, the more of the dataset would go.

    At ``share_max`` it is the setting; where all would go, a tenth of it, so that a table of some hundred rows is not
    emptied unasked and one of a few dozen needs nobody every night.
    """
    beyond = (share - rules.share_max) / (1 - rules.share_max) if rules.share_max < 1 else 0.0
    return math.ceil(rules.share_rows_min * (1 - 0.9 * min(1.0, beyond)))


def _apart(clocks: Clocks, rules: GuardSettings) -> Iterator[Statement]:
    def differs(clock: datetime | None) -> TypeGuard[datetime]:
        return clock is not None and abs(clock - clocks.local) > rules.clock_tolerance

    local = _second(clocks.local)
    if differs(clocks.database):
        yield Refusal.DATABASE_CLOCK(local_clock=local, database_clock=_second(clocks.database))
    if differs(clocks.store):
        yield Refusal.STORE_CLOCK(local_clock=local, store_clock=_second(clocks.store))
    if differs(clocks.anchor):
        yield Refusal.ANCHOR_CLOCK(local_clock=local, anchor_clock=_second(clocks.anchor))


def _second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)
