"""Loki's chunk files: bytes in, Arrow rows out. No input or output happens here.

A chunk that is not wholly sound gives no rows at all, only ``ChunkUnsound``. Sound means:

  - every byte of the object belongs to exactly one part, in the order in which Loki writes them, and every part is used
    up: length, metadata, length, header, symbols (format 4), blocks, block metas, trailer
  - every checksum holds: the one in the object's name, if the name is known; of the symbols, of each block, of the
    block metas; of each snappy frame; and what gzip, zstd and lz4 carry themselves
  - what the name says is what the metadata says; what the trailer says of lengths and offsets is where the parts are
  - each block decompresses to exactly the stated number of entries and nothing else

Three things look wrong and are not, because Loki's own writers left them behind: a block's stated offset may be off,
where the block is sound in its place; a symbol number may lie beyond the table, and is the empty string; bounds and the
stated uncompressed size of a block say nothing reliable, and are not held against the entries.

Memory: a chunk whose parts decompress to more than ``decoded_bytes_max`` is refused before more than that is allocated.
Beyond the decompressed bytes a row takes 16 bytes, and a pair of structured metadata 8; symbols are not repeated.

Messages hold offsets, lengths, counts and checksums, never a line, a label or a symbol.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import pyarrow as pa
from crc32c import crc32c

from archiver.errors import ChunkUnsound
from archiver.model import ChunkFault
from archiver.neighbours.loki import _entries as _loki_entries
from archiver.neighbours.loki._codecs import UINT64_MAX, Codecs, Contradiction, Encoding, Integers
from archiver.neighbours.loki.key import ChunkKey

DECODED_BYTES_MAX = 512 << 20
"""What one chunk may decompress to unless said otherwise: a hundred times what Loki packs into one by default."""

_MAGIC = b"\x01\x2e\xe5\x6a"
_CRC_BYTES = 4
_OFFSET_BYTES = 8
_TRAILER_BYTES = {1: 8, 2: 8, 3: 8, 4: 32}
_METADATA_BYTES_MAX = 16 << 20


def loop_kind() -> Literal["compiled", "plain"]:
    """Which of the two ways of ``_loki_entries`` is at work. The rows are the same, only the pace is not."""
    return "compiled" if _loki_entries.compiled else "plain"


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The entries of one block, in the order of the file: by time as a rule, equal times as they arrived.

    Attributes:
        timestamps: int64, nanoseconds since the epoch.
        lines: binary; exact bytes, of whatever encoding.
        pair_ends: int32, one more than entries; entry i has the pairs from ``pair_ends[i]`` to ``pair_ends[i + 1]``.
        names: int32, numbers in ``Chunk.symbols``, one for each pair of structured metadata.
        values: int32, as ``names``.
        time_min_stated: Nanoseconds. An entry can be earlier: Loki overlooks empty lines.
        time_max_stated: Nanoseconds.
        offset_stated: In the chunk's body. The block may be elsewhere; it is sound where it was found.
    """

    timestamps: pa.Array
    lines: pa.Array
    pair_ends: pa.Array
    names: pa.Array
    values: pa.Array
    time_min_stated: int
    time_max_stated: int
    offset_stated: int


TEXT_PAIRS = pa.map_(pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int32(), pa.string()))
BINARY_PAIRS = pa.map_(pa.dictionary(pa.int32(), pa.binary()), pa.dictionary(pa.int32(), pa.binary()))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """One sound chunk.

    Attributes:
        key: What the object's name is or would have to be; ``key.crc`` was computed from the bytes.
        labels: Of the stream, without Loki's artificial ``__name__="logs"``.
        format: 1 to 4.
        encoding: Of the blocks.
        blocks: May be empty: Loki writes chunks of nothing but empty lines so.
        symbols: binary; what ``names`` and ``values`` point to. The last is the empty string, which stands for all
            numbers that the chunk's own table does not have. Empty before format 4.
    """

    key: ChunkKey
    labels: Mapping[str, str]
    format: int
    encoding: Encoding
    blocks: tuple[Block, ...]
    symbols: pa.Array

    @property
    def entries(self) -> int:
        """How many there are, over all blocks."""
        return sum(len(block.timestamps) for block in self.blocks)

    @property
    def line_bytes(self) -> int:
        """How long all lines are together."""
        return sum(_ends(block.lines) for block in self.blocks)

    def symbols_are_text(self) -> bool:
        """Whether every symbol is valid UTF-8. Loki sees to it where it takes lines in, older releases did not."""
        try:
            self.symbols.cast(pa.string())
        except pa.ArrowInvalid:
            return False
        return True

    def batches(self, *, dense: bool = False) -> Iterator[pa.RecordBatch]:
        """Give each block as a record batch, without copying lines or times.

        Args:
            dense: Repeat the strings of the metadata for every pair: plain strings, which may take any multiple of the
                chunk. Otherwise they are dictionary numbers.

        Yields:
            ``timestamp`` (int64, nanoseconds), ``line`` (binary) and ``structured_metadata`` (map of name to value, in
            which a name may occur twice; ``TEXT_PAIRS``, or ``BINARY_PAIRS`` where ``symbols_are_text`` is false).
        """
        symbols = self.symbols.cast(pa.string()) if self.symbols_are_text() else self.symbols
        for block in self.blocks:
            if dense:
                names, values = symbols.take(block.names), symbols.take(block.values)
            else:
                names = pa.DictionaryArray.from_arrays(block.names, symbols, safe=False)
                values = pa.DictionaryArray.from_arrays(block.values, symbols, safe=False)
            pairs = pa.MapArray.from_arrays(block.pair_ends, names, values)
            yield pa.RecordBatch.from_arrays(
                [block.timestamps, block.lines, pairs], names=["timestamp", "line", "structured_metadata"]
            )


