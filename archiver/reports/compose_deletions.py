"""The deletion record of one dataset: what was moved and deleted, what went along, and what proves it. No markup."""

from collections.abc import Iterator

from archiver.model import Copy
from archiver.reports.document import Block, Cell, Column, Facts, Paragraph, Rows, Table, cells, shortened
from archiver.reports.model import DatasetFacts, Deletion
from archiver.reports.period import instant_of
from archiver.reports.words import Words


def deletes_files(dataset: DatasetFacts) -> bool:
    """Whether archiver, and not Loki's compactor, deleted chunks in the period."""
    return any(deletion.chunks is not None for deletion in dataset.deletions)


def deletions(dataset: DatasetFacts, words: Words) -> tuple[Block, ...]:
    """A line for each deletion, how they were done, and what went along."""
    if not dataset.deletions:
        return (Paragraph(words.t("section.deletions.none")),)
    shown, hidden = shortened([_one_deletion(deletion, words) for deletion in dataset.deletions])
    methods = dict.fromkeys(words.t(f"method.{deletion.method}") for deletion in dataset.deletions)
    tools = dict.fromkeys(deletion.tool for deletion in dataset.deletions)
    return (
        Table(
            "",
            (
                Column(words.t("column.operation"), 5),
                Column(words.t("column.slot"), 5),
                Column(words.t("column.due"), 5),
                Column(words.t("column.deleted_at"), 5),
                Column(words.t("column.planned"), 4, right=True),
                Column(words.t("column.done"), 4, right=True),
                Column(words.t("column.difference"), 7),
                Column(words.t("column.left"), 4, right=True),
                Column(words.t("column.entry"), 3, right=True),
            ),
            shown,
            words.t("more", rows=hidden) if hidden else "",
        ),
        Paragraph(words.t("text.deletions", tool=", ".join(tools), methods="; ".join(methods)), "muted"),
        *_changed(dataset, words),
    )


def _changed(dataset: DatasetFacts, words: Words) -> Iterator[Block]:
    rows: Rows = [
        (
            cells(words.slot(deletion.slot), tone="code"),
            cells(change.relation, tone="code"),
            cells(words.number(change.deleted)),
            cells(words.number(change.updated)),
            cells(words.number(change.inserted)),
            cells(str(deletion.entry_seq)),
        )
        for deletion in dataset.deletions
        for change in deletion.changed or ()
    ]
    if not rows:
        return
    shown, hidden = shortened(rows)
    columns = (
        Column(words.t("column.slot"), 3),
        Column(words.t("column.relation"), 4),
        Column(words.t("column.rows_deleted"), 2, right=True),
        Column(words.t("column.rows_updated"), 2, right=True),
        Column(words.t("column.rows_inserted"), 2, right=True),
        Column(words.t("column.entry"), 2, right=True),
    )
    yield Table(words.t("text.changed"), columns, shown, words.t("more", rows=hidden) if hidden else "")


def _one_deletion(deletion: Deletion, words: Words) -> tuple[tuple[Cell, ...], ...]:
    due = [] if deletion.due_from is None else [words.day(deletion.due_from.date())]
    if deletion.due_until is not None and deletion.due_until != deletion.due_from:
        due.append(words.day(deletion.due_until.date()))
    window = cells(words.slot(deletion.slot) or words.t("none"), tone="code")
    if deletion.chunks is not None:
        bounds = (instant_of(text) for text in (deletion.oldest, deletion.newest))
        days = dict.fromkeys(words.day(bound.date()) for bound in bounds if bound is not None)
        window = cells(*days, tone="code") or window
    return (
        cells(words.t(f"operation.{deletion.operation}")),
        window,
        cells(*due) or cells(words.t("none")),
        cells(words.moment(deletion.deleted_at)),
        *_counts(deletion, words),
        cells(str(deletion.entry_seq)),
    )


