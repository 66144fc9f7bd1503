"""What the night's numbers are sent to: a textfile for Prometheus's node exporter, an OTLP endpoint."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal

from archiver import __version__
from archiver.app.archive import datasets_of
from archiver.app.night import NightWork
from archiver.config import Settings
from archiver.errors import ArchiverError
from archiver.ledger.holdings import Holdings
from archiver.model import Dataset, Finding, RunEnded
from archiver.operations.archive.verify import VerifyReceipt
from archiver.telemetry import textfile
from archiver.telemetry.metrics import DatasetCounts, RunFacts, series_of


def publish(
    settings: Settings,
    ended: RunEnded,
    work: NightWork,
    *,
    holdings: Holdings | None,
    verified: VerifyReceipt | None,
    findings: tuple[Finding, ...] | None,
    now: datetime,
) -> Iterator[str]:
    """Send a night's numbers wherever the settings want them. Gives what went wrong; nothing of it is raised."""
    rules = settings.metrics
    if rules.textfile is None and rules.otlp_url is None:
        return
    datasets = datasets_of(settings)
    facts = RunFacts(
        version=__version__,
        ended_at=now,
        ended=ended,
        counts=_counts(datasets, work),
        holdings=holdings,
        retention=_retention(datasets),
        verified=None if verified is None else _outcomes(verified),
        findings=findings,
    )
    before = {} if rules.textfile is None else textfile.read_series(rules.textfile)
    series = series_of(facts, before)
    if rules.textfile is not None:
        try:
            textfile.write_series(rules.textfile, series)
        except ArchiverError as problem:
            yield problem.message
    if rules.otlp_url is not None:
        from archiver.telemetry import otlp  # noqa: PLC0415 (a third of a second)

        token = rules.otlp_token
        headers = {} if token is None else {"x-otlp-token": token.get_secret_value()}
        try:
            otlp.send(rules.otlp_url, series, at=now, headers=headers, timeout_s=rules.timeout_s)
        except otlp.NotSent as problem:
            yield str(problem)


def _counts(datasets: Iterable[Dataset], work: NightWork) -> dict[str, DatasetCounts]:
    counts = {dataset.name: DatasetCounts() for dataset in datasets}
    for name, done in work.datasets.items():
        counts[name] = DatasetCounts(
            exported=done.rows_exported,
            purged=done.rows_purged,
            expired=done.rows_expired,
            bytes_exported=done.bytes_exported,
            bytes_expired=done.bytes_expired,
        )
    return counts


def _retention(datasets: Iterable[Dataset]) -> dict[tuple[str, Literal["source", "archive"]], timedelta]:
    periods: dict[tuple[str, Literal["source", "archive"]], timedelta] = {}
    for dataset in datasets:
        if dataset.source_retention is not None:
            periods[dataset.name, "source"] = dataset.source_retention
        if dataset.archive_retention is not None:
            periods[dataset.name, "archive"] = dataset.archive_retention
    return periods


def _outcomes(receipt: VerifyReceipt) -> dict[Literal["ok", "failed", "unchecked"], int]:
    failed = len(receipt.problems)
    return {"ok": max(0, receipt.segments - failed), "failed": failed, "unchecked": receipt.skipped}
