"""docs/commands.md: every command's own help, and what it really printed. Writes the page; a test makes it again.

``python -m tests.docs.commands`` starts a Postgres, walks an operator's whole way through the real program, and writes the page.
The test walks the same way and compares all but numbers, digests and times.
"""

import contextlib
import io
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from typer.main import get_command

from archiver.alerts.payload import read_notification
from archiver.alerts.store import Store
from archiver.cli import main
from archiver.cli.program import app
from tests.support.alerts import fingerprint, webhook
from tests.support.alerts import one as alert
from tests.support.deployment import ROOT
from tests.support.postgres import Database, fresh_database, postgres_cluster
from tests.support.program import fill

PAGE = ROOT / "docs" / "commands.md"
COLUMNS = 100

INTRODUCTION = """\
# Every command

<!-- Made by `python -m tests.docs.commands` from the program itself and from a real run. Do not edit. -->

What stands after a `$` was run against a real Postgres with invented rows, the oldest 40 days old, a directory as the
store and a file as the anchor; below it is what it printed (`…` stands for more lines of the same kind). The exit status
is 0 unless said otherwise; [operations.md](operations.md) says what to do about each. `--json` gives the same as data on stdout, one object for each line, the summary last.

Success is silent where stdout is no terminal, so that cron mails failures only; `-v` makes it speak, as here.

Shell completion: `archiver --install-completion`, then open a new shell.
"""


@dataclass(frozen=True)
class Command:
    """A command of the program, with its words and options."""

    path: tuple[str, ...]
    summary: str
    text: str
    options: tuple[str, ...]
    undescribed: tuple[str, ...]

    @property
    def name(self) -> str:
        return " ".join(self.path)


def commands() -> Iterator[Command]:
    """All that can be called, from the program itself; hidden ones not."""
    yield from _below(get_command(app), ())


def _below(node: Any, path: tuple[str, ...]) -> Iterator[Command]:
    if hasattr(node, "commands"):
        for name in node.list_commands(None):
            if not node.commands[name].hidden:
                yield from _below(node.commands[name], (*path, name))
        return
    listed, node = node, node.real()
    assert listed.get_short_help_str(1000) == node.get_short_help_str(1000), path
    options = tuple(sorted({one for param in node.params for one in param.opts if one.startswith("-")}))
    silent = tuple(param.name for param in node.params if not getattr(param, "help", None))
    yield Command(path, node.get_short_help_str(1000), node.help or "", options, silent)


@dataclass(frozen=True)
class Ran:
    """A command line and what came of it. ``shown`` is the line as a person would write it."""

    arguments: tuple[str, ...]
    shown: str
    status: int
    output: str

    @property
    def path(self) -> tuple[str, ...]:
        """Which command it was."""
        known = sorted((one.path for one in commands()), key=len, reverse=True)
        words = tuple(word for word in self.arguments if word != "-v")
        return next(path for path in known if words[: len(path)] == path)


class Operator:
    """Somebody at a prompt, in a directory and an environment of their own.

    Args:
        directory: Below it everything happens; in what is shown it is called ``/srv/archiver``.
    """

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory = directory
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(directory), "LC_ALL": "C.UTF-8", "COLUMNS": str(COLUMNS),
            "NO_COLOR": "1", "SUPABASE_DB_URL": database.dsn, "ARCHIVER_CACHE_DIR": str(directory / "cache"),
        }  # fmt: skip
        self.ran: list[Ran] = []

    def run(self, *arguments: str, stdin: str = "") -> Ran:
        """One call of the program in this process: a fresh process would take a second for each."""
        status, output = call(arguments, self.environment, self.directory, stdin)
        words = " ".join(f'"{word}"' if " " in word else word for word in arguments if word != "-v")
        shown = f"archiver {words}" if not stdin else f"printf %s '{stdin}' | archiver {words}"
        done = Ran(arguments, self.neutral(shown), status, self.neutral(output))
        self.ran.append(done)
        return done

    def neutral(self, text: str) -> str:
        """Without the places of this machine."""
        text = re.sub(r"\baat_[\w-]+", "aat_SHOWN-THIS-ONCE", text)
        return re.sub(
            r"127\.0\.0\.1:\d+/\w+", "127.0.0.1:5432/postgres", text.replace(str(self.directory), "/srv/archiver")
        )


