"""prometheus.yml and the rules: checked by promtool, run by a real Prometheus with real exporters and Alertmanager."""

from __future__ import annotations

import copy
import http.server
import json
import re
import subprocess
import threading
import time
import urllib.parse
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from archiver.app.health import ALERTS as HEALTH_ALERTS
from tests.support import daemon, debian, monitoring
from tests.support.daemon import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = monitoring.ROOT / "tests" / "data" / "metrics"
ALERTS = monitoring.alerts()


def promtool(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        [debian.binary("promtool"), *arguments], capture_output=True, text=True, check=False, input=stdin
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# -- as files


def test_promtool_accepts_the_configuration_and_its_rules() -> None:
    said = promtool("check", "config", str(monitoring.STACK / "prometheus" / "prometheus.yml"))
    assert f"{len(monitoring.RULES)} rule files found" in said


@pytest.mark.parametrize("path", monitoring.RULE_TESTS, ids=lambda p: p.stem)
def test_rule_tests(path: Path) -> None:
    promtool("test", "rules", str(path))


def test_every_alert_is_seen_firing_in_a_rule_test() -> None:
    fired = {
        case["alertname"]
        for path in monitoring.RULE_TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
        if case["exp_alerts"]
    }
    assert fired == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_where_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "none"}
    assert alert["labels"]["component"]
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"docs/alerts/{name}.md"
    page = (monitoring.ROOT / alert["annotations"]["runbook_url"]).read_text()
    assert re.findall(r"^#+ (.*)$", page, re.MULTILINE) == [name, "What it means", "What to look at", "What to do"]
    for other in re.findall(r"\]\((\w+)\.md\)", page):
        assert other in ALERTS, f"the page links to {other}, which is no alert"


def test_no_page_without_its_alert() -> None:
    elsewhere = {*HEALTH_ALERTS.values(), "ArchiverAnchorStale"}  # posted by archiver health, and by the database
    assert {p.stem for p in (monitoring.ROOT / "docs" / "alerts").glob("*.md")} == set(ALERTS) | elsewhere


def test_retention_is_a_flag_and_nothing_in_the_file_replaces_it() -> None:
    config = monitoring.read("prometheus/prometheus.yml")
    assert "--storage.tsdb.retention.time=30d" in monitoring.service("prometheus")["command"]
    assert "storage" not in config
    assert "remote_write" not in config


def test_every_target_is_a_service_of_the_stack_or_an_exporter_on_the_host() -> None:
    """The ports that the operating guide names, and the services that Prometheus must know by name."""
    jobs = {job["job_name"]: job for job in monitoring.read("prometheus/prometheus.yml")["scrape_configs"]}
    targets = {
        name: job["static_configs"][0]["targets"][0]
        for name, job in jobs.items()
        if "static_configs" in job and name != "probe"
    }
    assert targets == {
        "prometheus": "localhost:9090",
        "alertmanager": "alertmanager:9093",
        "mcp-alerts": "backend-mcp-alerts:8080",
        "otel-collector": "otel-collector:8888",
        "app": "otel-collector:9464",
        "loki": "loki:3100",
        "grafana": "grafana:3000",
        "node": "host.docker.internal:9100",
        "pm2": "host.docker.internal:9200",
        "nginx": "host.docker.internal:9113",
        "blackbox": "blackbox:9115",
    }
    assert jobs["probe"]["relabel_configs"][-1] == {"target_label": "__address__", "replacement": targets["blackbox"]}
    services = monitoring.read("docker-compose.yml")["services"]
    for target in targets.values():
        host = target.split(":")[0]
        assert host in services or host in {"localhost", "host.docker.internal"}
    assert "host.docker.internal:host-gateway" in monitoring.service("prometheus")["extra_hosts"]
    names = {n for c in jobs["log-shipper"]["dns_sd_configs"] for n in c["names"]}
    assert names == {"promtail", "alloy"} <= set(services)
    assert [n for c in jobs["bot"]["dns_sd_configs"] for n in c["names"]] == ["postgres-exporter"]
    assert "postgres-exporter" in services
    assert monitoring.read("prometheus/prometheus.yml")["alerting"]["alertmanagers"][0]["static_configs"][0][
        "targets"
    ] == ["alertmanager:9093"]


