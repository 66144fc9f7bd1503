"""Loki's chunks for tests: an archive of them, and what the fixtures say they hold."""

import base64
import gzip
import json
import re
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb

from archiver.contracts import Anchor, ChunkSource, ObjectStore
from archiver.errors import TransientError
from archiver.ledger.holdings import DatasetHoldings
from archiver.ledger.ledger import Ledger, open_ledger
from archiver.model import Dataset
from archiver.operations.archive.init import initialise
from archiver.operations.archive.verify import VerifyReceipt, VerifyScope, record, verify
from archiver.operations.logs.decode import LineScrubber
from archiver.operations.logs.export import LokiExport, LokiReceipt
from archiver.operations.logs.plan import ChunkPlan, LokiOptions
from archiver.operations.logs.proof import LokiProof
from archiver.operations.logs.purge import LokiPurgePlan, LokiPurgeReceipt, PurgeLoki
from archiver.operations.logs.settings import LokiSettings
from archiver.operations.steps.run import Run
from tests.support.archive import ARCHIVE_ID, SIGNER, Silent, never_again

if TYPE_CHECKING:
    from archiver.contracts import DeletableChunks

DATA = Path(__file__).parents[1] / "data" / "loki"
SETS = sorted(path.name for path in DATA.iterdir() if path.is_dir())
LOGS = Dataset(name="loki", source="loki", namespace="", time_column="timestamp", key_columns=())
LATER = datetime(2027, 1, 1, tzinfo=UTC)
"""Long after every fixture was written."""

Entry = tuple[str, tuple[tuple[str, str], ...], int, bytes, tuple[tuple[str, str], ...]]
"""Tenant, labels, nanoseconds, line, structured metadata."""


class SilentChunks:
    """Watches and says nothing."""

    def chunks_planned(self, *_: Any) -> None:
        """Ignored."""

    def chunk_read(self, *_: Any) -> None:
        """Ignored."""

    def chunks_committed(self, *_: Any) -> None:
        """Ignored."""


@dataclass
class LokiArchive:
    """One archive of logs on any neighbours. Every method is one run of its own: nothing is remembered in between."""

    store: ObjectStore
    anchor: Anchor
    source: ChunkSource
    now: Callable[[], datetime] = lambda: LATER
    again: Callable[[int, TransientError], bool] = never_again
    jobs: int = 2
    options: LokiOptions = field(default_factory=lambda: LokiOptions(settle=timedelta(minutes=15)))
    scrubber: LineScrubber | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def init(self) -> None:
        """Begin the archive."""
        initialise(
            self.store,
            self.anchor,
            SIGNER,
            facts=self.store.probe("00"),
            archive_id=ARCHIVE_ID,
            run="init",
            now=self.now,
        )

    def open(self, run: str = "test") -> Ledger:
        """Open the ledger, as every run does."""
        return open_ledger(self.store, self.anchor, signer=SIGNER, run=run, now=self.now)

    def export(self) -> LokiReceipt:
        """One run of the export."""
        with self._export() as work:
            return work.run()

    def purge(self, rules: LokiSettings) -> tuple[LokiPurgePlan, LokiPurgeReceipt]:
        """Account for what an earlier run left, plan, execute."""
        with tempfile.TemporaryDirectory() as work_dir:
            run = self._run(Path(work_dir))
            work = self._purge(run, rules)
            reconciled = work.reconcile()
            plan = work.plan()
            receipt = work.execute(plan)
            receipt.chunks_reconciled = reconciled
            assert list(Path(work_dir).iterdir()) == []
            return plan, receipt

    def plan_purge(self, rules: LokiSettings) -> LokiPurgePlan:
        """What a purge would do."""
        with tempfile.TemporaryDirectory() as work_dir:
            return self._purge(self._run(Path(work_dir)), rules).plan()

    def _purge(self, run: Run, rules: LokiSettings) -> PurgeLoki:
        ledger = self.open(run.name)
        proof = LokiProof(
            ledger,
            self.source,
            LOGS,
            options=self.options,
            scrubber=self.scrubber,
            run=run,
            progress=SilentChunks(),
            now=self.now,
        )
        source = cast("DeletableChunks", self.source)
        return PurgeLoki(ledger, source, LOGS, proof, rules=rules, run=run, now=self.now())

    def verify_and_record(self) -> None:
        """Read everything back and say so in the ledger: what was not read back proves nothing."""
        with tempfile.TemporaryDirectory() as work_dir:
            scope = VerifyScope()
            receipt, holdings = verify(
                self.store,
                self.anchor,
                public_key=SIGNER.public_key,
                depth="digest",
                scope=scope,
                run=self._run(Path(work_dir)),
                progress=Silent(),
            )
            assert receipt.problems == []
            record(self.open(), receipt, holdings, scope)

    def plan(self) -> ChunkPlan:
        """What a run would do."""
        with self._export() as work:
            return work.plan()

    @property
    def held(self) -> DatasetHoldings:
        """What the ledger says."""
        return self.open().holdings.dataset(LOGS.name)

    def verify(self) -> VerifyReceipt:
        """One deep verification of everything, recorded nowhere."""
        with tempfile.TemporaryDirectory() as work_dir:
            receipt, _ = verify(
                self.store,
                self.anchor,
                public_key=SIGNER.public_key,
                depth="deep",
                scope=VerifyScope(),
                run=self._run(Path(work_dir)),
                progress=Silent(),
            )
        return receipt

    def check(self, expected: "Counter[Entry]") -> None:
        """The archive is sound, and DuckDB finds exactly these entries in its held segments, each once."""
        receipt = self.verify()
        assert receipt.problems == []
        found = self.entries()
        assert found == expected, f"{len(expected - found)} are missing, {len(found - expected)} are too many"

    def entries(self) -> "Counter[Entry]":
        """What DuckDB reads from the archive's held segments."""
        with tempfile.TemporaryDirectory() as copy:
            root = Path(copy)
            for held in self.held.segments():
                path = root / held.segment.key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.store.read(held.segment.key, size_bytes_max=1 << 30))
            return query(root) if any(root.rglob("*.parquet")) else Counter()

    def _export(self) -> "_Running":
        return _Running(self)

    def _run(self, work_dir: Path) -> Run:
        return Run(
            name=uuid.uuid4().hex,
            work_dir=work_dir,
            jobs=self.jobs,
            monotonic=lambda: 0.0,
            again=self.again,
            stop=self.stop,
        )


