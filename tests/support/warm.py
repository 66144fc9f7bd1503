"""The command line as processes that begin warm: forked from one that has imported everything and done nothing.

A start of the program takes most of a second of the processor, nearly all of it imports. A test that kills it at many
instants wants many starts. What is forked is a process of its own all the same: it has its own directory, environment,
locks and connections, ends by itself, and dies of SIGKILL as any other.
"""

import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import archiver
from tests.support.program import PATIENCE_S, Done, Program

POLL_S = 0.001


class Nursery:
    """The process that others are forked from. Use ``nursery``."""

    def __init__(self) -> None:
        # Warnings are errors there too, as they are where the program is started anew.
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.support.warm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, **question: Any) -> Any:
        """One question, one answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it. Those that were forked from it go on."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A warm process, ended afterwards."""
    made = Nursery()
    try:
        yield made
    finally:
        made.close()


@dataclass
class Forked:
    """A process as ``subprocess.Popen`` shows it, as far as the tests look."""

    nursery: Nursery
    pid: int
    written: tuple[Path, Path]
    returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended; None: it has not."""
        if self.returncode is None:
            self.returncode = self.nursery.ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its end."""
        until = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("archiver", timeout)
            time.sleep(POLL_S)
        return status

    def kill(self) -> None:
        """SIGKILL, unless it has ended: it is only buried when it was asked about, so that its number is its own."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout: float = PATIENCE_S) -> tuple[bytes, bytes]:
        """Wait for its end; what it wrote."""
        self.wait(timeout)
        out, err = (path.read_bytes() for path in self.written)
        return out, err


@dataclass(frozen=True)
class WarmProgram(Program):
    """The same, started warm."""

    nursery: Nursery = field(kw_only=True)

    def run(self, *arguments: str, timeout_s: float = PATIENCE_S, clock_shift_s: int = 0) -> Done:
        """One call, without a terminal."""
        assert not clock_shift_s
        process = self.start(*arguments)
        out, err = process.communicate(timeout_s)
        return Done(process.wait(0), out.decode(), err.decode())

    def start(self, *arguments: str) -> Forked:  # type: ignore[override]
        """One call that the test wants to disturb."""
        number = sum(1 for _ in self.directory.glob("*.out"))
        written = (self.directory / f"{number}.out", self.directory / f"{number}.err")
        pid = self.nursery.ask(
            arguments=arguments, directory=str(self.work), environment=self._whole_environment(),
            out=str(written[0]), err=str(written[1]),
        )  # fmt: skip
        return Forked(self.nursery, pid, written)


def begun_by(started_by: Nursery | None, directory: Path, environment: Mapping[str, str]) -> Program:
    """A program in this directory, started warm, or, by nobody, as ever."""
    if started_by is None:
        return Program(directory, environment)
    return WarmProgram(directory, environment, nursery=started_by)


# ── In the warm process ────────────────────────────────────────────────────────────────────────────────────────


def _import_everything() -> None:
    for module in pkgutil.walk_packages(archiver.__path__, "archiver."):
        if module.name not in ("archiver.__main__", "archiver.demo") and not module.name.startswith("archiver.demo."):
            importlib.import_module(module.name)


def _serve() -> list[str] | None:
    """Answer questions until nobody asks any more; in each forked process, give back its arguments."""
    for line in sys.stdin.buffer:
        question = json.loads(line)
        if "ended" in question:
            pid, status = os.waitpid(question["ended"], os.WNOHANG)
            _say(os.waitstatus_to_exitcode(status) if pid else None)
        elif pid := os.fork():
            _say(pid)
        else:
            _become(question)
            return ["archiver", *question["arguments"]]
    return None


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _become(question: Mapping[str, Any]) -> None:
    for stream, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, question["out"], os.O_WRONLY | os.O_CREAT | os.O_EXCL),
        (2, question["err"], os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, stream)
        os.close(opened)
    os.chdir(question["directory"])
    os.environ.clear()
    os.environ.update(question["environment"])


if __name__ == "__main__":
    _import_everything()
    arguments = _serve()
    if arguments is not None:
        from archiver import cli

        sys.argv = arguments
        cli.main()
