"""Objects leave the store: with every version, and looked for afterwards."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from archiver.contracts import ObjectStore, Removal
from archiver.errors import AccessDenied, ArchiverError, IntegrityError, Partial

DELETIONS_AT_ONCE = 16
"""Unless one job was asked for: deleting is waiting for a store's answers, three for each object."""


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
        gone: Called from several threads with the key of each that is deleted.

    Raises:
        TransientError, OutcomeUnknown: The store stayed away; deleting again is harmless.
    """

    def one(key: str) -> Removal | ArchiverError:
        try:
            removal = store.delete(key)
        except AccessDenied as problem:
            return Partial(f"{problem.message}; {still}", hint=problem.hint)
        if store.stat(key) is not None:
            return IntegrityError(
                f"{key}: was deleted, and {store.location} still has it; it is not accounted for as gone",
                hint="another program writes there, or the store is inconsistent: look at it, then run again",
            )
        gone(key)
        return removal

    workers = jobs if jobs == 1 else max(jobs, DELETIONS_AT_ONCE)
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="remove") as pool:
        results = dict(zip(keys, pool.map(one, keys), strict=True))
    return Removed(
        {key: result for key, result in results.items() if isinstance(result, Removal)},
        [result for result in results.values() if isinstance(result, ArchiverError)],
    )
