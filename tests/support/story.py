"""A ledger that tells two months of nights: everything that a report has a word for happens in it. Pure, always the same."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from archiver.ledger.entries import SignedEntry, encode_entry
from archiver.model import (
    ZERO_HASH,
    AnchorAdopted,
    ChunkFault,
    ChunkList,
    ChunkQuarantined,
    ChunksArchived,
    ChunksDeleted,
    ChunksDeletionIntended,
    ChunksGone,
    ChunkShare,
    ChunksWaiting,
    Column,
    ColumnPolicy,
    Compacted,
    Copy,
    DatasetRules,
    Entry,
    Event,
    Expired,
    ExpireIntended,
    Exported,
    Failure,
    Finding,
    Fix,
    Force,
    HoldPlaced,
    HoldReleased,
    Initialised,
    Look,
    Observed,
    PartsRemoved,
    PolicyAction,
    Promise,
    Purged,
    PurgeIntended,
    QuarantineReleased,
    Reason,
    Refusal,
    ResidualRule,
    RowsChanged,
    RowsKept,
    RulesStated,
    RunEnded,
    SchemaChanged,
    ScrubCount,
    Seen,
    Segment,
    Setting,
    Skip,
    Slot,
    SlotShare,
    SourceState,
    StackChecked,
    Statement,
    StepOutcome,
    StepResult,
    SweepIntended,
    Swept,
    Verdict,
    Verified,
    Wait,
    Window,
)
from tests.support.archive import ARCHIVE_ID, SIGNER

DAY = timedelta(days=1)
BEGIN = datetime(2026, 9, 20, 1, 30, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
AUDIT, EVENTS, LOKI = "app_audit_log", "log_workflow_events", "loki"
RETENTION_S = 30 * 86_400
COLUMNS = (
    Column(name="id", source_type="uuid", archive_type="string", nullable=False),
    Column(name="created_at", source_type="timestamp with time zone", archive_type="timestamp[us, tz=UTC]"),
    Column(name="actor", source_type="text", archive_type="string"),
)


def digest(*parts: object) -> str:
    """64 hex digits that stand for something."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def signed(steps: Iterable[tuple[datetime, Sequence[Event]]]) -> list[SignedEntry]:
    """A chain of these steps, signed by the tests' key."""
    chain: list[SignedEntry] = []
    for seq, (at, events) in enumerate(steps):
        prev = chain[-1].hash if chain else ZERO_HASH
        entry = Entry(seq=seq, at=at, run=f"run{seq:04d}", tool="archiver 0.1.0", prev=prev, events=tuple(events))
        chain.append(encode_entry(entry, SIGNER))
    return chain


def rules(**changed: object) -> RulesStated:
    """The rules of the story."""
    given: dict[str, object] = {
        "config_sha256": digest("config"),
        "datasets": (
            DatasetRules(
                dataset=AUDIT,
                source="postgres",
                place="public.app_audit_log",
                time_column="created_at",
                subject_columns=("actor",),
                policies=(ColumnPolicy(column="ip", action=PolicyAction.TRUNCATE_IP),),
                source_retention_s=RETENTION_S,
                archive_retention_s=60 * 86_400,
                purpose="Nachweis von Zugriffen",
                legal_basis="Art. 6(1)(f) DSGVO",
                deletion_class="K2",
            ),
            DatasetRules(
                dataset=EVENTS,
                source="postgres",
                place="public.log_workflow_events",
                time_column="created_at",
                source_retention_s=RETENTION_S,
                archive_retention_s=None,
                purpose="Fehlersuche",
            ),
            DatasetRules(
                dataset=LOKI,
                source="loki",
                place="loki",
                time_column="timestamp",
                line_policies=("phone=hmac",),
                source_retention_s=RETENTION_S,
                archive_retention_s=365 * 86_400,
            ),
        ),
        "stack_retention_s": RETENTION_S,
        "controller": "Beispiel GmbH, Musterstadt",
        "officer": "datenschutz (bei der Beispiel GmbH)",
        "record": "VVT-7",
        "residuals": (ResidualRule(copy=Copy.DAILY_BACKUPS(plan="pro"), period_s=7 * 86_400),),
    }
    return RulesStated(**{**given, **changed})  # type: ignore[arg-type]


