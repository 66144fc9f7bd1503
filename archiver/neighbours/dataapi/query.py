"""What is asked of PostgREST for one page: which rows, after which one, in which order. Pure.

Everything goes into one ``and=(…)``: there, names and values are quoted alike, whatever they hold, and no column can be
mistaken for a parameter.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa

from archiver.model import DATED_MAX, DATED_MIN, TableSchema, Window

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

VERSION: Final = "archiver_version"
PLACE: Final = ("archiver_table", "archiver_place")
TIME_AGAIN: Final = "archiver_time"
"""Under which names a page holds what is no column of the relation. Its time comes again at the end of each row."""


@dataclass(frozen=True, slots=True)
class Span:
    """Rows that are read in one sequence of pages.

    Attributes:
        conditions: All of them hold.
        has_time: Their time is not NULL, so that it can be gone on after.
    """

    conditions: tuple[str, ...]
    has_time: bool = True


def spans(schema: TableSchema, window: Window | None) -> Iterator[Span]:
    """The spans that make a window, or, with None, the undated rows; in the archive's order.

    The undated rows are those beyond the calendar, then those without a time.
    """
    time = name_text(schema.time_column)
    if window is not None:
        yield Span((f"{time}.gte.{_bound(schema, window.start)}", f"{time}.lt.{_bound(schema, window.end)}"))
        return
    yield Span((f"or({time}.lt.{_bound(schema, DATED_MIN)},{time}.gte.{_bound(schema, DATED_MAX)})",))
    yield Span((f"{time}.is.null",), has_time=False)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The columns that, after the time, tell where a page ended.

    Attributes:
        columns: As PostgREST names them, quoted.
        fields: Where each one, the time first, stands in a page's columns of text.
        is_place: They are the rows' places and no columns of the relation.
    """

    columns: tuple[str, ...]
    fields: tuple[int, ...]
    is_place: bool = False

    @classmethod
    def of_key(cls, schema: TableSchema) -> "Cursor":
        """By the key; the time, where the key holds it, counts once."""
        names = [column.name for column in schema.columns]
        key = [name for name in schema.key_columns if name != schema.time_column]
        return cls(
            tuple(name_text(name) for name in key),
            (names.index(schema.time_column), *(names.index(name) for name in key)),
        )

    @classmethod
    def of_place(cls, schema: TableSchema) -> "Cursor":
        """By table (a partition is one) and place in it."""
        names = [column.name for column in schema.columns]
        return cls(("tableoid", "ctid"), (names.index(schema.time_column), len(names), len(names) + 1), is_place=True)

    def beside(self, schema: TableSchema, *, with_versions: bool) -> dict[str, str]:
        """What a page holds besides the relation's columns, in order: name and what it is."""
        places = dict(zip(PLACE, ("tableoid", "ctid"), strict=True)) if self.is_place else {}
        versions = {VERSION: "xmin"} if with_versions else {}
        return {**places, **versions, TIME_AGAIN: name_text(schema.time_column)}

    def of_last_row(self, texts: pa.Table) -> tuple[str | None, ...]:
        """Time and cursor of a page's last row, as text; a time may be None, the others are not in a table's rows."""
        time, *rest = (texts.column(str(number))[-1].as_py() for number in self.fields)
        # A time that is NULL is no place to go on after, and is not needed: all rows of its span have none.
        return ("" if time is None else time, *rest)


def page_query(
    schema: TableSchema,
    cursor: Cursor,
    span: Span,
    beside: Mapping[str, str],
    after: Sequence[str | None] | None,
    *,
    limit: int,
    is_whole: bool = True,
) -> dict[str, str]:
    """The parameters of one page.

    Args:
        is_whole: The schema has all of the relation's columns, so that one which is added meanwhile is noticed. Else
            only those of the schema are asked for.
        after: Time and cursor of the last row that came; None: from the beginning.
    """
    time = name_text(schema.time_column)
    order = [f"{time}.asc", *(f"{column}.asc" for column in cursor.columns)]
    conditions = [*span.conditions]
    if after is not None:
        conditions += _after(time, cursor.columns, after, has_time=span.has_time)
    columns = ["*"] if is_whole else [_short(column.name) for column in schema.columns]
    return {
        "select": ",".join([*columns, *(f"{name}:{what}" for name, what in beside.items())]),
        "and": f"({','.join(conditions)})",
        "order": ",".join(order),
        "limit": str(limit),
    }


def _after(time: str, columns: Sequence[str], after: Sequence[str | None], *, has_time: bool) -> list[str]:
    """Rows behind one row, in an order that an index on the time can serve."""
    instant, *values = (value_text(value or "") for value in after)
    later = [f"{time}.gt.{instant}"] if has_time else []
    equal: list[str] = []
    for column, value in zip(columns, values, strict=True):
        step = f"{column}.gt.{value}"
        later.append(f"and({','.join([*equal, step])})" if equal else step)
        equal.append(f"{column}.eq.{value}")
    return [*([f"{time}.gte.{instant}"] if has_time else []), f"or({','.join(later)})"]


def _bound(schema: TableSchema, instant: datetime) -> str:
    """A bound in the type of the time column; without a zone it means UTC."""
    column = schema.column(schema.time_column)
    assert column is not None
    if column.archive_type.startswith("date"):
        # A date belongs to its midnight: a bound within a day lets the whole day's rows stand before it.
        day = instant.date() if instant.time() == datetime.min.time() else instant.date() + timedelta(days=1)
        return value_text(f"{day.year:04d}-{day:%m-%d}")
    zone = "+00" if column.archive_type.endswith("tz=UTC]") else ""
    return value_text(f"{instant.year:04d}-{instant:%m-%d %H:%M:%S.%f}{zone}")


def _short(name: str) -> str:
    """A name without quotes where it needs none: addresses are short."""
    return name if _PLAIN.fullmatch(name) else name_text(name)


def name_text(name: str) -> str:
    """A column's name as PostgREST reads it anywhere, whatever it holds."""
    return value_text(name)


def value_text(value: str) -> str:
    """A value as PostgREST reads it in a condition, whatever it holds."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
