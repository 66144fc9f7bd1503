"""Damages Loki chunks without end, and demands one of two answers: the chunk, or ``ChunkUnsound``.

    python -m tests.fuzz.fuzz_loki_chunk --seconds 3600 --seed 7

Starts from chunks that Loki wrote and from written ones of every format and encoding, changes bytes, cuts, swaps and
repeats parts, and repairs the checksums around the damage most of the time, so that what lies behind them is reached.
Compiled and plain loop have to agree on the answer, message included. A failure prints what repeats it.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from crc32c import crc32c

from archiver.errors import ChunkUnsound
from archiver.neighbours.loki import chunk as loki_chunk
from archiver.neighbours.loki._codecs import Encoding
from archiver.neighbours.loki.chunk import decode
from archiver.neighbours.loki.key import parse_key
from tests.support.loki_encoder import Entry, Stated, Writing, compress, contents, entry_bytes, in_encoding
from tests.support.loops import plain_loop

DATA = Path(__file__).parents[1] / "data" / "loki"
DECODED_BYTES_MAX = 8 << 20
SECRET = "no message repeats this line"


def seeds() -> list[bytes]:
    """Give small chunks of Loki's, at most a dozen a set."""
    found = []
    for name in sorted(path for path in DATA.iterdir() if path.is_dir()):
        store = name / "store"
        paths = [path for path in store.rglob("*") if path.is_file() and parse_key(path.relative_to(store).as_posix())]
        paths.sort(key=lambda path: (path.stat().st_size, path))
        found += [path.read_bytes() for path in paths[:12]]
    return found


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Change, cut, insert, repeat or move a few bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        if not changed:
            break
        at = rng.randrange(len(changed))
        length = min(rng.choice([1, 1, 2, 4, 8, 32]), len(changed) - at)
        match rng.randrange(6):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = rng.randbytes(length)
            case 4:
                changed[at:at] = changed[at : at + length]
            case _:
                other = rng.randrange(len(changed))
                changed[at : at + length] = changed[other : other + length]
    return bytes(changed)


def with_sound_body(data: bytes, rng: random.Random) -> bytes:
    """Damage the body or its trailer, and let the length word and the metas' checksum follow."""
    start = int.from_bytes(data[:4], "big")
    body = bytearray(damaged(data[start + 4 :], rng))
    if len(body) > 16:
        metas_start = int.from_bytes(body[-8:], "big")
        metas_end = len(body) - (36 if body[4] == 4 else 12)
        if metas_start < metas_end:
            body[metas_end : metas_end + 4] = crc32c(body[metas_start:metas_end]).to_bytes(4, "big")
    return data[:start] + len(body).to_bytes(4, "big") + bytes(body)


def forged(rng: random.Random) -> bytes:
    """Write a chunk whose checksums all hold, around parts that may not."""
    format_number = rng.choice([1, 2, 3, 4, 4, 4])
    encoding = Encoding.GZIP if format_number == 1 else rng.choice(list(Encoding))
    symbols = [rng.randbytes(rng.randrange(12)) for _ in range(rng.randrange(6))]

    def number() -> int:
        return rng.choice([0, 1, 2, 5, 300, rng.getrandbits(rng.randrange(1, 64))])

    blocks = [
        [
            Entry(
                rng.choice(
                    [1_772_784_030_857_000_000 + rng.getrandbits(40), rng.getrandbits(63), -rng.getrandbits(63)]
                ),
                SECRET.encode() * rng.choice([0, 1, 1, 1, 5, 700]),
                tuple((number(), number()) for _ in range(rng.choice([0, 0, 1, 2, 70]))),
            )
            for _ in range(rng.randrange(6))
        ]
        for _ in range(rng.randrange(4))
    ]
    writing = in_encoding(Writing(blocks=blocks, symbols=symbols), format_number, encoding)
    stored = {}
    stated = {}
    for index, block in enumerate(writing.blocks):
        plain = b"".join(entry_bytes(entry, format_number) for entry in block)
        match rng.randrange(6):
            case 0:
                stored[index] = compress(encoding, damaged(plain, rng))
            case 1:
                stored[index] = damaged(compress(encoding, plain), rng)
            case 2:
                stated[index] = Stated(entries=number())
            case 3:
                stated[index] = Stated(offset=number(), stored_bytes=rng.choice([None, number()]))
            case _:
                pass
    text = b"".join(bytes([len(symbol)]) + symbol for symbol in symbols)
    return Writing(
        blocks=writing.blocks,
        format=format_number,
        encoding=encoding,
        symbols=symbols,
        stored=stored,
        stated=stated,
        symbols_stated=rng.choice([None, None, None, number()]),
        symbols_stored=rng.choice([None, None, None, damaged(compress(encoding, text), rng)]),
        metadata=rng.choice([None] * 9 + [damaged(writing.metadata_json(), rng)]),
    ).data()


def answer(data: bytes) -> object:
    """Decode; anything but a chunk or ``ChunkUnsound`` goes up."""
    try:
        chunk = decode(data, decoded_bytes_max=DECODED_BYTES_MAX)
    except ChunkUnsound as unsound:
        if SECRET in str(unsound):
            raise AssertionError("a message repeats a line") from unsound
        return str(unsound)
    for batch in chunk.batches():
        batch.validate(full=True)
    return chunk.key, chunk.labels, chunk.format, contents(chunk)


def run(seed: int, *, go_on: Callable[[int], bool]) -> Counter[str]:
    """Damage and read for as long as ``go_on``, which is given the number of rounds, says so."""
    found: Counter[str] = Counter()
    installed, plain = loki_chunk._loki_entries, plain_loop()  # type: ignore[attr-defined]
    models = seeds()
    rounds = 0
    while go_on(rounds):
        rng = random.Random(f"{seed}/{rounds}")
        match rng.randrange(4):
            case 0:
                data = damaged(rng.choice(models), rng)
            case 1:
                data = with_sound_body(rng.choice(models), rng)
            case _:
                data = forged(rng)
        try:
            first = answer(data)
            loki_chunk._loki_entries = plain  # type: ignore[attr-defined]
            second = answer(data)
        except BaseException:
            print(f"seed {seed}, round {rounds}: {data.hex()}", file=sys.stderr)
            raise
        finally:
            loki_chunk._loki_entries = installed  # type: ignore[attr-defined]
        if first != second:
            raise AssertionError(f"seed {seed}, round {rounds}: the two loops differ: {data.hex()}")
        found["unsound" if isinstance(first, str) else "sound"] += 1
        rounds += 1
    return found


def main(arguments: list[str]) -> None:
    """Run for some time, then say how many chunks were found sound and unsound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    end = time.monotonic() + options.seconds
    print(dict(run(options.seed, go_on=lambda _: time.monotonic() < end)))


if __name__ == "__main__":
    main(sys.argv[1:])
