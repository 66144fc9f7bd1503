"""The data API as a second way: the same segments as the first, and whatever comes between here and PostgREST is noticed."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.contracts import Source
from archiver.errors import AccessDenied, ConfigError, SchemaDrift, TransientError
from archiver.model import Dataset, Slot, Window
from archiver.neighbours.dataapi.client import URL_BYTES_MAX, DataApi, key_kind
from archiver.neighbours.dataapi.settings import DataApiSettings
from archiver.neighbours.dataapi.source import PostgrestSource
from archiver.neighbours.postgres.source import PostgresSource
from archiver.neighbours.retry import Retry, RetryPolicy
from archiver.operations.steps.compare import difference
from archiver.parquet import PartWriter
from tests.support import postgrest, proxy
from tests.support.alltypes import COLUMNS, statements
from tests.support.postgres import PostgresServer
from tests.support.project import AT_ONCE, PATIENT, Project, project_of

MAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
DAY = Window(MAY_1, MAY_1 + timedelta(days=1))
MONTH = Window(MAY_1, MAY_1 + timedelta(days=31))
LOGS = Dataset(name="logs", source="postgrest", relation="logs")
ROWS = 2500
LOG_PAGE = "/logs?"


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer) -> Iterator[Project]:
    with project_of(
        postgres_server,
        "data_api_logs",
        "CREATE TABLE logs (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, message text)",
        "CREATE INDEX ON logs (created_at)",
        "INSERT INTO logs SELECT i, timestamptz '2026-05-01 00:00+00' + i / 7 * interval '1 second', 'm' || i"
        f" FROM generate_series(1, {ROWS}) i",
        "GRANT SELECT ON logs TO service_role",
    ) as made:
        yield made


@pytest.fixture
def project(shared: Project) -> Iterator[Project]:
    """The shared project; what a test arms or changes is gone after it."""
    yield shared
    shared.api.proxy.disarm()
    shared.database.execute(
        f"DELETE FROM logs WHERE id NOT BETWEEN 1 AND {ROWS}",
        "UPDATE logs SET message = 'm' || id WHERE message IS NULL",
    )


# ── Equal rows, equal segments ─────────────────────────────────────────────────────────────────────────────────


def segment(source: Source, dataset: Dataset, path: Path, window: Window | None = MONTH) -> str:
    """The SHA-256 of the segment that a source's rows make."""
    path.unlink(missing_ok=True)
    with source.snapshot() as snapshot:
        schema = snapshot.schema(dataset)
        with PartWriter(path, schema, dataset=dataset.name, slot=Slot(window=window)) as writer:
            for batch in snapshot.scan(dataset, schema, window):
                writer.write(batch)
            writer.finish()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_equal_segments(project: Project, dataset: Dataset, tmp_path: Path, window: Window | None = MONTH) -> None:
    theirs = segment(PostgresSource(project.database.dsn), dataset, tmp_path / "postgres.parquet", window)
    ours = segment(project.source(), dataset, tmp_path / "postgrest.parquet", window)
    left, right = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("postgres", "postgrest"))
    assert left.num_rows
    for name in left.column_names:
        assert difference(left.select([name]), right.select([name])).missing == 0, name
    assert ours == theirs


@pytest.fixture(scope="module")
def types(postgres_server: PostgresServer) -> Iterator[Project]:
    with ExitStack() as stack:
        without_xml = statements(xml=False)
        made = stack.enter_context(
            project_of(
                postgres_server,
                "data_api_types",
                *without_xml,
                # Its text depends on the search path; a test of its own shows that it is refused.
                "ALTER TABLE all_types DROP COLUMN a_class",
                "GRANT SELECT ON all_types TO service_role",
            )
        )
        yield made


def test_both_ways_write_equal_segments_of_every_type(types: Project, tmp_path: Path) -> None:
    """The same bytes, the same SHA-256: every type with its edges, NULL, empty, a value of 1 MB."""
    assert len(COLUMNS) > 50
    assert_equal_segments(types, Dataset(name="all_types", source="postgres", relation="all_types"), tmp_path)


