"""docker-compose.yml: the specification's schema, a real docker-compose, and what the operating guide promises."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.docs.commands import commands
from tests.support import daemon, monitoring

COMPOSE = monitoring.STACK / "docker-compose.yml"
OVERLAY = monitoring.STACK / "docker-compose.otlp-token.yml"
SERVICES: dict[str, dict[str, Any]] = monitoring.read("docker-compose.yml")["services"]
each_service = pytest.mark.parametrize("name", SERVICES)


def tool(name: str) -> str:
    """Return a program of the environment that runs the tests."""
    return str(Path(sys.executable).with_name(name))


@pytest.mark.parametrize("file", [COMPOSE, OVERLAY], ids=lambda p: p.name)
def test_the_compose_specification_accepts_it(file: Path) -> None:
    done = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "version" not in monitoring.read(file.name)


def test_compose_lint_has_one_advice_left() -> None:
    """CL-0019 asks for digests. They are the operator's choice, and the file says how to get them."""
    done = subprocess.run(
        [tool("compose-lint"), "check", "--format", "json", str(COMPOSE)], capture_output=True, text=True, check=False
    )
    assert {f["rule_id"] for f in json.loads(done.stdout)["findings"]} == {"CL-0019"}


def test_without_a_password_it_stops_and_says_what_to_do(tmp_path: Path) -> None:
    for variables in ({}, {"GRAFANA_ADMIN_PASSWORD": ""}):
        done = monitoring.docker_compose(tmp_path, COMPOSE, **variables)
        assert done.returncode != 0
        assert "is not set. Copy .env.example to .env in infra/monitoring and choose a password" in done.stderr


def test_the_example_environment_and_a_password_are_enough(tmp_path: Path) -> None:
    example = (monitoring.STACK / ".env.example").read_text()
    (tmp_path / ".env").write_text(example.replace("GRAFANA_ADMIN_PASSWORD=", "GRAFANA_ADMIN_PASSWORD=rather-long"))
    done = monitoring.docker_compose(tmp_path, COMPOSE)
    assert done.returncode == 0, done.stderr
    assert "GF_SECURITY_ADMIN_PASSWORD: rather-long" in done.stdout
    # Compose 1.29 warns about every variable that it does not find.
    assert "variable is not set" not in done.stderr


def test_the_token_overlay_needs_a_token(tmp_path: Path) -> None:
    done = monitoring.docker_compose(tmp_path, COMPOSE, OVERLAY, GRAFANA_ADMIN_PASSWORD="x")
    assert done.returncode != 0
    assert "openssl rand -hex 32" in done.stderr
    done = monitoring.docker_compose(tmp_path, COMPOSE, OVERLAY, GRAFANA_ADMIN_PASSWORD="x", OTLP_TOKEN="t0ken")
    assert done.returncode == 0, done.stderr
    assert "OTLP_TOKEN: t0ken" in done.stdout
    assert "--config=/etc/otelcol/otlp-token.yaml" in done.stdout
    # The overlay adds to what is there: memory limit of Go and first configuration file stay.
    assert "GOMEMLIMIT: 400MiB" in done.stdout
    assert "otel-collector-config.yaml:/etc/otelcol/config.yaml:ro" in done.stdout


def test_every_variable_of_the_example_is_used_and_the_other_way_round() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text() + OVERLAY.read_text()))
    example = (monitoring.STACK / ".env.example").read_text()
    # Docker Compose's own.
    assert set(re.findall(r"(?m)^(?:# )?(\w+)=", example)) - {"COMPOSE_PROFILES", "COMPOSE_FILE"} == used
    assert {"GRAFANA_ADMIN_USER", "GRAFANA_ADMIN_PASSWORD", "GRAFANA_DOMAIN"} <= used
    assert re.search(r"(?m)^GRAFANA_ADMIN_PASSWORD=$", example), (
        "the example holds no password that somebody could keep"
    )


