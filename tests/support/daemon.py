"""Start a real server for a test, wait until it answers, end it."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

T = TypeVar("T")
PATIENCE = 60.0  # seconds; a noisy machine is slow, a wrong one never answers


def free_port() -> int:
    """Return a port on the loopback interface that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def get(url: str) -> str:
    """Return the body of an answer with status 200."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def until(look: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """Look again and again until something true is seen; fail with ``what`` after ``patience`` seconds."""
    end = time.monotonic() + patience
    pause = 0.02
    while not (seen := look()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:.0f} s in vain: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    return seen


def answers(url: str) -> bool:
    """Whether the address answers with a good status."""
    try:
        get(url)
    except (urllib.error.URLError, OSError):
        return False
    return True


@contextmanager
def running(argv: Sequence[str], ready: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server as long as the block lasts; ``ready`` is an address that answers once it is up."""
    with _running(argv, lambda: answers(ready), ready, directory) as process:
        yield process


@contextmanager
def listening(argv: Sequence[str], port: int, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The same for a server that answers nobody without a password: it is up once it takes connections."""

    def is_up() -> bool:
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    with _running(argv, is_up, f"port {port}", directory) as process:
        yield process


@contextmanager
def _running(
    argv: Sequence[str], is_up: Callable[[], bool], what: str, directory: Path
) -> Iterator[subprocess.Popen[bytes]]:
    name = argv[0].rsplit("/", 1)[-1]
    log = directory / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, cwd=directory, stdin=subprocess.DEVNULL)
    try:

        def look() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
            return is_up()

        until(look, f"{name} at {what}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
