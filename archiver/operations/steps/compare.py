"""Compare rows with rows, whole and exactly, in Arrow.

Two tables are compared as multisets of whole rows: a row counts as held only when every column has the same value,
floats by their bits (NaN is NaN, -0.0 is not 0.0), NULL distinct from empty. Digests take no part in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

COMPARE_ROWS = 64 * 1024
"""About how many rows of each side are compared at once."""

_SIDE = "\x00side"
_HELD = "\x00held"


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of one table that another lacks, and how many of the other's rows the first lacks.

    Attributes:
        new: Rows to add, a row as often as it is missing; same schema as the left table, unsorted.
        missing: Rows of the right table that the left one does not have.
    """

    new: pa.Table
    missing: int


def difference(left: pa.Table, right: pa.Table) -> Difference:
    """Multiset difference of whole rows. Both tables have the same column names and types."""
    if left.num_rows == 0 or right.num_rows == 0:
        return Difference(left, right.num_rows)
    # Arrow compares and groups floats by their bits only when it sees them as integers.
    bits_left, bits_right = _by_bits(left), _by_bits(right)
    if left.num_rows == right.num_rows and bits_left.equals(bits_right):
        return Difference(left.slice(0, 0), 0)
    both = pa.concat_tables(
        [
            bits_left.append_column(_SIDE, pa.repeat(pa.scalar(1, pa.int64()), left.num_rows)),
            bits_right.append_column(_SIDE, pa.repeat(pa.scalar(-1, pa.int64()), right.num_rows)),
        ]
    )
    counted = both.group_by(left.column_names, use_threads=False).aggregate([(_SIDE, "sum")])
    balance = counted.column(f"{_SIDE}_sum").combine_chunks()
    missing = -(pc.sum(pc.min_element_wise(balance, 0)).as_py() or 0)
    surplus = counted.filter(pc.greater(balance, 0))
    times = surplus.column(f"{_SIDE}_sum").combine_chunks()
    rows = surplus.select(left.column_names)
    if surplus.num_rows and (pc.max(times).as_py() or 0) > 1:
        indices = pa.concat_arrays([pa.repeat(i, count) for i, count in enumerate(times.to_pylist())])
        rows = rows.take(indices)
    return Difference(_from_bits(rows, left.schema), missing)


@dataclass(frozen=True, slots=True)
class Proof:
    """Which of some rows are provably held elsewhere.

    Attributes:
        keys: Of the rows that are: equal in every column to a row of the other table, and alone with their key.
        duplicate, differing, late: The others: more than one row has the key; the other table has the key with other
            content; the other table does not have the key.
    """

    keys: pa.Table
    duplicate: int
    differing: int
    late: int


def prove(rows: pa.Table, held: pa.Table, key: Sequence[str]) -> Proof:
    """Compare whole rows with what is held, for deletion. ``key`` is not empty."""
    names = list(key)
    if rows.num_rows == 0:
        return Proof(rows.select(names), 0, 0, 0)
    ours, theirs = _by_bits(rows), _by_bits(held)
    if ours.equals(theirs) and _tells_apart(ours.select(names)):
        # Both sides have one order: of a window that nobody touched, every row is proven at once.
        return Proof(rows.select(names), 0, 0, 0)
    one = pa.scalar(1, pa.int64())
    nil = pa.scalar(0, pa.int64())
    both = pa.concat_tables(
        [
            ours.append_column(_SIDE, pa.repeat(one, rows.num_rows)).append_column(
                _HELD, pa.repeat(nil, rows.num_rows)
            ),
            theirs.append_column(_SIDE, pa.repeat(nil, held.num_rows)).append_column(
                _HELD, pa.repeat(one, held.num_rows)
            ),
        ]
    )
    counted = both.group_by(rows.column_names, use_threads=False).aggregate([(_SIDE, "sum"), (_HELD, "sum")])
    counted = counted.filter(pc.greater(counted.column(f"{_SIDE}_sum"), nil))
    # How many rows of the source share each key, whatever their content.
    sharing = counted.group_by(names, use_threads=False).aggregate([(f"{_SIDE}_sum", "sum")])
    alone = sharing.filter(pc.equal(sharing.column(f"{_SIDE}_sum_sum"), one)).select(names)
    # A key with a NULL in it identifies nothing: a join would not find it, and a deletion by key neither.
    single = counted.join(alone, names, join_type="inner", use_threads=False)
    duplicate = rows.num_rows - single.num_rows
    is_held = pc.greater(single.column(f"{_HELD}_sum"), nil)
    proven, others = single.filter(is_held), single.filter(pc.invert(is_held))
    differing = rows_with_known_key(others.select(names), theirs.select(names), names)
    keys = _from_bits(proven.select(names), pa.schema([rows.schema.field(name) for name in names]))
    return Proof(keys, duplicate, differing, others.num_rows - differing)


def _tells_apart(keys: pa.Table) -> bool:
    """Whether no key occurs twice, and none has a NULL in it, which would identify nothing."""
    if any(keys.column(name).null_count for name in keys.column_names):
        return False
    return bool(keys.group_by(keys.column_names, use_threads=False).aggregate([]).num_rows == keys.num_rows)


def rows_with_known_key(rows: pa.Table, known: pa.Table, key: Sequence[str]) -> int:
    """How many of ``rows`` have a key that some row of ``known`` has too. 0 without a key."""
    if not key or not rows.num_rows or not known.num_rows:
        return 0
    keys = known.select(list(key)).group_by(list(key), use_threads=False).aggregate([])
    return int(rows.select(list(key)).join(keys, list(key), join_type="left semi", use_threads=False).num_rows)


