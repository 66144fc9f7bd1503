"""Programs that the tests need and that Debian packages: find them, or install them.

A server that happens to be on one machine hides a missing install step, so the step stands here: as root the package is
installed (never its service started); as somebody else the test is skipped and says what to install; in CI it fails.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Binary: the Debian package that has it.
PACKAGES = {
    "amtool": "prometheus-alertmanager",
    "chromium": "chromium",
    "docker-compose": "docker-compose",
    "logrotate": "logrotate",
    "nginx": "nginx-light",
    "npm": "npm",
    "pgbouncer": "pgbouncer",
    "pdftoppm": "poppler-utils",
    "pdftotext": "poppler-utils",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-nginx-exporter": "prometheus-nginx-exporter",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "promtool": "prometheus",
    "systemd-analyze": "systemd",
}
# nginx is in /usr/sbin, which is not on every user's path.
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])
POLICY = Path("/usr/sbin/policy-rc.d")


def find(binary: str) -> str | None:
    """Return the binary's path, or None where it is not installed."""
    return shutil.which(binary, path=SEARCH)


@cache
def binary(name: str) -> str:
    """Return the path of a program, after installing its Debian package where that is needed and possible."""
    if path := find(name):
        return path
    package = PACKAGES[name]
    problem = _install(package)
    path = find(name)
    if not path:
        missing(f"{name} is missing: as root, apt-get install --no-install-recommends {package} ({problem})")
    return path


def missing(what: str) -> NoReturn:
    """Skip the test, and say what to do; in CI fail: there nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def _install(package: str) -> str:
    """Try to install; return why it did not work, or an empty string."""
    if os.geteuid() != 0:
        return "not root"
    apt = shutil.which("apt-get")
    if apt is None:
        return "no apt-get"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = [apt, "-qq", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", package]
    # One at a time: pytest-xdist's workers all come here at once.
    with _locked("archiver-tests-apt"), _no_services():
        done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:  # mostly a package list that is missing or old
            subprocess.run([apt, "-qq", "update"], env=environment, capture_output=True, check=False)
            done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@contextmanager
def _locked(name: str) -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _no_services() -> Iterator[None]:
    """Debian starts what it installs, unless policy-rc.d says 101. Ours goes again; one that is there is left alone."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
