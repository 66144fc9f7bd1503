"""Loki's chunk store: finds the chunks, reads them, and asks what somebody wanted deleted. Writes nothing there.

- both layouts, base64 names and plain ones, any number of schema periods side by side
- what is no chunk is passed over: index files, delete requests, the cluster seed, whatever else shares the directory
- Loki writes a file in place, without a temporary name: a file may be short now and whole in a moment. Whether one is
  whole is told by the CRC-32C in its name, which ``decode`` checks; whether it may still be written to, by its age.
"""

import gzip
import io
import json
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import httpx
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from archiver.contracts import (
    ChunkRef,
    ChunkRows,
    ChunkStore,
    DeletableChunks,
    DeletionRequest,
    DeletionRequests,
    ObjectRef,
)
from archiver.errors import (
    AccessDenied,
    ChunkUnsound,
    ConfigError,
    IntegrityError,
    ObjectMissing,
    Partial,
    TransientError,
)
from archiver.model import ChunkFault
from archiver.neighbours.loki.chunk import DECODED_BYTES_MAX, Chunk, decode
from archiver.neighbours.loki.key import parse_key

REQUESTS_PREFIX: Final = "index/delete_requests/"
REQUESTS_BYTES_MAX: Final = 64 << 20
ANSWER_BYTES_MAX: Final = 16 << 20
NANOSECONDS: Final = 10**9
MILLISECOND_NS: Final = 10**6

TIME = pa.timestamp("ns", tz="UTC")
TEXT_MAP = pa.map_(pa.string(), pa.string())
PAIRS = pa.list_(pa.field("element", pa.struct([("name", pa.binary()), ("value", pa.binary())])))
ROWS_SCHEMA = pa.schema(
    [
        pa.field("timestamp", TIME, nullable=False),
        ("line", pa.string()),
        ("line_bytes", pa.binary()),
        ("structured_metadata", TEXT_MAP),
        ("structured_metadata_pairs", PAIRS),
    ]
)
"""The columns of ``ChunkRows.table``."""


