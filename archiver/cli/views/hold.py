"""What a person or a program sees of holds. Decides nothing."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from archiver.cli.views.console import Output, table
from archiver.model import HoldPlaced


def holds(output: Output, found: Sequence[HoldPlaced], now: datetime) -> None:
    """Those in force."""
    if output.as_json:
        for one in found:
            output.json_line("hold", {**asdict(one), "review_overdue": one.review_on <= now})
        output.json_line("summary", {"command": "hold list", "holds": len(found)})
        return
    if not found:
        output.answer("no hold is in force")
        return
    shown = table("hold", "dataset", "from", "until", "person", "reference", "review", "reason")
    for one in found:
        shown.add_row(
            one.hold,
            one.dataset or "all",
            f"{one.since:%Y-%m-%d}" if one.since else "-",
            f"{one.until:%Y-%m-%d}" if one.until else "-",
            f"{one.subject[:12]}…" if one.subject else "-",
            one.reference,
            f"{one.review_on:%Y-%m-%d}{' OVERDUE' if one.review_on <= now else ''}",
            one.reason,
        )
    output.answer(shown)
