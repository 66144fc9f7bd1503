"""A deployed Alertmanager: how long what people wrote into silences is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archiver.model import Fix, Look, Verdict
from archiver.stack.alertmanager import check
from archiver.stack.targets import AlertmanagerTarget
from archiver.stack.words import Unknown
from archiver.words import english_list
from tests.stack.answers import NOW, Answer, client, well_formed

if TYPE_CHECKING:
    from archiver.model import Finding

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
TARGET = AlertmanagerTarget(url="http://alerts.example:9093")


def ended(days: float, state: str = "expired") -> dict[str, Any]:
    return {
        "status": {"state": state},
        "endsAt": f"{NOW - timedelta(days=days):%Y-%m-%dT%H:%M:%S.000Z}",
        "createdBy": "Erika Muster",
        "comment": "Frau Muster ist krank",
    }


def answers(version: str = "0.34.0", *silences: dict[str, Any]) -> dict[str, Answer]:
    return {
        "/api/v2/status": (200, {"versionInfo": {"version": version}}),
        "/api/v2/silences": (200, list(silences)),
    }


def ask(found: dict[str, Answer], flag: str | Unknown | None) -> Finding:
    with client(found) as http:
        findings = check(TARGET, http, NOW, flag=flag)
    well_formed(findings)
    assert "Muster" not in repr(findings)
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("flag", "verdict", "configured"),
    [
        (None, OK, "no flag: the default, 120h"),
        ("720h", OK, "--data.retention=720h"),
        ("2160h", BREACH, "--data.retention=2160h"),
        ("for ever", CANNOT_TELL, "cannot be read"),
        (Unknown(Look.NO_API(), Fix.NAME_COMPOSE()), CANNOT_TELL, "told by no API"),
    ],
)
def test_its_flag(flag: str | Unknown | None, verdict: Verdict, configured: str) -> None:
    finding = ask(answers(), flag)
    assert finding.verdict is verdict
    assert configured in english_list((*finding.configured, *finding.observed)) or isinstance(flag, str)


@pytest.mark.parametrize(
    ("days", "state", "verdict"),
    [(29, "expired", OK), (30.01, "expired", OK), (31, "expired", BREACH), (31, "active", OK)],
)
def test_silences_that_are_over_and_still_there(days: float, state: str, verdict: Verdict) -> None:
    """What is observed counts, whatever the flag says; one that still holds has not ended."""
    assert ask(answers("0.34.0", ended(1), ended(days, state)), "120h").verdict is verdict


def test_what_is_observed_is_a_breach_even_where_nobody_saw_the_flag() -> None:
    assert ask(answers("0.34.0", ended(90)), Unknown(Look.NO_API(), Fix.NAME_COMPOSE())).verdict is BREACH


@pytest.mark.parametrize("answer", [(401, ""), (500, "x"), (200, {"a": 1}), (200, [{"status": 3}]), (200, "<html>")])
def test_silences_that_are_not_told(answer: Answer) -> None:
    assert ask({**answers(), "/api/v2/silences": answer}, "120h").verdict is CANNOT_TELL
    assert ask({**answers(), "/api/v2/silences": answer}, "2160h").verdict is BREACH


@pytest.mark.parametrize("version", ["1.0.0", "main", ""])
def test_an_unknown_version_is_never_ok(version: str) -> None:
    assert ask(answers(version), "120h").verdict is CANNOT_TELL


@pytest.mark.parametrize("answer", [(401, ""), (302, ""), (404, "x"), (200, {"version": "2"}), (200, [1])])
def test_something_else_than_an_alertmanager(answer: Answer) -> None:
    finding = ask({"/api/v2/status": answer}, "120h")
    assert (finding.check, finding.verdict) == ("alertmanager.reachable", CANNOT_TELL)
