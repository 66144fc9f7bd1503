"""``[export]``, ``[purge]``: how rows come out of their tables."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from archiver.model import SETTLE_MARGIN
from archiver.section import MIB, PART_SIZE_BYTES, Duration, Section


class ExportSettings(Section):
    """How an export works."""

    jobs: PositiveInt = Field(
        2,
        le=64,
        description="Windows read at the same time, each on its own database connection. Through the data API"
        " `data_api.jobs` counts instead.",
    )
    part_size_bytes_max: int = Field(
        PART_SIZE_BYTES,
        ge=MIB,
        description="A part is closed at about this size. Larger parts mean fewer objects, and more room needed in"
        " work_dir: jobs times this.",
    )
    commit_interval_s: NonNegativeFloat = Field(
        60.0,
        description="Finished windows are committed at least this often; what a killed run loses is at most this"
        " much work, never data.",
    )
    settle_margin: Duration = Field(
        SETTLE_MARGIN,
        description="Where the database hides when others' transactions began, a window that ended less than this ago"
        " counts as one that may still get rows.",
    )


class PurgeSettings(Section):
    """How rows leave their source."""

    batch_rows_max: PositiveInt = Field(
        50_000, description="About how many rows one transaction reads and deletes: how long its locks are held."
    )
    lock_timeout_s: PositiveFloat = Field(
        5.0, description="How long a deletion waits for the application's locks before it gives way and tries again."
    )
    drop_partitions: bool = Field(
        True,
        description="A partition whose rows are all due and proven is detached and dropped. Off: its rows are deleted.",
    )
