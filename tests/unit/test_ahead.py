"""Working ahead: the same items, the same error, and no thread left behind; turns in their order."""

import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from archiver.operations.steps.ahead import ITEMS_MAX, Turns, ahead


def counted(limit: int, made: list[int], closed: list[str]) -> Generator[int, None, None]:
    try:
        for number in range(limit):
            made.append(number)
            yield number
    finally:
        closed.append(threading.current_thread().name)


def test_items_arrive_whole_and_in_order() -> None:
    """Nothing is lost between the threads, and the generator ran on the other one."""
    closed: list[str] = []
    with ahead(counted(100, [], closed)) as items:
        assert list(items) == list(range(100))
    assert closed == ["ahead"]


def test_an_error_arrives_behind_the_items_before_it() -> None:
    """The consumer sees the producer's own error, where it happened."""

    def failing() -> Generator[int, None, None]:
        yield 1
        raise LookupError("of the producer")

    seen: list[int] = []
    with pytest.raises(LookupError, match="of the producer"), ahead(failing()) as items:
        seen.extend(items)
    assert seen == [1]
    with ahead(failing()) as items:
        assert next(items) == 1


def test_a_consumer_that_leaves_ends_the_producer() -> None:
    """Whatever was left: the generator is closed on its own thread before the block has ended."""
    made: list[int] = []
    closed: list[str] = []
    with pytest.raises(KeyError), ahead(counted(10**6, made, closed)) as items:
        assert next(items) == 0
        raise KeyError
    assert closed == ["ahead"]
    assert len(made) <= ITEMS_MAX + 3


@pytest.mark.parametrize("limit", [1, 3])
def test_turns_are_taken_in_order(limit: int) -> None:
    """However the threads are scheduled, a task begins only when all but ``limit - 1`` before it have ended."""
    turns = Turns(limit)
    ended: list[int] = []

    def task(number: int) -> None:
        with turns.turn(number):
            assert len(ended) >= number - limit + 1
            ended.append(number)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(task, number) for number in range(200)]:
            future.result()
    assert sorted(ended) == list(range(200))
    if limit == 1:
        assert ended == list(range(200))


def test_a_task_that_fails_or_comes_again_ends_its_turn() -> None:
    """Neither leaves anybody waiting."""
    turns = Turns(1)
    with pytest.raises(KeyError), turns.turn(0):
        raise KeyError
    with turns.turn(0):
        pass
    with turns.turn(1):
        pass
