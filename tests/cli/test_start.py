"""What a start of the program imports: nothing that its command does not use."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.program import new_program

IMPORTED = """
import json, sys
from archiver.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
BARE = {"archiver", "archiver.cli", "archiver.cli.program"}
BARE_LIBRARIES = {"annotated_doc", "shellingham", "typer", "typing_extensions"}
READING_LIBRARIES = {"annotated_types", "pydantic", "pydantic_core", "typing_inspection"}
"""With them Typer reads the global options, where a word stands after the program's name."""
HEAVY = {
    *("adbc_driver_manager", "adbc_driver_postgresql", "boto3", "botocore", "cramjam", "google", "grpc", "httpx"),
    *("httpcore", "isal", "opentelemetry", "prometheus_client", "pyarrow", "supabase", "typst", "yaml"),
}
"""Libraries of neighbours, of columns and of pages. The status of a local archive needs none of them."""


def _imported(*arguments: str, work: Path | None = None, environment: Mapping[str, str] | None = None) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments], cwd=work, capture_output=True, check=True,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", **(environment or {})},
    )  # fmt: skip
    return set(json.loads(done.stderr.decode().splitlines()[-1]))


def _libraries(modules: set[str]) -> set[str]:
    """Those that are neither ours nor of the standard library, nor how an editable installation is found."""
    names = {name.partition(".")[0] for name in modules}
    return {
        name
        for name in names - sys.stdlib_module_names
        if name != "archiver" and not name.startswith(("_", "sitecust"))
    }


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("hold", "--help")], ids=" ".join)
def test_a_bare_start_imports_only_the_program(arguments: tuple[str, ...]) -> None:
    found = _imported(*arguments)
    assert {name for name in found if name.partition(".")[0] == "archiver"} == BARE
    assert _libraries(found) <= (BARE_LIBRARIES if len(arguments) == 1 else BARE_LIBRARIES | READING_LIBRARIES)


@pytest.mark.parametrize(("typed", "offered"), [("ex", "export"), ("hold a", "add"), ("alerts token r", "remove")])
def test_completing_a_name_imports_no_command(typed: str, offered: str) -> None:
    words = f"archiver {typed}"
    environment = {
        "_ARCHIVER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, check=True,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", **environment},
    )  # fmt: skip
    assert offered in done.stdout.decode().split()
    found = set(json.loads(done.stderr.decode().splitlines()[-1]))
    assert {name for name in found if name.partition(".")[0] == "archiver"} == BARE
    assert _libraries(found) <= BARE_LIBRARIES | READING_LIBRARIES


def test_the_status_of_a_local_archive_imports_no_library_of_others(tmp_path: Path) -> None:
    program = new_program(tmp_path).init()
    found = _imported("status", work=program.work, environment=program._whole_environment())
    assert not _libraries(found) & HEAVY
    assert "archiver.operations.archive.status" in found, "it did what it was called for"
