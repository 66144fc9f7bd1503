"""Log directories: the age of the oldest line in every format, and whether somebody deletes it in time."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from archiver.model import Verdict
from archiver.stack.logdirs import check
from archiver.stack.logtimes import first_time, time_of_line
from archiver.stack.rotation import cron_period, current_name, logrotate_bound, pm2_bound, read_logrotate
from archiver.stack.targets import LogDirectoryTarget
from archiver.stack.words import Unknown
from archiver.words import english_list
from tests.stack.answers import NOW, of, well_formed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from archiver.model import Finding

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")


def write(path: Path, content: str | bytes, modified_days: float = 0) -> Path:
    """A file that was last written so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    seconds = (NOW - modified_days * DAY).timestamp()
    os.utime(path, (seconds, seconds))
    return path


def line(days: float) -> str:
    return f"{(NOW - days * DAY):%Y-%m-%dT%H:%M:%S.123Z} info Frau Muster hat sich angemeldet\n"


def look(directory: Path, **changes: Any) -> tuple[Finding, ...]:
    findings = check(LogDirectoryTarget(path=directory, **changes), NOW)
    well_formed(findings)
    assert "Muster" not in repr(findings)
    return findings


# -- when a line was written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01T08:00:00.123Z up", "2026-10-01T08:00:00"),
        ("2026-10-01T08:00:00+02:00: up", "2026-10-01T06:00:00"),
        ("2026-10-01 08:00:00 +0200 up", "2026-10-01T06:00:00"),
        ("2026-10-01 08:00:00,123 up", "2026-10-01T06:00:00"),
        ("0|bot  | 2026-10-01T08:00:00Z: up", "2026-10-01T08:00:00"),
        ("[2026-10-01T08:00:00Z] up", "2026-10-01T08:00:00"),
        ('{"level":30,"time":1790841600000,"msg":"up"}', "2026-10-01T08:00:00"),
        ('{"ts":1790841600.5}', "2026-10-01T08:00:00"),
        ('{"message":"x","timestamp":"2026-10-01T08:00:00Z"}', "2026-10-01T08:00:00"),
        ('203.0.113.9 - - [01/Oct/2026:08:00:00 +0200] "GET / HTTP/1.1" 200 1', "2026-10-01T06:00:00"),
        ("2026/10/01 08:00:00 [error] 12#12: *1 open() failed", "2026-10-01T06:00:00"),
        ("Oct  1 08:00:00 host sshd[1]: up", "2026-10-01T06:00:00"),
        ("<34>Oct 11 22:14:15 host su: up", "2026-10-11T20:14:15"),
        # The file was last written on 23 November 2026: December is last year's.
        ("Dec 24 08:00:00 host cron[1]: up", "2025-12-24T07:00:00"),
        ("Feb 29 08:00:00 host cron[1]: up", "2024-02-29T07:00:00"),
        ("2026-12-31T23:59:60Z a leap second", "2026-12-31T23:59:59"),
    ],
)
def test_times_of_lines(text: str, expected: str) -> None:
    found = time_of_line(text, NOW, BERLIN)
    assert found is not None
    assert found.replace(microsecond=0) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "    at Object.<anonymous> (/srv/bot/index.js:12:3)",
        "an order that somebody made on the website, due on 2026-10-01T08:00:00Z",
        "1999-10-01T08:00:00Z",
        "2026-13-45T08:00:00Z",
        "2026-10-01T08:00:00+99:99 x",
        "Foo 12 08:00:00 host",
        "- - [01/Foo/2026:08:00:00 +0200]",
        '{"time": true}',
        '{"time": 1e300}',
        '{"time": 12}',
        "{broken",
        '{"a": ' * 5000,
        "[]",
        "",
    ],
)
def test_lines_that_tell_no_time(text: str) -> None:
    assert time_of_line(text, NOW, UTC) is None


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".log", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_compressed_files_are_read_and_damaged_ones_tell_nothing(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    whole = pack(b"\nstack trace\n" + line(40).encode())
    found = first_time(write(tmp_path / f"a{suffix}", whole), NOW, UTC)
    assert found.at is not None
    assert round((NOW - found.at) / DAY) == 40
    if suffix != ".log":
        assert first_time(write(tmp_path / f"b{suffix}", b"no such format"), NOW, UTC).at is None
        assert first_time(write(tmp_path / f"c{suffix}", whole[:20]), NOW, UTC).at is None
    assert first_time(write(tmp_path / f"d{suffix}", pack(b"\0\n\n")), NOW, UTC).is_empty


# -- lines that are older than promised


@pytest.mark.parametrize(
    ("name", "content", "modified_days", "verdict"),
    [
        ("bot-out.log", line(3), 0, OK),
        ("bot-out.log", line(29.9) + line(0), 0, OK),
        ("bot-out.log", line(31) + line(0), 0, BREACH),
        ("deep/er/bot-out.log.1", line(31), 30.5, BREACH),
        ("bot-out.log.30.gz", line(45), 44, BREACH),
        ("bot-out.log.2.gz", line(5), 4, OK),
        # No line tells a time: an old file is late for sure, a young one may hold anything.
        ("plain.log", "no time here\n", 40, BREACH),
        ("plain.log", "no time here\n", 1, CANNOT_TELL),
        ("bot.log.1.zst", b"\x28\xb5\x2f\xfd\0", 1, CANNOT_TELL),
        ("bot.log.1.zst", b"\x28\xb5\x2f\xfd\0", 31, BREACH),
        # Copied with its times lost: the line decides, not the file.
        ("restored.log", line(300), 0, BREACH),
        ("empty.log", "", 400, OK),
        ("blank.log", "\n\n", 400, OK),
    ],
)
def test_oldest_line(tmp_path: Path, name: str, content: str | bytes, modified_days: float, verdict: Verdict) -> None:
    packed = gzip.compress(content.encode()) if name.endswith(".gz") and isinstance(content, str) else content
    write(tmp_path / name, packed, modified_days)
    finding = of(look(tmp_path), "logs.lines")
    assert finding.verdict is verdict, finding
    if verdict is BREACH:
        assert name.rsplit("/", 1)[-1] in english_list(finding.observed)


def test_many_late_files_are_counted_and_a_few_named(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / f"bot.log.{number}", line(31 + number), 31)
    finding = of(look(tmp_path), "logs.lines")
    assert "6 files older than promised: bot.log.5, bot.log.4, bot.log.3, +3" in english_list(finding.observed)


def test_patterns_links_and_sockets(tmp_path: Path) -> None:
    """A database beside the logs is not a log; a link is looked at where it leads to."""
    write(tmp_path / "state.db", "x", 400)
    elsewhere = write(tmp_path.parent / f"{tmp_path.name}-elsewhere.log", line(400), 400)
    (tmp_path / "linked.log").symlink_to(elsewhere)
    os.mkfifo(tmp_path / "pipe.log")
    write(tmp_path / "bot.log", line(1))
    assert of(look(tmp_path, patterns=("*.log", "*.log.*")), "logs.lines").verdict is OK


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    (finding,) = look(tmp_path / "none")
    assert (finding.check, finding.verdict) == ("logs.lines", CANNOT_TELL)


# -- rotation


def bound_of(tmp_path: Path, text: str) -> timedelta | None:
    path = tmp_path / "pm2"
    path.write_text(text)
    rules = read_logrotate((path,))
    assert not isinstance(rules, Unknown)
    (rule,) = rules
    return logrotate_bound(rule).age


@pytest.mark.parametrize(
    ("directives", "days"),
    [
        ("daily\nrotate 28", 29),
        ("daily\nrotate 30", 31),
        ("weekly\nrotate 3", 28),
        ("weekly\nrotate 52", 53 * 7),
        ("monthly\nrotate 12", 13 * 31),
        ("daily\nrotate 400\nmaxage 27", 29),
        ("daily\nrotate -1\nmaxage 27", 29),
        ("daily\nrotate -1", None),
        ("daily", 1),
        ("size 100M\nrotate 5", None),
        ("daily\nsize 100M\nrotate 5", None),
        ("size 100M\ndaily\nrotate 5", 6),
        ("daily\nminsize 100M\nrotate 5", None),
        ("daily\nrotate many", None),
        ("rotate=7\ndaily", 8),
        ("", None),
    ],
)
def test_logrotate(tmp_path: Path, directives: str, days: int | None) -> None:
    found = bound_of(tmp_path, f"/var/log/pm2/*.log {{\n{directives}\n}}\n")
    assert found == (None if days is None else days * DAY)


def test_logrotate_files_are_read_as_logrotate_reads_them(tmp_path: Path) -> None:
    """Defaults count as they stand above a block; scripts, comments, backups and includes."""
    folder = tmp_path / "logrotate.d"
    folder.mkdir()
    (folder / "pm2").write_text(
        '"/srv/my logs/*.log"\n/var/log/pm2/*.log\n{\n  # daily\n  postrotate\n    weekly { }\n  endscript\n  rotate 9\n}\n'
    )
    (folder / "pm2.dpkg-old").write_text("/var/log/pm2/*.log { monthly\n rotate 99 }\n")
    main = tmp_path / "logrotate.conf"
    main.write_text(f"weekly\nrotate 4\ninclude {folder}\nrotate 1\n/var/log/x.log {{ daily\nmail a@b.example\n}}\n")
    rules = read_logrotate((main,))
    assert not isinstance(rules, Unknown)
    first, second = rules
    assert first.patterns == ("/srv/my logs/*.log", "/var/log/pm2/*.log")
    assert logrotate_bound(first).age == 70 * DAY
    assert logrotate_bound(second).age == 2 * DAY
    assert "that is a copy" in english_list(logrotate_bound(second).remarks)


def test_includes_without_end_and_files_that_are_not_there(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.write_text(f"include {loop}\n")
    assert isinstance(read_logrotate((loop,)), Unknown)
    assert isinstance(read_logrotate((tmp_path / "none",)), Unknown)


@pytest.mark.parametrize(
    ("module", "days"),
    [
        ({}, 31),
        ({"retain": "28"}, 29),
        ({"retain": 7, "rotateInterval": "0 * * * *"}, 8 / 24),
        ({"retain": "4", "rotateInterval": "0 0 * * 1"}, 35),
        ({"retain": "all"}, None),
    ],
)
def test_pm2_logrotate(tmp_path: Path, module: dict[str, Any], days: float | None) -> None:
    path = tmp_path / "module_conf.json"
    path.write_text(json.dumps({"pm2-logrotate": module}))
    found = pm2_bound(path)
    assert not isinstance(found, Unknown)
    assert found.age == (None if days is None else days * DAY)


@pytest.mark.parametrize("text", ["", "[", "{}", '{"pm2-logrotate": 3}', '{"pm2-logrotate":{"rotateInterval":"@x"}}'])
def test_pm2_logrotate_that_cannot_be_read_bounds_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "module_conf.json"
    path.write_text(text)
    found = pm2_bound(path)
    assert isinstance(found, Unknown) or found.age is None


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 0 * * *", 1),
        ("0 0 0 * * ?", 1),
        ("30 3,15 * * *", 1),
        ("*/10 * * * *", 1 / 24),
        ("0 0 * * 1,4", 7),
        ("0 0 1 * *", 31),
        ("0 0 1,15 * *", None),
        ("0 0 1 1 *", None),
        ("nightly", None),
    ],
)
def test_cron(expression: str, days: float | None) -> None:
    assert cron_period(expression) == (None if days is None else days * DAY)


