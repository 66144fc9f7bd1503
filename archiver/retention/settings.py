"""``[datasets.<name>]``, ``[guard]``, ``[compact]``: the rules that decisions about time are made by."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Literal

from pydantic import Field, NonNegativeInt, field_validator

from archiver.model import NAMESPACE, SOURCE_RETENTION, TIME_COLUMN, WINDOW, Dataset, PolicyAction
from archiver.section import MIB, Duration, Retention, Section, format_duration

DAY_S = 86_400


class DatasetSettings(Section):
    """One kind of record. The two that the product is for exist without any configuration."""

    enabled: bool = Field(True, description="Off: it is neither exported nor purged; what is held stays.")
    relation: str = Field(
        "", description="Table or view, in its exact case; no other dataset may have it. Empty: the dataset's name."
    )
    namespace: str = Field(NAMESPACE, alias="schema", min_length=1, description="The database schema.")
    time_column: str = Field(
        TIME_COLUMN, min_length=1, description="timestamptz, timestamp (taken as UTC) or date: where retention begins."
    )
    key_columns: tuple[str, ...] | None = Field(
        None,
        alias="key",
        description="The columns that identify a row. Unset: read from the database. Empty: there are none, and nothing"
        " is ever purged.",
    )
    subject_columns: tuple[str, ...] = Field(
        (), description="Columns that name a person; holds and requests for access look here."
    )
    policies: Mapping[str, PolicyAction] = Field(
        default_factory=dict,
        alias="columns",
        description="What is done to a column before anything is written: keep, drop, hmac, truncate_ip.",
    )
    window: Duration = Field(WINDOW, description="The length of a window; divides a day. Fixed by the first export.")
    source_retention: Retention = Field(
        SOURCE_RETENTION, description="How long rows may stay in the database, or never to leave them there."
    )
    archive_retention: Duration | None = Field(
        None,
        description="How long the archive may hold them. Unset: not chosen yet, nothing expires. There is no `never`:"
        " moving a row here is not deleting it, and personal data needs an end.",
    )
    short_periods: bool = Field(
        False,
        description="Confirms that source_retention or archive_retention is meant to be under a day. Without it such"
        " a period is refused: `30m` is minutes, and `30d` was mostly meant.",
    )
    purpose: str = Field("", description="Why it is kept, for the record of processing (Art. 30).")
    legal_basis: str = Field("", description="On what legal ground.")
    deletion_class: str = Field(
        "", description="The class of the deletion concept that it belongs to, for the deletion record (DIN 66398)."
    )
    data_categories: tuple[str, ...] = Field(
        (), description="Which kinds of personal data it holds, for the record of processing (Art. 30)."
    )
    purge_may_change: tuple[str, ...] = Field(
        (),
        description="Relations, as schema.relation, that are not to be archived and that a purge of this one may"
        " change: rows that cascade, what triggers write, columns that a view hides. The ledger counts what it did.",
    )
    person_categories: tuple[str, ...] = Field((), description="Whose data these are: users, customers, staff.")

    @field_validator("window")
    @classmethod
    def _divides_a_day(cls, value: timedelta) -> timedelta:
        if DAY_S % value.total_seconds():
            raise ValueError(f"a window of {format_duration(value)} does not divide a day; write 1d, 12h, 6h, 1h …")
        return value

    def dataset(self, name: str, source: Literal["postgres", "postgrest"]) -> Dataset:
        """The noun: what it has of these, under the same names. Its relation is the name's unless it is set."""
        shared = {field.name for field in fields(Dataset)} & set(type(self).model_fields)
        return Dataset(
            name=name,
            source=source,
            **{field: getattr(self, field) for field in shared} | {"relation": self.relation or name},
        )


class GuardSettings(Section):
    """When a deletion is refused until a person confirms it for that one run."""

    clock_tolerance: Duration = Field(
        timedelta(minutes=5),
        description="By how much the clocks of this machine, database, store and anchor may differ.",
    )
    pause_max: Duration = Field(
        timedelta(days=3), description="After a longer pause between two ledger entries the clock may have jumped."
    )
    share_max: float = Field(0.5, gt=0, le=1, description="The part of a dataset that may go at once.")
    share_rows_min: NonNegativeInt = Field(
        1000,
        description="Fewer rows are not too large a share where little more than share_max would go; where all would"
        " go, a tenth of it counts.",
    )


class CompactSettings(Section):
    """When the small parts of a day are merged. A merged part has about the size of export.part_size_bytes_max."""

    parts_min: int = Field(8, ge=2, description="So many small parts of one day make it worth while.")
    small_size_bytes_max: int = Field(32 * MIB, ge=1, description="Larger parts stay as they are.")
    after: Duration = Field(
        timedelta(days=2), description="A window must have ended this long ago: until then late rows still come."
    )
