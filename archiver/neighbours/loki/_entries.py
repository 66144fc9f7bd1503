# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: annotation_typing=False, infer_types=False
"""The loop over the entries of a Loki block: one source, compiled where a compiler is at hand, plain Python otherwise.

``_loki_entries.pxd`` beside this file adds the C types and nothing else. Both ways give the same arrays, the same
status and the same cursor for the same bytes, sound or not, and neither touches a byte outside of its buffers.

  - An integer is LEB128, at most 64 bits, in its shortest form: Loki's writer knows no other.
  - The caller's buffers hold ``count`` entries and every byte of ``data``. Only the number of pairs is not known
    beforehand; ``FULL`` asks for longer pair buffers, and the same call goes on.
  - Any status but ``DONE`` and ``FULL`` names a contradiction, and ``cursor[POSITION]`` is where it stands.
"""

import struct
from array import array
from itertools import accumulate
from typing import Any

try:
    import cython
except ImportError:
    compiled = False
else:
    compiled = cython.compiled

DONE = 0
FULL = 1
"""The pair buffers are too short for the entry at the cursor."""
ENDED = 2
"""The data ends before ``count`` entries or symbols were read."""
CUT = 3
"""The data ends within an integer."""
LONG = 4
"""An integer has more than 64 bits."""
PADDED = 5
"""An integer is not in its shortest form."""
OUTSIDE = 6
"""A line, a symbol or an entry's metadata is longer than what is left."""
MANY = 7
"""An entry's metadata has more pairs than bytes for them."""
REST = 8
"""An entry's metadata is longer, or shorter, than its pairs."""

# A cursor has CURSOR_LENGTH elements of type "Q": where the next entry starts, entries read, bytes of lines written,
# pairs written, and the integer that was read last, which is nobody else's business.
# The last one is a C variable when compiled, and not to be had from outside.
POSITION = 0
ENTRY = 1
LINE_BYTES = 2
PAIRS = 3
_INTEGER = 4
CURSOR_LENGTH = 5

# No type stands in a signature here: mypy would ask for what only the .pxd can say, and Cython would box the rest.
Buffer = Any


def _integer(data: Buffer, position: Buffer, end: Buffer, cursor: Buffer) -> Buffer:
    """Read one unsigned integer into ``cursor[_INTEGER]``; return where it ends, or a negative status."""
    value = 0
    shift = 0
    while True:
        if position >= end:
            return -CUT
        byte = data[position]
        position += 1
        if shift == 63 and byte > 1:
            return -LONG
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift > 0:
                return -PADDED
            cursor[_INTEGER] = value
            return position
        shift += 7


def walk(
    data: Buffer,
    size: Buffer,
    stop: Buffer,
    symbols: Buffer,
    times: Buffer,
    line_ends: Buffer,
    lines: Buffer,
    pair_ends: Buffer,
    names: Buffer,
    values: Buffer,
    cursor: Buffer,
) -> Buffer:
    """Read entries up to number ``stop``, byte after byte: ``read_entries`` without its short cuts."""
    position = cursor[POSITION]
    entry = cursor[ENTRY]
    line_bytes = cursor[LINE_BYTES]
    pairs = cursor[PAIRS]
    capacity = len(names)
    copy_bytewise = compiled
    status = 0
    while entry < stop:
        start = position
        if position >= size:
            status = ENDED
            break
        value = 0
        shift = 0
        byte = 0x80
        while byte >= 0x80 and position < size:
            byte = data[position]
            position += 1
            if shift == 63 and byte > 1:
                status = LONG
                break
            value |= (byte & 0x7F) << shift
            shift += 7
        if status == 0 and byte >= 0x80:
            status = CUT
        if status == 0 and byte == 0 and shift > 7:
            status = PADDED
        if status != 0:
            position = start
            break
        times[entry] = (value >> 1) ^ -(value & 1)

        # A call costs more than an integer of one or two bytes, here and below.
        if position + 1 < size and data[position] < 0x80:
            value = data[position]
            position += 1
        elif position + 1 < size and 0 < data[position + 1] < 0x80:
            value = (data[position] & 0x7F) | data[position + 1] << 7
            position += 2
        else:
            next_position = _integer(data, position, size, cursor)
            if next_position < 0:
                status = -next_position
                break
            value = cursor[_INTEGER]
            position = next_position
        if value > size - position:
            status = OUTSIDE
            break
        length = value
        # A slice assignment costs more than the line in C, and so does a loop over bytes in Python.
        if copy_bytewise:
            for index in range(length):
                lines[line_bytes + index] = data[position + index]
        else:
            lines[line_bytes : line_bytes + length] = data[position : position + length]
        position += length

        if symbols >= 0:
            if position < size and data[position] < 0x80:
                value = data[position]
                position += 1
            else:
                next_position = _integer(data, position, size, cursor)
                if next_position < 0:
                    status = -next_position
                    break
                value = cursor[_INTEGER]
                position = next_position
            if value > size - position:
                status = OUTSIDE
                break
            end = position + value
            if position < end and data[position] < 0x80:
                value = data[position]
                position += 1
            else:
                next_position = _integer(data, position, end, cursor)
                if next_position < 0:
                    status = -next_position
                    break
                value = cursor[_INTEGER]
                position = next_position
            if value > (end - position) >> 1:
                status = MANY
                break
            count = value
            if pairs + count > capacity:
                position = start
                status = FULL
                break
            for index in range(2 * count):
                if position + 1 < end and data[position] < 0x80:
                    value = data[position]
                    position += 1
                elif position + 1 < end and 0 < data[position + 1] < 0x80:
                    value = (data[position] & 0x7F) | data[position + 1] << 7
                    position += 2
                else:
                    next_position = _integer(data, position, end, cursor)
                    if next_position < 0:
                        status = -next_position
                        break
                    value = cursor[_INTEGER]
                    position = next_position
                if value > symbols:
                    value = symbols
                if index & 1:
                    values[pairs + (index >> 1)] = value
                else:
                    names[pairs + (index >> 1)] = value
            if status != 0:
                break
            if position != end:
                status = REST
                break
            pairs += count
            pair_ends[entry + 1] = pairs
        line_bytes += length
        entry += 1
        line_ends[entry] = line_bytes
    cursor[POSITION] = position
    cursor[ENTRY] = entry
    cursor[LINE_BYTES] = line_bytes
    cursor[PAIRS] = pairs
    return status


