"""What a report says, as values. Written to JSON as it stands here: renaming a field is a change of the format."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from archiver.model import (
    ChunkShare,
    Column,
    DatasetRules,
    Finding,
    RowsChanged,
    RowsKept,
    RulesStated,
    ScrubCount,
    Statement,
    StepResult,
)
from archiver.reports.period import Period

REPORT_FORMAT = 1
"""Of the JSON document. Fields may be added; a change of meaning is a new number."""


class Level(StrEnum):
    """The verdict, and how much a remark weighs. Worst last."""

    KEPT = "kept"
    ATTENTION = "attention"
    BROKEN = "broken"


Fact = str | int | datetime | date | tuple[Statement, ...] | None
"""What a sentence is filled with; each language writes it in its own way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something that a person should know or do.

    Attributes:
        code: The catalogue has its sentence and the next step.
        dataset: Empty: it concerns the archive as a whole.
        facts: By the names that the sentence uses.
    """

    code: str
    level: Level
    dataset: str
    facts: dict[str, Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that is otherwise than it was in the period before."""

    code: str
    dataset: str
    facts: dict[str, Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number in the period before and in this one. ``before`` None: there is no period before."""

    code: str
    before: int | None
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A field of the deletion record that cannot be filled."""

    field: str
    state: Literal["not_configured", "not_recorded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One object of the archive that proves a deletion.

    Attributes:
        verified_at: When it was last read back and found right before the deletion.
        is_deep: It was decoded then, too.
    """

    key: str
    size_bytes: int
    sha256: str
    rows: int
    verified_at: datetime | None
    is_deep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """A copy that outlives a deletion. ``until`` None: nobody says until when."""

    copy: Statement
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkFiles:
    """What a deletion of Loki chunk files counts, in chunks. Their lines are in the archive; nobody counts them again.

    Attributes:
        planned: Announced; ``done`` and ``kept`` add up to it.
        kept: Still there when the directory was listed after the deletion.
        why_kept: ``not_deleted``: it could not be deleted, or was not the file any more that had been compared.
            ``run_died``: the run that announced it had not deleted it when it died. Empty: none was kept.
        proven_at: The announcing entry's time. By then each line of each chunk had been compared with the archive's own
            objects, read back for that; None: the announcement is not known.
    """

    planned: int
    done: int
    kept: int
    why_kept: Literal["", "not_deleted", "run_died"]
    proven_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """One line of the deletion record.

    Attributes:
        operation: ``relocation``: rows left their source, the archive holds them on. ``deletion``: they are gone
            everywhere but for the residual copies. ``residual``: what a lock had kept of an earlier deletion is gone,
            or kept on. ``litter``: objects that no entry named.
        slot: ``2026-10-01``, ``tenant:2026-10-01``, ``undated``; empty for litter and chunk files.
        reason: ``regular``: the period was over.
        due_from, due_until: When the first and the last row of the slot were due; None: no rule was stated.
        oldest, newest: RFC 3339 UTC text of the times in the slot's objects, or that the chunks' names state.
        rows_planned: As the intent said; None: no intent is known.
        differences: What was left of the plan, and why.
        confirmed: What the guard had refused and a person confirmed.
        method: How it was done; the catalogue has the sentence.
        rows_left: In the slot, as the deleting transaction left it: the negative check of the deletion itself.
        archive_due_at: When the archive must let go of relocated rows; None: no period was chosen, or not relocated.
        kept_until: Object Lock or versions keep something of it until then.
        rows_on_hold: Of the differences, rows that a hold keeps.
        changed: Rows of other relations that went or were rewritten along, as a person allowed; no archive holds them.
            None: not known, since the run that deleted died.
        chunks: Of chunk files of Loki, which are counted in chunks: all counts of rows are 0 or None then. Their proof
            is the object that names them, a row for each chunk; ``deleted_at`` of a reconciled one: when it was found.
    """

    operation: Literal["relocation", "deletion", "residual", "litter"]
    dataset: str
    slot: str
    reason: Literal["regular", "litter"]
    place: str
    rule: DatasetRules | None
    due_from: datetime | None
    due_until: datetime | None
    oldest: str | None
    newest: str | None
    rows_planned: int | None
    rows_done: int
    rows_difference: int
    differences: tuple[RowsKept, ...]
    rows_on_hold: int
    changed: tuple[RowsChanged, ...] | None
    confirmed: tuple[Statement, ...]
    method: Literal[
        "compared_in_transaction",
        "reconciled",
        "all_versions",
        "unnamed_objects",
        "chunks_compared",
        "chunks_reconciled",
    ]
    deleted_at: datetime
    run: str
    tool: str
    entry_seq: int
    entry_sha256: str
    intent_seq: int | None
    plan_sha256: str
    proofs: tuple[Proof, ...]
    rows_left: int | None
    checked_at: datetime
    residuals: tuple[Residual, ...]
    archive_due_at: datetime | None
    kept_until: datetime | None
    size_bytes: int
    chunks: ChunkFiles | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a place really held at the end of a run: the negative check.

    Attributes:
        rows_on_hold: Of the overdue rows, those that a hold keeps.
        limit_s: How long the place may hold a row; None: no rule.
    """

    at: datetime
    place: Literal["source", "archive"]
    rows: int | None
    rows_overdue: int
    rows_on_hold: int
    oldest: str | None
    age_s: int | None
    limit_s: int | None
    reasons: tuple[RowsKept, ...]
    rows_undated: int
    rows_future: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """What was added to the archive in the period."""

    windows: int
    objects: int
    rows: int
    size_bytes: int
    rows_changed: int
    rows_missing: int
    rows_duplicate_key: int
    rows_late: int
    oldest: str | None
    newest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the archive held at the period's end.

    Attributes:
        verified_since: Every object was read back and found right since then; None: some never were.
    """

    windows: int
    objects: int
    rows: int
    size_bytes: int
    oldest: str | None
    newest: str | None
    rows_undated: int
    rows_duplicate_key: int
    verified_since: datetime | None
    objects_unverified: int
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCount:
    """Rows of one UTC day, by when they were written down."""

    day: date
    rows_archived: int
    rows_relocated: int
    rows_deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChange:
    """Columns that a dataset has had from here on. The lists compare with the version before."""

    at: datetime
    version: int
    columns: int
    added: tuple[Column, ...]
    dropped: tuple[Column, ...]
    retyped: tuple[Column, ...]
    is_accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """Parts of a slot were replaced by fewer ones that hold the same rows: nothing was moved, nothing deleted.

    Attributes:
        rows: Before and after: each was compared, and is there as often.
        replaced: The objects before, as the ledger knew them.
        segments: The objects after, read back and compared when the entry was written.
        removed_at: When the last of the objects before had left the store; None: not by the period's end.
    """

    at: datetime
    slot: str
    rows: int
    replaced: tuple[Proof, ...]
    segments: tuple[Proof, ...]
    removed_at: datetime | None
    entry_seq: int
    entry_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLoss:
    """Chunks that vanished before they were archived."""

    at: datetime
    chunks: int
    list_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A chunk that cannot be trusted, at the period's end."""

    chunk: str
    key: str
    size_bytes: int
    sha256: str
    reason: Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkFacts:
    """Loki's chunks: what was archived in the period; what waits, and what is quarantined, at its end.

    Attributes:
        superseded: Chunks that waited for a deletion request, which Loki has carried out.
        rows_deleted: Left out because somebody asked Loki to delete them.
        files_deleted, files_deleted_bytes: Chunk files that the archive has and that were deleted in the period.
        files_reconciled: Of them, found gone by a run after the one that had deleted them and died.
        files_announced: At the period's end, chunks whose deletion is announced and not accounted for.
    """

    chunks_archived: int
    size_bytes: int
    entries: int
    rows: int
    rows_duplicate: int
    rows_deleted: int
    scrubbed: tuple[ScrubCount, ...]
    waiting: tuple[ChunkShare, ...]
    losses: tuple[ChunkLoss, ...]
    superseded: int
    quarantined_in_period: int
    released_in_period: int
    quarantined: tuple[Quarantined, ...]
    files_deleted: int
    files_deleted_bytes: int
    files_reconciled: int
    files_announced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """One dataset in the period.

    Attributes:
        rule: At the period's end; None: none was stated.
        left: Rows that purges of the period left in the source, and why.
        rows_overdue_known: By the archive's own knowledge, without a look at the source; None: no rule, or not told.
        purges_open, expiries_open: Rows, and objects, that an intent names and that no later entry accounts for.
        observations: The last one for each place.
        ages: Every observation with an age, oldest first: what the chart shows.
        residuals: Kinds of copies that outlive a deletion, each with its end counted from the period's last deletion.
        objects_locked, locked_until: Objects that left the archive and of which the store keeps something at the
            period's end (Object Lock), and until when; None: nobody says.
        parts_removed, parts_removed_bytes, parts_versions_deleted: Objects that a rewriting had replaced, those of
            earlier periods included, and that left the store in the period, with their versions.
        parts_waiting: Replaced objects whose removal is not accounted for at the period's end.
    """

    name: str
    rule: DatasetRules | None
    archived: Archived
    held: Held
    rows_relocated: int
    rows_deleted: int
    objects_deleted: int
    versions_deleted: int
    deletions: tuple[Deletion, ...]
    left: tuple[RowsKept, ...]
    rows_overdue_known: int | None
    purges_open: int
    expiries_open: int
    observations: tuple[Observation, ...]
    ages: tuple[Observation, ...]
    schema_version: int
    schema_changes: tuple[SchemaChange, ...]
    chunks: ChunkFacts | None
    days: tuple[DayCount, ...]
    verifications: int
    residuals: tuple[Residual, ...]
    objects_locked: int
    locked_until: datetime | None
    rewrites: tuple[Rewrite, ...]
    parts_removed: int
    parts_removed_bytes: int
    parts_versions_deleted: int
    parts_waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFacts:
    """A hold that was in force at some time of the period.

    Attributes:
        subject: The keyed digest's first digits; empty: it covers every row.
    """

    hold: str
    dataset: str
    since: datetime | None
    until: datetime | None
    subject: str
    reason: str
    reference: str
    review_on: datetime
    placed_at: datetime
    released_at: datetime | None
    release_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run that came to its end in the period."""

    command: str
    started_at: datetime
    ended_at: datetime
    exit_status: int
    steps: tuple[StepResult, ...]
    entry_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nights:
    """The nightly runs.

    Attributes:
        recorded_since: The first one that was ever recorded; None: none was.
        missed: UTC days of the period on which no run began, from ``recorded_since`` on.
    """

    recorded_since: datetime | None
    runs: int
    missed: tuple[date, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """The last check of the deployed stack in the period."""

    at: datetime
    promised_s: int
    checks_in_period: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Where the ledger stood at the period's end.

    Attributes:
        head_hash: SHA-256 of the entry's file, which ``sha256sum`` shows.
        entries: Written in the period.
    """

    archive_id: str
    ordering: str
    public_key: str
    head_seq: int
    head_key: str
    head_hash: str
    head_signature: str
    head_at: datetime
    entries: int
    adopted: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFacts:
    """What the ledger says of one period.

    Attributes:
        rules: In force at its end; None: never stated.
        tool: That wrote the last entry of the period or before it.
        chain: None: the archive had not begun.
        litter: Deleted objects that no entry named.
    """

    period: Period
    rules: RulesStated | None
    rules_are_recorded: bool
    tool: str
    chain: Chain | None
    datasets: tuple[DatasetFacts, ...]
    litter: tuple[Deletion, ...]
    holds: tuple[HoldFacts, ...]
    nights: Nights
    runs: tuple[RunFacts, ...]
    stack: StackFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole report.

    Attributes:
        number: Of this archive, this period and this state of the ledger.
        written_by: The version that wrote the report.
        store, anchor: Where the archive and the ledger's head are kept.
        verify_command: With which a stranger checks all of it on a copy.
        compared_with: The period before; None: the archive had not begun then.
    """

    format: int
    number: str
    written_by: str
    store: str
    anchor: str
    verify_command: str
    verdict: Level
    remarks: tuple[Remark, ...]
    compared_with: Period | None
    verdict_before: Level | None
    changes: tuple[Change, ...]
    measures: tuple[Measure, ...]
    gaps: tuple[Gap, ...]
    facts: PeriodFacts
