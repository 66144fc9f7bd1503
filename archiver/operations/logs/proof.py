"""Proof that the archive holds every line of some chunks: they are read again as if they were new, and nothing is."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from archiver.contracts import ChunkRef
from archiver.operations.logs.export import (
    ChunkPlan,
    DecodedChunk,
    LokiExport,
    UnsoundChunk,
    WaitingChunk,
    identities,
    numbered_sources,
    places_of,
    segments_of,
)
from archiver.operations.logs.rows import Merge, Place


@dataclass(frozen=True, slots=True)
class ChunkProof:
    """What a chunk's bytes on disk say.

    Attributes:
        missing: Why it is not proven; empty: each of its lines is in the archive, or somebody asked to delete it.
        places: The days that it has lines of.
        keys: The segments that were compared with it.
    """

    missing: str
    places: frozenset[Place] = frozenset()
    keys: frozenset[str] = frozenset()


class LokiProof(LokiExport):
    """An export that writes nothing: it looks what an export of chunks that are archived would still add."""

    def prove(self, refs: Sequence[ChunkRef], plan: ChunkPlan) -> dict[str, ChunkProof]:
        """Read chunks and compare every line with the archive's own segments, read back from the store.

        Args:
            refs: At most what may be decoded at once (``LokiOptions.round_size_bytes_max``).

        Raises:
            IntegrityError: A segment is not what the ledger says.
        """
        held = self._held()
        with ExitStack() as files:
            outcomes = self._decoded(files, refs, plan)
            done = [outcome for outcome in outcomes if isinstance(outcome, DecodedChunk)]
            numbers = numbered_sources(refs)
            origins = {numbers[one.origin.ref.chunk]: one.origin for one in done}
            places = places_of(done)
            segments = {place: segments_of(held, place) for place in places}
            unverified = {place for place in places if any(one.verified_at is None for one in segments[place])}
            with ThreadPoolExecutor(self._run.jobs, thread_name_prefix="days") as pool:
                paths = self._fetched(files, pool, held, places)

                def lacking(place: Place) -> set[str]:
                    earlier = [identities(path) for path in paths[place]]
                    merge = Merge(place, places[place], origins, self._options.label_columns, earlier)
                    return {
                        name
                        for rows in merge.batches()
                        for name in rows.column("chunk").dictionary_decode().to_pylist()
                    }

                new = set().union(*pool.map(lacking, places))
        streams = {(one.origin.ref.tenant, one.origin.ref.stream) for one in done if one.origin.ref.chunk in new}
        proofs = {}
        for ref, outcome in zip(refs, outcomes, strict=True):
            if not isinstance(outcome, DecodedChunk):
                proofs[ref.chunk] = ChunkProof(_why(outcome))
                continue
            days = frozenset(piece.place for piece in outcome.pieces)
            keys = frozenset(one.segment.key for place in days for one in segments[place])
            missing = ""
            # Of two chunks with one new line only the first one shows it: the whole stream is doubtful then.
            if (ref.tenant, ref.stream) in streams:
                missing = "the archive does not hold all of its lines"
            elif days & unverified:
                missing = "not verified since it was archived"
            proofs[ref.chunk] = ChunkProof(missing, days, keys)
        return proofs

    def _keep(self, data: bytes) -> str:
        """Nothing is written: an export takes unsound bytes into quarantine."""
        return hashlib.sha256(data).hexdigest()


def _why(outcome: UnsoundChunk | WaitingChunk | None) -> str:
    if outcome is None:
        return "gone meanwhile"
    if isinstance(outcome, UnsoundChunk):
        return "its bytes are not sound any more"
    return str(outcome.reason)
