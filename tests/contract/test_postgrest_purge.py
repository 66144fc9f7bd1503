"""Deleting through the data API: exactly the versions that were compared, in one statement, or nothing."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from archiver.contracts import PurgeTransaction
from archiver.errors import AccessDenied, ArchiverError, ConfigError, OutcomeUnknown, Refused, TransientError
from archiver.model import Dataset, Reason, SourceState, TableSchema, Window
from archiver.neighbours.dataapi.purge import _parts
from archiver.operations.tables.purge import PurgeOptions, unaccounted
from tests.support import proxy
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.nights import Nights
from tests.support.postgres import PostgresServer
from tests.support.project import Project, project_of

MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
DAY = Window(MAY_1, MAY_1 + timedelta(days=1))
LOGS = Dataset(name="logs", source="postgrest", relation="logs")
ROWS = 1300
PURGE = "rpc/archiver_purge"
FILL = (
    "INSERT INTO logs SELECT i, timestamptz '2026-05-01 00:00+00' + i * interval '1 second', 'm' || i"
    f" FROM generate_series(1, {ROWS}) i"
)


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer) -> Iterator[Project]:
    with project_of(
        postgres_server,
        "data_api_purge",
        "CREATE TABLE logs (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, message text)",
        "CREATE INDEX ON logs (created_at)",
        "GRANT SELECT, DELETE ON logs TO service_role",
    ) as made:
        yield made


@pytest.fixture
def project(shared: Project) -> Iterator[Project]:
    """The shared project, filled anew, nothing armed."""
    shared.database.execute("TRUNCATE logs", FILL)
    yield shared
    shared.api.proxy.disarm()


def ids(project: Project) -> list[int]:
    return [row[0] for row in project.database.query("SELECT id FROM logs ORDER BY id")]


def proven(work: PurgeTransaction, rows: slice = slice(None), window: Window = DAY) -> tuple[TableSchema, SourceState]:
    """Read a window and say that some of its rows are proven."""
    schema = work.schema(LOGS)
    read = pa.Table.from_batches(list(work.scan(LOGS, schema, window)))
    chosen = read.take(list(range(read.num_rows))[rows])
    return schema, work.delete(LOGS, schema, window, chosen.select(["id"]))


@pytest.mark.parametrize("rows", [slice(None), slice(1, None), slice(0, 700, 7)])
def test_exactly_the_proven_rows_go(project: Project, rows: slice) -> None:
    """Their number and digest are those by which the window's own state becomes less."""
    with project.source().snapshot() as snapshot:
        before = snapshot.census(LOGS, snapshot.schema(LOGS), None, None)[DAY]
    with project.source().purging(LOGS) as work:
        _, gone = proven(work, rows)
        assert len(ids(project)) == ROWS, "nothing is gone before the commit"
        work.commit()
    wanted = list(range(1, ROWS + 1))[rows]
    assert gone.rows == len(wanted)
    assert ids(project) == [one for one in range(1, ROWS + 1) if one not in set(wanted)]
    with project.source().snapshot() as snapshot:
        after = snapshot.census(LOGS, snapshot.schema(LOGS), None, None).get(DAY, SourceState(rows=0, digest="0"))
    assert after == before.minus(gone)


def test_left_without_a_commit_nothing_goes(project: Project) -> None:
    with project.source().purging(LOGS) as work:
        proven(work)
    assert len(ids(project)) == ROWS


def test_fault_10_a_row_that_came_after_the_scan_stays(project: Project) -> None:
    with project.source().purging(LOGS) as work:
        proven(work)
        project.database.execute("INSERT INTO logs VALUES (9000, '2026-05-01 12:00+00', 'late')")
        work.commit()
    assert ids(project) == [9000]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE logs SET message = 'changed' WHERE id = 50",
        "UPDATE logs SET message = message WHERE id = 50",
        "UPDATE logs SET created_at = created_at - interval '1 day' WHERE id = 50",
        "DELETE FROM logs WHERE id = 50",
        "DELETE FROM logs WHERE id = 50; INSERT INTO logs VALUES (50, '2026-05-01 00:00:50+00', 'm50')",
        "ALTER TABLE logs ADD COLUMN more text DEFAULT 'something new'",
    ],
)
def test_fault_11_whatever_changed_after_the_comparison_stops_the_whole_deletion(project: Project, change: str) -> None:
    """Also a change that leaves the content alone, or the row's version: what would go is no longer what was read."""
    try:
        with project.source().purging(LOGS) as work:
            proven(work)
            project.database.execute(*change.split("; "))
            left = len(ids(project))
            with pytest.raises(TransientError, match="55000"):
                work.commit()
        assert len(ids(project)) == left >= ROWS - 1
    finally:
        project.database.execute("ALTER TABLE logs DROP COLUMN IF EXISTS more")