# -- archiver's metrics, documented and used


def documented() -> dict[str, set[str]]:
    """Return the labels of every metric in docs/metrics.md."""
    text = (monitoring.ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(archiver_\w+)` \|([^|]*)\|", text, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def used() -> dict[str, list[str]]:
    """Return every expression of rules and dashboards by where it stands."""
    found = {"rules": monitoring.rule_expressions()}
    for path in monitoring.DASHBOARDS:
        found[path.name] = [e for _, e in monitoring.promql(monitoring.dashboard(path))]
    return found


def test_metrics_of_archiver_are_documented_and_every_documented_one_is_used() -> None:
    named = {
        m
        for expressions in used().values()
        for e in expressions
        for m in monitoring.metrics(e)
        if m.startswith("archiver_")
    }
    assert named <= set(documented())
    # These two describe a run to whoever reads the file; nothing is to be alerted on.
    assert set(documented()) - named == {"archiver_build_info", "archiver_last_run_timestamp_seconds"}


def test_the_sample_file_has_the_documented_names_and_labels() -> None:
    text = (DATA / "archiver.prom").read_text()
    assert promtool("check", "metrics", stdin=text) == ""
    sample: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(archiver_\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
        sample[name] = set(re.findall(r"(\w+)=", labels))
    assert sample == documented()


def test_label_values_in_rules_and_dashboards_are_documented() -> None:
    text = (monitoring.ROOT / "docs" / "metrics.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (`.*) \|$", text, re.MULTILINE))
    allowed = {
        label: set(re.findall(r"`(\w+)`", rows[label]))
        for label in ("step", "operation", "place", "result", "subject", "verdict")
    }
    for expression in (e for expressions in used().values() for e in expressions):
        for selector in re.findall(r"archiver_\w+\{([^}]*)\}", expression):
            for label, value in re.findall(r'(\w+)\s*!?=~?\s*"([^"]*)"', selector):
                if value != ".*":
                    assert set(value.split("|")) <= allowed[label], expression


# -- a real Prometheus, a real Alertmanager, real exporters


