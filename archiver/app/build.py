"""The only file that builds adapters, and the only one that reads a clock.

An adapter is imported when it is chosen: the libraries of those that are not would be most of a command's start.
"""

import os
import secrets
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import platformdirs

from archiver.config import Location, Settings
from archiver.contracts import Anchor, KeepsArchives, ObjectStore, StoreFacts
from archiver.errors import ConfigError, IntegrityError, Interrupted
from archiver.ledger.entries import Descriptor, Signer, check_checkpoint, read_descriptor
from archiver.ledger.holdings import Holdings
from archiver.ledger.ledger import open_ledger
from archiver.ledger.memory import Memory
from archiver.neighbours.local.anchor import FileAnchor
from archiver.neighbours.local.store import LocalStore
from archiver.neighbours.local.workdir import work_directory
from archiver.neighbours.retry import RetryingAnchor, RetryingStore, RetryPolicy
from archiver.operations.archive.init import InitReceipt, holds_archive, initialise
from archiver.operations.steps.run import Run

if TYPE_CHECKING:
    from archiver.neighbours.dataapi.anchor import SupabaseAnchor
    from archiver.neighbours.dataapi.client import DataApi
    from archiver.neighbours.dataapi.source import PostgrestSource
    from archiver.neighbours.postgres.anchor import PostgresAnchor
    from archiver.neighbours.postgres.source import PostgresSource


def now() -> datetime:
    """The local clock, in UTC, in microseconds."""
    return datetime.now(UTC)


# ── Adapters ───────────────────────────────────────────────────────────────────────────────────────────────────


def retry_policy(settings: Settings, stop: threading.Event) -> RetryPolicy:
    """The settings' policy; a stop ends its waits."""

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise Interrupted(
                "asked to stop while waiting for a service; what was committed stays", hint="run again to go on"
            )

    return RetryPolicy(**dict(settings.retry), sleep=sleep)


def store_location(settings: Settings) -> Location:
    """Where the archive is.

    Raises:
        ConfigError: It is not set.
    """
    if settings.store is None:
        raise ConfigError(
            "the setting `store` (ARCHIVER_STORE) is not set; nothing was touched",
            hint="`archiver init --store file:///directory` or `--store s3://bucket/prefix` begins an archive",
        )
    return Location.of_store(settings.store)


def build_store(settings: Settings, *, conditional: bool = True) -> ObjectStore:
    """The archive's store, without retries."""
    place = store_location(settings)
    if place.kind == "file" and place.path is not None:
        return LocalStore(place.path)
    from archiver.neighbours.s3.connection import S3Options
    from archiver.neighbours.s3.store import S3Store

    options = S3Options(
        **dict(settings.s3),
        bucket=place.bucket,
        prefix=place.prefix,
        endpoint_url=settings.aws_endpoint_url_s3,
        region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key,
        session_token=settings.aws_session_token,
        ca_bundle=settings.aws_ca_bundle,
    )
    return S3Store(options, conditional=conditional)


def build_anchor(settings: Settings) -> "FileAnchor | PostgresAnchor | SupabaseAnchor":
    """The archive's anchor, without retries.

    Raises:
        ConfigError: It is not set, or needs a setting that is not.
    """
    if settings.anchor is None:
        raise ConfigError(
            "the setting `anchor` (ARCHIVER_ANCHOR) is not set; nothing was touched",
            hint="file:///path/of/a/file on another disk than the store, postgres, or supabase",
        )
    place = Location.of_anchor(settings.anchor)
    if place.kind == "file" and place.path is not None:
        return FileAnchor(place.path)
    if place.kind == "supabase":
        from archiver.neighbours.dataapi.anchor import SupabaseAnchor

        return SupabaseAnchor(build_data_api(settings, "the anchor `supabase`"))
    from archiver.neighbours.postgres.anchor import PostgresAnchor

    return PostgresAnchor(_database_url(settings, "the anchor `postgres`"), settings.postgres.anchor_schema)


