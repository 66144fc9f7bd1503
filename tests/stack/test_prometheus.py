"""A deployed Prometheus: every way in which "30 days" can be wrong is found, and what is not known is never ok."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from archiver.model import Verdict
from archiver.stack.blocks import oldest_possible, setting_within
from archiver.stack.prometheus import check, parse_in_force
from archiver.stack.targets import PrometheusTarget
from archiver.stack.words import Unknown
from archiver.words import english_list
from tests.stack.answers import NOW, Answer, client, of, recorded, well_formed, with_oldest, with_version, with_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from archiver.model import Finding

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
TARGET = PrometheusTarget(url="http://prometheus.example:9090")
SETTING, OBSERVED = "prometheus.retention.setting", "prometheus.retention.observed"


def ask(answers: dict[str, Answer], **changes: Any) -> tuple[Finding, ...]:
    target = PrometheusTarget(url=TARGET.url, **changes)
    with client(answers) as http:
        findings = check(target, http, NOW)
    well_formed(findings)
    return findings


@pytest.mark.parametrize(
    ("name", "verdict", "said"),
    [
        ("prometheus-2.42.0-default", OK, "the default, 15d"),
        ("prometheus-2.42.0-30d", OK, "a sample can get 32.4 d old"),
        ("prometheus-2.42.0-90d", BREACH, "--storage.tsdb.retention.time=30d; 27d:"),
        ("prometheus-2.42.0-size-only", BREACH, "no limit in time"),
        ("prometheus-2.42.0-30d-or-1GB", OK, "30d or 1GiB"),
        ("prometheus-3.9.1-block-30d.synthetic", BREACH, "1,000,000 times too long"),
        ("prometheus-3.9.1-block-size.synthetic", BREACH, "upgrade to 3.11 or newer"),
        ("prometheus-3.9.1-flags-30d.synthetic", OK, "32.4 d"),
        ("prometheus-3.14.0-block-90d.synthetic", BREACH, "it replaces --storage.tsdb.retention.time=30d"),
        ("prometheus-3.14.0-block-size.synthetic", BREACH, "no limit in time"),
        ("prometheus-3.14.0-block-percentage.synthetic", BREACH, "no limit in time"),
        ("prometheus-3.14.0-block-30d.synthetic", OK, "in the configuration file: size: 8GB, time: 30d"),
        ("prometheus-3.16.0-flags-30d.synthetic", OK, "32.4 d"),
    ],
)
def test_setting(name: str, verdict: Verdict, said: str) -> None:
    """What is configured and what is in force decide together; the longer one counts."""
    finding = of(ask(recorded(name)), SETTING)
    assert finding.verdict is verdict, finding
    assert said in f"{english_list(finding.configured)} {english_list(finding.in_force)} {english_list(finding.fix)}"


def test_a_configured_90_days_is_a_breach_even_while_30_are_still_in_force() -> None:
    """The next restart would make it true."""
    answers = recorded("prometheus-3.14.0-block-90d.synthetic")
    answers["/api/v1/status/runtimeinfo"] = recorded("prometheus-2.42.0-30d")["/api/v1/status/runtimeinfo"]
    assert of(ask(answers), SETTING).verdict is BREACH


def test_90_days_in_force_is_a_breach_even_while_30_are_configured() -> None:
    """A file that was not loaded, a container that was not made again."""
    answers = recorded("prometheus-2.42.0-30d")
    answers["/api/v1/status/runtimeinfo"] = recorded("prometheus-2.42.0-90d")["/api/v1/status/runtimeinfo"]
    assert of(ask(answers), SETTING).verdict is BREACH


@pytest.mark.parametrize("missing", ["flags", "config", "runtimeinfo"])
@pytest.mark.parametrize("answer", [(401, ""), (403, "no"), (500, "x"), (200, "<html>"), (200, {"status": "error"})])
def test_what_is_not_told_is_never_ok_and_never_hides_a_breach(missing: str, answer: Answer) -> None:
    """One answer that is missing: unknown under a good setting, still a breach under a bad one."""
    path = f"/api/v1/status/{missing}"
    assert of(ask({**recorded("prometheus-2.42.0-30d"), path: answer}), SETTING).verdict is CANNOT_TELL
    bad = of(ask({**recorded("prometheus-2.42.0-90d"), path: answer}), SETTING)
    # Without the flags or the file only runtimeinfo knows, and without runtimeinfo only the flags: each is enough.
    assert bad.verdict is BREACH


@pytest.mark.parametrize("version", ["4.0.0", "1.8.2", "main-abcdef", ""])
def test_an_unknown_version_is_never_ok(version: str) -> None:
    """Nobody has looked at what its settings mean."""
    assert of(ask(with_version(recorded("prometheus-2.42.0-30d"), version)), SETTING).verdict is CANNOT_TELL
    assert of(ask(with_version(recorded("prometheus-2.42.0-90d"), version)), SETTING).verdict is BREACH


@pytest.mark.parametrize(
    ("age_days", "strict", "verdict"),
    [(1, False, OK), (30, False, OK), (32.3, False, OK), (32.5, False, BREACH), (29.9, True, OK), (30.1, True, BREACH)],
)
def test_oldest_sample(age_days: float, strict: bool, verdict: Verdict) -> None:
    """Whole blocks may reach to 32.4 days; who promised it for every sample may not."""
    answers = with_oldest(recorded("prometheus-2.42.0-30d"), timedelta(days=age_days))
    assert of(ask(answers, strict=strict), OBSERVED).verdict is verdict


def test_strict_needs_27_days() -> None:
    """30d does not keep every sample under 30 days; the fix says what does."""
    finding = of(ask(recorded("prometheus-2.42.0-30d"), strict=True), SETTING)
    assert finding.verdict is BREACH
    assert "--storage.tsdb.retention.time=27d" in english_list(finding.fix)


def test_the_query_contradicts_the_metric() -> None:
    """The cross-check counts on its own."""
    old = (NOW - timedelta(days=60)).timestamp()
    result = {"status": "success", "data": {"result": [{"metric": {}, "values": [[old, "7"], [old + 21600, "7"]]}]}}
    answers = with_oldest(recorded("prometheus-2.42.0-30d"), timedelta(days=3))
    finding = of(ask({**answers, "/api/v1/query_range": (200, result)}), OBSERVED)
    assert finding.verdict is BREACH
    assert "2026-09-24 12:00 UTC" in english_list(finding.observed)


def test_the_cross_check_asks_for_what_should_be_gone() -> None:
    """No sample that may be there is asked for, and the server is not asked for more points than it gives."""
    asked: list[httpx.Request] = []
    with client(recorded("prometheus-2.42.0-30d"), asked) as http:
        check(TARGET, http, NOW)
    (query,) = [one.url.params for one in asked if one.url.path == "/api/v1/query_range"]
    assert float(query["end"]) <= (NOW - timedelta(days=32)).timestamp()
    assert (float(query["end"]) - float(query["start"])) / float(query["step"]) < 11_000


def test_only_one_of_metric_and_query_is_enough_but_none_is_not() -> None:
    answers = recorded("prometheus-2.42.0-30d")
    no_metrics: dict[str, Answer] = {**answers, "/metrics": (404, "")}
    no_query: dict[str, Answer] = {**answers, "/api/v1/query_range": (422, {"status": "error"})}
    assert of(ask(no_metrics), OBSERVED).verdict is OK
    assert of(ask(no_query), OBSERVED).verdict is OK
    assert of(ask({**no_metrics, "/api/v1/query_range": (503, "")}), OBSERVED).verdict is CANNOT_TELL


def test_a_sample_from_the_future_means_that_no_age_can_be_believed() -> None:
    answers = with_oldest(recorded("prometheus-2.42.0-30d"), -timedelta(days=2))
    finding = of(ask(answers), OBSERVED)
    assert finding.verdict is CANNOT_TELL
    assert "NTP" in english_list(finding.fix)


def test_an_agent_keeps_nothing_but_sends_everything_on() -> None:
    findings = ask(recorded("prometheus-2.42.0-agent"))
    assert of(findings, "prometheus.agent").verdict is OK
    copies = [one for one in findings if one.check == "prometheus.remote_write"]
    assert [one.verdict for one in copies] == [CANNOT_TELL, CANNOT_TELL]
    assert "copy.example:9" in english_list(copies[0].configured)
    shown = json.dumps([english_list((*one.configured, *one.observed, *one.fix)) for one in findings])
    assert "token" not in shown
    assert "user" not in shown


def test_a_copy_that_is_accounted_for_is_ok() -> None:
    findings = ask(recorded("prometheus-2.42.0-agent"), known_copies=frozenset({"copy.example:9"}))
    copies = [one.verdict for one in findings if one.check == "prometheus.remote_write"]
    assert copies == [OK, CANNOT_TELL]


@pytest.mark.parametrize(
    "written", ["remote_write: nonsense\n", "remote_write: [3]\n", "remote_write: [{url: 'http://['}]\n"]
)
def test_a_strange_configuration_stops_nothing(written: str) -> None:
    assert of(ask(with_yaml(recorded("prometheus-2.42.0-30d"), written)), SETTING).verdict is OK


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"/api/v1/status/buildinfo": (200, "<html>login</html>")},
        {"/api/v1/status/buildinfo": (302, "")},
        {"/api/v1/status/buildinfo": (200, {"version": "3.7.6"})},
        {"/api/v1/status/buildinfo": (200, ["x"])},
        {"/api/v1/status/buildinfo": (200, "[" * 100_000)},
    ],
)
def test_something_else_than_a_prometheus(answers: dict[str, Answer]) -> None:
    (finding,) = ask(answers)
    assert (finding.check, finding.verdict) == ("prometheus.reachable", CANNOT_TELL)


def test_an_answer_without_end_is_cut_off() -> None:
    """Neither memory nor time is the server's to decide."""

    def endless(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=(b"x" * 2**20 for _ in range(10**6)))

    (finding,) = ask({"/api/v1/status/buildinfo": endless})
    assert "larger than 32 MiB" in english_list(finding.observed)


