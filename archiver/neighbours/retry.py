"""Asking again: one policy for the whole program, and wrappers that give it to any store or anchor.

  - ``TransientError`` is retried always: it promises that nothing was written.
  - ``OutcomeUnknown`` is retried only where the contract says that a repetition is harmless: ``create``, ``delete``,
    ``abort_upload``, ``swap``. After an unanswered attempt, a later one that fails cannot say "nothing was
    written" any more; what is raised then is ``OutcomeUnknown``.
  - Everything else is raised at once.
  - A listing goes on after the last key that it gave. A stream from ``open`` is not resumed: opening is retried, a
    ``TransientError`` while reading reaches the caller, who alone knows what it did with the first half (a digest
    half computed, rows half decoded) and starts again from the beginning: ``operations.steps.run.Run.retried``.

The waits have full jitter, so that several workers that were throttled together do not come back together.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

import tenacity
from typing_extensions import override

from archiver.contracts import Anchor, ObjectRef, ObjectStore, PendingUpload, Removal, StoreFacts
from archiver.errors import (
    ArchiverError,
    Conflict,
    IntegrityError,
    Interrupted,
    ObjectExists,
    OutcomeUnknown,
    TransientError,
)
from archiver.model import Checkpoint
from archiver.neighbours.settings import RetrySettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """One attempt failed and another will follow; for whoever counts or shows it."""

    attempt: int
    wait_s: float
    error: ArchiverError


def _ignore(_: Retry) -> None:
    """Nobody watches."""


class RetryPolicy(RetrySettings):
    """How often and how long to ask again.

    Attributes:
        attempts_max: The first one included; 1 never asks again.
        wait_first_s: Upper bound of the wait before the second attempt; doubled for each further one.
        wait_max_s: Upper bound of any wait. The wait itself is uniform between 0 and its bound.
        deadline_s: No wait ends later than this after the first attempt began. An attempt that runs is not cut.
        sleep: May raise ``Interrupted``: a wait is where a run is stopped most quickly.
        clock: Seconds from anywhere, never going back.
        uniform: A number between two.
        watch: Told of every repetition before its wait.
    """

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    uniform: Callable[[float, float], float] = random.uniform
    watch: Callable[[Retry], None] = _ignore

    def call(self, function: Callable[[], T], *, repeatable: bool = False) -> T:
        """Call until it succeeds, fails for good, or the policy is used up.

        Args:
            repeatable: Calling again after ``OutcomeUnknown`` is harmless and finds out.

        Raises:
            TransientError: The last attempt's, with what was tried; no attempt wrote anything.
            OutcomeUnknown: At least one attempt went unanswered and none after it settled the matter.
        """
        begun_s = self.clock()
        unanswered: list[OutcomeUnknown] = []

        def attempt() -> T:
            try:
                return function()
            except OutcomeUnknown as error:
                unanswered.append(error)
                raise

        def stop(state: tenacity.RetryCallState) -> bool:
            return (
                state.attempt_number >= self.attempts_max
                or self.clock() - begun_s + state.upcoming_sleep > self.deadline_s
            )

        attempts = 0

        def watch(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, ArchiverError):
                self.watch(Retry(attempt=state.attempt_number, wait_s=state.upcoming_sleep, error=error))

        def count(state: tenacity.RetryCallState) -> None:
            nonlocal attempts
            attempts = state.attempt_number

        retried = (TransientError, OutcomeUnknown) if repeatable else (TransientError,)
        retryer = tenacity.Retrying(
            sleep=self.sleep,
            stop=stop,
            wait=lambda state: self._wait_s(state.attempt_number),
            retry=tenacity.retry_if_exception_type(retried),
            before=count,
            before_sleep=watch,
            reraise=True,
        )
        try:
            return retryer(attempt)
        except ArchiverError as error:
            final = self._final(error, unanswered, attempts, self.clock() - begun_s)
            if final is error:
                raise
            raise final from error

    def again(self, failures: int, *, begun_s: float) -> bool:
        """Wait as ``call`` does before a step is begun anew, which is made of many questions.

        Args:
            failures: In a row.
            begun_s: When the run began, by ``clock``; it may take a deadline for each attempt.

        Returns:
            False, at once: the policy is used up.
        """
        if failures >= self.attempts_max or self.clock() - begun_s > self.deadline_s * self.attempts_max:
            return False
        self.sleep(self._wait_s(failures))
        return True

    def _wait_s(self, failures: int) -> float:
        # The exponent is bounded so that a very large attempts_max cannot overflow a float.
        return self.uniform(0.0, min(self.wait_max_s, self.wait_first_s * 2.0 ** min(failures - 1, 60)))

    def _final(
        self, error: ArchiverError, unanswered: list[OutcomeUnknown], attempts: int, elapsed_s: float
    ) -> ArchiverError:
        tried = f"gave up after {attempts} attempts in {elapsed_s:.1f} s"
        settled = isinstance(error, ObjectExists | Conflict | IntegrityError | Interrupted)
        if unanswered and not settled and not isinstance(error, OutcomeUnknown):
            return OutcomeUnknown(f"{unanswered[-1].message}; asked again: {error.message}; {tried}", hint=error.hint)
        if attempts > 1 and isinstance(error, TransientError | OutcomeUnknown):
            return type(error)(f"{error.message}; {tried}", hint=error.hint)
        return error


@dataclass(frozen=True, slots=True)
class RetryingStore(ObjectStore):
    """Any store, with retries."""

    inner: ObjectStore
    policy: RetryPolicy

    @property
    @override
    def location(self) -> str:
        """The inner store's."""
        return self.inner.location

    @override
    def create(self, key: str, data: bytes | Path, *, sha256: str) -> None:
        """A repetition after a lost reply finds the same bytes, which is success."""
        self.policy.call(lambda: self.inner.create(key, data, sha256=sha256), repeatable=True)

    @override
    def read(self, key: str, *, size_bytes_max: int) -> bytes:
        """From the beginning again when it broke off."""
        return self.policy.call(lambda: self.inner.read(key, size_bytes_max=size_bytes_max))

    @contextmanager
    @override
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Only opening is retried; what fails while reading is the caller's to start again."""
        with ExitStack() as stack:
            yield self.policy.call(lambda: stack.enter_context(self.inner.open(key)))

    @override
    def stat(self, key: str) -> ObjectRef | None:
        """The inner store's answer."""
        return self.policy.call(lambda: self.inner.stat(key))

    @override
    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectRef]:
        """Resumes after the last key given; every key given renews the policy."""
        last = after
        references = self.inner.list(prefix, after=last)
        while True:
            try:
                reference = next(references, None)
            except TransientError as error:
                reference, references = self.policy.call(_again(self.inner, prefix, last, error))
            if reference is None:
                return
            last = reference.key
            yield reference

    @override
    def delete(self, key: str) -> Removal:
        """Deleting twice is harmless; the counts of an attempt that went unanswered are lost."""
        return self.policy.call(lambda: self.inner.delete(key), repeatable=True)

    @override
    def delete_many(self, keys: Sequence[str], *, at_once: int) -> Mapping[str, Removal | ArchiverError]:
        """Asks again only for the keys that were not answered; every key that was answered renews the policy.

        Raises:
            TransientError, OutcomeUnknown: Some stayed unanswered.
        """
        settled: dict[str, Removal | ArchiverError] = {}

        def attempt() -> None:
            unsettled: list[TransientError | OutcomeUnknown] = []
            results = self.inner.delete_many([key for key in keys if key not in settled], at_once=at_once)
            for key, result in results.items():
                if isinstance(result, TransientError | OutcomeUnknown):
                    unsettled.append(result)
                else:
                    settled[key] = result
            if unsettled:
                # What may have been done outweighs what was not.
                raise next((error for error in unsettled if isinstance(error, OutcomeUnknown)), unsettled[0])

        while True:
            before = len(settled)
            try:
                self.policy.call(attempt, repeatable=True)
            except (TransientError, OutcomeUnknown):
                if len(settled) == before:
                    raise
            else:
                return {key: settled[key] for key in keys}

    @override
    def pending_uploads(self, prefix: str) -> Iterator[PendingUpload]:
        """All at once: there are few, and their listing cannot be resumed."""
        yield from self.policy.call(lambda: [*self.inner.pending_uploads(prefix)])

    @override
    def abort_upload(self, upload: PendingUpload) -> None:
        """Aborting twice is harmless."""
        self.policy.call(lambda: self.inner.abort_upload(upload), repeatable=True)

    @override
    def clock(self) -> datetime | None:
        return self.policy.call(self.inner.clock)

    @override
    def probe(self, token: str) -> StoreFacts:
        """A probe removes what an earlier attempt under the same token left."""
        return self.policy.call(lambda: self.inner.probe(token))


