"""One archive with something of everything to do, and the check that nothing went wrong with any of it.

Shared by the tests that let a worker die at every write and those that let two runs work side by side. Five days from
2026-05-01: four of them are older than the source may hold, two older than the archive may. A late row, a changed one, one
without a time and one with a time to come; litter and an upload that nobody finished; a hold that is placed and released.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.ledger.chain import read_chain
from archiver.ledger.entries import read_descriptor
from archiver.model import (
    Compacted,
    Expired,
    ExpireIntended,
    HoldPlaced,
    HoldReleased,
    PartsRemoved,
    Purged,
    SweepIntended,
    Swept,
)
from archiver.operations.tables.purge import PurgeOptions, unaccounted
from tests.support.archive import ARCHIVE_ID, LOGS, day, multiset
from tests.support.faulty import Crash, Faults, FaultyAnchor, FaultyStore
from tests.support.memory_source import MemorySource, MemoryTable
from tests.support.nights import Nights, placed

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
SOURCE_BORDER = NOW - timedelta(days=30)  # the middle of 2026-05-04
DATASET = replace(LOGS, archive_retention=timedelta(days=31))
ARCHIVE_BORDER = day(2)
"""The windows before it leave the archive: they ended more than 31 days ago."""

HOLD = "case"


@dataclass
class Place:
    """An archive, its source, and every row that was ever in that.

    Attributes:
        rows: Every version of every row.
    """

    made: Nights
    table: MemoryTable
    faults: Faults
    rows: list[dict[str, Any]]

    def copied(self) -> "Place":
        """The same again, on its own; nothing is injected there."""
        faults, table = Faults(), self.table.copied()
        store, anchor = self.made.store, self.made.anchor
        assert isinstance(store, FaultyStore)
        assert isinstance(anchor, FaultyAnchor)
        made = replace(
            self.made,
            store=store.copied(faults),
            anchor=anchor.copied(faults),
            source=MemorySource(NOW, {"logs": table}, faults=faults),
        )
        return Place(made, table, faults, list(self.rows))

    def beside(self) -> Nights:
        """Another run on the same neighbours, as on another machine."""
        return replace(self.made, source=MemorySource(NOW, {"logs": self.table}, faults=self.faults))


def prepared(*, conditional: bool = True) -> Place:
    """Exported and verified once; then a late row, a changed row and litter came."""
    table = MemoryTable()
    for number in range(15):
        at = day(number // 3) + timedelta(hours=8) * (number % 3)
        table.insert(id=f"id{number:02d}", created_at=at, message=f"user {number % 2}", score=number / 3)
    table.insert(id="undated", created_at=None, message="undated", score=None)
    table.insert(id="future", created_at=datetime(2030, 1, 1, tzinfo=UTC), message="future", score=None)
    faults = Faults()
    store = FaultyStore(faults, conditional=conditional)
    made = Nights(
        store,
        FaultyAnchor(faults),
        MemorySource(NOW, {"logs": table}, faults=faults),
        datasets=(DATASET,),
        now=lambda: NOW,
        purge_options=PurgeOptions(batch_rows_max=2),
    )
    made.init()
    made.export()
    made.verify_and_record()
    rows = table.values()
    table.insert(id="late", created_at=day(1) + timedelta(minutes=1), message="late", score=None)
    table.update(8, message="changed")
    rows += [values for values in table.values() if values["message"] in ("late", "changed")]
    store.tamper("data/logs/date=2020-01-01/part-0000-0123456789abcdef.parquet", b"left behind")
    store.leave_pending("data/logs/date=2020-01-02/part-0000-0123456789abcdef.parquet", "upload")
    return Place(made, table, faults, rows)


def ripe(*, conditional: bool = True) -> Place:
    """Every kind of run has something to do: half of what is due was purged, another row came late.

    An export of that row died before its entry, so that its part lies there as litter which the next export adopts.
    """
    place = prepared(conditional=conditional)
    made = place.made
    made.export()
    made.verify_and_record()
    made.say([placed(HOLD, since=day(2))])
    made.purge()
    made.say([HoldReleased(hold=HOLD, reason="done")])
    place.table.insert(id="later", created_at=day(2) + timedelta(minutes=1), message="later", score=None)
    place.rows.append(place.table.values()[-1])
    place.faults.crash("create", key="ledger/*", took_effect=False)
    with pytest.raises(Crash):
        made.export()
    place.faults.heal()
    return place


def everything(made: Nights) -> None:
    """All that is tried with faults: export, verify, a hold, purge, its release, purge, compact, expire, sweep."""
    made.export()
    made.verify_and_record()
    if not any(isinstance(event, HoldPlaced) for event in events(made)):
        made.say([placed(HOLD, since=day(2))])
    made.purge()
    if HOLD in made.open().holdings.holds:
        made.say([HoldReleased(hold=HOLD, reason="done")])
    made.purge()
    made.compact()
    made.expire()
    made.sweep()


def events(made: Nights) -> list[Any]:
    """Every event of the ledger, by what the store has."""
    chain = read_chain(made.store, read_descriptor(made.store), tip=made.anchor.read(ARCHIVE_ID))
    return [event for signed in chain for event in signed.entry.events]


def check_nothing_lost(place: Place) -> None:
    """At any instant: each version of each row is in the source, or in the archive, or has left it as it should.

    Looks only, so that what a dead run left stays as it is.
    """
    made = place.made
    found = multiset(place.table.values()) + multiset(made.rows(holdings=made.look().holdings))
    may_be_gone = multiset([row for row in place.rows if _before(row, ARCHIVE_BORDER)])
    missing = multiset(place.rows) - found
    assert not missing - may_be_gone, missing
    held = multiset(made.rows(holdings=made.look().holdings))
    assert not held - multiset(place.rows), "a row is held twice, or nobody knows whence it came"


def check_all_done(place: Place) -> None:
    """After a run that was left alone: every promise is kept, and a further run finds nothing to do."""
    made = place.made
    kept = [values for values in place.table.values() if not _before(values, SOURCE_BORDER)]
    assert multiset(place.table.values()) == multiset(kept), "a row is overdue in the source"
    stay = {row["id"] for row in place.rows if not _before(row, SOURCE_BORDER)}
    assert {row["id"] for row in kept} == stay, "a row that was not due has left its source"
    made.check([row for row in place.rows if not _before(row, ARCHIVE_BORDER)])
    _check_accounts(place)
    store = made.store
    assert isinstance(store, FaultyStore)
    receipt = made.verify()
    assert (receipt.litter, receipt.uploads) == ([], [])
    data = {key for key in store.keys if key.startswith("data/")}
    assert data == made.open().holdings.keys, "what the ledger names and what lies there differ"
    head = made.open().head
    assert head is not None
    checkpoint = made.anchor.read(ARCHIVE_ID)
    assert checkpoint is not None
    assert checkpoint.hash == head.hash, "the anchor does not know the head"
    # What a dead run had deleted was counted, not looked at row by row: the next export looks, and finds nothing new.
    assert made.export().rows == 0
    _check_accounts(place)
    before = store.keys
    assert made.export().commits == 0
    assert made.purge().rows == {"logs": 0}
    assert made.expire().objects == {}
    assert made.compact().parts_before == {}
    assert made.sweep().objects == 0
    assert store.keys == before, "a further run wrote something"


def _check_accounts(place: Place) -> None:
    """The ledger's own story adds up: what is said to be gone is gone, and is said once."""
    made = place.made
    holdings = made.open().holdings
    held = holdings.dataset("logs")
    assert unaccounted(holdings) == {}
    assert (held.expiring, held.replaced, holdings.sweeping, holdings.holds) == ({}, {}, set(), {})
    told = events(made)
    # Of the changed row the source has one version at any time.
    due = len({row["id"] for row in place.rows if _before(row, SOURCE_BORDER)})
    gone = sum(event.rows for event in told if isinstance(event, Purged))
    assert gone == due, f"{gone} rows are said to be purged, {due} were due"
    assert sum(known.rows_purged for known in held.slots.values()) == due
    # The changed row's older version left the source without us.
    assert sum(known.rows_missing for known in held.slots.values()) == 1
    replaced = Counter(key for event in told if isinstance(event, Compacted) for key in event.replaced)
    removed = Counter(key for event in told if isinstance(event, PartsRemoved) for key in event.keys)
    assert replaced == removed, "an object that a compaction replaced is not said to be gone, or twice"
    for intent, done in ((ExpireIntended, Expired), (SweepIntended, Swept)):
        announced = Counter(key for event in told if isinstance(event, intent) for key in event.keys)
        said = Counter(key for event in told if isinstance(event, done) for key in event.keys)
        assert announced == said, f"{done.__name__} does not say what {intent.__name__} does"
    expired = sum(event.rows for event in told if isinstance(event, Expired))
    assert expired == len([row for row in place.rows if _before(row, ARCHIVE_BORDER)])


def _before(values: dict[str, Any], border: datetime) -> bool:
    return values["created_at"] is not None and values["created_at"] < border
