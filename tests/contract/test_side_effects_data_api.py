"""The same through the data API: one statement that would do more than delete the compared rows deletes nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from archiver.errors import Refused
from archiver.model import Dataset
from archiver.operations.tables.purge import PurgeReceipt, unaccounted
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.nights import Nights
from tests.support.postgres import PostgresServer
from tests.support.project import Project, project_of

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)  # the border is 2026-05-04 12:00
ROWS, DUE = 32, 14
EVENTS = Dataset(name="events", source="postgrest", relation="events")
FUNCTION = "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {} END$$"
BEFORE = "CREATE TRIGGER t BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION public.f()"
PAYLOADS = "CREATE TABLE payloads (id bigint, event_id bigint REFERENCES events ON DELETE {})"
REFERRING = "INSERT INTO payloads VALUES (1, 5); GRANT SELECT ON payloads TO service_role"


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer) -> Iterator[Project]:
    with project_of(
        postgres_server,
        "data_api_effects",
        "CREATE TABLE events (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, phone text)",
        "CREATE INDEX ON events (created_at)",
        "CREATE TABLE audit (phone text)",
        "GRANT ALL ON events, audit TO service_role",
    ) as made:
        yield made


@pytest.fixture
def project(shared: Project) -> Iterator[Project]:
    """The shared project, filled anew, with nothing that another test has defined."""
    database = shared.database
    database.execute(
        "TRUNCATE events CASCADE",
        "TRUNCATE audit",
        "INSERT INTO events SELECT i, timestamptz '2026-05-01 00:00+00' + i * interval '6 hours', '+49 151 ' || i"
        f" FROM generate_series(0, {ROWS - 1}) i",
    )
    yield shared
    database.execute(
        "DROP TABLE IF EXISTS payloads, child",
        "DROP TRIGGER IF EXISTS t ON events",
        "DROP FUNCTION IF EXISTS public.f",
        "DROP RULE IF EXISTS r ON events",
        "DROP PUBLICATION IF EXISTS everything",
        "ALTER TABLE events REPLICA IDENTITY DEFAULT",
    )


def night(project: Project, *setup: str, dataset: Dataset = EVENTS) -> Nights:
    project.database.execute(*(part for text in setup for part in ([text] if "$$" in text else text.split("; "))))
    made = Nights(FaultyStore(), FaultyAnchor(), project.source(), datasets=(dataset,), now=lambda: NOW)
    made.init()
    made.export()
    made.verify_and_record()
    return made


def count(project: Project, relation: str) -> int:
    return int(project.database.query(f"SELECT count(*) FROM {relation}")[0][0])


def refused(project: Project, made: Nights, receipt: PurgeReceipt) -> str:
    """Why nothing was deleted."""
    (problem,) = receipt.problems
    assert type(problem) is Refused
    said = f"{problem.message} {problem.hint}"
    assert "+49" not in said, "no content"
    assert receipt.rows == {"events": 0}
    assert count(project, "events") >= ROWS
    assert unaccounted(made.open().holdings) == {}
    return said


OBSTACLES: dict[str, tuple[tuple[str, ...], str]] = {
    "cascade": ((PAYLOADS.format("CASCADE"), REFERRING), "payloads_event_id_fkey of public.payloads deletes 1 rows"),
    "set null": ((PAYLOADS.format("SET NULL"), REFERRING), "payloads_event_id_fkey of public.payloads sets to NULL"),
    "no action": ((PAYLOADS.format("NO ACTION"), REFERRING), "payloads_event_id_fkey of public.payloads refers to it"),
    "a copy": (
        (FUNCTION.format("INSERT INTO public.audit VALUES (OLD.phone); RETURN OLD;"), BEFORE),
        "public.audit: 4 rows inserted",
    ),
    "a soft delete": ((FUNCTION.format("RETURN NULL;"), BEFORE), "a trigger or a rule keeps proven rows"),
    "append only": ((FUNCTION.format("RAISE 'never';"), BEFORE), "SQLSTATE P0001 raise_exception"),
    "a missing table": ((FUNCTION.format("DELETE FROM gone; RETURN OLD;"), BEFORE), "SQLSTATE 42P01 undefined_table"),
    "emptied": ((FUNCTION.format("TRUNCATE public.audit; RETURN OLD;"), BEFORE), "public.audit would be emptied"),
    "a rule": (("CREATE RULE r AS ON DELETE TO events DO INSTEAD NOTHING",), "the rule r of public.events"),
    "a publication": (
        ("ALTER TABLE events REPLICA IDENTITY NOTHING", "CREATE PUBLICATION everything FOR TABLE events"),
        "the publication everything needs a replica identity",
    ),
    "a child": (
        (
            "CREATE TABLE child (secret text) INHERITS (events)",
            "INSERT INTO child (id, created_at, phone) VALUES (500, '2026-05-02 00:30+00', 'x')",
        ),
        "its child public.child has columns that it lacks (secret)",
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_deletion_that_would_do_more_deletes_nothing_and_is_told_as_it_is(project: Project, obstacle: str) -> None:
    setup, says = OBSTACLES[obstacle]
    made = night(project, *setup)
    assert says in refused(project, made, made.purge())
    assert count(project, "audit") == 0


@pytest.mark.parametrize("obstacle", ["cascade", "set null", "no action"])
def test_the_statement_itself_counts_whatever_was_looked_up_beforehand(
    project: Project, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    made = night(project, *OBSTACLES[obstacle][0])
    monkeypatch.setattr("archiver.operations.tables.purge.obstacles", lambda *_, **__: ())
    receipt = made.purge()
    (problem,) = receipt.problems
    assert type(problem) is Refused
    assert "public.payloads" in problem.message
    assert count(project, "events") == ROWS - 4, "the window before had none"
    assert project.database.query("SELECT event_id FROM payloads") == [(5,)]


def test_what_a_person_named_goes_along_and_is_counted(project: Project) -> None:
    named = replace(EVENTS, purge_may_change=("public.payloads",))
    made = night(project, PAYLOADS.format("CASCADE"), REFERRING, dataset=named)
    receipt = made.purge()
    assert receipt.problems == []
    assert receipt.rows == {"events": DUE}
    assert count(project, "payloads") == 0
    assert receipt.remarks["events"] == [
        "not archived, as purge_may_change says: public.payloads: 1 rows deleted along with 2026-05-02"
    ]


def test_the_applications_triggers_see_the_search_path_of_the_request(project: Project) -> None:
    """As they do when the application itself deletes through the data API."""
    made = night(project, FUNCTION.format("PERFORM count(*) FROM audit; RETURN OLD;"), BEFORE)
    receipt = made.purge()
    assert receipt.problems == []
    assert receipt.rows == {"events": DUE}
