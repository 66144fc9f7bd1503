"""Whole rows are compared as multisets, exactly; streams meet without being held whole."""

import itertools
import math
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from archiver.operations.steps.compare import (
    TimeCursor,
    aligned,
    between,
    difference,
    prove,
    rows_with_known_key,
)
from archiver.parquet import sort_rows

SCHEMA = pa.schema([("t", pa.int64()), ("id", pa.string()), ("x", pa.float64()), ("b", pa.binary())])

FLOATS = st.sampled_from(
    [0.0, -0.0, 1.5, math.nan, math.inf, -math.inf, struct.unpack("<d", b"\x01\0\0\0\0\0\xf8\x7f")[0]]
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "t": st.none() | st.integers(0, 6),
            "id": st.none() | st.sampled_from(["", "a", "b", "ä"]),
            "x": st.none() | FLOATS,
            "b": st.none() | st.sampled_from([b"", b"\xff", b"a"]),
        }
    ),
    max_size=12,
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def bits(row: dict[str, Any]) -> tuple[Any, ...]:
    x = row["x"]
    return (row["t"], row["id"], None if x is None else struct.pack("<d", x), row["b"])


def counted(rows: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    return Counter(bits(row) for row in rows)


@given(left=ROWS, right=ROWS)
def test_difference_is_the_multiset_difference_of_whole_rows(
    left: list[dict[str, Any]], right: list[dict[str, Any]]
) -> None:
    """Floats by their bits, NULL distinct from empty, duplicates as often as they are missing."""
    found = difference(table(left), table(right))
    assert counted(found.new.to_pylist()) == counted(left) - counted(right)
    assert found.missing == (counted(right) - counted(left)).total()
    assert found.new.schema.equals(SCHEMA)


@given(left=ROWS, right=ROWS)
def test_rows_with_known_key_counts_every_row_whose_key_is_held(
    left: list[dict[str, Any]], right: list[dict[str, Any]]
) -> None:
    """A key that contains NULL identifies nothing, as in SQL."""
    known = {row["id"] for row in right if row["id"] is not None}
    assert rows_with_known_key(table(left), table(right), ("id",)) == sum(row["id"] in known for row in left)


@given(left=ROWS, right=ROWS, chunk=st.integers(1, 5), batch=st.integers(1, 4), parts=st.integers(1, 3))
def test_aligned_pairs_cover_the_same_time_and_lose_nothing(
    left: list[dict[str, Any]], right: list[dict[str, Any]], chunk: int, batch: int, parts: int
) -> None:
    """Every row of every stream is in exactly one pair, and rows of one time are never parted."""

    def stream(rows: pa.Table) -> Iterator[pa.RecordBatch]:
        return iter(rows.to_batches(max_chunksize=batch))

    ordered = sort_rows(table(left), ["t"])
    streams = [stream(sort_rows(table(right[number::parts]), ["t"])) for number in range(parts)]
    pairs = list(aligned(stream(ordered), streams, SCHEMA, "t", rows=chunk))
    assert [bits(row) for ours, _ in pairs for row in ours.to_pylist()] == [bits(row) for row in ordered.to_pylist()]
    assert counted([row for _, theirs in pairs for row in theirs.to_pylist()]) == counted(right)
    for first, second in itertools.pairwise(pairs):
        before = [row["t"] for side in first for row in side.to_pylist()]
        after = [row["t"] for side in second for row in side.to_pylist() if row["t"] is not None]
        assert None not in before
        assert not before or not after or max(before) < min(after)
    total = sum((counted(difference(ours, theirs).new.to_pylist()) for ours, theirs in pairs), Counter())
    assert total == counted(left) - counted(right)


@given(ROWS, ROWS, st.booleans(), st.sampled_from([["id"], ["t", "id"]]))
def test_proof_is_that_of_counting_by_hand(
    source: list[dict[str, Any]], archive: list[dict[str, Any]], same: bool, key: list[str]
) -> None:
    """A row is proven when its key is whole and its own, and an equal row is held: in any order, untouched or not."""
    if same:
        archive = source
    found = prove(table(source), table(archive), key)
    keys = Counter(tuple(row[name] for name in key) for row in source)
    held = {bits(row) for row in archive}
    alone = [row for row in source if keys[tuple(row[name] for name in key)] == 1 and None not in [row[n] for n in key]]
    proven = [row for row in alone if bits(row) in held]
    assert sorted(map(repr, found.keys.to_pylist())) == sorted(
        repr({name: row[name] for name in key}) for row in proven
    )
    assert found.duplicate == len(source) - len(alone)
    others, known = (
        [row for row in alone if bits(row) not in held],
        {tuple(row[name] for name in key) for row in archive},
    )
    differing = sum(tuple(row[name] for name in key) in known for row in others)
    assert (found.differing, found.late) == (differing, len(others) - differing)


def distinct(count: int) -> pa.Table:
    """Sorted rows, each with a time and a key of its own."""
    return table([{"t": number, "id": f"{number:03d}", "x": 0.5, "b": b""} for number in range(count)])


def test_of_a_window_that_nobody_touched_every_row_is_proven() -> None:
    """The way without counting says the same as counting does: nothing is duplicate, nothing differs, nothing is late."""
    for rows in (distinct(0), distinct(1), distinct(100)):
        found = prove(rows, rows, ["id"])
        assert found.keys.equals(rows.select(["id"]))
        assert (found.duplicate, found.differing, found.late) == (0, 0, 0)


def test_of_what_is_equal_nothing_is_new_and_nothing_missing() -> None:
    """Neither where all is equal nor where a side is empty, and the other is counted whole."""
    for left, right, new, missing in ((3, 3, 0, 0), (3, 0, 3, 0), (0, 3, 0, 3), (0, 0, 0, 0)):
        found = difference(distinct(left), distinct(right))
        assert (found.new.num_rows, found.missing) == (new, missing)


def test_pairs_are_cut_as_soon_as_there_are_enough_rows() -> None:
    """Of a long stream no more than about ``rows`` wait in memory: a batch more, and the rows of the last instant."""
    rows, batch = 10, 5
    streams = [iter(distinct(100).to_batches(max_chunksize=batch)) for _ in range(2)]
    sizes = [ours.num_rows for ours, _ in aligned(streams[0], [streams[1]], SCHEMA, "t", rows=rows)]
    assert sum(sizes) == 100
    assert sizes[0] == rows - 1, "all but the last instant, of which more may follow"
    assert max(sizes) <= rows


def taken(batches: list[pa.RecordBatch], read: list[int]) -> Iterator[pa.RecordBatch]:
    """The batches, with a note of each that was asked for."""
    for number, batch in enumerate(batches):
        read.append(number)
        yield batch


@given(rows=ROWS, size=st.integers(1, 4), first=st.integers(0, 7), length=st.integers(0, 7))
def test_between_gives_the_rows_of_a_span_and_reads_no_further(
    rows: list[dict[str, Any]], size: int, first: int, length: int
) -> None:
    """Half-open; NULLs lie in no span; no batch is empty; nothing is asked for after the first row that lies behind."""
    read: list[int] = []
    batches = sort_rows(table(rows), ["t"]).to_batches(max_chunksize=size)
    start, end = pa.scalar(first, pa.int64()), pa.scalar(first + length, pa.int64())
    found = list(between(taken(batches, read), "t", start, end))
    inside = [row for row in rows if row["t"] is not None and first <= row["t"] < first + length]
    assert counted([row for batch in found for row in batch.to_pylist()]) == counted(inside)
    assert all(batch.num_rows for batch in found)
    behind = [
        number
        for number, batch in enumerate(batches)
        if any(row["t"] is None or row["t"] >= first + length for row in batch.to_pylist())
    ]
    assert read == list(range(behind[0] + 1 if behind else len(batches)))


@given(rows=ROWS, size=st.integers(1, 4), low=st.integers(0, 7), length=st.integers(0, 7))
def test_a_cursor_gives_every_row_once_up_to_its_bound(
    rows: list[dict[str, Any]], size: int, low: int, length: int
) -> None:
    """What is skipped is never given; what lies at a bound waits for the next one; None gives the rest, NULLs too."""
    ordered = sort_rows(table(rows), ["t"])
    cursor = TimeCursor(iter(ordered.to_batches(max_chunksize=size)), SCHEMA, "t")
    cursor.skip(pa.scalar(low, pa.int64()))
    span = cursor.before(pa.scalar(low + length, pa.int64())).to_pylist()
    cursor.skip(pa.scalar(low + length, pa.int64()))  # what waits lies behind that, and stays
    rest = cursor.before(None).to_pylist()
    assert cursor.before(None).num_rows == 0
    times = ordered.to_pylist()
    assert list(map(bits, span)) == [
        bits(row) for row in times if row["t"] is not None and low <= row["t"] < low + length
    ]
    assert list(map(bits, rest)) == [bits(row) for row in times if row["t"] is None or row["t"] >= low + length]
