"""Every object key of an archive. No other file builds or reads one.

    archive.json                                     the descriptor: format, id, public key, ordering
    ledger/<seq>.json                                an entry; <seq>-<hash[:16]>.json where the anchor orders writers
    ledger-pack/<first>-<last>-<hash[:16]>.ndjson    copies of full runs of entries: opening needs few reads
    data/<dataset>/[tenant=<t>/]date=<day>/part-<n>-<sha256[:16]>.parquet
    chunks/<dataset>/<sha256>.parquet                which of Loki's chunks were archived, or seen, by one commit
    quarantine/<dataset>/<sha256>                    bytes that could not be trusted
    probe/<random>                                   written and removed by the store's probe

Hive partitioning: DuckDB, Spark, Trino and Athena read ``tenant`` and ``date`` from the path.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from archiver.model import Slot

DESCRIPTOR = "archive.json"
LEDGER_PREFIX = "ledger/"
PACK_PREFIX = "ledger-pack/"
DATA_PREFIX = "data/"
CHUNKS_PREFIX = "chunks/"
QUARANTINE_PREFIX = "quarantine/"
PROBE_PREFIX = "probe/"

SEQ_DIGITS = 10
PACK_ENTRIES = 256
"""Entries of one pack; pack ``k`` holds the entries ``[k * 256, (k + 1) * 256)``."""

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name for the partition of NULL; DuckDB and Spark read it as such."""

DATASET_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

_ENTRY = re.compile(rf"{LEDGER_PREFIX}(\d{{{SEQ_DIGITS}}})(?:-([0-9a-f]{{16}}))?\.json")
_PACK = re.compile(rf"{PACK_PREFIX}(\d{{{SEQ_DIGITS}}})-(\d{{{SEQ_DIGITS}}})-([0-9a-f]{{16}})\.ndjson")
_SEGMENT = re.compile(
    rf"{DATA_PREFIX}(?P<dataset>{DATASET_NAME.pattern})/(?:tenant=(?P<tenant>[^/]+)/)?"
    r"date=(?P<date>[^/]+)/part-(?P<part>\d{4,})-(?P<digest>[0-9a-f]{16})\.parquet"
)


@dataclass(frozen=True, slots=True)
class EntryKey:
    """What an entry's key says. ``digest`` is the start of its hash, or empty where the store orders writers."""

    seq: int
    digest: str


@dataclass(frozen=True, slots=True)
class PackKey:
    """What a pack's key says: entries ``first`` to ``last``, both included, and the start of the last one's hash."""

    first: int
    last: int
    digest: str


def entry_key(seq: int, digest: str = "") -> str:
    """Where entry ``seq`` lives. With ``digest`` (its SHA-256) the key is unique to its bytes."""
    return f"{LEDGER_PREFIX}{seq:0{SEQ_DIGITS}d}{f'-{digest[:16]}' if digest else ''}.json"


def parse_entry_key(key: str) -> EntryKey | None:
    """The reverse of ``entry_key``; None when the key is not an entry's."""
    match = _ENTRY.fullmatch(key)
    return EntryKey(int(match[1]), match[2] or "") if match else None


def pack_key(first: int, last: int, digest: str) -> str:
    """Where the copy of the entries ``first`` to ``last`` lives; ``digest`` is the last one's SHA-256."""
    return f"{PACK_PREFIX}{first:0{SEQ_DIGITS}d}-{last:0{SEQ_DIGITS}d}-{digest[:16]}.ndjson"


def pack_mark(first: int) -> str:
    """What sorts just before the keys of all packs that begin with entry ``first`` or later."""
    return f"{PACK_PREFIX}{first:0{SEQ_DIGITS}d}"


def parse_pack_key(key: str) -> PackKey | None:
    """The reverse of ``pack_key``; None when the key is not a pack's."""
    match = _PACK.fullmatch(key)
    return PackKey(int(match[1]), int(match[2]), match[3]) if match else None


def dataset_prefix(dataset: str) -> str:
    """Everything that the archive holds of a dataset lies below."""
    return f"{DATA_PREFIX}{dataset}/"


def segment_key(dataset: str, slot: Slot, part: int, sha256: str) -> str:
    """Where a segment lives: its place says what it holds, its digest makes it unique to its bytes."""
    tenant = "" if slot.tenant is None else f"tenant={quote(slot.tenant, safe='')}/"
    day = HIVE_NULL if slot.window is None else slot.window.date.isoformat()
    return f"{dataset_prefix(dataset)}{tenant}date={day}/part-{part:04d}-{sha256[:16]}.parquet"


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """What a segment's key says. ``date`` is None for rows without a usable time."""

    dataset: str
    tenant: str | None
    date: str | None
    part: int
    digest: str


def parse_segment_key(key: str) -> SegmentKey | None:
    """The reverse of ``segment_key``; None when the key is not a segment's."""
    match = _SEGMENT.fullmatch(key)
    if match is None:
        return None
    tenant = match["tenant"]
    return SegmentKey(
        dataset=match["dataset"],
        tenant=None if tenant is None else unquote(tenant),
        date=None if match["date"] == HIVE_NULL else match["date"],
        part=int(match["part"]),
        digest=match["digest"],
    )


def chunk_list_key(dataset: str, sha256: str) -> str:
    """Where a list of chunks is kept, named by its own digest."""
    return f"{CHUNKS_PREFIX}{dataset}/{sha256}.parquet"


def quarantine_key(dataset: str, sha256: str) -> str:
    """Where bytes that could not be trusted are kept, named by their own digest."""
    return f"{QUARANTINE_PREFIX}{dataset}/{sha256}"


def probe_key(token: str) -> str:
    """A key that only a probe uses."""
    return f"{PROBE_PREFIX}{token}"
