"""Two runs side by side, in every combination, as on two machines that share no lock.

Just before each single write of the one the other does all of its work. Whatever then becomes of the first, no row is
missing at any instant, and a run that is left alone afterwards finds every promise kept and every row counted once.
"""

from collections.abc import Callable

import pytest

from archiver.errors import ArchiverError, Conflict, Partial, TransientError
from tests.support.deletions import HOLD, check_all_done, check_nothing_lost, everything, ripe
from tests.support.faulty import Crash
from tests.support.nights import Nights, placed


def hold_and_release(made: Nights) -> None:
    """Somebody places a hold on everything and takes it back at once."""
    made.say([placed("other")])
    made.release("other")


RUNS: dict[str, Callable[[Nights], object]] = {
    "export": Nights.export,
    "verify": Nights.verify_and_record,
    "purge": Nights.purge,
    "expire": Nights.expire,
    "compact": Nights.compact,
    "sweep": Nights.sweep,
}
OTHERS = {**RUNS, "hold": hold_and_release}
MAY_END_WITH = (Conflict, TransientError, Partial)
"""What a run may say that found another one in its way: nothing is wrong, run again."""


def thrice(failures: int, _: TransientError) -> bool:
    return failures < 3


@pytest.mark.parametrize("conditional", [True, False], ids=["store orders", "anchor orders"])
@pytest.mark.parametrize("one", RUNS)
def test_fault_13_two_runs_side_by_side(one: str, conditional: bool) -> None:
    begun = ripe(conditional=conditional)
    counted = begun.copied()
    RUNS[one](counted.made)
    total = len(counted.faults.writes)
    assert total, "a run that writes nothing cannot be disturbed"
    for other, act in OTHERS.items():
        for nth in range(1, total + 1):
            place = begun.copied()
            place.made.again = thrice
            beside = place.beside()
            problems: list[ArchiverError] = []

            def intrude(
                act: Callable[[Nights], object] = act,
                beside: Nights = beside,
                problems: list[ArchiverError] = problems,
            ) -> None:
                attempt(lambda: act(beside), problems)

            place.faults.intrude(nth, intrude)
            try:
                attempt(lambda made=place.made: RUNS[one](made), problems)  # type: ignore[misc]
                check_nothing_lost(place)
                everything(place.made)
                check_nothing_lost(place)
                check_all_done(place)
            except Exception as exc:
                exc.add_note(f"{other} before write {nth} of {total} of {one}; {problems}")
                raise


def attempt(act: Callable[[], object], problems: list[ArchiverError]) -> None:
    try:
        act()
    except MAY_END_WITH as problem:
        problems.append(problem)


@pytest.mark.parametrize("dies_at", ["source.commit", "delete", "create"])
def test_fault_13_a_run_that_is_taken_for_dead_and_lives(dies_at: str) -> None:
    """Another run accounts for what one has announced, goes on, and then the first one goes on as well."""
    begun = ripe()
    assert HOLD not in begun.made.open().holdings.holds
    for one in ("purge", "expire", "sweep"):
        counted = begun.copied()
        RUNS[one](counted.made)
        writes = [number for number, call in enumerate(counted.faults.writes, 1) if call.kind == dies_at]
        for nth in writes:
            place = begun.copied()
            place.made.again = thrice
            beside = place.beside()
            place.faults.intrude(nth + 1, lambda beside=beside: everything(beside))  # type: ignore[misc]
            problems: list[ArchiverError] = []
            attempt(lambda made=place.made, one=one: RUNS[one](made), problems)  # type: ignore[misc]
            check_nothing_lost(place)
            everything(place.made)
            check_all_done(place)


def test_the_litter_that_an_export_adopts_is_really_there() -> None:
    """The tests above are worth something only where the sweep and the export are after the same object."""
    place = ripe().copied()
    receipt = place.made.verify()
    (segment,) = [key for key in receipt.litter if "date=2026-05-03" in key]
    place.made.export()
    assert segment in place.made.open().holdings.keys
    swept = ripe().copied()
    swept.made.sweep()
    with pytest.raises(Crash):
        swept.faults.crash("create", key="ledger/*", took_effect=False)
        swept.made.export()
    swept.faults.heal()
    swept.made.export()
    assert segment not in swept.made.open().holdings.keys, "a key that was swept is never used again"
    check_nothing_lost(swept)
