"""Running and printing what the benchmarks compare: every side a process of its own, the sides in turns."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.postgres import PostgresServer

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """One run of one process.

    Attributes:
        cpu_s: Processor time of the process, user and system.
        server_s: Processor time of the database server meanwhile; 0 where none took part.
        peak_mib: Resident memory at most.
    """

    wall_s: float
    cpu_s: float
    server_s: float
    peak_mib: float

    @property
    def total_s(self) -> float:
        """Processor time on both sides: what a busy machine does not change."""
        return self.cpu_s + self.server_s


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    server: PostgresServer | None = None,
) -> Measured:
    """Run a command to its end, its output thrown away; it must succeed."""
    before = server_cpu_s(server)
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=None if environment is None else dict(environment), cwd=directory, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"exit {process.returncode}: {' '.join(command)[:200]}"
    return Measured(
        wall_s=wall_s,
        cpu_s=used.ru_utime + used.ru_stime,
        server_s=server_cpu_s(server) - before,
        peak_mib=used.ru_maxrss / 1024,
    )


def server_cpu_s(server: PostgresServer | None) -> float:
    """Processor time of a server since it began: its processes, and those that it has buried."""
    if server is None:
        return 0.0
    first = int((server.sockets.parent / "data" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return sum(_ticks(first)) / TICKS_PER_S + sum(sum(_ticks(int(child))[:2]) for child in children) / TICKS_PER_S


def _ticks(process: int) -> Sequence[int]:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:  # it has just ended, and counts with its parent
        return (0, 0, 0, 0)
    return [int(ticks) for ticks in fields[11:15]]


def in_turns(sides: Mapping[str, Callable[[], Measured]], repeats: int) -> dict[str, list[Measured]]:
    """Every side as often as asked, in turns, so that whoever else uses the machine disturbs all of them alike."""
    found: dict[str, list[Measured]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            found[name].append(side())
    return found


def best(runs: Sequence[Measured]) -> Measured:
    """The quickest run by the clock with the median processor time: others slow a run down, nobody speeds it up."""
    return Measured(
        wall_s=min(one.wall_s for one in runs),
        cpu_s=statistics.median(one.cpu_s for one in runs),
        server_s=statistics.median(one.server_s for one in runs),
        peak_mib=max(one.peak_mib for one in runs),
    )


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table as Markdown has it, ready for docs/performance.md."""
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
