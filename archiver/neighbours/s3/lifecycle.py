"""A bucket's answers about its lifecycle and its lock, as nouns. Pure: the answers come from ``s3``."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from archiver.contracts import LifecycleRule

AT_ONCE = timedelta(0)
"""A rule with a date, which has come or will: it deletes what is there then, however young."""

COLD_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""What lies there must be restored before it can be read; of every other class an object is read at once."""

DAYS_OF_A_YEAR = 365


def lifecycle_rules(answer: Mapping[str, Any]) -> tuple[LifecycleRule, ...]:
    """The rules of a GetBucketLifecycleConfiguration; none where the bucket has no configuration."""
    return tuple(_rule(number, written) for number, written in enumerate(answer.get("Rules") or (), 1))


def _rule(number: int, written: Mapping[str, Any]) -> LifecycleRule:
    prefix, filtered = _filter(written)
    noncurrent = written.get("NoncurrentVersionExpiration") or {}
    moves = [
        _after(transition)
        for transition in written.get("Transitions") or ()
        if transition.get("StorageClass") in COLD_CLASSES
    ]
    return LifecycleRule(
        name=str(written.get("ID") or f"number {number}"),
        enabled=written.get("Status") == "Enabled",
        prefix=prefix,
        filtered=filtered,
        expires_after=_after(written.get("Expiration") or {}),
        # Versions that it keeps by number have no end in time.
        noncurrent_after=None if noncurrent.get("NewerNoncurrentVersions") else _days(noncurrent, "NoncurrentDays"),
        archives_after=min((move for move in moves if move is not None), default=None),
    )


def _filter(written: Mapping[str, Any]) -> tuple[str, bool]:
    """The prefix, in whichever of three places it stands, and whether anything else is asked for."""
    condition = written.get("Filter") or {}
    inner = condition.get("And") or condition
    prefix = inner.get("Prefix") or written.get("Prefix") or ""
    return str(prefix), any(name != "Prefix" and value not in (None, []) for name, value in inner.items())


def _after(written: Mapping[str, Any]) -> timedelta | None:
    if isinstance(written.get("Date"), datetime):
        return AT_ONCE
    return _days(written, "Days")


def _days(written: Mapping[str, Any], name: str) -> timedelta | None:
    days = written.get(name)
    return timedelta(days=days) if isinstance(days, int) else None


def default_lock(answer: Mapping[str, Any]) -> timedelta:
    """The default retention of a GetObjectLockConfiguration; zero where there is none."""
    retention = (answer.get("ObjectLockConfiguration", {}).get("Rule") or {}).get("DefaultRetention") or {}
    return timedelta(days=int(retention.get("Days") or 0) + DAYS_OF_A_YEAR * int(retention.get("Years") or 0))
