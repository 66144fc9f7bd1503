"""What a relation looks like: its columns, its key, and whether this role sees all of its rows."""

import difflib
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from typing_extensions import override

from archiver.errors import AccessDenied, ConfigError
from archiver.model import Column, Dataset, TableSchema
from archiver.neighbours.postgres.types import TIME_TYPES, Reading, reading

Query = Callable[[str], list[tuple[Any, ...]]]
"""Runs one statement and gives its rows."""

_Question = tuple[str, str, str, tuple[str, ...] | None]

VERSIONED_KINDS = frozenset("rp")
"""Relation kinds whose rows have an ``xmin``: tables and partitioned tables."""


def quoted(name: str) -> str:
    """An identifier as SQL has it, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text constant as SQL has it, whatever characters it holds."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def relation_name(dataset: Dataset) -> str:
    """The qualified name, quoted."""
    return f"{quoted(dataset.namespace)}.{quoted(dataset.relation)}"


class Facts(Protocol):
    """What the database says of its relations, however it is asked."""

    def relation(self, dataset: Dataset) -> Sequence[Any] | None:
        """Number, kind, may use its schema, may read it, may have rows hidden from it; None: there is none."""
        ...

    def names(self) -> Sequence[str]:
        """Every relation that there is, for a suggestion."""
        ...

    def columns(self, dataset: Dataset, oid: int) -> Sequence[Sequence[Any]]:
        """Name, type as written, base type, whether that is built in, whether it is never NULL; in order."""
        ...

    def unique_keys(self, dataset: Dataset, oid: int) -> Sequence[Sequence[Any]]:
        """Index and column, by index, of what is unique and never NULL; the primary key first, then the shortest."""
        ...


def describing(dataset: Dataset) -> str:
    """SQL for a relation's kind, rights, columns and keys, as one ``jsonb``: equal as long as nothing of it changed."""
    # A domain's base may be a domain again; typbasetype is followed to its end.
    return (
        "(WITH RECURSIVE rel AS ("
        " SELECT c.oid, c.relkind, c.relrowsecurity, c.reloptions, n.oid AS namespace"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = {literal(dataset.namespace)} AND c.relname = {literal(dataset.relation)}"
        " AND c.relkind IN ('r', 'p', 'v', 'm', 'f')),"
        " base AS ("
        " SELECT a.attnum, a.atttypid AS type FROM pg_catalog.pg_attribute a JOIN rel ON a.attrelid = rel.oid"
        " WHERE a.attnum > 0 AND NOT a.attisdropped"
        " UNION ALL SELECT b.attnum, t.typbasetype FROM base b"
        " JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'd')"
        " SELECT jsonb_build_object('relation', (SELECT jsonb_build_array(rel.oid::int8, rel.relkind,"
        "  has_schema_privilege(rel.namespace, 'USAGE'),"
        "  has_schema_privilege(rel.namespace, 'USAGE') AND has_table_privilege(rel.oid, 'SELECT'),"
        "  (rel.relrowsecurity AND row_security_active(rel.oid)) OR EXISTS ("
        # A view that reads as its caller hides what the tables under it hide.
        "   SELECT FROM pg_catalog.pg_rewrite w"
        "   JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid"
        "   JOIN pg_catalog.pg_class u ON d.refclassid = 'pg_catalog.pg_class'::regclass AND u.oid = d.refobjid"
        "   WHERE w.ev_class = rel.oid AND rel.relkind = 'v' AND u.relrowsecurity AND row_security_active(u.oid)"
        "   AND EXISTS (SELECT FROM pg_options_to_table(rel.reloptions) o"
        "    WHERE o.option_name = 'security_invoker' AND o.option_value::boolean))) FROM rel),"
        " 'columns', (SELECT jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod), t.typname,"
        "  t.typnamespace = 'pg_catalog'::regnamespace, a.attnotnull) ORDER BY a.attnum)"
        "  FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd'"
        "  JOIN rel ON true JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid AND a.attnum = b.attnum),"
        " 'keys', (SELECT jsonb_agg(jsonb_build_array(i.indexrelid::int8, a.attname)"
        "   ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid, k.place)"
        "  FROM pg_catalog.pg_index i JOIN rel ON i.indrelid = rel.oid"
        "  CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)"
        "  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        "  WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL"
        "  AND k.place <= i.indnkeyatts AND NOT EXISTS ("
        "   SELECT FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) AS u(attnum)"
        "   JOIN pg_catalog.pg_attribute n ON n.attrelid = i.indrelid AND n.attnum = u.attnum"
        "   WHERE NOT n.attnotnull)),"
        " 'has_time_index', EXISTS (SELECT FROM pg_catalog.pg_index i JOIN rel ON i.indrelid = rel.oid"
        "  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        "  WHERE i.indisvalid AND i.indpred IS NULL"
        f"  AND a.attname = {literal(dataset.time_column)})))"
    )


