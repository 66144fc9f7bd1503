"""``archiver demo``."""

from pathlib import Path
from typing import Annotated

import typer

from archiver import demo as demonstration
from archiver.cli.common import context


def demo(
    directory: Annotated[
        Path | None, typer.Option(help="Where; without: below the system's temporary directory.")
    ] = None,
) -> None:
    """Archive 45 days of invented rows from an embedded Postgres.

    Needs no account and no server; nothing leaves the machine.

    Example: archiver demo --directory /tmp/archiver-demo
    """
    status = demonstration.run(context.output().answer, (directory or demonstration.default_directory()).absolute())
    if status:
        raise typer.Exit(status)
