"""The ledger: what the archive holds, and everything that was ever done to it.

Checked when written and when read:

- ``seq`` counts from 0 without a gap
- ``prev`` is the SHA-256 of the file of entry ``seq - 1``, or 64 zeros for entry 0
- ``at`` never goes back
- a file is canonical JSON (RFC 8785) and signed with the archive's Ed25519 key
- a file is created only if absent, and never written again
- an entry names only objects that were durable before it was written

An entry's hash is the SHA-256 of its file as it lies in the store, signature included, so that ``sha256sum`` shows it.
Because each entry names the hash of the one before, the signature of the last one vouches for all of them: opening
checks every hash and one signature, ``verify`` checks every signature.

Two ways to order writers, fixed when the archive begins:

- ``conditional``: the key of an entry is its number and the store creates only if absent. Of two runs that saw the
  same head one takes the next number. The anchor follows.
- ``anchor``: the store overwrites silently, so the key of an entry carries its hash, nothing can be overwritten, and
  the entry counts once the anchor's compare-and-swap has moved to it. The loser's entry is litter.

There is no lock to leak in either: a run that dies has simply not appended.
"""

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Discriminator, ValidationError

from archiver import __version__, layout
from archiver.contracts import ObjectStore
from archiver.errors import ConfigError, IntegrityError, LedgerBroken, ObjectMissing
from archiver.model import FORMAT_VERSION, Checkpoint, Entry, Event

TOOL = f"archiver {__version__}"


ENTRY_SIZE_BYTES_MAX = 16 * 1024 * 1024


RESTORE_HINT = (
    "an entry was altered, cut out or put in; `archiver verify` names it; restore ledger/ from a copy that verifies"
)


PACK_SIZE_BYTES_MAX = layout.PACK_ENTRIES * ENTRY_SIZE_BYTES_MAX


FORMAT_VERSION_MIN = 1
PARALLEL_READS = 16


REFRESH_ROUNDS_MAX = 8


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


class Signer:
    """The archive's private key. Its text form never shows it."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw().hex()

    @classmethod
    def generate(cls) -> "Signer":
        """A new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, data: bytes, *, where: str) -> "Signer":
        """Read a key as ``to_pem`` writes it.

        Raises:
            ConfigError: It is not an unencrypted Ed25519 private key. The message shows only ``where``.
        """
        try:
            private = serialization.load_pem_private_key(data, password=None)
        except (ValueError, TypeError) as exc:
            raise ConfigError(
                f"{where}: not a readable private key; nothing was signed",
                hint="it must be the unencrypted PEM file that `archiver init` wrote",
            ) from exc
        if not isinstance(private, Ed25519PrivateKey):
            raise ConfigError(f"{where}: an Ed25519 private key is needed, this is another kind; nothing was signed")
        return cls(private)

    def to_pem(self) -> bytes:
        """PKCS 8, unencrypted; to be stored with mode 0600."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, data: bytes) -> str:
        """The signature as 128 hex digits. The same data gives the same signature."""
        return self._private.sign(data).hex()

    def __repr__(self) -> str:
        return f"Signer(public_key={self.public_key!r})"


def signature_is_valid(public_key: str, signature: str, data: bytes) -> bool:
    """Whether ``signature`` over ``data`` was made with the private half of ``public_key``; both are hex."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


class _EntryFile(BaseModel):
    """An entry as it is written: its fields, and the signature over all the others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int
    seq: int
    at: datetime
    run: str
    tool: str
    prev: str
    events: tuple[Annotated[Event, Discriminator("kind")], ...]
    signature: str


class Descriptor(BaseModel):
    """``archive.json``: what a reader must know before it reads anything else.

    Attributes:
        ordering: As in ``model.Initialised``, which repeats all this under a signature.
        public_key: 32 bytes as hex. A stranger compares it with the one that was handed to them.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int
    archive_id: str
    ordering: Literal["conditional", "anchor"]
    public_key: str


@dataclass(frozen=True, slots=True)
class SignedEntry:
    """An entry with the bytes of its file."""

    entry: Entry
    signature: str
    data: bytes

    @property
    def hash(self) -> str:
        """SHA-256 of the file."""
        return sha256_hex(self.data)


def encode_entry(entry: Entry, signer: Signer) -> SignedEntry:
    """The bytes of an entry's file, signed."""
    body = _EntryFile.model_construct(**_fields(entry), signature="").model_dump(mode="json")
    del body["signature"]
    signature = signer.sign(rfc8785.dumps(body))
    return SignedEntry(entry, signature, rfc8785.dumps({**body, "signature": signature}))


