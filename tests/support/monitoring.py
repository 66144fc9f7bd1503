"""The files of infra/monitoring, read once, as the tests of the stack see them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support import debian

ROOT = Path(__file__).resolve().parents[2]
STACK = ROOT / "infra" / "monitoring"
RULES = sorted((STACK / "prometheus" / "rules").glob("*.yml"))
RULE_TESTS = sorted((STACK / "prometheus" / "tests").glob("*.yml"))
DASHBOARDS = sorted((STACK / "dashboards").glob("*.json"))

# What Grafana puts in before it asks Prometheus.
_MACROS = {"$__rate_interval": "2m", "$__range": "6h", "$__interval": "1m", "$__auto": "1m"}


@cache
def read(name: str) -> Any:
    """Return a YAML file of the stack."""
    return yaml.safe_load((STACK / name).read_text())


def service(name: str) -> dict[str, Any]:
    """Return one service of the compose file."""
    found: dict[str, Any] = read("docker-compose.yml")["services"][name]
    return found


def published(name: str) -> dict[int, int]:
    """Return container port by host port."""
    ports = [p.split(":") for p in service(name).get("ports", [])]
    return {int(host): int(inside) for _, host, inside in ports}


def alerts() -> dict[str, dict[str, Any]]:
    """Return every alert by its name."""
    return {rule["alert"]: rule for rule in _rules() if "alert" in rule}


def recorded() -> set[str]:
    """Return the names of the recorded series."""
    return {rule["record"] for rule in _rules() if "record" in rule}


def _rules() -> list[dict[str, Any]]:
    return [r for f in RULES for g in yaml.safe_load(f.read_text())["groups"] for r in g["rules"]]


def rule_expressions() -> list[str]:
    """Return the PromQL of all rules."""
    return [rule["expr"] for rule in _rules()]


def dashboard(path: Path) -> dict[str, Any]:
    """Return one dashboard."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show something."""
    return [p for p in board["panels"] if p["type"] != "row"]


def promql(board: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (panel, PromQL) as Prometheus would get it, variables and annotations included."""
    found = [
        (p["title"], t["expr"]) for p in panels(board) for t in p["targets"] if t["datasource"]["type"] == "prometheus"
    ]
    found += [(a["name"], a["expr"]) for a in board["annotations"]["list"] if "expr" in a]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            inside = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
            assert inside, f"the variable {variable['name']} has a query of a kind that this test does not know"
            found.append((f"variable {variable['name']}", f"count by ({inside[2]}) ({inside[1]})"))
    return [(title, fill(expression)) for title, expression in found]


def fill(expression: str) -> str:
    """Replace Grafana's macros and variables."""
    for macro, value in _MACROS.items():
        expression = expression.replace(macro, value)
    return re.sub(r'=~"\$\w+"', '=~".*"', expression)


# Words of PromQL that stand where a metric could stand.
_WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "offset", "bool"}


def metrics(expression: str) -> set[str]:
    """Return the metrics that a PromQL expression names."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\{[^}]*\}", " ", bare)
    bare = re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", bare)
    names = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])", bare)
    return {name for name in names if name not in _WORDS}


def docker_compose(directory: Path, *files: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`config` of a real docker-compose on copies of the files; it needs no daemon for that."""
    for file in files:
        # Debian 12 has 1.29, which knows the specification except for this one key.
        (directory / file.name).write_text(re.sub(r"(?m)^name: .*$", "", file.read_text()))
    arguments = [argument for file in files for argument in ("-f", file.name)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **variables}
    return subprocess.run(
        [debian.binary("docker-compose"), *arguments, "config"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
