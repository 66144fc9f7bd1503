"""``archiver init``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import archiver.cli.views.init  # noqa: F401 (its view is registered)
from archiver.app import build
from archiver.app.init import Rules, begin
from archiver.app.outcome import each
from archiver.cli.common import context, finish, warn_of_key
from archiver.config.refusals import PERIOD_MIN, in_days
from archiver.errors import ConfigError
from archiver.neighbours.dataapi.client import installation_sql
from archiver.section import parse_duration


def init(
    store: Annotated[str | None, typer.Option(help="file:///directory or s3://bucket/prefix.")] = None,
    anchor: Annotated[str | None, typer.Option(help="file:///path/of/a/file, postgres or supabase.")] = None,
    signing_key_file: Annotated[
        Path | None, typer.Option(help="Where the private key is, or is to be made with mode 0600.")
    ] = None,
    archive_retention: Annotated[
        str | None, typer.Option(help="How long the archive may hold rows, for example 365d.")
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="Why they are kept (Art. 30).")] = None,
    legal_basis: Annotated[str | None, typer.Option(help="On what legal ground.")] = None,
    show_sql: Annotated[
        bool, typer.Option("--show-sql", help="Only print what the data API needs in the project's database.")
    ] = False,
) -> None:
    """Begin an archive: private key, store, anchor, configuration file. Safe to run again.

    Where it writes the configuration, a person chooses how long the archive may hold rows, for what purpose and on what
    legal ground: no law fixes this period, and no default of ours could. On a terminal it asks.

    Example: archiver init --store s3://my-bucket/logs --anchor postgres --archive-retention 365d --purpose "security"
    --legal-basis "Art. 6 Abs. 1 lit. f DSGVO"
    """
    output = context.output()
    if show_sql:
        output.answer(installation_sql().rstrip())
        return
    if archive_retention is not None:
        _check_retention(archive_retention)
    known = context.load(store=store, anchor=anchor, signing_key_file=signing_key_file)
    rules = None if known.config_file is not None else _chosen(archive_retention, purpose, legal_basis)
    key_file = known.settings.signing_key_file or (Path.cwd() / "archiver-signing-key.pem")
    settings = context.load(store=store, anchor=anchor, signing_key_file=key_file.absolute()).settings
    build.store_location(settings)
    build.build_anchor(settings)
    warn_of_key(output, settings)
    privacy_key_file = (settings.privacy_key_file or key_file.with_name("archiver-privacy-key.txt")).absolute()
    makes_privacy_key = known.config_file is None or settings.privacy_key_file is not None
    finish(
        output,
        each(
            lambda: begin(
                settings,
                key_file=key_file.absolute(),
                privacy_key_file=privacy_key_file,
                makes_privacy_key=makes_privacy_key,
                rules=rules,
            )
        ),
    )


def _check_retention(text: str) -> None:
    try:
        period = parse_duration(text)
    except ValueError as exc:
        raise ConfigError(
            f"--archive-retention: {exc}; nothing was touched",
            hint="write a number and a unit, such as 365d or 52w",
        ) from exc
    if period < PERIOD_MIN:
        raise ConfigError(
            f"--archive-retention {text} is less than a day, and nothing confirms it; nothing was touched",
            hint=f"did you mean {in_days(text)}? If {text} is meant, begin with {in_days(text)}, then set"
            " archive_retention and short_periods = true for each dataset",
        )


def _chosen(archive_retention: str | None, purpose: str | None, legal_basis: str | None) -> Rules:
    """What the controller has chosen; asked for on a terminal.

    Raises:
        ConfigError: Something is not chosen, and there is nobody to ask.
    """
    given = {
        "--archive-retention": (archive_retention, "How long may the archive hold rows (such as 365d)"),
        "--purpose": (purpose, "Why are they kept"),
        "--legal-basis": (legal_basis, "On what legal ground (such as Art. 6 Abs. 1 lit. f DSGVO)"),
    }
    missing = [option for option, (value, _) in given.items() if not (value or "").strip()]
    if missing and not sys.stdin.isatty():
        raise ConfigError(
            f"{', '.join(missing)}: not chosen, and without an end of its own the archive would keep rows for ever;"
            " nothing was touched",
            hint='no law fixes it, the controller does: --archive-retention 365d --purpose "…" --legal-basis "…"',
        )
    answers = [
        value if option not in missing else str(typer.prompt(question, err=True)).strip()
        for option, (value, question) in given.items()
    ]
    period, why, ground = (str(answer) for answer in answers)
    _check_retention(period)
    return Rules(archive_retention=period, purpose=why, legal_basis=ground)