def test_fault_11_a_row_that_changed_before_the_last_look_stops_it_earlier(project: Project) -> None:
    with project.source().purging(LOGS) as work:
        schema = work.schema(LOGS)
        read = pa.Table.from_batches(list(work.scan(LOGS, schema, DAY)))
        project.database.execute("UPDATE logs SET message = 'changed' WHERE id = 50")
        with pytest.raises(TransientError, match="are unchanged"):
            work.delete(LOGS, schema, DAY, read.select(["id"]))
        work.commit()
    assert len(ids(project)) == ROWS


def test_rows_of_the_same_key_outside_of_the_window_stay(project: Project) -> None:
    """A declared key may tell rows apart in one window only."""
    project.database.execute(
        "ALTER TABLE logs DROP CONSTRAINT logs_pkey",
        "INSERT INTO logs SELECT id, created_at + interval '3 days', message FROM logs",
    )
    dataset = replace(LOGS, key_columns=("id",))
    try:
        with project.source().purging(LOGS) as work:
            schema = work.schema(dataset)
            read = pa.Table.from_batches(list(work.scan(dataset, schema, DAY)))
            assert work.delete(dataset, schema, DAY, read.select(["id"])).rows == ROWS
            work.commit()
        kept = project.database.query("SELECT count(*), min(created_at) FROM logs")
        assert kept == [(ROWS, MAY_1 + timedelta(days=3, seconds=1))]
    finally:
        project.database.execute("TRUNCATE logs", "ALTER TABLE logs ADD PRIMARY KEY (id)")


def test_a_lock_that_somebody_holds_is_waited_for_only_a_moment(project: Project) -> None:
    """The application's own writes come first; the moment is made shorter here."""
    short = "ALTER FUNCTION public.archiver_purge SET lock_timeout = '50ms'"
    project.database.execute(short)
    with project.database.session() as writer, writer.cursor() as cursor:
        cursor.execute("UPDATE logs SET message = 'open' WHERE id = 1")
        with project.source().purging(LOGS) as work:
            proven(work)
            with pytest.raises(TransientError, match="55P03"):
                work.commit()
        writer.rollback()
    project.database.execute("ALTER FUNCTION public.archiver_purge SET lock_timeout = '5s'")
    assert len(ids(project)) == ROWS


def test_a_trigger_that_keeps_rows_is_named_and_nothing_goes(project: Project) -> None:
    project.database.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF OLD.id = 7 THEN RETURN NULL; END IF;"
        " RETURN OLD; END$$",
        "CREATE TRIGGER keep BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    try:
        with project.source().purging(LOGS) as work:
            proven(work)
            with pytest.raises(Refused, match="a trigger or a rule"):
                work.commit()
    finally:
        project.database.execute("DROP TRIGGER keep ON logs", "DROP FUNCTION keep")
    assert len(ids(project)) == ROWS


def test_a_missing_grant_is_named_before_anything_is_read(project: Project) -> None:
    project.database.execute("REVOKE DELETE ON logs FROM service_role")
    try:
        with project.source().purging(LOGS) as work, pytest.raises(AccessDenied) as caught:
            work.schema(LOGS)
        assert 'GRANT DELETE ON "public"."logs" TO "service_role"' in caught.value.hint
    finally:
        project.database.execute("GRANT DELETE ON logs TO service_role")


def test_a_view_has_no_versions_and_is_refused(project: Project) -> None:
    project.database.execute("CREATE VIEW seen AS SELECT * FROM logs", "GRANT SELECT, DELETE ON seen TO service_role")
    seen = replace(LOGS, relation="seen", key_columns=("id",))
    with project.source().purging(LOGS) as work, pytest.raises(ConfigError, match="no versions"):
        work.schema(seen)
    project.database.execute("DROP VIEW seen")


def test_without_the_functions_purge_refuses_and_says_how_to_install_them(project: Project) -> None:
    """Whether PostgREST has noticed yet that they are gone, or only its database has."""
    project.database.execute("ALTER FUNCTION public.archiver_look RENAME TO other")
    try:
        for reload in ("", "NOTIFY pgrst, 'reload schema'"):
            if reload:
                project.database.execute(reload)
                project.api.reloaded(knows_functions=False)
            with (
                pytest.raises(ConfigError, match="does not have archiver's functions") as caught,
                project.source().purging(LOGS),
            ):
                pass
            assert "archiver init --show-sql" in caught.value.hint
    finally:
        project.database.execute("ALTER FUNCTION public.other RENAME TO archiver_look", "NOTIFY pgrst, 'reload schema'")
        project.api.reloaded(knows_functions=True)


def test_another_version_of_the_functions_is_refused(project: Project) -> None:
    project.api.proxy.arm(
        proxy.answer(200, '{"version": 7, "clock": "2026-05-01T00:00:00+00:00", "role": "r"}', "application/json"),
        match="archiver_look",
    )
    with pytest.raises(ConfigError, match="version 7"), project.source().purging(LOGS):
        pass


def test_parts_of_a_batch_fit_into_a_question() -> None:
    """Every row is in exactly one part, in order; one that is too long by itself has one of its own."""
    rows = [[str(number), "k" * (number % 50)] for number in range(500)]
    parts = list(_parts(rows, 1000))
    assert [row for part in parts for row in part] == rows
    assert len(parts) > 10
    assert [len(part) for part in _parts(rows, 1)] == [1] * 500
    assert list(_parts([], 1)) == []


