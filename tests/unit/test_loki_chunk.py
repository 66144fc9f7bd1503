"""The chunk reader against Loki's own chunks, against an encoder, and against every kind of damage."""

import base64
import gzip
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import ChunkUnsound
from archiver.neighbours.loki import chunk as loki_chunk
from archiver.neighbours.loki._codecs import Encoding
from archiver.neighbours.loki.chunk import Chunk, decode
from archiver.neighbours.loki.key import ChunkKey, parse_key
from tests.support.loki_encoder import (
    Entry,
    Stated,
    Writing,
    arrow_buffers,
    compress,
    contents,
    entry_bytes,
    in_encoding,
    uvarint,
    written_again,
)
from tests.support.loops import plain_loop

DATA = Path(__file__).parents[1] / "data" / "loki"
SETS = sorted(path.name for path in DATA.iterdir() if path.is_dir())
LAYOUTS: tuple[Literal["flat"], Literal["directory"]] = ("flat", "directory")
MARCH = 1_772_784_030_857_000_000
SECRET = b"the line that no message repeats"

SMALL = Writing(
    blocks=[
        [Entry(MARCH, SECRET), Entry(MARCH + 1, b"", ((0, 1), (0, 2)))],
        [Entry(MARCH + 1, b"\xff\x00\n", ((2, 0),)), Entry(MARCH + 2, SECRET * 3)],
    ],
    symbols=[b"trace_id", b"4bf92f35", b""],
)
EVERY_WRITING = [
    *((4, encoding) for encoding in Encoding),
    *((3, encoding) for encoding in Encoding),
    *((2, encoding) for encoding in (Encoding.NONE, Encoding.GZIP, Encoding.SNAPPY, Encoding.LZ4)),
    (1, Encoding.GZIP),
]
every_writing = pytest.mark.parametrize(("format_number", "encoding"), EVERY_WRITING, ids=str)


def chunks_of(name: str) -> Iterator[tuple[str, ChunkKey, bytes]]:
    store = DATA / name / "store"
    for path in sorted(store.rglob("*")):
        key = parse_key(path.relative_to(store).as_posix())
        if key is not None and path.is_file():
            yield path.relative_to(store).as_posix(), key, path.read_bytes()


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) as lines:
        yield from map(json.loads, lines)


def handed_out(name: str) -> str:
    """Spell a metadata name as Loki's answers do."""
    if name.startswith("__") and name.endswith("__") and len(name) > 4:
        return f"__{re.sub('[^A-Za-z0-9]+', '_', name[2:-2])}__"
    clean = re.sub("[^A-Za-z0-9]+", "_", name)
    return f"key_{clean}" if clean[:1].isdigit() else clean


# Loki's own chunks


@pytest.mark.parametrize("name", SETS)
def test_a_store_holds_truth_and_surplus(name: str) -> None:
    """Every entry that Loki answers, and every copy that it hides, and nothing else."""
    expected: Counter[object] = Counter()
    for file in ("truth.ndjson.gz", "surplus.ndjson.gz"):
        for row in lines_of(DATA / name / file):
            line = base64.b64decode(row["line_b64"]) if "line_b64" in row else row["line"].encode()
            stream = (row["tenant"], tuple(sorted(row["labels"].items())))
            pairs = tuple(sorted(row["structured_metadata"].items()))
            expected[stream, int(row["ts_ns"]), line, pairs] += row.get("extra_copies", 1)
    found: Counter[object] = Counter()
    for _, key, data in chunks_of(name):
        chunk = decode(data, key=key)
        stream = (key.tenant, tuple(sorted(chunk.labels.items())))
        for batch in chunk.batches():
            for row in batch.to_pylist():
                pairs = tuple(sorted({handed_out(name): value for name, value in row["structured_metadata"]}.items()))
                found[stream, row["timestamp"], row["line"], pairs] += 1
    assert found == expected


