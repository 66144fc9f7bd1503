"""What a report says of a ledger: counts that add up, nights that fell out, what is overdue and what is not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from archiver.model import (
    DATED_MAX,
    ChunksDeleted,
    ChunksDeletionIntended,
    Compacted,
    Copy,
    Event,
    Expired,
    ExpireIntended,
    Initialised,
    Observed,
    PartsRemoved,
    PurgeIntended,
    Reason,
    ResidualRule,
    RowsChanged,
    RowsKept,
    RunEnded,
    SlotShare,
    Statement,
    StepOutcome,
    StepResult,
)
from archiver.reports.build import Context, build_report
from archiver.reports.model import Level, Report
from archiver.reports.period import Period, closed_at, day_of, instant_of, month_of, span
from tests.support.archive import ARCHIVE_ID, SIGNER
from tests.support.november import november
from tests.support.story import AUDIT, DAY, EVENTS, LOKI, chunk_list, exported, late_part, rules, signed, slot

NOVEMBER_1 = datetime(2026, 11, 1, tzinfo=UTC)
BEGUN = Initialised(archive_id=ARCHIVE_ID, format=1, ordering="conditional", public_key=SIGNER.public_key)
CONTEXT = Context(store="s3://a", anchor="file:///b")


def report(steps: Sequence[tuple[datetime, Sequence[Event]]], period: Period | None = None) -> Report:
    """On an archive that began in October, with these further steps."""
    begin = NOVEMBER_1 - 20 * DAY
    return build_report(signed([(begin, [BEGUN, rules()]), *steps]), period or month_of(NOVEMBER_1), CONTEXT)


def codes(of: Report, dataset: str | None = None) -> set[str]:
    """Of its remarks."""
    return {one.code for one in of.remarks if dataset in (None, one.dataset)}


def night(at: datetime, *, exit_status: int = 0, observed: tuple[Observed, ...] = ()) -> tuple[datetime, list[Event]]:
    """A run that ended."""
    steps = (StepResult(step="export", outcome=StepOutcome.DONE, exit_status=0, duration_ms=1),)
    ended = RunEnded(command="nightly", started_at=at, exit_status=exit_status, steps=steps, observed=observed)
    return at + timedelta(minutes=9), [ended]


def test_the_numbers_of_the_story_add_up() -> None:
    told = november()
    audit, events, loki = told.facts.datasets
    assert (audit.name, events.name, loki.name) == (AUDIT, EVENTS, LOKI)
    for one in (audit, events):
        relocated = [line for line in one.deletions if line.operation == "relocation"]
        assert one.rows_relocated == sum(line.rows_done for line in relocated) > 0
        assert all(line.rows_planned == line.rows_done + line.rows_difference for line in relocated)
        assert sum(kept.rows for kept in one.left) == sum(line.rows_difference for line in relocated)
        assert all(line.proofs and all(proof.verified_at for proof in line.proofs) for line in relocated)
        assert all(line.residuals[0].until == line.deleted_at + 7 * DAY for line in relocated)
        assert sum(day.rows_relocated for day in one.days) == one.rows_relocated
        assert sum(day.rows_archived for day in one.days) == one.archived.rows
    gone = [line for line in audit.deletions if line.operation == "deletion"]
    assert audit.rows_deleted == sum(line.rows_done for line in gone) == sum(day.rows_deleted for day in audit.days)
    assert (audit.objects_deleted, audit.versions_deleted) == (len(gone), 2 * len(gone))
    locked = [line for line in gone if line.kept_until]
    assert [(line.slot, line.rows_left) for line in locked] == [("2026-09-24", None)]
    assert events.rows_deleted == loki.rows_relocated == 0
    assert loki.chunks is not None
    assert (loki.chunks.superseded, len(loki.chunks.quarantined), loki.chunks.quarantined_in_period) == (2, 1, 2)
    assert (len(told.facts.holds), told.facts.nights.runs) == (2, 28)


def test_the_verdict_is_the_worst_that_was_found() -> None:
    told = november()
    assert told.verdict is Level.BROKEN
    assert {one.code for one in told.remarks if one.level is Level.BROKEN} == {
        "overdue_source",
        "chunks_lost",
        "stack_breach",
    }
    assert {one.dataset for one in told.remarks if one.code == "overdue_source"} == {EVENTS}
    assert told.verdict_before is Level.ATTENTION


def test_what_changed_since_the_period_before() -> None:
    changed = {(one.code, one.dataset) for one in november().changes}
    assert changed == {
        ("responsible_changed", ""),
        ("stack_promise_changed", ""),
        ("config_changed", ""),
        ("schema_changed", EVENTS),
        ("chunks_quarantined", LOKI),
        ("chunks_released", LOKI),
        ("hold_placed", AUDIT),
        ("hold_placed", ""),
        ("hold_released", ""),
        ("finding_changed", ""),
    }


def test_a_night_without_a_run_is_missed() -> None:
    assert november().facts.nights.missed == (date(2026, 11, 8), date(2026, 11, 9))


def test_a_start_that_an_hour_moves_across_midnight_is_no_missed_night() -> None:
    starts = [NOVEMBER_1 - timedelta(hours=1) + n * DAY for n in range(10)]
    starts += [NOVEMBER_1 + n * DAY for n in range(10, 31)]
    told = report([night(at) for at in starts])
    assert told.facts.nights.missed == ()


def test_one_missed_night_near_midnight_is_seen() -> None:
    starts = [NOVEMBER_1 + timedelta(hours=23, minutes=30) + (n - 1) * DAY for n in range(31) if n != 12]
    assert report([night(at) for at in starts]).facts.nights.missed == (date(2026, 11, 12),)


def test_silence_until_the_end_is_missed_nights() -> None:
    told = report([night(NOVEMBER_1 + timedelta(hours=2) + n * DAY) for n in range(20)])
    assert told.facts.nights.missed == tuple(date(2026, 11, day) for day in range(21, 31))
    assert "nights_missed" in codes(told)


def test_nights_before_the_first_recorded_one_are_not_missed() -> None:
    told = report([night(NOVEMBER_1 + timedelta(hours=2) + n * DAY) for n in range(20, 30)])
    assert (told.facts.nights.missed, told.facts.nights.runs) == ((), 10)


@pytest.mark.parametrize(
    ("reason", "code"), [(Reason.HOLD(references=("case 9",)), "overdue_on_hold"), (Reason.LATE(), "overdue_source")]
)
def test_overdue_rows_are_a_breach_unless_a_hold_keeps_them(reason: Statement, code: str) -> None:
    seen = Observed(
        dataset=AUDIT, place="source", rows=9, rows_overdue=4, oldest="2026-09-01T00:00:00Z",
        reasons=(RowsKept(reason=reason, rows=4),),
    )  # fmt: skip
    told = report([night(NOVEMBER_1 + timedelta(hours=2), observed=(seen,))])
    assert {"overdue_on_hold", "overdue_source"} & codes(told, AUDIT) == {code}
    assert (told.verdict is Level.BROKEN) == (code == "overdue_source")


def test_what_nobody_looked_at_is_told_from_the_archives_own_knowledge() -> None:
    day = NOVEMBER_1 - 19 * DAY
    told = report([(NOVEMBER_1 - 18 * DAY, [exported(AUDIT, day, 50, day)])])
    assert {"overdue_known", "not_observed_source", "not_observed_archive", "not_verified"} <= codes(told, AUDIT)
    assert told.verdict is Level.BROKEN
    (remark,) = (one for one in told.remarks if one.code == "overdue_known")
    assert remark.facts == {"rows": 50}
    assert {one.code: one.now for one in told.measures}["rows_overdue"] == 50


def test_a_place_that_could_not_be_looked_at_is_not_content() -> None:
    seen = Observed(dataset=AUDIT, place="source", rows=None, rows_overdue=0, oldest=None)
    told = report([
        (NOVEMBER_1, [exported(AUDIT, NOVEMBER_1 - DAY, 50, NOVEMBER_1)]),
        night(NOVEMBER_1 + timedelta(hours=2), observed=(seen,)),
    ])  # fmt: skip
    assert "not_observed_source" in codes(told, AUDIT)


def test_an_announced_deletion_without_an_outcome_is_named() -> None:
    day = NOVEMBER_1 - 5 * DAY
    intent = PurgeIntended(dataset=AUDIT, plan="0" * 64, slots=(SlotShare(slot=slot(day), rows=7),))
    told = report([(day + DAY, [exported(AUDIT, day, 50, day)]), (NOVEMBER_1 + DAY, [intent])])
    assert told.facts.datasets[0].purges_open == 7
    assert "purge_open" in codes(told, AUDIT)


@pytest.mark.parametrize(
    ("until", "code"), [(datetime(2026, 12, 24, tzinfo=UTC), "kept_until"), (DATED_MAX, "kept_without_end")]
)
def test_what_a_lock_keeps_is_named_until_it_is_gone(until: datetime, code: str) -> None:
    day = NOVEMBER_1 - 5 * DAY
    added = exported(AUDIT, day, 50, day)
    keys = (added.segments[0].key,)

    def gone(kept_until: datetime | None) -> list[Event]:
        return [Expired(dataset=AUDIT, keys=keys, rows=0, size_bytes=0, versions_deleted=1, kept_until=kept_until)]

    steps: list[tuple[datetime, Sequence[Event]]] = [
        (day + DAY, [added]),
        (NOVEMBER_1, [ExpireIntended(dataset=AUDIT, plan="0" * 64, keys=keys)]),
        (NOVEMBER_1, gone(until)),
    ]
    locked = report(steps)
    assert code in codes(locked, AUDIT)
    assert [line.rows_left for line in locked.facts.datasets[0].deletions] == [None]
    free = report([*steps, (NOVEMBER_1 + DAY, gone(None))])
    assert not {"kept_until", "kept_without_end"} & codes(free, AUDIT)
    (first, second) = free.facts.datasets[0].deletions
    assert (first.operation, second.operation, second.rows_left) == ("deletion", "residual", 0)
    assert free.facts.datasets[0].rows_deleted == 50


def test_what_went_along_with_a_purge_is_told_and_not_known_of_a_run_that_died() -> None:
    facts = november().facts
    events = next(dataset for dataset in facts.datasets if dataset.name == EVENTS)
    told = [(one.slot, change) for one in events.deletions for change in one.changed or ()]
    assert told == [
        (f"2026-10-{day}", RowsChanged(relation="public.event_notes", deleted=7, updated=2))
        for day in ("04", "14", "24")
    ]
    assert {one.slot for one in events.deletions if one.changed is None} == {"2026-10-02"}
    assert {one.method for one in events.deletions if one.changed is None} == {"reconciled"}
    remark = next(one for one in november().remarks if one.code == "went_along")
    assert (remark.dataset, remark.level) == (EVENTS, Level.KEPT)
    assert remark.facts == {"relations": "public.event_notes", "deleted": 21, "updated": 6, "inserted": 0}
    gaps = {gap.field: gap.state for gap in november().gaps}
    assert gaps[f"facts.datasets[{EVENTS}].deletions[].changed"] == "not_recorded"
    assert "went_along" not in codes(november(), AUDIT)


def test_deleted_chunk_files_are_moved_and_add_up() -> None:
    told = november().facts.datasets[2]
    lines = [(line.chunks, line.method, line.operation) for line in told.deletions if line.chunks is not None]
    proven = [chunks.proven_at for chunks, *_ in lines]
    assert [(chunks.planned, chunks.done, chunks.kept, chunks.why_kept, *rest) for chunks, *rest in lines] == [
        (6, 6, 0, "", "chunks_compared", "relocation"),
        (6, 4, 2, "not_deleted", "chunks_compared", "relocation"),
        (5, 3, 2, "run_died", "chunks_reconciled", "relocation"),
        (2, 2, 0, "", "chunks_compared", "relocation"),
    ]
    assert [at and at.day for at in proven] == [18, 19, 23, 24]
    sizes = [line.size_bytes for line in told.deletions]
    assert told.chunks is not None
    assert (told.chunks.files_deleted, told.chunks.files_reconciled, told.chunks.files_announced) == (15, 3, 0)
    assert told.chunks.files_deleted_bytes == sum(sizes) == 15 * 4_096
    assert {one.code: one.now for one in november().measures}["files_deleted"] == 15
    first = told.deletions[0]
    named = chunk_list("gone 18 6", 6)
    assert [(proof.key, proof.sha256, proof.rows) for proof in first.proofs] == [(named.key, named.sha256, 6)]
    assert (first.oldest, first.newest) == ("2026-09-21T14:13:20.000Z", "2026-09-21T14:23:20.000Z")
    assert first.due_from == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC) + 30 * DAY
    assert first.archive_due_at == datetime(2026, 9, 22, tzinfo=UTC) + 365 * DAY
    assert (first.residuals, told.residuals) == ((), ()), "logs are in no backup of the database"
    elsewhere = report(
        [
            (
                NOVEMBER_1,
                [rules(residuals=(ResidualRule(copy=Copy.NAMED(name="disk snapshots"), period_s=3 * 86_400),))],
            ),
            *chunk_files(0, NOVEMBER_1 + DAY, 2),
        ]
    )
    (line,) = elsewhere.facts.datasets[2].deletions
    assert [(one.copy, one.until) for one in line.residuals] == [
        (Copy.NAMED(name="disk snapshots"), line.deleted_at + 3 * DAY)
    ]


def chunk_files(kept: int, at: datetime, intent_seq: int) -> list[tuple[datetime, list[Event]]]:
    """Five chunk files announced, and gone but for some."""
    intent = ChunksDeletionIntended(dataset=LOKI, plan="0" * 64, list=chunk_list("announced", 5))
    named = chunk_list("gone", 5 - kept) if kept < 5 else None
    gone = ChunksDeleted(dataset=LOKI, intent_seq=intent_seq, list=named, size_bytes=9, kept=kept)
    return [(at, [intent]), (at + timedelta(minutes=1), [gone])]


def test_chunk_files_that_stayed_are_named_until_all_are_gone() -> None:
    some = report(chunk_files(2, NOVEMBER_1, 1))
    assert [one.facts for one in some.remarks if one.code == "files_kept"] == [{"chunks": 2}]
    none = report(chunk_files(5, NOVEMBER_1, 1))
    (line,) = none.facts.datasets[2].deletions
    assert line.chunks is not None
    assert (line.chunks.done, line.residuals, line.archive_due_at) == (0, (), None)
    assert [proof.key for proof in line.proofs] == [chunk_list("announced", 5).key]
    both = report([*chunk_files(2, NOVEMBER_1, 1), *chunk_files(0, NOVEMBER_1 + DAY, 3)])
    assert "files_kept" not in codes(both)


def test_chunk_files_that_were_announced_and_not_accounted_for_are_named() -> None:
    told = report(chunk_files(0, NOVEMBER_1, 1)[:1])
    assert [one.facts for one in told.remarks if one.code == "files_open"] == [{"chunks": 5}]
    assert told.facts.datasets[2].chunks is not None


def test_rewritten_parts_are_told_and_are_no_deletion() -> None:
    told = november().facts.datasets[1]
    (one,) = told.rewrites
    assert (one.slot, len(one.replaced), len(one.segments)) == ("2026-11-05", 2, 1)
    assert one.rows == sum(proof.rows for proof in one.replaced) == one.segments[0].rows
    assert all(proof.sha256 and proof.verified_at for proof in one.replaced)
    assert one.segments[0].verified_at == one.at
    assert one.removed_at == one.at + timedelta(minutes=1)
    assert (told.parts_removed, told.parts_versions_deleted, told.parts_waiting) == (2, 2, 0)
    assert told.parts_removed_bytes == sum(proof.size_bytes for proof in one.replaced)
    assert (told.objects_deleted, told.versions_deleted) == (0, 0)
    assert "2026-11-05" not in {line.slot for line in told.deletions}


def test_replaced_objects_that_are_not_gone_are_named_until_they_are() -> None:
    day = NOVEMBER_1 - 5 * DAY
    before, late = exported(AUDIT, day, 50, day), late_part(day)
    parts = (*before.segments, replace(late.segments[0], slot=before.slot))
    after = exported(AUDIT, day, 90, day).segments
    keys = tuple(one.key for one in parts)
    steps: list[tuple[datetime, Sequence[Event]]] = [
        (day + DAY, [replace(before, segments=parts, rows=90)]),
        (NOVEMBER_1, [Compacted(dataset=AUDIT, slot=before.slot, replaced=keys, segments=after, rows=90)]),
        (NOVEMBER_1 + DAY, [PartsRemoved(dataset=AUDIT, keys=keys[:1], size_bytes=9, versions_deleted=3)]),
    ]
    some = report(steps)
    assert [one.facts for one in some.remarks if one.code == "parts_open"] == [{"objects": 1}]
    assert some.facts.datasets[0].rewrites[0].removed_at is None
    rest = (NOVEMBER_1 + 2 * DAY, [PartsRemoved(dataset=AUDIT, keys=keys[1:], size_bytes=9, versions_deleted=1)])
    gone = report([*steps, rest])
    assert "parts_open" not in codes(gone)
    assert gone.facts.datasets[0].rewrites[0].removed_at == NOVEMBER_1 + 2 * DAY
    assert gone.facts.datasets[0].parts_versions_deleted == 4


def test_rules_of_the_ledger_win_over_those_of_the_configuration() -> None:
    stated = rules(controller="Jetzt GmbH")
    context = replace(CONTEXT, stated=stated)
    begin = NOVEMBER_1 - 20 * DAY
    without = build_report(signed([(begin, [BEGUN])]), month_of(NOVEMBER_1), context)
    assert (without.facts.rules, without.facts.rules_are_recorded) == (stated, False)
    assert "rules_not_recorded" in codes(without)
    recorded = build_report(signed([(begin, [BEGUN, rules()])]), month_of(NOVEMBER_1), context)
    assert recorded.facts.rules == rules()
    assert "rules_not_recorded" not in codes(recorded)


def test_a_period_before_the_archive_has_nothing_but_a_verdict() -> None:
    told = report([], month_of(datetime(2026, 2, 1, tzinfo=UTC)))
    assert (codes(told) & {"no_archive"}, told.facts.chain, told.verify_command) == ({"no_archive"}, None, "")


# ── Periods ──


def label_before(period: Period) -> str:
    before = period.previous()
    return "" if before is None else before.label


def test_periods_are_named_and_followed_back() -> None:
    month = month_of(datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    assert (month.label, label_before(month), label_before(month_of(datetime(2026, 1, 5, tzinfo=UTC)))) == (
        "2026-03",
        "2026-02",
        "2025-12",
    )
    day = day_of(datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    assert (day.label, label_before(day)) == ("2026-03-29", "2026-03-28")
    assert span(month.since, month.until) == month
    assert span(day.since, day.until) == day
    odd = span(day.since, day.until + timedelta(hours=6))
    assert (odd.kind, odd.label) == ("span", "2026-03-29_2026-03-30T060000Z")
    before = odd.previous()
    assert before is not None
    assert (before.until, before.until - before.since) == (odd.since, odd.until - odd.since)
    assert span(datetime(1, 1, 1, tzinfo=UTC), datetime(2, 1, 1, tzinfo=UTC)).previous() is None
    assert month_of(datetime(1, 1, 1, tzinfo=UTC)).previous() is None


def test_an_open_period_ends_where_the_ledger_or_the_day_began() -> None:
    month = month_of(NOVEMBER_1)
    now = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
    midnight = now.replace(hour=0)
    assert closed_at(month, now=datetime(2026, 12, 1, tzinfo=UTC), head_at=NOVEMBER_1) == month
    silent = closed_at(month, now=now, head_at=midnight - 9 * DAY)
    assert (silent.until, silent.is_open) == (midnight, True)
    at_work = closed_at(month, now=now, head_at=now - timedelta(hours=1))
    assert at_work.covers(now - timedelta(hours=1))
    assert not at_work.covers(now)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-20T00:00:07Z", datetime(2026, 10, 20, 0, 0, 7, tzinfo=UTC)),
        ("2026-10-20T00:00:07.123456789Z", datetime(2026, 10, 20, 0, 0, 7, 123456, tzinfo=UTC)),
        ("2026-13-20T00:00:07Z", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times_of_the_ledger_are_read_or_left(text: str | None, expected: datetime | None) -> None:
    assert instant_of(text) == expected
