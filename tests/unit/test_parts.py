"""Parts: files of bounded size, numbers that nobody ever had."""

import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from archiver import layout
from archiver.ledger.holdings import DatasetHoldings
from archiver.model import Column, Slot, TableSchema, Window
from archiver.operations.steps.parts import Parts
from archiver.operations.steps.run import Run
from archiver.parquet import WrittenPart
from tests.support.archive import never_again
from tests.support.faulty import FaultyStore

SCHEMA = TableSchema(
    columns=(Column(name="at", source_type="timestamptz", archive_type="timestamp[us, tz=UTC]"),),
    time_column="at",
    key_columns=(),
)
START = datetime(2026, 3, 1, tzinfo=UTC)
MORNING, EVENING, NEXT_DAY = (
    Slot(tenant=None, window=Window(START + timedelta(hours=hours), START + timedelta(hours=hours + 12)))
    for hours in (0, 12, 24)
)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    ledger = SimpleNamespace(store=FaultyStore(), holdings=SimpleNamespace(swept={}))
    run = Run(name="r", work_dir=tmp_path, jobs=1, monotonic=lambda: 0.0, again=never_again, stop=threading.Event())
    return Parts(cast("Any", ledger), DatasetHoldings("d"), SCHEMA, run, 1)


def rows(*seconds: int) -> pa.RecordBatch:
    times = pa.array([START + timedelta(seconds=second) for second in seconds], pa.timestamp("us", tz="UTC"))
    return pa.record_batch({"at": times})


def written(parts: Parts, files: ExitStack, slot: Slot, *seconds: int) -> WrittenPart:
    (part,) = parts.write(files, slot, iter([rows(*seconds)]))
    return part


def test_a_file_is_closed_at_its_size_and_without_rows_there_is_none(parts: Parts) -> None:
    with ExitStack() as files:
        assert [part.rows for part in parts.write(files, MORNING, iter([rows(1, 2), rows(3)]))] == [2, 1]
        assert list(parts.write(files, MORNING, iter([]))) == []


def test_windows_of_one_day_share_its_numbers(parts: Parts) -> None:
    with ExitStack() as files:
        named = [
            parts.named(slot, written(parts, files, slot, number))
            for number, slot in enumerate([MORNING, EVENING, NEXT_DAY, MORNING])
        ]
    assert [segment.part for segment in named] == [0, 1, 0, 2]


def test_a_number_under_which_the_same_rows_were_swept_is_passed_over_and_none_is_given_twice(parts: Parts) -> None:
    with ExitStack() as files:
        first, second = written(parts, files, MORNING, 1), written(parts, files, MORNING, 2)
        parts.ledger.holdings.swept[layout.segment_key("d", MORNING, 0, first.sha256)] = 7
        assert [parts.named(MORNING, part).part for part in (first, second)] == [1, 2]


def test_what_is_uploaded_is_what_was_named_and_its_file_is_gone(parts: Parts) -> None:
    store = cast("FaultyStore", parts.ledger.store)
    with ExitStack() as files:
        part = written(parts, files, MORNING, 1)
        data = part.path.read_bytes()
        segment = parts.upload(parts.named(MORNING, part), part)
        assert not part.path.exists()
    assert store.read(segment.key, size_bytes_max=1 << 20) == data
    assert (segment.sha256, segment.size_bytes, segment.rows) == (part.sha256, len(data), 1)