def build_source(settings: Settings, stop: threading.Event | None = None) -> "PostgresSource | PostgrestSource":
    """The database that the datasets are read from: through SUPABASE_DB_URL where it is set, else the data API.

    Args:
        stop: Ends waits for a data API that is away.

    Raises:
        ConfigError: Neither is set.
    """
    if settings.supabase_db_url is None and settings.supabase_url is None:
        raise ConfigError(
            "reading the datasets needs SUPABASE_DB_URL, or SUPABASE_URL with SUPABASE_SECRET_KEY, which is not set;"
            " nothing was touched",
            hint="set it in the environment, in .env or in a secrets directory: postgresql://user:password@host:5432/db",
        )
    if settings.supabase_db_url is None:
        from archiver.neighbours.dataapi.source import PostgrestSource

        return PostgrestSource(
            build_data_api(settings, "reading the datasets"),
            policy=retry_policy(settings, stop or threading.Event()),
            settle_margin=settings.export.settle_margin,
        )
    from archiver.neighbours.postgres.source import PostgresSource

    return PostgresSource(
        settings.supabase_db_url.get_secret_value(),
        settings.postgres,
        settle_margin=settings.export.settle_margin,
        lock_timeout_s=settings.purge.lock_timeout_s,
    )


def key_warning(settings: Settings) -> str:
    """What a person should know of the data API's key, where it is used; empty: nothing."""
    is_used = settings.supabase_db_url is None or settings.anchor == "supabase"
    if not is_used or settings.supabase_url is None or settings.supabase_secret_key is None:
        return ""
    return build_data_api(settings, "").warning


def build_data_api(settings: Settings, what: str) -> "DataApi":
    """The project's data API, with a key that may do more than a browser's.

    Args:
        what: What needs it, for the message.

    Raises:
        ConfigError: SUPABASE_URL or its key is not set, or the key is a browser's.
    """
    from archiver.neighbours.dataapi.client import DataApi

    if settings.supabase_url is None or settings.supabase_secret_key is None:
        missing = "SUPABASE_URL" if settings.supabase_url is None else "SUPABASE_SECRET_KEY"
        raise ConfigError(
            f"{what} needs {missing}, which is not set; nothing was touched",
            hint="https://<project>.supabase.co and sb_secret_…, from the project's settings, under API keys",
        )
    api = DataApi(
        settings.supabase_url,
        settings.supabase_secret_key.get_secret_value(),
        settings.data_api,
    )
    api.check_key()
    return api


def _database_url(settings: Settings, what: str) -> str:
    if settings.supabase_db_url is None:
        raise ConfigError(
            f"{what} needs SUPABASE_DB_URL, which is not set; nothing was touched",
            hint="set it in the environment, in .env or in a secrets directory: postgresql://user:password@host:5432/db",
        )
    return settings.supabase_db_url.get_secret_value()


