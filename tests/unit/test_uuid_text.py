"""The text of uuids is Postgres's own, compiled or not."""

import importlib.util
import itertools
import uuid
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from archiver.neighbours.postgres import _uuid_text
from archiver.neighbours.postgres import types as postgres_types

SOURCE = Path(postgres_types.__file__).with_name("_uuid_text.py")


def plain_loop() -> Any:
    """The loop's source run as Python, whatever is compiled here."""
    loader = SourceFileLoader("plain_uuid_text", str(SOURCE))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def written(module: Any, values: list[uuid.UUID]) -> list[str]:
    """What a loop writes for some values."""
    text = bytearray(36 * len(values))
    ends = memoryview(bytearray(4 * (len(values) + 1))).cast("i")
    module.write_texts(b"".join(value.bytes for value in values), len(values), text, ends)
    return [text[start:end].decode() for start, end in itertools.pairwise(ends)]


@given(st.lists(st.uuids(), max_size=20))
def test_both_ways_write_what_python_writes(values: list[uuid.UUID]) -> None:
    """The compiled loop, its source, and the standard library agree."""
    expected = [str(value) for value in values]
    assert written(_uuid_text, values) == expected
    assert written(plain_loop(), values) == expected


@given(st.lists(st.none() | st.uuids(), max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_null_stays_null_in_any_slice(values: list[uuid.UUID | None], start: int, length: int) -> None:
    """The array is sound, of type string, and has NULL where NULL was."""
    stored = pa.array([None if value is None else value.bytes for value in values], pa.binary(16))
    found = postgres_types.uuid_text(stored.slice(min(start, len(values)), length))
    found.validate(full=True)
    assert found.to_pylist() == [None if value is None else str(value) for value in values[start : start + length]]
