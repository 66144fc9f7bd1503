"""What only a real Postgres can show: its types, its catalogue, its rights, its transactions."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from archiver.errors import AccessDenied, ArchiverError, ConfigError, SchemaDrift, TransientError
from archiver.model import Dataset, Slot, Window
from archiver.neighbours.postgres.settings import PostgresSettings
from archiver.neighbours.postgres.source import PostgresSource
from archiver.parquet import PartWriter
from tests.support.alltypes import COLUMNS, statements
from tests.support.postgres import Database

MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
DAY = Window(MAY_1, MAY_1 + timedelta(days=1))
MONTH = Window(MAY_1, MAY_1 + timedelta(days=31))
LOGS = Dataset(name="logs", source="postgres", relation="logs")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def rows(source: PostgresSource, dataset: Dataset, window: Window | None = MONTH) -> list[dict[str, Any]]:
    with source.snapshot() as snapshot:
        schema = snapshot.schema(dataset)
        return [row for batch in snapshot.scan(dataset, schema, window) for row in batch.to_pylist()]


@pytest.fixture
def logs(database: Database) -> Database:
    database.execute(
        "CREATE TABLE logs (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, message text)",
        "INSERT INTO logs SELECT i, timestamptz '2026-05-01 00:00+00' + i * interval '1 second', 'm' || i"
        " FROM generate_series(1, 1000) i",
    )
    return database


# ── Types ──────────────────────────────────────────────────────────────────────────────────────────────────────


def normal(text: str | None, kind: str) -> str | None:
    """DuckDB's text form of a value as Postgres writes it, for the types that are not archived as text."""
    if text is None:
        return None
    if kind in ("real", "double precision"):
        return repr(float(text))
    if kind == "boolean":
        return {"t": "true", "f": "false"}.get(text, text)
    if kind in ("timestamptz", "timestamp", "date", "moment"):
        era = " (BC)" if "BC" in text else ""
        text = re.sub(r" ?\(?BC\)?", "", text)
        return re.sub(r"^0+(?=\d)", "", text) + era
    return text


@pytest.mark.parametrize("column", COLUMNS)
def test_every_type_arrives_with_postgres_own_value(exported: "Exported", column: str) -> None:
    """Through Parquet and DuckDB, every value equals Postgres's own text form, NULL distinct from empty."""
    kind = COLUMNS[column]
    theirs, ours = exported.column(column)
    assert len(ours) == len(theirs) == 6
    assert [normal(value, kind) for value in ours] == [normal(value, kind) for value in theirs]


class Exported:
    """The table of all types, read once and written to one Parquet file."""

    def __init__(self, database: Database, path: Path) -> None:
        self._database, self._path = database, path

    def column(self, name: str) -> tuple[list[str | None], list[str | None]]:
        """Postgres's texts, and DuckDB's of the Parquet file, by id."""
        # Not ``::text``, which cuts the blanks that pad a char(n): format() shows what the type's output function says.
        shown = f"CASE WHEN num_nulls({quoted(name)}) = 0 THEN format('%s', {quoted(name)}) END"
        theirs = self._database.query(f"SELECT {shown} FROM all_types ORDER BY id")
        text = f"{quoted(name)}::varchar"
        cast = f"'\\x' || lower(hex({quoted(name)}))" if COLUMNS.get(name) == "bytea" else text
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            ours = connection.execute(f"SELECT {cast} FROM read_parquet('{self._path}') ORDER BY id").fetchall()
        return [row[0] for row in theirs], [row[0] for row in ours]


