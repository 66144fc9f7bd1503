"""What a person or a program sees of purges, expiries, holds and sweeps. Decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from dataclasses import fields as dataclass_fields
from datetime import datetime
from typing import Any

from archiver.app.expire import Expired, ExpiryPlanned
from archiver.app.purge import TablesPlanned, TablesPurged
from archiver.app.sweep import SweepPlanned, Swept
from archiver.cli.views.console import Output, count_text, rows_text, show, size_text, table
from archiver.cli.views.statements import counted, told
from archiver.model import DATED_MAX, HoldPlaced, Statement
from archiver.operations.archive.expire import ExpireReceipt
from archiver.operations.archive.sweep import SweepPlan, SweepReceipt
from archiver.operations.tables.purge import PurgeReceipt
from archiver.retention import ExpiryPlan, PurgePlan
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


def purge_plans(output: Output, plans: Sequence[PurgePlan], refused: Sequence[Statement], word: str) -> None:
    """What a purge would do."""
    if output.as_json:
        for plan in plans:
            for one in plan.slots:
                output.json_line(
                    "due",
                    {
                        "dataset": plan.dataset,
                        "slot": str(one.slot),
                        "rows": one.rows_due,
                        "keep": one.keep,
                        "stays": one.stays,
                    },
                )
            for remark in plan.remarks:
                output.json_line("remark", {"dataset": plan.dataset, "remark": remark})
            never = {"undated": plan.rows_undated, "future": plan.rows_future}
            output.json_line("never_due", {"dataset": plan.dataset, **never})
        _plan_summary(output, "purge", sum(plan.rows_going for plan in plans), refused, word)
        return
    for plan in plans:
        _purge_plan(output, plan)
    _refusals(output, refused)


def _purge_plan(output: Output, plan: PurgePlan) -> None:
    when = f"{plan.border:%Y-%m-%d %H:%M} UTC"
    if not plan.slots:
        output.answer(f"{plan.dataset}: no row is older than {when}")
    else:
        shown = table("dataset", "window", "rows due", "what", right=("rows due",))
        for one in plan.slots:
            what = "goes, each row that is proven" if one.keep is None else f"stays: {english(one.keep)}"
            what += "".join(f"; stays, {rows_text(row.rows)}: {english(row.reason)}" for row in one.stays)
            shown.add_row(plan.dataset, str(one.slot), f"{one.rows_due:,}", what)
        output.answer(shown)
        output.answer(
            f"{plan.dataset}: {rows_text(plan.rows_going)} of {rows_text(plan.rows_in_source)} may go: older than"
            f" {when}"
        )
    for remark in plan.remarks:
        output.answer(f"{plan.dataset}: {remark}")
    for count, why in ((plan.rows_undated, "without a usable time"), (plan.rows_future, "with a time to come")):
        if count:
            output.answer(f"{plan.dataset}: {rows_text(count)} {why}: never due")


def expiry_plans(output: Output, plans: Sequence[ExpiryPlan], refused: Sequence[Statement], word: str) -> None:
    """What an expiry would do."""
    if output.as_json:
        for plan in plans:
            for one in plan.slots:
                facts = {
                    "dataset": plan.dataset,
                    "slot": str(one.slot),
                    "due_at": one.due_at,
                    "objects": len(one.segments),
                    "rows": one.rows,
                    "keep": one.keep,
                }
                output.json_line("due", facts)
        _plan_summary(output, "expire", sum(plan.rows_going for plan in plans), refused, word)
        return
    for plan in plans:
        if not plan.slots:
            output.answer(f"{plan.dataset}: the archive holds nothing for longer than it may")
            continue
        shown = table("dataset", "window", "due", "objects", "rows", "what", right=("objects", "rows"))
        for one in plan.slots:
            what = "goes" if one.keep is None else f"stays: {english(one.keep)}"
            shown.add_row(
                plan.dataset, str(one.slot), f"{one.due_at:%Y-%m-%d}", str(len(one.segments)), f"{one.rows:,}", what
            )
        output.answer(shown)
    _refusals(output, refused)


def _plan_summary(output: Output, command: str, rows: int, refused: Sequence[Statement], word: str) -> None:
    facts = {"command": command, "execute": False, "rows": rows, "refused": list(refused), "word": word}
    output.json_line("summary", facts)


def _refusals(output: Output, refused: Sequence[Statement]) -> None:
    for reason in refused:
        output.answer(f"would be refused: {english(reason)}")


def purge_receipt(output: Output, receipt: PurgeReceipt, status: int) -> None:
    """What a purge did."""
    if output.as_json:
        _summary(output, "purge", receipt, status)
        return
    for name, rows in receipt.rows_reconciled.items():
        if rows:
            output.answer(f"{name}: {rows_text(rows)} had been purged by a run that could not say so; now it is noted")
    for name, rows in receipt.rows.items():
        output.say(f"{name}: {rows_text(rows)} purged, each proven by the archive in the deleting transaction")
    for name, count in receipt.partitions.items():
        output.say(f"{name}: {count_text(count, 'partition')} of these dropped whole")
    for name, remarks in receipt.remarks.items():
        for remark in remarks:
            output.warn(f"{name}: {remark}")
    _kept(output, receipt.kept)


def expire_receipt(output: Output, receipt: ExpireReceipt, status: int) -> None:
    """What an expiry did."""
    if output.as_json:
        _summary(output, "expire", receipt, status)
        return
    if receipt.objects_resumed:
        objects = count_text(receipt.objects_resumed, "object")
        output.answer(f"{objects} had been announced by a run that did not end; done now")
    for name, count in receipt.objects.items():
        size = size_text(receipt.size_bytes[name])
        output.say(
            f"{name}: {count_text(count, 'object')} with {rows_text(receipt.rows[name])}, {size}, left the archive;"
            f" {count_text(receipt.versions[name], 'version')} deleted, none is found any more"
        )
    if not receipt.objects:
        output.say("nothing expired")
    _kept(output, receipt.kept)
    if receipt.residuals_gone:
        objects = count_text(receipt.residuals_gone, "object")
        output.answer(f"{objects} of earlier runs, of which a lock had kept a version, left the store for good")
    _residuals(output, {**receipt.residuals, **receipt.kept_until})


def _residuals(output: Output, kept_until: Mapping[str, datetime]) -> None:
    for key, until in sorted(kept_until.items()):
        end = "without an end (a legal hold)" if until == DATED_MAX else f"until {until:%Y-%m-%d}"
        output.answer(f"{key}: a lock keeps a version {end}: a residual copy")


def _summary(output: Output, command: str, receipt: PurgeReceipt | ExpireReceipt | SweepReceipt, status: int) -> None:
    fields: dict[str, Any] = {one.name: getattr(receipt, one.name) for one in dataclass_fields(receipt)}
    if not isinstance(receipt, SweepReceipt):
        fields["kept"] = {name: counted(reasons, "rows") for name, reasons in receipt.kept.items()}
    fields["problems"] = [problem.message for problem in receipt.problems]
    output.json_line("summary", {"command": command, "execute": True, "exit": status, **fields})


def _kept(output: Output, kept: Mapping[str, Mapping[Statement, int]]) -> None:
    for name, reasons in kept.items():
        for why, rows in told(reasons):
            output.answer(f"{name}: {rows_text(rows)} due and left alone: {why}")


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


def lost_keys(output: Output, found: Sequence[HoldPlaced]) -> None:
    """Name the holds on persons whose digest another key made than today's."""
    for hold in found:
        output.warn(
            f"hold {hold.hold} ({hold.reference}) is on a person whom today's privacy key cannot find: nothing that it"
            " could cover is deleted; set privacy_key_file to the key that it was placed with"
        )


