"""The configuration file that ``archiver init`` writes: short, annotated, valid."""

import json
from collections.abc import Sequence

from archiver.model import SOURCE_RETENTION
from archiver.section import format_duration

TEMPLATE = """\
# archiver's configuration. Secrets do not belong here: SUPABASE_DB_URL (or SUPABASE_URL with its key) and the AWS_...
# variables come from the environment, from .env beside this file, or from a secrets directory
# (ARCHIVER_SECRETS_DIR).
# `archiver config show --origin` lists every setting, its value and where it came from.

store = {store}
# Which archive is meant: another one in its place, even one of the same key, is refused.
archive_id = {archive_id}
# The ledger's head is kept here, best in another trust domain than the store: whoever can write to both can cut
# entries off the end. `postgres` keeps it in a table of the database behind SUPABASE_DB_URL, `supabase` in the same one
# through the data API.
anchor = {anchor}
# Keep a copy of this file somewhere else: without it nothing can be added to the archive.
signing_key_file = {signing_key_file}
# The key of the digests that stand for persons (holds, pseudonyms). Keep a copy of it, too.
privacy_key_file = {privacy_key_file}
{datasets}
# Loki's logs, once loki_store names the place of its chunks.
[loki]
# How long the archive may hold them; so, too, each controller's choice.
archive_retention = {archive_retention}
purpose = {purpose}
legal_basis = {legal_basis}
"""

DATASET = """
[datasets.{name}]
# How long rows may stay in the database. They leave it only when the archive provably holds them.
source_retention = {source_retention}
# How long the archive may hold them. No law fixes this period: it is the controller's documented choice.
archive_retention = {archive_retention}
# Why they are kept and on what ground, for the record of processing (Art. 30 DSGVO).
purpose = {purpose}
legal_basis = {legal_basis}
"""


def template(
    *,
    store: str,
    archive_id: str,
    anchor: str,
    signing_key_file: str,
    privacy_key_file: str,
    datasets: Sequence[str],
    archive_retention: str,
    purpose: str,
    legal_basis: str,
) -> str:
    """The file's text."""
    return TEMPLATE.format(
        store=_quoted(store),
        archive_id=_quoted(archive_id),
        anchor=_quoted(anchor),
        signing_key_file=_quoted(signing_key_file),
        privacy_key_file=_quoted(privacy_key_file),
        datasets="".join(
            DATASET.format(
                name=name,
                source_retention=_quoted(format_duration(SOURCE_RETENTION)),
                archive_retention=_quoted(archive_retention),
                purpose=_quoted(purpose),
                legal_basis=_quoted(legal_basis),
            )
            for name in datasets
        ),
        archive_retention=_quoted(archive_retention),
        purpose=_quoted(purpose),
        legal_basis=_quoted(legal_basis),
    )


def _quoted(text: str) -> str:
    # A JSON string without characters outside of ASCII escaped is a TOML basic string.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
