"""A store and an anchor in memory that lie on request. They pass the same contract suites as the real ones.

The lies that they may tell, each for a kind of call, a key pattern and the n-th such call:

  - ``fail``: the call raises, without effect (``TransientError`` unless another error is given)
  - ``lose_reply``: ``OutcomeUnknown`` is raised, with or without the effect
  - ``crash``: the worker dies there (``Crash``, which no ``except Exception`` catches), before or after the effect;
    every later call dies too, until ``heal``
  - ``break_stream``: a stream of ``open`` raises ``TransientError`` after some bytes

And what they never let pass: bytes under a key that change after they were written. That fails the test at once
(``Overwritten``, an AssertionError), also when an object was deleted in between.

One ``Faults`` shared by a store, an anchor and a source counts their calls together, so that a test can go through
every write of a run, whichever neighbour it was sent to::

    faults = Faults()
    store, anchor = FaultyStore(faults), FaultyAnchor(faults)
    run(store, anchor)
    for nth in range(1, len(faults.writes) + 1):
        for took_effect in (False, True):
            faults = Faults()
            faults.lose_reply(nth=nth, took_effect=took_effect)
            ...
"""

import bisect
import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from archiver import layout
from archiver.contracts import ObjectRef, PendingUpload, Removal, StoreFacts
from archiver.errors import (
    ArchiverError,
    Conflict,
    IntegrityError,
    ObjectExists,
    ObjectMissing,
    OutcomeUnknown,
    TransientError,
)
from archiver.model import Checkpoint
from archiver.neighbours.deleting import delete_each
from archiver.neighbours.keys import check_key

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CallKind = Literal[
    "create", "read", "open", "stat", "list", "delete", "pending_uploads", "abort_upload", "probe", "clock",
    "anchor.read", "anchor.swap", "anchor.clock", "source.commit",
]  # fmt: skip

WRITES: frozenset[str] = frozenset({"create", "delete", "abort_upload", "anchor.swap", "source.commit"})

FIRST_INSTANT = datetime(2026, 1, 1, tzinfo=UTC)


class Crash(BaseException):
    """The worker died at this call."""


class Overwritten(AssertionError):
    """Bytes under a written key would have changed: the one thing that must never happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that reached a fake.

    Attributes:
        key: The object's key, a listing's prefix, or the archive's id.
        took_effect: For a write: whether something changed or was already so. False for reads.
    """

    kind: CallKind
    key: str
    took_effect: bool


@dataclass(slots=True, kw_only=True)
class _Rule:
    kinds: frozenset[str]
    key: str
    nth: int
    times: int
    took_effect: bool
    error: Callable[[str], BaseException]
    seen: int = 0

    def applies(self, kind: str, key: str) -> bool:
        if kind not in self.kinds or not fnmatchcase(key, self.key):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass(slots=True)
