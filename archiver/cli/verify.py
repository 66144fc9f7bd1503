"""``archiver verify``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from archiver.app import build as wiring
from archiver.app.archive import opened_in
from archiver.app.verify import verify_archive
from archiver.cli.common import JobsOption, JsonOption, SinceOption, UntilOption, bounds, context
from archiver.cli.views import verify as views
from archiver.errors import ConfigError, Conflict
from archiver.operations.archive.verify import VerifyScope, record


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
        if not offline.is_dir():
            raise ConfigError(
                f"{offline}: there is no such directory; nothing was read",
                hint="name the directory of the copy that holds archive.json",
            )
        settings = wiring.settings_for_copy(offline)
    else:
        settings = context.load(**{"verify.jobs": jobs}).settings
    low, high = bounds(since, until)
    scope = VerifyScope(datasets=tuple(datasets or ()), since=low, until=high)
    with wiring.new_run(settings, jobs=jobs or settings.verify.jobs) as run, views.VerifyView(output) as view:
        if offline is not None:
            store, anchor = wiring.build_store(settings), None
        else:
            neighbours = wiring.open_neighbours(settings, run)
            store, anchor = neighbours.store, neighbours.anchor
        depth: Literal["digest", "deep"] = "deep" if deep else "digest"
        receipt, holdings = verify_archive(
            settings, run, store, anchor, public_key=key, depth=depth, scope=scope, progress=view
        )
        unknown = [name for name in scope.datasets if name not in holdings.datasets]
        if unknown and not receipt.problems:
            raise ConfigError(
                f"the archive holds no dataset {unknown[0]}; nothing was recorded",
                hint=f"it holds: {', '.join(holdings.datasets) or 'nothing yet'}",
            )
        if not receipt.problems and not no_record and offline is None and settings.signing_key_file is not None:
            try:
                with opened_in(run, settings, "append") as archive:
                    record(archive.ledger, receipt, holdings, scope)
            except Conflict:
                output.warn("another run appended meanwhile; the result was not noted in the ledger")
    views.verify_receipt(output, receipt)
    if receipt.exit_status:
        raise typer.Exit(receipt.exit_status)


def _public_key(text: str) -> str:
    path = Path(text)
    value = (path.read_text(encoding="ascii", errors="replace") if path.is_file() else text).strip().lower()
    if len(value) != 64 or any(digit not in "0123456789abcdef" for digit in value):  # noqa: PLR2004
        raise ConfigError(
            "--public-key: 64 hex digits are needed, or a file that holds them; nothing was read",
            hint="`archiver init` printed the key; the archive's own copy of it stands in archive.json",
        )
    return value
