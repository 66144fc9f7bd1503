"""A deletion that would do more than delete the rows that were compared: nothing goes, and what stands against it is named."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.errors import ArchiverError, Refused, SchemaDrift
from archiver.ledger.chain import read_chain
from archiver.ledger.entries import read_descriptor
from archiver.model import Dataset, Purged, Reason, RowsChanged
from archiver.neighbours.postgres.source import PostgresSource
from archiver.operations.tables.purge import PurgeReceipt, unaccounted
from tests.support.archive import ARCHIVE_ID
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.nights import Nights, placed
from tests.support.postgres import Database

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)  # the border is 2026-05-04 12:00
DAYS = 8
DUE = 14
ROWS = 4 * DAYS
EVENTS = Dataset(name="events", source="postgres", relation="events")
OTHER = Dataset(name="other", source="postgres", relation="other")
TABLE = (
    "CREATE TABLE {0} (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, phone text)",
    "CREATE INDEX ON {0} (created_at)",
    (
        "INSERT INTO {0} SELECT i, timestamptz '2026-05-01 00:00+00' + i * interval '6 hours', '+49 151 ' || i"
        f" FROM generate_series(0, {ROWS - 1}) i"
    ),
)
PAYLOADS = "CREATE TABLE payloads (id bigint PRIMARY KEY, event_id bigint{} REFERENCES events ON DELETE {}, body text)"
AUDIT = (
    "CREATE TABLE audit (at timestamptz, phone text)",
    (
        "CREATE FUNCTION copy_row() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO audit VALUES (now(), OLD.phone); RETURN NULL; END$$"
    ),
    "CREATE TRIGGER copies AFTER DELETE ON events FOR EACH ROW EXECUTE FUNCTION copy_row()",
)


def night(
    database: Database, *setup: str, datasets: Sequence[Dataset] = (EVENTS,), tables: Sequence[str] = ()
) -> Nights:
    """Exported and verified, with what the application has besides."""
    for name in ("events", *tables):
        database.execute(*(text.format(name) for text in TABLE))
    database.execute(*setup)
    made = Nights(FaultyStore(), FaultyAnchor(), PostgresSource(database.dsn), datasets=datasets, now=lambda: NOW)
    made.init()
    made.export()
    made.verify_and_record()
    return made


def count(database: Database, relation: str, where: str = "true") -> int:
    return int(database.query(f"SELECT count(*) FROM {relation} WHERE {where}")[0][0])


def problem(receipt: PurgeReceipt, kind: type[ArchiverError] = Refused) -> str:
    """The one problem of a receipt, in full; nothing was deleted."""
    (found,) = receipt.problems
    assert type(found) is kind
    assert "+49" not in f"{found.message} {found.hint}", "no content"
    return f"{found.message} {found.hint}"


def untouched(database: Database, made: Nights, receipt: PurgeReceipt) -> None:
    assert receipt.rows["events"] == 0
    assert count(database, "events") == ROWS
    assert unaccounted(made.open().holdings) == {}


def purged(made: Nights) -> list[Purged]:
    chain = read_chain(made.store, read_descriptor(made.store), tip=made.anchor.read(ARCHIVE_ID))
    return [event for signed in chain for event in signed.entry.events if isinstance(event, Purged)]


# ── Foreign keys ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("action", "default"), [("CASCADE", ""), ("SET NULL", ""), ("SET DEFAULT", " DEFAULT 31")])
def test_rows_that_go_along_or_are_rewritten_keep_what_they_refer_to(
    database: Database, action: str, default: str
) -> None:
    """They are in no archive: the constraint is named before anything is deleted, in the plan as well."""
    made = night(
        database,
        PAYLOADS.format(default, action),
        "INSERT INTO payloads SELECT i, i, 'kept nowhere' FROM generate_series(0, 19) i",
    )
    (plan,) = made.plan_purge()
    assert plan.rows_going == 0
    assert {slot.keep for slot in plan.slots} == {Reason.SIDE_EFFECTS()}
    assert any("payloads_event_id_fkey of public.payloads" in remark for remark in plan.remarks)
    receipt = made.purge()
    assert "payloads_event_id_fkey of public.payloads" in problem(receipt)
    untouched(database, made, receipt)
    assert count(database, "payloads", "event_id = id") == 20


def test_what_a_person_says_is_not_to_be_archived_goes_along_and_the_ledger_says_so(database: Database) -> None:
    made = night(
        database,
        PAYLOADS.format("", "CASCADE"),
        "INSERT INTO payloads SELECT i, i, 'kept nowhere' FROM generate_series(0, 19) i",
        datasets=(replace(EVENTS, purge_may_change=("public.payloads",)),),
    )
    receipt = made.purge()
    assert receipt.rows == {"events": DUE}
    assert receipt.problems == []
    assert count(database, "payloads") == 20 - DUE
    changes = [change for event in purged(made) for change in event.changed]
    assert {change.relation for change in changes} == {"public.payloads"}
    assert sum(change.deleted for change in changes) == DUE
    assert any("public.payloads" in remark for remark in receipt.remarks["events"])


def test_a_reference_to_itself_takes_no_row_of_today_along(database: Database) -> None:
    """Whether the rows that refer are not due, or are due and lie in another window."""
    made = night(
        database,
        "ALTER TABLE events ADD parent_id bigint REFERENCES events ON DELETE CASCADE",
        f"UPDATE events SET parent_id = 1 WHERE id >= {ROWS - 5}",
    )
    receipt = made.purge()
    assert "events_parent_id_fkey" in problem(receipt)
    untouched(database, made, receipt)
    database.execute("UPDATE events SET parent_id = NULL", "UPDATE events SET parent_id = 0 WHERE id = 9")
    made.export()
    made.verify_and_record()
    receipt = made.purge()
    assert "public.events: 1 rows deleted" in problem(receipt)
    untouched(database, made, receipt)


def test_a_reference_that_comes_after_the_plan_is_seen_by_the_deletion_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up beforehand is a courtesy: what a transaction changed it counts."""
    made = night(database, PAYLOADS.format("", "CASCADE"), "INSERT INTO payloads VALUES (1, 5, 'x')")
    monkeypatch.setattr("archiver.operations.tables.purge.obstacles", lambda *_, **__: ())
    receipt = made.purge()
    assert "public.payloads: 1 rows deleted" in problem(receipt)
    assert count(database, "payloads") == 1
    assert count(database, "events") == ROWS - 4, "the window before had none"
    assert unaccounted(made.open().holdings) == {}


