"""The sections of one dataset: its rule, its figures, what was deleted and proven. No markup."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from archiver.model import Copy, DatasetRules
from archiver.reports import charts
from archiver.reports.assess import rows_overdue
from archiver.reports.compose_deletions import deletes_files, deletions, files, proofs
from archiver.reports.document import (
    Block,
    Cell,
    Chart,
    Column,
    Facts,
    Paragraph,
    Rows,
    Section,
    Table,
    Tone,
    cells,
    shortened,
)
from archiver.reports.model import (
    ChunkFacts,
    DatasetFacts,
    Held,
    Observation,
    Report,
    Rewrite,
    SchemaChange,
)
from archiver.reports.words import Words

FIELD_LABELS = {
    "source_retention_s": "label.rule_source",
    "archive_retention_s": "label.rule_archive",
    "purpose": "label.purpose",
    "legal_basis": "label.legal_basis",
    "deletion_class": "label.deletion_class",
    "policies": "label.policies",
    "line_policies": "label.policies",
    "subject_columns": "label.subject_columns",
    "place": "label.place",
    "controller": "label.controller",
    "processor": "label.processor",
    "officer": "label.officer",
    "record": "label.record",
    "residuals": "section.residuals",
    "rules": "section.rule",
    "stack": "label.stack",
    "nights": "label.nights",
    "rows_done": "label.rows_of_chunks",
    "changed": "label.changed",
}
"""Names of fields that have a label of their own."""

LOKI_DELAY_CHECK = "loki.oldest_line"


def field_label(name: str, words: Words) -> str:
    """A field's own label; its name where it has none."""
    return words.t(FIELD_LABELS[name]) if name in FIELD_LABELS else name


def configured(text: str, words: Words) -> tuple[Cell, ...]:
    """A statement of the configuration, or that it is missing."""
    return (Cell(text),) if text else (Cell(words.t("gap.not_configured"), "warn"),)


def dataset_sections(report: Report, dataset: DatasetFacts, words: Words) -> Iterator[Section]:
    """All sections of one dataset, the first one with its rule."""
    name = dataset.name
    rule = rule_facts(dataset.rule, words, deletes_files=deletes_files(dataset))
    yield Section(f"dataset-{name}", words.t("section.dataset", name=name), (rule,))
    yield Section(f"figures-{name}", words.t("section.figures"), _figures(report, dataset, words), 2)
    yield Section(f"observed-{name}", words.t("section.observed"), _observed(dataset, words), 2)
    yield Section(f"deletions-{name}", words.t("section.deletions"), deletions(dataset, words), 2)
    if shown := proofs(dataset, words):
        yield Section(f"proofs-{name}", words.t("section.proofs"), shown, 2)
    yield Section(f"residuals-{name}", words.t("section.residuals"), (_residuals(report, dataset, words),), 2)
    if dataset.schema_changes:
        yield Section(f"schema-{name}", words.t("section.schema"), (_schema(dataset.schema_changes, words),), 2)
    if dataset.chunks is not None:
        yield Section(f"chunks-{name}", words.t("section.chunks"), _chunks(dataset.chunks, words), 2)
    if dataset.rewrites or dataset.parts_removed or dataset.parts_waiting:
        yield Section(f"rewrites-{name}", words.t("section.rewrites"), _rewrites(dataset, words), 2)
    if deletes_files(dataset):
        yield Section(f"files-{name}", words.t("section.files"), files(dataset, words), 2)


def rule_facts(rule: DatasetRules | None, words: Words, *, deletes_files: bool = False) -> Block:
    """The rule of one dataset."""
    if rule is None:
        return Paragraph(words.t("gap.not_configured"), "warn")
    items = (
        ("label.place", cells(f"{rule.source}: {rule.place}", tone="code")),
        ("label.rule_source", cells(source_rule(rule, words, deletes_files=deletes_files))),
        ("label.rule_archive", archive_rule(rule, words)),
        ("label.purpose", configured(rule.purpose, words)),
        ("label.legal_basis", configured(rule.legal_basis, words)),
        ("label.deletion_class", configured(rule.deletion_class, words)),
        ("label.subject_columns", cells(", ".join(rule.subject_columns) or words.t("none"))),
        ("label.policies", cells("; ".join(treatments(rule, words)) or words.t("none"))),
    )
    return Facts(tuple((words.t(label), value) for label, value in items))


