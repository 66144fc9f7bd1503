"""Events: what one commit says happened, the entry that carries them, and the checkpoint of its head."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from archiver.model.findings import Finding, Observed, RowsKept, StepResult
from archiver.model.statements import Statement
from archiver.model.values import (
    FORMAT_VERSION,
    Column,
    ColumnPolicy,
    DatasetRules,
    RowsChanged,
    Segment,
    Slot,
    SourceState,
    TableSchema,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """The archive began. Always the only event of entry 0.

    Attributes:
        ordering: What orders the writers: ``conditional`` (the store creates only if absent) or ``anchor``.
        public_key: Ed25519, 32 bytes as hex; the key that signs every entry.
    """

    kind: Literal["initialised"] = "initialised"
    archive_id: str
    format: int
    ordering: Literal["conditional", "anchor"]
    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChanged:
    """From here on a dataset's segments have these columns. The first one is version 1.

    Attributes:
        schema: Fingerprint; segments name it.
        accepted: A person agreed to a lossy change.
        policies: What is done to columns before they are written, by name; those that are dropped stand only here.
        privacy_key: Fingerprint of the key of digests; empty where no column has any.
    """

    kind: Literal["schema_changed"] = "schema_changed"
    dataset: str
    version: int
    schema: str
    columns: tuple[Column, ...]
    time_column: str
    key_columns: tuple[str, ...]
    accepted: bool = False
    policies: tuple[ColumnPolicy, ...] = ()
    privacy_key: str = ""

    @property
    def table(self) -> TableSchema:
        """What segments look like that name it."""
        return TableSchema(
            columns=self.columns,
            time_column=self.time_column,
            key_columns=self.key_columns,
            policies=self.policies,
            privacy_key=self.privacy_key,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Rows of one window are now in the archive, in these segments, all durable before this was written.

    Attributes:
        state: The source's window in the snapshot that was read.
        rows: In these segments together.
        rows_changed: Of them, rows whose key the archive already held with other content.
        rows_missing: Rows that the archive holds for this window and that the snapshot no longer had.
        rows_duplicate_key: Rows of the snapshot's window whose key another row of it has too.
        late: The window had been exported before; this is a further part.
        settled: Whether every transaction that could still add rows to the window had ended.
        snapshot_at: The database's clock.
    """

    kind: Literal["exported"] = "exported"
    dataset: str
    slot: Slot
    segments: tuple[Segment, ...]
    state: SourceState
    rows: int
    rows_changed: int = 0
    rows_missing: int = 0
    rows_duplicate_key: int = 0
    late: bool = False
    settled: bool = True
    snapshot_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Every segment of a dataset named up to an entry was read back and is what the ledger says.

    Attributes:
        through_seq: Segments of later entries were not looked at.
        depth: ``digest``: size and SHA-256. ``deep``: decoded as well; rows, schema, bounds and order checked.
        since, until: Bounds of the windows looked at, half-open; None is unbounded and includes undated rows.
        keys: Of the segments looked at; None: all of these windows.
    """

    kind: Literal["verified"] = "verified"
    dataset: str
    through_seq: int
    depth: Literal["digest", "deep"]
    since: datetime | None = None
    until: datetime | None = None
    keys: tuple[str, ...] | None = None
    segments: int
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotShare:
    """So many rows of one slot."""

    slot: Slot
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeIntended:
    """Rows of these slots are about to be deleted from their source. Written before the first deletion.

    A run that dies after a deletion's commit leaves this without its ``Purged``; the next run compares and completes
    it.

    Attributes:
        plan: SHA-256 of the plan that is executed, 64 hex digits.
        slots: With the rows that the plan expects to delete.
        confirmed: What a guard had refused and a person confirmed for this one run.
    """

    kind: Literal["purge_intended"] = "purge_intended"
    dataset: str
    plan: str
    slots: tuple[SlotShare, ...]
    confirmed: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """Rows of one slot have left their source; each was equal to a row of the archive in the deleting transaction.

    Attributes:
        intent_seq: The entry that announced it.
        rows: Deleted.
        kept: What was left, with reasons.
        state: The slot as the deleting transaction left it.
        reconciled: Found out afterwards: the run that deleted them died before it could say so.
        snapshot_at: The database's clock in the last deleting transaction.
        changed: Rows of other relations that went or were rewritten along with them, unarchived, because the settings
            say that those relations are not to be archived.
    """

    kind: Literal["purged"] = "purged"
    dataset: str
    intent_seq: int
    slot: Slot
    rows: int
    kept: tuple[RowsKept, ...] = ()
    state: SourceState
    reconciled: bool = False
    snapshot_at: datetime
    changed: tuple[RowsChanged, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlaced:
    """From here on nothing that this covers is purged or expired.

    Attributes:
        hold: Its random name.
        dataset: None: every dataset.
        since, until: Bounds of the windows, half-open; None is unbounded and takes undated rows in.
        subject: Keyed digest (HMAC) of a person's identifier, 64 hex digits; None: every row.
        reference: The case's own number, where the reason is kept; no personal data.
        reason: As the person typed it.
        privacy_key: Fingerprint of the key that ``subject`` was made with; empty without a subject.
        review_on: The day on which somebody must look at it again.
    """

    kind: Literal["hold_placed"] = "hold_placed"
    hold: str
    dataset: str | None
    since: datetime | None
    until: datetime | None
    subject: str | None
    reason: str
    reference: str
    review_on: datetime
    privacy_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReleased:
    """A hold ends, for a reason as the person typed it."""

    kind: Literal["hold_released"] = "hold_released"
    hold: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireIntended:
    """These segments are about to be deleted from the archive, and count as held no longer. Written before."""

    kind: Literal["expire_intended"] = "expire_intended"
    dataset: str
    plan: str
    keys: tuple[str, ...]
    confirmed: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Segments have left the archive: every version was deleted, and looking for them finds nothing.

    Attributes:
        kept_until: Something of them remains until then, though it was asked to go (Object Lock); None: nothing does.
    """

    kind: Literal["expired"] = "expired"
    dataset: str
    keys: tuple[str, ...]
    rows: int
    size_bytes: int
    versions_deleted: int
    kept_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """Parts of one slot were replaced by fewer ones that hold the same rows, each as often; none has come or gone.

    The new parts were read back and compared, row for row, before this was written. The objects of the old ones are
    held no longer, and are about to be deleted.

    Attributes:
        replaced: Keys, in the order of their commits.
        segments: What stands in their place, all durable before this was written.
        rows: In either.
    """

    kind: Literal["compacted"] = "compacted"
    dataset: str
    slot: Slot
    replaced: tuple[str, ...]
    segments: tuple[Segment, ...]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsRemoved:
    """Objects that a compaction had replaced have left the store: every version, and looking for them finds nothing."""

    kind: Literal["parts_removed"] = "parts_removed"
    dataset: str
    keys: tuple[str, ...]
    size_bytes: int
    versions_deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepIntended:
    """These objects, which no entry names, are about to be deleted. No entry may name them until they are gone."""

    kind: Literal["sweep_intended"] = "sweep_intended"
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Objects that no entry named are gone."""

    kind: Literal["swept"] = "swept"
    keys: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorAdopted:
    """The anchor was empty, or set back, and was moved to this entry: nobody vouches for what came before.

    Deletions are refused until a person has confirmed one.

    Attributes:
        found_seq: The entry that the anchor stood at, more than one behind the head; None: it was empty.
    """

    kind: Literal["anchor_adopted"] = "anchor_adopted"
    found_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkList:
    """An object of the archive that names Loki chunks, a row each: an entry stays small whatever their number.

    Attributes:
        key: Below the archive's root.
        sha256: Of the whole object, 64 hex digits.
        chunks: How many it names.
        from_ms, through_ms: The least and the greatest bound that their names state, in milliseconds since the epoch.
            A list whose span a chunk does not touch need not be read to know that it does not name the chunk.
    """

    key: str
    sha256: str
    size_bytes: int
    chunks: int
    from_ms: int
    through_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubCount:
    """So many lines had something taken out of them before they were written."""

    pattern: str
    action: str
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunksArchived:
    """Every entry of these Loki chunks is now in the archive, exactly once, or left out for a reason given here.

    Attributes:
        size_bytes: Of the chunk objects together.
        entries: That the chunks hold; ``rows`` and the two kinds left out add up to them.
        rows: Added to the archive by this commit, over all slots.
        rows_duplicate: Left out: an equal entry is in another chunk, or was archived before.
        rows_deleted: Left out: somebody asked Loki to delete them, or Loki has rewritten their chunk for that.
        scrubbed: What the line policies did.
    """

    kind: Literal["chunks_archived"] = "chunks_archived"
    dataset: str
    list: ChunkList
    size_bytes: int
    entries: int
    rows: int
    rows_duplicate: int
    rows_deleted: int
    scrubbed: tuple[ScrubCount, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkShare:
    """So many chunks for one reason."""

    reason: Statement
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunksWaiting:
    """These chunks were seen and are not archived yet. Replaces what was said before; None: none is waiting.

    What is named here and neither archived nor there the next time is a loss.
    """

    kind: Literal["chunks_waiting"] = "chunks_waiting"
    dataset: str
    list: ChunkList | None
    reasons: tuple[ChunkShare, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunksGone:
    """Chunks that were seen and not archived are no longer in Loki's store.

    Attributes:
        cause: ``lost``: their entries are in no archive. ``deletion``: they waited for a deletion request, which Loki
            has carried out meanwhile; what it left is in other chunks.
    """

    kind: Literal["chunks_gone"] = "chunks_gone"
    dataset: str
    list: ChunkList
    cause: Literal["lost", "deletion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunksDeletionIntended:
    """These chunks are about to be deleted from a directory that no Loki reads. Written before the first of them goes.

    Attributes:
        plan: SHA-256 of the plan that is executed, 64 hex digits.
        confirmed: What a guard had refused and a person confirmed for this one run.
    """

    kind: Literal["chunks_deletion_intended"] = "chunks_deletion_intended"
    dataset: str
    plan: str
    list: ChunkList
    confirmed: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunksDeleted:
    """Chunks that an entry announced are gone; every line of each was read out of the archive before it went.

    Attributes:
        intent_seq: The entry that announced them.
        list: Those that are gone; None: all of them stayed.
        size_bytes: Of those that are gone.
        kept: How many stayed after all.
        reconciled: Found out afterwards: the run that deleted them died before it could say so.
    """

    kind: Literal["chunks_deleted"] = "chunks_deleted"
    dataset: str
    intent_seq: int
    list: ChunkList | None
    size_bytes: int
    kept: int = 0
    reconciled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkQuarantined:
    """A chunk is not wholly sound: none of its entries is archived, its bytes are kept.

    Attributes:
        chunk: Its key in Loki.
        key: Where its bytes are kept, below the archive's root.
        sha256: Of these bytes.
        reason: Where it contradicts itself; nothing of the content.
    """

    kind: Literal["chunk_quarantined"] = "chunk_quarantined"
    dataset: str
    chunk: str
    key: str
    size_bytes: int
    sha256: str
    reason: Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineReleased:
    """Quarantined bytes are no longer listed.

    Attributes:
        cause: ``person``: somebody has looked at them. ``sound``: the chunk is sound now, and was archived.
        reason: As the person typed it; empty when nobody did.
    """

    kind: Literal["quarantine_released"] = "quarantine_released"
    dataset: str
    sha256: str
    cause: Literal["person", "sound"]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualRule:
    """A kind of copy that outlives a deletion by so long."""

    copy: Statement
    period_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesStated:
    """From here on runs work by these rules. Appended when they differ from those stated last.

    Attributes:
        config_sha256: Of the settings that decide anything, without secrets and without this machine's paths.
        stack_retention_s: What is promised of the monitoring stack.
        controller, processor, officer, record: Who is responsible, who works for them, the data protection officer's
            office, and the number in the record of processing; as configured, empty when not.
        residuals: Copies that outlive a deletion elsewhere (backups and the like), as configured.
    """

    kind: Literal["rules_stated"] = "rules_stated"
    config_sha256: str
    datasets: tuple[DatasetRules, ...]
    stack_retention_s: int
    controller: str = ""
    processor: str = ""
    officer: str = ""
    record: str = ""
    residuals: tuple[ResidualRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChecked:
    """What a check of the deployed stack found.

    Attributes:
        promised_s: For how long the stack may keep anything, in seconds.
    """

    kind: Literal["stack_checked"] = "stack_checked"
    promised_s: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """A run of several steps came to its end. A night without one is a missed run.

    Attributes:
        command: ``nightly``.
        exit_status: The worst of its steps'.
        steps: In the order in which they were to be done.
        observed: By dataset and place.
    """

    kind: Literal["run_ended"] = "run_ended"
    command: str
    started_at: datetime
    exit_status: int
    steps: tuple[StepResult, ...]
    observed: tuple[Observed, ...] = ()


Event = (
    Initialised
    | SchemaChanged
    | Exported
    | Verified
    | PurgeIntended
    | Purged
    | HoldPlaced
    | HoldReleased
    | ExpireIntended
    | Expired
    | Compacted
    | PartsRemoved
    | SweepIntended
    | Swept
    | AnchorAdopted
    | ChunksArchived
    | ChunksWaiting
    | ChunksGone
    | ChunksDeletionIntended
    | ChunksDeleted
    | ChunkQuarantined
    | QuarantineReleased
    | RulesStated
    | StackChecked
    | RunEnded
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One step in the ledger: one commit, with all the events that became true together.

    Attributes:
        seq: Counts from 0 without a gap.
        at: When it was written, by the writer's clock; never before its predecessor's.
        run: Random name of the run that wrote it.
        tool: Name and version of the writer.
        prev: SHA-256 of the predecessor's file, 64 hex digits; zeros for entry 0.
    """

    format: int = FORMAT_VERSION
    seq: int
    at: datetime
    run: str
    tool: str
    prev: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The ledger's head as the anchor keeps it: it alone says which history is the true one.

    Attributes:
        hash: SHA-256 of the file of entry ``seq``.
        signature: Ed25519 over the checkpoint without it, as hex.
    """

    archive_id: str
    seq: int
    hash: str
    signature: str = ""
