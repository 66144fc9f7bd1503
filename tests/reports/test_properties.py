"""Whatever a ledger tells, a report can be made of it."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.errors import LedgerBroken
from archiver.ledger.entries import SignedEntry, encode_entry
from archiver.ledger.fold import check_next, fold
from archiver.ledger.holdings import Holdings
from archiver.model import (
    DATED_MAX,
    ZERO_HASH,
    AnchorAdopted,
    ChunkQuarantined,
    ChunksDeleted,
    ChunksDeletionIntended,
    ChunksGone,
    ChunkShare,
    ChunksWaiting,
    Column,
    Compacted,
    Copy,
    DatasetRules,
    Entry,
    Event,
    Expired,
    ExpireIntended,
    Exported,
    Finding,
    HoldPlaced,
    HoldReleased,
    Initialised,
    Observed,
    PartsRemoved,
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
    Segment,
    Skip,
    Slot,
    SlotShare,
    SourceState,
    StackChecked,
    StepOutcome,
    StepResult,
    SweepIntended,
    Swept,
    Verdict,
    Verified,
    Window,
)
from archiver.reports.build import Context, build_report
from archiver.reports.compose import report_document
from archiver.reports.data import csv_bytes, json_bytes, schema
from archiver.reports.files import rendered
from archiver.reports.html import html
from archiver.reports.model import Level
from archiver.reports.period import span
from archiver.reports.summary import summary
from archiver.reports.words import Words
from tests.support.archive import ARCHIVE_ID, SIGNER
from tests.support.story import chunk_list, digest

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = st.sampled_from(["a", "b", "loki"])
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
TIMES = st.one_of(
    st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC), DATED_MAX]),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - as asked for
)
COUNTS = st.integers(0, 2**40)
MILLISECONDS = st.integers(-(2**53) + 1, 2**53 - 1)
DAYS = st.integers(0, 400).map(lambda n: BEGIN - timedelta(days=200 - n))
SLOTS = st.builds(
    Slot,
    tenant=st.none() | st.sampled_from(["t", "<b>"]),
    window=st.none()
    | st.builds(lambda day, hours: Window(day, day + timedelta(hours=hours)), DAYS, st.sampled_from([1, 24]))
    | st.just(Window(datetime(9999, 12, 30, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))),
)
STATES = st.builds(SourceState, rows=COUNTS, digest=st.just(""))
REASONS = st.sampled_from([Reason.NOT_ARCHIVED(), Reason.STEP_SKIPPED(why=Skip.NEEDS(step="<b>"))]) | st.builds(
    lambda name: Reason.HOLD(references=(name,)), WORDS
)
REFUSALS = st.builds(lambda name, days: Refusal.SHARE(dataset=name, percent=days, percent_max=5), WORDS, COUNTS)
KEPT = st.lists(st.builds(RowsKept, reason=REASONS, rows=COUNTS), max_size=3).map(tuple)
CHANGED = st.lists(
    st.builds(RowsChanged, relation=WORDS, inserted=COUNTS, updated=COUNTS, deleted=COUNTS, altered=st.booleans()),
    max_size=2,
).map(tuple)
PERIODS_S = st.none() | st.integers(0, 10**13)
PLACES = st.sampled_from(["source", "archive"])
OLDEST = st.none() | WORDS | TIMES.map(lambda at: at.isoformat().replace("+00:00", "Z"))


@st.composite
def exported(draw: st.DrawFn) -> Exported:
    dataset, slot = draw(NAMES), draw(SLOTS)
    segments = []
    for part in range(draw(st.integers(0, 2))):
        name = digest(dataset, slot, part, draw(st.integers(0, 3)))
        segments.append(
            Segment(
                key=f"data/{dataset}/{name}", slot=slot, part=part, size_bytes=draw(COUNTS), sha256=name, rows=draw(COUNTS),
                schema=name, oldest=draw(OLDEST), newest=draw(OLDEST),
            )
        )  # fmt: skip
    return Exported(
        dataset=dataset, slot=slot, segments=tuple(segments), state=draw(STATES), rows=sum(one.rows for one in segments),
        rows_changed=draw(COUNTS), rows_missing=draw(COUNTS), late=draw(st.booleans()), snapshot_at=draw(TIMES),
    )  # fmt: skip


RULES = st.builds(
    RulesStated,
    config_sha256=WORDS,
    datasets=st.lists(
        st.builds(
            DatasetRules,
            dataset=NAMES,
            source=st.sampled_from(["postgres", "loki"]),
            place=WORDS,
            time_column=WORDS,
            source_retention_s=PERIODS_S,
            archive_retention_s=PERIODS_S,
            purpose=WORDS,
            legal_basis=WORDS,
        ),
        max_size=3,
        unique_by=lambda rule: rule.dataset,
    ).map(tuple),
    stack_retention_s=st.integers(0, 10**13),
    controller=WORDS,
    residuals=st.lists(
        st.builds(
            ResidualRule, copy=st.builds(lambda name: Copy.NAMED(name=name), WORDS), period_s=st.integers(-9, 10**13)
        ),
        max_size=3,
    ).map(tuple),
)
STEPS = st.builds(
    StepResult, step=WORDS, outcome=st.sampled_from(StepOutcome), exit_status=st.integers(-1, 300), duration_ms=COUNTS,
    reason=st.none() | REASONS,
)  # fmt: skip
SEEN = st.builds(
    Observed, dataset=NAMES, place=PLACES, rows=st.none() | COUNTS, rows_overdue=COUNTS, oldest=OLDEST, reasons=KEPT,
    rows_undated=COUNTS, rows_future=COUNTS,
)  # fmt: skip
LOOSE: st.SearchStrategy[Event] = st.one_of(
    exported(),
    RULES,
    st.builds(Verified, dataset=NAMES, through_seq=COUNTS, depth=st.sampled_from(["digest", "deep"]), segments=COUNTS, rows=COUNTS, size_bytes=COUNTS),
    st.builds(PurgeIntended, dataset=NAMES, plan=WORDS, slots=st.lists(st.builds(SlotShare, slot=SLOTS, rows=COUNTS), max_size=3).map(tuple), confirmed=st.lists(REFUSALS, max_size=2).map(tuple)),
    st.builds(HoldPlaced, hold=st.sampled_from("xy"), dataset=st.none() | NAMES, since=st.none() | TIMES, until=st.none() | TIMES, subject=st.none() | WORDS, reason=WORDS, reference=WORDS, review_on=TIMES),
    st.builds(HoldReleased, hold=st.sampled_from("xy"), reason=WORDS),
    st.builds(RunEnded, command=st.just("nightly") | WORDS, started_at=TIMES, exit_status=st.integers(-1, 300), steps=st.lists(STEPS, max_size=2).map(tuple), observed=st.lists(SEEN, max_size=3).map(tuple)),
    st.builds(StackChecked, promised_s=COUNTS, findings=st.lists(st.builds(Finding, check=WORDS, subject=WORDS, observed=st.lists(REASONS, max_size=2).map(tuple), verdict=st.sampled_from(Verdict), fix=st.lists(REASONS, max_size=2).map(tuple)), max_size=3).map(tuple)),
    st.builds(SchemaChanged, dataset=NAMES, version=COUNTS, schema=WORDS, columns=st.lists(st.builds(Column, name=WORDS, source_type=WORDS, archive_type=WORDS), max_size=3).map(tuple), time_column=WORDS, key_columns=st.just(()), accepted=st.booleans()),
    st.builds(ChunksGone, dataset=NAMES, list=st.builds(chunk_list, WORDS, COUNTS), cause=st.sampled_from(["lost", "deletion"])),
    st.builds(ChunksWaiting, dataset=NAMES, list=st.none(), reasons=st.lists(st.builds(ChunkShare, reason=REASONS, chunks=COUNTS), max_size=2).map(tuple)),
    st.builds(ChunksDeletionIntended, dataset=NAMES, plan=WORDS, list=st.builds(chunk_list, WORDS, st.integers(1, 9)), confirmed=st.lists(REFUSALS, max_size=2).map(tuple)),
    st.builds(ChunkQuarantined, dataset=NAMES, chunk=WORDS, key=WORDS, size_bytes=COUNTS, sha256=st.sampled_from("pq"), reason=REASONS),
    st.builds(QuarantineReleased, dataset=NAMES, sha256=st.sampled_from("pq"), cause=st.sampled_from(["person", "sound"]), reason=WORDS),
    st.builds(SweepIntended, keys=st.lists(WORDS, max_size=2).map(tuple)),
    st.builds(Swept, keys=st.lists(WORDS, max_size=2).map(tuple), size_bytes=COUNTS),
    st.just(AnchorAdopted()),
)  # fmt: skip


def follow(draw: st.DrawFn, holdings: Holdings) -> Event:  # noqa: PLR0911 - one for each kind
    """An event that needs others before it, when there are any."""
    purges = [(name, seq, share.slot) for name, held in holdings.datasets.items() for seq, intent in held.open_purges.items() for share in intent.slots if share.slot in held.slots]  # fmt: skip
    expiring = [(name, key) for name, held in holdings.datasets.items() for key in held.expiring]
    held_keys = [(name, one.segment.key) for name, one in holdings.segments()]
    files = [(name, seq, intent.list) for name, held in holdings.datasets.items() for seq, intent in held.chunks.open_deletions.items()]  # fmt: skip
    waiting = [(name, key) for name, held in holdings.datasets.items() for key in held.replaced]
    kind = draw(st.integers(0, 5))
    if kind == 0 and purges:
        name, seq, slot = draw(st.sampled_from(purges))
        return Purged(dataset=name, intent_seq=seq, slot=slot, rows=draw(COUNTS), kept=draw(KEPT), state=draw(STATES), reconciled=draw(st.booleans()), snapshot_at=draw(TIMES), changed=draw(CHANGED))  # fmt: skip
    if kind == 1 and expiring:
        name, key = draw(st.sampled_from(expiring))
        return Expired(dataset=name, keys=(key,), rows=draw(COUNTS), size_bytes=draw(COUNTS), versions_deleted=draw(COUNTS), kept_until=draw(st.none() | TIMES))  # fmt: skip
    if kind == 2 and held_keys:
        name, key = draw(st.sampled_from(held_keys))
        return ExpireIntended(dataset=name, plan=draw(WORDS), keys=(key,), confirmed=())
    if kind == 3 and files:
        name, seq, announced = draw(st.sampled_from(files))
        done = draw(st.integers(0, announced.chunks))
        named = replace(chunk_list(f"gone {seq}", done), from_ms=draw(MILLISECONDS), through_ms=draw(MILLISECONDS)) if done else None  # fmt: skip
        return ChunksDeleted(dataset=name, intent_seq=seq, list=named, size_bytes=draw(COUNTS), kept=announced.chunks - done, reconciled=draw(st.booleans()))  # fmt: skip
    if kind == 4 and held_keys:
        name, one = draw(st.sampled_from([(name, one.segment) for name, one in holdings.segments()]))
        after = replace(one, key=f"{one.key}+", size_bytes=draw(COUNTS), sha256=digest(one.key))
        return Compacted(dataset=name, slot=one.slot, replaced=(one.key,), segments=(after,), rows=one.rows)
    if kind == 5 and waiting:
        name, key = draw(st.sampled_from(waiting))
        return PartsRemoved(dataset=name, keys=(key,), size_bytes=draw(COUNTS), versions_deleted=draw(COUNTS))
    return draw(LOOSE)


@st.composite
def ledgers(draw: st.DrawFn) -> list[SignedEntry]:
    """A chain of whatever the fold accepts."""
    begun = Initialised(archive_id=ARCHIVE_ID, format=1, ordering=draw(st.sampled_from(["conditional", "anchor"])), public_key=SIGNER.public_key)  # fmt: skip
    chain: list[SignedEntry] = []
    holdings = Holdings()
    at = BEGIN
    for n in range(draw(st.integers(1, 25))):
        events: tuple[Event, ...] = (
            (begun,) if n == 0 else (follow(draw, holdings) if draw(st.booleans()) else draw(LOOSE),)
        )
        at += timedelta(hours=draw(st.integers(0, 400)))
        prev = chain[-1].hash if chain else ZERO_HASH
        entry = Entry(seq=len(chain), at=at, run="r", tool="archiver 0", prev=prev, events=events)
        try:
            check_next(holdings, entry)
        except LedgerBroken:
            continue
        chain.append(encode_entry(entry, SIGNER))
        holdings = fold([entry], holdings)
    return chain


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(ledgers(), st.integers(-100, 400), st.integers(1, 400))
def test_a_report_can_be_made_of_any_ledger(chain: list[SignedEntry], start: int, days: int) -> None:
    since = BEGIN + timedelta(days=start)
    period = span(since, since + timedelta(days=days))
    report = build_report(chain, period, Context(store="s3://a", anchor=""))
    assert report == build_report(chain, period, Context(store="s3://a", anchor=""))
    assert report.verdict is max((one.level for one in report.remarks), key=list(Level).index, default=Level.KEPT)
    jsonschema.validate(json.loads(json_bytes(report)), schema())
    rows = list(csv.reader(io.StringIO(csv_bytes(report).decode(), newline="")))
    deletions = sum(len(one.deletions) for one in report.facts.datasets) + len(report.facts.litter)
    assert len(rows) == 1 + deletions
    assert len({len(row) for row in rows}) == 1
    for language in ("de", "en"):
        words = Words(language)
        assert summary(report, words)
        text = html(report_document(report, words)).decode()
        assert "<script" not in text
        assert text.count("<table>") == text.count("</table>")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(ledgers())
def test_a_pdf_can_be_made_of_any_ledger(chain: list[SignedEntry]) -> None:
    report = build_report(chain, span(BEGIN, BEGIN + timedelta(days=300)), Context(store="s3://a", anchor=""))
    ((_, data),) = rendered(report, ("de",), ("pdf",))
    assert data.startswith(b"%PDF")
