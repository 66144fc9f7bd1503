"""The private key and the privacy key, and the files that hold them.

A file is read only when nobody else may read it, and made once, with mode 0600, durably.

"Nobody else" is libpq's rule: mode 0600 where the file is ours, and 0640 where it is root's, because systemd's
credentials and Kubernetes' secrets are root's files that our group, or an access list, which shows as the group's bits,
lets us read.
"""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from archiver.config import Settings
from archiver.errors import AccessDenied, ConfigError, LocalResourceError
from archiver.ledger.entries import Signer
from archiver.model import Dataset, PolicyAction
from archiver.privacy.key import KEY_BYTES, PrivacyKey

PRIVATE_FILE = 0o600


def load_signer(settings: Settings) -> Signer:
    """Read the private key.

    Raises:
        ConfigError: It is not set, not there, not a key, or readable by others.
    """
    path = settings.signing_key_file
    if path is None:
        raise ConfigError(
            "the setting `signing_key_file` (ARCHIVER_SIGNING_KEY_FILE) is not set; nothing was touched",
            hint="`archiver init` makes the key and writes the setting",
        )
    lost = "restore it from its copy; without it nothing can be added to the archive"
    return Signer.from_pem(read_private(path, "private key", lost=lost), where=str(path))


def make_signer(path: Path) -> tuple[Signer, bool]:
    """Read the key at a path, or make one there with mode 0600, durably. Says whether it was made.

    Raises:
        ConfigError: What stands there is no key.
        LocalResourceError: It cannot be written.
    """
    if path.exists():
        return Signer.from_pem(path.read_bytes(), where=str(path)), False
    signer = Signer.generate()
    make_private(path, signer.to_pem(), "private key")
    return signer, True


def load_privacy_key(settings: Settings, what: str) -> PrivacyKey:
    """Read the privacy key.

    Args:
        what: What needs it, for the message.

    Raises:
        ConfigError: It is not set, not there, not a key, or readable by others.
    """
    path = settings.privacy_key_file
    if path is None:
        raise ConfigError(
            f"{what} needs the setting `privacy_key_file` (ARCHIVER_PRIVACY_KEY_FILE), which is not set; nothing was"
            " touched",
            hint="`archiver init` makes the key and writes the setting",
        )
    lost = "restore it from its copy: digests made with it cannot be made again without it"
    return PrivacyKey.from_text(read_private(path, "privacy key", lost=lost), where=str(path))


def policy_key(settings: Settings, datasets: Iterable[Dataset]) -> PrivacyKey | None:
    """The privacy key, when a column policy of some dataset writes digests.

    Raises:
        ConfigError: As ``load_privacy_key``.
    """
    asking = [dataset.name for dataset in datasets if PolicyAction.HMAC in dataset.policies.values()]
    return load_privacy_key(settings, f"datasets.{asking[0]}.columns asks for hmac and") if asking else None


def make_privacy_key(path: Path) -> tuple[PrivacyKey, bool]:
    """Read the privacy key at a path, or make one there with mode 0600, durably. Says whether it was made.

    Raises:
        ConfigError: What stands there is no key.
        LocalResourceError: It cannot be written.
    """
    if path.exists():
        return PrivacyKey.from_text(path.read_bytes(), where=str(path)), False
    key = PrivacyKey(secrets.token_bytes(KEY_BYTES))
    make_private(path, key.to_text(), "privacy key")
    return key, True


# ── Their files ───────────────────────────────────────────────────────────────────────────────────────────────────────


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
