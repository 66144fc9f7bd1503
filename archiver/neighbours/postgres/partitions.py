"""Which partitions of a table may be dropped whole instead of deleting their rows, and why others may not.

Dropping a partition is not the same as deleting its rows where somebody relies on the deletion of each: foreign keys,
triggers and replication do. There rows are deleted one by one.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from archiver.contracts import Partition, Partitions
from archiver.model import Dataset, Window
from archiver.neighbours.postgres.catalog import literal, quoted, relation_name

Query = Callable[[str], list[tuple[Any, ...]]]

_RANGE = re.compile(r"FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)")
_DELETE_TRIGGER = 8
"""The bit of ``pg_trigger.tgtype`` that says: on DELETE."""


def find_partitions(query: Query, dataset: Dataset) -> Partitions:
    """Ask the catalogue. The session's time zone must be UTC: bounds are read as text."""
    parent = f"{literal(relation_name(dataset))}::regclass"
    rows = query(
        "SELECT p.partstrat::text, p.partnatts::int4,"
        f" coalesce(a.attname = {literal(dataset.time_column)}, false), pg_has_role(c.relowner, 'USAGE')"
        " FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_class c ON c.oid = p.partrelid"
        " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]"
        f" WHERE p.partrelid = {parent}"
    )
    if not rows:
        return Partitions()
    strategy, columns, is_by_time, is_owner = rows[0]
    if strategy != "r" or columns != 1 or not is_by_time:
        return _not(f"partitions are not ranges of {dataset.time_column} alone")
    if not is_owner:
        return _not("the role does not own the table, so that no partition can be dropped")
    reliant = _reliant(query, parent)
    if reliant:
        return _not(reliant)
    return _pieces(query, parent)


def _not(why: str) -> Partitions:
    return Partitions(remarks=(f"{why}: rows are deleted one by one",))


def _reliant(query: Query, parent: str) -> str:
    """Who relies on the deletion of each row; empty when nobody does."""
    whole = f"(SELECT {parent}::oid UNION ALL SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = {parent})"
    ((has_references, has_triggers, is_published),) = query(
        f"SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.confrelid IN {whole}),"
        " EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'"
        f"  AND (t.tgtype & {_DELETE_TRIGGER}) <> 0 AND t.tgrelid IN {whole}),"
        " EXISTS (SELECT FROM pg_catalog.pg_publication_tables l JOIN pg_catalog.pg_publication p USING (pubname)"
        "  JOIN pg_catalog.pg_namespace n ON n.nspname = l.schemaname"
        "  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = l.tablename"
        f"  WHERE p.pubdelete AND c.oid IN {whole})"
    )
    if has_references:
        return "a foreign key refers to the table"
    if has_triggers:
        return "a trigger fires when a row is deleted"
    return "a publication replicates deletions" if is_published else ""


def _pieces(query: Query, parent: str) -> Partitions:
    rows = query(
        "SELECT n.nspname::text, c.relname::text, c.relkind::text, pg_get_expr(c.relpartbound, c.oid),"
        " pg_has_role(c.relowner, 'USAGE')"
        " FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        # A partition that somebody is detaching is theirs. The column is there since Postgres 14.
        f" WHERE i.inhparent = {parent} AND NOT coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false)"
    )
    droppable, foreign = [], 0
    for namespace, name, kind, bound, is_owner in rows:
        window = _window(str(bound))
        if kind != "r" or window is None:
            # Divided further, a foreign table, the default partition, or one without an end: never whole.
            continue
        if not is_owner:
            foreign += 1
            continue
        droppable.append(Partition(name=f"{quoted(namespace)}.{quoted(name)}", window=window))
    remarks = (f"{foreign} partitions belong to another role: their rows are deleted one by one",) if foreign else ()
    return Partitions(droppable=tuple(sorted(droppable, key=lambda partition: partition.window)), remarks=remarks)


def _window(bound: str) -> Window | None:
    match = _RANGE.fullmatch(bound)
    if match is None:
        return None
    try:
        start, end = (_instant(text) for text in match.groups())
        return Window(start, end)
    except ValueError:
        # Infinity, or a year that no row of ours has.
        return None


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def drop_statements(dataset: Dataset, partition: Partition) -> Sequence[str]:
    """Detach first: a foreign key that came meanwhile is checked there."""
    return (
        f"ALTER TABLE {relation_name(dataset)} DETACH PARTITION {partition.name}",
        f"DROP TABLE {partition.name}",
    )
