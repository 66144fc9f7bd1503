"""Whether the database keeps the promise beside archiver: jobs of others, the oldest row, copies in backups.

Pure: the facts come from the database's adapter.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from archiver.contracts import CronJob
from archiver.model import Finding, Verdict
from archiver.stack.targets import SupabaseFacts, TableFacts
from archiver.stack.words import age, moment, span

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
    if facts.problem:
        return (_unreachable(facts), _backups(facts, now))
    return (*_jobs(facts), *(_oldest(facts, table, now) for table in facts.tables), _backups(facts, now))


def _unreachable(facts: SupabaseFacts) -> Finding:
    return Finding(
        check="supabase.reachable",
        subject=facts.location,
        promised=f"deleted rows are gone within {span(facts.promise)}",
        configured="",
        in_force="",
        observed=facts.problem,
        verdict=Verdict.CANNOT_TELL,
        fix="correct SUPABASE_DB_URL, or let archiver's role connect from here",
    )


def _mentions(command: str, table: TableFacts) -> bool:
    name = re.escape(table.relation.rsplit(".", 1)[-1].strip('"'))
    return re.search(rf"(?<![\w]){name}(?![\w])", command, re.IGNORECASE) is not None


def _jobs(facts: SupabaseFacts) -> Iterator[Finding]:
    promised = "only archiver deletes and copies archived rows"
    if facts.jobs is None:
        yield Finding(
            check="supabase.jobs",
            subject=facts.location,
            promised=promised,
            configured="",
            in_force="",
            observed="pg_cron has a list of jobs, and this role may not see all of it",
            verdict=Verdict.CANNOT_TELL,
            fix="grant usage on schema cron and select on cron.job to archiver's role, which needs bypassrls as well",
        )
        return
    touching = [(job, [one.relation for one in facts.tables if _mentions(job.command, one)]) for job in facts.jobs]
    found = [(job, relations) for job, relations in touching if relations and job.active]
    for job, relations in found:
        yield _job(facts, job, relations, promised)
    if not found:
        yield Finding(
            check="supabase.jobs",
            subject=facts.location,
            promised=promised,
            configured="",
            in_force="",
            observed="no active job of pg_cron names an archived table",
            verdict=Verdict.OK,
        )


def _job(facts: SupabaseFacts, job: CronJob, relations: list[str], promised: str) -> Finding:
    deletes = _DELETES.search(job.command) is not None
    return Finding(
        check="supabase.jobs",
        subject=f"{facts.location} {', '.join(relations)}",
        promised=promised,
        configured=f"pg_cron job {job.name!r}, {job.schedule}",
        in_force="it deletes rows, archived or not"
        if deletes
        else "it names the table; what it does was not understood",
        observed="",
        verdict=Verdict.BREACH if deletes else Verdict.CANNOT_TELL,
        fix="let archiver purge instead: select cron.unschedule(...)"
        if deletes
        else "see that it neither deletes nor copies rows; a copy needs a retention of its own",
    )


def _oldest(facts: SupabaseFacts, table: TableFacts, now: datetime) -> Finding:
    limit = None if table.promise is None else table.promise + table.window + NIGHT
    fix = "run `archiver purge`; `archiver status` says what holds rows back"
    if table.problem:
        verdict, seen = Verdict.CANNOT_TELL, table.problem
        fix = "correct the dataset's relation and time column; grant select, and bypassrls or a policy, to the role"
    elif table.oldest is None:
        verdict, seen = Verdict.OK, "no row with a time"
    else:
        verdict = Verdict.OK if limit is None or now - table.oldest <= limit else Verdict.BREACH
        seen = f"oldest row {age(table.oldest, now)}"
    return Finding(
        check="supabase.oldest_row",
        subject=f"{facts.location} {table.relation}",
        promised="rows are never purged" if table.promise is None else span(table.promise),
        configured="",
        in_force="" if limit is None else f"whole windows go by night: at most {span(limit)}",
        observed=seen,
        verdict=verdict,
        fix="" if verdict is Verdict.OK else fix,
    )


def _backups(facts: SupabaseFacts, now: datetime) -> Finding:
    """Deleted rows live on in backups: residual copies, with the date on which the last one goes."""
    daily = BACKUPS_BY_PLAN.get(facts.plan.lower())
    periods = [one for one in (daily, facts.recovery_period) if one is not None]
    promised = f"a deleted row is in no backup after {span(facts.promise)}"
    if daily is None:
        return Finding(
            check="supabase.backups",
            subject=facts.location,
            promised=promised,
            configured=f"plan {facts.plan!r}" if facts.plan else "plan not said",
            in_force="",
            observed="how long backups are kept follows from the plan, which no database tells",
            verdict=Verdict.CANNOT_TELL,
            fix=f"set stack.supabase.plan to the project's: {', '.join(BACKUPS_BY_PLAN)}",
        )
    longest = max(periods)
    words = f"plan {facts.plan.lower()}: daily backups {span(daily)}" if daily else "plan free: no backups"
    if facts.recovery_period is not None:
        words += f", point-in-time recovery {span(facts.recovery_period)}"
    late = longest > facts.promise
    return Finding(
        check="supabase.backups",
        subject=facts.location,
        promised=promised,
        configured=words,
        in_force=f"what is deleted now is in backups until {moment(now + longest)}" if longest else "no residual copy",
        observed="",
        verdict=Verdict.BREACH if late else Verdict.OK,
        fix="shorten point-in-time recovery, or promise what the plan keeps" if late else "",
    )
