"""What every command shares: the program itself, the global options, how times and datasets are named."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from archiver import __version__, wiring
from archiver.config import Settings, load, parse_since
from archiver.config.sources import Loaded
from archiver.errors import ArchiverError, ConfigError, Interrupted
from archiver.model import Dataset
from archiver.render import Output

INTERRUPTED = 130

ORDER = (
    *("init", "export", "verify", "purge", "expire", "compact", "run"),
    *("status", "health", "doctor", "report", "stack", "loki", "hold", "sweep", "config", "alerts", "demo"),
)
"""In which a person meets the commands: first what a night does, then what one looks at. Others come after them."""


class _InOrder(TyperGroup):
    """The list of commands in ``ORDER``, and not in that of our imports."""

    def list_commands(self, ctx: Any) -> list[str]:
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    name="archiver",
    cls=_InOrder,
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


class Context:
    """What the global options say. The callback sets it anew at each call."""

    config_file: Path | None = None
    quiet: bool = False
    verbose: bool = False

    def output(self, *, as_json: bool = False) -> Output:
        """Where a command prints."""
        return Output(as_json=as_json, quiet=self.quiet, verbose=self.verbose)

    def load(self, **overrides: Any) -> Loaded:
        """The settings, with flags on top."""
        return load(config_file=self.config_file, overrides=overrides)


context = Context()

JsonOption = Annotated[bool, typer.Option("--json", help="Data as JSON on stdout, everything else on stderr.")]
JobsOption = Annotated[int | None, typer.Option(min=1, max=64, help="How much is done at the same time.")]
SinceOption = Annotated[
    str | None,
    typer.Option(help="A date (2026-11-01), a timestamp (2026-11-01T06:30:00Z) or an age (24h, 7d, yesterday)."),
]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for another run to end, instead of exit status 5.")]
UntilOption = Annotated[str | None, typer.Option(help="Likewise. Exclusive; whole windows are taken.")]


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
    context.config_file, context.quiet, context.verbose = config, quiet, verbose


def warn_of_key(output: Output, settings: Settings) -> None:
    """Say what a person should know of the data API's key."""
    if warning := wiring.key_warning(settings):
        output.warn(warning)


def bounds(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The times that two options mean.

    Raises:
        ConfigError: They cannot be read, lie in the future, or contradict each other.
    """
    now = wiring.now()
    low = None if since is None else parse_since(since, now, option="--since")
    high = None if until is None else parse_since(until, now, option="--until")
    if low is not None and low > now:
        raise ConfigError(f"--since {since} lies in the future; nothing was done", hint="write a time in the past")
    if low is not None and high is not None and low >= high:
        raise ConfigError(f"--since {since} is not before --until {until}; nothing was done", hint="swap the two")
    return low, high


def chosen_datasets(settings: Settings, names: list[str] | None, *, with_logs: bool = False) -> tuple[Dataset, ...]:
    """The datasets of these names, each once; all that are enabled without names.

    Args:
        with_logs: That of Loki's chunks is one of them.

    Raises:
        ConfigError: There is none of that name.
    """
    datasets = {dataset.name: dataset for dataset in settings.resolved_datasets()}
    logs = settings.logs() if with_logs else None
    if logs is not None:
        datasets[logs.name] = logs
    for name in names or []:
        if name not in datasets:
            raise ConfigError(
                f"there is no dataset {name}; nothing was done",
                hint=f"configured are: {', '.join(datasets) or 'none'}; others go into [datasets.<name>]",
            )
    return tuple(datasets[name] for name in dict.fromkeys(names)) if names else tuple(datasets.values())


def ended(output: Output, problems: list[ArchiverError], *, interrupted: bool, status: int) -> int:
    """Name what stopped a deletion; gives its exit status."""
    for problem in problems:
        output.error(problem)
    if interrupted:
        raise Interrupted("asked to stop; what was deleted is in the ledger", hint="run again to go on")
    return status
