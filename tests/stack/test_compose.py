"""The compose file as deployed: substituted as compose does, held against the promise and against what runs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from archiver.model import Verdict
from archiver.stack import Access, AlertmanagerTarget, ComposeTarget, LokiTarget, PrometheusTarget, loki, prometheus
from archiver.stack.compose import (
    Running,
    Unresolvable,
    alertmanager_flag,
    check,
    interpolate,
    read,
    read_environment_file,
)
from archiver.stack.words import Unknown
from tests.stack.answers import NOW, Answer, client, of, recorded, verdicts, well_formed
from tests.stack.test_loki import healthy
from tests.support.monitoring import STACK

if TYPE_CHECKING:
    from pathlib import Path

    from archiver.model import Finding

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
ENVIRONMENT = {"SET": "x", "EMPTY": "", "OTHER": "y"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$SET-${SET}", "x-x"),
        ("${UNSET}", ""),
        ("${SET:-d}${EMPTY:-d}${UNSET:-d}", "xdd"),
        ("${SET-d}${EMPTY-d}${UNSET-d}", "xd"),
        ("${SET:+r}${EMPTY:+r}${UNSET:+r}", "r"),
        ("${SET+r}${EMPTY+r}${UNSET+r}", "rr"),
        ("${SET:?needed}${EMPTY?needed}", "x"),
        ("$$SET $${SET} $$$$", "$SET ${SET} $$"),
        ("${UNSET:-${OTHER}}", "y"),
        ("${UNSET:-${NONE:-deep}}!", "deep!"),
        ("${UNSET:-a$$b}", "a$b"),
        ("${UNSET:-http://a/{b}}", "http://a/{b}"),
        ("5$ and $1 and $", "5$ and $1 and $"),
    ],
)
def test_interpolation(text: str, expected: str) -> None:
    """The specification's table; what is no variable stays."""
    # A brace in a default closes the expression, as in compose; the one left over stays in the text.
    assert interpolate(text, ENVIRONMENT) == expected


@pytest.mark.parametrize(
    "text",
    ["${UNSET:?set it}", "${EMPTY:?set it}", "${UNSET?set it}", "${SET", "${}", "${1}", "${SET/x/y}", "${SET:=d}"],
)
def test_interpolation_that_compose_refuses(text: str) -> None:
    with pytest.raises(Unresolvable):
        interpolate(text, ENVIRONMENT)


def test_nesting_has_an_end() -> None:
    with pytest.raises(Unresolvable):
        interpolate("${A:-" * 50 + "}" * 50, {})


def test_environment_file() -> None:
    text = "# c\nA=1\nexport B=two # c\nC='lit $A'\nD=\"q ${A}#x\"\nE=${OUT:-none}\nF=a#b\n\nbroken line\nG=\n"
    found = read_environment_file(text, {"OUT": "shell"})
    assert found == {"A": "1", "B": "two", "C": "lit $A", "D": "q 1#x", "E": "shell", "F": "a#b", "G": ""}


# -- a stack in a directory


def write(directory: Path, services: dict[str, Any], name: str = "docker-compose.yml") -> Path:
    path = directory / name
    path.write_text(yaml.safe_dump({"services": services}))
    return path


def prometheus_service(*flags: str, **more: Any) -> dict[str, Any]:
    bounded = {"driver": "json-file", "options": {"max-size": "10m"}}
    command = ["--config.file=/etc/prometheus/prometheus.yml", *flags]
    return {"image": "prom/prometheus:v2.42.0", "command": command, "logging": bounded, **more}


def running_prometheus(name: str) -> prometheus.Answers:
    with client(recorded(name)) as http:
        return prometheus.ask(PrometheusTarget(access=Access(url="http://p")), http, NOW)


def running_loki(answers: dict[str, Answer]) -> loki.Answers:
    with client(answers) as http:
        return loki.ask(LokiTarget(access=Access(url="http://l")), http, NOW)