def test_through_a_chain_and_another_schema_everything_is_counted(database: Database) -> None:
    made = night(
        database,
        "CREATE SCHEMA far",
        "CREATE TABLE far.middle (id bigint PRIMARY KEY REFERENCES events ON DELETE CASCADE)",
        "CREATE TABLE far.leaf (id bigint REFERENCES far.middle ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO far.middle VALUES (2)",
        "INSERT INTO far.leaf VALUES (2), (2)",
        datasets=(replace(EVENTS, purge_may_change=("far.middle",)),),
    )
    receipt = made.purge()
    assert "far.leaf: 2 rows deleted" in problem(receipt)
    untouched(database, made, receipt)
    assert count(database, "far.leaf") == 2


def test_rows_of_a_child_that_is_archived_itself_leave_first(database: Database) -> None:
    """In whichever order the settings name them; on hold they keep what they refer to, and nothing goes along."""
    made = night(
        database,
        "ALTER TABLE other ADD FOREIGN KEY (id) REFERENCES events (id) ON DELETE CASCADE",
        datasets=(EVENTS, OTHER),
        tables=("other",),
    )
    made.say([replace(placed("case"), dataset="other")])
    receipt = made.purge()
    assert "public.other" in problem(receipt)
    untouched(database, made, receipt)
    assert count(database, "other") == ROWS
    made.release("case")
    receipt = made.purge()
    assert receipt.problems == []
    assert receipt.rows == {"other": DUE, "events": DUE}


def test_a_reference_that_lets_nothing_go_is_named_and_is_nothing_temporary(database: Database) -> None:
    made = night(database, PAYLOADS.format("", "NO ACTION"), "INSERT INTO payloads VALUES (1, 5, 'x')")
    receipt = made.purge()
    assert "payloads_event_id_fkey of public.payloads refers to it with 1 rows" in problem(receipt)
    untouched(database, made, receipt)


