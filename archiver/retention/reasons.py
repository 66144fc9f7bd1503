"""Which reason fits: small decisions that several plans share. The codes themselves stand in ``model.codes``."""

from collections.abc import Iterable, Sequence
from typing import Literal

from archiver.errors import Refused
from archiver.model import HoldPlaced, Reason, Statement, StepOutcome, StepResult


def on_hold(holds: Iterable[HoldPlaced]) -> Statement:
    """The references of the holds that keep it, or their own names."""
    return Reason.HOLD(references=tuple(sorted({hold.reference or hold.hold for hold in holds})))


def differs(lesser_columns: Sequence[str]) -> Statement:
    """It is not what is archived; ``lesser_columns``: of which the archive holds less, by a column policy."""
    if not lesser_columns:
        return Reason.DIFFERS()
    return Reason.DIFFERS_OR_LESS_HELD(columns=tuple(lesser_columns))


def still_there(done: Literal["purged", "expired"], step: StepResult) -> Statement:
    """Why rows that may go are still there."""
    if step.outcome is StepOutcome.DONE:
        return Reason.SINCE_PURGED() if done == "purged" else Reason.SINCE_EXPIRED()
    if step.exit_status == Refused.exit_status:
        return Reason.GUARD()
    if step.outcome is StepOutcome.SKIPPED and step.reason is not None:
        return Reason.STEP_SKIPPED(why=step.reason)
    return Reason.FAILED()
