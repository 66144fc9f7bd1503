"""The metrics of a run: names, labels and values as ``docs/metrics.md`` has them; a test holds the two together."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from archiver.ledger.holdings import Holdings
from archiver.model import Finding, Observed, RunEnded, StepOutcome, Verdict, is_hold

Labels = tuple[tuple[str, str], ...]
Series = dict[tuple[str, Labels], float]
"""Value by name and labels, labels sorted by name."""

HELP: Final[Mapping[str, str]] = {
    "archiver_build_info": "The version that wrote the file.",
    "archiver_last_run_timestamp_seconds": "End of the last nightly run, successful or not.",
    "archiver_last_run_exit_status": "What it ended with.",
    "archiver_last_run_duration_seconds": "How long each step of the last run took.",
    "archiver_last_success_timestamp_seconds": "End of the last run in which this step succeeded.",
    "archiver_last_run_rows": "What the last run did to rows.",
    "archiver_last_run_bytes": "The same in bytes of archive segments.",
    "archiver_archive_rows": "What the archive holds now, by the ledger.",
    "archiver_archive_bytes": "The same in bytes of segments.",
    "archiver_overdue_rows": "Rows past their retention that are still there.",
    "archiver_oldest_row_timestamp_seconds": "No row that was seen there is older.",
    "archiver_retention_seconds": "The configured retention.",
    "archiver_verify_objects": "Archive objects by the outcome of the last verification.",
    "archiver_stack_findings": "Findings of archiver stack check.",
    "archiver_ledger_head_sequence": "Head of the ledger.",
    "archiver_quarantined_objects": "Unsound Loki chunks kept aside and not yet released.",
}

OF_ONE_RUN: Final = frozenset(
    {
        "archiver_build_info",
        "archiver_last_run_timestamp_seconds",
        "archiver_last_run_exit_status",
        "archiver_last_run_duration_seconds",
        "archiver_last_run_rows",
        "archiver_last_run_bytes",
    }
)
"""Written by every run. All other series keep their last value when a run has no new one."""

SUBJECTS: Final = ("prometheus", "loki", "alertmanager", "alerts", "compose", "logs", "store", "supabase")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCounts:
    """What a run did to one dataset; rows unless stated otherwise."""

    exported: int = 0
    purged: int = 0
    expired: int = 0
    bytes_exported: int = 0
    bytes_expired: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is published about a run.

    Attributes:
        ended_at: The local clock.
        ended: As the ledger has it, or would have it where the ledger could not be reached.
        counts: By dataset.
        holdings: After the run; None when the ledger could not be read.
        retention: How long ``source`` and ``archive`` may hold a dataset, where that is chosen.
        verified: Objects by outcome; None when nothing was verified.
        findings: Of the stack check; None when there was none.
    """

    version: str
    ended_at: datetime
    ended: RunEnded
    counts: Mapping[str, DatasetCounts]
    holdings: Holdings | None
    retention: Mapping[tuple[str, Literal["source", "archive"]], timedelta]
    verified: Mapping[Literal["ok", "failed", "unchecked"], int] | None
    findings: tuple[Finding, ...] | None


def series_of(facts: RunFacts, before: Series) -> Series:
    """All series after a run.

    Args:
        before: What the last run wrote; a series without a new value keeps its old one.
    """
    series: Series = {key: value for key, value in before.items() if key[0] not in OF_ONE_RUN}
    series.update(_run(facts))
    if facts.holdings is not None:
        series = {key: value for key, value in series.items() if key[0] not in _OF_THE_LEDGER}
        series.update(_ledger(facts.holdings))
    series.update(_observations(facts, series))
    if facts.verified is not None:
        series.update({_key("archiver_verify_objects", result=name): n for name, n in facts.verified.items()})
    if facts.findings is not None:
        series = {key: value for key, value in series.items() if key[0] != "archiver_stack_findings"}
        series.update(_findings(facts.findings))
    return series


_OF_THE_LEDGER: Final = frozenset({"archiver_archive_rows", "archiver_archive_bytes"})


def _key(name: str, **labels: str) -> tuple[str, Labels]:
    return name, tuple(sorted(labels.items()))


