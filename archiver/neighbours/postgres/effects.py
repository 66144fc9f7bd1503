"""What deleting a relation's rows does besides: by the catalogue beforehand, and by what a transaction really changed.

The catalogue names constraints, triggers, rules, children and views. What a trigger's function writes nobody can read
in it, so the deleting transaction counts: by table, what was inserted, updated and deleted since it began, whoever did
it, and which tables were locked as only an alteration or a TRUNCATE does.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from archiver.contracts import SideEffect
from archiver.model import Dataset, RowsChanged
from archiver.neighbours.postgres.catalog import Query, literal, quoted, relation_name

BEFORE: Final = "archiver.counts_before"
"""The setting, of one transaction, that holds what its session had counted when it began."""

CHANGED: Final = "AR001"
"""What our own check raises; its detail is ``changes`` as JSON."""

_DELETE_TRIGGER: Final = 8
"""The bit of ``pg_trigger.tgtype`` that says: on DELETE."""

_COUNTS: Final = (
    "(SELECT coalesce(jsonb_object_agg(s.relid::text, jsonb_build_array(s.n_tup_ins, s.n_tup_upd, s.n_tup_del)), '{}')"
    " FROM pg_catalog.pg_stat_xact_user_tables s WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0)"
)


def counts_before() -> str:
    """SQL that notes what the session had counted before; it is not always nothing, as counts are given up late."""
    return f" SELECT set_config('{BEFORE}', {_COUNTS}::text, true);"


def _kin(dataset: Dataset) -> str:
    """The relation, its partitions and children, and, for a view, what lies under it: a recursive query ``kin``."""
    return (
        "WITH RECURSIVE target AS (SELECT c.oid, c.relkind FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = {literal(dataset.namespace)} AND c.relname = {literal(dataset.relation)}),"
        " kin AS (SELECT t.oid, t.relkind FROM target t UNION SELECT c.oid, c.relkind FROM kin"
        "  CROSS JOIN LATERAL (SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits i WHERE i.inhparent = kin.oid"
        "   UNION ALL SELECT d.refobjid FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d"
        "    ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid"
        "    AND d.refclassid = 'pg_catalog.pg_class'::regclass"
        "    WHERE kin.relkind = 'v' AND w.ev_class = kin.oid AND w.ev_type = '1' AND d.refobjid <> kin.oid) x"
        "  JOIN pg_catalog.pg_class c ON c.oid = x.oid AND c.relkind IN ('r', 'p', 'v', 'f'))"
    )


def changes(dataset: Dataset, rows: int) -> str:
    """SQL for what this transaction changed beyond ``rows`` deleted ones of the dataset's relation, as ``jsonb``.

    A row ``[relation, inserted, updated, deleted, altered]`` for each table; NULL when there is none.
    """
    return (
        f"({_kin(dataset)},"
        f" before AS (SELECT coalesce(current_setting('{BEFORE}', true), '{{}}')::jsonb AS counts),"
        " now AS (SELECT s.relid, s.schemaname, s.relname,"
        "  s.n_tup_ins - coalesce((b.counts -> s.relid::text ->> 0)::int8, 0) AS ins,"
        "  s.n_tup_upd - coalesce((b.counts -> s.relid::text ->> 1)::int8, 0) AS upd,"
        "  s.n_tup_del - coalesce((b.counts -> s.relid::text ->> 2)::int8, 0) AS del"
        "  FROM pg_catalog.pg_stat_xact_user_tables s JOIN pg_catalog.pg_class c ON c.oid = s.relid"
        "  CROSS JOIN before b WHERE c.relpersistence <> 't'),"
        " own AS (SELECT coalesce(sum(n.ins), 0)::int8 AS ins, coalesce(sum(n.upd), 0)::int8 AS upd,"
        "  coalesce(sum(n.del), 0)::int8 AS del FROM now n WHERE n.relid IN (SELECT oid FROM kin)),"
        " found AS (SELECT format('%s.%s', n.schemaname, n.relname) AS name, n.ins, n.upd, n.del, 0 AS alt FROM now n"
        "  WHERE (n.ins <> 0 OR n.upd <> 0 OR n.del <> 0) AND n.relid NOT IN (SELECT oid FROM kin)"
        f" UNION ALL SELECT {literal(f'{dataset.namespace}.{dataset.relation}')}, o.ins, o.upd, o.del - {rows}, 0"
        f"  FROM own o WHERE o.ins <> 0 OR o.upd <> 0 OR o.del <> {rows}"
        " UNION ALL SELECT format('%s.%s', s.nspname, c.relname), 0, 0, 0, 1 FROM pg_catalog.pg_locks l"
        "  JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace"
        "  WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'"
        "  AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't')"
        " SELECT jsonb_agg(jsonb_build_array(f.name, f.ins, f.upd, f.del, f.alt) ORDER BY f.name) FROM found f)"
    )


def changed(answer: Any) -> tuple[RowsChanged, ...]:
    """What ``changes`` gave, as values."""
    rows = json.loads(answer) if isinstance(answer, str) else answer
    return tuple(
        RowsChanged(relation=name, inserted=ins, updated=upd, deleted=gone, altered=bool(alt))
        for name, ins, upd, gone, alt in rows or ()
    )


def checking(dataset: Dataset, rows: int) -> str:
    """A script that raises ``CHANGED`` when the transaction has changed anything besides."""
    return (
        f" DO $archiver$ DECLARE told jsonb := {changes(dataset, rows)};"
        " BEGIN IF told IS NOT NULL THEN RAISE EXCEPTION 'archiver: more was changed than the compared rows'"
        f" USING ERRCODE = '{CHANGED}', DETAIL = told::text; END IF; END $archiver$;"
    )


def find_effects(query: Query, dataset: Dataset, border: datetime) -> tuple[SideEffect, ...]:
    """Ask the catalogue, and count the rows that refer to rows from before ``border``."""
    rows = query(
        f"{_kin(dataset)},"
        " refs AS (SELECT k.oid, k.conname, k.conrelid, k.confrelid, k.confdeltype, k.conkey, k.confkey, 1 AS depth"
        "  FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0"
        "  AND k.confrelid IN (SELECT oid FROM kin)"
        "  UNION SELECT k.oid, k.conname, k.conrelid, k.confrelid, k.confdeltype, k.conkey, k.confkey, r.depth + 1"
        "  FROM refs r JOIN pg_catalog.pg_constraint k ON k.contype = 'f' AND k.conparentid = 0"
        "  AND k.confrelid = r.conrelid AND r.confdeltype = 'c' AND k.conrelid <> r.conrelid WHERE r.depth < 16)"
        " SELECT CASE r.confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set_null' WHEN 'd' THEN 'set_default'"
        "  ELSE 'restrict' END AS kind, r.conname::text AS name, format('%s.%s', n.nspname, c.relname) AS relation,"
        "  CASE WHEN r.depth = 1 AND r.confrelid = (SELECT oid FROM target)"
        "   AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
        "   THEN (SELECT jsonb_agg(jsonb_build_array(a.attname, b.attname))::text"
        "   FROM unnest(r.conkey, r.confkey) AS p(child, parent)"
        "   JOIN pg_catalog.pg_attribute a ON a.attrelid = r.conrelid AND a.attnum = p.child"
        "   JOIN pg_catalog.pg_attribute b ON b.attrelid = r.confrelid AND b.attnum = p.parent) ELSE '' END AS detail,"
        "  n.nspname::text AS namespace, c.relname::text AS relname"
        "  FROM refs r JOIN pg_catalog.pg_class c ON c.oid = r.conrelid"
        "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " UNION ALL SELECT 'trigger', t.tgname::text, format('%s.%s', n.nspname, c.relname), p.proname::text,"
        "  n.nspname::text, c.relname::text FROM pg_catalog.pg_trigger t JOIN kin ON kin.oid = t.tgrelid"
        "  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        "  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid"
        f"  WHERE NOT t.tgisinternal AND t.tgenabled NOT IN ('D', 'R') AND (t.tgtype & {_DELETE_TRIGGER}) <> 0"
        "  AND t.tgparentid = 0"
        " UNION ALL SELECT CASE WHEN w.is_instead THEN 'instead_rule' ELSE 'rule' END, w.rulename::text,"
        "  format('%s.%s', n.nspname, c.relname), '', n.nspname::text, c.relname::text"
        "  FROM pg_catalog.pg_rewrite w JOIN kin ON kin.oid = w.ev_class"
        "  JOIN pg_catalog.pg_class c ON c.oid = w.ev_class"
        "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE w.ev_type = '4' AND w.ev_enabled <> 'D'"
        # Columns under a view that it does not show as they are, and those of children that their parent lacks.
        " UNION ALL SELECT CASE WHEN t.relkind = 'v' THEN 'hidden_columns' ELSE 'child_columns' END,"
        "  string_agg(a.attname::text, ', ' ORDER BY a.attnum), format('%s.%s', n.nspname, c.relname), '',"
        "  n.nspname::text, c.relname::text"
        "  FROM kin JOIN target t ON t.oid <> kin.oid AND kin.relkind IN ('r', 'p', 'f')"
        "  JOIN pg_catalog.pg_class c ON c.oid = kin.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        "  JOIN pg_catalog.pg_attribute a ON a.attrelid = kin.oid AND a.attnum > 0 AND NOT a.attisdropped"
        "  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute v WHERE v.attrelid = t.oid AND v.attname = a.attname"
        "   AND v.attnum > 0 AND NOT v.attisdropped AND v.atttypid = a.atttypid)"
        "  GROUP BY t.relkind, n.nspname, c.relname"
        " UNION ALL SELECT 'no_replica_identity', p.pubname::text, format('%s.%s', n.nspname, c.relname), '',"
        "  n.nspname::text, c.relname::text FROM kin JOIN pg_catalog.pg_class c ON c.oid = kin.oid"
        "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        "  JOIN pg_catalog.pg_publication_tables l ON l.schemaname = n.nspname AND l.tablename = c.relname"
        "  JOIN pg_catalog.pg_publication p ON p.pubname = l.pubname AND p.pubdelete"
        "  WHERE c.relkind = 'r' AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS ("
        "   SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))"
        " UNION ALL SELECT 'foreign', '', format('%s.%s', n.nspname, c.relname), '', n.nspname::text, c.relname::text"
        "  FROM kin JOIN pg_catalog.pg_class c ON c.oid = kin.oid"
        "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE kin.relkind = 'f'"
        " ORDER BY 1, 3, 2"
    )
    return tuple(
        SideEffect(
            kind=kind,
            name=name,
            relation=relation,
            rows=_referring(query, dataset, border, namespace, relname, json.loads(detail))
            if detail[:1] == "["
            else None,
        )
        for kind, name, relation, detail, namespace, relname in rows
    )


def _referring(
    query: Query, dataset: Dataset, border: datetime, namespace: str, relation: str, pairs: Sequence[Sequence[str]]
) -> int:
    """How many rows of a table refer to rows that are due; of the same table, those that are not due themselves."""
    same = " AND ".join(f"c.{quoted(child)} = r.{quoted(parent)}" for child, parent in pairs)
    time = quoted(dataset.time_column)
    # A date and a timestamp mean UTC here; the session's zone is that.
    bound = f"timestamptz '{border:%Y-%m-%d %H:%M:%S.%f}+00'"
    is_itself = (namespace, relation) == (dataset.namespace, dataset.relation)
    younger = f" AND (c.{time} IS NULL OR c.{time} >= {bound})" if is_itself else ""
    ((rows,),) = query(
        f"SELECT count(*) FROM {quoted(namespace)}.{quoted(relation)} AS c WHERE EXISTS (SELECT"
        f" FROM {relation_name(dataset)} AS r WHERE {same} AND r.{time} < {bound}){younger}"
    )
    return int(rows)
