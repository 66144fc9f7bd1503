"""Programs from npm, installed once for each lock file and checked by its hashes; no script of a package is run."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.support import debian

ROOT = Path(__file__).resolve().parents[2]


@cache
def installed(packages: Path) -> Path:
    """A directory with ``node_modules`` of the package.json and package-lock.json in ``packages``."""
    npm = debian.binary("npm")
    lock = (packages / "package-lock.json").read_bytes()
    home = ROOT / ".cache" / f"{packages.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    home.mkdir(parents=True, exist_ok=True)
    # One at a time: pytest-xdist's workers all come here at once.
    with (home / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (home / "installed").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(packages / name, home)
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=home, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                debian.missing(f"npm ci failed for {packages}: {done.stderr[-500:]}")
            (home / "installed").touch()
    return home
