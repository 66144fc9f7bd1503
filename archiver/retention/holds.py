"""Which holds cover what."""

from archiver.ledger.holdings import Holdings
from archiver.model import HoldPlaced, Slot


def holds_on(holdings: Holdings, dataset: str, slot: Slot) -> tuple[HoldPlaced, ...]:
    """The holds in force that cover some of a slot, those of a person included, in the order of their placing."""
    return tuple(hold for hold in holdings.holds.values() if hold.dataset in (None, dataset) and _covers(hold, slot))


def _covers(hold: HoldPlaced, slot: Slot) -> bool:
    if slot.window is None:
        # Rows without a usable time may lie anywhere: a bounded hold might mean them, so it does.
        return True
    starts_before_end = hold.since is None or hold.since < slot.window.end
    return starts_before_end and (hold.until is None or hold.until > slot.window.start)
