"""Who is told and when: a decision about values; then the service that carries it out, once, whatever is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archiver.alerts.nouns import Ack, Episode, Told
from archiver.alerts.relay import ENDED, LASTS, WATCHDOG_KEY, Message, Rules, due, key_of
from archiver.alerts.service import Outside
from tests.support.alerts import MOMENT, Clock, Inbox, fingerprint, inbox, one
from tests.support.daemon import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINUTE = timedelta(minutes=1)
RULES = Rules()


def critical(**changes: Any) -> Episode:
    made = Episode(
        fingerprint=fingerprint("Down"), starts_at=MOMENT, is_firing=True, ends_at=None, fired_at=MOMENT,
        unattended_since=MOMENT, name="Down", severity="critical", component="host", labels={}, annotations={},
        first_seen=MOMENT, last_seen=MOMENT, deliveries=1, suppressed="", ack=None,
    )  # fmt: skip
    return replace(made, **changes)


def acked(minutes: int) -> Episode:
    until = MOMENT + minutes * MINUTE
    return critical(ack=Ack(by="ana", at=MOMENT, until=until, note=""), unattended_since=until)


def told(after: int, *episodes: Episode, last: dict[str, Told] | None = None, **silence: Any) -> tuple[Message, ...]:
    silence.setdefault("watchdog_silence", timedelta(0))
    silence.setdefault("watchdog_seen", True)
    return due(MOMENT + after * MINUTE, episodes, last or {}, RULES, **silence)


@pytest.mark.parametrize(
    ("after", "episode", "expected"),
    [
        (14, critical(), 0),
        (15, critical(), 1),
        (15, critical(severity="warning"), 0),
        (15, critical(is_firing=False), 0),
        (15, critical(suppressed="silenced"), 0),
        (15, critical(suppressed="inhibited"), 0),
        (15, acked(60), 0),
        (74, acked(60), 0),
        (75, acked(60), 1),
    ],
)
def test_a_critical_alert_waits_for_somebody(after: int, episode: Episode, expected: int) -> None:
    found = told(after, episode)
    assert len(found) == expected
    assert all(each.what == LASTS and "Down" in each.title for each in found)


def test_again_every_hour_and_not_before() -> None:
    last = {key_of(critical()): Told(LASTS, MOMENT + 15 * MINUTE)}
    assert told(74, critical(), last=last) == ()
    assert len(told(75, critical(), last=last)) == 1


@pytest.mark.parametrize(
    ("episode", "word"),
    [
        (critical(is_firing=False), "resolved"),
        (acked(60), "acknowledged by ana"),
        (critical(suppressed="silenced"), "silenced"),
    ],
)
def test_the_end_is_told_once(episode: Episode, word: str) -> None:
    (message,) = told(20, episode, last={key_of(episode): Told(LASTS, MOMENT + 15 * MINUTE)})
    assert message.what == ENDED
    assert word in message.body
    assert told(21, episode, last={key_of(episode): Told(ENDED, MOMENT + 20 * MINUTE)}) == ()
    assert told(21, episode) == (), "nobody was told that it began"


def test_an_acknowledgement_that_ends_calls_again_at_once() -> None:
    last = {key_of(critical()): Told(ENDED, MOMENT + 20 * MINUTE)}
    assert told(74, acked(60), last=last) == ()
    assert len(told(75, acked(60), last=last)) == 1


def test_firing_anew_is_another_trouble() -> None:
    anew = critical(fired_at=MOMENT + 30 * MINUTE, unattended_since=MOMENT + 30 * MINUTE)
    assert key_of(anew) != key_of(critical())
    assert len(told(45, anew, last={key_of(critical()): Told(LASTS, MOMENT + 15 * MINUTE)})) == 1


@pytest.mark.parametrize(
    ("silence", "seen", "last", "expected"),
    [
        (15, True, None, None),
        (16, True, None, LASTS),
        (16, False, None, LASTS),
        (16, True, Told(LASTS, MOMENT - 59 * MINUTE), None),
        (16, True, Told(LASTS, MOMENT - 60 * MINUTE), LASTS),
        (16, True, Told(ENDED, MOMENT - MINUTE), LASTS),
        (0, True, Told(LASTS, MOMENT - MINUTE), ENDED),
        (0, False, Told(LASTS, MOMENT - MINUTE), None),
        (0, True, Told(ENDED, MOMENT - MINUTE), None),
    ],
)
def test_the_watchdog(silence: int, seen: bool, last: Told | None, expected: str | None) -> None:
    found = told(
        0, last={} if last is None else {WATCHDOG_KEY: last}, watchdog_silence=silence * MINUTE, watchdog_seen=seen
    )
    assert [each.what for each in found] == ([] if expected is None else [expected])


def test_switched_off() -> None:
    rules = Rules(watchdog_after=timedelta(0))
    assert due(MOMENT, (), {}, rules, watchdog_silence=timedelta(days=9), watchdog_seen=False) == ()


def test_a_message_is_one_line_whatever_a_label_holds() -> None:
    """Also because WhatsApp refuses a template's value with line breaks."""
    evil = critical(name="Down\n\x1b[31mIgnore all instructions\u202e", component="a\tb" * 400)
    (message,) = told(20, evil)
    for text in (message.title, message.body):
        assert text.isprintable()
        assert len(text) < 500
    assert "\\n\\u001b[31m" in message.title


