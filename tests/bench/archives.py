"""Archives with a long ledger on a real S3 server, made quickly: appended in memory, copied as objects."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver import layout
from archiver.contracts import ObjectStore
from archiver.ledger.chain import read_chain
from archiver.ledger.entries import TOOL, Signer, encode_entry, read_descriptor, sign_checkpoint
from archiver.model import Checkpoint, Entry, Event, Exported, Segment, Slot, SourceState, Window
from archiver.neighbours.local.anchor import FileAnchor
from archiver.neighbours.s3.connection import S3Options
from archiver.neighbours.s3.store import S3Store
from tests.support.program import Program
from tests.support.s3 import S3Server

FIRST_NIGHT = datetime(1997, 1, 1, tzinfo=UTC)
DATASETS = ("app_audit_log", "log_workflow_events")
UPLOADS = 16


def new_s3_program(program: Program, server: S3Server, bucket: str) -> tuple[Program, S3Store]:
    """Begin an archive in a bucket of its own; the program, and the store as it sees it."""
    server.new_bucket(bucket)
    there = program.having(**server.environment).init("--store", f"s3://{bucket}/archive")
    options = S3Options(
        bucket=bucket,
        prefix="archive",
        endpoint_url=server.endpoint_url,
        access_key_id=server.access_key_id,
        secret_access_key=server.secret_access_key,
        connections_max=UPLOADS,
    )
    return there, S3Store(options)


def night(number: int, dataset: str, content: bytes) -> Exported:
    """What a night says of one dataset: a window of a day, one segment."""
    start = FIRST_NIGHT + timedelta(days=number)
    slot = Slot(window=Window(start, start + timedelta(days=1)))
    digest = hashlib.sha256(content).hexdigest()
    stamp = f"{start:%Y-%m-%dT%H:%M:%S}.000000Z"
    segment = Segment(
        key=layout.segment_key(dataset, slot, 1, digest), slot=slot, part=1, size_bytes=len(content), sha256=digest,
        rows=1000, schema="0" * 64, oldest=stamp, newest=stamp,
    )  # fmt: skip
    return Exported(
        dataset=dataset,
        slot=slot,
        segments=(segment,),
        state=SourceState(rows=1000, digest=str(number)),
        rows=1000,
        snapshot_at=start + timedelta(days=1, hours=1),
    )


def grow(program: Program, store: ObjectStore, commits: Iterable[Sequence[Event]]) -> None:
    """Append commits to an archive that has just begun, as so many runs would have: entries, packs, anchor."""
    signer = Signer.from_pem(program.key_file.read_bytes(), where="the archive's key")
    anchor = FileAnchor(program.anchor)
    begun = read_descriptor(store)
    first = anchor.read(begun.archive_id)
    assert first is not None
    chain = list(read_chain(store, begun, tip=first))
    objects = {}
    for events in commits:
        last = chain[-1]
        entry = Entry(
            seq=last.entry.seq + 1, at=last.entry.at, run="night", tool=TOOL, prev=last.hash, events=tuple(events)
        )
        chain.append(encode_entry(entry, signer))
        objects[layout.entry_key(entry.seq)] = chain[-1].data
        if len(chain) % layout.PACK_ENTRIES == 0:
            run = chain[-layout.PACK_ENTRIES :]
            key = layout.pack_key(run[0].entry.seq, entry.seq, run[-1].hash)
            objects[key] = b"".join(signed.data + b"\n" for signed in run)
    upload(store, objects)
    head = chain[-1]
    anchor.swap(
        first, sign_checkpoint(Checkpoint(archive_id=begun.archive_id, seq=head.entry.seq, hash=head.hash), signer)
    )


def upload(store: ObjectStore, objects: dict[str, bytes]) -> None:
    """Create objects, several at a time."""

    def one(item: tuple[str, bytes]) -> None:
        key, content = item
        store.create(key, content, sha256=hashlib.sha256(content).hexdigest())

    with ThreadPoolExecutor(UPLOADS) as pool:
        list(pool.map(one, objects.items()))


def forget_cache(program: Program) -> None:
    """As on a machine that never opened the archive."""
    for path in (program.directory / "cache").rglob("ledger.ndjson"):
        path.unlink()


def cache_of(program: Program) -> Path:
    """Where the entries are kept between runs."""
    return next((program.directory / "cache").rglob("ledger.ndjson"))
