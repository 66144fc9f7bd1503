"""Work directories: private, gone with their run, and swept when their run was killed."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.errors import LocalResourceError
from archiver.neighbours.local.workdir import LOCK, PREFIX, work_directory

DIES = """
import os, pathlib, sys
from archiver.neighbours.local.workdir import work_directory
with work_directory(pathlib.Path(sys.argv[1])) as made:
    (made / "part-000001.parquet").write_bytes(b"rows in the clear")
    os.kill(os.getpid(), 9)
"""


def test_it_is_private_and_goes_with_its_run(tmp_path: Path) -> None:
    with work_directory(tmp_path / "new") as made:
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        (made / "part").write_bytes(b"x")
        (made / "folder").mkdir()
    assert list((tmp_path / "new").iterdir()) == []


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    with work_directory(tmp_path) as made:
        assert list(tmp_path.iterdir()) == [made]


def test_another_run_at_work_keeps_its_own(tmp_path: Path) -> None:
    with work_directory(tmp_path) as first:
        (first / "part").write_bytes(b"x")
        with work_directory(tmp_path) as second:
            assert second != first
            assert (first / "part").exists()
        assert (first / "part").exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """Other names, files, links; an empty one of ours is a run that died at once."""
    (tmp_path / "archiver-pg-1").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "archiver-pg-1")
    (tmp_path / f"{PREFIX}file").write_bytes(b"")
    (tmp_path / f"{PREFIX}empty").mkdir()
    full = tmp_path / f"{PREFIX}full"
    full.mkdir()
    (full / "without-a-lock").write_bytes(b"")
    with work_directory(tmp_path):
        pass
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"archiver-pg-1", f"{PREFIX}link", f"{PREFIX}file", f"{PREFIX}full"}


def test_an_interrupted_removal_is_taken_up_again(tmp_path: Path) -> None:
    half = tmp_path / f"{PREFIX}half"
    half.mkdir()
    (half / LOCK).touch()
    with work_directory(tmp_path) as made:
        assert list(tmp_path.iterdir()) == [made]


def test_a_place_where_nothing_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalResourceError, match=os.fspath(tmp_path / "file")), work_directory(tmp_path / "file"):
        pass
