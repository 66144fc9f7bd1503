"""How each type of Postgres is read and written so that nothing is lost. Pure.

A few types have an exact counterpart in Arrow and are read in binary. Every other type, known or not, is read in its
own output form, which Postgres reads back as the same value; the session settings that this form depends
on are fixed in ``postgres``.

Facts about ADBC 1.13's COPY reader, found by trying: a timestamp arrives as its stored number plus the distance of the
epochs, and that sum wraps around silently. ``infinity`` comes out as ``INT64_MIN + 946684799999999``, ``-infinity`` one
higher, a time after the year 294246 somewhere below them. No time that Postgres can hold otherwise is anywhere near, so
that ``mend`` can put the two infinities where DuckDB has them and refuse the rest. Dates likewise, in days.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from archiver.errors import SchemaDrift
from archiver.model import Column
from archiver.neighbours.postgres import _uuid_text

INT64_MAX = 2**63 - 1
INT32_MAX = 2**31 - 1
EPOCH_OFFSET_US = 946_684_800_000_000
EPOCH_OFFSET_DAYS = 10_957

POSITIVE_INFINITY_US = -(2**63) + EPOCH_OFFSET_US - 1
NEGATIVE_INFINITY_US = -(2**63) + EPOCH_OFFSET_US
POSITIVE_INFINITY_DAYS = -(2**31) + EPOCH_OFFSET_DAYS - 1
NEGATIVE_INFINITY_DAYS = -(2**31) + EPOCH_OFFSET_DAYS

EARLIEST_US = -220_000_000_000_000_000
"""Before 4714 BC, where Postgres's timestamps begin."""
EARLIEST_DAYS = -2_500_000


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column of some type is read.

    Attributes:
        archive_type: Arrow's name of the written type.
        expression: SQL with ``{}`` for the column; empty: read as it is.
        sorts_as_text: The archive's order of the values is that of their text, which must be asked for in SQL.
    """

    archive_type: str
    expression: str = ""
    sorts_as_text: bool = False

    def sql(self, column: str) -> str:
        """The expression for a column that is named by ``column``."""
        return self.expression.format(column) if self.expression else column


TEXT = Reading("string", "{}::text", sorts_as_text=True)

BINARY_READINGS = {
    "int2": Reading("int16"),
    "int4": Reading("int32"),
    "int8": Reading("int64"),
    "oid": Reading("int64", "{}::int8"),
    "float4": Reading("float"),
    "float8": Reading("double"),
    "bool": Reading("bool"),
    "bytea": Reading("binary"),
    "text": Reading("string", "", sorts_as_text=True),
    "varchar": Reading("string", "", sorts_as_text=True),
    "bpchar": Reading("string", "", sorts_as_text=True),
    "name": Reading("string", "", sorts_as_text=True),
    # Lower-case hexadecimal digits sort as the bytes do, so that the index on a uuid key can serve. Where our own loop
    # is compiled, the server need not write the text: three uuids cost it a quarter of what a whole row does.
    "uuid": Reading("string", "" if _uuid_text.compiled else "{}::text"),
    # The cast to text adds a netmask that the output form leaves out.
    "inet": Reading("string", "textin(inet_out({}))", sorts_as_text=True),
    "timestamptz": Reading("timestamp[us, tz=UTC]"),
    "timestamp": Reading("timestamp[us]"),
    "date": Reading("date32[day]"),
    "time": Reading("time64[us]"),
}
"""By ``pg_type.typname`` in ``pg_catalog``; a domain is read as its base type."""

TIME_TYPES = frozenset({"timestamptz", "timestamp", "date"})
"""What a time column may be."""


def reading(type_name: str, *, is_builtin: bool) -> Reading:
    """How a base type is read. ``is_builtin``: it lives in ``pg_catalog``, so that its name can be trusted."""
    return BINARY_READINGS.get(type_name, TEXT) if is_builtin else TEXT


def mend(array: pa.Array, column: Column) -> pa.Array:
    """The array with the two infinities where DuckDB has them, uuids as text, and of exactly the column's type.

    Raises:
        SchemaDrift: A time after the year 294246, which 64 bits of microseconds since 1970 cannot hold.
    """
    kind = array.type
    if pa.types.is_timestamp(kind):
        return _mend(array, column, pa.int64(), EARLIEST_US, POSITIVE_INFINITY_US, NEGATIVE_INFINITY_US, INT64_MAX)
    if pa.types.is_date32(kind):
        return _mend(
            array, column, pa.int32(), EARLIEST_DAYS, POSITIVE_INFINITY_DAYS, NEGATIVE_INFINITY_DAYS, INT32_MAX
        )
    if isinstance(array, pa.ExtensionArray) and array.storage.type == pa.binary(_uuid_text.BYTES):
        return uuid_text(array.storage)
    return array


def beyond_calendar(column: Column) -> SchemaDrift:
    """A time that is valid in Postgres and in nothing else."""
    return SchemaDrift(
        f"column {column.name} ({column.source_type}): holds a time after the year 294246, which no archive format"
        " can hold exactly; its dataset was not exported",
        hint="correct the value, or archive a view that casts this column to text",
    )


def uuid_text(values: pa.FixedSizeBinaryArray) -> pa.StringArray:
    """Sixteen bytes each, as Postgres writes a uuid; NULL stays NULL."""
    count, start = len(values), values.offset * _uuid_text.BYTES
    text = pa.allocate_buffer(count * _uuid_text.CHARACTERS)
    ends = pa.allocate_buffer((count + 1) * 4)
    if count:
        data = memoryview(values.buffers()[1]).cast("B")[start : start + count * _uuid_text.BYTES]
        _uuid_text.write_texts(data, count, memoryview(text).cast("B"), memoryview(ends).cast("B").cast("i"))
    else:
        memoryview(ends).cast("B")[:] = bytes(4)
    valid = None if values.null_count == 0 else values.is_valid().buffers()[1]
    return pa.StringArray.from_buffers(count, ends, text, valid, values.null_count)


def _mend(
    array: pa.Array, column: Column, whole: pa.DataType, earliest: int, positive: int, negative: int, top: int
) -> pa.Array:
    numbers = array.view(whole)
    lowest = pc.min(numbers).as_py()
    if lowest is None or lowest >= earliest:
        return array
    is_positive = pc.equal(numbers, pa.scalar(positive, whole))
    is_negative = pc.equal(numbers, pa.scalar(negative, whole))
    is_beyond = pc.and_(pc.less(numbers, pa.scalar(earliest, whole)), pc.invert(pc.or_(is_positive, is_negative)))
    if pc.any(is_beyond).as_py():
        raise beyond_calendar(column)
    mended = pc.if_else(is_positive, pa.scalar(top, whole), numbers)
    return pc.if_else(is_negative, pa.scalar(-top, whole), mended).view(array.type)
