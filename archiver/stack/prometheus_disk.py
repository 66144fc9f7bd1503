"""Prometheus's blocks and snapshots on disk: what retention has left, and what no retention ever reaches."""

import errno
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from archiver.model import Finding, Fix, Force, Look, Seen, Statement, Verdict
from archiver.stack.blocks import oldest_possible
from archiver.stack.targets import PrometheusTarget
from archiver.stack.web import at
from archiver.stack.words import error_name, instant_of

META_BYTES_MAX = 1024 * 1024
BLOCK_DIRECTORIES_MAX = 100_000


def look(target: PrometheusTarget, now: datetime, promised: tuple[Statement, ...]) -> Iterator[Finding]:
    """Blocks that retention has left, and snapshots; nothing where no directory is named."""
    if target.data_directory is None:
        return
    root = target.data_directory
    try:
        blocks = _blocks(root)
        snapshot_root = root / "snapshots"
        snapshots = (
            sorted(entry for entry in snapshot_root.iterdir() if entry.is_dir()) if snapshot_root.is_dir() else []
        )
        taken = [(snapshot, _blocks(snapshot)) for snapshot in snapshots]
    except OSError as exc:
        yield Finding(
            check="prometheus.blocks",
            subject=str(root),
            promised=promised,
            observed=(Look.NO_FILE(path=str(root), error=error_name(exc)),),
            verdict=Verdict.CANNOT_TELL,
            fix=(Fix.READABLE(),),
        )
        return
    limit = target.promise if target.strict else oldest_possible(target.promise)
    yield _block_finding(promised, "prometheus.blocks", root, blocks, limit, now)
    for path, snapshot_blocks in taken:
        yield _block_finding(promised, "prometheus.snapshot", path, snapshot_blocks, limit, now)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The blocks of one directory.

    Attributes:
        oldest: The earliest time that any readable one begins with.
        unreadable: Directories of blocks whose ``meta.json`` says no time.
    """

    count: int
    oldest: datetime | None
    unreadable: int


def _blocks(root: Path) -> _Blocks:
    """Every block in a directory, those being deleted included.

    Raises:
        OSError: The directory cannot be read.
    """
    count, unreadable, oldest = 0, 0, None
    for number, path in enumerate(root.iterdir()):
        if number >= BLOCK_DIRECTORIES_MAX:
            raise OSError(errno.E2BIG, f"more than {BLOCK_DIRECTORIES_MAX} entries")
        meta = path / "meta.json"
        if not meta.is_file():
            continue
        count += 1
        begins = _begin_of(meta)
        if begins is None:
            unreadable += 1
        elif oldest is None or begins < oldest:
            oldest = begins
    return _Blocks(count, oldest, unreadable)


def _begin_of(meta: Path) -> datetime | None:
    with meta.open("rb") as file:
        text = file.read(META_BYTES_MAX)
    try:
        milliseconds = at(json.loads(text), "minTime")
    except (ValueError, RecursionError):
        return None
    return instant_of(milliseconds / 1000) if isinstance(milliseconds, int) else None


def _block_finding(
    promised: tuple[Statement, ...], check_name: str, path: Path, blocks: _Blocks, limit: timedelta, now: datetime
) -> Finding:
    is_snapshot = check_name == "prometheus.snapshot"
    said = [Seen.BLOCKS(blocks=blocks.count)]
    if blocks.oldest is not None:
        said.append(Seen.BLOCK_BEGINS(oldest_at=blocks.oldest))
        if is_snapshot and now - blocks.oldest <= limit:
            said.append(Seen.BREAKS_FROM(from_at=blocks.oldest + limit))
    if blocks.unreadable:
        said.append(Seen.UNREADABLE_BLOCKS(blocks=blocks.unreadable))
    late = blocks.oldest is not None and now - blocks.oldest > limit
    verdict = Verdict.BREACH if late else Verdict.CANNOT_TELL if blocks.unreadable else Verdict.OK
    return Finding(
        check=check_name,
        subject=str(path),
        promised=promised,
        in_force=(Force.NO_SNAPSHOT_LIMIT() if is_snapshot else Force.AT_MOST(limit_s=limit),),
        observed=tuple(said),
        verdict=verdict,
        fix=() if verdict is Verdict.OK else (Fix.SNAPSHOT() if is_snapshot else Fix.BLOCKS(),),
    )
