"""Objects leave the store: with every version, and looked for afterwards."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from archiver.contracts import ObjectStore, Removal
from archiver.errors import AccessDenied, ArchiverError, IntegrityError, Partial

DELETIONS_AT_ONCE = 16
"""Unless one job was asked for: deleting is waiting for a store's answers."""

KEYS_PER_ENTRY_MAX = 1000
"""So many objects are announced, or accounted for, by one entry."""

T = TypeVar("T")


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """The items in batches, each of at most as many as one entry may name."""
    left = iter(items)
    while batch := list(islice(left, KEYS_PER_ENTRY_MAX)):
        yield batch


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of some objects.

    Attributes:
        removals: By key; what a lock keeps is in it, what the store refused is not.
        problems: Why the others are still there.
    """

    removals: dict[str, Removal]
    problems: list[ArchiverError]

    @property
    def kept_until(self) -> dict[str, datetime]:
        """Until when a lock keeps something of an object, by key."""
        return {key: removal.kept_until for key, removal in self.removals.items() if removal.kept_until is not None}


def remove_objects(
    store: ObjectStore, keys: Sequence[str], *, jobs: int, still: str, gone: Callable[[str], None] = lambda _: None
) -> Removed:
    """Delete objects that an entry has announced, and look whether they are gone.

    Args:
        still: What an object that the store refuses to delete still is, for the message.
        gone: Called with the key of each that is deleted.

    Raises:
        TransientError, OutcomeUnknown: The store stayed away; deleting again is harmless.
    """
    removed = Removed({}, [])
    results = store.delete_many(keys, at_once=jobs if jobs == 1 else max(jobs, DELETIONS_AT_ONCE))
    for key, result in results.items():
        match result:
            case Removal():
                removed.removals[key] = result
                gone(key)
            case AccessDenied():
                removed.problems.append(Partial(f"{result.message}; {still}", hint=result.hint))
            case IntegrityError():
                removed.problems.append(result)
            case _:
                raise result
    return removed
