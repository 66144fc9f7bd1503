"""Files that hold a key: read only when nobody else may read them, made once, with mode 0600, durably.

"Nobody else" is libpq's rule: mode 0600 where the file is ours, and 0640 where it is root's, because systemd's
credentials and Kubernetes' secrets are root's files that our group, or an access list, which shows as the group's bits,
lets us read.
"""

import os
from pathlib import Path

from archiver.errors import AccessDenied, ConfigError, LocalResourceError

PRIVATE_FILE = 0o600


def read_private(path: Path, what: str, *, lost: str) -> bytes:
    """The bytes of a key file.

    Args:
        what: What it holds, for messages, as in ``private key``.
        lost: What a person can do when it is not there.

    Raises:
        ConfigError: It is not there, or others may read it.
        AccessDenied: It cannot be read.
    """
    try:
        status = path.stat()
        data = path.read_bytes()
    except FileNotFoundError as exc:
        raise ConfigError(f"{path}: there is no such {what}; nothing was touched", hint=lost) from exc
    except OSError as exc:
        raise AccessDenied(
            f"{path}: the {what} cannot be read ({exc.strerror}); nothing was touched",
            hint="name the file itself, and see that whoever runs archiver owns it",
        ) from exc
    mode = status.st_mode & 0o777
    if mode & _others(status.st_uid, os.geteuid()):
        raise ConfigError(
            f"{path}: the {what} has mode {mode:04o}, others may read it; nothing was touched", hint=f"chmod 600 {path}"
        )
    return data


def _others(owner: int, user: int) -> int:
    """The permission bits that must not be set on a file of this owner that this user reads."""
    return 0o037 if owner == 0 and user != 0 else 0o077


def make_private(path: Path, data: bytes, what: str) -> None:
    """Write a new key file with mode 0600. Never replaces one.

    Raises:
        LocalResourceError: It cannot be written, or is there already.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as exc:
        raise LocalResourceError(f"{path}: the {what} cannot be written ({exc.strerror})") from exc