# ── A whole night ──────────────────────────────────────────────────────────────────────────────────────────────

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)


@pytest.fixture
def night(project: Project) -> Nights:
    """An archive that holds everything, verified."""
    project.database.execute("INSERT INTO logs VALUES (8000, '2026-05-20 00:00+00', 'young')")
    made = Nights(
        FaultyStore(),
        FaultyAnchor(),
        project.source(),
        datasets=(LOGS,),
        now=lambda: NOW,
        purge_options=PurgeOptions(batch_rows_max=500),
    )
    made.init()
    made.export()
    made.verify_and_record()
    return made


def accounted(night: Nights, project: Project, rows: int) -> None:
    """The ledger says exactly how many rows have left, and the archive still has every one."""
    held = night.open().holdings
    assert unaccounted(held) == {}
    assert sum(slot.rows_purged for slot in held.dataset("logs").slots.values()) == rows
    assert {row["id"] for row in night.rows()} >= {*range(1, ROWS + 1), 8000}


def test_a_night_purges_what_is_due_and_nothing_else(night: Nights, project: Project) -> None:
    project.database.execute(
        "INSERT INTO logs VALUES (9000, '2026-05-01 12:00+00', 'late')",
        "UPDATE logs SET message = 'changed' WHERE id = 3",
    )
    receipt = night.purge()
    assert receipt.rows == {"logs": ROWS - 1}
    assert receipt.kept == {"logs": {Reason.DIFFERS(): 1, Reason.LATE(): 1}}
    assert ids(project) == [3, 8000, 9000]
    accounted(night, project, ROWS - 1)
    assert night.night().rows == {"logs": 2}
    assert ids(project) == [8000]


@pytest.mark.parametrize("nth", [0, 1, 2])
@pytest.mark.parametrize("took_effect", [False, True])
@pytest.mark.parametrize("stays_away", [False, True])
def test_fault_4_a_deletion_without_an_answer_is_accounted_for(
    night: Nights, project: Project, nth: int, took_effect: bool, stays_away: bool
) -> None:
    """Whichever batch it is, whether it took effect, and whether the API is there to be asked right after it."""

    def lose(_: proxy.Request, pass_on: Callable[[], proxy.Reply]) -> proxy.Reply | None:
        if took_effect:
            pass_on()
        if stays_away:
            project.api.proxy.arm(proxy.refuse, match="archiver_look", times=None)
        return None

    project.api.proxy.arm(lose, match=PURGE, skip=nth)
    with pytest.raises(ArchiverError) as caught:
        night.purge()
    assert isinstance(caught.value, OutcomeUnknown | TransientError)
    project.api.proxy.disarm()
    left = len(ids(project))
    receipt = night.purge()
    assert receipt.rows_reconciled.get("logs", 0) + receipt.rows["logs"] >= left - 1
    assert ids(project) == [8000]
    accounted(night, project, ROWS)
    assert night.export().rows == 0


@pytest.mark.parametrize("status", [502, 503, 504, 500])
def test_fault_4_a_gateway_that_gives_up_leaves_the_outcome_unknown(
    night: Nights, project: Project, status: int
) -> None:
    """Its answer is no answer of the database: the statement may still be at work behind it."""
    project.api.proxy.arm(proxy.instead(status, "<html>gateway</html>", "text/html"), match=PURGE)
    with pytest.raises(OutcomeUnknown):
        night.purge()
    gone = ROWS + 1 - len(ids(project))
    assert gone > 0
    accounted(night, project, gone)
    night.purge()
    assert ids(project) == [8000]
    accounted(night, project, ROWS)


def test_a_batch_that_needs_several_questions_says_so_when_a_later_one_fails(night: Nights, project: Project) -> None:
    """What the first one deleted is found by comparing."""
    night.source = project.source(purge_body_bytes_max=4000)
    project.api.proxy.arm(
        proxy.answer(500, '{"code":"55000","message":"x"}', "application/json"), match=PURGE, skip=1
    )  # fmt: skip
    with pytest.raises(OutcomeUnknown, match="an earlier part"):
        night.purge()
    gone = ROWS + 1 - len(ids(project))
    assert 0 < gone < 500
    accounted(night, project, gone)
    night.purge()
    assert ids(project) == [8000]
    accounted(night, project, ROWS)


def test_fault_26_a_hold_placed_just_before_the_deletion_is_respected(night: Nights, project: Project) -> None:
    """Looked up between the comparison and the statement that deletes."""
    project.api.proxy.arm(proxy.first(lambda: night.hold("case")), match="archiver_proven")
    receipt = night.purge()
    assert receipt.rows == {"logs": 0}
    assert len(receipt.problems) == 1
    assert len(ids(project)) == ROWS + 1
    night.release("case")
    assert night.purge().rows == {"logs": ROWS}
