"""The files of deploy/, and the programs that check them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(path for path in (DEPLOY / "systemd").iterdir() if path.is_file())
JOBS = ("nightly", "monthly-report", "health-check", "synthetic")
INSTEAD = ("nightly-if-asked",)
"""In the place of another job."""


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment that runs the tests."""
    program = Path(sys.executable).with_name(name)
    return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, check=False)


def compose_service() -> dict[str, Any]:
    """The one service of the compose file."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "docker-compose.archiver.yml").read_text())["services"]["archiver"]
    return found


def pod() -> dict[str, Any]:
    """The CronJob's pod."""
    manifest = yaml.safe_load((DEPLOY / "kubernetes" / "cronjob.yaml").read_text())
    found: dict[str, Any] = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def unit_values(unit: Path, name: str) -> list[str]:
    """Every value of a directive, in the order of the file."""
    return re.findall(rf"(?m)^{name}=(.*)$", unit.read_text())


def crontab_lines() -> list[list[str]]:
    """The entries of the crontab: five fields, user, command."""
    lines = (DEPLOY / "crontab").read_text().splitlines()
    return [line.split(None, 6) for line in lines if re.match(r"[\d*]", line)]
