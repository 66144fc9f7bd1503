"""Rows in Postgres's own text form, as a record's output function writes them, to Arrow, exactly. Pure.

The data API's CSV is that form: a field is quoted when it is empty or holds a blank, a comma, a quote, a backslash or a
parenthesis; quotes and backslashes are doubled; NULL is nothing at all between two commas. The values are what
``postgres`` reads in binary, so that both ways give the same bytes in the archive.
"""

import binascii
import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from archiver.model import Column
from archiver.neighbours.postgres.types import INT32_MAX, INT64_MAX, beyond_calendar
from archiver.parquet import ARROW_TYPES

US_PER_DAY: Final = 86_400_000_000
MIDNIGHT_AFTER: Final = "24:00:00"

_PLAIN_DATE: Final = r"^\d{4}-\d\d-\d\d$"
_PLAIN_TIMESTAMP: Final = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?:\+00)?$"
_MOMENT: Final = re.compile(
    r"(?P<year>\d{4,})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?: (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?(?:\+00)?(?P<era> BC)?"
)


def parse_rows(text: bytes, columns: int) -> pa.Table:
    """Rows to columns of text named ``0``, ``1``, …; NULL distinct from empty.

    Args:
        text: Each row ended by a line feed; no header.
        columns: How many fields each row has.

    Raises:
        ValueError: The text is not whole rows of so many fields. The message quotes nothing of it.
    """
    names = [str(number) for number in range(columns)]
    try:
        return pcsv.read_csv(
            pa.BufferReader(text),
            # One block: a value may be larger than any block that is smaller than all.
            read_options=pcsv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
            parse_options=pcsv.ParseOptions(
                double_quote=True, escape_char="\\", newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pcsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        raise ValueError(f"not whole rows of {columns} fields") from None


def typed(values: pa.ChunkedArray, column: Column) -> pa.Array:
    """Text forms as the type that the archive has for a column.

    Raises:
        SchemaDrift: A time that no archive format can hold.
        ValueError: Something is not the text form of this type. The message quotes nothing of it.
    """
    kind = ARROW_TYPES[column.archive_type]
    texts = values.combine_chunks()
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], pa.string())
    try:
        return _typed(texts, kind, column)
    except (pa.ArrowInvalid, binascii.Error):
        raise ValueError(f"column {column.name}: not the text form of {column.source_type}") from None


def _typed(texts: pa.StringArray, kind: pa.DataType, column: Column) -> pa.Array:
    if pa.types.is_string(kind):
        return texts
    if pa.types.is_boolean(kind):
        return pc.equal(texts, "t")
    if pa.types.is_binary(kind):
        # After the \x that says: in hexadecimal.
        return pa.array([None if text is None else binascii.unhexlify(text[2:]) for text in texts.to_pylist()], kind)
    if pa.types.is_time(kind):
        return _times(texts, kind)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _moments(texts, kind, column)
    return texts.cast(kind)


def _times(texts: pa.StringArray, kind: pa.DataType) -> pa.Array:
    is_after = pc.equal(texts, MIDNIGHT_AFTER)
    inside = pc.if_else(is_after, "00:00:00", texts)
    dated = pc.binary_join_element_wise("1970-01-01", inside, " ")
    microseconds = dated.cast(pa.timestamp("us")).cast(pa.int64())
    return pc.if_else(is_after, pa.scalar(US_PER_DAY, pa.int64()), microseconds).cast(kind)


def _moments(texts: pa.StringArray, kind: pa.DataType, column: Column) -> pa.Array:
    """The usual ones at once; infinity, years before Christ and after 9999 one by one."""
    plain, whole, odd = (
        (_PLAIN_DATE, pa.int32(), _day) if pa.types.is_date(kind) else (_PLAIN_TIMESTAMP, pa.int64(), _microsecond)
    )
    is_plain = pc.match_substring_regex(texts, plain)
    if pc.all(is_plain, min_count=0).as_py():
        return texts.cast(kind)
    usual = pc.if_else(pc.fill_null(is_plain, False), texts, None).cast(kind).view(whole)
    others = pc.if_else(pc.fill_null(is_plain, True), None, texts).to_pylist()
    numbers = pa.array([None if text is None else odd(text, column) for text in others], whole)
    return pc.coalesce(usual, numbers).view(kind)


def _day(text: str, column: Column) -> int:
    if text in ("infinity", "-infinity"):
        return INT32_MAX if text == "infinity" else -INT32_MAX
    number, _ = _parts(text)
    if number >= INT32_MAX:
        raise beyond_calendar(column)
    return number


def _microsecond(text: str, column: Column) -> int:
    if text in ("infinity", "-infinity"):
        return INT64_MAX if text == "infinity" else -INT64_MAX
    day, within = _parts(text)
    number = day * US_PER_DAY + within
    if number >= INT64_MAX:
        raise beyond_calendar(column)
    return number


def _parts(text: str) -> tuple[int, int]:
    """Days since 1970, and microseconds of the day."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise pa.ArrowInvalid("no moment")
    year = 1 - int(match["year"]) if match["era"] else int(match["year"])
    seconds = int(match["hour"] or 0) * 3600 + int(match["minute"] or 0) * 60 + int(match["second"] or 0)
    microseconds = int((match["fraction"] or "").ljust(6, "0"))
    return _days_since_1970(year, int(match["month"]), int(match["day"])), seconds * 1_000_000 + microseconds


def _days_since_1970(year: int, month: int, day: int) -> int:
    """In the proleptic Gregorian calendar, any year; the year is taken to begin in March, after the leap day."""
    shifted = year - (month <= 2)  # noqa: PLR2004
    era, of_era = divmod(shifted, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
