"""``archiver run nightly``."""

from contextlib import ExitStack
from typing import Annotated

import typer

from archiver.app import build
from archiver.app.archive import Archive, opened_in
from archiver.app.nightly import spend_night
from archiver.cli.common import JsonOption, WaitOption, context
from archiver.cli.views.night import NightView
from archiver.errors import ArchiverError, Conflict, Interrupted


def nightly(
    execute: Annotated[
        bool,
        typer.Option("--execute", help="Delete what is due. Without, everything else is done and nothing deleted."),
    ] = False,
    wait: WaitOption = False,
    json_: JsonOption = False,
) -> None:
    """The whole night as one command, each failure contained.

    Export, verify, purge, expire, compact, stack check, report; one summary line and one exit status, the worst. What
    cron calls (jobs/nightly). Silent when all is well and nobody watches; -v gives log lines, JSON without a
    terminal.

    Example: archiver run nightly --execute
    """
    settings = context.load().settings
    view = NightView(context.output(as_json=json_), build.now)
    with ExitStack() as stack:
        run = stack.enter_context(build.new_run(settings, jobs=settings.export_jobs))
        archive: Archive | ArchiverError
        try:
            archive = stack.enter_context(opened_in(run, settings, "write", wait=wait))
        except (Conflict, Interrupted):
            # Another run is at work, and tells of itself.
            raise
        except ArchiverError as problem:
            archive = problem
        status = spend_night(settings, run, archive, view, execute=execute)
    if status:
        raise typer.Exit(status)
