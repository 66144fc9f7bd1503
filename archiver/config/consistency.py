"""Settings that are each valid and contradict each other, and files that secrets were read from.

What can never work is refused when settings are read. What stands here can work and does something else than was meant,
so it is told by `archiver doctor` and stops nothing.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from archiver.config.settings import Location, Settings
from archiver.config.sources import Loaded
from archiver.operations.logs.settings import LokiSettings
from archiver.retention.settings import DatasetSettings
from archiver.section import format_duration

LOCAL_HOSTS: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Settings that do not go together.

    Attributes:
        settings: Their names, as `config show` has them.
        stops: Some command will not do its work; otherwise it does, and not as it should be.
        fix: What a person sets instead.
    """

    settings: tuple[str, ...]
    fact: str
    fix: str
    stops: bool = True


def contradictions(settings: Settings) -> tuple[Contradiction, ...]:
    """All of them, in the order of the settings. Asks nobody anything, and reads no file."""
    looks = (_places, _addresses, _projects, _digests, _retentions)
    return tuple(contradiction for look in looks for contradiction in look(settings))


def _places(settings: Settings) -> Iterator[Contradiction]:
    """Who can write to the store must not hold its anchor or its keys; and nobody else's files may lie in it."""
    store = _directory(settings.store)
    logs = _directory(settings.loki_store)
    if store is not None and logs is not None and (store.is_relative_to(logs) or logs.is_relative_to(store)):
        yield Contradiction(
            settings=("store", "loki_store"),
            fact=f"one lies in the other: {store}, {logs}; archiver's objects would stand among Loki's chunks",
            fix="set store to a directory of its own",
        )
    elif settings.store is not None and settings.store == settings.loki_store:
        yield Contradiction(
            settings=("store", "loki_store"),
            fact="both are the same place; archiver's objects would stand among Loki's chunks",
            fix="set store to a bucket, or a prefix, of its own",
        )
    for place, name in ((store, "store"), (logs, "loki_store")):
        if place is None:
            continue
        for setting, path, why, fix in _written(settings):
            if path is not None and Path(path).absolute().is_relative_to(place):
                yield Contradiction(
                    settings=(setting, name), fact=f"{path} lies in {place}: {why}", fix=f"set {setting} to {fix}"
                )


def _written(settings: Settings) -> tuple[tuple[str, Path | None, str, str], ...]:
    anchor = None if settings.anchor is None else Location.of_anchor(settings.anchor).path
    thief = "whoever can read the store could sign in your name"
    foreign = "what is no object of the archive would stand among its objects"
    elsewhere = "a directory outside of it"
    return (
        (
            "anchor",
            anchor,
            "whoever can cut the ledger's end off could move the anchor as well, and nobody would see it",
            "a file on another disk or another machine, or to postgres",
        ),
        ("signing_key_file", settings.signing_key_file, thief, elsewhere),
        ("privacy_key_file", settings.privacy_key_file, "whoever can read the store could undo digests", elsewhere),
        ("work_dir", settings.work_dir, foreign, elsewhere),
        ("cache_dir", settings.cache_dir, foreign, elsewhere),
        ("report.directory", settings.report.directory, foreign, elsewhere),
    )


def _addresses(settings: Settings) -> Iterator[Contradiction]:
    """Credentials sent in the clear."""
    url = settings.aws_endpoint_url_s3
    s3 = [
        location
        for location in (settings.store, settings.loki_store)
        if location is not None and location.startswith("s3:")
    ]
    if s3 and url is not None and _is_clear(url):
        yield Contradiction(
            settings=("aws_endpoint_url_s3",),
            fact=f"{url} is not encrypted: rows can be read on their way",
            fix="set it to the server's https address",
            stops=False,
        )
    if settings.supabase_url is not None and settings.supabase_secret_key is None and settings.supabase_db_url is None:
        yield Contradiction(
            settings=("supabase_url", "supabase_secret_key"),
            fact="an address without a key: nothing can be asked through it",
            fix="set SUPABASE_SECRET_KEY, or SUPABASE_DB_URL for the database itself",
        )
    if settings.supabase_secret_key is not None and settings.supabase_url is None:
        yield Contradiction(
            settings=("supabase_secret_key", "supabase_url"),
            fact="a key without an address: nobody is asked with it",
            fix="set SUPABASE_URL to https://<project>.supabase.co, or take the key away",
            stops=False,
        )


def _is_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and (parts.hostname or "") not in LOCAL_HOSTS


def _projects(settings: Settings) -> Iterator[Contradiction]:
    """The two ways into a project must lead into the same one: the anchor may go one way and the rows the other."""
    yield from _anchor_project(settings)
    if settings.supabase_db_url is None or settings.supabase_url is None:
        return
    database, api = project_of(settings.supabase_db_url.get_secret_value()), project_of(settings.supabase_url)
    if database and api and database != api:
        yield Contradiction(
            settings=("supabase_db_url", "supabase_url"),
            fact=f"they name two projects: {database} and {api}",
            fix="set both to the same project",
        )


