"""What is printed where a command failed, and the exit status for it."""

import traceback
from pathlib import Path

from archiver.cli.views.console import Output
from archiver.errors import ArchiverError

UNEXPECTED = 1


def tell(problem: Exception, *, verbose: bool) -> int | None:
    """Print what happened in one line, and the next step. Returns the exit status; None: a person wants all of it."""
    output = Output()
    if isinstance(problem, ArchiverError):
        output.error(problem)
        return problem.exit_status
    # A library's message may quote what it stumbled over, and that may be a row: only a person who asks sees it.
    if verbose:
        return None
    place = traceback.extract_tb(problem.__traceback__)[-1]
    output.err.print(
        f"error: unexpected {type(problem).__name__} at {Path(place.filename).name}:{place.lineno}; what was"
        " committed before stays",
        style="bold red",
    )
    output.err.print("hint: run again with --verbose for the details, and report them")
    return UNEXPECTED
