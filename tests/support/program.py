"""The command line as a process of its own: nothing of this process's environment reaches it."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from tests.support.postgres import Database

PROGRAM = str(Path(sys.executable).parent / "archiver")
PATIENCE_S = 120.0
SHIFTED = """
from datetime import UTC, datetime, timedelta
from archiver import cli
from archiver.app import build
build.now = lambda: datetime.now(UTC) + timedelta(seconds={})
cli.main()
"""
"""The program as it is, with another clock in the one place where it reads one."""
ROWS_A_DAY = 200
DAYS = 6

TABLES = {
    "app_audit_log": "id uuid PRIMARY KEY DEFAULT gen_random_uuid(), created_at timestamptz NOT NULL, actor text,"
    " ip inet, details jsonb",
    "log_workflow_events": "id bigint PRIMARY KEY, created_at timestamptz NOT NULL, phone text, amount numeric(12, 2),"
    " payload jsonb",
}
"""The two tables that exist in the settings without any configuration."""


def fill(database: Database, *, audit: int = ROWS_A_DAY, events: int = ROWS_A_DAY, days: int = DAYS) -> None:
    """Rows for the whole days before today, UTC; personal data that must never be printed is among them."""
    database.execute(
        *(f"CREATE TABLE {name} ({columns})" for name, columns in TABLES.items()),
        f"INSERT INTO app_audit_log (created_at, actor, ip, details) SELECT {_spread(audit)}, 'Jürgen Groß',"
        f" '198.51.100.7'::inet + i, jsonb_build_object('n', i, 'text', 'Zeile' || chr(10) || i)"
        f" {_series(days, audit)}",
        f"INSERT INTO log_workflow_events SELECT d * 1000000 + i, {_spread(events)}, '+49170' || i, i / 7.0,"
        f" jsonb_build_object('day', d) {_series(days, events)}",
    )


def _spread(rows_a_day: int) -> str:
    return (
        "date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '1 day' * d"
        f" + interval '86400 seconds' / {max(rows_a_day, 1)} * i"
    )


def _series(days: int, rows_a_day: int) -> str:
    return f"FROM generate_series(1, {days}) d, generate_series(0, {rows_a_day - 1}) i"


@dataclass(frozen=True)
class Done:
    """How a call ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """JSON Lines; whatever is none of them fails here."""
        return [json.loads(line) for line in self.out.splitlines()]

    def succeeded(self) -> "Done":
        """Itself, when all is well."""
        assert self.status == 0, f"exit {self.status}\n{self.out}\n{self.err}"
        return self


