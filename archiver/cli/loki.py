"""Logs: their part of ``archiver export``, and ``archiver loki``."""

import time
from datetime import datetime
from typing import Annotated

import typer

from archiver.app import logs as wiring_loki
from archiver.app.archive import open_archive
from archiver.cli.common import INTERRUPTED, context
from archiver.cli.views import logs as views
from archiver.cli.views.console import Output
from archiver.config import Settings
from archiver.errors import ConfigError, Partial
from archiver.ledger.ledger import Ledger
from archiver.operations.logs.export import LokiReceipt
from archiver.operations.logs.export import release as release_chunk
from archiver.operations.steps.run import Run

LOGS = "loki"


def export_logs(
    output: Output,
    settings: Settings,
    run: Run,
    ledger: Ledger,
    asked: tuple[datetime | None, datetime | None],
    *,
    dry_run: bool,
    accepts_drift: bool,
) -> int:
    """Archive Loki's chunks, between two times where these are given. Returns the exit status."""
    started = time.monotonic()
    since, until = asked
    with wiring_loki.chunk_source(settings, run) as source, views.LokiView(output) as view:
        work = wiring_loki.loki_export(
            settings, source, ledger, run, view, since=since, until=until, accepts_drift=accepts_drift
        )
        if dry_run:
            plan = work.plan()
        else:
            receipt = work.run()
    if dry_run:
        views.loki_plan(output, plan)
        return 0
    elapsed_s = time.monotonic() - started
    views.loki_receipt(output, receipt, elapsed_s)
    status = _status(receipt)
    if output.as_json:
        fields = {"command": "export", "dataset": LOGS, "exit": status, "elapsed_s": elapsed_s}
        output.json_line("summary", {**fields, **views.receipt_fields(receipt)})
    elif receipt.in_quarantine and not receipt.quarantined:
        output.warn(f"{receipt.in_quarantine} unsound chunks are in quarantine; `archiver status` names them")
    return status


def _status(receipt: LokiReceipt) -> int:
    if receipt.interrupted:
        return INTERRUPTED
    return Partial.exit_status if receipt.in_quarantine or receipt.lost else 0


def release(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="As `archiver status` shows it.")],
    reason: Annotated[str, typer.Option(help="What was found; no personal data.")],
) -> None:
    """Take a chunk off the list of quarantined ones. Its bytes stay where they are.

    Example: archiver loki release 3f1c… --reason "disk replaced, the stream is complete in another chunk"
    """
    with open_archive(context.load().settings, "write") as archive:
        chunks = archive.ledger.holdings.dataset(LOGS).chunks
        found = [sha256 for sha256 in chunks.quarantined if sha256.startswith(digest)]
        if len(found) != 1 or not reason.strip():
            raise ConfigError(
                f"{len(found)} quarantined chunks have a digest that begins with {digest}; nothing was released",
                hint="`archiver status` names each with its digest",
            )
        release_chunk(archive.ledger, LOGS, found[0], reason.strip())
    context.output().say(f"{found[0]} released")
