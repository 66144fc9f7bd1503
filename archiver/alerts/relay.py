"""Who else is told, and when. Pure: times are given, nothing is sent.

Three things are told, each to every channel, once and then once per ``repeat_every`` as long as it lasts, and its end
once: a critical alert that nobody has taken on, and a ``Watchdog`` that stays away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from archiver.alerts.foreign import shown
from archiver.alerts.nouns import Episode, Told

CRITICAL: Final = "critical"
WATCHDOG_KEY: Final = "watchdog"
LASTS, ENDED = "lasts", "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When somebody is told.

    Attributes:
        escalate_after: How long a critical alert may wait for somebody to take it on.
        watchdog_after: How long the Watchdog may stay away. Zero: nobody complains.
    """

    escalate_after: timedelta = timedelta(minutes=15)
    repeat_every: timedelta = timedelta(hours=1)
    watchdog_after: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Message:
    """What one channel is told. One line each: a template of WhatsApp takes no more."""

    key: str
    what: str
    title: str
    body: str


def key_of(episode: Episode) -> str:
    """Under which it is remembered what was told; another for each time that it fires."""
    return f"alert/{episode.fingerprint}/{episode.starts_at.isoformat()}/{episode.fired_at.isoformat()}"


def due(
    now: datetime,
    episodes: Sequence[Episode],
    told: Mapping[str, Told],
    rules: Rules,
    *,
    watchdog_silence: timedelta,
    watchdog_seen: bool,
) -> tuple[Message, ...]:
    """What one channel is to be told now.

    Args:
        episodes: All that fire, and those that have ended since something was told of them.
        told: What the channel was told before, by key.
        watchdog_silence: By a clock that never goes back: since the last heartbeat, else since the service began.
        watchdog_seen: Whether there was a heartbeat since the service began.
    """
    messages = [_of_watchdog(now, told.get(WATCHDOG_KEY), rules, watchdog_silence, seen=watchdog_seen)]
    messages += [_of_alert(now, episode, told.get(key_of(episode)), rules) for episode in episodes]
    return tuple(message for message in messages if message is not None)


def _of_alert(now: datetime, episode: Episode, last: Told | None, rules: Rules) -> Message | None:
    subject = shown(episode.name or episode.fingerprint, 120)
    component = f" ({shown(episode.component, 60)})" if episode.component else ""
    is_unattended = episode.is_firing and not episode.is_acknowledged(now) and not episode.suppressed
    if is_unattended and episode.severity == CRITICAL and now - episode.unattended_since >= rules.escalate_after:
        if last is not None and last.what == LASTS and now - last.at < rules.repeat_every:
            return None
        return Message(
            key_of(episode),
            LASTS,
            f"Critical and unacknowledged: {subject}",
            f"Critical: {subject}{component} fires since {_minute(episode.starts_at)} and nobody has acknowledged it."
            f" Fingerprint {episode.fingerprint}.",
        )
    if last is None or last.what != LASTS or is_unattended:
        return None
    if not episode.is_firing:
        how = "is resolved"
    elif episode.ack is not None and episode.is_acknowledged(now):
        how = f"was acknowledged by {shown(episode.ack.by, 60)} until {_minute(episode.ack.until)}"
    else:
        how = f"is {shown(episode.suppressed, 20)}"
    return Message(
        key_of(episode), ENDED, f"Over: {subject}", f"{subject}{component} {how}. Fingerprint {episode.fingerprint}."
    )


def _of_watchdog(now: datetime, last: Told | None, rules: Rules, silence: timedelta, *, seen: bool) -> Message | None:
    if not rules.watchdog_after:
        return None
    lasts = last is not None and last.what == LASTS
    if silence > rules.watchdog_after:
        if lasts and last is not None and now - last.at < rules.repeat_every:
            return None
        minutes = int(silence.total_seconds() // 60)
        return Message(
            WATCHDOG_KEY,
            LASTS,
            "Monitoring is silent",
            f"No Watchdog for {minutes} min: Prometheus, its rules or Alertmanager do not work, and no other alert will"
            " come.",
        )
    if lasts and seen:
        return Message(WATCHDOG_KEY, ENDED, "Monitoring is back", "The Watchdog has come again: alerts work.")
    return None


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