@pytest.mark.parametrize("name", SETS)
def test_a_chunk_states_what_another_reader_found(name: str) -> None:
    """Keys, formats, encodings and blocks agree with the list beside each store; nothing else there is a chunk."""
    found = {path: (key, decode(data)) for path, key, data in chunks_of(name)}
    listed = {row["path"]: row for row in lines_of(DATA / name / "chunks.ndjson.gz")}
    assert found.keys() == listed.keys()
    for path, (key, chunk) in found.items():
        row = listed[path]
        assert chunk.key == key
        assert row["key"] in {key.path(layout=layout, encoded=False) for layout in LAYOUTS}
        assert path in {key.path(layout=layout) for layout in LAYOUTS}
        assert chunk.labels == row["labels"]
        assert (chunk.format, chunk.encoding.setting) == (row["format"], row["encoding"])
        assert (chunk.entries, chunk.line_bytes) == (row["entries"], row["line_bytes"])
        for block, stated in zip(chunk.blocks, row["blocks"], strict=True):
            assert len(block.timestamps) == stated["entries"]
            assert (block.time_min_stated, block.time_max_stated) == (int(stated["mint"]), int(stated["maxt"]))
            assert block.offset_stated == stated["offset"]


@pytest.mark.parametrize("name", SETS)
def test_written_again_it_reads_the_same(name: str) -> None:
    """The encoder writes what Loki writes: the same bytes without compression, the same metadata always."""
    for _, _, data in chunks_of(name):
        chunk = decode(data)
        again = written_again(chunk)
        if chunk.encoding is Encoding.NONE:
            assert again.data() == data
        assert again.metadata_json() in loki_metadata(data)
        copy = decode(replace(again, stated={}).data())
        assert (copy.labels, copy.format, copy.encoding) == (chunk.labels, chunk.format, chunk.encoding)
        assert contents(copy) == contents(chunk)


def loki_metadata(data: bytes) -> bytes:
    import cramjam  # noqa: PLC0415 - the reader's own way stays out of this check

    return bytes(cramjam.snappy.decompress(data[4 : int.from_bytes(data[:4], "big")]))


# What is written is read


TIMES = st.integers(-(2**63), 2**63 - 1) | st.integers(MARCH, MARCH + 10**15)
LINES = st.binary(max_size=300) | st.builds(
    lambda part, count: part * count, st.binary(max_size=9), st.integers(0, 9000)
)


@st.composite
def writings(draw: st.DrawFn) -> Writing:
    format_number, encoding = draw(st.sampled_from(EVERY_WRITING))
    symbols = draw(st.lists(st.binary(max_size=20) | st.just(b""), max_size=200)) if format_number == 4 else []
    number = st.integers(0, len(symbols) + 2)
    pairs = st.lists(st.tuples(number, number), max_size=40 if format_number == 4 else 0).map(tuple)
    return Writing(
        blocks=draw(st.lists(st.lists(st.builds(Entry, TIMES, LINES, pairs), max_size=20), max_size=4)),
        format=format_number,
        encoding=encoding,
        symbols=symbols,
        labels=draw(st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3)),
        fingerprint=draw(st.integers(0, 2**64 - 1)),
        from_ms=draw(st.integers(-(10**12), 10**15)),
        through_ms=draw(st.integers(0, 10**15)),
    )


@given(writings())
@settings(deadline=None, max_examples=300)
def test_what_is_written_is_read(writing: Writing) -> None:
    """Any chunk of any format and encoding gives back its entries, with the name known or not, in either loop."""
    symbols = [*writing.symbols, b""]
    expected = [
        [
            (
                entry.timestamp,
                entry.line,
                [
                    (symbols[min(name, len(symbols) - 1)], symbols[min(value, len(symbols) - 1)])
                    for name, value in entry.pairs
                ],
            )
            for entry in block
        ]
        for block in writing.blocks
    ]
    data, key = writing.data(), writing.key()
    chunk = decode(data, key=key)
    assert contents(chunk) == expected
    assert chunk.key == decode(data).key == key
    assert chunk.labels == {
        name: value for name, value in writing.labels.items() if (name, value) != ("__name__", "logs")
    }


