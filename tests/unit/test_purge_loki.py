"""The purge of logs: what is named, what goes from a directory that no Loki reads, and what stays in its place."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.contracts import DeletionRequest, DeletionRequests
from archiver.errors import ArchiverError, ConfigError, LedgerBroken, Refused, SegmentAltered
from archiver.model import ChunksDeleted, ChunksDeletionIntended, Reason, Standing, Wait
from archiver.operations.logs.purge import LokiPurgeReceipt, loki_plan_word
from archiver.operations.logs.settings import LokiSettings
from tests.support.chunk_store import MemoryLoki
from tests.support.evening import EVENING, HOUR_NS, LATE, OTHER, chunk, entries_of, world
from tests.support.faulty import FAULTS, Crash, Faults, FaultyStore
from tests.support.loki import LokiArchive
from tests.support.loki_encoder import Writing
from tests.support.nights import placed

FILES = LokiSettings.model_construct(delete="files", round_size_bytes_max=1)
COMPACTOR = LokiSettings()
LATER = datetime(2026, 4, 8, 12, tzinfo=UTC)
"""32 days after the chunks of the 7th of March, 29 after the young one."""
YOUNG = chunk((60 * HOUR_NS, b"young"), job="young")


def archived(*writings: Writing) -> tuple[LokiArchive, Faults, MemoryLoki]:
    """Exported and verified in March; it is April."""
    archive, faults, loki = world(*(writings or (EVENING, OTHER, YOUNG)))
    loki.faults = faults
    archive.init()
    archive.export()
    archive.verify_and_record()
    archive.now = lambda: LATER
    return archive, faults, loki


def names(*writings: Writing) -> set[str]:
    return {writing.key().path() for writing in writings}


def chunks_of(*writings: Writing) -> set[str]:
    return {str(writing.key()) for writing in writings}


def told(archive: LokiArchive, kind: type[Any]) -> list[Any]:
    found = []
    ledger = archive.open()
    from archiver.ledger.chain import read_chain  # noqa: PLC0415

    for signed in read_chain(archive.store, ledger.descriptor, tip=None):
        found += [event for event in signed.entry.events if isinstance(event, kind)]
    return found


# ── Where Loki's compactor deletes ─────────────────────────────────────────────────────────────────────────────


def test_what_the_compactor_should_have_deleted_is_named_and_nothing_is_touched() -> None:
    archive, _, loki = archived()
    before = dict(loki.store.objects)
    plan, receipt = archive.purge(COMPACTOR)
    assert {(one.ref.chunk, one.standing) for one in plan.due} == {
        (name, Standing.LEFT) for name in chunks_of(EVENING, OTHER)
    }
    assert (plan.broken, plan.soon, plan.lost, plan.chunks, plan.archived_due) == (2, (), (), 3, 0)
    assert receipt == LokiPurgeReceipt(kept={Standing.LEFT(): 2})
    assert loki.store.objects == before


def test_the_compactor_is_given_its_time() -> None:
    archive, _, _ = archived()
    patient = COMPACTOR.model_copy(update={"delete_grace": timedelta(days=3)})
    plan = archive.plan_purge(patient)
    assert {one.standing for one in plan.due} == {Standing.COMPACTOR}
    assert plan.broken == 0


def test_when_the_compactor_has_done_its_work_nothing_is_said() -> None:
    archive, _, loki = archived(EVENING, OTHER)
    for name in names(EVENING, OTHER):
        del loki.store.objects[name]
    plan = archive.plan_purge(COMPACTOR)
    assert (plan.due, plan.broken, plan.archived_due, plan.lost_before) == ((), 0, 2, 0)


def test_a_chunk_that_will_be_deleted_unarchived_is_named_in_time() -> None:
    archive, _, loki = archived()
    old, soon, fresh = LATE, chunk((80 * HOUR_NS, b"soon"), job="soon"), chunk((700 * HOUR_NS, b"x"), job="fresh")
    for writing in (old, soon, fresh):
        loki.store.put(writing, LATER)
    plan = archive.plan_purge(COMPACTOR)
    assert {one.ref.chunk for one in plan.due if one.standing is Standing.UNARCHIVED} == chunks_of(old)
    assert [(one.ref.chunk, one.reason) for one in plan.soon] == [(str(soon.key()), Wait.WRITTEN())]
    assert plan.broken == 2 + 1 + 1
    assert archive.plan_purge(COMPACTOR.model_copy(update={"warn_before": timedelta(hours=12)})).soon == ()


def test_fault_22_what_was_lost_is_said_again() -> None:
    archive, _, loki = archived()
    archive.options = archive.options.model_copy(update={"settle": timedelta(days=60)})
    loki.store.put(LATE)
    archive.export()
    del loki.store.objects[LATE.key().path()]
    plan = archive.plan_purge(COMPACTOR)
    assert {known.chunk for known in plan.lost} == chunks_of(LATE)
    archive.export()
    plan = archive.plan_purge(COMPACTOR)
    assert (plan.lost, plan.lost_before) == ((), 1)


def test_fault_20_an_unsound_chunk_is_never_called_archived() -> None:
    archive, _, loki = archived()
    name = LATE.key().path()
    loki.store.objects[name] = (LATE.data()[:-1], datetime(2026, 3, 8, tzinfo=UTC))
    archive.export()
    plan, receipt = archive.purge(FILES)
    assert [one.ref.chunk for one in plan.due if one.standing is Standing.QUARANTINED] == [str(LATE.key())]
    assert receipt.chunks == 2
    assert name in loki.store.objects


# ── In a directory that no Loki reads ──────────────────────────────────────────────────────────────────────────


def test_exactly_the_chunks_that_are_due_and_proven_go() -> None:
    archive, _, loki = archived()
    loki.store.objects["index/whatever"] = (b"an index", datetime(2026, 3, 8, tzinfo=UTC))
    plan, receipt = archive.purge(FILES)
    assert plan.share > 0.5
    assert (receipt.chunks, receipt.kept, receipt.problems) == (2, {}, [])
    assert loki.store.objects.keys() == names(YOUNG) | {"index/whatever"}
    archive.check(entries_of(EVENING, OTHER, YOUNG))
    assert [event.list.chunks for event in told(archive, ChunksDeletionIntended)] == [1, 1]
    assert [(event.list.chunks, event.kept, event.reconciled) for event in told(archive, ChunksDeleted)] == [
        (1, 0, False)
    ] * 2
    assert archive.export().lost == [], "what we deleted is no loss"
    again, receipt = archive.purge(FILES)
    assert (again.due, receipt) == ((), LokiPurgeReceipt())
    assert loki_plan_word(plan) != loki_plan_word(again)


def test_nothing_goes_that_was_not_verified_since() -> None:
    archive, _, loki = archived()
    late = chunk((23 * HOUR_NS, b"late"), job="late")
    loki.store.put(late)
    archive.export()
    _, receipt = archive.purge(FILES)
    assert receipt.kept == {Reason.NOT_VERIFIED(): 2}, "the day of the late one, for the other as well"
    assert names(late, EVENING) <= loki.store.objects.keys()
    archive.verify_and_record()
    assert archive.purge(FILES)[1].chunks == 2


def test_a_chunk_whose_bytes_changed_stays() -> None:
    """Its name says another checksum: whatever it is now, it is not what was archived."""
    archive, _, loki = archived()
    name = EVENING.key().path()
    data, at = loki.store.objects[name]
    loki.store.objects[name] = (data[:-5] + bytes([data[-5] ^ 1]) + data[-4:], at)
    keys = set(archive.store.keys)  # type: ignore[attr-defined]
    _, receipt = archive.purge(FILES)
    assert receipt.kept == {Reason.CHUNK_UNSOUND(): 1}
    assert loki.store.objects.keys() == {name, *names(YOUNG)}
    assert not [key for key in set(archive.store.keys) - keys if key.startswith("quarantine/")]  # type: ignore[attr-defined]


def test_a_chunk_with_a_line_that_the_archive_does_not_hold_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it came about: the list says archived, and the archive's own segments do not hold the line."""
    archive, _, loki = archived()
    whole = MemoryLoki.decode

    def more(self: MemoryLoki, ref: Any, data: bytes) -> Any:
        rows = whole(self, ref, data)
        if ref.name != EVENING.key().path():
            return rows
        line = rows.table.column("line").combine_chunks().to_pylist()
        line[0] = "a line that nobody archived"
        import pyarrow as pa  # noqa: PLC0415

        return replace(rows, table=rows.table.set_column(1, rows.table.schema.field("line"), pa.array(line)))

    monkeypatch.setattr(MemoryLoki, "decode", more)
    _, receipt = archive.purge(FILES)
    assert receipt.kept == {Reason.LINES_MISSING(): 1}
    assert EVENING.key().path() in loki.store.objects


