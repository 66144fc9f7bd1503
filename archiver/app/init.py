"""Beginning an archive: its keys, its first entry, its configuration file."""

from dataclasses import dataclass
from pathlib import Path

from archiver.app import build, keys
from archiver.app.outcome import Outcome
from archiver.config import Settings, template
from archiver.ledger.entries import Signer
from archiver.operations.archive.init import InitReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the controller chooses and no default could: how long the archive may hold rows, why, on what ground."""

    archive_retention: str
    purpose: str
    legal_basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A key that was made, and what is lost without it."""

    what: str
    path: Path
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun(Outcome):
    """What was begun.

    Attributes:
        made: Keys that were not there.
        written: The configuration file, where it was not there.
    """

    receipt: InitReceipt
    made: tuple[Made, ...]
    written: Path | None


def begin(
    settings: Settings, *, key_file: Path, privacy_key_file: Path, makes_privacy_key: bool, rules: Rules | None
) -> Begun:
    """Begin an archive, or find that it has begun.

    Args:
        makes_privacy_key: An archive from before there was one, and a configuration that names none, keep going
            without.
        rules: What the configuration file is to say, written into the working directory; None: there is one.

    Raises:
        ArchiverError: As ``build.begin_archive``.
    """
    if makes_privacy_key:
        settings = settings.model_copy(update={"privacy_key_file": privacy_key_file})
    made: list[Made] = []

    def make_keys() -> Signer:
        signer, is_new = keys.make_signer(key_file)
        if is_new:
            made.append(Made(what="private key", path=key_file, why="without it nothing can be added"))
        if makes_privacy_key:
            _, is_new = keys.make_privacy_key(privacy_key_file)
            if is_new:
                made.append(Made(what="privacy key", path=privacy_key_file, why="digests of persons need it"))
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
            signing_key_file=str(key_file),
            privacy_key_file=str(privacy_key_file),
            datasets=list(settings.all_datasets()),
            archive_retention=rules.archive_retention,
            purpose=rules.purpose,
            legal_basis=rules.legal_basis,
        )
        with written.open("x", encoding="utf-8") as file:
            file.write(text)
    return Begun(receipt=receipt, made=tuple(made), written=written)
