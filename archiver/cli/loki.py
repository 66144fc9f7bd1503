"""``archiver loki``."""

from typing import Annotated

import typer

from archiver.app.archive import open_archive
from archiver.cli.common import context
from archiver.errors import ConfigError
from archiver.operations.logs.export import release as release_chunk
from archiver.operations.logs.settings import LOGS


def release(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="As `archiver status` shows it.")],
    reason: Annotated[str, typer.Option(help="What was found; no personal data.")],
) -> None:
    """Take a chunk off the list of quarantined ones. Its bytes stay where they are.

    Example: archiver loki release 3f1c… --reason "disk replaced, the stream is complete in another chunk"
    """
    with open_archive(context.load().settings, "write") as archive:
        chunks = archive.ledger.holdings.dataset(LOGS).chunks
        digests = [sha256 for sha256 in chunks.quarantined if sha256.startswith(digest)]
        if len(digests) != 1 or not reason.strip():
            raise ConfigError(
                f"{len(digests)} quarantined chunks have a digest that begins with {digest}; nothing was released",
                hint="`archiver status` names each with its digest",
            )
        release_chunk(archive.ledger, LOGS, digests[0], reason.strip())
    context.output().say(f"{digests[0]} released")