@pytest.fixture(scope="module")
def exported(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    from tests.support.postgres import fresh_database  # noqa: PLC0415

    dataset = Dataset(name="all_types", source="postgres", relation="all_types")
    path = tmp_path_factory.mktemp("types") / "all.parquet"
    with fresh_database(postgres_server, "all_types") as database:
        database.execute(
            "ALTER DATABASE all_types SET timezone = 'Europe/Berlin'",
            "ALTER DATABASE all_types SET datestyle = 'German'",
            "ALTER DATABASE all_types SET extra_float_digits = -2",
            "ALTER DATABASE all_types SET intervalstyle = 'iso_8601'",
            "ALTER DATABASE all_types SET bytea_output = 'escape'",
        )
        libxml = database.query("SELECT count(*) FROM pg_config WHERE setting LIKE '%--with-libxml%'") != [(0,)]
        database.execute(*statements(xml=libxml))
        with PostgresSource(database.dsn).snapshot() as snapshot:
            schema = snapshot.schema(dataset)
            with PartWriter(path, schema, dataset="all_types", slot=Slot(window=DAY)) as writer:
                for batch in snapshot.scan(dataset, schema, DAY):
                    writer.write(batch)
                writer.finish()
        database.execute("ALTER DATABASE all_types RESET ALL", "ALTER DATABASE all_types SET timezone = 'UTC'")
        yield Exported(database, path)


def test_a_generated_column_is_archived_and_a_dropped_one_is_not(exported: Exported) -> None:
    """What a SELECT shows is what is archived."""
    theirs, ours = exported.column("doubled")
    assert theirs == ours


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_a_time_that_no_format_can_hold_is_refused_by_name(logs: Database, kind: str) -> None:
    """Years after 294246 would wrap around silently."""
    logs.execute(f"ALTER TABLE logs ADD COLUMN far {kind}", "UPDATE logs SET far = '294276-12-31 00:00' WHERE id = 7")
    with pytest.raises(SchemaDrift, match="column far"):
        rows(PostgresSource(logs.dsn), LOGS)


# ── Relations ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_odd_names_another_schema_and_a_composite_key(database: Database) -> None:
    """Quoted names keep their case; the key's order is the index's."""
    database.execute(
        'CREATE SCHEMA "My Schema"',
        'CREATE TABLE "My Schema"."we""ird ta.ble" ("Tenant" text, "Id" int, "When" timestamptz NOT NULL,'
        ' PRIMARY KEY ("Tenant", "Id"))',
        """INSERT INTO "My Schema"."we""ird ta.ble" VALUES ('b', 1, '2026-05-01'), ('a', 2, '2026-05-01')""",
    )
    dataset = Dataset(
        name="odd", source="postgres", namespace="My Schema", relation='we"ird ta.ble', time_column="When"
    )
    with PostgresSource(database.dsn).snapshot() as snapshot:
        assert snapshot.schema(dataset).key_columns == ("Tenant", "Id")
        assert snapshot.schema(dataset).key_is_unique
    assert [row["Tenant"] for row in rows(PostgresSource(database.dsn), dataset)] == ["a", "b"]


def test_partitioned_tables_views_and_other_time_types(logs: Database) -> None:
    """A partitioned table has versions, a view has none; timestamp and date are times, taken as UTC."""
    logs.execute(
        "CREATE TABLE parted (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
        "CREATE TABLE parted_may PARTITION OF parted FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')",
        "INSERT INTO parted SELECT i, date '2026-05-01' + i % 3 FROM generate_series(1, 9) i",
        "CREATE VIEW seen AS SELECT id, created_at::timestamp AS at, message FROM logs",
    )
    source = PostgresSource(logs.dsn)
    parted = Dataset(name="parted", source="postgres", relation="parted", time_column="at")
    seen = Dataset(name="seen", source="postgres", relation="seen", time_column="at", key_columns=("id",))
    with source.snapshot() as snapshot:
        found = snapshot.census(parted, snapshot.schema(parted), None, None)
        assert [state.rows for state in found.values()] == [3, 3, 3]
        assert all(state.digest for state in found.values())
        counted = snapshot.census(seen, snapshot.schema(seen), None, None)
        assert {slot: (state.rows, state.digest) for slot, state in counted.items()} == {DAY: (1000, "")}
        half = Window(MAY_1, MAY_1 + timedelta(seconds=101))
        assert sum(b.num_rows for b in snapshot.scan(seen, snapshot.schema(seen), half)) == 100
    assert len(rows(source, parted, DAY)) == 3


@pytest.mark.parametrize("hours", [1, 6])
def test_windows_smaller_than_a_day(logs: Database, hours: int) -> None:
    """They are aligned to midnight UTC."""
    dataset = replace(LOGS, window=timedelta(hours=hours))
    with PostgresSource(logs.dsn).snapshot() as snapshot:
        found = snapshot.census(dataset, snapshot.schema(dataset), None, None)
    assert list(found) == [Window(MAY_1, MAY_1 + timedelta(hours=hours))]


def test_fault_19_no_key_must_be_said(database: Database) -> None:
    """Nothing tells one row from another: the error says how to archive it all the same."""
    database.execute("CREATE TABLE logs (created_at timestamptz, message text)")
    with PostgresSource(database.dsn).snapshot() as snapshot:
        with pytest.raises(ConfigError, match="no primary key") as caught:
            snapshot.schema(LOGS)
        assert "key = []" in caught.value.hint
        assert snapshot.schema(replace(LOGS, key_columns=())).key_columns == ()


def test_a_unique_index_without_nulls_is_a_key(database: Database) -> None:
    """Partial, expression, deferrable and nullable ones are not."""
    database.execute(
        "CREATE TABLE logs (a int UNIQUE, b int NOT NULL, c int NOT NULL, d int NOT NULL, created_at timestamptz)",
        "CREATE UNIQUE INDEX ON logs (b) WHERE b > 0",
        "CREATE UNIQUE INDEX ON logs ((b + 1))",
        "ALTER TABLE logs ADD UNIQUE (d) DEFERRABLE",
        "CREATE UNIQUE INDEX ON logs (c, b) INCLUDE (d)",
    )
    with PostgresSource(database.dsn).snapshot() as snapshot:
        assert snapshot.schema(LOGS).key_columns == ("c", "b")
        assert not snapshot.schema(replace(LOGS, key_columns=("a",))).key_is_unique


@pytest.mark.parametrize(
    ("change", "match", "hint"),
    [
        ({"relation": "log"}, 'no relation "public"."log"', "public.logs"),
        ({"namespace": "nope"}, 'no relation "nope"."logs"', "relation"),
        ({"time_column": "created"}, "no column created", "created_at"),
        ({"time_column": "message"}, "is a text, not a timestamp", "time_column"),
        ({"key_columns": ("idd",)}, "no column idd", "did you mean id?"),
    ],
)
def test_mistakes_in_a_dataset_are_named(logs: Database, change: dict[str, Any], match: str, hint: str) -> None:
    """Found before anything is read, with what was probably meant."""
    with PostgresSource(logs.dsn).snapshot() as snapshot, pytest.raises(ConfigError, match=match) as caught:
        snapshot.schema(replace(LOGS, **change))
    assert hint in caught.value.hint


# ── Rights ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def role(logs: Database) -> Iterator[str]:
    name = f"r_{abs(hash(logs.name))}"
    logs.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'only-for-tests'")
    yield name
    logs.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_fault_25_a_missing_grant_is_named_with_its_statement(logs: Database, role: str) -> None:
    """The hint is the statement that helps."""
    with PostgresSource(logs.dsn_of(role)).snapshot() as snapshot:
        with pytest.raises(AccessDenied, match=role) as caught:
            snapshot.schema(LOGS)
        assert f'GRANT SELECT ON "public"."logs" TO "{role}"' in caught.value.hint
    logs.execute(f"GRANT SELECT ON logs TO {role}")
    assert len(rows(PostgresSource(logs.dsn_of(role)), LOGS)) == 1000


def test_fault_25_row_level_security_that_may_hide_rows_is_refused(logs: Database, role: str) -> None:
    """Zero rows are never by themselves a success."""
    logs.execute(f"GRANT SELECT ON logs TO {role}", "ALTER TABLE logs ENABLE ROW LEVEL SECURITY")
    with PostgresSource(logs.dsn_of(role)).snapshot() as snapshot:
        with pytest.raises(AccessDenied, match="row level security") as caught:
            snapshot.schema(LOGS)
        assert "BYPASSRLS" in caught.value.hint
    logs.execute(f"ALTER ROLE {role} BYPASSRLS")
    assert len(rows(PostgresSource(logs.dsn_of(role)), LOGS)) == 1000


@pytest.mark.parametrize(
    ("dsn", "kind"),
    [
        ("postgresql://postgres:geheim-wrong@127.0.0.1:{port}/postgres", AccessDenied),
        ("postgresql://nobody-here:geheim-wrong@127.0.0.1:{port}/postgres", AccessDenied),
        ("postgresql://postgres:only-for-tests@127.0.0.1:{port}/no-such-db", ConfigError),
        ("postgresql://postgres:geheim-wrong@127.0.0.1:1/postgres", TransientError),
    ],
)
def test_fault_25_what_keeps_us_out_is_named_and_no_secret_is(
    postgres_server: Any, dsn: str, kind: type[ArchiverError]
) -> None:
    """Wrong password, unknown role, unknown database, nobody there."""
    source = PostgresSource(dsn.format(port=postgres_server.port), settings=PostgresSettings(connect_timeout_s=3))
    with pytest.raises(kind) as caught, source.snapshot():
        pass
    assert type(caught.value) is kind
    assert "geheim" not in f"{caught.value!r} {caught.value.hint} {source!r}"


# ── Transactions ───────────────────────────────────────────────────────────────────────────────────────────────


def test_fault_12_an_open_transaction_keeps_its_windows_unsettled(logs: Database) -> None:
    """Its rows carry the time of its beginning; until it has ended, windows since then are not settled."""
    with logs.session() as writer, writer.cursor() as cursor:
        cursor.execute("INSERT INTO logs VALUES (5000, now(), 'open')")
        begun = logs.query("SELECT max(xact_start) FROM pg_stat_activity WHERE state = 'idle in transaction'")[0][0]
        with PostgresSource(logs.dsn).snapshot() as snapshot:
            assert snapshot.settled_until <= begun
        writer.commit()
    with PostgresSource(logs.dsn).snapshot() as snapshot:
        assert snapshot.settled_until > begun


def test_fault_12_a_role_that_may_not_see_others_transactions_assumes_a_margin(logs: Database, role: str) -> None:
    """What cannot be seen is not taken for settled."""
    logs.execute(f"GRANT SELECT ON logs TO {role}")
    source = PostgresSource(logs.dsn_of(role), settle_margin=timedelta(hours=3))
    with logs.session() as other, other.cursor() as cursor:
        cursor.execute("SELECT 1")
        with source.snapshot() as snapshot:
            assert snapshot.settled_until <= snapshot.taken_at - timedelta(hours=3)


def test_fault_12_a_prepared_transaction_keeps_its_windows_unsettled(logs: Database) -> None:
    """It may have begun long before it was prepared."""
    with logs.session() as writer, writer.cursor() as cursor:
        cursor.execute("INSERT INTO logs VALUES (5001, now(), 'prepared')")
        cursor.execute(f"PREPARE TRANSACTION '{logs.name}'")
        writer.commit()
    try:
        with PostgresSource(logs.dsn, settle_margin=timedelta(hours=2)).snapshot() as snapshot:
            assert snapshot.settled_until < snapshot.taken_at - timedelta(hours=1)
    finally:
        logs.execute(f"ROLLBACK PREPARED '{logs.name}'")


BIG = "INSERT INTO logs SELECT i, timestamptz '2026-05-02 00:00+00', repeat(md5(i::text), 30)"


def test_fault_16_a_server_that_goes_away_in_the_middle_of_a_copy(logs: Database) -> None:
    """The scan ends with an error that may be tried again, never as if all rows had come."""
    logs.execute(f"{BIG} FROM generate_series(2000, 80000) i")
    with PostgresSource(logs.dsn).snapshot() as snapshot:
        schema = snapshot.schema(LOGS)
        scan = snapshot.scan(LOGS, schema, MONTH)
        next(scan)
        logs.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'archiver' AND state = 'active' AND query LIKE 'COPY%'"
        )
        with pytest.raises(TransientError, match="discarded"):
            list(scan)


