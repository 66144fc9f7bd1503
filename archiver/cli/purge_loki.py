"""Logs: their part of ``archiver purge``."""

from archiver.app import deletion as wiring_deletion
from archiver.app import logs as wiring_loki
from archiver.app import stack as wiring_stack
from archiver.cli.common import ended
from archiver.cli.views import purge_logs as views
from archiver.cli.views.console import Output
from archiver.config import Settings
from archiver.errors import Partial
from archiver.ledger.ledger import Ledger
from archiver.model import Finding, Verdict, is_hold
from archiver.operations.logs.purge import LokiPurgePlan, loki_plan_word
from archiver.operations.steps.run import Run


def purge_logs(
    output: Output, settings: Settings, run: Run, ledger: Ledger, *, execute: bool, confirm: str | None = None
) -> int:
    """Say what of Loki's chunks is too old or in danger, and delete it where that is for us. Returns the exit status.

    Raises:
        ArchiverError: As ``PurgeLoki.execute`` and the guard.
    """
    deletes = settings.loki.delete == "files"
    findings = () if deletes else wiring_stack.oldest_log_lines(settings, settings.loki.source_retention)
    with wiring_loki.chunk_source(settings, run) as source:
        now = wiring_deletion.deletion_time()
        work = wiring_loki.loki_purge(settings, source, ledger, run, views.SilentProof(), now=now)
        early = wiring_deletion.refusals(settings, ledger, None, ()) if execute and deletes else ()
        reconciled = work.reconcile() if execute else 0
        plan = work.plan()
        refused = (*early, *wiring_deletion.refusals(settings, ledger, None, (plan,), unit="chunks")) if deletes else ()
        if not execute or not deletes:
            status = _status(plan, findings)
            refused = tuple(dict.fromkeys(refused))
            views.loki_purge_plan(output, plan, findings, refused, loki_plan_word(plan), status, execute=execute)
            return status
        said = wiring_deletion.confirmed(
            "purge loki", tuple(dict.fromkeys(refused)), word=loki_plan_word(plan), given=confirm
        )
        receipt = work.execute(plan, confirmed=said)
        receipt.chunks_reconciled = reconciled
    kept = sum(count for why, count in receipt.kept.items() if not is_hold(why))
    status = max((problem.exit_status for problem in receipt.problems), default=_status(plan, findings))
    if not status and kept:
        status = Partial.exit_status
    views.loki_purge_receipt(output, plan, receipt, status)
    return ended(output, receipt.problems, interrupted=receipt.interrupted, status=status)


def _status(plan: LokiPurgePlan, findings: tuple[Finding, ...]) -> int:
    """Partial where a chunk is too old or in danger, or where Loki still shows what it should not, or will not tell."""
    if plan.broken or any(one.verdict is not Verdict.OK for one in findings):
        return Partial.exit_status
    return 0