def call(arguments: tuple[str, ...], environment: dict[str, str], directory: Path, stdin: str = "") -> tuple[int, str]:
    """Run ``archiver`` here; its exit status, and what it wrote to stdout and stderr in their order."""
    out = io.StringIO()
    status = 0
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        contextlib.chdir(directory),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
    ):
        try:
            main(list(arguments))
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return status, out.getvalue()


TODAY = "(date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')"
"""When it began."""


def walk(operator: Operator, database: Database) -> list[Ran]:
    """An operator's whole way; each command that touches no other machine at least once."""
    run = operator.run
    run("init", "--store", f"file://{operator.directory}/archive", "--anchor", f"file://{operator.directory}/anchor.json",
        "--archive-retention", "35d", "--purpose", "Nachweis", "--legal-basis", "Art. 6 Abs. 1 lit. f DSGVO")  # fmt: skip
    run("doctor")
    run("-v", "config", "validate")
    run("config", "show", "--origin")
    run("export", "--dry-run")
    run("-v", "export")
    run("-v", "verify", "--deep")
    run("status")
    placed = run(
        "hold", "add", "--dataset", "app_audit_log", "--until", "36d", "--reason", "claim", "--reference", "2026-17"
    )
    run("hold", "list")
    run("purge")
    run("-v", "purge", "--execute")
    held = re.search(r"h-[0-9a-f]{8}", placed.output)
    assert held, placed.output
    run("hold", "release", held[0], "--reason", "the claim was settled")
    database.execute(f"INSERT INTO app_audit_log (created_at, actor) VALUES ({TODAY} - interval '4 days', 'late')")
    operator.environment["ARCHIVER_COMPACT__PARTS_MIN"] = "2"
    for unseen in ("export", "verify"):
        call((unseen,), operator.environment, operator.directory)
    run("compact", "--dry-run")
    run("-v", "compact")
    run("expire")
    run("-v", "expire", "--execute")
    run("sweep")
    run("hold", "add", "--subject", "--reason", "claim", "--reference", "2026-18", stdin="+491700")
    operator.environment["ARCHIVER_LOKI_STORE"] = f"file://{_chunks(operator.directory / 'loki')}"
    # Its lines are older than what the others are held for.
    operator.environment["ARCHIVER_LOKI__ARCHIVE_RETENTION"] = "3650d"
    run("-v", "export", "loki")
    unsound = run("status")
    quarantined = re.search(r"quarantine/loki/([0-9a-f]{12})", unsound.output)
    assert quarantined, unsound.output
    run("-v", "loki", "release", quarantined[1], "--reason", "disk replaced, nothing of it can be saved")
    run("purge", "loki")
    operator.environment["ARCHIVER_NIGHTLY__REPORT"] = "false"  # the next command shows one
    run("run", "nightly", "--execute")
    run("health")
    run("report", "--since", "7d", "--lang", "en")
    run("-v", "report", "--vvt", "--lang", "de", "--format", "html", "--output", str(operator.directory / "reports"))
    run("stack", "check")
    _alerts(operator)
    return operator.ran


def _alerts(operator: Operator) -> None:
    """The alert service's own commands, on a database that a service has left."""
    data = operator.directory / "alerts"
    where = ("--data", str(data))
    operator.run("-v", "alerts", "token", "add", "claude", "--scope", "alerts:write", *where)
    operator.run("alerts", "token", "list", *where)
    store = Store.open(data)
    at = datetime.now(UTC)
    store.take(read_notification(json.dumps(webhook(alert("HostDiskSpaceCritical", component="host"))).encode()), at)
    store.close()
    operator.run("alerts", "list", *where)
    note = ("--note", "disk ordered", "--hours", "24")
    operator.run("-v", "alerts", "ack", fingerprint("HostDiskSpaceCritical"), *note, *where)
    operator.run("-v", "alerts", "token", "remove", "claude", *where)