class Faults:
    """The script of what goes wrong, and the record of what was asked. Safe to share between threads."""

    calls: list[Call] = field(default_factory=list)
    _rules: list[_Rule] = field(default_factory=list)
    _streams: list[tuple[str, int]] = field(default_factory=list)
    _dead: bool = False
    _intruders: dict[int, Callable[[], None]] = field(default_factory=dict)
    _writes: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def writes(self) -> list[Call]:
        """Every write that was asked for, in order."""
        return [call for call in self.calls if call.kind in WRITES]

    def fail(
        self,
        *kinds: CallKind,
        key: str = "*",
        nth: int = 1,
        times: int = 1,
        error: Callable[[str], ArchiverError] = TransientError,
    ) -> None:
        """The calls ``nth`` … ``nth + times - 1`` of these kinds (none given: any write) raise, without effect."""
        self._add(kinds, key, nth, times, took_effect=False, error=error)

    def lose_reply(self, *kinds: CallKind, key: str = "*", nth: int = 1, times: int = 1, took_effect: bool) -> None:
        """Such calls raise ``OutcomeUnknown``; ``took_effect`` says whether they were carried out."""
        self._add(kinds, key, nth, times, took_effect=took_effect, error=OutcomeUnknown)

    def crash(self, *kinds: CallKind, key: str = "*", nth: int = 1, took_effect: bool) -> None:
        """The worker dies at such a call; ``took_effect`` says whether it was still carried out."""
        self._add(kinds, key, nth, 1, took_effect=took_effect, error=Crash)

    def dying(self, act: Callable[[], object], nth: int, *, took_effect: bool) -> None:
        """Let a run die at its n-th write, or end in whatever that brings, or not come that far; nothing is raised."""
        self.crash(nth=nth, took_effect=took_effect)
        try:
            act()
        except (Crash, ArchiverError):
            pass
        finally:
            self.heal()

    def intrude(self, nth: int, act: Callable[[], None]) -> None:
        """Let somebody else act just before the n-th write from now, undisturbed by further intruders."""
        with self._lock:
            self._intruders = {self._writes + nth: act}

    def _let_in(self, kind: str) -> None:
        if kind not in WRITES:
            return
        with self._lock:
            self._writes += 1
            act = self._intruders.pop(self._writes, None)
            if act is not None:
                self._intruders.clear()
        if act is not None:
            # Without our lock: the intruder may call from threads of its own.
            act()

    def break_stream(self, key: str = "*", *, after_bytes: int) -> None:
        """The next stream opened under a matching key breaks off after so many bytes."""
        self._streams.append((key, after_bytes))

    def heal(self) -> None:
        """Nothing goes wrong from here on; what was recorded stays."""
        with self._lock:
            self._rules.clear()
            self._streams.clear()
            self._dead = False

    def _add(
        self,
        kinds: tuple[CallKind, ...],
        key: str,
        nth: int,
        times: int,
        *,
        took_effect: bool,
        error: Callable[[str], BaseException],
    ) -> None:
        rule = _Rule(
            kinds=frozenset(kinds) or WRITES, key=key, nth=nth, times=times, took_effect=took_effect, error=error
        )
        with self._lock:
            self._rules.append(rule)

    @contextmanager
    def call(self, kind: CallKind, key: str) -> Iterator[None]:
        """Around one call of a fake: raises before or after its body, and records it."""
        self._let_in(kind)
        with self._lock:
            if self._dead:
                raise Crash(f"{kind} {key}: the worker died before")
            # Every rule sees every call, so that two rules count the same calls.
            applying = [rule for rule in self._rules if rule.applies(kind, key)]
            rule = applying[0] if applying else None
            if rule is not None and not rule.took_effect:
                self.calls.append(Call(kind=kind, key=key, took_effect=False))
                raise self._raised(rule, kind, key)
            try:
                yield
            except ArchiverError:
                self.calls.append(Call(kind=kind, key=key, took_effect=False))
                raise
            self.calls.append(Call(kind=kind, key=key, took_effect=kind in WRITES))
            if rule is not None:
                raise self._raised(rule, kind, key)

    def _raised(self, rule: _Rule, kind: str, key: str) -> BaseException:
        error = rule.error(f"{kind} {key}: injected fault; {'done' if rule.took_effect else 'nothing was done'}")
        self._dead = self._dead or isinstance(error, Crash)
        return error

    def stream(self, key: str, data: bytes) -> BinaryIO:
        """A stream over the bytes, broken if so scripted."""
        for number, (pattern, after_bytes) in enumerate(self._streams):
            if fnmatchcase(key, pattern):
                del self._streams[number]
                return io.BufferedReader(_BreakingStream(key, data, after_bytes))
        return io.BytesIO(data)


class _BreakingStream(io.RawIOBase):
    def __init__(self, key: str, data: bytes, after_bytes: int) -> None:
        super().__init__()
        self._key = key
        self._rest = data[:after_bytes]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        if not self._rest:
            raise TransientError(f"{self._key}: the connection ended before the object did (injected fault)")
        target = memoryview(buffer).cast("B")
        chunk, self._rest = self._rest[: len(target)], self._rest[len(target) :]
        target[: len(chunk)] = chunk
        return len(chunk)


