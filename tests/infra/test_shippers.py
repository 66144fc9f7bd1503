"""Promtail's configuration and Alloy's: the same files, expressions and labels, and expressions that match real lines.

Neither program is to be had on a build machine. Their regular expressions are RE2, of which what is used here means the same
in Python.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Any

import pytest

from tests.support import monitoring

PROMTAIL: dict[str, Any] = monitoring.read("promtail-config.yaml")
JOBS: dict[str, dict[str, Any]] = {j["job_name"]: j for j in PROMTAIL["scrape_configs"]}
ALLOY = (monitoring.STACK / "alloy" / "config.alloy").read_text()
# Strings and comments first, so that a brace inside of one is not counted.
TOKEN = re.compile(r"`[^`]*`|\"(?:\\.|[^\"\\])*\"|//[^\n]*|[{}\[\](),=]|[\w.]+")


def block(kind: str, label: str) -> str:
    """Return the inside of one block of Alloy's file."""
    start = re.search(rf'(?m)^{re.escape(kind)} "{label}" \{{', ALLOY)
    assert start, f"{kind} {label}"
    depth = 0
    for token in TOKEN.finditer(ALLOY, start.end() - 1):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return ALLOY[start.end() : token.start()]
    raise AssertionError("a block without an end")


def promtail_stages(stages: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Flatten the stages to (kind, what it says), in order."""
    found: list[tuple[str, ...]] = []
    for stage in stages:
        ((kind, settings),) = stage.items()
        if kind == "match":
            found.append((kind, settings["selector"]))
            found += promtail_stages(settings["stages"])
        elif kind == "labels":
            found.append((kind, *settings))
        elif kind == "json":
            found.append((kind, *settings["expressions"]))
        else:
            found.append((kind, *(str(settings[k]) for k in sorted(settings))))
    return found


def alloy_stages(text: str) -> list[tuple[str, ...]]:
    """Return the same of Alloy's file, without the labels that Promtail puts on its targets."""
    found: list[tuple[str, ...]] = []
    for kind, inside in re.findall(
        r"stage\.(\w+) \{((?:`[^`]*`|\"[^\"]*\"|[^`\"])*?)(?=\n\t*stage\.|\n\t*\}\n|\Z)", text
    ):
        if kind == "static_labels":
            continue
        if kind in {"labels", "json"}:
            found.append((kind, *re.findall(r'(\w+) = "', inside.split("{", 1)[1])))
            continue
        pairs = dict(re.findall(r"(\w+)\s+= (`[^`]*`|\"[^\"]*\"|\d+)", inside))
        values = {k: v[1:-1] if v[0] in '`"' else v for k, v in pairs.items()}
        if kind == "match":
            found.append((kind, values["selector"]))
        else:
            found.append((kind, *(values[k] for k in sorted(values))))
    return found


@pytest.mark.parametrize("job", JOBS)
def test_both_do_the_same(job: str) -> None:
    assert alloy_stages(block("loki.process", job)) == promtail_stages(JOBS[job]["pipeline_stages"])
    labels = [dict(c["labels"]) for c in JOBS[job]["static_configs"]]
    paths = re.findall(r'(__path(?:_exclude)?__)\s*= "([^"]*)"', block("local.file_match", job))
    assert sorted(paths) == sorted((k, v) for c in labels for k, v in c.items() if k.startswith("__"))
    static = re.search(r"stage\.static_labels \{\s*values = \{(.*)\}", block("loki.process", job))
    assert static
    expected = {k: v for k, v in labels[0].items() if not k.startswith("__")}
    assert dict(re.findall(r'(\w+) = "([^"]*)"', static[1])) == expected
    first = re.search(r"stage\.(\w+)", block("loki.process", job))
    assert first
    assert first[1] == "static_labels", "the selectors below ask for job"


def test_alloys_file_is_whole() -> None:
    depth: list[str] = []
    for token in TOKEN.findall(ALLOY):
        if token in "{[(":
            depth.append({"{": "}", "[": "]", "(": ")"}[token])
        elif token in "}])":
            assert depth.pop() == token
    assert depth == []
    defined = {f"{kind}.{label}" for kind, label in re.findall(r'(?m)^([\w.]+) "(\w+)" \{', ALLOY)}
    referred = set(re.findall(r"((?:loki|local)\.\w+\.\w+)\.(?:receiver|targets)", ALLOY))
    assert referred <= defined
    assert {d for d in defined if not d.startswith("loki.source")} == referred, "a component that nobody uses"


def test_alloy_goes_on_where_promtail_stopped() -> None:
    mounts = {v.split(":")[0]: v for v in monitoring.service("alloy")["volumes"]}
    assert mounts["promtail-positions"] == "promtail-positions:/promtail:ro"
    where = {v.split(":")[0]: v.split(":")[1] for v in monitoring.service("promtail")["volumes"]}["promtail-positions"]
    assert PROMTAIL["positions"]["filename"] == f"{where}/positions.yaml"
    assert ALLOY.count('legacy_positions_file = "/promtail/positions.yaml"') == len(JOBS)
    for job in JOBS:
        # The conversion works for targets without labels only.
        assert set(re.findall(r"(\w+)\s*=", block("local.file_match", job))) <= {
            "path_targets",
            "__path__",
            "__path_exclude__",
        }


def test_the_ports_are_those_that_prometheus_asks() -> None:
    job = next(
        j for j in monitoring.read("prometheus/prometheus.yml")["scrape_configs"] if j["job_name"] == "log-shipper"
    )
    ports = {c["names"][0]: c["port"] for c in job["dns_sd_configs"]}
    assert ports["promtail"] == PROMTAIL["server"]["http_listen_port"]
    assert f"--server.http.listen-addr=0.0.0.0:{ports['alloy']}" in monitoring.service("alloy")["command"]


def paths(job: str) -> list[tuple[str, str]]:
    return [(c["labels"]["__path__"], c["labels"].get("__path_exclude__", "")) for c in JOBS[job]["static_configs"]]


@pytest.mark.parametrize(
    ("file", "job"),
    [
        ("/var/log/pm2/web-out.log", "pm2"),
        ("/var/log/pm2/web-error-1.log", "pm2"),
        ("/var/log/pm2/web-out__2026-11-22_00-00-00.log", None),
        ("/var/log/nginx/access.log", "nginx"),
        ("/var/log/nginx/whatsapp.owona.de.access.log", "nginx"),
        ("/var/log/nginx/access.log.1", None),
        ("/var/log/auth.log", "syslog"),
        ("/var/log/syslog", "syslog"),
        ("/var/log/syslog.2.gz", None),
    ],
)
def test_files(file: str, job: str | None) -> None:
    def matches(pattern: str) -> bool:
        # A star stops at a directory.
        return file.count("/") == pattern.count("/") and fnmatch.fnmatchcase(file, pattern)

    assert [j for j in JOBS for path, exclude in paths(j) if matches(path) and not matches(exclude)] == (
        [job] if job else []
    )


def expressions(job: str, kind: str) -> list[str]:
    found: list[str] = []

    def look(stages: list[dict[str, Any]]) -> None:
        for stage in stages:
            for name, settings in stage.items():
                if name == "match":
                    look(settings["stages"])
                elif name == kind:
                    found.append(settings["firstline" if kind == "multiline" else "expression"])

    look(JOBS[job]["pipeline_stages"])
    return found


@pytest.mark.parametrize(
    ("file", "app", "stream"),
    [
        ("/var/log/pm2/web-out.log", "web", "out"),
        ("/var/log/pm2/web-error.log", "web", "error"),
        ("/var/log/pm2/bot-builder-out-3.log", "bot-builder", "out"),
        ("/var/log/pm2/error-handler-error.log", "error-handler", "error"),
        ("/var/log/pm2/pm2.log", None, None),
    ],
)
def test_pm2_file_names(file: str, app: str | None, stream: str | None) -> None:
    found = re.match(expressions("pm2", "regex")[0], file)
    assert (found["app"], found["stream"]) == (app, stream) if found else app is None


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        ('{"level":30,"time":1795400000000,"msg":"Nachricht zugestellt"}', True),
        ("Error: connect ECONNREFUSED 127.0.0.1:5432", True),
        ("    at TCPConnectWrap.afterConnect (node:net:1555:16)", False),
        ("  [cause]: Error: read ECONNRESET", False),
        ("}", False),
        ("] {", False),
        ("Ärger beim Senden", True),
        ("", False),
    ],
)
def test_where_an_entry_of_pm2_begins(line: str, begins: bool) -> None:
    assert bool(re.search(expressions("pm2", "multiline")[0], line)) is begins


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("WARN: langsame Abfrage", "WARN"),
        ("[error] timeout", "error"),
        ("Terror und Informationen", None),
        ('{"level":"info","msg":"no error"}', "info"),
    ],
)
def test_levels_in_plain_text(line: str, level: str | None) -> None:
    found = re.search(expressions("pm2", "regex")[1], line)
    assert (found["level"] if found else None) == level


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (
            '203.0.113.7 - - [23/Nov/2026:09:15:01 +0100] "GET /api/webhook?x=1 HTTP/2.0" 200 512 "-" "WhatsApp/2.0"',
            "200",
        ),
        ('2001:db8::1 - anna [23/Nov/2026:09:15:01 +0100] "POST / HTTP/1.1" 502 0 "-" "curl"', "502"),
        ('203.0.113.7 - - [23/Nov/2026:09:15:01 +0100] "" 400 0 "-" "-"', "400"),
        ("no access line", None),
    ],
)
def test_nginx_access_lines(line: str, status: str | None) -> None:
    found = re.match(expressions("nginx", "regex")[0], line)
    assert (found["status"] if found else None) == status
    assert not found or found["time"] == "23/Nov/2026:09:15:01 +0100"


