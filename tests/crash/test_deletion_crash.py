"""The worker dies, or a reply is lost, at every single write of everything that deletes.

Writes go to four places: the source (a deletion's commit), the store, the ledger and the anchor. After each fault no row
may be missing; after the next run that is left alone every promise is kept, and the ledger's story adds up.
"""

import pytest

from archiver.errors import ArchiverError, ConfigError
from tests.support.deletions import check_all_done, check_nothing_lost, everything, prepared
from tests.support.faulty import FAULTS, Crash


def test_without_a_fault_everything_is_done() -> None:
    """What the checks of the other tests ask for is what an undisturbed run leaves."""
    place = prepared().copied()
    check_nothing_lost(place)
    everything(place.made)
    check_nothing_lost(place)
    check_all_done(place)
    kinds = {call.kind for call in place.faults.writes}
    assert kinds == {"create", "delete", "abort_upload", "anchor.swap", "source.commit"}


@pytest.mark.parametrize("conditional", [True, False], ids=["store orders", "anchor orders"])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_1_2_3_4_8_every_write_of_every_deletion_fails_in_every_way(fault: str, conditional: bool) -> None:
    begun = prepared(conditional=conditional)
    counted = begun.copied()
    everything(counted.made)
    total = len(counted.faults.writes)
    assert total >= 40
    for nth in range(1, total + 1):
        place = begun.copied()
        FAULTS[fault](place.faults, nth)
        try:
            everything(place.made)
        except (Crash, ArchiverError) as exc:
            assert not isinstance(exc, ConfigError), nth  # noqa: PT017 - any other error is as good as a crash here
        place.faults.heal()
        try:
            check_nothing_lost(place)
            everything(place.made)
            check_nothing_lost(place)
            check_all_done(place)
        except Exception as exc:
            exc.add_note(f"after write {nth} of {total}: {counted.faults.writes[nth - 1]}")
            raise
