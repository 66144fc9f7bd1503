"""The night on real servers: Postgres, an S3 server, Prometheus; green, and with each of them gone."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archiver.telemetry.metrics import Series
from archiver.telemetry.textfile import read_series
from tests.support.daemon import free_port
from tests.support.listener import Listener, listening
from tests.support.monitoring import ROOT
from tests.support.postgres import Database, PostgresServer, fresh_database
from tests.support.program import PROGRAM, Done, Program, fill, new_program
from tests.support.s3 import S3Server
from tests.support.stack_servers import prometheus

RETENTION = ("--archive-retention", "365d", "--purpose", "Nachweis", "--legal-basis", "Art. 6(1)(f) DSGVO")
ROWS = 20
DAYS = 36


@dataclass(frozen=True)
class Site:
    """Everything that a night needs."""

    program: Program
    ping: Listener
    server: S3Server
    bucket: str
    database: Database

    def night(self, *arguments: str, **environment: str | None) -> Done:
        """One night."""
        return self.program.having(**environment).run("run", "nightly", "--execute", *arguments)

    @property
    def metrics(self) -> Series:
        """What the textfile says now."""
        return read_series(self.program.directory / "archiver.prom")

    def metric(self, name: str, **labels: str) -> float | None:
        """One value of it."""
        return self.metrics.get((f"archiver_{name}", tuple(sorted(labels.items()))))

    def report(self) -> dict[str, Any]:
        """What today's report says."""
        done = self.program.run("report", "--day", "today", "--json")
        assert done.status == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        return found


