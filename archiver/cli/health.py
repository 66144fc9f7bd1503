"""``archiver health``."""

import archiver.cli.views.health  # noqa: F401 (its view is registered)
from archiver.app.health import look
from archiver.app.outcome import each
from archiver.cli.common import JsonOption, context, finish


def health(json_: JsonOption = False) -> None:
    """Whether the application and the nightly run are well.

    Asks the application's health page and the ledger, and raises an alert where something is not well. For cron, every
    few minutes (jobs/health-check). Alerts go to Alertmanager's API, or to a webhook that takes its
    messages, and end when all is well again. Exit status 0: all is well; 4: something is not; 2: nothing to look at.

    Example: ARCHIVER_HEALTH__APP_URL=https://whatsapp.owona.de/api/health archiver health
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    finish(output, each(lambda: look(settings)))
