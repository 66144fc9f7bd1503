"""What the ledger says of a period: a fold over its entries. Pure.

Only entries written before the period's end are looked at: a report on a month that is over stays the same for ever.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from archiver import layout
from archiver.ledger.entries import SignedEntry
from archiver.ledger.fold import fold
from archiver.ledger.holdings import DatasetHoldings, Holdings
from archiver.model import DATED_MAX, DatasetRules, RulesStated, ScrubCount, StepOutcome, rows_kept
from archiver.reports.bounds import archive_due, lock_end, newest_of, nominal, oldest_of, residuals_of
from archiver.reports.gathering import Collector, Sums, rewrites_of
from archiver.reports.model import (
    Archived,
    Chain,
    ChunkFacts,
    DatasetFacts,
    DayCount,
    Held,
    PeriodFacts,
    Quarantined,
    RunFacts,
)
from archiver.reports.nights import nights_of
from archiver.reports.period import Period
from archiver.retention import overdue


def collect(
    entries: Iterable[SignedEntry], periods: Sequence[Period], stated: RulesStated | None
) -> tuple[PeriodFacts, ...]:
    """The facts of several periods in one pass.

    Args:
        entries: From entry 0 on, already checked against each other; read up to the end of the last period.
        periods: In the order of their ends.
        stated: Rules to go by until the ledger states some.

    Raises:
        LedgerBroken: An entry contradicts the ones before it.
    """
    waiting = [Collector(period, stated) for period in periods]
    collected: list[PeriodFacts] = []
    holdings = Holdings()
    head: SignedEntry | None = None
    for signed in entries:
        while waiting and signed.entry.at >= waiting[0].period.until:
            collected.append(close(waiting.pop(0), holdings, head))
        if not waiting:
            break
        for collector in waiting:
            collector.before(holdings, signed)
        holdings = fold([signed.entry], holdings)
        head = signed
    collected += [close(collector, holdings, head) for collector in waiting]
    return tuple(collected)


# ── The end of a period ────────────────────────────────────────────────────────────────────────────────────────


def close(collector: Collector, holdings: Holdings, head: SignedEntry | None) -> PeriodFacts:
    """What was gathered, and what is held at the period's end."""
    rules = collector.rules_at(holdings)
    names = [rule.dataset for rule in rules.datasets] if rules else []
    names += sorted({*holdings.datasets, *collector.datasets} - set(names))
    return PeriodFacts(
        period=collector.period,
        rules=rules,
        rules_are_recorded=holdings.rules is not None,
        tool="" if head is None else head.entry.tool,
        chain=_chain(collector, holdings, head),
        datasets=tuple(_dataset(collector, holdings, name) for name in names),
        litter=tuple(collector.litter),
        holds=tuple(
            hold
            for hold in collector.holds.values()
            if hold.released_at is None or hold.released_at >= collector.period.since
        ),
        nights=nights_of(collector.nights, collector.period),
        runs=tuple(collector.runs),
        stack=collector.stack,
    )


def _chain(collector: Collector, holdings: Holdings, head: SignedEntry | None) -> Chain | None:
    if head is None or holdings.archive is None:
        return None
    begun = holdings.archive
    return Chain(
        archive_id=begun.archive_id,
        ordering=begun.ordering,
        public_key=begun.public_key,
        head_seq=head.entry.seq,
        head_key=layout.entry_key(head.entry.seq, head.hash if begun.ordering == "anchor" else ""),
        head_hash=head.hash,
        head_signature=head.signature,
        head_at=head.entry.at,
        entries=collector.entries,
        adopted=tuple(collector.adopted),
    )


def _dataset(collector: Collector, holdings: Holdings, name: str) -> DatasetFacts:
    sums, held = collector.datasets[name], holdings.dataset(name)
    rule = collector.rule(holdings, name)
    relocated = sum(deletion.rows_done for deletion in sums.deletions if deletion.operation == "relocation")
    deleted = [deletion for deletion in sums.deletions if deletion.operation == "deletion"]
    last = max((deletion.deleted_at for deletion in sums.deletions), default=None)
    return DatasetFacts(
        name=name,
        rule=rule,
        archived=_archived(sums),
        held=_held(held, rule),
        rows_relocated=relocated,
        rows_deleted=sum(deletion.rows_done for deletion in deleted),
        objects_deleted=sum(len(deletion.proofs) for deletion in deleted),
        versions_deleted=sums.versions_deleted,
        deletions=tuple(sums.deletions),
        left=rows_kept(sums.left),
        rows_overdue_known=_overdue_known(held, rule, collector.period.until),
        purges_open=sum(share.rows for intent in held.open_purges.values() for share in intent.slots),
        expiries_open=len(held.expiring),
        observations=tuple({observation.place: observation for observation in sums.observations}.values()),
        ages=tuple(observation for observation in sums.observations if observation.age_s is not None),
        schema_version=0 if held.schema is None else held.schema.version,
        schema_changes=tuple(sums.schema_changes),
        chunks=_chunk_facts(sums, held),
        days=_days(sums, collector.period),
        verifications=sums.verifications,
        residuals=() if last is None else residuals_of(collector.rules_at(holdings), rule, last),
        objects_locked=len(held.residuals),
        locked_until=lock_end(max(held.residuals.values(), default=DATED_MAX)),
        rewrites=rewrites_of(sums),
        parts_removed=sums.parts["removed"],
        parts_removed_bytes=sums.parts["size_bytes"],
        parts_versions_deleted=sums.parts["versions"],
        parts_waiting=len(held.replaced),
    )


