"""An alert by hand, for what no rule can see: to Alertmanager's API, or to whoever takes Alertmanager's webhook."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import httpx

Target = Literal["alertmanager", "webhook"]

FIRES_FOR = timedelta(hours=1)
"""An alert that is not repeated ends by itself: a health check that no longer runs must not fire for ever, and that it
no longer runs is what the dead-man ping is for."""


class AlertNotSent(Exception):
    """Nobody took the alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. Labels name it; two with equal labels are the same one."""

    name: str
    labels: Mapping[str, str]
    summary: str
    description: str
    began_at: datetime


def send(alert: Alert, url: str, target: Target, *, now: datetime, is_over: bool, timeout_s: float) -> None:
    """Fire an alert, or end it.

    Raises:
        AlertNotSent: It was refused, or nobody answered.
    """
    address, body = url, _for_webhook(alert, now, is_over=is_over)
    if target == "alertmanager":
        address, body = f"{url.rstrip('/')}/api/v2/alerts", _for_api(alert, now, is_over=is_over)
    try:
        with httpx.Client(timeout=timeout_s, trust_env=False) as client:
            client.post(address, json=body).raise_for_status()
    except httpx.HTTPStatusError as problem:
        raise AlertNotSent(f"the alert was answered {problem.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise AlertNotSent(f"the alert did not arrive ({type(problem).__name__})") from None


def _for_api(alert: Alert, now: datetime, *, is_over: bool) -> Any:
    return [
        {
            "labels": _labels(alert),
            "annotations": _annotations(alert),
            "startsAt": alert.began_at.isoformat(),
            "endsAt": (now if is_over else now + FIRES_FOR).isoformat(),
        }
    ]


def _for_webhook(alert: Alert, now: datetime, *, is_over: bool) -> Any:
    """Version 4 of what Alertmanager posts to a webhook receiver."""
    status = "resolved" if is_over else "firing"
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{alert.name}"}}',
        "status": status,
        "receiver": "archiver",
        "groupLabels": {"alertname": alert.name},
        "commonLabels": _labels(alert),
        "commonAnnotations": _annotations(alert),
        "externalURL": "",
        "truncatedAlerts": 0,
        "alerts": [
            {
                "status": status,
                "labels": _labels(alert),
                "annotations": _annotations(alert),
                "startsAt": alert.began_at.isoformat(),
                "endsAt": now.isoformat() if is_over else "0001-01-01T00:00:00Z",
                "generatorURL": "",
            }
        ],
    }


def _labels(alert: Alert) -> dict[str, str]:
    return {"alertname": alert.name, **alert.labels}


def _annotations(alert: Alert) -> dict[str, str]:
    return {"summary": alert.summary, "description": alert.description}
