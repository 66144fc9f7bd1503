"""Column policies on a real Postgres, with a connection and through a real data API: every type, partitions included."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.contracts import PurgesPartitions, Source
from archiver.model import Dataset, PolicyAction, Reason
from archiver.neighbours.dataapi import query as postgrest_query
from archiver.neighbours.dataapi.client import DataApi
from archiver.neighbours.dataapi.source import PostgrestSource
from archiver.neighbours.postgres.snapshot import PostgresSnapshot
from archiver.neighbours.postgres.source import PostgresSource
from archiver.operations.tables.export import ExportOptions
from archiver.operations.tables.purge import PurgeOptions
from archiver.privacy.key import PrivacyKey
from tests.support import postgrest
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.nights import Nights
from tests.support.postgres import Database

KEY = PrivacyKey(bytes(range(32)))
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
LOGS = Dataset(
    name="logs",
    source="postgres",
    relation="logs",
    subject_columns=("phone",),
    source_retention=timedelta(days=30),
    policies={
        "payload": PolicyAction.DROP,
        "phone": PolicyAction.HMAC,
        "actor": PolicyAction.HMAC,
        "account": PolicyAction.HMAC,
        "ip": PolicyAction.TRUNCATE_IP,
        "ips": PolicyAction.TRUNCATE_IP,
        "net": PolicyAction.TRUNCATE_IP,
        "forwarded": PolicyAction.TRUNCATE_IP,
    },
)
ACTOR = "123e4567-e89b-12d3-a456-426614174000"


@pytest.fixture(params=["postgres", "postgrest"])
def made(request: pytest.FixtureRequest, database: Database) -> Nights:
    """Three days, a partition each, exported and verified; the second row has NULL for everything that may be."""
    database.execute(
        "CREATE TABLE logs (id int, created_at timestamptz, payload jsonb, phone text, actor uuid, account bigint,"
        ' ip inet, ips inet[], net cidr, forwarded text, "Odd:na->>me(" text DEFAULT $$x$$, PRIMARY KEY (id, created_at))'
        " PARTITION BY RANGE (created_at)",
        *(
            f"CREATE TABLE logs_{number} PARTITION OF logs FOR VALUES FROM ('2026-05-0{number} 00:00+00')"
            f" TO ('2026-05-0{number + 1} 00:00+00')"
            for number in (1, 2, 3)
        ),
        *(
            f"INSERT INTO logs VALUES ({number}, '2026-05-0{number} 08:00+00', '{{\"secret\": 1}}', '+4917{number}',"
            f" '{ACTOR}', -7, '198.51.100.{number}', '{{198.51.100.7,::ffff:192.0.2.1,2001:db8:1:2::7/64,NULL}}',"
            f" '10.0.0.0/8', '198.51.100.7, 2001:db8:1:2::7')"
            for number in (1, 2, 3)
        ),
        *(f"INSERT INTO logs VALUES ({10 + number}, '2026-05-0{number} 09:00+00')" for number in (1, 2, 3)),
    )
    nights = Nights(
        FaultyStore(),
        FaultyAnchor(),
        source_of(request, database),
        datasets=(LOGS,),
        now=lambda: NOW,
        options=ExportOptions(privacy_key=KEY),
        purge_options=PurgeOptions(privacy_key=KEY, subject_digest=KEY.digest, drop_partitions=False),
    )
    nights.init()
    assert nights.export().problems == []
    nights.verify_and_record()
    return nights


def source_of(request: pytest.FixtureRequest, database: Database) -> Source:
    """One of the two ways to the same rows. PostgREST looks at the tables when it starts."""
    if request.param == "postgres":
        return PostgresSource(database.dsn, lock_timeout_s=0.2)
    postgrest.prepare(database)
    database.execute("GRANT SELECT, DELETE ON logs TO service_role")
    api = request.getfixturevalue("data_api")
    return PostgrestSource(DataApi(api.url, api.key))


def test_every_type_is_written_in_its_policys_form(made: Nights) -> None:
    row, empty = (one for one in made.rows() if one["created_at"].day == 1)
    assert row == {
        "id": 1,
        "created_at": datetime(2026, 5, 1, 8, tzinfo=UTC),
        "phone": KEY.digest("+49171"),
        "actor": KEY.digest(ACTOR),
        "account": KEY.digest("-7"),
        "ip": "198.51.100.0/24",
        "ips": "{198.51.100.0/24,192.0.2.0/24,2001:db8:1::/48,NULL}",
        "net": "10.0.0.0/8",
        "forwarded": "198.51.100.0/24, 2001:db8:1::/48",
        "Odd:na->>me(": "x",
    }
    assert {value for name, value in empty.items() if name not in ("id", "created_at", "Odd:na->>me(")} == {None}
    assert made.verify().problems == []
    assert made.export().commits == 0


@pytest.mark.parametrize("drop_partitions", [True, False])
def test_rows_leave_their_source_by_what_is_left_of_them(
    made: Nights, database: Database, *, drop_partitions: bool
) -> None:
    made.purge_options = made.purge_options.model_copy(update={"drop_partitions": drop_partitions})
    database.execute(
        "UPDATE logs SET payload = '{}', ip = '198.51.100.99' WHERE id = 1",
        "UPDATE logs SET phone = '+49' WHERE id = 2",
    )
    made.hold("case", subject=KEY.digest("+49173"))
    receipt = made.purge()
    assert receipt.rows == {"logs": 4}
    assert receipt.kept == {"logs": {Reason.DIFFERS(): 1, Reason.SUBJECT_HOLD(): 1}}
    can_drop = isinstance(made.source, PurgesPartitions)
    assert receipt.partitions == ({"logs": 1} if drop_partitions and can_drop else {})
    assert database.query("SELECT id FROM logs ORDER BY id") == [(2,), (3,)]


def test_what_is_dropped_does_not_even_leave_the_database(made: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    statement, query = PostgresSnapshot._statement, postgrest_query.page_query

    def statement_of(view: PostgresSnapshot, *arguments: Any) -> str:
        asked.append(statement(view, *arguments))
        return asked[-1]

    def query_of(*arguments: Any, **more: Any) -> Any:
        found = query(*arguments, **more)
        asked.append(str(found))
        return found

    monkeypatch.setattr(PostgresSnapshot, "_statement", statement_of)
    monkeypatch.setattr("archiver.neighbours.dataapi.snapshot.page_query", query_of)
    assert made.purge().rows == {"logs": 6}
    assert asked
    assert all("phone" in one and "payload" not in one for one in asked)
