"""Segments: the same rows give the same bytes, a digest that fits, and a reader that finds every lie."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.errors import LocalResourceError, SegmentAltered
from archiver.model import Column, Segment, Slot, TableSchema, Window
from archiver.parquet import (
    ARROW_TYPES,
    ROW_GROUP_ROWS,
    PartWriter,
    WrittenPart,
    arrow_schema,
    check_part,
    fingerprint,
    is_sorted,
    no_utf8,
    read_batches,
)

SCHEMA = TableSchema(
    columns=(
        Column(name="created_at", source_type="timestamptz", archive_type="timestamp[us, tz=UTC]"),
        Column(name="id", source_type="uuid", archive_type="string", nullable=False),
        Column(name="n", source_type="bigint", archive_type="int64"),
    ),
    time_column="created_at",
    key_columns=("id",),
)
DAY = Window(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC))
SLOT = Slot(window=DAY)


def rows(count: int, start: int = 0) -> pa.RecordBatch:
    numbers = range(start, start + count)
    return pa.record_batch(
        [
            pa.array([DAY.start + timedelta(seconds=n // 3) for n in numbers], ARROW_TYPES["timestamp[us, tz=UTC]"]),
            pa.array([f"{n:08d}" for n in numbers]),
            pa.array([None if n % 5 == 0 else n for n in numbers], pa.int64()),
        ],
        schema=arrow_schema(SCHEMA),
    )


def write(path: Path, *batches: pa.RecordBatch, slot: Slot = SLOT) -> WrittenPart:
    with PartWriter(path, SCHEMA, dataset="logs", slot=slot) as writer:
        for batch in batches:
            writer.write(batch)
        return writer.finish()


def segment(part: WrittenPart) -> Segment:
    return Segment(
        key="data/logs/date=2026-05-01/part-0000-x.parquet",
        slot=SLOT,
        part=0,
        size_bytes=part.size_bytes,
        sha256=part.sha256,
        rows=part.rows,
        schema=fingerprint(SCHEMA),
        oldest=part.oldest,
        newest=part.newest,
    )


def test_a_part_says_what_it_is(tmp_path: Path) -> None:
    """Size, digest, rows and bounds are those of the file, which only its owner may read."""
    part = write(tmp_path / "a", rows(1000), rows(500, 1000))
    data = part.path.read_bytes()
    assert (part.size_bytes, part.sha256, part.rows) == (len(data), hashlib.sha256(data).hexdigest(), 1500)
    assert (part.oldest, part.newest) == ("2026-05-01T00:00:00.000000Z", "2026-05-01T00:08:19.000000Z")
    assert part.path.stat().st_mode & 0o777 == 0o600
    assert pa.Table.from_batches(read_batches(part.path)).equals(pa.Table.from_batches([rows(1500)]))
    assert check_part(part.path, segment(part), arrow_schema(SCHEMA)) == []


def test_the_same_rows_give_the_same_bytes_however_they_are_batched(tmp_path: Path) -> None:
    """A part that a dead run uploaded is recognised by its digest."""
    one = write(tmp_path / "a", rows(1000))
    other = write(tmp_path / "b", *[rows(10, start) for start in range(0, 1000, 10)])
    assert one.sha256 == other.sha256
    # Longer than a page: where a page ends must not depend on where a batch did.
    long = rows(6).set_column(1, arrow_schema(SCHEMA).field(1), pa.array(["a", "b", "x" * 1_500_000, "c", "d", "e"]))
    one, other = write(tmp_path / "c", long), write(tmp_path / "d", long.slice(0, 2), long.slice(2, 1), long.slice(3))
    assert one.sha256 == other.sha256


def test_row_groups_are_cut_at_their_bound_whatever_the_batches(tmp_path: Path) -> None:
    """Bloom filters have room for a row group's values, and readers decode one at a time."""
    one = write(tmp_path / "a", rows(2 * ROW_GROUP_ROWS + 10))
    others = [rows(9_000, start) for start in range(0, 2 * ROW_GROUP_ROWS - 9_000, 9_000)]
    written = sum(batch.num_rows for batch in others)
    other = write(tmp_path / "b", *others, rows(2 * ROW_GROUP_ROWS + 10 - written, written))
    for part in (one, other):
        with pq.ParquetFile(part.path) as file:
            groups = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
        assert groups == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 10]
    assert one.sha256 == other.sha256


def test_no_row_group_is_empty(tmp_path: Path) -> None:
    """Neither at the end of a part whose rows fill its groups, nor in one without rows."""
    for name, count, groups in (("a", ROW_GROUP_ROWS, 1), ("b", 0, 0)):
        with pq.ParquetFile(write(tmp_path / name, rows(count)).path) as file:
            assert file.metadata.num_row_groups == groups


def test_a_time_that_arrow_does_not_know_is_no_broken_text() -> None:
    """Postgres has 24:00; only columns with text in them are looked at, lists and maps of it too."""
    end_of_day = pa.array([86_400_000_000], pa.int64()).view(pa.time64("us"))
    broken = pa.array([b"\xff"]).view(pa.string())
    listed = pa.ListArray.from_arrays([0, 1], broken)
    found = no_utf8(pa.record_batch({"t": end_of_day, "ok": pa.array(["ä"]), "text": broken, "list": listed}))
    assert found == ("text", "list")


def test_a_writer_holds_a_row_group_at_most(tmp_path: Path) -> None:
    """Of 160 MB of rows, what Arrow has allocated at once stays below 24 MiB."""
    before, most = pa.total_allocated_bytes(), 0
    with PartWriter(tmp_path / "a", SCHEMA, dataset="logs", slot=SLOT) as writer:
        for start in range(0, 40_000, 1_000):
            batch = rows(1_000, start)
            texts = pa.array([f"{n:04000d}" for n in range(start, start + 1_000)])
            writer.write(batch.set_column(1, batch.schema.field(1), texts))
            del batch, texts
            most = max(most, pa.total_allocated_bytes() - before)
        assert writer.finish().rows == 40_000
    assert most < 24 * 1024 * 1024


