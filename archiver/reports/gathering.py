"""What a period's entries say, gathered one by one before the holdings take them in. Pure.

An event that this version does not tell of changes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from archiver import layout
from archiver.ledger.entries import SignedEntry
from archiver.ledger.holdings import HeldSegment, Holdings
from archiver.model import (
    AnchorAdopted,
    ChunkQuarantined,
    ChunksArchived,
    ChunksDeleted,
    ChunksDeletionIntended,
    ChunksGone,
    Compacted,
    DatasetRules,
    Entry,
    Expired,
    ExpireIntended,
    Exported,
    HoldPlaced,
    HoldReleased,
    Observed,
    PartsRemoved,
    Purged,
    PurgeIntended,
    QuarantineReleased,
    RulesStated,
    RunEnded,
    SchemaChanged,
    Segment,
    StackChecked,
    Statement,
    Swept,
    Verified,
)
from archiver.reports.bounds import (
    archive_due,
    archive_due_within,
    later,
    lock_end,
    lock_of,
    newest_of,
    of_ms,
    oldest_of,
    residuals_of,
    rows_on_hold,
    source_place,
    text_of,
)
from archiver.reports.model import (
    ChunkFiles,
    ChunkLoss,
    Deletion,
    HoldFacts,
    Observation,
    Proof,
    Residual,
    Rewrite,
    RunFacts,
    SchemaChange,
    StackFacts,
)
from archiver.reports.nights import NIGHTLY
from archiver.reports.period import Period, instant_of

SUBJECT_DIGITS = 12


@dataclass(slots=True)
class Sums:
    """What is added up of one dataset."""

    windows: set[str] = field(default_factory=set)
    segments: list[Segment] = field(default_factory=list)
    exported: Counter[str] = field(default_factory=Counter)
    deletions: list[Deletion] = field(default_factory=list)
    left: Counter[Statement] = field(default_factory=Counter)
    versions_deleted: int = 0
    observations: list[Observation] = field(default_factory=list)
    schema_changes: list[SchemaChange] = field(default_factory=list)
    days: dict[date, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    verifications: int = 0
    chunks: Counter[str] = field(default_factory=Counter)
    scrubbed: Counter[tuple[str, str]] = field(default_factory=Counter)
    losses: list[ChunkLoss] = field(default_factory=list)
    rewrites: list[Rewrite] = field(default_factory=list)
    parts: Counter[str] = field(default_factory=Counter)
    parts_removed_at: dict[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class Collector:
    """Gathers what one period's entries say. ``before`` is called before the holdings take an entry in."""

    period: Period
    stated: RulesStated | None
    datasets: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    litter: list[Deletion] = field(default_factory=list)
    holds: dict[str, HoldFacts] = field(default_factory=dict)
    runs: list[RunFacts] = field(default_factory=list)
    stack: StackFacts | None = None
    checks: int = 0
    adopted: list[datetime] = field(default_factory=list)
    entries: int = 0
    nights: list[datetime] = field(default_factory=list)
    expiries: dict[str, tuple[int, ExpireIntended]] = field(default_factory=dict)
    announced: dict[int, datetime] = field(default_factory=dict)

    def before(self, holdings: Holdings, signed: SignedEntry) -> None:
        """Look at the next entry; any entry before the period's end, those before its start too."""
        entry = signed.entry
        is_inside = self.period.covers(entry.at)
        self.entries += is_inside
        for event in entry.events:
            if isinstance(event, RunEnded) and event.command == NIGHTLY:
                self.nights.append(event.started_at)
            elif isinstance(event, ExpireIntended):
                self.expiries.update(dict.fromkeys(event.keys, (entry.seq, event)))
            elif isinstance(event, ChunksDeletionIntended):
                self.announced[entry.seq] = entry.at
            elif isinstance(event, HoldPlaced | HoldReleased):
                self._hold(event, entry)
            if is_inside and (take := _TAKE.get(type(event))) is not None:
                take(self, holdings, signed, event)

    def rules_at(self, holdings: Holdings) -> RulesStated | None:
        """As stated in the ledger by then, or else as whoever asks for the report states them."""
        return holdings.rules or self.stated

    def rule(self, holdings: Holdings, dataset: str) -> DatasetRules | None:
        """Of one dataset, by then."""
        rules = self.rules_at(holdings)
        return next((rule for rule in rules.datasets if rule.dataset == dataset), None) if rules else None

    def _hold(self, event: HoldPlaced | HoldReleased, entry: Entry) -> None:
        if isinstance(event, HoldPlaced):
            self.holds[event.hold] = HoldFacts(
                hold=event.hold,
                dataset=event.dataset or "",
                since=event.since,
                until=event.until,
                subject=(event.subject or "")[:SUBJECT_DIGITS],
                reason=event.reason,
                reference=event.reference,
                review_on=event.review_on,
                placed_at=entry.at,
                released_at=None,
                release_reason="",
            )
        elif (placed := self.holds.get(event.hold)) is not None:
            self.holds[event.hold] = replace(placed, released_at=entry.at, release_reason=event.reason)


