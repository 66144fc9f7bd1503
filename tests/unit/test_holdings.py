"""The fold of the ledger's entries."""

from typing import get_args

from archiver.holdings import _APPLY
from archiver.model import Event


def test_every_kind_of_event_is_folded() -> None:
    """An event that nobody taught the fold about could be written and would stop every later opening."""
    assert set(_APPLY) == set(get_args(Event))