def _counts(deletion: Deletion, words: Words) -> tuple[tuple[Cell, ...], ...]:
    """Planned, done, difference with its reason, left."""
    files = deletion.chunks
    if files is not None:
        kept = words.t(f"kept.{files.why_kept}", chunks=files.kept) if files.why_kept else words.t("none")
        return (
            cells(words.t("chunks.count", chunks=files.planned)),
            cells(words.t("chunks.count", chunks=files.done)),
            cells(kept),
            cells(words.t("chunks.count", chunks=files.kept)),
        )
    difference = words.kept(deletion.differences)
    if deletion.rows_difference and not difference:
        difference = words.number(deletion.rows_difference)
    return (
        cells(words.t("none") if deletion.rows_planned is None else words.number(deletion.rows_planned)),
        cells(words.number(deletion.rows_done)),
        cells(difference or words.t("none")),
        cells(_left(deletion, words)),
    )


def _left(deletion: Deletion, words: Words) -> str:
    if deletion.rows_left is not None:
        return words.number(deletion.rows_left)
    if any(copy.copy.code == Copy.LOCK for copy in deletion.residuals):
        return words.t("left.locked", until="…" if deletion.kept_until is None else deletion.kept_until.date())
    return words.t("none")


def proofs(dataset: DatasetFacts, words: Words) -> tuple[Block, ...]:
    """The objects that prove the deletions of rows, each once; empty: there are none."""
    unique = {
        proof.key: proof for deletion in dataset.deletions if deletion.chunks is None for proof in deletion.proofs
    }
    if not unique:
        return ()
    rows: Rows = []
    for proof in unique.values():
        checked = words.moment(proof.verified_at) if proof.verified_at else words.t("never")
        rows.append(
            (
                cells(proof.key, proof.sha256, tone="code"),
                cells(words.number(proof.rows)),
                cells(words.size(proof.size_bytes)),
                cells(checked, words.t("deep") if proof.is_deep else ""),
            )
        )
    shown, hidden = shortened(rows)
    return (
        Paragraph(words.t("text.proofs"), "muted"),
        Table(
            "",
            (
                Column(words.t("column.object"), 8),
                Column(words.t("column.rows"), right=True),
                Column(words.t("column.size"), right=True),
                Column(words.t("column.verified"), 2),
            ),
            shown,
            words.t("more", rows=hidden) if hidden else "",
        ),
    )


def files(dataset: DatasetFacts, words: Words) -> tuple[Block, ...]:
    """The deletions of Loki's chunk files, with the objects that name them."""
    rows: Rows = []
    for deletion in dataset.deletions:
        if deletion.chunks is None:
            continue
        proven_at = deletion.chunks.proven_at
        rows.append(
            (
                cells(words.moment(deletion.deleted_at)),
                cells(words.number(deletion.chunks.done)),
                cells(words.size(deletion.size_bytes)),
                tuple(Cell(text, "code") for proof in deletion.proofs for text in (proof.key, proof.sha256))
                or cells(words.t("none")),
                cells(words.moment(proven_at)) if proven_at else (Cell(words.t("gap.not_recorded"), "warn"),),
                cells(words.t("files.later" if deletion.method == "chunks_reconciled" else "files.same_run")),
                cells(str(deletion.entry_seq)),
            )
        )
    facts = dataset.chunks
    assert facts is not None
    total = words.t(
        "files.total",
        chunks=facts.files_deleted,
        size=words.size(facts.files_deleted_bytes),
        operations=len(rows),
        later=facts.files_reconciled,
    )
    shown, hidden = shortened(rows)
    return (
        Paragraph(words.t("text.files"), "muted"),
        Facts(
            (
                (words.t("label.files"), cells(total)),
                (words.t("label.files_open"), cells(words.t("chunks.count", chunks=facts.files_announced))),
            )
        ),
        Table(
            "",
            (
                Column(words.t("column.deleted_at"), 3),
                Column(words.t("column.chunks"), 2, right=True),
                Column(words.t("column.size"), 2, right=True),
                Column(words.t("column.list"), 7),
                Column(words.t("column.proven"), 3),
                Column(words.t("column.accounted"), 3),
                Column(words.t("column.entry"), 2, right=True),
            ),
            shown,
            words.t("more", rows=hidden) if hidden else "",
        ),
    )
