"""``archiver doctor``."""

import typer

from archiver.app.doctor import examine
from archiver.cli.common import JsonOption, context
from archiver.cli.views import doctor as render_doctor
from archiver.doctor import exit_status, of_error
from archiver.errors import ConfigError


def doctor(json_: JsonOption = False) -> None:
    """What is not ready, and how to make it so.

    Looks at this machine, the settings, the archive, the database and whatever else the settings name, and changes
    nothing: a probe's objects are taken out of the store again. Each finding comes with its fix.

    Exit status: that of the worst finding, which a command would end with; 3: only warnings; 0: all is well.

    Example: archiver doctor --json
    """
    output = context.output(as_json=json_)
    try:
        diagnoses = examine(context.load())
    except ConfigError as error:
        # Settings that cannot be read are a finding too; without them there is nothing else to look at.
        diagnoses = (of_error("settings.valid", "settings", error),)
    status = exit_status(diagnoses)
    render_doctor.diagnoses(output, diagnoses, status)
    if status:
        raise typer.Exit(status)
