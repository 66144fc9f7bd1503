"""Postgres through ADBC: ``COPY`` straight to Arrow, one repeatable-read snapshot for everything of one commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from typing_extensions import override

from archiver.contracts import DropTransaction, Partition, PurgesPartitions, PurgeTransaction, Snapshot
from archiver.model import Dataset
from archiver.neighbours.postgres.access import PostgresAccess
from archiver.neighbours.postgres.deletion import PostgresDrop, PostgresPurge
from archiver.neighbours.postgres.snapshot import PostgresSnapshot

View = TypeVar("View", bound=PostgresSnapshot)


@dataclass(frozen=True, slots=True)
class PostgresSource(PostgresAccess, PurgesPartitions):
    """A Postgres database that rows are read from, and that they leave."""

    @contextmanager
    @override
    def snapshot(self) -> Iterator[Snapshot]:
        with _kept(PostgresSnapshot(self)) as view:
            yield view

    @contextmanager
    @override
    def purging(self, dataset: Dataset) -> Iterator[PurgeTransaction]:
        with _kept(PostgresPurge(self, dataset)) as work:
            yield work

    @contextmanager
    @override
    def dropping(self, dataset: Dataset, partition: Partition) -> Iterator[DropTransaction]:
        with _kept(PostgresDrop(self, dataset, partition)) as work:
            yield work


@contextmanager
def _kept(view: View) -> Iterator[View]:
    """Begin; give the connection back in the end, if nothing went wrong."""
    try:
        view.begin()
        yield view
    except BaseException:
        view.close()
        raise
    view.close(is_sound=True)