def slot(day: datetime, tenant: str | None = None) -> Slot:
    """A day's slot."""
    start = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return Slot(tenant=tenant, window=Window(start, start + DAY))


def exported(dataset: str, day: datetime, rows: int, at: datetime, *, tenant: str | None = None) -> Exported:
    """A day's rows, in one part."""
    place = slot(day, tenant)
    sha256 = digest(dataset, place, rows)
    folder = f"data/{dataset}/" + (f"tenant={tenant}/" if tenant else "")
    segment = Segment(
        key=f"{folder}date={day:%Y-%m-%d}/part-0000-{sha256[:16]}.parquet",
        slot=place,
        part=0,
        size_bytes=rows * 37,
        sha256=sha256,
        rows=rows,
        schema=digest("schema"),
        oldest=f"{day:%Y-%m-%d}T00:00:07.120000Z",
        newest=f"{day:%Y-%m-%d}T23:59:12.000000Z",
    )
    return Exported(
        dataset=dataset,
        slot=place,
        segments=(segment,),
        state=SourceState(rows=rows, digest=str(rows)),
        rows=rows,
        snapshot_at=at,
    )


def late_part(at: datetime) -> Exported:
    """40 rows that came late to 5 November, as the second part of their day."""
    added = exported(EVENTS, datetime(2026, 11, 5, tzinfo=UTC), 40, at)
    (one,) = added.segments
    segment = replace(one, key=one.key.replace("part-0000", "part-0001"), part=1)
    return replace(added, segments=(segment,), late=True)


def _rewritten(at: datetime) -> Iterator[tuple[datetime, list[Event]]]:
    """Both parts of 5 November become one, and then they go."""
    day = datetime(2026, 11, 5, tzinfo=UTC)
    number = (day - BEGIN + DAY) // DAY
    before = (*exported(EVENTS, day, (900 + (number * 37) % 300) * 4, at).segments, *late_part(at).segments)
    rows = sum(one.rows for one in before)
    after = exported(EVENTS, day, rows, at).segments
    keys = tuple(one.key for one in before)
    yield at, [Compacted(dataset=EVENTS, slot=slot(day), replaced=keys, segments=after, rows=rows)]
    yield at + timedelta(minutes=1), [
        PartsRemoved(
            dataset=EVENTS, keys=keys, size_bytes=sum(one.size_bytes for one in before), versions_deleted=len(keys)
        )
    ]  # fmt: skip


def chunk_list(name: str, chunks: int) -> ChunkList:
    """An object that names chunks."""
    return ChunkList(
        key=f"chunks/loki/{digest(name)}.parquet",
        sha256=digest(name),
        size_bytes=900,
        chunks=chunks,
        from_ms=1_790_000_000_000,
        through_ms=1_790_000_600_000,
    )


def finding(check: str, verdict: Verdict, observed: Statement | None = None) -> Finding:
    """One statement about a Prometheus or a Loki."""
    return Finding(
        check=check,
        subject="http://127.0.0.1:9090",
        promised=(Promise.AGE(limit_s=RETENTION_S),),
        configured=(Setting.WRITTEN(setting="--storage.tsdb.retention.time=30d"),),
        in_force=(Force.AT_MOST_AND(limit_s=RETENTION_S, delay_s=14_400),),
        observed=(observed or Seen.OLDEST_SAMPLE(age_s=2_574_720, oldest_at=BEGIN),),
        verdict=verdict,
        fix=() if verdict is Verdict.OK else (Fix.START_WITH(value="30d"), Fix.BLOCKS_GO()),
    )


