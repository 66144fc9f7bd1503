"""Chunks to Parquet, against two floors: decompressing the chunks, and writing the same rows from memory.

    python -m tests.bench.bench_loki_export --mebibytes 400 --jobs 1 2

Writes a store of chunks as Loki packs them, of several streams whose times interleave, to a temporary folder, archives
it into another one, and prints lines/s, MB/s, ratios, processor use and peak memory. Each measurement runs in a process
of its own. Ratios say how good the export is; the rest says how fast the machine is.
"""

import argparse
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from archiver.model import Slot
from archiver.neighbours.local.anchor import FileAnchor
from archiver.neighbours.local.store import LocalStore
from archiver.neighbours.loki._codecs import Encoding
from archiver.neighbours.loki.key import parse_key
from archiver.neighbours.loki.source import ChunkDirectory, LokiSource
from archiver.operations.logs.plan import LokiOptions
from archiver.operations.logs.rows import table_schema
from archiver.parquet import PartWriter, arrow_schema, read_batches
from tests.bench.bench_loki_decode import BLOCK_BYTES, CHUNK_BYTES, entries, floor, streams
from tests.bench.measure import print_table
from tests.support.loki import LokiArchive
from tests.support.loki_encoder import Entry, Writing

STREAMS = 8
CASES = {"snappy": Encoding.SNAPPY, "gzip": Encoding.GZIP, "zstd": Encoding.ZSTD}


