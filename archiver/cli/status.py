"""``archiver status``."""

from archiver.app.archive import open_archive
from archiver.app.status import archive_status
from archiver.cli.common import JsonOption, context
from archiver.cli.views import status as views


def status(json_: JsonOption = False) -> None:
    """What is held, how far it reaches, what is overdue.

    From the ledger alone: no database is asked, nothing is changed.

    Example: archiver status --json
    """
    output = context.output(as_json=json_)
    with open_archive(context.load().settings, "read") as archive:
        views.archive_status(output, archive_status(archive))
