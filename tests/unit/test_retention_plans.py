"""The decisions on time as what they are: values in, values out, at their borders."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from archiver.ledger.holdings import DatasetHoldings, HeldSegment, Holdings, SlotHoldings
from archiver.model import (
    Column,
    HoldPlaced,
    Reason,
    Refusal,
    SchemaChanged,
    Segment,
    Slot,
    SourceState,
    Statement,
    Window,
)
from archiver.retention import (
    Clocks,
    CompactionRules,
    GuardSettings,
    Overdue,
    guard,
    overdue,
    plan_compaction,
    plan_purge,
)
from archiver.retention.compaction import INSTANT_BYTES_MAX, PARTS_PER_MERGE_MAX
from archiver.retention.export import plan_export, same_state
from archiver.retention.holds import covers, holds_on, under_key
from tests.support.archive import LOGS, day
from tests.support.nights import placed

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
BORDER = NOW - timedelta(days=30)  # the middle of the fourth day, 2026-05-04
TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)


def window(number: int) -> Window:
    return Window(day(number), day(number + 1))


def slot(number: int) -> Slot:
    return Slot(window=window(number))


# ── What should have left its source ───────────────────────────────────────────────────────────────────────────


def seen(*rows: int) -> DatasetHoldings:
    """A dataset of which the source was last seen with so many rows a day."""
    slots = {slot(n): SlotHoldings(slot=slot(n), state=SourceState(rows=count)) for n, count in enumerate(rows)}
    undated = Slot(window=None)
    return DatasetHoldings(name="logs", slots={**slots, undated: SlotHoldings(undated, state=SourceState(rows=100))})


def test_overdue_is_what_the_source_still_has_of_windows_that_are_over() -> None:
    """A window counts from the instant on at which its last row is due; rows without a time never do."""
    held = seen(0, 2, 3, 5)
    at = day(3) + timedelta(days=30)
    assert overdue(LOGS, held, at) == Overdue(dataset="logs", slots=2, rows=5, oldest=day(1))
    assert overdue(LOGS, held, at - TICK) == Overdue(dataset="logs", slots=1, rows=2, oldest=day(1))
    assert overdue(LOGS, seen(0, 0, 3), day(2) + timedelta(days=30)) is None, "what the source has lost is not late"
    assert overdue(replace(LOGS, source_retention=None), held, at) is None


def test_a_slot_that_was_never_compared_is_not_overdue() -> None:
    held = DatasetHoldings(name="logs", slots={slot(0): SlotHoldings(slot(0))})
    assert overdue(LOGS, held, NOW) is None


# ── What a purge says of its source ────────────────────────────────────────────────────────────────────────────


def plan(census: dict[Window | None, int], due: dict[Window, int]) -> tuple[datetime | None, int, int, int]:
    made = plan_purge(
        LOGS,
        DatasetHoldings(name="logs"),
        {place: SourceState(rows=rows) for place, rows in census.items()},
        due,
        lambda _: (),
        key_columns=("id",),
        border=BORDER,
        now=NOW,
    )
    return made.none_before, made.rows_in_source, made.rows_undated, made.rows_future


def test_a_plan_says_how_far_back_its_source_reaches() -> None:
    """The start of the first window with rows; the border, where that window has none before it."""
    assert plan({window(1): 4, window(2): 4}, {window(1): 4, window(2): 4})[0] == day(1)
    assert plan({window(1): 0, window(2): 4}, {window(2): 4})[0] == day(2)
    assert plan({window(3): 4, window(5): 1}, {window(3): 0})[0] == BORDER
    assert plan({window(3): 4}, {window(3): 1})[0] == day(3)
    assert plan({window(5): 4}, {})[0] == day(5)
    assert plan({None: 4}, {})[0] is None
    assert plan({}, {}) == (None, 0, 0, 0)


def test_a_plan_counts_what_is_never_due() -> None:
    """Rows without a time, and those whose time has not come; the window that is open now is neither."""
    tomorrow = Window(datetime(2026, 6, 4, tzinfo=UTC), datetime(2026, 6, 5, tzinfo=UTC))
    today = Window(datetime(2026, 6, 3, tzinfo=UTC), datetime(2026, 6, 4, tzinfo=UTC))
    assert plan({None: 3, window(1): 5, today: 7, tomorrow: 11}, {window(1): 5}) == (day(1), 26, 3, 11)
    starting = Window(NOW, NOW + timedelta(days=1))
    assert plan({starting: 7}, {})[3] == 0, "a window that starts now has begun"


# ── Holds ──────────────────────────────────────────────────────────────────────────────────────────────────────


def on(since: datetime | None = None, until: datetime | None = None, dataset: str | None = None) -> HoldPlaced:
    return replace(placed("case"), since=since, until=until, dataset=dataset)


@pytest.mark.parametrize(
    ("hold", "covered"),
    [
        (on(), [0, 1, 2, 3]),
        (on(since=day(2)), [2, 3]),
        (on(since=day(2) - TICK), [1, 2, 3]),
        (on(until=day(2)), [0, 1]),
        (on(until=day(2) + TICK), [0, 1, 2]),
        (on(since=day(1), until=day(2)), [1]),
        (on(since=day(1) + SECOND, until=day(1) + 2 * SECOND), [1]),
        (on(dataset="logs"), [0, 1, 2, 3]),
        (on(dataset="messages"), []),
    ],
)
def test_a_hold_covers_every_window_that_has_an_instant_of_its_own(hold: HoldPlaced, covered: list[int]) -> None:
    """Bounds are half-open on both sides, so that neighbours are not held; rows without a time may lie anywhere."""
    assert [number for number in range(4) if covers(hold, "logs", slot(number))] == covered
    assert covers(hold, "logs", Slot(window=None)) is (hold.dataset != "messages")


def test_of_several_holds_those_count_that_cover_the_slot() -> None:
    """In the order of their placing, those of a person included."""
    person, early, other = replace(on(), subject="5" * 64), on(until=day(2)), on(dataset="messages")
    holdings = Holdings(holds={"1": person, "2": other, "3": early})
    assert holds_on(holdings, "logs", slot(1)) == (person, early)
    assert holds_on(holdings, "logs", slot(2)) == (person,)
    assert holds_on(Holdings(), "logs", slot(1)) == ()


def test_a_hold_on_a_person_stays_one_only_under_the_key_that_made_it() -> None:
    """Whom nobody can look for is protected by keeping everything."""
    person = replace(placed("case", subject="5" * 64), privacy_key="one")
    assert under_key([person, on()], "one") == (person, on())
    assert under_key([person], "other") == (replace(person, subject=None),)
    assert under_key([replace(person, privacy_key="")], "") == (replace(person, subject=None, privacy_key=""),)


# ── The guard ──────────────────────────────────────────────────────────────────────────────────────────────────

RULES = GuardSettings.model_validate({})
TOLERANCE, PAUSE = RULES.clock_tolerance, RULES.pause_max
CLOCKS = Clocks(local=NOW, database=NOW, store=NOW, anchor=NOW, last_entry=NOW)


def refused(clocks: Clocks = CLOCKS, *, pause: timedelta = timedelta(0), adopted: bool = False) -> list[Statement]:
    return list(guard(clocks, rules=RULES, pause=pause, anchor_adopted=adopted, shares={}))


@pytest.mark.parametrize("sign", [1, -1])
def test_each_clock_is_compared_with_this_machines(sign: int) -> None:
    """Ahead or behind by more than the tolerance is refused and by no less; which clock it is, is said."""
    near, far = NOW + sign * TOLERANCE, NOW + sign * (TOLERANCE + SECOND)
    assert refused(replace(CLOCKS, database=near, store=near, anchor=near)) == []
    assert refused(replace(CLOCKS, database=far)) == [Refusal.DATABASE_CLOCK(local_clock=NOW, database_clock=far)]
    assert refused(replace(CLOCKS, store=far)) == [Refusal.STORE_CLOCK(local_clock=NOW, store_clock=far)]
    assert refused(replace(CLOCKS, anchor=far)) == [Refusal.ANCHOR_CLOCK(local_clock=NOW, anchor_clock=far)]
    assert len(refused(replace(CLOCKS, database=far, store=far, anchor=far))) == 3


def test_neighbours_without_a_clock_say_nothing() -> None:
    assert refused(Clocks(local=NOW, database=None, store=None, anchor=None, last_entry=None)) == []


def test_a_clock_that_jumped_shows_in_the_last_entry_and_in_every_pause() -> None:
    """Backwards by more than the tolerance; forwards by more than the longest pause, since or before."""
    back = NOW + TOLERANCE
    assert refused(replace(CLOCKS, last_entry=back)) == []
    back += SECOND
    assert refused(replace(CLOCKS, last_entry=back)) == [Refusal.JUMPED(local_clock=NOW, entry_clock=back)]
    assert refused(replace(CLOCKS, last_entry=NOW - PAUSE), pause=PAUSE) == []
    said = [Refusal.PAUSE(days=PAUSE.days, days_max=PAUSE.days)]
    assert refused(replace(CLOCKS, last_entry=NOW - PAUSE - SECOND)) == said
    assert refused(pause=PAUSE + SECOND) == said
    assert refused(replace(CLOCKS, last_entry=None), pause=PAUSE + SECOND) == said


def test_an_anchor_that_was_found_empty_waits_for_a_person() -> None:
    assert refused(adopted=True) == [Refusal.ANCHOR_FOUND_EMPTY()]


def test_where_nothing_has_a_key_nothing_may_go() -> None:
    """The reason comes before every other one: no proof could be made."""
    made = plan_purge(
        LOGS, DatasetHoldings(name="logs"), {window(0): SourceState(rows=4)}, {window(0): 4}, lambda _: (on(),),
        key_columns=(), border=BORDER, now=NOW,
    )  # fmt: skip
    assert [one.keep for one in made.slots] == [Reason.NO_KEY()]
    assert (made.rows_going, made.share) == (0, 0.0)


# ── What looks as it did ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("known", "seen_now", "same"),
    [
        (("3", "8"), ("3", "8"), True),
        (("3", "8"), ("3", "9"), False),
        (("3", "8"), ("4", "8"), False),
        (("3", ""), ("3", ""), True),
        (("3", "8"), ("3", ""), True),
        (("3", ""), ("3", "8"), True),
        (("3", ""), ("4", ""), False),
        (("3", "?"), ("3", "8"), False),
    ],
)
def test_digests_are_compared_where_both_have_one(
    known: tuple[str, str], seen_now: tuple[str, str], *, same: bool
) -> None:
    """The number of rows always is; a slot that was never compared is not the same as anything."""
    state = SourceState(rows=int(seen_now[0]), digest=seen_now[1])
    before = SourceState(rows=int(known[0]), digest=known[1])
    assert same_state(SlotHoldings(slot(0), state=before), state) is same
    assert not same_state(SlotHoldings(slot(0)), state)


@pytest.mark.parametrize(
    ("since", "until", "emptied"),
    [
        (None, None, [None, 0, 1, 2]),
        (day(1), None, [1, 2]),
        (None, day(1), [0]),
        (day(1), day(2), [1]),
        (day(1) + TICK, day(2) + TICK, [1, 2]),
        (day(3), None, []),
    ],
)
def test_a_window_that_lost_its_last_row_is_looked_at_if_it_was_asked_for(
    since: datetime | None, until: datetime | None, emptied: list[int | None]
) -> None:
    """No census shows it any more; bounds leave out what lies outside, and rows without a time lie in none."""
    plan = plan_export(LOGS, seen(4, 4, 4, 0), {}, now=NOW, settled_until=NOW, since=since, until=until)
    expected = [Slot(window=None) if number is None else slot(number) for number in emptied]
    assert [one.slot for one in plan.due] == expected
    assert {one.state.rows for one in plan.due} <= {0}


# ── Which parts become one ─────────────────────────────────────────────────────────────────────────────────────

TIMESTAMP, DATE = "timestamp[us, tz=UTC]", "date32[day]"


def merges(
    *sizes: int,
    key: tuple[str, ...] = (),
    time_type: str = TIMESTAMP,
    place: Slot | None = None,
    unverified: tuple[int, ...] = (),
    merged_size_bytes_max: int = 1 << 30,
    parts_min: int = 2,
) -> list[list[int]]:
    """Which parts of one slot, of these sizes in the order of their commits, are merged with which."""
    place = slot(0) if place is None else place
    columns = (Column(name=LOGS.time_column, source_type="x", archive_type=time_type),)
    schema = SchemaChanged(
        dataset="logs", version=1, schema="s", columns=columns, time_column=LOGS.time_column, key_columns=key
    )
    segments = [
        HeldSegment(
            Segment(
                key=f"data/{part}", slot=place, part=part, size_bytes=size_bytes, sha256="", rows=1, schema="s",
                oldest=None, newest=None,
            ),
            part, day(1), verified_at=None if part in unverified else day(1),
        )
        for part, size_bytes in enumerate(sizes)
    ]  # fmt: skip
    held = DatasetHoldings(
        name="logs", slots={place: SlotHoldings(place, segments=segments)}, schema=schema, schemas={"s": schema}
    )
    rules = CompactionRules(
        parts_min=parts_min, small_size_bytes_max=INSTANT_BYTES_MAX, merged_size_bytes_max=merged_size_bytes_max
    )
    plan = plan_compaction(LOGS, held, lambda _: (), rules=rules, now=NOW)
    return [[one.segment.part for one in merge.segments] for merge in plan.merges]


def test_parts_without_a_key_become_one_as_far_as_its_size_may_be() -> None:
    """In the order of their commits; what is left alone with itself stays as it is."""
    assert merges(4, 4, 4, 4, 4, merged_size_bytes_max=8) == [[0, 1], [2, 3]]
    assert merges(4, 4, 4, 4, 4, merged_size_bytes_max=7) == []
    assert merges(9, 4, 4, merged_size_bytes_max=8) == [[1, 2]]
    assert merges(1, 1, 1, parts_min=3) == [[0, 1, 2]]
    assert merges(1, 1, parts_min=3) == []


def test_parts_with_a_key_become_one_from_the_newest_back() -> None:
    """The latest version of a row stays the latest."""
    assert merges(4, 4, 4, key=("id",), merged_size_bytes_max=8) == [[1, 2]]
    assert merges(4, 4, 4, key=("id",), merged_size_bytes_max=7) == []
    assert merges(1, 1, 1, key=("id",), unverified=(1,)) == []
    assert merges(1, 1, 1, key=("id",), unverified=(0,)) == [[1, 2]]
    assert merges(1, INSTANT_BYTES_MAX + 1, 1, 1, key=("id",)) == [[2, 3]]


def test_parts_without_a_key_that_nobody_has_verified_wait() -> None:
    """The others need not wait for them: no row is a version of another."""
    assert merges(1, 1, 1, 1, unverified=(1,)) == [[0, 2, 3]]
    assert merges(1, 1, 1, 1, unverified=(1, 2, 3)) == []
    assert merges(1, INSTANT_BYTES_MAX + 1, 1) == [[0, 2]], "a large one stays as it is"


@pytest.mark.parametrize("key", [(), ("id",)])
def test_so_many_files_are_read_side_by_side(key: tuple[str, ...]) -> None:
    (merge,) = merges(*[1] * (PARTS_PER_MERGE_MAX + 1), key=key)
    assert len(merge) == PARTS_PER_MERGE_MAX
    assert (merge[0], merge[-1]) == ((1, PARTS_PER_MERGE_MAX) if key else (0, PARTS_PER_MERGE_MAX - 1))


@pytest.mark.parametrize("key", [(), ("id",)])
def test_rows_of_one_instant_are_merged_only_as_far_as_memory_goes(key: tuple[str, ...]) -> None:
    """Those whose time is a date, and those without one, are not read as a stream."""
    half, undated = INSTANT_BYTES_MAX // 2, Slot(window=None)
    assert merges(half, half, half, key=key) == [[0, 1, 2]]
    pair = [[1, 2]] if key else [[0, 1]]
    assert merges(half, half, half, key=key, time_type=DATE) == pair
    assert merges(half, half, half, key=key, place=undated) == pair
    assert merges(half, half + 1, key=key, place=undated) == []
