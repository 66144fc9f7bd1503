"""A Supabase project for tests: a database, a data API in front of it, our migration applied, tables of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from archiver.model import Dataset, Window
from archiver.neighbours.dataapi.client import DataApi
from archiver.neighbours.dataapi.source import PostgrestSource
from archiver.neighbours.retry import RetryPolicy
from tests.support import postgrest
from tests.support.postgres import Database, PostgresServer, fresh_database

AT_ONCE = RetryPolicy(attempts_max=1)
PATIENT = RetryPolicy(attempts_max=4, sleep=lambda _: None)


@dataclass(frozen=True)
class Project:
    """A running project.

    Attributes:
        api: Its gateway, which fails as it is told to.
    """

    api: postgrest.DataApi
    database: Database

    def source(self, policy: RetryPolicy = AT_ONCE, key: str = postgrest.SECRET_KEY, **options: Any) -> PostgrestSource:
        """A source with a secret key that asks once, unless told otherwise."""
        return PostgrestSource(DataApi(self.api.url, key), policy, **options)

    def rows(self, dataset: Dataset, window: Window | None, policy: RetryPolicy = AT_ONCE) -> list[dict[str, Any]]:
        """The rows of a window, as a scan gives them."""
        with self.source(policy).snapshot() as snapshot:
            schema = snapshot.schema(dataset)
            return [row for batch in snapshot.scan(dataset, schema, window) for row in batch.to_pylist()]


@contextmanager
def project_of(server: PostgresServer, name: str, *made: str, **options: Any) -> Iterator[Project]:
    """A project with these statements carried out before PostgREST looks at its schema."""
    with fresh_database(server, name) as database:
        postgrest.prepare(database)
        postgrest.migrate(database)
        database.execute(*made)
        with postgrest.data_api(database, **options) as api:
            yield Project(api, database)
