"""Whether the database keeps the promise beside archiver: jobs of others, the oldest row, copies in backups.

Pure: the facts come from the database's adapter.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from archiver.contracts import CronJob
from archiver.model import Finding, Fix, Force, Look, Promise, Seen, Setting, Statement, Verdict
from archiver.stack.targets import SupabaseFacts, TableFacts

BACKUPS_BY_PLAN = {
    "free": timedelta(0),
    "pro": timedelta(days=7),
    "team": timedelta(days=14),
    "enterprise": timedelta(days=30),
}
NIGHT = timedelta(days=1)
"""Rows are purged by a nightly run, once their whole window is old enough."""

_DELETES = re.compile(r"\b(delete\s+from|truncate|drop\s+table|drop_chunks|detach\s+partition)\b", re.IGNORECASE)


def judge(facts: SupabaseFacts, now: datetime) -> tuple[Finding, ...]:
    """Decide. What could not be read gives ``cannot_tell``."""
    if facts.problem is not None:
        return (_unreachable(facts, facts.problem), _backups(facts, now))
    return (*_jobs(facts), *(_oldest(facts, table, now) for table in facts.tables), _backups(facts, now))


def _unreachable(facts: SupabaseFacts, problem: Statement) -> Finding:
    return Finding(
        check="supabase.reachable",
        subject=facts.location,
        promised=(Promise.ROWS_GONE(limit_s=facts.promise),),
        observed=(problem,),
        verdict=Verdict.CANNOT_TELL,
        fix=(Fix.DB_URL(),),
    )


def _mentions(command: str, table: TableFacts) -> bool:
    name = re.escape(table.relation.rsplit(".", 1)[-1].strip('"'))
    return re.search(rf"(?<![\w]){name}(?![\w])", command, re.IGNORECASE) is not None


def _jobs(facts: SupabaseFacts) -> Iterator[Finding]:
    promised = (Promise.ONLY_ARCHIVER_ROWS(),)
    if facts.jobs is None:
        yield Finding(
            check="supabase.jobs",
            subject=facts.location,
            promised=promised,
            observed=(Look.JOBS_HIDDEN(),),
            verdict=Verdict.CANNOT_TELL,
            fix=(Fix.GRANT_CRON(),),
        )
        return
    touching = [(job, [one.relation for one in facts.tables if _mentions(job.command, one)]) for job in facts.jobs]
    found = [(job, relations) for job, relations in touching if relations and job.active]
    for job, relations in found:
        yield _job(facts, job, relations)
    if not found:
        yield Finding(
            check="supabase.jobs",
            subject=facts.location,
            promised=promised,
            observed=(Seen.NO_JOB(),),
            verdict=Verdict.OK,
        )


def _job(facts: SupabaseFacts, job: CronJob, relations: list[str]) -> Finding:
    deletes = _DELETES.search(job.command) is not None
    return Finding(
        check="supabase.jobs",
        subject=f"{facts.location} {', '.join(relations)}",
        promised=(Promise.ONLY_ARCHIVER_ROWS(),),
        configured=(Setting.JOB(name=job.name, schedule=job.schedule),),
        in_force=(Force.JOB_DELETES() if deletes else Force.JOB_NAMES(),),
        verdict=Verdict.BREACH if deletes else Verdict.CANNOT_TELL,
        fix=(Fix.UNSCHEDULE() if deletes else Fix.SEE_JOB(),),
    )


def _oldest(facts: SupabaseFacts, table: TableFacts, now: datetime) -> Finding:
    limit = None if table.promise is None else table.promise + table.window + NIGHT
    fix = Fix.PURGE()
    if table.problem is not None:
        verdict, seen = Verdict.CANNOT_TELL, table.problem
        fix = Fix.GRANT_TABLE()
    elif table.oldest is None:
        verdict, seen = Verdict.OK, Seen.NO_ROW()
    else:
        verdict = Verdict.OK if limit is None or now - table.oldest <= limit else Verdict.BREACH
        seen = Seen.OLDEST_ROW(age_s=now - table.oldest, oldest_at=table.oldest)
    return Finding(
        check="supabase.oldest_row",
        subject=f"{facts.location} {table.relation}",
        promised=(Promise.NEVER_PURGED() if table.promise is None else Promise.AGE(limit_s=table.promise),),
        in_force=() if limit is None else (Force.BY_NIGHT(limit_s=limit),),
        observed=(seen,),
        verdict=verdict,
        fix=() if verdict is Verdict.OK else (fix,),
    )


def _backups(facts: SupabaseFacts, now: datetime) -> Finding:
    """Deleted rows live on in backups: residual copies, with the date on which the last one goes."""
    daily = BACKUPS_BY_PLAN.get(facts.plan.lower())
    promised = (Promise.NO_BACKUP(limit_s=facts.promise),)
    if daily is None:
        return Finding(
            check="supabase.backups",
            subject=facts.location,
            promised=promised,
            configured=(Setting.PLAN(plan=facts.plan) if facts.plan else Setting.PLAN_UNSAID(),),
            observed=(Look.PLAN(),),
            verdict=Verdict.CANNOT_TELL,
            fix=(Fix.SET_PLAN(plans=tuple(BACKUPS_BY_PLAN)),),
        )
    longest = max(one for one in (daily, facts.recovery_period) if one is not None)
    configured = [Setting.PLAN(plan=facts.plan.lower())]
    configured.append(Setting.DAILY_BACKUPS(period_s=daily) if daily else Setting.NO_BACKUPS())
    if facts.recovery_period is not None:
        configured.append(Setting.RECOVERY(period_s=facts.recovery_period))
    late = longest > facts.promise
    return Finding(
        check="supabase.backups",
        subject=facts.location,
        promised=promised,
        configured=tuple(configured),
        in_force=(Force.IN_BACKUPS(until_at=now + longest) if longest else Force.NO_COPY(),),
        verdict=Verdict.BREACH if late else Verdict.OK,
        fix=(Fix.SHORTEN_RECOVERY(),) if late else (),
    )
