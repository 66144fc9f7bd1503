"""Real servers, asked by the real program: `archiver stack check` against Prometheus and Alertmanager."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.stack.answers import texts
from tests.support.monitoring import STACK
from tests.support.program import Done, Program, new_program
from tests.support.stack_servers import PASSWORD, USER, alertmanager, prometheus, silence, web_configuration

if TYPE_CHECKING:
    from pathlib import Path

DAY = timedelta(days=1)
TIME, SIZE = "--storage.tsdb.retention.time=", "--storage.tsdb.retention.size="
SETTING, OBSERVED = "prometheus.retention.setting", "prometheus.retention.observed"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return new_program(tmp_path / "operator")


def findings(done: Done) -> dict[str, dict[str, Any]]:
    """The findings by check; the last line is the summary and agrees with them and with the exit status."""
    *lines, summary = done.lines
    assert summary["type"] == "summary"
    verdicts = [one["verdict"] for one in lines]
    assert summary["findings"] == len(lines)
    assert all(summary[name] == verdicts.count(name) for name in ("ok", "breach", "cannot_tell"))
    assert done.status == summary["exit"] == (0 if set(verdicts) == {"ok"} else 4)
    for one in lines:
        assert bool(one["fix"]) == (one["verdict"] != "ok")
    return {one["check"]: one for one in lines}


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        ((), 0, "no flag: the default, 15d"),
        ((TIME + "30d",), 0, TIME + "30d"),
        ((TIME + "90d",), 4, TIME + "90d"),
        ((SIZE + "1GB",), 4, SIZE + "1GiB"),
        ((TIME + "30d", SIZE + "1GB"), 0, f"{TIME}30d {SIZE}1GiB"),
        ((TIME + "90d", SIZE + "1GB"), 4, f"{TIME}90d {SIZE}1GiB"),
        (("--storage.tsdb.retention=90d",), 4, "90d"),
    ],
    ids=lambda one: " ".join(one) or "default" if isinstance(one, tuple) else None,
)
def test_flags_of_a_real_prometheus(
    tmp_path: Path, program: Program, flags: tuple[str, ...], status: int, said: str
) -> None:
    with prometheus(tmp_path / "prometheus", *flags) as server:
        done = program.having(ARCHIVER_PROMETHEUS_URL=server.url).run("stack", "check", "--json")
    assert done.status == status
    found = findings(done)
    assert said in texts(found[SETTING]["configured"])
    assert found[OBSERVED]["verdict"] == "ok"
    if status:
        assert "--storage.tsdb.retention.time=30d" in texts(found[SETTING]["fix"])
    if SIZE + "1GB" in flags and status and len(flags) == 1:
        assert "no limit in time" in texts(found[SETTING]["in_force"])


def test_90_days_are_reported_with_their_fix(tmp_path: Path, program: Program) -> None:
    """What a person reads, and what cron mails; 30 days are silent."""
    with prometheus(tmp_path / "long", TIME + "90d") as server:
        asked = program.having(ARCHIVER_PROMETHEUS_URL=server.url)
        done = asked.run("stack", "check")
        terminal_status, shown = asked.run_on_terminal("stack", "check")
    assert (done.status, terminal_status, done.err) == (4, 4, "")
    for text in (done.out, shown):
        assert f"BREACH       {SETTING}  {server.url}" in text
        assert "promised   30 d" in text
        assert f"configured {TIME}90d" in text
        assert "1 breach" in text.splitlines()[-1]
        (fix,) = (line for line in text.splitlines() if line.startswith("  fix"))
        assert "--storage.tsdb.retention.time=30d; 27d: then" in fix
    assert OBSERVED not in done.out
    assert OBSERVED in shown

    with prometheus(tmp_path / "right", TIME + "30d") as server:
        asked = program.having(ARCHIVER_PROMETHEUS_URL=server.url)
        quiet = asked.run("stack", "check")
        told = asked.run("--verbose", "stack", "check")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
    assert "a sample can get 32.4 d old" in told.out
    assert told.out.splitlines()[-1] == "2 findings: 2 ok"


@pytest.mark.parametrize(
    ("ages", "strict", "verdict"),
    [((20, 1), False, "ok"), ((31, 1), False, "ok"), ((31, 1), True, "breach"), ((60, 1), False, "breach")],
)
def test_old_samples_in_a_real_prometheus(
    tmp_path: Path, program: Program, ages: tuple[int, ...], strict: bool, verdict: str
) -> None:
    """A setting of 30 days, and blocks that are older: what is observed counts."""
    # A block goes only after the next compaction of the head, so a server that has just begun still holds it.
    with prometheus(tmp_path / "p", TIME + "90d", ages=tuple(one * DAY for one in ages)) as server:
        asked = program.having(ARCHIVER_PROMETHEUS_URL=server.url, ARCHIVER_STACK__PROMETHEUS__STRICT=str(strict))
        found = findings(asked.run("stack", "check", "--json"))
    assert found[OBSERVED]["verdict"] == verdict
    assert f"oldest sample {ages[0]}" in texts(found[OBSERVED]["observed"])


def test_a_snapshot_and_a_remote_write_are_copies(tmp_path: Path, program: Program) -> None:
    copy = "remote_write: [{url: 'https://user:geheim@copy.example/api/v1/write'}]\n"
    with prometheus(tmp_path / "p", TIME + "30d", configuration=copy, ages=(40 * DAY,)) as server:
        block = next(one for one in server.data.iterdir() if (one / "meta.json").is_file())
        kept = server.data / "snapshots" / "20261001T000000Z-1" / block.name
        kept.mkdir(parents=True)
        (kept / "meta.json").write_bytes((block / "meta.json").read_bytes())
        asked = program.having(
            ARCHIVER_PROMETHEUS_URL=server.url, ARCHIVER_STACK__PROMETHEUS__DATA_DIRECTORY=str(server.data)
        )
        done = asked.run("stack", "check", "--json")
    found = findings(done)
    assert found["prometheus.snapshot"]["verdict"] == "breach"
    assert found["prometheus.remote_write"]["verdict"] == "cannot_tell"
    assert "copy.example" in json.dumps(found["prometheus.remote_write"])
    assert "geheim" not in done.out + done.err


def test_an_agent_keeps_only_what_it_has_to_send(tmp_path: Path, program: Program) -> None:
    copy = "remote_write: [{url: 'http://127.0.0.1:9/api/v1/write'}]\n"
    with prometheus(tmp_path / "p", "--enable-feature=agent", configuration=copy) as server:
        found = findings(program.having(ARCHIVER_PROMETHEUS_URL=server.url).run("stack", "check", "--json"))
    assert SETTING not in found
    assert found["prometheus.remote_write"]["verdict"] == "cannot_tell"


def test_password_and_certificate(tmp_path: Path, program: Program) -> None:
    """Without either nothing is told, and that is never ok; neither is ever shown."""
    web, certificate = web_configuration(tmp_path)
    directory = tmp_path / "p"
    with prometheus(directory, TIME + "30d", web=web) as server:
        asked = program.having(
            ARCHIVER_PROMETHEUS_URL=server.url,
            ARCHIVER_STACK__PROMETHEUS__USERNAME=USER,
            ARCHIVER_STACK__PROMETHEUS__PASSWORD=PASSWORD,
            ARCHIVER_STACK__PROMETHEUS__CA_FILE=str(certificate),
        )
        right = asked.run("stack", "check", "--json")
        stranger = asked.having(ARCHIVER_STACK__PROMETHEUS__CA_FILE=None).run("stack", "check", "--json")
        trusting = asked.having(
            ARCHIVER_STACK__PROMETHEUS__CA_FILE=None, ARCHIVER_STACK__PROMETHEUS__TLS_VERIFY="false"
        ).run("stack", "check", "--json")
        wrong = asked.having(ARCHIVER_STACK__PROMETHEUS__PASSWORD="geheim-2").run("stack", "check", "--json")
        shown = asked.run("config", "show", "--origin")
    assert {name: one["verdict"] for name, one in findings(right).items()} == {SETTING: "ok", OBSERVED: "ok"}
    assert trusting.status == 0
    assert "certificate" in texts(findings(stranger)["prometheus.reachable"]["fix"])
    refused = findings(wrong)["prometheus.reachable"]
    assert (refused["verdict"], "401" in texts(refused["observed"])) == ("cannot_tell", True)
    for done in (right, stranger, trusting, wrong, shown):
        assert PASSWORD not in done.out + done.err
        assert "geheim-2" not in done.out + done.err


def test_a_compose_file_that_is_not_what_runs(tmp_path: Path, program: Program) -> None:
    """The file was corrected and nobody started the server again."""
    with prometheus(tmp_path / "p", TIME + "90d") as server:
        asked = program.having(
            ARCHIVER_PROMETHEUS_URL=server.url,
            ARCHIVER_STACK__COMPOSE__FILE=f"{STACK}/docker-compose.yml",
        )
        found = findings(asked.run("stack", "check", "--json"))
    assert found["compose.prometheus.retention"]["verdict"] == "ok"
    drift = found["compose.prometheus.drift"]
    assert drift["verdict"] == "breach"
    assert TIME + "30d" in texts(drift["configured"])
    assert TIME + "90d" in texts(drift["in_force"])


def test_a_real_alertmanager(tmp_path: Path, program: Program) -> None:
    """Its flag is told by no API, only by the compose file; a silence's author and comment are never shown."""
    compose = tmp_path / "docker-compose.yml"
    compose.write_text(
        "services: {alertmanager: {image: 'prom/alertmanager:v0.25.0', logging: {driver: local},"
        " command: ['--data.retention=720h']}}\n"
    )
    with alertmanager(tmp_path / "am", "--data.retention=720h") as url:
        silence(url, "Frau Muster ist krank")
        asked = program.having(ARCHIVER_STACK__ALERTMANAGER__URL=url)
        alone = asked.run("stack", "check", "--json")
        named = asked.having(ARCHIVER_STACK__COMPOSE__FILE=str(compose))
        both = named.run("stack", "check", "--json")
        compose.write_text(compose.read_text().replace("720h", "2160h"))
        longer = named.run("stack", "check", "--json")
    assert findings(alone)["alertmanager.retention"]["verdict"] == "cannot_tell"
    found = findings(both)["alertmanager.retention"]
    assert found["verdict"] == "ok"
    assert "1 silence that ended" in texts(found["observed"])
    assert findings(longer)["alertmanager.retention"]["verdict"] == "breach"
    assert "Muster" not in alone.out + both.out + longer.out


def test_nothing_to_look_at(program: Program) -> None:
    done = program.run("stack", "check")
    assert done.status == 2
    assert "nothing was asked" in done.err
    assert "ARCHIVER_PROMETHEUS_URL" in done.err


def test_one_that_is_away_does_not_hide_the_others(tmp_path: Path, program: Program) -> None:
    with prometheus(tmp_path / "p", TIME + "90d") as server:
        asked = program.having(ARCHIVER_PROMETHEUS_URL=server.url, ARCHIVER_LOKI_URL="http://127.0.0.1:9")
        found = findings(asked.run("stack", "check", "--json"))
    assert found[SETTING]["verdict"] == "breach"
    assert found["loki.reachable"]["verdict"] == "cannot_tell"
