"""The anchor as one row of a Supabase project's table, reached with nothing but its URL and a secret key.

The table is the one that ``postgres`` has in its schema ``archiver``. It is not exposed, and the key's role may not
touch it: two functions, which run with their owner's rights, are the only way to it. A swap is one statement that
compares and moves; the row's lock orders all writers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from archiver.contracts import Anchor
from archiver.errors import Conflict, IntegrityError
from archiver.model import Checkpoint
from archiver.neighbours import checkpoint as codec
from archiver.neighbours.dataapi.client import DataApi


@dataclass(frozen=True, slots=True)
class SupabaseAnchor(Anchor):
    """One row for each archive in ``archiver.archiver_anchor``, through the data API."""

    api: DataApi

    @property
    @override
    def location(self) -> str:
        """The project, without its key."""
        return f"{self.api.location} archiver.archiver_anchor"

    def install(self) -> None:
        """Check that the table and the functions are there. The data API cannot make them.

        Raises:
            ConfigError: They are not; the hint says how to install them.
        """
        self.api.look()

    @override
    def read(self, archive_id: str) -> Checkpoint | None:
        fields = self._read(archive_id)["checkpoint"]
        if fields is None:
            return None
        if not isinstance(fields, dict):
            raise IntegrityError(f"{self.location}: what stands there is not a checkpoint; nothing was changed")
        return codec.from_fields(fields, where=self.location)

    @override
    def swap(self, expected: Checkpoint | None, new: Checkpoint) -> None:
        """The server never moves it back, whoever asks."""
        if expected is not None and expected.archive_id != new.archive_id:
            raise ValueError("a swap stays within one archive")
        arguments = {
            "archive": new.archive_id,
            "expected": None if expected is None else _fields(expected),
            "new": _fields(new),
        }
        moved = self.api.call("archiver_anchor_swap", arguments, doing="moving the anchor", expects=bool, writes=True)
        if not moved:
            current = self.read(new.archive_id)
            raise Conflict(
                f"{self.location}: stands at {codec.show(current)}, {codec.show(expected)} was expected; the anchor was"
                " not moved"
            )

    @override
    def clock(self) -> datetime | None:
        """The database server's."""
        return datetime.fromisoformat(self._read("")["clock"]).astimezone(UTC)

    def _read(self, archive_id: str) -> dict[str, Any]:
        return self.api.call(
            "archiver_anchor_read",
            {"archive": archive_id},
            doing="reading the anchor",
            expects=dict,
            keys=frozenset({"clock", "checkpoint"}),
        )


def _fields(checkpoint: Checkpoint) -> Mapping[str, object]:
    return {"seq": checkpoint.seq, "hash": checkpoint.hash, "signature": checkpoint.signature}
