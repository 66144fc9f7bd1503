"""From settings to Loki's chunks, and to an export of them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

from archiver.app import build, keys
from archiver.config import Location, Settings
from archiver.contracts import ChunkStore, ObjectRef
from archiver.errors import ConfigError
from archiver.ledger.ledger import Ledger
from archiver.model import Dataset
from archiver.neighbours.loki.source import ChunkDirectory, LokiSource
from archiver.neighbours.retry import RetryPolicy
from archiver.neighbours.s3.store import S3Store
from archiver.operations.logs.decode import LokiProgress
from archiver.operations.logs.export import LokiExport
from archiver.operations.logs.plan import LokiOptions
from archiver.operations.logs.proof import LokiProof
from archiver.operations.logs.purge import PurgeLoki
from archiver.operations.steps.run import Run
from archiver.privacy.lines import LineScrub, Pattern
from archiver.stack.targets import LokiTarget
from archiver.stack.web import open_client


@dataclass(frozen=True, slots=True)
class _Retrying:
    """A chunk store, with retries."""

    inner: ChunkStore
    policy: RetryPolicy

    @property
    def location(self) -> str:
        return self.inner.location

    def read(self, key: str, *, size_bytes_max: int) -> bytes:
        return self.policy.call(lambda: self.inner.read(key, size_bytes_max=size_bytes_max))

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        # Whole, so that asking again shows nothing twice: some hundred bytes for each chunk.
        return iter(self.policy.call(lambda: [*self.inner.list(prefix)]))


@contextmanager
def chunk_source(settings: Settings, run: Run) -> Iterator[LokiSource]:
    """Loki's chunks where ``loki_store`` says, and Loki itself where ``loki_url`` says.

    Raises:
        ConfigError: ``loki_store`` is not set, or a certificate cannot be read.
    """
    if settings.loki_store is None:
        raise ConfigError(
            "the setting `loki_store` (ARCHIVER_LOKI_STORE) is not set; nothing was touched",
            hint="file:///directory is Loki's chunks_directory as seen from here, s3://bucket/prefix its bucket",
        )
    place = Location.of_store(settings.loki_store)
    with ExitStack() as stack:
        store: ChunkStore
        directory = None
        if place.kind == "file" and place.path is not None:
            store = directory = ChunkDirectory(place.path)
        else:
            store = build.build_store(settings.model_copy(update={"store": settings.loki_store}))
            assert isinstance(store, S3Store)
            stack.callback(store.close)
        client = None
        if settings.loki_url is not None:
            try:
                client = stack.enter_context(
                    open_client(LokiTarget(**dict(settings.stack.loki), url=settings.loki_url))
                )
            except OSError as exc:
                raise ConfigError(
                    f"stack.loki: a certificate file cannot be read ({type(exc).__name__}); nothing was touched"
                ) from exc
            client.base_url = f"{settings.loki_url.rstrip('/')}/"
        yield LokiSource(
            _Retrying(store, build.retry_policy(settings, run.stop)),
            client,
            directory,
            settings.loki.decoded_bytes_max,
        )


def loki_export(
    settings: Settings,
    source: LokiSource,
    ledger: Ledger,
    run: Run,
    progress: LokiProgress,
    *,
    since: datetime | None,
    until: datetime | None,
    accepts_drift: bool = False,
) -> LokiExport:
    """An export of logs, as the settings want it."""
    return LokiExport(
        ledger,
        source,
        _logs(settings),
        options=_options(settings, since, until, accepts_drift=accepts_drift),
        scrubber=_scrubber(settings),
        run=run,
        progress=progress,
        now=build.now,
    )


def loki_purge(
    settings: Settings, source: LokiSource, ledger: Ledger, run: Run, progress: LokiProgress, *, now: datetime
) -> PurgeLoki:
    """A purge of logs, as the settings want it."""
    dataset = _logs(settings)
    proof = LokiProof(
        ledger,
        source,
        dataset,
        options=_options(settings, None, None, accepts_drift=False),
        scrubber=_scrubber(settings),
        run=run,
        progress=progress,
        now=build.now,
    )
    return PurgeLoki(
        ledger,
        source,
        dataset,
        proof,
        rules=settings.loki,
        run=run,
        now=now,
    )


def _logs(settings: Settings) -> Dataset:
    dataset = settings.logs()
    if dataset is None:
        raise ConfigError("logs are not exported: loki.enabled is false; nothing was touched")
    return dataset


def _scrubber(settings: Settings) -> LineScrub | None:
    rules = settings.loki
    if not rules.lines:
        return None
    key = keys.load_privacy_key(settings, "loki.lines") if "hmac" in rules.lines.values() else None
    actions = {Pattern(name): action for name, action in rules.lines.items()}
    return LineScrub(actions, None if key is None else key.digest)


def _options(settings: Settings, since: datetime | None, until: datetime | None, *, accepts_drift: bool) -> LokiOptions:
    return LokiOptions(
        **dict(settings.loki),
        since=since,
        until=until,
        part_size_bytes_max=settings.export.part_size_bytes_max,
        accepts_drift=accepts_drift,
    )
