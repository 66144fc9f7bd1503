"""What a client is shown. Every text that somebody else chose goes through ``foreign`` here, and nowhere else."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from archiver.alerts import runbooks
from archiver.alerts.alertmanager import Silence
from archiver.alerts.foreign import shown, shown_pairs
from archiver.alerts.nouns import Episode, Event
from archiver.alerts.service import Service

NOTE_CHARACTERS_MAX = 2000


class AckShown(BaseModel):
    """Who has taken it on."""

    by: str
    at: datetime
    until: datetime
    note: str


class AlertShown(BaseModel):
    """One alert; texts are cut at 500 characters, what is invisible in them is spelled out."""

    fingerprint: str
    name: str
    severity: str
    component: str
    status: Literal["firing", "resolved"]
    suppressed: str = Field(description="silenced, inhibited, or empty")
    starts_at: datetime
    ends_at: datetime | None = Field(description="None while it fires, or where Alertmanager did not say")
    acknowledged: AckShown | None
    labels: dict[str, str]
    annotations: dict[str, str]
    first_seen: datetime
    last_seen: datetime
    deliveries: int
    runbook: str | None = Field(description="A resource to read")


class AlertList(BaseModel):
    """What was asked for, the longest firing first."""

    alerts: list[AlertShown]
    total: int
    left_out: int = Field(description="Beyond the limit")
    suppressed_left_out: int = Field(description="Silenced or inhibited; ask with suppressed=true")
    reconciled_at: datetime | None = Field(description="When this was last compared with Alertmanager")
    alertmanager: str = Field(description="ok, or why it was not reached")


class EpisodeShown(BaseModel):
    """One stretch of firing."""

    starts_at: datetime
    ends_at: datetime | None
    status: Literal["firing", "resolved"]


class AlertDetail(BaseModel):
    """One alert, and when it fired before."""

    alert: AlertShown
    episodes: list[EpisodeShown]


class EventShown(BaseModel):
    """One thing that happened."""

    at: datetime
    kind: str = Field(description="firing, resolved, ack, unack, silence or unsilence")
    by: str = Field(description="notification, reconciliation, or the name of a token")
    starts_at: datetime = Field(description="Of the episode")
    detail: dict[str, str]


class History(BaseModel):
    """What happened to one alert, in order."""

    fingerprint: str
    events: list[EventShown]
    earlier: int = Field(description="Events before these")


class Summary(BaseModel):
    """The state of everything in a few numbers."""

    firing: dict[str, int] = Field(description="By severity, neither silenced nor inhibited")
    suppressed: int
    critical_unacknowledged: list[str] = Field(description="Names, the longest firing first; at most 20")
    watchdog: str = Field(description="Whether the monitoring itself is alive")
    alertmanager: str
    reconciled_at: datetime | None
    retention_days: float


class SilenceShown(BaseModel):
    """A silence in Alertmanager."""

    id: str
    state: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    matchers: list[str]


class SilenceList(BaseModel):
    """Those in force and those to come."""

    silences: list[SilenceShown]


class SilenceMade(BaseModel):
    """What was done."""

    id: str
    fingerprint: str
    ends_at: datetime
    matchers: list[str]


class Expired(BaseModel):
    """What was done."""

    id: str
    expired: bool


def watchdog_text(service: Service) -> str:
    """Whether the monitoring itself is alive, in a few words."""
    silence, after = service.watchdog_silence, service.outside.rules.watchdog_after
    minutes = int(silence.total_seconds() // 60)
    if after and silence > after:
        return f"SILENT for {minutes} min: Prometheus, its rules or Alertmanager do not work"
    return f"alive, last seen {minutes} min ago" if service.watchdog_seen else "none yet since the service began"


def alertmanager_text(service: Service) -> str:
    """Whether Alertmanager is reached, in a few words."""
    if not service.alertmanagers.urls:
        return "not configured"
    return "; ".join(shown(problem, 200) for problem in service.alertmanager_problems) or "ok"


def status_of(episode: Episode) -> Literal["firing", "resolved"]:
    """As Alertmanager calls it."""
    return "firing" if episode.is_firing else "resolved"


def shown_alert(episode: Episode, now: datetime) -> AlertShown:
    """An alert as a client sees it."""
    ack = episode.ack if episode.is_acknowledged(now) else None
    return AlertShown(
        fingerprint=episode.fingerprint,
        name=shown(episode.name, 200),
        severity=shown(episode.severity, 100),
        component=shown(episode.component, 100),
        status=status_of(episode),
        suppressed=episode.suppressed,
        starts_at=episode.starts_at,
        ends_at=episode.ends_at,
        acknowledged=None
        if ack is None
        else AckShown(by=shown(ack.by, 100), at=ack.at, until=ack.until, note=shown(ack.note, NOTE_CHARACTERS_MAX)),
        labels=shown_pairs(episode.labels),
        annotations=shown_pairs(episode.annotations),
        first_seen=episode.first_seen,
        last_seen=episode.last_seen,
        deliveries=episode.deliveries,
        runbook=f"runbook://{episode.name}" if episode.name in runbooks.names() else None,
    )


def shown_event(event: Event) -> EventShown:
    """A line of history as a client sees it."""
    return EventShown(
        at=event.at,
        kind=event.kind,
        by=shown(event.actor, 100),
        starts_at=event.starts_at,
        detail=shown_pairs({name: str(value) for name, value in event.detail.items()}),
    )


def shown_silence(silence: Silence) -> SilenceShown:
    """A silence as a client sees it."""
    return SilenceShown(
        id=shown(silence.id, 64),
        state=shown(silence.status.state, 20),
        starts_at=silence.startsAt,
        ends_at=silence.endsAt,
        created_by=shown(silence.createdBy, 100),
        comment=shown(silence.comment),
        matchers=[
            f"{shown(each.name, 128)}{_operator(each.isEqual, each.isRegex)}{shown(each.value)!r}"
            for each in silence.matchers[:64]
        ],
    )


def _operator(is_equal: bool, is_regex: bool) -> str:
    return ("=~" if is_equal else "!~") if is_regex else ("=" if is_equal else "!=")
