"""The fold of the ledger's entries."""

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import rfc8785

from archiver.ledger.chain import read_chain
from archiver.ledger.entries import _COMPACT, SignedEntry, read_descriptor
from archiver.ledger.fold import _APPLY, check_next, fold
from archiver.ledger.holdings import Holdings
from archiver.model import Event, Verified
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
