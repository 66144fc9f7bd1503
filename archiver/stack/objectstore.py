"""Whether the bucket itself keeps the promise: old versions, lifecycle rules that contradict, locks, public access.

Pure: the facts come from the store's adapter.
"""

from collections.abc import Iterator
from datetime import datetime

from archiver.contracts import LifecycleRule
from archiver.model import Finding, Fix, Force, Look, Promise, Seen, Setting, Statement, Verdict
from archiver.stack.targets import BucketFacts

LEDGER, DATA = "ledger/", "data/"


def judge(facts: BucketFacts, now: datetime) -> tuple[Finding, ...]:  # noqa: ARG001 - every check is asked alike
    """Decide. A store that does not tell gives ``cannot_tell``."""
    if facts.problem is not None:
        return (
            _finding(
                facts,
                "reachable",
                Verdict.CANNOT_TELL,
                promised=Promise.OBJECTS_GONE(limit_s=facts.promise),
                observed=facts.problem,
                fix=Fix.BUCKET(),
            ),
        )
    return (_versions(facts), *_lifecycle(facts), *_lock(facts), _public(facts))


def _finding(
    facts: BucketFacts,
    check_name: str,
    verdict: Verdict,
    *,
    promised: Statement,
    configured: Statement | None = None,
    in_force: tuple[Statement, ...] = (),
    observed: Statement | None = None,
    fix: Statement | None = None,
) -> Finding:
    return Finding(
        check=f"store.{check_name}",
        subject=facts.location,
        promised=(promised,),
        configured=() if configured is None else (configured,),
        in_force=in_force,
        observed=() if observed is None else (observed,),
        verdict=verdict,
        fix=() if fix is None or verdict is Verdict.OK else (fix,),
    )


def _key(facts: BucketFacts, part: str) -> str:
    return f"{facts.prefix}/{part}" if facts.prefix else part


def _reaches(facts: BucketFacts, rule: LifecycleRule, part: str) -> bool:
    """Whether a rule may match keys of a part of the archive: its prefix above or below that of the part."""
    key = _key(facts, part)
    return rule.enabled and (key.startswith(rule.prefix) or rule.prefix.startswith(key))


def _covers(facts: BucketFacts, rule: LifecycleRule, part: str) -> bool:
    """Whether a rule matches every key of a part of the archive."""
    return rule.enabled and not rule.filtered and _key(facts, part).startswith(rule.prefix)


def _versions(facts: BucketFacts) -> Finding:
    promised = Promise.OBJECTS_GONE(limit_s=facts.promise)
    if facts.versioning is None:
        return _finding(
            facts,
            "versions",
            Verdict.CANNOT_TELL,
            promised=promised,
            observed=Look.VERSIONING(),
            fix=Fix.ALLOW_VERSIONING(),
        )
    if not facts.versioning:
        return _finding(facts, "versions", Verdict.OK, promised=promised, in_force=(Force.NO_VERSIONS(),))
    if facts.rules is None:
        return _finding(
            facts,
            "versions",
            Verdict.CANNOT_TELL,
            promised=promised,
            in_force=(Force.VERSIONS(),),
            observed=Look.LIFECYCLE(),
            fix=Fix.ALLOW_LIFECYCLE(),
        )
    expiries = [
        rule.noncurrent_after for rule in facts.rules if rule.noncurrent_after is not None and _covers(facts, rule, "")
    ]
    shortest = min(expiries, default=None)
    fix = Fix.ADD_RULE(days=facts.promise.days)
    if shortest is None:
        return _finding(
            facts,
            "versions",
            Verdict.BREACH,
            promised=promised,
            configured=Setting.VERSIONING_NO_RULE(),
            in_force=(Force.VERSIONS_FOR_EVER(),),
            fix=fix,
        )
    return _finding(
        facts,
        "versions",
        Verdict.OK if shortest <= facts.promise else Verdict.BREACH,
        promised=promised,
        configured=Setting.VERSIONING(period_s=shortest),
        in_force=(Force.VERSIONS_LONGER(period_s=shortest),),
        fix=fix,
    )


def _lifecycle(facts: BucketFacts) -> Iterator[Finding]:
    """Rules that delete or lock away what the ledger says is there."""
    if not facts.holds_archive:
        return
    for rule in facts.rules or ():
        wrong = tuple(_wrong(facts, rule))
        if wrong:
            yield _finding(
                facts,
                "lifecycle",
                Verdict.BREACH,
                promised=Promise.ONLY_ARCHIVER_OBJECTS(),
                configured=Setting.RULE(name=rule.name, prefix=rule.prefix)
                if rule.prefix
                else Setting.RULE_EVERY_KEY(name=rule.name),
                in_force=wrong,
                fix=Fix.LIMIT_RULE(),
            )


def _wrong(facts: BucketFacts, rule: LifecycleRule) -> Iterator[Statement]:
    if rule.expires_after is not None and _reaches(facts, rule, LEDGER):
        yield Force.DELETES_LEDGER(period_s=rule.expires_after)
    if rule.expires_after is not None and _reaches(facts, rule, DATA):
        held = facts.archive_retention
        if held is None:
            yield Force.DELETES_SEGMENTS(period_s=rule.expires_after)
        elif rule.expires_after < held:
            yield Force.DELETES_EARLY(period_s=rule.expires_after, held_s=held)
    if rule.archives_after is not None and (_reaches(facts, rule, LEDGER) or _reaches(facts, rule, DATA)):
        yield Force.COLD(period_s=rule.archives_after)


def _lock(facts: BucketFacts) -> Iterator[Finding]:
    if facts.lock_period and facts.archive_retention is not None and facts.lock_period > facts.archive_retention:
        yield _finding(
            facts,
            "lock",
            Verdict.BREACH,
            promised=Promise.SEGMENTS_GO(limit_s=facts.archive_retention),
            configured=Setting.LOCK(period_s=facts.lock_period),
            in_force=(Force.LOCKED(),),
            fix=Fix.SHORTEN_LOCK(),
        )


def _public(facts: BucketFacts) -> Finding:
    verdict = {True: Verdict.BREACH, False: Verdict.OK, None: Verdict.CANNOT_TELL}[facts.public]
    observed = {True: Seen.ANYBODY(), False: Seen.NOT_PUBLIC(), None: Look.PUBLIC()}[facts.public]
    return _finding(
        facts,
        "public",
        verdict,
        promised=Promise.NOT_PUBLIC(),
        observed=observed,
        fix=Fix.BLOCK_PUBLIC() if facts.public else Fix.ALLOW_PUBLIC(),
    )
