"""Health: whether the application answers, and whether the worker itself has run. Pure; asks nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFinding:
    """One thing that was looked at.

    Attributes:
        check: ``app`` or ``nightly``; names the alert.
        fact: What was found; no secret, no personal data.
        fix: The next step for a person; empty when all is well.
    """

    check: Literal["app", "nightly"]
    is_ok: bool
    fact: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application answered.

    Attributes:
        status: None: it did not.
        problem: Why it did not.
    """

    status: int | None
    problem: str = ""


def judge_app(url: str, answer: Answer, *, expected: int) -> HealthFinding:
    """Whether the application answers as it should."""
    if answer.status == expected:
        return HealthFinding(check="app", is_ok=True, fact=f"{url} answered {expected}")
    found = f"did not answer ({answer.problem})" if answer.status is None else f"answered {answer.status}"
    return HealthFinding(
        check="app",
        is_ok=False,
        fact=f"{url} {found}, expected is {expected}",
        fix="look at the application's log: pm2 logs",
    )


def judge_nightly(last_green: datetime | None, problem: str, *, now: datetime, age_max: timedelta) -> HealthFinding:
    """Whether a nightly run was green lately.

    Args:
        problem: Why that cannot be told; empty when it can.
    """
    if problem:
        fact, fix = f"the last nightly run cannot be told: {problem}", "run `archiver status`"
    elif last_green is None:
        fact, fix = "no nightly run was ever green", "run `archiver run nightly --execute` and see what it says"
    elif now - last_green > age_max:
        fact = f"the last green nightly run ended {last_green:%Y-%m-%d %H:%M} UTC, {_hours(now - last_green)} ago"
        fix = "look at the timer or cron and its last output; then `archiver run nightly --execute`"
    else:
        fact = f"the last nightly run was green {_hours(now - last_green)} ago"
        return HealthFinding(check="nightly", is_ok=True, fact=fact)
    return HealthFinding(check="nightly", is_ok=False, fact=fact, fix=fix)


def changed(findings: tuple[HealthFinding, ...], firing: Mapping[str, str]) -> dict[str, bool]:
    """Which alerts are to be sent: those that fire, and those that fired at the last look and do no longer.

    Args:
        firing: Alerts that fired at the last look, with the time since when.

    Returns:
        By check, whether it is over.
    """
    return {finding.check: finding.is_ok for finding in findings if not finding.is_ok or finding.check in firing}


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"