def _by_bits(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            wide = pa.int64() if field.type == pa.float64() else pa.int32()
            chunks = [chunk.view(wide) for chunk in table.column(index).chunks]
            table = table.set_column(index, field.name, pa.chunked_array(chunks, wide))
    return table.replace_schema_metadata(None)


def _from_bits(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        column = table.column(field.name)
        if pa.types.is_floating(field.type):
            column = pa.chunked_array([chunk.view(field.type) for chunk in column.chunks], field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


class TimeCursor:
    """Read sorted batches up to a moving bound on their time: two sorted streams meet without either in memory whole.

    Args:
        batches: In ascending order of the time column, NULLs last.
        time: The column's position.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, time: str) -> None:
        self._batches = batches
        self._schema = schema
        self._time = time
        self._waiting: pa.RecordBatch | None = None

    def skip(self, bound: pa.Scalar) -> None:
        """Pass over the rows not given yet whose time is less than ``bound``, without keeping them."""
        while True:
            batch = self._waiting if self._waiting is not None else next(self._batches, None)
            self._waiting = None
            if batch is None:
                return
            inside = rows_before(batch, self._time, bound)
            if inside < batch.num_rows:
                self._waiting = batch.slice(inside)
                return

    def before(self, bound: pa.Scalar | None) -> pa.Table:
        """The rows not given yet whose time is less than ``bound``; with None all the rest."""
        taken: list[pa.RecordBatch] = []
        while True:
            batch = self._waiting if self._waiting is not None else next(self._batches, None)
            self._waiting = None
            if batch is None:
                break
            inside = batch.num_rows if bound is None else rows_before(batch, self._time, bound)
            taken.append(batch.slice(0, inside))
            if inside < batch.num_rows:
                self._waiting = batch.slice(inside)
                break
        return pa.Table.from_batches(taken, schema=self._schema)


def between(batches: Iterator[pa.RecordBatch], time: str, start: pa.Scalar, end: pa.Scalar) -> Iterator[pa.RecordBatch]:
    """Of sorted batches the rows whose time lies in ``[start, end)``; what comes before them is not kept."""
    for batch in batches:
        first, last = rows_before(batch, time, start), rows_before(batch, time, end)
        if first < last:
            yield batch.slice(first, last - first)
        if last < batch.num_rows:
            return


def rows_before(batch: pa.RecordBatch, time: str, bound: pa.Scalar) -> int:
    """How many leading rows of a sorted batch have a time less than ``bound``. NULLs sort last and never do."""
    return int(pc.sum(pc.fill_null(pc.less(batch.column(time), bound), False)).as_py() or 0)


def aligned(
    left: Iterator[pa.RecordBatch],
    right: Sequence[Iterator[pa.RecordBatch]],
    schema: pa.Schema,
    time: str,
    *,
    rows: int = COMPARE_ROWS,
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Cut two sides of sorted streams into pairs of tables that cover the same span of time.

    Args:
        left: One sorted stream.
        right: Any number of sorted streams; a pair's second table holds rows of all of them.
        rows: About how many of the left side's rows make a pair. Rows of one instant are never parted, so that a
            pair can be larger when more rows than that share one instant.

    Yields:
        Pairs in ascending order of time. Every row of every stream is in exactly one pair.
    """
    cursors = [TimeCursor(stream, schema, time) for stream in right]
    pending: list[pa.RecordBatch] = []
    count = 0
    for batch in left:
        if batch.num_rows == 0:
            continue
        pending.append(batch)
        count += batch.num_rows
        bound = batch.column(time)[batch.num_rows - 1]
        if count < rows or not bound.is_valid:
            continue
        whole = pa.Table.from_batches(pending, schema=schema)
        ready = int(pc.sum(pc.fill_null(pc.less(whole.column(time), bound), False)).as_py() or 0)
        if ready == 0:
            continue
        yield whole.slice(0, ready), pa.concat_tables([cursor.before(bound) for cursor in cursors])
        pending = whole.slice(ready).to_batches()
        count = whole.num_rows - ready
    yield (
        pa.Table.from_batches(pending, schema=schema),
        pa.concat_tables([cursor.before(None) for cursor in cursors]),
    )


def pair_keys(maps: pa.MapArray) -> pa.Array:
    """A binary for each map that two maps share exactly where they hold the same pairs in the same order."""
    return joined_pairs(maps, maps.keys, maps.items)


def joined_pairs(lists: pa.ListArray | pa.MapArray, names: pa.Array, values: pa.Array) -> pa.Array:
    """A binary for each list that two lists share exactly where they hold the same pairs in the same order.

    Args:
        names, values: Of all pairs, whatever part of the lists is looked at.
    """
    parts: list[Any] = []
    for array in (names, values):
        plain = array.cast(pa.binary())
        # The length in front of each text keeps ("ab", "c") apart from ("a", "bc").
        parts += [pc.binary_length(plain).cast(pa.string()).cast(pa.binary()), pa.scalar(b":", pa.binary()), plain]
    pairs = pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))
    # Offsets count in all pairs, whatever part of the array this is; so do ``keys``, ``items`` and ``values``.
    joined = pc.binary_join(pa.ListArray.from_arrays(lists.offsets, pairs), pa.scalar(b"", pa.binary()))
    return pc.if_else(lists.is_null(), pa.scalar(None, pa.binary()), joined) if lists.null_count else joined