PORTS = {
    "otel-collector": {4317: 4317, 4318: 4318, 9464: 9464, 13133: 13133},
    "prometheus": {9090: 9090},
    "alertmanager": {9093: 9093},
    "backend-mcp-alerts": {8090: 8080},
    "loki": {3100: 3100},
    "promtail": {},
    "alloy": {12345: 12345},
    "grafana": {3001: 3000},
    "blackbox": {},
    "postgres-exporter": {},
}
PROFILES = {"alloy": ["alloy"], "postgres-exporter": ["bot"]}


@each_service
def test_ports_are_those_of_the_guide_and_on_loopback(name: str) -> None:
    assert monitoring.published(name) == PORTS[name]
    assert all(str(p).startswith("127.0.0.1:") for p in SERVICES[name].get("ports", []))
    assert "network_mode" not in SERVICES[name]


def test_docker_compose_up_starts_what_the_guide_names() -> None:
    assert {n for n, s in SERVICES.items() if "profiles" not in s} == set(PORTS) - set(PROFILES)
    assert {n: s["profiles"] for n, s in SERVICES.items() if "profiles" in s} == PROFILES
    assert SERVICES["promtail"]["scale"] == "${PROMTAIL_REPLICAS:-1}"


@each_service
def test_hardening(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), "a user that is not root"
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"], "container logs without a bound outlive every retention"
    assert service["restart"] == "unless-stopped"
    assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), "a version, not a moving tag"


@each_service
def test_mounts(name: str) -> None:
    declared = monitoring.read("docker-compose.yml")["volumes"]
    for volume in SERVICES[name]["volumes"]:
        source, _, mode = volume.split(":")[0], volume.split(":")[1], volume.split(":")[2:]
        if source.startswith(("./", "/")):
            assert mode == ["ro"], f"{volume} must be read-only"
        else:
            assert source in declared
        if source.startswith("./"):
            assert (monitoring.STACK / source).exists(), volume
        assert "docker.sock" not in source


def test_logs_are_mounted_read_only_for_whoever_ships_them() -> None:
    for name in ("promtail", "alloy"):
        assert "/var/log:/var/log:ro" in SERVICES[name]["volumes"]
    # Alloy reads the positions that Promtail wrote with mode 0600.
    assert SERVICES["promtail"]["user"] == SERVICES["alloy"]["user"]


def test_configuration_files_are_mounted_where_the_commands_look() -> None:
    for name, service in SERVICES.items():
        targets = [Path(v.split(":")[1]) for v in service["volumes"]]
        for argument in service.get("command", []):
            if found := re.search(r"(?:config\.file=|config=|^)(/etc/\S+)$", argument):
                path = Path(found[1])
                assert any(path == t or t in path.parents for t in targets), f"{name}: {path}"


def test_alertmanager_shares_a_network_with_the_mcp_alert_service() -> None:
    networks = monitoring.read("docker-compose.yml")["networks"]
    assert networks["mcp-alerts"] == {"name": "mcp-alerts"}
    for name, service in SERVICES.items():
        if name == "backend-mcp-alerts":
            assert service["networks"] == {"monitoring": {}, "mcp-alerts": {"aliases": ["backend-mcp-alerts"]}}
        else:
            assert service["networks"] == ["monitoring", *(["mcp-alerts"] if name == "alertmanager" else [])]


def test_alertmanager_reads_the_token_that_the_alert_service_makes() -> None:
    service, alertmanager = SERVICES["backend-mcp-alerts"], SERVICES["alertmanager"]
    places = {v.split(":")[0]: v.split(":")[1] for v in service["volumes"]}
    (option,) = [each for each in service["command"] if each.startswith("--post-token-file=")]
    made = option.partition("=")[2].replace(places["mcp-alerts-token"], "")
    assert "mcp-alerts-token:/etc/alertmanager/mcp-alerts:ro" in alertmanager["volumes"]
    hooks = [
        hook
        for receiver in monitoring.read("alertmanager.yml")["receivers"]
        for hook in receiver.get("webhook_configs", [])
    ]
    for hook in hooks:
        credentials = hook["http_config"]["authorization"]["credentials_file"]
        assert credentials == f"/etc/alertmanager/mcp-alerts{made}"
    # The file is readable for its group, and that is Alertmanager's.
    assert service["user"].split(":")[1] == alertmanager["user"].split(":")[1]
    assert alertmanager["depends_on"] == {"backend-mcp-alerts": {"condition": "service_started"}}