def treatments(rule: DatasetRules, words: Words) -> list[str]:
    """What is done to columns and lines before they are written."""
    pairs = [(policy.column, str(policy.action)) for policy in rule.policies]
    pairs += [(name, action) for name, _, action in (policy.partition("=") for policy in rule.line_policies)]
    return [f"{name}: {words.action(action)}" for name, action in pairs]


def source_rule(rule: DatasetRules, words: Words, *, deletes_files: bool = False) -> str:
    """Start and period in the source."""
    if rule.source_retention_s is None:
        return words.t("unlimited")
    period = words.duration(rule.source_retention_s)
    if rule.source == "loki":
        return words.t("rule.source.files" if deletes_files else "rule.source.loki", period=period)
    return words.t("rule.source", column=rule.time_column, period=period)


def archive_rule(rule: DatasetRules, words: Words) -> tuple[Cell, ...]:
    """Start and period in the archive, or that none was chosen."""
    if rule.archive_retention_s is None:
        return (Cell(words.t("gap.not_configured"), "warn"),)
    return cells(words.t("rule.archive", period=words.duration(rule.archive_retention_s)))


def _figures(report: Report, dataset: DatasetFacts, words: Words) -> tuple[Block, ...]:
    archived, held, chunks = dataset.archived, dataset.held, dataset.chunks
    odd = [
        words.t(key, rows=count)
        for key, count in (
            ("odd.changed", archived.rows_changed),
            ("odd.late", archived.rows_late),
            ("odd.missing", archived.rows_missing),
            ("odd.duplicate", archived.rows_duplicate_key),
        )
        if count
    ]
    items = [
        ("label.archived", _amount(archived.rows, archived.windows, archived.objects, archived.size_bytes, words)
         + _span(archived.oldest, archived.newest, words)),
        ("label.relocated", cells(
            words.t("rows", rows=dataset.rows_relocated),
            words.t("chunks.moved", chunks=chunks.files_deleted) if chunks and chunks.files_deleted else "",
        )),
        ("label.deleted", cells(
            words.t(
                "deleted",
                rows=dataset.rows_deleted,
                objects=dataset.objects_deleted,
                versions=dataset.versions_deleted,
            )
        )),
        ("label.left", tuple(Cell(words.kept((share,))) for share in dataset.left) or cells(words.t("none"))),
        ("label.held", _amount(held.rows, held.windows, held.objects, held.size_bytes, words)
         + _span(held.oldest, held.newest, words)),
        ("label.verified", _verified(held, words)),
        ("label.next_due", cells(words.instant(held.next_due_at) if held.next_due_at else words.t("none"))),
    ]  # fmt: skip
    if odd:
        items.append(("label.odd", cells(*odd)))
    blocks: list[Block] = [Facts(tuple((words.t(label), value) for label, value in items))]
    if dataset.days:
        made, by_month = charts.steps(dataset.days, report.facts.period, words)
        peak = max(made, key=lambda step: step.counts[0])
        alt = words.t(
            "chart.days.alt",
            archived=sum(step.counts[0] for step in made),
            relocated=sum(step.counts[1] for step in made),
            deleted=sum(step.counts[2] for step in made),
            peak=peak.label,
        )
        title = words.t("chart.months" if by_month else "chart.days")
        blocks.append(Chart(title, charts.bars(made, alt, words), alt))
    if dataset.ages:
        last = {observation.place: observation for observation in dataset.ages}
        alt = words.t(
            "chart.ages.alt",
            places=" ".join(
                words.t(
                    "chart.ages.place",
                    place=words.t(f"place.{place}"),
                    age=words.duration(observation.age_s),
                    limit=words.duration(observation.limit_s),
                )
                for place, observation in last.items()
            ),
        )
        blocks.append(Chart(words.t("chart.ages"), charts.ages(dataset.ages, report.facts.period, alt, words), alt))
    return tuple(blocks)


def _verified(held: Held, words: Words) -> tuple[Cell, ...]:
    if held.verified_since is not None:
        return cells(words.instant(held.verified_since))
    if not held.objects:
        return cells(words.t("none"))
    return cells(words.t("unverified", objects=held.objects_unverified), tone="warn")


def _amount(rows: int, windows: int, objects: int, size_bytes: int, words: Words) -> tuple[Cell, ...]:
    return cells(words.t("archived", rows=rows, windows=windows, objects=objects, size=words.size(size_bytes)))