@dataclass(frozen=True)
class Program:
    """One archive's operator: a working directory, a home, an environment.

    Attributes:
        directory: Everything is below it: ``work`` is the working directory, ``home`` the home.
        environment: All that the program sees besides ``HOME``, ``PATH`` and a UTF-8 locale.
    """

    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """The working directory, where the configuration file is."""
        return self.directory / "work"

    @property
    def store(self) -> Path:
        """The archive, where it is a local directory."""
        return self.directory / "archive"

    @property
    def anchor(self) -> Path:
        """The anchor, where it is a file."""
        return self.directory / "anchor" / "checkpoint.json"

    @property
    def key_file(self) -> Path:
        """The private key that ``init`` makes."""
        return self.work / "archiver-signing-key.pem"

    def having(self, **environment: str | None) -> "Program":
        """The same with other variables; None takes one away."""
        merged = {**self.environment, **environment}
        return replace(self, environment={name: value for name, value in merged.items() if value is not None})

    def run(self, *arguments: str, timeout_s: float = PATIENCE_S, clock_shift_s: int = 0) -> Done:
        """One call, without a terminal.

        Args:
            clock_shift_s: By how much the program's own clock is ahead of everybody else's.
        """
        program = [PROGRAM] if not clock_shift_s else [sys.executable, "-c", SHIFTED.format(clock_shift_s)]
        done = subprocess.run(
            [*program, *arguments], cwd=self.work, env=self._whole_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One call that the test wants to disturb."""
        return subprocess.Popen(
            [PROGRAM, *arguments], cwd=self.work, env=self._whole_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run_on_terminal(self, *arguments: str, timeout_s: float = PATIENCE_S) -> tuple[int, str]:
        """One call on a terminal of 120 columns; the status, and everything it wrote there, control codes removed."""
        master, slave = pty.openpty()
        try:
            process = subprocess.Popen(
                [PROGRAM, *arguments], cwd=self.work, stdin=slave, stdout=slave, stderr=slave,
                env={**self._whole_environment(), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
            )  # fmt: skip
        finally:
            os.close(slave)
        try:
            written = _read_all(master, timeout_s)
        finally:
            os.close(master)
        status = process.wait(timeout=timeout_s)
        return status, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode(errors="replace"))

    def init(self, *arguments: str) -> "Program":
        """Begin the archive: a local directory and a file anchor, unless the arguments or the environment differ."""
        given = [*arguments]
        if "--store" not in arguments:
            given += ["--store", self.store.as_uri()]
        if "--anchor" not in arguments:
            given += ["--anchor", self.anchor.as_uri()]
        chosen = {"--archive-retention": "365d", "--purpose": "Nachweis", "--legal-basis": "Art. 6(1)(f) DSGVO"}
        for option, value in chosen.items():
            if option not in arguments:
                given += [option, value]
        self.run("init", *given).succeeded()
        return self

    def rows(self, dataset: str) -> int:
        """How many rows a stranger's DuckDB counts in the local directory."""
        files = self.store / "data" / dataset / "**" / "*.parquet"
        if not list((self.store / "data" / dataset).rglob("*.parquet")):
            return 0
        with duckdb.connect() as connection:
            found = connection.execute(
                f"SELECT count(*) FROM read_parquet('{files}', hive_partitioning = true)"
            ).fetchone()
        assert found is not None
        return int(found[0])

    def tree(self) -> dict[str, bytes]:
        """Everything below the directory but the caches, by path: what must not change when nothing is touched."""
        return {
            str(path.relative_to(self.directory)): path.read_bytes()
            for path in sorted(self.directory.rglob("*"))
            if path.is_file() and "cache" not in path.relative_to(self.directory).parts[:2]
        }

    def _whole_environment(self) -> dict[str, str]:
        home = self.directory / "home"
        return {
            "PATH": os.defpath,
            "HOME": str(home),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
            "TMPDIR": str(self.directory / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error",
            **self.environment,
        }


def new_program(directory: Path, **environment: str) -> Program:
    """An operator who has nothing yet but these variables."""
    for name in ("work", "home", "tmp"):
        (directory / name).mkdir(parents=True)
    return Program(directory, environment)


def _read_all(descriptor: int, timeout_s: float) -> bytes:
    end = time.monotonic() + timeout_s
    read = b""
    while time.monotonic() < end:
        ready, _, _ = select.select([descriptor], [], [], 1.0)
        if ready:
            try:
                some = os.read(descriptor, 65536)
            except OSError:  # EIO: the other end was closed
                return read
            if not some:
                return read
            read += some
    raise AssertionError(f"still running after {timeout_s} s:\n{read.decode(errors='replace')}")


@contextmanager
def killed_at_the_end(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Leaves no process behind, whatever the test found."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def kill(program: Program, arguments: list[str], *, files: int, wait_s: float) -> None:
    """End a command with SIGKILL, so long after so many more files stand in its store."""
    begin = stored_files(program)
    with killed_at_the_end(program.start(*arguments)) as process:
        while process.poll() is None and stored_files(program) < begin + files:
            ends_within(process, 0.001)
        ends_within(process, wait_s)
        process.kill()
        _, err = process.communicate()
    # One that had ended before may have left something alone, for a reason that it named.
    assert process.returncode in (-9, 0, 3), err.decode()


def ends_within(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def stored_files(program: Program) -> int:
    """Objects, half-written ones included."""
    return sum(len(files) for _, _, files in os.walk(program.store))
