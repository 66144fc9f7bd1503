"""Several use cases in turn: what becomes of one says nothing about the next, and no failure is lost."""

from collections.abc import Callable, Iterator

import pytest

from archiver.app.outcome import Failed, Outcome, combined, each
from archiver.errors import ArchiverError, ConfigError, IntegrityError, Interrupted, Partial, TransientError

AWAY = TransientError("the database is away")
ALTERED = IntegrityError("a part is not what it was")


def fails(problem: ArchiverError) -> Callable[[], Outcome]:
    """A use case that ends with this."""

    def part() -> Outcome:
        raise problem

    return part


def told(outcomes: Iterator[Outcome]) -> tuple[list[Outcome], ArchiverError | None]:
    """What was handed on, and what was raised in the end."""
    found: list[Outcome] = []
    try:
        found.extend(outcomes)  # keeps what came before an error
    except ArchiverError as problem:
        return found, problem
    return found, None


def test_where_both_fail_the_first_is_an_outcome_and_the_last_is_raised() -> None:
    handed, raised = told(each(fails(AWAY), fails(ALTERED)))
    assert handed == [Failed(exit_status=AWAY.exit_status, problems=(AWAY,))]
    assert raised is ALTERED


@pytest.mark.parametrize("is_first", [True, False])
def test_the_other_part_is_done_where_one_fails(is_first: bool) -> None:
    done = Outcome()
    parts = (fails(AWAY), lambda: done) if is_first else (lambda: done, fails(AWAY))
    assert told(each(*parts)) == ([done], AWAY)


def test_an_outcome_is_handed_on_before_the_next_part_begins() -> None:
    began: list[str] = []

    def part(name: str) -> Callable[[], Outcome]:
        def work() -> Outcome:
            began.append(name)
            return Outcome()

        return work

    outcomes = each(part("tables"), None, part("logs"))
    next(outcomes)
    assert began == ["tables"]
    next(outcomes)
    assert began == ["tables", "logs"]


@pytest.mark.parametrize(
    ("first", "at_once"),
    [
        (Interrupted("asked to stop"), (Interrupted,)),
        (ConfigError("a setting is missing"), (ConfigError, Interrupted)),
    ],
)
def test_after_some_errors_nothing_else_is_done(first: ArchiverError, at_once: tuple[type[ArchiverError], ...]) -> None:
    def must_not() -> Outcome:
        raise AssertionError("it was done")

    assert told(each(fails(first), must_not, at_once=at_once)) == ([], first)


def test_a_part_that_was_stopped_is_told_of_and_ends_it() -> None:
    stopped = Interrupted("asked to stop")
    outcome = Outcome(interrupted=stopped)

    def must_not() -> Outcome:
        raise AssertionError("it was done")

    assert told(each(lambda: outcome, must_not)) == ([outcome], stopped)


@pytest.mark.parametrize(
    ("statuses", "status"),
    [((), 0), ((0, 0), 0), ((0, 4), 4), ((4, 4), 4), ((4, 6), Partial.exit_status)],
)
def test_statuses_that_agree_are_that_of_all(statuses: tuple[int, ...], status: int) -> None:
    assert combined(Outcome(exit_status=one) for one in statuses) == status
