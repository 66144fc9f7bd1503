"""Which keys a store accepts: those that are one and the same object in every store, and never leave the root."""

from archiver.errors import IntegrityError

KEY_BYTES_MAX = 1024
"""S3's limit on a whole key."""

SEGMENT_BYTES_MAX = 255
"""The limit of common file systems on one name."""


def check_key(key: str) -> str:
    """Give back a key that is safe to use.

    Keys are built by ``layout``, but on reading they come out of entries, and an archive may be a stranger's.

    Raises:
        IntegrityError: It is empty or too long, starts or ends with a slash, has an empty, ``.`` or ``..`` part,
            starts with a dot, or holds control characters.
    """
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        encoded = b""
    parts = encoded.split(b"/")
    if (
        not encoded
        or len(encoded) > KEY_BYTES_MAX
        or encoded.startswith(b".")
        or any(part in {b"", b".", b".."} or len(part) > SEGMENT_BYTES_MAX for part in parts)
        or any(character < " " or character == "\x7f" for character in key)
    ):
        raise IntegrityError(
            f"key {key!a}: no archive has such a key; nothing was read or written under it",
            hint="whoever wrote this name may have meant to reach outside the archive",
        )
    return key
