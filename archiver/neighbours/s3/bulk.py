"""Very many keys deleted with few requests: listed together, deleted a thousand at a time, listed once more.

A short cut through ``S3Store.delete`` and no second way of deleting. It settles a key only when a listing named its
versions before they were deleted, and the same listing, asked again, names none: of a key that a listing never named,
its silence proves nothing. Every other key is left to be asked about by its name: what a lock keeps, what the store
refuses or passes over in silence, what a listing does not show, and all of them where a store knows no versions, no
``DeleteObjects``, or does not let us ask.

Keys that lie in neighbouring folders (``…/date=2026-01-01/…``, ``…/date=2026-01-02/…``) are listed by what their names
have in common. A listing in which others' versions outnumber theirs by far is broken off.
"""

import os.path
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from archiver.contracts import Removal
from archiver.errors import ArchiverError, ConfigError, ObjectMissing, OutcomeUnknown, TransientError
from archiver.neighbours.s3.errors import GONE, UNDECIDED

DELETE_BATCH_MAX: Final = 1000
"""S3's own limit: keys of one DeleteObjects."""

GROUP_KEYS_MAX: Final = 300
"""Of more keys than these a listing would show too many others: all of a decade for two months of it at its end."""

OTHERS_MAX: Final = 2
"""So many versions of other keys may be listed for each that is wanted, beyond the last page."""

Call = Callable[..., Mapping[str, Any]]
"""``S3Store._call``: an operation by its name and its arguments; errors are ours."""

Pages = Callable[..., Iterator[Mapping[str, Any]]]
"""``S3Store._pages``: the same for a listing, a page at a time."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """How far the short cut led.

    Attributes:
        settled: Keys of which nothing is left, or of which nobody answered what became of them.
        begun: How many versions and markers of another key were deleted so far; a key without any is not in it.
    """

    settled: dict[str, Removal | ArchiverError] = field(default_factory=dict)
    begun: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Named:
    """What a listing names of one key."""

    versions: list[str] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.versions) + len(self.markers)


Listing = list[tuple[list[str], dict[str, _Named]]]
"""Keys that one listing can be asked for, and what it names of them; those of which nothing is there are not in it."""


def delete_in_bulk(call: Call, pages: Pages, keys: Iterable[str], *, at_once: int) -> Bulk:
    """Delete what can be deleted in bulk.

    Args:
        keys: Whole keys of the bucket, prefix included; so are those of the result.
    """
    bulk = Bulk()
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="delete") as pool:
        listing = _list(pages, pool, list(_groups(keys)), bulk)
        named = {key: entry for _, names in listing for key, entry in names.items()}
        going = [(key, version) for key, entry in named.items() for version in entry.versions]
        _delete(call, pool, going, bulk, stay := set[str]())
        # Markers last: without its marker a version that a lock keeps would be the object again.
        hidden = [(key, marker) for key, entry in named.items() if key not in stay for marker in entry.markers]
        _delete(call, pool, hidden, bulk, stay)
        groups = [[key for key in group if key in present and key not in bulk.settled] for group, present in listing]
        for group, present in _list(pages, pool, [group for group in groups if group], bulk):
            for key in group:
                left = present[key].total if key in present else 0
                if not left:
                    bulk.settled[key] = Removal(versions_deleted=named[key].total)
                elif left < named[key].total:
                    bulk.begun[key] = named[key].total - left
    return bulk


def _list(pages: Pages, pool: ThreadPoolExecutor, groups: Sequence[list[str]], bulk: Bulk) -> Listing:
    """List groups of keys; those that went unanswered are settled as such, those that cannot be listed are left out."""
    listing: Listing = []
    for group, listed in zip(groups, pool.map(lambda group: _listed(pages, group), groups), strict=True):
        if isinstance(listed, ArchiverError):
            bulk.settled.update(dict.fromkeys(group, listed))
        else:
            listing += listed
    return listing


def _groups(keys: Iterable[str]) -> Iterator[list[str]]:
    """Keys that are listed together: whose folders stand in one folder, and not too many of them."""
    for _, neighbours in groupby(sorted(set(keys)), key=lambda key: key.rsplit("/", 2)[0]):
        groups = [list(neighbours)]
        while groups:
            group = groups.pop()
            if len(group) <= GROUP_KEYS_MAX:
                yield group
            else:
                groups += _apart(group)


def _shared(keys: list[str]) -> str:
    # Of characters, not of folders: that is what a listing goes by.
    return os.path.commonprefix(keys)  # noqa: RUF071


def _apart(keys: list[str]) -> list[list[str]]:
    """Smaller groups of sorted keys, by the first character in which they differ."""
    first = len(_shared(keys))
    return [list(group) for _, group in groupby(keys, key=lambda key: key[first : first + 1])]


def _listed(pages: Pages, keys: list[str]) -> Listing | ArchiverError:
    """What is there of these keys, which are sorted; nothing where it cannot be had in this way."""
    wanted = set(keys)
    names: dict[str, _Named] = {}
    others = 0
    try:
        for page in pages("ListObjectVersions", Prefix=_shared(keys)):
            for kind in ("Versions", "DeleteMarkers"):
                for item in page.get(kind, ()):
                    if item["Key"] in wanted:
                        named = names.setdefault(item["Key"], _Named())
                        (named.versions if kind == "Versions" else named.markers).append(str(item["VersionId"]))
                    else:
                        others += 1
            if page.get("IsTruncated") and len(keys) > 1 and others > OTHERS_MAX * len(keys):
                return _listed_apart(pages, keys)
    except (TransientError, OutcomeUnknown) as error:
        return error
    except (ConfigError, ObjectMissing):
        return []
    return [(keys, names)]


def _listed_apart(pages: Pages, keys: list[str]) -> Listing | ArchiverError:
    listing: Listing = []
    for group in _apart(keys):
        listed = _listed(pages, group)
        if isinstance(listed, ArchiverError):
            return listed
        listing += listed
    return listing


def _delete(
    call: Call, pool: ThreadPoolExecutor, versions: Sequence[tuple[str, str]], bulk: Bulk, stay: set[str]
) -> None:
    """Ask for versions to be deleted. ``stay`` gets keys of which one was not; what was done, a listing must tell."""

    def delete_batch(batch: Sequence[tuple[str, str]]) -> Mapping[str, Any] | ArchiverError:
        objects = [{"Key": key, "VersionId": version} for key, version in batch]
        try:
            return call("DeleteObjects", Delete={"Objects": objects, "Quiet": True})
        except (TransientError, OutcomeUnknown, ConfigError, ObjectMissing) as error:
            return error

    batches = [versions[at : at + DELETE_BATCH_MAX] for at in range(0, len(versions), DELETE_BATCH_MAX)]
    for batch, answer in zip(batches, pool.map(delete_batch, batches), strict=True):
        if isinstance(answer, ArchiverError):
            stay.update(key for key, _ in batch)
            if isinstance(answer, TransientError | OutcomeUnknown):
                bulk.settled.update({key: answer for key, _ in batch})
            continue
        for fault in answer.get("Errors", ()):
            code, key = str(fault.get("Code")), str(fault.get("Key"))
            if code in GONE:
                continue
            stay.add(key)
            if code in UNDECIDED:
                bulk.settled[key] = OutcomeUnknown(f"{key}: some versions were not deleted ({code})")
