"""The program itself: its commands as a table, the global options, and what is printed when something fails.

A command's module is imported when the command is called, or asked for its own help: the program, its list of commands
and the completion of their names start without the libraries that only some commands need.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from archiver import __version__

Entry = tuple[str, str] | tuple[str, Mapping[str, "Entry"]]
ALERTS: Mapping[str, Entry] = {
    "serve": ("alerts:serve", "Take in alerts and answer questions about them."),
    "list": ("alerts:show", "What fires, from the service's database."),
    "ack": ("alerts:ack", "Take a firing alert on: nobody is called for it until then."),
    "token": (
        "Who may ask, write or post.",
        {
            "add": ("alerts:token_add", "Make a token and print it, once: the last line."),
            "list": ("alerts:token_list", "Names and scopes; the tokens themselves are nowhere."),
            "remove": ("alerts:token_remove", "Forget a token: it counts no longer, from the next request on."),
        },
    ),
}
COMMANDS: Mapping[str, Entry] = {
    "init": ("init:init", "Begin an archive: private key, store, anchor, configuration file."),
    "export": ("export:export", "Archive every finished window that is new or has changed."),
    "verify": ("verify:verify", "Check the archive against its ledger."),
    "purge": ("purge:purge", "Delete from the database what is too old and provably archived."),
    "expire": ("expire:expire", "Delete from the archive what it may no longer hold."),
    "compact": ("compact:compact", "Merge the small parts of days that are over."),
    "run": (
        "Several steps in one run.",
        {"nightly": ("nightly:nightly", "The whole night as one command, each failure contained.")},
    ),
    "status": ("status:status", "What is held, how far it reaches, what is overdue."),
    "health": ("health:health", "Whether the application and the nightly run are well."),
    "doctor": ("doctor:doctor", "What is not ready, and how to make it so."),
    "report": ("report:report", "The audit report of a period, proven by the ledger alone."),
    "stack": (
        "Look at the deployed monitoring stack.",
        {"check": ("stack:check", "Whether the monitoring stack keeps what was promised.")},
    ),
    "loki": (
        "Loki's chunks that need a person.",
        {"release": ("loki:release", "Take a chunk off the list of quarantined ones.")},
    ),
    "hold": (
        "Stop every deletion of what a case needs.",
        {
            "add": ("hold:add", "Place a hold: what it covers is not deleted until released."),
            "release": ("hold:release", "End a hold."),
            "list": ("hold:show", "The holds in force."),
        },
    ),
    "sweep": ("sweep:sweep", "Delete what crashed runs left in the store."),
    "config": (
        "Look at the configuration, and check it.",
        {
            "show": ("config:show", "Every setting and its value."),
            "validate": ("config:validate", "Check every setting, touching nothing."),
        },
    ),
    "alerts": ("The alert service: an inbox for Alertmanager.", ALERTS),
    "demo": ("demo:demo", "Archive 45 days of invented rows from an embedded Postgres."),
}
"""By name, in the order in which a person meets them: first what a night does, then what one looks at.

A command is its function (``module:function`` in this package) and the first sentence of its help; a group is its own
line and its commands, which may be groups again.
"""


def called(place: str) -> Any:
    """The function that ``module:function`` names; its module is imported now."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"archiver.cli.{module}"), name)


class Listed(TyperCommand):
    """A command as the list of commands shows it. What it is to be called with only its module knows."""

    def __init__(self, name: str, place: str, line: str) -> None:
        super().__init__(name, help=line)
        self.place = place

    def real(self) -> Any:
        """The command itself."""
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(self.name)(called(self.place))
        return typer.main.get_command(alone)


class Group(TyperGroup):
    """Commands that are imported when they are called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first word names, imported; the words after it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.real() if isinstance(command, Listed) else command, rest


def _made(name: str, entry: Entry) -> Listed | Group:
    first, second = entry
    if isinstance(second, str):
        return Listed(name, first, second)
    commands = {each: _made(each, listed) for each, listed in second.items()}
    return Group(name=name, help=first, commands=dict(commands), no_args_is_help=True, rich_markup_mode=None)


class _Program(Group):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(_made(name, entry))


app = typer.Typer(
    name="archiver",
    cls=_Program,
    help="Keep logs as long as promised, prove it, and delete them on time.",
    epilog="Exit status: 0 done and proven · 1 unexpected · 2 usage or configuration, nothing touched · 3 partial"
    " · 4 the archive contradicts its ledger · 5 another run is at work · 6 a guard refused a deletion"
    " · 75 temporary, ask again · 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(slots=True)
class Options:
    """What the global options say. The callback sets it anew at each call."""

    config_file: Path | None = None
    quiet: bool = False
    verbose: bool = False


options = Options()


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"archiver {__version__}\n")
        raise typer.Exit


@app.callback()
def _globals(
    config: Annotated[Path | None, typer.Option(help="The configuration file, instead of the one found.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only data and errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also tell of success without a terminal.")] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    options.config_file, options.quiet, options.verbose = config, quiet, verbose


def main(arguments: list[str] | None = None) -> None:
    """Run, and turn whatever was raised into one line and an exit status."""
    options.verbose = False
    try:
        app(args=arguments, prog_name="archiver")
    except Exception as problem:
        status = called("failure:tell")(problem, verbose=options.verbose)
        if status is None:
            raise
        raise SystemExit(status) from None
