"""What only a directory does: links, modes, full disks, what a crash leaves."""

import errno
import hashlib
import io
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archiver.contracts import PendingUpload
from archiver.errors import (
    AccessDenied,
    ConfigError,
    IntegrityError,
    LocalResourceError,
    OutcomeUnknown,
    TransientError,
)
from archiver.neighbours.local.store import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def create(store: LocalStore, key: str, data: bytes = b"x") -> None:
    store.create(key, data, sha256=digest(data))


def keys(store: LocalStore) -> list[str]:
    return [reference.key for reference in store.list("")]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "archive")
    store.install()
    return store


def test_files_and_directories_are_the_owners_alone(store: LocalStore) -> None:
    create(store, "data/logs/part")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [store.root, *store.root.rglob("*")]}
    assert modes == {"archive": 0o700, "data": 0o700, "logs": 0o700, ".tmp": 0o700, "part": 0o600}


def test_a_missing_root_is_never_made_in_passing(tmp_path: Path) -> None:
    """A file system that is not mounted must not become a second, empty archive."""
    store = LocalStore(tmp_path / "mount")
    calls: list[Callable[[], object]] = [
        lambda: create(store, "data/x"),
        lambda: store.read("data/x", size_bytes_max=1),
        lambda: store.stat("data/x"),
        lambda: list(store.list("")),
        lambda: list(store.list("data/")),
        lambda: store.delete("data/x"),
        lambda: list(store.pending_uploads("")),
        lambda: store.probe("token"),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match="there is no such directory"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_install_is_harmless_when_repeated_and_refuses_a_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "a" / "b")
    store.install()
    create(store, "x")
    store.install()
    assert keys(store) == ["x"]
    with pytest.raises(ConfigError, match="a file stands where"):
        LocalStore(tmp_path / "a" / "b" / "x").install()


