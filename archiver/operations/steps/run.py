"""What every operation is given about the run that it is part of."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from archiver.errors import Conflict, Interrupted, TransientError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the program.

    Attributes:
        name: Random; every entry that the run appends carries it.
        work_dir: Private to this run (mode 0700), removed with it; on a disk with room for the parts being written.
        jobs: Threads that an operation may keep busy.
        monotonic: Seconds that only go forward.
        again: Called after a failure with the number of failures in a row and the last of them; waits, and says
            whether to try once more. May raise ``Interrupted``.
        stop: Set from outside when the run should end at the next commit.
    """

    name: str
    work_dir: Path
    jobs: int
    monotonic: Callable[[], float]
    again: Callable[[int, TransientError], bool]
    stop: threading.Event
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False, repr=False, compare=False)

    def new_file(self, files: ExitStack, kind: str = "parquet") -> Path:
        """A path in the work directory that nobody else has; removed with ``files``. Safe from several threads."""
        path = self.work_dir / f"{next(self._numbers):06d}.{kind}"
        files.callback(path.unlink, missing_ok=True)
        return path

    def check_stop(self) -> None:
        """Give up here if the run should end.

        Raises:
            Interrupted: It should.
        """
        if self.stop.is_set():
            raise Interrupted("asked to stop")

    def retried(
        self,
        attempt: Callable[[], T],
        *,
        on_conflict: Callable[[], object] | None = None,
        progress: Callable[[], int] = lambda: 0,
    ) -> T:
        """Do a step again from its beginning when a neighbour went away in the middle. Operations have no other loop.

        Args:
            on_conflict: Called before the step is done again because another run was first; None: that is not done.
            progress: A number that grows with what is committed; failures are counted from its last growth.

        Raises:
            TransientError, Conflict: The last attempt's.
        """
        failures = 0
        while True:
            before = progress()
            try:
                return attempt()
            except (TransientError, Conflict) as exc:
                if isinstance(exc, Conflict) and on_conflict is None:
                    raise
                failures = 1 if progress() > before else failures + 1
                lost = exc if isinstance(exc, TransientError) else TransientError(exc.message, hint=exc.hint)
                if not self.again(failures, lost):
                    raise
                if isinstance(exc, Conflict) and on_conflict is not None:
                    on_conflict()