def write_store(folder: Path, plain_bytes: int, encoding: Encoding) -> int:
    """Write chunks of several streams over some hours until their blocks hold ``plain_bytes``; return the lines."""
    rng = random.Random(7)
    blocks_per_chunk = max(1, int(CHUNK_BYTES / (BLOCK_BYTES / 3.2)))
    models = []
    for _ in range(4):
        symbols: list[bytes] = []
        blocks = [entries(BLOCK_BYTES, rng, symbols=symbols) for _ in range(blocks_per_chunk)]
        models.append((blocks, symbols))
    lines = written = number = 0
    while written < plain_bytes:
        blocks, symbols = models[number % len(models)]
        # Each chunk has times of its own: its stream's chunks follow each other, the streams overlap.
        shift = (number // STREAMS) * 700 * 10**9 + rng.randrange(10**9)
        moved = [[Entry(one.timestamp + shift, one.line, one.pairs) for one in block] for block in blocks]
        moved = _in_order(moved)
        stream = number % STREAMS
        times = [one.timestamp // 10**6 for block in moved for one in block]
        writing = Writing(
            blocks=moved,
            encoding=encoding,
            symbols=symbols,
            labels={
                "job": "pm2",
                "app": f"app-{stream}",
                "filename": f"/var/log/pm2/app-{stream}.log",
                "service_name": f"app-{stream}",
                "host": "bot-prod-01",
            },
            fingerprint=0xC3517687698EE000 + stream,
            from_ms=min(times),
            through_ms=max(times) + 1,
        )
        data = writing.data()
        name = folder / writing.key().path()
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(data)
        lines += sum(map(len, moved))
        written += blocks_per_chunk * BLOCK_BYTES
        number += 1
    return lines


def _in_order(blocks: list[list[Entry]]) -> list[list[Entry]]:
    """Times that go on from block to block, as Loki sees to when it writes a chunk."""
    flat = sorted((one for block in blocks for one in block), key=lambda one: one.timestamp)
    made, start = [], 0
    for block in blocks:
        made.append(flat[start : start + len(block)])
        start += len(block)
    return made


def measured(work: Callable[..., Any], *arguments: Any) -> tuple[float, float, float, Any]:
    """Run in a process of its own: seconds, processor seconds, peak memory in MB, and the result."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_timed, (work, arguments))


def _timed(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[float, float, float, Any]:
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    result = work(*arguments)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used, after.ru_maxrss / 1024, result


def decompress(store: Path) -> float:
    """The first floor: processor seconds to decompress every block and nothing else."""
    chunks = [path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()]
    separated = [streams(data) for data in chunks]
    start = time.process_time()
    floor(separated)
    return time.process_time() - start


def write_again(archive: Path) -> tuple[float, float]:
    """The second floor: seconds, by the clock and of the processor, to write the rows of an archive again from memory."""
    schema = table_schema(LokiOptions().label_columns)
    spent = used = 0.0
    for number, path in enumerate(sorted((archive / "data").rglob("*.parquet"))):
        batches = [pa.RecordBatch.from_arrays(one.columns, schema=arrow_schema(schema)) for one in read_batches(path)]
        start, start_used = time.perf_counter(), time.process_time()
        with PartWriter(archive / f"again-{number}", schema, dataset="loki", slot=Slot()) as writer:
            for batch in batches:
                writer.write(batch)
            writer.finish()
        spent, used = spent + time.perf_counter() - start, used + time.process_time() - start_used
        (archive / f"again-{number}").unlink()
    return spent, used


def export(store: Path, folder: Path, jobs: int) -> tuple[int, int, float]:
    """Archive a store; entries, bytes of lines, and what Arrow had allocated at most, in MB, without mapped files."""
    folder.mkdir()
    archive = LokiArchive(
        LocalStore(folder / "archive"),
        FileAnchor(folder / "anchor"),
        LokiSource(ChunkDirectory(store)),
        now=lambda: datetime.now(UTC) + timedelta(days=1),
        jobs=jobs,
    )
    (folder / "archive").mkdir()
    archive.init()
    receipt = archive.export()
    assert receipt.rows + receipt.rows_duplicate == receipt.entries
    return receipt.entries, receipt.line_bytes, pa.default_memory_pool().max_memory() / 1e6


def measure(name: str, mebibytes: int, jobs: list[int], repeats: int) -> list[list[str]]:
    """Measure one case; return its lines of the table."""
    table = []
    with tempfile.TemporaryDirectory() as temporary:
        store = Path(temporary) / "store"
        store.mkdir()
        write_store(store, mebibytes << 20, CASES[name])
        assert all(parse_key(path.relative_to(store).as_posix()) for path in store.rglob("*") if path.is_file())
        least = min(measured(decompress, store)[3] for _ in range(repeats))
        for count in jobs:
            base = Path(temporary) / f"jobs-{count}"
            base.mkdir()
            runs, floors = [], []
            for number in range(repeats):
                runs.append(measured(export, store, base / str(number), count))
                floors.append(measured(write_again, base / str(number) / "archive")[3])
            seconds, _, peak_mb, (lines, line_bytes, arrow_mb) = min(runs, key=lambda one: one[0])
            used = min(one[1] for one in runs)
            writing, writing_used = (min(column) for column in zip(*floors, strict=True))
            written_mb = sum(path.stat().st_size for path in (base / "0" / "archive" / "data").rglob("*.parquet")) / 1e6
            table.append([
                name, str(count), f"{seconds / writing:.2f}", f"{used / writing_used:.2f}",
                f"{used / (writing_used + least):.2f}", f"{used / seconds:.2f}", f"{line_bytes / 1e6:.0f}",
                f"{written_mb:.0f}", f"{least:.2f}", f"{writing_used:.2f}", f"{seconds:.2f}", f"{used:.2f}",
                f"{lines / seconds / 1e6:.2f}", f"{arrow_mb:.0f}", f"{peak_mb:.0f}",
            ])  # fmt: skip
            shutil.rmtree(base)
    return table


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=100, help="decompressed size of each case's store")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=sorted(CASES), action="append")
    options = parser.parse_args(arguments)
    print_table(
        ["Encoding", "Jobs", "÷ writing, clock", "÷ writing, processor", "÷ both, processor", "Cores busy", "Lines, MB",
         "Parquet, MB", "Decompression, s", "Writing, s", "Export, clock, s", "Export, processor, s", "M lines/s",
         "Arrow, MB", "Peak, MB"],
        [
            line
            for name in options.only or CASES
            for line in measure(name, options.mebibytes, options.jobs, options.repeats)
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
