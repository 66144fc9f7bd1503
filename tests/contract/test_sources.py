"""What every source promises, tried on the fake, on a real Postgres, and on a real PostgREST in front of one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from archiver.contracts import Source
from archiver.errors import ConfigError
from archiver.model import Dataset, Window
from archiver.neighbours.postgres.source import PostgresSource
from archiver.parquet import arrow_schema, is_sorted, sort_rows
from tests.support.memory_source import MemorySource, MemoryTable
from tests.support.postgres import PostgresServer
from tests.support.project import Project, project_of

LOGS = Dataset(name="logs", source="postgres", relation="logs")
DAY = timedelta(days=1)
MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class Case:
    """A source with the table ``logs`` (id, created_at, message, score), and a way to write to it."""

    source: Source
    database: Any = None
    table: MemoryTable | None = None
    has_snapshots: bool = True

    def insert(self, id_: str, created_at: datetime | str | None, message: str | None = None) -> None:
        if self.table is not None:
            instant = {"infinity": datetime.max.replace(tzinfo=UTC)}.get(str(created_at), created_at)
            self.table.insert(id=id_, created_at=instant, message=message, score=None)
            return
        when = "NULL" if created_at is None else f"'{created_at}'"
        text = "NULL" if message is None else f"'{message}'"
        self.database.execute(f"INSERT INTO logs VALUES ('{id_}', {when}, {text}, NULL)")

    def update(self, id_: str, message: str) -> None:
        if self.table is not None:
            number = next(n for n, (_, row) in self.table.rows.items() if row["id"] == id_)
            self.table.update(number, message=message)
            return
        self.database.execute(f"UPDATE logs SET message = '{message}' WHERE id = '{id_}'")


@pytest.fixture(scope="module")
def project(postgres_server: PostgresServer) -> Iterator[Project]:
    with project_of(postgres_server, "contract_sources") as made:
        yield made


@pytest.fixture(params=["memory", "postgres", "postgrest"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "memory":
        table = MemoryTable()
        yield Case(MemorySource(NOW, {"logs": table}), table=table)
        return
    project: Project = request.getfixturevalue("project")
    project.database.execute(
        "DROP TABLE IF EXISTS logs",
        "CREATE TABLE logs (id text, created_at timestamptz, message text, score double precision)",
        "CREATE INDEX ON logs (created_at)",
        "GRANT SELECT ON logs TO service_role",
    )
    if request.param == "postgres":
        yield Case(PostgresSource(project.database.dsn), database=project.database)
        return
    yield Case(project.source(), database=project.database, has_snapshots=False)


KEYED = replace(LOGS, key_columns=("id",))


def window(day: int, days: int = 1) -> Window:
    return Window(MAY_1 + day * DAY, MAY_1 + (day + days) * DAY)


def test_the_census_counts_every_window_that_has_rows(case: Case) -> None:
    """Windows are half-open; undated rows count only when nothing bounds the question."""
    for number, when in enumerate([MAY_1, MAY_1 + DAY - timedelta(microseconds=1), MAY_1 + DAY, None, "infinity"]):
        case.insert(f"r{number}", when)
    with case.source.snapshot() as snapshot:
        schema = snapshot.schema(KEYED)
        whole = snapshot.census(KEYED, schema, None, None)
        assert {slot: state.rows for slot, state in whole.items()} == {window(0): 2, window(1): 1, None: 2}
        bounded = snapshot.census(KEYED, schema, MAY_1 + DAY, MAY_1 + 2 * DAY)
        assert {slot: state.rows for slot, state in bounded.items()} == {window(1): 1}
        assert bounded[window(1)] == whole[window(1)]
        assert snapshot.census(KEYED, schema, MAY_1 + 5 * DAY, None) == {}
        counted = snapshot.census(KEYED, schema, None, None, digests=False)
        assert {slot: state.rows for slot, state in counted.items()} == {window(0): 2, window(1): 1, None: 2}
        assert all(state.digest in ("", whole[slot].digest) for slot, state in counted.items())


def test_the_census_notices_every_change(case: Case) -> None:
    """An insert, an update, a delete and a swap each change a window's state; nothing else does."""
    case.insert("a", MAY_1)
    case.insert("b", MAY_1)
    seen = []

    def look() -> None:
        with case.source.snapshot() as snapshot:
            seen.append(snapshot.census(KEYED, snapshot.schema(KEYED), None, None)[window(0)])

    look()
    look()
    assert seen[0] == seen[1]
    case.update("a", "changed")
    look()
    case.insert("c", MAY_1)
    look()
    case.insert("d", MAY_1 + DAY)
    look()
    assert seen[3] == seen[4]
    assert len({seen[1].digest, seen[2].digest, seen[3].digest}) == 3