class _Running:
    """A run with a work directory, which must be empty at its end."""

    def __init__(self, archive: LokiArchive) -> None:
        self._archive = archive
        self._directory = tempfile.TemporaryDirectory()

    def __enter__(self) -> LokiExport:
        archive = self._archive
        run = archive._run(Path(self._directory.name))
        return LokiExport(
            archive.open(run.name),
            archive.source,
            LOGS,
            options=archive.options,
            scrubber=archive.scrubber,
            run=run,
            progress=SilentChunks(),
            now=archive.now,
        )

    def __exit__(self, *_: object) -> None:
        left = list(Path(self._directory.name).iterdir())
        self._directory.cleanup()
        assert left == []


def query(root: Path) -> "Counter[Entry]":
    """Every entry below an archive's root, read by DuckDB as a Hive table."""
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        rows = database.execute(
            "select tenant, labels, epoch_ns(timestamp), coalesce(encode(line), line_bytes), structured_metadata, date"
            f" from read_parquet('{root}/data/loki/*/*/*.parquet', hive_partitioning = true)"
        ).fetchall()
    found: Counter[Entry] = Counter()
    for tenant, labels, nanoseconds, line, metadata, day in rows:
        assert (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)).date() == day
        found[(tenant, _labels(labels), nanoseconds, bytes(line), metadata_shown(metadata.items()))] += 1
    return found


def _labels(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def metadata_shown(pairs: Any) -> tuple[tuple[str, str], ...]:
    """Structured metadata as Loki's answers have it: names spelled anew, of two equal names the last one."""
    return tuple(sorted({_name_shown(name): value for name, value in pairs}.items()))


def _name_shown(name: str) -> str:
    if name.startswith("__") and name.endswith("__") and len(name) > 4:
        return f"__{re.sub('[^A-Za-z0-9]+', '_', name[2:-2])}__"
    clean = re.sub("[^A-Za-z0-9]+", "_", name)
    return f"key_{clean}" if clean[:1].isdigit() else clean


def stated(name: str, *files: str) -> "Counter[Entry]":
    """The distinct entries that a fixture's files state."""
    return Counter({entry: 1 for file in files for entry in _entries(DATA / name / f"{file}.ndjson.gz")})


def _entries(path: Path) -> Iterator[Entry]:
    with gzip.open(path) as lines:
        for text in lines:
            one = json.loads(text)
            line = base64.b64decode(one["line_b64"]) if "line_b64" in one else one["line"].encode()
            yield (
                one["tenant"],
                _labels(one["labels"]),
                int(one["ts_ns"]),
                line,
                metadata_shown(one["structured_metadata"].items()),
            )