# ── Links ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_in_the_archive_is_never_followed(store: LocalStore, tmp_path: Path) -> None:
    """Whoever can plant a link must not make us read, write, list or delete outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    create(store, "data/x")
    (store.root / "data" / "link").symlink_to(outside / "secret")
    (store.root / "data" / "folder").symlink_to(outside)
    for key in ("data/link", "data/folder/secret"):
        with pytest.raises(IntegrityError):
            store.read(key, size_bytes_max=100)
        with pytest.raises(IntegrityError):
            store.stat(key)
        with pytest.raises(IntegrityError):
            create(store, key)
    with pytest.raises(IntegrityError):
        create(store, "data/folder/new")
    with pytest.raises(IntegrityError):
        store.delete("data/folder/secret")
    with pytest.raises(IntegrityError, match=r"data/(folder|link): a link, pipe or device"):
        keys(store)
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_deleting_a_link_removes_the_link_alone(store: LocalStore, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"kept")
    create(store, "data/x")
    (store.root / "data" / "link").symlink_to(target)
    store.delete("data/link")
    assert target.read_bytes() == b"kept"
    assert keys(store) == ["data/x"]


def test_the_root_itself_may_be_a_link(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.root)
    linked = LocalStore(tmp_path / "link")
    create(linked, "data/x")
    assert keys(linked) == keys(store) == ["data/x"]


def test_a_named_pipe_does_not_stop_the_run(store: LocalStore) -> None:
    os.mkfifo(store.root / "pipe")
    with pytest.raises(IntegrityError):
        store.read("pipe", size_bytes_max=1)
    with pytest.raises(IntegrityError):
        keys(store)


def test_a_name_that_is_not_utf8_is_named(store: LocalStore) -> None:
    (store.root / os.fsdecode(b"bad\xff")).write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"bad.udcff.*not UTF-8"):
        keys(store)


# ── Failing disks ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("step", ["write", "fsync", "link"])
def test_fault_24_a_full_disk_leaves_nothing_half_visible(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    create(store, "data/before")
    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr(io, "FileIO", type("Full", (io.FileIO,), {"write": fail}))
        else:
            patch.setattr(os, step, fail)
        with pytest.raises(LocalResourceError, match="nothing was stored") as raised:
            create(store, "data/new", b"y" * 100_000)
    assert "make room" in raised.value.hint
    assert keys(store) == ["data/before"]
    assert list(store.pending_uploads("")) == []
    create(store, "data/new", b"y" * 100_000)


def test_fault_24_a_file_size_limit_is_a_clean_failure(store: LocalStore) -> None:
    """The real thing: the kernel cuts a write short and refuses the rest."""
    script = (
        "import hashlib, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from archiver.neighbours.local.store import LocalStore\n"
        "from archiver.errors import LocalResourceError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "data = b'x' * 50_000\n"
        "try:\n"
        "    LocalStore(Path(sys.argv[1])).create('data/x', data, sha256=hashlib.sha256(data).hexdigest())\n"
        "except LocalResourceError as error:\n"
        "    sys.exit(0 if 'nothing was stored' in error.message else 2)\n"
        "sys.exit(1)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(store.root)], check=False, timeout=60)
    assert ended.returncode == 0
    assert keys(store) == []
    assert list(store.pending_uploads("")) == []


def test_a_directory_that_cannot_be_synced_leaves_the_outcome_unknown(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is linked by then; asking again proves it durable."""
    real = os.fsync

    def fail_on_directories(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EIO, "bad disk")
        real(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_on_directories)
        with pytest.raises(OutcomeUnknown):
            create(store, "data/x")
    create(store, "data/x")
    assert keys(store) == ["data/x"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_forbidden_directory_is_access_denied(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", fail)
    with pytest.raises(AccessDenied, match="nothing was stored"):
        create(store, "data/x")


def test_a_file_system_without_links_is_refused(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(ConfigError, match="cannot link files"):
        create(store, "data/x")
    assert list(store.pending_uploads("")) == []


# ── What a crash leaves ────────────────────────────────────────────────────────────────────────────────────────


def test_a_crash_before_the_link_leaves_a_pending_upload(store: LocalStore) -> None:
    script = (
        "import hashlib, os, sys\n"
        "from pathlib import Path\n"
        "from archiver.neighbours.local.store import LocalStore\n"
        "os.link = lambda *_, **__: os._exit(9)\n"
        "LocalStore(Path(sys.argv[1])).create('data/ä b/x', b'x', sha256=hashlib.sha256(b'x').hexdigest())\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(store.root)], check=False, timeout=60).returncode == 9
    assert keys(store) == []
    (upload,) = store.pending_uploads("data/")
    assert upload.key == "data/ä b/x"
    assert list(store.pending_uploads("ledger/")) == []
    store.abort_upload(upload)
    store.abort_upload(upload)
    assert list(store.pending_uploads("")) == []


def test_a_crash_right_after_the_link_leaves_no_second_name_after_deletion(store: LocalStore) -> None:
    """The temporary name is the same file; deleting the object must not leave its content under it."""
    create(store, "data/x", b"personal")
    os.link(store.root / "data" / "x", store.root / ".tmp" / "0~data%2Fx")
    os.link(store.root / "data" / "x", store.root.parent / "not-ours")
    store.delete("data/x")
    assert list(store.pending_uploads("")) == []
    assert (store.root.parent / "not-ours").exists()


def test_an_upload_aborted_while_it_was_written_stores_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def sweep_first(*args: object, **kwargs: object) -> None:
        for upload in store.pending_uploads(""):
            store.abort_upload(upload)
        real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", sweep_first)
    with pytest.raises(TransientError, match="removed by somebody"):
        create(store, "data/x")
    assert keys(store) == []


def test_only_names_of_temporary_files_can_be_aborted(store: LocalStore) -> None:
    create(store, "x")
    (upload,) = [PendingUpload(key="x", upload_id="../x", begun_at=next(store.list("")).modified_at)]
    with pytest.raises(IntegrityError):
        store.abort_upload(upload)
    assert keys(store) == ["x"]


def test_a_long_key_still_has_a_temporary_name(store: LocalStore) -> None:
    key = "data/" + "/".join(["tenant=" + "ä" * 80] * 4) + "/part"
    create(store, key)
    assert keys(store) == [key]


def test_deleting_removes_the_directories_that_became_empty(store: LocalStore) -> None:
    create(store, "data/a/b/c/x")
    create(store, "data/a/y")
    store.delete("data/a/b/c/x")
    assert sorted(path.name for path in (store.root / "data" / "a").iterdir()) == ["y"]
    store.delete("data/a/y")
    assert sorted(path.name for path in store.root.iterdir()) == [".tmp"]


def test_creating_and_deleting_side_by_side_never_lose_a_directory(store: LocalStore) -> None:
    """A deletion removes the directory that a creation has just made, again and again."""
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for turn in range(60):
                key = f"data/shared/{turn % 2}/{worker}"
                create(store, key)
                assert store.delete(key).versions_deleted == 1
        except BaseException as error:  # noqa: BLE001 (reported by the test's own thread)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert keys(store) == []


def test_a_changed_file_is_not_stored(store: LocalStore, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(b"one")
    with pytest.raises(LocalResourceError, match="was announced"):
        store.create("data/x", part, sha256=digest(b"other"))
    assert keys(store) == []


def test_a_directory_under_a_key_is_no_object(store: LocalStore) -> None:
    create(store, "data/x/y")
    with pytest.raises(IntegrityError):
        create(store, "data/x")
    assert store.stat("data/x") is None
    assert store.delete("data/x").versions_deleted == 0
    with pytest.raises(IntegrityError):
        create(store, "data/x/y/z")
    assert keys(store) == ["data/x/y"]
