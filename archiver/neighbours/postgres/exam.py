"""What a person wants to know about a database before the first night: the server, and what a role may do there."""

from dataclasses import dataclass
from datetime import UTC, timedelta

from archiver.contracts import RelationFacts, ServerFacts
from archiver.model import Dataset
from archiver.neighbours.postgres.catalog import literal
from archiver.neighbours.postgres.source import PostgresSource
from archiver.neighbours.postgres.watch import ask_once

# What a session begins with: the role's, the database's and the address's own settings together; `current_setting`
# would tell what we have set ourselves.
_BEGINS_WITH = "(SELECT reset_val::int8 FROM pg_catalog.pg_settings WHERE name = {})"


ROW_BYTES_MIN = 40
"""A header, a time and a key."""


@dataclass(frozen=True, slots=True)
class PostgresExam:
    """Questions that only `doctor` asks."""

    source: PostgresSource

    def server(self) -> ServerFacts:
        """The server and the role.

        Raises:
            AccessDenied, ConfigError, TransientError: It cannot be asked.
        """
        row = ask_once(
            self.source,
            "SELECT clock_timestamp(), current_setting('server_version_num')::int4, current_user::text,"
            " coalesce(host(inet_server_addr()) <> host(inet_client_addr()), false),"
            " (SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()), pg_is_in_recovery(),"
            " has_database_privilege(current_database(), 'TEMPORARY'),"
            f" {_BEGINS_WITH.format(literal('statement_timeout'))},"
            f" {_BEGINS_WITH.format(literal('transaction_timeout'))},"
            " (SELECT CASE WHEN rolconnlimit < 0 THEN current_setting('max_connections')::int4 ELSE rolconnlimit END"
            "  FROM pg_catalog.pg_roles WHERE rolname = current_user),"
            " (SELECT coalesce(bool_or(query = '<insufficient privilege>'), false) FROM pg_catalog.pg_stat_activity"
            "   WHERE datname = current_database() AND pid <> pg_backend_pid())",
            "looking at the server",
        )[0]
        clock, version, role, is_remote, is_encrypted, is_standby, may, statement, transaction, most, hides = row
        return ServerFacts(
            clock=clock.astimezone(UTC),
            version=version,
            role=str(role),
            is_remote=bool(is_remote),
            is_encrypted=is_encrypted,
            is_standby=is_standby,
            may_make_temporary=may,
            statement_timeout=_limit(statement),
            transaction_timeout=_limit(transaction),
            connections_max=int(most),
            hides_transactions=hides,
        )

    def relation(self, dataset: Dataset) -> RelationFacts | None:
        """A relation, whatever this role may do with it; None: there is none.

        Raises:
            AccessDenied, ConfigError, TransientError: The database cannot be asked.
        """
        facts = ask_once(
            self.source,
            "SELECT current_user::text, has_table_privilege(c.oid, 'DELETE'), EXISTS ("
            "  SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a"
            "  ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
            "  WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL"
            f" AND a.attname = {literal(dataset.time_column)}),"
            # As the planner guesses: as dense as when it was analysed, as large as now; one that never was has at most
            # as many rows as there is room for. Of a partitioned table the partitions have the rows.
            " CASE WHEN c.relkind IN ('r', 'p', 'm') THEN (SELECT sum(CASE WHEN l.reltuples < 0 OR l.relpages = 0"
            f"   THEN pg_relation_size(l.oid) / {ROW_BYTES_MIN} ELSE l.reltuples / l.relpages"
            "    * (pg_relation_size(l.oid) / current_setting('block_size')::int4) END)::int8"
            "   FROM pg_catalog.pg_class l WHERE l.oid = c.oid AND c.relkind <> 'p' OR l.oid IN ("
            "    SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf)) END"
            " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            f" WHERE n.nspname = {literal(dataset.namespace)} AND c.relname = {literal(dataset.relation)}"
            " AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
            f"looking at the rights on {dataset.name}",
        )
        if not facts:
            return None
        role, may_delete, has_time_index, rows = facts[0]
        return RelationFacts(
            role=str(role),
            may_delete=may_delete,
            is_table=rows is not None,
            has_time_index=has_time_index,
            rows_estimate=rows,
        )


def _limit(milliseconds: int | None) -> timedelta | None:
    return timedelta(milliseconds=milliseconds) if milliseconds else None