def _anchor_project(settings: Settings) -> Iterator[Contradiction]:
    """Whoever owns the project of both could cut the ledger's end off, and move the anchor along."""
    if settings.store is None or not settings.store.startswith("s3:") or settings.aws_endpoint_url_s3 is None:
        return
    way = {
        "postgres": settings.supabase_db_url and settings.supabase_db_url.get_secret_value(),
        "supabase": settings.supabase_url,
    }
    project = project_of(way.get(settings.anchor or "") or "")
    if project and project == project_of(settings.aws_endpoint_url_s3):
        yield Contradiction(
            settings=("anchor", "store"),
            fact=f"both lie in the project {project}: who has it can cut the ledger short and move the anchor along",
            fix="set store to a bucket elsewhere, or anchor to a file on this machine",
            stops=False,
        )


def project_of(url: str) -> str:
    """The project that an address of Supabase names, by its host or, at the pooler, its user; empty: none."""
    try:
        parts = urlsplit(url)
        host, user = parts.hostname or "", unquote(parts.username or "")
    except ValueError:
        # Several hosts, or brackets in a password: no address of Supabase's.
        return ""
    match = re.fullmatch(r"(?:db\.)?([a-z0-9]{20})(?:\.storage)?\.supabase\.(?:co|com|in)", host)
    if match is None and host.endswith(".pooler.supabase.com"):
        match = re.fullmatch(r"[^.]+\.([a-z0-9]{20})", user)
    return "" if match is None else match[1]


def _digests(settings: Settings) -> Iterator[Contradiction]:
    if settings.privacy_key_file is not None:
        return
    wanting = [
        f"datasets.{name}.columns.{column}"
        for name, rules in settings.all_datasets().items()
        if rules.enabled
        for column, action in rules.policies.items()
        if str(action) == "hmac"
    ]
    if settings.loki_store is not None and settings.loki.enabled:
        wanting += [f"loki.lines.{what}" for what, action in settings.loki.lines.items() if action == "hmac"]
    if wanting:
        yield Contradiction(
            settings=("privacy_key_file", *wanting),
            fact="a digest is asked for, and there is no key to make it with",
            fix="`archiver init` makes the key; set privacy_key_file to it",
        )


def _retentions(settings: Settings) -> Iterator[Contradiction]:
    enabled = {name: rules for name, rules in settings.all_datasets().items() if rules.enabled}
    for name, rules in enabled.items():
        yield from _retention(name, rules)
    if settings.logs() is not None:
        yield from _log_retention(settings.loki)
    if not enabled and settings.logs() is None:
        yield Contradiction(
            settings=("datasets", "loki_store"),
            fact="no dataset is enabled and no logs are named: there is nothing to archive",
            fix="enable a dataset, or set loki_store",
        )


def _retention(name: str, rules: DatasetSettings) -> Iterator[Contradiction]:
    setting = f"datasets.{name}.archive_retention"
    if rules.archive_retention is None:
        yield _endless(name, setting)
    elif rules.source_retention is not None and rules.archive_retention < rules.source_retention + rules.window:
        yield Contradiction(
            settings=(setting, f"datasets.{name}.source_retention"),
            fact=f"the archive may hold rows for {format_duration(rules.archive_retention)}, and the source keeps them"
            f" for {format_duration(rules.source_retention)}: they would expire here first, and never be purged there",
            fix=f"set {setting} to more than source_retention and a window",
        )


def _log_retention(rules: LokiSettings) -> Iterator[Contradiction]:
    setting = "loki.archive_retention"
    if rules.archive_retention is None:
        yield _endless("loki", setting)
    elif rules.delete == "files" and rules.archive_retention <= rules.source_retention:
        yield Contradiction(
            settings=(setting, "loki.source_retention"),
            fact=f"the archive may hold logs for {format_duration(rules.archive_retention)}, their chunks are deleted"
            f" after {format_duration(rules.source_retention)}: they would expire first, and no chunk could be proven",
            fix=f"set {setting} to more than loki.source_retention",
        )


def _endless(name: str, setting: str) -> Contradiction:
    return Contradiction(
        settings=(setting,),
        fact=f"{name} has no period in the archive: nothing of it ever expires, and moving rows is not deleting them",
        fix=f'set {setting}, for example = "365d"',
        stops=False,
    )


def _directory(url: str | None) -> Path | None:
    return None if url is None else Location.of_store(url).path


# ── Secrets in files ───────────────────────────────────────────────────────────────────────────────────────────


def secret_files(loaded: Loaded) -> Mapping[Path, frozenset[str]]:
    """The files that secrets were read from, each with the names of the settings that it gave."""
    names_by_file: dict[Path, set[str]] = defaultdict(set)
    for path, where in loaded.origins.items():
        place, _, _ = where.rpartition(": ")
        if place.startswith("/") and Path(place).is_file() and _is_secret(loaded.settings, path):
            names_by_file[Path(place)].add(".".join(path))
    return {path: frozenset(names) for path, names in names_by_file.items()}


def _is_secret(node: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        node = node.get(name) if isinstance(node, Mapping) else getattr(node, name, None)
    return isinstance(node, SecretStr)