def test_lines_that_somebody_asked_to_delete_need_not_be_held() -> None:
    archive, _, loki = world(EVENING)
    request = DeletionRequest(
        request="r",
        tenant="fake",
        query='{job="pm2"} |= "after midnight"',
        start_ns=0,
        end_ns=2**62,
        is_carried_out=False,
        created_at=datetime(2026, 3, 8, tzinfo=UTC),
    )
    loki.requests = DeletionRequests(requests=(request,))
    archive.init()
    assert archive.export().rows_deleted == 1
    archive.verify_and_record()
    archive.now = lambda: LATER
    loki.requests = DeletionRequests()
    assert archive.purge(FILES)[1].kept == {Reason.LINES_MISSING(): 1}
    loki.requests = DeletionRequests(requests=(request,))
    assert archive.purge(FILES)[1].chunks == 1


def test_what_loki_still_uses_is_refused() -> None:
    archive, _, loki = archived()
    loki.used = "loki_cluster_seed.json was written 2026-04-08 11:00 UTC"
    before = dict(loki.store.objects)
    with pytest.raises(
        Refused, match=r"is for a directory that no Loki reads, and loki_cluster_seed\.json was written"
    ):
        archive.purge(FILES)
    assert loki.store.objects == before
    assert told(archive, ChunksDeletionIntended) == []