def _ends(lines: pa.Array) -> int:
    return int(memoryview(lines.buffers()[1]).cast("B").cast("i")[len(lines)])


def decode(
    data: bytes, *, key: ChunkKey | None = None, name: str = "", decoded_bytes_max: int = DECODED_BYTES_MAX
) -> Chunk:
    """Read a whole chunk object.

    Args:
        data: The object, from its first to its last byte.
        key: What its name says; then name, checksum and content have to agree.
        name: How messages call the object; the key unless given.
        decoded_bytes_max: What all parts together may decompress to; below 2 GiB.

    Raises:
        ChunkUnsound: Anything of what the module promises does not hold.
    """
    if not 0 < decoded_bytes_max < 1 << 31:
        raise ValueError(f"decoded_bytes_max is {decoded_bytes_max}; Arrow's offsets end at 2 GiB")
    try:
        return _Decoder(data, key, decoded_bytes_max).chunk()
    except Contradiction as contradiction:
        what = str(name or key or "chunk")
        raise ChunkUnsound(
            f"{what}: at byte {contradiction.offset} of {len(data)}: {contradiction.facts}",
            code=ChunkFault.CONTRADICTION,
            facts={"chunk": what, "at_byte": contradiction.offset, "size_bytes": len(data)},
        ) from contradiction.__cause__


@dataclass(frozen=True, slots=True)
class _Stated:
    """What the block metas say of one block."""

    entries: int
    time_min: int
    time_max: int
    offset: int
    stored_bytes: int


_WRONG = {
    _loki_entries.ENDED: "the data ends before the stated number is reached",
    _loki_entries.CUT: "the data ends within a number",
    _loki_entries.LONG: "a number has more than 64 bits",
    _loki_entries.PADDED: "a number is longer than it needs to be",
    _loki_entries.OUTSIDE: "a stated length goes beyond the data",
    _loki_entries.MANY: "more pairs are stated than their bytes can hold",
    _loki_entries.REST: "the pairs end before their stated length does",
}


