"""Keyed digests of what identifies a person.

A digest is HMAC-SHA256 with the archive's privacy key over the UTF-8 of a value. The same value gives the same digest
wherever it stands, so that what belongs together stays together and a hold on a person finds their rows; without the
key nobody can find out whose it is by trying all phone numbers. Losing the key makes every digest unreadable for ever.
"""

import hmac
from collections.abc import Callable
from hashlib import sha256

from archiver.errors import ConfigError

KEY_BYTES = 32


class PrivacyKey:
    """The archive's privacy key.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a privacy key has {KEY_BYTES} bytes, this one {len(key)}")
        self._key = key

    def __repr__(self) -> str:
        return "PrivacyKey(…)"

    def digest(self, value: str) -> str:
        """64 hex digits."""
        return hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), sha256).hex()

    @classmethod
    def from_text(cls, data: bytes, *, where: str) -> "PrivacyKey":
        """Read 64 hex digits.

        Raises:
            ConfigError: It is anything else.
        """
        try:
            return cls(bytes.fromhex(data.decode("ascii", "replace").strip()))
        except ValueError as exc:
            raise ConfigError(
                f"{where}: this is not a privacy key, which is {2 * KEY_BYTES} hex digits; nothing was touched"
            ) from exc

    def to_text(self) -> bytes:
        """What a key file holds."""
        return self._key.hex().encode() + b"\n"

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell one key from another and say nothing about it."""
        return fingerprint_of(self.digest)


def fingerprint_of(digest: Callable[[str], str] | None) -> str:
    """Of the key that a digest is made with; empty where there is none."""
    return "" if digest is None else digest("archiver: fingerprint of the privacy key")[:16]
