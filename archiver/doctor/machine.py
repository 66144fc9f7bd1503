"""This machine: room, the compiled loops, files that hold secrets."""

from collections.abc import Iterable
from typing import Final, Literal

from archiver.doctor.diagnosis import Diagnosis, ok, problem, warning
from archiver.doctor.facts import RoomFacts
from archiver.errors import LocalResourceError

ROOM_MIN_BYTES: Final = 64 * 1024 * 1024
"""With less, not even a small night's parts fit."""

MODE_OTHERS: Final = 0o077
MODE_GROUP_MAY_READ: Final = 0o037


def judge_room(facts: RoomFacts) -> Diagnosis:
    """A directory that a run writes to."""
    check, free = f"disk.{facts.setting}", _size(facts.free_bytes)
    if not facts.is_writable:
        return problem(
            check,
            facts.path,
            "cannot be written to by whoever runs this",
            f"chown it, or set {facts.setting} to another directory",
            exit_status=LocalResourceError.exit_status,
        )
    if facts.free_bytes < min(ROOM_MIN_BYTES, facts.needed_bytes):
        return problem(
            check,
            facts.path,
            f"{free} free",
            f"make room, or set {facts.setting} to a directory on another disk",
            exit_status=LocalResourceError.exit_status,
        )
    if facts.free_bytes < facts.needed_bytes:
        return warning(
            check,
            facts.path,
            f"{free} free, a run may need {_size(facts.needed_bytes)}",
            f"make room, or set {facts.setting} to a directory on another disk"
            + (
                "; smaller: export.part_size_bytes_max, loki.round_size_bytes_max"
                if facts.setting == "work_dir"
                else ""
            ),
        )
    return ok(check, facts.path, f"{free} free")


def judge_loop(what: str, kind: Literal["compiled", "plain"], *, matters: bool) -> Diagnosis:
    """A hot loop that is compiled where there was a compiler.

    Args:
        what: ``loki`` or ``uuid``.
        matters: It runs at night, for minutes instead of seconds when it is plain.
    """
    check = f"machine.loop.{what}"
    if kind == "plain" and matters:
        return warning(
            check,
            "this installation",
            "the loop over Loki's lines is not compiled: some hundred times slower",
            "install a C compiler and Python's headers (Debian: gcc python3-dev), then install archiver again",
        )
    return ok(check, "this installation", kind)


def judge_secret_file(path: str, mode: int, owner_is_root: bool, holds: Iterable[str]) -> Diagnosis:
    """A file that secrets are read from: nobody else may read it.

    Args:
        holds: Names of the settings that it gives, never their values.
    """
    allowed = MODE_GROUP_MAY_READ if owner_is_root else MODE_OTHERS
    names = ", ".join(sorted(holds))
    if mode & allowed:
        return warning(
            "settings.secret_file",
            path,
            f"mode {mode:04o}, others may read it, and it holds {names}",
            f"chmod 600 {path}",
        )
    return ok("settings.secret_file", path, f"mode {mode:04o}; holds {names}")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:,.1f} GiB" if size_bytes >= 2**30 else f"{size_bytes / 2**20:,.0f} MiB"
