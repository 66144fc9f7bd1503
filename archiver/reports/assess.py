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
    return max((remark.level for remark in remarks), key=WORST_LAST.index, default=Level.KEPT)


def remarks(facts: PeriodFacts) -> tuple[Remark, ...]:
    """Everything that a person should know, the worst first."""
    points = [
        *_chain(facts),
        *(remark for dataset in facts.datasets for remark in _dataset(dataset)),
        *_stack(facts),
        *_runs(facts),
        *_holds(facts),
        *_rules(facts),
    ]
    return tuple(sorted(points, key=lambda remark: -WORST_LAST.index(remark.level)))


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


def _dataset(dataset: DatasetFacts) -> Iterator[Remark]:
    yield from _overdue(dataset)
    yield from _proven(dataset)
    yield from _went_along(dataset)
    yield from _odd_rows(dataset)
    yield from _chunks(dataset)
    if dataset.rule is None:
        yield _remark("not_configured", dataset=dataset.name, rows=dataset.held.rows)
    elif dataset.rule.archive_retention_s is None and dataset.held.rows:
        yield _remark("no_archive_period", dataset=dataset.name, rows=dataset.held.rows)
    for change in dataset.schema_changes:
        if change.dropped or change.retyped:
            yield _remark("schema_lossy", dataset=dataset.name, version=change.version, at=change.at)


def _overdue(dataset: DatasetFacts) -> Iterator[Remark]:
    places = {observation.place: observation for observation in dataset.observations}
    for place in ("source", "archive"):
        seen = places.get(place)
        if seen is None or seen.rows is None:
            yield from _unseen(dataset, place)
        elif rows_overdue(seen):
            oldest: Mapping[str, Fact] = {"oldest": seen.oldest or "?"}
            yield _remark(
                f"overdue_{place}",
                level=Level.BROKEN,
                dataset=dataset.name,
                rows=rows_overdue(seen),
                at=seen.at,
                **oldest,
            )
        if seen is not None and seen.rows_on_hold:
            yield _remark("overdue_on_hold", level=Level.KEPT, dataset=dataset.name, rows=seen.rows_on_hold)


def rows_overdue(seen: Observation) -> int:
    """Overdue rows that no hold keeps."""
    return seen.rows_overdue - seen.rows_on_hold


def _overdue_rows(dataset: DatasetFacts) -> int:
    """As last observed; without an observation of the source, as far as the archive itself knows."""
    seen = {observation.place: observation for observation in dataset.observations if observation.rows is not None}
    unseen = 0 if "source" in seen else dataset.rows_overdue_known or 0
    return unseen + sum(rows_overdue(observation) for observation in seen.values())


def _unseen(dataset: DatasetFacts, place: str) -> Iterator[Remark]:
    """Without an observation, what the archive itself knows counts, and a remark says that none was made."""
    if dataset.rule is None or not (dataset.held.rows or dataset.archived.rows or dataset.rows_relocated):
        return
    if place == "source":
        if dataset.rows_overdue_known:
            yield _remark("overdue_known", level=Level.BROKEN, dataset=dataset.name, rows=dataset.rows_overdue_known)
        if dataset.rule.source != "loki" and dataset.rule.source_retention_s is not None:
            yield _remark("not_observed_source", dataset=dataset.name)
    elif dataset.rule.archive_retention_s is not None:
        yield _remark("not_observed_archive", dataset=dataset.name)


def _proven(dataset: DatasetFacts) -> Iterator[Remark]:
    unread = dataset.held.objects_unverified if dataset.verifications else dataset.held.objects
    if unread:
        yield _remark("not_verified", dataset=dataset.name, objects=unread)
    if dataset.purges_open:
        yield _remark("purge_open", dataset=dataset.name, rows=dataset.purges_open)
    if dataset.expiries_open:
        yield _remark("expiry_open", dataset=dataset.name, objects=dataset.expiries_open)
    if dataset.parts_waiting:
        yield _remark("parts_open", dataset=dataset.name, objects=dataset.parts_waiting)
    if dataset.objects_locked and dataset.locked_until is None:
        yield _remark("kept_without_end", dataset=dataset.name, objects=dataset.objects_locked)
    elif dataset.objects_locked and dataset.locked_until is not None:
        yield _remark("kept_until", dataset=dataset.name, objects=dataset.objects_locked, until=dataset.locked_until)
    confirmed = [deletion for deletion in dataset.deletions if deletion.confirmed]
    if confirmed:
        yield _remark(
            "guard_confirmed",
            level=Level.KEPT,
            dataset=dataset.name,
            deletions=len(confirmed),
            reasons=tuple(dict.fromkeys(reason for deletion in confirmed for reason in deletion.confirmed)),
        )


