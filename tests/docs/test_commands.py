"""docs/commands.md is what the program says and does; every command has an example and reads well on 80 columns."""

import os
import subprocess
from pathlib import Path

import pytest

from archiver import __version__
from tests.docs.commands import COLUMNS, PAGE, Command, Operator, bare_page, call, commands, help_of, page, rows, walk
from tests.support.deployment import ROOT
from tests.support.postgres import Database
from tests.support.program import PROGRAM

NOT_WALKED = {
    "demo": "README.md shows it, and tests/cli run it",
    "alerts serve": "it runs until it is stopped; tests/alerts run it",
}
GROUPS = sorted({one.path[:1] for one in commands() if len(one.path) > 1})


def test_the_page_is_what_the_program_does(database: Database, tmp_path: Path) -> None:
    """Made again from a real run. When it differs: ``python -m tests.docs.commands``."""
    rows(database)
    ran = walk(Operator(tmp_path, database), database)
    assert {one.name for one in commands()} - {" ".join(done.path) for done in ran} == set(NOT_WALKED)
    assert bare_page(page(ran)) == bare_page(PAGE.read_text())


def test_another_word_makes_another_page() -> None:
    """What the test above leaves out is numbers, not words."""
    text = PAGE.read_text()
    assert bare_page(text) != bare_page(text.replace("everything agrees", "everything is fine"))
    assert bare_page(text) != bare_page(text.replace("Exit status 4", "Exit status unknown"))
    assert bare_page(text) == bare_page(text.replace("2026", "2031"))
    assert bare_page("hold h-fcdeabff, fcdeabff-2026") == bare_page("hold h-12ab34cd, 12ab34cd-2026")


@pytest.mark.parametrize("one", list(commands()), ids=lambda one: one.name)
def test_every_command_has_an_example_of_itself(one: Command) -> None:
    examples = [line for line in one.text.splitlines() if line.startswith("Example: ")]
    assert examples
    assert all(f"archiver {one.name}" in line or f" {one.name}" in line for line in examples)


@pytest.mark.parametrize("one", list(commands()), ids=lambda one: one.name)
def test_every_option_and_argument_has_its_words(one: Command) -> None:
    lines = help_of(one.path).splitlines()
    for option in one.options:
        if option.startswith("--"):
            assert any(option in line for line in lines), option
    assert max(len(line) for line in lines) <= 80
    assert not one.undescribed


@pytest.mark.parametrize("path", [(), *GROUPS], ids=" ".join)
def test_the_list_of_commands_is_not_cut_off(path: tuple[str, ...]) -> None:
    text = help_of(path)
    listed = text.partition("Commands:")[2]
    assert listed
    assert "..." not in listed
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_version() -> None:
    status, text = call(("--version",), {}, ROOT)
    assert (status, text) == (0, f"archiver {__version__}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, tmp_path: Path) -> None:
    """As the shell asks for it: the commands that begin with what was typed."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "_ARCHIVER_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "archiver ex",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "archiver ex",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "export" in done.stdout
    assert "expire" in done.stdout
    assert "verify" not in done.stdout


def test_completion_needs_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt setting must not break a shell. Which one it is does not depend on who started the tests."""
    monkeypatch.setattr("shellingham.detect_shell", lambda *_, **__: ("bash", "/bin/bash"))
    status, text = call(("--show-completion", "bash"), {"ARCHIVER_NONSENSE": "1", "HOME": str(tmp_path)}, tmp_path)
    assert status == 0, text
    assert "_ARCHIVER_COMPLETE" in text


assert COLUMNS > 80, "tables are shown whole"
