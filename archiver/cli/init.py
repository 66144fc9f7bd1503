"""``archiver init``."""

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from archiver.app import build, keys
from archiver.cli.common import context, warn_of_key
from archiver.cli.views.console import Output
from archiver.config import template
from archiver.contracts import StoreFacts
from archiver.errors import ConfigError
from archiver.ledger.entries import Signer
from archiver.neighbours.dataapi.client import installation_sql
from archiver.operations.archive.init import InitReceipt
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
    if makes_privacy_key:
        settings = settings.model_copy(update={"privacy_key_file": privacy_key_file})
    made: list[str] = []

    def make_keys() -> Signer:
        signer, is_new = keys.make_signer(key_file.absolute())
        if is_new:
            made.append(
                f"private key: {key_file.absolute()} (mode 0600). Keep a copy: without it nothing can be added."
            )
        # An archive from before there was one, and a configuration that names none, keep going without.
        if makes_privacy_key:
            _, is_new = keys.make_privacy_key(privacy_key_file)
            if is_new:
                made.append(f"privacy key: {privacy_key_file} (mode 0600). Keep a copy: digests of persons need it.")
        return signer

    with build.new_run(settings, jobs=1) as run:
        receipt = build.begin_archive(settings, make_keys, run)
    written = None
    if rules is not None:
        written = Path.cwd() / "archiver.toml"
        text = template(
            store=str(settings.store),
            archive_id=receipt.descriptor.archive_id,
            anchor=str(settings.anchor),
            signing_key_file=str(key_file.absolute()),
            privacy_key_file=str(privacy_key_file),
            datasets=list(settings.all_datasets()),
            archive_retention=rules.archive_retention,
            purpose=rules.purpose,
            legal_basis=rules.legal_basis,
        )
        with written.open("x", encoding="utf-8") as file:
            file.write(text)
    _tell_init(output, receipt, made, written)


class _Rules(NamedTuple):
    archive_retention: str
    purpose: str
    legal_basis: str


def _check_retention(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as exc:
        raise ConfigError(
            f"--archive-retention: {exc}; nothing was touched",
            hint="write a number and a unit, such as 365d or 52w",
        ) from exc


def _chosen(archive_retention: str | None, purpose: str | None, legal_basis: str | None) -> _Rules:
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
    return _Rules(period, why, ground)


def _tell_init(output: Output, receipt: InitReceipt, made: list[str], written: Path | None) -> None:
    for line in made:
        output.answer(line)
    output.answer(f"archive {receipt.descriptor.archive_id} {'is there already' if receipt.adopted else 'begun'}")
    output.answer(f"public key {receipt.descriptor.public_key}")
    for line in _facts(receipt.facts):
        output.answer(f"  {line}")
    if written is not None:
        output.answer(f"configuration: {written}")
        output.answer("next: `archiver export --dry-run`, then `archiver export`")


def _facts(facts: StoreFacts) -> list[str]:
    def known(value: bool | None, yes: str, no: str) -> str:
        return "not told by the store" if value is None else (yes if value else no)

    return [
        "create only if absent: "
        + ("yes, the store orders writers" if facts.conditional_create else "NO, the anchor orders writers"),
        "old versions: " + known(facts.versioning, "kept (deleting removes every version)", "not kept"),
        "object lock: " + known(facts.object_lock, "on", "off"),
        "encryption at rest: " + ("not told by the store" if facts.encryption is None else facts.encryption or "none"),
        "public access: " + known(facts.public, "YES, anybody can read it", "no"),
    ]
