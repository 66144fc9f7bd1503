"""Chunks of logs: what a store of them lists, what one decodes to, and what somebody asked to be deleted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRef:
    """One chunk as a listing shows it; nothing of it was read.

    Attributes:
        name: Its key in the store.
        chunk: Its identity, whatever the store's layout: ``tenant/stream/from:through:crc``.
        stream: The stream's hash, 16 hex digits.
        from_ms, through_ms: Bounds as the name states them, in milliseconds since the epoch; entries can lie outside.
    """

    name: str
    chunk: str
    tenant: str
    stream: str
    from_ms: int
    through_ms: int
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRows:
    """What a sound chunk holds.

    Attributes:
        labels: Of its stream.
        table: Its entries in their order: ``timestamp`` (ns, UTC), ``line`` (text, NULL where it is none),
            ``line_bytes`` (binary, NULL where ``line`` is not), ``structured_metadata`` (map of text in which no name
            occurs twice; of two equal names the last one counts; NULL where it is no text), and
            ``structured_metadata_pairs`` (names and values as binary, in their order; NULL where the map says it all).
        line_bytes: Of all lines.
    """

    labels: Mapping[str, str]
    table: "pa.Table"
    line_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequest:
    """What somebody asked the logs' owner to delete.

    Attributes:
        query: Which lines, in the source's own language.
        start_ns, end_ns: Both included, in nanoseconds since the epoch.
        is_carried_out: The source says that it has done so; files that it superseded may still be there for a while.
    """

    request: str
    tenant: str
    query: str
    start_ns: int
    end_ns: int
    is_carried_out: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequests:
    """Every request that a tenant has made and not taken back.

    Attributes:
        unknown: Why the requests are unknown, empty when they are known. While they are unknown,
            any of the tenant's chunks may be touched.
    """

    requests: tuple[DeletionRequest, ...] = ()
    unknown: str = ""


class ChunkSource(Protocol):
    """Chunks of logs that somebody else writes, rewrites and deletes. Safe to use from several threads."""

    @property
    def location(self) -> str:
        """Where it is, for messages, without credentials."""
        ...

    def chunks(self) -> Iterator[ChunkRef]:
        """Every chunk that is there, whole or not, in no particular order; what is no chunk is passed over.

        Raises:
            ConfigError: There is no such place.
        """
        ...

    def read(self, ref: ChunkRef) -> bytes:
        """A chunk's bytes as they are now.

        Raises:
            ObjectMissing: It is gone.
            IntegrityError: It has grown beyond what the listing said.
        """
        ...

    def decode(self, ref: ChunkRef, data: bytes) -> ChunkRows:
        """A chunk's entries. No input or output happens.

        Raises:
            ChunkUnsound: Anything in it contradicts anything else, its name included.
        """
        ...

    def deletion_requests(self, tenant: str) -> DeletionRequests:
        """What is not to be archived of a tenant.

        Raises:
            AccessDenied, TransientError: As whoever knows it says.
        """
        ...


class DeletableChunks(ChunkSource, Protocol):
    """Chunks in a directory that their owner no longer reads: rotated away, or left behind."""

    def signs_of_use(self, since: datetime) -> str:
        """What says that its owner still uses the place, in words; empty where nothing does.

        Args:
            since: What was written before it is no sign.
        """
        ...

    def remove(self, ref: ChunkRef) -> None:
        """Delete a chunk that still is what the listing showed; durable when this returns. A free name is no error.

        Raises:
            Partial: It was written to since, or is no plain file; it was left alone.
            AccessDenied: This user may not delete it.
        """
        ...
