"""A directory as an object store: a key is a path below the root, an object a file that is written once.

  - An object appears whole or not at all: it is written and fsynced under ``.tmp/`` and then linked to its name.
    ``link`` fails when the name is taken, so of two writers one wins; no lock is held and none can be left behind.
  - It is durable when ``create`` returns: the file, then every directory up to the root has been fsynced.
  - No symbolic link below the root is ever followed: each part of a path is opened with ``O_NOFOLLOW``, relative
    to the directory before it. The root itself may be one; that is the operator's choice.
  - Files are 0600 and directories 0700.
  - What a crash leaves lies under ``.tmp/`` and appears in ``pending_uploads``. No key starts with a dot.

The root is never made by ``create``: a file system that was not mounted must not become a second, empty archive.
"""

import contextlib
import errno
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote, unquote

from typing_extensions import override

from archiver import layout
from archiver.contracts import ObjectRef, ObjectStore, PendingUpload, Removal, StoreFacts
from archiver.errors import (
    AccessDenied,
    ArchiverError,
    ConfigError,
    IntegrityError,
    LocalResourceError,
    ObjectExists,
    ObjectMissing,
    OutcomeUnknown,
    TransientError,
)
from archiver.neighbours.deleting import delete_each
from archiver.neighbours.keys import check_key

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TEMPORARY: Final = ".tmp"
COPY_BYTES: Final = 1 << 20
PENDING_NAME_BYTES_MAX: Final = 240

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe that stands under a key would wait for ever.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# A directory that we are about to write into can be removed as empty by a deletion beside it; then the walk starts
# again. Losing this race so often in a row means that something else is wrong.
_WALKS_MAX: Final = 32

_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_PASSING: Final = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EHOSTDOWN,
        errno.EINTR,
        errno.ENOLCK,
        errno.ENOTCONN,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


def translate(error: OSError, thing: str, undone: str) -> ArchiverError:
    """The error of ours for one of the operating system's.

    Args:
        error: What a call on a file or directory raised; a missing file was handled before.
        thing: What it was about, as the message names it.
        undone: What was not done: "nothing was stored".
    """
    fact = os.strerror(error.errno) if error.errno else type(error).__name__
    message = f"{thing}: {fact}; {undone}"
    match error.errno:
        case number if number in _FORBIDDEN:
            return AccessDenied(message, hint="the files belong to whoever runs archiver, with all rights on them")
        case number if number in _PASSING:
            return TransientError(message)
        case errno.ENOSPC | errno.EDQUOT:
            return LocalResourceError(message, hint="make room on that file system, then start again")
        case errno.ELOOP | errno.ENOTDIR | errno.EISDIR:
            return IntegrityError(
                f"{thing}: a link, file or directory stands where the archive has none; {undone}",
                hint="look at what stands there: archiver makes only plain files and directories",
            )
        case _:
            return LocalResourceError(message)


