"""``archiver verify``."""

from pathlib import Path
from typing import Annotated

import typer

from archiver.app import verify as use_case
from archiver.app.outcome import each
from archiver.cli.common import JobsOption, JsonOption, SinceOption, UntilOption, bounds, context, finish
from archiver.cli.views.verify import VerifyView
from archiver.errors import ConfigError
from archiver.operations.archive.verify import VerifyScope


def verify(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="DATASET", help="Without: all.")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Decode every object as well: rows, schema, order.")] = False,
    since: SinceOption = None,
    until: UntilOption = None,
    offline: Annotated[
        Path | None, typer.Option(metavar="DIRECTORY", help="A copy of the archive; needs no settings, no network.")
    ] = None,
    public_key: Annotated[
        str | None, typer.Option(help="The key that was handed to you; 64 hex digits, or a file that holds them.")
    ] = None,
    jobs: JobsOption = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="Do not note the result in the ledger.")] = False,
    json_: JsonOption = False,
) -> None:
    """Check the archive against its ledger. Repairs nothing.

    The chain, every signature, the anchor, and of every object size and SHA-256; --deep decodes every row as well. A
    stranger needs only a copy of the archive and the public key.

    Example: archiver verify --deep

    Example: archiver verify --offline ./copy --public-key key.txt --deep
    """
    output = context.output(as_json=json_)
    key = None if public_key is None else _public_key(public_key)
    if offline is not None:
        settings = use_case.settings_for_copy(offline)
    else:
        settings = context.load(**{"verify.jobs": jobs}).settings
    low, high = bounds(since, until)
    asked = use_case.VerifyAsked(
        depth="deep" if deep else "digest",
        scope=VerifyScope(datasets=tuple(datasets or ()), since=low, until=high),
        public_key=key,
        jobs=jobs,
        offline=offline is not None,
        is_recorded=not no_record,
    )

    def verified() -> use_case.Verified:
        with VerifyView(output) as view:
            return use_case.verify(settings, asked, view)

    finish(output, each(verified))


def _public_key(text: str) -> str:
    path = Path(text)
    value = (path.read_text(encoding="ascii", errors="replace") if path.is_file() else text).strip().lower()
    if len(value) != 64 or any(digit not in "0123456789abcdef" for digit in value):  # noqa: PLR2004
        raise ConfigError(
            "--public-key: 64 hex digits are needed, or a file that holds them; nothing was read",
            hint="`archiver init` printed the key; the archive's own copy of it stands in archive.json",
        )
    return value