def look(path: Path, running: Running | None = None, **changes: Any) -> tuple[Finding, ...]:
    findings = check(ComposeTarget(files=(path,), **changes), running or Running())
    well_formed(findings)
    return findings


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        (["--storage.tsdb.retention.time=30d"], OK),
        (["--storage.tsdb.retention.time", "30d"], OK),
        ("--storage.tsdb.retention.time=30d --web.enable-lifecycle", OK),
        ([], OK),
        (["--storage.tsdb.retention.time=720h"], OK),
        (["--storage.tsdb.retention.time=90d"], BREACH),
        (["--storage.tsdb.retention.time=30d", "--storage.tsdb.retention.time=1y"], BREACH),
        (["--storage.tsdb.retention.size=8GB"], BREACH),
        (["--storage.tsdb.retention.time=${RETENTION:-90d}"], BREACH),
        (["--storage.tsdb.retention.time=${DAYS}d"], OK),
        (["--storage.tsdb.retention.time=${MUST:?set MUST}"], CANNOT_TELL),
        (["--storage.tsdb.retention.time=${BROKEN"], CANNOT_TELL),
        (["--storage.tsdb.retention.time=soon"], CANNOT_TELL),
    ],
)
def test_prometheus_flags(tmp_path: Path, command: Any, verdict: Verdict) -> None:
    """However it is written; the last one counts."""
    path = write(tmp_path, {"prometheus": {**prometheus_service(), "command": command}})
    assert set(verdicts(look(path, environment={"DAYS": "30"})).values()) == {verdict}


def test_a_mounted_configuration_file_replaces_the_flag(tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "prometheus" / "prometheus.yml").write_text("storage: {tsdb: {retention: {time: 90d}}}")
    service = prometheus_service("--storage.tsdb.retention.time=30d", volumes=["./prometheus:/etc/prometheus:ro"])
    finding = of(look(write(tmp_path, {"prometheus": service})), "compose.prometheus.retention")
    assert finding.verdict is BREACH
    assert finding.fix.startswith("set storage.tsdb.retention.time: 30d")


@pytest.mark.parametrize(
    ("flags", "runs", "verdict"),
    [
        (["--storage.tsdb.retention.time=30d"], "prometheus-2.42.0-30d", OK),
        (["--storage.tsdb.retention.time=720h"], "prometheus-2.42.0-30d", OK),
        ([], "prometheus-2.42.0-default", OK),
        (["--storage.tsdb.retention.size=1GB"], "prometheus-2.42.0-size-only", OK),
        (["--storage.tsdb.retention.time=30d"], "prometheus-2.42.0-90d", BREACH),
        (["--storage.tsdb.retention.time=30d"], "prometheus-2.42.0-default", BREACH),
        ([], "prometheus-2.42.0-30d", BREACH),
        (["--storage.tsdb.retention.time=30d"], "prometheus-3.16.0-flags-30d.synthetic", BREACH),
    ],
)
def test_drift_of_prometheus(tmp_path: Path, flags: list[str], runs: str, verdict: Verdict) -> None:
    """What the file says is not what runs: other flags, or another version."""
    path = write(tmp_path, {"prometheus": prometheus_service(*flags)})
    findings = look(path, Running(prometheus=running_prometheus(runs)))
    assert of(findings, "compose.prometheus.drift").verdict is verdict


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """The stack's own files."""
    for name in ("docker-compose.yml", "loki-config.yaml", "prometheus"):
        source = STACK / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    return tmp_path / "docker-compose.yml"


def test_our_own_stack_is_ok_without_its_password(stack: Path) -> None:
    """Grafana's password is required by compose and not known to a nightly job; it is not needed here."""
    findings = look(stack)
    assert set(verdicts(findings).values()) == {OK}, findings
    assert {one.check for one in findings} == {
        "compose.prometheus.retention",
        "compose.loki.retention",
        "compose.alertmanager.retention",
    }
    assert alertmanager_flag(read(ComposeTarget(files=(stack,)))) is None


def test_drift_of_loki(stack: Path) -> None:
    """The file was changed and Loki was not started again."""
    assert of(look(stack, Running(loki=running_loki(healthy()))), "compose.loki.drift").verdict is BREACH  # 3.7.6 runs
    text = stack.read_text().replace("grafana/loki:3.7.8", "grafana/loki:3.7.6")
    stack.write_text(text)
    assert of(look(stack, Running(loki=running_loki(healthy()))), "compose.loki.drift").verdict is OK
    off = running_loki(recorded("loki-3.7.6-retention-off"))
    assert of(look(stack, Running(loki=off)), "compose.loki.drift").verdict is BREACH


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("retention_enabled: true", "retention_enabled: false", BREACH),
        ("retention_period: 720h", "retention_period: 2160h", BREACH),
        ("retention_period: 720h", "retention_period: 0s", BREACH),
        ("delete_request_store: filesystem", "delete_request_store: ''", BREACH),
        ("retention_period: 720h", "retention_period: ${PERIOD}", CANNOT_TELL),
        ("retention_period: 720h", "retention_period: bald", CANNOT_TELL),
        ("limits_config:", "limits_config: [", CANNOT_TELL),
    ],
)
def test_the_mounted_configuration_of_loki(stack: Path, old: str, new: str, verdict: Verdict) -> None:
    path = stack.parent / "loki-config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert of(look(stack), "compose.loki.retention").verdict is verdict


