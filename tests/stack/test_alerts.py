"""A deployed alert service: how long it keeps what alerts say of people."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from archiver.app.stack import check_targets
from archiver.model import Verdict
from archiver.stack.alerts import check
from archiver.stack.check import check_stack
from archiver.stack.targets import AlertServiceTarget, StackTargets
from archiver.words import english_list
from tests.stack.answers import NOW, Answer, client, well_formed
from tests.support.alerts import inbox, one

if TYPE_CHECKING:
    from pathlib import Path

    from archiver.model import Finding

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
TARGET = AlertServiceTarget(url="http://alerts.example:8090")
DAY_S = 86_400


def page(kept_s: object = 30 * DAY_S, oldest_days: float | None = 29) -> dict[str, Answer]:
    lines = [f"mcp_alerts_retention_seconds {kept_s}"]
    if oldest_days is not None:
        lines.append(f"mcp_alerts_oldest_event_timestamp_seconds {(NOW - timedelta(days=oldest_days)).timestamp()}")
    return {"/metrics": (200, "# TYPE mcp_alerts_retention_seconds gauge\n" + "\n".join(lines) + "\n")}


def ask(found: dict[str, Answer]) -> Finding:
    with client(found) as http:
        findings = check(TARGET, http, NOW)
    well_formed(findings)
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("kept_s", "oldest_days", "verdict"),
    [
        (30 * DAY_S, 29, OK),
        (30 * DAY_S, None, OK),
        (30 * DAY_S, 30.05, OK),
        (30 * DAY_S, 30.1, BREACH),
        (31 * DAY_S, 1, BREACH),
        ("1e300", 1, BREACH),
        ("NaN", 1, BREACH),
    ],
)
def test_its_retention(kept_s: object, oldest_days: float | None, verdict: Verdict) -> None:
    finding = ask(page(kept_s, oldest_days))
    assert (finding.check, finding.verdict) == ("alerts.retention", verdict)
    assert bool(finding.fix) is (verdict is BREACH)


@pytest.mark.parametrize("answer", [(503, "the database cannot be read"), (200, "up 1\n"), (200, "<html>"), (401, "")])
def test_what_is_not_told_is_not_kept(answer: Answer) -> None:
    finding = ask({"/metrics": answer})
    assert (finding.check, finding.verdict) == ("alerts.reachable", CANNOT_TELL)
    assert finding.fix


def test_a_real_one(tmp_path: Path) -> None:
    with inbox(tmp_path / "data") as box:
        box.send(one("Down"))
        targets = StackTargets(alerts=(AlertServiceTarget(url=box.url),))
        (finding,) = check_targets(targets)
        assert finding.verdict is OK, finding
        assert "the oldest entry is" in english_list(finding.observed)
        (late,) = check_stack(targets, box.service.now() + timedelta(days=31))
        assert late.verdict is BREACH
