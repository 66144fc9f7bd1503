"""``archiver stack check``."""

import typer

from archiver.app.stack import check_deployed_stack
from archiver.cli.common import JsonOption, context
from archiver.cli.views import stack as render_stack
from archiver.stack.check import exit_status


def check(json_: JsonOption = False) -> None:
    """Whether the monitoring stack keeps what was promised.

    Prometheus, Loki, Alertmanager, the compose file, log directories, buckets and the database. Changes nothing.

    Compares what is configured with what is in force and with what is observed. What cannot be told is never ok.
    Exit status 0: every check that ran passed; 4: one is broken or cannot be told to be kept.

    Example: ARCHIVER_PROMETHEUS_URL=http://127.0.0.1:9090 archiver stack check
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    findings = check_deployed_stack(settings)
    status = exit_status(findings)
    render_stack.findings(output, findings, status)
    if status:
        raise typer.Exit(status)