def test_batches_hold_the_pairs_as_maps() -> None:
    """A name may occur twice; strings are dictionary numbers, or plain where asked; other bytes stay bytes."""
    chunk = decode(SMALL.data())
    for dense in (False, True):
        first, second = chunk.batches(dense=dense)
        assert first.column("structured_metadata").to_pylist() == [[], [("trace_id", "4bf92f35"), ("trace_id", "")]]
        assert second.column("line").to_pylist() == [b"\xff\x00\n", SECRET * 3]
        assert second.column("timestamp").to_pylist() == [MARCH + 1, MARCH + 2]
    assert first.schema.field("structured_metadata").type == pa.map_(pa.string(), pa.string())
    latin = decode(replace(SMALL, symbols=[b"t\xfcr", b"1", b"2"]).data())
    assert not latin.symbols_are_text()
    assert next(latin.batches()).column("structured_metadata").to_pylist()[1] == [(b"t\xfcr", b"1"), (b"t\xfcr", b"2")]


# Names


def test_a_key_is_read_in_every_spelling() -> None:
    """Flat or in directories, base64 or plain, without zero padding."""
    key = ChunkKey("x(1)'*", 0xBF670E2EA1F6907A, 0x19CC22994AC, 0x19CC32C02F9, 0x66311AD)
    assert key.path() == "x(1)'*/bf670e2ea1f6907a/MTljYzIyOTk0YWM6MTljYzMyYzAyZjk6NjYzMTFhZA=="
    assert str(key) == "x(1)'*/bf670e2ea1f6907a/19cc22994ac:19cc32c02f9:66311ad"
    for path in (
        key.path(),
        str(key),
        key.path(layout="flat"),
        "x(1)'*/bf670e2ea1f6907a:19cc22994ac:19cc32c02f9:66311ad",
    ):
        assert parse_key(path) == key


@given(
    st.from_regex(r"[A-Za-z0-9!\-_.*'()]{1,150}", fullmatch=True).filter(lambda tenant: tenant not in {".", ".."}),
    st.integers(0, 2**64 - 1),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.integers(0, 2**32 - 1),
)
def test_a_key_survives_its_path(tenant: str, fingerprint: int, from_ms: int, through_ms: int, crc: int) -> None:
    """``parse_key`` undoes ``path``."""
    key = ChunkKey(tenant, fingerprint, from_ms, through_ms, crc)
    assert parse_key(key.path(layout="flat")) == key
    assert parse_key(key.path(layout="directory", encoded=False)) == key
    assert parse_key(key.path()) == key


@given(st.text(max_size=60) | st.from_regex(r"[a-z.]{1,3}/[0-9a-f]{1,17}[:/]-?[0-9a-f]{1,17}:[0-9a-f]:[0-9a-f]{1,9}"))
def test_whatever_is_taken_for_a_key_is_spelt_as_one(path: str) -> None:
    """No second spelling of a key is taken, so one object has one key."""
    key = parse_key(path)
    if key is not None:
        assert path in {key.path(layout=layout, encoded=encoded) for layout in LAYOUTS for encoded in (True, False)}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "loki_cluster_seed.json",
        "index/index_20518/1795415607-vm-1795415607994590151.tsdb.gz",
        "index/delete_requests/delete_requests.gz",
        "fake/bf670e2ea1f6907a/MTljYzIyOTk0ODk6MTljYzMyYzAyZjk6YjY2MzFhY2Q",  # no padding
        "fake/0f670e2ea1f6907a/1:2:3",
        "fake/BF/1:2:3",
        "fake/bf/1:2:03",
        "fake/bf/1:2:100000000",
        "fake/bf/-0:2:3",
        "fake/10000000000000000/1:2:3",
        "../bf/1:2:3",
        "./bf/1:2:3",
        "a/b/bf/1:2:3",
        "fake/bf/1:2:3/",
        "fake/bf/1:2:3\n",
        "fa ke/bf/1:2:3",
        "a" * 151 + "/bf/1:2:3",
        "fake/bf/1:2:3.tmp",
    ],
)
def test_what_is_no_key(path: str) -> None:
    """Index files, requests, seeds, temporary files and every other spelling are no chunks."""
    assert parse_key(path) is None


