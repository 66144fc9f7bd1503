"""``[loki]``: how chunks become rows, and when they leave."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from archiver.model import SOURCE_RETENTION, Dataset
from archiver.section import MIB, PART_SIZE_BYTES, Duration, Section

LOGS = "loki"
"""The dataset of Loki's chunks."""

LOG_COLUMNS = frozenset(
    {
        "timestamp",
        "tenant",
        "stream_hash",
        "chunk",
        "line",
        "line_bytes",
        "labels",
        "structured_metadata",
        "structured_metadata_pairs",
        "date",
    }
)
"""What every row of logs has; ``date`` is the partition's."""


class LokiSettings(Section):
    """Logs: how Loki's chunks become rows of the dataset `loki`. Where the chunks are is loki_store."""

    enabled: bool = Field(True, description="Off: no logs are exported; what is held stays.")
    jobs: PositiveInt = Field(2, le=64, description="Chunks decoded, and days written, at the same time.")
    settle: Duration = Field(
        timedelta(minutes=15),
        description="A chunk file younger than this may still be written to, and waits for the next run.",
    )
    label_columns: tuple[str, ...] = Field(
        ("job", "app", "level", "filename", "service_name"),
        description="Labels that become columns of their own, so that a filter on them reads little.",
    )
    lines: Mapping[Literal["bearer", "email", "ipv6", "ipv4", "phone"], Literal["drop", "hmac"]] = Field(
        default_factory=dict,
        description="What is taken out of lines before they are written, each as drop or hmac. Unset: nothing.",
    )
    round_size_bytes_max: int = Field(
        PART_SIZE_BYTES,
        ge=MIB,
        description="Chunk bytes of one commit. work_dir needs room for about ten times as much.",
    )
    chunk_size_bytes_max: int = Field(
        PART_SIZE_BYTES, ge=MIB, description="A larger chunk is left alone, and reported."
    )
    decoded_bytes_max: int = Field(
        512 * MIB,
        ge=MIB,
        lt=2048 * MIB,
        description="What one chunk may decompress to. More is taken for a forgery and goes into quarantine.",
    )
    source_retention: Duration = Field(
        SOURCE_RETENTION, description="How long Loki may hold logs: its retention_period. `purge loki` checks it."
    )
    delete: Literal["compactor", "files"] = Field(
        "compactor",
        description="Who deletes chunks: Loki's compactor, and archiver only checks; or archiver itself, which is for a"
        " directory of rotated chunks that no Loki reads any more.",
    )
    delete_grace: Duration = Field(
        timedelta(days=1), description="How much longer than that a chunk may lie there: the compactor works in rounds."
    )
    warn_before: Duration = Field(
        timedelta(days=7), description="So long before a chunk is due, `purge loki` warns when it is not archived."
    )
    archive_retention: Duration | None = Field(
        None, description="How long the archive may hold logs. Unset: not chosen yet, nothing expires."
    )
    short_periods: bool = Field(
        False,
        description="Confirms that source_retention or archive_retention is meant to be under a day. Without it such"
        " a period is refused.",
    )
    purpose: str = Field("", description="Why they are kept, for the record of processing (Art. 30).")
    legal_basis: str = Field("", description="On what legal ground.")
    deletion_class: str = Field(
        "", description="The class of the deletion concept that they belong to, for the deletion record (DIN 66398)."
    )
    data_categories: tuple[str, ...] = Field(
        (), description="Which kinds of personal data they hold, for the record of processing (Art. 30)."
    )
    person_categories: tuple[str, ...] = Field((), description="Whose data these are: users, customers, staff.")

    @field_validator("label_columns")
    @classmethod
    def _are_free(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name in LOG_COLUMNS or value.count(name) > 1:
                raise ValueError(f"{name!r} cannot be a label's column: logs have a column of that name already")
        return value

    def dataset(self) -> Dataset:
        """The dataset of Loki's chunks.

        Its source retention is not set: no rows leave a database. How long Loki may hold them is
        ``source_retention``, which `purge loki` sees to.
        """
        return Dataset(
            name=LOGS,
            source="loki",
            namespace="",
            time_column="timestamp",
            key_columns=(),
            source_retention=None,
            **{name: getattr(self, name) for name in ("archive_retention", "purpose", "legal_basis", "deletion_class")},
        )
