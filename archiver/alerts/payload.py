"""Alertmanager's webhook, version 4, and its API's alerts: what we read of them. Everything else is passed over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

BODY_BYTES_MAX = 4 * 1024 * 1024
WATCHDOG = "Watchdog"
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]


class NotUnderstood(ValueError):
    """A body that is none of ours. Its text says where and what was expected; it never quotes the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What somebody says of one alert.

    Attributes:
        starts_at: In UTC, whole milliseconds: the API has no more of them, and the webhook's must be the same.
        ends_at: None while it fires.
        suppressed: ``silenced``, ``inhibited`` or empty; only the API tells. None: not told.
    """

    fingerprint: str
    starts_at: datetime
    ends_at: datetime | None
    is_firing: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    suppressed: str | None = None

    @property
    def name(self) -> str:
        """The label ``alertname``; empty where there is none."""
        return self.labels.get("alertname", "")


@dataclass(frozen=True, slots=True)
class Notification:
    """One delivery.

    Attributes:
        is_from_alertmanager: Another sender leaves ``externalURL`` out. What it reports only it can end: Alertmanager
            does not know of it.
        truncated: How many alerts Alertmanager left out (``max_alerts``); its API has them.
    """

    reports: tuple[Report, ...]
    is_from_alertmanager: bool
    truncated: int


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Alert(_Shape):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: AwareDatetime  # noqa: N815 - Alertmanager's names
    endsAt: AwareDatetime | None = None  # noqa: N815
    fingerprint: Fingerprint


class _Webhook(_Shape):
    version: Literal["4"]
    alerts: list[_Alert]
    externalURL: str = ""  # noqa: N815
    truncatedAlerts: int = 0  # noqa: N815


class _Status(_Shape):
    state: str
    silencedBy: list[str] = []  # noqa: N815
    inhibitedBy: list[str] = []  # noqa: N815


class _Listed(_Shape):
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: AwareDatetime  # noqa: N815
    fingerprint: Fingerprint
    status: _Status


_LISTING = TypeAdapter(list[_Listed])


def read_notification(body: bytes) -> Notification:
    """A webhook's body.

    Raises:
        NotUnderstood: It is no webhook of version 4.
    """
    try:
        webhook = _Webhook.model_validate_json(body)
    except ValidationError as problem:
        raise NotUnderstood(_where(problem)) from None
    return Notification(
        tuple(
            Report(
                fingerprint=alert.fingerprint,
                starts_at=_whole(alert.startsAt),
                ends_at=_whole(alert.endsAt) if alert.status == "resolved" and alert.endsAt is not None else None,
                is_firing=alert.status == "firing",
                labels=alert.labels,
                annotations=alert.annotations,
            )
            for alert in webhook.alerts
        ),
        is_from_alertmanager=bool(webhook.externalURL),
        truncated=max(webhook.truncatedAlerts, 0),
    )


def read_listing(body: bytes) -> tuple[Report, ...]:
    """The answer of ``/api/v2/alerts``: what fires there now.

    Raises:
        NotUnderstood: It is none.
    """
    try:
        listed = _LISTING.validate_json(body)
    except ValidationError as problem:
        raise NotUnderstood(_where(problem)) from None
    return tuple(
        Report(
            fingerprint=alert.fingerprint,
            starts_at=_whole(alert.startsAt),
            ends_at=None,
            is_firing=True,
            labels=alert.labels,
            annotations=alert.annotations,
            suppressed="silenced" if alert.status.silencedBy else "inhibited" if alert.status.inhibitedBy else "",
        )
        for alert in listed
    )


def _whole(instant: datetime) -> datetime:
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:  # year 1 in a zone east of Greenwich
        utc = instant.replace(tzinfo=UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _where(problem: ValidationError) -> str:
    """``alerts.0.startsAt: Field required``; of the body nothing but its shape."""
    errors: list[Any] = list(problem.errors(include_input=False, include_url=False, include_context=False))
    first = errors[0]
    # A key of the body may stand in the place: only names that are ours, and numbers, are said.
    known = {*_Webhook.model_fields, *_Alert.model_fields, *_Listed.model_fields, *_Status.model_fields}
    place = ".".join(str(part) if isinstance(part, int) or part in known else "…" for part in first["loc"])
    reason = "no JSON" if first["type"] == "json_invalid" else str(first["msg"])
    return f"{place}: {reason}" if place else reason
