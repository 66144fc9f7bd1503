"""Judgements of `archiver doctor`, each on facts that no test machine has."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import archiver
from archiver.contracts import ServerFacts, StoreFacts
from archiver.doctor import (
    ClockFacts,
    Diagnosis,
    HeadFacts,
    RoomFacts,
    Severity,
    exit_status,
    judge_clock,
    judge_head,
    judge_loop,
    judge_room,
    judge_secret_file,
    judge_server,
    judge_store,
    ok,
    problem,
    warning,
)
from tests.support.deployment import ROOT

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SOURCE = Path(archiver.__file__).parent
EXPANDED = {
    "disk.{facts.setting}": ("disk.work_dir", "disk.cache_dir", "disk.store"),
    "clock.{facts.name}": ("clock.store", "clock.anchor", "clock.database", "clock.project", "clock.ledger"),
    "machine.loop.{what}": ("machine.loop.loki", "machine.loop.uuid"),
    "monitoring.{name}": ("monitoring.prometheus", "monitoring.loki", "monitoring.alertmanager"),
    "database.{name}": ("database.statement_timeout", "database.transaction_timeout"),
}


def test_every_check_is_documented_and_every_documented_check_exists() -> None:
    kinds = "settings|machine|disk|key|store|archive|anchor|clock|database|project|logs|monitoring"
    files = [*sorted((SOURCE / "doctor").glob("*.py")), SOURCE / "app" / "doctor.py", SOURCE / "cli" / "doctor.py"]
    text = "\n".join(file.read_text() for file in files)
    literal = set(re.findall(rf'(?<![f`])"((?:{kinds})\.[a-z_.]+)"', text))
    patterns = set(re.findall(rf'f"((?:{kinds})\.[a-z_.]*\{{[a-z_.]+\}})"', text))
    assert patterns == set(EXPANDED)
    known = literal.union(*EXPANDED.values())
    documented = set(re.findall(rf"(?m)^\| `((?:{kinds})\.[a-z_.]+)` \|", (ROOT / "docs" / "doctor.md").read_text()))
    assert documented == known


def server(**changed: object) -> ServerFacts:
    facts: dict[str, object] = {
        "clock": NOW, "version": 150004, "role": "archiver", "is_remote": True,
        "is_encrypted": True, "is_standby": False, "may_make_temporary": True, "statement_timeout": None,
        "transaction_timeout": None, "connections_max": 12, "hides_transactions": False, **changed,
    }  # fmt: skip
    return ServerFacts(**facts)  # type: ignore[arg-type]


def wrong_of(facts: ServerFacts, *, purges: bool = True) -> list[Diagnosis]:
    found = judge_server("postgresql://db:5432/postgres", facts, connections_needed=5, purges=purges)
    return [one for one in found if one.severity is not Severity.OK]


@pytest.mark.parametrize(
    ("changed", "check", "exit_", "fix"),
    [
        ({"version": 130020}, "database.version", 2, "upgrade the server to Postgres 14"),
        ({"is_encrypted": False}, "database.encryption", 3, "sslmode=verify-full"),
        ({"is_standby": True}, "database.writable", 2, "primary"),
        ({"may_make_temporary": False}, "database.writable", 2, "GRANT TEMPORARY"),
        ({"transaction_timeout": timedelta(minutes=5)}, "database.transaction_timeout", 3, "transaction_timeout = '0'"),
        ({"statement_timeout": timedelta(seconds=59)}, "database.statement_timeout", 3, "statement_timeout = '15min'"),
        ({"connections_max": 4}, "database.connections", 3, "CONNECTION LIMIT 5"),
    ],
)
def test_a_server(changed: dict[str, object], check: str, exit_: int, fix: str) -> None:
    assert wrong_of(server()) == []
    (said,) = wrong_of(server(**changed))
    assert (said.check, said.exit) == (check, exit_)
    assert fix in said.fix


def test_a_replica_that_nothing_is_purged_from_is_fine() -> None:
    assert wrong_of(server(is_standby=True, may_make_temporary=False), purges=False) == []


def test_a_socket_needs_no_encryption() -> None:
    assert wrong_of(server(is_remote=False, is_encrypted=False)) == []


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_clock(sign: int) -> None:
    tolerance = timedelta(minutes=5)

    def at(apart: timedelta) -> Diagnosis:
        return judge_clock(
            ClockFacts(name="store", location="s3://b", told=NOW + sign * apart, local=NOW, tolerance=tolerance)
        )

    assert at(tolerance).severity is Severity.OK
    said = at(tolerance + timedelta(seconds=1))
    assert (said.check, said.severity, said.exit) == ("clock.store", Severity.PROBLEM, 6)
    assert ("ahead of" if sign > 0 else "behind") in said.fact


def test_a_long_pause_is_told_before_the_guard_tells_it() -> None:
    def after(pause: timedelta) -> Diagnosis:
        facts = HeadFacts(location="s3://b", seq=7, at=NOW - pause, pause_max=timedelta(days=3))
        return judge_head(facts, NOW)

    assert after(timedelta(days=3)).severity is Severity.OK
    assert "no run was at work" in after(timedelta(days=4)).fix


def store(**changed: object) -> StoreFacts:
    facts: dict[str, object] = {
        "conditional_create": True, "versioning": None, "object_lock": None, "encryption": None, "public": None,
        "clock_at": None, **changed,
    }  # fmt: skip
    return StoreFacts(**facts)  # type: ignore[arg-type]


def test_a_store_that_tells_nothing_is_not_called_wrong() -> None:
    """Nobody could do anything about it; `stack check` is the one that calls it untold."""
    assert {one.severity for one in judge_store("s3://b", store(), ordering="conditional")} == {Severity.OK}


def test_a_store_without_conditions_is_fine_where_the_anchor_orders() -> None:
    for ordering, expected in (("conditional", 4), ("anchor", 0), (None, 0)):
        found = judge_store("s3://b", store(conditional_create=False), ordering=ordering)  # type: ignore[arg-type]
        assert exit_status(found) == expected


def test_room() -> None:
    def room(free: int, *, writable: bool = True) -> Diagnosis:
        needed = 512 << 20
        return judge_room(
            RoomFacts(setting="work_dir", path="/w", free_bytes=free, needed_bytes=needed, is_writable=writable)
        )

    assert room(512 << 20).severity is Severity.OK
    assert room((512 << 20) - 1).severity is Severity.WARNING
    assert (room((64 << 20) - 1).severity, room(1 << 40, writable=False).exit) == (Severity.PROBLEM, 1)


def test_a_plain_loop_matters_where_logs_are_read() -> None:
    assert judge_loop("loki", "plain", matters=False).severity is Severity.OK
    assert judge_loop("loki", "compiled", matters=True).severity is Severity.OK
    assert "C compiler" in judge_loop("loki", "plain", matters=True).fix


def test_a_file_of_root_may_be_our_groups() -> None:
    assert judge_secret_file("/etc/a", 0o640, True, {"x"}).severity is Severity.OK
    assert judge_secret_file("/etc/a", 0o640, False, {"x"}).severity is Severity.WARNING
    assert judge_secret_file("/etc/a", 0o644, True, {"x"}).severity is Severity.WARNING


def test_the_worst_problem_decides_and_a_warning_only_where_there_is_none() -> None:
    good, some = ok("a.b", "x", "y"), warning("a.b", "x", "y", "z")
    away, refused = (problem("a.b", "x", "y", "z", exit_status=status) for status in (75, 6))
    assert exit_status([]) == 0
    assert exit_status([good]) == 0
    assert exit_status([good, some]) == 3
    assert exit_status([some, away]) == 75
    assert exit_status([some, away, refused]) == 6


def test_nothing_is_wrong_without_a_fix() -> None:
    with pytest.raises(AssertionError):
        problem("a.b", "x", "y", "")
    with pytest.raises(AssertionError):
        Diagnosis(check="a.b", subject="x", fact="y", fix="z")
