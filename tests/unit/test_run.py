"""What an operation is given about its run: doing a step again, files of its own, and being asked to stop."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from archiver.errors import ArchiverError, Conflict, IntegrityError, Interrupted, TransientError
from archiver.operations.steps.run import Run


@dataclass
class Patience:
    """Asks again so often, and remembers what it was told."""

    attempts_max: int
    told: list[tuple[int, str]] = field(default_factory=list)

    def again(self, failures: int, problem: TransientError) -> bool:
        self.told.append((failures, problem.message))
        return failures < self.attempts_max


def a_run(work_dir: Path, patience: Patience) -> Run:
    return Run(name="r", work_dir=work_dir, jobs=1, monotonic=lambda: 0.0, again=patience.again, stop=threading.Event())


@dataclass
class Step:
    """Raises what it was given, one after another, then succeeds; an int commits so much first."""

    problems: list[ArchiverError | int]
    committed: int = 0
    attempts: int = 0

    def __call__(self) -> str:
        self.attempts += 1
        while self.problems:
            problem = self.problems.pop(0)
            if isinstance(problem, ArchiverError):
                raise problem
            self.committed += problem
        return "done"


def test_a_step_is_done_again_until_it_succeeds(tmp_path: Path) -> None:
    patience, step = Patience(9), Step([TransientError("a"), TransientError("b")])
    assert a_run(tmp_path, patience).retried(step) == "done"
    assert patience.told == [(1, "a"), (2, "b")]


def test_the_last_failure_is_what_is_raised(tmp_path: Path) -> None:
    step = Step([TransientError("a"), TransientError("b"), TransientError("c")])
    with pytest.raises(TransientError, match="b"):
        a_run(tmp_path, Patience(2)).retried(step)
    assert step.attempts == 2


def test_failures_are_counted_from_the_last_commit(tmp_path: Path) -> None:
    patience = Patience(3)
    step = Step([TransientError("a"), TransientError("b"), 1, TransientError("c"), TransientError("d")])
    assert a_run(tmp_path, patience).retried(step, progress=lambda: step.committed) == "done"
    assert patience.told == [(1, "a"), (2, "b"), (1, "c"), (2, "d")]


def test_a_lost_race_is_run_again_only_where_somebody_reads_what_the_winner_did(tmp_path: Path) -> None:
    refreshed: list[int] = []
    patience, step = Patience(9), Step([Conflict("another"), TransientError("away")])
    assert a_run(tmp_path, patience).retried(step, on_conflict=lambda: refreshed.append(step.attempts)) == "done"
    assert refreshed == [1]
    assert patience.told == [(1, "another"), (2, "away")]
    with pytest.raises(Conflict):
        a_run(tmp_path, patience).retried(Step([Conflict("another")]))
    with pytest.raises(Conflict):
        a_run(tmp_path, Patience(1)).retried(Step([Conflict("another")]), on_conflict=lambda: refreshed.append(0))
    assert refreshed == [1]


@pytest.mark.parametrize("problem", [IntegrityError("no"), Interrupted("stop")])
def test_everything_else_is_raised_at_once(tmp_path: Path, problem: ArchiverError) -> None:
    patience, step = Patience(9), Step([problem])
    with pytest.raises(type(problem)):
        a_run(tmp_path, patience).retried(step)
    assert (step.attempts, patience.told) == (1, [])


def test_files_are_distinct_and_go_with_whoever_asked_for_them(tmp_path: Path) -> None:
    run = a_run(tmp_path, Patience(1))
    with ExitStack() as files:
        paths = [run.new_file(files), run.new_file(files, "arrow"), run.new_file(files)]
        paths[0].write_bytes(b"x")
        assert len(set(paths)) == 3
        assert {path.parent for path in paths} == {tmp_path}
    assert list(tmp_path.iterdir()) == []


def test_a_stop_is_heeded_where_it_is_looked_for(tmp_path: Path) -> None:
    run = a_run(tmp_path, Patience(1))
    run.check_stop()
    run.stop.set()
    with pytest.raises(Interrupted):
        run.check_stop()
