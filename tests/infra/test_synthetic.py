"""Probes and journeys against an application that is slow, or fails, when it is told to; with k6 and real exporters.

The rules are the shipped ones; only their durations are shortened, and the limits, so that slow is 160 ms.
"""

from __future__ import annotations

import copy
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support import daemon, debian, monitoring
from tests.support.daemon import until
from tests.support.prometheus import Prometheus, hurried, prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

JOURNEY = monitoring.STACK / "synthetic" / "journey.json"
RULES = monitoring.STACK / "prometheus" / "rules" / "synthetic.yml"
JOB = monitoring.ROOT / "jobs" / "synthetic"
LIMIT_S, SLOW_S = 0.12, 0.16
CERTIFICATE_DAYS = 60
LATENCY, FAILURE = {"SyntheticLatencyHigh", "ProbeLatencyHigh"}, {"SyntheticFailing", "ProbeFailing"}


class Application(http.server.ThreadingHTTPServer):
    """Answers every step of the journey as expected, or slowly, or fast and wrong."""

    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        self.mode = "well"
        self.journeys = self.probes = 0
        steps = {s["path"]: s for s in json.loads(JOURNEY.read_text())["steps"]}
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                assert self.headers["x-synthetic"] == "1"
                if "k6" in self.headers["User-Agent"] or "synthetic" in self.headers["User-Agent"]:
                    app.journeys += 1
                else:
                    app.probes += 1
                step = steps[self.path]
                status, body = step["status"], f"<html>{step['contains']}</html>".encode()
                if app.mode == "slow":
                    time.sleep(SLOW_S)
                if app.mode == "failing":
                    # A page that says nothing of use with a good status, and errors: all of it very fast.
                    status, body = (200, b"<html>out of order</html>") if step["contains"] else (500, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"


def self_signed(home: Path) -> Path:
    """Key and certificate for this machine's own address, good for 60 days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / "pair.pem").write_bytes(secret + certificate.public_bytes(pem))
    return home / "pair.pem"


@dataclass
class Stack:
    app: Application
    prometheus: Prometheus
    job: Path
    textfile: Path

    def journey(self) -> None:
        done = run_job(self.job, self.textfile, self.app.url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def run_job(job: Path, textfile: Path, url: str, k6: str = "") -> subprocess.CompletedProcess[str]:
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(textfile.parent),
        "K6": k6 or str(Path(sys.executable).with_name("k6")),
        "K6_INSECURE_SKIP_TLS_VERIFY": "true",
        "SYNTHETIC_URL": url,
        "SYNTHETIC_TEXTFILE": str(textfile),
    }
    return subprocess.run([str(job)], env=variables, capture_output=True, text=True, check=False, timeout=120)


def placed(home: Path) -> Path:
    """The job in a tree of its own with limits that a test can cross."""
    (home / "jobs").mkdir()
    shutil.copy(JOB, home / "jobs")
    place = home / "infra" / "monitoring" / "synthetic"
    shutil.copytree(JOURNEY.parent, place)
    journey = json.loads(JOURNEY.read_text())
    for step in journey["steps"]:
        step.update(p95_seconds=LIMIT_S, p99_seconds=LIMIT_S)
    (place / "journey.json").write_text(json.dumps(journey))
    return home / "jobs" / "synthetic"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("synthetic")
    textfile = home / "textfiles" / "synthetic.prom"
    textfile.parent.mkdir()
    node, blackbox = daemon.free_port(), daemon.free_port()
    with ExitStack() as up:
        app = up.enter_context(Application(self_signed(home)))
        threading.Thread(target=app.serve_forever, daemon=True).start()
        up.callback(app.shutdown)
        modules = monitoring.read("blackbox/blackbox.yml")
        for module in modules["modules"].values():
            module["http"] |= {"tls_config": {"insecure_skip_verify": True}}
        (home / "blackbox.yml").write_text(yaml.safe_dump(modules))
        up.enter_context(daemon.running(
            [debian.binary("prometheus-blackbox-exporter"), f"--config.file={home}/blackbox.yml", f"--web.listen-address=127.0.0.1:{blackbox}"],
            f"http://127.0.0.1:{blackbox}/-/healthy", home))  # fmt: skip
        up.enter_context(daemon.running(
            [debian.binary("prometheus-node-exporter"), f"--web.listen-address=127.0.0.1:{node}", "--collector.disable-defaults",
             "--collector.textfile", f"--collector.textfile.directory={textfile.parent}"],
            f"http://127.0.0.1:{node}/metrics", home))  # fmt: skip
        jobs = {
            job["job_name"]: copy.deepcopy(job)
            for job in monitoring.read("prometheus/prometheus.yml")["scrape_configs"]
        }
        for target in jobs["probe"]["static_configs"]:
            target["targets"] = [t.replace("https://whatsapp.owona.de", app.url) for t in target["targets"]]
        jobs["probe"]["relabel_configs"][-1]["replacement"] = f"127.0.0.1:{blackbox}"
        jobs["node"]["static_configs"][0]["targets"] = [f"127.0.0.1:{node}"]
        # 24 probes instead of 120 in a window, and eight seconds instead of half an hour without a journey.
        rules = hurried(RULES, {"[1h]": "[6s]", "[5m]": "[2s]", "> 1800": "> 8"})
        chosen = [jobs["probe"], jobs["node"]]
        yield Stack(
            app,
            up.enter_context(prometheus(home, chosen, {"synthetic.yml": rules}, "250ms")),
            placed(home),
            textfile,
        )


def calm(stack: Stack) -> None:
    """All is well again, also in what the windows remember."""
    stack.app.mode = "well"
    stack.journey()

    def quiet() -> bool:
        if stack.prometheus.firing() & {"SyntheticLatencyHigh", "SyntheticNotRun"}:
            stack.journey()  # a machine that is busy for a moment is slow as well
        measured = stack.prometheus.query('step:probe_duration_seconds:percentile_1h{percentile="p95"}')
        return len(measured) == 3 and not stack.prometheus.firing()

    until(quiet, "no alert, and a percentile of each step")


def test_slow_is_slow_and_not_failing(stack: Stack) -> None:
    calm(stack)
    stack.app.mode = "slow"
    stack.journey()
    until(lambda: stack.prometheus.firing() >= LATENCY, "both alerts on percentiles")
    assert not FAILURE & stack.prometheus.firing()
    assert stack.prometheus.value("max(synthetic_failed_ratio)") == 0
    slowest = stack.prometheus.value('min(synthetic_duration_seconds{percentile="p95"})')
    assert slowest is not None
    assert slowest >= SLOW_S


def test_failing_is_failing_and_not_fast_nor_slow(stack: Stack) -> None:
    calm(stack)
    before = stack.app.probes
    stack.app.mode = "failing"
    stack.journey()
    until(lambda: stack.prometheus.firing() >= FAILURE, "both alerts on failures")
    assert stack.app.probes > before
    assert not LATENCY & stack.prometheus.firing()
    # No good answer, no percentile: neither of the journey nor, once the window has passed, of the probes.
    assert stack.prometheus.query("synthetic_duration_seconds") == []
    assert {r["metric"]["step"]: r["value"][1] for r in stack.prometheus.query("synthetic_failed_ratio")} == {
        "health": "1", "login": "1", "webhook": "1",
    }  # fmt: skip
    # The probes see the status only: the page without its form is a good answer to them, the others are none.
    until(
        lambda: (
            {r["metric"]["step"] for r in stack.prometheus.query("step:probe_duration_seconds:percentile_1h")}
            == {"login"}
        ),
        "the percentiles of failing probes to end",
    )


def test_every_metric_that_the_rules_use_is_there(stack: Stack) -> None:
    calm(stack)
    known = yaml.safe_load((monitoring.ROOT / "tests" / "data" / "metrics" / "known.yaml").read_text())
    for name in (*known["probe"]["names"], *known["synthetic"]["names"]):
        assert stack.prometheus.query(name), name
    ends = stack.prometheus.value('(min(probe_ssl_earliest_cert_expiry{job="probe"}) - time()) / 86400')
    assert ends == pytest.approx(CERTIFICATE_DAYS, abs=0.1)


def test_a_timer_that_died_is_told(stack: Stack) -> None:
    calm(stack)
    assert "SyntheticNotRun" not in stack.prometheus.firing()
    until(lambda: stack.prometheus.firing() == {"SyntheticNotRun"}, "SyntheticNotRun and no other")


def test_the_load_is_bounded(stack: Stack) -> None:
    stack.app.mode = "well"
    before = stack.app.journeys
    stack.journey()
    steps = json.loads(JOURNEY.read_text())["steps"]
    assert stack.app.journeys - before == 20 * len(steps)
    text = stack.textfile.read_text()
    for step in steps:
        assert f'synthetic_requests{{step="{step["step"]}"}} 20\n' in text
    said = subprocess.run(
        [debian.binary("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


# -- the job


def test_nobody_there_is_a_result_and_no_failure_of_the_job(tmp_path: Path) -> None:
    job = placed(tmp_path)
    done = run_job(job, tmp_path / "s.prom", f"http://127.0.0.1:{daemon.free_port()}")
    assert done.returncode == 0
    text = (tmp_path / "s.prom").read_text()
    assert re.findall(r"synthetic_failed_ratio\{.*\} (\S+)", text) == ["1", "1", "1"]
    assert "synthetic_duration_seconds" not in text
    assert (tmp_path / "s.prom").stat().st_mode & 0o777 == 0o644, "the node exporter is another user"


@pytest.mark.parametrize(("ends_with", "status"), [(107, 107), (0, 1), (99, 1)])
def test_a_run_that_breaks_off_leaves_the_last_result(ends_with: int, status: int, tmp_path: Path) -> None:
    """And fails, so that the timer's unit tells; SyntheticNotRun does when it goes on."""
    stub = tmp_path / "k6"
    stub.write_text(f"#!/bin/sh\nexit {ends_with}\n")
    stub.chmod(0o755)
    kept = tmp_path / "s.prom"
    kept.write_text("before\n")
    done = run_job(JOB, kept, "http://127.0.0.1:1", str(stub))
    assert done.returncode == status
    assert kept.read_text() == "before\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k6", "s.prom"], "no half-written file is left"