def _went_along(dataset: DatasetFacts) -> Iterator[Remark]:
    changes = [change for deletion in dataset.deletions for change in deletion.changed or ()]
    if changes:
        yield _remark(
            "went_along",
            level=Level.KEPT,
            dataset=dataset.name,
            relations=", ".join(sorted({change.relation for change in changes})),
            deleted=sum(change.deleted for change in changes),
            updated=sum(change.updated for change in changes),
            inserted=sum(change.inserted for change in changes),
        )


def _odd_rows(dataset: DatasetFacts) -> Iterator[Remark]:
    if dataset.archived.rows_missing:
        yield _remark("rows_missing", dataset=dataset.name, rows=dataset.archived.rows_missing)
    if dataset.held.rows_undated:
        yield _remark("rows_undated", dataset=dataset.name, rows=dataset.held.rows_undated)
    if dataset.held.rows_duplicate_key:
        yield _remark("rows_duplicate_key", dataset=dataset.name, rows=dataset.held.rows_duplicate_key)
    future = max((observation.rows_future for observation in dataset.observations), default=0)
    if future:
        yield _remark("rows_future", dataset=dataset.name, rows=future)


def _chunks(dataset: DatasetFacts) -> Iterator[Remark]:
    if dataset.chunks is None:
        return
    for loss in dataset.chunks.losses:
        yield _remark(
            "chunks_lost", level=Level.BROKEN, dataset=dataset.name, chunks=loss.chunks, at=loss.at, key=loss.list_key
        )
    if dataset.chunks.files_announced:
        yield _remark("files_open", dataset=dataset.name, chunks=dataset.chunks.files_announced)
    # Which chunks stayed is in the list objects: by the ledger alone only the last look at the directory counts.
    last = next((deletion.chunks for deletion in reversed(dataset.deletions) if deletion.chunks is not None), None)
    if last is not None and last.kept:
        yield _remark("files_kept", dataset=dataset.name, chunks=last.kept)
    if dataset.chunks.quarantined:
        yield _remark("quarantine", dataset=dataset.name, chunks=len(dataset.chunks.quarantined))


# ── The rest ───────────────────────────────────────────────────────────────────────────────────────────────────


def _stack(facts: PeriodFacts) -> Iterator[Remark]:
    if facts.stack is None:
        yield _remark("stack_not_checked")
        return
    for finding in facts.stack.findings:
        if finding.verdict is not Verdict.OK:
            level = Level.BROKEN if finding.verdict is Verdict.BREACH else Level.ATTENTION
            yield _remark(
                f"stack_{finding.verdict}", level=level, check=finding.check, subject=finding.subject, fix=finding.fix
            )


def _runs(facts: PeriodFacts) -> Iterator[Remark]:
    if facts.nights.recorded_since is None:
        yield _remark("nights_not_recorded")
    if facts.nights.missed:
        missed = facts.nights.missed
        yield _remark("nights_missed", nights=len(missed), first=missed[0], last=missed[-1])
    bad = [run for run in facts.runs if failed(run)]
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
    missing = [
        Gap(field=f"facts.rules.{name}", state="not_configured")
        for name in ("controller", "processor", "officer", "record", "residuals")
        if not getattr(facts.rules, name)
    ]
    for rule in facts.rules.datasets:
        missing += [
            Gap(field=f"facts.rules.datasets[{rule.dataset}].{name}", state="not_configured")
            for name in ("purpose", "legal_basis", "deletion_class")
            if not getattr(rule, name)
        ]
        if rule.archive_retention_s is None:
            field = f"facts.rules.datasets[{rule.dataset}].archive_retention_s"
            missing.append(Gap(field=field, state="not_configured"))
    if facts.stack is None:
        missing.append(Gap(field="facts.stack", state="not_recorded"))
    if facts.nights.recorded_since is None:
        missing.append(Gap(field="facts.nights", state="not_recorded"))
    missing += [
        Gap(field=f"facts.datasets[{dataset.name}].observations[{place}]", state="not_recorded")
        for dataset in facts.datasets
        for place in ("source", "archive")
        if all(observation.place != place for observation in dataset.observations)
        and not _checked_otherwise(facts, dataset, place)
    ]
    missing += [
        Gap(field=f"facts.datasets[{dataset.name}].deletions[].rows_done", state="not_recorded")
        for dataset in facts.datasets
        if any(deletion.chunks is not None for deletion in dataset.deletions)
    ]
    missing += [
        Gap(field=f"facts.datasets[{dataset.name}].deletions[].changed", state="not_recorded")
        for dataset in facts.datasets
        if any(deletion.changed is None for deletion in dataset.deletions)
    ]
    return tuple(missing)