def read_symbols(data: Buffer, size: Buffer, count: Buffer, ends: Buffer, text: Buffer, cursor: Buffer) -> Buffer:
    """Read ``count`` symbols, each a length and as many bytes.

    Args:
        data: The decompressed symbol table: a buffer of bytes.
        size: How many bytes of ``data`` count.
        count: How many symbols to read.
        ends: "i", at least ``count + 1``; ``ends[i + 1]`` becomes the end of symbol i in ``text``.
        text: Bytes, writable, at least ``size``.
        cursor: "Q"; ``LINE_BYTES`` counts the bytes of ``text``.

    Returns:
        ``DONE``, or what is wrong.
    """
    position = cursor[POSITION]
    entry = cursor[ENTRY]
    line_bytes = cursor[LINE_BYTES]
    copy_bytewise = compiled
    status = 0
    while entry < count:
        if position >= size:
            status = ENDED
            break
        next_position = _integer(data, position, size, cursor)
        if next_position < 0:
            status = -next_position
            break
        value = cursor[_INTEGER]
        if value > size - next_position:
            status = OUTSIDE
            break
        position = next_position
        length = value
        if copy_bytewise:
            for index in range(length):
                text[line_bytes + index] = data[position + index]
        else:
            text[line_bytes : line_bytes + length] = data[position : position + length]
        position += length
        line_bytes += length
        entry += 1
        ends[entry] = line_bytes
    cursor[POSITION] = position
    cursor[ENTRY] = entry
    cursor[LINE_BYTES] = line_bytes
    return status


def read_entries(
    data: Buffer,
    size: Buffer,
    count: Buffer,
    symbols: Buffer,
    times: Buffer,
    line_ends: Buffer,
    lines: Buffer,
    pair_ends: Buffer,
    names: Buffer,
    values: Buffer,
    cursor: Buffer,
) -> Buffer:
    """Read the entries of one block from the cursor on.

    Args:
        data: The decompressed block: a buffer of bytes.
        size: How many bytes of ``data`` count; below 2^31.
        count: How many entries the block holds.
        symbols: How many symbols the chunk's table has, or -1 where entries have no structured metadata.
            A number beyond the table is written as ``symbols`` itself, for the caller to append the empty string.
        times: "q", at least ``count``; nanoseconds since the epoch.
        line_ends: "i", at least ``count + 1``; ``line_ends[i + 1]`` becomes the end of line i in ``lines``.
        lines: Bytes, writable, at least ``size``.
        pair_ends: "i", at least ``count + 1``; ``pair_ends[i + 1]`` becomes the end of entry i's pairs. Untouched when
            ``symbols`` is -1.
        names: "i", of any length; symbol numbers.
        values: "i", as long as ``names``.
        cursor: "Q", ``CURSOR_LENGTH`` elements, zeros to begin with.

    Returns:
        ``DONE`` with ``cursor[POSITION]`` behind the last entry; ``FULL``; or what is wrong.
    """
    if compiled:
        return walk(data, size, count, symbols, times, line_ends, lines, pair_ends, names, values, cursor)
    block = bytes(data[:size])
    stride = 1
    while True:
        entry = cursor[ENTRY]
        _hurry(block, count, symbols, times, line_ends, lines, pair_ends, names, values, cursor)
        # An entry that is out of the ordinary takes the long way; a block full of them is not tried at every one.
        stride = stride * 2 if cursor[ENTRY] == entry else 1
        stop = min(cursor[ENTRY] + stride, count)
        status = walk(block, size, stop, symbols, times, line_ends, lines, pair_ends, names, values, cursor)
        if status != DONE or stop == count:
            return status