Described = dict[tuple[str, str, str], str]
"""What a database said of relations, as JSON, by namespace, relation and time column."""


def question_of(dataset: Dataset) -> tuple[str, str, str]:
    """Under what a description of the dataset's relation is remembered."""
    return dataset.namespace, dataset.relation, dataset.time_column


class SqlFacts(Facts):
    """Asked with queries, as one snapshot sees the catalogue; one question for each relation.

    Args:
        known: What was described before and still holds.
        remember: Where else to put what is asked.
    """

    def __init__(self, query: Query, known: Described, remember: Described) -> None:
        self._query = query
        self._known = known
        self._remember = remember

    def of(self, dataset: Dataset) -> dict[str, Any]:
        """The whole description."""
        question = question_of(dataset)
        if question not in self._known:
            text = str(self._query(f"SELECT {describing(dataset)}::text")[0][0])
            self._known[question] = self._remember[question] = text
        description: dict[str, Any] = json.loads(self._known[question])
        return description

    @override
    def relation(self, dataset: Dataset) -> Sequence[Any] | None:
        relation: Sequence[Any] | None = self.of(dataset)["relation"]
        return relation

    @override
    def names(self) -> Sequence[str]:
        rows = self._query(
            "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') LIMIT 5000"
        )
        return [f"{schema}.{relation}" for schema, relation in rows]

    @override
    def columns(self, dataset: Dataset, oid: int) -> Sequence[Sequence[Any]]:
        return self.of(dataset)["columns"] or ()

    @override
    def unique_keys(self, dataset: Dataset, oid: int) -> Sequence[Sequence[Any]]:
        return self.of(dataset)["keys"] or ()


