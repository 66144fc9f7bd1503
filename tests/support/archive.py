"""A whole archive for tests: fake or real neighbours, one call a run, and a check of everything afterwards."""

import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from archiver.contracts import Anchor, ObjectStore, Source
from archiver.errors import TransientError
from archiver.ledger.entries import Signer
from archiver.ledger.holdings import Holdings
from archiver.ledger.ledger import Ledger, open_ledger
from archiver.model import Dataset
from archiver.operations.archive.init import initialise
from archiver.operations.archive.verify import VerifyReceipt, VerifyScope, verify
from archiver.operations.steps.fetch import fetch_segment
from archiver.operations.steps.run import Run
from archiver.operations.tables.export import Export, ExportOptions, ExportReceipt
from archiver.parquet import read_batches

SIGNER = Signer.from_pem(
    b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
""",
    where="the tests' key",
)
ARCHIVE_ID = "0" * 31 + "1"
LOGS = Dataset(name="logs", source="postgres", relation="logs")


class Silent:
    """Watches and says nothing."""

    def planned(self, *_: Any) -> None:
        """Ignored."""

    def rows_read(self, *_: Any) -> None:
        """Ignored."""

    def slot_done(self, *_: Any) -> None:
        """Ignored."""

    def committed(self, *_: Any) -> None:
        """Ignored."""

    def segment_done(self, *_: Any) -> None:
        """Ignored."""


def never_again(_: int, __: TransientError) -> bool:
    """Give up at the first failure."""
    return False


@dataclass
class Archive:
    """One archive on any neighbours. Every method is one run of its own: nothing is remembered in between."""

    store: ObjectStore
    anchor: Anchor
    source: Source
    datasets: Sequence[Dataset] = (LOGS,)
    now: Callable[[], datetime] = lambda: datetime(2026, 6, 1, tzinfo=UTC)
    again: Callable[[int, TransientError], bool] = never_again
    jobs: int = 1
    options: ExportOptions = field(default_factory=ExportOptions)
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

    def look(self) -> Ledger:
        """Open the ledger for reading: completes nothing that a dead run left."""
        return open_ledger(self.store, self.anchor, signer=None, run="look", now=self.now)

    def export(self, *, since: datetime | None = None, until: datetime | None = None) -> ExportReceipt:
        """One run of the export."""
        with tempfile.TemporaryDirectory() as work_dir:
            run = self._run(Path(work_dir))
            ledger = self.open(run.name)
            return Export(
                ledger,
                self.source,
                self.datasets,
                since=since,
                until=until,
                options=self.options,
                run=run,
                progress=Silent(),
            ).run()

    def verify(self, *, deep: bool = True) -> VerifyReceipt:
        """One verification of everything, recorded nowhere."""
        with tempfile.TemporaryDirectory() as work_dir:
            receipt, _ = verify(
                self.store,
                self.anchor,
                public_key=SIGNER.public_key,
                depth="deep" if deep else "digest",
                scope=VerifyScope(),
                run=self._run(Path(work_dir)),
                progress=Silent(),
            )
        return receipt

    def rows(self, dataset: str = "logs", holdings: Holdings | None = None) -> list[dict[str, Any]]:
        """Every row that the archive holds of a dataset, by the ledger, read back from the store."""
        holdings = holdings or self.open().holdings
        rows: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory() as work_dir:
            for number, held in enumerate(holdings.dataset(dataset).segments()):
                path = Path(work_dir) / f"{number}.parquet"
                fetch_segment(self.store, held.segment, path)
                for batch in read_batches(path):
                    rows.extend(batch.to_pylist())
        return rows

    def check(self, expected: Sequence[dict[str, Any]], dataset: str = "logs") -> None:
        """The archive is sound, and holds exactly these rows, each as often as given."""
        receipt = self.verify()
        assert receipt.problems == []
        assert multiset(self.rows(dataset)) == multiset(expected)

    def _run(self, work_dir: Path) -> Run:
        return Run(
            name=uuid.uuid4().hex,
            work_dir=work_dir,
            jobs=self.jobs,
            monotonic=lambda: 0.0,
            again=self.again,
            stop=self.stop,
        )


def multiset(rows: Sequence[dict[str, Any]]) -> Counter[str]:
    """Rows as often as they occur, order aside; every value by its exact text form."""
    return Counter(
        repr(sorted((name, _exact(value)) for name, value in row.items() if value is not None)) for row in rows
    )


def _exact(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else repr(value)


def table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def day(number: int) -> datetime:
    """Midnight UTC of a day counted from 2026-05-01."""
    return datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=number)