def sweep_plan(output: Output, plan: SweepPlan) -> None:
    """What a sweep would do."""
    if output.as_json:
        for ref in plan.litter:
            output.json_line("litter", asdict(ref))
        for upload in plan.uploads:
            output.json_line("upload", asdict(upload))
        facts = {"objects": len(plan.litter), "uploads": len(plan.uploads), "size_bytes": plan.size_bytes}
        output.json_line("summary", {"command": "sweep", "execute": False, "young": plan.young, **facts})
        return
    for ref in plan.litter:
        output.answer(f"litter: {ref.key}, {size_text(ref.size_bytes)}, of {ref.modified_at:%Y-%m-%d}")
    for upload in plan.uploads:
        output.answer(f"unfinished upload: {upload.key}, of {upload.begun_at:%Y-%m-%d}")
    if not plan.litter and not plan.uploads:
        output.answer("no litter")
    if plan.young:
        output.answer(f"{plan.young} more are younger than the grace time: a run may be at work on them")


def sweep_receipt(output: Output, receipt: SweepReceipt, status: int) -> None:
    """What a sweep did."""
    if output.as_json:
        _summary(output, "sweep", receipt, status)
        return
    if receipt.objects_resumed:
        objects = count_text(receipt.objects_resumed, "object")
        output.answer(f"{objects} had been announced by a sweep that did not end; gone now")
    _residuals(output, receipt.kept_until)
    output.say(
        f"{count_text(receipt.objects, 'object')} that no entry named, {size_text(receipt.size_bytes)}, and"
        f" {count_text(receipt.uploads, 'unfinished upload')} are gone"
    )


# ── Outcomes ───────────────────────────────────────────────────────────────────────────────────────────────────


@show.register
def _tables_planned(outcome: TablesPlanned, output: Output) -> None:
    lost_keys(output, outcome.lost)
    purge_plans(output, outcome.plans, outcome.refused, outcome.word)


@show.register
def _tables_purged(outcome: TablesPurged, output: Output) -> None:
    lost_keys(output, outcome.lost)
    purge_receipt(output, outcome.receipt, outcome.exit_status)


@show.register
def _expiry_planned(outcome: ExpiryPlanned, output: Output) -> None:
    lost_keys(output, outcome.lost)
    expiry_plans(output, outcome.plans, outcome.refused, outcome.word)


@show.register
def _expired(outcome: Expired, output: Output) -> None:
    lost_keys(output, outcome.lost)
    expire_receipt(output, outcome.receipt, outcome.exit_status)


@show.register
def _sweep_planned(outcome: SweepPlanned, output: Output) -> None:
    sweep_plan(output, outcome.plan)


@show.register
def _swept(outcome: Swept, output: Output) -> None:
    sweep_receipt(output, outcome.receipt, outcome.exit_status)
