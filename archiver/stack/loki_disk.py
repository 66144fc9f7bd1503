"""Loki's chunk files on disk: how old their lines are, by their names alone."""

import base64
import binascii
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.model import Finding, Fix, Force, Look, Promise, Seen, Verdict
from archiver.stack.targets import LokiTarget
from archiver.stack.words import error_name, instant_of

FILES_MAX = 20_000_000
NOT_CHUNKS = ("index", "loki_cluster_seed.json", "rules", "deletion_markers")


@dataclass(frozen=True, slots=True)
class ChunkName:
    """What a chunk file's name says: whose it is, and the milliseconds that its lines lie between, both included."""

    tenant: str
    from_ms: int
    through_ms: int


def parse_chunk_path(parts: tuple[str, ...]) -> ChunkName | None:
    """The name of a chunk below the store's root, in either layout; None where it is no chunk's.

    Up to schema v11 it is ``base64(tenant/fingerprint:from:through:crc)``, from v12 on
    ``tenant/fingerprint/base64(from:through:crc)``; numbers are hex without padding.
    """
    decoded = _base64(parts[-1])
    if decoded is None:
        return None
    if len(parts) == 1:
        tenant, slash, rest = decoded.partition("/")
        numbers = rest.split(":")[1:] if slash else []
    elif len(parts) == 3:  # noqa: PLR2004
        tenant, numbers = parts[0], decoded.split(":")
    else:
        return None
    if not tenant or len(numbers) != 3 or not all(re.fullmatch(r"[0-9a-f]{1,16}", number) for number in numbers):  # noqa: PLR2004
        return None
    return ChunkName(tenant, int(numbers[0], 16), int(numbers[1], 16))


def _base64(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None


def look(target: LokiTarget, delay: timedelta, now: datetime) -> Iterator[Finding]:
    """What the names of chunk files say; nothing where no directory is named."""
    if target.chunk_directory is None:
        return
    name, root = "loki.chunk_files", target.chunk_directory
    promised = (Promise.AGE(limit_s=target.promise),)
    try:
        seen = _count(root, now - target.promise - delay)
    except OSError as exc:
        yield Finding(
            check=name,
            subject=str(root),
            promised=promised,
            observed=(Look.NO_FILE(path=str(root), error=error_name(exc)),),
            verdict=Verdict.CANNOT_TELL,
            fix=(Fix.READABLE(),),
        )
        return
    said = [Seen.CHUNK_FILES(chunks=seen.chunks)]
    if seen.late:
        said.append(Seen.CHUNKS_LATE(chunks=seen.late))
    if seen.oldest is not None:
        said.append(Seen.CHUNK_ENDS(oldest_at=seen.oldest))
    if seen.others:
        said.append(Seen.OTHER_FILES(files=seen.others))
    verdict = Verdict.BREACH if seen.late else Verdict.CANNOT_TELL if seen.others or not seen.chunks else Verdict.OK
    yield Finding(
        check=name,
        subject=str(root),
        promised=promised,
        in_force=(Force.AT_MOST_AND(limit_s=target.promise, delay_s=delay),),
        observed=tuple(said),
        verdict=verdict,
        fix=() if verdict is Verdict.OK else (Fix.CHUNKS_LATE() if seen.late else Fix.CHUNK_DIRECTORY(),),
    )


@dataclass(slots=True)
class _Seen:
    chunks: int = 0
    late: int = 0
    others: int = 0
    oldest: datetime | None = None


def _count(root: Path, limit: datetime) -> _Seen:
    """Count the files below a root.

    Raises:
        OSError: A directory cannot be read, or there is no end to it.
    """
    seen = _Seen()
    limit_ms = limit.timestamp() * 1000
    oldest_ms: int | None = None
    for parts in _files(root):
        if seen.chunks + seen.others >= FILES_MAX:
            raise OSError(errno.E2BIG, f"more than {FILES_MAX:,} files")
        chunk = parse_chunk_path(parts)
        if chunk is None:
            seen.others += 1
            continue
        seen.chunks += 1
        seen.late += chunk.through_ms < limit_ms
        oldest_ms = chunk.through_ms if oldest_ms is None else min(oldest_ms, chunk.through_ms)
    seen.oldest = None if oldest_ms is None else (instant_of(oldest_ms / 1000) or datetime.max.replace(tzinfo=UTC))
    return seen


def _files(root: Path) -> Iterator[tuple[str, ...]]:
    """Every file below a root but Loki's own, as parts of its path; directories one by one, so that memory is bounded.

    Raises:
        OSError: A directory cannot be read. One that Loki deletes meanwhile is passed over.
    """
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        above = waiting.pop()
        try:
            with os.scandir(root.joinpath(*above)) as entries:
                for entry in entries:
                    if not above and entry.name in NOT_CHUNKS:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((*above, entry.name))
                    else:
                        yield (*above, entry.name)
        except FileNotFoundError:
            if not above:
                raise