def _overdue_known(held: DatasetHoldings, rule: DatasetRules | None, at: datetime) -> int | None:
    if rule is None or rule.source_retention_s is None or rule.source == "loki":
        return None
    try:
        late = overdue(nominal(rule), held, at)
    except OverflowError:
        return 0
    return 0 if late is None else late.rows


def _archived(sums: Sums) -> Archived:
    return Archived(
        windows=len(sums.windows),
        objects=len(sums.segments),
        rows=sums.exported["rows"],
        size_bytes=sum(segment.size_bytes for segment in sums.segments),
        rows_changed=sums.exported["rows_changed"],
        rows_missing=sums.exported["rows_missing"],
        rows_duplicate_key=sums.exported["rows_duplicate_key"],
        rows_late=sums.exported["rows_late"],
        oldest=oldest_of(sums.segments),
        newest=newest_of(sums.segments),
    )


def _held(held: DatasetHoldings, rule: DatasetRules | None) -> Held:
    slots = [slot for slot in held.slots.values() if slot.segments]
    objects = [segment for slot in slots for segment in slot.segments]
    verified = [segment.verified_at for segment in objects if segment.verified_at is not None]
    due = [] if rule is None else [archive_due(rule, slot) for slot in slots]
    return Held(
        windows=len(slots),
        objects=len(objects),
        rows=sum(segment.segment.rows for segment in objects),
        size_bytes=sum(segment.segment.size_bytes for segment in objects),
        oldest=oldest_of(segment.segment for segment in objects),
        newest=newest_of(segment.segment for segment in objects),
        rows_undated=sum(slot.rows for slot in slots if slot.slot.window is None),
        rows_duplicate_key=sum(slot.rows_duplicate_key for slot in slots),
        verified_since=min(verified) if verified and len(verified) == len(objects) else None,
        objects_unverified=len(objects) - len(verified),
        next_due_at=min((instant for instant in due if instant is not None), default=None),
    )


def _chunk_facts(sums: Sums, held: DatasetHoldings) -> ChunkFacts | None:
    chunks = held.chunks
    is_known = (
        *(chunks.archived, chunks.waiting, chunks.gone, chunks.quarantined, chunks.released),
        *(chunks.open_deletions, chunks.deleted),
    )
    if not any(is_known):
        return None
    return ChunkFacts(
        chunks_archived=sums.chunks["chunks_archived"],
        size_bytes=sums.chunks["size_bytes"],
        entries=sums.chunks["entries"],
        rows=sums.chunks["rows"],
        rows_duplicate=sums.chunks["rows_duplicate"],
        rows_deleted=sums.chunks["rows_deleted"],
        scrubbed=tuple(
            ScrubCount(pattern=pattern, action=action, lines=lines)
            for (pattern, action), lines in sorted(sums.scrubbed.items())
        ),
        waiting=chunks.waiting.reasons if chunks.waiting else (),
        losses=tuple(sums.losses),
        superseded=sums.chunks["superseded"],
        quarantined_in_period=sums.chunks["quarantined_in_period"],
        released_in_period=sums.chunks["released_in_period"],
        quarantined=tuple(
            Quarantined(
                chunk=chunk.chunk, key=chunk.key, size_bytes=chunk.size_bytes, sha256=chunk.sha256, reason=chunk.reason
            )
            for chunk in chunks.quarantined.values()
        ),
        files_deleted=sums.chunks["files_deleted"],
        files_deleted_bytes=sums.chunks["files_deleted_bytes"],
        files_reconciled=sums.chunks["files_reconciled"],
        files_announced=sum(deletion.list.chunks for deletion in chunks.open_deletions.values()),
    )


def _days(sums: Sums, period: Period) -> tuple[DayCount, ...]:
    """Every day of the period with anything in it; days without are left out, a chart knows the period."""
    return tuple(
        DayCount(
            day=day,
            rows_archived=counts["archived"],
            rows_relocated=counts["relocated"],
            rows_deleted=counts["deleted"],
        )
        for day, counts in sorted(sums.days.items())
        if any(counts.values()) and period.since.date() <= day
    )


def failed(run: RunFacts) -> bool:
    """Whether a run, or a step of it, did not end well."""
    return run.exit_status != 0 or any(step.outcome is StepOutcome.FAILED for step in run.steps)
