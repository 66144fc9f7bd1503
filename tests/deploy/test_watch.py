"""Watching and asking from the database: a real pg_cron, a stand-in for pg_net of the same signature, a real data API."""

from __future__ import annotations

import concurrent.futures
import json
import re
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pytest

from archiver.model import Verdict
from archiver.neighbours.postgres.source import PostgresSource
from archiver.neighbours.postgres.watch import PostgresWatch
from archiver.stack.supabase import judge
from archiver.stack.targets import SupabaseFacts
from tests.support import debian, postgrest
from tests.support.daemon import until
from tests.support.postgres import PASSWORD, Database, PostgresServer, fresh_database, postgres_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

MIGRATION = next(postgrest.MIGRATIONS.glob("*_archiver_watch.sql"))
WEBHOOK, MESSAGES = "https://alerts.example.com/alerts", "https://hooks.example.com/x"

# As pg_net and the Vault of a Supabase project have them. What would be sent is kept; the answer is what the test says.
STAND_INS = (
    "CREATE SCHEMA net",
    "CREATE TABLE net.sent (id bigserial PRIMARY KEY, url text, body jsonb, headers jsonb)",
    (
        "CREATE TABLE net._http_response (id bigint, status_code integer, content_type text, headers jsonb, content text,"
        " timed_out boolean, error_msg text, created timestamptz NOT NULL DEFAULT now())"
    ),
    (
        "CREATE FUNCTION net.http_post(url text, body jsonb DEFAULT '{}'::jsonb, params jsonb DEFAULT '{}'::jsonb,"
        """ headers jsonb DEFAULT '{"Content-Type": "application/json"}'::jsonb, timeout_milliseconds integer DEFAULT 5000)"""
        " RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER AS $$ INSERT INTO net.sent (url, body, headers)"
        " VALUES (http_post.url, http_post.body, http_post.headers) RETURNING id $$"
    ),
    "CREATE SCHEMA vault",
    "CREATE TABLE vault.decrypted_secrets (name text UNIQUE, decrypted_secret text)",
)


def with_stand_ins(database: Database, **secrets: str) -> None:
    database.execute(*STAND_INS)
    for name, value in secrets.items():
        database.execute(f"INSERT INTO vault.decrypted_secrets VALUES ('{name}', '{value}')")


def anchor_moved(database: Database, hours_ago: float) -> None:
    """The worker's last move, as far back as the test says; past the trigger, which allows nobody to date it back."""
    database.execute(
        "SET session_replication_role = replica",
        "INSERT INTO archiver.archiver_anchor AS a (archive_id, seq, hash, signature, moved_at)"
        f" VALUES ('a', 1, '{'a' * 64}', 's', clock_timestamp() - interval '{hours_ago} hours')"
        " ON CONFLICT (archive_id) DO UPDATE SET seq = a.seq + 1, moved_at = excluded.moved_at",
    )


@pytest.fixture(scope="module")
def pattern(postgres_server: PostgresServer) -> Iterator[Database]:
    """A project with everything but pg_cron, somebody to tell, and an archive that moved an hour ago."""
    with fresh_database(postgres_server, "watch_pattern") as database:
        postgrest.prepare(database)
        postgrest.migrate(database)
        with_stand_ins(
            database, archiver_watch_url=WEBHOOK, archiver_watch_token="geheim", archiver_watch_message_url=MESSAGES
        )
        anchor_moved(database, 1)
        database.execute(f"ALTER ROLE archiver PASSWORD '{PASSWORD}'")
        yield database


@pytest.fixture
def watched(pattern: Database) -> Iterator[Database]:
    """One like it, for one test."""
    with fresh_database(pattern.server, "watched", template=pattern.name) as made:
        yield made


def look(database: Database) -> str:
    return str(database.query("SELECT archiver.watch()")[0][0])