def _run(facts: RunFacts) -> Series:
    ended_at = facts.ended_at.timestamp()
    series: Series = {
        _key("archiver_build_info", version=facts.version): 1,
        _key("archiver_last_run_timestamp_seconds"): ended_at,
        _key("archiver_last_run_exit_status"): facts.ended.exit_status,
    }
    for step in facts.ended.steps:
        if step.outcome is not StepOutcome.SKIPPED:
            series[_key("archiver_last_run_duration_seconds", step=step.step)] = step.duration_ms / 1000
        if step.outcome is StepOutcome.DONE:
            series[_key("archiver_last_success_timestamp_seconds", step=step.step)] = ended_at
    if facts.ended.exit_status == 0:
        series[_key("archiver_last_success_timestamp_seconds", step=facts.ended.command)] = ended_at
    for dataset, counts in facts.counts.items():
        for operation, rows in (("exported", counts.exported), ("purged", counts.purged), ("expired", counts.expired)):
            series[_key("archiver_last_run_rows", dataset=dataset, operation=operation)] = rows
        for operation, size_bytes in (("exported", counts.bytes_exported), ("expired", counts.bytes_expired)):
            series[_key("archiver_last_run_bytes", dataset=dataset, operation=operation)] = size_bytes
    for dataset, (held, refused) in _left_alone(facts.ended.observed).items():
        series[_key("archiver_last_run_rows", dataset=dataset, operation="held")] = held
        series[_key("archiver_last_run_rows", dataset=dataset, operation="refused")] = refused
    return series


def _left_alone(observed: Iterable[Observed]) -> dict[str, tuple[int, int]]:
    """Overdue rows of a source that a hold covers, and the other ones."""
    held_by_dataset = {}
    for observation in observed:
        if observation.place == "source" and observation.rows is not None:
            held = sum(kept.rows for kept in observation.reasons if is_hold(kept.reason))
            held_by_dataset[observation.dataset] = (held, observation.rows_overdue - held)
    return held_by_dataset


def _ledger(holdings: Holdings) -> Series:
    series: Series = {_key("archiver_ledger_head_sequence"): holdings.seq}
    quarantined = 0
    for name, dataset in holdings.datasets.items():
        held = [held_segment.segment for held_segment in dataset.segments()]
        series[_key("archiver_archive_rows", dataset=name)] = sum(segment.rows for segment in held)
        series[_key("archiver_archive_bytes", dataset=name)] = sum(segment.size_bytes for segment in held)
        quarantined += len(dataset.chunks.quarantined)
    series[_key("archiver_quarantined_objects")] = quarantined
    for step, at in holdings.last_successes.items():
        series[_key("archiver_last_success_timestamp_seconds", step=step)] = at.timestamp()
    return series


def _observations(facts: RunFacts, series: Series) -> Series:
    made: Series = {}
    for (dataset, place), period in facts.retention.items():
        made[_key("archiver_retention_seconds", dataset=dataset, place=place)] = period.total_seconds()
    for observation in facts.ended.observed:
        if observation.rows is None:
            continue  # nobody could look: what was said last stays, and the age of the last run tells that
        made[_key("archiver_overdue_rows", dataset=observation.dataset, place=observation.place)] = (
            observation.rows_overdue
        )
        oldest = _key("archiver_oldest_row_timestamp_seconds", dataset=observation.dataset, place=observation.place)
        if observation.oldest is None:
            series.pop(oldest, None)
        else:
            made[oldest] = _instant(observation.oldest).timestamp()
    return made


def _findings(findings: Iterable[Finding]) -> Series:
    series: Series = {
        _key("archiver_stack_findings", subject=subject, verdict=verdict.value): 0
        for subject in SUBJECTS
        for verdict in Verdict
    }
    for finding in findings:
        subject = finding.check.partition(".")[0]
        key = _key("archiver_stack_findings", subject=subject, verdict=finding.verdict.value)
        series[key] = series.get(key, 0) + 1
    return series


def _instant(text: str) -> datetime:
    # Nanoseconds are more than a datetime holds, and more than anybody needs to know of an age.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


# ── The exposition format ──────────────────────────────────────────────────────────────────────────────────────


class Exposed(Collector):
    """Series as ``prometheus_client`` collects them: by name in the order of ``HELP``, then by labels."""

    def __init__(self, series: Series) -> None:
        self._series = series

    def collect(self) -> Iterator[Metric]:
        """The metrics of which there are series."""
        for name, meaning in HELP.items():
            samples = sorted((labels, value) for (written, labels), value in self._series.items() if written == name)
            if samples:
                metric = Metric(name, meaning, "gauge")
                for labels, value in samples:
                    metric.add_sample(name, dict(labels), value)
                yield metric


def parsed(text: str) -> Series:
    """What was exposed, as far as it can be read; metrics of anybody else are passed over."""
    series: Series = {}
    with suppress(ValueError):
        for metric in text_string_to_metric_families(text):
            for sample in metric.samples:
                if sample.name in HELP:
                    series[_key(sample.name, **sample.labels)] = sample.value
    return series
