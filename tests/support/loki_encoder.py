"""Writes Loki chunks of all formats and encodings, sound ones and, where asked, such as Loki would never write.

Loki's own chunk stores in ``tests/data/loki`` keep it honest: with encoding none, what it writes again is what Loki wrote.
"""

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import cramjam
import pyarrow as pa
from crc32c import crc32c

from archiver.neighbours.loki._codecs import Encoding
from archiver.neighbours.loki.chunk import Chunk
from archiver.neighbours.loki.key import ChunkKey

MAGIC = bytes.fromhex("012ee56a")
LZ4_DESCRIPTORS = {
    Encoding.LZ4_64K: bytes.fromhex("604082"),
    Encoding.LZ4_256K: bytes.fromhex("6050fb"),
    Encoding.LZ4_1M: bytes.fromhex("606051"),
    Encoding.LZ4: bytes.fromhex("607073"),
}


@dataclass(frozen=True)
class Entry:
    """One line. ``pairs`` are symbol numbers."""

    timestamp: int
    line: bytes
    pairs: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Stated:
    """What the block metas say of a block; None is the truth."""

    entries: int | None = None
    time_min: int | None = None
    time_max: int | None = None
    offset: int | None = None
    uncompressed_bytes: int | None = None
    stored_bytes: int | None = None


@dataclass(frozen=True)
class Writing:
    """One chunk to write. ``stored`` replaces what a block's entries would compress to."""

    blocks: Sequence[Sequence[Entry]] = ()
    format: int = 4
    encoding: Encoding = Encoding.SNAPPY
    symbols: Sequence[bytes] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: {"job": "pm2"})
    tenant: str = "fake"
    fingerprint: int = 0xC3517687698EE192
    from_ms: int = 1_772_784_030_857
    through_ms: int = 1_772_801_106_275
    stated: Mapping[int, Stated] = field(default_factory=dict)
    stored: Mapping[int, bytes] = field(default_factory=dict)
    symbols_stored: bytes | None = None
    symbols_stated: int | None = None
    metadata: bytes | None = None

    def data(self) -> bytes:
        """Write the object."""
        metadata = framed(self.metadata_json() if self.metadata is None else self.metadata)
        body = self.body()
        return (4 + len(metadata)).to_bytes(4, "big") + metadata + len(body).to_bytes(4, "big") + body

    def key(self) -> ChunkKey:
        """Name the object."""
        return ChunkKey(self.tenant, self.fingerprint, self.from_ms, self.through_ms, crc32c(self.data()))

    def metadata_json(self) -> bytes:
        """Write the metadata as Loki's JSON encoder does, up to the line feed."""
        metric = dict(sorted({"__name__": "logs", **self.labels}.items()))
        return (
            f'{{"fingerprint":{self.fingerprint},"userID":{_json(self.tenant)},"from":{_seconds(self.from_ms)},'
            f'"through":{_seconds(self.through_ms)},"metric":{_json(metric)},"encoding":129}}\n'
        ).encode()

    def body(self) -> bytes:
        """Write the chunk body, from the magic to the trailer."""
        body = bytearray(MAGIC + bytes([self.format]))
        if self.format > 1:
            body.append(self.encoding)
        symbols_start = len(body)
        symbols_bytes = 0
        if self.format >= 4:
            body += uvarint(len(self.symbols) if self.symbols_stated is None else self.symbols_stated)
            plain = b"".join(uvarint(len(symbol)) + symbol for symbol in self.symbols)
            body += compress(self.encoding, plain) if self.symbols_stored is None else self.symbols_stored
            symbols_bytes = len(body) - symbols_start
            body += _crc(body[symbols_start:])
        metas = bytearray(uvarint(len(self.blocks)))
        for number, entries in enumerate(self.blocks):
            stored = self.stored.get(number)
            if stored is None:
                stored = compress(self.encoding, b"".join(entry_bytes(entry, self.format) for entry in entries))
            metas += self._meta(number, entries, len(body), len(stored))
            body += stored + _crc(stored)
        metas_start = len(body)
        body += metas + _crc(metas)
        if self.format >= 4:
            for word in (symbols_bytes, symbols_start, len(metas)):
                body += word.to_bytes(8, "big")
        return bytes(body + metas_start.to_bytes(8, "big"))

    def _meta(self, number: int, entries: Sequence[Entry], offset: int, stored_bytes: int) -> bytes:
        times = [entry.timestamp for entry in entries] or [0]
        stated = self.stated.get(number, Stated())
        size = sum(len(entry.line) + 8 * len(entry.pairs) for entry in entries)
        words = [
            uvarint(_or(stated.entries, len(entries))),
            varint(_or(stated.time_min, min(times))),
            varint(_or(stated.time_max, max(times))),
            uvarint(_or(stated.offset, offset)),
            uvarint(_or(stated.uncompressed_bytes, size)) if self.format >= 3 else b"",
            uvarint(_or(stated.stored_bytes, stored_bytes)),
        ]
        return b"".join(words)


