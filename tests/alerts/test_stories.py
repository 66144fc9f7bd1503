"""Seeded stories: alerts fire, end and fire anew, while two clustered Alertmanagers and the network do their worst.

Answers are lost, refused and given twice, old messages come again, and the service is killed. At the end it knows what
Alertmanager knows, each transition stands in the history once, and nobody was told anything twice.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archiver.alerts.tokens import READ
from tests.support import daemon
from tests.support.alerts import TOKENS, Process, alertmanagers, amtool, ask, process, report, send
from tests.support.listener import Listener, listening
from tests.support.proxy import Proxy, answer, drop_reply, proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.proxy import Reply, Request

FAULTS = ("none", "none", "none", "kill", "refuse", "lose", "twice")
"""What happens in a story, in another order in each; before them something fires in peace, to be told."""


@dataclass
class Stage:
    """Where the stories play."""

    urls: list[str]
    between: Proxy
    service: Process
    listener: Listener

    def twice(self, _: Request, pass_on: Callable[[], Reply]) -> Reply:
        pass_on()
        return pass_on()

    def history(self, fingerprint: str) -> list[dict[str, Any]]:
        said = ask(self.service.url, TOKENS[READ], "alert_history", fingerprint=fingerprint)
        events: list[dict[str, Any]] = said.data.get("events", [])
        return events

    def firing(self) -> set[tuple[str, datetime]]:
        found = ask(self.service.url, TOKENS[READ], "list_alerts", limit=500).good()["alerts"]
        return {(each["fingerprint"], datetime.fromisoformat(each["starts_at"])) for each in found}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("stories")
    with ExitStack() as stack:
        listener = stack.enter_context(listening())
        urls_file = directory / "notify-urls"
        urls_file.write_text(f"# who is told\n{listener.url.replace('http', 'json')}/told\n")
        urls_file.chmod(0o600)
        port = daemon.free_port()
        urls = stack.enter_context(alertmanagers(directory / "am", f"http://127.0.0.1:{port}/alerts", count=2))
        service = stack.enter_context(
            process(
                directory / "data", *(f"--alertmanager={url}" for url in urls), "--notify-urls", str(urls_file),
                "--escalate-after", "1s", "--watchdog-after", "off",
            )
        )  # fmt: skip
        between = stack.enter_context(proxy(service.url, port=port))
        yield Stage(urls, between, service, listener)


@pytest.mark.parametrize("story", [1, 2])
def test_a_story(stage: Stage, story: int) -> None:
    dice = random.Random(story)
    # In the past: Alertmanager takes an end that is to come for none.
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    starts: dict[str, datetime] = {}
    known: dict[str, str] = {}
    expected: dict[str, list[str]] = {}
    faults = ["none", *dice.sample(FAULTS, len(FAULTS))]
    for step, fault in enumerate(faults):
        name = f"Story{story}-{dice.randrange(3)}"
        fires = expected.get(name, ["resolved"])[-1] == "resolved"
        if fires and (name not in starts or dice.random() < 0.4):
            starts[name] = began + timedelta(seconds=step)  # else it fires anew with the same start
        if fault == "kill":
            stage.service.kill()
        elif fault == "refuse":
            stage.between.arm(answer(503, "draining"), match="/alerts", times=2)
        elif fault != "none":
            stage.between.arm({"lose": drop_reply, "twice": stage.twice}[fault], match="/alerts")
        at = datetime.now(UTC)
        report(stage.urls, name, starts=starts[name], ends=at + timedelta(hours=1) if fires else at)
        if fault == "kill":
            stage.service.start()
            stage.service.up()
        expected.setdefault(name, []).append("firing" if fires else "resolved")
        if name not in known:
            known[name] = next(
                each["fingerprint"] for each in amtool(stage.urls[0], "alert", "query", f"alertname={name}")
            )
        wanted = expected[name]

        def agrees(name: str = name, wanted: list[str] = wanted) -> bool:
            found = [each["kind"] for each in stage.history(known[name])]
            assert len(found) <= len(wanted), f"{faults}: {found} instead of {wanted}"
            return found == wanted

        daemon.until(agrees, f"{name}: {wanted} after {faults}")
    stage.between.disarm()
    # Everything that was ever sent comes once more, in any order.
    old = [request.body for request in stage.between.requests]
    assert len(old) >= len(faults)
    for body in dice.sample(old, len(old)):
        assert send(stage.service.url, body).status_code == 200
    # One more start, so that who is due is told, and who was told is not told again.
    stage.service.kill()
    stage.service.start()
    stage.service.up()
    for url in stage.urls:
        there = {
            (each["fingerprint"], datetime.fromisoformat(each["startsAt"])) for each in amtool(url, "alert", "query")
        }
        assert stage.firing() == there, faults
    for name, wanted in expected.items():
        assert [each["kind"] for each in stage.history(known[name])] == wanted, (name, faults)
    # Each time that it fired it was told at most once, and each end at most once after that.
    told = [body for _, path, body in stage.listener.heard if path.startswith("/told")]
    for name, wanted in expected.items():
        begun = sum(known[name] in body and "Critical and unacknowledged" in body for body in told)
        over = sum(known[name] in body and "Over: " in body for body in told)
        assert begun <= wanted.count("firing"), (name, told)
        assert over <= begun, (name, told)
    assert told, "somebody was told something"