def test_a_flag_of_loki_wins_over_its_file(stack: Path) -> None:
    stack.write_text(
        stack.read_text().replace(
            '["-config.file=/etc/loki/loki-config.yaml"]',
            '["-config.file=/etc/loki/loki-config.yaml", "-store.retention=2160h"]',
        )
    )
    assert of(look(stack), "compose.loki.retention").verdict is BREACH


def test_resolved_output_is_taken_as_it_is(tmp_path: Path) -> None:
    """`docker compose config` writes long volumes and doubles the dollars that are left."""
    (tmp_path / "l.yaml").write_text(
        "compactor: {retention_enabled: true, delete_request_store: f}\nlimits_config: {retention_period: 30d}"
    )
    volume = {"type": "bind", "source": str(tmp_path / "l.yaml"), "target": "/l.yaml"}
    logging = {"driver": "json-file", "options": {"max-size": "1m"}}
    services = {
        "loki": {
            "image": "grafana/loki:3.7.6",
            "command": ["-config.file=/l.yaml", "-x=$${NOT}"],
            "volumes": [volume],
            "logging": logging,
        }
    }
    path = write(tmp_path, services)
    target = ComposeTarget(files=(path,), resolved=True)
    found = read(target)
    assert not isinstance(found, Unknown)
    assert found[0].flags["x"] == "${NOT}"
    assert of(look(path, resolved=True), "compose.loki.retention").verdict is OK


def test_a_later_file_overrides_the_command(tmp_path: Path) -> None:
    base = write(tmp_path, {"prometheus": prometheus_service("--storage.tsdb.retention.time=30d")})
    over = write(tmp_path, {"prometheus": {"command": ["--storage.tsdb.retention.time=1y"]}}, "override.yml")
    findings = check(ComposeTarget(files=(base, over)), Running())
    assert of(findings, "compose.prometheus.retention").verdict is BREACH


@pytest.mark.parametrize(
    "text",
    [
        "include: [other.yml]\nservices: {prometheus: {image: prom/prometheus}}",
        "services: {prometheus: {image: prom/prometheus, extends: {service: x}}}",
        "services: {prometheus: {image: prom/prometheus, command: !override [a]}}",
        "services: {prometheus: {image: prom/prometheus, command: '\"open'}}",
        "services: {web: {image: nginx}}",
        "services: []",
        "services: {prometheus: 3}",
        "- a",
        "{",
        "",
    ],
)
def test_what_is_not_followed_is_never_ok(tmp_path: Path, text: str) -> None:
    path = tmp_path / "docker-compose.yml"
    path.write_text(text)
    assert CANNOT_TELL in verdicts(look(path)).values()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert of(look(tmp_path / "none.yml"), "compose.file").verdict is CANNOT_TELL


def test_unbounded_output_of_a_container(tmp_path: Path) -> None:
    """What a container prints is a log too."""
    path = write(tmp_path, {"prometheus": prometheus_service(), "app": {"image": "app"}})
    finding = of(look(path), "compose.output")
    assert finding.verdict is CANNOT_TELL
    assert finding.subject.endswith(" app")


@pytest.mark.parametrize(
    ("retention", "verdict"), [("120h", OK), ("720h", OK), ("90d", CANNOT_TELL), ("2160h", BREACH)]
)
def test_alertmanager(tmp_path: Path, retention: str, verdict: Verdict) -> None:
    """Alertmanager's flag is Go's, which knows no days: 90d would stop it from starting."""
    service = {**prometheus_service(), "image": "prom/alertmanager:v0.34.0", "command": f"--data.retention={retention}"}
    path = write(tmp_path, {"am": service})
    expected = BREACH if retention == "90d" else verdict
    assert of(look(path), "compose.alertmanager.retention").verdict is expected
    assert alertmanager_flag(read(ComposeTarget(files=(path,)))) == retention
    assert AlertmanagerTarget(access=Access(url="http://a")).promise.days == 30