# ── Events ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _exported(to: Collector, _: Holdings, signed: SignedEntry, event: Exported) -> None:
    sums = to.datasets[event.dataset]
    if event.segments:
        sums.windows.add(str(event.slot))
    sums.segments += event.segments
    sums.exported.update(
        rows=event.rows,
        rows_changed=event.rows_changed,
        rows_missing=event.rows_missing,
        rows_duplicate_key=event.rows_duplicate_key,
        rows_late=event.rows if event.late else 0,
    )
    sums.days[signed.entry.at.date()]["archived"] += event.rows


def _schema(to: Collector, holdings: Holdings, signed: SignedEntry, event: SchemaChanged) -> None:
    known = holdings.dataset(event.dataset).schema
    before = {column.name: column for column in (known.columns if known else ())}
    now = {column.name: column for column in event.columns}
    to.datasets[event.dataset].schema_changes.append(
        SchemaChange(
            at=signed.entry.at,
            version=event.version,
            columns=len(event.columns),
            added=tuple(column for name, column in now.items() if known and name not in before),
            dropped=tuple(column for name, column in before.items() if name not in now),
            retyped=tuple(
                column
                for name, column in now.items()
                if name in before and before[name].source_type != column.source_type
            ),
            is_accepted=event.accepted,
        )
    )


def _verified(to: Collector, _: Holdings, __: SignedEntry, event: Verified) -> None:
    to.datasets[event.dataset].verifications += 1


def _purged(to: Collector, holdings: Holdings, signed: SignedEntry, event: Purged) -> None:
    entry, held = signed.entry, holdings.dataset(event.dataset)
    rule = to.rule(holdings, event.dataset)
    intent: PurgeIntended | None = held.open_purges.get(event.intent_seq)
    planned = next((share.rows for share in intent.slots if share.slot == event.slot), None) if intent else None
    known = held.slots.get(event.slot)
    segments = known.segments if known else []
    window = event.slot.window
    period = None if rule is None or rule.source_retention_s is None else timedelta(seconds=rule.source_retention_s)
    sums = to.datasets[event.dataset]
    sums.left.update({share.reason: share.rows for share in event.kept})
    sums.days[entry.at.date()]["relocated"] += event.rows
    sums.deletions.append(
        Deletion(
            operation="relocation",
            dataset=event.dataset,
            slot=str(event.slot),
            reason="regular",
            place=source_place(rule),
            rule=rule,
            due_from=None if window is None or period is None else later(window.start, period),
            due_until=None if window is None or period is None else later(window.end, period),
            oldest=oldest_of(segment.segment for segment in segments),
            newest=newest_of(segment.segment for segment in segments),
            rows_planned=planned,
            rows_done=event.rows,
            rows_difference=0 if planned is None else planned - event.rows,
            differences=event.kept,
            rows_on_hold=rows_on_hold(event.kept),
            changed=None if event.reconciled else event.changed,
            confirmed=intent.confirmed if intent else (),
            method="reconciled" if event.reconciled else "compared_in_transaction",
            deleted_at=event.snapshot_at,
            run=signed.entry.run,
            tool=signed.entry.tool,
            entry_seq=signed.entry.seq,
            entry_sha256=signed.hash,
            intent_seq=event.intent_seq,
            plan_sha256=intent.plan if intent else "",
            proofs=tuple(_proof(segment) for segment in segments),
            rows_left=event.state.rows,
            checked_at=event.snapshot_at,
            residuals=residuals_of(to.rules_at(holdings), rule, event.snapshot_at),
            archive_due_at=None if rule is None or known is None else archive_due(rule, known),
            kept_until=None,
            size_bytes=0,
            chunks=None,
        )
    )


