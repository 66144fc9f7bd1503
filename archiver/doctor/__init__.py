"""What `archiver doctor` makes of facts: pure judgements, each with its fix. Nothing here asks anybody anything."""

from archiver.doctor.archive import judge_anchor, judge_clock, judge_head, judge_key, judge_store
from archiver.doctor.database import judge_dataset, judge_project, judge_server
from archiver.doctor.diagnosis import Diagnosis, Severity, exit_status, of_error, ok, problem, warning
from archiver.doctor.facts import (
    ClockFacts,
    DatasetFacts,
    HeadFacts,
    ProjectFacts,
    RoomFacts,
)
from archiver.doctor.machine import judge_loop, judge_room, judge_secret_file

__all__ = [
    "ClockFacts",
    "DatasetFacts",
    "Diagnosis",
    "HeadFacts",
    "ProjectFacts",
    "RoomFacts",
    "Severity",
    "exit_status",
    "judge_anchor",
    "judge_clock",
    "judge_dataset",
    "judge_head",
    "judge_key",
    "judge_loop",
    "judge_project",
    "judge_room",
    "judge_secret_file",
    "judge_server",
    "judge_store",
    "of_error",
    "ok",
    "problem",
    "warning",
]
