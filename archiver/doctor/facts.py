"""The facts that each judgement needs. None: not known."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from archiver.contracts import RelationFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """One dataset's relation.

    Attributes:
        relation: Qualified and quoted.
        key_columns: None: it may not be read whole, which was said already.
        is_purged: Rows are to leave it some day.
    """

    dataset: str
    relation: str
    time_column: str
    key_columns: tuple[str, ...] | None
    is_purged: bool
    told: RelationFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFacts:
    """The way to a project's data API.

    Attributes:
        key_kind: As ``dataapi.key_kind`` tells it from the form.
        key_expires_at: Only a legacy key says.
        is_remote: The address is not this machine's.
    """

    location: str
    key_kind: str
    key_expires_at: datetime | None
    is_encrypted: bool
    is_remote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFacts:
    """The archive's ledger, read and found whole.

    Attributes:
        pause_max: After a longer pause the next deletion asks for its plan's token.
    """

    location: str
    seq: int
    at: datetime
    pause_max: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """A clock that is not this machine's.

    Attributes:
        name: ``database``, ``store``, ``anchor``, ``project``.
        told: None: it has no clock of its own.
        local: This machine's, halfway between question and answer.
        tolerance: More, and every deletion is refused.
    """

    name: str
    location: str
    told: datetime | None
    local: datetime
    tolerance: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFacts:
    """A directory that is written to.

    Attributes:
        setting: That names it.
        needed_bytes: What may be written there at once.
        is_writable: By whoever runs this.
    """

    setting: str
    path: str
    free_bytes: int
    needed_bytes: int
    is_writable: bool
