"""Postgres through Supabase's data API: a URL and a secret key are enough, and rows are those that ``postgres`` gives.

How it reads without a snapshot is in ``snapshot``, how it deletes in ``purge``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from typing_extensions import override

from archiver.contracts import Purgeable, PurgeTransaction, Snapshot
from archiver.model import SETTLE_MARGIN, Dataset
from archiver.neighbours.dataapi.client import DataApi, RetryingApi, Sizes
from archiver.neighbours.dataapi.purge import PostgrestPurge
from archiver.neighbours.dataapi.snapshot import PostgrestSnapshot
from archiver.neighbours.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class PostgrestSource(Purgeable):
    """A Supabase project's database through its data API.

    Attributes:
        policy: Each question that writes nothing is asked again as it says.
        settle_margin: Where the server hides when others' transactions began, they count as begun so long ago.
        purge_body_bytes_max: Of one deletion's question; a batch with longer keys is deleted in several.
    """

    api: DataApi
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    settle_margin: timedelta = SETTLE_MARGIN
    purge_body_bytes_max: int = 4 * 1024 * 1024
    sizes: Sizes = field(default_factory=Sizes, init=False, repr=False, compare=False)

    @property
    @override
    def location(self) -> str:
        """The project's address, without the key."""
        return self.api.location

    @property
    def asked(self) -> RetryingApi:
        """The data API as all snapshots of this source ask it."""
        return RetryingApi(self.api, self.policy, self.sizes)

    @contextmanager
    @override
    def snapshot(self) -> Iterator[Snapshot]:
        """A view of the database, which over HTTP is consistent within each window only."""
        view = PostgrestSnapshot(self.asked, settle_margin=self.settle_margin)
        view.begin()
        yield view

    @contextmanager
    @override
    def purging(self, dataset: Dataset) -> Iterator[PurgeTransaction]:
        work = PostgrestPurge(self.asked, settle_margin=self.settle_margin, body_bytes_max=self.purge_body_bytes_max)
        work.begin()
        yield work