# Two bytes of an integer that goes on, as a little-endian number, to their 14 bits; None where the integer ends.
_FOURTEEN_BITS: list[Any] = []
_HEAD = struct.Struct("<HHIBB")
_CACHED_PAIRS_MAX = 4096


def _fourteen_bits() -> list[Any]:
    if not _FOURTEEN_BITS:
        _FOURTEEN_BITS.extend(
            (word & 0x7F) | (word >> 1 & 0x3F80) if word & 0x8080 == 0x8080 else None for word in range(1 << 16)
        )
    return _FOURTEEN_BITS


def _pairs_of(metadata: bytes, symbols: int) -> tuple[list[int], list[int]] | None:
    """The symbol numbers of one entry's metadata, or None where the long way has to say what is wrong."""
    numbers = []
    number = shift = 0
    for byte in metadata:
        if byte >= 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
        elif shift:
            if byte == 0 or shift > 56:
                return None
            numbers.append(number | byte << shift)
            number = shift = 0
        else:
            numbers.append(byte)
    if shift or not numbers or len(numbers) != 1 + 2 * numbers[0]:
        return None
    if max(numbers) > symbols:
        numbers = [min(number, symbols) for number in numbers]
    return numbers[1::2], numbers[2::2]


def _hurry(
    block: bytes,
    count: int,
    symbols: int,
    times: Buffer,
    line_ends: Buffer,
    lines: Buffer,
    pair_ends: Buffer,
    names: Buffer,
    values: Buffer,
    cursor: Buffer,
) -> None:
    """Plain Python only: read ordinary entries with as few steps of the interpreter as can be, and stop at any other.

    Ordinary is a time between 1971 and 2116, whose integer has nine bytes, and a line of less than 2 MiB.
    """
    fourteen = _fourteen_bits()
    unpack = _HEAD.unpack_from
    size = len(block)
    head_last = size - _HEAD.size
    position = cursor[POSITION]
    entry = cursor[ENTRY]
    line_bytes = cursor[LINE_BYTES]
    pairs = cursor[PAIRS]
    capacity = len(names)
    new_times: list[int] = []
    new_lines: list[bytes] = []
    new_pair_ends: list[int] = []
    new_names: list[int] = []
    new_values: list[int] = []
    cache: dict[bytes, tuple[list[int], list[int]] | None] = {}
    last_middle = last_top = base = -1
    left = count - entry
    while left and position <= head_last:
        first, second, middle, top, length = unpack(block, position)
        low = fourteen[first]
        next_low = fourteen[second]
        if low is None or next_low is None or first & 1:
            break
        # The upper five bytes stay the same for 134 ms: reading them again costs more than comparing them.
        if middle != last_middle or top != last_top:
            third = fourteen[middle & 0xFFFF]
            fourth = fourteen[middle >> 16]
            if third is None or fourth is None or not 0 < top < 0x80:
                break
            base = (third << 28 | fourth << 42 | top << 56) >> 1
            last_middle = middle
            last_top = top
        time = base + (low >> 1 | next_low << 13)
        start = position + 10
        if length >= 0x80:
            if start + 2 > size:
                break
            more = block[start]
            start += 1
            length += (more - 1) << 7
            if more >= 0x80:
                more = block[start]
                start += 1
                length += (more - 1) << 14
            if not 0 < more < 0x80:
                break
        end = start + length
        if symbols < 0:
            if end > size:
                break
            position = end
        else:
            if end >= size:
                break
            rest = block[end]
            next_position = end + 1 + rest
            if rest >= 0x80 or next_position > size:
                break
            metadata = block[end + 1 : next_position]
            found = cache.get(metadata)
            if found is None:
                found = _pairs_of(metadata, symbols)
                if found is None:
                    break
                if len(cache) >= _CACHED_PAIRS_MAX:
                    cache.clear()
                cache[metadata] = found
            if pairs + len(found[0]) > capacity:
                break
            pairs += len(found[0])
            new_names += found[0]
            new_values += found[1]
            new_pair_ends.append(pairs)
            position = next_position
        new_times.append(time)
        new_lines.append(block[start:end])
        left -= 1
    if not new_times:
        return
    stop = entry + len(new_times)
    times[entry:stop] = array("q", new_times)
    line_ends[entry + 1 : stop + 1] = array("i", list(accumulate(map(len, new_lines), initial=line_bytes))[1:])
    text = b"".join(new_lines)
    lines[line_bytes : line_bytes + len(text)] = text
    if symbols >= 0:
        first_pair = cursor[PAIRS]
        pair_ends[entry + 1 : stop + 1] = array("i", new_pair_ends)
        names[first_pair:pairs] = array("i", new_names)
        values[first_pair:pairs] = array("i", new_values)
    cursor[POSITION] = position
    cursor[ENTRY] = stop
    cursor[LINE_BYTES] = line_bytes + len(text)
    cursor[PAIRS] = pairs
