"""crontab, CronJob, logrotate: what starts by itself, and what must go by itself."""

import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from cron_validator import CronValidator

from archiver.stack.rotation import logrotate_bound, read_logrotate, rules_for
from tests.support import debian
from tests.support.deployment import DEPLOY, JOBS, crontab_lines, pod, tool

CRONJOB = DEPLOY / "kubernetes" / "cronjob.yaml"
LOGROTATE = DEPLOY / "logrotate" / "pm2"
PROMISE = timedelta(days=30)


# -- cron


@pytest.mark.parametrize("line", crontab_lines(), ids=lambda line: line[-1])
def test_the_crontab(line: list[str]) -> None:
    *fields, user, command = line
    assert CronValidator.parse(" ".join(fields)) is not None
    assert user == "archiver"
    assert command.removeprefix("/opt/archiver/jobs/") in JOBS


def test_the_crontab_starts_every_job_once() -> None:
    assert sorted(line[-1].rpartition("/")[2] for line in crontab_lines()) == sorted(JOBS)


# -- Kubernetes


def test_the_cronjob_is_one() -> None:
    done = tool("kubernetes-validate", "--strict", CRONJOB)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_misspelt_field_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "cronjob.yaml"
    wrong.write_text(CRONJOB.read_text().replace("concurrencyPolicy", "concurencyPolicy"))
    assert tool("kubernetes-validate", "--strict", wrong).returncode != 0


def test_the_cronjob_runs_alone_and_without_rights() -> None:
    spec = yaml.safe_load(CRONJOB.read_text())["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["timeZone"] == "Etc/UTC"
    assert CronValidator.parse(spec["schedule"]) is not None
    (container,) = pod()["containers"]
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod()["volumes"]}


def test_only_what_may_help_is_repeated() -> None:
    """75 is repeated; what needs a person is not."""
    rules = yaml.safe_load(CRONJOB.read_text())["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    final = next(rule["onExitCodes"]["values"] for rule in rules if rule["action"] == "FailJob")
    assert final == [1, 2, 3, 4, 5, 6]


# -- logrotate


def test_no_line_of_pm2_outlives_the_promise() -> None:
    """By the same reckoning with which the stack check judges a server."""
    rules = read_logrotate((LOGROTATE,))
    assert isinstance(rules, tuple)
    (rule,) = rules_for(Path("/var/log/pm2/app-out.log"), rules)
    bound = logrotate_bound(rule)
    assert bound.age is not None
    assert bound.age + timedelta(days=1) <= PROMISE, "one missed night must not break it"


@pytest.fixture
def rotated(tmp_path: Path) -> tuple[Path, Path]:
    """Our rule for a directory of the test; only the paths and the owner are other."""
    logs = tmp_path / "pm2"
    logs.mkdir(mode=0o755)
    rule = tmp_path / "rule"
    text = LOGROTATE.read_text().replace("/var/log/pm2/", f"{logs}/").replace("    su root adm\n", "")
    assert str(logs) in text
    rule.write_text(text)
    rule.chmod(0o644)
    return rule, logs


def rotate(rule: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [debian.binary("logrotate"), "--state", str(rule.with_name("state")), *arguments, str(rule)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_logrotate_reads_it() -> None:
    done = subprocess.run(
        [debian.binary("logrotate"), "--debug", "--state", "/dev/null", str(LOGROTATE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower(), done.stderr
    assert "after 1 days (28 rotations)" in done.stderr


def test_a_silent_application_does_not_keep_its_old_logs(rotated: tuple[Path, Path]) -> None:
    """The current file is empty; what is older than the promise goes, what is younger stays, neighbours are left alone."""
    rule, logs = rotated
    (logs / "app-out.log").write_text("")
    now = time.time()
    ages = {"app-out.log.2026-01-01.gz": 31, "app-out.log.2026-01-20.gz": 10, "notes.txt": 400}
    for name, days in ages.items():
        (logs / name).write_text("x")
        stamp = now - days * 86_400
        os.utime(logs / name, (stamp, stamp))
    done = rotate(rule, "--force")
    assert done.returncode == 0, done.stderr
    left = {path.name for path in logs.iterdir()}
    assert "app-out.log.2026-01-01.gz" not in left
    assert {"app-out.log", "app-out.log.2026-01-20.gz", "notes.txt"} <= left
