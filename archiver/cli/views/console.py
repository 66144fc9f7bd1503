"""What a person or a program sees: text on a terminal, JSON on stdout. Decides nothing.

Data goes to stdout, everything else to stderr. Nothing here ever prints a secret, a row or a subject.
"""

import json
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from archiver.app.outcome import Failed, Outcome
from archiver.cli.views.statements import with_texts
from archiver.errors import ArchiverError

TABLE_WIDTH_MAX = 100_000
"""Columns; no table is as wide."""


def rows_text(count: int) -> str:
    """``1 row``, ``12,345 rows``."""
    return count_text(count, "row")


def count_text(count: int, noun: str) -> str:
    """``1 window``, ``3 windows``, ``1,200 rows``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def size_text(size_bytes: int) -> str:
    """``1.4 MiB``."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:  # noqa: PLR2004
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def jsonable(value: Any) -> Any:
    """Nouns as JSON has them: RFC 3339 times, durations in seconds, errors with their status, statements in English."""
    return to_jsonable_python(with_texts(value), timedelta_mode="float", fallback=_error_fields)


def _error_fields(value: Any) -> Any:
    if isinstance(value, ArchiverError):
        return {"error": type(value).__name__, "message": value.message, "hint": value.hint, "exit": value.exit_status}
    return str(value)


class Output:
    """Where everything is printed.

    Args:
        as_json: Data as JSON on stdout; long work as JSON Lines whose last line is a summary.
        quiet: Only data and errors. Without a terminal, success is silent anyway unless ``verbose``.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        self.shows_progress = self.err.is_terminal and not quiet and not as_json
        self.is_talkative = not quiet and not as_json and (self.out.is_terminal or verbose)
        self.verbose = verbose
        self._lock = threading.Lock()

    def json_line(self, kind: str, fields: Mapping[str, Any]) -> None:
        """One JSON object on a line of its own."""
        with self._lock:
            sys.stdout.write(json.dumps({"type": kind, **jsonable(fields)}, ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def json_document(self, fields: Any) -> None:
        """One JSON document: the whole answer."""
        sys.stdout.write(json.dumps(jsonable(fields), ensure_ascii=False, indent=2) + "\n")

    def say(self, text: str | Text = "", style: str = "") -> None:
        """Tell what was done; not in cron, not with --quiet or --json."""
        if self.is_talkative:
            self.out.print(text, style=style, markup=False)

    def answer(self, text: str | Text | Table) -> None:
        """Print what was asked for, terminal or not."""
        if not self.as_json:
            if isinstance(text, str):
                self.out.print(text, markup=False)
            else:
                # A table is never cut to the width of a terminal: a person scrolls, a program reads on.
                unbounded = self.out.options.update(max_width=TABLE_WIDTH_MAX)
                width = max(self.out.width, Measurement.get(self.out, unbounded, text).maximum)
                # A console never prints wider than itself.
                Console(highlight=False, soft_wrap=True, width=width).print(text)

    def warn(self, text: str) -> None:
        """Tell a person, on stderr, always."""
        self.err.print(Text("warning: ", style="yellow") + Text(text))

    def error(self, problem: ArchiverError) -> None:
        """One line that names the problem, and one with the next step."""
        self.err.print(Text("error: ", style="bold red") + Text(problem.message))
        if problem.hint:
            self.err.print(Text("hint: ", style="cyan") + Text(problem.hint))


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A plain table; columns named in ``right`` are aligned to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return made


@singledispatch
def show(outcome: Outcome, _: Output) -> None:
    """What a use case did or would do. The view of each kind of outcome is registered by the module that holds it."""
    raise TypeError(f"{type(outcome).__name__} has no view")


@show.register
def _failed(_outcome: Failed, _output: Output) -> None:
    """Its problem is all that there is to say."""


def show_all(outcome: Outcome, output: Output) -> None:
    """An outcome, then what stopped a part of it."""
    show(outcome, output)
    for problem in outcome.problems:
        output.error(problem)
