"""The compose file as deployed: read as `docker compose config` prints it, held against the promise and what runs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from archiver.model import Verdict
from archiver.stack import compose, loki, prometheus
from archiver.stack.compose import Running, alertmanager_flag, check
from archiver.stack.composefile import FLAGS_NEEDED, read
from archiver.stack.targets import AlertmanagerTarget, ComposeTarget, LokiTarget, PrometheusTarget
from archiver.stack.words import Unknown
from archiver.words import english_list
from tests.stack.answers import NOW, Answer, client, healthy, of, recorded, verdicts, well_formed
from tests.support import monitoring

if TYPE_CHECKING:
    from pathlib import Path

    from archiver.model import Finding

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
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
        return prometheus.ask(PrometheusTarget(url="http://p"), http, NOW)


def running_loki(answers: dict[str, Answer]) -> loki.Answers:
    with client(answers) as http:
        return loki.ask(LokiTarget(url="http://l"), http, NOW)


def look(path: Path, running: Running | None = None) -> tuple[Finding, ...]:
    findings = check(ComposeTarget(file=path), running or Running())
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
        (["--storage.tsdb.retention.time=30d", "--web.external-url=${URL}"], OK),
        (["--storage.tsdb.retention.time=30d", "--storage.tsdb.path", "/p$$"], OK),
        (["--storage.tsdb.retention.time=${RETENTION:-30d}"], CANNOT_TELL),
        (["--storage.tsdb.retention.time", "$RETENTION"], CANNOT_TELL),
        (["--storage.tsdb.retention.time=30d", "--${FLAG}=1y"], CANNOT_TELL),
        (["--storage.tsdb.retention.time=30d", "${MORE}"], CANNOT_TELL),
        ("--storage.tsdb.retention.time=30d ${MORE:-}", CANNOT_TELL),
        (["--storage.tsdb.retention.time=soon"], CANNOT_TELL),
    ],
)
def test_prometheus_flags(tmp_path: Path, command: Any, verdict: Verdict) -> None:
    """However it is written; the last one counts."""
    path = write(tmp_path, {"prometheus": {**prometheus_service(), "command": command}})
    assert set(verdicts(look(path)).values()) == {verdict}


def test_a_mounted_configuration_file_replaces_the_flag(tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "prometheus" / "prometheus.yml").write_text("storage: {tsdb: {retention: {time: 90d}}}")
    service = prometheus_service("--storage.tsdb.retention.time=30d", volumes=["./prometheus:/etc/prometheus:ro"])
    finding = of(look(write(tmp_path, {"prometheus": service})), "compose.prometheus.retention")
    assert finding.verdict is BREACH
    assert english_list(finding.fix).startswith("set storage.tsdb.retention.time: 30d")


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
        source = monitoring.STACK / name
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
    assert alertmanager_flag(read(stack)) is None


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


def test_dollars_that_compose_doubled_are_dollars(tmp_path: Path) -> None:
    """`docker compose config` writes long volumes and doubles the dollars that are left."""
    (tmp_path / "l$.yaml").write_text(
        "compactor: {retention_enabled: true, delete_request_store: f}\nlimits_config: {retention_period: 30d}"
    )
    volume = {"type": "bind", "source": str(tmp_path / "l$$.yaml"), "target": "/l.yaml"}
    service: dict[str, Any] = {
        "image": "grafana/loki:3.7.6",
        "command": ["-config.file=/l.yaml", "-store.retention=$${NOT}"],
        "volumes": [volume, {"type": "volume", "source": "data", "target": "/loki"}],
        "logging": {"driver": "json-file", "options": {"max-size": "1m"}},
    }
    services = read(write(tmp_path, {"loki": service}))
    assert not isinstance(services, Unknown)
    assert services[0].flags["store.retention"] == "${NOT}"
    assert services[0].mounts == {"/l.yaml": tmp_path / "l$.yaml"}
    del service["command"][1]
    assert of(look(write(tmp_path, {"loki": service})), "compose.loki.retention").verdict is OK


def test_what_compose_itself_prints(stack: Path, tmp_path: Path) -> None:
    """With an override file, variables and a password: what cannot be told of the files is told of its output."""
    override = tmp_path / "docker-compose.override.yml"
    override.write_text(
        "version: '3'\nservices: {prometheus: {command: ['--storage.tsdb.retention.time=${KEPT:-90d}']}}"
    )
    assert of(look(stack), "compose.file").verdict is CANNOT_TELL
    done = monitoring.docker_compose(tmp_path, stack, override, GRAFANA_ADMIN_PASSWORD="p$w")
    assert done.returncode == 0, done.stderr
    printed = tmp_path / "resolved.yml"
    printed.write_text(done.stdout)
    findings = look(printed)
    assert english_list(of(findings, "compose.prometheus.retention").configured) == "--storage.tsdb.retention.time=90d"
    assert of(findings, "compose.loki.retention").verdict is OK
    assert of(findings, "compose.alertmanager.retention").verdict is OK


@pytest.mark.parametrize(
    ("volume", "verdict"),
    [
        ("${DIR}/prometheus.yml:/etc/prometheus/prometheus.yml", CANNOT_TELL),
        ("${DIR:-/srv}:/etc/prometheus:ro", CANNOT_TELL),
        ("$DIR:/etc/", CANNOT_TELL),
        ("/srv:/etc/$PLACE", CANNOT_TELL),
        ({"type": "bind", "source": "${DIR}", "target": "/etc/prometheus"}, CANNOT_TELL),
        ("${DIR}/rules:/etc/prometheus-rules", OK),
        ("${DIR:-/srv}/rules:/etc/prometheus/rules", OK),
        ("data:/etc/prometheus", OK),
        ("/etc/prometheus", OK),
    ],
)
def test_a_variable_matters_where_the_configuration_file_lies(tmp_path: Path, volume: Any, verdict: Verdict) -> None:
    path = write(tmp_path, {"prometheus": prometheus_service(volumes=[volume])})
    assert set(verdicts(look(path)).values()) == {verdict}


@pytest.mark.parametrize("name", ["docker-compose.override.yml", "compose.override.yaml"])
def test_an_override_file_beside_it_is_a_doubt(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, {"prometheus": prometheus_service()})
    (tmp_path / name).write_text("services: {}")
    assert name in english_list(of(look(path), "compose.file").observed)
    (printed := tmp_path / "resolved.yml").write_text(path.read_text())
    assert of(look(printed), "compose.prometheus.retention").verdict is OK


def test_other_services_may_hold_variables_and_their_output_counts_all_the_same(tmp_path: Path) -> None:
    other = {"image": "${REGISTRY:-r:5000}/grafana:${V:-13}", "command": "${ANY}", "extends": {"service": "x"}}
    findings = look(write(tmp_path, {"prometheus": prometheus_service(), "grafana": other}))
    assert of(findings, "compose.prometheus.retention").verdict is OK
    assert of(findings, "compose.output").subject.endswith(" grafana")


def test_every_flag_that_is_judged_is_one_whose_variables_count() -> None:
    judged = {*compose.PROMETHEUS_FLAGS, *compose.LOKI_FLAGS, "config.file", "data.retention"}
    assert judged == FLAGS_NEEDED


@pytest.mark.parametrize(
    "text",
    [
        "include: [other.yml]\nservices: {prometheus: {image: prom/prometheus}}",
        "services: {prometheus: {image: prom/prometheus, extends: {service: x}}}",
        "services: {prometheus: {image: prom/prometheus, command: !override [a]}}",
        "services: {prometheus: {image: prom/prometheus, command: '\"open'}}",
        "services: {prometheus: {image: 'prom/prometheus:${TAG}'}}",
        "services: {metrics: {image: '${IMAGE}'}}",
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
    assert alertmanager_flag(read(path)) == retention
    assert AlertmanagerTarget(url="http://a").promise.days == 30