class _Decoder:
    """The state of one ``decode``: where we are, and how many bytes may still be decompressed."""

    def __init__(self, data: bytes, key: ChunkKey | None, decoded_bytes_max: int) -> None:
        self.data = memoryview(data).cast("B")
        self.key = key
        self.codecs = Codecs(decoded_bytes_max)
        self.encoding = Encoding.GZIP
        self.format = 1

    def chunk(self) -> Chunk:
        metadata_start, metadata_end = self._envelope()
        crc = crc32c(self.data)
        if self.key is not None and crc != self.key.crc:
            raise Contradiction(0, f"the name says CRC-32C {self.key.crc:08x}, the bytes have {crc:08x}")
        key, labels = self._metadata(metadata_start, metadata_end, crc)
        body_start = metadata_end + _CRC_BYTES
        position = self._header(body_start)
        end = len(self.data) - _TRAILER_BYTES[self.format]
        if position > end:
            raise Contradiction(
                position, f"the header is followed by {len(self.data) - position} bytes, too few for a trailer"
            )
        trailer = [_big_endian(self.data[at : at + _OFFSET_BYTES]) for at in range(end, len(self.data), _OFFSET_BYTES)]
        metas_start = body_start + trailer[-1]
        metas_end = metas_start + trailer[2] if self.format == 4 else end - _CRC_BYTES
        if not position <= metas_start <= metas_end or metas_end + _CRC_BYTES != end:
            raise Contradiction(
                end,
                f"the trailer puts the block metas at {metas_start} to {metas_end}, they lie between {position} and "
                f"{end - _CRC_BYTES}",
            )
        self._checked(metas_start, metas_end, "the block metas")
        symbols, symbol_count = pa.array([], pa.binary()), -1
        if self.format == 4:
            symbols, symbol_count, position = self._symbols(position, body_start, trailer[0], trailer[1], metas_start)
        stated = self._block_metas(metas_start, metas_end)
        places = self._places(stated, position, body_start, metas_start)
        blocks = tuple(
            self._block(number, block, place, symbol_count)
            for number, (block, place) in enumerate(zip(stated, places, strict=True))
        )
        return Chunk(key=key, labels=labels, format=self.format, encoding=self.encoding, blocks=blocks, symbols=symbols)

    def _envelope(self) -> tuple[int, int]:
        """Find the metadata and check that the body ends where the object does."""
        size = len(self.data)
        if size < 2 * _CRC_BYTES:
            raise Contradiction(0, f"{size} bytes are too few for the two length words")
        stated = _big_endian(self.data[:4])
        # Very old writers did not count the length word itself.
        for metadata_end in (stated, stated + 4):
            if (
                4 <= metadata_end <= size - 4
                and _big_endian(self.data[metadata_end : metadata_end + 4]) == size - metadata_end - 4
            ):
                return 4, metadata_end
        if not 4 <= stated <= size - 4:
            raise Contradiction(0, f"the metadata are stated to end at byte {stated}")
        body_bytes = _big_endian(self.data[stated : stated + 4])
        raise Contradiction(stated, f"the body is stated to have {body_bytes} bytes, {size - stated - 4} follow")

    def _metadata(self, start: int, end: int, crc: int) -> tuple[ChunkKey, dict[str, str]]:
        text = self.codecs.decompress(Encoding.SNAPPY, self.data[start:end], start, bytes_max=_METADATA_BYTES_MAX)
        try:
            fields = _object(bytes(text).decode("utf-8").removesuffix("\n"))
            labels = fields.pop("metric")
            key = ChunkKey(
                tenant=_typed(fields.pop("userID"), str),
                fingerprint=_typed(fields.pop("fingerprint"), int),
                from_ms=_milliseconds(fields.pop("from")),
                through_ms=_milliseconds(fields.pop("through")),
                crc=crc,
            )
            encoding = _typed(fields.pop("encoding"), int)
            for label in _typed(labels, dict).items():
                for part in label:
                    _typed(part, str).encode("utf-8")
        except (ValueError, KeyError, RecursionError) as error:
            # The error's own text may quote what it stumbled over.
            raise Contradiction(
                start, f"the metadata are not the JSON object of a chunk ({type(error).__name__})"
            ) from None
        if fields:
            raise Contradiction(start, f"the metadata have {len(fields)} fields more than a chunk has")
        if encoding not in (128, 129):
            raise Contradiction(start, f"the metadata say encoding {encoding}, a log chunk has 129")
        if not 0 <= key.fingerprint <= UINT64_MAX:
            raise Contradiction(start, "the metadata say a fingerprint of more than 64 bits")
        if self.key is not None and self.key != key:
            differing = [
                part
                for part in ("tenant", "fingerprint", "from_ms", "through_ms")
                if getattr(self.key, part) != getattr(key, part)
            ]
            raise Contradiction(start, f"the name and the metadata differ in {', '.join(differing)}")
        if labels.get("__name__") == "logs":
            del labels["__name__"]
        return key, labels

    def _header(self, start: int) -> int:
        header = bytes(self.data[start : start + 6])
        if header[:4] != _MAGIC:
            raise Contradiction(
                start, f"the body starts with {header[:4].hex() or 'nothing'}, a chunk with {_MAGIC.hex()}"
            )
        if len(header) < 6 or header[4] not in _TRAILER_BYTES:
            raise Contradiction(start + 4, f"the chunk format is {header[4:5].hex() or 'missing'}, known are 01 to 04")
        self.format = header[4]
        if self.format == 1:
            return start + 5
        try:
            self.encoding = Encoding(header[5])
        except ValueError:
            raise Contradiction(start + 5, f"the encoding is {header[5]}, known are 0, 1 and 3 to 9") from None
        return start + 6

    def _checked(self, start: int, end: int, what: str) -> None:
        stated = _big_endian(self.data[end : end + 4])
        computed = crc32c(self.data[start:end])
        if stated != computed:
            raise Contradiction(end, f"{what}: their CRC-32C is stated as {stated:08x}, the bytes have {computed:08x}")

    def _symbols(self, start: int, body_start: int, length: int, offset: int, limit: int) -> tuple[pa.Array, int, int]:
        """Read the symbol table: itself with the empty string behind it, how many symbols it has, where it ends."""
        if body_start + offset != start:
            raise Contradiction(
                len(self.data) - 24, f"the trailer puts the symbols at {offset}, they are at {start - body_start}"
            )
        end = start + length
        if end + _CRC_BYTES > limit:
            raise Contradiction(
                len(self.data) - 32,
                f"the trailer says {length} bytes of symbols, there is room for {limit - start - 4}",
            )
        self._checked(start, end, "the symbols")
        integers = Integers(self.data[start:end], start, "the symbols")
        count = integers.unsigned()
        stream_start = start + integers.position
        text = self.codecs.decompress(self.encoding, self.data[stream_start:end], stream_start)
        if count > len(text):
            raise Contradiction(start, f"{count} symbols are stated, there are {len(text)} bytes of them")
        ends_buffer, ends = _int32s(count + 2)
        text_buffer, symbols = _bytes_like(len(text))
        ends[0] = 0
        cursor = _cursor()
        status = _loki_entries.read_symbols(text, len(text), count, ends, symbols, cursor)
        if status == _loki_entries.DONE and cursor[_loki_entries.POSITION] != len(text):
            raise Contradiction(
                stream_start,
                f"{count} symbols end at byte {cursor[_loki_entries.POSITION]} of {len(text)} decompressed ones",
            )
        if status != _loki_entries.DONE:
            self._wrong(status, stream_start, f"symbol {cursor[_loki_entries.ENTRY]} of {count}", cursor, len(text))
        ends[count + 1] = ends[count]
        array = pa.Array.from_buffers(pa.binary(), count + 1, [None, ends_buffer, text_buffer])
        return array, count, end + _CRC_BYTES

    def _block_metas(self, start: int, end: int) -> list[_Stated]:
        integers = Integers(self.data[start:end], start, "the block metas")
        stated = []
        for _ in range(integers.unsigned()):
            entries, time_min, time_max, offset = (
                integers.unsigned(),
                integers.signed(),
                integers.signed(),
                integers.unsigned(),
            )
            if self.format >= 3:
                integers.unsigned()
            stated.append(_Stated(entries, time_min, time_max, offset, integers.unsigned()))
        if start + integers.position != end:
            raise Contradiction(
                start + integers.position,
                f"{len(stated)} block metas are followed by {end - start - integers.position} bytes",
            )
        return stated

    def _places(self, stated: list[_Stated], start: int, body_start: int, limit: int) -> list[int]:
        """Find the blocks one behind the other, and check that nothing is left between them or behind the last."""
        places = []
        place = start
        for number, block in enumerate(stated):
            if block.stored_bytes + _CRC_BYTES > limit - place:
                raise Contradiction(
                    place,
                    f"block {number} is stated to have {block.stored_bytes} bytes, {limit - place} follow with its CRC",
                )
            places.append(place)
            place += block.stored_bytes + _CRC_BYTES
        if place != limit:
            raise Contradiction(place, f"{len(stated)} blocks end here, the block metas start at {limit}")
        for number, (block, place) in enumerate(zip(stated, places, strict=True)):
            self._checked(place, place + block.stored_bytes, f"block {number}")
            elsewhere = body_start + block.offset
            if elsewhere != place and elsewhere + block.stored_bytes + _CRC_BYTES <= limit:
                # Loki reads a block at its stated offset if it is sound there. If that is another one, who is right?
                there = self.data[elsewhere : elsewhere + block.stored_bytes + _CRC_BYTES]
                here = self.data[place : place + block.stored_bytes + _CRC_BYTES]
                if there != here and crc32c(there[:-4]) == _big_endian(there[-4:]):
                    raise Contradiction(
                        place,
                        f"block {number} is sound here and, with other bytes, at its stated offset {block.offset}",
                    )
        return places

    def _block(self, number: int, stated: _Stated, start: int, symbol_count: int) -> Block:
        count = stated.entries
        data = self.codecs.decompress(self.encoding, self.data[start : start + stated.stored_bytes], start)
        size = len(data)
        entry_bytes_min = 2 if symbol_count < 0 else 4
        if count > size // entry_bytes_min:
            raise Contradiction(start, f"block {number} is stated to hold {count} entries, it has {size} bytes")
        times_buffer = pa.allocate_buffer(8 * count)
        times = memoryview(times_buffer).cast("B").cast("q")
        line_ends_buffer, line_ends = _int32s(count + 1)
        lines_buffer, lines = _bytes_like(size)
        line_ends[0] = 0
        capacity = 0 if symbol_count < 0 else 2 * count
        names_buffer, names = _int32s(capacity)
        values_buffer, values = _int32s(capacity)
        if symbol_count < 0:
            pair_ends_buffer, pair_ends = pa.py_buffer(bytes(4 * (count + 1))), names
        else:
            pair_ends_buffer, pair_ends = _int32s(count + 1)
            pair_ends[0] = 0
        cursor = _cursor()
        while True:
            status = _loki_entries.read_entries(
                data, size, count, symbol_count, times, line_ends, lines, pair_ends, names, values, cursor
            )
            if status != _loki_entries.FULL:
                break
            # One entry's pairs take two bytes each at least, so this ends at the size of the block.
            capacity = min(max(2 * capacity, 1024), size // 2)
            names_buffer, names = _longer(names, capacity)
            values_buffer, values = _longer(values, capacity)
        if status != _loki_entries.DONE:
            self._wrong(status, start, f"block {number}, entry {cursor[_loki_entries.ENTRY]} of {count}", cursor, size)
        if cursor[_loki_entries.POSITION] != size:
            raise Contradiction(
                start,
                f"block {number}: {count} entries end at byte {cursor[_loki_entries.POSITION]} of {size} decompressed "
                "ones",
            )
        pairs = cursor[_loki_entries.PAIRS]
        return Block(
            timestamps=pa.Array.from_buffers(pa.int64(), count, [None, times_buffer]),
            lines=pa.Array.from_buffers(pa.binary(), count, [None, line_ends_buffer, lines_buffer]),
            pair_ends=pa.Array.from_buffers(pa.int32(), count + 1, [None, pair_ends_buffer]),
            names=pa.Array.from_buffers(pa.int32(), pairs, [None, names_buffer]),
            values=pa.Array.from_buffers(pa.int32(), pairs, [None, values_buffer]),
            time_min_stated=stated.time_min,
            time_max_stated=stated.time_max,
            offset_stated=stated.offset,
        )

    def _wrong(self, status: int, start: int, what: str, cursor: Any, size: int) -> NoReturn:
        raise Contradiction(
            start, f"{what}: {_WRONG[status]}, at byte {cursor[_loki_entries.POSITION]} of {size} decompressed ones"
        )


def _big_endian(data: memoryview) -> int:
    return int.from_bytes(data, "big")


def _int32s(length: int) -> tuple[pa.Buffer, memoryview]:
    buffer = pa.allocate_buffer(4 * length)
    return buffer, memoryview(buffer).cast("B").cast("i")


def _bytes_like(length: int) -> tuple[pa.Buffer, memoryview]:
    buffer = pa.allocate_buffer(length)
    return buffer, memoryview(buffer).cast("B")


def _longer(old: memoryview, length: int) -> tuple[pa.Buffer, memoryview]:
    buffer, new = _int32s(length)
    new[: len(old)] = old
    return buffer, new


def _cursor() -> memoryview:
    return memoryview(bytearray(8 * _loki_entries.CURSOR_LENGTH)).cast("Q")


def _object(text: str) -> dict[str, Any]:
    """Read one JSON object in which no name occurs twice; a number with a point stays text, and is not rounded."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise ValueError("a name occurs twice")
        return fields

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    if text[:1] != "{" or text[-1:] != "}":
        raise ValueError("no object")
    fields: dict[str, Any] = _typed(
        json.loads(text, object_pairs_hook=unique, parse_float=_Fraction, parse_constant=refuse), dict
    )
    return fields


class _Fraction(str):
    """A number with a point, as it stands in the text."""

    __slots__ = ()


def _typed(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


_SECONDS = re.compile(r"(-?)(\d{1,16})\.(\d{1,3})")


def _milliseconds(seconds: Any) -> int:
    """Read a time of the metadata: whole seconds, or seconds with up to three decimals."""
    if type(seconds) is int:
        return seconds * 1000
    match = _SECONDS.fullmatch(_typed(seconds, _Fraction))
    if match is None:
        raise ValueError("no time")
    milliseconds = int(match[2]) * 1000 + int(match[3].ljust(3, "0"))
    return -milliseconds if match[1] else milliseconds
