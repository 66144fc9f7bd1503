"""jobs/: what cron and systemd start, run as they are with a program in archiver's place."""

import os
import subprocess
from pathlib import Path

import pytest

from archiver.config.sources import load
from tests.support.deployment import INSTEAD, JOBS, ROOT, compose_service


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """A program that writes down its arguments and the settings that it was given."""
    program = tmp_path / "archiver"
    program.write_text('#!/bin/sh\necho "$@"\nenv | grep "^ARCHIVER_" | sort\n')
    program.chmod(0o755)
    return program


def run(job: str, directory: Path, **variables: str) -> list[str]:
    environment = {"PATH": f"{directory}:{os.environ['PATH']}", "ARCHIVER_ENV_FILE": "/nonexistent", **variables}
    done = subprocess.run([ROOT / "jobs" / job], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_every_job_that_something_starts_is_there() -> None:
    assert sorted(path.name for path in (ROOT / "jobs").iterdir()) == sorted((*JOBS, *INSTEAD))
    for job in (*JOBS, *INSTEAD):
        assert (ROOT / "jobs" / job).stat().st_mode & 0o111, "cron and systemd start only what may be executed"


# What synthetic starts is not archiver; tests/infra/test_synthetic.py starts it.
@pytest.mark.parametrize("job", sorted({*JOBS, *INSTEAD} - {"synthetic"}))
def test_a_job_hands_on_nothing_that_archiver_would_refuse(job: str, recorder: Path, tmp_path: Path) -> None:
    file = tmp_path / "environment"
    file.write_text("ARCHIVER_STORE=file:///srv/archive\n")
    called, *settings = run(job, tmp_path, ARCHIVER_ENV_FILE=str(file), ARCHIVER_REPORTS_DIR="/srv/reports") if job == "monthly-report" else run(job, tmp_path, ARCHIVER_ENV_FILE=str(file))  # fmt: skip
    environ = dict(line.split("=", 1) for line in settings)
    assert environ["ARCHIVER_STORE"] == "file:///srv/archive"
    empty = tmp_path / "empty.toml"
    empty.touch()
    load(environ=environ, directory=tmp_path, config_file=empty)
    assert called.split()[0] in ("run", "report", "health")


def test_the_nightly_job_is_what_the_container_runs(recorder: Path, tmp_path: Path) -> None:
    assert run("nightly", tmp_path)[0].split() == compose_service()["command"]
    assert run("nightly", tmp_path, ARCHIVER=str(recorder))[0].endswith("--execute")


def test_the_night_that_was_asked_for_is_the_same_night(recorder: Path, tmp_path: Path) -> None:
    assert run("nightly-if-asked", tmp_path)[0].split() == ["run", "nightly", "--if-asked", "--execute"]
