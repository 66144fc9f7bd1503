"""What the service keeps, as values. Labels, annotations and notes are as they came: show them through ``foreign``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Somebody has taken it on, until then."""

    by: str
    at: datetime
    until: datetime
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One stretch of an alert. Labels and annotations are as they came: show them through ``foreign``.

    Attributes:
        fired_at: By our clock, when it last began to fire.
        ends_at: As Alertmanager told; None while it fires, or when it only vanished from there.
        unattended_since: Since when nobody has it: it fired, or an acknowledgement ended.
        deliveries: How many reports of it came.
    """

    fingerprint: str
    starts_at: datetime
    is_firing: bool
    ends_at: datetime | None
    fired_at: datetime
    unattended_since: datetime
    name: str
    severity: str
    component: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    first_seen: datetime
    last_seen: datetime
    deliveries: int
    suppressed: str
    ack: Ack | None

    def is_acknowledged(self, now: datetime) -> bool:
        """Whether somebody has it at that moment."""
        return self.ack is not None and self.ack.until > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of history; never changed."""

    number: int
    at: datetime
    fingerprint: str
    starts_at: datetime
    kind: str
    actor: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody was last told of something."""

    what: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Who may do what. The token itself is nowhere."""

    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
