"""Partitions of a real Postgres: one that is proven whole is dropped; else its rows are deleted one by one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.contracts import Partitions
from archiver.errors import Refused, TransientError
from archiver.model import Dataset, Reason, Statement, Window
from archiver.neighbours.postgres import deletion as postgres
from archiver.neighbours.postgres.deletion import PostgresDrop
from archiver.neighbours.postgres.snapshot import PostgresSnapshot
from archiver.neighbours.postgres.source import PostgresSource
from archiver.operations.tables.purge import PurgeOptions, PurgeReceipt, unaccounted
from tests.support.archive import day
from tests.support.daemon import until
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.nights import Nights
from tests.support.postgres import Database

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
LOGS = Dataset(name="logs", source="postgres", relation="logs", source_retention=timedelta(days=30))
DAYS = 6
"""From 2026-05-01: three whole days and the half of the fourth are due."""


def create(database: Database, *, kind: str = "timestamptz", key: str = "PRIMARY KEY (id, created_at)") -> None:
    """A table with a partition for each day, one for what nobody foresaw, and three rows a day."""
    database.execute(
        f"CREATE TABLE logs (id int, created_at {kind}, phone text, {key}) PARTITION BY RANGE (created_at)",
        *(
            f"CREATE TABLE logs_{number} PARTITION OF logs FOR VALUES FROM ('{day(number):%Y-%m-%d %H:%M}+00')"
            f" TO ('{day(number + 1):%Y-%m-%d %H:%M}+00')"
            for number in range(DAYS)
        ),
        "CREATE TABLE logs_rest PARTITION OF logs DEFAULT",
    )
    fill(database)


def fill(database: Database) -> None:
    database.execute(
        *(
            f"INSERT INTO logs VALUES ({number}, '{day(number // 3) + timedelta(hours=8 * (number % 3)):%Y-%m-%d %H:%M}+00',"
            f" 'phone {number % 2}')"
            for number in range(3 * DAYS)
        )
    )


def archive(database: Database, dataset: Dataset = LOGS, **options: Any) -> Nights:
    """Exported and verified."""
    made = Nights(
        FaultyStore(),
        FaultyAnchor(),
        PostgresSource(database.dsn, lock_timeout_s=0.2),
        datasets=(dataset,),
        now=lambda: NOW,
        purge_options=PurgeOptions(**options),
    )
    made.init()
    made.export()
    made.verify_and_record()
    return made


def partitions(database: Database) -> set[str]:
    """The names of those that are left, detached ones included."""
    rows = database.query(
        "SELECT relname::text FROM pg_class WHERE relname LIKE 'logs\\__' ESCAPE '\\' AND relkind = 'r'"
    )
    return {str(name) for (name,) in rows}


def ids(database: Database) -> set[int]:
    return {int(number) for (number,) in database.query("SELECT id FROM logs")}


def all_due_are_gone(database: Database, made: Nights, receipt: PurgeReceipt) -> None:
    assert receipt.rows == {"logs": 11}
    assert ids(database) == set(range(11, 18))
    assert receipt.problems == []
    assert unaccounted(made.open().holdings) == {}
    assert len(made.rows()) == 18
    made.export()
    assert made.export().commits == 0
    assert made.purge().rows == {"logs": 0}


ALL = {f"logs_{number}" for number in range(DAYS)}
TRIGGER = """CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'
CREATE TRIGGER seen BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION seen()"""


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_partitions_that_are_proven_whole_are_dropped_and_the_others_stay(database: Database, kind: str) -> None:
    create(database, kind=kind)
    made = archive(database)
    (plan,) = made.plan_purge()
    assert "3 partitions are due as a whole: dropped if every row is proven" in plan.remarks
    receipt = made.purge()
    assert receipt.partitions == {"logs": 3}
    assert receipt.remarks == {}
    assert partitions(database) == {"logs_3", "logs_4", "logs_5"}, "the fourth reaches into what must stay"
    if kind != "date":
        all_due_are_gone(database, made, receipt)
    assert database.query("SELECT count(*) FROM pg_inherits WHERE inhparent = 'logs'::regclass") == [(4,)]


def test_a_run_asks_for_the_partitions_once_however_many_windows_are_due(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(database)
    made = archive(database)
    real, asked = PostgresSnapshot.partitions, []

    def partitions(self: PostgresSnapshot, dataset: Dataset) -> Partitions:
        asked.append(type(self))
        return real(self, dataset)

    monkeypatch.setattr(PostgresSnapshot, "partitions", partitions)
    receipt = made.purge()
    assert receipt.partitions["logs"] > 1
    assert asked == [PostgresSnapshot, *[PostgresDrop] * receipt.partitions["logs"]], "once, and before each drop"


def test_partitions_of_six_hours_are_dropped_as_well(database: Database) -> None:
    database.execute(
        "CREATE TABLE logs (id int, created_at timestamptz, phone text, PRIMARY KEY (id, created_at))"
        " PARTITION BY RANGE (created_at)",
        *(
            f"CREATE TABLE logs_{letter} PARTITION OF logs FOR VALUES FROM ('2026-05-0{1 + hour // 24} {hour % 24}:00+00')"
            f" TO ('2026-05-0{1 + (hour + 6) // 24} {(hour + 6) % 24}:00+00')"
            for letter, hour in zip("abcdefgh", range(0, 48, 6), strict=True)
        ),
        "CREATE TABLE logs_rest PARTITION OF logs DEFAULT",
    )
    fill(database)
    made = archive(database)
    receipt = made.purge()
    assert receipt.partitions == {"logs": 6}, "two of the eight have no rows"
    all_due_are_gone(database, made, receipt)
    assert partitions(database) == {"logs_d", "logs_h"}


def test_switched_off_rows_are_deleted_and_every_partition_stays(database: Database) -> None:
    create(database)
    made = archive(database, drop_partitions=False)
    receipt = made.purge()
    assert (receipt.partitions, receipt.remarks) == ({}, {})
    all_due_are_gone(database, made, receipt)
    assert partitions(database) == ALL


Change = Callable[[Database, Nights], None]


def late(database: Database, _: Nights) -> None:
    database.execute("INSERT INTO logs VALUES (100, '2026-05-01 03:00+00', 'late')")


def changed(database: Database, _: Nights) -> None:
    database.execute("UPDATE logs SET phone = 'changed' WHERE id = 1")


def on_hold(_: Database, made: Nights) -> None:
    made.hold("case", subject="digest of phone 1")


@pytest.mark.parametrize(
    ("change", "kept", "left", "dropped"),
    [
        (late, {Reason.LATE(): 1}, {100}, {"logs_1", "logs_2"}),
        (changed, {Reason.DIFFERS(): 1}, {1}, {"logs_1", "logs_2"}),
        (on_hold, {Reason.SUBJECT_HOLD(): 5}, {1, 3, 5, 7, 9}, set()),
    ],
)  # fmt: skip
def test_one_row_that_is_not_proven_keeps_its_partition_and_nothing_else(
    database: Database, change: Change, kept: dict[Statement, int], left: set[int], dropped: set[str]
) -> None:
    create(database)
    made = archive(database, replace(LOGS, subject_columns=("phone",)), subject_digest="digest of {}".format)
    change(database, made)
    receipt = made.purge()
    assert receipt.kept == {"logs": kept}
    assert ids(database) == left | set(range(11, 18))
    assert partitions(database) == ALL - dropped
    assert "not all of its rows are proven and free of holds" in receipt.remarks["logs"][0]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("CREATE TABLE notes (log int, at timestamptz, FOREIGN KEY (log, at) REFERENCES logs)", "a foreign key refers"),
        (TRIGGER, "a trigger fires"),
        ("CREATE PUBLICATION live FOR TABLE logs", "a publication replicates deletions"),
    ],
)  # fmt: skip
def test_where_somebody_relies_on_the_deletion_of_each_row_rows_are_deleted(
    database: Database, statement: str, why: str
) -> None:
    create(database)
    made = archive(database)
    database.execute(*statement.split("\n"))
    (plan,) = made.plan_purge()
    assert any(why in remark and "deleted one by one" in remark for remark in plan.remarks), plan.remarks
    receipt = made.purge()
    assert receipt.partitions == {}
    all_due_are_gone(database, made, receipt)
    assert partitions(database) == ALL


def test_a_role_that_does_not_own_the_table_deletes_rows(database: Database) -> None:
    create(database)
    database.execute(
        "CREATE ROLE worker LOGIN PASSWORD 'only-for-tests'",
        "GRANT SELECT, DELETE ON logs TO worker",
    )
    try:
        made = archive(database)
        made.source = PostgresSource(database.dsn_of("worker"), lock_timeout_s=0.2)
        (plan,) = made.plan_purge()
        assert any("does not own the table" in remark for remark in plan.remarks)
        all_due_are_gone(database, made, made.purge())
        assert partitions(database) == ALL
    finally:
        database.execute("DROP OWNED BY worker", "DROP ROLE worker")


def test_a_partition_of_somebody_else_keeps_its_place(database: Database) -> None:
    create(database)
    database.execute(
        "CREATE ROLE owner LOGIN PASSWORD 'only-for-tests'", "GRANT USAGE, CREATE ON SCHEMA public TO owner",
        "ALTER TABLE logs OWNER TO owner", *(f"ALTER TABLE logs_{number} OWNER TO owner" for number in (1, 2, 3, 4, 5)),
    )  # fmt: skip
    try:
        made = archive(database)
        made.source = PostgresSource(database.dsn_of("owner"), lock_timeout_s=0.2)
        (plan,) = made.plan_purge()
        assert "1 partitions belong to another role: their rows are deleted one by one" in plan.remarks
        receipt = made.purge()
        assert receipt.partitions == {"logs": 2}
        all_due_are_gone(database, made, receipt)
        assert partitions(database) == {"logs_0", "logs_3", "logs_4", "logs_5"}
    finally:
        database.execute("DROP OWNED BY owner CASCADE", "DROP ROLE owner")


def test_what_depends_on_a_partition_keeps_it(database: Database) -> None:
    create(database)
    made = archive(database)
    database.execute("CREATE VIEW first_day AS SELECT * FROM logs_0")
    receipt = made.purge()
    assert receipt.partitions == {"logs": 2}
    assert "SQLSTATE 2BP01" in receipt.remarks["logs"][0]
    all_due_are_gone(database, made, receipt)
    assert partitions(database) == ALL - {"logs_1", "logs_2"}


@pytest.mark.parametrize(
    ("partitioning", "pieces", "why"),
    [
        ("RANGE (created_at)", "FOR VALUES FROM ('2026-05-01 00:00+00') TO ('2026-06-01 00:00+00')", "1 partitions reach over several windows"),
        ("RANGE (created_at, id)", "FOR VALUES FROM ('2026-05-01 00:00+00', 0) TO ('2026-06-01 00:00+00', 0)", "are not ranges of created_at alone"),
        ("LIST (id)", "FOR VALUES IN (1, 2)", "are not ranges of created_at alone"),
        ("RANGE (created_at)", "FOR VALUES FROM (MINVALUE) TO ('2026-05-20 00:00+00')", None),
    ],
)  # fmt: skip
def test_other_kinds_of_partitions_are_left_where_they_are(
    database: Database, partitioning: str, pieces: str, why: str | None
) -> None:
    database.execute(
        f"CREATE TABLE logs (id int, created_at timestamptz, phone text, PRIMARY KEY (id, created_at))"
        f" PARTITION BY {partitioning}",
        f"CREATE TABLE logs_0 PARTITION OF logs {pieces}",
        "CREATE TABLE logs_rest PARTITION OF logs DEFAULT",
    )
    fill(database)
    made = archive(database)
    made.now = lambda: NOW + timedelta(days=2 if why is None or "reach" not in why else 30)
    (plan,) = made.plan_purge()
    assert any(why in remark for remark in plan.remarks) if why else not any("partition" in one for one in plan.remarks)
    made.purge()
    assert partitions(database) == {"logs_0"}
    assert not any(number < 11 for number in ids(database))


# ── Others at work ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_writer_that_committed_before_the_lock_is_seen_and_keeps_the_partition(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot is taken under the lock: a row that came between the plan and the lock is not dropped unseen."""
    create(database)
    made = archive(database)
    begin = PostgresDrop.begin

    def start(self: PostgresDrop) -> None:
        if self._partition.name.endswith('"logs_0"'):
            late(database, made)
        begin(self)

    monkeypatch.setattr(PostgresDrop, "begin", start)
    receipt = made.purge()
    assert receipt.kept == {"logs": {Reason.LATE(): 1}}
    assert partitions(database) == ALL - {"logs_1", "logs_2"}
    assert 100 in ids(database)


