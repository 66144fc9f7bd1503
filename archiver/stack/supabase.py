"""Whether the database keeps the promise beside archiver: jobs of others, the oldest row, copies in backups.

Pure: the facts come from the database's adapter.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from archiver.contracts import CronJob, CronRuns
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
WATCH, TRIM = "archiver-watch", "archiver-trim"
"""Two missed looks of the one, or one missed night of the others, are a breach."""
LOG_KEPT = timedelta(days=30)

_DELETES = re.compile(r"\b(delete\s+from|truncate|drop\s+table|drop_chunks|detach\s+partition)\b", re.IGNORECASE)


def judge(facts: SupabaseFacts, now: datetime) -> tuple[Finding, ...]:
    """Decide. What could not be read gives ``cannot_tell``."""
    if facts.problem is not None:
        return (_unreachable(facts, facts.problem), _backups(facts, now))
    return (
        *_jobs(facts),
        *_own_jobs(facts),
        *(_oldest(facts, table, now) for table in facts.tables),
        _backups(facts, now),
    )


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
    touching = [
        (job, [table.relation for table in facts.tables if _mentions(job.command, table)]) for job in facts.jobs
    ]
    active = [(job, relations) for job, relations in touching if relations and job.active]
    for job, relations in active:
        yield _job(facts, job, relations)
    if not active:
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


# ── archiver's own jobs ────────────────────────────────────────────────────────────────────────────────────────


def _own_jobs(facts: SupabaseFacts) -> Iterator[Finding]:
    """Each of archiver's jobs that is there or must be: active, and doing its work; then pg_cron's log."""
    if facts.own_problem is not None:
        yield _own(facts, "", (), (facts.own_problem,), Verdict.CANNOT_TELL, (Fix.SCHEDULE_JOBS(),))
        return
    existing = {} if facts.own is None else {job.name: job for job in facts.own.jobs}
    for name in (*facts.own_expected, *(name for name in existing if name not in facts.own_expected)):
        job = existing.get(name)
        if job is None or facts.own is None:
            yield _own(facts, name, (), (Seen.JOB_MISSING(),), Verdict.BREACH, (Fix.SCHEDULE_JOBS(),))
        else:
            yield _fares(facts, job, facts.own.clock)
    if facts.own is not None and TRIM in (*facts.own_expected, *existing) and facts.own.oldest_run is not None:
        kept = facts.own.clock - facts.own.oldest_run
        is_old = kept > LOG_KEPT + 2 * NIGHT
        yield Finding(
            check="supabase.cron",
            subject=f"{facts.location} cron.job_run_details",
            promised=(Promise.CRON_LOG(limit_s=LOG_KEPT),),
            observed=(Seen.OLDEST_RUN(age_s=kept, oldest_at=facts.own.oldest_run),),
            verdict=Verdict.BREACH if is_old else Verdict.OK,
            fix=(Fix.TRIM_LOG(),) if is_old else (),
        )


def _fares(facts: SupabaseFacts, job: CronRuns, clock: datetime) -> Finding:
    if not job.active:
        return _own(facts, job.name, (Force.JOB_OFF(),), (), Verdict.BREACH, (Fix.SCHEDULE_JOBS(),))
    between = timedelta(hours=3) if job.name == WATCH else timedelta(hours=25)
    fix = (Fix.SEE_RUNS(),)
    if job.failed:
        verdict, seen = Verdict.BREACH, Seen.JOB_FAILED()
    elif job.succeeded_at is None:
        verdict, seen = Verdict.CANNOT_TELL, Seen.JOB_NEVER_RAN()
    else:
        age = clock - job.succeeded_at
        seen = Seen.JOB_SUCCEEDED(age_s=age, last_at=job.succeeded_at)
        verdict = Verdict.BREACH if age > between else Verdict.OK
    return _own(facts, job.name, (Force.JOB_ON(),), (seen,), verdict, () if verdict is Verdict.OK else fix)


def _own(
    facts: SupabaseFacts,
    name: str,
    in_force: tuple[Statement, ...],
    observed: tuple[Statement, ...],
    verdict: Verdict,
    fix: tuple[Statement, ...],
) -> Finding:
    return Finding(
        check="supabase.cron",
        subject=f"{facts.location} {name}".rstrip(),
        promised=(Promise.OWN_JOBS(),),
        in_force=in_force,
        observed=observed,
        verdict=verdict,
        fix=fix,
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
    longest = max(period for period in (daily, facts.recovery_period) if period is not None)
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
