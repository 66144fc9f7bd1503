"""Rows of a source, and rows of the archive, in one form: today's columns under today's column policies.

Both sides of every comparison come from here, at export and at deletion, whatever the source is. The source's rows get
the policies as they are read. The archive's rows were written under the policies of their time:

- What was kept then is brought to today's form, so that a stricter policy exports nothing again and proves as before.
- What holds less than today's policies ask for (dropped then, kept today; a digest of another key) cannot be equal to
  anything, and says so in a column of its own: its rows are archived again while they are still in their source, and
  until then nothing of them is deleted there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from archiver.contracts import Snapshot
from archiver.errors import SchemaDrift
from archiver.ledger.holdings import DatasetHoldings, HeldSegment
from archiver.model import Dataset, PolicyAction, SchemaChanged, TableSchema, Window
from archiver.parquet import arrow_schema, read_batches
from archiver.privacy.columns import archived_schema, in_form, unread_columns
from archiver.privacy.key import PrivacyKey
from archiver.retention import holds_less

_HOLDS_LESS = "\x00holds less"


class SourceReader:
    """Reads datasets of a source as the archive gets them.

    Args:
        key: For digests; None when none is set.
    """

    def __init__(self, key: PrivacyKey | None) -> None:
        self._key = key
        self._whole: dict[str, TableSchema] = {}

    def schema(self, snapshot: Snapshot, dataset: Dataset) -> TableSchema:
        """The relation's columns as they are archived now.

        Raises:
            ConfigError: As ``Snapshot.schema``; or a column policy cannot be applied.
            AccessDenied: As ``Snapshot.schema``.
        """
        whole = snapshot.schema(dataset)
        self._whole[dataset.name] = whole
        return archived_schema(dataset, whole, self._key)

    def scan(
        self, snapshot: Snapshot, dataset: Dataset, schema: TableSchema, window: Window | None
    ) -> Iterator[pa.RecordBatch]:
        """As ``Snapshot.scan``, with a schema that ``self.schema`` gave. What is dropped does not leave the source."""
        if not schema.policies:
            yield from snapshot.scan(dataset, schema, window)
            return
        whole = self._whole[dataset.name]
        if archived_schema(dataset, whole, self._key) != schema:
            raise SchemaDrift(f"dataset {dataset.name}: its columns changed while it was read; nothing was done")
        target = arrow_schema(schema)
        actions = {policy.column: policy.action for policy in schema.policies}
        for batch in snapshot.scan(dataset, unread_columns(whole, schema), window):
            columns = [
                in_form(column, actions.get(item.name, PolicyAction.KEEP), self._key)
                for item, column in zip(target, batch.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=target)


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Segments on this machine's disk, read as today's rows.

    Attributes:
        parts: Each with the schema under which it was written; None: the ledger does not know it, so that nothing was
            done to its columns.
        schema: Today's.
    """

    parts: Sequence[tuple[Path, SchemaChanged | None]]
    schema: TableSchema
    key: PrivacyKey | None

    @classmethod
    def of(
        cls,
        held: DatasetHoldings,
        segments: Sequence[HeldSegment],
        paths: Sequence[Path],
        schema: TableSchema,
        key: PrivacyKey | None,
    ) -> "HeldRows":
        """Rows of segments that were fetched to ``paths``."""
        parts = [(path, held.schemas.get(part.segment.schema)) for part, path in zip(segments, paths, strict=True)]
        return cls(parts, schema, key)

    @property
    def lesser_columns(self) -> tuple[str, ...]:
        """Columns of which some part holds less than today's policies ask for."""
        return tuple(sorted({name for _, written in self.parts for name in self._lesser(written)}))

    @property
    def columns(self) -> pa.Schema:
        """The columns of both sides of a comparison."""
        schema = arrow_schema(self.schema)
        if any(self._is_unlike(written) for _, written in self.parts):
            schema = schema.append(pa.field(_HOLDS_LESS, pa.bool_()))
        return schema

    def batches(self) -> list[Iterator[pa.RecordBatch]]:
        """A sorted stream for each part, from its beginning."""
        columns = self.columns
        return [self._as_today(path, written, columns) for path, written in self.parts]

    def comparable(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Batches of ``SourceReader.scan`` as the other side of the comparison."""
        columns = self.columns
        if _HOLDS_LESS not in columns.names:
            return batches
        return (
            pa.RecordBatch.from_arrays([*batch.columns, pa.repeat(pa.scalar(False), batch.num_rows)], schema=columns)
            for batch in batches
        )

    def archivable(self, rows: pa.Table) -> pa.Table:
        """Rows of ``comparable`` without what only the comparison needs."""
        return rows.drop_columns([_HOLDS_LESS]) if _HOLDS_LESS in rows.column_names else rows

    def _lesser(self, written: SchemaChanged | None) -> tuple[str, ...]:
        return () if written is None else holds_less(written, self.schema)

    def _is_unlike(self, written: SchemaChanged | None) -> bool:
        """Whether no row of a part can be equal to one of today: it holds less, or a column had another type."""
        if written is None:
            return False
        return bool(self._lesser(written)) or bool(self._retyped(written))

    def _retyped(self, written: SchemaChanged) -> set[str]:
        then = {policy.column for policy in written.policies}
        now = {policy.column for policy in self.schema.policies}
        types = {column.name: column.archive_type for column in written.columns}
        return {
            column.name
            for column in self.schema.columns
            if column.name not in then | now and types.get(column.name, column.archive_type) != column.archive_type
        }

    def _as_today(self, path: Path, written: SchemaChanged | None, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Columns that a part lacks are NULL, others than today's are left out."""
        is_unlike = self._is_unlike(written)
        actions = self._still_to_do(written)
        for batch in read_batches(path):
            if batch.schema.equals(columns) and not actions:
                yield batch
                continue
            arrays = []
            for item in columns:
                if item.name == _HOLDS_LESS:
                    arrays.append(pa.repeat(pa.scalar(is_unlike), batch.num_rows))
                    continue
                known = batch.schema.get_field_index(item.name)
                array = pa.nulls(batch.num_rows, item.type) if known < 0 else batch.column(known)
                if item.name in actions and known >= 0:
                    array = in_form(array, actions[item.name], self.key)
                # Of another type only where the whole part is unlike today's rows.
                arrays.append(array if array.type == item.type else pa.nulls(batch.num_rows, item.type))
            yield pa.RecordBatch.from_arrays(arrays, schema=columns)

    def _still_to_do(self, written: SchemaChanged | None) -> Mapping[str, PolicyAction]:
        """What today's policies ask for and was not done when a part was written."""
        done = set() if written is None else {policy.column for policy in written.policies}
        return {
            policy.column: policy.action
            for policy in self.schema.policies
            if policy.column not in done and policy.action is not PolicyAction.DROP
        }