# Legal oddities


def test_a_chunk_without_blocks() -> None:
    """Loki writes one for a stream of nothing but empty lines."""
    for format_number, encoding in EVERY_WRITING:
        chunk = decode(in_encoding(replace(SMALL, blocks=[], symbols=[]), format_number, encoding).data())
        assert (chunk.entries, chunk.line_bytes, list(chunk.batches())) == (0, 0, [])


def test_wrong_bounds_and_touching_blocks() -> None:
    """Stated bounds and sizes are not held against the entries."""
    stated = {0: Stated(time_min=MARCH + 9, time_max=0, uncompressed_bytes=0), 1: Stated(uncompressed_bytes=2**64 - 1)}
    assert contents(decode(replace(SMALL, stated=stated).data())) == contents(decode(SMALL.data()))


@pytest.mark.parametrize("offset", [0, 6, 1 << 40, 2**64 - 1])
def test_a_wrong_offset_is_harmless_where_the_block_is_in_its_place(offset: int) -> None:
    """Loki wrote such chunks; what follows the block before is the block, if its checksum says so."""
    chunk = decode(replace(SMALL, stated={1: Stated(offset=offset)}).data())
    assert contents(chunk) == contents(decode(SMALL.data()))
    assert chunk.blocks[1].offset_stated == offset


def test_a_wrong_offset_that_leads_to_another_sound_block_is_refused() -> None:
    """Loki would read the other block there: two answers are none."""
    twins = replace(SMALL, blocks=[[Entry(MARCH, b"aaaa")], [Entry(MARCH, b"bbbb")]], encoding=Encoding.NONE)
    offset = decode(twins.data()).blocks[0].offset_stated
    with pytest.raises(ChunkUnsound, match="sound here and"):
        decode(replace(twins, stated={1: Stated(offset=offset)}).data())


def test_the_length_word_of_very_old_writers() -> None:
    """They did not count its own four bytes."""
    data = bytearray(SMALL.data())
    data[:4] = (int.from_bytes(data[:4], "big") - 4).to_bytes(4, "big")
    assert contents(decode(bytes(data))) == contents(decode(SMALL.data()))


def test_the_metadata_of_very_old_writers() -> None:
    """Encoding 128, unsorted labels, no line feed."""
    text = (
        SMALL.metadata_json()
        .replace(b"129", b"128")
        .replace(b'{"__name__":"logs","job":"pm2"}', b'{"job":"pm2","a":"b"}')
    )
    assert decode(replace(SMALL, metadata=text.rstrip()).data()).labels == {"job": "pm2", "a": "b"}


# Damage


def outcome(chunk: Chunk) -> object:
    return (
        (chunk.key.tenant, chunk.key.fingerprint, chunk.key.from_ms, chunk.key.through_ms),
        chunk.labels,
        contents(chunk),
    )


