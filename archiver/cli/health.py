"""``archiver health``."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import httpx
import typer

from archiver.app import build
from archiver.app.archive import open_archive
from archiver.app.health import Answer, HealthFinding, changed, judge_app, judge_nightly
from archiver.app.night import COMMAND
from archiver.cli.common import JsonOption, context
from archiver.cli.views.console import Output
from archiver.config import Settings
from archiver.errors import ArchiverError, LocalResourceError
from archiver.telemetry import alert
from archiver.telemetry.alert import Alert, AlertNotSent

UNHEALTHY = 4
STATE_FILE = "health.json"

SUMMARIES = {
    "app": "The application does not answer as it should",
    "nightly": "archiver's nightly run is overdue",
}
ALERTS = {"app": "AppHealthCheckFailed", "nightly": "ArchiverNightlyOverdue"}


def health(json_: JsonOption = False) -> None:
    """Whether the application and the nightly run are well.

    Asks the application's health page and the ledger, and raises an alert where something is not well. For cron, every
    few minutes (jobs/health-check). Alerts go to Alertmanager's API, or to a webhook that takes its
    messages, and end when all is well again. Exit status 0: all is well; 4: something is not; 2: nothing to look at.

    Example: ARCHIVER_HEALTH__APP_URL=https://whatsapp.owona.de/api/health archiver health
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    findings = _look(settings)
    now = build.now()
    _alert(output, settings, findings, now)
    for one in findings:
        if output.as_json:
            output.json_line("finding", {"check": one.check, "ok": one.is_ok, "fact": one.fact, "fix": one.fix})
        elif one.is_ok:
            output.say(f"ok: {one.fact}")
        else:
            output.warn(f"{one.fact}; {one.fix}")
    status = 0 if all(one.is_ok for one in findings) else UNHEALTHY
    if output.as_json:
        output.json_line("summary", {"command": "health", "exit": status})
    if status:
        raise typer.Exit(status)


def _look(settings: Settings) -> tuple[HealthFinding, ...]:
    rules = settings.health
    findings = []
    if rules.app_url is not None:
        answer = _ask(rules.app_url, rules.timeout_s)
        findings.append(judge_app(rules.app_url, answer, expected=rules.expect_status))
    last, problem = None, ""
    try:
        with open_archive(settings, "read") as archive:
            last = archive.ledger.holdings.last_successes.get(COMMAND)
    except ArchiverError as found:
        problem = found.message
    findings.append(judge_nightly(last, problem, now=build.now(), age_max=rules.nightly_max_age))
    return tuple(findings)


def _ask(url: str, timeout_s: float) -> Answer:
    try:
        with httpx.Client(timeout=timeout_s, trust_env=False, follow_redirects=False) as client:
            return Answer(client.get(url).status_code)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return Answer(None, type(problem).__name__)


# ── Alerts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _alert(output: Output, settings: Settings, findings: tuple[HealthFinding, ...], now: datetime) -> None:
    """Send what fires, end what does not any more, and remember what fires. Nothing of it changes the exit status."""
    rules = settings.health
    if rules.alertmanager_url is None and rules.webhook_url is None:
        return
    state = build.cache_dir(settings) / STATE_FILE
    firing = _read(state)
    facts: dict[str, str] = {one.check: one.fact for one in findings}
    for check, is_over in changed(findings, firing).items():
        made = Alert(
            name=ALERTS[check],
            labels={"severity": "critical", "component": "app" if check == "app" else "archiver"},
            summary=SUMMARIES[check],
            description=facts[check],
            began_at=datetime.fromisoformat(firing[check]) if check in firing else now,
        )
        if _send(output, settings, made, now, is_over=is_over):
            if is_over:
                del firing[check]
            else:
                firing.setdefault(check, now.isoformat())
    _write(output, state, firing)


def _send(output: Output, settings: Settings, made: Alert, now: datetime, *, is_over: bool) -> bool:
    rules = settings.health
    problems = []
    for target, url in (("alertmanager", rules.alertmanager_url), ("webhook", rules.webhook_url)):
        if url is None:
            continue
        try:
            alert.send(made, url, target, now=now, is_over=is_over, timeout_s=rules.timeout_s)  # type: ignore[arg-type]
        except AlertNotSent as problem:
            problems.append(f"{url}: {problem}")
        else:
            return True
    output.warn("; ".join(problems))
    return False


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(datetime.fromisoformat(at)) for name, at in found.items() if name in ALERTS}
    except (OSError, ValueError, AttributeError, TypeError):
        # Forgotten: an alert that still fires is sent again, and one that is over ends by itself.
        return {}


def _write(output: Output, path: Path, firing: Mapping[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(firing)), encoding="utf-8")
    except OSError as problem:
        error = LocalResourceError(f"{path}: cannot be written ({problem.strerror}); an alert may not end by itself")
        output.warn(error.message)