def test_a_part_declares_order_statistics_and_bloom_filters(tmp_path: Path) -> None:
    """What a reader needs to skip: sort order, page index, checksums, Bloom filter on the key; zstd throughout."""
    part = write(tmp_path / "a", rows(1000))
    with pq.ParquetFile(part.path) as file:
        group = file.metadata.row_group(0)
        assert [(s.column_index, s.descending, s.nulls_first) for s in group.sorting_columns] == [
            (0, False, False),
            (1, False, False),
        ]
        assert {group.column(i).compression for i in range(3)} == {"ZSTD"}
        assert all(group.column(i).has_offset_index and group.column(i).has_column_index for i in range(3))
        assert [group.column(i).bloom_filter_offset is not None for i in range(3)] == [False, True, False]
        facts = {key.decode(): value.decode() for key, value in file.schema_arrow.metadata.items()}
    assert json.loads(facts["archiver.sorted_by"]) == ["created_at", "id"]
    assert facts["archiver.slot"] == "2026-05-01"
    assert facts["archiver.schema"] == fingerprint(SCHEMA)


def test_a_part_left_unfinished_leaves_no_file(tmp_path: Path) -> None:
    """Half a part may hold personal data."""

    def fail() -> None:
        with PartWriter(tmp_path / "a", SCHEMA, dataset="logs", slot=SLOT) as writer:
            writer.write(rows(10))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_fault_24_a_full_disk_is_a_clean_failure(tmp_path: Path) -> None:
    """The error names the place; nothing half-written stays."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(LocalResourceError, match="no space"),
        PartWriter(tmp_path / "a", SCHEMA, dataset="logs", slot=SLOT) as writer,
    ):
        writer._file._file.close()
        writer._file._file = full.open("wb", buffering=0)
        writer.write(rows(10))
        writer.finish()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        ({"rows": 7}, "ledger says 7 rows, the file has 30"),
        ({"oldest": "2026-05-01T00:00:00.000001Z"}, "oldest"),
        ({"newest": None}, "newest"),
        ({"schema": "0" * 64}, "schema"),
        ({"slot": Slot(window=Window(DAY.end, DAY.end + timedelta(days=1)))}, "2026-05-02"),
    ],
)
def test_a_ledger_that_disagrees_with_the_file_is_found(tmp_path: Path, lie: dict[str, object], says: str) -> None:
    """Each fact that the ledger states is compared with the decoded rows."""
    part = write(tmp_path / "a", rows(30))
    problems = check_part(part.path, replace(segment(part), **lie), arrow_schema(SCHEMA))  # type: ignore[arg-type]
    assert len(problems) == 1
    assert says in problems[0]


def test_rows_out_of_order_are_found(tmp_path: Path) -> None:
    """Readers rely on the declared order."""
    part = write(tmp_path / "a", rows(10, 10), rows(10))
    assert check_part(part.path, segment(part), arrow_schema(SCHEMA)) == ["the rows are not sorted by created_at, id"]


def test_every_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """Decoding damaged bytes never crashes and never gives other rows in silence: what is not found is not read."""
    part = write(tmp_path / "a", rows(50))
    data, whole = part.path.read_bytes(), pa.Table.from_batches([rows(50)])
    path, places, found = tmp_path / "b", range(0, len(data), 5), 0
    for place in places:
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place // 5 % 8]) + data[place + 1 :])
        if check_part(path, segment(part), arrow_schema(SCHEMA)):
            found += 1
        else:
            assert pa.Table.from_batches(read_batches(path)).equals(whole), f"byte {place} of {len(data)}"
    assert found > len(places) // 2, "most of a small file is pages and what the footer says of them"


def test_not_parquet_at_all(tmp_path: Path) -> None:
    """It says so, and names the file."""
    path = tmp_path / "part-0000.parquet"
    path.write_bytes(b"hello")
    with pytest.raises(SegmentAltered, match=r"part-0000\.parquet"):
        list(read_batches(path))


def test_is_sorted_compares_neighbours_across_batches() -> None:
    """Time first, then the key; NULLs last."""
    schema = pa.schema([("t", pa.int64()), ("k", pa.string())])

    def batch(*pairs: tuple[int | None, str | None]) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist([{"t": t, "k": k} for t, k in pairs], schema=schema)

    assert is_sorted(batch((1, "a"), (1, "b"), (2, "a"), (None, "a")), ["t", "k"])
    assert is_sorted(batch((1, "b")), ["t", "k"], batch((1, "a")))
    assert not is_sorted(batch((1, "a")), ["t", "k"], batch((1, "b")))
    assert not is_sorted(batch((None, "a"), (1, "a")), ["t", "k"])
    assert not is_sorted(batch((1, None), (1, "a")), ["t", "k"])


def test_the_fingerprint_changes_with_every_fact_of_a_schema() -> None:
    """Segments of one fingerprint have one schema."""
    renamed = replace(SCHEMA, columns=(*SCHEMA.columns[:2], replace(SCHEMA.columns[2], name="m")))
    retyped = replace(SCHEMA, columns=(*SCHEMA.columns[:2], replace(SCHEMA.columns[2], source_type="integer")))
    others = [renamed, retyped, replace(SCHEMA, key_columns=("n",)), replace(SCHEMA, columns=SCHEMA.columns[::-1])]
    assert len({fingerprint(schema) for schema in (SCHEMA, *others)}) == 5