@pytest.mark.parametrize(
    ("name", "current"),
    [
        ("access.log", None),
        ("access.log.1", "access.log"),
        ("access.log.14.gz", "access.log"),
        ("access.log-20261101.gz", "access.log"),
        ("bot-out__2026-11-01_00-00-00.log", "bot-out.log"),
        ("bot-out-2.log", "bot-out.log"),
        (".1", None),
    ],
)
def test_current_name(name: str, current: str | None) -> None:
    assert current_name(name) == current


def test_each_log_is_held_against_the_block_that_names_it(tmp_path: Path) -> None:
    logs = tmp_path / "pm2"
    for name in ("bot-out.log", "bot-out.log.1", "bot-error.log", "forgotten.txt"):
        write(logs / name, line(1))
    config = tmp_path / "logrotate"
    config.write_text(f"{logs}/bot-out.log {{\ndaily\nrotate 20\n}}\n{logs}/bot-error.log {{\nmonthly\nrotate 12\n}}\n")
    found = {
        one.subject.removeprefix(f"{logs} "): one
        for one in look(logs, logrotate_files=(config,))
        if one.check == "logs.rotation"
    }
    assert {name: one.verdict for name, one in found.items()} == {
        "bot-out.log": OK,
        "bot-error.log": BREACH,
        "forgotten.txt": BREACH,
    }
    assert "a line can get 403 d old" in english_list(found["bot-error.log"].in_force)
    assert english_list(found["forgotten.txt"].configured) == "nothing rotates it"


def test_pm2_rotates_what_logrotate_does_not(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    write(logs / "bot-out.log", line(1))
    module = tmp_path / "module_conf.json"
    module.write_text('{"pm2-logrotate": {"retain": "20"}}')
    assert of(look(logs, pm2_configuration=module), "logs.rotation").verdict is OK
    module.write_text('{"pm2-logrotate": {"retain": "90"}}')
    assert of(look(logs, pm2_configuration=module), "logs.rotation").verdict is BREACH
    assert of(look(logs, pm2_configuration=tmp_path / "none"), "logs.rotation").verdict is CANNOT_TELL


def test_rotation_that_nobody_named_is_not_known(tmp_path: Path) -> None:
    assert of(look(tmp_path), "logs.rotation").verdict is CANNOT_TELL


def test_logrotate_that_may_not_be_read_is_never_ok(tmp_path: Path) -> None:
    write(tmp_path / "logs" / "bot.log", line(1))
    findings = look(tmp_path / "logs", logrotate_files=(tmp_path / "none",))
    assert CANNOT_TELL in {one.verdict for one in findings if one.check == "logs.rotation"}