def _expired(to: Collector, holdings: Holdings, signed: SignedEntry, event: Expired) -> None:
    """A line for each slot: an event may have objects of several."""
    entry, held = signed.entry, holdings.dataset(event.dataset)
    rule = to.rule(holdings, event.dataset)
    to.datasets[event.dataset].versions_deleted += event.versions_deleted
    by_slot = defaultdict(list)
    for key in event.keys:
        if (known := held.expiring.get(key)) is not None:
            by_slot[known.segment.slot].append(known)
    for slot, objects in sorted(by_slot.items(), key=lambda item: item[0].sort_key):
        rows = sum(segment.segment.rows for segment in objects)
        intent_seq, intent = to.expiries.get(objects[0].segment.key, (None, None))
        period = rule.archive_retention_s if rule else None
        archived_at = max(segment.committed_at for segment in objects)
        start = archived_at if slot.window is None else min(slot.window.end, archived_at)
        due_at = None if period is None else later(start, timedelta(seconds=period))
        to.datasets[event.dataset].days[entry.at.date()]["deleted"] += rows
        to.datasets[event.dataset].deletions.append(
            Deletion(
                operation="deletion",
                dataset=event.dataset,
                slot=str(slot),
                reason="regular",
                place="archive",
                rule=rule,
                due_from=due_at,
                due_until=due_at,
                oldest=oldest_of(segment.segment for segment in objects),
                newest=newest_of(segment.segment for segment in objects),
                rows_planned=rows,
                rows_done=rows,
                rows_difference=0,
                differences=(),
                rows_on_hold=0,
                changed=(),
                confirmed=intent.confirmed if intent else (),
                method="all_versions",
                deleted_at=entry.at,
                run=signed.entry.run,
                tool=signed.entry.tool,
                entry_seq=signed.entry.seq,
                entry_sha256=signed.hash,
                intent_seq=intent_seq,
                plan_sha256=intent.plan if intent else "",
                proofs=tuple(_proof(segment) for segment in objects),
                rows_left=None if event.kept_until else 0,
                checked_at=entry.at,
                residuals=(*residuals_of(to.rules_at(holdings), rule, entry.at), *lock_of(event)),
                archive_due_at=None,
                kept_until=lock_end(event.kept_until),
                size_bytes=sum(segment.segment.size_bytes for segment in objects),
                chunks=None,
            )
        )

    again = tuple(key for key in event.keys if key in held.residuals)
    if again:
        to.datasets[event.dataset].deletions.append(
            _unnamed(to, holdings, signed, again, operation="residual", dataset=event.dataset, locked=lock_of(event))
        )


def _proof(held: HeldSegment) -> Proof:
    return Proof(
        key=held.segment.key,
        size_bytes=held.segment.size_bytes,
        sha256=held.segment.sha256,
        rows=held.segment.rows,
        verified_at=held.verified_at,
        is_deep=held.verified_deep_at is not None,
    )


def _compacted(to: Collector, holdings: Holdings, signed: SignedEntry, event: Compacted) -> None:
    known = holdings.dataset(event.dataset).slots.get(event.slot)
    held = {segment.segment.key: segment for segment in (known.segments if known else ())}
    at, seq = signed.entry.at, signed.entry.seq
    to.datasets[event.dataset].rewrites.append(
        Rewrite(
            at=at,
            slot=str(event.slot),
            rows=event.rows,
            replaced=tuple(_proof(held[key]) for key in event.replaced if key in held),
            segments=tuple(_proof(HeldSegment(segment, seq, at, at, at)) for segment in event.segments),
            removed_at=None,
            entry_seq=seq,
            entry_sha256=signed.hash,
        )
    )


def _parts_removed(to: Collector, _: Holdings, signed: SignedEntry, event: PartsRemoved) -> None:
    sums = to.datasets[event.dataset]
    sums.parts.update(removed=len(event.keys), size_bytes=event.size_bytes, versions=event.versions_deleted)
    sums.parts_removed_at.update(dict.fromkeys(event.keys, signed.entry.at))


