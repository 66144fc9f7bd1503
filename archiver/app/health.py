"""Health: whether the application answers and the worker itself has run, and the alerts that say when not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import httpx

from archiver.app import build
from archiver.app.archive import open_archive
from archiver.app.night import COMMAND
from archiver.app.outcome import Outcome
from archiver.config import Settings
from archiver.errors import ArchiverError
from archiver.telemetry import alert
from archiver.telemetry.alert import Alert, AlertNotSent, Target

UNHEALTHY: Final = 4
STATE_FILE: Final = "health.json"

Check = Literal["app", "nightly"]

SUMMARIES: Final[Mapping[str, str]] = {
    "app": "The application does not answer as it should",
    "nightly": "archiver's nightly run is overdue",
}
ALERTS: Final[Mapping[str, str]] = {"app": "AppHealthCheckFailed", "nightly": "ArchiverNightlyOverdue"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFinding:
    """One thing that was looked at.

    Attributes:
        check: ``app`` or ``nightly``; names the alert.
        fact: What was found; no secret, no personal data.
        fix: The next step for a person; empty when all is well.
    """

    check: Check
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


# ── The look ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked(Outcome):
    """What was looked at.

    Attributes:
        unsent: Why an alert may not have arrived, or may not end by itself. Nothing of it changes the exit status.
    """

    findings: tuple[HealthFinding, ...]
    unsent: tuple[str, ...] = ()


def look(settings: Settings) -> Looked:
    """Ask the application's health page and the ledger, and raise an alert where something is not well.

    Raises:
        ConfigError: A setting is missing.
    """
    findings = _findings(settings)
    unsent = _alert(settings, findings, build.now())
    status = 0 if all(finding.is_ok for finding in findings) else UNHEALTHY
    return Looked(findings=findings, unsent=tuple(unsent), exit_status=status)


def _findings(settings: Settings) -> tuple[HealthFinding, ...]:
    rules = settings.health
    findings = []
    if rules.app_url is not None:
        answer = _ask(rules.app_url, rules.timeout_s)
        findings.append(judge_app(rules.app_url, answer, expected=rules.expect_status))
    last, problem = None, ""
    try:
        with open_archive(settings, "read") as archive:
            last = archive.ledger.holdings.last_successes.get(COMMAND)
    except ArchiverError as error:
        problem = error.message
    findings.append(judge_nightly(last, problem, now=build.now(), age_max=rules.nightly_max_age))
    return tuple(findings)


def _ask(url: str, timeout_s: float) -> Answer:
    try:
        with httpx.Client(timeout=timeout_s, trust_env=False, follow_redirects=False) as client:
            return Answer(client.get(url).status_code)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return Answer(None, type(problem).__name__)


# ── Judgements: pure, ask nobody ───────────────────────────────────────────────────────────────────────────────


def judge_app(url: str, answer: Answer, *, expected: int) -> HealthFinding:
    """Whether the application answers as it should."""
    if answer.status == expected:
        return HealthFinding(check="app", is_ok=True, fact=f"{url} answered {expected}")
    outcome = f"did not answer ({answer.problem})" if answer.status is None else f"answered {answer.status}"
    return HealthFinding(
        check="app",
        is_ok=False,
        fact=f"{url} {outcome}, expected is {expected}",
        fix="look at the application's log: pm2 logs",
    )


def judge_nightly(last_green: datetime | None, problem: str, *, now: datetime, age_max: timedelta) -> HealthFinding:
    """Whether a nightly run has succeeded recently.

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
    """Which alerts are to be sent: those that fire, and those that fired at the last check and no longer do.

    Args:
        firing: Alerts that fired at the last look, with the time since when.

    Returns:
        By check, whether it is over.
    """
    return {finding.check: finding.is_ok for finding in findings if not finding.is_ok or finding.check in firing}


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"


# ── Alerts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _alert(settings: Settings, findings: tuple[HealthFinding, ...], now: datetime) -> list[str]:
    """Send what fires, resolve what no longer does, and remember what fires. Returns what went wrong."""
    rules = settings.health
    if rules.alertmanager_url is None and rules.webhook_url is None:
        return []
    unsent = []
    state = build.cache_dir(settings) / STATE_FILE
    firing = _read(state)
    facts: dict[str, str] = {finding.check: finding.fact for finding in findings}
    for check, is_over in changed(findings, firing).items():
        made = Alert(
            name=ALERTS[check],
            labels={"severity": "critical", "component": "app" if check == "app" else "archiver"},
            summary=SUMMARIES[check],
            description=facts[check],
            began_at=datetime.fromisoformat(firing[check]) if check in firing else now,
        )
        if problem := _send(settings, made, now, is_over=is_over):
            unsent.append(problem)
        elif is_over:
            del firing[check]
        else:
            firing.setdefault(check, now.isoformat())
    if problem := _write(state, firing):
        unsent.append(problem)
    return unsent


def _send(settings: Settings, made: Alert, now: datetime, *, is_over: bool) -> str:
    """Send it to the first receiver that takes it. Returns why none did; empty when one did."""
    rules = settings.health
    problems = []
    targets: tuple[tuple[Target, str | None], ...] = (
        ("alertmanager", rules.alertmanager_url),
        ("webhook", rules.webhook_url),
    )
    for target, url in targets:
        if url is None:
            continue
        try:
            alert.send(made, url, target, now=now, is_over=is_over, timeout_s=rules.timeout_s)
        except AlertNotSent as problem:
            problems.append(f"{url}: {problem}")
        else:
            return ""
    return "; ".join(problems)


def _read(path: Path) -> dict[str, str]:
    try:
        firing = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(datetime.fromisoformat(at)) for name, at in firing.items() if name in ALERTS}
    except (OSError, ValueError, AttributeError, TypeError):
        # Forgotten: an alert that still fires is sent again, and one that is over ends by itself.
        return {}


def _write(path: Path, firing: Mapping[str, str]) -> str:
    """Remember what fires. Returns why that failed; empty when it did not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(firing)), encoding="utf-8")
    except OSError as problem:
        return f"{path}: cannot be written ({problem.strerror}); an alert may not end by itself"
    return ""