def test_credentials_are_sent_and_never_shown() -> None:
    """Whatever a server repeats, a finding does not."""

    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, text=f"denied: {request.headers['authorization']} geheim-1 \x1b[31m")

    target = PrometheusTarget(url="https://me@prometheus.example/p/?x=1", bearer_token=SecretStr("geheim-1"))
    with client({"/p/api/v1/status/buildinfo": echo}) as http:
        http.headers["Authorization"] = "Bearer geheim-1"
        (finding,) = check(target, http, NOW)
    assert "geheim-1" not in repr(finding) + repr(target)
    assert finding.subject == "https://prometheus.example/p"
    assert "\x1b" not in english_list(finding.observed)


def test_snapshots_and_blocks_on_disk(tmp_path: Path) -> None:
    """A snapshot is a copy that no retention reaches; it breaks the promise on a day that is known before."""
    for place, age in {"01BLOCK": 5, "snapshots/old/01X": 60, "snapshots/new/01Y": 3}.items():
        block = tmp_path / place
        block.mkdir(parents=True)
        begins = int((NOW - timedelta(days=age)).timestamp() * 1000)
        (block / "meta.json").write_text(json.dumps({"minTime": begins, "maxTime": begins + 7_200_000}))
    findings = ask(recorded("prometheus-2.42.0-30d"), data_directory=tmp_path)
    assert of(findings, "prometheus.blocks").verdict is OK
    found = {one.subject.rsplit("/", 1)[-1]: one for one in findings if one.check == "prometheus.snapshot"}
    assert {name: one.verdict for name, one in found.items()} == {"old": BREACH, "new": OK}
    assert "from 2026-12-22" in english_list(found["new"].observed)

    (tmp_path / "01BLOCK" / "meta.json").write_text("{")
    assert (
        of(ask(recorded("prometheus-2.42.0-30d"), data_directory=tmp_path), "prometheus.blocks").verdict is CANNOT_TELL
    )
    missing = ask(recorded("prometheus-2.42.0-30d"), data_directory=tmp_path / "nowhere")
    assert of(missing, "prometheus.blocks").verdict is CANNOT_TELL


def test_bounds() -> None:
    """The numbers that the pages for operators name."""
    day = timedelta(days=1)
    assert round(oldest_possible(30 * day) / day, 1) == 32.4
    assert oldest_possible(27 * day) < 30 * day < oldest_possible(28 * day)
    assert setting_within(30 * day) == 27 * day
    assert setting_within(day) is None


@pytest.mark.parametrize(
    ("text", "days"),
    [("15d", 15), ("30d or 1GiB", 30), ("1GiB", None), ("80%", None), ("4w2d or 80%", 30), ("0s", None)],
)
def test_in_force_is_read(text: str, days: int | None) -> None:
    assert parse_in_force(text) == (None if days is None else timedelta(days=days))


@pytest.mark.parametrize("text", ["", "forever", "30"])
def test_in_force_that_nobody_knows(text: str) -> None:
    assert isinstance(parse_in_force(text), Unknown)