@every_writing
def test_every_single_bit(format_number: int, encoding: Encoding) -> None:
    """With the name's checksum no flipped bit goes unnoticed. Without it the inner checksums find all but the listed ones.

    What no inner checksum covers, and no rule can tell:
      - the encoding byte, between the four names of lz4: their frames state the block size themselves, and what the
        first releases called lz4-64k had blocks of 4 MiB
      - in a chunk without blocks, the encoding byte and the format byte (the next test)
    Two more are possible, though not in this chunk: the length word of the metadata, where it reads as that of a very
    old writer, and compressed bytes of the metadata that give the same text, whose checksum is over the text.
    Rows and labels are the same in all of these.
    """
    writing = in_encoding(SMALL, format_number, encoding)
    data, key = writing.data(), writing.key()
    body_start = int.from_bytes(data[:4], "big") + 4
    expected = outcome(decode(data, key=key))
    survived = set()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ChunkUnsound) as caught:
            decode(bytes(flipped), key=key)
        assert SECRET.decode() not in str(caught.value)
        assert caught.value.message.startswith(str(key))
        with suppress(ChunkUnsound):
            assert outcome(decode(bytes(flipped))) == expected
            survived.add(bit // 8)
    of_lz4 = encoding in {Encoding.LZ4_64K, Encoding.LZ4_256K, Encoding.LZ4_1M, Encoding.LZ4}
    assert survived == ({body_start + 5} if of_lz4 else set())


@every_writing
def test_every_single_bit_of_a_chunk_without_blocks(format_number: int, encoding: Encoding) -> None:
    """There is nothing to decompress, so the format and the encoding may pass for others; the labels cannot."""
    writing = in_encoding(replace(SMALL, blocks=[], symbols=[]), format_number, encoding)
    data, key = writing.data(), writing.key()
    body_start = int.from_bytes(data[:4], "big") + 4
    expected = outcome(decode(data, key=key))
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ChunkUnsound):
            decode(bytes(flipped), key=key)
        with suppress(ChunkUnsound):
            assert outcome(decode(bytes(flipped))) == expected
            assert bit // 8 in {body_start + 4, body_start + 5}


def test_every_single_bit_of_a_chunk_that_loki_wrote() -> None:
    """One zstd with its own checksum, flate, and gzip: the smallest of each."""
    smallest = {
        min((data for _, _, data in chunks_of(name)), key=len) for name in ("v12-zstd", "v11-gzip", "wal-replay-dups")
    }
    for data in smallest:
        expected = outcome(decode(data))
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            try:
                assert outcome(decode(bytes(flipped))) == expected
            except ChunkUnsound:
                continue
            assert bit // 8 < int.from_bytes(data[:4], "big")


@every_writing
def test_truncation_at_every_byte(format_number: int, encoding: Encoding) -> None:
    """A short file is never read, nor a long one, with or without a name."""
    writing = in_encoding(SMALL, format_number, encoding)
    data, key = writing.data(), writing.key()
    for length in range(len(data)):
        for name in (key, None):
            with pytest.raises(ChunkUnsound):
                decode(data[:length], key=name)
    for tail in (b"\0", data, bytes(8)):
        for damaged in (data + tail, tail + data):
            with pytest.raises(ChunkUnsound):
                decode(damaged)


def test_a_body_that_ends_early_in_every_place() -> None:
    """The length word follows the cut, as a forger would have it."""
    data = SMALL.data()
    start = int.from_bytes(data[:4], "big")
    for length in range(start + 4, len(data)):
        body = data[start + 4 : length]
        with pytest.raises(ChunkUnsound):
            decode(data[:start] + len(body).to_bytes(4, "big") + body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tenant": "other"}, "differ in tenant"),
        ({"fingerprint": 1}, "differ in fingerprint"),
        ({"from_ms": 1}, "differ in from_ms"),
        ({"through_ms": 1}, "differ in through_ms"),
        ({"crc": 1}, "the name says CRC-32C 00000001"),
    ],
)
def test_a_name_that_disagrees(change: dict[str, Any], message: str) -> None:
    """Each part of the name is held against the content."""
    with pytest.raises(ChunkUnsound, match=message):
        decode(SMALL.data(), key=replace(SMALL.key(), **change))


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        SMALL.metadata_json() + b"{}",
        SMALL.metadata_json() + b"\n",
        b" " + SMALL.metadata_json(),
        SMALL.metadata_json().replace(b"129", b"1"),
        SMALL.metadata_json().replace(b"129", b"true"),
        SMALL.metadata_json().replace(b"129", b"129.0"),
        SMALL.metadata_json().replace(b"129", b"NaN"),
        SMALL.metadata_json().replace(b"129", b'129,"encoding":129'),
        SMALL.metadata_json().replace(b"129", b'129,"more":1'),
        SMALL.metadata_json().replace(str(SMALL.fingerprint).encode(), b"18446744073709551616"),
        SMALL.metadata_json().replace(str(SMALL.fingerprint).encode(), b"1e3"),
        SMALL.metadata_json().replace(b".857", b".8571"),
        SMALL.metadata_json().replace(b'"pm2"', b'"\\ud800"'),
        SMALL.metadata_json().replace(b'"pm2"', b"1"),
        SMALL.metadata_json().replace(b'"pm2"', b'"a","job":"b"'),
        SMALL.metadata_json().replace(b'"pm2"', b"[" * 100_000),
        SMALL.metadata_json().replace(b'"pm2"', b'"' + bytes(17 << 20) + b'"'),
        SMALL.metadata_json().replace(b'"fingerprint":', b'"fingerprint":' + b"9" * 5000),
    ],
    ids=range(22),
)
def test_metadata_that_loki_does_not_write(metadata: bytes) -> None:
    """Not one object, other fields, other types, a field twice, half a surrogate, too deep, too long."""
    if SMALL.metadata_json() == metadata:
        pytest.fail("the case changes nothing")
    with pytest.raises(ChunkUnsound):
        decode(replace(SMALL, metadata=metadata).data())