def _chunks(directory: Path) -> Path:
    """The demo's chunks of a real Loki, one of them cut short by a disk."""
    with zipfile.ZipFile(ROOT / "archiver" / "demo" / "loki_chunks.zip") as packed:
        packed.extractall(directory)
        names = [one.filename for one in packed.infolist() if not one.filename.startswith("index/")]
    broken = directory / min(names)
    broken.write_bytes(broken.read_bytes()[:-100])
    for name in names:
        # Older than loki.settle: a file that is minutes old might still be written to, and would wait.
        os.utime(directory / name, (1_790_000_000, 1_790_000_000))
    return directory


def page(ran: list[Ran]) -> str:
    """The whole page, Markdown."""
    made = [INTRODUCTION]
    made.append("| Command | |\n|---|---|")
    made += [f"| [`archiver {one.name}`](#archiver-{'-'.join(one.path)}) | {one.summary} |" for one in commands()]
    made.append("")
    made.append(f"## archiver\n\n```text\n{help_of(())}```\n")
    for one in commands():
        made.append(f"## archiver {one.name}\n\n```text\n{help_of(one.path)}```\n")
        for done in ran:
            if done.path == one.path:
                status = f"\nExit status {done.status}.\n" if done.status else ""
                made.append(f"```console\n$ {done.shown}\n{_trimmed(done.output)}```\n{status}")
    return "\n".join(made)


def help_of(path: tuple[str, ...]) -> str:
    """``--help`` at 80 columns."""
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "80", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    status, text = call((*path, "--help"), environment, ROOT)
    assert status == 0, text
    return text


LINES_ALIKE_MAX = 5
LINES_MAX = 45


def _trimmed(text: str) -> str:
    """A person needs three lines of a kind, and the first and last of many."""
    lines = [line.rstrip() for line in text.splitlines()]
    kept: list[str] = []
    for _, alike in itertools.groupby(lines, key=bare):
        some = list(alike)
        kept += some if len(some) <= LINES_ALIKE_MAX else [*some[:3], "…", some[-1]]
    if len(kept) > LINES_MAX:
        kept = [*kept[: LINES_MAX - 10], "…", *kept[-5:]]
    return "".join(f"{line}\n" for line in kept)


def bare(text: str) -> str:
    """Without what differs from run to run: numbers, digests, times, widths of columns, the plural."""
    # A digest nearly always has a figure in it; the short ones of eight may have none, and no English word looks so.
    text = re.sub(r"\b(?:(?=[0-9a-f]*\d)[0-9a-f]{6,}|[a-f]{8})\b", "0", text)
    text = re.sub(r"\d[\d,.: ]*\d|\d", "0", text)
    text = re.sub(r"\b(row|window|part|object|entr(?:y|ies)|batch|second)(?:s|es)?\b", r"\1", text).replace(
        "entries", "entry"
    )
    return re.sub(r"[ ─━-]{2,}|[KMG]iB", " ", text)


def bare_page(text: str) -> list[str]:
    """The lines of a page, bare, of equal neighbours one: how many windows there are depends on the hour of the day."""
    return [line for line, _ in itertools.groupby(bare(text).splitlines()) if line != "…"]


def rows(database: Database) -> None:
    """Some whole days of rows, the oldest 40 days old: days between them would only take time.

    Whole ones, so that the fourth day before today has rows at every hour at which the page is made.
    """
    fill(database, audit=20, events=50, days=40)
    between = f"created_at >= {TODAY} - interval '28 days' AND created_at < {TODAY} - interval '4 days'"
    database.execute(*(f"DELETE FROM {table} WHERE {between}" for table in ("app_audit_log", "log_workflow_events")))


def write() -> None:
    """Write the page."""
    directory = Path(tempfile.mkdtemp(prefix="archiver-docs-"))
    try:
        with postgres_cluster() as server, fresh_database(server, "docs") as database:
            rows(database)
            PAGE.write_text(page(walk(Operator(directory, database), database)))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    write()
