"""``archiver sweep``."""

import archiver.cli.views.sweep  # noqa: F401 (its views are registered)
from archiver.app import sweep as use_case
from archiver.app.archive import open_archive
from archiver.app.outcome import each
from archiver.cli.common import ExecuteOption, JsonOption, WaitOption, context, finish


def sweep(execute: ExecuteOption = False, wait: WaitOption = False, json_: JsonOption = False) -> None:
    """Delete what crashed runs left in the store.

    Objects that no entry of the ledger names, and uploads that nobody finished, after a grace time (sweep.grace).

    Example: archiver sweep, then archiver sweep --execute
    """
    output = context.output(as_json=json_)
    with open_archive(context.load().settings, "write" if execute else "read", wait=wait) as archive:
        finish(output, each(lambda: use_case.sweep(archive, execute=execute)))