def test_fault_16_a_statement_that_takes_too_long(logs: Database) -> None:
    """The time-out is an error that may be tried again, in smaller slices; the same snapshot can still serve."""
    logs.execute(
        "CREATE FUNCTION slow(t text) RETURNS text LANGUAGE plpgsql VOLATILE AS"
        " $$ BEGIN PERFORM pg_sleep(CASE WHEN t = 'm900' THEN 5 ELSE 0 END); RETURN t; END $$",
        "CREATE VIEW slow_logs AS SELECT id, created_at, public.slow(message) AS message FROM public.logs",
    )
    dataset = replace(LOGS, relation="slow_logs", key_columns=("id",))
    with PostgresSource(logs.dsn, settings=PostgresSettings(statement_timeout_s=0.3)).snapshot() as snapshot:
        schema = snapshot.schema(dataset)
        with pytest.raises(TransientError, match="discarded"):
            list(snapshot.scan(dataset, schema, DAY))
        early = Window(MAY_1, MAY_1 + timedelta(seconds=500))
        assert sum(batch.num_rows for batch in snapshot.scan(dataset, schema, early)) == 499


def test_fault_17_columns_that_change_between_snapshots_are_seen(logs: Database) -> None:
    """Added, dropped and retyped ones; inside a snapshot they cannot change."""
    source = PostgresSource(logs.dsn)
    with source.snapshot() as snapshot:
        before = snapshot.schema(LOGS)
    logs.execute(
        "ALTER TABLE logs ADD COLUMN extra jsonb", "ALTER TABLE logs DROP COLUMN message",
        "ALTER TABLE logs ALTER COLUMN id TYPE numeric",
    )  # fmt: skip
    with source.snapshot() as snapshot:
        after = snapshot.schema(LOGS)
    assert [column.name for column in before.columns] == ["id", "created_at", "message"]
    assert [(c.name, c.archive_type) for c in after.columns] == [
        ("id", "string"),
        ("created_at", "timestamp[us, tz=UTC]"),
        ("extra", "string"),
    ]


def test_no_connection_is_left_behind(logs: Database) -> None:
    """After a snapshot, also after one that failed in the middle."""
    source = PostgresSource(logs.dsn, application_name="left-behind")

    def use() -> None:
        with source.snapshot() as snapshot:
            schema = snapshot.schema(LOGS)
            next(snapshot.scan(LOGS, schema, DAY))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert logs.query("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'left-behind'") == [(0,)]
