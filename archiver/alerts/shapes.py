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
    return "; ".join(shown(one, 200) for one in service.alertmanager_problems) or "ok"


def status_of(one: Episode) -> Literal["firing", "resolved"]:
    """As Alertmanager calls it."""
    return "firing" if one.is_firing else "resolved"


def shown_alert(one: Episode, now: datetime) -> AlertShown:
    """An alert as a client sees it."""
    ack = one.ack if one.is_acknowledged(now) else None
    return AlertShown(
        fingerprint=one.fingerprint,
        name=shown(one.name, 200),
        severity=shown(one.severity, 100),
        component=shown(one.component, 100),
        status=status_of(one),
        suppressed=one.suppressed,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        acknowledged=None
        if ack is None
        else AckShown(by=shown(ack.by, 100), at=ack.at, until=ack.until, note=shown(ack.note, NOTE_CHARACTERS_MAX)),
        labels=shown_pairs(one.labels),
        annotations=shown_pairs(one.annotations),
        first_seen=one.first_seen,
        last_seen=one.last_seen,
        deliveries=one.deliveries,
        runbook=f"runbook://{one.name}" if one.name in runbooks.names() else None,
    )


def shown_event(one: Event) -> EventShown:
    """A line of history as a client sees it."""
    return EventShown(
        at=one.at,
        kind=one.kind,
        by=shown(one.actor, 100),
        starts_at=one.starts_at,
        detail=shown_pairs({name: str(value) for name, value in one.detail.items()}),
    )


def shown_silence(one: Silence) -> SilenceShown:
    """A silence as a client sees it."""
    return SilenceShown(
        id=shown(one.id, 64),
        state=shown(one.status.state, 20),
        starts_at=one.startsAt,
        ends_at=one.endsAt,
        created_by=shown(one.createdBy, 100),
        comment=shown(one.comment),
        matchers=[
            f"{shown(each.name, 128)}{_operator(each.isEqual, each.isRegex)}{shown(each.value)!r}"
            for each in one.matchers[:64]
        ],
    )


def _operator(is_equal: bool, is_regex: bool) -> str:
    return ("=~" if is_equal else "!~") if is_regex else ("=" if is_equal else "!=")
