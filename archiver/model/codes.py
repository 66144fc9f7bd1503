"""The closed sets of codes that entries hold and decisions are made by. Their words stand in ``archiver.words``.

The ledger keeps these codes: one that means something else is a new one, and entries of before keep the old one.
"""

from archiver.model.statements import Code, Statement


class Reason(Code):
    """Why rows, windows, parts or chunks that are due stay."""

    NO_KEY = "reason.no_key"
    NOT_ARCHIVED = "reason.not_archived"
    NOT_VERIFIED = "reason.not_verified"
    LATE = "reason.late"
    DIFFERS = "reason.differs"
    DIFFERS_OR_LESS_HELD = "reason.differs_or_less_held", "columns"
    """``columns``: of which the archive holds less, by a column policy."""
    DUPLICATE = "reason.duplicate"
    SIDE_EFFECTS = "reason.side_effects"
    """Deleting them would change more than the rows that were compared."""
    DRIFT = "reason.drift"
    """The columns changed, and nobody has agreed to that."""
    SINCE_PURGE = "reason.since_purge"
    SINCE_PURGED = "reason.since_purged"
    SINCE_EXPIRED = "reason.since_expired"
    MEANWHILE = "reason.meanwhile"
    PURGE_OPEN = "reason.purge_open"
    IN_SOURCE = "reason.in_source"
    HOLD = "reason.hold", "references"
    SUBJECT_HOLD = "reason.subject_hold"
    """Rows of a person on hold were found."""
    PERSON_UNNAMED = "reason.person_unnamed"
    GUARD = "reason.guard"
    FAILED = "reason.failed"
    STEP_SKIPPED = "reason.step_skipped", "why"
    STOPPED = "reason.stopped"
    STOPPED_BY = "reason.stopped_by", "error"
    """``error``: the name of its class."""
    WINDOW_OPEN = "reason.window_open"
    EXPIRED = "reason.expired"
    UNCHANGED = "reason.unchanged"
    LATE_POSSIBLE = "reason.late_possible"
    OWN_PERIODS = "reason.own_periods"
    EXPIRY_DUE = "reason.expiry_due"
    FEW_PARTS = "reason.few_parts"
    LINES_MISSING = "reason.lines_missing"
    CHUNK_GONE = "reason.chunk_gone"
    CHUNK_UNSOUND = "reason.chunk_unsound"
    PARTS_CHANGED = "reason.parts_changed"
    NOT_DELETED = "reason.not_deleted"


HOLDS = frozenset({Reason.HOLD, Reason.SUBJECT_HOLD})
"""What stays for these reasons stays because somebody said so: no promise is broken."""


def is_hold(reason: Statement) -> bool:
    """Whether somebody holds back on purpose what stays for this reason."""
    return reason.code in HOLDS


class Wait(Code):
    """Why a chunk that is there is not archived yet."""

    DUE = "wait.due"
    """Its turn comes in this run, or in the next one if this one ends before."""
    WRITTEN = "wait.written"
    DELETION = "wait.deletion"
    NOT_ASKED = "wait.not_asked"
    TOO_LARGE = "wait.too_large"


class Standing(Code):
    """What is to be said of a chunk that is there and due."""

    COMPACTOR = "standing.compactor"
    LEFT = "standing.left"
    GOING = "standing.going"
    UNARCHIVED = "standing.unarchived"
    QUARANTINED = "standing.quarantined"
    HOLD = "standing.hold"


class Skip(Code):
    """Why a step of a night is not done."""

    STOPPED = "skip.stopped"
    NO_DATASET = "skip.no_dataset"
    NO_SOURCE_PERIOD = "skip.no_source_period"
    NO_ARCHIVE_PERIOD = "skip.no_archive_period"
    NOT_EXECUTED = "skip.not_executed"
    NOTHING_NAMED = "skip.nothing_named"
    NO_REPORT = "skip.no_report"
    NEEDS = "skip.needs", "step"


class Failure(Code):
    """What ended a step: the kind of the error. Its sentence is in the log of the run, and may name what it wants."""

    STATUS = "failure.status", "exit_status"
    UNEXPECTED = "failure.unexpected", "error"
    SETTINGS = "failure.settings"
    ACCESS = "failure.access"
    PARTIAL = "failure.partial"
    SCHEMA_DRIFT = "failure.schema_drift"
    CHUNK_UNSOUND = "failure.chunk_unsound"
    CONFLICT = "failure.conflict"
    REFUSED = "failure.refused"
    TRANSIENT = "failure.transient"
    OUTCOME_UNKNOWN = "failure.outcome_unknown"
    INTERRUPTED = "failure.interrupted"
    OBJECT_EXISTS = "failure.object_exists"
    OBJECT_MISSING = "failure.object_missing"
    LOCAL = "failure.local"
    INTEGRITY = "failure.integrity"
    SEGMENT_MISSING = "failure.segment_missing"
    SEGMENT_ALTERED = "failure.segment_altered"
    LEDGER_BROKEN = "failure.ledger_broken"


class Refusal(Code):
    """Why the guard refuses a deletion until a person confirms it.

    Instants are to the second: ``…_clock``.
    """

    DATABASE_CLOCK = "guard.database_clock", "local_clock", "database_clock"
    STORE_CLOCK = "guard.store_clock", "local_clock", "store_clock"
    ANCHOR_CLOCK = "guard.anchor_clock", "local_clock", "anchor_clock"
    JUMPED = "guard.jumped", "local_clock", "entry_clock"
    PAUSE = "guard.pause", "days", "days_max"
    ANCHOR_FOUND_EMPTY = "guard.anchor_found_empty"
    SHARE = "guard.share", "dataset", "percent", "percent_max"
    SHARE_OF_CHUNKS = "guard.share_of_chunks", "dataset", "percent", "percent_max"


class ChunkFault(Code):
    """Why a chunk is not sound."""

    CONTRADICTION = "chunk.contradiction", "chunk", "at_byte", "size_bytes"
    METADATA_TOO_LARGE = "chunk.metadata_too_large", "chunk", "metadata_bytes", "metadata_max_bytes"


class Copy(Code):
    """Copies that outlive a deletion elsewhere."""

    DAILY_BACKUPS = "copy.daily_backups", "plan"
    RECOVERY = "copy.recovery"
    LOCK = "copy.lock"
    """A version that the archive's own store keeps."""
    NAMED = "copy.named", "name"
    """``name``: as a person configured it."""


OF_DATABASE = frozenset({Copy.DAILY_BACKUPS, Copy.RECOVERY})
"""Copies that the database's host makes: logs were never in it."""