@pytest.mark.parametrize("subject", [None, "a digest"], ids=["a window", "a person"])
def test_what_is_on_hold_stays(subject: str | None) -> None:
    archive, _, loki = archived()
    hold = replace(placed("case", subject=subject, since=datetime(2026, 3, 8, tzinfo=UTC)), dataset="loki")
    archive.open().append([hold])
    _, receipt = archive.purge(FILES)
    assert receipt.kept == {Reason.HOLD(references=("case",)): 1}
    assert loki.store.objects.keys() == names(EVENING, YOUNG), "the one that ends before the hold begins has gone"


def test_fault_26_a_hold_placed_while_a_purge_is_at_work_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    archive, _, loki = archived(EVENING, OTHER)
    whole = MemoryLoki.decode

    def placing(self: MemoryLoki, ref: Any, data: bytes) -> Any:
        if not archive.open().holdings.holds:
            archive.open("another").append([replace(placed("case"), dataset="loki")])
        return whole(self, ref, data)

    monkeypatch.setattr(MemoryLoki, "decode", placing)
    _, receipt = archive.purge(FILES.model_copy(update={"round_size_bytes_max": 1 << 30}))
    assert (receipt.chunks, receipt.kept) == (0, {Reason.HOLD(references=("case",)): 2})
    assert loki.store.objects.keys() == names(EVENING, OTHER)


def test_a_file_that_was_written_to_since_it_was_read_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    archive, _, loki = archived()
    whole = MemoryLoki.remove
    name = EVENING.key().path()

    def touched(self: MemoryLoki, ref: Any) -> None:
        if ref.name == name:
            loki.store.objects[name] = (loki.store.objects[name][0], LATER)
        whole(self, ref)

    monkeypatch.setattr(MemoryLoki, "remove", touched)
    _, receipt = archive.purge(FILES)
    assert [problem.message for problem in receipt.problems] == [
        f"{name}: is not what was read any more; it was left alone"
    ]
    assert receipt.kept == {Reason.NOT_DELETED(): 1}
    assert sorted((event.list is None, event.kept) for event in told(archive, ChunksDeleted)) == [(False, 0), (True, 1)]
    assert name in loki.store.objects


def test_fault_23_an_altered_segment_proves_nothing() -> None:
    archive, _, loki = archived()
    store = archive.store
    assert isinstance(store, FaultyStore)
    for key in [key for key in store.keys if key.startswith("data/")]:
        store.tamper(key, store.peek(key)[:-1] + b"x")
    before = dict(loki.store.objects)
    with pytest.raises(SegmentAltered):
        archive.purge(FILES)
    assert loki.store.objects == before


def test_asked_to_stop_it_ends_between_two_chunks() -> None:
    archive, _, loki = archived()
    archive.stop.set()
    _, receipt = archive.purge(FILES)
    assert receipt.interrupted
    assert len(loki.store.objects) == 3


def test_a_receipt_that_does_not_add_up_is_refused() -> None:
    archive, _, _ = archived()
    archive.purge(FILES)
    (first, _) = told(archive, ChunksDeleted)
    ledger = archive.open()
    with pytest.raises(LedgerBroken, match="did not intend"):
        ledger.append([first])
    intent = told(archive, ChunksDeletionIntended)[0]
    seq = ledger.append([intent]).seq
    with pytest.raises(LedgerBroken, match="do not add up"):
        ledger.append([replace(first, intent_seq=seq, kept=1)])


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_3_4_8_every_write_of_the_purge_fails_in_every_way(fault: str) -> None:
    """The worker dies, or a reply is lost, at every write; the next run completes it, and the ledger's story adds up."""
    archive, faults, _ = archived()
    first = len(faults.writes)
    archive.purge(FILES)
    total = len(faults.writes) - first
    assert total >= 12
    inject = FAULTS[fault]
    for nth in range(1, total + 1):
        archive, faults, loki = archived()
        inject(faults, nth)
        try:
            archive.purge(FILES)
        except (Crash, ArchiverError) as exc:
            assert not isinstance(exc, ConfigError), nth  # noqa: PT017 - any other error is as good as a crash here
        faults.heal()
        archive.check(entries_of(EVENING, OTHER, YOUNG))
        archive.purge(FILES)
        assert loki.store.objects.keys() == names(YOUNG), nth
        archive.check(entries_of(EVENING, OTHER, YOUNG))
        assert archive.held.chunks.open_deletions == {}
        gone = sum(event.list.chunks for event in told(archive, ChunksDeleted) if event.list is not None)
        assert gone == 2, f"write {nth}: {gone} chunks are said to be gone"
        assert archive.purge(FILES)[1] == LokiPurgeReceipt()
        assert archive.export().commits == 0
