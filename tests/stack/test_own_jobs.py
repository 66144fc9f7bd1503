"""archiver's own jobs of pg_cron: there, active, succeeding; pure. Real ones are in tests/deploy/test_watch.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from archiver.contracts import CronLog, CronRuns
from archiver.model import Finding, Fix, Look, Seen, Verdict
from archiver.stack.supabase import judge
from archiver.stack.targets import SupabaseFacts
from tests.stack.answers import NOW, well_formed

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
HOUR = timedelta(hours=1)


def runs(name: str = "archiver-watch", **changes: Any) -> CronRuns:
    facts = {"name": name, "active": True, "failed": False, "succeeded_at": NOW - HOUR}
    return CronRuns(**{**facts, **changes})


def look(
    *jobs: CronRuns, expected: tuple[str, ...] = (), oldest: timedelta | None = None, **changes: Any
) -> list[Finding]:
    own = CronLog(clock=NOW, oldest_run=None if oldest is None else NOW - oldest, jobs=jobs)
    facts: dict[str, Any] = {"location": "postgresql://db/postgres", "jobs": (), "own": own, "own_expected": expected}
    findings = judge(SupabaseFacts(**{**facts, **changes}), NOW)
    well_formed(findings)
    return [one for one in findings if one.check == "supabase.cron"]


@pytest.mark.parametrize(
    ("job", "verdict", "said"),
    [
        (runs(), OK, Seen.JOB_SUCCEEDED),
        (runs(active=False), BREACH, None),
        (runs(failed=True), BREACH, Seen.JOB_FAILED),
        (runs(failed=None, succeeded_at=None), CANNOT_TELL, Seen.JOB_NEVER_RAN),
        (runs(succeeded_at=NOW - 2.9 * HOUR), OK, Seen.JOB_SUCCEEDED),
        (runs(succeeded_at=NOW - 3.1 * HOUR), BREACH, Seen.JOB_SUCCEEDED),
        (runs("archiver-ask", succeeded_at=NOW - 24.9 * HOUR), OK, Seen.JOB_SUCCEEDED),
        (runs("archiver-ask", succeeded_at=NOW - 25.1 * HOUR), BREACH, Seen.JOB_SUCCEEDED),
        (runs("archiver-trim", succeeded_at=NOW - 24.9 * HOUR), OK, Seen.JOB_SUCCEEDED),
    ],
)
def test_a_job_that_is_there(job: CronRuns, verdict: Verdict, said: Seen | None) -> None:
    (finding,) = look(job)
    assert finding.verdict is verdict
    assert [one.code for one in finding.observed] == ([] if said is None else [said.value])
    assert finding.subject.endswith(job.name)
    assert bool(finding.fix) is (verdict is not OK)


def test_who_asked_for_none_and_has_none_is_told_nothing() -> None:
    assert look() == []
    assert look(own=None) == []


@pytest.mark.parametrize("own", [None, CronLog(clock=NOW, oldest_run=None, jobs=())])
def test_a_job_that_must_be_there_and_is_not(own: CronLog | None) -> None:
    (finding,) = look(expected=("archiver-watch",), own=own)
    assert finding.verdict is BREACH
    assert finding.fix == (Fix.SCHEDULE_JOBS(),)


def test_every_job_has_one_finding() -> None:
    found = look(runs(), runs("archiver-trim"), expected=("archiver-ask", "archiver-watch"))
    assert [(one.subject.split()[-1], one.verdict) for one in found] == [
        ("archiver-ask", BREACH), ("archiver-watch", OK), ("archiver-trim", OK),
    ]  # fmt: skip


def test_what_cannot_be_asked_is_not_ok() -> None:
    (finding,) = look(own=None, own_problem=Look.JOBS_HIDDEN())
    assert finding.verdict is CANNOT_TELL


@pytest.mark.parametrize(("days", "verdict"), [(31.9, OK), (32.1, BREACH)])
def test_pg_crons_log_is_trimmed(days: float, verdict: Verdict) -> None:
    log = look(runs("archiver-trim"), oldest=timedelta(days=days))[-1]
    assert log.subject.endswith("cron.job_run_details")
    assert log.verdict is verdict
    assert len(look(runs(), oldest=timedelta(days=days))) == 1, "whoever has no such job trims it otherwise"