@pytest.mark.parametrize(
    "change",
    [
        {"stated": {0: Stated(entries=1)}},
        {"stated": {0: Stated(entries=3)}},
        {"stated": {0: Stated(entries=0)}},
        {"stated": {0: Stated(entries=2**64 - 1)}},
        {"stated": {0: Stated(stored_bytes=0)}},
        {"stated": {1: Stated(stored_bytes=2**64 - 1)}},
        {"symbols_stated": 2},
        {"symbols_stated": 4},
        {"symbols_stated": 2**64 - 1},
        {"symbols_stored": b""},
        {"stored": {0: b""}},
        {"stored": {0: compress(Encoding.SNAPPY, b"")}},
        {"stored": {0: compress(Encoding.SNAPPY, bytes(90))}},
    ],
    ids=str,
)
def test_counts_and_lengths_that_disagree(change: dict[str, Any]) -> None:
    """Checksums hold in all of these; the facts do not."""
    with pytest.raises(ChunkUnsound):
        decode(replace(SMALL, **change).data())


def stored(plain: bytes) -> dict[int, bytes]:
    return {0: plain}


ORDINARY = entry_bytes(SMALL.blocks[0][0], 4)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (ORDINARY[:5], "ends within a number"),
        (ORDINARY[:9], "ends within a number"),
        (b"\xff" * 9 + b"\x02" + ORDINARY[9:], "more than 64 bits"),
        (b"\xff" * 10 + ORDINARY[9:], "more than 64 bits"),
        (b"\x80\x00" + ORDINARY[9:], "longer than it needs"),
        (ORDINARY[:9] + b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + bytes(9), "stated length goes beyond"),
        (ORDINARY[:9] + b"\x80\x00" + ORDINARY[10:], "longer than it needs"),
        (ORDINARY[:9] + b"\x00\x01\x01", "more pairs are stated"),
        (ORDINARY[:9] + b"\x00\x03\x01\x00", "stated length goes beyond"),
        (ORDINARY[:9] + b"\x00\x04\x01\x00\x00\x00", "pairs end before"),
        (ORDINARY[:9] + b"\x00\x03\x01\x80\x80", "ends within a number"),
        (ORDINARY[:9] + b"\x00\x00\x00", "ends within a number"),
        (ORDINARY + ORDINARY, "entries end at byte"),
    ],
    ids=range(13),
)
def test_entries_that_disagree(plain: bytes, message: str, loop: None) -> None:
    """Sound checksums around entries that are none, in either loop."""
    writing = replace(SMALL, blocks=[SMALL.blocks[0][:1]], encoding=Encoding.NONE, stored=stored(plain))
    with pytest.raises(ChunkUnsound, match=message):
        decode(writing.data())


