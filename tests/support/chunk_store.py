"""A chunk store in memory: chunks come, change and go as a test says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from archiver.contracts import ChunkRef, ChunkRows, DeletionRequests, ObjectRef
from archiver.errors import IntegrityError, ObjectMissing, Partial, TransientError
from archiver.neighbours.loki.chunk import DECODED_BYTES_MAX
from archiver.neighbours.loki.source import LokiSource
from tests.support.faulty import Faults
from tests.support.loki_encoder import Writing


@dataclass
class MemoryChunks:
    """Names and bytes; ``read`` of a name in ``failing`` fails as often as it says."""

    objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)

    @property
    def location(self) -> str:
        return "memory:chunks"

    def read(self, key: str, *, size_bytes_max: int) -> bytes:
        if self.failing.get(key, 0) > 0:
            self.failing[key] -= 1
            raise TransientError(f"{key}: injected fault")
        if key not in self.objects:
            raise ObjectMissing(f"{key}: no such object")
        data = self.objects[key][0]
        if len(data) > size_bytes_max:
            raise IntegrityError(f"{key}: larger than {size_bytes_max} bytes")
        return data

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        for key, (data, modified_at) in sorted(self.objects.items()):
            if key.startswith(prefix):
                yield ObjectRef(key=key, size_bytes=len(data), modified_at=modified_at)

    def put(self, writing: Writing, at: datetime = datetime(2026, 3, 8, tzinfo=UTC)) -> str:
        """Store a chunk under its own name, which is returned."""
        name = writing.key().path()
        self.objects[name] = (writing.data(), at)
        return name


@dataclass
class MemoryLoki:
    """A source on such a store, with deletion requests as a test sets them."""

    store: MemoryChunks = field(default_factory=MemoryChunks)
    requests: DeletionRequests = field(default_factory=DeletionRequests)
    decoded_bytes_max: int = DECODED_BYTES_MAX
    faults: Faults = field(default_factory=Faults)
    used: str = ""

    @property
    def location(self) -> str:
        return self.store.location

    def chunks(self) -> Iterator[ChunkRef]:
        return LokiSource(self.store).chunks()

    def read(self, ref: ChunkRef) -> bytes:
        return LokiSource(self.store).read(ref)

    def decode(self, ref: ChunkRef, data: bytes) -> ChunkRows:
        return LokiSource(self.store, decoded_bytes_max=self.decoded_bytes_max).decode(ref, data)

    def signs_of_use(self, since: datetime) -> str:
        del since
        return self.used

    def remove(self, ref: ChunkRef) -> None:
        with self.faults.call("source.commit", ref.name):
            found = self.store.objects.get(ref.name)
            if found is None:
                return
            if (len(found[0]), found[1]) != (ref.size_bytes, ref.modified_at):
                raise Partial(f"{ref.name}: is not what was read any more; it was left alone")
            del self.store.objects[ref.name]

    def deletion_requests(self, tenant: str) -> DeletionRequests:
        del tenant
        return self.requests
