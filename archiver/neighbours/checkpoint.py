"""A checkpoint as text, the same for every anchor: canonical JSON (RFC 8785) with exactly the fields of the noun."""

import json
import re
from typing import Any, Final

import rfc8785

from archiver.errors import IntegrityError
from archiver.model import Checkpoint

_FIELDS: Final = frozenset({"archive_id", "hash", "seq", "signature"})
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")

# The largest integer that every JSON reader gives back exactly.
_SEQ_MAX: Final = 2**53 - 1


def encode(checkpoint: Checkpoint) -> bytes:
    """The one text of a checkpoint, UTF-8."""
    return rfc8785.dumps(
        {
            "archive_id": checkpoint.archive_id,
            "hash": checkpoint.hash,
            "seq": checkpoint.seq,
            "signature": checkpoint.signature,
        }
    )


def decode(text: bytes, *, where: str) -> Checkpoint:
    """The checkpoint that a text says. Whether its signature holds is the ledger's to check.

    Args:
        where: The anchor's location, for the message.

    Raises:
        IntegrityError: The text is not JSON, or a field is missing, unknown, doubled or not of its form.
    """
    try:
        fields = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise _unreadable(where, "it is not a JSON object with distinct fields") from error
    if not isinstance(fields, dict):
        raise _unreadable(where, "it is not a JSON object")
    return from_fields(fields, where=where)


def from_fields(fields: dict[str, Any], *, where: str) -> Checkpoint:
    """The checkpoint that named values say, checked one by one.

    Raises:
        IntegrityError: A field is missing, unknown or not of its form.
    """
    if wrong := fields.keys() ^ _FIELDS:
        raise _unreadable(where, f"missing or unknown: {', '.join(sorted(map(ascii, wrong)))}")
    archive_id, hash_, seq, signature = (fields[name] for name in ("archive_id", "hash", "seq", "signature"))
    if not isinstance(archive_id, str) or not archive_id:
        raise _unreadable(where, "archive_id is not a name")
    if type(seq) is not int or not 0 <= seq <= _SEQ_MAX:
        raise _unreadable(where, "seq is not a whole number from 0 up")
    if not isinstance(hash_, str) or not _HASH.fullmatch(hash_):
        raise _unreadable(where, "hash is not a SHA-256 in 64 hex digits")
    if not isinstance(signature, str) or not _HEX.fullmatch(signature):
        raise _unreadable(where, "signature is not hex")
    return Checkpoint(archive_id=archive_id, seq=seq, hash=hash_, signature=signature)


def show(checkpoint: Checkpoint | None) -> str:
    """For messages."""
    return "nothing" if checkpoint is None else f"entry {checkpoint.seq} ({checkpoint.hash[:16]}…)"


def _unreadable(where: str, fact: str) -> IntegrityError:
    return IntegrityError(
        f"{where}: what stands there is not a checkpoint: {fact}; nothing was changed",
        hint="restore the anchor from a backup, or compare the ledger's head with the last report",
    )


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is doubled")
    return fields
