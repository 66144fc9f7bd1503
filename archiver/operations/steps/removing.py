"""Objects leave the store: with every version, and looked for afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archiver.contracts import ObjectStore, Removal
from archiver.errors import AccessDenied, ArchiverError, IntegrityError, Partial

DELETIONS_AT_ONCE = 16
"""Unless one job was asked for: deleting is waiting for a store's answers."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of some objects.

    Attributes:
        removals: By key; what a lock keeps is in it, what the store refused is not.
        problems: Why the others are still there.
    """

    removals: dict[str, Removal]
    problems: list[ArchiverError]


def remove_objects(
    store: ObjectStore, keys: Sequence[str], *, jobs: int, still: str, gone: Callable[[str], None]
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
