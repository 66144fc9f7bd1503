"""Chunks that are damaged, half written, gone, rewritten; and a worker that dies at every single write."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver import layout
from archiver.contracts import DeletionRequest, DeletionRequests
from archiver.errors import ArchiverError, ConfigError, IntegrityError, TransientError
from archiver.model import ChunkShare, Wait
from archiver.operations.logs.export import LokiReceipt, release
from archiver.operations.logs.lists import ChunkLists
from archiver.operations.logs.plan import LokiOptions
from tests.support.chunk_store import MemoryLoki
from tests.support.evening import EVENING, HOUR_NS, LATE, MARCH_7, NIGHT, OTHER, OVERLAP, chunk, entries_of, world
from tests.support.faulty import FAULTS, Crash, Faults
from tests.support.loki import LOGS, LokiArchive


def nights(archive: LokiArchive, loki: MemoryLoki) -> None:
    """Everything that is tried with faults: begin, archive, a late chunk and a damaged one, archive again."""
    archive.init()
    archive.export()
    if LATE.key().path() not in loki.store.objects:
        loki.store.put(LATE)
        loki.store.objects[DAMAGED] = (OTHER.data()[:-1] + b"\x00", datetime(2026, 3, 8, tzinfo=UTC))
    archive.export()


DAMAGED = chunk((0, b"x"), tenant="damaged").key().path()


@pytest.mark.parametrize(
    ("conditional", "round_bytes"),
    [(True, 1), (False, 1 << 30)],
    ids=["store orders, a commit a chunk", "anchor orders, one commit"],
)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_1_2_8_every_write_fails_in_every_way(fault: str, conditional: bool, round_bytes: int) -> None:
    """Whichever write fails, and however: the next run completes the archive, each entry in it exactly once."""

    def fresh() -> tuple[LokiArchive, Faults, MemoryLoki]:
        return world(EVENING, OTHER, conditional=conditional, round_size_bytes_max=round_bytes)

    archive, faults, loki = fresh()
    nights(archive, loki)
    total = len(faults.writes)
    assert total > 15
    for nth in range(1, total + 1):
        archive, faults, loki = fresh()
        FAULTS[fault](faults, nth)
        try:
            nights(archive, loki)
        except (Crash, ArchiverError) as exc:
            assert not isinstance(exc, ConfigError), nth  # noqa: PT017 - any other error is as good as a crash here
        faults.heal()
        nights(archive, loki)
        archive.check(entries_of(EVENING, OTHER, LATE))
        assert len(archive.held.chunks.quarantined) == 1
        again = archive.export()
        assert (again.commits, again.rows) == (0, 0), f"write {nth}: a further run found something to do"


def test_an_entry_in_two_chunks_is_one_row_within_a_run_and_across_runs() -> None:
    archive, _, loki = world(EVENING, OVERLAP)
    archive.init()
    receipt = archive.export()
    assert (receipt.entries, receipt.rows, receipt.rows_duplicate) == (6, 5, 1)
    loki.store.put(LATE)
    receipt = archive.export()
    assert (receipt.entries, receipt.rows, receipt.rows_duplicate) == (4, 2, 2)
    archive.check(entries_of(EVENING, OVERLAP, LATE))
    assert [len(slot.segments) for slot in archive.held.ordered()] == [2, 2]


# ── 20: unsound chunks ─────────────────────────────────────────────────────────────────────────────────────────


def altered(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda _: b"", altered, lambda data: data + b"\x00", lambda _: OTHER.data()],
    ids=["truncated", "empty", "bad checksum", "longer", "another chunk's bytes"],
)
def test_fault_20_an_unsound_chunk_is_quarantined_with_its_bytes(damage: Callable[[bytes], bytes]) -> None:
    """Its bytes are kept, its source is untouched, all others are archived, and it is listed until released."""
    archive, _, loki = world(EVENING, OTHER)
    name = chunk((5 * HOUR_NS, b"some line"), job="damaged").key().path()
    bad = damage(chunk((5 * HOUR_NS, b"some line"), job="damaged").data())
    loki.store.objects[name] = (bad, datetime(2026, 3, 8, tzinfo=UTC))
    archive.init()
    receipt = archive.export()
    (event,) = receipt.quarantined
    assert receipt.in_quarantine == 1
    assert event.size_bytes == len(bad)
    assert b"some line" not in repr(event.reason).encode()
    assert archive.store.read(event.key, size_bytes_max=1 << 20) == bad
    assert loki.store.objects[name][0] == bad
    archive.check(entries_of(EVENING, OTHER))
    assert archive.held.chunks.waiting is not None
    assert archive.held.chunks.waiting.list is None

    again = archive.export()
    assert (again.commits, again.in_quarantine) == (0, 1)
    release(archive.open(), LOGS.name, event.sha256, "looked at; the disk was replaced")
    again = archive.export()
    assert (again.commits, again.in_quarantine) == (0, 0)


def test_fault_20_a_chunk_that_is_sound_again_leaves_quarantine_by_itself() -> None:
    archive, _, loki = world(EVENING)
    name = OTHER.key().path()
    loki.store.objects[name] = (OTHER.data()[:-3], datetime(2026, 3, 8, tzinfo=UTC))
    archive.init()
    assert archive.export().in_quarantine == 1
    loki.store.put(OTHER)
    receipt = archive.export()
    assert (receipt.in_quarantine, receipt.rows) == (0, 2)
    archive.check(entries_of(EVENING, OTHER))


def test_fault_20_what_decompresses_to_too_much_is_quarantined() -> None:
    bomb = chunk((HOUR_NS, b"x" * 100_000), job="bomb")
    archive, _, loki = world(EVENING, bomb)
    loki.decoded_bytes_max = 50_000
    archive.init()
    assert [event.chunk for event in archive.export().quarantined] == [str(bomb.key())]


# ── 21: Loki is still writing ──────────────────────────────────────────────────────────────────────────────────


def test_fault_21_a_file_that_may_still_be_written_to_waits() -> None:
    """Half a file is neither archived nor quarantined while it is young; whole and old enough, it is archived."""
    archive, _, loki = world(EVENING)
    name = OTHER.key().path()
    loki.store.objects[name] = (OTHER.data()[:40], NIGHT - timedelta(minutes=1))
    archive.init()
    receipt = archive.export()
    assert receipt.waiting == (ChunkShare(reason=Wait.WRITTEN(), chunks=1),)
    assert (receipt.chunks, receipt.in_quarantine) == (1, 0)
    loki.store.put(OTHER, NIGHT - timedelta(minutes=20))
    receipt = archive.export()
    assert (receipt.chunks, receipt.rows, receipt.waiting) == (1, 2, ())
    archive.check(entries_of(EVENING, OTHER))


def test_fault_21_a_file_that_grew_after_it_was_listed_waits() -> None:
    archive, _, loki = world(EVENING)
    archive.init()
    whole, at = loki.store.objects[EVENING.key().path()]
    loki.store.objects[EVENING.key().path()] = (whole[:40], at)
    chunks = list(loki.chunks())
    loki.store.objects[EVENING.key().path()] = (whole, at)
    loki.chunks = lambda: iter(chunks)  # type: ignore[method-assign]
    receipt = archive.export()
    assert receipt.waiting == (ChunkShare(reason=Wait.WRITTEN(), chunks=1),)
    del loki.chunks
    assert archive.export().rows == 3


# ── 22: Loki deleted a chunk before it was archived ────────────────────────────────────────────────────────────


def losses(archive: LokiArchive) -> dict[str, list[str]]:
    ledger = archive.open()
    found: dict[str, list[str]] = {}
    for _, event in archive.held.chunks.gone:
        found.setdefault(event.cause, []).extend(
            one.chunk for one in ChunkLists(ledger, event.dataset).chunks(event.list)
        )
    return found


def test_fault_22_a_chunk_that_was_seen_and_vanished_is_a_loss() -> None:
    archive, _, loki = world(EVENING)
    young = loki.store.put(OTHER, NIGHT - timedelta(minutes=1))
    archive.init()
    archive.export()
    del loki.store.objects[young]
    receipt = archive.export()
    assert receipt.lost == [str(OTHER.key())]
    assert losses(archive) == {"lost": [str(OTHER.key())]}
    archive.check(entries_of(EVENING))
    assert archive.export().commits == 0


def test_fault_22_a_run_that_dies_before_its_first_part_still_remembers_what_was_there() -> None:
    """Chunks are named in the ledger before the first of them is read."""
    archive, faults, loki = world(EVENING, OTHER)
    archive.init()
    faults.crash("create", key="data/*", took_effect=False)
    with pytest.raises(Crash):
        archive.export()
    faults.heal()
    del loki.store.objects[OTHER.key().path()]
    receipt = archive.export()
    assert receipt.lost == [str(OTHER.key())]
    archive.check(entries_of(EVENING))


def test_fault_22_a_chunk_that_vanishes_while_the_run_is_at_work_is_found_by_the_next_one() -> None:
    archive, _, loki = world(EVENING)
    archive.init()
    chunks = list(loki.chunks())
    objects = dict(loki.store.objects)
    loki.store.objects.clear()
    loki.chunks = lambda: iter(chunks)  # type: ignore[method-assign]
    receipt = archive.export()
    assert (receipt.rows, receipt.lost) == (0, [])
    del loki.chunks
    assert archive.export().lost == [str(EVENING.key())]
    loki.store.objects.update(objects)
    assert archive.export().rows == 3


def test_an_archived_or_quarantined_chunk_that_vanishes_is_no_loss() -> None:
    archive, _, loki = world(EVENING)
    loki.store.objects[OTHER.key().path()] = (OTHER.data()[:-3], datetime(2026, 3, 8, tzinfo=UTC))
    archive.init()
    archive.export()
    loki.store.objects.clear()
    receipt = archive.export()
    assert (receipt.commits, receipt.lost) == (0, [])


# ── Deletion requests ──────────────────────────────────────────────────────────────────────────────────────────


def request(query: str, **changes: Any) -> DeletionRequests:
    fields = {
        "request": "1",
        "tenant": "fake",
        "query": query,
        "start_ns": MARCH_7,
        "end_ns": MARCH_7 + 48 * HOUR_NS,
        "is_carried_out": False,
        "created_at": NIGHT - timedelta(hours=1),
    }
    return DeletionRequests(requests=(DeletionRequest(**{**fields, **changes}),))


def test_what_somebody_asked_to_delete_is_left_out() -> None:
    archive, _, loki = world(EVENING, OTHER)
    loki.requests = request('{job="pm2"} |= "midnight"')
    archive.init()
    receipt = archive.export()
    assert (receipt.rows, receipt.rows_deleted) == (4, 1)
    expected = entries_of(EVENING, OTHER)
    del expected["fake", (("job", "pm2"),), MARCH_7 + 25 * HOUR_NS, b"after midnight", ()]
    archive.check(expected)


@pytest.mark.parametrize("query", ['{job="pm2"} | json | user = "4"', '{job="pm2"} |= ip("10.0.0.0/8")', "nonsense"])
def test_chunks_wait_for_a_request_that_is_not_understood(query: str) -> None:
    """Only those that it may touch. When Loki has carried it out, what vanished meanwhile is no loss."""
    archive, _, loki = world(EVENING, OTHER)
    loki.requests = request(query)
    archive.init()
    receipt = archive.export()
    assert receipt.waiting == (ChunkShare(reason=Wait.DELETION(), chunks=1),)
    archive.check(entries_of(OTHER))
    loki.requests = DeletionRequests()
    loki.store.objects.pop(EVENING.key().path())
    rewritten = chunk((22 * HOUR_NS, b"a"), (23 * HOUR_NS, b"b"))
    loki.store.put(rewritten)
    receipt = archive.export()
    assert (receipt.lost, receipt.superseded, receipt.rows) == ([], 1, 2)
    assert losses(archive) == {"deletion": [str(EVENING.key())]}
    archive.check(entries_of(OTHER, rewritten))


def test_everything_of_a_tenant_waits_while_its_requests_are_not_known() -> None:
    archive, _, loki = world(EVENING)
    loki.requests = DeletionRequests(unknown="its file is of another kind")
    archive.init()
    assert archive.export().waiting == (ChunkShare(reason=Wait.DELETION(), chunks=1),)
    archive.check(Counter())


def test_lines_that_came_after_a_request_was_carried_out_are_archived_in_the_end() -> None:
    """At first such a chunk may be one that Loki is about to remove; two days later it is not."""
    archive, _, loki = world(EVENING)
    done = {"is_carried_out": True, "created_at": datetime(2026, 3, 7, tzinfo=UTC)}
    loki.requests = request('{job="pm2"}', **done)
    archive.init()
    assert archive.export().waiting == (ChunkShare(reason=Wait.DELETION(), chunks=1),)
    archive.now = lambda: NIGHT + timedelta(days=3)
    assert archive.export().rows == 3
    archive.check(entries_of(EVENING))


# ── Bounds, races, interruption ────────────────────────────────────────────────────────────────────────────────


def test_bounds_leave_chunks_for_another_run() -> None:
    archive, _, _ = world(EVENING, OTHER, since=datetime(2026, 3, 7, 20, tzinfo=UTC))
    archive.init()
    receipt = archive.export()
    assert receipt.waiting == (ChunkShare(reason=Wait.NOT_ASKED(), chunks=1),)
    archive.options = LokiOptions()
    assert archive.export().rows == 2
    archive.check(entries_of(EVENING, OTHER))


def test_fault_13_two_runs_at_once_archive_every_entry_once() -> None:
    """The second run commits while the first one works: the first commits nothing of what it did."""
    archive, _, loki = world(EVENING, OVERLAP)
    archive.init()
    rival = LokiArchive(archive.store, archive.anchor, MemoryLoki(loki.store), jobs=1, now=archive.now)
    done: list[LokiReceipt] = []
    plain = loki.decode

    def decode(*arguments: Any) -> Any:
        if not done:
            done.append(rival.export())
        return plain(*arguments)

    loki.decode = decode  # type: ignore[method-assign,assignment]
    archive.again = lambda failures, _: failures < 3
    receipt = archive.export()
    assert (done[0].rows, receipt.rows) == (5, 0)
    archive.check(entries_of(EVENING, OVERLAP))


def test_a_store_that_is_away_stops_the_run_and_the_next_one_goes_on() -> None:
    archive, _, loki = world(EVENING, OTHER, round_size_bytes_max=1)
    loki.store.failing[EVENING.key().path()] = 1
    archive.init()
    with pytest.raises(TransientError):
        archive.export()
    archive.export()
    archive.check(entries_of(EVENING, OTHER))


def test_a_list_of_chunks_that_was_altered_is_found() -> None:
    archive, _, loki = world(EVENING)
    archive.init()
    archive.export()
    (named,) = (event.list for event in archive.held.chunks.archived)
    assert named.key == layout.chunk_list_key(LOGS.name, named.sha256)
    archive.store.delete(named.key)
    assert [problem.subject for problem in archive.verify().problems] == [named.key]
    loki.store.put(OVERLAP)
    with pytest.raises(IntegrityError, match="does not have it"):
        archive.export()


def test_a_stop_ends_between_commits() -> None:
    archive, _, _ = world(EVENING, OTHER)
    archive.init()
    archive.stop.set()
    receipt = archive.export()
    assert receipt.interrupted
    assert receipt.rows == 0
    archive.stop.clear()
    assert archive.export().rows == 5