def test_nginx_error_lines() -> None:
    found = re.match(expressions("nginx", "regex")[1], "2026/11/23 09:15:01 [error] 812#812: *1 connect() failed")
    assert found
    assert found["level"] == "error"


@pytest.mark.parametrize(
    ("line", "app", "time"),
    [
        ("Nov 23 09:15:01 srv1 CRON[4242]: (root) CMD (archiver)", "CRON", None),
        ("Nov  3 09:15:01 srv1 kernel: usb 1-1: new device", "kernel", None),
        (
            "2026-11-23T09:15:01.123456+01:00 srv1 systemd[1]: Started nginx.service",
            "systemd",
            "2026-11-23T09:15:01.123456+01:00",
        ),
        ("2026-11-23 09:15:01 startup packages configure", None, None),
    ],
)
def test_syslog_lines(line: str, app: str | None, time: str | None) -> None:
    found = re.match(expressions("syslog", "regex")[0], line)
    assert ((found["app"], found["time"]) if found else (None, None)) == (app, time)


def test_templates_ask_for_the_value_before_they_compare_it() -> None:
    """Comparing a value that is not there ends a Go template, and the line would have no level."""
    templates = re.findall(
        r"template\s*[:=]\s*['`](\{\{.*)['`]", ALLOY + (monitoring.STACK / "promtail-config.yaml").read_text()
    )
    assert len(templates) == 6
    assert all(re.match(r"\{\{ if not \.(Value|status) \}\}unknown", t) for t in templates)


def test_labels_are_few() -> None:
    for job in JOBS.values():
        named = {
            label for kind, *labels in promtail_stages(job["pipeline_stages"]) if kind == "labels" for label in labels
        }
        named |= {k for c in job["static_configs"] for k in c["labels"] if not k.startswith("__")}
        assert {"job", "app", "level"} <= named <= {"job", "app", "level", "stream"}
