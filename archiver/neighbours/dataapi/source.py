"""Postgres through Supabase's data API: a URL and a secret key are enough, and rows are those that ``postgres`` gives.

How it reads without a snapshot is in ``postgrest_snapshot``, how it deletes in ``postgrest_purge``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

from archiver.contracts import PurgeTransaction, Snapshot
from archiver.model import Dataset
from archiver.neighbours.dataapi.client import DataApi
from archiver.neighbours.dataapi.purge import PostgrestPurge
from archiver.neighbours.dataapi.snapshot import PostgrestSnapshot
from archiver.neighbours.retry import RetryPolicy

T = TypeVar("T", dict[str, Any], list[Any], int, bool)

ROWS_ASKED_FIRST: Final = 50
ROWS_ASKED_MAX: Final = 10_000
PAGE_BYTES: Final = 8 * 1024 * 1024
"""So many rows are asked for as make about this much. The server may give fewer, and mostly gives 1000."""


@dataclass(slots=True)
class Sizes:
    """How long rows are, by relation: learned from each page, shared by all snapshots of a source."""

    bytes_a_row: dict[str, float] = field(default_factory=dict)

    def rows_to_ask(self, relation: str) -> int:
        """The limit of the next page."""
        known = self.bytes_a_row.get(relation)
        return ROWS_ASKED_FIRST if known is None else max(1, min(ROWS_ASKED_MAX, int(PAGE_BYTES / max(known, 1.0))))

    def learn(self, relation: str, rows: int, size_bytes: int) -> None:
        """A page came."""
        found = size_bytes / rows
        known = self.bytes_a_row.get(relation, found)
        # Long rows count at once, short ones bit by bit.
        self.bytes_a_row[relation] = max(found, (3 * known + found) / 4)


@dataclass(frozen=True, slots=True)
class PostgrestSource:
    """A Supabase project's database through its data API.

    Attributes:
        policy: Each question that writes nothing is asked again as it says.
        settle_margin: Where the server hides when others' transactions began, they count as begun so long ago.
        purge_body_bytes_max: Of one deletion's question; a batch with longer keys is deleted in several.
    """

    api: DataApi
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    settle_margin: timedelta = timedelta(hours=1)
    purge_body_bytes_max: int = 4 * 1024 * 1024
    sizes: Sizes = field(default_factory=Sizes, init=False, repr=False, compare=False)

    @property
    def location(self) -> str:
        """The project's address, without the key."""
        return self.api.location

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """See ``contracts.Source``, and above for what it is here."""
        view = PostgrestSnapshot(self)
        view.begin()
        yield view

    @contextmanager
    def purging(self) -> Iterator[PurgeTransaction]:
        """See ``contracts.Purgeable``."""
        work = PostgrestPurge(self)
        work.begin()
        yield work

    def has_time_index(self, dataset: Dataset) -> bool:
        """See ``contracts.Purgeable``."""
        return bool(self.describe(dataset)["has_time_index"])

    def describe(self, dataset: Dataset) -> dict[str, Any]:
        """A relation's columns, keys and rights, as the key's role has them."""
        return self.ask(
            "archiver_describe",
            {"namespace": dataset.namespace, "relation": dataset.relation, "time_column": dataset.time_column},
            doing=f"looking at {dataset.name}",
            expects=dict,
            keys=frozenset({"role", "relation", "may_delete", "columns", "keys", "has_time_index", "names"}),
        )

    def ask(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        doing: str,
        expects: type[T],
        keys: frozenset[str] = frozenset(),
    ) -> T:
        """Call a function that writes nothing, again and again as the policy says."""
        return self.policy.call(lambda: self.api.call(function, arguments, doing=doing, expects=expects, keys=keys))