@dataclass(frozen=True, slots=True)
class LocalStore(ObjectStore):
    """Objects as files below ``root``. Holds nothing open between calls, so any number of threads may use it."""

    root: Path

    @property
    @override
    def location(self) -> str:
        """``file:///…``."""
        return self.root.absolute().as_uri()

    def install(self) -> None:
        """Make the root, 0700, with its parents. Only ``archiver init`` does this; harmless when repeated.

        Raises:
            AccessDenied: The parent directory does not allow it.
            ConfigError: A file stands there.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            raise ConfigError(f"{self.root}: a file stands where the archive's directory should be") from error
        except OSError as error:
            raise translate(error, str(self.root), "no directory was made") from error

    @override
    def create(self, key: str, data: bytes | Path, *, sha256: str) -> None:
        """The bytes are hashed while they are copied, and must be those promised.

        Raises:
            LocalResourceError: The disk or a quota is full, or ``data`` is not what ``sha256`` says. Nothing is
                visible.
        """
        check_key(key)
        if self._same(key, sha256):
            return
        try:
            with self._directory((TEMPORARY,), make=True) as temporary:
                name = _pending_name(key)
                try:
                    self._write(temporary, name, data, sha256, key)
                    made = self._link(temporary, name, key)
                finally:
                    # After the link this is only the second name of the object; before it, it is litter.
                    with contextlib.suppress(OSError):
                        os.unlink(name, dir_fd=temporary)
        except OSError as error:
            raise translate(error, f"{self.location}/{key}", "nothing was stored") from error
        if not made and not self._same(key, sha256):
            if (self.root / key).is_dir():
                raise translate(IsADirectoryError(errno.EISDIR, ""), f"{self.location}/{key}", "nothing was stored")
            raise TransientError(f"{self.location}/{key}: was taken and then freed by another run; nothing was stored")
        if made:
            self._make_durable(key)

    def _same(self, key: str, sha256: str) -> bool:
        """Whether exactly these bytes stand under the key already, and are durable; False when the key is free.

        Raises:
            ObjectExists: Other bytes stand there.
        """
        digest = hashlib.sha256()
        try:
            with self._file(key) as file:
                while chunk := os.read(file, COPY_BYTES):
                    digest.update(chunk)
                if digest.hexdigest() != sha256:
                    raise ObjectExists(
                        f"{self.location}/{key}: holds bytes with SHA-256 {digest.hexdigest()[:16]}…, "
                        f"not {sha256[:16]}…; nothing was changed"
                    )
                os.fsync(file)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise translate(error, f"{self.location}/{key}", "nothing was stored") from error
        # Whoever wrote it may have died between the link and the last fsync.
        self._make_durable(key)
        return True

    def _write(self, temporary: int, name: str, data: bytes | Path, sha256: str, key: str) -> None:
        """Write and fsync the bytes as a temporary file."""
        digest = hashlib.sha256()
        with contextlib.ExitStack() as stack:
            source: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else stack.enter_context(data.open("rb"))
            target = stack.enter_context(
                io.FileIO(os.open(name, _WRITE_NEW, 0o600, dir_fd=temporary), "wb", closefd=True)
            )
            while chunk := source.read(COPY_BYTES):
                digest.update(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[target.write(view) :]
            if digest.hexdigest() != sha256:
                raise LocalResourceError(
                    f"{key}: the bytes to store have SHA-256 {digest.hexdigest()[:16]}…, "
                    f"{sha256[:16]}… was announced; nothing was stored",
                    hint="the file changed after it was written, or this machine's disk or memory is failing",
                )
            os.fsync(target.fileno())

    def _link(self, temporary: int, name: str, key: str) -> bool:
        """Give the temporary file its name; False when the name is taken."""
        *parents, last = key.split("/")
        for _ in range(_WALKS_MAX):
            try:
                with self._directory(tuple(parents), make=True) as parent:
                    os.link(name, last, src_dir_fd=temporary, dst_dir_fd=parent, follow_symlinks=False)
            except FileExistsError:
                return False
            except FileNotFoundError:
                # The directory was removed as empty between two steps, or somebody swept our temporary file.
                try:
                    os.stat(name, dir_fd=temporary, follow_symlinks=False)
                except FileNotFoundError as error:
                    raise TransientError(
                        f"{self.location}/{key}: its temporary file was removed by somebody; nothing was stored"
                    ) from error
                continue
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                raise ConfigError(
                    f"{self.location}: its file system cannot link files ({os.strerror(error.errno or 0)}), "
                    "so a file cannot be created only if absent; nothing was stored",
                    hint="use a POSIX file system (ext4, xfs, btrfs, zfs, NFS) or an S3 store",
                ) from error
            return True
        raise TransientError(f"{self.location}/{key}: its directory vanished again and again; nothing was stored")

    def _make_durable(self, key: str) -> None:
        """Fsync every directory from the object's up to the root; another run may have made some of them."""
        parents = key.split("/")[:-1]
        try:
            for depth in range(len(parents), -1, -1):
                with self._directory(tuple(parents[:depth])) as directory:
                    os.fsync(directory)
        except OSError as error:
            raise OutcomeUnknown(
                f"{self.location}/{key}: stored, but not proven to be on disk ({os.strerror(error.errno or 0)})",
                hint="look at the disk and its kernel messages",
            ) from error

    @override
    def read(self, key: str, *, size_bytes_max: int) -> bytes:
        with self.open(key) as stream:
            data = stream.read(size_bytes_max + 1)
        if len(data) > size_bytes_max:
            raise IntegrityError(
                f"{self.location}/{key}: larger than the {size_bytes_max} bytes that it may have; it was not read"
            )
        return data

    @contextmanager
    @override
    def open(self, key: str) -> Iterator[BinaryIO]:
        check_key(key)
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(self._file(key))
            except FileNotFoundError as error:
                raise ObjectMissing(f"{self.location}/{key}: no such object") from error
            except OSError as error:
                raise translate(error, f"{self.location}/{key}", "it was not read") from error
            raw = _TranslatingFile(file, f"{self.location}/{key}")
            yield stack.enter_context(io.BufferedReader(raw, COPY_BYTES))

    @override
    def stat(self, key: str) -> ObjectRef | None:
        check_key(key)
        try:
            with self._file(key) as file:
                return _reference(key, os.fstat(file))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise translate(error, f"{self.location}/{key}", "it was not looked at") from error

    @override
    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectRef]:
        """Holds the names of one directory for each level, and nothing open.

        Raises:
            IntegrityError: A link, pipe or device stands in the archive, or a name that is not UTF-8.
        """
        folder = prefix.rpartition("/")[0]
        if folder:
            check_key(folder)
        yield from self._walk(tuple(folder.split("/")) if folder else (), prefix, after.encode())

    def _walk(self, parts: tuple[str, ...], prefix: str, after: bytes) -> Iterator[ObjectRef]:
        try:
            entries = self._scan(parts, prefix, after)
        except FileNotFoundError:
            # Deleted while we looked, or nothing was ever stored here; a missing root is another matter.
            self._check_root()
            return
        except OSError as error:
            raise translate(error, f"{self.location}/{'/'.join(parts)}", "it was not listed") from error
        for name, reference in entries:
            if reference is not None:
                yield reference
            else:
                yield from self._walk((*parts, name), prefix, after)

    def _scan(self, parts: tuple[str, ...], prefix: str, after: bytes) -> Sequence[tuple[str, ObjectRef | None]]:
        """One directory's names that matter, in the order of their keys' bytes; None stands for a directory."""
        base = "".join(f"{part}/" for part in parts)
        names: dict[bytes, tuple[str, ObjectRef | None]] = {}
        with self._directory(parts) as directory, os.scandir(directory) as entries:
            for entry in entries:
                if not parts and entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    # It sorts as its keys do: with the slash, which comes after "-" and ".".
                    order = self._order(f"{base}{entry.name}/")
                    below = prefix.encode()
                    if (order.startswith(below) or below.startswith(order)) and (
                        order > after or after.startswith(order)
                    ):
                        names[order] = (entry.name, None)
                    continue
                key = f"{base}{entry.name}"
                order = self._order(key)
                if key.startswith(prefix) and order > after:
                    with contextlib.suppress(FileNotFoundError):
                        status = self._plain(key, entry.stat(follow_symlinks=False))
                        names[order] = (entry.name, _reference(key, status))
        return [names[order] for order in sorted(names)]

    def _order(self, key: str) -> bytes:
        try:
            return key.encode()
        except UnicodeEncodeError as error:
            raise IntegrityError(
                f"{self.location}: the name {key!a} is not UTF-8; it was not listed",
                hint="archiver did not make it; move it out of the archive",
            ) from error

    def _plain(self, key: str, status: os.stat_result) -> os.stat_result:
        if not stat.S_ISREG(status.st_mode):
            raise IntegrityError(
                f"{self.location}/{key}: a link, pipe or device stands in the archive; it was not followed",
                hint="archiver did not make it; look at who did",
            )
        return status

    @override
    def delete(self, key: str) -> Removal:
        """Directories that become empty go too; the root stays."""
        check_key(key)
        *parents, last = key.split("/")
        deleted = 0
        try:
            with self._directory(tuple(parents)) as parent:
                try:
                    status = os.stat(last, dir_fd=parent, follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        return Removal(versions_deleted=0)
                    self._unlink_temporary_names(status)
                    os.unlink(last, dir_fd=parent)
                    deleted = 1
                except FileNotFoundError:
                    pass
                # Also when it was gone already: whoever deleted it may have died before this.
                os.fsync(parent)
            self._remove_empty(tuple(parents))
        except FileNotFoundError:
            self._check_root()
        except OSError as error:
            if deleted:
                raise OutcomeUnknown(
                    f"{self.location}/{key}: deleted, but not proven on disk ({os.strerror(error.errno or 0)})"
                ) from error
            raise translate(error, f"{self.location}/{key}", "it was not deleted") from error
        return Removal(versions_deleted=deleted)

    @override
    def delete_many(self, keys: Sequence[str], *, at_once: int) -> Mapping[str, Removal | ArchiverError]:
        for key in keys:
            check_key(key)
        return delete_each(self, keys, at_once=at_once)

    def _unlink_temporary_names(self, status: os.stat_result) -> None:
        """Remove second names of a file: a writer that died right after its link left one under ``.tmp/``."""
        if status.st_nlink == 1:
            return
        with contextlib.suppress(FileNotFoundError), self._directory((TEMPORARY,)) as temporary:
            with os.scandir(temporary) as entries:
                names = [entry.name for entry in entries if entry.inode() == status.st_ino]
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(status, os.stat(name, dir_fd=temporary, follow_symlinks=False)):
                        os.unlink(name, dir_fd=temporary)
            os.fsync(temporary)

    def _remove_empty(self, parents: tuple[str, ...]) -> None:
        for depth in range(len(parents), 0, -1):
            with self._directory(parents[: depth - 1]) as above:
                try:
                    os.rmdir(parents[depth - 1], dir_fd=above)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                        return
                    raise
                os.fsync(above)

    @override
    def pending_uploads(self, prefix: str) -> Iterator[PendingUpload]:
        """Temporary files that a writer left or is still writing, by name; ``begun_at`` is the last write to it.

        Of a key longer than some 200 bytes only the beginning is kept.
        """
        pending: list[PendingUpload] = []
        try:
            with self._directory((TEMPORARY,)) as temporary, os.scandir(temporary) as entries:
                for entry in entries:
                    key = unquote(entry.name.partition("~")[2], errors="replace")
                    if not key.startswith(prefix):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        changed = entry.stat(follow_symlinks=False).st_mtime
                        pending.append(
                            PendingUpload(
                                key=key, upload_id=entry.name, begun_at=datetime.fromtimestamp(changed, tz=UTC)
                            )
                        )
        except FileNotFoundError:
            self._check_root()
        except OSError as error:
            raise translate(error, f"{self.location}/{TEMPORARY}", "it was not listed") from error
        yield from sorted(pending, key=lambda upload: (upload.key.encode(errors="replace"), upload.upload_id))

    @override
    def abort_upload(self, upload: PendingUpload) -> None:
        """A writer that still lives fails with TransientError and stores nothing."""
        if "/" in upload.upload_id or upload.upload_id in {"", ".", ".."}:
            raise IntegrityError(f"upload {upload.upload_id!a}: not a temporary file's name; nothing was removed")
        try:
            with self._directory((TEMPORARY,)) as temporary:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(upload.upload_id, dir_fd=temporary)
                os.fsync(temporary)
        except FileNotFoundError:
            self._check_root()
        except OSError as error:
            raise translate(error, f"{self.location}/{TEMPORARY}/{upload.upload_id}", "it was not removed") from error

    @override
    def clock(self) -> datetime | None:
        """None: this machine's own clock says nothing about itself."""
        return None

    @override
    def probe(self, token: str) -> StoreFacts:
        """Whether the disk is encrypted cannot be seen from here."""
        self._check_root()
        key = layout.probe_key(token)
        body, other_body = f"one {token}".encode(), f"other {token}".encode()
        try:
            self.delete(key)
            self.create(key, body, sha256=hashlib.sha256(body).hexdigest())
            try:
                self.create(key, other_body, sha256=hashlib.sha256(other_body).hexdigest())
                refused = False
            except ObjectExists:
                refused = self.read(key, size_bytes_max=len(body)) == body
            listed = next(self.list(key), None)
            with self._file(key) as file:
                status = os.fstat(file)
        finally:
            with contextlib.suppress(ArchiverError):
                self.delete(key)
        if listed is None:
            raise ConfigError(f"{self.location}: a file that was just written is not listed; nothing was kept")
        return StoreFacts(
            conditional_create=refused,
            versioning=False,
            object_lock=False,
            encryption=None,
            # The mode is asked of the file system: some (FAT, CIFS) do not keep the one that was set.
            public=bool(status.st_mode & stat.S_IROTH),
            clock_at=datetime.fromtimestamp(status.st_mtime, tz=UTC),
        )

    def _no_root(self) -> ConfigError:
        return ConfigError(
            f"{self.location}: there is no such directory; nothing was read or written",
            hint="is its file system mounted? A new archive's directory is made by `archiver init`",
        )

    def _check_root(self) -> None:
        with contextlib.suppress(PermissionError):
            if not self.root.is_dir():
                raise self._no_root()

    @contextmanager
    def _directory(self, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """An open directory below the root, reached without following a link.

        Raises:
            FileNotFoundError: It does not exist and was not to be made.
            ConfigError: The root does not exist.
        """
        try:
            # The root may be a symbolic link; what lies below it may not.
            current = os.open(self.root, _DIRECTORY & ~os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._no_root() from error
        try:
            for part in parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=current)
                below = os.open(part, _DIRECTORY, dir_fd=current)
                os.close(current)
                current = below
            yield current
        finally:
            os.close(current)

    @contextmanager
    def _file(self, key: str) -> Iterator[int]:
        """An object's file, open for reading. A directory is no object: the key is free."""
        *parents, last = key.split("/")
        with self._directory(tuple(parents)) as parent:
            file = os.open(last, _READ, dir_fd=parent)
        try:
            status = os.fstat(file)
            if stat.S_ISDIR(status.st_mode):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            self._plain(key, status)
            yield file
        finally:
            os.close(file)


class _TranslatingFile(io.RawIOBase):
    """An open file whose read errors are ours. Does not own the descriptor."""

    def __init__(self, file: int, name: str) -> None:
        super().__init__()
        self._file = file
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        try:
            return os.readv(self._file, [buffer])
        except OSError as error:
            raise translate(error, self._name, "it was not read to its end") from error


def _reference(key: str, status: os.stat_result) -> ObjectRef:
    return ObjectRef(key=key, size_bytes=status.st_size, modified_at=datetime.fromtimestamp(status.st_mtime, tz=UTC))


def _pending_name(key: str) -> str:
    """A temporary file's name: random, then as much of the key as fits."""
    return f"{secrets.token_hex(8)}~{quote(key, safe='=')}"[:PENDING_NAME_BYTES_MAX]
