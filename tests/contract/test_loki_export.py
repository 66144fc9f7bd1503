"""Chunks that a real Loki wrote, archived and read back with DuckDB: every distinct entry, exactly once."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from archiver.errors import AccessDenied, TransientError
from archiver.model import ChunkShare, Wait
from archiver.neighbours.loki.source import ChunkDirectory, LokiSource, read_request_file
from archiver.operations.logs.plan import LokiOptions
from archiver.privacy.lines import LineScrub, Pattern
from tests.support.faulty import Faults, FaultyAnchor, FaultyStore
from tests.support.loki import DATA, SETS, LokiArchive, stated

REQUESTS = "deleted-lines-pending"


def asked(name: str) -> httpx.Client:
    """A Loki that answers with a fixture's deletion requests."""
    text = (DATA / name / "delete_requests.json").read_text(encoding="utf-8")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=text))
    return httpx.Client(transport=transport, base_url="http://loki.test/")


def archive_of(store: Path, client: httpx.Client | None = None) -> LokiArchive:
    faults = Faults()
    archive = LokiArchive(FaultyStore(faults), FaultyAnchor(faults), LokiSource(ChunkDirectory(store), client))
    archive.init()
    return archive


@pytest.mark.parametrize("name", SETS)
def test_every_entry_of_a_real_store_is_archived_once(name: str) -> None:
    """Truth and surplus together are what the chunks hold; of a store with pending deletions only the truth stays."""
    client = asked(name) if name == REQUESTS else None
    archive = archive_of(DATA / name / "store", client)
    receipt = archive.export()
    expected = stated(name, "truth") if name == REQUESTS else stated(name, "truth", "surplus")
    archive.check(expected)
    assert receipt.rows == expected.total()
    assert receipt.entries == receipt.rows + receipt.rows_duplicate + receipt.rows_deleted
    assert not receipt.quarantined
    assert not receipt.waiting
    again = archive.export()
    assert (again.commits, again.rows, again.chunks) == (0, 0, 0)


@pytest.mark.parametrize("name", ["edge-v13-snappy", "wal-replay-dups", "v13-lz4"])
def test_cuts_and_spans_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and parallelism are bounded by cutting a day into pieces; what is archived stays the same."""
    monkeypatch.setattr("archiver.operations.logs.merge.CUT_ROWS", 7)
    monkeypatch.setattr("archiver.operations.logs.merge.SAMPLE_ROWS", 3)
    monkeypatch.setattr("archiver.operations.logs.rows.SPAN_BYTES", 20_000)
    monkeypatch.setattr("archiver.operations.logs.decode.TASK_BYTES", 5_000)
    archive = archive_of(DATA / name / "store")
    archive.options = LokiOptions.model_construct(round_size_bytes_max=30_000)
    archive.export()
    archive.check(stated(name, "truth", "surplus"))
    assert max(len(slot.segments) for slot in archive.held.ordered()) > 1


def test_deletion_requests_are_read_from_lokis_own_file() -> None:
    """As Loki's compactor left it, after it had carried them out."""
    requests = read_request_file((DATA.parent / "loki-delete_requests.gz").read_bytes())
    assert [(one.tenant, one.query, one.is_carried_out) for one in requests] == [
        ("kunde-a", '{job="nginx"}', True),
        ("kunde-a", '{job="pm2"} | pid="1003"', True),
        ("kunde-a", '{job="pm2"} |= "rate limit hit"', True),
        ("kunde-a", '{job="varlogs"}', True),
    ]
    first = requests[0]
    assert (first.start_ns, first.end_ns) == (1772870400000000000, 1772875800000000000)


def test_a_request_file_that_is_not_understood_makes_the_tenant_wait(tmp_path: Path) -> None:
    shutil.copytree(DATA / "v13-zstd" / "store", tmp_path / "store")
    (tmp_path / "store" / "index" / "delete_requests").mkdir(parents=True, exist_ok=True)
    (tmp_path / "store" / "index" / "delete_requests" / "delete_requests.gz").write_bytes(b"SQLite format 3\x00")
    archive = archive_of(tmp_path / "store")
    archive.now = lambda: datetime(2100, 1, 1, tzinfo=UTC)
    assert archive.export().waiting == (ChunkShare(reason=Wait.DELETION(), chunks=4),)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AccessDenied), (403, AccessDenied), (500, TransientError), (404, None)]
)
def test_what_loki_answers_when_asked_for_deletion_requests(status: int, error: type[Exception] | None) -> None:
    """404 is what a Loki says that deletes nothing; without any other answer nothing is archived."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text="no"))
    client = httpx.Client(transport=transport, base_url="http://user:secret@loki.test/")
    archive = archive_of(DATA / "v13-zstd" / "store", client)
    if error is None:
        assert archive.export().rows == 1401
        return
    with pytest.raises(error) as raised:
        archive.export()
    assert "secret" not in str(raised.value)
    assert "nothing was archived" in str(raised.value)


def test_lines_are_scrubbed_before_they_are_written() -> None:
    """What a policy takes out is nowhere in the archive, and the ledger counts the lines."""
    archive = archive_of(DATA / "v13-zstd" / "store")
    archive.scrubber = LineScrub({Pattern.IPV4: "drop", Pattern.PHONE: "drop"}, None)
    receipt = archive.export()
    lines = [line for _, _, _, line, _ in archive.entries()]
    assert {one.pattern for one in receipt.scrubbed} == {"ipv4", "phone"}
    assert sum(b"<ipv4>" in line for line in lines) > 0
    assert not any(re.search(rb"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z])", line) for line in lines)
    assert archive.held.chunks.archived[0].scrubbed == receipt.scrubbed