# ── Runs ───────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the program at once."""
    stop = threading.Event()
    before = {}

    def ask(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def new_run(settings: Settings, *, jobs: int) -> Iterator[Run]:
    """One run with a private directory of its own, removed at its end."""
    parent = settings.work_dir or Path(tempfile.gettempdir())
    with stoppable() as stop, work_directory(parent) as work_dir:
        policy = retry_policy(settings, stop)
        begun_s = policy.clock()
        yield Run(
            name=secrets.token_hex(8),
            work_dir=work_dir,
            jobs=jobs,
            monotonic=time.monotonic,
            again=lambda failures, _: policy.again(failures, begun_s=begun_s),
            stop=stop,
        )


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The archive's store and anchor, retried when they are away, and what the archive says of itself."""

    store: ObjectStore
    anchor: Anchor
    descriptor: Descriptor


def open_neighbours(settings: Settings, run: Run) -> Neighbours:
    """Reach the store and the anchor of an archive that exists.

    Raises:
        ConfigError: A setting is missing, or there is no archive.
    """
    policy = retry_policy(settings, run.stop)
    store: ObjectStore = RetryingStore(build_store(settings), policy)
    descriptor = read_descriptor(store)
    if descriptor.ordering == "anchor":
        store = RetryingStore(build_store(settings, conditional=False), policy)
    return Neighbours(store, RetryingAnchor(build_anchor(settings), policy), descriptor)


def cache_dir(settings: Settings) -> Path:
    """Where ledger entries are kept between runs."""
    return settings.cache_dir or Path(platformdirs.user_cache_dir("archiver"))


def begin_archive(settings: Settings, make_keys: Callable[[], Signer], run: Run) -> InitReceipt:
    """Make what is missing (directories, the anchor's table, keys), probe the store, begin the archive.

    Args:
        make_keys: Called once the store and the anchor have been reached, so that a mistake in their settings leaves
            no keys behind.

    Raises:
        ConfigError, AccessDenied: As the store and the anchor say; what is missing is named.
    """
    policy = retry_policy(settings, run.stop)
    anchor = build_anchor(settings)
    if settings.reads_data_api:
        # Before anything is made anywhere: what is missing in the project only its owner can install.
        policy.call(build_data_api(settings, "reading the datasets").look)
    bare = build_store(settings)
    if isinstance(bare, LocalStore):
        bare.install()
    facts = probe_store(settings, policy)
    policy.call(anchor.install)
    store = RetryingStore(build_store(settings, conditional=facts.conditional_create), policy)
    if settings.signing_key_file is not None and not settings.signing_key_file.exists() and holds_archive(store):
        raise ConfigError(
            f"{store.location}: holds an archive already, and its private key is not at {settings.signing_key_file};"
            " nothing was written",
            hint="set signing_key_file to that archive's key, or choose another place for a new archive",
        )
    if settings.privacy_key_file is not None and not settings.privacy_key_file.exists() and holds_archive(store):
        ledger = open_ledger(store, RetryingAnchor(anchor, policy), signer=None, run=run.name, now=now)
        _refuse_lost_privacy_key(ledger.holdings, settings.privacy_key_file)
    if settings.archive_id and not holds_archive(store):
        raise ConfigError(
            f"{store.location}: there is no archive here, the settings name archive {settings.archive_id}; nothing was"
            " written",
            hint="restore it, or correct `store`; to begin another one, remove archive_id and name a new"
            " signing_key_file",
        )
    signer = make_keys()
    memory = Memory(cache_dir(settings), archive_id=settings.archive_id)
    _one_key_one_archive(store, anchor, signer, memory)
    return initialise(
        store,
        RetryingAnchor(anchor, policy),
        signer,
        facts=facts,
        archive_id=uuid.uuid4().hex,
        run=run.name,
        now=now,
        memory=memory,
    )


def _refuse_lost_privacy_key(holdings: Holdings, path: Path) -> None:
    """A new key would find none of the persons that entries name by digests of the old one."""
    named = {hold.privacy_key for hold in holdings.holds.values() if hold.subject is not None}
    named |= {schema.privacy_key for held in holdings.datasets.values() for schema in held.schemas.values()}
    if named - {""}:
        raise ConfigError(
            f"entries of the archive name the privacy key {', '.join(sorted(named - {''}))}, and none is at {path}; no"
            " other was made",
            hint="restore that key from its copy: holds on persons and pseudonyms rest on it",
        )


def _one_key_one_archive(store: ObjectStore, anchor: Anchor, signer: Signer, memory: Memory) -> None:
    """Refuse to begin an archive with a key that signs another: one could then be put in the place of the other."""
    if holds_archive(store):
        return
    others = {memory.signed_by(signer.public_key)}
    if isinstance(anchor, KeepsArchives):
        for standing in anchor.archives():
            with suppress(IntegrityError):
                check_checkpoint(standing, signer.public_key, where=anchor.location)
                others.add(standing.archive_id)
    for other in sorted(known for known in others if known is not None):
        raise ConfigError(
            f"{store.location}: the private key that is set signs archive {other} already; nothing was written",
            hint="name another signing_key_file, and a key of its own is made for the new archive; or, if that archive"
            " was never more than begun, use its place",
        )


def probe_store(settings: Settings, policy: RetryPolicy) -> StoreFacts:
    """What the store can do, found out by trying."""
    return policy.call(lambda: build_store(settings).probe(secrets.token_hex(8)))