def test_a_script_that_k6_refuses_is_said(tmp_path: Path) -> None:
    job = placed(tmp_path)
    (tmp_path / "infra" / "monitoring" / "synthetic" / "journey.json").write_text("{")
    done = run_job(job, tmp_path / "s.prom", "http://127.0.0.1:1")
    assert done.returncode not in (0, 99)
    assert "journey" in done.stderr
    assert not (tmp_path / "s.prom").exists()


# -- as files


def test_probes_and_journey_are_of_the_same_steps_and_limits() -> None:
    journey: dict[str, Any] = json.loads(JOURNEY.read_text())
    jobs = {job["job_name"]: job for job in monitoring.read("prometheus/prometheus.yml")["scrape_configs"]}
    modules = monitoring.read("blackbox/blackbox.yml")["modules"]
    probed = {c["labels"]["step"]: c for c in jobs["probe"]["static_configs"]}
    assert list(probed) == [s["step"] for s in journey["steps"]]
    for step in journey["steps"]:
        (target,) = probed[step["step"]]["targets"]
        assert target == f"https://whatsapp.owona.de{step['path']}"
        assert modules[probed[step["step"]]["labels"]["module"]]["http"]["valid_status_codes"] == [step["status"]]
        assert 0 < step["p95_seconds"] <= step["p99_seconds"] < 9, "slower than that is no answer"
    said = subprocess.run(
        [debian.binary("prometheus-blackbox-exporter"), f"--config.file={monitoring.STACK}/blackbox/blackbox.yml", "--config.check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr


def test_no_limit_stands_in_the_rules() -> None:
    for name in ("SyntheticLatencyHigh", "SyntheticFailing", "ProbeLatencyHigh"):
        assert re.search(
            r"> (on \(.*\) group_left \(\) )?(max by \(.*\) \()?synthetic_limit_", monitoring.alerts()[name]["expr"]
        )