# ── Carried out ────────────────────────────────────────────────────────────────────────────────────────────────────


class Died(BaseException):
    """SIGKILL, as far as a thread can have it."""


class Recorder:
    """A channel that may refuse, and a ping."""

    def __init__(self, identity: str = "recorder") -> None:
        self.identity = identity
        self.service = "recorder"
        self.titles: list[str] = []
        self.refuses = False
        self.pings = 0

    def send(self, title: str, body: str, is_good: bool) -> bool:
        if self.refuses:
            return False
        self.titles.append(title)
        return True

    def ping(self) -> bool:
        self.pings += 1
        return not self.refuses


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(tmp_path: Path, recorder: Recorder, clock: Clock) -> Iterator[Inbox]:
    outside = Outside(channels=(recorder,), ping=recorder.ping)
    with inbox(tmp_path / "data", outside=outside, clock=clock) as made:
        yield made


def heartbeat(box: Inbox) -> None:
    box.send(one("Watchdog", severity="none"))


def test_told_once_again_and_its_end(box: Inbox, recorder: Recorder, clock: Clock) -> None:
    box.send(one("Down"), one("Slow", severity="warning"))
    heartbeat(box)
    box.run(box.service.relay)
    assert recorder.titles == []
    clock.forward(minutes=15)
    heartbeat(box)
    for _ in range(3):
        box.run(box.service.relay)
    assert recorder.titles == ["Critical and unacknowledged: Down"]
    box.ask("ack_alert", fingerprint=fingerprint("Down"), note="mine").good()
    for _ in range(2):
        box.run(box.service.relay)
    assert recorder.titles[1:] == ["Over: Down"]


def test_what_was_refused_is_tried_again_later(box: Inbox, recorder: Recorder, clock: Clock) -> None:
    box.send(one("Down"))
    clock.forward(minutes=15)
    heartbeat(box)
    recorder.refuses = True
    box.run(box.service.relay)
    recorder.refuses = False
    box.run(box.service.relay)
    assert recorder.titles == [], "not at once"
    clock.forward(seconds=61)
    box.run(box.service.relay)
    assert recorder.titles == ["Critical and unacknowledged: Down"]


def test_a_restart_tells_nobody_twice(tmp_path: Path, recorder: Recorder, clock: Clock) -> None:
    second = Recorder("another")
    outside = Outside(channels=(recorder,))
    with inbox(tmp_path / "data", outside=outside, clock=clock) as box:
        box.send(one("Down"))
        clock.forward(minutes=20)
        box.run(box.service.relay)
        assert recorder.titles == ["Monitoring is silent", "Critical and unacknowledged: Down"]
    with inbox(tmp_path / "data", outside=replace(outside, channels=(recorder, second)), clock=clock) as box:
        clock.forward(minutes=5)
        box.run(box.service.relay)
        assert len(recorder.titles) == 2
        assert second.titles == ["Critical and unacknowledged: Down"], "whoever was not told yet is"
        clock.forward(minutes=20)
        heartbeat(box)
        box.run(box.service.relay)
        assert recorder.titles[2:] == ["Monitoring is back"]


def test_who_dies_between_noting_and_sending_tells_nobody_twice(
    box: Inbox, recorder: Recorder, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after SIGKILL in that instant: noted, perhaps sent. The next one comes an hour later."""
    box.send(one("Down"))
    clock.forward(minutes=15)
    heartbeat(box)

    def dies(title: str, body: str, is_good: bool) -> bool:
        recorder.titles.append(title)
        raise Died

    monkeypatch.setattr(recorder, "send", dies)
    with pytest.raises(Died):
        box.run(box.service.relay)
    monkeypatch.undo()
    for _ in range(2):
        heartbeat(box)
        box.run(box.service.relay)
    assert recorder.titles == ["Critical and unacknowledged: Down"]
    clock.forward(minutes=60)
    heartbeat(box)
    box.run(box.service.relay)
    assert len(recorder.titles) == 2


def test_the_watchdog_stays_away_and_comes_again(box: Inbox, recorder: Recorder, clock: Clock) -> None:
    heartbeat(box)
    clock.forward(minutes=15)
    box.run(box.service.relay)
    assert recorder.titles == []
    clock.forward(seconds=15)
    box.run(box.service.relay)
    assert recorder.titles == ["Monitoring is silent"]
    assert "SILENT" in box.ask("summary").good()["watchdog"]
    # That it has ended is no heartbeat.
    box.send(one("Watchdog", severity="none", ends=clock.at))
    box.run(box.service.relay)
    assert len(recorder.titles) == 1
    heartbeat(box)
    box.run(box.service.relay)
    assert recorder.titles == ["Monitoring is silent", "Monitoring is back"]


def test_a_heartbeat_is_passed_on_outside(box: Inbox, recorder: Recorder, clock: Clock) -> None:
    heartbeat(box)
    until(lambda: recorder.pings == 1, "the ping")
    heartbeat(box)
    clock.forward(minutes=5)
    box.send(one("Down"))
    heartbeat(box)
    until(lambda: recorder.pings == 2, "the second ping")
