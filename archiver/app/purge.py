"""Purging: the tables of the database, and logs."""

from collections.abc import Sequence
from dataclasses import dataclass

from archiver.app import deletion
from archiver.app.archive import Archive
from archiver.app.keys import policy_key
from archiver.app.logs import chunk_source, loki_purge
from archiver.app.outcome import Outcome
from archiver.app.stack import oldest_log_lines
from archiver.contracts import Purgeable
from archiver.errors import Partial
from archiver.model import Dataset, Finding, HoldPlaced, Statement, Verdict
from archiver.operations.logs.decode import LokiProgress
from archiver.operations.logs.purge import LokiPurgePlan, LokiPurgeReceipt, loki_plan_word
from archiver.operations.tables.purge import Purge, PurgeOptions, PurgeProgress, PurgeReceipt, plan_word
from archiver.retention import PurgePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesPlanned(Outcome):
    """What a purge of tables would do.

    Attributes:
        refused: Why the guard would refuse it.
        word: Confirms exactly these plans.
        lost: Holds on persons that today's privacy key cannot find.
    """

    plans: Sequence[PurgePlan]
    refused: Sequence[Statement]
    word: str
    lost: Sequence[HoldPlaced]


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesPurged(Outcome):
    """What a purge of tables did.

    Attributes:
        lost: Holds on persons that today's privacy key cannot find.
    """

    receipt: PurgeReceipt
    lost: Sequence[HoldPlaced]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsLooked(Outcome):
    """What of Loki's chunks is too old or in danger, where nothing was deleted.

    Attributes:
        findings: What Loki itself says of the oldest line that it still has, where deleting is its own business.
        executed: It was asked to delete; these chunks are not for us.
    """

    plan: LokiPurgePlan
    findings: Sequence[Finding]
    refused: Sequence[Statement]
    word: str
    executed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsPurged(Outcome):
    """What a purge of logs did."""

    plan: LokiPurgePlan
    receipt: LokiPurgeReceipt


def plan_tables(
    archive: Archive, source: Purgeable, chosen: Sequence[Dataset], progress: PurgeProgress
) -> TablesPlanned:
    """What may leave the database, and whether the guard would let it."""
    plans, _ = purge_of(archive, source, chosen, progress).plan(look=True)
    refused = deletion.refusals(archive, source, plans)
    lost = deletion.holds_of_another_key(archive.settings, archive.ledger.holdings)
    return TablesPlanned(plans=plans, refused=refused, word=plan_word(plans), lost=lost)


def purge_tables(
    archive: Archive,
    source: Purgeable,
    chosen: Sequence[Dataset],
    progress: PurgeProgress,
    *,
    confirm: str | None = None,
) -> TablesPurged:
    """Delete what may leave the database, unless the guard refuses.

    Raises:
        ArchiverError: As ``Purge.execute``, and ``Refused``.
    """
    work = purge_of(archive, source, chosen, progress)
    # The clocks before anything is written: our own entry would make the last one fresh.
    early = deletion.refusals(archive, source, ())
    reconciled = work.reconcile()
    plans, _ = work.plan()
    refused = tuple(dict.fromkeys([*early, *deletion.refusals(archive, source, plans)]))
    confirmation = deletion.confirmed("purge", refused, word=plan_word(plans), given=confirm)
    receipt = work.execute(plans, confirmed=confirmation)
    receipt.rows_reconciled = reconciled
    return TablesPurged(
        receipt=receipt,
        lost=deletion.holds_of_another_key(archive.settings, archive.ledger.holdings),
        exit_status=deletion.status_of(receipt.problems, left=deletion.broken_promises(receipt.kept)),
        problems=tuple(receipt.problems),
        interrupted=deletion.interruption(receipt),
    )


def purge_of(archive: Archive, source: Purgeable, chosen: Sequence[Dataset], progress: PurgeProgress) -> Purge:
    """A purge as the settings want it; decides and does nothing yet."""
    settings = archive.settings
    return Purge(
        archive.ledger,
        source,
        chosen,
        options=PurgeOptions(
            **dict(deletion.purge_settings(settings)),
            subject_digest=deletion.subject_digest(settings),
            privacy_key=policy_key(settings, chosen),
        ),
        run=archive.run,
        now=archive.planning_time(),
        progress=progress,
    )


# ── Logs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def purge_logs(
    archive: Archive, progress: LokiProgress, *, execute: bool, confirm: str | None = None
) -> LogsLooked | LogsPurged:
    """Say what of Loki's chunks is too old or in danger, and delete it where that is for us.

    Raises:
        ArchiverError: As ``PurgeLoki.execute``, and ``Refused``.
    """
    settings, ledger = archive.settings, archive.ledger
    deletes = settings.loki.delete == "files"
    findings = () if deletes else oldest_log_lines(settings, settings.loki.source_retention)
    with chunk_source(settings, archive.run) as source:
        work = loki_purge(settings, source, ledger, archive.run, progress, now=archive.planning_time())
        early = deletion.refusals(archive, None, ()) if execute and deletes else ()
        reconciled = work.reconcile() if execute else 0
        plan = work.plan()
        late = deletion.refusals(archive, None, (plan,), unit="chunks") if deletes else ()
        refused = tuple(dict.fromkeys([*early, *late]))
        word = loki_plan_word(plan)
        status = _standing(plan, findings)
        if not execute or not deletes:
            return LogsLooked(
                plan=plan, findings=findings, refused=refused, word=word, executed=execute, exit_status=status
            )
        confirmation = deletion.confirmed("purge loki", refused, word=word, given=confirm)
        receipt = work.execute(plan, confirmed=confirmation)
        receipt.chunks_reconciled = reconciled
    status = max((problem.exit_status for problem in receipt.problems), default=status)
    if not status and deletion.broken_promises({plan.dataset: receipt.kept}):
        status = Partial.exit_status
    return LogsPurged(
        plan=plan,
        receipt=receipt,
        exit_status=status,
        problems=tuple(receipt.problems),
        interrupted=deletion.interruption(receipt),
    )


def _standing(plan: LokiPurgePlan, findings: Sequence[Finding]) -> int:
    """Partial where a chunk is too old or in danger, or where Loki still shows what it should not, or will not tell."""
    if plan.broken or any(finding.verdict is not Verdict.OK for finding in findings):
        return Partial.exit_status
    return 0
