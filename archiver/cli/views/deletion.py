"""What the views of deletions share: their course, why the guard refuses, what stays. Decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import fields as dataclass_fields
from datetime import datetime
from typing import Any

from archiver.cli.views.console import Output, rows_text
from archiver.cli.views.statements import counted, told
from archiver.model import DATED_MAX, HoldPlaced, Statement
from archiver.operations.archive.expire import ExpireReceipt
from archiver.operations.archive.sweep import SweepReceipt
from archiver.operations.tables.purge import PurgeReceipt
from archiver.words import english


class DeletionView:
    """A deletion as it goes: JSON Lines, or nothing; its transactions are short."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def planned(self, _: object) -> None:
        """The plan is printed on its own."""

    def rows_purged(self, dataset: str, rows: int) -> None:
        """A slot is done."""
        if self._output.as_json:
            self._output.json_line("purged", {"dataset": dataset, "rows": rows})

    def object_gone(self, key: str) -> None:
        """An object is gone."""
        if self._output.as_json:
            self._output.json_line("gone", {"key": key})


def plan_summary(output: Output, command: str, rows: int, refused: Sequence[Statement], word: str) -> None:
    """The last line of a plan as JSON."""
    facts = {"command": command, "execute": False, "rows": rows, "refused": list(refused), "word": word}
    output.json_line("summary", facts)


def refusals(output: Output, refused: Sequence[Statement]) -> None:
    """Why the guard would refuse it."""
    for reason in refused:
        output.answer(f"would be refused: {english(reason)}")


def receipt_summary(
    output: Output, command: str, receipt: PurgeReceipt | ExpireReceipt | SweepReceipt, status: int
) -> None:
    """The last line of what was done as JSON."""
    fields: dict[str, Any] = {field.name: getattr(receipt, field.name) for field in dataclass_fields(receipt)}
    if not isinstance(receipt, SweepReceipt):
        fields["kept"] = {name: counted(reasons, "rows") for name, reasons in receipt.kept.items()}
    fields["problems"] = [problem.message for problem in receipt.problems]
    output.json_line("summary", {"command": command, "execute": True, "exit": status, **fields})


def kept(output: Output, kept: Mapping[str, Mapping[Statement, int]]) -> None:
    """What is due and stays."""
    for name, reasons in kept.items():
        for why, rows in told(reasons):
            output.answer(f"{name}: {rows_text(rows)} due and left alone: {why}")


def residuals(output: Output, kept_until: Mapping[str, datetime]) -> None:
    """What a lock keeps in the store."""
    for key, until in sorted(kept_until.items()):
        end = "without an end (a legal hold)" if until == DATED_MAX else f"until {until:%Y-%m-%d}"
        output.answer(f"{key}: a lock keeps a version {end}: a residual copy")


def lost_keys(output: Output, holds: Sequence[HoldPlaced]) -> None:
    """Name the holds on persons whose digest another key made than today's."""
    for hold in holds:
        output.warn(
            f"hold {hold.hold} ({hold.reference}) is on a person whom today's privacy key cannot find: nothing that it"
            " could cover is deleted; set privacy_key_file to the key that it was placed with"
        )