class FaultyStore:
    """An object store in memory.

    Attributes:
        conditional: False for a store that ignores conditions: ``create`` looks first and then writes, and between
            the two ``before_blind_write`` is called, where a test may let another writer in.
    """

    def __init__(self, faults: Faults | None = None, *, conditional: bool = True) -> None:
        self.faults = faults if faults is not None else Faults()
        self.conditional = conditional
        self.before_blind_write: Callable[[str], None] = lambda _: None
        self._objects: dict[str, tuple[bytes, datetime]] = {}
        self._order: list[str] = []
        self._written: dict[str, str] = {}
        self._pending: dict[str, PendingUpload] = {}
        self._instants = 0
        self._lock = threading.RLock()

    @property
    def location(self) -> str:
        return "memory://store"

    # ── For tests ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def keys(self) -> list[str]:
        """Every key held, in order."""
        with self._lock:
            return list(self._order)

    def peek(self, key: str) -> bytes:
        """An object's bytes, past all faults and records."""
        return self._objects[key][0]

    def tamper(self, key: str, data: bytes | None) -> None:
        """Change, add or (None) remove an object behind everybody's back."""
        with self._lock:
            if data is None:
                self._take(key)
            else:
                self._keep(key, data)

    def _keep(self, key: str, data: bytes) -> None:
        if key not in self._objects:
            bisect.insort(self._order, key, key=str.encode)
        self._objects[key] = (data, self._now())

    def _take(self, key: str) -> bool:
        if self._objects.pop(key, None) is None:
            return False
        del self._order[bisect.bisect_left(self._order, key.encode(), key=str.encode)]
        return True

    def leave_pending(self, key: str, upload_id: str) -> PendingUpload:
        """A multipart upload that somebody began and left."""
        with self._lock:
            upload = PendingUpload(key=key, upload_id=upload_id, begun_at=self._now())
            self._pending[upload_id] = upload
            return upload

    def _now(self) -> datetime:
        self._instants += 1
        return FIRST_INSTANT + timedelta(seconds=self._instants)

    def copied(self, faults: Faults) -> "FaultyStore":
        """Another store with the same objects, as they are now."""
        with self._lock:
            made = FaultyStore(faults, conditional=self.conditional)
            made._objects, made._written, made._pending = dict(self._objects), dict(self._written), dict(self._pending)
            made._order = list(self._order)
            made._instants = self._instants
            return made

    # ── The contract ───────────────────────────────────────────────────────────────────────────────────────────

    def create(self, key: str, data: bytes | Path, *, sha256: str) -> None:
        check_key(key)
        content = data if isinstance(data, bytes) else data.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise AssertionError(f"{key}: create was called with another object's SHA-256")
        with self.faults.call("create", key), self._lock:
            if key in self._objects:
                if self._objects[key][0] != content:
                    raise ObjectExists(f"{key}: holds other bytes; nothing was changed")
                return
            if not self.conditional:
                self.before_blind_write(key)
            held = self._objects.get(key)
            changed = (held is not None and held[0] != content) or self._written.get(key, sha256) != sha256
            if changed and not key.startswith(layout.PROBE_PREFIX):
                raise Overwritten(f"{key}: was written with SHA-256 {self._written.get(key)}, now with {sha256}")
            self._written[key] = sha256
            self._keep(key, content)

    def read(self, key: str, *, size_bytes_max: int) -> bytes:
        check_key(key)
        with self.faults.call("read", key):
            data = self._held(key)
            if len(data) > size_bytes_max:
                raise IntegrityError(f"{key}: {len(data)} bytes, at most {size_bytes_max} were expected")
            return data

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        check_key(key)
        with self.faults.call("open", key):
            stream = self.faults.stream(key, self._held(key))
        with stream:
            yield stream

    def _held(self, key: str) -> bytes:
        with self._lock:
            if key not in self._objects:
                raise ObjectMissing(f"{key}: no such object")
            return self._objects[key][0]

    def stat(self, key: str) -> ObjectRef | None:
        check_key(key)
        with self.faults.call("stat", key), self._lock:
            return self._reference(key) if key in self._objects else None

    def _reference(self, key: str) -> ObjectRef:
        data, modified_at = self._objects[key]
        return ObjectRef(key=key, size_bytes=len(data), modified_at=modified_at)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectRef]:
        with self.faults.call("list", prefix), self._lock:
            first = max(
                bisect.bisect_left(self._order, prefix.encode(), key=str.encode),
                bisect.bisect_right(self._order, after.encode(), key=str.encode),
            )
            # In the order of their bytes keys that begin alike stand together.
            begun_alike = takewhile(lambda key: key.startswith(prefix), islice(self._order, first, None))
            found = [self._reference(key) for key in begun_alike]
        yield from found

    def delete(self, key: str) -> Removal:
        check_key(key)
        with self.faults.call("delete", key), self._lock:
            return Removal(versions_deleted=1 if self._take(key) else 0)

    def delete_many(self, keys: Sequence[str], *, at_once: int) -> Mapping[str, Removal | ArchiverError]:
        for key in keys:
            check_key(key)
        return delete_each(self, keys, at_once=at_once)

    def pending_uploads(self, prefix: str) -> Iterator[PendingUpload]:
        with self.faults.call("pending_uploads", prefix), self._lock:
            found = [upload for upload in self._pending.values() if upload.key.startswith(prefix)]
        yield from found

    def abort_upload(self, upload: PendingUpload) -> None:
        with self.faults.call("abort_upload", upload.key), self._lock:
            self._pending.pop(upload.upload_id, None)

    def clock(self) -> datetime | None:
        with self.faults.call("clock", ""):
            return None

    def probe(self, token: str) -> StoreFacts:
        with self.faults.call("probe", layout.probe_key(token)):
            return StoreFacts(
                conditional_create=self.conditional,
                versioning=False,
                object_lock=False,
                encryption=None,
                public=False,
                clock_at=self._now(),
            )


