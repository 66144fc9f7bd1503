"""The guard before every deletion: clocks that disagree, long pauses, and a large share at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from archiver.retention.settings import GuardSettings

ANCHOR_FOUND_EMPTY: Final = "the anchor was found empty, so nothing says that the ledger was whole"


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
    unit: str = "rows",
) -> tuple[str, ...]:
    """Why a deletion must be refused; empty when it need not.

    Args:
        pause: The longest time between two entries since the last deletion, as ``Holdings.pause``.
        anchor_adopted: The anchor was found empty, and nobody has confirmed a deletion since.
        shares: For each dataset the rows that would go, and which part of it they are.
        unit: What is counted, where it is not rows.
    """
    reasons = []
    others = (("database", clocks.database), ("store", clocks.store), ("anchor", clocks.anchor))
    for name, told in others:
        if told is not None and abs(told - clocks.local) > rules.clock_tolerance:
            reasons.append(f"the local clock says {_clock(clocks.local)}, the {name}'s {_clock(told)}")
    if clocks.last_entry is not None:
        if clocks.local < clocks.last_entry - rules.clock_tolerance:
            reasons.append(
                f"the local clock says {_clock(clocks.local)}, but the last entry was written"
                f" {_clock(clocks.last_entry)}: one of them jumped"
            )
        pause = max(pause, clocks.local - clocks.last_entry)
    if pause > rules.pause_max:
        reasons.append(
            f"{pause.days} days passed between two entries, at most {rules.pause_max.days} may: either nothing ran, or"
            " the clock jumped forward"
        )
    if anchor_adopted:
        reasons.append(ANCHOR_FOUND_EMPTY)
    for dataset, (rows, share) in sorted(shares.items()):
        if rows >= rules.share_rows_min and share > rules.share_max:
            reasons.append(f"{dataset}: {share:.0%} of its {unit} would go at once, at most {rules.share_max:.0%} may")
    return tuple(reasons)


def _clock(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