def _span(oldest: str | None, newest: str | None, words: Words) -> tuple[Cell, ...]:
    if oldest is None or newest is None:
        return ()
    bounds = words.t("archived.bounds", oldest=words.text_instant(oldest), newest=words.text_instant(newest))
    return (Cell(bounds, "muted"),)


def _observed(dataset: DatasetFacts, words: Words) -> tuple[Block, ...]:
    if not dataset.observations:
        return (Paragraph(words.t("section.observed.none"), "warn"),)
    table = Table(
        "",
        (
            Column(words.t("column.place")),
            Column(words.t("column.at"), 2),
            Column(words.t("column.rows"), right=True),
            Column(words.t("column.limit"), right=True),
            Column(words.t("column.oldest"), 2),
            Column(words.t("column.age"), right=True),
            Column(words.t("column.overdue"), right=True),
            Column(words.t("column.reasons"), 2),
        ),
        tuple(_one_observation(observation, words) for observation in dataset.observations),
    )
    return Paragraph(words.t("text.observed"), "muted"), table


def _one_observation(seen: Observation, words: Words) -> tuple[tuple[Cell, ...], ...]:
    overdue_tone: Tone = "bad" if rows_overdue(seen) else "warn" if seen.rows_overdue else "good"
    return (
        cells(words.t(f"place.{seen.place}")),
        cells(words.instant(seen.at)),
        (Cell(words.t("unseen"), "warn"),) if seen.rows is None else cells(words.number(seen.rows)),
        cells(words.duration(seen.limit_s)),
        cells(words.text_instant(seen.oldest)),
        cells(words.t("none") if seen.age_s is None else words.duration(seen.age_s)),
        cells(words.number(seen.rows_overdue), tone=overdue_tone),
        cells(words.kept(seen.reasons) or words.t("none")),
    )


def _residuals(report: Report, dataset: DatasetFacts, words: Words) -> Block:
    rows: Rows = []
    ends = [
        deletion.archive_due_at
        for deletion in dataset.deletions
        if deletion.operation == "relocation" and (deletion.chunks is None or deletion.chunks.done)
    ]
    if ends:
        known = [end for end in ends if end is not None]
        is_chosen = len(known) == len(ends)
        until = cells(words.instant(max(known))) if is_chosen else (Cell(words.t("gap.not_configured"), "warn"),)
        rows.append((cells(words.t("residual.archive")), until))
    rows += [
        (cells(words.statement(residual.copy)), cells(_end(residual.until, words))) for residual in dataset.residuals
    ]
    if dataset.objects_locked:
        rows.append((cells(words.statement(Copy.LOCK())), cells(_end(dataset.locked_until, words))))
    if dataset.rule is not None and dataset.rule.source == "loki" and not deletes_files(dataset):
        findings = report.facts.stack.findings if report.facts.stack else ()
        delay = next(
            (finding.in_force for finding in findings if finding.check == LOKI_DELAY_CHECK and finding.in_force), ()
        )
        delay_cells = cells(words.t("residual.loki.delay", delay=delay)) if delay else (
            Cell(words.t("gap.not_recorded"), "warn"),
        )  # fmt: skip
        rows.append((cells(words.t("residual.loki")), delay_cells))
    if report.facts.rules is not None and not report.facts.rules.residuals:
        rows.append((cells(field_label("residuals", words)), (Cell(words.t("gap.not_configured"), "warn"),)))
    if not rows:
        return Paragraph(words.t("text.residuals.nowhere" if dataset.deletions else "text.residuals.none"))
    columns = (Column(words.t("column.copy"), 3), Column(words.t("column.until"), 2))
    return Table(words.t("text.residuals"), columns, tuple(rows))


def _end(until: datetime | None, words: Words) -> str:
    return words.t("residual.unknown") if until is None else words.instant(until)


def _schema(changes: Sequence[SchemaChange], words: Words) -> Block:
    rows: Rows = []
    for change in changes:
        changed = [
            words.t(key, names=", ".join(f"{column.name} ({column.source_type})" for column in columns))
            for key, columns in (
                ("schema.added", change.added),
                ("schema.dropped", change.dropped),
                ("schema.retyped", change.retyped),
            )
            if columns
        ]
        if change.is_accepted:
            changed.append(words.t("schema.accepted"))
        rows.append(
            (
                cells(str(change.version)),
                cells(words.instant(change.at)),
                cells(words.number(change.columns)),
                cells(*(changed or [words.t("schema.first")])),
            )
        )
    return Table(
        "",
        (
            Column(words.t("column.version"), right=True),
            Column(words.t("column.since"), 2),
            Column(words.t("column.columns"), right=True),
            Column(words.t("column.schema_change"), 5),
        ),
        tuple(rows),
    )


