"""Which holds cover what."""

from collections.abc import Iterable
from dataclasses import replace

from archiver.ledger.holdings import Holdings
from archiver.model import HoldPlaced, Slot


def holds_on(holdings: Holdings, dataset: str, slot: Slot) -> tuple[HoldPlaced, ...]:
    """The holds in force that cover some of a slot, those of a person included, in the order of their placing."""
    return tuple(hold for hold in holdings.holds.values() if covers(hold, dataset, slot))


def under_key(holds: Iterable[HoldPlaced], key: str) -> tuple[HoldPlaced, ...]:
    """The same holds as they can be kept with today's key.

    A person whose digest another key made cannot be looked for in any row, so such a hold stops all that it could
    cover, as one without a person does.

    Args:
        key: Fingerprint of today's privacy key; empty: there is none.
    """
    return tuple(replace(hold, subject=None) if is_of_another_key(hold, key) else hold for hold in holds)


def is_of_another_key(hold: HoldPlaced, key: str) -> bool:
    """Whether a hold is on a person that today's key cannot find."""
    return hold.subject is not None and (not key or hold.privacy_key != key)


def covers(hold: HoldPlaced, dataset: str, slot: Slot) -> bool:
    """Whether a hold covers some of a dataset's slot."""
    if hold.dataset not in (None, dataset):
        return False
    if slot.window is None:
        # Rows without a usable time may lie anywhere: a bounded hold might mean them, so it does.
        return True
    starts_before_end = hold.since is None or hold.since < slot.window.end
    return starts_before_end and (hold.until is None or hold.until > slot.window.start)
