"""What a deployed Alertmanager keeps: silences, which carry the names and comments of people, and notification logs.

Its API does not tell ``--data.retention`` (default 120h). The flag is known only from the compose file; observed are
the silences that have ended and are still there.
"""

from datetime import datetime, timedelta
from typing import Any

import httpx

from archiver.model import Finding, Verdict
from archiver.stack.targets import AlertmanagerTarget
from archiver.stack.web import Server, at
from archiver.stack.words import Unknown, age, parse_duration, plural, setting, span, version_of

DEFAULT_RETENTION = timedelta(hours=120)
COLLECTION_INTERVAL = timedelta(minutes=30)
"""Expired silences are collected every 15 minutes; twice that is granted."""
KNOWN_MAJORS = (0,)


def check(
    target: AlertmanagerTarget, client: httpx.Client, now: datetime, *, flag: str | Unknown | None
) -> tuple[Finding, ...]:
    """Ask an Alertmanager and judge its answers.

    Args:
        flag: ``--data.retention`` as it is deployed. None: the flag is not set. Unknown: nobody has seen the flags.
    """
    server = Server(target, client)
    status = server.json("/api/v2/status")
    version = at(status, "versionInfo", "version") if not isinstance(status, Unknown) else None
    if isinstance(status, Unknown) or not isinstance(version, str):
        why = status if isinstance(status, Unknown) else Unknown("/api/v2/status: not the answer of an Alertmanager")
        return (
            Finding(
                check="alertmanager.reachable",
                subject=target.address,
                promised=span(target.promise),
                configured="",
                in_force="",
                observed=why.reason,
                verdict=Verdict.CANNOT_TELL,
                fix=why.fix or "see that the address is the right one",
            ),
        )
    return (_judge(target, version, _ended(server.json("/api/v2/silences")), flag, now),)


def _ended(answer: Any | Unknown) -> list[datetime] | Unknown:
    """When the silences that are over ended."""
    if isinstance(answer, Unknown):
        return answer
    try:
        return [datetime.fromisoformat(one["endsAt"]) for one in answer if one["status"]["state"] == "expired"]
    except (TypeError, KeyError, ValueError):
        return Unknown("/api/v2/silences: not the answer of an Alertmanager", "see that the address is the right one")


def _judge(
    target: AlertmanagerTarget, version: str, ended: list[datetime] | Unknown, flag: str | Unknown | None, now: datetime
) -> Finding:
    kept: timedelta | Unknown
    if isinstance(flag, Unknown):
        kept, configured = flag, flag.reason
    else:
        configured = "no flag: the default, 120h" if flag is None else f"--data.retention={flag}"
        try:
            kept = DEFAULT_RETENTION if flag is None else parse_duration(flag)
        except ValueError:
            kept = Unknown(f"--data.retention {flag!r} cannot be read", "correct the flag")
    late = False
    if isinstance(ended, Unknown):
        seen = ended.reason
    elif not ended:
        seen = "no silence that is over"
    else:
        oldest = min(ended)
        late = now - oldest > target.promise + COLLECTION_INTERVAL
        seen = f"{plural(len(ended), 'silence')} that ended, the earliest {age(oldest, now)}"
    number = version_of(version)
    fix = f"start it with --data.retention={setting(target.promise)} or less"
    if late or (isinstance(kept, timedelta) and kept > target.promise):
        verdict = Verdict.BREACH
    elif isinstance(kept, Unknown):
        verdict, fix = Verdict.CANNOT_TELL, kept.fix
    elif isinstance(ended, Unknown):
        verdict, fix = Verdict.CANNOT_TELL, ended.fix
    elif number is None or number[0] not in KNOWN_MAJORS:
        verdict, fix = Verdict.CANNOT_TELL, "how this version keeps silences is not known here: update archiver"
    else:
        verdict, fix = Verdict.OK, ""
    return Finding(
        check="alertmanager.retention",
        subject=target.address,
        promised=span(target.promise),
        configured=configured,
        in_force="not told by its API",
        observed=f"Alertmanager {version}; {seen}",
        verdict=verdict,
        fix=fix,
    )
