"""Exporting: the tables of the database, and logs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from archiver.app import build
from archiver.app.archive import Archive
from archiver.app.keys import policy_key
from archiver.app.logs import chunk_source, loki_export
from archiver.app.outcome import Outcome
from archiver.errors import Interrupted, Partial
from archiver.model import Dataset
from archiver.operations.archive.sweep import finish_sweeps
from archiver.operations.logs.decode import LokiProgress
from archiver.operations.logs.export import LokiReceipt
from archiver.operations.logs.plan import ChunkPlan
from archiver.operations.tables.export import Export, ExportOptions, ExportProgress, ExportReceipt
from archiver.retention import ExportPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be exported.

    Attributes:
        since, until: Windows inside ``[since, until)``; None: unbounded.
        accepts_drift: Names of datasets whose lossy schema change a person agrees to.
        dry_run: Only decide.
    """

    since: datetime | None = None
    until: datetime | None = None
    accepts_drift: frozenset[str] = frozenset()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesPlanned(Outcome):
    """What an export of tables would do."""

    plans: Sequence[ExportPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesExported(Outcome):
    """What an export of tables did."""

    receipt: ExportReceipt
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsPlanned(Outcome):
    """What an export of logs would do."""

    plan: ChunkPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsExported(Outcome):
    """What an export of logs did."""

    receipt: LokiReceipt
    elapsed_s: float


def export_tables(
    archive: Archive, chosen: Sequence[Dataset], asked: Asked, progress: ExportProgress
) -> TablesPlanned | TablesExported:
    """Archive these datasets of the database.

    Raises:
        ArchiverError: As ``Export.plan`` and ``Export.run``.
    """
    settings = archive.settings
    started = time.monotonic()
    if not asked.dry_run:
        finish_sweeps(archive.ledger)
    work = Export(
        archive.ledger,
        build.build_source(settings, archive.run.stop),
        chosen,
        since=asked.since,
        until=asked.until,
        options=ExportOptions(
            **dict(settings.export),
            accepted_drift=asked.accepts_drift,
            privacy_key=policy_key(settings, chosen),
        ),
        run=archive.run,
        progress=progress,
    )
    if asked.dry_run:
        return TablesPlanned(plans=work.plan())
    receipt = work.run()
    return TablesExported(
        receipt=receipt,
        elapsed_s=time.monotonic() - started,
        exit_status=_tables_status(receipt),
        problems=tuple(receipt.problems),
        interrupted=_interrupted() if receipt.interrupted else None,
    )


def export_logs(archive: Archive, asked: Asked, progress: LokiProgress) -> LogsPlanned | LogsExported:
    """Archive Loki's chunks.

    Raises:
        ArchiverError: As ``LokiExport.plan`` and ``LokiExport.run``.
    """
    logs = archive.logs
    started = time.monotonic()
    with chunk_source(archive.settings, archive.run) as source:
        work = loki_export(
            archive.settings,
            source,
            archive.ledger,
            archive.run,
            progress,
            since=asked.since,
            until=asked.until,
            accepts_drift=logs is not None and logs.name in asked.accepts_drift,
        )
        if asked.dry_run:
            return LogsPlanned(plan=work.plan())
        receipt = work.run()
    return LogsExported(
        receipt=receipt,
        elapsed_s=time.monotonic() - started,
        exit_status=_logs_status(receipt),
        interrupted=_interrupted() if receipt.interrupted else None,
    )


def _tables_status(receipt: ExportReceipt) -> int:
    if receipt.interrupted:
        return Interrupted.exit_status
    problems = receipt.problems
    if not problems:
        return 0
    alone = len(problems) == len(receipt.datasets) and len({problem.exit_status for problem in problems}) == 1
    return problems[0].exit_status if alone else Partial.exit_status


def _logs_status(receipt: LokiReceipt) -> int:
    if receipt.interrupted:
        return Interrupted.exit_status
    return Partial.exit_status if receipt.in_quarantine or receipt.lost else 0


def _interrupted() -> Interrupted:
    return Interrupted("asked to stop; what was committed stays", hint="run again to go on")
