"""Names of Loki's chunk objects, in every layout and spelling that Loki writes."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Literal

_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class ChunkKey:
    """What a chunk object's name says. Times are milliseconds since the epoch, ``crc`` is that of the whole object."""

    tenant: str
    fingerprint: int
    from_ms: int
    through_ms: int
    crc: int

    def path(self, *, layout: Literal["flat", "directory"] = "directory", encoded: bool = True) -> str:
        """The object's path below the root of the store.

        Args:
            layout: "flat" up to Loki's schema v11, "directory" from v12 on.
            encoded: Base64, as filesystem stores have it; object stores use the plain key.
        """
        head = f"{self.tenant}/{self.fingerprint:x}"
        tail = f"{self.from_ms:x}:{self.through_ms:x}:{self.crc:x}"
        if layout == "flat":
            key = f"{head}:{tail}"
            return base64.b64encode(key.encode()).decode() if encoded else key
        return f"{head}/{base64.b64encode(tail.encode()).decode() if encoded else tail}"

    def __str__(self) -> str:
        return self.path(encoded=False)


_TENANT = r"(?P<tenant>(?!\.{1,2}/)[A-Za-z0-9!\-_.*'()]{1,150})"
_NUMBER = r"(?:0|[1-9a-f][0-9a-f]{0,15})"
_KEY = re.compile(
    rf"{_TENANT}/(?P<fingerprint>{_NUMBER})[:/](?P<start>-?{_NUMBER}):(?P<end>-?{_NUMBER})"
    r":(?P<crc>0|[1-9a-f][0-9a-f]{0,7})"
)


def parse_key(path: str) -> ChunkKey | None:
    """Read an object's path below the root of a chunk store, whatever its layout, base64 or plain.

    Returns:
        None when no chunk has such a path: index files, delete requests, the cluster seed, anything else. Only the one
        spelling that Loki writes is taken, so that ``path`` gives back what was read.
    """
    head, slash, name = path.rpartition("/")
    plain = path
    if ":" not in name:
        try:
            decoded = base64.b64decode(name, validate=True)
            if base64.b64encode(decoded).decode() != name:
                return None
            plain = f"{head}{slash}{decoded.decode('ascii')}"
        except (binascii.Error, ValueError):
            return None
    match = _KEY.fullmatch(plain)
    if match is None:
        return None
    key = ChunkKey(
        tenant=match["tenant"],
        fingerprint=int(match["fingerprint"], 16),
        from_ms=int(match["start"], 16),
        through_ms=int(match["end"], 16),
        crc=int(match["crc"], 16),
    )
    if not (-_INT64_MAX <= key.from_ms <= _INT64_MAX and -_INT64_MAX <= key.through_ms <= _INT64_MAX):
        return None
    layouts: tuple[Literal["flat", "directory"], ...] = ("flat", "directory")
    spellings = {key.path(layout=layout, encoded=encoded) for layout in layouts for encoded in (True, False)}
    return key if path in spellings else None
