"""Holds: what they cover is neither purged nor expired until they are released."""

from dataclasses import dataclass
from datetime import datetime

from archiver.errors import ConfigError
from archiver.ledger.holdings import Holdings
from archiver.ledger.ledger import Ledger
from archiver.model import Event, HoldPlaced, HoldReleased
from archiver.operations.steps.commit import append_decided
from archiver.retention import covers


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReceipt:
    """What placing a hold did.

    Attributes:
        at_work: Datasets that it covers and from which a deletion is being made just now. What that deletes before it
            sees the hold, at its next batch, is gone.
        rows_covered: Of the archive, in the windows that it covers; those of a person are some of them. Rows that only
            the source has are not counted.
    """

    hold: HoldPlaced
    at_work: tuple[str, ...]
    rows_covered: int


def place_hold(ledger: Ledger, hold: HoldPlaced) -> HoldReceipt:
    """Append a hold; in force when this returns.

    Raises:
        ConfigError: One of that name is in force.
    """

    def decide() -> list[Event]:
        if hold.hold in ledger.holdings.holds:
            raise ConfigError(f"a hold {hold.hold} is in force already; nothing was appended")
        return [hold]

    append_decided(ledger, decide)
    at_work = tuple(
        name
        for name, held in sorted(ledger.holdings.datasets.items())
        if hold.dataset in (None, name) and (held.open_purges or held.expiring)
    )
    rows_covered = sum(
        part.segment.rows
        for name, held in ledger.holdings.datasets.items()
        for known in held.slots.values()
        if covers(hold, name, known.slot)
        for part in known.segments
    )
    return HoldReceipt(hold=hold, at_work=at_work, rows_covered=rows_covered)


def release_hold(ledger: Ledger, name: str, reason: str) -> HoldPlaced:
    """Append the end of a hold.

    Raises:
        ConfigError: None of that name is in force.
    """
    held: list[HoldPlaced] = []

    def decide() -> list[Event]:
        known = ledger.holdings.holds.get(name)
        if known is None:
            raise ConfigError(
                f"no hold {name} is in force; nothing was appended", hint="`archiver hold list` names those that are"
            )
        held[:] = [known]
        return [HoldReleased(hold=name, reason=reason)]

    append_decided(ledger, decide)
    return held[0]


def overdue_reviews(holdings: Holdings, now: datetime) -> list[HoldPlaced]:
    """Holds that somebody should have looked at again, oldest review first."""
    return sorted((hold for hold in holdings.holds.values() if hold.review_on <= now), key=lambda hold: hold.review_on)
