"""The verdict, what needs a person, and what changed. Pure: judges what ``facts`` found, looks nowhere else.

- what nobody looked at is never content: a missing check is a remark, as a failed one is
- rows that a hold keeps are not overdue
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from archiver.model import DatasetRules, Finding, Verdict
from archiver.reports.facts import failed
from archiver.reports.model import (
    Change,
    DatasetFacts,
    Fact,
    Gap,
    Level,
    Measure,
    Observation,
    PeriodFacts,
    Remark,
)

WORST_LAST = (Level.KEPT, Level.ATTENTION, Level.BROKEN)


def verdict(remarks: tuple[Remark, ...]) -> Level:
    """The worst of them; kept when there is none."""
    return max((one.level for one in remarks), key=WORST_LAST.index, default=Level.KEPT)


def remarks(facts: PeriodFacts) -> tuple[Remark, ...]:
    """Everything that a person should know, the worst first."""
    found = [
        *_chain(facts),
        *(one for dataset in facts.datasets for one in _dataset(dataset)),
        *_stack(facts),
        *_runs(facts),
        *_holds(facts),
        *_rules(facts),
    ]
    return tuple(sorted(found, key=lambda one: -WORST_LAST.index(one.level)))


def _remark(code: str, *, level: Level = Level.ATTENTION, dataset: str = "", **given: Fact) -> Remark:
    return Remark(code=code, level=level, dataset=dataset, facts=given)


# ── The archive ────────────────────────────────────────────────────────────────────────────────────────────────


def _chain(facts: PeriodFacts) -> Iterator[Remark]:
    if facts.chain is None:
        yield _remark("no_archive")
        return
    for at in facts.chain.adopted:
        yield _remark("anchor_adopted", at=at)
    if facts.period.is_open:
        yield _remark("period_open", level=Level.KEPT, until=facts.period.until)


def _rules(facts: PeriodFacts) -> Iterator[Remark]:
    if facts.chain is None:
        return
    if not facts.rules_are_recorded:
        yield _remark("rules_not_recorded")
    missing = [gap for gap in gaps(facts) if gap.state == "not_configured" and "[" not in gap.field]
    if missing:
        yield _remark("responsible_missing", fields=len(missing))


# ── Datasets ───────────────────────────────────────────────────────────────────────────────────────────────────


def _dataset(of: DatasetFacts) -> Iterator[Remark]:
    yield from _overdue(of)
    yield from _proven(of)
    yield from _odd_rows(of)
    yield from _chunks(of)
    if of.rule is None:
        yield _remark("not_configured", dataset=of.name, rows=of.held.rows)
    elif of.rule.archive_retention_s is None and of.held.rows:
        yield _remark("no_archive_period", dataset=of.name, rows=of.held.rows)
    for change in of.schema_changes:
        if change.dropped or change.retyped:
            yield _remark("schema_lossy", dataset=of.name, version=change.version, at=change.at)


def _overdue(of: DatasetFacts) -> Iterator[Remark]:
    places = {one.place: one for one in of.observations}
    for place in ("source", "archive"):
        seen = places.get(place)
        if seen is None or seen.rows is None:
            yield from _unseen(of, place)
        elif rows_overdue(seen):
            oldest: Mapping[str, Fact] = {"oldest": seen.oldest or "?"}
            yield _remark(
                f"overdue_{place}", level=Level.BROKEN, dataset=of.name, rows=rows_overdue(seen), at=seen.at, **oldest
            )
        if seen is not None and seen.rows_on_hold:
            yield _remark("overdue_on_hold", level=Level.KEPT, dataset=of.name, rows=seen.rows_on_hold)


def rows_overdue(seen: Observation) -> int:
    """Overdue rows that no hold keeps."""
    return seen.rows_overdue - seen.rows_on_hold


def _overdue_rows(of: DatasetFacts) -> int:
    """As the last look found; where nobody looked at the source, as far as the archive itself knows."""
    seen = {one.place: one for one in of.observations if one.rows is not None}
    unseen = 0 if "source" in seen else of.rows_overdue_known or 0
    return unseen + sum(rows_overdue(one) for one in seen.values())


def _unseen(of: DatasetFacts, place: str) -> Iterator[Remark]:
    """Nobody looked: what the archive itself knows counts, and that nobody looked is said."""
    if of.rule is None or not (of.held.rows or of.archived.rows or of.rows_relocated):
        return
    if place == "source":
        if of.rows_overdue_known:
            yield _remark("overdue_known", level=Level.BROKEN, dataset=of.name, rows=of.rows_overdue_known)
        if of.rule.source != "loki" and of.rule.source_retention_s is not None:
            yield _remark("not_observed_source", dataset=of.name)
    elif of.rule.archive_retention_s is not None:
        yield _remark("not_observed_archive", dataset=of.name)


def _proven(of: DatasetFacts) -> Iterator[Remark]:
    unread = of.held.objects_unverified if of.verifications else of.held.objects
    if unread:
        yield _remark("not_verified", dataset=of.name, objects=unread)
    if of.purges_open:
        yield _remark("purge_open", dataset=of.name, rows=of.purges_open)
    if of.expiries_open:
        yield _remark("expiry_open", dataset=of.name, objects=of.expiries_open)
    if of.parts_waiting:
        yield _remark("parts_open", dataset=of.name, objects=of.parts_waiting)
    if of.objects_locked and of.locked_until is None:
        yield _remark("kept_without_end", dataset=of.name, objects=of.objects_locked)
    elif of.objects_locked and of.locked_until is not None:
        yield _remark("kept_until", dataset=of.name, objects=of.objects_locked, until=of.locked_until)
    confirmed = [one for one in of.deletions if one.confirmed]
    if confirmed:
        yield _remark(
            "guard_confirmed",
            level=Level.KEPT,
            dataset=of.name,
            deletions=len(confirmed),
            reasons=tuple(dict.fromkeys(reason for one in confirmed for reason in one.confirmed)),
        )


def _odd_rows(of: DatasetFacts) -> Iterator[Remark]:
    if of.archived.rows_missing:
        yield _remark("rows_missing", dataset=of.name, rows=of.archived.rows_missing)
    if of.held.rows_undated:
        yield _remark("rows_undated", dataset=of.name, rows=of.held.rows_undated)
    if of.held.rows_duplicate_key:
        yield _remark("rows_duplicate_key", dataset=of.name, rows=of.held.rows_duplicate_key)
    future = max((one.rows_future for one in of.observations), default=0)
    if future:
        yield _remark("rows_future", dataset=of.name, rows=future)


def _chunks(of: DatasetFacts) -> Iterator[Remark]:
    if of.chunks is None:
        return
    for loss in of.chunks.losses:
        yield _remark(
            "chunks_lost", level=Level.BROKEN, dataset=of.name, chunks=loss.chunks, at=loss.at, key=loss.list_key
        )
    if of.chunks.files_announced:
        yield _remark("files_open", dataset=of.name, chunks=of.chunks.files_announced)
    # Which chunks stayed is in the list objects: by the ledger alone only the last look at the directory counts.
    last = next((one.chunks for one in reversed(of.deletions) if one.chunks is not None), None)
    if last is not None and last.kept:
        yield _remark("files_kept", dataset=of.name, chunks=last.kept)
    if of.chunks.quarantined:
        yield _remark("quarantine", dataset=of.name, chunks=len(of.chunks.quarantined))


# ── The rest ───────────────────────────────────────────────────────────────────────────────────────────────────


def _stack(facts: PeriodFacts) -> Iterator[Remark]:
    if facts.stack is None:
        yield _remark("stack_not_checked")
        return
    for one in facts.stack.findings:
        if one.verdict is not Verdict.OK:
            level = Level.BROKEN if one.verdict is Verdict.BREACH else Level.ATTENTION
            yield _remark(f"stack_{one.verdict}", level=level, check=one.check, subject=one.subject, fix=one.fix)


def _runs(facts: PeriodFacts) -> Iterator[Remark]:
    if facts.nights.recorded_since is None:
        yield _remark("nights_not_recorded")
    if facts.nights.missed:
        missed = facts.nights.missed
        yield _remark("nights_missed", nights=len(missed), first=missed[0], last=missed[-1])
    bad = [one for one in facts.runs if failed(one)]
    if bad:
        yield _remark("runs_failed", runs=len(bad), last=bad[-1].started_at, exit_status=bad[-1].exit_status)


def _holds(facts: PeriodFacts) -> Iterator[Remark]:
    for hold in facts.holds:
        if hold.released_at is None and hold.review_on < facts.period.until:
            yield _remark(
                "hold_review", dataset=hold.dataset, reference=hold.reference or hold.hold, on=hold.review_on.date()
            )


# ── Gaps ───────────────────────────────────────────────────────────────────────────────────────────────────────


def gaps(facts: PeriodFacts) -> tuple[Gap, ...]:
    """What the deletion record cannot tell, each field named as in the JSON document."""
    if facts.rules is None:
        return (Gap(field="facts.rules", state="not_recorded"),)
    found = [
        Gap(field=f"facts.rules.{name}", state="not_configured")
        for name in ("controller", "processor", "officer", "record", "residuals")
        if not getattr(facts.rules, name)
    ]
    for rule in facts.rules.datasets:
        found += [
            Gap(field=f"facts.rules.datasets[{rule.dataset}].{name}", state="not_configured")
            for name in ("purpose", "legal_basis", "deletion_class")
            if not getattr(rule, name)
        ]
        if rule.archive_retention_s is None:
            field = f"facts.rules.datasets[{rule.dataset}].archive_retention_s"
            found.append(Gap(field=field, state="not_configured"))
    if facts.stack is None:
        found.append(Gap(field="facts.stack", state="not_recorded"))
    if facts.nights.recorded_since is None:
        found.append(Gap(field="facts.nights", state="not_recorded"))
    found += [
        Gap(field=f"facts.datasets[{of.name}].observations[{place}]", state="not_recorded")
        for of in facts.datasets
        for place in ("source", "archive")
        if all(one.place != place for one in of.observations) and not _checked_otherwise(facts, of, place)
    ]
    found += [
        Gap(field=f"facts.datasets[{of.name}].deletions[].rows_done", state="not_recorded")
        for of in facts.datasets
        if any(one.chunks is not None for one in of.deletions)
    ]
    return tuple(found)


def _checked_otherwise(facts: PeriodFacts, of: DatasetFacts, place: str) -> bool:
    """Loki deletes by itself: whether it did is what the check of the stack observes."""
    is_loki = place == "source" and of.rule is not None and of.rule.source == "loki"
    return is_loki and facts.stack is not None and any(one.check.startswith("loki.") for one in facts.stack.findings)


# ── Changes ────────────────────────────────────────────────────────────────────────────────────────────────────


def measures(before: PeriodFacts | None, now: PeriodFacts) -> tuple[Measure, ...]:
    """The numbers of the first screen, beside those of the period before."""
    counted = _counts(now)
    known = {} if before is None else _counts(before)
    return tuple(Measure(code=code, before=known.get(code), now=count) for code, count in counted.items())


def _counts(facts: PeriodFacts) -> dict[str, int]:
    findings = facts.stack.findings if facts.stack else ()
    return {
        "rows_archived": sum(one.archived.rows for one in facts.datasets),
        "rows_relocated": sum(one.rows_relocated for one in facts.datasets),
        "rows_deleted": sum(one.rows_deleted for one in facts.datasets),
        "files_deleted": sum(one.chunks.files_deleted for one in facts.datasets if one.chunks),
        "rows_overdue": sum(_overdue_rows(one) for one in facts.datasets),
        "rows_held": sum(one.held.rows for one in facts.datasets),
        "runs": len(facts.runs),
        "runs_failed": sum(failed(one) for one in facts.runs),
        "nights_missed": len(facts.nights.missed),
        "findings_breach": sum(one.verdict is Verdict.BREACH for one in findings),
        "findings_unknown": sum(one.verdict is Verdict.CANNOT_TELL for one in findings),
        "holds": sum(one.released_at is None for one in facts.holds),
        "ledger_entries": facts.chain.entries if facts.chain else 0,
    }


def changes(before: PeriodFacts, now: PeriodFacts) -> tuple[Change, ...]:
    """What is otherwise than at the end of the period before, and what happened since."""
    return (
        *_rule_changes(before, now),
        *_dataset_changes(now),
        *_hold_changes(now),
        *_finding_changes(before, now),
    )


def _change(code: str, dataset: str = "", **given: Fact) -> Change:
    return Change(code=code, dataset=dataset, facts=given)


def _rule_changes(before: PeriodFacts, now: PeriodFacts) -> Iterator[Change]:
    if now.rules is None or before.rules is None:
        if now.rules is not None:
            yield _change("rules_first_stated")
        return
    for name in ("controller", "processor", "officer", "record"):
        if getattr(before.rules, name) != getattr(now.rules, name):
            yield _change(
                "responsible_changed",
                field=name,
                before=getattr(before.rules, name),
                after=getattr(now.rules, name),
            )
    if before.rules.stack_retention_s != now.rules.stack_retention_s:
        yield _change(
            "stack_promise_changed",
            before_s=before.rules.stack_retention_s,
            after_s=now.rules.stack_retention_s,
        )
    known = {one.dataset: one for one in before.rules.datasets}
    stated = {one.dataset: one for one in now.rules.datasets}
    for name in sorted(known.keys() | stated.keys()):
        if name not in known or name not in stated:
            yield _change("dataset_added" if name in stated else "dataset_removed", name)
        else:
            yield from _one_rule(known[name], stated[name])
    if before.rules.config_sha256 != now.rules.config_sha256:
        yield _change("config_changed", before=before.rules.config_sha256[:16], after=now.rules.config_sha256[:16])


def _one_rule(before: DatasetRules, now: DatasetRules) -> Iterator[Change]:
    for one in fields(DatasetRules):
        old, new = getattr(before, one.name), getattr(now, one.name)
        if old == new:
            continue
        if one.name.endswith("_s"):
            yield _change("period_changed", now.dataset, field=one.name, before_s=old, after_s=new)
        else:
            yield _change("rule_changed", now.dataset, field=one.name, before=_plain(old), after=_plain(new))


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_policy(one) for one in value)
    return str(value)


def _policy(value: Any) -> str:
    return value if isinstance(value, str) else f"{value.column}={value.action}"


def _dataset_changes(now: PeriodFacts) -> Iterator[Change]:
    for of in now.datasets:
        for change in of.schema_changes:
            yield _change("schema_changed", of.name, version=change.version, at=change.at, columns=change.columns)
        if of.chunks is not None and of.chunks.quarantined_in_period:
            yield _change("chunks_quarantined", of.name, chunks=of.chunks.quarantined_in_period)
        if of.chunks is not None and of.chunks.released_in_period:
            yield _change("chunks_released", of.name, chunks=of.chunks.released_in_period)


def _hold_changes(now: PeriodFacts) -> Iterator[Change]:
    for hold in now.holds:
        name = hold.reference or hold.hold
        if now.period.covers(hold.placed_at):
            yield _change("hold_placed", hold.dataset, reference=name, at=hold.placed_at)
        if hold.released_at is not None and now.period.covers(hold.released_at):
            yield _change("hold_released", hold.dataset, reference=name, at=hold.released_at)


def _finding_changes(before: PeriodFacts, now: PeriodFacts) -> Iterator[Change]:
    if before.stack is None or now.stack is None:
        return
    known = {_about(one): one.verdict for one in before.stack.findings}
    for one in now.stack.findings:
        was = known.get(_about(one))
        if was is not None and was is not one.verdict:
            yield _change(
                "finding_changed", check=one.check, subject=one.subject, before=str(was), after=str(one.verdict)
            )


def _about(one: Finding) -> tuple[str, str]:
    return one.check, one.subject
