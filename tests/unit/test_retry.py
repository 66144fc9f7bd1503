"""Asking again: how often, how long, and what is said in the end. No test sleeps: time is a value."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from archiver.contracts import ObjectRef, Removal
from archiver.errors import (
    AccessDenied,
    ArchiverError,
    ConfigError,
    Conflict,
    Interrupted,
    ObjectExists,
    OutcomeUnknown,
    TransientError,
)
from archiver.model import Checkpoint
from archiver.neighbours.retry import Retry, RetryingAnchor, RetryingStore, RetryPolicy
from tests.support.faulty import FaultyAnchor, FaultyStore


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now_s: float = 0.0
    slept_s: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    def clock(self) -> float:
        return self.now_s


def policy(time: Time, **changes: object) -> RetryPolicy:
    """Waits that are always as long as they may be."""
    settings: dict[str, object] = {"attempts_max": 4, "wait_first_s": 1.0, "wait_max_s": 60.0, "deadline_s": 1000.0}
    settings |= {"sleep": time.sleep, "clock": time.clock, "uniform": lambda _, high: high}
    return RetryPolicy(**(settings | changes))


class Script:
    """A function that raises what it was given, one after another, and then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_waits_double_up_to_their_bound() -> None:
    time = Time()
    script = Script(*(TransientError("busy") for _ in range(5)))
    assert policy(time, attempts_max=6, wait_max_s=5.0).call(script) == "done"
    assert time.slept_s == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_jitter_is_full_from_zero_to_the_bound() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    time = Time()
    policy(time, uniform=uniform).call(Script(TransientError("busy"), TransientError("busy")))
    assert asked == [(0.0, 1.0), (0.0, 2.0)]
    assert time.slept_s == [0.0, 0.0]


def test_the_last_failure_is_raised_with_what_was_tried() -> None:
    script = Script(*(TransientError("the store is busy", hint="wait") for _ in range(9)))
    with pytest.raises(TransientError, match=r"the store is busy; gave up after 4 attempts in 7\.0 s") as raised:
        policy(Time()).call(script)
    assert script.calls == 4
    assert raised.value.hint == "wait"


def test_no_wait_ends_after_the_deadline() -> None:
    time = Time()
    script = Script(*(TransientError("busy") for _ in range(9)))
    with pytest.raises(TransientError, match="gave up after 3 attempts"):
        policy(time, attempts_max=9, deadline_s=6.9).call(script)
    assert time.slept_s == [1.0, 2.0]


@pytest.mark.parametrize("error", [ConfigError, AccessDenied, Conflict, ObjectExists, Interrupted])
def test_other_errors_are_raised_at_once(error: type[ArchiverError]) -> None:
    script = Script(error("no"))
    with pytest.raises(error, match=r"^no$"):
        policy(Time()).call(script, repeatable=True)
    assert script.calls == 1


def test_an_unanswered_call_is_repeated_only_where_that_is_harmless() -> None:
    script = Script(OutcomeUnknown("no answer"))
    with pytest.raises(OutcomeUnknown, match=r"^no answer$"):
        policy(Time()).call(script)
    assert script.calls == 1
    assert policy(Time()).call(Script(OutcomeUnknown("no answer")), repeatable=True) == "done"


@pytest.mark.parametrize("last", [TransientError("unreachable"), AccessDenied("expired token", hint="log in")])
def test_after_an_unanswered_call_nobody_says_that_nothing_was_written(last: ArchiverError) -> None:
    """A later failure of another kind does not make the first attempt's outcome known."""
    script = Script(OutcomeUnknown("PUT x: no answer"), *([last] * 9))
    with pytest.raises(OutcomeUnknown, match=r"PUT x: no answer; asked again: (unreachable|expired token)") as raised:
        policy(Time()).call(script, repeatable=True)
    assert raised.value.hint == last.hint


def test_an_interruption_during_a_wait_ends_it() -> None:
    def stop(_: float) -> None:
        raise Interrupted("asked to stop")

    with pytest.raises(Interrupted):
        policy(Time(), sleep=stop).call(Script(TransientError("busy")))


def test_every_repetition_is_told() -> None:
    seen: list[Retry] = []
    policy(Time(), watch=seen.append).call(Script(TransientError("a"), TransientError("b")))
    assert [(retry.attempt, retry.wait_s, retry.error.message) for retry in seen] == [(1, 1.0, "a"), (2, 2.0, "b")]


def test_a_step_waits_as_a_question_does_and_may_take_a_deadline_for_each_attempt() -> None:
    time = Time()
    patient = policy(time, deadline_s=10.0)
    assert [patient.again(failures, begun_s=0.0) for failures in (1, 2, 3)] == [True, True, True]
    assert time.slept_s == [1.0, 2.0, 4.0]
    assert not patient.again(4, begun_s=0.0)
    time.now_s = 40.5
    assert not patient.again(1, begun_s=0.0)
    assert patient.again(1, begun_s=0.5)
    assert time.slept_s == [1.0, 2.0, 4.0, 1.0]


