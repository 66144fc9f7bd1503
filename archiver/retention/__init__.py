"""Decisions about time: what is due, and why the rest is left alone. Pure: no clock, source or store.

- a decision is a value: the command prints it, tests compare it, executing receives it
- whatever is left alone is left alone for a reason that a person can read
"""

from archiver.retention.compaction import CompactionPlan, CompactionRules, SlotMerge, plan_compaction
from archiver.retention.effects import describe, notes, obstacles, unagreed
from archiver.retention.expiry import ExpiryPlan, ExpirySlot, archive_due_at, plan_expiry
from archiver.retention.export import (
    DueSlot,
    ExportPlan,
    LeftSlot,
    Need,
    census_bounds,
    is_future,
    plan_export,
    same_state,
)
from archiver.retention.guard import Clocks, guard
from archiver.retention.holds import covers, holds_on, is_of_another_key, under_key
from archiver.retention.policies import holds_less
from archiver.retention.purge import Overdue, PurgePlan, PurgeSlot, due_windows, keep_reason, overdue, plan_purge
from archiver.retention.reasons import differs, on_hold, still_there
from archiver.retention.settings import GuardSettings
from archiver.retention.windows import window_at

__all__ = [
    "Clocks",
    "CompactionPlan",
    "CompactionRules",
    "DueSlot",
    "ExpiryPlan",
    "ExpirySlot",
    "ExportPlan",
    "GuardSettings",
    "LeftSlot",
    "Need",
    "Overdue",
    "PurgePlan",
    "PurgeSlot",
    "SlotMerge",
    "archive_due_at",
    "census_bounds",
    "covers",
    "describe",
    "differs",
    "due_windows",
    "guard",
    "holds_less",
    "holds_on",
    "is_future",
    "is_of_another_key",
    "keep_reason",
    "notes",
    "obstacles",
    "on_hold",
    "overdue",
    "plan_compaction",
    "plan_expiry",
    "plan_export",
    "plan_purge",
    "same_state",
    "still_there",
    "unagreed",
    "under_key",
    "window_at",
]