def test_both_ways_write_equal_segments_whatever_the_key_and_the_time_are(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Text keys in the order of a language, composite, duplicate and absent keys, dates, odd names, schemas, views."""
    text = "'key' || chr(65 + i % 57) || 'ä' || i % 1300"
    series = "FROM generate_series(1, 2400) i"
    odd_rows = (
        f"""INSERT INTO "My Schema"."we""ird, (ta.ble)" SELECT {text}, 'x"\\,()' || i,"""
        f""" timestamptz '2026-05-02' + i / 50 * interval '1 s', '\\' {series}"""
    )
    tables = [
        'CREATE SCHEMA "My Schema"',
        (
            'CREATE TABLE "My Schema"."we""ird, (ta.ble)" ("select" text, "limit,=&" text, "When?" timestamptz NOT NULL,'
            ' "back\\slash" text, PRIMARY KEY ("select", "limit,=&"))'
        ),
        odd_rows,
        "CREATE TABLE by_date (a int, b uuid, at date, PRIMARY KEY (b, at, a))",
        f"INSERT INTO by_date SELECT i, md5((i / 3)::text)::uuid, date '2026-05-01' + i % 2 {series}",
        "CREATE TABLE keyless (id int, at timestamp, note text)",
        f"INSERT INTO keyless SELECT i % 100, timestamp '2026-05-01' + i / 900 * interval '1 hour', 'n' || i {series}",
        "CREATE TABLE parted (id int, at date, PRIMARY KEY (at, id)) PARTITION BY RANGE (at)",
        "CREATE TABLE p1 PARTITION OF parted FOR VALUES FROM ('2026-05-01') TO ('2026-05-02')",
        "CREATE TABLE p2 PARTITION OF parted FOR VALUES FROM ('2026-05-02') TO ('2026-06-01')",
        f"INSERT INTO parted SELECT i, date '2026-05-01' + i % 3 {series}",
        "CREATE VIEW seen AS SELECT id, at::timestamptz AS at FROM parted",
        'GRANT USAGE ON SCHEMA "My Schema" TO service_role',
        'GRANT SELECT ON ALL TABLES IN SCHEMA public, "My Schema" TO service_role',
    ]
    odd = Dataset(
        name="odd", source="postgres", namespace="My Schema", relation='we"ird, (ta.ble)', time_column="When?"
    )
    at = Dataset(name="d", source="postgres", relation="by_date", time_column="at")
    with project_of(postgres_server, "data_api_keys", *tables, schemas=("public", "My Schema")) as made:
        assert_equal_segments(made, odd, tmp_path)
        assert_equal_segments(made, at, tmp_path, MONTH)
        assert_equal_segments(made, replace(at, relation="parted"), tmp_path)
        assert_equal_segments(made, replace(at, relation="seen", key_columns=("at", "id")), tmp_path)
        assert_equal_segments(made, replace(at, relation="keyless", key_columns=("id", "note")), tmp_path)
        hour = Window(MAY_1 + timedelta(hours=1), MAY_1 + timedelta(hours=2))
        assert_equal_segments(made, replace(at, relation="keyless", key_columns=("id", "note")), tmp_path, hour)
        with made.source().snapshot() as snapshot:
            keyless = replace(at, relation="keyless", key_columns=())
            assert sum(b.num_rows for b in snapshot.scan(keyless, snapshot.schema(keyless), MONTH)) == 2400
            twice = replace(at, relation="seen", key_columns=("at",))
            with pytest.raises(ConfigError, match="several of its rows have the same key"):
                list(snapshot.scan(twice, snapshot.schema(twice), MONTH))
            with pytest.raises(ConfigError, match="has no key"):
                snapshot.schema(replace(twice, key_columns=()))


def test_both_ways_count_alike(types: Project) -> None:
    """Windows, rows and digests are the same, so that the way can be changed between two nights."""
    dataset = Dataset(name="all_types", source="postgres", relation="all_types")
    for time in ("created_at", "a_timestamptz", "a_timestamp", "a_date"):
        counted = []
        for source in (PostgresSource(types.database.dsn), types.source()):
            with source.snapshot() as snapshot:
                chosen = replace(dataset, time_column=time)
                schema = snapshot.schema(chosen)
                counted.append(snapshot.census(chosen, schema, None, None))
                undated = sum(batch.num_rows for batch in snapshot.scan(chosen, schema, None))
                assert undated == (counted[-1][None].rows if None in counted[-1] else 0)
        assert counted[0] == counted[1]


def test_columns_that_are_not_asked_for_do_not_leave_the_database(types: Project) -> None:
    """What a column policy drops is not read: neither way has it, and the rest is equal."""
    dataset = Dataset(name="all_types", source="postgres", relation="all_types")
    tables = []
    for source in (PostgresSource(types.database.dsn), types.source()):
        with source.snapshot() as snapshot:
            whole = snapshot.schema(dataset)
            kept = replace(whole, columns=tuple(one for one in whole.columns if one.name not in ("a_text", "a_jsonb")))
            tables.append(pa.Table.from_batches(list(snapshot.scan(dataset, kept, MONTH))))
    assert tables[0].num_rows == 6
    found = difference(*tables)
    assert (found.new.num_rows, found.missing) == (0, 0)
    asked = next(one.path for one in reversed(types.api.proxy.requests) if "/all_types?" in one.path)
    assert "a_text" not in asked
    assert "select=id%2C" in asked or "select=id," in asked


def test_undated_rows_come_in_the_archives_order(types: Project, tmp_path: Path) -> None:
    """Before Christ, beyond the calendar, infinity, and at last NULL."""
    dataset = Dataset(name="all_types", source="postgres", relation="all_types", time_column="a_timestamptz")
    assert_equal_segments(types, dataset, tmp_path, None)


def test_a_type_whose_text_depends_on_the_search_path_is_refused(project: Project) -> None:
    project.database.execute("ALTER TABLE logs ADD COLUMN what regclass[]")
    try:
        with pytest.raises(ConfigError, match="what"):
            project.rows(LOGS, DAY)
    finally:
        project.database.execute("ALTER TABLE logs DROP COLUMN what")


@pytest.mark.parametrize(
    ("setting", "value"), [("DateStyle", "German"), ("IntervalStyle", "iso_8601"), ("extra_float_digits", "-2"), ("bytea_output", "escape")]
)  # fmt: skip
def test_settings_under_which_values_are_not_exact_are_refused_with_the_fix(
    project: Project, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    """PostgREST reads a role's settings when it starts: what it would answer is put into its mouth here."""
    real = project.source().api.look()
    monkeypatch.setattr(DataApi, "look", lambda _: {**real, "settings": {**real["settings"], setting: value}})
    with pytest.raises(ConfigError, match=setting) as caught:
        project.rows(LOGS, DAY)
    assert f'ALTER ROLE "service_role" SET {setting} = ' in caught.value.hint


# ── Fault 18: caps, counts, changes ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cap", [1000, 7])
def test_fault_18_a_cap_below_what_was_asked_loses_nothing(postgres_server: PostgresServer, cap: int) -> None:
    """Pages are as long as the server likes; rows of one instant lie across their borders."""
    count = 130 if cap == 7 else 2300
    with project_of(
        postgres_server,
        f"data_api_cap_{cap}",
        "CREATE TABLE logs (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, message text)",
        "INSERT INTO logs SELECT i, timestamptz '2026-05-01 00:00+00' + i / 40 * interval '1 second'"
        f" FROM generate_series(1, {count}) i",
        "GRANT SELECT ON logs TO service_role",
        rows_max=cap,
    ) as made:
        rows = made.rows(LOGS, DAY)
        assert [row["id"] for row in rows] == list(range(1, count + 1))
        assert made.api.proxy.count(LOG_PAGE) >= count // cap


def test_fault_18_fewer_rows_than_were_counted_are_fatal_for_the_window(project: Project) -> None:
    """An empty page in the middle: what came is not taken for all."""
    empty = proxy.answer(200, "\n", "text/csv; charset=utf-8", Content_Range="*/*")
    project.api.proxy.arm(empty, match=LOG_PAGE, skip=1, times=None)
    with pytest.raises(TransientError, match=f"{ROWS} rows were counted and"):
        project.rows(LOGS, DAY)


def test_fault_18_a_row_that_arrives_between_pages_makes_the_window_be_read_again(project: Project) -> None:
    """Whether it lies before or behind the page that is read next."""
    for id_, when in ((9001, "00:00:01"), (9002, "23:00")):
        insert = f"INSERT INTO logs VALUES ({id_}, '2026-05-01 {when}+00', 'late')"
        project.api.proxy.arm(proxy.first(partial(project.database.execute, insert)), match=LOG_PAGE, skip=1)
        with pytest.raises(TransientError, match=r"changed while it was read|were counted and"):
            project.rows(LOGS, DAY)
    assert len(project.rows(LOGS, DAY)) == ROWS + 2


def test_fault_18_a_row_that_changes_between_pages_makes_the_window_be_read_again(project: Project) -> None:
    """The count is the same and the version is not."""
    update = "UPDATE logs SET message = NULL WHERE id = 3"
    project.api.proxy.arm(proxy.first(lambda: project.database.execute(update)), match=LOG_PAGE, skip=1)
    with pytest.raises(TransientError, match="changed while it was read"):
        project.rows(LOGS, DAY)
    assert [row["message"] for row in project.rows(LOGS, DAY) if row["id"] == 3] == [None]


def test_fault_18_a_table_that_is_written_anew_between_pages_is_read_again(project: Project) -> None:
    """VACUUM FULL moves rows and leaves their versions alone: pages that go by place would miss some."""
    project.api.proxy.arm(
        proxy.first(lambda: project.database.execute("VACUUM FULL logs")), match=LOG_PAGE, skip=1
    )  # fmt: skip
    with pytest.raises(TransientError, match="changed while it was read"):
        project.rows(LOGS, DAY)


# ── What a proxy, a gateway or a network does ──────────────────────────────────────────────────────────────────

DAMAGE = {
    "the connection is cut in a page": proxy.cut(),
    "the connection is cut before an answer": proxy.refuse,
    "the answer is lost": proxy.drop_reply,
    "half of the body is missing": proxy.truncate(),
    "the last lines are missing": proxy.truncate(at_line=True),
    "the last byte is missing": proxy.altered(lambda body: body[:-1]),
    "the last three bytes are missing": proxy.altered(lambda body: body[:-3]),
    "a proxy's page": proxy.answer(200, "<html>captive portal</html>", "text/html"),
    "a proxy's page that calls itself CSV": proxy.answer(200, "<html>hello</html>", "text/csv"),
    "a good status with an error": proxy.answer(200, '{"code":"XX000","message":"boom"}', "application/json"),
    "a bad gateway": proxy.answer(502, "<html>bad gateway</html>"),
    "unavailable": proxy.answer(503, '{"code":"PGRST002","message":"no schema cache"}', "application/json"),
    "too many requests": proxy.answer(429, "slow down", "text/plain"),
    "a statement that took too long": proxy.answer(500, '{"code":"57014","message":"x"}', "application/json"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_page_that_fails_in_the_middle_is_asked_for_again_and_never_taken_for_whole(
    project: Project, name: str
) -> None:
    """Once: the policy repairs it and every row comes once. For good: an error that says what was discarded."""
    project.api.proxy.arm(DAMAGE[name], match=LOG_PAGE, skip=1)
    assert [row["id"] for row in project.rows(LOGS, DAY, PATIENT)] == list(range(1, ROWS + 1))
    project.api.proxy.arm(DAMAGE[name], match=LOG_PAGE, skip=1, times=None)
    with pytest.raises((TransientError, SchemaDrift)) as caught:
        project.rows(LOGS, DAY, PATIENT)
    assert "m1" not in f"{caught.value.message} {caught.value.hint}"
    assert "boom" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("function", ["archiver_look", "archiver_describe", "archiver_state", "archiver_census"])
def test_what_is_no_answer_of_our_function_is_not_taken_for_one(project: Project, function: str) -> None:
    """A good status with an error's body, or with anything else."""
    for body in ('{"code":"XX000","message":"boom"}', "null", '"text"', "[1, 2"):
        project.api.proxy.arm(proxy.answer(200, body, "application/json"), match=function)
        with project_census(project) as ask, pytest.raises(TransientError, match="not with a whole answer"):
            ask()


@contextmanager
def project_census(project: Project) -> Iterator[Any]:
    def ask() -> None:
        with project.source().snapshot() as snapshot:
            schema = snapshot.schema(LOGS)
            snapshot.census(LOGS, schema, None, None)
            list(snapshot.scan(LOGS, schema, DAY))

    yield ask


def test_a_503_storm_is_met_with_one_policy_that_ends(project: Project) -> None:
    """supabase-py's own repetition is off: each attempt is ours, and is counted."""
    seen: list[Retry] = []
    policy = RetryPolicy(attempts_max=5, sleep=lambda _: None, watch=seen.append)
    project.api.proxy.arm(proxy.answer(503, "busy", "text/plain"), match=LOG_PAGE, times=None)
    asked = project.api.proxy.count(LOG_PAGE)
    with pytest.raises(TransientError, match="gave up after 5 attempts"):
        project.rows(LOGS, DAY, policy)
    assert project.api.proxy.count(LOG_PAGE) - asked == 5
    assert len(seen) == 4


def test_an_address_that_gateways_refuse_is_never_asked_for(project: Project) -> None:
    """Many columns cost nothing: they are asked for by a star."""
    api = project.source().api
    long = {"select": "*", "and": f'("message".gt."{"x" * URL_BYTES_MAX}")'}
    with pytest.raises(ConfigError, match="gateways refuse"):
        api.page("public", "logs", long, names=["id"], doing="reading logs")


def test_columns_that_change_between_the_look_and_a_page_stop_the_dataset(project: Project) -> None:
    with project.source().snapshot() as snapshot:
        schema = snapshot.schema(LOGS)
        project.database.execute("ALTER TABLE logs ADD COLUMN more text")
        try:
            with pytest.raises(SchemaDrift, match="other columns"):
                list(snapshot.scan(LOGS, schema, DAY))
        finally:
            project.database.execute("ALTER TABLE logs DROP COLUMN more")


# ── Fault 25: keys, grants, row level security ─────────────────────────────────────────────────────────────────


def denied(project: Project, key: str, kind: type[ConfigError] = AccessDenied) -> ConfigError:
    with pytest.raises(kind) as caught, project.source(key=key).snapshot() as snapshot:
        snapshot.schema(LOGS)
    assert caught.value.exit_status == 2
    assert key not in f"{caught.value!r} {caught.value.hint} {project.source(key=key)!r}"
    return caught.value


def test_fault_25_wrong_and_expired_keys_are_found_before_work_begins(project: Project) -> None:
    assert "sb_secret_" in denied(project, "sb_secret_geheim").hint
    assert "expired" in denied(project, postgrest.token("service_role", expires_at=5)).message


@pytest.mark.parametrize("key", [postgrest.PUBLISHABLE_KEY, postgrest.token("anon")])
def test_fault_25_a_key_for_browsers_is_refused_before_anything_is_asked(project: Project, key: str) -> None:
    asked = len(project.api.proxy.requests)
    assert "row level security" in denied(project, key, ConfigError).message
    assert len(project.api.proxy.requests) == asked


def test_fault_25_another_roles_key_may_not_call_our_functions(project: Project) -> None:
    assert "42501" in denied(project, postgrest.token("authenticated")).message


def test_both_kinds_of_keys_serve_and_the_old_one_is_warned_of(project: Project) -> None:
    legacy = project.source(key=postgrest.token("service_role"))
    with legacy.snapshot() as snapshot:
        assert snapshot.schema(LOGS).key_columns == ("id",)
    assert "legacy" in legacy.api.warning
    assert project.source().api.warning == ""
    assert key_kind(postgrest.token("service_role")) == "service_role"


def test_fault_25_a_key_that_expires_in_the_middle_of_a_run_is_named(project: Project) -> None:
    """It is no time for patience: the key does not get better."""
    expired = proxy.answer(401, '{"code":"PGRST301","message":"JWT expired"}', "application/json")
    project.api.proxy.arm(expired, match=LOG_PAGE, skip=1, times=None)
    with pytest.raises(AccessDenied, match="wrong, expired or revoked"):
        project.rows(LOGS, DAY, PATIENT)


def test_fault_25_a_missing_grant_is_named_with_its_statement(project: Project) -> None:
    project.database.execute("REVOKE SELECT ON logs FROM service_role")
    try:
        assert 'GRANT SELECT ON "public"."logs" TO "service_role"' in denied(project, postgrest.SECRET_KEY).hint
    finally:
        project.database.execute("GRANT SELECT ON logs TO service_role")


def test_fault_25_row_level_security_that_may_hide_rows_is_refused(project: Project) -> None:
    """Also where its policies hide nothing yet: the catalogue says whether they may, a count only whether they do."""
    project.database.execute("ALTER TABLE logs ENABLE ROW LEVEL SECURITY")
    assert len(project.rows(LOGS, DAY)) == ROWS, "service_role passes by"
    project.database.execute("ALTER ROLE service_role NOBYPASSRLS", "CREATE POLICY all_of_it ON logs USING (id > 0)")
    try:
        assert "row level security may hide rows" in denied(project, postgrest.SECRET_KEY).message
    finally:
        project.database.execute(
            "ALTER ROLE service_role BYPASSRLS",
            "DROP POLICY all_of_it ON logs",
            "ALTER TABLE logs DISABLE ROW LEVEL SECURITY",
        )


def test_fault_25_rows_that_only_pages_hide_are_missed_by_the_count(project: Project) -> None:
    """Whatever hides them: what PostgREST shows is compared with what the database counts."""
    hide = proxy.altered(lambda body: b"\n".join(body.split(b"\n")[:50]))

    def lie(request: proxy.Request, pass_on: Any) -> proxy.Reply | None:
        reply: proxy.Reply | None = hide(request, pass_on)
        assert reply is not None
        reply.headers = [(name, value) for name, value in reply.headers if name.lower() != "content-range"]
        reply.headers.append(("Content-Range", f"0-{len(reply.body.split(chr(10).encode())) - 2}/*"))
        return reply

    project.api.proxy.arm(lie, match=LOG_PAGE)
    project.api.proxy.arm(
        proxy.answer(200, "\n", "text/csv", Content_Range="*/*"), match=LOG_PAGE, times=None
    )  # fmt: skip
    with pytest.raises(TransientError, match="49 came"):
        project.rows(LOGS, DAY)


def test_a_schema_that_is_not_exposed_is_named(project: Project) -> None:
    project.database.execute(
        "CREATE SCHEMA hidden",
        "CREATE TABLE hidden.logs (id int PRIMARY KEY, created_at timestamptz)",
        "INSERT INTO hidden.logs VALUES (1, '2026-05-01')",
        "GRANT USAGE ON SCHEMA hidden TO service_role",
        "GRANT SELECT ON hidden.logs TO service_role",
    )
    hidden = replace(LOGS, namespace="hidden")
    with project.source().snapshot() as snapshot:
        schema = snapshot.schema(hidden)
        with pytest.raises(ConfigError, match="not exposed") as caught:
            list(snapshot.scan(hidden, schema, DAY))
    assert "Data API" in caught.value.hint


def test_a_relation_that_the_data_api_has_not_noticed_yet_is_named(project: Project) -> None:
    """Newer versions answer from what they saw last; the database has it."""
    stale = proxy.answer(404, '{"code":"PGRST205","message":"boom"}', "application/json")
    project.api.proxy.arm(stale, match=LOG_PAGE)
    with pytest.raises(ConfigError, match="does not know the relation") as caught:
        project.rows(LOGS, DAY)
    assert "reload schema" in caught.value.hint


def test_nobody_there_is_temporary_and_no_key_is_shown() -> None:
    source = PostgrestSource(
        DataApi("http://127.0.0.1:1", "sb_secret_geheim", DataApiSettings(connect_timeout_s=2)), AT_ONCE
    )
    with pytest.raises(TransientError, match="cannot be reached") as caught, source.snapshot():
        pass
    assert "geheim" not in f"{caught.value!r} {caught.value.hint} {source!r}"
