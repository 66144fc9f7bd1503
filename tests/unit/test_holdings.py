"""The fold of the ledger's entries."""

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import rfc8785

from archiver.ledger.chain import read_chain
from archiver.ledger.entries import _COMPACT, SignedEntry, read_descriptor
from archiver.ledger.fold import _APPLY, check_next, fold
from archiver.ledger.holdings import Holdings
from archiver.model import (
    ChunkFault,
    ChunkQuarantined,
    Compacted,
    Entry,
    Event,
    ExpireIntended,
    Exported,
    QuarantineReleased,
    RunEnded,
    Segment,
    Slot,
    SourceState,
    StepOutcome,
    StepResult,
    Verified,
    Window,
)
from tests.support.archive import day
from tests.support.deletions import everything, prepared
from tests.support.story import story


def test_every_kind_of_event_is_folded() -> None:
    """An event that nobody taught the fold about could be written and would stop every later opening."""
    assert set(_APPLY) == set(get_args(Event))


def everything_that_deletes() -> Sequence[SignedEntry]:
    place = prepared().copied()
    everything(place.made)
    return list(read_chain(place.made.store, read_descriptor(place.made.store), tip=None))


@pytest.mark.parametrize("told", [story, everything_that_deletes])
def test_a_trial_changes_nothing(told: Any) -> None:
    """Whether an entry may follow is asked before it is written; what is refused must leave no trace."""
    holdings = Holdings()
    kinds = set()
    for signed in told():
        before = deepcopy(holdings)
        check_next(holdings, signed.entry)
        assert holdings == before, signed.entry
        holdings = fold([signed.entry], holdings)
        if not all(isinstance(event, Verified) for event in signed.entry.events):
            assert holdings != before
        kinds |= {type(event) for event in signed.entry.events}
    assert len(kinds) > 8


@pytest.mark.parametrize("told", [story, everything_that_deletes])
def test_entries_are_in_canonical_form_by_both_encoders(told: Any) -> None:
    for signed in told():
        body = json.loads(signed.data)
        assert _COMPACT.encode(body).encode() == rfc8785.dumps(body) == signed.data


def types_of(annotation: Any) -> Iterator[Any]:
    """Every type that a value of an annotated field may be made of."""
    if get_origin(annotation) in (tuple, Union, UnionType):
        for part in get_args(annotation):
            yield from types_of(part)
    elif is_dataclass(annotation):
        hints = get_type_hints(annotation, include_extras=False)
        for one in fields(annotation):
            yield from types_of(hints[one.name])
    else:
        yield annotation


def test_no_event_has_a_fraction_or_names_of_its_own() -> None:
    """Of these alone the two encoders could make different texts."""
    found = {kind for event in get_args(Event) for kind in types_of(event)}
    assert str in found
    assert not [kind for kind in found if kind is float or get_origin(kind) is dict or kind is dict]


NOW = datetime(2026, 6, 1, tzinfo=UTC)


def folded(*events: Event) -> Holdings:
    """Each event in an entry of its own, an hour after the one before."""
    return fold(
        Entry(seq=seq, at=NOW + seq * timedelta(hours=1), run="r", tool="t", prev="", events=(event,))
        for seq, event in enumerate(events)
    )


def ended(exit_status: int, *outcomes: StepOutcome) -> RunEnded:
    steps = tuple(
        StepResult(step=step, outcome=outcome, exit_status=0, duration_ms=1)
        for step, outcome in zip(("export", "purge", "expire"), outcomes, strict=False)
    )
    return RunEnded(command="nightly", started_at=NOW, exit_status=exit_status, steps=steps)


def test_only_what_went_well_is_a_success() -> None:
    """A step is one for itself; a run is one only as a whole, and one that failed leaves the last success as it was."""
    done, failed, skipped = StepOutcome.DONE, StepOutcome.FAILED, StepOutcome.SKIPPED
    holdings = folded(ended(0, done, done, done), ended(1, done, failed, skipped))
    later = NOW + timedelta(hours=1)
    assert holdings.last_successes == {"nightly": NOW, "export": later, "purge": NOW, "expire": NOW}
    assert holdings.last_runs["nightly"][0] == later


