"""Every error raised on purpose, ordered by what the caller does next. The branch fixes the exit status.

ArchiverError                exit
├── ConfigError                2   the settings cannot be honoured; nothing was touched
│   └── AccessDenied           2   credentials, a grant or a right is missing; nothing was touched
├── Partial                    3   something was left out; what and why is named, the rest was done
│   ├── SchemaDrift            3   a lossy change in the source; that dataset stopped, the others went on
│   └── ChunkUnsound           3   a Loki chunk that is not wholly sound; quarantined, its source untouched
├── Conflict                   5   another run was first; start again from the new head
├── Refused                    6   a guard (hold, clock, unproven segment) stopped a deletion
├── TransientError            75   asking again later may help; the only branch that is retried
├── OutcomeUnknown            75   a write was sent, no answer came; read back before acting
├── Interrupted              130   a person or the system asked us to stop; what was committed stays
├── ObjectExists               1   a key holds other bytes; callers turn it into Conflict or SegmentAltered
├── ObjectMissing              1   nothing under a key; callers turn it into SegmentMissing or LedgerBroken
├── LocalResourceError         1   this machine's disk or memory gave out; nothing half-done was committed
└── IntegrityError             4   the archive contradicts its ledger; a person must look
    ├── SegmentMissing
    ├── SegmentAltered
    └── LedgerBroken

A message names the thing, the two facts that disagree, and what was not done; ``hint`` is the next step
for a person. Neither ever holds a secret, a row's content or a subject.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import ClassVar, Final

WORST_FIRST: Final = (4, 1, 130, 2, 6, 3, 75, 5, 0)
"""The archive contradicts itself; a defect; somebody stopped it; settings; a guard; partial; temporary; busy; done."""


def worst(statuses: AbstractSet[int]) -> int:
    """What to end with where several things were done, each with a status of its own."""
    return next((status for status in WORST_FIRST if status in statuses), max(statuses, default=0))


class ArchiverError(Exception):
    """The root. Never raised itself.

    Args:
        message: One line: the thing, the two facts that disagree, what was not done.
        hint: One line: what a person can do next. Empty when there is nothing to do.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(ArchiverError):
    """The settings cannot be honoured. Nothing was touched."""

    exit_status = 2


class AccessDenied(ConfigError):
    """Credentials are wrong, or a grant or right is missing. Nothing was touched."""


class Partial(ArchiverError):
    """Something was left out, and is named; everything else was done."""

    exit_status = 3


class SchemaDrift(Partial):
    """A lossy change in a source's columns. That dataset stopped, the others went on."""


class ChunkUnsound(Partial):
    """A Loki chunk whose bytes contradict themselves. It is quarantined, its source untouched.

    Attributes:
        code, facts: What is noted of it, as ``model.ChunkFault`` has them.
    """

    def __init__(self, message: str, *, hint: str = "", code: str, facts: Mapping[str, int | str]) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.facts = facts


class Conflict(ArchiverError):
    """Another run took this step first. Nothing of ours was committed; start again from the new head."""

    exit_status = 5


class Refused(ArchiverError):
    """A guard stopped a deletion. Nothing was deleted."""

    exit_status = 6


class TransientError(ArchiverError):
    """Asking again later may help. The only branch that ``retry`` retries."""

    exit_status = 75


class OutcomeUnknown(ArchiverError):
    """A write was sent and no answer came. It may have taken effect: read back before acting."""

    exit_status = 75


class Interrupted(ArchiverError):
    """A person or the system asked us to stop. What was committed stays; nothing else counts."""

    exit_status = 130


class ObjectExists(ArchiverError):
    """A key holds other bytes. Nothing was changed."""


class ObjectMissing(ArchiverError):
    """Nothing stands under a key."""


class LocalResourceError(ArchiverError):
    """This machine's disk or memory gave out. Nothing half-done was committed."""


class IntegrityError(ArchiverError):
    """The archive contradicts its ledger. A person must look; nothing is ever repaired silently."""

    exit_status = 4


class SegmentMissing(IntegrityError):
    """The ledger names an object that the store does not have.

    Attributes:
        key: The object's. Another run may have replaced or expired it since the ledger was read.
    """

    def __init__(self, message: str, *, hint: str = "", key: str = "") -> None:
        super().__init__(message, hint=hint)
        self.key = key


class SegmentAltered(IntegrityError):
    """An object's bytes are not those that the ledger names."""


class LedgerBroken(IntegrityError):
    """An entry is missing, altered, reordered or not signed by the archive's key; or the tail was cut."""