def _night(number: int, at: datetime) -> Iterator[tuple[datetime, list[Event]]]:
    """What one night writes: export, verification, purge, expiry, stack check, its end."""
    day = at - DAY
    rows = 900 + (number * 37) % 300
    yield (
        at,
        [
            exported(AUDIT, day, rows, at),
            exported(EVENTS, day, rows * 4, at),
            exported(LOKI, day, rows * 2, at, tenant="fake"),
            ChunksArchived(
                dataset=LOKI,
                list=chunk_list(f"night {number}", 6),
                size_bytes=rows * 60,
                entries=rows * 2 + 5,
                rows=rows * 2,
                rows_duplicate=4,
                rows_deleted=1,
                scrubbed=(ScrubCount(pattern="phone", action="hmac", lines=17),),
            ),
        ],
    )
    yield (
        at + timedelta(minutes=4),
        [
            Verified(
                dataset=name, through_seq=10_000, depth="digest", segments=number + 1, rows=rows, size_bytes=rows * 37
            )
            for name in (AUDIT, EVENTS, LOKI)
        ],
    )


def story() -> list[SignedEntry]:
    """The whole of it, 20 September to 1 December."""
    return signed(_steps())


def _steps() -> Iterator[tuple[datetime, Sequence[Event]]]:
    yield BEGIN, [Initialised(archive_id=ARCHIVE_ID, format=1, ordering="conditional", public_key=SIGNER.public_key)]
    yield BEGIN + timedelta(minutes=1), [
        SchemaChanged(
            dataset=name, version=1, schema=digest("schema"), columns=COLUMNS, time_column="created_at",
            key_columns=("id",),
        )
        for name in (AUDIT, EVENTS)
    ]  # fmt: skip
    yield BEGIN + timedelta(minutes=2), [rules()]
    seq = 3
    number = 0
    at = BEGIN + DAY
    sizes: dict[datetime, int] = {}
    died: list[int] = []
    while at < END:
        if at.date() in {datetime(2026, 11, 8, tzinfo=UTC).date(), datetime(2026, 11, 9, tzinfo=UTC).date()}:
            at += DAY
            continue
        for step in _once(at):
            yield step
            seq += 1
        day = (at - DAY).replace(hour=0, minute=0)
        sizes[day] = 900 + (number * 37) % 300
        for step in _night(number, at):
            yield step
            seq += 1
        for step in _leaving(at, sizes, seq):
            yield step
            seq += 1
        for step in _files_leaving(at, seq, died):
            yield step
            seq += 1
        yield at + timedelta(minutes=20), [_checked(at), _ended(at, number)]
        seq += 1
        number += 1
        at += DAY


def _once(at: datetime) -> Iterator[tuple[datetime, list[Event]]]:
    """What happens on one night only."""
    early = at - timedelta(hours=3)
    if at.date() == datetime(2026, 11, 3, tzinfo=UTC).date():
        yield early, [
            HoldPlaced(
                hold="h1", dataset=AUDIT, since=datetime(2026, 10, 20, tzinfo=UTC),
                until=datetime(2026, 10, 22, tzinfo=UTC), subject=None, reason="Rechtsstreit", reference="2026-17",
                review_on=datetime(2026, 11, 20, tzinfo=UTC),
            ),
            HoldPlaced(
                hold="h2", dataset=None, since=None, until=None, subject=digest("person"), reason="Auskunft",
                reference="2026-18", review_on=datetime(2027, 2, 1, tzinfo=UTC),
            ),
        ]  # fmt: skip
    if at.date() == datetime(2026, 11, 5, tzinfo=UTC).date():
        yield early, [
            ChunkQuarantined(
                dataset=LOKI, chunk="fake/1c35e96ab834db44/19cbd02c000:19cbd0aab58:30c57ba5",
                key=f"quarantine/loki/{digest(n)}", size_bytes=4_000, sha256=digest(n),
                reason=ChunkFault.CONTRADICTION(chunk="fake/1c35e96ab834db44", at_byte=3_122, size_bytes=4_000),
            )
            for n in (1, 2)
        ]  # fmt: skip
    if at.date() == datetime(2026, 11, 10, tzinfo=UTC).date():
        yield early, [late_part(early)]
    if at.date() == datetime(2026, 11, 21, tzinfo=UTC).date():
        yield from _rewritten(early)
    if at.date() == datetime(2026, 11, 12, tzinfo=UTC).date():
        yield early, [
            QuarantineReleased(dataset=LOKI, sha256=digest(1), cause="person", reason="looked at"),
            SchemaChanged(
                dataset=EVENTS, version=2, schema=digest("schema 2"), time_column="created_at", key_columns=("id",),
                columns=(COLUMNS[0], COLUMNS[1], Column(name="amount", source_type="numeric(12,2)", archive_type="string")),
                accepted=True,
            ),
        ]  # fmt: skip
    if at.date() == datetime(2026, 11, 14, tzinfo=UTC).date():
        yield early, [
            ChunksGone(dataset=LOKI, list=chunk_list("lost", 3), cause="lost"),
            ChunksGone(dataset=LOKI, list=chunk_list("superseded", 2), cause="deletion"),
            ChunksWaiting(
                dataset=LOKI, list=chunk_list("waiting", 4),
                reasons=(ChunkShare(reason=Wait.WRITTEN(), chunks=4),),
            ),
        ]  # fmt: skip
        yield early, [HoldReleased(hold="h2", reason="beantwortet")]
    if at.date() == datetime(2026, 11, 16, tzinfo=UTC).date():
        keys = (f"data/{AUDIT}/date=2026-11-01/part-0009-{digest('litter')[:16]}.parquet",)
        yield early, [SweepIntended(keys=keys)]
        yield early, [Swept(keys=keys, size_bytes=5_000)]
        yield early, [rules(stack_retention_s=27 * 86_400, config_sha256=digest("config 2"), processor="Hoster AG")]
        yield early, [AnchorAdopted()]