# ── Triggers, rules, publications ──────────────────────────────────────────────────────────────────────────────


def test_a_trigger_that_copies_what_is_deleted_is_found_by_counting(database: Database) -> None:
    """Each purged row, telephone number included, would become a new row of another table."""
    made = night(database, *AUDIT)
    (plan,) = made.plan_purge()
    assert any("the trigger copies of public.events" in remark for remark in plan.remarks)
    receipt = made.purge()
    assert "public.audit: 4 rows inserted" in problem(receipt)
    untouched(database, made, receipt)
    assert count(database, "audit") == 0


def test_a_trigger_whose_table_a_person_named_writes_and_the_ledger_counts(database: Database) -> None:
    made = night(database, *AUDIT, datasets=(replace(EVENTS, purge_may_change=("public.audit",)),))
    assert made.purge().rows == {"events": DUE}
    changes = [change for event in purged(made) for change in event.changed]
    assert sum(change.inserted for change in changes) == DUE == count(database, "audit")
    assert changes[0] == RowsChanged(relation="public.audit", inserted=4)


BEFORE = "CREATE TRIGGER t BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION f()"
OBSTACLES: dict[str, tuple[tuple[str, ...], str]] = {
    "a soft delete": (
        (
            (
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN UPDATE events SET phone = NULL WHERE id = OLD.id; RETURN NULL; END$$"
            ),
            BEFORE,
        ),
        "rows were proven",
    ),
    "an append-only table": (
        ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'never'; END$$", BEFORE),
        "P0001 raise_exception",
    ),
    "a function without its table": (
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM gone; RETURN OLD; END$$",
            BEFORE,
        ),
        "42P01 undefined_table",
    ),
    "a rule": (("CREATE RULE r AS ON DELETE TO events DO INSTEAD NOTHING",), "the rule r of public.events"),
    "another table is emptied": (
        (
            "CREATE TABLE gone (id int)",
            "INSERT INTO gone VALUES (1)",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN TRUNCATE gone; RETURN OLD; END$$",
            BEFORE,
        ),
        "public.gone would be emptied",
    ),
    "a publication": (
        (
            "ALTER TABLE events REPLICA IDENTITY NOTHING",
            "CREATE PUBLICATION everything FOR TABLE events",
        ),
        "the publication everything needs a replica identity",
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_keeps_rows_from_being_deleted_is_told_as_it_is_and_stops_no_other_dataset(
    database: Database, obstacle: str
) -> None:
    """Never as temporary, as a missing GRANT or as a change of columns; the server's own condition is told."""
    setup, says = OBSTACLES[obstacle]
    made = night(database, *setup, datasets=(EVENTS, OTHER), tables=("other",))
    receipt = made.purge()
    assert says in problem(receipt)
    untouched(database, made, receipt)
    assert receipt.rows["other"] == DUE


def test_the_applications_triggers_see_the_roles_own_search_path(database: Database) -> None:
    """A function with unqualified names works for us as it does for the application; also where only some rows go."""
    made = night(
        database,
        "CREATE SCHEMA app",
        "CREATE TABLE app.ids (id bigint)",
        "CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM count(*) FROM ids; RETURN OLD; END$$",
        "CREATE TRIGGER t BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION app.f()",
        f'ALTER DATABASE "{database.name}" SET search_path = app, public',
    )
    database.execute("INSERT INTO public.events VALUES (900, '2026-05-02 01:00+00', 'late')")
    receipt = made.purge()
    assert receipt.problems == []
    assert receipt.rows == {"events": DUE}
    assert receipt.kept == {"events": {Reason.LATE(): 1}}


# ── Rows and columns that were not compared ────────────────────────────────────────────────────────────────────


def test_rows_of_children_with_columns_of_their_own_stay(database: Database) -> None:
    """A parent's DELETE takes them, with what the parent lacks; without such columns they are compared whole."""
    child = "CREATE TABLE child ({}) INHERITS (events)"
    insert = "INSERT INTO child (id, created_at, phone) VALUES (500, '2026-05-02 00:30+00', 'x')"
    made = night(database, child.format("secret text"), insert)
    receipt = made.purge()
    assert "its child public.child has columns that it lacks (secret)" in problem(receipt)
    untouched_rows = count(database, "events")
    assert untouched_rows == ROWS + 1
    database.execute("ALTER TABLE child DROP COLUMN secret")
    receipt = made.purge()
    assert receipt.problems == []
    assert receipt.rows == {"events": DUE + 1}


def test_a_view_that_hides_columns_is_not_purged_unless_a_person_says_so(database: Database) -> None:
    seen = replace(EVENTS, relation="seen", key_columns=("id",))
    made = night(database, "CREATE VIEW seen AS SELECT id, created_at FROM events", datasets=(seen,))
    receipt = made.purge()
    assert "it is a view of public.events, whose phone it does not show" in problem(receipt)
    untouched(database, made, receipt)
    made.datasets = (replace(seen, purge_may_change=("public.events",)),)
    assert made.purge().rows == {"events": DUE}


def test_a_key_that_the_server_takes_for_equal_lets_no_other_row_go(database: Database) -> None:
    """Under a nondeterministic collation one key finds another's row: as many go as were proven, and not those."""
    database.execute(
        "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE events (id text COLLATE blind, created_at timestamptz NOT NULL, phone text)",
        "INSERT INTO events VALUES ('a', '2026-05-01 01:00+00', '1'), ('b', '2026-05-01 02:00+00', '2')",
    )
    dataset = replace(EVENTS, key_columns=("id",))
    made = Nights(FaultyStore(), FaultyAnchor(), PostgresSource(database.dsn), datasets=(dataset,), now=lambda: NOW)
    made.init()
    made.export()
    made.verify_and_record()
    database.execute("INSERT INTO events VALUES ('A', '2026-05-01 03:00+00', 'late')")
    receipt = made.purge()
    assert problem(receipt)
    assert count(database, "events") == 3
    assert database.query("SELECT phone FROM events WHERE id = 'A' COLLATE \"C\"") == [("late",)]


# ── Columns that changed ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change", ["ALTER TABLE events DROP COLUMN phone", "ALTER TABLE events ALTER phone TYPE int USING 1"]
)
def test_a_dataset_that_was_stopped_is_not_purged(database: Database, change: str) -> None:
    """Until a person has agreed to the change."""
    made = night(database)
    database.execute(change)
    (plan,) = made.plan_purge()
    assert plan.rows_going == 0
    assert {slot.keep for slot in plan.slots} == {Reason.DRIFT()}
    receipt = made.purge()
    assert "phone" in problem(receipt, SchemaDrift)
    untouched(database, made, receipt)