def _checked_otherwise(facts: PeriodFacts, dataset: DatasetFacts, place: str) -> bool:
    """Loki deletes by itself: whether it did is what the check of the stack observes."""
    is_loki = place == "source" and dataset.rule is not None and dataset.rule.source == "loki"
    return (
        is_loki
        and facts.stack is not None
        and any(finding.check.startswith("loki.") for finding in facts.stack.findings)
    )


# ── Changes ────────────────────────────────────────────────────────────────────────────────────────────────────


def measures(before: PeriodFacts | None, now: PeriodFacts) -> tuple[Measure, ...]:
    """The numbers of the first screen, beside those of the period before."""
    counted = _counts(now)
    known = {} if before is None else _counts(before)
    return tuple(Measure(code=code, before=known.get(code), now=count) for code, count in counted.items())


def _counts(facts: PeriodFacts) -> dict[str, int]:
    findings = facts.stack.findings if facts.stack else ()
    return {
        "rows_archived": sum(dataset.archived.rows for dataset in facts.datasets),
        "rows_relocated": sum(dataset.rows_relocated for dataset in facts.datasets),
        "rows_deleted": sum(dataset.rows_deleted for dataset in facts.datasets),
        "files_deleted": sum(dataset.chunks.files_deleted for dataset in facts.datasets if dataset.chunks),
        "rows_overdue": sum(_overdue_rows(dataset) for dataset in facts.datasets),
        "rows_held": sum(dataset.held.rows for dataset in facts.datasets),
        "runs": len(facts.runs),
        "runs_failed": sum(failed(run) for run in facts.runs),
        "nights_missed": len(facts.nights.missed),
        "findings_breach": sum(finding.verdict is Verdict.BREACH for finding in findings),
        "findings_unknown": sum(finding.verdict is Verdict.CANNOT_TELL for finding in findings),
        "holds": sum(hold.released_at is None for hold in facts.holds),
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
    known = {rule.dataset: rule for rule in before.rules.datasets}
    stated = {rule.dataset: rule for rule in now.rules.datasets}
    for name in sorted(known.keys() | stated.keys()):
        if name not in known or name not in stated:
            yield _change("dataset_added" if name in stated else "dataset_removed", name)
        else:
            yield from _one_rule(known[name], stated[name])
    if before.rules.config_sha256 != now.rules.config_sha256:
        yield _change("config_changed", before=before.rules.config_sha256[:16], after=now.rules.config_sha256[:16])


def _one_rule(before: DatasetRules, now: DatasetRules) -> Iterator[Change]:
    for field in fields(DatasetRules):
        old, new = getattr(before, field.name), getattr(now, field.name)
        if old == new:
            continue
        if field.name.endswith("_s"):
            yield _change("period_changed", now.dataset, field=field.name, before_s=old, after_s=new)
        else:
            yield _change("rule_changed", now.dataset, field=field.name, before=_plain(old), after=_plain(new))


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_policy(item) for item in value)
    return str(value)


def _policy(value: Any) -> str:
    return value if isinstance(value, str) else f"{value.column}={value.action}"


def _dataset_changes(now: PeriodFacts) -> Iterator[Change]:
    for dataset in now.datasets:
        for change in dataset.schema_changes:
            yield _change("schema_changed", dataset.name, version=change.version, at=change.at, columns=change.columns)
        if dataset.chunks is not None and dataset.chunks.quarantined_in_period:
            yield _change("chunks_quarantined", dataset.name, chunks=dataset.chunks.quarantined_in_period)
        if dataset.chunks is not None and dataset.chunks.released_in_period:
            yield _change("chunks_released", dataset.name, chunks=dataset.chunks.released_in_period)


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
    known = {_about(finding): finding.verdict for finding in before.stack.findings}
    for finding in now.stack.findings:
        was = known.get(_about(finding))
        if was is not None and was is not finding.verdict:
            yield _change(
                "finding_changed",
                check=finding.check,
                subject=finding.subject,
                before=str(was),
                after=str(finding.verdict),
            )


def _about(finding: Finding) -> tuple[str, str]:
    return finding.check, finding.subject