class FaultyAnchor:
    """An anchor in memory, for any number of archives."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults if faults is not None else Faults()
        self._checkpoints: dict[str, Checkpoint] = {}
        self._lock = threading.RLock()

    @property
    def location(self) -> str:
        return "memory://anchor"

    def copied(self, faults: Faults) -> "FaultyAnchor":
        """Another anchor with the same checkpoints, as they are now."""
        with self._lock:
            made = FaultyAnchor(faults)
            made._checkpoints = dict(self._checkpoints)
            return made

    def tamper(self, archive_id: str, checkpoint: Checkpoint | None) -> None:
        """Put another checkpoint, or none, behind everybody's back."""
        with self._lock:
            if checkpoint is None:
                self._checkpoints.pop(archive_id, None)
            else:
                self._checkpoints[archive_id] = checkpoint

    def read(self, archive_id: str) -> Checkpoint | None:
        with self.faults.call("anchor.read", archive_id), self._lock:
            return self._checkpoints.get(archive_id)

    def swap(self, expected: Checkpoint | None, new: Checkpoint) -> None:
        with self.faults.call("anchor.swap", new.archive_id), self._lock:
            current = self._checkpoints.get(new.archive_id)
            if current not in {expected, new} or (current not in {None, new} and new.seq <= current.seq):
                raise Conflict("the anchor stands at something else; it was not moved")
            self._checkpoints[new.archive_id] = new

    def clock(self) -> datetime | None:
        with self.faults.call("anchor.clock", ""):
            return None


FAULTS: dict[str, Callable[[Faults, int], None]] = {
    "dies before": lambda faults, nth: faults.crash(nth=nth, took_effect=False),
    "dies after": lambda faults, nth: faults.crash(nth=nth, took_effect=True),
    "no reply, not done": lambda faults, nth: faults.lose_reply(nth=nth, took_effect=False),
    "no reply, done": lambda faults, nth: faults.lose_reply(nth=nth, took_effect=True),
    "refused": lambda faults, nth: faults.fail(nth=nth),
}
"""Every way in which the nth write can fail."""