def rewrites_of(sums: Sums) -> tuple[Rewrite, ...]:
    """Those of the period, each with when the last of the objects before it was gone."""
    rewrites = []
    for rewrite in sums.rewrites:
        ends = [sums.parts_removed_at.get(proof.key) for proof in rewrite.replaced]
        known = [end for end in ends if end is not None]
        rewrites.append(replace(rewrite, removed_at=max(known)) if known and len(known) == len(ends) else rewrite)
    return tuple(rewrites)


def _swept(to: Collector, holdings: Holdings, signed: SignedEntry, event: Swept) -> None:
    names = {key_parts.dataset for key in event.keys if (key_parts := layout.parse_segment_key(key)) is not None}
    dataset = min(names) if len(names) == 1 else ""
    to.litter.append(
        replace(
            _unnamed(to, holdings, signed, event.keys, operation="litter", dataset=dataset),
            size_bytes=event.size_bytes,
        )
    )


def _unnamed(
    to: Collector,
    holdings: Holdings,
    signed: SignedEntry,
    keys: Sequence[str],
    *,
    operation: Literal["residual", "litter"],
    dataset: str,
    locked: tuple[Residual, ...] = (),
) -> Deletion:
    """Objects whose rows are counted elsewhere, or nowhere."""
    at = signed.entry.at
    return Deletion(
        operation=operation,
        dataset=dataset,
        slot="",
        reason="litter" if operation == "litter" else "regular",
        place="archive",
        rule=to.rule(holdings, dataset),
        due_from=None,
        due_until=None,
        oldest=None,
        newest=None,
        rows_planned=None,
        rows_done=0,
        rows_difference=0,
        differences=(),
        rows_on_hold=0,
        changed=(),
        confirmed=(),
        method="unnamed_objects" if operation == "litter" else "all_versions",
        deleted_at=at,
        run=signed.entry.run,
        tool=signed.entry.tool,
        entry_seq=signed.entry.seq,
        entry_sha256=signed.hash,
        intent_seq=None,
        plan_sha256="",
        proofs=tuple(Proof(key=key, size_bytes=0, sha256="", rows=0, verified_at=None, is_deep=False) for key in keys),
        rows_left=None if locked else 0,
        checked_at=at,
        residuals=(*residuals_of(to.rules_at(holdings), to.rule(holdings, dataset), at), *locked),
        archive_due_at=None,
        kept_until=locked[0].until if locked else None,
        size_bytes=0,
        chunks=None,
    )


def _run(to: Collector, holdings: Holdings, signed: SignedEntry, event: RunEnded) -> None:
    to.runs.append(
        RunFacts(
            command=event.command,
            started_at=event.started_at,
            ended_at=signed.entry.at,
            exit_status=event.exit_status,
            steps=event.steps,
            entry_seq=signed.entry.seq,
        )
    )
    for seen in event.observed:
        rule = to.rule(holdings, seen.dataset)
        to.datasets[seen.dataset].observations.append(_observation(seen, rule, signed.entry.at))


def _observation(seen: Observed, rule: DatasetRules | None, at: datetime) -> Observation:
    oldest = instant_of(seen.oldest)
    limit_s = None
    if rule is not None:
        limit_s = rule.source_retention_s if seen.place == "source" else rule.archive_retention_s
    return Observation(
        at=at,
        place=seen.place,
        rows=seen.rows,
        rows_overdue=seen.rows_overdue,
        rows_on_hold=min(seen.rows_overdue, rows_on_hold(seen.reasons)),
        oldest=seen.oldest,
        age_s=None if oldest is None else int((at - oldest).total_seconds()),
        limit_s=limit_s,
        reasons=seen.reasons,
        rows_undated=seen.rows_undated,
        rows_future=seen.rows_future,
    )


def _stack(to: Collector, _: Holdings, signed: SignedEntry, event: StackChecked) -> None:
    to.checks += 1
    to.stack = StackFacts(
        at=signed.entry.at, promised_s=event.promised_s, checks_in_period=to.checks, findings=event.findings
    )


def _chunks(to: Collector, _: Holdings, __: SignedEntry, event: ChunksArchived) -> None:
    sums = to.datasets[event.dataset]
    sums.chunks.update(
        chunks_archived=event.list.chunks,
        size_bytes=event.size_bytes,
        entries=event.entries,
        rows=event.rows,
        rows_duplicate=event.rows_duplicate,
        rows_deleted=event.rows_deleted,
    )
    sums.scrubbed.update({(scrub.pattern, scrub.action): scrub.lines for scrub in event.scrubbed})