@dataclass(frozen=True, slots=True)
class ChunkDirectory(ChunkStore):
    """A directory that Loki writes to, read only. Links are not followed; what vanishes meanwhile is not there."""

    root: Path

    @property
    @override
    def location(self) -> str:
        """``file:///…``."""
        return self.root.absolute().as_uri()

    @override
    def read(self, key: str, *, size_bytes_max: int) -> bytes:
        try:
            descriptor = os.open(self.root / key, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(size_bytes_max + 1)
        except FileNotFoundError as exc:
            raise ObjectMissing(f"{self.location}/{key}: no such object") from exc
        except PermissionError as exc:
            raise _denied(f"{self.location}/{key}") from exc
        except OSError as exc:
            raise TransientError(f"{self.location}/{key}: {os.strerror(exc.errno or 0)}; it was not read") from exc
        if len(data) > size_bytes_max:
            raise IntegrityError(f"{self.location}/{key}: larger than {size_bytes_max} bytes; it was not used")
        return data

    @override
    def list(self, prefix: str) -> Iterator[ObjectRef]:
        if not self.root.is_dir():
            raise ConfigError(
                f"{self.root}: there is no such directory; nothing was read",
                hint="set loki_store (ARCHIVER_LOKI_STORE) to Loki's chunks_directory, as this machine sees it",
            )
        yield from self._below(prefix.rpartition("/")[0], prefix)

    def _below(self, folder: str, prefix: str) -> Iterator[ObjectRef]:
        try:
            with os.scandir(self.root / folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        except PermissionError as exc:
            raise _denied(f"{self.location}/{folder}") from exc
        for entry in entries:
            key = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if key.startswith(prefix) or prefix.startswith(f"{key}/"):
                    yield from self._below(key, prefix)
            elif key.startswith(prefix) and entry.is_file(follow_symlinks=False):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                yield ObjectRef(key=key, size_bytes=status.st_size, modified_at=modified_at)

    def remove(self, ref: ChunkRef) -> None:
        """Delete one file, as ``contracts.DeletableChunks.remove`` promises."""
        path = self.root / ref.name
        try:
            status = path.lstat()
            modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
            if not stat.S_ISREG(status.st_mode) or (status.st_size, modified_at) != (ref.size_bytes, ref.modified_at):
                raise Partial(f"{path}: is not the file that was read and compared any more; it was left alone")
            path.unlink()
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            return
        except PermissionError as exc:
            raise AccessDenied(
                f"{path}: this user may not delete it; it was left alone",
                hint="run archiver as a user that may write to the directory",
            ) from exc


def _denied(what: str) -> AccessDenied:
    return AccessDenied(
        f"{what}: this user may not read it; nothing of it was archived",
        hint="run archiver as a user of the group that Loki's files belong to",
    )


@dataclass(frozen=True, slots=True)
class LokiSource(DeletableChunks):
    """Loki's chunks and deletion requests.

    Args:
        store: Where the chunks are.
        client: Asks Loki's HTTP interface, with credentials, certificates and address set; None: it is not asked.
        directory: The same place, where it is a directory: chunks can be deleted from it.
        decoded_bytes_max: What one chunk may decompress to.
    """

    store: ChunkStore
    client: httpx.Client | None = None
    directory: ChunkDirectory | None = None
    decoded_bytes_max: int = DECODED_BYTES_MAX

    @property
    @override
    def location(self) -> str:
        return self.store.location

    @override
    def chunks(self) -> Iterator[ChunkRef]:
        for file in self.store.list(""):
            key = parse_key(file.key)
            if key is not None:
                yield ChunkRef(
                    name=file.key,
                    chunk=str(key),
                    tenant=key.tenant,
                    stream=f"{key.fingerprint:016x}",
                    from_ms=key.from_ms,
                    through_ms=key.through_ms,
                    size_bytes=file.size_bytes,
                    modified_at=file.modified_at,
                )

    @override
    def read(self, ref: ChunkRef) -> bytes:
        return self.store.read(ref.name, size_bytes_max=ref.size_bytes)

    @override
    def decode(self, ref: ChunkRef, data: bytes) -> ChunkRows:
        chunk = decode(data, key=parse_key(ref.name), decoded_bytes_max=self.decoded_bytes_max)
        return ChunkRows(labels=chunk.labels, table=_rows(chunk, self.decoded_bytes_max), line_bytes=chunk.line_bytes)

    @override
    def signs_of_use(self, since: datetime) -> str:
        """A Loki at work writes its index, seed and marks again and again."""
        for file in self.store.list(""):
            if parse_key(file.key) is None and file.modified_at > since:
                return f"{file.key} was written {file.modified_at:%Y-%m-%d %H:%M} UTC"
        return ""

    @override
    def remove(self, ref: ChunkRef) -> None:
        """See ``contracts.DeletableChunks``.

        Raises:
            ConfigError: It is a bucket.
        """
        if self.directory is None:
            raise ConfigError(
                f'{self.location}: loki.delete = "files" is for a directory; nothing was deleted',
                hint='leave loki.delete = "compactor" where a Loki writes to the bucket',
            )
        self.directory.remove(ref)

    # ── What somebody wanted deleted ───────────────────────────────────────────────────────────────────────────

    @override
    def deletion_requests(self, tenant: str) -> DeletionRequests:
        """From Loki's interface if there is a client, else from its own files."""
        if self.client is not None:
            return self._asked(self.client, tenant)
        requests: list[DeletionRequest] = []
        for file in self.store.list(REQUESTS_PREFIX):
            try:
                requests += read_request_file(self.store.read(file.key, size_bytes_max=REQUESTS_BYTES_MAX))
            except (ValueError, KeyError, struct.error, OverflowError):
                return DeletionRequests(
                    unknown=f"{file.key} cannot be read as Loki's file of deletion requests, and loki_url is not set"
                )
        return DeletionRequests(requests=tuple(request for request in requests if request.tenant == tenant))

    def _asked(self, client: httpx.Client, tenant: str) -> DeletionRequests:
        place = f"{client.base_url.copy_with(username=None, password=None)}loki/api/v1/delete"
        try:
            reply = client.get("loki/api/v1/delete", headers={"X-Scope-OrgID": tenant})
        except httpx.HTTPError as exc:
            raise TransientError(
                f"{place}: {type(exc).__name__}; what somebody asked Loki to delete is not known, nothing was archived",
                hint="is Loki running, and is loki_url its address?",
            ) from exc
        if reply.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise AccessDenied(
                f"{place}: HTTP {reply.status_code}; what somebody asked Loki to delete is not known, nothing was"
                " archived"
            )
        if reply.status_code == httpx.codes.NOT_FOUND:
            # Loki takes no requests at all where its compactor does not delete.
            return DeletionRequests()
        if reply.status_code != httpx.codes.OK or len(reply.content) > ANSWER_BYTES_MAX:
            raise TransientError(
                f"{place}: HTTP {reply.status_code}, {len(reply.content)} bytes; what somebody asked Loki to delete is"
                " not known, nothing was archived"
            )
        try:
            return read_requests(reply.text, tenant)
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
            return DeletionRequests(unknown=f"{place}: the answer is not Loki's list of deletion requests")


def read_requests(text: str, tenant: str) -> DeletionRequests:
    """Loki's answer, in which an empty ``user_id`` stands for the tenant that was asked for.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, ArithmeticError: It is anything else.
    """
    listed = json.loads(text, parse_float=Decimal)
    if listed is None:
        return DeletionRequests()
    requests = [_request(request, tenant) for request in listed]
    return DeletionRequests(requests=tuple(request for request in requests if request.tenant == tenant))


def _request(fields: dict[str, Any], tenant: str) -> DeletionRequest:
    return DeletionRequest(
        request=str(fields["request_id"]),
        tenant=str(fields.get("user_id") or tenant),
        query=str(fields["query"]),
        start_ns=_nanoseconds(fields["start_time"]),
        end_ns=_nanoseconds(fields["end_time"]),
        is_carried_out=str(fields["status"]) == "processed",
        created_at=datetime.fromtimestamp(float(fields["created_at"]), UTC),
    )


def _nanoseconds(seconds: Any) -> int:
    try:
        return int(Decimal(seconds) * NANOSECONDS)
    except InvalidOperation as exc:
        raise ValueError("no time") from exc


# ── Rows ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(chunk: Chunk, repeated_bytes_max: int) -> pa.Table:
    """Entries in the order of the file. Text wherever it is valid UTF-8, bytes where not; nothing is replaced."""
    is_text = chunk.symbols_are_text()
    sizes = pc.binary_length(chunk.symbols)
    repeated = sum(
        pc.sum(sizes.take(numbers)).as_py() or 0 for block in chunk.blocks for numbers in (block.names, block.values)
    )
    if repeated > repeated_bytes_max:
        raise ChunkUnsound(
            f"{chunk.key}: its metadata, written out for each entry, take {repeated} bytes, more than the"
            f" {repeated_bytes_max} that a chunk may take",
            hint="a larger decoded_bytes_max in [loki] admits it",
            code=ChunkFault.METADATA_TOO_LARGE,
            facts={"chunk": str(chunk.key), "metadata_bytes": repeated, "metadata_max_bytes": repeated_bytes_max},
        )
    spelled = chunk.symbols.dictionary_encode()
    batches = []
    for block in chunk.blocks:
        line, line_bytes = _text_or_bytes(block.lines)
        names, values = chunk.symbols.take(block.names), chunk.symbols.take(block.values)
        if is_text:
            same = spelled.indices.take(block.names)
            metadata, pairs = _maps(block.pair_ends, names, values, same, len(spelled.dictionary))
        else:
            metadata, pairs = pa.nulls(len(line), TEXT_MAP), _pairs(block.pair_ends, names, values)
        columns = [block.timestamps.cast(TIME), line, line_bytes, metadata, pairs]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=ROWS_SCHEMA))
    return pa.Table.from_batches(batches, schema=ROWS_SCHEMA)