class Webhook(http.server.ThreadingHTTPServer):
    """Stands where the MCP alert service stands and keeps what it is sent."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        messages = self.messages

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                messages.append((self.path, json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
                pass

        super().__init__(("127.0.0.1", 0), Handler)


class Stack:
    """The parts that can be had, wired as the files say, on ports of their own."""

    def __init__(self, prometheus: str, alertmanager: str, exporters: dict[str, str], webhook: Webhook) -> None:
        self.prometheus, self.alertmanager, self.exporters, self.webhook = prometheus, alertmanager, exporters, webhook

    def api(self, path: str, **parameters: str) -> Any:
        return json.loads(daemon.get(f"{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        data = self.api("query", query=expression)
        return list(data["result"]) if data["resultType"] == "vector" else [data]


def nginx_configuration(directory: Path, port: int) -> str:
    places = "\n".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 32; }}
http {{ access_log {directory}/access.log combined; {places}
  server {{ listen 127.0.0.1:{port}; location = /stub_status {{ stub_status; }} }} }}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("stack")
    # The workers of nginx run as another user where the tests run as root.
    home.chmod(0o755)
    ports = {name: daemon.free_port() for name in ("prometheus", "alertmanager", "node", "nginx", "status")}
    binaries = {
        n: debian.binary(n)
        for n in (
            "prometheus",
            "prometheus-alertmanager",
            "prometheus-node-exporter",
            "nginx",
            "prometheus-nginx-exporter",
        )
    }
    with ExitStack() as up:
        webhook = up.enter_context(Webhook())
        threading.Thread(target=webhook.serve_forever, daemon=True).start()
        up.callback(webhook.shutdown)

        textfiles = home / "textfiles"
        textfiles.mkdir()
        # A run that has just ended, whatever today is.
        text = (DATA / "archiver.prom").read_text()
        recent = re.sub(
            r"(?<= )(17\d{8})$", lambda m: str(int(m[1]) + int(time.time()) - 1795400000), text, flags=re.MULTILINE
        )
        (textfiles / "archiver.prom").write_text(recent)
        node = f"http://127.0.0.1:{ports['node']}"
        up.enter_context(daemon.running(
            [binaries["prometheus-node-exporter"], f"--web.listen-address=127.0.0.1:{ports['node']}", f"--collector.textfile.directory={textfiles}"],
            f"{node}/metrics", home))  # fmt: skip

        status = f"http://127.0.0.1:{ports['status']}/stub_status"
        (home / "nginx.conf").write_text(nginx_configuration(home, ports["status"]))
        up.enter_context(
            daemon.running(
                [binaries["nginx"], "-e", str(home / "error.log"), "-p", str(home), "-c", str(home / "nginx.conf")],
                status,
                home,
            )
        )
        nginx = f"http://127.0.0.1:{ports['nginx']}"
        up.enter_context(daemon.running(
            [binaries["prometheus-nginx-exporter"], f"-web.listen-address=127.0.0.1:{ports['nginx']}", f"-nginx.scrape-uri={status}"],
            f"{nginx}/metrics", home))  # fmt: skip

        config = copy.deepcopy(monitoring.read("alertmanager.yml"))
        token = home / "post-token"
        token.write_text("a-token-of-the-tests")
        for receiver in config["receivers"]:
            for hook in receiver.get("webhook_configs", []):
                hook["url"] = f"http://127.0.0.1:{webhook.server_address[1]}{urllib.parse.urlparse(hook['url']).path}"
                hook["http_config"]["authorization"]["credentials_file"] = str(token)
        (home / "alertmanager.yml").write_text(yaml.safe_dump(config))
        alertmanager = f"http://127.0.0.1:{ports['alertmanager']}"
        flags = [f for f in monitoring.service("alertmanager")["command"] if f.startswith("--cluster")]
        up.enter_context(daemon.running(
            [binaries["prometheus-alertmanager"], f"--config.file={home}/alertmanager.yml", f"--storage.path={home}/am",
             f"--web.listen-address=127.0.0.1:{ports['alertmanager']}", *flags],
            f"{alertmanager}/-/ready", home))  # fmt: skip

        here = {
            "localhost:9090": f"127.0.0.1:{ports['prometheus']}",
            "alertmanager:9093": f"127.0.0.1:{ports['alertmanager']}",
            "host.docker.internal:9100": f"127.0.0.1:{ports['node']}",
            "host.docker.internal:9113": f"127.0.0.1:{ports['nginx']}",
        }
        config = copy.deepcopy(monitoring.read("prometheus/prometheus.yml"))
        config["global"].update(scrape_interval="1s", scrape_timeout="1s", evaluation_interval="1s")
        config["rule_files"] = [str(p) for p in monitoring.RULES]
        kept = [
            j
            for j in config["scrape_configs"]
            if "static_configs" in j and j["static_configs"][0]["targets"][0] in here
        ]
        config["scrape_configs"] = kept
        for job in [*kept, config["alerting"]["alertmanagers"][0]]:
            job["static_configs"][0]["targets"] = [here[t] for t in job["static_configs"][0]["targets"]]
        (home / "prometheus.yml").write_text(yaml.safe_dump(config))
        prometheus = f"http://127.0.0.1:{ports['prometheus']}"
        flags = [f for f in monitoring.service("prometheus")["command"] if "retention" in f]
        up.enter_context(daemon.running(
            [binaries["prometheus"], f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/tsdb",
             f"--web.listen-address=127.0.0.1:{ports['prometheus']}", *flags,
             # The first alerts come before the Alertmanager is discovered and are lost; the next ones would come a minute later.
             "--rules.alert.resend-delay=1s"],
            f"{prometheus}/-/ready", home))  # fmt: skip
        exporters = {
            "node": f"{node}/metrics",
            "nginx": f"{nginx}/metrics",
            "prometheus": f"{prometheus}/metrics",
            "alertmanager": f"{alertmanager}/metrics",
        }
        yield Stack(prometheus, alertmanager, exporters, webhook)


def test_what_is_in_force_is_what_was_promised(stack: Stack) -> None:
    assert stack.api("status/runtimeinfo")["storageRetention"] == "30d"
    assert stack.api("status/flags")["storage.tsdb.retention.time"] == "30d"


def test_every_target_that_can_be_had_is_up(stack: Stack) -> None:
    def all_up() -> bool:
        up = {r["metric"]["job"]: r["value"][1] for r in stack.query("up")}
        return up == {"prometheus": "1", "alertmanager": "1", "node": "1", "nginx": "1"}

    until(all_up, "four targets that are up")


def test_every_rule_is_evaluated_without_an_error(stack: Stack) -> None:
    def rules() -> list[dict[str, Any]]:
        found = [r for g in stack.api("rules")["groups"] for r in g["rules"]]
        return [] if any(r["health"] == "unknown" for r in found) else found

    found = until(rules, "every rule to be evaluated once")
    assert {r["name"] for r in found} == set(ALERTS) | monitoring.recorded()
    assert [(r["name"], r.get("lastError")) for r in found if r["health"] != "ok"] == []


def test_the_watchdog_reaches_the_mcp_alert_service(stack: Stack) -> None:
    def watchdog() -> tuple[str, dict[str, Any]] | None:
        return next((m for m in stack.webhook.messages if m[1]["groupLabels"].get("alertname") == "Watchdog"), None)

    path, message = until(watchdog, "Watchdog at the webhook")
    assert path == "/alerts"
    assert message["receiver"] == "mcp-watchdog"
    assert message["status"] == "firing"
    assert message["commonLabels"]["site"] == "whatsapp.owona.de"
    assert message["commonAnnotations"]["runbook_url"] == "docs/alerts/Watchdog.md"


def test_the_health_checks_of_prometheus_and_alertmanager_tell_up_from_down(stack: Stack) -> None:
    """The very commands of the compose file, with the programs and the ports of this machine."""
    for name, up in (("prometheus", stack.prometheus), ("alertmanager", stack.alertmanager)):
        kind, program, *arguments = monitoring.service(name)["healthcheck"]["test"]
        assert kind == "CMD", "there is no shell to rely on"
        program = debian.binary(program.rsplit("/", 1)[-1])
        for address, status in ((up, 0), (f"http://127.0.0.1:{daemon.free_port()}", 1)):
            command = [re.sub(r"http://127\.0\.0\.1:\d+", address, a) for a in arguments]
            assert command != arguments
            assert subprocess.run([program, *command], capture_output=True, check=False).returncode == status


def test_every_metric_is_known_to_a_scrape_target(stack: Stack) -> None:
    known: set[str] = {n for job in yaml.safe_load((DATA / "known.yaml").read_text()).values() for n in job["names"]}
    known |= monitoring.recorded() | set(documented())
    for exporter in stack.exporters.values():
        known |= set(re.findall(r"^([a-zA-Z_:][\w:]*)", daemon.get(exporter), re.MULTILINE))
    unknown = {
        (where, metric)
        for where, expressions in used().items()
        for e in expressions
        for metric in monitoring.metrics(e) - known
    }
    assert unknown == set()


def test_no_recorded_name_is_recorded_in_vain() -> None:
    """What known.yaml lists without being used is a list that nobody keeps."""
    named = {m for expressions in used().values() for e in expressions for m in monitoring.metrics(e)}
    listed = {n for job in yaml.safe_load((DATA / "known.yaml").read_text()).values() for n in job["names"]}
    assert listed <= named


def test_the_dashboard_shows_archivers_metrics_as_they_arrive(stack: Stack) -> None:
    """From a textfile through the node exporter into Prometheus: every panel on archiver's metrics has something to show."""
    until(lambda: stack.query("archiver_build_info"), "archiver's metrics")
    for title, expression in monitoring.promql(
        monitoring.dashboard(monitoring.STACK / "dashboards" / "retention.json")
    ):
        names = monitoring.metrics(expression)
        if names and all(n.startswith("archiver_") for n in names):
            assert stack.query(expression), f"{title}: {expression}"


def test_all_queries_of_the_dashboards_run(stack: Stack) -> None:
    for path in monitoring.DASHBOARDS:
        for _, expression in monitoring.promql(monitoring.dashboard(path)):
            stack.query(expression)


def test_a_healthy_archiver_raises_no_alert(stack: Stack) -> None:
    until(lambda: stack.query("archiver_build_info"), "archiver's metrics")
    firing = {
        r["metric"]["alertname"] for r in stack.query('ALERTS{component=~"archiver|retention", alertstate="firing"}')
    }
    assert firing == set()