def written_again(chunk: Chunk) -> Writing:
    """Take a chunk apart, to be written once more."""
    blocks = []
    for block in chunk.blocks:
        ends = block.pair_ends.to_pylist()
        pairs = list(zip(block.names.to_pylist(), block.values.to_pylist(), strict=True))
        rows = zip(block.timestamps.to_pylist(), block.lines.to_pylist(), ends, ends[1:], strict=False)
        blocks.append([Entry(time, line, tuple(pairs[start:end])) for time, line, start, end in rows])
    stated = {
        number: Stated(time_min=block.time_min_stated, time_max=block.time_max_stated, offset=block.offset_stated)
        for number, block in enumerate(chunk.blocks)
    }
    return Writing(
        blocks=blocks,
        format=chunk.format,
        encoding=chunk.encoding,
        symbols=chunk.symbols.to_pylist()[:-1],
        labels=chunk.labels,
        tenant=chunk.key.tenant,
        fingerprint=chunk.key.fingerprint,
        from_ms=chunk.key.from_ms,
        through_ms=chunk.key.through_ms,
        stated=stated,
    )


def in_encoding(writing: Writing, format_number: int, encoding: Encoding) -> Writing:
    """Say the same in another format and encoding; before format 4 there is no structured metadata."""
    blocks = writing.blocks
    if format_number < 4:
        blocks = [[replace(entry, pairs=()) for entry in block] for block in blocks]
    return replace(writing, blocks=blocks, format=format_number, encoding=encoding, stated={})


def entry_bytes(entry: Entry, format_number: int) -> bytes:
    """Write one entry as it stands in a block."""
    head = varint(entry.timestamp) + uvarint(len(entry.line)) + entry.line
    if format_number < 4:
        return head
    pairs = uvarint(len(entry.pairs)) + b"".join(uvarint(name) + uvarint(value) for name, value in entry.pairs)
    return head + uvarint(len(pairs)) + pairs


def compress(encoding: Encoding, plain: bytes) -> bytes:
    """Compress one part as a stream of its own."""
    match encoding:
        case Encoding.NONE:
            return plain
        case Encoding.SNAPPY:
            return framed(plain)
        case Encoding.GZIP:
            return gzip.compress(plain, mtime=0)
        case Encoding.FLATE:
            deflater = zlib.compressobj(wbits=-15)
            return deflater.compress(plain) + deflater.flush()
        case Encoding.ZSTD:
            return bytes(cramjam.zstd.compress(plain))
        case _:
            return lz4_frame(encoding, plain)


def framed(plain: bytes) -> bytes:
    """Compress to snappy's framing format; of nothing, Loki writes nothing."""
    return bytes(cramjam.snappy.compress(plain)) if plain else b""


def lz4_frame(encoding: Encoding, plain: bytes) -> bytes:
    """Compress to an LZ4 frame of independent blocks without checksums or length, as Loki's library does."""
    descriptor = LZ4_DESCRIPTORS[encoding]
    block_bytes = 1 << (8 + 2 * (descriptor[1] >> 4))
    frame = bytearray(b"\x04\x22\x4d\x18" + descriptor)
    for start in range(0, len(plain), block_bytes):
        block = plain[start : start + block_bytes]
        compressed = bytes(cramjam.lz4.compress_block(block, store_size=False))
        if len(compressed) < len(block):
            frame += len(compressed).to_bytes(4, "little") + compressed
        else:
            frame += (len(block) | 1 << 31).to_bytes(4, "little") + block
    return bytes(frame + bytes(4))


def uvarint(value: int) -> bytes:
    """Write an unsigned integer as LEB128."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def varint(value: int) -> bytes:
    """Write a signed 64-bit integer, its sign in the lowest bit."""
    return uvarint(value << 1 if value >= 0 else ~value << 1 | 1)


def contents(chunk: Chunk) -> list[list[tuple[int, bytes, list[tuple[bytes, bytes]]]]]:
    """All entries, block by block: time, line, pairs of structured metadata as bytes."""
    symbols = chunk.symbols.to_pylist()
    found = []
    for block in chunk.blocks:
        ends = block.pair_ends.to_pylist()
        pairs = [
            (symbols[name], symbols[value])
            for name, value in zip(block.names.to_pylist(), block.values.to_pylist(), strict=True)
        ]
        rows = zip(block.timestamps.to_pylist(), block.lines.to_pylist(), ends, ends[1:], strict=False)
        found.append([(time, line, pairs[start:end]) for time, line, start, end in rows])
    return found


def arrow_buffers(chunk: Chunk) -> list[pa.Array]:
    """All arrays of a chunk, for one comparison."""
    return [
        array
        for block in chunk.blocks
        for array in (block.timestamps, block.lines, block.pair_ends, block.names, block.values)
    ] + [chunk.symbols]


def _or(stated: int | None, true: int) -> int:
    return true if stated is None else stated


def _crc(data: bytes | bytearray) -> bytes:
    return crc32c(data).to_bytes(4, "big")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _seconds(milliseconds: int) -> str:
    sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    seconds, rest = divmod(milliseconds, 1000)
    return f"{sign}{seconds}.{rest:03d}" if rest else f"{sign}{seconds}"
