"""Append to the ledger when another run may append first."""

from collections.abc import Callable, Iterable, Sequence

from archiver.errors import Conflict
from archiver.ledger.holdings import Holdings
from archiver.ledger.ledger import Ledger
from archiver.model import Entry, Event

APPEND_ATTEMPTS_MAX = 8


def append_decided(ledger: Ledger, decide: Callable[[], Sequence[Event]]) -> Entry | None:
    """Append what ``decide`` makes of the holdings as they are; decided anew each time that another run was first.

    Returns:
        The entry; None when there was nothing to say.

    Raises:
        Conflict: Others were first each time.
    """
    for _ in range(APPEND_ATTEMPTS_MAX):
        events = decide()
        if not events:
            return None
        try:
            return ledger.append(events)
        except Conflict:
            ledger.refresh()
    raise Conflict("the ledger's head moved each time an entry was to be appended; nothing more was committed")


def refuse_swept(holdings: Holdings, keys: Iterable[str], *, since_seq: int) -> None:
    """Refuse to name objects that another run began to sweep after they were uploaded, or found lying there.

    Args:
        since_seq: The ledger's last entry when the upload began.

    Raises:
        Conflict: One of them is being swept, or was.
    """
    swept = [key for key in keys if key in holdings.sweeping or holdings.swept.get(key, -1) > since_seq]
    if swept:
        raise Conflict(
            f"{min(swept)}: another run sweeps it as litter; nothing more was committed",
            hint="run again when `archiver sweep` is done",
        )
