"""Announce a dataset's columns in the ledger before rows with them are archived."""

from archiver.errors import SchemaDrift
from archiver.ledger.holdings import DatasetHoldings
from archiver.model import Dataset, SchemaChanged, TableSchema
from archiver.parquet import fingerprint


def schema_event(
    dataset: Dataset,
    held: DatasetHoldings,
    schema: TableSchema,
    *,
    accepted: bool,
    undone: str = "this dataset was not exported",
) -> SchemaChanged | None:
    """The event that announces a schema which the archive does not know yet; None when it is the current one.

    Raises:
        SchemaDrift: A column that the archive holds is gone or has another type, or rows are identified otherwise,
            and nobody has agreed to that.
    """
    known = held.schema
    mark = fingerprint(schema)
    if known is not None and known.schema == mark:
        return None
    lossy = [] if known is None else _lossy_changes(known, schema)
    if lossy and not accepted:
        raise SchemaDrift(
            f"dataset {dataset.name}: {'; '.join(lossy)}; {undone}",
            hint=f"if that is intended: archiver export {dataset.name} --accept-drift {dataset.name}",
        )
    return SchemaChanged(
        dataset=dataset.name,
        version=1 if known is None else known.version + 1,
        schema=mark,
        columns=schema.columns,
        time_column=schema.time_column,
        key_columns=schema.key_columns,
        accepted=bool(lossy),
        policies=schema.policies,
        privacy_key=schema.privacy_key,
    )


def _lossy_changes(known: SchemaChanged, schema: TableSchema) -> list[str]:
    changes = []
    # What a column policy does to a column is no drift of the source: the configuration says so.
    policed = {policy.column for policy in (*known.policies, *schema.policies)}
    for column in known.columns:
        now = schema.column(column.name)
        if column.name in policed and (now is None or now.source_type == column.source_type):
            continue
        if now is None:
            changes.append(f"column {column.name} ({column.source_type}) is gone")
        elif now.archive_type != column.archive_type:
            changes.append(f"column {column.name} was {column.source_type} and is {now.source_type}")
    if known.time_column != schema.time_column:
        changes.append(f"the time column was {known.time_column} and is {schema.time_column}")
    if known.key_columns != schema.key_columns:
        changes.append(f"the key was ({', '.join(known.key_columns)}) and is ({', '.join(schema.key_columns)})")
    return changes
