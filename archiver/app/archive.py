"""An archive that is open, as one value: what every use case is given, and how one is opened."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self

from archiver.app import build
from archiver.app.keys import load_signer
from archiver.config import Settings
from archiver.ledger.ledger import Ledger, open_ledger
from archiver.model import Dataset
from archiver.neighbours.local.runlock import run_lock
from archiver.operations.steps.run import Run

LOCK_POLL_S = 0.2

Mode = Literal["read", "append", "write"]
"""``read`` needs no private key and moves nothing. ``append`` adds an entry beside a run that is at work: a hold, a
verification. ``write`` is for everything else: no other run of this machine writes meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive that is open.

    Attributes:
        run: The run that it is open for.
        clock: The local clock, in UTC.
    """

    settings: Settings
    run: Run
    ledger: Ledger
    clock: Callable[[], datetime]

    @property
    def tables(self) -> tuple[Dataset, ...]:
        """The datasets of the database that are enabled."""
        return self.settings.resolved_datasets()

    @property
    def logs(self) -> Dataset | None:
        """That of Loki's chunks, where logs are archived."""
        return self.settings.logs()

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """All of them, that of logs last."""
        return datasets_of(self.settings)

    def with_jobs(self, jobs: int) -> Self:
        """The same, where so many threads may be kept busy."""
        return replace(self, run=replace(self.run, jobs=jobs))

    def planning_time(self) -> datetime:
        """The time by which deletions are planned: the hour that has begun, so that a plan can be read and confirmed.

        The exact instant would make every plan differ from the one that was shown a minute ago.
        """
        return self.clock().replace(minute=0, second=0, microsecond=0)


def datasets_of(settings: Settings) -> tuple[Dataset, ...]:
    """All that are enabled, that of logs last."""
    logs = settings.logs()
    return (*settings.resolved_datasets(), *(() if logs is None else (logs,)))


@contextmanager
def open_archive(settings: Settings, mode: Mode, *, jobs: int = 1, wait: bool = False) -> Iterator[Archive]:
    """Open the archive for a run of its own.

    Args:
        wait: For another run's end, where that is in the way; otherwise it is refused.

    Raises:
        ConfigError: A setting is missing, or there is no archive.
        Conflict: Another run is at work.
    """
    with build.new_run(settings, jobs=jobs) as run, opened_in(run, settings, mode, wait=wait) as archive:
        yield archive


@contextmanager
def opened_in(run: Run, settings: Settings, mode: Mode, *, wait: bool = False) -> Iterator[Archive]:
    """The same in a run that has begun."""
    signer = None if mode == "read" else load_signer(settings)
    neighbours = build.open_neighbours(settings, run)
    cache_dir = build.cache_dir(settings)
    with ExitStack() as stack:
        if mode == "write":
            path = cache_dir / neighbours.descriptor.archive_id / "run.lock"
            stack.enter_context(run_lock(path, wait=lambda: wait and not run.stop.wait(LOCK_POLL_S)))
        ledger = open_ledger(
            neighbours.store,
            neighbours.anchor,
            signer=signer,
            run=run.name,
            now=build.now,
            cache_dir=cache_dir,
            archive_id=settings.archive_id,
        )
        yield Archive(settings=settings, run=run, ledger=ledger, clock=build.now)
