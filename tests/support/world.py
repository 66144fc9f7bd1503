"""An archive, its source and its clocks, beside the plainest model of what must be true of them.

The model knows every version of every row that the application ever wrote, which of them the application still believes
in, and what was on hold when. After each step it looks at what the source and the archive really hold:

- no row is lost: what the application believes in is in the source, or in the archive, or was let go of when it was due
- none is twice in the archive, and none is there that nobody wrote
- what left the source without the application was older than 30 days by the true time, not on hold, and is archived
- what left the archive had been there for as long as it may, was not on hold, and is in the source no more
- what is overdue in the source is named by the purge, with its reason
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from archiver.ledger.holdings import Holdings
from archiver.ledger.ledger import Ledger
from archiver.model import Statement
from archiver.operations.archive.verify import VerifyReceipt, VerifyScope, record
from archiver.operations.steps.fetch import fetch_segment
from archiver.operations.tables.purge import PurgeOptions
from archiver.parquet import read_batches
from archiver.retention import Clocks, GuardSettings, guard, window_at
from tests.support.archive import LOGS, SIGNER, multiset
from tests.support.faulty import Faults, FaultyAnchor, FaultyStore
from tests.support.memory_source import MemorySource, MemoryTable
from tests.support.nights import Nights

SOURCE_RETENTION = timedelta(days=30)
DAY = timedelta(days=1)


@dataclass
class Lasting(Nights):
    """Nights that keep the ledger open, as its local cache would: opening it anew is not what is simulated.

    Every so many looks it is read completely all the same, and must say what the open one says.
    """

    opened: Ledger | None = None
    looks_between: int = 500
    looks: int = 0

    def open(self, run: str = "test") -> Ledger:
        if self.opened is None:
            self.opened = super().open(run)
        self.opened.refresh()
        return self.opened

    def look(self) -> Ledger:
        self.looks += 1
        opened = self.open()
        if self.looks % self.looks_between == 0:
            assert super().look().holdings == opened.holdings
        return opened


@dataclass
class World:
    """Everything there is.

    Attributes:
        true: The time.
        skew: By how much the worker's clock is wrong; those of the database and the store are right.
        written: Every version of every row, as often as it was written.
        believed: The versions that the application has neither changed nor deleted, and the archive has not let go of, by
            the row's number.
        numbers: The row of each version.
        holds: By name, from which day on; None: everything.
    """

    true: datetime
    archive_retention: timedelta = timedelta(days=45)
    keeps_open: bool = False
    skew: timedelta = timedelta(0)
    faults: Faults = field(default_factory=Faults)
    table: MemoryTable = field(default_factory=MemoryTable)
    written: Counter[str] = field(default_factory=Counter)
    believed: dict[int, str] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    holds: dict[str, datetime | None] = field(default_factory=dict)
    _next: int = 0
    _segments: dict[str, Counter[str]] = field(default_factory=dict)
    _names: dict[tuple[int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = MemorySource(self.true, {"logs": self.table}, faults=self.faults)
        self.made = (Lasting if self.keeps_open else Nights)(
            FaultyStore(self.faults),
            FaultyAnchor(self.faults),
            self.source,
            datasets=(replace(LOGS, archive_retention=self.archive_retention),),
            now=lambda: self.local,
            purge_options=PurgeOptions(batch_rows_max=3),
        )
        self.made.init()
        self.seen_source, self.seen_held = self.in_source(), self.in_archive()

    @property
    def local(self) -> datetime:
        """What the worker takes for the time."""
        return self.true + self.skew

    def pass_time(self, span: timedelta) -> None:
        """It goes on, for everybody."""
        self.true += span
        self.source.now = self.true

    # ── The application ────────────────────────────────────────────────────────────────────────────────────────

    def insert(self, created_at: datetime | None) -> int:
        """The application commits a row, perhaps long after the time that it carries."""
        self._next += 1
        number = self.table.insert(id=f"id{self._next:06d}", created_at=created_at, message="m", score=self._next / 3)
        self._wrote(number)
        return number

    def update(self, number: int) -> None:
        """The application changes a row, if it is still there."""
        if number in self.table.rows:
            self._next += 1
            self.table.update(number, message=f"changed {self._next}")
            self._wrote(number)
            self._look()

    def delete(self, number: int) -> None:
        """The application deletes a row of its own accord."""
        if number in self.table.rows:
            self.table.delete(number)
            self.believed.pop(number, None)
            self._look()

    def _wrote(self, number: int) -> None:
        version, values = self.table.rows[number]
        (name,) = multiset([values])
        self._names[number, version] = self.believed[number] = name
        self.written[name] += 1
        self.numbers[name] = number
        self.rows[name] = dict(values)
        self._look()

    def _look(self) -> None:
        self.seen_source = self.in_source()

    # ── What there really is ───────────────────────────────────────────────────────────────────────────────────

    def in_source(self) -> Counter[str]:
        """Rows of the table."""
        return Counter(self._names[number, version] for number, (version, _) in self.table.rows.items())

    def in_archive(self, holdings: Holdings | None = None) -> Counter[str]:
        """Rows of the segments that are held, each segment read back from the store and compared once."""
        total: Counter[str] = Counter()
        for held in (holdings or self.made.look().holdings).dataset("logs").segments():
            segment = held.segment
            if segment.key not in self._segments:
                with tempfile.TemporaryDirectory() as work_dir:
                    path = Path(work_dir) / "segment"
                    fetch_segment(self.made.store, segment, path)
                    rows = [row for batch in read_batches(path) for row in batch.to_pylist()]
                self._segments[segment.key] = multiset(rows)
            total += self._segments[segment.key]
        return total

    # ── The worker ─────────────────────────────────────────────────────────────────────────────────────────────

    def refused(self) -> tuple[Statement, ...]:
        """Why the guard lets nothing be deleted just now."""
        ledger = self.made.open()
        assert ledger.head is not None
        clocks = Clocks(
            local=self.local, database=self.true, store=self.true, anchor=None, last_entry=ledger.head.entry.at
        )
        holdings = ledger.holdings
        adopted = holdings.anchor_adopted_at is not None
        return guard(clocks, rules=GuardSettings(), pause=holdings.pause, anchor_adopted=adopted, shares={})

    def may_delete(self, *, confirms: bool) -> bool:
        """Whether a deletion goes on. A person confirms what the guard refuses only if the clock is right."""
        return not self.refused() or (confirms and abs(self.skew) < timedelta(minutes=5))

    def purge(self, *, confirms: bool = True) -> bool:
        """Whether it was done. Whatever is overdue afterwards must have been named."""
        if not self.may_delete(confirms=confirms):
            return False
        receipt = self.made.purge()
        border = self.local - SOURCE_RETENTION
        overdue = [row for row in self.table.values() if row["created_at"] is not None and row["created_at"] < border]
        assert receipt.problems == []
        named = sum(receipt.kept["logs"].values())
        assert named == len(overdue), f"{len(overdue)} rows are overdue, {named} are named: {receipt.kept}"
        return True

    def expire(self, *, confirms: bool = True) -> bool:
        """Whether it was done."""
        if not self.may_delete(confirms=confirms):
            return False
        assert self.made.expire().problems == []
        return True

    def hold(self, name: str, since: datetime | None) -> None:
        """Somebody places a hold."""
        self.made.hold(name, since=since)
        self.holds[name] = since

    def release(self, name: str) -> None:
        """It ends."""
        self.made.release(name)
        del self.holds[name]

    def crashing(self, act: Callable[[], object], nth: int, *, took_effect: bool) -> None:
        """A run dies at its n-th write, or does not come that far."""
        self.faults.dying(act, nth, took_effect=took_effect)
        if isinstance(self.made, Lasting):
            self.made.opened = None

    def verify_new(self) -> None:
        """Read back what nobody has read back yet, and say so, as a night does: never the whole ledger again."""
        ledger = self.made.open()
        new = [held for held in ledger.holdings.dataset("logs").segments() if held.verified_at is None]
        for held in new:
            fetch_segment(self.made.store, held.segment, None)
        if new:
            receipt = VerifyReceipt(archive_id="", public_key=SIGNER.public_key, depth="digest")
            scope = VerifyScope(keys=frozenset(held.segment.key for held in new))
            record(ledger, receipt, ledger.holdings, scope)

    # ── What must be true ──────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Compare the world with the model, and with how it was at the last look."""
        holdings = self.made.look().holdings
        source, held = self.in_source(), self.in_archive(holdings)
        assert not held - self.written, "a row is held twice, or nobody knows whence it came"
        for name in self.seen_source - source:
            self._purged_rightly(name, held)
        for name in self.seen_held - held:
            self._expired_rightly(name, source)
            if self.believed.get(self.numbers[name]) == name and name not in held:
                del self.believed[self.numbers[name]]
        missing = Counter(self.believed.values()) - (source + held)
        assert not missing, f"{sum(missing.values())} rows are lost"
        self.seen_source, self.seen_held = source, held

    def _purged_rightly(self, name: str, held: Counter[str]) -> None:
        row = self.rows[name]
        assert held[name], "a row left its source that the archive does not hold"
        assert row["created_at"] is not None, "a row without a time left its source"
        assert row["created_at"] < self.true - SOURCE_RETENTION + timedelta(minutes=5), "a row left before its time"
        assert not self._on_hold(row), "a row on hold left its source"

    def _expired_rightly(self, name: str, source: Counter[str]) -> None:
        row = self.rows[name]
        assert not source[name], "the archive let go of a row that is still in the source"
        assert not self._on_hold(row), "the archive let go of a row on hold"
        if row["created_at"] is not None and row["created_at"] <= self.true:
            due_at = window_at(row["created_at"], DAY).end + self.archive_retention
            assert due_at <= self.true + timedelta(minutes=5), "the archive let go of a row before its time"

    def _on_hold(self, row: dict[str, Any]) -> bool:
        at = row["created_at"]
        return any(since is None or at is None or window_at(at, DAY).end > since for since in self.holds.values())

    def settle(self) -> None:
        """The clock is set right, every hold ends, nothing goes wrong, a person confirms: everything is in order then."""
        self.skew = timedelta(0)
        for name in list(self.holds):
            self.release(name)
        for _ in range(2):
            self.made.export()
            self.made.verify_and_record()
            assert self.purge()
            self.check()
            assert self.expire()
            self.check()
            self.made.compact()
            self.made.sweep()
            self.check()
        border = self.true - SOURCE_RETENTION
        for row in self.table.values():
            at = row["created_at"]
            assert at is None or at >= border, "a row is overdue though nothing stands against its deletion"
        receipt = self.made.verify()
        assert receipt.problems == []
        assert receipt.litter == []


def midnight(instant: datetime) -> datetime:
    """Of the instant's UTC day."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
