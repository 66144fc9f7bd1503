"""What a deployed alert service keeps: alerts with the labels that others chose, and the notes of people.

Its page of metrics tells how long it keeps things and how old the oldest is; each is compared with the promise.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import httpx

from archiver.model import Finding, Verdict
from archiver.stack.targets import AlertServiceTarget
from archiver.stack.web import Server
from archiver.stack.words import Unknown, age, instant_of, setting, span

DELETES_EVERY = timedelta(hours=1)
"""It deletes every hour; twice that is granted."""
KEPT_S = "mcp_alerts_retention_seconds"
OLDEST_S = "mcp_alerts_oldest_event_timestamp_seconds"


def check(target: AlertServiceTarget, client: httpx.Client, now: datetime) -> tuple[Finding, ...]:
    """Ask an alert service and judge its answer."""
    samples = Server(target.access, client).metrics()
    if isinstance(samples, Unknown) or KEPT_S not in samples:
        why = samples if isinstance(samples, Unknown) else Unknown("/metrics: not the page of an alert service")
        return (
            Finding(
                check="alerts.reachable",
                subject=target.access.address,
                promised=span(target.promise),
                configured="",
                in_force="",
                observed=why.reason,
                verdict=Verdict.CANNOT_TELL,
                fix=why.fix or "see that the address is the right one",
            ),
        )
    return (_judge(target, samples, now),)


def _judge(target: AlertServiceTarget, samples: Mapping[str, float], now: datetime) -> Finding:
    kept = _span_of(samples[KEPT_S])
    oldest = instant_of(samples[OLDEST_S]) if OLDEST_S in samples else None
    is_too_long = kept > target.promise
    is_late = oldest is not None and now - oldest > target.promise + 2 * DELETES_EVERY
    fix = ""
    if is_too_long:
        fix = f"start it with --retention {setting(target.promise)} or less"
    elif is_late:
        fix = "see in its log why it deletes nothing: mcp_alerts_loop_failures_total, a full disk"
    return Finding(
        check="alerts.retention",
        subject=target.access.address,
        promised=span(target.promise),
        configured=f"--retention {setting(kept)}",
        in_force=f"every hour what is older than {span(kept)} goes",
        observed="nothing is kept" if oldest is None else f"the oldest is {age(oldest, now)}",
        verdict=Verdict.BREACH if is_too_long or is_late else Verdict.OK,
        fix=fix,
    )


def _span_of(seconds: float) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except (ValueError, OverflowError):  # no number, or more than any calendar has
        return timedelta.max
