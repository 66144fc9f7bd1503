"""From settings to facts to diagnoses: each part is asked on its own, once, and its failure stops only that part.

Nothing is changed: a probe's objects are taken out of the store again, and everything else is only read. Nothing is
retried, as a command would retry it: a service that is away is what a person came to hear.
"""

import os
import platform
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from archiver import __version__, layout
from archiver.app import build, keys
from archiver.app.stack import server_targets
from archiver.config import Location, Settings, contradictions, secret_files
from archiver.config.consistency import LOCAL_HOSTS, Contradiction
from archiver.config.sources import Loaded
from archiver.contracts import Anchor, ChunkStore, ObjectStore, RelationFacts, SideEffect, Source
from archiver.doctor import (
    ClockFacts,
    DatasetFacts,
    Diagnosis,
    HeadFacts,
    ProjectFacts,
    RoomFacts,
    Severity,
    judge_anchor,
    judge_clock,
    judge_dataset,
    judge_head,
    judge_key,
    judge_loop,
    judge_project,
    judge_room,
    judge_secret_file,
    judge_server,
    judge_store,
    of_error,
    ok,
    problem,
    warning,
)
from archiver.doctor.diagnosis import REPORT_IT
from archiver.errors import ArchiverError, Interrupted, Refused, TransientError
from archiver.ledger.entries import Descriptor, read_descriptor
from archiver.ledger.ledger import open_ledger
from archiver.model import Dataset, Fix, TableSchema
from archiver.neighbours.dataapi.client import DataApi, key_expires_at, key_kind
from archiver.neighbours.dataapi.source import PostgrestSource
from archiver.neighbours.loki.chunk import loop_kind
from archiver.neighbours.loki.key import parse_key
from archiver.neighbours.loki.source import ChunkDirectory
from archiver.neighbours.postgres import _uuid_text
from archiver.neighbours.postgres.catalog import relation_name
from archiver.neighbours.postgres.exam import PostgresExam
from archiver.neighbours.postgres.source import PostgresSource
from archiver.neighbours.retry import RetryPolicy
from archiver.neighbours.s3.store import S3Store
from archiver.privacy.columns import archived_schema
from archiver.retention import notes, obstacles
from archiver.stack.web import Server, open_client
from archiver.stack.words import Unknown
from archiver.words import english

CONNECTIONS_BESIDE_JOBS: Final = 3
"""That of the snapshot, of the anchor, and of a person who looks."""

LOCAL_STORE_ROOM_BYTES: Final = 1 << 30
CACHE_ROOM_BYTES: Final = 64 << 20
SPILL_FACTOR: Final = 10
"""Decoded chunks need about this many times their size."""


def examine(loaded: Loaded) -> tuple[Diagnosis, ...]:
    """Look at everything that the settings name.

    Raises:
        Interrupted: Somebody asked to stop.
    """
    with build.stoppable() as stop, ExitStack() as stack:
        exam = _Exam(loaded, stack)
        for check, subject, look in exam.parts():
            if stop.is_set():
                raise Interrupted("asked to stop; nothing was changed")
            exam.contained(check, subject, look)
        return tuple(exam.found)


@runtime_checkable
class TellsRights(Protocol):
    """An anchor that can say beforehand whether it can be moved."""

    def missing_rights(self) -> tuple[str, ...]:
        """What moving it needs and does not have."""
        ...


def of_contradiction(contradiction: Contradiction) -> Diagnosis:
    """Settings that do not go together, as a diagnosis."""
    judge = problem if contradiction.stops else warning
    return judge("settings.together", ", ".join(contradiction.settings), contradiction.fact, contradiction.fix)


def _clock_of(name: str, location: str, read: Callable[[], datetime | None], tolerance: timedelta) -> Diagnosis:
    before = build.now()
    time = read()
    after = build.now()
    return judge_clock(
        ClockFacts(name=name, location=location, told=time, local=before + (after - before) / 2, tolerance=tolerance)
    )


