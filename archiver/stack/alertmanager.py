"""What a deployed Alertmanager keeps: silences, which carry the names and comments of people, and notification logs.

Its API does not tell ``--data.retention`` (default 120h). The flag is known only from the compose file; observed are
the silences that have ended and are still there.
"""

from datetime import datetime, timedelta
from typing import Any

import httpx

from archiver.model import Finding, Fix, Force, Look, Promise, Seen, Setting, Statement, Verdict
from archiver.stack.targets import AlertmanagerTarget
from archiver.stack.web import Server, at
from archiver.stack.words import Unknown, parse_duration, setting, version_of

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
        why = (
            status
            if isinstance(status, Unknown)
            else Unknown(Look.OTHER_SERVER(path="/api/v2/status", kind="Alertmanager"))
        )
        return (
            Finding(
                check="alertmanager.reachable",
                subject=target.address,
                promised=(Promise.AGE(limit_s=target.promise),),
                observed=(why.reason,),
                verdict=Verdict.CANNOT_TELL,
                fix=(why.fix or Fix.ADDRESS(),),
            ),
        )
    return (_judge(target, version, _ended(server.json("/api/v2/silences")), flag, now),)


def _ended(answer: Any | Unknown) -> list[datetime] | Unknown:
    """When the silences that are over ended."""
    if isinstance(answer, Unknown):
        return answer
    try:
        return [
            datetime.fromisoformat(silence["endsAt"]) for silence in answer if silence["status"]["state"] == "expired"
        ]
    except (TypeError, KeyError, ValueError):
        return Unknown(Look.OTHER_SERVER(path="/api/v2/silences", kind="Alertmanager"), Fix.ADDRESS())


def _judge(
    target: AlertmanagerTarget, version: str, ended: list[datetime] | Unknown, flag: str | Unknown | None, now: datetime
) -> Finding:
    kept: timedelta | Unknown
    if isinstance(flag, Unknown):
        kept, configured = flag, flag.reason
    else:
        configured = (
            Setting.DEFAULT(value="120h") if flag is None else Setting.WRITTEN(setting=f"--data.retention={flag}")
        )
        try:
            kept = DEFAULT_RETENTION if flag is None else parse_duration(flag)
        except ValueError:
            kept = Unknown(Look.UNREADABLE(setting="--data.retention", value=str(flag)), Fix.FLAG())
    late = False
    if isinstance(ended, Unknown):
        seen = ended.reason
    elif not ended:
        seen = Seen.NO_SILENCE()
    else:
        oldest = min(ended)
        late = now - oldest > target.promise + COLLECTION_INTERVAL
        seen = Seen.SILENCES(silences=len(ended), age_s=now - oldest, oldest_at=oldest)
    number = version_of(version)
    fix: Statement | None = Fix.ALERTMANAGER(value=setting(target.promise))
    if late or (isinstance(kept, timedelta) and kept > target.promise):
        verdict = Verdict.BREACH
    elif isinstance(kept, Unknown):
        verdict, fix = Verdict.CANNOT_TELL, kept.fix
    elif isinstance(ended, Unknown):
        verdict, fix = Verdict.CANNOT_TELL, ended.fix
    elif number is None or number[0] not in KNOWN_MAJORS:
        verdict, fix = Verdict.CANNOT_TELL, Fix.UPDATE()
    else:
        verdict, fix = Verdict.OK, None
    return Finding(
        check="alertmanager.retention",
        subject=target.address,
        promised=(Promise.AGE(limit_s=target.promise),),
        configured=(configured,),
        in_force=(Force.NOT_TOLD(),),
        observed=(Seen.VERSION(product="Alertmanager", version=version), seen),
        verdict=verdict,
        fix=() if fix is None else (fix,),
    )
