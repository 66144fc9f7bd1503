"""The loop over a block's entries: compiled and plain are one source and give one result."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.neighbours.loki import _entries as _loki_entries
from tests.support.loki_encoder import Entry, entry_bytes
from tests.support.loops import plain_loop

MARCH = 1_772_784_030_857_000_000


def longs(length: int) -> memoryview:
    return memoryview(bytearray(8 * length)).cast("B").cast("q")


def integers(length: int) -> memoryview:
    return memoryview(bytearray(4 * length)).cast("B").cast("i")


def read(module: Any, data: bytes, count: int, symbols: int, capacity: int) -> object:
    """Read until the end or an error, with pair buffers that grow in small steps; give everything that can be seen."""
    count = min(count, len(data))
    times, line_ends, pair_ends = longs(count), integers(count + 1), integers(count + 1)
    lines = memoryview(bytearray(len(data)))
    names, values = integers(capacity), integers(capacity)
    cursor = memoryview(bytearray(8 * module.CURSOR_LENGTH)).cast("Q")
    full = 0
    while True:
        status = module.read_entries(
            memoryview(data), len(data), count, symbols, times, line_ends, lines, pair_ends, names, values, cursor
        )
        if status != module.FULL:
            break
        full += 1
        longer_names, longer_values = integers(len(names) * 2 + 1), integers(len(names) * 2 + 1)
        longer_names[: len(names)], longer_values[: len(names)] = names, values
        names, values = longer_names, longer_values
        assert full <= len(data) + 1
    entries, line_bytes, pairs = (cursor[index] for index in (module.ENTRY, module.LINE_BYTES, module.PAIRS))
    return (
        status,
        cursor[module.POSITION],
        full,
        list(times[:entries]),
        list(line_ends[: entries + 1]),
        bytes(lines[:line_bytes]),
        list(pair_ends[: entries + 1]),
        list(names[:pairs]),
        list(values[:pairs]),
    )


def symbols_read(module: Any, data: bytes, count: int) -> object:
    count = min(count, len(data))
    ends, text = integers(count + 2), memoryview(bytearray(len(data)))
    cursor = memoryview(bytearray(8 * module.CURSOR_LENGTH)).cast("Q")
    status = module.read_symbols(memoryview(data), len(data), count, ends, text, cursor)
    position, entries, size = (cursor[index] for index in (module.POSITION, module.ENTRY, module.LINE_BYTES))
    return status, position, list(ends[: entries + 1]), bytes(text[:size])


NUMBERS = st.integers(0, 300) | st.integers(0, 2**64 - 1)
ENTRIES = st.builds(
    Entry,
    st.integers(-(2**63), 2**63 - 1) | st.integers(MARCH, MARCH + 10**15),
    st.binary(max_size=40) | st.integers(0, 40_000).map(bytes),
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5).map(tuple),
)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[bytes, int, int]:
    """A block, mostly sound: entries, then perhaps a few bytes changed, cut off or added."""
    format_number = draw(st.sampled_from([3, 4]))
    entries = draw(st.lists(ENTRIES, max_size=30))
    data = bytearray(b"".join(entry_bytes(entry, format_number) for entry in entries))
    for _ in range(draw(st.integers(0, 2)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    data += draw(st.just(b"") | st.binary(max_size=30))
    count = max(0, len(entries) + draw(st.sampled_from([0, 0, 0, 0, -1, 1, 7])))
    return bytes(data), count, draw(st.integers(0, 200)) if format_number == 4 else -1


compiled_only = pytest.mark.skipif(not _loki_entries.compiled, reason="the loop is not compiled here")


@compiled_only
@given(blocks() | st.tuples(st.binary(max_size=60), st.integers(0, 9), st.integers(-1, 3)), st.integers(0, 20))
@settings(deadline=None, max_examples=1000)
def test_compiled_and_plain_are_one(block: tuple[bytes, int, int], capacity: int) -> None:
    """The same status, cursor and arrays for any bytes, sound or not."""
    data, count, symbols = block
    assert read(_loki_entries, data, count, symbols, capacity) == read(plain_loop(), data, count, symbols, capacity)


@compiled_only
@given(st.lists(st.binary(max_size=200), max_size=9), st.binary(max_size=9), st.integers(0, 12))
@settings(deadline=None)
def test_compiled_and_plain_read_symbols_alike(symbols: list[bytes], tail: bytes, count: int) -> None:
    """The same for the symbol table."""
    data = b"".join(bytes([len(symbol) & 0x7F]) + symbol[: len(symbol) & 0x7F] for symbol in symbols) + tail
    assert symbols_read(_loki_entries, data, count) == symbols_read(plain_loop(), data, count)


def test_a_block_of_nothing_ordinary_is_read_in_reasonable_steps() -> None:
    """Times before 1971 take the long way; the plain loop does not try its short cut at each of them."""
    module = plain_loop()
    calls = 0
    hurry = module._hurry

    def counted(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        hurry(*arguments)

    module._hurry = counted  # type: ignore[attr-defined]
    try:
        data = entry_bytes(Entry(1, b"x"), 3) * 10_000
        assert read(module, data, 10_000, -1, 0)[0] == module.DONE  # type: ignore[index]
    finally:
        module._hurry = hurry  # type: ignore[attr-defined]
    assert calls < 20