def decode_entry(data: bytes, *, where: str, strict: bool = True) -> SignedEntry:
    """Read an entry's file.

    Args:
        where: The key, for messages.
        strict: Also check that the bytes are the canonical form of what was understood, so that nothing in them
            was passed over. False for bytes that were checked before.

    Raises:
        ConfigError: It is of another format.
        LedgerBroken: It is not an entry as this version writes it.
    """
    try:
        file = _EntryFile.model_validate_json(data)
    except ValidationError as exc:
        if (version := _format_of(data)) not in (0, FORMAT_VERSION):
            raise _other_format(where, version) from exc
        first = exc.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise LedgerBroken(
            f"{where}: not a ledger entry ({place}: {first['type']}); nothing was read further", hint=RESTORE_HINT
        ) from exc
    if file.format != FORMAT_VERSION:
        raise _other_format(where, file.format)
    if strict and not _is_canonical(file.model_dump(mode="json"), data):
        raise LedgerBroken(
            f"{where}: not in canonical form, or holds fields that this version does not know; nothing was read on",
            hint=RESTORE_HINT,
        )
    fields = {name: getattr(file, name) for name in _EntryFile.model_fields if name != "signature"}
    return SignedEntry(Entry(**fields), file.signature, data)


_COMPACT = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _is_canonical(body: dict[str, Any], data: bytes) -> bool:
    """Whether ``data`` is the canonical form of ``body``.

    The compiled encoder is tried first, which takes a tenth of the time: of text, whole numbers and truth values under
    names in ASCII, and no event has anything else, it makes the canonical form.
    """
    return _COMPACT.encode(body).encode(errors="surrogatepass") == data or rfc8785.dumps(body) == data


def signed_body(data: bytes) -> bytes:
    """The bytes that an entry's signature covers: its file without the member ``signature``, canonical."""
    body = json.loads(data)
    body.pop("signature", None)
    return rfc8785.dumps(body)


def encode_descriptor(descriptor: Descriptor) -> bytes:
    """The bytes of ``archive.json``."""
    return rfc8785.dumps(descriptor.model_dump(mode="json"))


def read_descriptor(store: ObjectStore) -> Descriptor:
    """Read ``archive.json``.

    Raises:
        ConfigError: There is no archive here, or it is of another format.
        IntegrityError: It cannot be understood.
    """
    try:
        data = store.read(layout.DESCRIPTOR, size_bytes_max=64 * 1024)
    except ObjectMissing as exc:
        raise ConfigError(
            f"{store.location}: there is no archive here ({layout.DESCRIPTOR} is missing); nothing was touched",
            hint="run `archiver init` to begin one, or correct the setting `store`",
        ) from exc
    if (version := _format_of(data)) not in (0, FORMAT_VERSION):
        raise _other_format(f"{store.location}: {layout.DESCRIPTOR}", version)
    try:
        descriptor = Descriptor.model_validate_json(data)
    except ValidationError as exc:
        raise _altered_descriptor(store, "cannot be understood") from exc
    # Written once, in one form: a member twice, another spacing or number is somebody else's hand.
    if encode_descriptor(descriptor) != data or descriptor.format < FORMAT_VERSION_MIN:
        raise _altered_descriptor(store, "is not in the form in which it was written")
    return descriptor


def _altered_descriptor(store: ObjectStore, what: str) -> IntegrityError:
    return IntegrityError(
        f"{store.location}: {layout.DESCRIPTOR} {what}; nothing was touched",
        hint="compare it with entry 0 of the ledger, which repeats it under a signature",
    )


def _format_of(data: bytes) -> int:
    with contextlib.suppress(ValueError, AttributeError):
        version = json.loads(data).get("format")
        return version if isinstance(version, int) else 0
    return 0


def _other_format(where: str, version: int) -> ConfigError:
    return ConfigError(
        f"{where}: the archive has format {version}, this version reads format {FORMAT_VERSION}; nothing was touched",
        hint="upgrade archiver"
        if version > FORMAT_VERSION
        else "read it with the version that wrote it, and begin a new archive with `archiver init`",
    )


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__dataclass_fields__}


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> Checkpoint:
    """The checkpoint with its signature."""
    return replace(checkpoint, signature=signer.sign(_checkpoint_body(checkpoint)))


def check_checkpoint(checkpoint: Checkpoint, public_key: str, *, where: str) -> None:
    """Raise LedgerBroken unless the archive's key signed the checkpoint."""
    if not signature_is_valid(public_key, checkpoint.signature, _checkpoint_body(checkpoint)):
        raise LedgerBroken(
            f"{where}: the checkpoint of entry {checkpoint.seq} is not signed by the archive's key; nothing was done",
            hint="somebody altered the anchor, or it belongs to another archive of the same name",
        )


def _checkpoint_body(checkpoint: Checkpoint) -> bytes:
    body = asdict(checkpoint)
    del body["signature"]
    return rfc8785.dumps({"type": "archiver-checkpoint", **body})