def sent(database: Database, url: str = WEBHOOK) -> list[dict[str, Any]]:
    found = database.query(f"SELECT body::text FROM net.sent WHERE url = '{url}' ORDER BY id")
    return [json.loads(str(row[0])) for row in found]


def answered(database: Database, status: int = 200) -> None:
    """Everything sent so far has had this answer."""
    database.execute(
        f"INSERT INTO net._http_response (id, status_code) SELECT id, {status} FROM net.sent WHERE id NOT IN (SELECT id FROM net._http_response)"
    )


def stories(bodies: list[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """What a receiver that knows fingerprint and start makes of it: the states of each alert, one after the other."""
    found: dict[tuple[str, str], list[str]] = {}
    for body in bodies:
        (alert,) = body["alerts"]
        states = found.setdefault((alert["fingerprint"], alert["startsAt"]), [])
        if states[-1:] != [alert["status"]]:
            states.append(alert["status"])
    return found


# -- watch


def test_a_worker_that_works_is_no_news(watched: Database) -> None:
    assert look(watched) == "fresh"
    anchor_moved(watched, 25.9)
    assert look(watched) == "fresh"
    assert watched.query("SELECT 1 FROM net.sent") == []


def test_a_worker_that_stopped_for_26_hours_is_exactly_one_alert(watched: Database) -> None:
    anchor_moved(watched, 26.1)
    assert [look(watched) for _ in range(5)] == ["stale"] * 5
    bodies = sent(watched)
    assert len(bodies) == 5, "pg_net does not repeat what was lost, so every look does"
    assert list(stories(bodies).values()) == [["firing"]]
    (body,) = {json.dumps(b, sort_keys=True) for b in bodies}
    alert = json.loads(body)["alerts"][0]
    assert json.loads(body)["version"] == "4"
    assert "externalURL" not in json.loads(body), "no Alertmanager knows of it"
    assert alert["labels"]["alertname"] == "ArchiverAnchorStale"
    assert alert["annotations"]["runbook_url"] == "docs/alerts/ArchiverAnchorStale.md"
    assert re.fullmatch(r"[0-9a-f]{16}", alert["fingerprint"])
    moved = watched.query(
        "SELECT extract(epoch FROM moved_at + interval '26 hours')::bigint FROM archiver.archiver_anchor"
    )[0][0]
    started = watched.query(f"SELECT extract(epoch FROM '{alert['startsAt']}'::timestamptz)::bigint")[0][0]
    assert abs(int(str(moved)) - int(str(started))) <= 1
    headers = json.loads(
        str(watched.query(f"SELECT headers::text FROM net.sent WHERE url = '{WEBHOOK}' LIMIT 1")[0][0])
    )
    assert headers == {"Content-Type": "application/json", "Authorization": "Bearer geheim"}


def test_its_end_is_told_until_it_has_arrived(watched: Database) -> None:
    anchor_moved(watched, 30)
    look(watched)
    answered(watched)
    anchor_moved(watched, 0)
    assert look(watched) == "moved again"
    answered(watched, 503)
    assert look(watched) == "moved again"
    assert look(watched) == "moved again"  # no answer at all
    answered(watched)
    assert look(watched) == "moved again"
    assert look(watched) == "fresh"
    assert list(stories(sent(watched)).values()) == [["firing", "resolved"]]
    ends = [b["alerts"][0]["endsAt"] for b in sent(watched) if b["status"] == "resolved"]
    assert len(ends) == 3
    assert len(set(ends)) == 1, "the same end, however often it is told"


def test_nobody_is_told_of_an_end_for_ever(watched: Database) -> None:
    anchor_moved(watched, 30)
    look(watched)
    anchor_moved(watched, 0)
    look(watched)
    watched.execute("UPDATE archiver.watch_state SET ends_at = ends_at - interval '25 hours'")
    assert [look(watched), look(watched)] == ["moved again", "fresh"]


def test_one_night_between_two_silences_makes_two_alerts(watched: Database) -> None:
    """It moved and stopped again while nobody looked."""
    anchor_moved(watched, 60)
    look(watched)
    anchor_moved(watched, 30)
    look(watched)
    assert list(stories(sent(watched)).values()) == [["firing", "resolved"], ["firing"]]


def test_people_are_told_once_a_day_and_again_what_was_lost(watched: Database) -> None:
    anchor_moved(watched, 30)
    look(watched)
    answered(watched, 500)
    look(watched)
    answered(watched)
    for _ in range(3):
        look(watched)
    assert len(sent(watched, MESSAGES)) == 2
    watched.execute("UPDATE archiver.watch_state SET message_at = message_at - interval '24 hours'")
    look(watched)
    answered(watched)
    look(watched)
    assert len(sent(watched, MESSAGES)) == 3
    anchor_moved(watched, 0)
    look(watched)
    answered(watched)
    look(watched)
    *_, last = sent(watched, MESSAGES)
    assert len(sent(watched, MESSAGES)) == 4
    assert set(last) == {"text"}
    assert "moves again" in last["text"]
    headers = watched.query(f"SELECT DISTINCT headers::text FROM net.sent WHERE url = '{MESSAGES}'")
    assert headers == [('{"Content-Type": "application/json"}',)], "the webhook's token is nobody else's business"


def test_an_archive_that_was_given_up_is_not_watched(watched: Database) -> None:
    watched.execute(
        f"INSERT INTO archiver.archiver_anchor VALUES ('old', 9, '{'b' * 64}', 's', now() - interval '1 year')"
    )
    assert look(watched) == "fresh"


def test_without_an_anchor_there_is_nothing_to_watch_yet(watched: Database) -> None:
    watched.execute("DELETE FROM archiver.archiver_anchor")
    assert look(watched) == "no anchor"


def test_a_watch_that_tells_nobody_fails(watched: Database) -> None:
    watched.execute("DELETE FROM vault.decrypted_secrets")
    with pytest.raises(adbc_driver_manager.Error, match="nobody would be told"):
        look(watched)


@pytest.mark.parametrize("url", ["archiver_watch_url", "archiver_watch_message_url"])
def test_one_of_the_two_is_enough(watched: Database, url: str) -> None:
    watched.execute(f"DELETE FROM vault.decrypted_secrets WHERE name <> '{url}'")
    anchor_moved(watched, 30)
    look(watched)
    anchor_moved(watched, 0)
    look(watched)
    answered(watched)
    assert [look(watched), look(watched)] == ["moved again", "fresh"]
    assert watched.query("SELECT count(*) FROM net.sent") == [(2,)]


# -- ask


def ask(database: Database, who: str = "test") -> bool:
    return bool(database.query(f"SELECT public.archiver_request_run('{who}')")[0][0])


def take(database: Database, who: str, user: str = "archiver") -> dict[str, Any] | None:
    with (
        adbc_driver_postgresql.dbapi.connect(database.dsn_of(user), autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT public.archiver_take_run('{who}')::text")
        (found,) = cursor.fetchall()
    return dict(json.loads(found[0])) or None


def end(database: Database, taken: dict[str, Any], status: int) -> bool:
    found = database.query(f"SELECT public.archiver_end_run('{taken['day']}', {taken['attempt']}, {status})")
    return bool(found[0][0])


@pytest.fixture
def asked(watched: Database) -> Database:
    assert ask(watched)
    return watched


def test_asking_twice_is_asking_once(asked: Database) -> None:
    assert not ask(asked)
    assert asked.query("SELECT count(*), min(day)::text FROM archiver.run_request") == [
        (1, time.strftime("%Y-%m-%d", time.gmtime()))
    ]


def test_two_workers_at_the_same_time_and_one_gets_it(asked: Database) -> None:
    for round_ in range(5):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda n, r=round_: take(asked, f"worker {r}.{n}"), range(4)))
        assert len([t for t in taken if t]) == 1
        asked.execute("UPDATE archiver.run_request SET taken_by = NULL, taken_at = NULL")


def test_a_lost_answer_is_asked_for_again(asked: Database) -> None:
    first = take(asked, "night-1")
    assert first == take(asked, "night-1")
    assert first is not None
    assert take(asked, "night-2") is None
    assert end(asked, first, 0)
    assert end(asked, first, 0), "told twice"
    assert not end(asked, first, 3), "and not otherwise the second time"
    assert take(asked, "night-1") is None
    assert take(asked, "night-2") is None
    assert asked.query("SELECT exit_status, attempt FROM archiver.run_request") == [(0, 1)]


def test_a_worker_that_died_is_replaced_and_has_no_say_any_more(asked: Database) -> None:
    dead = take(asked, "dead")
    assert dead
    asked.execute("UPDATE archiver.run_request SET taken_at = taken_at - interval '9 hours 59 minutes'")
    assert take(asked, "next") is None
    asked.execute("UPDATE archiver.run_request SET taken_at = taken_at - interval '2 minutes'")
    assert take(asked, "next") == {"day": dead["day"], "attempt": 2}
    assert not end(asked, dead, 0)


@pytest.mark.parametrize("status", [5, 130])
def test_another_run_at_work_or_a_stop_gives_the_request_back(asked: Database, status: int) -> None:
    taken = take(asked, "one")
    assert taken
    assert end(asked, taken, status)
    again = take(asked, "two")
    assert again == {"day": taken["day"], "attempt": 2}


def test_a_worker_that_was_away_does_the_work_of_all_days_at_once(asked: Database) -> None:
    asked.execute(
        "INSERT INTO archiver.run_request (day, command, asked_by) SELECT current_date - n, 'nightly', 'x' FROM generate_series(1, 3) n"
    )
    taken = take(asked, "back")
    assert taken
    assert taken["day"] == time.strftime("%Y-%m-%d", time.gmtime())
    assert take(asked, "other") is None
    assert end(asked, taken, 3)
    assert take(asked, "other") is None
    assert asked.query("SELECT count(*) FROM archiver.run_request WHERE done_at IS NULL") == [(0,)]
    assert asked.query("SELECT count(*) FROM archiver.run_request WHERE exit_status IS NULL") == [(3,)]


def test_an_older_day_is_not_begun_beside_a_run_that_is_at_work(asked: Database) -> None:
    assert take(asked, "at work")
    asked.execute(
        "INSERT INTO archiver.run_request (day, command, asked_by) VALUES (current_date - 1, 'nightly', 'late')"
    )
    assert take(asked, "other") is None


def test_who_may_what(asked: Database) -> None:
    """The worker takes and ends; it cannot ask, see or change a row. anon can nothing."""
    refused = {
        "archiver": [
            "SELECT public.archiver_request_run()", "SELECT * FROM archiver.run_request", "UPDATE archiver.run_request SET done_at = now()",
            "SELECT archiver.watch()", "SELECT archiver.secret('archiver_watch_token')", "SELECT archiver.trim_log('0')",
            "SELECT * FROM archiver.watch_state", "SELECT archiver.schedule_jobs()",
        ],
        "anon": [
            "SELECT public.archiver_request_run()", "SELECT public.archiver_take_run('x')", "SELECT public.archiver_run_status()",
            "SELECT public.archiver_jobs()", "SELECT archiver.watch()",
        ],
        "service_role": ["SELECT * FROM archiver.run_request", "SELECT archiver.watch()", "SELECT archiver.secret('x')"],
    }  # fmt: skip
    with asked.session() as connection, connection.cursor() as cursor:
        for role, statements in refused.items():
            for statement in statements:
                cursor.execute(f"SET LOCAL ROLE {role}")
                with pytest.raises(adbc_driver_manager.Error) as caught:
                    cursor.execute(statement)
                    cursor.fetchall()
                assert caught.value.sqlstate == "42501", f"{role}: {statement}"
                connection.rollback()


# -- pg_cron itself


@pytest.fixture(scope="module")
def scheduled() -> Iterator[Database]:
    """A project in a server of its own with pg_cron, everything scheduled, the watch every minute."""
    version = debian.extension("pg_cron", "cron")
    with ExitStack() as up:
        options = ("shared_preload_libraries=pg_cron", "cron.database_name=postgres", "cron.use_background_workers=on")
        server: PostgresServer = up.enter_context(postgres_cluster(*options, programs=version))
        project = Database(server, "postgres")
        postgrest.prepare(project)
        project.execute("CREATE EXTENSION pg_cron")
        postgrest.migrate(project)
        with_stand_ins(project, archiver_watch_url=WEBHOOK)
        anchor_moved(project, 27)
        yield project


def jobs(database: Database) -> dict[str, dict[str, Any]]:
    found = json.loads(str(database.query("SELECT public.archiver_jobs()::text")[0][0]))
    return {one["name"]: one for one in found["jobs"]}


def schedule(database: Database, arguments: str = "") -> list[str]:
    return sorted(str(row[0]) for row in database.query(f"SELECT archiver.schedule_jobs({arguments})"))


def test_switching_on_and_off(scheduled: Database) -> None:
    assert jobs(scheduled) == {}
    assert schedule(scheduled, "asking => true") == ["archiver-ask", "archiver-trim", "archiver-watch"]
    assert schedule(scheduled) == ["archiver-trim", "archiver-watch"]
    assert set(jobs(scheduled)) == {"archiver-trim", "archiver-watch"}, "asking was taken away again"
    assert schedule(scheduled, "asking => true") == ["archiver-ask", "archiver-trim", "archiver-watch"]
    assert all(one["active"] and one["status"] is None for one in jobs(scheduled).values())
    # From here on pg_cron works for the last test of this file while the others run.
    scheduled.execute("SELECT cron.schedule('archiver-watch', '* * * * *', 'SELECT archiver.watch()')")


def test_nothing_is_scheduled_that_could_not_work(watched: Database) -> None:
    with pytest.raises(adbc_driver_manager.Error, match="pg_cron is not there"):
        schedule(watched)
    assert watched.query("SELECT public.archiver_jobs()") == [(None,)]


def test_nobody_to_tell_is_found_when_it_is_switched_on(scheduled: Database) -> None:
    scheduled.execute(
        "ALTER TABLE vault.decrypted_secrets RENAME COLUMN name TO kept",
        "ALTER TABLE vault.decrypted_secrets ADD name text",
    )
    try:
        with pytest.raises(adbc_driver_manager.Error, match="nobody to be told"):
            schedule(scheduled)
    finally:
        scheduled.execute(
            "ALTER TABLE vault.decrypted_secrets DROP name",
            "ALTER TABLE vault.decrypted_secrets RENAME COLUMN kept TO name",
        )


def test_pg_crons_log_is_trimmed_and_young_runs_stay(scheduled: Database) -> None:
    scheduled.execute(
        "INSERT INTO cron.job_run_details (jobid, runid, status, start_time, end_time) VALUES"
        " (900, 9001, 'succeeded', now() - interval '31 days', now() - interval '31 days'),"
        " (900, 9002, 'starting', now() - interval '40 days', NULL),"
        " (900, 9003, 'failed', now() - interval '29 days', now() - interval '29 days')",
        "INSERT INTO archiver.run_request (day, command, asked_by) VALUES (current_date - 91, 'nightly', 'x'), (current_date - 89, 'nightly', 'x')",
    )
    assert scheduled.query("SELECT archiver.trim_log()") == [(2,)]
    assert scheduled.query("SELECT runid FROM cron.job_run_details WHERE jobid = 900") == [(9003,)]
    assert scheduled.query("SELECT count(*) FROM archiver.run_request") == [(1,)]


# -- the Edge Function's two calls, and the last test: what pg_cron did meanwhile


def rpc(api: postgrest.DataApi, name: str, key: str, **arguments: Any) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{api.url}{postgrest.PREFIX}/rpc/{name}", data=json.dumps(arguments).encode(),
        headers={"apikey": key, "Content-Type": "application/json"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_the_data_api_asks_takes_and_ends(data_api: postgrest.DataApi) -> None:
    key = data_api.key
    assert rpc(data_api, "archiver_request_run", key) == (200, True)
    assert rpc(data_api, "archiver_request_run", key) == (200, False)
    assert rpc(data_api, "archiver_request_run", postgrest.PUBLISHABLE_KEY)[0] in (401, 403)
    status, taken = rpc(data_api, "archiver_take_run", key, who="night")
    assert status == 200
    assert rpc(data_api, "archiver_take_run", key, who="other") == (200, {})
    assert rpc(data_api, "archiver_end_run", key, day=taken["day"], attempt=taken["attempt"], exit_status=0) == (
        200,
        True,
    )
    status, said = rpc(data_api, "archiver_run_status", key)
    assert said["last"]["exit_status"] == 0
    assert set(said) == {"anchor_age_s", "last"}


def test_pg_cron_has_told_exactly_one_alert(scheduled: Database) -> None:
    def succeeded() -> bool:
        return jobs(scheduled)["archiver-watch"]["succeeded_at"] is not None

    until(succeeded, "the watch to have succeeded once", 150)
    bodies = sent(scheduled)
    assert bodies
    assert list(stories(bodies).values()) == [["firing"]]
    assert jobs(scheduled)["archiver-trim"]["succeeded_at"] is None, "its hour has not come"


# -- as `archiver stack check` sees it, with the worker's role


def verdicts(database: Database, *expected: str) -> dict[str, Verdict]:
    watch = PostgresWatch(PostgresSource(database.dsn_of("archiver")))
    facts = SupabaseFacts(location=watch.location, jobs=(), own=watch.own_jobs(), own_expected=expected)
    found = [one for one in judge(facts, datetime.now(UTC)) if one.check == "supabase.cron"]
    return {one.subject.split()[-1]: one.verdict for one in found}


def test_the_stack_check_sees_the_jobs(scheduled: Database) -> None:
    scheduled.execute(f"ALTER ROLE archiver PASSWORD '{PASSWORD}'")
    seen = verdicts(scheduled)
    assert seen["archiver-watch"] is Verdict.OK
    assert seen["archiver-ask"] is Verdict.CANNOT_TELL, "it has not run yet"
    assert seen["cron.job_run_details"] is Verdict.OK
    scheduled.execute("SELECT cron.alter_job(jobid, active => false) FROM cron.job WHERE jobname = 'archiver-watch'")
    assert verdicts(scheduled)["archiver-watch"] is Verdict.BREACH
    scheduled.execute(
        "SELECT cron.alter_job(jobid, active => true) FROM cron.job WHERE jobname = 'archiver-watch'",
        "INSERT INTO cron.job_run_details (jobid, runid, status, return_message, start_time, end_time)"
        " SELECT jobid, 99999, 'failed', 'geheim', now(), now() FROM cron.job WHERE jobname = 'archiver-watch'",
    )
    assert verdicts(scheduled)["archiver-watch"] is Verdict.BREACH
    scheduled.execute("SELECT cron.unschedule('archiver-watch')")
    assert "archiver-watch" not in verdicts(scheduled)
    assert verdicts(scheduled, "archiver-watch")["archiver-watch"] is Verdict.BREACH


def test_the_stack_check_without_the_migration_or_pg_cron(pattern: Database, database: Database) -> None:
    assert PostgresWatch(PostgresSource(pattern.dsn_of("archiver"))).own_jobs() is None
    assert PostgresWatch(PostgresSource(database.dsn)).own_jobs() is None
