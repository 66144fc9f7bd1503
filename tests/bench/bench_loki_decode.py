"""Decoding Loki chunks, against the floor: decompressing the same blocks and doing nothing with them.

    python -m tests.bench.bench_loki_decode --mebibytes 400

Writes a store of chunks as Loki packs them (blocks of 256 KiB, 1.5 MiB compressed) to a temporary folder, reads it with
either loop and prints lines/s, MB/s and ratios. Ratios say how good the reader is; the rest says how fast the machine is.
The floor decompresses with the codecs of the reader itself, block by block, and verifies no checksum but the codec's own.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from crc32c import crc32c

from archiver.neighbours.loki import chunk as loki_chunk
from archiver.neighbours.loki._codecs import Codecs, Encoding
from archiver.neighbours.loki.chunk import DECODED_BYTES_MAX, decode
from tests.bench.measure import print_table
from tests.support.loki_encoder import Entry, Writing
from tests.support.loops import plain_loop

BLOCK_BYTES = 256 << 10
CHUNK_BYTES = 3 << 19
CASES = {
    "snappy": (4, Encoding.SNAPPY, True),
    "snappy without metadata": (3, Encoding.SNAPPY, False),
    "gzip": (4, Encoding.GZIP, True),
    "zstd": (4, Encoding.ZSTD, True),
    "lz4": (4, Encoding.LZ4, True),
}
LEVELS = [b"info", b"warn", b"error", b"debug"]


def entries(count_bytes: int, rng: random.Random, *, symbols: list[bytes] | None) -> list[Entry]:
    """Lines of a web service, some 140 bytes each; with symbols, a level and a trace id that changes every few lines."""
    made = []
    size = 0
    now = 1_772_784_030_857_000_000
    trace = 0
    while size < count_bytes:
        now += rng.randrange(1, 40_000_000)
        line = (
            b'{"level":30,"time":%d,"pid":%d,"app":"flow-engine","botId":"bot_%06x","msg":"%s","ms":%d,"from":"49%d"}'
            % (
                now // 1_000_000,
                rng.randrange(1000, 1016),
                rng.getrandbits(24),
                rng.choice(
                    [b"message received", b"template sent", b"rate limit hit", b"webhook verified, session opened"]
                ),
                rng.randrange(1, 3000),
                rng.randrange(10**10),
            )
        )
        pairs: tuple[tuple[int, int], ...] = ()
        if symbols is not None:
            if not symbols:
                symbols += [b"detected_level", b"trace_id", *LEVELS]
            if rng.random() < 0.2 or not trace:
                trace = len(symbols)
                symbols.append(b"%032x" % rng.getrandbits(128))
            pairs = ((0, 2 + rng.randrange(4)), (1, trace))
        made.append(Entry(now, line, pairs))
        size += len(line) + 11
    return made


def write_store(folder: Path, plain_bytes: int, format_number: int, encoding: Encoding, *, metadata: bool) -> int:
    """Write chunks of one encoding until their blocks hold ``plain_bytes``; return the number of lines."""
    rng = random.Random(7)
    lines = written = 0
    blocks_per_chunk = max(1, int(CHUNK_BYTES / (BLOCK_BYTES / 3.2)))
    number = 0
    # A few chunks are made and copied: making them costs a hundred times what reading them does.
    models = []
    for _ in range(4):
        symbols: list[bytes] | None = [] if metadata else None
        blocks = [entries(BLOCK_BYTES, rng, symbols=symbols) for _ in range(blocks_per_chunk)]
        writing = Writing(blocks=blocks, format=format_number, encoding=encoding, symbols=symbols or [])
        models.append((writing.data(), sum(map(len, blocks))))
    while written < plain_bytes:
        data, count = models[number % len(models)]
        (folder / f"{number:06d}").write_bytes(data)
        number += 1
        lines += count
        written += blocks_per_chunk * BLOCK_BYTES
    return lines


def streams(data: bytes) -> tuple[Encoding, list[memoryview]]:
    """Where the compressed blocks of a chunk are, and its symbols: what the floor decompresses."""
    decoder = loki_chunk._Decoder(data, None, DECODED_BYTES_MAX)
    found: list[memoryview] = []
    decompress = decoder.codecs.decompress

    def recorded(encoding: Encoding, stored: memoryview, base: int, *, bytes_max: int | None = None) -> memoryview:
        if bytes_max is None:
            found.append(stored)
        return decompress(encoding, stored, base, bytes_max=bytes_max)

    decoder.codecs.decompress = recorded  # type: ignore[method-assign]
    decoder.chunk()
    return decoder.encoding, found


def floor(chunks: list[tuple[Encoding, list[memoryview]]]) -> None:
    """Decompress every stream, and nothing else."""
    for encoding, stored in chunks:
        codecs = Codecs(DECODED_BYTES_MAX)
        for stream in stored:
            codecs.decompress(encoding, stream, 0)


def cpu_s(work: Callable[[], object]) -> float:
    """Processor seconds of one run: all of this is one thread, and others use this machine, too."""
    start = time.process_time()
    work()
    return time.process_time() - start


def sums(chunks: list[bytes], separated: list[tuple[Encoding, list[memoryview]]]) -> None:
    """What the checksums cost that a chunk has beside those of its codec: one of the object, one of each block."""
    for data, (_, stored) in zip(chunks, separated, strict=True):
        crc32c(data)
        for stream in stored:
            crc32c(stream)


def measure(name: str, mebibytes: int, repeats: int) -> list[str]:
    """Measure one case; return its line of the table."""
    format_number, encoding, metadata = CASES[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lines = write_store(folder, mebibytes << 20, format_number, encoding, metadata=metadata)
        chunks = [path.read_bytes() for path in sorted(folder.iterdir())]
    separated = [streams(data) for data in chunks]
    plain_bytes = sum(decode(data).line_bytes for data in chunks)

    def read() -> None:
        for data in chunks:
            decode(data)

    # In turns, and the best of each: whoever else is at work here disturbs all of them alike.
    runs = [
        (cpu_s(lambda: floor(separated)), cpu_s(lambda: sums(chunks, separated)), cpu_s(read)) for _ in range(repeats)
    ]
    least, summing, installed = (min(column) for column in zip(*runs, strict=True))
    module = loki_chunk._loki_entries  # type: ignore[attr-defined]
    loki_chunk._loki_entries = plain_loop()  # type: ignore[attr-defined]
    try:
        plain = cpu_s(read)
    finally:
        loki_chunk._loki_entries = module  # type: ignore[attr-defined]
    return [
        name, f"{plain_bytes / 1e6:.0f}", f"{installed / least:.2f}", f"{installed / (least + summing):.2f}",
        f"{least:.3f}", f"{installed:.3f}", f"{lines / installed / 1e6:.2f}", f"{plain_bytes / installed / 1e6:.0f}",
        f"{plain:.3f}", f"{plain / installed:.0f}",
    ]  # fmt: skip


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=60, help="decompressed size of each case's store")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", choices=sorted(CASES), action="append")
    options = parser.parse_args(arguments)
    print_table(
        ["Encoding", "Lines, MB", "÷ decompression", "÷ with checksums", "Decompression, s",
         f"Decoding ({loki_chunk.loop_kind()}), s", "M lines/s", "MB/s", "Plain Python, s", "Plain ÷ compiled"],
        [measure(name, options.mebibytes, options.repeats) for name in options.only or CASES],
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
