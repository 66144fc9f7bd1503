"""Which chunks are due to be archived, and which are left alone and why. Looks at names; writes nothing."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from archiver.contracts import ChunkRef, ChunkSource
from archiver.errors import ObjectMissing
from archiver.ledger.holdings import DatasetHoldings
from archiver.ledger.ledger import Ledger
from archiver.model import Wait
from archiver.operations.logs.lists import ChunkLists, KnownChunk
from archiver.operations.logs.requests import Rule, rules
from archiver.operations.logs.settings import LokiSettings
from archiver.section import PART_SIZE_BYTES


class LokiOptions(LokiSettings):
    """How an export of logs works.

    Attributes:
        part_size_bytes_max: A part is closed at about this size.
        since, until: Only chunks with a bound inside; None is unbounded.
    """

    since: datetime | None = None
    until: datetime | None = None
    part_size_bytes_max: int = PART_SIZE_BYTES
    accepts_drift: bool = False


@dataclass(frozen=True, slots=True)
class WaitingChunk:
    """A chunk that is left alone, and why."""

    ref: ChunkRef
    reason: Wait
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPlan:
    """What an export of logs would do.

    Attributes:
        due: In the order of their times.
        waiting: There, but left alone.
        gone: Seen before, never archived, no longer there: chunk and the reason it waited for.
        archived: How many that are there have been archived before.
        held: Those.
        in_quarantine: There, and looked at before: these very bytes are not sound.
    """

    due: tuple[ChunkRef, ...]
    waiting: tuple[WaitingChunk, ...]
    gone: tuple[tuple[KnownChunk, Wait], ...]
    archived: int
    rules: Mapping[str, tuple[Rule, ...]]
    held: tuple[ChunkRef, ...] = ()
    in_quarantine: tuple[ChunkRef, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Of the chunks that are due."""
        return sum(ref.size_bytes for ref in self.due)


@dataclass(frozen=True, slots=True)
class ChunkPlanner:
    """Decides about the chunks of one dataset.

    Attributes:
        now: The local clock.
    """

    ledger: Ledger
    source: ChunkSource
    dataset: str
    lists: ChunkLists
    options: LokiOptions
    now: Callable[[], datetime]

    def plan(self) -> ChunkPlan:
        """Look at every chunk that is there. Reads no chunk, writes nothing."""
        refs = self.present()
        held = self.ledger.holdings.dataset(self.dataset)
        archived = self._archived(held, refs.values())
        quarantined = self._in_quarantine(held)
        wanted = self._rules({ref.tenant for ref in refs.values()})
        now = self.now()
        due: list[ChunkRef] = []
        unsound: list[ChunkRef] = []
        waiting: list[WaitingChunk] = []
        for ref in sorted(refs.values(), key=lambda ref: (ref.from_ms, ref.chunk)):
            if ref.chunk in archived:
                continue
            if ref.chunk in quarantined and self._is_unchanged(ref, quarantined[ref.chunk]):
                unsound.append(ref)
                continue
            reason = self._reason(ref, now, wanted[ref.tenant][1])
            if reason is None:
                due.append(ref)
            else:
                waiting.append(reason)
        gone = [
            (known, Wait(known.reason))
            for known in self._waited(held)
            if known.chunk not in refs and known.chunk not in archived and known.chunk not in quarantined
        ]
        return ChunkPlan(
            due=tuple(due),
            waiting=tuple(waiting),
            gone=tuple(gone),
            archived=len(archived & refs.keys()),
            rules={tenant: asked for tenant, (asked, _) in wanted.items()},
            held=tuple(ref for ref in refs.values() if ref.chunk in archived),
            in_quarantine=tuple(unsound),
        )

    def present(self) -> dict[str, ChunkRef]:
        """Every chunk that is there, by name."""
        refs: dict[str, ChunkRef] = {}
        for ref in self.source.chunks():
            known = refs.get(ref.chunk)
            # A chunk may lie in two places, where a schema period was moved: the same bytes, by its checksum.
            if known is None or ref.name < known.name:
                refs[ref.chunk] = ref
        return refs

    def _reason(self, ref: ChunkRef, now: datetime, unknown: str) -> WaitingChunk | None:
        if ref.modified_at > now - self.options.settle:
            return WaitingChunk(ref, Wait.WRITTEN)
        if (self.options.since is not None and ref.through_ms < self.options.since.timestamp() * 1000) or (
            self.options.until is not None and ref.from_ms >= self.options.until.timestamp() * 1000
        ):
            return WaitingChunk(ref, Wait.NOT_ASKED)
        if ref.size_bytes > self.options.chunk_size_bytes_max:
            return WaitingChunk(ref, Wait.TOO_LARGE)
        if unknown:
            return WaitingChunk(ref, Wait.DELETION, unknown)
        return None

    def _rules(self, tenants: Iterable[str]) -> dict[str, tuple[tuple[Rule, ...], str]]:
        by_tenant = {}
        for tenant in sorted(tenants):
            answer = self.source.deletion_requests(tenant)
            by_tenant[tenant] = (rules(answer.requests), answer.unknown)
        return by_tenant

    def _in_quarantine(self, held: DatasetHoldings) -> dict[str, str]:
        """Chunks whose bytes were looked at and refused, with the digest of these bytes."""
        chunks = held.chunks
        refused = {event.chunk: event.sha256 for event in chunks.quarantined.values()}
        return {**{chunk: sha256 for sha256, chunk in chunks.released.items()}, **refused}

    def _is_unchanged(self, ref: ChunkRef, sha256: str) -> bool:
        try:
            return hashlib.sha256(self.source.read(ref)).hexdigest() == sha256
        except ObjectMissing:
            return True

    def _archived(self, held: DatasetHoldings, refs: Iterable[ChunkRef]) -> set[str]:
        """Names of archived chunks, of all lists that may name one of ``refs``."""
        spans = list(refs)
        if not spans:
            return set()
        low, high = min(ref.from_ms for ref in spans), max(ref.through_ms for ref in spans)
        names: set[str] = set()
        for event in held.chunks.archived:
            if event.list.from_ms <= high and low <= event.list.through_ms:
                names.update(self.lists.read(event.list).column("chunk").to_pylist())
        return names

    def _waited(self, held: DatasetHoldings) -> list[KnownChunk]:
        waiting = held.chunks.waiting
        if waiting is None or waiting.list is None:
            return []
        return self.lists.chunks(waiting.list)


def rounds(due: Sequence[ChunkRef], size_bytes_max: int) -> Iterator[list[ChunkRef]]:
    """Consecutive chunks of about so many bytes together."""
    taken: list[ChunkRef] = []
    size_bytes = 0
    for ref in due:
        if taken and size_bytes + ref.size_bytes > size_bytes_max:
            yield taken
            taken, size_bytes = [], 0
        taken.append(ref)
        size_bytes += ref.size_bytes
    if taken:
        yield taken
