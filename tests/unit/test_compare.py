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

from archiver.operations.steps.compare import aligned, difference, prove, rows_with_known_key
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
    assert found.differing + found.late == len(alone) - len(proven)