def _leaving(at: datetime, sizes: dict[datetime, int], seq: int) -> Iterator[tuple[datetime, list[Event]]]:
    """Rows older than 30 days leave the source; audit rows older than 60 leave the archive."""
    day = at.replace(hour=0, minute=0) - 31 * DAY
    later = at + timedelta(minutes=8)
    if day in sizes:
        rows = sizes[day]
        held = datetime(2026, 10, 20, tzinfo=UTC) <= day < datetime(2026, 10, 22, tzinfo=UTC)
        names = [(EVENTS, rows * 4)] if held else [(AUDIT, rows), (EVENTS, rows * 4)]
        yield later, [
            PurgeIntended(
                dataset=name, plan=digest("plan", name, day), slots=(SlotShare(slot=slot(day), rows=count),),
                confirmed=(Refusal.SHARE(dataset=AUDIT, percent=42, percent_max=30),) if day.day == 23 and name == AUDIT else (),
            )
            for name, count in names
        ]  # fmt: skip
        yield (
            later + timedelta(minutes=1),
            [
                Purged(
                    dataset=name,
                    intent_seq=seq,
                    slot=slot(day),
                    rows=count - (12 if day.day % 10 == 4 else 0),
                    kept=(RowsKept(reason=Reason.DIFFERS(), rows=12),) if day.day % 10 == 4 else (),
                    state=SourceState(rows=12 if day.day % 10 == 4 else 0, digest="0"),
                    snapshot_at=later,
                    reconciled=day.day == 2,
                    changed=(RowsChanged(relation="public.event_notes", deleted=7, updated=2),)
                    if day.day % 10 == 4 and name == EVENTS
                    else (),
                )
                for name, count in names
            ],
        )
    old = at.replace(hour=0, minute=0) - 62 * DAY
    if old in sizes:
        gone = exported(AUDIT, old, sizes[old], at).segments
        yield (
            later + timedelta(minutes=2),
            [ExpireIntended(dataset=AUDIT, plan=digest("expiry", old), keys=tuple(one.key for one in gone))],
        )
        yield later + timedelta(minutes=3), [
            Expired(
                dataset=AUDIT, keys=tuple(one.key for one in gone), rows=sizes[old],
                size_bytes=sum(one.size_bytes for one in gone), versions_deleted=2,
                kept_until=datetime(2026, 12, 24, tzinfo=UTC) if old.day == 24 else None,
            )
        ]  # fmt: skip


