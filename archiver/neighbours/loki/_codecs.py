"""Decompression of one part of a Loki chunk: bounded, checked, and used up to its last byte.

- A stream's length is known, or bounded from above, before anything is allocated for it. Only raw deflate says nothing
  of itself, and is stopped where its room ends.
- Every checksum that a codec has is verified: the masked CRC-32C of each snappy frame here, those of gzip, zstd and lz4
  by their libraries. lz4 as Loki writes it, deflate and plain bytes have none.
- A stream is exactly one stream: what follows its end, or a second one behind it, is a contradiction.
"""

from collections.abc import Callable
from enum import IntEnum

import cramjam
import pyarrow as pa
from crc32c import crc32c
from isal import isal_zlib

UINT64_MAX = (1 << 64) - 1
_SNAPPY_START = b"\xff\x06\x00\x00sNaPpY"
_LZ4_START = b"\x04\x22\x4d\x18"
_ZSTD_START = b"\x28\xb5\x2f\xfd"


class Encoding(IntEnum):
    """How a chunk's blocks and symbols are compressed, by the number in its header."""

    NONE = 0
    GZIP = 1
    LZ4_64K = 3
    SNAPPY = 4
    LZ4_256K = 5
    LZ4_1M = 6
    LZ4 = 7
    FLATE = 8
    ZSTD = 9

    @property
    def setting(self) -> str:
        """The name in Loki's configuration, ``chunk_encoding``."""
        return {3: "lz4-64k", 5: "lz4-256k", 6: "lz4-1M"}.get(self.value, self.name.lower())


class Contradiction(Exception):
    """Two facts of a chunk that disagree, and at which offset of the object. ``decode`` adds the chunk's name."""

    def __init__(self, offset: int, facts: str) -> None:
        super().__init__(facts)
        self.offset = offset
        self.facts = facts


class Integers:
    """Reads the LEB128 integers of one part, front to back, in their shortest form only."""

    def __init__(self, data: memoryview, base: int, what: str) -> None:
        self.data = data
        self.base = base
        self.what = what
        self.position = 0

    def unsigned(self) -> int:
        """Read the next integer, of at most 64 bits."""
        value = shift = 0
        start = self.position
        while True:
            if self.position >= len(self.data):
                raise Contradiction(self.base + start, f"{self.what} end within a number")
            byte = self.data[self.position]
            self.position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise Contradiction(self.base + start, f"{self.what} hold a number of more than ten bytes")
        if value > UINT64_MAX:
            raise Contradiction(self.base + start, f"{self.what} hold a number of more than 64 bits")
        if shift and not byte:
            raise Contradiction(self.base + start, f"{self.what} hold a number that is longer than it needs to be")
        return value

    def signed(self) -> int:
        """Read the next integer with zig-zag sign."""
        value = self.unsigned()
        return (value >> 1) ^ -(value & 1)