def test_the_alert_service_is_built_from_this_repository_and_understands_its_command() -> None:
    service = SERVICES["backend-mcp-alerts"]
    assert (monitoring.STACK / service["build"]["context"]).resolve() == monitoring.ROOT
    dockerfile = (monitoring.ROOT / service["build"]["dockerfile"]).read_text()
    assert f" AS {service['build']['target']}\n" in dockerfile
    assert f"USER {service['user']}\n" in dockerfile
    options = {option for one in commands() if one.path == ("alerts", "serve") for option in one.options}
    assert {each.partition("=")[0] for each in service["command"][1:]} <= options
    for volume in service["volumes"][1:]:
        place = volume.split(":")[1]
        assert f" {place} " in dockerfile or f" {place}\n" in dockerfile, "a new volume takes over its owner from there"


def mebibytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)\s*(m|g|MiB|GiB)", text).groups()  # type: ignore[union-attr]
    return int(number) * (1024 if unit.lower().startswith("g") else 1)


def test_each_memory_limit_lies_below_the_next() -> None:
    limiter = monitoring.read("otel-collector-config.yaml")["processors"]["memory_limiter"]
    collector = SERVICES["otel-collector"]
    assert limiter["spike_limit_mib"] < limiter["limit_mib"] <= mebibytes(collector["environment"]["GOMEMLIMIT"])
    for name in ("otel-collector", "loki"):
        assert mebibytes(SERVICES[name]["environment"]["GOMEMLIMIT"]) < mebibytes(SERVICES[name]["mem_limit"])


# -- health checks


def test_every_service_has_a_health_check_or_a_reason() -> None:
    for name, service in SERVICES.items():
        check = service["healthcheck"]
        if name == "otel-collector":
            assert check == {"disable": True}, "nothing inside that image can probe"
        else:
            assert check["test"][0] == "CMD", "not every image has a shell"


def test_lokis_own_binary_probes() -> None:
    assert SERVICES["loki"]["healthcheck"]["test"] == [
        "CMD",
        "/usr/bin/loki",
        "-health",
        "-health.url=http://127.0.0.1:3100/ready",
    ]


@pytest.mark.parametrize("name", ["promtail", "alloy"])
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_the_probe_in_bash(name: str, status: int | None, healthy: bool) -> None:
    """Run against a server that is ready, one that is not, and none. Promtail says 500 or 503 while it is not ready."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert status
            good = self.path == ("/ready" if name == "promtail" else "/-/ready")
            self.send_response(status if good else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
            pass

    _, *command = SERVICES[name]["healthcheck"]["test"]
    port = daemon.free_port()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) if status else None
    if server:
        port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        bash = shutil.which("bash")
        assert bash
        command = [
            bash,
            *[re.sub(r"(/dev/tcp/127\.0\.0\.1/)\d+", rf"\g<1>{port}", a).replace("$$", "$") for a in command[1:]],
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode == 0) is healthy, done.stderr
    finally:
        if server:
            server.shutdown()
            server.server_close()


def test_grafana_tells_nobody() -> None:
    environment = SERVICES["grafana"]["environment"]
    off = (
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_NEWS_NEWS_FEED_ENABLED",
    )
    assert all(environment[name] == "false" for name in off)
    assert environment["GF_SECURITY_DISABLE_GRAVATAR"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert monitoring.read("loki-config.yaml")["analytics"]["reporting_enabled"] is False
    assert "--disable-reporting" in SERVICES["alloy"]["command"]
