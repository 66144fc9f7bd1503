"""What every command shares: options, how times and datasets are named, how it ends."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer

from archiver.app import build
from archiver.app.outcome import Outcome, combined
from archiver.cli.program import options
from archiver.cli.views.console import Output, show_all
from archiver.config import Settings, load, parse_since
from archiver.config.sources import Loaded
from archiver.errors import ConfigError
from archiver.model import Dataset


class Context:
    """What the global options say, as a command uses it."""

    def output(self, *, as_json: bool = False) -> Output:
        """Where a command prints."""
        return Output(as_json=as_json, quiet=options.quiet, verbose=options.verbose)

    def load(self, **overrides: Any) -> Loaded:
        """The settings, with flags on top."""
        return load(config_file=options.config_file, overrides=overrides)


context = Context()

JsonOption = Annotated[bool, typer.Option("--json", help="Data as JSON on stdout, everything else on stderr.")]
JobsOption = Annotated[int | None, typer.Option(min=1, max=64, help="How much is done at the same time.")]
SinceOption = Annotated[
    str | None,
    typer.Option(help="A date (2026-11-01), a timestamp (2026-11-01T06:30:00Z) or an age (24h, 7d, yesterday)."),
]
DatasetsArgument = Annotated[list[str] | None, typer.Argument(metavar="DATASET", help="Without: all.")]
ExecuteOption = Annotated[bool, typer.Option("--execute", help="Do it. Without, only the plan is shown.")]
ConfirmOption = Annotated[
    str | None, typer.Option(metavar="TOKEN", help="Confirm what the guard refuses, for the plan with this token.")
]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for another run to end, instead of exit status 5.")]
UntilOption = Annotated[str | None, typer.Option(help="Likewise. Exclusive; whole windows are taken.")]


def warn_of_key(output: Output, settings: Settings) -> None:
    """Say what a person should know of the data API's key."""
    if warning := build.key_warning(settings):
        output.warn(warning)


def bounds(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The times that two options mean.

    Raises:
        ConfigError: They cannot be read, lie in the future, or contradict each other.
    """
    now = build.now()
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


def finish(output: Output, outcomes: Iterable[Outcome]) -> None:
    """Show each outcome as it comes; ends with the exit status of all.

    Raises:
        typer.Exit: It is not 0.
    """
    done = []
    for outcome in outcomes:
        show_all(outcome, output)
        done.append(outcome)
    if status := combined(done):
        raise typer.Exit(status)
