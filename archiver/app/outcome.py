"""What a use case did, as a value, and several of them in turn."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from archiver.errors import ArchiverError, Interrupted, Partial


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a use case did. What it was called for, a kind of its own adds.

    Attributes:
        problems: What stopped a part of it; the rest was done.
        interrupted: Somebody asked it to stop; nothing is done after it.
    """

    exit_status: int = 0
    problems: tuple[ArchiverError, ...] = ()
    interrupted: Interrupted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Outcome):
    """Nothing was done; ``problems`` says why."""


def each(
    *parts: Callable[[], Outcome] | None, at_once: tuple[type[ArchiverError], ...] = (Interrupted,)
) -> Iterator[Outcome]:
    """Do each part, and hand on what it did as soon as it is done. What becomes of one says nothing about the next.

    A database that is away must not keep logs from being archived before Loki deletes them.

    Args:
        parts: None: there is nothing of the kind to do.
        at_once: Errors after which the parts to come are not done.

    Raises:
        ArchiverError: That of the part that failed last, when all are done; one before it is an outcome.
        Interrupted: Somebody asked a part to stop.
    """
    failed: ArchiverError | None = None
    for part in parts:
        if part is None:
            continue
        try:
            outcome = part()
        except at_once:
            raise
        except ArchiverError as problem:
            if failed is not None:
                yield Failed(exit_status=failed.exit_status, problems=(failed,))
            failed = problem
            continue
        yield outcome
        if outcome.interrupted is not None:
            raise outcome.interrupted
    if failed is not None:
        raise failed


def combined(outcomes: Iterable[Outcome]) -> int:
    """The exit status of several: theirs where those that are not 0 agree, else that something is missing."""
    statuses = {outcome.exit_status for outcome in outcomes} - {0}
    return next(iter(statuses), 0) if len(statuses) < 2 else Partial.exit_status  # noqa: PLR2004
