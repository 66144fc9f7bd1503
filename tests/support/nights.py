"""Purges, expiries, sweeps and holds for ``tests.support.archive``: each call is one run of its own."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from archiver.model import Event, HoldPlaced, HoldReleased
from archiver.operations.archive.compact import Compact, CompactReceipt, finish_compactions
from archiver.operations.archive.expire import Expire, ExpireReceipt
from archiver.operations.archive.sweep import SweepReceipt, finish_sweeps, plan_sweep, sweep
from archiver.operations.archive.verify import VerifyScope, record, verify
from archiver.operations.tables.purge import Purge, PurgeOptions, PurgeReceipt
from archiver.privacy.key import fingerprint_of
from archiver.retention import CompactionPlan, CompactionRules, PurgePlan
from tests.support.archive import SIGNER, Archive, Silent

if TYPE_CHECKING:
    from archiver.contracts import Purgeable


class Watching(Silent):
    """Watches a purge and says nothing."""

    def rows_purged(self, *_: object) -> None:
        """Ignored."""

    def object_gone(self, *_: object) -> None:
        """Ignored."""

    def merge_done(self, *_: object) -> None:
        """Ignored."""


@dataclass
class Nights(Archive):
    """An archive whose rows also leave: ``purge`` works off a plan as the command does."""

    purge_options: PurgeOptions = field(default_factory=PurgeOptions)
    compaction: CompactionRules = field(default_factory=lambda: CompactionRules(parts_min=2, after=timedelta(0)))
    grace: timedelta = timedelta(0)
    subject_digest: Callable[[str], str] | None = None

    def verify_and_record(self) -> None:
        """Read everything back and say so in the ledger: what was not read back is never purged."""
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

    def plan_purge(self, *, look: bool = False) -> list[PurgePlan]:
        """What a purge would do."""
        with tempfile.TemporaryDirectory() as work_dir:
            return self._purge(Path(work_dir)).plan(look=look)[0]

    def purge(self) -> PurgeReceipt:
        """Account for what an earlier run left, plan, execute."""
        with tempfile.TemporaryDirectory() as work_dir:
            work = self._purge(Path(work_dir))
            reconciled = work.reconcile()
            plans, _ = work.plan()
            receipt = work.execute(plans)
            receipt.rows_reconciled = reconciled
            return receipt

    def _purge(self, work_dir: Path) -> Purge:
        run = self._run(work_dir)
        return Purge(
            self.open(run.name),
            cast("Purgeable", self.source),
            self.datasets,
            options=self.purge_options,
            run=run,
            now=self.now(),
            progress=Watching(),
        )

    def expire(self) -> ExpireReceipt:
        """Go on with what an earlier run announced, plan, execute."""
        with tempfile.TemporaryDirectory() as work_dir:
            run = self._run(Path(work_dir))
            ledger = self.open(run.name)
            work = Expire(
                ledger, self.datasets, run=run, now=self.now(), subject_digest=self.subject_digest, progress=Watching()
            )
            plans = work.plan()
            finish_sweeps(ledger)
            finish_compactions(ledger, run=run)
            work.resume()
            return work.execute(plans)

    def plan_compaction(self) -> list[CompactionPlan]:
        """What a compaction would do."""
        with tempfile.TemporaryDirectory() as work_dir:
            return self._compact(Path(work_dir)).plan()

    def compact(self) -> CompactReceipt:
        """Go on with what an earlier run left, plan, execute."""
        with tempfile.TemporaryDirectory() as work_dir:
            work = self._compact(Path(work_dir))
            receipt = work.execute(work.plan())
            assert list(Path(work_dir).iterdir()) == []
            return receipt

    def _compact(self, work_dir: Path) -> Compact:
        run = self._run(work_dir)
        return Compact(
            self.open(run.name),
            self.datasets,
            rules=self.compaction,
            run=run,
            now=self.now(),
            progress=Watching(),
        )

    def sweep(self) -> SweepReceipt:
        """Look for litter older than the grace time, delete it."""
        with tempfile.TemporaryDirectory() as work_dir:
            run = self._run(Path(work_dir))
            ledger = self.open(run.name)
            return sweep(ledger, plan_sweep(ledger, now=self.now(), grace=self.grace), run=run)

    def night(self) -> PurgeReceipt:
        """Export, verify, purge."""
        self.export()
        self.verify_and_record()
        return self.purge()

    def say(self, events: Sequence[Event]) -> None:
        """Append events of another run."""
        self.open("another").append(events)

    def hold(self, name: str, *, subject: str | None = None, since: datetime | None = None) -> None:
        """Place a hold."""
        key = fingerprint_of(self.subject_digest or self.purge_options.subject_digest) if subject else ""
        self.say([replace(placed(name, subject=subject, since=since), privacy_key=key)])

    def release(self, name: str) -> None:
        """Release a hold."""
        self.say([HoldReleased(hold=name, reason="done")])


def placed(name: str, *, subject: str | None = None, since: datetime | None = None) -> HoldPlaced:
    """A hold on the tests' dataset."""
    return HoldPlaced(
        hold=name,
        dataset="logs",
        since=since,
        until=None,
        subject=subject,
        reason="a case",
        reference=name,
        review_on=datetime(2027, 1, 1, tzinfo=UTC),
    )
