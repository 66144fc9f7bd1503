"""The units, as systemd's own tools read them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.commands import commands
from tests.support import debian
from tests.support.deployment import INSTEAD, JOBS, ROOT, UNITS, unit_values

SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
TIMERS = [unit for unit in UNITS if unit.suffix == ".timer"]
WORKER = next(unit for unit in SERVICES if unit.name == "archiver@.service")
EXPOSURE_MAX = 2.0


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [debian.binary("systemd-analyze"), *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("job", [*JOBS, *INSTEAD])
def test_systemd_accepts_every_unit(job: str, tmp_path: Path) -> None:
    """In a tree of their own, with the program that they start in its place."""
    for unit in UNITS:
        shutil.copy(unit, tmp_path / unit.name)
    program = tmp_path / job
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    worker = tmp_path / WORKER.name
    text = worker.read_text()
    assert "ExecStart=/opt/archiver/jobs/%i\n" in text
    worker.write_text(text.replace("ExecStart=/opt/archiver/jobs/%i", f"ExecStart={program}"))
    instances = [tmp_path / f"archiver@{job}.service", tmp_path / f"archiver-{job}.timer"]
    done = analyze("verify", "--man=no", "--recursive-errors=no", *map(str, instances))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_misspelt_directive_is_found(tmp_path: Path) -> None:
    """What the test above relies on."""
    wrong = tmp_path / "archiver@.service"
    wrong.write_text(
        WORKER.read_text().replace("ProtectHome=", "ProtectHouse=").replace("/opt/archiver/jobs/%i", "/bin/true")
    )
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(tmp_path / "archiver@x.service"))
    assert "ProtectHouse" in done.stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_little_is_exposed(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout + done.stderr)
    assert found, done.stderr
    assert float(found[1]) <= EXPOSURE_MAX


@pytest.mark.parametrize("unit", TIMERS, ids=lambda unit: unit.name)
def test_when(unit: Path) -> None:
    (when,) = unit_values(unit, "OnCalendar")
    assert analyze("calendar", when).returncode == 0
    assert analyze("calendar", when + " nonsense").returncode != 0


def test_every_job_has_a_timer_and_a_program() -> None:
    started = {value for unit in TIMERS for value in unit_values(unit, "Unit")}
    assert started == {f"archiver@{job}.service" for job in (*JOBS, *INSTEAD)}
    assert {unit.name for unit in TIMERS} == {f"archiver-{job}.timer" for job in (*JOBS, *INSTEAD)}
    assert unit_values(WORKER, "ExecStart") == ["/opt/archiver/jobs/%i"]


def test_a_missed_night_is_caught_up_and_a_failure_is_told() -> None:
    nightly = next(unit for unit in TIMERS if unit.name == "archiver-nightly.timer")
    assert unit_values(nightly, "Persistent") == ["true"]
    assert unit_values(WORKER, "OnFailure") == ["archiver-failed@%n.service"]
    assert (WORKER.parent / "archiver-failed@.service").exists()
    assert unit_values(WORKER, "SuccessExitStatus") == ["5"]
    assert not unit_values(WORKER, "Restart"), "a run that failed is repeated by the next night, or by a person"


def test_what_the_units_name_is_there() -> None:
    for value in unit_values(WORKER, "Documentation"):
        assert (ROOT / value.removeprefix("file:///opt/archiver/")).exists()


def test_the_journey_gets_no_secret_of_archivers() -> None:
    (drop_in,) = (WORKER.parent / "archiver@synthetic.service.d").iterdir()
    assert unit_values(drop_in, "LoadCredential") == [""], "an empty value takes away what was listed before"
    assert unit_values(WORKER, "LoadCredential")


# -- the alert service


ALERTS = next(unit for unit in SERVICES if unit.name == "archiver-alerts.service")


def test_systemd_accepts_the_alert_service(tmp_path: Path) -> None:
    text = ALERTS.read_text()
    assert "ExecStart=/opt/archiver/.venv/bin/archiver alerts serve " in text
    unit = tmp_path / ALERTS.name
    unit.write_text(text.replace("ExecStart=/opt/archiver/.venv/bin/archiver", "ExecStart=/bin/true"))
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(unit))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_alert_service_is_a_process_of_its_own() -> None:
    assert unit_values(ALERTS, "User") == ["archiver-alerts"]
    assert unit_values(WORKER, "User") == ["archiver"], "whoever breaks into the one has nothing of the other"
    assert unit_values(ALERTS, "Restart") == ["on-failure"]
    text = ALERTS.read_text()
    (start,) = re.findall(r"(?ms)^ExecStart=(.*?[^\\])$", text)
    options = {option for one in commands() if one.path == ("alerts", "serve") for option in one.options}
    assert {each.partition("=")[0] for each in re.findall(r"--\S+", start)} <= options
    (state,) = unit_values(ALERTS, "StateDirectory")
    assert f"--data=/var/lib/{state}" in start
    loaded = {value.split(":")[0] for value in re.findall(r"(?m)^#?LoadCredential=(.*)$", text)}
    assert set(re.findall(r"%d/(\S+)", start)) == loaded