def _files_leaving(at: datetime, seq: int, died: list[int]) -> Iterator[tuple[datetime, list[Event]]]:
    """Chunk files go: all of them, not all of them, and by a run that dies, so that the next one accounts for it.

    ``died``: entries of runs that died before they accounted for what they had announced.
    """
    later = at + timedelta(minutes=12)
    after = later + timedelta(minutes=1)

    def intended(chunks: int, **given: Any) -> list[Event]:
        named = chunk_list(f"announced {at.day}", chunks)
        return [ChunksDeletionIntended(dataset=LOKI, plan=digest("files", at.day), list=named, **given)]

    def gone(chunks: int, intent_seq: int, **given: Any) -> list[Event]:
        named = chunk_list(f"gone {at.day} {chunks}", chunks) if chunks else None
        return [ChunksDeleted(dataset=LOKI, intent_seq=intent_seq, list=named, size_bytes=chunks * 4_096, **given)]

    if (at.year, at.month) != (2026, 11):
        return
    if at.day == 18:
        yield later, intended(6)
        yield after, gone(6, seq)
    elif at.day == 19:
        yield later, intended(6, confirmed=(Refusal.SHARE_OF_CHUNKS(dataset=LOKI, percent=42, percent_max=30),))
        yield after, gone(4, seq, kept=2)
    elif at.day == 23:
        died.append(seq)
        yield later, intended(5)
    elif at.day == 24:
        yield later, gone(3, died.pop(), kept=2, reconciled=True)
        yield after, intended(2)
        yield after + timedelta(minutes=1), gone(2, seq + 1)


def _checked(at: datetime) -> StackChecked:
    broken = at >= datetime(2026, 11, 20, tzinfo=UTC)
    return StackChecked(
        promised_s=RETENTION_S,
        findings=(
            finding(
                "prometheus.retention.setting",
                Verdict.BREACH if broken else Verdict.OK,
                Seen.OLDEST_SAMPLE(age_s=96 * 86_400, oldest_at=BEGIN) if broken else None,
            ),
            finding("loki.oldest_line", Verdict.OK),
            finding("compose.file", Verdict.CANNOT_TELL, Look.NO_FILE(path="compose.yaml", error="ENOENT")),
        ),
    )


def _ended(at: datetime, number: int) -> RunEnded:
    failed = number % 23 == 11
    steps = [
        StepResult(step=step, outcome=StepOutcome.DONE, exit_status=0, duration_ms=1_200)
        for step in ("export", "verify", "purge", "expire", "stack_check", "report")
    ]
    if failed:
        reason = Failure.TRANSIENT()
        steps[2] = StepResult(step="purge", outcome=StepOutcome.FAILED, exit_status=75, duration_ms=90, reason=reason)
        steps[3] = StepResult(
            step="expire",
            outcome=StepOutcome.SKIPPED,
            exit_status=0,
            duration_ms=0,
            reason=Skip.NEEDS(step="purge"),
        )
    oldest = max(BEGIN - DAY, at - 30 * DAY)
    held = at >= datetime(2026, 11, 20, tzinfo=UTC)
    return RunEnded(
        command="nightly",
        started_at=at,
        exit_status=75 if failed else 0,
        steps=tuple(steps),
        observed=(
            Observed(
                dataset=AUDIT,
                place="source",
                rows=30_000 + number,
                rows_overdue=1_900 if held else 0,
                oldest=f"{min(oldest, datetime(2026, 10, 20, tzinfo=UTC)) if held else oldest:%Y-%m-%dT%H:%M:%SZ}",
                reasons=(RowsKept(reason=Reason.HOLD(references=("2026-17",)), rows=1_900),) if held else (),
            ),
            Observed(
                dataset=AUDIT,
                place="archive",
                rows=60_000,
                rows_overdue=0,
                oldest=f"{max(BEGIN, at - 61 * DAY):%Y-%m-%dT%H:%M:%SZ}",
            ),
            Observed(
                dataset=EVENTS,
                place="source",
                rows=120_000,
                rows_overdue=12 if held else 0,
                oldest=f"{oldest - (4 * DAY if held else timedelta(0)):%Y-%m-%dT%H:%M:%SZ}",
                reasons=(RowsKept(reason=Reason.DIFFERS(), rows=12),) if held else (),
                rows_future=2,
            ),
            Observed(
                dataset=LOKI, place="archive", rows=80_000, rows_overdue=0, oldest="2026-09-20T00:00:07.123456789Z"
            ),
        ),
    )