@pytest.fixture(params=["as installed", "plain"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(loki_chunk, "_loki_entries", plain_loop())


def test_more_pairs_than_expected(loop: None) -> None:
    """An entry with thousands of pairs makes the pair buffers grow, and ends there."""
    pairs = tuple((number % 3, (number + 1) % 3) for number in range(9000))
    block = [
        Entry(MARCH, b"a"),
        Entry(MARCH, b"b", pairs),
        Entry(MARCH, b"c", pairs[:1]),
        Entry(MARCH, b"d", pairs * 2),
    ]
    chunk = decode(replace(SMALL, blocks=[block, block], encoding=Encoding.ZSTD).data())
    assert [len(found) for _, _, found in contents(chunk)[1]] == [0, 9000, 1, 18000]


@pytest.mark.parametrize("name", SETS)
def test_both_loops_read_the_stores_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All arrays are equal, element for element."""
    stored_chunks = [data for _, _, data in chunks_of(name)]
    installed = [arrow_buffers(decode(data)) for data in stored_chunks]
    monkeypatch.setattr(loki_chunk, "_loki_entries", plain_loop())
    assert [arrow_buffers(decode(data)) for data in stored_chunks] == installed


def test_the_loop_is_compiled_where_it_can_be() -> None:
    """``make`` on a machine with a compiler and Python's headers gives the compiled loop."""
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if shutil.which("cc") is None or not headers.exists():
        pytest.skip("no C compiler or no headers of Python")
    assert loki_chunk.loop_kind() == "compiled"


# Streams that are more or less than one stream


@pytest.mark.parametrize("encoding", list(Encoding), ids=str)
def test_a_stream_is_one_stream(encoding: Encoding) -> None:
    """A second stream behind the first, or anything else, is refused, and so is a stream that stops early."""
    plain = b"".join(entry_bytes(entry, 4) for entry in SMALL.blocks[0])
    one = compress(encoding, plain)
    writing = replace(SMALL, blocks=SMALL.blocks[:1], encoding=encoding)
    assert decode(replace(writing, stored={0: one}).data()).entries == 2
    for damaged in (one + compress(encoding, b""), one + one, one + b"\0", one[:-1], b"\0" + one, one[1:], b""):
        if damaged == one or (encoding is Encoding.NONE and damaged == one[1:]):
            continue  # plain bytes have no end of their own, and an integer without its first byte is one, too
        with pytest.raises(ChunkUnsound):
            decode(replace(writing, stored={0: damaged}).data())


def snappy_bomb(count: int) -> bytes:
    """Frames of 64 KiB of zeros each; the checksum is right."""
    one = compress(Encoding.SNAPPY, bytes(1 << 16))
    return one + one[10:] * (count - 1)


def zstd_bomb(count: int) -> bytes:
    """One frame without a length, blocks of one repeated byte, 128 KiB each."""
    block = ((1 << 17) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (0 << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\x00\x58" + block * count + last


def bombs() -> dict[str, Writing]:
    huge = bytes(128 << 20)
    base = replace(SMALL, blocks=SMALL.blocks[:1])
    lz4 = compress(Encoding.LZ4, bytes(4 << 20))
    deflated = compress(Encoding.FLATE, bytes(64 << 20))
    return {
        "snappy": replace(base, stored={0: snappy_bomb(1 << 12)}),
        "snappy, forged length": replace(
            base,
            stored={
                0: compress(Encoding.SNAPPY, b"")[:0]
                + b"\xff\x06\x00\x00sNaPpY"
                + b"\x00\x09\x00\x00"
                + bytes(4)
                + b"\xff\xff\xff\xff\x0f"
            },
        ),
        "gzip": replace(base, encoding=Encoding.GZIP, stored={0: gzip.compress(huge, 1, mtime=0)}),
        "gzip, small length": replace(
            base, encoding=Encoding.GZIP, stored={0: gzip.compress(huge, 1, mtime=0)[:-4] + bytes([9, 0, 0, 0])}
        ),
        "gzip, forged length": replace(
            base, encoding=Encoding.GZIP, stored={0: gzip.compress(b"abc")[:-4] + b"\xff\xff\xff\x1f"}
        ),
        "flate": replace(base, encoding=Encoding.FLATE, stored={0: deflated}),
        "zstd": replace(base, encoding=Encoding.ZSTD, stored={0: zstd_bomb(1 << 11)}),
        "zstd, stated": replace(base, encoding=Encoding.ZSTD, stored={0: compress(Encoding.ZSTD, huge)}),
        "zstd, forged length": replace(
            base,
            encoding=Encoding.ZSTD,
            stored={0: b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + b"\1\0\0"},
        ),
        "zstd, window": replace(base, encoding=Encoding.ZSTD, stored={0: b"\x28\xb5\x2f\xfd\x00\xa0\1\0\0"}),
        "lz4": replace(base, encoding=Encoding.LZ4, stored={0: lz4[:7] + lz4[7:-4] * 64 + bytes(4)}),
        "symbols": replace(base, symbols_stored=snappy_bomb(1 << 12)),
        "entries": replace(base, stated={0: Stated(entries=1 << 40)}),
        "symbol count": replace(base, symbols_stated=1 << 40),
        "many blocks": replace(base, blocks=[[Entry(0, bytes(3 << 20))]] * 30),
    }


def test_bombs_are_refused_within_their_room() -> None:
    """Hundreds of megabytes in a few kilobytes, or only a word that says so: the process grows by no more than what is allowed."""
    script = """
import resource, sys
from archiver.errors import ChunkUnsound
from archiver.neighbours.loki.chunk import decode
import glob, pathlib
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    before = peak()
    try:
        decode(data, decoded_bytes_max=48 << 20)
    except ChunkUnsound as unsound:
        print(path.name, peak() - before, len(data), sep="|")
"""
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        written = bombs()
        for name, writing in written.items():
            (Path(folder) / name).write_bytes(writing.data())
        done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    grown = {name: int(mebibytes) for name, mebibytes, _ in (line.split("|") for line in done.stdout.splitlines())}
    assert grown.keys() == written.keys()
    assert max(grown.values()) <= 120, grown


def test_the_bound_is_the_sum_of_all_parts() -> None:
    """Exactly enough is enough, one byte less is not."""
    writing = in_encoding(SMALL, 3, Encoding.FLATE)
    size = sum(len(entry_bytes(entry, 3)) for block in writing.blocks for entry in block)
    assert size + len(writing.metadata_json()) < 1000
    assert decode(writing.data(), decoded_bytes_max=size + len(writing.metadata_json())).entries == 4
    with pytest.raises(ChunkUnsound, match="more than"):
        decode(writing.data(), decoded_bytes_max=size + len(writing.metadata_json()) - 1)
    with pytest.raises(ValueError, match="2 GiB"):
        decode(writing.data(), decoded_bytes_max=1 << 31)


def test_a_message_names_the_chunk_the_offset_and_both_facts() -> None:
    """The key unless another name is given; never a label or a line."""
    data = bytearray(SMALL.data())
    data[-1] ^= 1
    key = replace(SMALL.key(), crc=crc32c(data))
    with pytest.raises(
        ChunkUnsound, match=rf"^{re.escape(str(key))}: at byte {len(data) - 32} of {len(data)}: the trailer puts"
    ):
        decode(bytes(data), key=key)
    with pytest.raises(ChunkUnsound, match=r"^some/file: at byte 0 of 3: 3 bytes are too few"):
        decode(b"abc", name="some/file")


def test_integers_of_the_metas() -> None:
    """The metas' own numbers are held to the same rules as those of the entries."""
    body = SMALL.body()
    start = int.from_bytes(body[-8:], "big")
    for metas in (b"", b"\x80", b"\x80\x00", b"\xff" * 9 + b"\x02", b"\xff" * 11, b"\x01", uvarint(1 << 40), b"\0\0"):
        altered = body[:start] + metas + crc32c(metas).to_bytes(4, "big") + body[-32:-16]
        altered += len(metas).to_bytes(8, "big") + start.to_bytes(8, "big")
        data = SMALL.data()
        head = data[: int.from_bytes(data[:4], "big")]
        with pytest.raises(ChunkUnsound):
            decode(head + len(altered).to_bytes(4, "big") + altered)
