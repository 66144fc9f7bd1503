"""Proof that the archive holds every line of some chunks: they are read again as if they were new, and nothing is."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from archiver.contracts import ChunkRef, ChunkSource
from archiver.ledger.ledger import Ledger
from archiver.model import Dataset, Reason, Statement
from archiver.operations.logs.decode import (
    DecodedChunk,
    Decoder,
    LineScrubber,
    LokiProgress,
    UnsoundChunk,
    numbered_sources,
    places_of,
)
from archiver.operations.logs.lists import ChunkLists
from archiver.operations.logs.merge import Merge, fetched_days, identities, segments_of
from archiver.operations.logs.plan import ChunkPlan, ChunkPlanner, LokiOptions, WaitingChunk
from archiver.operations.logs.rows import Place
from archiver.operations.steps.run import Run


@dataclass(frozen=True, slots=True)
class ChunkProof:
    """What a chunk's bytes on disk say.

    Attributes:
        missing: Why it is not proven; None: each of its lines is in the archive, or somebody asked to delete it.
        places: The days that it has lines of.
        keys: The segments that were compared with it.
    """

    missing: Statement | None
    places: frozenset[Place] = frozenset()
    keys: frozenset[str] = frozenset()


class LokiProof:
    """Looks what an export of chunks that are archived would still add. Writes nothing but files of the work directory.

    Args:
        ledger: Need not have a signer.
        scrubber, now: As for the export.
    """

    def __init__(
        self,
        ledger: Ledger,
        source: ChunkSource,
        dataset: Dataset,
        *,
        options: LokiOptions,
        scrubber: LineScrubber | None,
        run: Run,
        progress: LokiProgress,
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._dataset = dataset
        self._options = options
        self._run = run
        lists = ChunkLists(ledger, dataset.name)
        self._planner = ChunkPlanner(ledger, source, dataset.name, lists, options, now)
        self._decoder = Decoder(source, self._planner.present, scrubber, _left_alone, run, progress, now)

    def plan(self) -> ChunkPlan:
        """What an export would do. Reads no chunk."""
        return self._planner.plan()

    def prove(self, refs: Sequence[ChunkRef], plan: ChunkPlan) -> dict[str, ChunkProof]:
        """Read chunks and compare every line with the archive's own segments, read back from the store.

        Args:
            refs: At most what may be decoded at once (``LokiOptions.round_size_bytes_max``).

        Raises:
            IntegrityError: A segment is not what the ledger says.
        """
        held = self._ledger.holdings.dataset(self._dataset.name)
        with ExitStack() as files:
            outcomes = self._decoder.decode(files, refs, plan.rules)
            done = [outcome for outcome in outcomes if isinstance(outcome, DecodedChunk)]
            numbers = numbered_sources(refs)
            origins = {numbers[decoded.origin.ref.chunk]: decoded.origin for decoded in done}
            places = places_of(done)
            segments = {place: segments_of(held, place) for place in places}
            unverified = {place for place in places if any(part.verified_at is None for part in segments[place])}
            with ThreadPoolExecutor(self._run.jobs, thread_name_prefix="days") as pool:
                paths = fetched_days(files, pool, self._run, self._ledger.store, held, places)

                def lacking(place: Place) -> set[str]:
                    earlier = [identities(path) for path in paths[place]]
                    merge = Merge(place, places[place], origins, self._options.label_columns, earlier)
                    return {
                        name
                        for rows in merge.batches()
                        for name in rows.column("chunk").dictionary_decode().to_pylist()
                    }

                new = set().union(*pool.map(lacking, places))
        streams = {
            (decoded.origin.ref.tenant, decoded.origin.ref.stream)
            for decoded in done
            if decoded.origin.ref.chunk in new
        }
        proofs = {}
        for ref, outcome in zip(refs, outcomes, strict=True):
            if not isinstance(outcome, DecodedChunk):
                proofs[ref.chunk] = ChunkProof(_why(outcome))
                continue
            days = frozenset(piece.place for piece in outcome.pieces)
            keys = frozenset(part.segment.key for place in days for part in segments[place])
            missing: Statement | None = None
            # Of two chunks with one new line only the first one shows it: the whole stream is doubtful then.
            if (ref.tenant, ref.stream) in streams:
                missing = Reason.LINES_MISSING()
            elif days & unverified:
                missing = Reason.NOT_VERIFIED()
            proofs[ref.chunk] = ChunkProof(missing, days, keys)
        return proofs


def _left_alone(data: bytes, sha256: str) -> None:
    """Bytes that are not sound: an export takes them into quarantine, a proof writes nothing."""


def _why(outcome: UnsoundChunk | WaitingChunk | None) -> Statement:
    if outcome is None:
        return Reason.CHUNK_GONE()
    if isinstance(outcome, UnsoundChunk):
        return Reason.CHUNK_UNSOUND()
    return outcome.reason()