@contextmanager
def writing(database: Database, statement: str) -> Iterator[None]:
    """Another transaction that has done this and does not end within the block."""
    with database.session() as session, session.cursor() as cursor:
        cursor.execute(statement)
        yield
        session.rollback()


def test_a_writer_that_does_not_end_keeps_every_partition_and_rows_are_deleted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "DROP_LOCK_TIMEOUT", "50ms")
    create(database)
    made = archive(database)
    with writing(database, "INSERT INTO logs VALUES (100, '2026-05-01 03:00+00', 'late')"):
        receipt = made.purge()
        assert partitions(database) == ALL
    (remark,) = receipt.remarks["logs"]
    assert "SQLSTATE 55P03" in remark, "tried once, not for every partition"
    all_due_are_gone(database, made, receipt)


def test_a_long_reader_of_the_table_is_not_disturbed_and_rows_are_deleted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "DROP_LOCK_TIMEOUT", "50ms")
    create(database)
    made = archive(database)
    with database.session() as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM logs")
        cursor.fetchall()
        receipt = made.purge()
        cursor.execute("SELECT count(*) FROM logs_0")
        cursor.fetchall()
        session.rollback()
    assert receipt.partitions == {}
    assert len(receipt.remarks["logs"]) == 1, "tried once, not for every partition"
    all_due_are_gone(database, made, receipt)
    assert partitions(database) == ALL


