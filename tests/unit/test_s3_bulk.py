"""The short cut through many deletions, against a bucket in memory whose listings and answers are as odd as is wanted."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archiver.contracts import Removal
from archiver.errors import ConfigError
from archiver.neighbours.s3.bulk import Bulk, delete_in_bulk

GONE = Removal(versions_deleted=1)


@dataclass
class Bucket:
    """Versions in the order of their keys.

    Attributes:
        page: So many versions a listing gives at once.
        hides: Keys that no listing names.
        passes_over: Keys that a deletion does not touch, without a word.
        locked: Versions that a deletion refuses.
        stuck: Listings say that there is more, and not where it goes on.
    """

    held: list[tuple[str, str, bool]]
    page: int = 5
    hides: frozenset[str] = frozenset()
    passes_over: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()
    stuck: bool = False
    asked: list[str] = field(default_factory=list)

    def __call__(self, operation: str, **arguments: Any) -> dict[str, Any]:
        self.asked.append(operation)
        assert operation == "DeleteObjects"
        return self.delete(**arguments)

    def pages(self, operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """As ``S3Store._pages``: a listing that cannot go on is an error, never an end."""
        assert operation == "ListObjectVersions"
        while True:
            self.asked.append(operation)
            page = self.list(**arguments)
            yield page
            if not page["IsTruncated"]:
                return
            if self.stuck:
                raise ConfigError("more follows, and not where")
            arguments |= {name: page[f"Next{name}"] for name in ("KeyMarker", "VersionIdMarker")}

    def list(self, Prefix: str, KeyMarker: str = "", VersionIdMarker: str = "") -> dict[str, Any]:  # noqa: N803
        after = (KeyMarker, VersionIdMarker)
        found = [one for one in sorted(self.held) if one[0].startswith(Prefix) and one[:2] > after]
        page, more = [one for one in found[: self.page] if one[0] not in self.hides], len(found) > self.page
        items = [(marker, {"Key": key, "VersionId": version}) for key, version, marker in page]
        following = (
            {"NextKeyMarker": found[self.page - 1][0], "NextVersionIdMarker": found[self.page - 1][1]} if more else {}
        )
        return {
            "Versions": [item for marker, item in items if not marker],
            "DeleteMarkers": [item for marker, item in items if marker],
            "IsTruncated": more,
            **({} if self.stuck else following),
        }

    def delete(self, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        errors = []
        for one in Delete["Objects"]:
            if one["VersionId"] in self.locked:
                errors.append({**one, "Code": "AccessDenied"})
            elif one["Key"] not in self.passes_over:
                self.held = [held for held in self.held if held[:2] != (one["Key"], one["VersionId"])]
        return {"Errors": errors}


def keys(*days: int) -> list[str]:
    return [f"a/date={day:02d}/x" for day in days]


def bucket(*days: int, **odd: Any) -> Bucket:
    return Bucket([(key, "v1", False) for key in keys(*days)], **odd)


def delete(made: Bucket, going: list[str]) -> Bulk:
    return delete_in_bulk(made, made.pages, going, at_once=2)


def test_pages_are_followed_and_only_what_was_asked_for_goes() -> None:
    made = bucket(*range(12))
    assert delete(made, keys(*range(3, 11))).settled == dict.fromkeys(keys(*range(3, 11)), GONE)
    assert [key for key, _, _ in made.held] == keys(0, 1, 2, 11)
    assert made.asked.count("DeleteObjects") == 1


def test_the_silence_of_a_listing_about_a_key_that_it_never_named_proves_nothing() -> None:
    made = bucket(1, 2, 3, hides=frozenset(keys(2)))
    bulk = delete(made, keys(1, 2, 3))
    assert set(bulk.settled) == set(keys(1, 3))
    assert [key for key, _, _ in made.held] == keys(2)


def test_what_a_deletion_passes_over_in_silence_is_not_settled() -> None:
    made = bucket(1, 2, 3, passes_over=frozenset(keys(2)))
    bulk = delete(made, keys(1, 2, 3))
    assert set(bulk.settled) == set(keys(1, 3))
    assert bulk.begun == {}


def test_the_marker_before_a_version_that_stays_is_not_touched() -> None:
    (key,) = keys(1)
    made = Bucket([(key, "v1", False), (key, "v2", False), (key, "v3", True)], locked=frozenset({"v1"}))
    bulk = delete(made, [key])
    assert (bulk.settled, bulk.begun) == ({}, {key: 1})
    assert made.held == [(key, "v1", False), (key, "v3", True)]


def test_a_listing_with_far_more_others_than_wanted_is_broken_off_and_made_narrower() -> None:
    made = bucket(*range(100))
    going = keys(0, 30, 31, 99)
    assert delete(made, going).settled == dict.fromkeys(going, GONE)
    assert len(made.held) == 96
    assert made.asked.index("DeleteObjects") <= 10, "three pages of a hundred, one, two of ten, and again one"


def test_a_key_that_many_names_begin_with_is_listed_to_its_end() -> None:
    made = Bucket([("a/b/x", "v1", False), *((f"a/b/x{number:03}", "v1", False) for number in range(50))])
    going = ["a/b/x", "a/b/x007"]
    assert delete(made, going).settled == dict.fromkeys(going, GONE)
    assert len(made.held) == 49


def test_a_listing_that_does_not_go_on_is_not_used() -> None:
    made = bucket(*range(10), stuck=True)
    bulk = delete(made, keys(*range(10)))
    assert (bulk.settled, len(made.held)) == ({}, 10)


def test_folders_far_apart_are_listed_apart() -> None:
    made = Bucket([("a/t=1/d=1/x", "v1", False), ("a/t=1/d=2/x", "v1", False), ("b/t=1/d=1/x", "v1", False)])
    going = [key for key, _, _ in made.held]
    assert set(delete(made, going).settled) == set(going)
    assert made.asked.count("ListObjectVersions") == 4
