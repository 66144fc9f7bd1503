"""The checks of the model-based test are worth something only if they find what is wrong: here it is planted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.operations.archive import expire
from archiver.operations.steps.compare import Proof
from archiver.operations.tables import purge
from archiver.operations.tables import slot as purge_slot
from archiver.retention import expiry
from tests.support import world
from tests.support.world import World

BEGIN = datetime(2026, 3, 27, 1, 30, tzinfo=UTC)


def aged(days: int) -> World:
    """One row of that age, archived and verified."""
    made = World(BEGIN)
    made.insert(BEGIN - timedelta(days=days))
    made.made.export()
    made.made.verify_and_record()
    made.check()
    return made


def no_holds(monkeypatch: pytest.MonkeyPatch) -> World:
    made = aged(32)
    made.hold("case", None)
    for module in (purge, purge_slot, expire):
        monkeypatch.setattr(module, "holds_on", lambda *_: ())
    return made


def no_guard(monkeypatch: pytest.MonkeyPatch) -> World:
    made = aged(5)
    made.skew = timedelta(days=40)
    monkeypatch.setattr(world, "guard", lambda *_, **__: ())
    return made


def no_proof(monkeypatch: pytest.MonkeyPatch) -> World:
    made = aged(32)
    made.insert(BEGIN - timedelta(days=32, minutes=1))

    def everything(rows: Any, _: Any, key: Any) -> Proof:
        return Proof(rows.select(list(key)), 0, 0, 0)

    monkeypatch.setattr(purge_slot, "prove", everything)
    return made


def no_look_at_the_source(monkeypatch: pytest.MonkeyPatch) -> World:
    made = aged(60)
    made.hold("case", None)
    assert made.purge()
    made.release("case")
    monkeypatch.setattr(expiry, "keep_reason", lambda *_, **__: None)
    monkeypatch.setattr(World, "purge", lambda *_: True)
    return made


DEFECTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], World], str]] = {
    "holds are not looked at": (no_holds, "a row on hold left its source"),
    "the guard lets everything pass": (no_guard, "a row left before its time"),
    "rows go without their proof": (no_proof, "a row left its source that the archive does not hold"),
    "what is still in the source expires": (no_look_at_the_source, "let go of a row that is still in the source"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, said = DEFECTS[defect]
    made = plant(monkeypatch)
    made.purge()
    with pytest.raises(AssertionError, match=said):
        made.check()
        made.expire()
        made.check()