class Catalog:
    """The catalogue as one snapshot sees it; what was asked once is remembered.

    Args:
        role: Who asks.
        unhide: What a person does about row level security that hides rows from this role; None: what an owner can.
    """

    def __init__(self, facts: Facts, role: str, *, unhide: str | None = None) -> None:
        self._facts = facts
        self._role = role
        self._unhide = unhide or f"as a superuser: ALTER ROLE {quoted(role)} BYPASSRLS;"
        self._found: dict[_Question, tuple[TableSchema, dict[str, Reading], bool]] = {}

    def schema(self, dataset: Dataset) -> TableSchema:
        """The relation's columns and key. See ``contracts.Snapshot.schema`` for the errors."""
        return self._look(dataset)[0]

    def readings(self, dataset: Dataset) -> dict[str, Reading]:
        """How each column is read, by name."""
        return self._look(dataset)[1]

    def is_versioned(self, dataset: Dataset) -> bool:
        """Whether the relation's rows carry a version that changes with every update."""
        return self._look(dataset)[2]

    def _look(self, dataset: Dataset) -> tuple[TableSchema, dict[str, Reading], bool]:
        question = (dataset.namespace, dataset.relation, dataset.time_column, dataset.key_columns)
        if question not in self._found:
            oid, kind = self._relation(dataset)
            columns, types = self._columns(dataset, oid)
            unique = self._unique_keys(dataset, oid)
            key, is_unique = self._key(dataset, [column.name for column in columns], unique)
            time = self._time_column(dataset, types)
            schema = TableSchema(columns=columns, time_column=time, key_columns=key, key_is_unique=is_unique)
            readings = {name: reading(base, is_builtin=builtin) for name, (base, builtin) in types.items()}
            self._found[question] = (schema, readings, kind in VERSIONED_KINDS)
        return self._found[question]

    def _relation(self, dataset: Dataset) -> tuple[int, str]:
        relation = self._facts.relation(dataset)
        name = relation_name(dataset)
        if relation is None:
            raise self._missing(dataset)
        oid, kind, may_use, may_read, hides_rows = relation
        if not may_use or not may_read:
            missing = (
                f"GRANT USAGE ON SCHEMA {quoted(dataset.namespace)} TO {quoted(self._role)}; " if not may_use else ""
            )
            raise AccessDenied(
                f"dataset {dataset.name}: the role {self._role} may not read {name}; nothing was read",
                hint=f"as its owner: {missing}GRANT SELECT ON {name} TO {quoted(self._role)};",
            )
        if hides_rows:
            raise AccessDenied(
                f"dataset {dataset.name}: row level security may hide rows of {name} from the role {self._role}, so no"
                " count can be trusted; nothing was read",
                hint=self._unhide,
            )
        return int(oid), str(kind)

    def _missing(self, dataset: Dataset) -> ConfigError:
        wanted = f"{dataset.namespace}.{dataset.relation}"
        near = difflib.get_close_matches(wanted, self._facts.names(), n=3, cutoff=0.6)
        seen = f"did you mean {' or '.join(near)}? " if near else ""
        return ConfigError(
            f"dataset {dataset.name}: there is no relation {relation_name(dataset)}; nothing was read",
            hint=f"{seen}set datasets.{dataset.name}.relation and .schema, or .enabled = false",
        )

    def _columns(self, dataset: Dataset, oid: int) -> tuple[tuple[Column, ...], dict[str, tuple[str, bool]]]:
        rows = self._facts.columns(dataset, oid)
        columns, types = [], {}
        for name, written, base, is_builtin, is_required in rows:
            mapping = reading(base, is_builtin=is_builtin)
            columns.append(
                Column(name=name, source_type=written, archive_type=mapping.archive_type, nullable=not is_required)
            )
            types[name] = (base, bool(is_builtin))
        return tuple(columns), types

    def _unique_keys(self, dataset: Dataset, oid: int) -> list[tuple[str, ...]]:
        rows = self._facts.unique_keys(dataset, oid)
        keys: dict[int, list[str]] = {}
        for index, name in rows:
            keys.setdefault(index, []).append(name)
        return [tuple(names) for names in keys.values()]

    def _key(
        self, dataset: Dataset, names: Sequence[str], unique: Sequence[tuple[str, ...]]
    ) -> tuple[tuple[str, ...], bool]:
        if dataset.key_columns is not None:
            for name in dataset.key_columns:
                self._must_exist(dataset, name, names, "key")
            return dataset.key_columns, any(set(key) <= set(dataset.key_columns) for key in unique)
        if not unique:
            raise ConfigError(
                f"dataset {dataset.name}: {relation_name(dataset)} has no primary key and no unique index without"
                " NULLs, so nothing tells one row from another; nothing was read",
                hint=f'set datasets.{dataset.name}.key = ["column", …], or key = [] to archive it without ever purging',
            )
        return unique[0], True

    def _time_column(self, dataset: Dataset, types: dict[str, tuple[str, bool]]) -> str:
        name = dataset.time_column
        self._must_exist(dataset, name, list(types), "time_column")
        base, is_builtin = types[name]
        if not is_builtin or base not in TIME_TYPES:
            raise ConfigError(
                f"dataset {dataset.name}: the time column {name} of {relation_name(dataset)} is a {base}, not a"
                " timestamp or date; nothing was read",
                hint=f"set datasets.{dataset.name}.time_column to another column",
            )
        return name

    def _must_exist(self, dataset: Dataset, name: str, names: Sequence[str], setting: str) -> None:
        if name in names:
            return
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(
            f"dataset {dataset.name}: {relation_name(dataset)} has no column {name}; nothing was read",
            hint=f"{meant}set datasets.{dataset.name}.{setting}",
        )