def test_a_scan_gives_the_rows_of_its_window_in_order(case: Case) -> None:
    """Sorted by time, then by the bytes of the key; every batch has exactly the schema."""
    for number in range(50):
        case.insert(f"{'zäÄaA'[number % 5]}{number * 7 % 50:02d}", MAY_1 + timedelta(minutes=number // 10))
    case.insert("other", MAY_1 + DAY)
    with case.source.snapshot() as snapshot:
        schema = snapshot.schema(KEYED)
        batches = list(snapshot.scan(KEYED, schema, window(0)))
    assert all(batch.schema.equals(arrow_schema(schema)) for batch in batches)
    table = pa.Table.from_batches(batches)
    assert table.num_rows == 50
    assert is_sorted(table.combine_chunks().to_batches()[0], ["created_at", "id"])
    assert table.equals(sort_rows(table, ["created_at", "id"]))


def test_undated_rows_are_scanned_apart(case: Case) -> None:
    """NULL and infinity belong to no window, and to no other scan."""
    case.insert("null", None)
    case.insert("end", "infinity")
    case.insert("dated", MAY_1)
    with case.source.snapshot() as snapshot:
        schema = snapshot.schema(KEYED)
        undated = [row["id"] for b in snapshot.scan(KEYED, schema, None) for row in b.select(["id"]).to_pylist()]
        dated = [row["id"] for b in snapshot.scan(KEYED, schema, window(0, 31)) for row in b.select(["id"]).to_pylist()]
    assert sorted(undated) == ["end", "null"]
    assert dated == ["dated"]


def test_a_snapshot_does_not_see_what_comes_later(case: Case) -> None:
    """Everything that one commit covers is read from one view, from any thread.

    Over HTTP there is no such view: there a window is what it was at one instant, which other tests show.
    """
    if not case.has_snapshots:
        return
    case.insert("before", MAY_1)
    with case.source.snapshot() as snapshot:
        schema = snapshot.schema(KEYED)
        case.insert("after", MAY_1)
        case.update("before", "changed")

        def read(_: int) -> list[dict[str, Any]]:
            return [row for batch in snapshot.scan(KEYED, schema, window(0)) for row in batch.to_pylist()]

        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(read, range(6)))
        assert snapshot.census(KEYED, schema, None, None)[window(0)].rows == 1
    assert all([row["id"] for row in rows] == ["before"] and rows[0]["message"] is None for rows in found)


def test_duplicate_keys_are_counted(case: Case) -> None:
    """Every row that shares its key with another one of its window."""
    for id_ in ("a", "a", "b", "c", "c", "c"):
        case.insert(id_, MAY_1)
    case.insert("b", MAY_1 + DAY)
    case.insert("u", None)
    case.insert("u", None)
    with case.source.snapshot() as snapshot:
        schema = snapshot.schema(KEYED)
        assert not schema.key_is_unique
        assert snapshot.duplicate_keys(KEYED, schema, window(0)) == 5
        assert snapshot.duplicate_keys(KEYED, schema, window(1)) == 0
        assert snapshot.duplicate_keys(KEYED, schema, None) == 2


def test_a_scan_that_is_given_up_harms_nothing(case: Case) -> None:
    """The next scan of the same snapshot gives all rows."""
    for number in range(30):
        case.insert(f"{number:02d}", MAY_1)
    with case.source.snapshot() as snapshot:
        schema = snapshot.schema(KEYED)
        first = snapshot.scan(KEYED, schema, window(0))
        next(first)
        first.close()  # type: ignore[attr-defined]
        assert sum(batch.num_rows for batch in snapshot.scan(KEYED, schema, window(0))) == 30


def test_an_unknown_relation_is_named(case: Case) -> None:
    """It is a mistake in the settings, found before anything is read."""
    with case.source.snapshot() as snapshot, pytest.raises(ConfigError, match="logz"):
        snapshot.schema(replace(LOGS, relation="logz"))
