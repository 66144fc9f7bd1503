"""The tree of settings, collected from the rooms that declare them. Closed: what is not here is an error."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, PositiveInt, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from archiver.layout import DATASET_NAME
from archiver.model import Dataset
from archiver.neighbours.dataapi.settings import DataApiSettings
from archiver.neighbours.postgres.settings import PostgresSettings
from archiver.neighbours.s3.settings import S3Settings
from archiver.neighbours.settings import RetrySettings
from archiver.operations.archive.settings import SweepSettings, VerifySettings
from archiver.operations.logs.settings import LOGS, LokiSettings
from archiver.operations.tables.settings import ExportSettings, PurgeSettings
from archiver.reports.settings import ReportSettings
from archiver.retention.settings import CompactSettings, DatasetSettings, GuardSettings
from archiver.section import Section, web_address
from archiver.stack.settings import StackSettings
from archiver.telemetry.settings import HealthSettings, MetricsSettings, PingSettings

_CONNECTION_STRING = re.compile(r"postgres(ql)?://|[a-z_]+\s*=", re.IGNORECASE)
_TRANSACTION_POOLER = re.compile(r":6543(?![\w@])|(?<![a-z])port\s*=\s*6543\b")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a store or an anchor is.

    Attributes:
        kind: ``file``, ``s3``, ``postgres`` or ``supabase``.
        path: Absolute; for ``file``.
        bucket, prefix: For ``s3``; the prefix has no slash at either end.
    """

    kind: Literal["file", "s3", "postgres", "supabase"]
    path: Path | None = None
    bucket: str = ""
    prefix: str = ""

    @classmethod
    def of_store(cls, url: str) -> "Location":
        """``file:///dir`` or ``s3://bucket/prefix``.

        Raises:
            ValueError: It is anything else.
        """
        parts = urlsplit(url)
        if parts.scheme == "s3" and parts.netloc and not parts.query and "@" not in parts.netloc:
            return cls("s3", bucket=parts.netloc, prefix=unquote(parts.path).strip("/"))
        return cls._of_file(url, "file:///directory or s3://bucket/prefix")

    @classmethod
    def of_anchor(cls, url: str) -> "Location":
        """``file:///file``, ``postgres`` or ``supabase``.

        Raises:
            ValueError: It is anything else.
        """
        if url in ("postgres", "supabase"):
            return cls("postgres" if url == "postgres" else "supabase")
        return cls._of_file(url, "file:///path/of/a/file, postgres, or supabase")

    @classmethod
    def _of_file(cls, url: str, accepted: str) -> "Location":
        parts = urlsplit(url)
        path = Path(unquote(parts.path))
        if (
            parts.scheme != "file"
            or parts.netloc not in ("", "localhost")
            or not path.is_absolute()
            or path == Path("/")
        ):
            raise ValueError(f"{url.rsplit('@', maxsplit=1)[-1]!r} is not supported; write {accepted}")
        return cls("file", path=path)


class NightlySettings(Section):
    """What `archiver run nightly` does besides what its steps' own sections say."""

    deep_nights: PositiveInt = Field(
        30,
        description="In so many nights every object of the archive is decoded once; new ones are the night they come.",
    )
    report: bool = Field(True, description="Write the audit report of the day before into report.directory.")