@pytest.fixture(scope="module")
def first_night(
    postgres_server: PostgresServer, seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site after its first night, which was green. Tests change the environment of the next one, and nothing else."""
    directory = tmp_path_factory.mktemp("night")
    with (
        fresh_database(postgres_server, "nightly") as database,
        listening() as ping,
        prometheus(directory / "prometheus", "--storage.tsdb.retention.time=27d") as metrics,
    ):
        fill(database, audit=ROWS, events=ROWS, days=DAYS)
        bucket = seaweedfs.new_bucket("nightly")
        program = new_program(
            directory / "site", SUPABASE_DB_URL=database.dsn, **seaweedfs.environment,
            ARCHIVER_PROMETHEUS_URL=metrics.url, ARCHIVER_PING__URL=f"{ping.url}/uuid",
            ARCHIVER_METRICS__TEXTFILE=str(directory / "site" / "archiver.prom"),
            ARCHIVER_STACK__SUPABASE__PLAN="free", ARCHIVER_RETRY__ATTEMPTS_MAX="1",
            ARCHIVER_STACK__PROMETHEUS__TIMEOUT_S="2",
        ).init("--store", f"s3://{bucket}/logs", *RETENTION)  # fmt: skip
        site = Site(program, ping, seaweedfs, bucket, database)
        done = site.night()
        assert done.status == 0, done.err
        assert (done.out, done.err) == ("", ""), "success is silent where nobody watches"
        yield site


@pytest.fixture
def site(first_night: Site) -> Site:
    """The same, with nothing heard yet."""
    first_night.ping.heard.clear()
    return first_night


def test_a_green_night(first_night: Site) -> None:
    site = first_night
    assert site.ping.paths[:2] == ["/uuid/start", "/uuid/0"]
    assert "step.ended step=purge outcome=done" in site.ping.heard[1][2]
    assert site.metric("last_run_exit_status") == 0
    assert site.metric("last_run_rows", dataset="app_audit_log", operation="exported") == ROWS * DAYS
    purged = site.metric("last_run_rows", dataset="app_audit_log", operation="purged")
    assert purged is not None
    assert ROWS * (DAYS - 31) <= purged <= ROWS * (DAYS - 29)
    assert site.metric("overdue_rows", dataset="app_audit_log", place="source") == 0
    assert site.metric("verify_objects", result="failed") == 0
    assert site.metric("stack_findings", subject="prometheus", verdict="breach") == 0
    assert site.metric("last_success_timestamp_seconds", step="nightly") is not None
    left = site.database.query(
        "SELECT count(*) FROM app_audit_log WHERE created_at < date_trunc('hour', now()) - interval '30 days'"
    )
    assert left == [(0,)]
    assert sorted(path.suffix for path in (site.program.work / "reports").iterdir()) == [
        ".csv",
        ".html",
        ".json",
        ".pdf",
    ]
    site.program.run("health").succeeded()


def test_a_second_night_changes_nothing_and_says_so(site: Site) -> None:
    summary = site.night("--json").succeeded().lines[-1]
    assert (summary["rows_exported"], summary["rows_purged"], summary["rows_expired"]) == (0, 0, 0)
    assert [step["step"] for step in summary["steps"]][:2] == ["export", "verify"]
    assert all(seen["rows_overdue"] == 0 for seen in summary["observed"])


def test_log_lines_are_json_where_nobody_watches(site: Site) -> None:
    done = site.program.run("-v", "run", "nightly", "--execute")
    events = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert events[0]["event"] == "run.started"
    assert events[-1]["event"] == "run.ended"
    assert {event["step"] for event in events if event["event"] == "step.ended"} >= {"export", "purge", "report"}


def test_without_execute_nothing_is_deleted_and_what_is_due_is_told(tmp_path: Path, database: Database) -> None:
    fill(database, audit=2, events=2, days=DAYS)
    program = new_program(tmp_path, SUPABASE_DB_URL=database.dsn, ARCHIVER_STACK__SUPABASE__ENABLED="false")
    program.init(*RETENTION)
    done = program.run("run", "nightly")
    assert done.status == 3
    assert "overdue (not deleted: nothing is deleted without --execute)" in done.err
    assert database.query("SELECT count(*) FROM app_audit_log") == [(2 * DAYS,)]


# ── With each part gone ────────────────────────────────────────────────────────────────────────────────────────

Change = Callable[[Site], dict[str, str | None]]


def _no_database(_: Site) -> dict[str, str | None]:
    return {"SUPABASE_DB_URL": f"postgresql://postgres@127.0.0.1:{free_port()}/none"}


def _no_store(_: Site) -> dict[str, str | None]:
    return {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{free_port()}"}


def _no_prometheus(_: Site) -> dict[str, str | None]:
    return {"ARCHIVER_PROMETHEUS_URL": f"http://127.0.0.1:{free_port()}"}


def _no_key(_: Site) -> dict[str, str | None]:
    return {"ARCHIVER_SIGNING_KEY_FILE": "/nowhere/key.pem"}


def _no_report_directory(_: Site) -> dict[str, str | None]:
    return {"ARCHIVER_REPORT__DIRECTORY": "/dev/null/reports"}


GONE: dict[str, tuple[Change, int, str, tuple[str, dict[str, str], float], str]] = {
    # What is gone: how, the exit status, what stderr says, a metric, and the steps that the summary names.
    "database": (_no_database, 75, "cannot be reached", ("last_run_exit_status", {}, 75), "failed: export (exit 75), purge"),
    "store": (_no_store, 75, "error: ", ("last_run_exit_status", {}, 75), "failed: export (exit 75)"),
    "prometheus": (
        _no_prometheus, 0, "", ("stack_findings", {"subject": "prometheus", "verdict": "cannot_tell"}, 1), "",
    ),
    "private key": (_no_key, 2, "private key", ("last_run_exit_status", {}, 2), "failed: export (exit 2)"),
    "report directory": (_no_report_directory, 1, "/dev/null", ("last_run_exit_status", {}, 1), "failed: report (exit 1)"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(GONE))
def test_with_a_part_gone(what: str, site: Site) -> None:
    """The documented exit status, a line, the metric, the ping; the last success stays; and the next night is green."""
    change, status, said, (name, labels, value), summary = GONE[what]
    before = site.metric("last_success_timestamp_seconds", step="nightly")
    done = site.night(**change(site))
    assert done.status == status, done.err
    assert said in done.err
    assert summary in done.err
    found = site.metric(name, **labels)
    assert found is not None
    assert found >= value
    assert site.ping.paths == ["/uuid/start", f"/uuid/{status}"]
    if status:
        assert site.metric("last_success_timestamp_seconds", step="nightly") == before
    assert "Traceback" not in done.err
    assert "only-for-tests" not in f"{done.err}{done.out}{site.ping.heard}"
    if what in ("database", "prometheus"):
        runs = site.report()["facts"]["runs"]
        assert runs[-1]["exit_status"] == status
    site.night().succeeded()


def test_a_service_that_hears_no_ping_is_a_warning(site: Site) -> None:
    done = site.night(ARCHIVER_PING__URL=f"http://127.0.0.1:{free_port()}/secret")
    assert done.status == 0
    assert "warning: the ping did not arrive" in done.err
    assert "secret" not in done.err


def test_an_altered_object_stops_every_deletion(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """Exit 4, the object is named, purge and expire are skipped, the metric counts it, the ledger and the report know."""
    with fresh_database(postgres_server, "nightly_altered") as database:
        fill(database, audit=2, events=2, days=DAYS)
        program = new_program(
            tmp_path, SUPABASE_DB_URL=database.dsn, ARCHIVER_METRICS__TEXTFILE=str(tmp_path / "archiver.prom"),
            ARCHIVER_NIGHTLY__REPORT="false", ARCHIVER_STACK__SUPABASE__ENABLED="false",
        ).init(*RETENTION)  # fmt: skip
        program.run("export").succeeded()
        victim = min((program.store / "data").rglob("*.parquet"))
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.chmod(0o644)
        victim.write_bytes(data)
        done = program.run("run", "nightly", "--execute")
        assert done.status == 4
        assert victim.name in done.err + done.out
        assert "skipped: purge (needs verify, which was not done), expire (needs verify" in done.err
        assert database.query("SELECT count(*) FROM app_audit_log") == [(2 * DAYS,)]
        series = read_series(tmp_path / "archiver.prom")
        assert series["archiver_verify_objects", (("result", "failed"),)] == 1
        assert series["archiver_last_run_exit_status", ()] == 4
        told = json.loads(program.run("report", "--day", "today", "--json").succeeded().out)
        assert told["facts"]["runs"][-1]["exit_status"] == 4


def test_a_night_that_finds_another_at_work_ends_with_5(site: Site) -> None:
    """And leaves the other's metrics and pings alone."""
    import fcntl  # noqa: PLC0415

    (lock,) = (site.program.directory / "cache").rglob("run.lock")
    with lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert site.night().status == 5
    assert site.ping.heard == []


def test_health_raises_an_alert_and_ends_it(first_night: Site, tmp_path: Path) -> None:
    with listening() as app, listening() as webhook:
        app.status = 503
        site = first_night.program.having(
            ARCHIVER_HEALTH__APP_URL=f"{app.url}/api/health", ARCHIVER_HEALTH__WEBHOOK_URL=f"{webhook.url}/alerts",
            ARCHIVER_CACHE_DIR=str(tmp_path),
        )  # fmt: skip
        done = site.run("health")
        assert done.status == 4
        assert "answered 503, expected is 200" in done.err
        app.status = 200
        site.run("health").succeeded()
        site.run("health").succeeded()
        told = [json.loads(body) for _, _, body in webhook.heard]
    assert [one["status"] for one in told] == ["firing", "resolved"]
    assert told[0]["alerts"][0]["labels"]["alertname"] == "AppHealthCheckFailed"


@pytest.mark.parametrize("job", ["nightly", "monthly-report", "health-check"])
def test_jobs_call_the_program_and_nothing_else(job: str, tmp_path: Path) -> None:
    """They read the environment's file, pass their arguments on, and become the program."""
    import subprocess  # noqa: PLC0415

    (tmp_path / "environment").write_text("SAID='of the file'\n")
    program = tmp_path / "archiver"
    program.write_text('#!/bin/sh\necho "$SAID:" "$@"\nexit 6\n')
    program.chmod(0o755)
    environment = {
        "PATH": "/usr/bin:/bin",
        "ARCHIVER": str(program),
        "ARCHIVER_ENV_FILE": str(tmp_path / "environment"),
    }
    done = subprocess.run(
        [ROOT / "jobs" / job, "--json"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    said = {
        "nightly": "of the file: --json run nightly --execute",
        "monthly-report": "of the file: report --output reports --json",
        "health-check": "of the file: health --json",
    }
    assert (done.stdout.strip(), done.returncode) == (said[job], 6)
    assert shutil.which(PROGRAM)