def test_while_a_partition_is_compared_its_writers_wait_and_nobody_else_does(database: Database) -> None:
    """And the drop gives way to a writer that waits: it would have to wait for that in turn."""
    create(database)
    # The drop gives up after its own time. On a slow machine the writer's search for deadlocks would begin just then.
    name = database.query("SELECT current_database()::text")[0][0]
    database.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '60s'")
    source = PostgresSource(database.dsn, lock_timeout_s=0.2)
    with source.snapshot() as snapshot:
        found = snapshot.partitions(LOGS).droppable
    assert [one.window for one in found] == [Window(day(number), day(number + 1)) for number in range(DAYS)]
    inserted = threading.Event()

    def write() -> None:
        late(database, archived)
        inserted.set()

    archived = Nights(FaultyStore(), FaultyAnchor(), source)
    with source.dropping(LOGS, found[0]) as work:
        thread = threading.Thread(target=write)
        thread.start()
        assert len(ids(database)) == 18, "readers see it"
        database.execute("INSERT INTO logs VALUES (101, '2026-05-02 03:00+00', 'another day')")
        until(lambda: database.query("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(1,)], "the writer to wait")
        assert not inserted.is_set()
        with pytest.raises(TransientError, match="55P03"):
            work.drop(LOGS, found[0], 3)
    thread.join(30)
    assert inserted.is_set()
    assert ids(database) == {*range(18), 100, 101}


def test_fault_26_a_hold_placed_while_a_partition_is_compared_keeps_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(database)
    made = archive(database)
    scan = PostgresDrop.scan

    def scan_and_hold(self: PostgresDrop, *arguments: Any) -> Any:
        if "case" not in made.open().holdings.holds:
            made.hold("case")
        return scan(self, *arguments)

    monkeypatch.setattr(PostgresDrop, "scan", scan_and_hold)
    receipt = made.purge()
    assert receipt.rows == {"logs": 0}
    assert ids(database) == set(range(18))
    assert partitions(database) == ALL
    assert unaccounted(made.open().holdings) == {}


def test_another_number_of_rows_than_was_proven_is_refused(database: Database) -> None:
    create(database)
    source = PostgresSource(database.dsn)
    with source.snapshot() as snapshot:
        partition = snapshot.partitions(LOGS).droppable[0]
    with pytest.raises(Refused, match="4 rows were proven, and it has 3"), source.dropping(LOGS, partition) as work:
        work.schema(LOGS)
        work.drop(LOGS, partition, 4)
    assert partitions(database) == ALL


def test_fault_4_the_worker_dies_right_after_a_partition_was_dropped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Death(BaseException):
        pass

    create(database)
    made = archive(database)
    commit = PostgresDrop.commit

    def die(self: PostgresDrop) -> None:
        commit(self)
        raise Death

    monkeypatch.setattr(PostgresDrop, "commit", die)
    with pytest.raises(Death):
        made.purge()
    monkeypatch.undo()
    assert partitions(database) == ALL - {"logs_0"}
    receipt = made.purge()
    assert receipt.rows_reconciled == {"logs": 3}
    assert receipt.rows == {"logs": 8}
    assert unaccounted(made.open().holdings) == {}
    assert ids(database) == set(range(11, 18))
    assert len(made.rows()) == 18
