"""Requests for a run, on both ways into the database, and what becomes of answers that are lost."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from archiver.app.asked import answer_request
from archiver.contracts import RunRequest, RunRequests
from archiver.errors import AccessDenied, ConfigError, Conflict, Interrupted, OutcomeUnknown, TransientError
from archiver.neighbours.dataapi.client import DataApi
from archiver.neighbours.dataapi.requests import DataApiRunRequests
from archiver.neighbours.postgres.requests import PostgresRunRequests
from archiver.neighbours.postgres.source import PostgresSource
from archiver.neighbours.retry import RetryPolicy
from tests.support import postgrest
from tests.support.postgres import PASSWORD, Database, PostgresServer, fresh_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENT = RetryPolicy(attempts_max=3, sleep=lambda _: None)


@dataclass(frozen=True)
class Project:
    database: Database
    requests: RunRequests

    def ask(self) -> None:
        self.database.execute("DELETE FROM archiver.run_request", "SELECT public.archiver_request_run('test')")

    def ended(self) -> list[tuple[object, ...]]:
        return self.database.query("SELECT exit_status, attempt, done_at IS NOT NULL FROM archiver.run_request")


@pytest.fixture(scope="module", params=["postgres", "data api"])
def project(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[Project]:
    with fresh_database(postgres_server, "run_requests") as database:
        postgrest.prepare(database)
        postgrest.migrate(database)
        database.execute(f"ALTER ROLE archiver PASSWORD '{PASSWORD}'")
        if request.param == "postgres":
            yield Project(database, PostgresRunRequests(PostgresSource(database.dsn_of("archiver"))))
        else:
            with postgrest.data_api(database) as api:
                yield Project(database, DataApiRunRequests(DataApi(api.url, api.key)))


@pytest.fixture(autouse=True)
def _asked(project: Project) -> None:
    project.ask()


def test_it_is_taken_once_and_ended_once(project: Project) -> None:
    taken = project.requests.take("one")
    assert taken == RunRequest(datetime.now(UTC).date(), 1)
    assert project.requests.take("two") is None
    assert project.requests.end(taken, 3)
    assert project.requests.take("one") is None
    assert project.ended() == [(3, 1, True)]


def test_both_may_be_repeated(project: Project) -> None:
    taken = project.requests.take("one")
    assert taken is not None
    assert project.requests.take("one") == taken
    assert project.requests.end(taken, 0)
    assert project.requests.end(taken, 0)


def test_who_took_it_earlier_has_no_say(project: Project) -> None:
    taken = project.requests.take("one")
    assert taken is not None
    assert not project.requests.end(RunRequest(taken.day, 0), 0)
    assert not project.requests.end(RunRequest(date(2020, 1, 1), 1), 0)


def test_several_workers_and_one_gets_it(project: Project) -> None:
    taken: list[RunRequest | None] = []
    workers = [threading.Thread(target=lambda n=n: taken.append(project.requests.take(f"w{n}"))) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(taken) == 4
    assert len([one for one in taken if one]) == 1


# -- answers that are lost


@dataclass
class Lossy:
    """The real ones, whose n-th call fails: without effect, or with its effect and no answer."""

    real: RunRequests
    fails_at: int
    with_effect: bool
    calls: list[str] = field(default_factory=list)

    @property
    def location(self) -> str:
        return self.real.location

    def _maybe(self, what: str) -> bool:
        self.calls.append(what)
        return len(self.calls) == self.fails_at

    def take(self, who: str) -> RunRequest | None:
        if self._maybe("take"):
            if self.with_effect:
                self.real.take(who)
            raise OutcomeUnknown("no answer") if self.with_effect else TransientError("away")
        return self.real.take(who)

    def end(self, request: RunRequest, exit_status: int) -> bool:
        if self._maybe("end"):
            if self.with_effect:
                self.real.end(request, exit_status)
            raise OutcomeUnknown("no answer") if self.with_effect else TransientError("away")
        return self.real.end(request, exit_status)


def spend(
    requests: RunRequests, night: Callable[[], int], policy: RetryPolicy = PATIENT
) -> tuple[int | None, list[str]]:
    warned: list[str] = []
    return answer_request(requests, policy, "worker", night, warned.append), warned


@pytest.mark.parametrize("with_effect", [False, True])
@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_lost_call_loses_no_night_and_makes_no_second_one(project: Project, fails_at: int, with_effect: bool) -> None:
    nights: list[int] = []

    def night() -> int:
        nights.append(1)
        return 0

    lossy = Lossy(project.requests, fails_at, with_effect)
    assert spend(lossy, night) == (0, [])
    assert nights == [1]
    assert project.ended() == [(0, 1, True)]
    assert len(lossy.calls) == 3
    assert spend(project.requests, night) == (None, [])
    assert nights == [1]


def test_an_end_that_cannot_be_told_is_a_warning_and_not_the_nights_status(project: Project) -> None:
    lossy = Lossy(project.requests, 2, with_effect=False)
    status, warned = spend(lossy, lambda: 3, RetryPolicy(attempts_max=1))
    assert status == 3
    assert len(warned) == 1
    assert "was not told" in warned[0]
    assert project.ended() == [(None, 1, False)], "taken again ten hours later"


@pytest.mark.parametrize(
    ("problem", "status"),
    [(Conflict("busy"), None), (Interrupted("stopped"), None), (ConfigError("no store"), 2), (ValueError("x"), 1)],
)
def test_a_night_that_ends_by_an_error(project: Project, problem: Exception, status: int | None) -> None:
    """What it ended with is told; another run at work, and a stop, give the request back."""

    def night() -> int:
        raise problem

    with pytest.raises(type(problem)):
        spend(project.requests, night)
    assert project.ended() == [(status, 1, status is not None)]
    assert (project.requests.take("next") is not None) is (status is None)


def test_nobody_asked(project: Project) -> None:
    project.database.execute("DELETE FROM archiver.run_request")
    assert spend(project.requests, lambda: pytest.fail("nobody asked")) == (None, [])


# -- what is missing is said


@contextmanager
def bare(server: PostgresServer) -> Iterator[Database]:
    with fresh_database(server, "bare_requests") as database:
        postgrest.prepare(database)
        yield database


def test_without_the_migration(postgres_server: PostgresServer) -> None:
    with bare(postgres_server) as database:
        with pytest.raises(ConfigError, match="does not have archiver's functions"):
            PostgresRunRequests(PostgresSource(database.dsn)).take("one")
        with (
            postgrest.data_api(database) as api,
            pytest.raises(ConfigError, match="does not have archiver's functions"),
        ):
            DataApiRunRequests(DataApi(api.url, api.key)).take("one")


def test_without_the_grant(project: Project) -> None:
    project.database.execute("REVOKE EXECUTE ON FUNCTION public.archiver_take_run FROM archiver")
    try:
        with pytest.raises(AccessDenied, match="may not call"):
            PostgresRunRequests(PostgresSource(project.database.dsn_of("archiver"))).take("one")
    finally:
        project.database.execute("GRANT EXECUTE ON FUNCTION public.archiver_take_run TO archiver")


def test_a_database_that_is_away(project: Project) -> None:
    with pytest.raises(TransientError):
        PostgresRunRequests(PostgresSource("postgresql://archiver@127.0.0.1:1/x")).take("one")