def _pairs(ends: pa.Array, names: pa.Array, values: pa.Array) -> pa.Array:
    pairs = pa.StructArray.from_arrays([names, values], fields=list(PAIRS.value_type))
    return pa.ListArray.from_arrays(ends, pairs).cast(PAIRS)


def _maps(
    ends: pa.Array, names: pa.Array, values: pa.Array, same: pa.Array, spellings: int
) -> tuple[pa.Array, pa.Array]:
    """Structured metadata as maps, and as plain pairs where a map cannot hold them all.

    Readers of Parquet refuse a map in which a name occurs twice, and Loki lets clients send one.

    Args:
        same: A number for each name, less than ``spellings`` and equal where the names are.
    """
    rows = len(ends) - 1
    names_text, values_text = names.cast(pa.string()), values.cast(pa.string())
    row_of = pc.list_parent_indices(pa.ListArray.from_arrays(ends, same))
    named = pc.add(pc.multiply(row_of, spellings), same.cast(pa.int64()))
    if pc.count_distinct(named).as_py() == len(named):
        return pa.MapArray.from_arrays(ends, names_text, values_text), pa.nulls(rows, PAIRS)
    numbers = _counting(len(named))
    last = (
        pa.table({"named": named, "number": numbers})
        .group_by("named", use_threads=False)
        .aggregate([("number", "max")])
    )
    keep = pc.is_in(numbers, value_set=last.column("number_max").combine_chunks())
    kept = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(keep.cast(pa.int32()))])
    kept_ends = kept.take(ends)
    maps = pa.MapArray.from_arrays(kept_ends, names_text.filter(keep), values_text.filter(keep))
    is_short = pc.not_equal(
        pc.subtract(ends.slice(1), ends.slice(0, rows)), pc.subtract(kept_ends.slice(1), kept_ends.slice(0, rows))
    )
    wanted = pc.if_else(is_short, _counting(rows), pa.scalar(None, pa.int64()))
    return maps, _pairs(ends, names, values).take(wanted)


def _counting(length: int) -> pa.Array:
    """The numbers from 0 on."""
    return pc.subtract(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), length)), 1)


