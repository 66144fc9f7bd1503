"""Verify an archive, or a copy of one: with what this machine remembers of it, and when litter is overdue."""

from typing import Literal

from archiver.app import build
from archiver.config import Settings
from archiver.contracts import Anchor, ObjectStore
from archiver.ledger.holdings import Holdings
from archiver.ledger.memory import Memory
from archiver.operations.archive.verify import VerifyProgress, VerifyReceipt, VerifyScope, verify
from archiver.operations.steps.run import Run


def verify_archive(
    settings: Settings,
    run: Run,
    store: ObjectStore,
    anchor: Anchor | None,
    *,
    public_key: str | None,
    depth: Literal["digest", "deep"],
    scope: VerifyScope,
    progress: VerifyProgress,
) -> tuple[VerifyReceipt, Holdings]:
    """Check a whole archive, as ``operations.archive.verify`` does.

    Args:
        anchor: None: it is a copy. Nothing is remembered of it, and no run can be about to name what lies in it.
    """
    litter_before, memory = None, None
    if anchor is not None:
        litter_before = (store.clock() or build.now()) - settings.sweep.grace
        memory = Memory(build.cache_dir(settings), archive_id=settings.archive_id)
    return verify(
        store,
        anchor,
        public_key=public_key,
        depth=depth,
        scope=scope,
        run=run,
        progress=progress,
        litter_before=litter_before,
        memory=memory,
    )
