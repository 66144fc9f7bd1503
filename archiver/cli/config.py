"""``archiver config show`` and ``validate``."""

from typing import Annotated

import typer

from archiver.app import build, keys
from archiver.cli.common import JsonOption, context
from archiver.cli.views import console as views
from archiver.config import describe
from archiver.section import format_duration


def show(
    origin: Annotated[bool, typer.Option("--origin", help="Also where each value came from.")] = False,
    json_: JsonOption = False,
) -> None:
    """Every setting and its value. Secrets are hidden.

    Example: archiver config show --origin
    """
    output = context.output(as_json=json_)
    shown = describe(context.load())
    if output.as_json:
        output.json_document(shown)
        return
    made = views.table("setting", "value", *(["origin"] if origin else []))
    for setting in shown:
        made.add_row(setting.name, setting.value, *([setting.origin] if origin else []))
    output.answer(made)


def validate() -> None:
    """Check every setting, touching nothing.

    No network, no database, no store is asked; the key files are read.

    Example: archiver --config /etc/archiver/archiver.toml --verbose config validate
    """
    output = context.output()
    loaded = context.load()
    settings = loaded.settings
    build.store_location(settings)
    build.build_anchor(settings)
    keys.load_signer(settings)
    output.say(f"{loaded.config_file or 'no configuration file'}: every setting is understood")
    for dataset in settings.resolved_datasets():
        kept = "never purged" if dataset.source_retention is None else format_duration(dataset.source_retention)
        held = "not chosen" if dataset.archive_retention is None else format_duration(dataset.archive_retention)
        output.say(f"{dataset.name}: source {kept}, archive {held}")
