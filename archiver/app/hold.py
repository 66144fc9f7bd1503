"""Placing a hold: on all that a dataset has between two times, or on one person's rows."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from archiver.app import keys
from archiver.app.archive import open_archive
from archiver.app.outcome import Outcome
from archiver.config import Settings
from archiver.errors import ConfigError
from archiver.model import HoldPlaced
from archiver.operations.archive.hold import HoldReceipt, place_hold

REVIEW_AFTER: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAsked:
    """What is to be held, and why.

    Attributes:
        dataset: None: every one.
        since, until: Windows inside ``[since, until)``; None: unbounded.
        identifier: Reads that of the one person whose rows are meant, as it stands in the column; None: all rows.
        reason: Why; no personal data.
        reference: The case's own number.
        review_on: When somebody looks at it again.
    """

    dataset: str | None
    since: datetime | None
    until: datetime | None
    identifier: Callable[[], str] | None
    reason: str
    reference: str
    review_on: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Outcome):
    """What placing a hold did.

    Attributes:
        unsearchable: Datasets that it covers and of which nothing says where persons are named.
    """

    receipt: HoldReceipt
    unsearchable: tuple[str, ...]


def place(settings: Settings, asked: HoldAsked) -> Held:
    """Place a hold; in force when this returns.

    Raises:
        ConfigError: It says nothing, names nobody, or there is no privacy key for a person's digest.
    """
    said(asked.reason, "--reason", "why this must be kept")
    said(asked.reference, "--reference", "the case's own number")
    digest, fingerprint = None, ""
    if asked.identifier is not None:
        key = keys.load_privacy_key(settings, "a hold on a person")
        identifier = asked.identifier().strip()
        if not identifier or "\n" in identifier:
            raise ConfigError(
                "--subject: standard input must hold one identifier, and nothing was done",
                hint="as it stands in the column: printf %s +4915112345678 | archiver hold add --subject …",
            )
        digest, fingerprint = key.digest(identifier), key.fingerprint
    hold = HoldPlaced(
        hold=f"h-{secrets.token_hex(4)}",
        dataset=asked.dataset,
        since=asked.since,
        until=asked.until,
        subject=digest,
        reason=asked.reason,
        reference=asked.reference,
        review_on=asked.review_on,
        privacy_key=fingerprint,
    )
    with open_archive(settings, "append") as archive:
        receipt = place_hold(archive.ledger, hold)
    return Held(receipt=receipt, unsearchable=_unsearchable(settings, hold))


def said(text: str, option: str, what: str) -> None:
    """Refuse a text that says nothing: whoever reviews the hold has nothing else to go by.

    Raises:
        ConfigError: It says nothing.
    """
    if not text.strip():
        raise ConfigError(f"{option} {text!r}: says nothing; nothing was appended", hint=f"write {what}")


def _unsearchable(settings: Settings, hold: HoldPlaced) -> tuple[str, ...]:
    if hold.subject is None:
        return ()
    meant = [dataset for dataset in settings.resolved_datasets() if hold.dataset in (None, dataset.name)]
    return tuple(dataset.name for dataset in meant if not dataset.subject_columns)