@dataclass(slots=True)
class _Exam:
    """One look at everything. What one part opened the later ones use.

    Attributes:
        stack: Closes it all at the end.
        descriptor: What the archive says of itself; None: there is none, or it could not be asked.
    """

    loaded: Loaded
    stack: ExitStack
    found: list[Diagnosis] = field(default_factory=list)
    store: ObjectStore | None = None
    anchor: Anchor | None = None
    source: PostgresSource | None = None
    project: PostgrestSource | None = None
    descriptor: Descriptor | None = None
    datasets: tuple[Dataset, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.datasets = self.settings.resolved_datasets()

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    def contained(self, check: str, subject: str, look: Callable[[], Iterator[Diagnosis]]) -> None:
        """Add what was found; whatever stops one part stops only that part, and is said."""
        try:
            # One by one: what was found before something failed stays found.
            for diagnosis in look():
                self.found.append(diagnosis)
        except Interrupted:
            raise
        except ArchiverError as error:
            self.found.append(of_error(check, subject, error))
        except Exception as error:  # noqa: BLE001 - the other parts must still be looked at, and this one is reported
            # Its message may quote a value or an address with its password.
            fact = f"the check itself failed: {type(error).__name__}"
            self.found.append(problem(check, subject, fact, REPORT_IT, exit_status=1))

    def parts(self) -> Iterator[tuple[str, str, Callable[[], Iterator[Diagnosis]]]]:
        """In the order in which a person repairs: what a later part needs comes before it."""
        settings = self.settings
        yield "settings.together", "settings", self.of_settings
        yield "machine.versions", "this installation", self.of_machine
        yield "key.privacy", str(settings.privacy_key_file), self.of_privacy_key
        yield "store.reachable", settings.store or "store", self.of_store
        yield "key.signing", str(settings.signing_key_file or "signing_key_file"), self.of_signing_key
        yield "anchor.reachable", settings.anchor or "anchor", self.of_anchor
        yield "archive.ledger", settings.store or "store", self.of_ledger
        if settings.supabase_db_url is not None:
            yield "database.reachable", "SUPABASE_DB_URL", self.of_database
        elif settings.supabase_url is None and self.datasets:
            yield "database.reachable", "SUPABASE_DB_URL", self.of_no_database
        if settings.supabase_url is not None and settings.supabase_secret_key is not None:
            yield "project.reachable", settings.supabase_url, self.of_project
        for dataset in self.datasets:
            subject = f"{dataset.name}: {relation_name(dataset)}"
            yield "database.grants", subject, partial(self.of_dataset, dataset)
        if settings.loki_store is not None and settings.loki.enabled:
            yield "logs.reachable", settings.loki_store, self.of_logs
        yield "monitoring.reachable", "stack", self.of_monitoring

    # ── Settings and this machine ──────────────────────────────────────────────────────────────────────────────

    def of_settings(self) -> Iterator[Diagnosis]:
        wrong = [of_contradiction(contradiction) for contradiction in contradictions(self.loaded.settings)]
        yield from wrong
        if not wrong:
            place = self.loaded.config_file
            yield ok("settings.together", str(place) if place else "settings", "nothing contradicts anything else")
        for path, names in secret_files(self.loaded).items():
            status = path.stat()
            owner_is_root = status.st_uid == 0 and os.geteuid() != 0
            yield judge_secret_file(str(path), status.st_mode & 0o777, owner_is_root, names)

    def of_machine(self) -> Iterator[Diagnosis]:
        settings = self.settings
        yield ok(
            "machine.versions",
            "this installation",
            f"archiver {__version__}, Python {platform.python_version()}, pyarrow {version('pyarrow')},"
            f" ADBC {version('adbc-driver-postgresql')}",
        )
        reads_logs = settings.logs() is not None
        yield judge_loop("loki", loop_kind(), matters=reads_logs)
        yield judge_loop("uuid", "compiled" if _uuid_text.compiled else "plain", matters=False)
        needed = settings.export_jobs * settings.export.part_size_bytes_max
        if reads_logs:
            needed = max(needed, SPILL_FACTOR * settings.loki.round_size_bytes_max)
        yield self.room("work_dir", settings.work_dir or Path(tempfile.gettempdir()), needed)
        yield self.room("cache_dir", build.cache_dir(settings), CACHE_ROOM_BYTES)
        if settings.store is not None and (place := Location.of_store(settings.store).path) is not None:
            if place.is_dir():
                yield self.room("store", place, LOCAL_STORE_ROOM_BYTES)
            yield from self.of_disks(place)

    def of_disks(self, store: Path) -> Iterator[Diagnosis]:
        """An anchor that is lost, or altered, together with the store proves nothing."""
        anchor = None if self.settings.anchor is None else Location.of_anchor(self.settings.anchor).path
        if anchor is None or anchor.is_relative_to(store):
            return
        try:
            same = anchor.parent.stat().st_dev == store.stat().st_dev
        except OSError:
            return
        if same:
            yield warning(
                "anchor.apart",
                str(anchor),
                "is on the same disk as the store: whoever loses or alters the one can lose or alter the other",
                'set anchor = "postgres", or a file on another machine\'s disk',
            )
        else:
            yield ok("anchor.apart", str(anchor), "is on another disk than the store")

    def room(self, setting: str, path: Path, needed_bytes: int) -> Diagnosis:
        # A directory that is made when it is needed has the room of the one that it will be made in.
        existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
        return judge_room(
            RoomFacts(
                setting=setting,
                path=str(path),
                free_bytes=shutil.disk_usage(existing).free,
                needed_bytes=needed_bytes,
                is_writable=os.access(existing, os.W_OK | os.X_OK),
            )
        )

    def of_privacy_key(self) -> Iterator[Diagnosis]:
        if self.settings.privacy_key_file is not None:
            key = keys.load_privacy_key(self.settings, "doctor")
            yield ok("key.privacy", str(self.settings.privacy_key_file), f"readable by nobody else: {key.fingerprint}")

    # ── The archive ────────────────────────────────────────────────────────────────────────────────────────────

    def of_store(self) -> Iterator[Diagnosis]:
        store = build.build_store(self.settings)
        if isinstance(store, S3Store):
            self.stack.callback(store.close)
        # The clock first: a bucket's listing says why it refuses, a HEAD does not. A directory has no clock to ask.
        clock = _clock_of("store", store.location, store.clock, self.settings.guard.clock_tolerance)
        store.stat(layout.DESCRIPTOR)
        self.store = store
        yield ok("store.reachable", store.location, "can be asked")
        yield clock
        try:
            self.descriptor = read_descriptor(store)
        except ArchiverError as error:
            yield of_error("archive.begun", store.location, error)
        if isinstance(store, S3Store) and store.lock_period():
            fact = "not tried: every new object is locked for a while, and a probe's would stay"
            yield ok("store.probe", store.location, fact)
            return
        yield from judge_store(
            store.location,
            store.probe(secrets.token_hex(8)),
            ordering=None if self.descriptor is None else self.descriptor.ordering,
            encrypts_itself=isinstance(store, S3Store) and bool(self.settings.s3.sse),
        )

    def of_signing_key(self) -> Iterator[Diagnosis]:
        signer = keys.load_signer(self.settings)
        path = str(self.settings.signing_key_file)
        if self.descriptor is None:
            yield ok("key.signing", path, "readable by nobody else; there is no archive to compare it with")
        else:
            yield judge_key(path, signer.public_key, self.descriptor.public_key)

    def of_anchor(self) -> Iterator[Diagnosis]:
        anchor: Anchor = build.build_anchor(self.settings)
        if self.descriptor is not None and anchor.read(self.descriptor.archive_id) is None:
            yield problem(
                "anchor.reachable",
                anchor.location,
                f"holds nothing for the archive {self.descriptor.archive_id}: nothing says that its ledger is whole",
                "set anchor to where it was; or, when it is truly lost: `archiver verify --deep`, then `archiver init`",
                exit_status=4,
            )
        else:
            yield ok("anchor.reachable", anchor.location, "can be asked")
        self.anchor = anchor
        if isinstance(anchor, TellsRights):
            yield judge_anchor(
                anchor.location,
                anchor.missing_rights(),
                "as the owner of its table: GRANT SELECT, INSERT, UPDATE ON … TO …; a file's directory belongs to"
                " whoever runs archiver",
            )
        yield _clock_of("anchor", anchor.location, anchor.clock, self.settings.guard.clock_tolerance)

    def of_ledger(self) -> Iterator[Diagnosis]:
        """What everything rests on; not asked where one of the two could not be."""
        if self.store is None or self.anchor is None or self.descriptor is None:
            return
        cache_dir = build.cache_dir(self.settings)
        ledger = open_ledger(
            self.store,
            self.anchor,
            signer=None,
            run="doctor",
            now=build.now,
            cache_dir=cache_dir,
            archive_id=self.settings.archive_id,
        )
        assert ledger.head is not None
        facts = HeadFacts(
            location=self.store.location,
            seq=ledger.head.entry.seq,
            at=ledger.head.entry.at,
            pause_max=self.settings.guard.pause_max,
        )
        now, tolerance = build.now(), self.settings.guard.clock_tolerance
        yield judge_head(facts, now)
        if facts.at > now + tolerance:
            yield judge_clock(
                ClockFacts(name="ledger", location=facts.location, told=facts.at, local=now, tolerance=tolerance)
            )

    # ── The database ───────────────────────────────────────────────────────────────────────────────────────────

    def of_no_database(self) -> Iterator[Diagnosis]:
        yield problem(
            "database.reachable",
            ", ".join(dataset.name for dataset in self.datasets),
            "neither SUPABASE_DB_URL nor SUPABASE_URL is set: nothing can be read",
            "set SUPABASE_DB_URL in the environment, in .env or in a secrets directory:"
            " postgresql://user:password@host:5432/db",
        )

    def of_database(self) -> Iterator[Diagnosis]:
        settings = self.settings
        source = build.build_source(settings)
        assert isinstance(source, PostgresSource)
        before = build.now()
        server = PostgresExam(source).server()
        after = build.now()
        self.source = source
        yield ok("database.reachable", source.location, "can be asked")
        if settings.postgres.statement_timeout_s is not None:
            server = replace(server, statement_timeout=timedelta(seconds=settings.postgres.statement_timeout_s))
        yield from judge_server(
            source.location,
            server,
            connections_needed=settings.export.jobs + CONNECTIONS_BESIDE_JOBS,
            purges=any(dataset.source_retention is not None for dataset in self.datasets),
        )
        yield judge_clock(
            ClockFacts(
                name="database",
                location=source.location,
                told=server.clock,
                local=before + (after - before) / 2,
                tolerance=settings.guard.clock_tolerance,
            )
        )

    def of_dataset(self, dataset: Dataset) -> Iterator[Diagnosis]:
        """Through whichever way the rows are read; nothing where that could not be asked."""
        source: Source | None = self.project if self.settings.supabase_db_url is None else self.source
        if source is None:
            return
        subject = f"{dataset.name}: {relation_name(dataset)}"
        key_columns: tuple[str, ...] | None = None
        try:
            with source.snapshot() as snapshot:
                schema = snapshot.schema(dataset)
                if dataset.source_retention is not None:
                    yield self.of_effects(
                        dataset, subject, snapshot.side_effects(dataset, snapshot.taken_at - dataset.source_retention)
                    )
        except ArchiverError as error:
            # Other things may be wrong with it as well, and are not to be found one a day.
            yield of_error("database.grants", subject, error)
        else:
            key_columns = schema.key_columns
            if dataset.policies:
                yield self.of_policies(dataset, subject, schema)
        relation = self.relation(dataset)
        if relation is not None:
            yield from judge_dataset(
                DatasetFacts(
                    dataset=dataset.name,
                    relation=relation_name(dataset),
                    time_column=dataset.time_column,
                    key_columns=key_columns,
                    is_purged=dataset.source_retention is not None,
                    told=relation,
                )
            )

    def of_effects(self, dataset: Dataset, subject: str, effects: Sequence[SideEffect]) -> Diagnosis:
        """Whether a deletion would change more than it compares; what was agreed to is listed."""
        others = {f"{other.namespace}.{other.relation}" for other in self.datasets if other.name != dataset.name}
        against = obstacles(effects, dataset.purge_may_change, leaving_first=others)
        if against:
            return problem(
                "database.effects",
                subject,
                f"nothing of it may be purged: {'; '.join(against)}",
                "archive and purge first what would go along, or, where it is not to be archived, name it in"
                f" datasets.{dataset.name}.purge_may_change",
                exit_status=Refused.exit_status,
            )
        remarks = "; ".join(notes(effects, dataset.purge_may_change))
        return ok("database.effects", subject, remarks or "deleting its rows changes nothing else")

    def of_policies(self, dataset: Dataset, subject: str, schema: TableSchema) -> Diagnosis:
        """Whether what is asked of columns can be done to these."""
        try:
            archived = archived_schema(dataset, schema, keys.policy_key(self.settings, [dataset]))
        except ArchiverError as error:
            return of_error("database.policies", subject, error)
        done = ", ".join(f"{policy.column} {policy.action.value}" for policy in archived.policies)
        return ok("database.policies", subject, done or "every column is kept as it is")

    def relation(self, dataset: Dataset) -> RelationFacts | None:
        if self.source is not None:
            return PostgresExam(self.source).relation(dataset)
        assert self.project is not None
        described = self.project.asked.describe(dataset)
        if described["relation"] is None:
            return None
        return RelationFacts(
            role=str(described["role"]),
            may_delete=bool(described["may_delete"]),
            is_table=described["relation"][1] not in ("v", "f"),
            has_time_index=bool(described["has_time_index"]),
            rows_estimate=None,
        )

    def failed(self, check: str) -> bool:
        """Whether this check failed: what depends on it is not asked, as it would only fail again."""
        return any(diagnosis.check == check and diagnosis.severity is Severity.PROBLEM for diagnosis in self.found)

    # ── The data API ───────────────────────────────────────────────────────────────────────────────────────────

    def of_project(self) -> Iterator[Diagnosis]:
        settings = self.settings
        assert settings.supabase_url is not None
        assert settings.supabase_secret_key is not None
        api = DataApi(
            settings.supabase_url,
            settings.supabase_secret_key.get_secret_value(),
            settings.data_api,
        )
        parts = urlsplit(api.url)
        yield from judge_project(
            ProjectFacts(
                location=api.location,
                key_kind=key_kind(api.key),
                key_expires_at=key_expires_at(api.key),
                is_encrypted=parts.scheme == "https",
                is_remote=(parts.hostname or "") not in LOCAL_HOSTS,
            ),
            build.now(),
        )
        # Asked only where it is the way that runs go, and only with a key that may be asked with.
        is_used = settings.supabase_db_url is None or settings.anchor == "supabase"
        if not is_used or self.failed("project.key"):
            return
        self.stack.callback(api.close)
        before = build.now()
        facts = api.look()
        after = build.now()
        self.project = PostgrestSource(api, policy=RetryPolicy(attempts_max=1))
        yield ok("project.reachable", api.location, "can be asked, and has archiver's functions")
        yield judge_clock(
            ClockFacts(
                name="project",
                location=api.location,
                told=datetime.fromisoformat(facts["clock"]).astimezone(UTC),
                local=before + (after - before) / 2,
                tolerance=settings.guard.clock_tolerance,
            )
        )

    # ── Logs and the monitoring stack ──────────────────────────────────────────────────────────────────────────

    def of_logs(self) -> Iterator[Diagnosis]:
        assert self.settings.loki_store is not None
        place = Location.of_store(self.settings.loki_store)
        if place.path is not None:
            yield _readable(ChunkDirectory(place.path))
            return
        store = build.build_store(self.settings.model_copy(update={"store": self.settings.loki_store}))
        assert isinstance(store, S3Store)
        with closing(store):
            yield _readable(store)

    def of_monitoring(self) -> Iterator[Diagnosis]:
        paths = (
            ("prometheus", "/api/v1/status/buildinfo"),
            ("loki", "/loki/api/v1/status/buildinfo"),
            ("alertmanager", "/api/v2/status"),
        )
        for (name, path), access in zip(paths, server_targets(self.settings), strict=True):
            if access is None:
                continue
            with open_client(access) as client:
                answer = Server(access, client).json(path)
            check = f"monitoring.{name}"
            if isinstance(answer, Unknown):
                yield problem(
                    check,
                    access.address,
                    english(answer.reason),
                    english(answer.fix or Fix.RUNS()),
                    exit_status=TransientError.exit_status,
                )
            else:
                yield ok(check, access.address, "can be asked")


def _readable(store: ChunkStore) -> Diagnosis:
    """Whether Loki's chunks can be listed, and one of them read."""
    first = next((reference for reference in store.list("") if parse_key(reference.key) is not None), None)
    if first is None:
        return warning(
            "logs.reachable",
            store.location,
            "can be listed, and holds no chunk",
            "set loki_store to Loki's chunks_directory, or its bucket and prefix, as this machine sees it",
        )
    store.read(first.key, size_bytes_max=first.size_bytes)
    return ok("logs.reachable", store.location, "chunks can be listed and read")
