"""Let a producer work ahead of its consumer, on a thread of its own, and numbered tasks begin in their order.

Reading a database and writing Parquet both work outside of the interpreter's lock: side by side they keep two cores
busy, one after the other they leave the server waiting for us and us for the server.
"""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

Item = TypeVar("Item")

ITEMS_MAX = 2
"""What lies ready at most, beside the item that the producer holds and the one that the consumer has."""

WAKE_S = 0.1
"""How often a producer that waits for room looks whether anybody still wants its items."""


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Belt(Generic[Item]):
    """What lies between the two threads."""

    def __init__(self) -> None:
        self._ready: Queue[Item | _End] = Queue(ITEMS_MAX)
        self._left = threading.Event()

    def produce(self, items: Generator[Item, None, None]) -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not self._give(item):
                    break
            items.close()
        except BaseException as raised:  # noqa: BLE001 - raised again by the consumer
            error = raised
        self._give(_End(error))

    def take(self) -> Iterator[Item]:
        while True:
            item = self._ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def leave(self) -> None:
        self._left.set()
        # Whoever waits to put something there goes on at once.
        with suppress(Empty):
            while True:
                self._ready.get_nowait()

    def _give(self, item: Item | _End) -> bool:
        while not self._left.is_set():
            try:
                self._ready.put(item, timeout=WAKE_S)
            except Full:
                continue
            return True
        return False


@contextmanager
def ahead(items: Generator[Item, None, None]) -> Iterator[Iterator[Item]]:
    """The same items in the same order, taken from ``items`` on another thread; an error arrives where it happened.

    The generator is run, and closed, on that thread alone. When the block is left it has ended, whatever was left.
    """
    belt: _Belt[Item] = _Belt()
    producer = threading.Thread(target=belt.produce, args=(items,), name="ahead")
    producer.start()
    try:
        yield belt.take()
    finally:
        belt.leave()
        producer.join()


class Turns:
    """At most so many numbered tasks at once, begun in the order of their numbers.

    With a limit of one, what the tasks do is done in the same order on every run.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._done: set[int] = set()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Wait for the turn of a task, counted from 0; every number must be taken, and end, once at least."""
        with self._changed:
            self._changed.wait_for(lambda: number < len(self._done) + self._limit)
        try:
            yield
        finally:
            with self._changed:
                self._done.add(number)
                self._changed.notify_all()
