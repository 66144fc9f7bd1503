"""Reading a segment back: proven on the way, and never taken for whole when the disk was full."""

import errno
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archiver.errors import LocalResourceError
from archiver.model import Segment, Slot, Window
from archiver.operations.steps.fetch import fetch_segment
from tests.support.archive import day
from tests.support.deletions import ripe
from tests.support.faulty import FaultyStore

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = bytes(range(256)) * 1000
KEY = "data/logs/date=2026-05-01/part-0000-0123456789abcdef.parquet"


def segment(store: FaultyStore) -> Segment:
    sha256 = hashlib.sha256(DATA).hexdigest()
    store.create(KEY, DATA, sha256=sha256)
    return Segment(
        key=KEY, slot=Slot(window=Window(day(0), day(1))), part=0, size_bytes=len(DATA), sha256=sha256, rows=1,
        schema="0" * 64, oldest=None, newest=None,
    )  # fmt: skip


def full_after(size_bytes: int) -> "Callable[[int, bytes | memoryview], int]":
    """``os.write`` on a disk with so much room: the last write is a short one, the next one fails."""
    write = os.write
    left = size_bytes

    def short(descriptor: int, data: bytes | memoryview) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = write(descriptor, bytes(data)[: min(left, 1000)])
        left -= done
        return done

    return short


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FaultyStore()
    monkeypatch.setattr(os, "write", full_after(len(DATA)))
    fetch_segment(store, segment(store), tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == DATA


def test_fault_24_a_full_disk_while_a_segment_is_read_back_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FaultyStore()
    monkeypatch.setattr(os, "write", full_after(len(DATA) - 1))
    with pytest.raises(LocalResourceError, match="No space left on device"):
        fetch_segment(store, segment(store), tmp_path / "part")


def test_fault_24_a_full_disk_in_the_middle_of_a_purge_deletes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run, with room, does the rest; nothing half-done counts."""
    place = ripe().copied()
    place.made.export()
    place.made.verify_and_record()
    before = place.table.values()
    monkeypatch.setattr(os, "write", full_after(10))
    with pytest.raises(LocalResourceError):
        place.made.purge()
    monkeypatch.undo()
    assert place.table.values() == before
    assert place.made.open().holdings.dataset("logs").open_purges == {}
    assert place.made.purge().rows == {"logs": 6}
