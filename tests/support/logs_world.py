"""Loki's chunks in a directory that nobody else reads, their archive, and the plainest model of what must be true of both.

After each step it looks at what there really is:

- a chunk that left without the application was past its time, on no hold, unaltered, and every line of it is archived
- no line is twice in the archive, and none is there that nobody wrote or that was altered before it was archived
- a line is in its chunk or in the archive, unless the application took or altered its chunk
- a chunk that is past its time and still there is named by the purge, with its reason
"""

import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.ledger.ledger import open_ledger
from archiver.model import HoldPlaced, HoldReleased
from archiver.operations.logs.settings import LokiSettings
from archiver.operations.steps.fetch import fetch_segment
from archiver.parquet import read_batches
from tests.support.chunk_store import MemoryLoki
from tests.support.faulty import Faults, FaultyAnchor, FaultyStore
from tests.support.loki import LOGS, LokiArchive
from tests.support.loki_encoder import Entry, Writing
from tests.support.nights import placed
from tests.support.world import DAY, midnight

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RULES = LokiSettings.model_construct(delete="files", round_size_bytes_max=1)


@dataclass
class LogsWorld:
    """Everything there is.

    Attributes:
        true: The time.
        lines: Of every chunk that was ever written, by its name: the one line that it holds, and that line's time.
        spoilt: Chunks that the application altered or took.
        holds: By name, from which day on.
    """

    true: datetime
    faults: Faults = field(default_factory=Faults)
    lines: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)
    holds: dict[str, datetime] = field(default_factory=dict)
    _segments: dict[str, Counter[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loki = MemoryLoki(faults=self.faults)
        self.made = LokiArchive(
            FaultyStore(self.faults), FaultyAnchor(self.faults), self.loki, jobs=1, now=lambda: self.true
        )
        self.made.init()
        self.seen = self.there()

    # ── The application ────────────────────────────────────────────────────────────────────────────────────────

    def write(self, age: timedelta) -> None:
        """A chunk appears, with a line of that age."""
        number = len(self.lines)
        at = self.true - age
        time_ns = (at - EPOCH) // timedelta(microseconds=1) * 1000
        line = b"line %d" % number
        writing = Writing(
            blocks=[[Entry(time_ns, line)]],
            labels={"job": f"j{number}"},
            from_ms=time_ns // 10**6,
            through_ms=time_ns // 10**6 + 1,
        )
        self.lines[self.loki.store.put(writing, self.true)] = (line, at)
        self.seen = self.there()

    def alter(self, pick: int) -> None:
        """A byte of a chunk changes, and its time and size do not show it."""
        name = self._picked(pick)
        if name and name not in self.spoilt:
            data, at = self.loki.store.objects[name]
            self.loki.store.objects[name] = (data[:-5] + bytes([data[-5] ^ 1]) + data[-4:], at)
            self.spoilt.add(name)

    def take(self, pick: int) -> None:
        """A chunk vanishes, and nobody says why."""
        if name := self._picked(pick):
            del self.loki.store.objects[name]
            self.spoilt.add(name)
            self.seen = self.there()

    def _picked(self, pick: int) -> str:
        names = sorted(self.loki.store.objects)
        return names[pick % len(names)] if names else ""

    # ── What there really is ───────────────────────────────────────────────────────────────────────────────────

    def there(self) -> set[str]:
        """Names of the chunks."""
        return set(self.loki.store.objects)

    def archived(self) -> Counter[bytes]:
        """Lines of the segments that are held, each segment read back once."""
        total: Counter[bytes] = Counter()
        ledger = open_ledger(self.made.store, self.made.anchor, signer=None, run="look", now=self.made.now)
        for held in ledger.holdings.dataset(LOGS.name).segments():
            if held.segment.key not in self._segments:
                with tempfile.TemporaryDirectory() as work_dir:
                    path = Path(work_dir) / "segment"
                    fetch_segment(self.made.store, held.segment, path)
                    found = [line for batch in read_batches(path) for line in batch.column("line").to_pylist()]
                self._segments[held.segment.key] = Counter(line.encode() for line in found)
            total += self._segments[held.segment.key]
        return total

    def overdue(self) -> set[str]:
        """Chunks that are there and whose time is over."""
        return {name for name in self.there() if self._is_due(name)}

    def _is_due(self, name: str) -> bool:
        return self.lines[name][1] + timedelta(milliseconds=1) + RULES.source_retention <= self.true

    def _on_hold(self, name: str) -> bool:
        at = self.lines[name][1]
        return any(midnight(at) + DAY > since for since in self.holds.values())

    # ── The worker ─────────────────────────────────────────────────────────────────────────────────────────────

    def purge(self) -> None:
        """Whatever is overdue afterwards must have been named."""
        _, receipt = self.made.purge(RULES)
        assert receipt.problems == []
        named, left = sum(receipt.kept.values()), len(self.overdue())
        assert named == left, f"{left} chunks are overdue, {named} are named: {receipt.kept}"

    def hold(self, name: str, since: datetime) -> None:
        """Somebody places a hold."""
        self.made.open("another").append([placed_on_logs(name, since)])
        self.holds[name] = since

    def release(self, name: str) -> None:
        """It ends."""
        self.made.open("another").append([HoldReleased(hold=name, reason="done")])
        del self.holds[name]

    # ── What must be true ──────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Compare the world with the model, and with how it was at the last look."""
        there, held = self.there(), self.archived()
        assert all(times == 1 for times in held.values()), "a line is archived twice"
        assert held.keys() <= {line for line, _ in self.lines.values()}, "a line is archived that nobody wrote"
        for name in self.seen - there:
            assert self.lines[name][0] in held, "a chunk left that the archive does not hold"
            assert name not in self.spoilt, "a chunk left that was not what was archived"
            assert self._is_due(name), "a chunk left before its time"
            assert not self._on_hold(name), "a chunk on hold left"
        for name in self.lines.keys() - there - self.spoilt:
            assert self.lines[name][0] in held, "a line is lost"
        self.seen = there

    def settle(self) -> None:
        """Every hold ends, nothing goes wrong: what is overdue then was altered, and nothing else."""
        for name in list(self.holds):
            self.release(name)
        self.true += timedelta(hours=1)
        for _ in range(2):
            self.made.export()
            self.made.verify_and_record()
            self.purge()
            self.check()
        assert self.overdue() <= self.spoilt, "a chunk is overdue though nothing stands against its deletion"
        receipt = self.made.verify()
        assert receipt.problems == []


def placed_on_logs(name: str, since: datetime) -> HoldPlaced:
    """A hold on the logs from a day on."""
    return replace(placed(name, since=since), dataset=LOGS.name)