def _again(
    store: ObjectStore, prefix: str, after: str, seen: TransientError
) -> Callable[[], tuple[ObjectRef | None, Iterator[ObjectRef]]]:
    """List anew from where a listing broke off. The first attempt is the failure that was seen."""
    failures = [seen]

    def attempt() -> tuple[ObjectRef | None, Iterator[ObjectRef]]:
        if failures:
            raise failures.pop()
        references = store.list(prefix, after=after)
        return next(references, None), references

    return attempt


@dataclass(frozen=True, slots=True)
class RetryingAnchor(Anchor):
    """Any anchor, with retries."""

    inner: Anchor
    policy: RetryPolicy

    @property
    @override
    def location(self) -> str:
        """The inner anchor's."""
        return self.inner.location

    @override
    def read(self, archive_id: str) -> Checkpoint | None:
        """The inner anchor's answer."""
        return self.policy.call(lambda: self.inner.read(archive_id))

    @override
    def swap(self, expected: Checkpoint | None, new: Checkpoint) -> None:
        """A repetition after a lost reply finds ``new``, which is success."""
        self.policy.call(lambda: self.inner.swap(expected, new), repeatable=True)

    @override
    def clock(self) -> datetime | None:
        """The inner anchor's answer."""
        return self.policy.call(self.inner.clock)