class Codecs:
    """Decompresses the parts of one chunk, one at a time, within one allowance.

    Args:
        allowance_bytes: What all parts together may decompress to.
    """

    def __init__(self, allowance_bytes: int) -> None:
        self.allowance_bytes = allowance_bytes
        self.left_bytes = allowance_bytes
        self._scratch = memoryview(b"")

    def decompress(
        self, encoding: Encoding, stored: memoryview, base: int, *, bytes_max: int | None = None
    ) -> memoryview:
        """Decompress one part.

        Args:
            encoding: Of the part.
            stored: Its bytes, all of them.
            base: Their offset in the object, for messages.
            bytes_max: A limit of the part's own.

        Returns:
            A view that the next call may overwrite: there is one scratch buffer, which stays in the processor's cache.

        Raises:
            Contradiction: The stream is damaged, ends early or late, or holds more than it may.
        """
        room = self.left_bytes if bytes_max is None else min(self.left_bytes, bytes_max)
        match encoding:
            case Encoding.NONE:
                plain = self._none(stored, base, room)
            case Encoding.SNAPPY:
                plain = self._snappy(stored, base, room)
            case Encoding.GZIP:
                plain = self._gzip(stored, base, room)
            case Encoding.FLATE:
                plain = self._inflated(-15, stored, base, room)
            case Encoding.ZSTD:
                plain = self._zstd(stored, base, room)
            case Encoding.LZ4_64K | Encoding.LZ4_256K | Encoding.LZ4_1M | Encoding.LZ4:
                plain = self._lz4(stored, base, room)
        self.left_bytes -= len(plain)
        return plain

    def _target(self, size_bytes: int) -> memoryview:
        if len(self._scratch) < size_bytes:
            self._scratch = memoryview(pa.allocate_buffer(max(size_bytes, 1 << 18))).cast("B")
        return self._scratch[:size_bytes]

    def _none(self, stored: memoryview, base: int, room: int) -> memoryview:
        self._room(len(stored), base, room)
        return stored

    def _room(self, size: int, base: int, room: int) -> None:
        if size > room:
            raise Contradiction(
                base, f"this decompresses to {size} bytes or more, {room} of {self.allowance_bytes} are left for it"
            )

    def _snappy(self, stored: memoryview, base: int, room: int) -> memoryview:
        """Snappy's framing format, as Loki writes it: one identifier, then compressed and stored frames only."""
        if not stored:
            return stored
        if stored[: len(_SNAPPY_START)] != _SNAPPY_START:
            raise Contradiction(base, "the stream has no snappy identifier")
        frames = []
        position = len(_SNAPPY_START)
        total = 0
        while position < len(stored):
            kind = stored[position]
            start = position + 8
            position += 4 + int.from_bytes(stored[position + 1 : position + 4], "little")
            if not start <= position <= len(stored):
                raise Contradiction(
                    base + start - 8,
                    f"a snappy frame is stated to end at byte {base + position}, the stream has {len(stored)} bytes",
                )
            if kind == 0:
                integers = Integers(stored[start:position], base + start, "a snappy frame's bytes")
                length = integers.unsigned()
            elif kind == 1:
                length = position - start
            else:
                raise Contradiction(
                    base + start - 8, f"a snappy frame is of type {kind:#04x}, Loki writes 0x00 and 0x01"
                )
            if length > 1 << 16:
                raise Contradiction(
                    base + start, f"a snappy frame is stated to hold {length} bytes, at most {1 << 16} are allowed"
                )
            frames.append((kind, start, position, length))
            total += length
        self._room(total, base, room)
        plain = self._target(total)
        written = 0
        for kind, start, end, length in frames:
            target = plain[written : written + length]
            if kind == 1:
                target[:] = stored[start:end]
            else:
                produced = self._run(cramjam.snappy.decompress_raw_into, stored[start:end], target, base + start)
                if produced != length:
                    raise Contradiction(
                        base + start, f"a snappy frame is stated to hold {length} bytes, it has {produced}"
                    )
            stated = int.from_bytes(stored[start - 4 : start], "little")
            crc = crc32c(target)
            masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
            if stated != masked:
                raise Contradiction(
                    base + start - 4, f"a snappy frame's CRC is stated as {stated:08x}, its content has {masked:08x}"
                )
            written += length
        return plain

    def _run(
        self, function: Callable[[memoryview, memoryview], int], stored: memoryview, target: memoryview, base: int
    ) -> int:
        try:
            return function(stored, target)
        except cramjam.DecompressionError as error:
            raise Contradiction(base, f"{len(stored)} bytes do not decompress into {len(target)}: {error}") from error

    def _gzip(self, stored: memoryview, base: int, room: int) -> memoryview:
        """One member of RFC 1952, whose last word is the length of its content."""
        length = int.from_bytes(stored[-4:], "little")
        self._room(length, base, room)
        return self._inflated(31, stored, base, length)

    def _inflated(self, window_bits: int, stored: memoryview, base: int, room: int) -> memoryview:
        inflater = isal_zlib.decompressobj(window_bits)
        try:
            plain = inflater.decompress(stored, room + 1)
        except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls the class a value
            raise Contradiction(base, f"{len(stored)} bytes do not inflate: {error}") from error
        if len(plain) > room:
            raise Contradiction(base, f"{len(stored)} bytes inflate to more than {room}")
        if not inflater.eof:
            raise Contradiction(base, f"{len(stored)} bytes inflate to {len(plain)} and then break off")
        if inflater.unused_data:
            raise Contradiction(
                base + len(stored) - len(inflater.unused_data),
                f"a deflated stream is followed by {len(inflater.unused_data)} bytes",
            )
        return memoryview(plain)

    def _lz4(self, stored: memoryview, base: int, room: int) -> memoryview:
        """One frame of the LZ4 frame format. Its blocks state only their stored lengths, which bound the others."""
        if len(stored) < 7 or stored[:4] != _LZ4_START:
            raise Contradiction(base, "the stream does not start as an LZ4 frame")
        flags = stored[4]
        block_bytes_max = 1 << (8 + 2 * (stored[5] >> 4 & 7))
        if flags >> 6 != 1 or flags & 1 or block_bytes_max < 1 << 16:
            raise Contradiction(
                base + 4, f"an LZ4 frame has flags {flags:#04x} and {stored[5]:#04x}, which Loki does not write"
            )
        position = 7 + (8 if flags & 8 else 0)
        bound = 0
        while True:
            word = int.from_bytes(stored[position : position + 4], "little")
            if position + 4 > len(stored):
                raise Contradiction(base + position, "an LZ4 frame has no end mark")
            position += 4
            if word == 0:
                break
            length = word & 0x7FFFFFFF
            if length > block_bytes_max or length > len(stored) - position:
                raise Contradiction(
                    base + position - 4,
                    f"an LZ4 block is stated to have {length} bytes, {len(stored) - position} follow",
                )
            bound += length if word >> 31 else min(block_bytes_max, 255 * length)
            position += length + (4 if flags & 16 else 0)
        if position + (4 if flags & 4 else 0) != len(stored):
            raise Contradiction(base + position, f"an LZ4 frame ends here, its stream at byte {base + len(stored)}")
        plain = self._target(min(bound, room))
        return plain[: self._run(cramjam.lz4.decompress_into, stored, plain, base)]

    def _zstd(self, stored: memoryview, base: int, room: int) -> memoryview:
        """One zstd frame. Its blocks hold at most 128 KiB each, which bounds a length that is not stated."""
        if len(stored) < 6 or stored[:4] != _ZSTD_START:
            raise Contradiction(base, "the stream does not start as a zstd frame")
        flags = stored[4]
        if flags & 0b00001011:
            raise Contradiction(base + 4, f"a zstd frame has flags {flags:#04x}, which Loki does not write")
        single_segment = flags >> 5 & 1
        position = 5
        window = None
        if not single_segment:
            exponent, mantissa = stored[5] >> 3, stored[5] & 7
            window = (1 << 10 + exponent) + ((1 << 10 + exponent) >> 3) * mantissa
            position += 1
        length_bytes = (single_segment, 2, 4, 8)[flags >> 6]
        length = int.from_bytes(stored[position : position + length_bytes], "little") + (
            256 if length_bytes == 2 else 0
        )
        position += length_bytes
        if window is None:
            window = length
        # The decoder allocates the window before it reads a block; Loki's own is 8 MiB at most.
        self._room(window, base, max(room, 8 << 20))
        self._room(length, base, room)
        bound = 0
        last = 0
        while not last:
            if position + 3 > len(stored):
                raise Contradiction(base + position, "a zstd frame has no last block")
            word = int.from_bytes(stored[position : position + 3], "little")
            position += 3
            last, kind, size = word & 1, word >> 1 & 3, word >> 3
            if kind == 3 or size > 1 << 17 or position + (1 if kind == 1 else size) > len(stored):
                raise Contradiction(
                    base + position - 3,
                    f"a zstd block is of type {kind} and {size} bytes, {len(stored) - position} follow",
                )
            position += 1 if kind == 1 else size
            bound += 1 << 17 if kind == 2 else size
        if position + (4 if flags & 4 else 0) != len(stored):
            raise Contradiction(
                base + position, f"the blocks of a zstd frame end here, its stream at byte {base + len(stored)}"
            )
        plain = self._target(min(length if length_bytes else bound, bound, room))
        produced = self._run(cramjam.zstd.decompress_into, stored, plain, base)
        if length_bytes and produced != length:
            raise Contradiction(base, f"a zstd frame is stated to hold {length} bytes, it has {produced}")
        return plain[:produced]
