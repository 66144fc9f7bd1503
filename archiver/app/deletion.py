"""What the commands that delete need: the guard and its clocks, the source that rows leave, the digest of persons."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from archiver.app import build, keys
from archiver.app.archive import Archive
from archiver.config import Settings
from archiver.contracts import Purgeable
from archiver.errors import ArchiverError, Interrupted, Partial, Refused
from archiver.ledger.holdings import Holdings
from archiver.model import HoldPlaced, Statement, is_hold
from archiver.operations.tables.settings import PurgeSettings
from archiver.privacy.key import fingerprint_of
from archiver.retention import Clocks, guard, is_of_another_key
from archiver.words import english_list


class DeletionPlan(Protocol):
    """What the guard asks of any plan: how much would go, and which part of all that is."""

    @property
    def dataset(self) -> str:
        """Its name."""
        ...

    @property
    def rows_going(self) -> int:
        """How many rows, or whatever else is counted, may go."""
        ...

    @property
    def share(self) -> float:
        """The part of the dataset that may go, 0 to 1."""
        ...


class DeletionReceipt(Protocol):
    """What any receipt of a deletion says of its end."""

    @property
    def interrupted(self) -> bool:
        """Somebody asked it to stop."""
        ...


def purge_source(archive: Archive) -> Purgeable:
    """The database that rows leave.

    Raises:
        ConfigError: There is no way to it.
    """
    return build.build_source(archive.settings, archive.run.stop)


def purge_settings(settings: Settings) -> PurgeSettings:
    """As set; through the data API a batch travels in one question, and is no larger than that may be."""
    if settings.supabase_db_url is not None:
        return settings.purge
    rows_max = min(settings.purge.batch_rows_max, settings.data_api.purge_rows_max)
    return settings.purge.model_copy(update={"batch_rows_max": rows_max})


def subject_digest(settings: Settings) -> Callable[[str], str] | None:
    """The digest that holds on persons use; None when no privacy key is set."""
    if settings.privacy_key_file is None:
        return None
    return keys.load_privacy_key(settings, "finding persons on hold").digest


def holds_of_another_key(settings: Settings, holdings: Holdings) -> tuple[HoldPlaced, ...]:
    """The holds on persons that today's privacy key cannot find; each stops all that it could cover."""
    persons = [hold for hold in holdings.holds.values() if hold.subject is not None]
    key = fingerprint_of(subject_digest(settings)) if persons else ""
    return tuple(hold for hold in persons if is_of_another_key(hold, key))


def refusals(
    archive: Archive,
    source: Purgeable | None,
    plans: Sequence[DeletionPlan],
    *,
    unit: Literal["rows", "chunks"] = "rows",
) -> tuple[Statement, ...]:
    """Why the guard refuses these plans; empty when it does not. Reads every clock at about the same moment."""
    database = None
    if source is not None:
        with source.snapshot() as snapshot:
            database = snapshot.taken_at
    ledger, settings = archive.ledger, archive.settings
    assert ledger.head is not None
    clocks = Clocks(
        local=archive.clock(),
        database=database,
        store=ledger.store.clock(),
        anchor=None if ledger.anchor is None else ledger.anchor.clock(),
        last_entry=ledger.head.entry.at,
    )
    return guard(
        clocks,
        rules=settings.guard,
        pause=ledger.holdings.pause,
        anchor_adopted=ledger.holdings.anchor_adopted_at is not None,
        shares={plan.dataset: (plan.rows_going, plan.share) for plan in plans},
        unit=unit,
    )


def confirmed(command: str, reasons: Sequence[Statement], *, word: str, given: str | None) -> tuple[Statement, ...]:
    """What the guard refused and a person confirmed with this plan's token.

    Raises:
        Refused: The guard refuses, and no token, or another plan's, was given. Nothing was deleted.
    """
    if not reasons:
        return ()
    if given is None:
        raise Refused(
            f"{command}: {english_list(reasons)}; nothing was deleted",
            hint=f"when that is right, confirm this one plan: archiver {command} --execute --confirm {word}",
        )
    if given != word:
        raise Refused(
            f"{command}: the token {given!r} confirms another plan than this one; nothing was deleted",
            hint=f"look at `archiver {command}` again; the current plan's token is {word}",
        )
    return tuple(reasons)


def broken_promises(kept: Mapping[str, Mapping[Statement, int]]) -> int:
    """How much is due and stayed, by dataset and reason; what is on hold apart."""
    return sum(count for reasons in kept.values() for why, count in reasons.items() if not is_hold(why))


def status_of(problems: Sequence[ArchiverError], *, left: int) -> int:
    """The exit status of a deletion: the highest of what stopped it, else whether something due is left."""
    if problems:
        return max(problem.exit_status for problem in problems)
    return Partial.exit_status if left else 0


def interruption(receipt: DeletionReceipt) -> Interrupted | None:
    """What ends the run where the deletion was asked to stop."""
    if not receipt.interrupted:
        return None
    return Interrupted("asked to stop; what was deleted is in the ledger", hint="run again to go on")
