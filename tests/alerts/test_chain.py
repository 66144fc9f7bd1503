"""The whole chain: a target dies; Prometheus, Alertmanager and the service carry it; a person takes it on.

Prometheus's rule and Alertmanager's file are those of infra/monitoring; only addresses and waits are others.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import yaml

from archiver.alerts.tokens import WRITE
from tests.support import daemon, debian, monitoring
from tests.support.alerts import Process, amtool, ask, metric, start_alertmanagers
from tests.support.daemon import until
from tests.support.listener import listening
from tests.support.program import Program, new_program

if TYPE_CHECKING:
    from pathlib import Path


def prometheus_files(directory: Path, alertmanager: str, target: str) -> Path:
    """The rules of infra/monitoring for a target and for the Watchdog, without their patience."""
    wanted = {name: rule for name, rule in monitoring.alerts().items() if name in ("TargetDown", "Watchdog")}
    rules = [{**rule, "for": "0s"} for rule in wanted.values()]
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "chain", "rules": rules}]}))
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "app", "static_configs": [{"targets": [target]}]}],
    }
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def alertmanager_file(directory: Path, service: str, token: Path) -> Path:
    """alertmanager.yml as it stands, with another address, another place of the token, and no waits."""
    text = (monitoring.STACK / "alertmanager.yml").read_text()
    there = "http://backend-mcp-alerts:8080/alerts"
    assert text.count(there) == 2
    secret = "/etc/alertmanager/mcp-alerts/post-token"
    config: dict[str, Any] = yaml.safe_load(text.replace(there, f"{service}/alerts").replace(secret, str(token)))
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", []):
            assert hook["http_config"]["authorization"]["credentials_file"] == str(token)
    for route in [config["route"], *config["route"]["routes"]]:
        route.update({"group_wait": "0s", "group_interval": "1s"})
    file = directory / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_a_target_dies_and_somebody_takes_it_on(tmp_path: Path) -> None:
    operator: Program = new_program(tmp_path / "operator")
    data, token_file = tmp_path / "data", tmp_path / "post-token"
    writer = operator.run("alerts", "token", "add", "claude", "--scope", WRITE, "--data", str(data)).succeeded()
    token = writer.out.splitlines()[-1]
    with ExitStack() as stack:
        target = stack.enter_context(ExitStack())
        app = target.enter_context(listening())
        alertmanager_port, ping = daemon.free_port(), stack.enter_context(listening())
        (tmp_path / "ping-url").write_text(f"{ping.url}/ping/secret")
        (tmp_path / "ping-url").chmod(0o600)
        service = Process(
            data, daemon.free_port(),
            (f"--alertmanager=http://127.0.0.1:{alertmanager_port}", f"--post-token-file={token_file}",
             f"--ping-url={tmp_path / 'ping-url'}"),
        )  # fmt: skip
        service.start()
        stack.callback(service.kill)
        service.up()
        assert token_file.stat().st_mode & 0o777 == 0o640, "Alertmanager's group reads it"
        file = alertmanager_file(tmp_path, service.url, token_file)
        (alertmanager,) = start_alertmanagers(stack, tmp_path, file, 1, port=alertmanager_port)
        port = daemon.free_port()
        prometheus = [
            debian.binary("prometheus"),
            f"--config.file={prometheus_files(tmp_path, alertmanager.removeprefix('http://'), app.url.removeprefix('http://'))}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
            # What it sends in the seconds before it has found Alertmanager is lost, and a minute is long.
            "--rules.alert.resend-delay=1s",
        ]  # fmt: skip
        stack.enter_context(daemon.running(prometheus, f"http://127.0.0.1:{port}/-/ready", tmp_path))

        def names() -> set[str]:
            return {each["name"] for each in ask(service.url, token, "list_alerts").good()["alerts"]}

        until(lambda: "Watchdog" in names(), "the Watchdog in the service")
        until(lambda: "/ping/secret" in ping.paths, "the ping outside")
        assert "TargetDown" not in names()
        target.close()  # the target dies
        until(lambda: "TargetDown" in names(), "TargetDown in the service")
        (alert,) = [
            each for each in ask(service.url, token, "list_alerts").good()["alerts"] if each["name"] == "TargetDown"
        ]
        assert alert["labels"]["job"] == "app"
        assert alert["runbook"] == "runbook://TargetDown"
        ask(service.url, token, "ack_alert", fingerprint=alert["fingerprint"], note="restarting it").good()
        waiting = ask(service.url, token, "list_alerts", unacknowledged=True).good()["alerts"]
        assert {each["name"] for each in waiting} == {"Watchdog"}
        history = ask(service.url, token, "alert_history", fingerprint=alert["fingerprint"]).good()["events"]
        assert [(each["kind"], each["by"]) for each in history][1:] == [("ack", "claude")]
        assert (metric(service.url, 'mcp_alerts_notifications_total{outcome="accepted"}') or 0) >= 1
        assert metric(service.url, 'mcp_alerts_notifications_total{outcome="unauthorised"}') == 0
        there = {each["fingerprint"] for each in amtool(alertmanager, "alert", "query")}
        assert {each["fingerprint"] for each in ask(service.url, token, "list_alerts").good()["alerts"]} == there
        # The command line sees the same.
        shown = operator.run("alerts", "list", "--data", str(data), "--json").succeeded().lines
        assert {each["fingerprint"] for each in shown[:-1]} == there
        assert service.process is not None
        service.process.terminate()
        assert service.process.wait(30) == 0, "a stop that was asked for is no failure"
        service.process = None
    log = tmp_path.joinpath("service.log").read_text()
    assert "secret" not in log
    assert token not in log
    assert token_file.read_text() not in log
