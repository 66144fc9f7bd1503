"""Deleting keys one by one, several at a time: what every store can do, and what is left where it can do better."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from archiver.contracts import ObjectStore, Removal
from archiver.errors import ArchiverError, IntegrityError


def delete_each(store: ObjectStore, keys: Sequence[str], *, at_once: int) -> dict[str, Removal | ArchiverError]:
    """``delete_many`` of ``contracts.ObjectStore`` by ``delete`` and ``stat``: every key is asked about by its name."""

    def delete(key: str) -> Removal | ArchiverError:
        try:
            removal = store.delete(key)
            if store.stat(key) is None:
                return removal
        except ArchiverError as error:
            return error
        return IntegrityError(
            f"{key}: was deleted, and {store.location} still has it; it is not accounted for as gone",
            hint="another program writes there, or the store is inconsistent: look at it, then run again",
        )

    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="delete") as pool:
        return dict(zip(keys, pool.map(delete, keys), strict=True))
