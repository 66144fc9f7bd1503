"""Postgres's text forms: read back exactly, or refused; never read as something else."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import SchemaDrift
from archiver.model import Column, TableSchema, Window
from archiver.neighbours.dataapi.query import Cursor, page_query, spans, value_text
from archiver.neighbours.postgres.text import parse_rows, typed
from archiver.neighbours.postgres.types import INT32_MAX, INT64_MAX

FIELDS = st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))), min_size=3, max_size=3)  # fmt: skip


def record(fields: list[str | None]) -> str:
    """A row as ``record_out`` writes it, without its parentheses."""

    def field(text: str | None) -> str:
        if text is None:
            return ""
        if text == "" or any(sign in '"\\(),' or sign.isspace() for sign in text):
            return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'
        return text

    return ",".join(map(field, fields))


@given(st.lists(FIELDS, min_size=1, max_size=8))
def test_rows_come_back_as_they_were(rows: list[list[str | None]]) -> None:
    """NULL distinct from empty; line feeds, quotes, backslashes and commas as they were."""
    text = "".join(record(row) + "\n" for row in rows).encode()
    found = parse_rows(text, 3)
    assert [list(row.values()) for row in found.to_pylist()] == rows


@given(st.lists(FIELDS, min_size=2, max_size=4), st.data())
def test_a_text_that_was_cut_is_never_more_than_it_holds(rows: list[list[str | None]], data: st.DataObject) -> None:
    """It has fewer rows, or is no rows at all; whole ones before the cut are unchanged."""
    whole = "".join(record([*row, "2026-05-01 00:00:00+00"]) + "\n" for row in rows).encode()
    cut = data.draw(st.integers(1, len(whole) - 2))
    try:
        found = parse_rows(whole[:cut] + b"\n", 4)
    except (ValueError, UnicodeDecodeError):
        return
    held = [list(row.values()) for row in found.to_pylist()]
    assert len(held) <= len(rows)
    # Whoever reads compares the last field with the row's time, which is written twice.
    is_whole = held[-1][3] == "2026-05-01 00:00:00+00"
    assert [row[:3] for row in (held if is_whole else held[:-1])] == rows[: len(held) - (not is_whole)]


def as_type(archive_type: str, texts: list[str | None], source_type: str = "x") -> pa.Array:
    column = Column(name="c", source_type=source_type, archive_type=archive_type)
    return typed(pa.chunked_array([pa.array(texts, pa.string())]), column)


@given(st.lists(st.one_of(st.none(), st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))), max_size=5))  # noqa: DTZ001
def test_moments_are_exact(moments: list[datetime | None]) -> None:
    texts = [None if one is None else one.isoformat(" ") for one in moments]
    assert as_type("timestamp[us]", texts).to_pylist() == moments
    zoned = [None if text is None else f"{text}+00" for text in texts]
    aware = [None if one is None else one.replace(tzinfo=UTC) for one in moments]
    assert as_type("timestamp[us, tz=UTC]", zoned).cast(pa.timestamp("us", "UTC")).to_pylist() == aware
    days = [None if one is None else one.date() for one in moments]
    assert as_type("date32[day]", [None if one is None else one.isoformat() for one in days]).to_pylist() == days
    hours = [None if one is None else one.time() for one in moments]
    assert as_type("time64[us]", [None if one is None else one.isoformat() for one in hours]).to_pylist() == hours


@given(st.integers(-2_450_000, 2_145_000_000))
def test_any_day_of_postgres_is_its_number(number: int) -> None:
    """Before Christ and far beyond the calendar: checked against days that are counted in cycles of 400 years."""
    cycles, rest = divmod(number + 719_162, 146_097)
    inside = date(1, 1, 1) + timedelta(days=rest)
    year = inside.year + 400 * cycles
    shown = f"{year:04d}" if year > 0 else f"{1 - year:04d}"
    text = f"{shown}-{inside:%m-%d}{'' if year > 0 else ' BC'}"
    assert as_type("date32[day]", [text]).cast(pa.int32()).to_pylist() == [number]


def test_infinities_midnight_and_the_end_of_time() -> None:
    assert as_type("timestamp[us]", ["infinity", "-infinity", None]).cast(pa.int64()).to_pylist() == [INT64_MAX, -INT64_MAX, None]  # fmt: skip
    assert as_type("date32[day]", ["infinity", "-infinity"]).cast(pa.int32()).to_pylist() == [INT32_MAX, -INT32_MAX]
    assert as_type("time64[us]", ["24:00:00", "00:00:00.5", None]).cast(pa.int64()).to_pylist() == [86_400_000_000, 500_000, None]  # fmt: skip
    assert as_type("time64[us]", ["23:59:59.999999"]).to_pylist() == [time(23, 59, 59, 999_999)]
    assert as_type("timestamp[us]", []).to_pylist() == []
    with pytest.raises(SchemaDrift, match="after the year 294246"):
        as_type("timestamp[us, tz=UTC]", ["294276-12-31 00:00:00+00"])


def test_other_types() -> None:
    assert as_type("bool", ["t", "f", None]).to_pylist() == [True, False, None]
    assert as_type("binary", ["\\x00ff", "\\x", None]).to_pylist() == [b"\0\xff", b"", None]
    assert as_type("int64", ["-9223372036854775808", None]).to_pylist() == [-(2**63), None]


@pytest.mark.parametrize(
    ("archive_type", "text"),
    [
        ("int16", "40000"),
        ("int64", "geheim"),
        ("double", "geheim"),
        ("binary", "\\xgeheim"),
        ("timestamp[us]", "geheim"),
        ("timestamp[us, tz=UTC]", "2026-05-01 00:00:00+02"),
        ("date32[day]", "01.05.2026"),
        ("date32[day]", "2026-02-31"),
        ("time64[us]", "25:00:00"),
    ],
)
def test_what_is_not_the_types_text_is_refused_without_quoting_it(archive_type: str, text: str) -> None:
    with pytest.raises(ValueError, match="not the text form") as caught:
        as_type(archive_type, ["", text] if archive_type == "string" else [text])
    assert "geheim" not in str(caught.value)


# ── Questions ──────────────────────────────────────────────────────────────────────────────────────────────────

START = datetime(2026, 5, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))


def schema_of(key: tuple[str, ...], time_type: str = "timestamp[us, tz=UTC]") -> TableSchema:
    columns = [Column(name=name, source_type="text", archive_type="string") for name in ('a"b\\', "b")]
    at = Column(name="at", source_type="timestamptz", archive_type=time_type)
    return TableSchema(columns=(*columns, at), time_column="at", key_columns=key, key_is_unique=True)


def test_a_page_goes_on_behind_the_last_row() -> None:
    """In words: not before its time; and later, or the same and a larger key, column by column."""
    schema = schema_of(('a"b\\', "at", "b"))
    cursor = Cursor.of_key(schema)
    (span,) = spans(schema, DAY)
    found = page_query(schema, cursor, span, {}, ("2026-05-01 01:00:00+00", 'x"', "y\\,)"), is_whole=True, limit=7)
    assert found == {
        "select": "*",
        "and": '("at".gte."2026-05-01 00:00:00.000000+00","at".lt."2026-05-02 00:00:00.000000+00",'
        '"at".gte."2026-05-01 01:00:00+00",'
        'or("at".gt."2026-05-01 01:00:00+00","a\\"b\\\\".gt."x\\"",and("a\\"b\\\\".eq."x\\"","b".gt."y\\\\,)")))',
        "order": '"at".asc,"a\\"b\\\\".asc,"b".asc',
        "limit": "7",
    }


def test_columns_are_named_where_they_are_not_all() -> None:
    schema = schema_of(("b",))
    (span,) = spans(schema, DAY)
    found = page_query(schema, Cursor.of_key(schema), span, {}, None, is_whole=False, limit=7)
    assert found["select"] == '"a\\"b\\\\",b,at'


def test_rows_without_a_time_go_by_the_rest_alone() -> None:
    schema = schema_of(("b",))
    cursor = Cursor.of_place(schema)
    beyond, null = spans(schema, None)
    assert "0001-01-01" in str(beyond.conditions)
    found = page_query(
        schema, cursor, null, cursor.beside(schema, with_versions=True), ("", "7", "(0,1)"), is_whole=True, limit=1
    )
    assert found["and"] == '("at".is.null,or(tableoid.gt."7",and(tableoid.eq."7",ctid.gt."(0,1)")))'
    assert found["select"] == '*,archiver_table:tableoid,archiver_place:ctid,archiver_version:xmin,archiver_time:"at"'


@pytest.mark.parametrize(
    ("time_type", "end"),
    [("date32[day]", "2026-05-02"), ("timestamp[us]", "2026-05-01 12:00:00.000000"), ("timestamp[us, tz=UTC]", "2026-05-01 12:00:00.000000+00")],
)  # fmt: skip
def test_bounds_are_written_in_the_time_columns_own_type(time_type: str, end: str) -> None:
    """A date lies at its midnight, so that one whose day began before the bound belongs before it."""
    half = Window(START, START + timedelta(hours=12))
    (span,) = spans(schema_of(("b",), time_type), half)
    assert span.conditions[1] == f'"at".lt.{value_text(end)}'


@given(st.text())
def test_quoting_hides_every_sign(text: str) -> None:
    quoted: Any = value_text(text)
    assert quoted[0] == quoted[-1] == '"'
    inside = quoted[1:-1]
    assert inside.replace("\\\\", "").replace('\\"', "").count('"') == 0