PLACE = Slot(window=Window(day(0), day(1)))


def part(number: int, rows: int = 1, name: str = "") -> Segment:
    return Segment(
        key=f"data/{name or number}", slot=PLACE, part=number, size_bytes=1, sha256="", rows=rows, schema="s",
        oldest=None, newest=None,
    )  # fmt: skip


def exported(*parts: Segment) -> Exported:
    rows = sum(one.rows for one in parts)
    return Exported(
        dataset="logs", slot=PLACE, segments=parts, state=SourceState(rows=rows), rows=rows, snapshot_at=NOW
    )


def test_a_part_gets_a_number_that_no_part_of_its_day_ever_had() -> None:
    """Neither of those that are held, nor of those that were merged, nor of those that have left the archive."""
    events: list[Event] = [exported(part(0), part(1)), exported(part(2))]
    assert folded(events[0]).dataset("logs").next_part(PLACE) == 2
    assert folded(*events).dataset("logs").next_part(PLACE) == 3
    merged = Compacted(
        dataset="logs", slot=PLACE, replaced=("data/0", "data/1", "data/2"), segments=(part(3, rows=3),), rows=3
    )
    assert folded(*events, merged).dataset("logs").next_part(PLACE) == 4
    gone = folded(*events, merged, ExpireIntended(dataset="logs", keys=("data/3",), plan="")).dataset("logs")
    assert (list(gone.segments()), gone.next_part(PLACE)) == ([], 4)
    hour = Slot(window=Window(day(0), day(0) + timedelta(hours=1)))
    assert gone.next_part(hour) == 4, "windows of one day share a folder"
    assert gone.next_part(Slot(window=Window(day(1), day(2)))) == 0
    assert gone.next_part(Slot(window=None)) == 0


def test_a_slot_is_expired_while_nothing_of_it_is_held() -> None:
    """Not before all of it has gone, and not after rows that came late were archived."""
    events = (
        exported(part(0), part(1)),
        ExpireIntended(dataset="logs", keys=("data/0",), plan=""),
        ExpireIntended(dataset="logs", keys=("data/1",), plan=""),
        exported(part(2)),
    )
    told = [folded(*events[:count]).dataset("logs").slots[PLACE] for count in range(1, 5)]
    assert [slot.is_expired for slot in told] == [False, False, True, False]
    assert [(slot.rows, slot.rows_expired) for slot in told] == [(2, 0), (1, 1), (0, 2), (1, 2)]


def test_segments_are_told_by_dataset_and_slot_whatever_came_first() -> None:
    """Whoever reads two archives of the same rows sees them in one order."""
    undated = Slot(window=None)
    late = exported(replace(part(0, name="c"), slot=undated))
    holdings = folded(
        replace(exported(part(0, name="a")), dataset="messages"),
        exported(part(0, name="b")),
        replace(late, slot=undated),
    )
    assert [(name, held.segment.key) for name, held in holdings.segments()] == [
        ("logs", "data/c"),
        ("logs", "data/b"),
        ("messages", "data/a"),
    ]


def test_what_is_put_into_quarantine_again_is_listed_again() -> None:
    """A person's word counts for what they looked at then."""
    bad = ChunkQuarantined(
        dataset="loki", chunk="fake/1", key="quarantine/loki/x", size_bytes=1, sha256="ab",
        reason=ChunkFault.CONTRADICTION(chunk="fake/1", at_byte=1, size_bytes=1),
    )  # fmt: skip
    freed = QuarantineReleased(dataset="loki", sha256="ab", cause="person")
    chunks = folded(bad, freed).dataset("loki").chunks
    assert (chunks.quarantined, chunks.released) == ({}, {"ab": "fake/1"})
    chunks = folded(bad, freed, bad).dataset("loki").chunks
    assert (chunks.quarantined, chunks.released) == ({"ab": bad}, {})