# ── Stores and anchors ─────────────────────────────────────────────────────────────────────────────────────────


def create(store: RetryingStore | FaultyStore, key: str, data: bytes = b"x") -> None:
    store.create(key, data, sha256=hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("took_effect", [False, True])
def test_a_lost_reply_to_create_is_repaired(took_effect: bool) -> None:
    faulty = FaultyStore()
    faulty.faults.lose_reply("create", took_effect=took_effect)
    create(RetryingStore(faulty, policy(Time())), "data/x")
    assert faulty.peek("data/x") == b"x"


@pytest.mark.parametrize("took_effect", [False, True])
def test_a_lost_reply_to_delete_is_repaired(took_effect: bool) -> None:
    faulty = FaultyStore()
    create(faulty, "data/x")
    faulty.faults.lose_reply("delete", took_effect=took_effect)
    RetryingStore(faulty, policy(Time())).delete("data/x")
    assert faulty.keys == []


def test_of_many_deletions_only_those_without_an_answer_are_asked_for_again() -> None:
    store, time = FaultyStore(), Time()
    for key in "abcd":
        create(store, key)
    store.faults.lose_reply("delete", key="b", took_effect=True)
    store.faults.fail("delete", key="c", times=2)
    store.faults.fail("delete", key="d", error=AccessDenied)
    results = RetryingStore(store, policy(time)).delete_many(["a", "b", "c", "d", "e"], at_once=1)
    assert [result.versions_deleted for result in results.values() if isinstance(result, Removal)] == [1, 0, 1, 0]
    assert isinstance(results["d"], AccessDenied)
    assert [call.key for call in store.faults.writes[4:]] == ["a", "b", "c", "d", "e", "b", "c", "c"]


def test_each_deletion_that_was_answered_renews_the_policy() -> None:
    """A store that answers one question in two minutes is slow, and not away."""
    store, time = FaultyStore(), Time()
    names = [f"k{number}" for number in range(6)]
    for number, key in enumerate(names):
        store.faults.fail("delete", key=key, times=2 * number)
    results = RetryingStore(store, policy(time)).delete_many(names, at_once=1)
    assert list(results) == names
    store.faults.fail("delete", key="k0", times=99)
    store.faults.lose_reply("delete", key="k1", times=99, took_effect=False)
    with pytest.raises(OutcomeUnknown, match=r"k1: .*gave up after 4 attempts"):
        RetryingStore(store, policy(time)).delete_many(["k0", "k1"], at_once=1)


@pytest.mark.parametrize("took_effect", [False, True])
def test_a_lost_reply_to_a_swap_is_repaired(took_effect: bool) -> None:
    faulty = FaultyAnchor()
    faulty.faults.lose_reply("anchor.swap", took_effect=took_effect)
    new = Checkpoint(archive_id="a", seq=0, hash="0" * 64)
    RetryingAnchor(faulty, policy(Time())).swap(None, new)
    assert faulty.read("a") == new


def test_reads_are_retried() -> None:
    faulty = FaultyStore()
    create(faulty, "data/x")
    for kind in ("read", "open", "stat", "list", "pending_uploads", "probe"):
        faulty.faults.fail(kind)
    faulty.leave_pending("data/y", "1")
    store = RetryingStore(faulty, policy(Time()))
    assert store.read("data/x", size_bytes_max=9) == b"x"
    with store.open("data/x") as stream:
        assert stream.read() == b"x"
    assert store.stat("data/x") is not None
    assert [reference.key for reference in store.list("data/")] == ["data/x"]
    assert [upload.key for upload in store.pending_uploads("")] == ["data/y"]
    assert store.probe("t").conditional_create


def test_a_listing_goes_on_after_the_last_key_that_it_gave() -> None:
    """A listing that breaks off again and again gives every key once, in order."""

    class Breaking(FaultyStore):
        def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectRef]:
            for number, reference in enumerate(super().list(prefix, after=after)):
                if number == 2:
                    raise TransientError("the connection ended")
                yield reference

    faulty = Breaking()
    keys = [f"data/{number:02d}" for number in range(9)]
    for key in keys:
        create(faulty, key)
    assert [reference.key for reference in RetryingStore(faulty, policy(Time())).list("data/")] == keys


def test_a_listing_that_never_comes_is_given_up() -> None:
    faulty = FaultyStore()
    faulty.faults.fail("list", times=99)
    with pytest.raises(TransientError, match="gave up after 4 attempts"):
        next(RetryingStore(faulty, policy(Time())).list(""))


def test_a_stream_that_breaks_off_is_not_resumed_silently() -> None:
    faulty = FaultyStore()
    create(faulty, "data/x", b"0123456789")
    faulty.faults.break_stream(after_bytes=4)
    store = RetryingStore(faulty, policy(Time()))
    with pytest.raises(TransientError), store.open("data/x") as stream:
        stream.read()
    with store.open("data/x") as stream:
        assert stream.read() == b"0123456789"