def _rewrites(dataset: DatasetFacts, words: Words) -> tuple[Block, ...]:
    items = [
        (
            words.t("label.parts_removed"),
            cells(
                words.t(
                    "parts",
                    objects=dataset.parts_removed,
                    size=words.size(dataset.parts_removed_bytes),
                    versions=dataset.parts_versions_deleted,
                )
            ),
        )
    ]
    if dataset.parts_waiting:
        waiting = cells(words.t("parts.count", objects=dataset.parts_waiting), tone="warn")
        items.append((words.t("label.parts_waiting"), waiting))
    blocks: list[Block] = [Paragraph(words.t("text.rewrites"), "muted"), Facts(tuple(items))]
    if dataset.rewrites:
        shown, hidden = shortened([_rewrite(rewrite, words) for rewrite in dataset.rewrites])
        columns = (
            Column(words.t("column.rewritten_at"), 3),
            Column(words.t("column.slot"), 3),
            Column(words.t("column.rows"), 2, right=True),
            Column(words.t("column.objects_before"), 2, right=True),
            Column(words.t("column.objects_after"), 8),
            Column(words.t("column.parts_removed_at"), 3),
            Column(words.t("column.entry"), 2, right=True),
        )
        blocks.append(Table("", columns, shown, words.t("more", rows=hidden) if hidden else ""))
    return tuple(blocks)


def _rewrite(rewrite: Rewrite, words: Words) -> tuple[tuple[Cell, ...], ...]:
    return (
        cells(words.moment(rewrite.at)),
        cells(words.slot(rewrite.slot), tone="code"),
        cells(words.number(rewrite.rows)),
        cells(words.number(len(rewrite.replaced)), words.size(sum(proof.size_bytes for proof in rewrite.replaced))),
        (
            *(Cell(text, "code") for proof in rewrite.segments for text in (proof.key, proof.sha256)),
            Cell(words.size(sum(proof.size_bytes for proof in rewrite.segments))),
        ),
        cells(words.moment(rewrite.removed_at)) if rewrite.removed_at else (Cell(words.t("parts.not_yet"), "warn"),),
        cells(str(rewrite.entry_seq)),
    )


def _chunks(chunks: ChunkFacts, words: Words) -> tuple[Block, ...]:
    archived = words.t(
        "chunks",
        chunks=chunks.chunks_archived,
        size=words.size(chunks.size_bytes),
        entries=chunks.entries,
        rows=chunks.rows,
        duplicate=chunks.rows_duplicate,
        deleted=chunks.rows_deleted,
    )
    nothing = cells(words.t("none"))
    items = (
        ("label.chunks", cells(archived)),
        (
            "label.waiting",
            cells(*(f"{words.number(share.chunks)}: {words.statement(share.reason)}" for share in chunks.waiting))
            or nothing,
        ),
        (
            "label.lost",
            tuple(
                cell
                for loss in chunks.losses
                for cell in (Cell(words.t("lost", chunks=loss.chunks, at=loss.at), "bad"), Cell(loss.list_key, "code"))
            )
            or nothing,
        ),
        (
            "label.scrubbed",
            cells(
                *(
                    words.t("scrubbed", pattern=scrub.pattern, lines=scrub.lines, action=words.action(scrub.action))
                    for scrub in chunks.scrubbed
                )
            )
            or nothing,
        ),
        ("label.quarantine", cells(words.number(len(chunks.quarantined)))),
    )
    blocks: list[Block] = [Facts(tuple((words.t(label), value) for label, value in items))]
    if chunks.quarantined:
        rows: Rows = [
            (cells(chunk.chunk, chunk.sha256, tone="code"), cells(words.statement(chunk.reason)))
            for chunk in chunks.quarantined
        ]
        shown, hidden = shortened(rows)
        columns = (Column(words.t("column.chunk"), 3), Column(words.t("column.reason"), 3))
        blocks.append(Table("", columns, shown, words.t("more", rows=hidden) if hidden else ""))
    return tuple(blocks)