def _gone(to: Collector, _: Holdings, signed: SignedEntry, event: ChunksGone) -> None:
    sums = to.datasets[event.dataset]
    if event.cause == "lost":
        loss = ChunkLoss(at=signed.entry.at, chunks=event.list.chunks, list_key=event.list.key)
        sums.losses.append(loss)
    else:
        sums.chunks["superseded"] += event.list.chunks


def _files_deleted(to: Collector, holdings: Holdings, signed: SignedEntry, event: ChunksDeleted) -> None:
    """Chunk files have left a directory; their lines are in the archive, so they have moved."""
    sums, rule = to.datasets[event.dataset], to.rule(holdings, event.dataset)
    held = holdings.dataset(event.dataset)
    intent = held.chunks.open_deletions.get(event.intent_seq)
    done = 0 if event.list is None else event.list.chunks
    named = event.list or (intent.list if intent else None)
    first, last = (None, None) if named is None else (of_ms(named.from_ms), of_ms(named.through_ms))
    period = None if rule is None or rule.source_retention_s is None else timedelta(seconds=rule.source_retention_s)
    at = signed.entry.at
    sums.chunks.update(
        files_deleted=done, files_deleted_bytes=event.size_bytes, files_reconciled=done if event.reconciled else 0
    )
    sums.deletions.append(
        Deletion(
            operation="relocation",
            dataset=event.dataset,
            slot="",
            reason="regular",
            place=source_place(rule),
            rule=rule,
            due_from=None if first is None or period is None else later(first, period),
            due_until=None if last is None or period is None else later(last, period),
            oldest=text_of(first),
            newest=text_of(last),
            rows_planned=None,
            rows_done=0,
            rows_difference=0,
            differences=(),
            rows_on_hold=0,
            changed=(),
            confirmed=intent.confirmed if intent else (),
            method="chunks_reconciled" if event.reconciled else "chunks_compared",
            deleted_at=at,
            run=signed.entry.run,
            tool=signed.entry.tool,
            entry_seq=signed.entry.seq,
            entry_sha256=signed.hash,
            intent_seq=event.intent_seq,
            plan_sha256=intent.plan if intent else "",
            proofs=()
            if named is None
            else (
                Proof(
                    key=named.key,
                    size_bytes=named.size_bytes,
                    sha256=named.sha256,
                    rows=named.chunks,
                    verified_at=None,
                    is_deep=False,
                ),
            ),
            rows_left=None,
            checked_at=at,
            residuals=residuals_of(to.rules_at(holdings), rule, at) if done else (),
            archive_due_at=archive_due_within(rule, held.slots.values(), first, last) if done else None,
            kept_until=None,
            size_bytes=event.size_bytes,
            chunks=ChunkFiles(
                planned=done + event.kept,
                done=done,
                kept=event.kept,
                why_kept="" if not event.kept else "run_died" if event.reconciled else "not_deleted",
                proven_at=to.announced.get(event.intent_seq),
            ),
        )
    )


def _quarantined(to: Collector, _: Holdings, __: SignedEntry, event: ChunkQuarantined) -> None:
    to.datasets[event.dataset].chunks["quarantined_in_period"] += 1


def _released(to: Collector, _: Holdings, __: SignedEntry, event: QuarantineReleased) -> None:
    to.datasets[event.dataset].chunks["released_in_period"] += 1


def _adopted(to: Collector, _: Holdings, signed: SignedEntry, __: AnchorAdopted) -> None:
    to.adopted.append(signed.entry.at)


_TAKE: Mapping[type[object], Callable[[Collector, Holdings, SignedEntry, Any], None]] = {
    Exported: _exported,
    SchemaChanged: _schema,
    Verified: _verified,
    Purged: _purged,
    Expired: _expired,
    Compacted: _compacted,
    PartsRemoved: _parts_removed,
    Swept: _swept,
    RunEnded: _run,
    StackChecked: _stack,
    ChunksArchived: _chunks,
    ChunksGone: _gone,
    ChunksDeleted: _files_deleted,
    ChunkQuarantined: _quarantined,
    QuarantineReleased: _released,
    AnchorAdopted: _adopted,
}
"""How each kind of event enters a report; all others show in the holdings at the period's end."""
