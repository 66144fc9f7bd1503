"""Why rows that are due stay: a closed set, so that a report can say each of them in any language.

The ledger keeps these words. A word that is changed here is a new one, and entries of before keep the old one.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Literal

from archiver.model import HoldPlaced, StepOutcome, StepResult

REFUSED = 6
"""With which exit status a step ends that a guard stopped."""


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
    SUBJECT_ON_HOLD = "on hold (subject)"
    PERSON_ON_HOLD = "on hold (a person)"
    PERSON_UNNAMED = "a hold on a person covers it, and nothing says where persons are named"


def on_hold(holds: Iterable[HoldPlaced]) -> str:
    """The references of the holds that keep it, or their own names."""
    return f"on hold ({', '.join(sorted({hold.reference or hold.hold for hold in holds}))})"


def differs(lesser_columns: Sequence[str]) -> str:
    """It is not what is archived; ``lesser_columns``: of which the archive holds less, by a column policy."""
    if not lesser_columns:
        return Reason.DIFFERS
    return f"{Reason.DIFFERS}, or archived under column policies that held less of {', '.join(lesser_columns)}"


def still_there(done: Literal["purged", "expired"], step: StepResult) -> str:
    """Why rows that may go are still there. Never a message: it would be one reason a night, and none to count by."""
    if step.outcome is StepOutcome.DONE:
        return f"came since they were {done}"
    if step.exit_status == REFUSED:
        return f"not {done}: a guard refused"
    if step.outcome is StepOutcome.SKIPPED:
        return f"not {done}: {step.reason}"
    return f"not {done}: the step failed"
