"""What a person or a program sees of holds. Decides nothing."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from archiver.app.hold import Held
from archiver.cli.views.console import Output, show, table
from archiver.model import HoldPlaced


def holds(output: Output, in_force: Sequence[HoldPlaced], now: datetime) -> None:
    """Those in force."""
    if output.as_json:
        for hold in in_force:
            output.json_line("hold", {**asdict(hold), "review_overdue": hold.review_on <= now})
        output.json_line("summary", {"command": "hold list", "holds": len(in_force)})
        return
    if not in_force:
        output.answer("no hold is in force")
        return
    shown = table("hold", "dataset", "from", "until", "person", "reference", "review", "reason")
    for hold in in_force:
        shown.add_row(
            hold.hold,
            hold.dataset or "all",
            f"{hold.since:%Y-%m-%d}" if hold.since else "-",
            f"{hold.until:%Y-%m-%d}" if hold.until else "-",
            f"{hold.subject[:12]}…" if hold.subject else "-",
            hold.reference,
            f"{hold.review_on:%Y-%m-%d}{' OVERDUE' if hold.review_on <= now else ''}",
            hold.reason,
        )
    output.answer(shown)


@show.register
def _held(outcome: Held, output: Output) -> None:
    receipt = outcome.receipt
    hold = receipt.hold
    if output.as_json:
        output.json_document(receipt)
    else:
        output.answer(
            f"hold {hold.hold} is in force, to be looked at again on {hold.review_on:%Y-%m-%d}; it covers"
            f" {receipt.rows_covered} rows of the archive"
        )
    if not receipt.rows_covered:
        output.warn(
            f"hold {hold.hold} covers no row that the archive holds; see that its dataset and its dates are right"
        )
    for name in receipt.at_work:
        output.warn(f"{name}: a deletion is at work; what it deletes before it sees the hold is gone")
    for name in outcome.unsearchable:
        output.warn(f"{name}: no subject_columns say where persons are named, so that all of it stays")
