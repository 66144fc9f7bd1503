"""Which slots an export reads, and why it leaves the others alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from archiver.errors import ConfigError
from archiver.ledger.holdings import DatasetHoldings, SlotHoldings
from archiver.model import (
    DATED_MAX,
    DATED_MIN,
    Dataset,
    Reason,
    Slot,
    SourceState,
    Statement,
    TableSchema,
    Window,
)
from archiver.retention.policies import holds_less
from archiver.retention.windows import window_at


class Need(StrEnum):
    """Why a slot is read."""

    FIRST = "first"
    """Nothing of it was ever exported."""
    CHANGED = "changed"
    """The source no longer looks as it did when it was last compared with the archive."""
    POLICY = "policy"
    """The archive holds less of a column than today's policies ask for."""
    AGAIN = "again"
    """The archive held it and has let it go, and the source still has rows of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSlot:
    """A slot to be read and compared with the archive."""

    slot: Slot
    need: Need
    state: SourceState
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftSlot:
    """A slot that is left alone, and why."""

    slot: Slot
    rows: int
    reason: Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """What an export of one dataset would do.

    Attributes:
        due: Oldest first, undated rows first of all.
        left: The rest of what the source has, with reasons, in the same order.
    """

    dataset: str
    due: tuple[DueSlot, ...]
    left: tuple[LeftSlot, ...]

    @property
    def rows(self) -> int:
        """Rows that will be read; of changed slots the archive has some already."""
        return sum(due.state.rows for due in self.due)


def census_bounds(
    dataset: Dataset, since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Move bounds outwards to window borders: whole windows are compared, never parts of one."""
    low = None if since is None else max(window_at(since, dataset.window).start, DATED_MIN)
    if until is None:
        return low, None
    if until > DATED_MAX - dataset.window:
        return low, DATED_MAX
    last = window_at(until, dataset.window)
    return low, last.start if last.start == until else last.end


def plan_export(
    dataset: Dataset,
    held: DatasetHoldings,
    census: Mapping[Window | None, SourceState],
    *,
    now: datetime,
    settled_until: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    schema: TableSchema | None = None,
) -> ExportPlan:
    """Decide which slots of a dataset are read.

    What has expired from the archive is not archived again, unless it has to leave the source as well: a row that came
    that late is archived once more, so that it is proven when it is deleted there, and expires in the same night. A
    window has expired for good when its period is over: one that lay in the future when a row of it was archived and
    expired is archived like any other when its time has come. Nothing distinguishes expired rows without a time from
    new ones, so new ones bring them back.

    Without bounds: every window but the one that is still open, and the undated rows. With bounds: every window that
    has an instant in ``[since, until)``, the open one included, since somebody asked for it.

    Args:
        census: The source's windows that have rows, as one snapshot saw them.
        now: That snapshot's time, by the source's clock.
        settled_until: As in ``contracts.Snapshot``.
        schema: Today's, as it is archived; None: its column policies are those of the last comparison.

    Raises:
        ConfigError: The archive holds this dataset in windows of another length.
    """
    _check_lengths(dataset, held)
    low, high = census_bounds(dataset, since, until)
    bounded = low is not None or high is not None
    slots = {Slot(window=window): state for window, state in census.items()}
    for slot, known in held.slots.items():
        # A window that lost its last row no longer shows up in a census; that it did is worth an entry.
        if known.state is not None and known.state.rows and slot not in slots and _asked_for(slot, low, high):
            slots[slot] = SourceState(rows=0, digest="")
    due: list[DueSlot] = []
    left: list[LeftSlot] = []
    for slot in sorted(slots, key=lambda slot: slot.sort_key):
        state, known_slot = slots[slot], held.slots.get(slot)
        if not bounded and slot.window is not None and slot.window.start <= now < slot.window.end:
            left.append(LeftSlot(slot=slot, rows=state.rows, reason=Reason.WINDOW_OPEN()))
        elif known_slot is not None and known_slot.is_expired and _is_over(dataset, slot, now):
            left.append(LeftSlot(slot=slot, rows=state.rows, reason=Reason.EXPIRED()))
        elif known_slot is not None and _is_settled(dataset, held, known_slot, state, schema):
            left.append(LeftSlot(slot=slot, rows=state.rows, reason=Reason.UNCHANGED()))
        else:
            need = Need.CHANGED
            if known_slot is None:
                need = Need.FIRST
            elif known_slot.is_expired and state.rows:
                need = Need.AGAIN
            elif same_state(known_slot, state):
                need = Need.POLICY
            settled = slot.window is not None and slot.window.end <= settled_until
            due.append(DueSlot(slot=slot, need=need, state=state, settled=settled))
    return ExportPlan(dataset=dataset.name, due=tuple(due), left=tuple(left))


def _is_over(dataset: Dataset, slot: Slot, now: datetime) -> bool:
    """Whether nothing that the source may still have of a slot may be held any more."""
    if dataset.source_retention is not None or slot.window is None:
        return False
    return slot.window.end <= now - (dataset.archive_retention or timedelta(0))


def _is_settled(
    dataset: Dataset, held: DatasetHoldings, known: SlotHoldings, state: SourceState, schema: TableSchema | None
) -> bool:
    """Whether a slot was compared as it is, and what it has is held as it must be."""
    if not same_state(known, state):
        return False
    if known.is_expired:
        # The source began to have a retention after it had expired from the archive: without proof nothing can leave.
        return dataset.source_retention is None or not state.rows
    return not _is_lesser(held, known, schema)


def same_state(known: SlotHoldings, state: SourceState) -> bool:
    """Whether a slot of the source looks as it did when it was last compared.

    A digest counts only where both have one: a source that cannot give digests is compared by its count.
    """
    if known.state is None or known.state.rows != state.rows:
        return False
    return not (known.state.digest and state.digest) or known.state.digest == state.digest


def _is_lesser(held: DatasetHoldings, known: SlotHoldings, schema: TableSchema | None) -> bool:
    """Whether rows of a slot were last archived under column policies that left less than today's ask for."""
    written = held.schemas.get(known.schema)
    has_rows = known.state is not None and known.state.rows > 0
    return has_rows and schema is not None and written is not None and bool(holds_less(written, schema))


def is_future(slot: Slot, now: datetime) -> bool:
    """Whether every row of a slot has a time that has not come yet."""
    return slot.window is not None and slot.window.start > now


def _asked_for(slot: Slot, low: datetime | None, high: datetime | None) -> bool:
    if slot.window is None:
        return low is None and high is None
    return (low is None or slot.window.start >= low) and (high is None or slot.window.end <= high)


def _check_lengths(dataset: Dataset, held: DatasetHoldings) -> None:
    for slot in held.slots:
        if slot.window is not None and slot.window.end - slot.window.start != dataset.window:
            raise ConfigError(
                f"dataset {dataset.name}: the archive holds windows of {slot.window.end - slot.window.start}, the"
                f" configuration says {dataset.window}; nothing was read",
                hint="set the dataset's window back: its length is fixed by the first export",
            )
