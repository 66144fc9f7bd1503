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
    found: list[PeriodFacts] = []
    holdings = Holdings()
    head: SignedEntry | None = None
    for signed in entries:
        while waiting and signed.entry.at >= waiting[0].period.until:
            found.append(close(waiting.pop(0), holdings, head))
        if not waiting:
            break
        for one in waiting:
            one.before(holdings, signed)
        holdings = fold([signed.entry], holdings)
        head = signed
    found += [close(one, holdings, head) for one in waiting]
    return tuple(found)


# ── The end of a period ────────────────────────────────────────────────────────────────────────────────────────


def close(of: Collector, holdings: Holdings, head: SignedEntry | None) -> PeriodFacts:
    """What was gathered, and what is held at the period's end."""
    rules = of.rules_at(holdings)
    names = [one.dataset for one in rules.datasets] if rules else []
    names += sorted({*holdings.datasets, *of.datasets} - set(names))
    return PeriodFacts(
        period=of.period,
        rules=rules,
        rules_are_recorded=holdings.rules is not None,
        tool="" if head is None else head.entry.tool,
        chain=_chain(of, holdings, head),
        datasets=tuple(_dataset(of, holdings, name) for name in names),
        litter=tuple(of.litter),
        holds=tuple(
            hold for hold in of.holds.values() if hold.released_at is None or hold.released_at >= of.period.since
        ),
        nights=nights_of(of.nights, of.period),
        runs=tuple(of.runs),
        stack=of.stack,
    )


def _chain(of: Collector, holdings: Holdings, head: SignedEntry | None) -> Chain | None:
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
        entries=of.entries,
        adopted=tuple(of.adopted),
    )


def _dataset(of: Collector, holdings: Holdings, name: str) -> DatasetFacts:
    sums, held = of.datasets[name], holdings.dataset(name)
    rule = of.rule(holdings, name)
    relocated = sum(one.rows_done for one in sums.deletions if one.operation == "relocation")
    deleted = [one for one in sums.deletions if one.operation == "deletion"]
    last = max((one.deleted_at for one in sums.deletions), default=None)
    return DatasetFacts(
        name=name,
        rule=rule,
        archived=_archived(sums),
        held=_held(held, rule),
        rows_relocated=relocated,
        rows_deleted=sum(one.rows_done for one in deleted),
        objects_deleted=sum(len(one.proofs) for one in deleted),
        versions_deleted=sums.versions_deleted,
        deletions=tuple(sums.deletions),
        left=rows_kept(sums.left),
        rows_overdue_known=_overdue_known(held, rule, of.period.until),
        purges_open=sum(share.rows for intent in held.open_purges.values() for share in intent.slots),
        expiries_open=len(held.expiring),
        observations=tuple({one.place: one for one in sums.observations}.values()),
        ages=tuple(one for one in sums.observations if one.age_s is not None),
        schema_version=0 if held.schema is None else held.schema.version,
        schema_changes=tuple(sums.schema_changes),
        chunks=_chunk_facts(sums, held),
        days=_days(sums, of.period),
        verifications=sums.verifications,
        residuals=() if last is None else residuals_of(of.rules_at(holdings), rule, last),
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
        size_bytes=sum(one.size_bytes for one in sums.segments),
        rows_changed=sums.exported["rows_changed"],
        rows_missing=sums.exported["rows_missing"],
        rows_duplicate_key=sums.exported["rows_duplicate_key"],
        rows_late=sums.exported["rows_late"],
        oldest=oldest_of(sums.segments),
        newest=newest_of(sums.segments),
    )


def _held(held: DatasetHoldings, rule: DatasetRules | None) -> Held:
    slots = [one for one in held.slots.values() if one.segments]
    objects = [one for slot in slots for one in slot.segments]
    verified = [one.verified_at for one in objects if one.verified_at is not None]
    due = [] if rule is None else [archive_due(rule, slot) for slot in slots]
    return Held(
        windows=len(slots),
        objects=len(objects),
        rows=sum(one.segment.rows for one in objects),
        size_bytes=sum(one.segment.size_bytes for one in objects),
        oldest=oldest_of(one.segment for one in objects),
        newest=newest_of(one.segment for one in objects),
        rows_undated=sum(slot.rows for slot in slots if slot.slot.window is None),
        rows_duplicate_key=sum(slot.rows_duplicate_key for slot in slots),
        verified_since=min(verified) if verified and len(verified) == len(objects) else None,
        objects_unverified=len(objects) - len(verified),
        next_due_at=min((one for one in due if one is not None), default=None),
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
            Quarantined(chunk=one.chunk, key=one.key, size_bytes=one.size_bytes, sha256=one.sha256, reason=one.reason)
            for one in chunks.quarantined.values()
        ),
        files_deleted=sums.chunks["files_deleted"],
        files_deleted_bytes=sums.chunks["files_deleted_bytes"],
        files_reconciled=sums.chunks["files_reconciled"],
        files_announced=sum(one.list.chunks for one in chunks.open_deletions.values()),
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
