"""Whether the bucket itself keeps the promise: old versions, lifecycle rules that contradict, locks, public access.

Pure: the facts come from the store's adapter.
"""

from collections.abc import Iterator
from datetime import datetime

from archiver.contracts import LifecycleRule
from archiver.model import Finding, Verdict
from archiver.stack.targets import BucketFacts
from archiver.stack.words import span

LEDGER, DATA = "ledger/", "data/"


def judge(facts: BucketFacts, now: datetime) -> tuple[Finding, ...]:  # noqa: ARG001 - every check is asked alike
    """Decide. A store that does not tell gives ``cannot_tell``."""
    if facts.problem:
        return (
            _finding(
                facts,
                "reachable",
                Verdict.CANNOT_TELL,
                promised=f"what is deleted is gone within {span(facts.promise)}",
                observed=facts.problem,
                fix="correct the bucket's name, the endpoint and the credentials (AWS_…)",
            ),
        )
    return (_versions(facts), *_lifecycle(facts), *_lock(facts), _public(facts))


def _finding(facts: BucketFacts, check_name: str, verdict: Verdict, **words: str) -> Finding:
    filled = {"promised": "", "configured": "", "in_force": "", "observed": "", **words}
    fix = "" if verdict is Verdict.OK else filled.pop("fix", "")
    filled.pop("fix", None)
    return Finding(check=f"store.{check_name}", subject=facts.location, verdict=verdict, fix=fix, **filled)


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
    promised = f"what is deleted is gone within {span(facts.promise)}"
    if facts.versioning is None:
        return _finding(
            facts,
            "versions",
            Verdict.CANNOT_TELL,
            promised=promised,
            observed="the store does not tell whether it keeps old versions",
            fix="allow GetBucketVersioning, or look in its console",
        )
    if not facts.versioning:
        return _finding(facts, "versions", Verdict.OK, promised=promised, in_force="no old versions are kept")
    if facts.rules is None:
        return _finding(
            facts,
            "versions",
            Verdict.CANNOT_TELL,
            promised=promised,
            in_force="old versions are kept",
            observed="the store does not tell its lifecycle rules",
            fix="allow GetLifecycleConfiguration",
        )
    expiries = [
        one.noncurrent_after for one in facts.rules if one.noncurrent_after is not None and _covers(facts, one, "")
    ]
    shortest = min(expiries, default=None)
    fix = f"add a lifecycle rule that expires noncurrent versions after at most {facts.promise.days} days"
    if shortest is None:
        return _finding(
            facts,
            "versions",
            Verdict.BREACH,
            promised=promised,
            configured="versioning on, no rule expires old versions of every key",
            in_force="what is deleted or overwritten stays as an old version for ever",
            fix=fix,
        )
    return _finding(
        facts,
        "versions",
        Verdict.OK if shortest <= facts.promise else Verdict.BREACH,
        promised=promised,
        configured=f"versioning on, old versions expire after {span(shortest)}",
        in_force=f"a deleted object can live {span(shortest)} longer as an old version",
        fix=fix,
    )


def _lifecycle(facts: BucketFacts) -> Iterator[Finding]:
    """Rules that delete or lock away what the ledger says is there."""
    if not facts.holds_archive:
        return
    for rule in facts.rules or ():
        wrong = []
        if rule.expires_after is not None and _reaches(facts, rule, LEDGER):
            wrong.append(f"it deletes ledger entries after {span(rule.expires_after)}: the archive would be broken")
        if rule.expires_after is not None and _reaches(facts, rule, DATA):
            held = facts.archive_retention
            if held is None:
                wrong.append(f"it deletes segments after {span(rule.expires_after)}, behind the ledger's back")
            elif rule.expires_after < held:
                wrong.append(
                    f"it deletes segments after {span(rule.expires_after)}, but they are to be held {span(held)}"
                )
        if rule.archives_after is not None and (_reaches(facts, rule, LEDGER) or _reaches(facts, rule, DATA)):
            wrong.append(f"after {span(rule.archives_after)} objects must be restored before they can be verified")
        if wrong:
            yield _finding(
                facts,
                "lifecycle",
                Verdict.BREACH,
                promised="only archiver deletes what its ledger names",
                configured=f"rule {rule.name!r} for {rule.prefix or 'every key'}",
                in_force="; ".join(wrong),
                fix="limit the rule to keys outside of the archive, or remove it; `archiver expire` deletes on time",
            )


def _lock(facts: BucketFacts) -> Iterator[Finding]:
    if facts.lock_period and facts.archive_retention is not None and facts.lock_period > facts.archive_retention:
        yield _finding(
            facts,
            "lock",
            Verdict.BREACH,
            promised=f"segments go after {span(facts.archive_retention)}",
            configured=f"object lock for {span(facts.lock_period)}",
            in_force="nothing can be deleted on time",
            fix="shorten the bucket's default lock; what is locked already stays until its date",
        )


def _public(facts: BucketFacts) -> Finding:
    verdict = {True: Verdict.BREACH, False: Verdict.OK, None: Verdict.CANNOT_TELL}[facts.public]
    observed = {
        True: "anybody can read it",
        False: "not public",
        None: "the store does not tell whether it is public",
    }[facts.public]
    return _finding(
        facts,
        "public",
        verdict,
        promised="nobody reads it without credentials",
        observed=observed,
        fix="block public access at the bucket and the account"
        if facts.public
        else "allow GetBucketPolicyStatus and GetPublicAccessBlock, or look in its console",
    )
