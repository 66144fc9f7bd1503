"""What is kept: each transition once, whatever comes twice, late or in another order."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archiver.alerts import database
from archiver.alerts.database import FILE, hold_directory
from archiver.alerts.nouns import Told
from archiver.alerts.payload import Report, read_listing, read_notification
from archiver.alerts.store import NoSuchAlert, Store
from archiver.errors import ConfigError, Conflict, LocalResourceError, TransientError
from tests.support.alerts import MOMENT, fingerprint, one, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINUTE = timedelta(minutes=1)
DOWN = fingerprint("Down")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path / "data")
    yield made
    made.close()


def take(
    store: Store,
    *alerts: dict[str, Any],
    at: int = 0,
    firing_there: set[str] | None = None,
    external_url: str = "http://am",
) -> list[str]:
    said = read_notification(json.dumps(webhook(*alerts, external_url=external_url)).encode())
    there = None if firing_there is None else frozenset(firing_there)
    return [each.kind for each in store.take(said, MOMENT + at * MINUTE, firing_there=there)]


def listed(*names: str, suppressed: str = "", **times: Any) -> list[Report]:
    return [
        Report(
            fingerprint=fingerprint(name), starts_at=times.get("starts", MOMENT), ends_at=None, is_firing=True,
            labels={"alertname": name, "severity": "critical"}, annotations={}, suppressed=suppressed,
        )
        for name in names
    ]  # fmt: skip


def kinds(store: Store, name: str = "Down") -> list[str]:
    return [each.kind for each in store.history(fingerprint(name), 100)]


def ended(minutes: int) -> dict[str, Any]:
    return one("Down", ends=MOMENT + minutes * MINUTE)


def test_fires_ends_and_fires_anew_with_the_same_start(store: Store) -> None:
    assert take(store, one("Down")) == ["firing"]
    assert take(store, ended(2), at=2) == ["resolved"]
    assert take(store, one("Down"), at=5, firing_there={DOWN}) == ["firing"]
    assert take(store, ended(7), at=7) == ["resolved"]
    assert kinds(store) == ["firing", "resolved", "firing", "resolved"]
    assert store.firing() == []


def test_what_comes_twice_is_one_transition(store: Store) -> None:
    for _ in range(3):
        take(store, one("Down"))
    for _ in range(3):
        take(store, ended(2), at=2)
    assert kinds(store) == ["firing", "resolved"]
    assert store.episodes_of(DOWN, 9)[0].deliveries == 6


def test_a_late_firing_is_not_believed_when_alertmanager_knows_better(store: Store) -> None:
    take(store, one("Down"))
    take(store, ended(2), at=2)
    assert take(store, one("Down"), at=3, firing_there=set()) == []
    assert store.firing() == []
    # Nobody could be asked: rather told once too often.
    assert take(store, one("Down"), at=4) == ["firing"]


def test_an_old_resolution_does_not_end_what_fires_anew(store: Store) -> None:
    take(store, one("Down"))
    take(store, ended(2), at=2)
    take(store, one("Down"), at=3, firing_there={DOWN})
    assert take(store, ended(2), at=4) == []
    assert [each.fingerprint for each in store.firing()] == [DOWN]


def test_the_end_comes_before_the_beginning(store: Store) -> None:
    assert take(store, ended(2), at=2) == ["resolved"]
    assert take(store, one("Down"), at=3, firing_there=set()) == ["firing"]
    assert store.firing() == []
    assert take(store, one("Down"), at=4, firing_there=set()) == []
    assert kinds(store) == ["resolved", "firing"]


def test_a_later_start_ends_the_one_before(store: Store) -> None:
    take(store, one("Down"))
    later = MOMENT + 10 * MINUTE
    assert take(store, one("Down", starts=later), at=10) == ["resolved", "firing"]
    # An old message about the first one changes nothing.
    assert take(store, one("Down"), at=11) == []
    (firing,) = store.firing()
    assert firing.starts_at == later
    assert take(store, ended(9), at=12) == []
    assert len(store.firing()) == 1


def test_an_old_start_after_the_later_one_has_ended(store: Store) -> None:
    later = MOMENT + 10 * MINUTE
    take(store, one("Down", starts=later), at=10)
    take(store, one("Down", starts=later, ends=later + MINUTE), at=11)
    assert take(store, one("Down"), at=12, firing_there=set()) == ["firing"]
    assert store.firing() == [], "it is written down that it fired; it does not fire"


def test_reconciliation_brings_and_ends_and_leaves_alone(store: Store) -> None:
    take(store, one("Down"), one("Foreign"), external_url="http://am")
    take(store, one("Theirs"), external_url="")
    mark = store.mark()
    events = store.reconcile(listed("Down", "Lost"), MOMENT + MINUTE, since=mark, is_complete=True)
    assert {(each.kind, each.fingerprint) for each in events} == {
        ("firing", fingerprint("Lost")),
        ("resolved", fingerprint("Foreign")),
    }
    # Whoever is no Alertmanager ends its own alerts.
    assert {each.name for each in store.firing()} == {"Down", "Lost", "Theirs"}
    assert store.reconcile(listed("Down", "Lost"), MOMENT + MINUTE, since=store.mark(), is_complete=True) == []


def test_an_incomplete_answer_ends_nothing(store: Store) -> None:
    take(store, one("Down"))
    assert store.reconcile([], MOMENT, since=store.mark(), is_complete=False) == []
    assert len(store.firing()) == 1


def test_what_is_reported_while_alertmanager_is_asked_counts(store: Store) -> None:
    take(store, one("Down"), one("Up"))
    mark = store.mark()
    take(store, ended(1), at=1)
    take(store, one("New"), at=1)
    events = store.reconcile(listed("Down", "Up"), MOMENT + MINUTE, since=mark, is_complete=True)
    assert events == [], "the listing is older than both reports"
    assert {each.name for each in store.firing()} == {"Up", "New"}


def test_silenced_is_known_from_the_listing(store: Store) -> None:
    take(store, one("Down"))
    store.reconcile(listed("Down", suppressed="silenced"), MOMENT, since=store.mark(), is_complete=True)
    assert store.firing()[0].suppressed == "silenced"
    take(store, one("Down"), at=1)  # a webhook does not say
    assert store.firing()[0].suppressed == "silenced"
    store.reconcile(listed("Down"), MOMENT, since=store.mark(), is_complete=True)
    assert store.firing()[0].suppressed == ""


def test_an_acknowledgement_ends_with_its_time_and_with_the_alert(store: Store) -> None:
    take(store, one("Down"))
    done = store.acknowledge(DOWN, by="ana", note="seen", until=MOMENT + 60 * MINUTE, now=MOMENT)
    assert done.is_acknowledged(MOMENT + 59 * MINUTE)
    assert not done.is_acknowledged(MOMENT + 60 * MINUTE)
    assert done.unattended_since == MOMENT + 60 * MINUTE
    take(store, ended(5), at=5)
    take(store, one("Down"), at=6, firing_there={DOWN})
    assert not store.firing()[0].is_acknowledged(MOMENT + 7 * MINUTE), "a new trouble is nobody's"
    assert kinds(store) == ["firing", "ack", "resolved", "firing"]


def test_given_back(store: Store) -> None:
    take(store, one("Down"))
    with pytest.raises(NoSuchAlert, match="not acknowledged"):
        store.unacknowledge(DOWN, by="ana", now=MOMENT)
    store.acknowledge(DOWN, by="ana", note="", until=MOMENT + 60 * MINUTE, now=MOMENT)
    back = store.unacknowledge(DOWN, by="ben", now=MOMENT + MINUTE)
    assert back.ack is None
    assert back.unattended_since == MOMENT + MINUTE
    with pytest.raises(NoSuchAlert, match="no firing alert"):
        store.acknowledge("0" * 16, by="ana", note="", until=MOMENT, now=MOMENT)


def test_a_change_that_fails_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second alert of a notification cannot be written: the first is not there either."""
    true = Store._event
    calls = []

    def failing(self: Store, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise sqlite3.OperationalError("disk I/O error")
        return true(self, *arguments, **options)

    monkeypatch.setattr(Store, "_event", failing)
    with pytest.raises(sqlite3.OperationalError):
        take(store, one("Down"), one("Up"))
    monkeypatch.undo()
    assert store.firing() == []
    assert kinds(store) == []
    assert take(store, one("Down"), one("Up")) == ["firing", "firing"]


def test_a_full_disk(store: Store) -> None:
    store._db.execute(f"PRAGMA max_page_count = {store._db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(LocalResourceError, match="full"):
        take(store, *(one(f"Down{number}", annotations={"text": "x" * 4000}) for number in range(20)))
    assert store.firing() == []


def test_busy(store: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "data" / FILE, isolation_level=None)
    store._db.execute("PRAGMA busy_timeout = 50")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="busy"):
        take(store, one("Down"))
    other.execute("ROLLBACK")
    other.close()
    assert take(store, one("Down")) == ["firing"]


# ── Retention ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_older_goes_and_nothing_else(store: Store, tmp_path: Path) -> None:
    take(store, one("Old", annotations={"summary": "MARK-OF-THE-OLD-ONE"}))
    take(store, one("Old", ends=MOMENT + MINUTE, annotations={"summary": "MARK-OF-THE-OLD-ONE"}), at=1)
    take(store, one("Lasting"))
    take(store, one("Young"), at=50)
    take(store, one("Young", ends=MOMENT + 60 * MINUTE), at=60)
    store.tell("watchdog", "x", Told("lasts", MOMENT))
    assert store.oldest() == MOMENT
    assert store.expire(MOMENT + 30 * MINUTE) == 3 + 1 + 1
    assert store.latest(fingerprint("Old")) is None
    assert {each.name for each in store.firing()} == {"Lasting"}
    assert kinds(store, "Lasting") == [], "its old events go, the alert that fires stays"
    assert kinds(store, "Young") == ["firing", "resolved"]
    assert store.oldest() == MOMENT + 50 * MINUTE
    assert store.expire(MOMENT + 30 * MINUTE) == 0
    for file in (tmp_path / "data").iterdir():
        assert b"MARK-OF-THE-OLD-ONE" not in file.read_bytes(), f"{file.name} still holds what was deleted"


def test_without_secure_delete_the_text_would_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above relies on."""
    made = Store.open(tmp_path)
    made._db.execute("PRAGMA secure_delete = OFF")
    monkeypatch.setattr(Store, "_give_back", lambda _: None)
    take(made, one("Old", ends=MOMENT, annotations={"summary": "MARK-OF-THE-OLD-ONE"}))
    made.expire(MOMENT + MINUTE)
    made.close()
    assert any(b"MARK-OF-THE-OLD-ONE" in file.read_bytes() for file in tmp_path.iterdir())


# ── The file ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_else_may_read_it(store: Store, tmp_path: Path) -> None:
    take(store, one("Down"))
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "data").iterdir()} == {0o600}


def test_it_is_durable(store: Store) -> None:
    (mode,) = store._db.execute("PRAGMA journal_mode").fetchone()
    (sync,) = store._db.execute("PRAGMA synchronous").fetchone()
    (vacuum,) = store._db.execute("PRAGMA auto_vacuum").fetchone()
    assert (mode, sync, vacuum) == ("wal", 2, 2)


@pytest.mark.parametrize(
    "content", [b"not a database at all, but longer than a header of SQLite needs to be" * 20, None]
)
def test_something_else_is_named_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / FILE
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE theirs (id)")
        other.close()
        content = path.read_bytes()
        expected = "another program"
    else:
        path.write_bytes(content)
        expected = "no sound database"
    with pytest.raises(ConfigError, match=expected):
        Store.open(tmp_path)
    if expected != "another program":
        assert path.read_bytes() == content


def test_a_broken_page_is_found_at_the_start(tmp_path: Path) -> None:
    made = Store.open(tmp_path)
    take(made, *(one(f"Down{number}") for number in range(200)))
    made.close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    data[8192:12288] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="no sound database"):
        Store.open(tmp_path)


def test_a_newer_one_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SCHEMA_VERSION", 2)
    Store.open(tmp_path).close()
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="has version 2"):
        Store.open(tmp_path)


def test_one_service_for_a_directory(tmp_path: Path) -> None:
    held = hold_directory(tmp_path)
    with pytest.raises(Conflict, match="another alert service"):
        hold_directory(tmp_path)
    os.close(held)
    os.close(hold_directory(tmp_path))


def test_the_listing_of_the_api() -> None:
    found = read_listing(
        b'[{"labels":{"alertname":"A"},"annotations":{},"startsAt":"2026-11-29T07:00:00.123456789+01:00","endsAt":'
        b'"2026-11-29T06:05:00Z","updatedAt":"2026-11-29T06:00:00Z","fingerprint":"00112233445566aa","receivers":[],'
        b'"status":{"state":"suppressed","silencedBy":[],"inhibitedBy":["x"]}}]'
    )
    assert found[0].starts_at == MOMENT + timedelta(milliseconds=123), "the API has no more digits"
    assert found[0].suppressed == "inhibited"