def _text_or_bytes(lines: pa.Array) -> tuple[pa.Array, pa.Array]:
    try:
        return lines.cast(pa.string()), pa.nulls(len(lines), pa.binary())
    except pa.ArrowInvalid:
        pass
    # Rare: Arrow says only that some line is no UTF-8, so the block is halved until it is known which ones are.
    is_text = pa.concat_arrays(list(_text_runs(lines)))
    line = pc.if_else(is_text, lines, pa.scalar(None, pa.binary())).cast(pa.string())
    return line, pc.if_else(is_text, pa.scalar(None, pa.binary()), lines)


def _text_runs(lines: pa.Array) -> Iterator[pa.Array]:
    try:
        lines.cast(pa.string())
    except pa.ArrowInvalid:
        if len(lines) == 1:
            yield pa.array([False])
            return
    else:
        yield pa.repeat(pa.scalar(True), len(lines))
        return
    middle = len(lines) // 2
    yield from _text_runs(lines.slice(0, middle))
    yield from _text_runs(lines.slice(middle))


# ── Loki's own file of deletion requests ───────────────────────────────────────────────────────────────────────

_BOLT_MAGIC: Final = 0xED0CDAED
_BOLT_VERSION: Final = 2
_BRANCH, _LEAF = 1, 2
_PAGE: Final = struct.Struct("<QHHI")
_BUCKET = 1
_STATUS = re.compile(rb"1\x00([^\x00]+):([0-9a-f]+)")
_DETAILS = re.compile(rb"2:([^\x00]+):([0-9a-f]+)\x00([0-9a-f]+):([0-9a-f]+):([0-9a-f]+)")


def read_request_file(data: bytes) -> tuple[DeletionRequest, ...]:
    """The requests of all tenants as Loki keeps them below its index: a bbolt database, compressed with gzip.

    A key ``1 NUL tenant:request`` has the status, ``2:tenant:request NUL created:start:end`` the query; times are
    milliseconds in hex.

    Raises:
        ValueError, struct.error: It is anything else.
    """
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(data)).read(REQUESTS_BYTES_MAX) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as exc:
        raise ValueError("not gzip") from exc
    statuses: dict[tuple[bytes, bytes], bytes] = {}
    details = []
    for key, value in _bolt_items(plain):
        if status := _STATUS.fullmatch(key):
            statuses[status[1], status[2]] = value
        elif match := _DETAILS.fullmatch(key):
            details.append((match, value))
        elif not key.startswith(b"3:"):  # the number by which queriers know that their caches are stale
            raise ValueError("a key of another kind")
    requests = []
    for match, query in details:
        created, start, end = (int(match[number], 16) for number in (3, 4, 5))
        requests.append(
            DeletionRequest(
                request=match[2].decode(),
                tenant=match[1].decode(),
                query=query.decode(),
                start_ns=start * MILLISECOND_NS,
                end_ns=end * MILLISECOND_NS,
                is_carried_out=statuses[match[1], match[2]] == b"processed",
                created_at=datetime.fromtimestamp(created / 1000, UTC),
            )
        )
    if {(match[1], match[2]) for match, _ in details} != set(statuses):
        raise ValueError("a request without its query")
    return tuple(requests)


def _bolt_root(data: bytes) -> tuple[int, int]:
    """The number of the root bucket's page, of the newer of the two meta pages, and the size of a page."""
    metas = []
    page_bytes = 4096
    for start in (0, page_bytes):
        magic, version, stated, _, root, _, _, _, sequence = struct.unpack_from("<IIIIQQQQQ", data, start + 16)
        if magic == _BOLT_MAGIC and version == _BOLT_VERSION:
            page_bytes = stated
            metas.append((sequence, root))
    if not metas or page_bytes < _PAGE.size:
        raise ValueError("not a bbolt database")
    return max(metas)[1], page_bytes


def _bolt_items(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every key of every bucket with its value."""
    root, page_bytes = _bolt_root(data)
    pages = [root * page_bytes]
    visits_max = 2 * (len(data) // _PAGE.size)
    while pages:
        visits_max -= 1
        if visits_max < 0:
            raise ValueError("its pages form a circle")
        start = pages.pop()
        _, flags, count, _ = _PAGE.unpack_from(data, start)
        for number in range(count):
            place = start + _PAGE.size + number * 16
            if flags == _BRANCH:
                pages.append(struct.unpack_from("<Q", data, place + 8)[0] * page_bytes)
                continue
            if flags != _LEAF:
                raise ValueError("a page of another kind")
            kind, position, key_bytes, value_bytes = struct.unpack_from("<IIII", data, place)
            key_start = place + position
            value_start = key_start + key_bytes
            if value_start + value_bytes > len(data):
                raise ValueError("a value beyond the end")
            if kind == _BUCKET:
                root = struct.unpack_from("<Q", data, value_start)[0]
                pages.append(root * page_bytes if root else value_start + 16)
            else:
                yield data[key_start:value_start], data[value_start : value_start + value_bytes]
