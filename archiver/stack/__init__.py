"""What a deployed stack says about its retention: configured, in force, and observed.

``check_stack`` looks at all targets. Each part has an ``ask`` (questions, no verdict) and a ``judge`` (verdicts, pure
but for files), so that a recorded answer is judged like a live one.
"""

from archiver.stack.check import check_stack, exit_status
from archiver.stack.targets import (
    Access,
    AlertmanagerTarget,
    AlertServiceTarget,
    BucketFacts,
    ComposeTarget,
    LogDirectoryTarget,
    LokiTarget,
    PrometheusTarget,
    StackTargets,
    SupabaseFacts,
    TableFacts,
)

__all__ = [
    "Access",
    "AlertServiceTarget",
    "AlertmanagerTarget",
    "BucketFacts",
    "ComposeTarget",
    "LogDirectoryTarget",
    "LokiTarget",
    "PrometheusTarget",
    "StackTargets",
    "SupabaseFacts",
    "TableFacts",
    "check_stack",
    "exit_status",
]