@pytest.mark.parametrize("obstacle", ["a soft delete", "an append-only table", "another table is emptied"])
def test_a_plan_tries_a_deletion_and_leaves_everything_as_it_was(database: Database, obstacle: str) -> None:
    """What no catalogue tells is said beforehand as well; nothing is gone, and the next transaction can begin."""
    setup, says = OBSTACLES[obstacle]
    made = night(database, *setup)
    (plan,) = made.plan_purge(look=True)
    assert plan.rows_going == 0
    assert {slot.keep for slot in plan.slots} == {Reason.SIDE_EFFECTS()}
    assert says.replace("rows were proven", "rows were tried") in " ".join(plan.remarks)
    assert count(database, "events") == ROWS
    (plan,) = night_again(made).plan_purge(look=True)
    assert plan.rows_going == 0


def night_again(made: Nights) -> Nights:
    """The same on the same connection, which is not in any transaction."""
    return replace(made)


def test_nothing_of_this_is_in_the_way_of_a_plain_table(database: Database) -> None:
    made = night(database)
    (plan,) = made.plan_purge()
    assert plan.remarks == ()
    receipt: Any = made.purge()
    assert receipt.problems == []
    assert receipt.rows == {"events": DUE}
    assert [event.changed for event in purged(made)] == [()] * len(purged(made))
    assert timedelta(0) < NOW - plan.border
