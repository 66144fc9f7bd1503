"""What a deployed alert service keeps: alerts with the labels that others chose, and the notes of people.

Its page of metrics tells how long it keeps things and how old the oldest is; each is compared with the promise.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import httpx

from archiver.model import Finding, Fix, Force, Look, Promise, Seen, Setting, Statement, Verdict
from archiver.stack.targets import AlertServiceTarget
from archiver.stack.web import Server
from archiver.stack.words import Unknown, instant_of, setting

DELETES_EVERY = timedelta(hours=1)
"""It deletes every hour; twice that is granted."""
KEPT_S = "mcp_alerts_retention_seconds"
OLDEST_S = "mcp_alerts_oldest_event_timestamp_seconds"


def check(target: AlertServiceTarget, client: httpx.Client, now: datetime) -> tuple[Finding, ...]:
    """Ask an alert service and judge its answer."""
    samples = Server(target, client).metrics()
    if isinstance(samples, Unknown) or KEPT_S not in samples:
        why = samples if isinstance(samples, Unknown) else Unknown(Look.NO_ALERT_SERVICE(path="/metrics"))
        return (
            Finding(
                check="alerts.reachable",
                subject=target.address,
                promised=(Promise.AGE(limit_s=target.promise),),
                observed=(why.reason,),
                verdict=Verdict.CANNOT_TELL,
                fix=(why.fix or Fix.ADDRESS(),),
            ),
        )
    return (_judge(target, samples, now),)


def _judge(target: AlertServiceTarget, samples: Mapping[str, float], now: datetime) -> Finding:
    kept = _span_of(samples[KEPT_S])
    oldest = instant_of(samples[OLDEST_S]) if OLDEST_S in samples else None
    is_too_long = kept > target.promise
    is_late = oldest is not None and now - oldest > target.promise + 2 * DELETES_EVERY
    fix: Statement | None = None
    if is_too_long:
        fix = Fix.ALERTS_RETENTION(value=setting(target.promise))
    elif is_late:
        fix = Fix.ALERTS_LATE()
    return Finding(
        check="alerts.retention",
        subject=target.address,
        promised=(Promise.AGE(limit_s=target.promise),),
        configured=(Setting.WRITTEN(setting=f"--retention {setting(kept)}"),),
        in_force=(Force.AT_MOST_AND(limit_s=kept, delay_s=DELETES_EVERY),),
        observed=(Seen.NO_ALERT() if oldest is None else Seen.OLDEST_ALERT(age_s=now - oldest, oldest_at=oldest),),
        verdict=Verdict.BREACH if is_too_long or is_late else Verdict.OK,
        fix=() if fix is None else (fix,),
    )


def _span_of(seconds: float) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except (ValueError, OverflowError):  # no number, or more than any calendar has
        return timedelta.max
