"""``archiver run nightly``."""

from contextlib import ExitStack
from typing import Annotated

import typer

from archiver.app import build
from archiver.app.archive import Archive, opened_in
from archiver.app.asked import answer_request, build_requests
from archiver.app.nightly import spend_night
from archiver.cli.common import JsonOption, WaitOption, context
from archiver.cli.views.night import NightView
from archiver.config import Settings
from archiver.errors import ArchiverError, Conflict, Interrupted
from archiver.operations.steps.run import Run


def nightly(
    execute: Annotated[
        bool,
        typer.Option("--execute", help="Delete what is due. Without, everything else is done and nothing deleted."),
    ] = False,
    if_asked: Annotated[
        bool,
        typer.Option(
            "--if-asked", help="Only when somebody asked for it in the database: take the request, tell how it ended."
        ),
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
    output = context.output(as_json=json_)
    settings = context.load().settings
    view = NightView(output, build.now)
    with build.new_run(settings, jobs=settings.export_jobs) as run:

        def night() -> int:
            return _spend(settings, run, view, execute=execute, wait=wait)

        if if_asked:
            requests, policy = build_requests(settings, run.stop), build.retry_policy(settings, run.stop)
            status = answer_request(requests, policy, run.name, night, output.warn)
        else:
            status = night()
    if status is None:
        output.say("nobody has asked for a run; nothing was done")
    elif status:
        raise typer.Exit(status)


def _spend(settings: Settings, run: Run, view: NightView, *, execute: bool, wait: bool) -> int:
    with ExitStack() as stack:
        archive: Archive | ArchiverError
        try:
            archive = stack.enter_context(opened_in(run, settings, "write", wait=wait))
        except (Conflict, Interrupted):
            # Another run is at work, and tells of itself.
            raise
        except ArchiverError as problem:
            archive = problem
        return spend_night(settings, run, archive, view, execute=execute)
