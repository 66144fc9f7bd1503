"""What a person or a program sees of the purge of logs. Decides nothing; shows no line and no label."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import fields as dataclass_fields
from typing import Any

from archiver.app.purge import LogsLooked, LogsPurged
from archiver.cli.views.console import Output, count_text, show, size_text
from archiver.cli.views.statements import counted, told
from archiver.model import Finding, Statement, Verdict
from archiver.operations.logs.purge import BROKEN, DueChunk, LokiPurgePlan, LokiPurgeReceipt
from archiver.words import english, english_list

NAMED_MAX = 20
"""So many chunks are named one by one; --json names all."""


class SilentProof:
    """Watches the reading of chunks and says nothing."""

    def chunks_planned(self, chunks: int, size_bytes: int) -> None:
        """Ignored."""

    def chunk_read(self, size_bytes: int, entries: int) -> None:
        """Ignored."""

    def chunks_committed(self, seq: int, events: Sequence[Any]) -> None:
        """Nothing is."""


def loki_purge_plan(
    output: Output,
    plan: LokiPurgePlan,
    findings: Sequence[Finding],
    refused: Sequence[Statement],
    word: str,
    status: int,
    *,
    execute: bool,
) -> None:
    """What is there and should not be, and what would be deleted.

    Args:
        execute: Nobody asked for a plan, so what is in order is not worth a word in cron.
    """
    if output.as_json:
        for kind, some in (("due", plan.due), ("soon", plan.soon)):
            for chunk in some:
                output.json_line(kind, _fields(chunk))
        for known in plan.lost:
            output.json_line("lost", asdict(known))
        for finding in findings:
            output.json_line("finding", asdict(finding))
        facts = {**_sums(plan), "refused": list(refused), "word": word}
        output.json_line("summary", {"command": "purge", "execute": execute, "exit": status, **facts})
        return
    _tell(output, plan, execute=execute)
    for finding in findings:
        if finding.verdict is not Verdict.OK:
            output.answer(f"{plan.dataset}: {finding.subject}: {english_list((*finding.observed, *finding.fix))}")
        else:
            output.say(f"{plan.dataset}: {finding.subject}: {english_list(finding.observed)}")
    if plan.going:
        size = size_text(sum(chunk.ref.size_bytes for chunk in plan.going))
        chunks = count_text(len(plan.going), "chunk")
        output.answer(f"{plan.dataset}: {chunks} of {plan.chunks}, {size}, may go, each when its lines are proven")
    for reason in refused:
        output.answer(f"would be refused: {english(reason)}")


def loki_purge_receipt(output: Output, plan: LokiPurgePlan, receipt: LokiPurgeReceipt, status: int) -> None:
    """What a purge of logs did."""
    if output.as_json:
        fields = {field.name: getattr(receipt, field.name) for field in dataclass_fields(receipt)}
        facts = {**_sums(plan), **fields, "kept": counted(receipt.kept, "chunks")}
        output.json_line("summary", {"command": "purge", "execute": True, "exit": status, **facts})
        return
    if receipt.chunks_reconciled:
        chunks = count_text(receipt.chunks_reconciled, "chunk")
        output.answer(f"{plan.dataset}: {chunks} had been deleted by a run that could not say so; now it is noted")
    output.say(
        f"{plan.dataset}: {count_text(receipt.chunks, 'chunk')}, {size_text(receipt.size_bytes)}, deleted, each line of"
        " them read out of the archive before"
    )
    for why, count in told(receipt.kept):
        output.answer(f"{plan.dataset}: {count_text(count, 'chunk')} due and left alone: {why}")
    _tell_danger(output, plan)


def _tell(output: Output, plan: LokiPurgePlan, *, execute: bool) -> None:
    when = f"{plan.border:%Y-%m-%d %H:%M} UTC"
    in_order = output.say if execute else output.answer
    if not plan.due:
        archived = count_text(plan.archived_due, "chunk")
        in_order(f"{plan.dataset}: no chunk ends before {when}; {archived} of that age were archived")
    counted = Counter(chunk.standing for chunk in plan.due)
    for standing, count in sorted(counted.items()):
        tell = output.answer if standing in BROKEN else in_order
        tell(f"{plan.dataset}: {count_text(count, 'chunk')} that ended before {when}: {english(standing())}")
    for chunk in [chunk for chunk in plan.due if chunk.standing in BROKEN][:NAMED_MAX]:
        output.answer(f"  {chunk.ref.chunk}, due since {chunk.due_at:%Y-%m-%d %H:%M} UTC: {_said(chunk)}")
    _tell_danger(output, plan)


def _tell_danger(output: Output, plan: LokiPurgePlan) -> None:
    for chunk in plan.soon[:NAMED_MAX]:
        output.answer(f"{plan.dataset}: {chunk.ref.chunk} is due {chunk.due_at:%Y-%m-%d %H:%M} UTC and {_said(chunk)}")
    if len(plan.soon) > NAMED_MAX:
        output.answer(f"{plan.dataset}: {len(plan.soon) - NAMED_MAX} more; --json names them all")
    for known in plan.lost[:NAMED_MAX]:
        output.answer(f"{plan.dataset}: LOST: {known.chunk} was seen, never archived, and is gone")
    if plan.lost_before:
        output.say(f"{plan.dataset}: {count_text(plan.lost_before, 'chunk')} were lost before; `archiver status`")


def _said(chunk: DueChunk) -> str:
    detail = chunk.detail or (english(chunk.reason) if chunk.reason is not None else "")
    return f"{english(chunk.standing())} ({detail})" if detail else english(chunk.standing())


def _fields(chunk: DueChunk) -> dict[str, Any]:
    return {
        "chunk": chunk.ref.chunk,
        "name": chunk.ref.name,
        "size_bytes": chunk.ref.size_bytes,
        "due_at": chunk.due_at,
        "standing": chunk.standing.name.lower(),
        "reason": chunk.reason,
        "detail": chunk.detail,
    }


def _sums(plan: LokiPurgePlan) -> dict[str, Any]:
    counted = Counter(chunk.standing.name.lower() for chunk in plan.due)
    return {
        "dataset": plan.dataset,
        "border": plan.border,
        "chunks_there": plan.chunks,
        "due": dict(sorted(counted.items())),
        "soon": len(plan.soon),
        "lost": len(plan.lost),
        "lost_before": plan.lost_before,
        "archived_due": plan.archived_due,
    }


@show.register
def _logs_looked(outcome: LogsLooked, output: Output) -> None:
    loki_purge_plan(
        output,
        outcome.plan,
        outcome.findings,
        outcome.refused,
        outcome.word,
        outcome.exit_status,
        execute=outcome.executed,
    )


@show.register
def _logs_purged(outcome: LogsPurged, output: Output) -> None:
    loki_purge_receipt(output, outcome.plan, outcome.receipt, outcome.exit_status)
