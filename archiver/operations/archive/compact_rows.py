"""Rows of several sorted parts brought into one order, and the proof that two sets of parts hold the same rows.

Memory: of each part one batch is held, and what lies between two instants. Rows of one instant are never parted.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from archiver.operations.steps.compare import TimeCursor, aligned, difference, joined_pairs, pair_keys

MERGE_ROWS = 128 * 1024
"""About how many rows of all parts together are held while they are merged."""


def merged(
    streams: Sequence[Iterator[pa.RecordBatch]], schema: pa.Schema, order: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Merge sorted streams. Of rows that are equal in ``order`` those of an earlier stream come first.

    Args:
        order: The time column, then others.
    """
    time = order[0]
    buffered = [_Buffered(stream, schema, time) for stream in streams]
    while True:
        ends = [stream.end() for stream in buffered if not stream.is_exhausted]
        if not ends:
            return
        bound = min((end for end in ends if end.is_valid), key=lambda end: end.value, default=None)
        table = pa.concat_tables([stream.take(bound) for stream in buffered])
        if table.num_rows:
            yield from _sorted(table, order).to_batches()
        elif bound is not None:
            # A whole batch shares the bound's instant: more of it is read until the instant is passed.
            for stream in buffered:
                stream.read_beyond(bound)


class _Buffered:
    """A stream of which the next batch is there already, so that it is known how far its rows reach."""

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, time: str) -> None:
        self._batches = batches
        self._schema = schema
        self._time = time
        self._waiting: list[pa.RecordBatch] = []
        self._is_at_end = False

    @property
    def is_exhausted(self) -> bool:
        """Nothing is left."""
        self._fill()
        return not self._waiting

    def end(self) -> pa.Scalar:
        """Every row of an earlier time is read; NULL: every row that has a time is."""
        if self._is_at_end:
            return pa.scalar(None, self._schema.field(self._time).type)
        last = self._waiting[-1]
        return last.column(self._time)[last.num_rows - 1]

    def take(self, bound: pa.Scalar | None) -> pa.Table:
        """The rows before an instant; with None all of them."""
        self._fill()
        if bound is None:
            rest = [*self._waiting, *self._batches]
            self._waiting, self._is_at_end = [], True
            return pa.Table.from_batches(rest, schema=self._schema)
        cursor = TimeCursor(iter(self._waiting), self._schema, self._time)
        table = cursor.before(bound)
        self._waiting = cursor.before(None).to_batches()
        return table

    def read_beyond(self, bound: pa.Scalar) -> None:
        """Read until the last row's time is later than ``bound``, or to the end."""
        while not self._is_at_end and self._waiting and self.end().is_valid and self.end().value <= bound.value:
            self._read()

    def _fill(self) -> None:
        if not self._waiting and not self._is_at_end:
            self._read()

    def _read(self) -> None:
        batch = next((batch for batch in self._batches if batch.num_rows), None)
        if batch is None:
            self._is_at_end = True
        else:
            self._waiting.append(batch)


def _sorted(table: pa.Table, order: Sequence[str]) -> pa.Table:
    """Rows in ascending order, NULLs last, ties as they stand; Arrow sorts no dictionaries, so these are read out."""
    names = list(dict.fromkeys(order))
    keys = _without_dictionaries(table.select(names))
    indices = pc.sort_indices(keys, sort_keys=[(name, "ascending", "at_end") for name in names])
    return table.unify_dictionaries().combine_chunks().take(indices)


def holds_the_same(
    ours: Iterator[pa.RecordBatch], theirs: Sequence[Iterator[pa.RecordBatch]], schema: pa.Schema, time: str
) -> tuple[int, int]:
    """Compare one sorted stream with several, as multisets of whole rows, exactly.

    Returns:
        How many rows of ``ours`` the others lack, and how many of theirs it lacks; (0, 0): they hold the same.
    """
    surplus = missing = 0
    for left, right in aligned(ours, theirs, schema, time):
        differing = difference(_groupable(left), _groupable(right))
        surplus += differing.new.num_rows
        missing += differing.missing
    return surplus, missing


def _groupable(table: pa.Table) -> pa.Table:
    """The same rows in types that Arrow can group by: maps and lists of pairs as one binary each, exactly."""
    table = _without_dictionaries(table)
    for index, field in enumerate(table.schema):
        if not pa.types.is_nested(field.type):
            continue
        column = table.column(index).combine_chunks()
        plain = pair_keys(column) if pa.types.is_map(field.type) else joined_pairs(column, *column.values.flatten())
        if plain.null_count != column.null_count:
            # A NULL inside would make two different rows look like one.
            raise ValueError(f"column {field.name} holds a NULL inside of a value")
        table = table.set_column(index, field.name, plain)
    return table


def _without_dictionaries(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(field.type.value_type))
    return table
