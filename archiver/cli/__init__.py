"""The command line, a module for each command. A command is a shell: settings, plan, execution, rendering, status."""

import traceback
from pathlib import Path

from archiver.cli import (
    alerts,
    compact,
    config,
    demo,
    doctor,
    export,
    health,
    hold,
    init,
    loki,
    nightly,
    purge,
    report,
    stack,
    status,
    sweep,
    verify,
)
from archiver.cli.common import app, context
from archiver.errors import ArchiverError
from archiver.render import Output

COMMANDS = (
    init,
    export,
    verify,
    purge,
    status,
    doctor,
    nightly,
    health,
    report,
    stack,
    hold,
    loki,
    compact,
    sweep,
    config,
    alerts,
    demo,
)
"""Importing a module registers the commands that it holds."""

UNEXPECTED = 1


def main(arguments: list[str] | None = None) -> None:
    """Run, and turn whatever was raised into one line and an exit status."""
    context.verbose = False
    output = Output()
    try:
        app(args=arguments, prog_name="archiver")
    except ArchiverError as problem:
        output.error(problem)
        raise SystemExit(problem.exit_status) from None
    except Exception as problem:
        # A library's message may quote what it stumbled over, and that may be a row: only a person who asks sees it.
        if context.verbose:
            raise
        place = traceback.extract_tb(problem.__traceback__)[-1]
        output.err.print(
            f"error: unexpected {type(problem).__name__} at {Path(place.filename).name}:{place.lineno}; what was"
            " committed before stays",
            style="bold red",
        )
        output.err.print("hint: run again with --verbose for the details, and report them")
        raise SystemExit(UNEXPECTED) from None