DEFAULT_DATASETS: Mapping[str, DatasetSettings] = {
    "app_audit_log": DatasetSettings(),
    "log_workflow_events": DatasetSettings(),
}


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    store: str | None = Field(None, description="Where the archive is: file:///directory or s3://bucket/prefix.")
    anchor: str | None = Field(
        None,
        description="Where the ledger's head is kept, in another trust domain than the store: file:///path, postgres"
        " (a table through SUPABASE_DB_URL) or supabase (through the data API).",
    )
    signing_key_file: Path | None = Field(
        None,
        description="The archive's private key, which `archiver init` makes. Keep a copy: without it nothing can be"
        " added. A secrets directory may hold it as `archiver_signing_key`.",
    )
    privacy_key_file: Path | None = Field(
        None,
        description="The key of the digests that stand for persons (holds, pseudonyms), which `archiver init` makes."
        " Keep a copy. A secrets directory may hold it as `archiver_privacy_key`.",
    )
    loki_store: str | None = Field(None, description="Loki's chunks: file:///directory or s3://bucket/prefix.")
    prometheus_url: str | None = Field(None, description="The deployed Prometheus whose retention is checked.")
    loki_url: str | None = Field(None, description="The deployed Loki whose retention is checked.")
    work_dir: Path | None = Field(
        None,
        description="Where parts are written before they are uploaded. Unset: the system's temporary directory. On a"
        " disk with room for export.jobs times export.part_size_bytes_max.",
    )
    archive_id: str = Field(
        "",
        pattern=r"^[0-9a-f]{0,64}$",
        description="Which archive is meant, as `archiver init` printed it: another one in its place, even of the same"
        " key, is refused with 4. Unset: the one that this machine remembers by its key.",
    )
    cache_dir: Path | None = Field(
        None,
        description="Where this machine remembers the ledger entries that it has seen. Unset: the user's cache"
        " directory.",
    )

    supabase_db_url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:5432/database, direct or through the session pooler."
    )
    supabase_url: str | None = Field(None, description="https://<project>.supabase.co, for the data API.")
    supabase_secret_key: SecretStr | None = Field(None, description="sb_secret_…, for the data API.")

    aws_access_key_id: str | None = Field(None, description="As everywhere; unset: boto3's own search.")
    aws_secret_access_key: SecretStr | None = Field(None, description="As everywhere.")
    aws_session_token: SecretStr | None = Field(None, description="As everywhere.")
    aws_region: str | None = Field(None, description="As everywhere; AWS_DEFAULT_REGION serves too.")
    aws_endpoint_url_s3: str | None = Field(
        None, description="The S3 server, unless it is AWS; AWS_ENDPOINT_URL serves too."
    )
    aws_ca_bundle: Path | None = Field(None, description="Certificates to trust instead of the system's.")

    export: ExportSettings = Field(default_factory=ExportSettings)
    s3: S3Settings = Field(default_factory=S3Settings)
    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    data_api: DataApiSettings = Field(default_factory=DataApiSettings)
    retry: RetrySettings = Field(default_factory=RetrySettings)
    verify: VerifySettings = Field(default_factory=VerifySettings)
    stack: StackSettings = Field(default_factory=StackSettings)
    guard: GuardSettings = Field(default_factory=GuardSettings)
    purge: PurgeSettings = Field(default_factory=PurgeSettings)
    sweep: SweepSettings = Field(default_factory=SweepSettings)
    compact: CompactSettings = Field(default_factory=CompactSettings)
    loki: LokiSettings = Field(default_factory=LokiSettings)
    report: ReportSettings = Field(default_factory=ReportSettings)
    nightly: NightlySettings = Field(default_factory=NightlySettings)
    ping: PingSettings = Field(default_factory=PingSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    datasets: Mapping[str, DatasetSettings] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``sources.load`` has gathered and checked; it knows where each value came from."""
        return (init_settings,)

    @field_validator("store", "loki_store")
    @classmethod
    def _is_store(cls, value: str | None) -> str | None:
        if value is not None:
            Location.of_store(value)
        return value

    @field_validator("anchor")
    @classmethod
    def _is_anchor(cls, value: str | None) -> str | None:
        if value is not None:
            Location.of_anchor(value)
        return value

    @field_validator("supabase_db_url")
    @classmethod
    def _is_session_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        # What libpq makes of it is known where it is used; here only what can be no connection string at all.
        text = value.get_secret_value().strip()
        if not _CONNECTION_STRING.match(text):
            raise ValueError("must begin with postgresql://, or be a list of name=value as libpq takes it")
        if _TRANSACTION_POOLER.search(text):
            raise ValueError(
                "points to the transaction pooler (port 6543), which has no snapshots; use the session pooler or the"
                " direct connection (port 5432)"
            )
        return value

    @field_validator("supabase_url", "prometheus_url", "loki_url", "aws_endpoint_url_s3")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        return web_address(value)

    @field_validator("datasets")
    @classmethod
    def _are_named(cls, value: Mapping[str, DatasetSettings]) -> Mapping[str, DatasetSettings]:
        for name in value:
            if name == LOGS:
                raise ValueError(f"the dataset {LOGS!r} is that of Loki's chunks; its settings stand in [loki]")
            if not DATASET_NAME.fullmatch(name):
                raise ValueError(f"a dataset's name has lower-case letters, digits and _ only, {name!r} has others")
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> "Settings":
        if self.s3.kms_key_id and self.s3.sse != "aws:kms":
            raise ValueError('s3.kms_key_id is set, so s3.sse must be "aws:kms"')
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set both, or neither")
        return self

    def all_datasets(self) -> dict[str, DatasetSettings]:
        """The default datasets, overridden and added to by what is configured; also those that are not enabled."""
        return {**DEFAULT_DATASETS, **self.datasets}

    def logs(self) -> Dataset | None:
        """The dataset of Loki's chunks; None when no chunks are to be archived.

        Its source retention is not set: no rows leave a database. How long Loki may hold them is
        ``loki.source_retention``, which `purge loki` sees to.
        """
        if self.loki_store is None or not self.loki.enabled:
            return None
        return self.loki.dataset()

    @property
    def reads_data_api(self) -> bool:
        """Whether tables are read through the data API, for want of a database's address."""
        return self.supabase_db_url is None and self.supabase_url is not None

    @property
    def export_jobs(self) -> int:
        """Windows of tables read at the same time, the way they are read here."""
        return self.data_api.jobs if self.reads_data_api else self.export.jobs

    def resolved_datasets(self) -> tuple[Dataset, ...]:
        """The enabled datasets as nouns, in the order of their definition."""
        source: Literal["postgres", "postgrest"] = "postgrest" if self.reads_data_api else "postgres"
        return tuple(rules.dataset(name, source) for name, rules in self.all_datasets().items() if rules.enabled)
