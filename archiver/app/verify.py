"""Verifying an archive, or a copy of one: with what this machine remembers of it, and when litter is overdue."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from archiver.app import build
from archiver.app.archive import Archive, opened_in
from archiver.app.night import due_for_verification
from archiver.app.outcome import Outcome
from archiver.config import Settings
from archiver.contracts import Anchor, ObjectStore
from archiver.errors import ConfigError, Conflict
from archiver.ledger.holdings import Holdings
from archiver.ledger.memory import Memory
from archiver.operations.archive.verify import VerifyProgress, VerifyReceipt, VerifyScope, record
from archiver.operations.archive.verify import verify as check_archive
from archiver.operations.steps.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAsked:
    """What is to be checked, and how.

    Attributes:
        public_key: The key that was handed to whoever asks; None: the archive's own word for it.
        offline: A copy of the archive, whose result is not noted.
        is_recorded: Note the result in the ledger, where there is a private key to do so.
    """

    depth: Literal["digest", "deep"] = "digest"
    scope: VerifyScope = field(default_factory=VerifyScope)
    public_key: str | None = None
    jobs: int | None = None
    offline: bool = False
    is_recorded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(Outcome):
    """What a verification found.

    Attributes:
        is_unrecorded: Another run appended meanwhile, so that the result was not noted.
    """

    receipt: VerifyReceipt
    is_unrecorded: bool = False


def settings_for_copy(directory: Path) -> Settings:
    """Settings for a copy of an archive in a local directory; nothing else is known of it.

    Raises:
        ConfigError: There is no such directory.
    """
    if not directory.is_dir():
        raise ConfigError(
            f"{directory}: there is no such directory; nothing was read",
            hint="name the directory of the copy that holds archive.json",
        )
    return Settings(store=directory.absolute().as_uri())


def verify(settings: Settings, asked: VerifyAsked, progress: VerifyProgress) -> Verified:
    """Check an archive that nobody has opened: it is opened by its ledger, which is what is to be checked.

    Raises:
        ConfigError: A setting is missing, or the archive holds no such dataset.
        ArchiverError: As ``operations.archive.verify``.
    """
    scope = asked.scope
    with build.new_run(settings, jobs=asked.jobs or settings.verify.jobs) as run:
        if asked.offline:
            store, anchor = build.build_store(settings), None
        else:
            neighbours = build.open_neighbours(settings, run)
            store, anchor = neighbours.store, neighbours.anchor
        receipt, holdings = _checked(settings, run, store, anchor, asked, progress)
        unknown = [name for name in scope.datasets if name not in holdings.datasets]
        if unknown and not receipt.problems:
            raise ConfigError(
                f"the archive holds no dataset {unknown[0]}; nothing was recorded",
                hint=f"it holds: {', '.join(holdings.datasets) or 'nothing yet'}",
            )
        is_recorded = asked.is_recorded and not asked.offline and settings.signing_key_file is not None
        if is_recorded and not receipt.problems:
            try:
                with opened_in(run, settings, "append") as archive:
                    record(archive.ledger, receipt, holdings, scope)
            except Conflict:
                return Verified(receipt=receipt, is_unrecorded=True, exit_status=receipt.exit_status)
    return Verified(receipt=receipt, exit_status=receipt.exit_status)


def verify_tonight(archive: Archive, progress: VerifyProgress) -> Verified:
    """Decode what was never verified and what waited longest, and note the result.

    Raises:
        ArchiverError: As ``operations.archive.verify``.
    """
    ledger = archive.ledger
    ledger.refresh()
    scope = VerifyScope(keys=due_for_verification(ledger.holdings, nights=archive.settings.nightly.deep_nights))
    asked = VerifyAsked(depth="deep", scope=scope, public_key=ledger.descriptor.public_key)
    receipt, holdings = _checked(archive.settings, archive.run, ledger.store, ledger.anchor, asked, progress)
    if not receipt.problems:
        record(ledger, receipt, holdings, scope)
    return Verified(receipt=receipt, exit_status=receipt.exit_status)


def _checked(
    settings: Settings,
    run: Run,
    store: ObjectStore,
    anchor: Anchor | None,
    asked: VerifyAsked,
    progress: VerifyProgress,
) -> tuple[VerifyReceipt, Holdings]:
    """Check it.

    Args:
        anchor: None: it is a copy. Nothing is remembered of it, and no run can be about to name what lies in it.
    """
    litter_before, memory = None, None
    if anchor is not None:
        litter_before = (store.clock() or build.now()) - settings.sweep.grace
        memory = Memory(build.cache_dir(settings), archive_id=settings.archive_id)
    return check_archive(
        store,
        anchor,
        public_key=asked.public_key,
        depth=asked.depth,
        scope=asked.scope,
        run=run,
        progress=progress,
        litter_before=litter_before,
        memory=memory,
    )
