"""Column policies: what reaches the archive, what is compared, what leaves the source, and what a change of them does."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver import layout
from archiver.cli.views.export import WHY_DUE
from archiver.errors import ConfigError
from archiver.ledger.chain import read_chain
from archiver.ledger.entries import read_descriptor
from archiver.model import Column, Dataset, Exported, PolicyAction, Reason, SchemaChanged, TableSchema
from archiver.operations.tables.export import ExportOptions
from archiver.operations.tables.purge import PurgeOptions
from archiver.privacy.addresses import truncated
from archiver.privacy.columns import archived_schema
from archiver.privacy.key import PrivacyKey
from archiver.retention import CompactionRules, Need, holds_less, plan_export
from tests.support.archive import LOGS, day, multiset
from tests.support.faulty import FaultyAnchor, FaultyStore
from tests.support.memory_source import LOG_COLUMNS, MemorySource, MemoryTable
from tests.support.nights import Nights

NOW = datetime(2026, 6, 5, 12, tzinfo=UTC)
KEY = PrivacyKey(bytes(range(32)))
OTHER_KEY = PrivacyKey(bytes(32))
KEEP, DROP, HMAC, TRUNCATE = PolicyAction.KEEP, PolicyAction.DROP, PolicyAction.HMAC, PolicyAction.TRUNCATE_IP

COLUMNS = (
    *LOG_COLUMNS,
    Column(name="phone", source_type="text", archive_type="string"),
    Column(name="tenant", source_type="bigint", archive_type="int64"),
    Column(name="ip", source_type="inet", archive_type="string"),
)
POLICIED = {"message": DROP, "phone": HMAC, "tenant": HMAC, "ip": TRUNCATE}


def filled(days: int = 4) -> MemoryTable:
    """Six rows a day from 2026-05-01, all of them due at ``NOW``; one in six has NULL for everything that may be."""
    table = MemoryTable(columns=COLUMNS)
    for number in range(days * 6):
        at = day(number // 6) + timedelta(hours=4 * (number % 6))
        rest: dict[str, Any] = {"message": None, "phone": None, "tenant": None, "ip": None}
        if number % 6:
            rest = {
                "message": f"secret of {number}",
                "phone": f"+49170{number % 3}",
                "tenant": number % 2,
                "ip": f"192.0.{number % 2}.{number}",
            }
        table.insert(id=f"id{number:04d}", created_at=at, score=number / 3, **rest)
    return table


def policed(policies: Mapping[str, PolicyAction], **more: Any) -> Dataset:
    return replace(LOGS, policies=dict(policies), **more)


def archive(
    table: MemoryTable, policies: Mapping[str, PolicyAction], *, key: PrivacyKey | None = KEY, **more: Any
) -> Nights:
    made = Nights(
        FaultyStore(),
        FaultyAnchor(),
        MemorySource(NOW, {"logs": table}),
        datasets=(policed(policies, **more),),
        now=lambda: NOW,
        options=ExportOptions(privacy_key=key),
        purge_options=PurgeOptions(privacy_key=key, subject_digest=None if key is None else key.digest),
        subject_digest=None if key is None else key.digest,
    )
    made.init()
    return made


def as_archived(row: dict[str, Any], policies: Mapping[str, PolicyAction], key: PrivacyKey = KEY) -> dict[str, Any]:
    """What the archive is to hold of a row, reckoned value by value."""
    done: Mapping[PolicyAction, Callable[[Any], Any]] = {
        KEEP: lambda value: value,
        HMAC: lambda value: key.digest(str(value)),
        TRUNCATE: truncated,
    }
    return {
        name: None if value is None else done[policies.get(name, KEEP)](value)
        for name, value in row.items()
        if policies.get(name) is not DROP
    }


def night(made: Nights, policies: Mapping[str, PolicyAction], *, key: PrivacyKey | None = None, **more: Any) -> int:
    """Export and verify under other policies than before; gives the rows that were exported."""
    made.datasets = (policed(policies, **more),)
    if key is not None:
        made.options = ExportOptions(privacy_key=key)
        made.purge_options = PurgeOptions(privacy_key=key)
    exported = made.export()
    assert exported.problems == []
    assert made.export().commits == 0, "what was compared once is not compared again"
    made.verify_and_record()
    assert made.verify().problems == []
    return exported.rows


def test_nothing_reaches_the_archive_but_what_the_policies_leave() -> None:
    table = filled()
    before = table.values()
    made = archive(table, POLICIED)
    made.export()
    made.check([as_archived(row, POLICIED) for row in before])
    stored = b"".join(made.store.read(ref.key, size_bytes_max=1 << 30) for ref in made.store.list(""))
    assert b"+49170" not in stored
    assert b"secret of" not in stored


def test_parts_are_merged_as_they_were_written_and_only_with_parts_of_the_same_policies() -> None:
    table = filled()
    made = archive(table, POLICIED)
    made.export()
    for number in range(2):
        at = day(0) + timedelta(minutes=number)
        table.insert(id=f"late{number}", created_at=at, score=None, message="late", phone="+1", tenant=1, ip="::1")
        made.export()
    made.verify_and_record()
    rows = multiset(made.rows())
    assert made.compact().parts_before == {"logs": 3}
    assert multiset(made.rows()) == rows
    assert made.verify().problems == []
    assert made.export().rows == 0


def test_equal_values_have_equal_digests_whatever_their_column_and_type() -> None:
    table = MemoryTable(columns=COLUMNS)
    table.insert(id="a", created_at=day(0), message="m", score=0.0, phone="17", tenant=17, ip=None)
    made = archive(table, {"phone": HMAC, "tenant": HMAC})
    made.export()
    (row,) = made.rows()
    assert row["phone"] == row["tenant"] == KEY.digest("17")


def test_unchanged_rows_are_not_exported_again_and_all_of_them_are_proven() -> None:
    table = filled()
    before = table.values()
    made = archive(table, POLICIED)
    made.export()
    table.insert(id="late", created_at=day(1), score=None, message="late", phone="+1", tenant=1, ip="::1")
    assert made.export().rows == 1, "its window is compared, and only the late row is new"
    made.verify_and_record()
    receipt = made.purge()
    assert (receipt.rows, receipt.kept) == ({"logs": 25}, {"logs": {}})
    assert len(made.rows()) == len(before) + 1


@pytest.mark.parametrize(
    ("change", "is_seen"),
    [
        ({"message": "another"}, False),
        ({"ip": "192.0.1.200"}, False),
        ({"ip": "192.0.9.1"}, True),
        ({"phone": "+1"}, True),
        ({"tenant": 7}, True),
        ({"score": 0.5}, True),
        ({"phone": None}, True),
    ],
)
def test_a_change_counts_by_what_is_left_of_it(change: dict[str, Any], *, is_seen: bool) -> None:
    """A change of what the archive need not hold keeps nothing: equality is over what remains."""
    table = filled(days=1)
    made = archive(table, POLICIED)
    made.export()
    made.verify_and_record()
    table.update(2, **change)
    receipt = made.purge()
    assert receipt.rows == {"logs": 5 if is_seen else 6}
    assert receipt.kept == {"logs": {Reason.DIFFERS(): 1} if is_seen else {}}
    assert made.export().rows == is_seen


STRICTER = [
    ({}, POLICIED),
    ({}, {"ip": HMAC}),
    ({"phone": HMAC, "ip": TRUNCATE}, {"phone": DROP, "ip": DROP}),
    ({"phone": HMAC}, {"phone": HMAC, "message": HMAC}),
]
LOOSER = [
    (POLICIED, {}),
    ({"phone": DROP}, {"phone": HMAC}),
    ({"phone": HMAC}, {}),
    ({"tenant": HMAC}, {}),
    ({"ip": TRUNCATE}, {"ip": HMAC}),
    ({"ip": HMAC}, {"ip": TRUNCATE}),
]


@pytest.mark.parametrize(("before", "after"), STRICTER)
def test_a_stricter_policy_exports_nothing_again_and_proves_what_was_archived_before(
    before: dict[str, PolicyAction], after: dict[str, PolicyAction]
) -> None:
    table = filled()
    made = archive(table, before)
    made.export()
    made.verify_and_record()
    made.datasets = (policed(after),)
    assert made.export().rows == 0
    table.insert(id="late", created_at=day(1), score=None, message="late", phone="+1", tenant=1, ip="::1")
    assert night(made, after) == 1
    receipt = made.purge()
    assert (receipt.rows, receipt.kept) == ({"logs": 25}, {"logs": {}})


@pytest.mark.parametrize(("before", "after"), LOOSER)
def test_a_looser_policy_archives_again_what_is_still_there_and_deletes_nothing_until_then(
    before: dict[str, PolicyAction], after: dict[str, PolicyAction]
) -> None:
    table = filled()
    rows = table.values()
    made = archive(table, before)
    made.export()
    made.verify_and_record()
    made.datasets = (policed(after),)
    early = made.purge()
    assert early.rows == {"logs": 0}, "the archive does not hold what is asked of it now"
    (reason,) = early.kept["logs"]
    assert reason.code == Reason.DIFFERS_OR_LESS_HELD
    assert night(made, after) == len(rows)
    held = [as_archived(row, before) for row in rows] + [as_archived(row, after) for row in rows]
    assert multiset(made.rows()) == multiset(held)
    receipt = made.purge()
    assert (receipt.rows, receipt.kept) == ({"logs": 24}, {"logs": {}})
    made.datasets = (policed(after),)
    assert made.export().rows == 0


def test_the_plan_says_that_policies_are_the_reason() -> None:
    made = archive(filled(), {"phone": HMAC})
    made.export()
    looser = policed({})
    held = made.open().holdings.dataset("logs")
    with made.source.snapshot() as snapshot:
        schema = snapshot.schema(looser)
        census = snapshot.census(looser, schema, None, None)
    plan = plan_export(looser, held, census, now=NOW, settled_until=NOW, schema=schema)
    assert [due.need for due in plan.due] == [Need.POLICY] * 4
    assert set(WHY_DUE) == set(Need)
    same = archived_schema(policed({"phone": HMAC}), schema, KEY)
    assert plan_export(looser, held, census, now=NOW, settled_until=NOW, schema=same).due == ()


def test_digests_of_another_key_prove_nothing_and_the_rows_are_archived_again() -> None:
    table = filled()
    made = archive(table, {"phone": HMAC})
    made.export()
    made.verify_and_record()
    assert night(made, {"phone": HMAC}, key=OTHER_KEY) == 24
    assert made.purge().rows == {"logs": 24}


def test_every_change_of_policies_is_a_schema_version_of_its_own_and_stands_in_segments() -> None:
    table = filled(days=1)
    made = archive(table, {"phone": HMAC, "score": KEEP})
    made.export()
    table.insert(id="late", created_at=day(0), score=None, message="late", phone="+1", tenant=1, ip="::1")
    night(made, {"message": DROP})
    chain = read_chain(made.store, read_descriptor(made.store), tip=None)
    events = [event for signed in chain for event in signed.entry.events]
    versions = [event for event in events if isinstance(event, SchemaChanged)]
    assert [
        (one.version, {policy.column: policy.action for policy in one.policies}, one.privacy_key) for one in versions
    ] == [(1, {"phone": HMAC}, KEY.fingerprint), (2, {"message": DROP}, "")]
    named = [segment for event in events if isinstance(event, Exported) for segment in event.segments]
    assert [segment.schema for segment in named] == [versions[0].schema, versions[1].schema]
    data = made.store.read(named[0].key, size_bytes_max=1 << 20)
    assert b"archiver.policies" in data
    assert b'{"phone": "hmac"}' in data
    assert KEY.fingerprint.encode() in data


def test_without_policies_segments_and_fingerprints_are_those_of_before() -> None:
    """So that an archive which began without policies adopts what it has, and exports nothing again."""
    one, other = archive(filled(), {}), archive(filled(), {"phone": KEEP})
    one.export()
    other.export()
    assert [ref.key for ref in one.store.list(layout.DATA_PREFIX)] == [
        ref.key for ref in other.store.list(layout.DATA_PREFIX)
    ]


@pytest.mark.parametrize("name", ["phone", "ip"])
def test_verify_deep_finds_a_value_that_its_policy_cannot_have_left(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = archive(filled(days=1), {name: POLICIED[name]})
    with monkeypatch.context() as patch:
        patch.setattr("archiver.operations.steps.reading.in_form", lambda column, *_: column)
        made.export()
    problems = made.verify().problems
    assert [problem.fact for problem in problems] == [
        f"column {name} is to hold {POLICIED[name]} values only, and holds others"
    ]
    assert made.verify(deep=False).problems == []


def test_parts_are_merged_only_with_parts_of_the_same_policies_and_prove_as_before() -> None:
    table = filled(days=1)
    rows = table.values()
    made = archive(table, {}, archive_retention=timedelta(days=365))
    made.compaction = CompactionRules(parts_min=2, after=timedelta(days=1))
    made.export()
    for number in range(3):
        late = {"score": None, "message": "late", "phone": "+1", "tenant": 1, "ip": "::1"}
        table.insert(id=f"late{number}", created_at=day(0), **late)
        assert night(made, POLICIED) == 1
    assert made.compact().parts_before == {"logs": 3}, "the part of before, without policies, stays as it is"
    assert made.verify().problems == []
    made.verify_and_record()
    assert made.purge().rows == {"logs": len(rows) + 3}


def test_a_hold_on_a_person_finds_them_by_the_digest_that_is_archived() -> None:
    table = filled()
    made = archive(table, {"phone": HMAC}, subject_columns=("phone",))
    made.export()
    made.verify_and_record()
    made.hold("case", subject=KEY.digest("+491701"))
    receipt = made.purge()
    assert receipt.kept == {"logs": {Reason.SUBJECT_HOLD(): 8}}
    assert receipt.rows == {"logs": 16}
    assert {row["phone"] for row in table.values()} == {"+491701"}
    table.rows.clear()
    made.export()
    made.datasets = (replace(made.datasets[0], archive_retention=timedelta(days=1)),)
    expired = made.expire()
    assert expired.kept == {"logs": {Reason.SUBJECT_HOLD(): 24}}, "every day holds rows of this person"


@pytest.mark.parametrize(
    ("policies", "more", "says"),
    [
        ({"phon": HMAC}, {}, "names the column phon, which the relation does not have"),
        ({"phon": KEEP}, {}, "names the column phon, which the relation does not have"),
        ({"created_at": DROP}, {}, "is the time column"),
        ({"created_at": HMAC}, {}, "is the time column"),
        ({"id": HMAC}, {}, "is part of the key"),
        ({"id": DROP}, {}, "is part of the key"),
        ({"id": TRUNCATE}, {}, "is part of the key"),
        ({"score": HMAC}, {}, "no one text form"),
        ({"tenant": TRUNCATE}, {}, "holds no addresses"),
        ({"phone": DROP}, {"subject_columns": ("phone",)}, "names a person"),
        ({"ip": TRUNCATE}, {"subject_columns": ("ip",)}, "names a person"),
    ],
)
def test_policies_that_cannot_work_are_refused_before_anything_is_read(
    policies: dict[str, PolicyAction], more: dict[str, Any], says: str
) -> None:
    made = archive(filled(), policies, **more)
    for command in (made.export, made.purge):
        with pytest.raises(ConfigError, match=says) as refused:
            command()
        assert refused.value.hint
    assert made.open().holdings.seq == 0


def test_digests_need_the_privacy_key() -> None:
    made = archive(filled(), {"phone": HMAC}, key=None)
    with pytest.raises(ConfigError, match="asks for hmac, and no privacy_key_file is set"):
        made.export()
    assert archive(filled(), {"phone": DROP}, key=None).export().rows == 24


@pytest.mark.parametrize(
    ("source_type", "is_fine"),
    [
        ("inet", True),
        ("inet[]", True),
        ("cidr", True),
        ("text", True),
        ("character varying(45)", True),
        ("json", False),
        ("uuid", False),
    ],
)
def test_addresses_are_in_columns_that_can_hold_them(source_type: str, *, is_fine: bool) -> None:
    column = Column(name="ip", source_type=source_type, archive_type="string")
    schema = TableSchema(columns=(*LOG_COLUMNS, column), time_column="created_at", key_columns=("id",))
    if is_fine:
        assert archived_schema(policed({"ip": TRUNCATE}), schema, None).column("ip") == column
        return
    with pytest.raises(ConfigError, match="holds no addresses"):
        archived_schema(policed({"ip": TRUNCATE}), schema, None)


def test_a_column_that_left_the_source_and_its_policy_asks_for_nothing() -> None:
    schema = TableSchema(columns=COLUMNS, time_column="created_at", key_columns=("id",))
    written = archived_schema(policed({"phone": HMAC}), schema, KEY)
    without = replace(schema, columns=tuple(one for one in COLUMNS if one.name != "phone"))
    assert holds_less(written, schema) == ("phone",)
    assert holds_less(written, without) == ()
    assert holds_less(schema, written) == ()
