"""alertmanager.yml: checked by amtool, run by a real Alertmanager."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import daemon, debian, monitoring
from tests.support.daemon import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = monitoring.STACK / "alertmanager.yml"
CONFIG: dict[str, Any] = monitoring.read("alertmanager.yml")


def amtool(*arguments: str) -> str:
    done = subprocess.run([debian.binary("amtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def route(file: Path, **labels: str) -> list[str]:
    found = amtool("config", "routes", "test", f"--config.file={file}", *(f"{k}={v}" for k, v in labels.items()))
    return found.strip().split(",")


def test_amtool_accepts_it() -> None:
    assert "4 receivers" in amtool("check-config", str(FILE))


def test_by_default_everything_goes_to_the_mcp_alert_service() -> None:
    hooks = {r["name"]: r["webhook_configs"][0]["url"] for r in CONFIG["receivers"] if "webhook_configs" in r}
    assert set(hooks.values()) == {"http://backend-mcp-alerts:8080/alerts"}
    for name, alert in monitoring.alerts().items():
        expected = "mcp-watchdog" if name == "Watchdog" else "mcp"
        assert route(FILE, alertname=name, **alert["labels"]) == [expected]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """The file with the prepared routes switched on, by removing their comment signs as it says."""
    text = re.sub(r"(?m)^    # (?=- receiver: |  matchers: |  continue: )", "    ", FILE.read_text())
    assert text != FILE.read_text()
    file = tmp_path / "alertmanager.yml"
    file.write_text(text)
    return file


def test_email_and_slack_are_prepared(prepared: Path) -> None:
    amtool("check-config", str(prepared))
    assert route(prepared, alertname="HostDown", severity="critical", component="host") == ["email", "slack", "mcp"]
    assert route(prepared, alertname="RetentionBreached", severity="critical", component="retention") == [
        "email",
        "slack",
        "mcp",
    ]
    assert route(prepared, alertname="HostMemoryLow", severity="warning", component="host") == ["mcp"]
    assert route(prepared, alertname="Watchdog", severity="none", component="meta") == ["mcp-watchdog"]


def test_secrets_are_files_in_the_mounted_directory() -> None:
    mounted = {v.split(":")[1] for v in monitoring.service("alertmanager")["volumes"]}
    text = FILE.read_text()
    files = re.findall(r"_file: (\S+)", text)
    assert files
    for file in files:
        assert file.rsplit("/", 1)[0] in mounted
    assert not re.search(r"(?m)^\s*(auth_password|smtp_auth_password|api_url|slack_api_url):", text)
    assert (monitoring.STACK / "secrets" / ".gitignore").read_text().splitlines()[-3] == "*"


def test_inhibition_names_alerts_that_exist() -> None:
    names = set(monitoring.alerts())
    for rule in CONFIG["inhibit_rules"]:
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]:
            quoted = re.search(r'^alertname=~?"(.*)"$', matcher)
            assert quoted
            assert set(quoted[1].split("|")) <= names


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("alertmanager")
    config = yaml.safe_load(FILE.read_text())
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", []):
            hook["url"] = "http://127.0.0.1:9/alerts"  # nobody is to be told
    (home / "alertmanager.yml").write_text(yaml.safe_dump(config))
    port = daemon.free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [
        debian.binary("prometheus-alertmanager"), f"--config.file={home}/alertmanager.yml", f"--storage.path={home}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with daemon.running(argv, f"{url}/-/ready", home):
        yield url


def post(url: str, alerts: list[dict[str, str]]) -> None:
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    request = urllib.request.Request(f"{url}/api/v2/alerts", data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_what_follows_from_another_alert_is_inhibited(alertmanager: str) -> None:
    post(alertmanager, [
        {"alertname": "HostDown", "severity": "critical", "component": "host"},
        {"alertname": "ArchiverMetricsMissing", "severity": "critical", "component": "archiver"},
        {"alertname": "HostDiskSpaceCritical", "instance": "h", "mountpoint": "/", "severity": "critical"},
        {"alertname": "HostDiskSpaceLow", "instance": "h", "mountpoint": "/", "severity": "warning"},
        {"alertname": "HostDiskSpaceLow", "instance": "h", "mountpoint": "/var", "severity": "warning"},
        {"alertname": "RetentionBreached", "severity": "critical", "component": "retention"},
    ])  # fmt: skip

    def states() -> dict[str, str] | None:
        found = json.loads(daemon.get(f"{alertmanager}/api/v2/alerts"))
        if len(found) < 6 or any(a["status"]["state"] == "unprocessed" for a in found):
            return None
        return {a["labels"]["alertname"] + a["labels"].get("mountpoint", ""): a["status"]["state"] for a in found}

    assert until(states, "six alerts") == {
        "HostDown": "active",
        "ArchiverMetricsMissing": "suppressed",
        "HostDiskSpaceCritical/": "active",
        "HostDiskSpaceLow/": "suppressed",
        "HostDiskSpaceLow/var": "active",
        "RetentionBreached": "active",
    }
