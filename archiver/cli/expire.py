"""``archiver expire``."""

import archiver.cli.views.expire  # noqa: F401 (its views are registered)
from archiver.app import expire as use_case
from archiver.app.archive import open_archive
from archiver.app.outcome import each
from archiver.cli.common import (
    ConfirmOption,
    DatasetsArgument,
    ExecuteOption,
    JsonOption,
    WaitOption,
    chosen_datasets,
    context,
    finish,
)
from archiver.cli.views.deletion import DeletionView


def expire(
    datasets: DatasetsArgument = None,
    execute: ExecuteOption = False,
    confirm: ConfirmOption = None,
    wait: WaitOption = False,
    json_: JsonOption = False,
) -> None:
    """Delete from the archive what it may no longer hold.

    The object, all its versions, then a look whether it is really gone. Until archive_retention is set, nothing goes.

    Example: archiver expire, then archiver expire --execute
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    chosen = chosen_datasets(settings, datasets, with_logs=True)
    jobs = settings.verify.jobs
    with open_archive(settings, "write" if execute else "read", jobs=jobs, wait=wait) as archive:
        view = DeletionView(output)
        if execute:
            finish(output, each(lambda: use_case.expire(archive, chosen, view, confirm=confirm)))
        else:
            finish(output, each(lambda: use_case.plan_expiry(archive, chosen, view)))
