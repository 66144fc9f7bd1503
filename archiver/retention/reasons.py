"""Why rows that are due stay, chunks wait and steps are left out: closed sets, so that a report can say each in German.

The ledger keeps these words. A word that is changed here is a new one, and entries of before keep the old one.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Literal

from archiver.errors import Refused
from archiver.model import HoldPlaced, StepOutcome, StepResult

ON_HOLD = "on hold"
"""How reasons begin that somebody gave on purpose."""


class Reason(StrEnum):
    """Each reason that needs nothing added to it."""

    NO_KEY = "nothing tells one row from another (no key)"
    NOT_ARCHIVED = "not archived"
    NOT_VERIFIED = "not verified since it was archived"
    LATE = "not archived: came late"
    DIFFERS = "differs from what is archived: changed since"
    DUPLICATE = "more than one row has the key"
    SINCE_PURGE = "came or changed since the purge"
    MEANWHILE = "changed by another run meanwhile"
    PURGE_OPEN = "a purge of its source is not accounted for yet"
    IN_SOURCE = "rows of it are still in the source"
    SUBJECT_ON_HOLD = f"{ON_HOLD} (subject)"
    PERSON_ON_HOLD = f"{ON_HOLD} (a person)"
    PERSON_UNNAMED = "a hold on a person covers it, and nothing says where persons are named"


class Wait(StrEnum):
    """Why a chunk that is there is not archived yet."""

    DUE = "due"
    """Its turn comes in this run, or in the next one if this one ends before."""
    WRITTEN = "still being written"
    DELETION = "deletion request pending"
    NOT_ASKED = "outside of the bounds asked for"
    TOO_LARGE = "larger than chunk_size_bytes_max"


class Skip(StrEnum):
    """Why a step of a night is not done, though nothing is wrong with that."""

    STOPPED = "the run was asked to stop"
    NO_DATASET = "no dataset is enabled and no Loki store is set"
    NO_SOURCE_PERIOD = "no dataset has a retention in its source"
    NO_ARCHIVE_PERIOD = "no dataset has a retention in the archive"
    NOT_EXECUTED = "nothing is deleted without --execute"
    NOTHING_NAMED = "no setting names anything to look at"
    NO_REPORT = "nightly.report is false"


def on_hold(holds: Iterable[HoldPlaced]) -> str:
    """The references of the holds that keep it, or their own names."""
    return f"{ON_HOLD} ({', '.join(sorted({hold.reference or hold.hold for hold in holds}))})"


def differs(lesser_columns: Sequence[str]) -> str:
    """It is not what is archived; ``lesser_columns``: of which the archive holds less, by a column policy."""
    if not lesser_columns:
        return Reason.DIFFERS
    return f"{Reason.DIFFERS}, or archived under column policies that held less of {', '.join(lesser_columns)}"


def still_there(done: Literal["purged", "expired"], step: StepResult) -> str:
    """Why rows that may go are still there. Never a message: it would be one reason a night, and none to count by."""
    if step.outcome is StepOutcome.DONE:
        return f"came since they were {done}"
    if step.exit_status == Refused.exit_status:
        return f"not {done}: a guard refused"
    if step.outcome is StepOutcome.SKIPPED:
        return f"not {done}: {step.reason}"
    return f"not {done}: the step failed"
