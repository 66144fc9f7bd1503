"""What every operation is given about the run that it is part of."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from archiver.errors import TransientError


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the program.

    Attributes:
        name: Random; every entry that the run appends carries it.
        work_dir: Private to this run (mode 0700), removed with it; on a disk with room for the parts being written.
        jobs: Threads that an operation may keep busy.
        monotonic: Seconds that only go forward.
        again: Called after a failure with the number of failures in a row and the last of them; waits, and says
            whether to try once more.
        stop: Set from outside when the run should end at the next commit.
    """

    name: str
    work_dir: Path
    jobs: int
    monotonic: Callable[[], float]
    again: Callable[[int, TransientError], bool]
    stop: threading.Event
