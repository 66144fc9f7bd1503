"""A report in words: which section says what, in which order. One function a section; no markup."""

from collections.abc import Iterator
from datetime import timedelta

from archiver.model import Failure, StepOutcome, Verdict
from archiver.reports.catalogue import CATALOGUE
from archiver.reports.compose_dataset import configured, dataset_sections, field_label
from archiver.reports.document import (
    Block,
    Cell,
    Column,
    Command,
    Document,
    Facts,
    Figure,
    Note,
    Notes,
    Paragraph,
    Rows,
    Section,
    Table,
    Tone,
    cells,
    shortened,
)
from archiver.reports.facts import failed
from archiver.reports.model import (
    Change,
    HoldFacts,
    Measure,
    Remark,
    Report,
    RunFacts,
)
from archiver.reports.words import Words

TONES: dict[Verdict, Tone] = {Verdict.OK: "good", Verdict.BREACH: "bad", Verdict.CANNOT_TELL: "warn"}

FIGURES = ("rows_archived", "rows_relocated", "rows_deleted", "rows_overdue", "nights_missed")
"""Measures that stand on the first screen."""


def report_document(report: Report, words: Words) -> Document:
    """The whole report in one language."""
    facts = report.facts
    last = facts.period.until - timedelta(microseconds=1)
    return Document(
        language=words.language,
        title=words.t("title.report"),
        subtitle=words.t("title.period", period=words.period(facts.period)),
        number=report.number,
        verdict=report.verdict,
        verdict_label=words.t(f"verdict.{report.verdict}"),
        verdict_text=words.t(f"verdict.{report.verdict}.text", points=_points(report)),
        verdict_note=""
        if report.verdict_before is None
        else words.t("verdict.before", verdict=words.t(f"verdict.{report.verdict_before}")),
        figures=_figures_shown(report, words),
        date=last.date(),
        sections=(
            _person(report, words),
            _changes(report, words),
            _identity(report, words),
            *(section for dataset in facts.datasets for section in dataset_sections(report, dataset, words)),
            *_litter(report, words),
            _holds(report, words),
            _runs(report, words),
            _stack(report, words),
            _chain(report, words),
            _gaps(report, words),
        ),
    )


def _points(report: Report) -> int:
    return sum(remark.level is report.verdict for remark in report.remarks)


def _figures_shown(report: Report, words: Words) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            label=words.t(f"figure.{measure.code}"),
            value=measured(measure, report, words),
            before="" if measure.before is None else words.t("figure.before", before=measure.before),
        )
        for measure in report.measures
        if measure.code in FIGURES
    )


def measured(measure: Measure, report: Report, words: Words) -> str:
    """A number of the period; a dash where nobody counted, which is not the same as none."""
    facts = report.facts
    nobody = {
        "nights_missed": facts.nights.recorded_since is None,
        "findings_breach": facts.stack is None,
        "findings_unknown": facts.stack is None,
    }
    return words.t("none") if nobody.get(measure.code) else words.number(measure.now)


# ── The first screen ───────────────────────────────────────────────────────────────────────────────────────────


def _person(report: Report, words: Words) -> Section:
    notes = tuple(remark_note(remark, words) for remark in report.remarks)
    block: Block = Notes(notes) if notes else Paragraph(words.t("section.person.none"))
    return Section("person", words.t("section.person"), (block,))


def remark_note(remark: Remark, words: Words) -> Note:
    """A remark in words."""
    given = dict(remark.facts)
    if "check" in given:
        given["check"] = words.check(str(given["check"]))
    given["fix"] = given.get("fix") or words.t("none")
    return Note(
        level=remark.level,
        label=words.t(f"level.{remark.level}"),
        subject=remark.dataset or words.t("archive"),
        text=words.t(f"remark.{remark.code}", **given),
        action=Cell(words.t(f"action.{remark.code}", **given)),
    )


def _changes(report: Report, words: Words) -> Section:
    blocks: list[Block] = []
    if report.compared_with is None:
        blocks.append(Paragraph(words.t("section.changes.first")))
    else:
        compared = words.t("section.changes.compared", period=words.period(report.compared_with))
        blocks.append(Paragraph(compared, "muted"))
    blocks.append(
        Table(
            "",
            (
                Column(words.t("column.measure"), 4),
                Column(words.t("column.before"), right=True),
                Column(words.t("column.now"), right=True),
            ),
            tuple(
                (
                    cells(words.t(f"measure.{measure.code}")),
                    cells(words.t("none") if measure.before is None else words.number(measure.before)),
                    cells(measured(measure, report, words)),
                )
                for measure in report.measures
            ),
        )
    )
    if report.changes:
        items = tuple(
            (change.dataset or words.t("archive"), cells(_change(change, words))) for change in report.changes
        )
        blocks.append(Facts(items))
    elif report.compared_with is not None:
        blocks.append(Paragraph(words.t("section.changes.none")))
    return Section("changes", words.t("section.changes"), tuple(blocks))


def _change(change: Change, words: Words) -> str:
    given = dict(change.facts)
    if "field" in given:
        given["field"] = field_label(str(given["field"]), words)
    for name in ("before", "after"):
        if name in given and change.code == "finding_changed":
            given[name] = words.t(f"finding.{given[name]}")
        elif given.get(name) == "":
            given[name] = words.t("none")
    if "check" in given:
        given["check"] = words.check(str(given["check"]))
    return words.t(f"change.{change.code}", **given)


# ── Identity ───────────────────────────────────────────────────────────────────────────────────────────────────


def _identity(report: Report, words: Words) -> Section:
    facts, rules, chain = report.facts, report.facts.rules, report.facts.chain
    missing = (Cell(words.t("gap.not_recorded"), "warn"),)
    items = (
        ("label.number", cells(report.number, tone="code")),
        ("label.period_utc", cells(words.bounds(facts.period))),
        ("label.period_local", cells(words.local_bounds(facts.period))),
        (
            "label.as_of",
            missing if chain is None else cells(words.t("as_of", seq=str(chain.head_seq), at=chain.head_at)),
        ),
        ("label.tool", cells(words.t("tool", tool=facts.tool or words.t("none"), writer=report.written_by))),
        ("label.config", missing if rules is None else cells(rules.config_sha256, tone="code")),
        ("label.controller", missing if rules is None else configured(rules.controller, words)),
        ("label.processor", missing if rules is None else configured(rules.processor, words)),
        ("label.officer", missing if rules is None else configured(rules.officer, words)),
        ("label.record", missing if rules is None else configured(rules.record, words)),
        ("label.store", cells(report.store, tone="code")),
    )
    return Section(
        "identity",
        words.t("section.identity"),
        (
            Facts(tuple((words.t(label), value) for label, value in items)),
            Paragraph(words.t("text.operations")),
            Paragraph(words.t("text.personal"), "muted"),
        ),
    )


# ── The rest ───────────────────────────────────────────────────────────────────────────────────────────────────


def _litter(report: Report, words: Words) -> Iterator[Section]:
    if not report.facts.litter:
        return
    rows: Rows = [
        (
            cells(words.moment(litter.deleted_at)),
            cells(words.number(len(litter.proofs))),
            cells(words.size(litter.size_bytes)),
            cells(str(litter.entry_seq)),
        )
        for litter in report.facts.litter
    ]
    shown, hidden = shortened(rows)
    yield Section(
        "litter",
        words.t("section.litter"),
        (
            Paragraph(words.t("text.litter"), "muted"),
            Table(
                "",
                (
                    Column(words.t("column.deleted_at"), 2),
                    Column(words.t("column.objects"), right=True),
                    Column(words.t("column.size"), right=True),
                    Column(words.t("column.entry"), right=True),
                ),
                shown,
                words.t("more", rows=hidden) if hidden else "",
            ),
        ),
    )


def _holds(report: Report, words: Words) -> Section:
    holds = report.facts.holds
    if not holds:
        return Section("holds", words.t("section.holds"), (Paragraph(words.t("section.holds.none")),))
    columns = (
        Column(words.t("column.reference"), 2),
        Column(words.t("column.scope"), 3),
        Column(words.t("column.reason"), 3),
        Column(words.t("column.placed"), 2),
        Column(words.t("column.review"), 2),
        Column(words.t("column.released"), 2),
    )
    shown, hidden = shortened([_hold(hold, words) for hold in holds])
    remainder = words.t("more", rows=hidden) if hidden else ""
    return Section("holds", words.t("section.holds"), (Table("", columns, shown, remainder),))


def _hold(hold: HoldFacts, words: Words) -> tuple[tuple[Cell, ...], ...]:
    scope = [hold.dataset or words.t("scope.everything")]
    if hold.since is not None or hold.until is not None:
        scope.append(
            words.t(
                "scope.bounds",
                since=words.day(hold.since.date()) if hold.since else "…",
                until=words.day(hold.until.date()) if hold.until else "…",
            )
        )
    scope.append(words.t("scope.subject", subject=hold.subject) if hold.subject else words.t("scope.all"))
    return (
        cells(hold.reference or hold.hold),
        cells(*scope),
        cells(hold.reason or words.t("none")),
        cells(words.instant(hold.placed_at)),
        cells(words.day(hold.review_on.date())),
        cells(words.instant(hold.released_at), hold.release_reason) if hold.released_at else cells(words.t("none")),
    )


def _runs(report: Report, words: Words) -> Section:
    nights = report.facts.nights
    if nights.recorded_since is None:
        runs = missed = cells(words.t("gap.not_recorded"), tone="warn")
    else:
        runs = cells(words.t("nights", runs=nights.runs, since=nights.recorded_since))
        missed = (
            cells(", ".join(words.day(night) for night in nights.missed), tone="warn")
            if nights.missed
            else cells(words.t("none"))
        )
    blocks: list[Block] = [Facts(((words.t("label.nights"), runs), (words.t("label.missed"), missed)))]
    bad = [run for run in report.facts.runs if failed(run)]
    if bad:
        columns = (
            Column(words.t("column.run"), 2),
            Column(words.t("column.status"), 2),
            Column(words.t("column.steps"), 5),
        )
        shown, hidden = shortened([_run(run, words) for run in bad])
        blocks.append(Table("", columns, shown, words.t("more", rows=hidden) if hidden else ""))
    elif report.facts.runs:
        blocks.append(Paragraph(words.t("runs.none")))
    return Section("runs", words.t("section.runs"), tuple(blocks))


def _run(run: RunFacts, words: Words) -> tuple[tuple[Cell, ...], ...]:
    meaning = f"exit.{run.exit_status}"
    notes: list[Cell] = []
    for step in run.steps:
        if step.outcome is StepOutcome.FAILED:
            notes.append(Cell(words.t("step.failed", step=words.step(step.step), status=str(step.exit_status))))
        elif step.outcome is StepOutcome.SKIPPED:
            notes.append(Cell(words.t("step.skipped", step=words.step(step.step)), "muted"))
        # That it failed with this status stands there already.
        if step.outcome is not StepOutcome.DONE and step.reason is not None and step.reason.code != Failure.STATUS:
            notes.append(Cell(words.statement(step.reason)))
    return (
        cells(words.moment(run.started_at), run.command),
        cells(str(run.exit_status), words.t(meaning) if meaning in CATALOGUE else ""),
        tuple(notes) or cells(words.t("none")),
    )


def _stack(report: Report, words: Words) -> Section:
    stack = report.facts.stack
    title = words.t("section.stack")
    if stack is None:
        return Section("stack", title, (Paragraph(words.t("section.stack.none"), "warn"),))
    columns = (
        Column(words.t("column.verdict"), 2),
        Column(words.t("column.check"), 3),
        Column(words.t("column.promised"), 2),
        Column(words.t("column.configured"), 3),
        Column(words.t("column.in_force"), 3),
        Column(words.t("column.observed"), 3),
    )
    order = (Verdict.BREACH, Verdict.CANNOT_TELL, Verdict.OK)
    rows: Rows = [
        (
            cells(words.t(f"finding.{finding.verdict}"), tone=TONES[finding.verdict]),
            (Cell(words.check(finding.check)), Cell(finding.subject, "muted")),
            *(
                (Cell(words.statements(said) or words.t("none")),)
                for said in (finding.promised, finding.configured, finding.in_force, finding.observed)
            ),
        )
        for finding in sorted(stack.findings, key=lambda finding: order.index(finding.verdict))
    ]
    shown, hidden = shortened(rows)
    checked = words.t(
        "stack.checked", checks=stack.checks_in_period, at=stack.at, promised=words.duration(stack.promised_s)
    )
    remainder = words.t("more", rows=hidden) if hidden else ""
    return Section("stack", title, (Paragraph(checked, "muted"), Table("", columns, shown, remainder)))


def _chain(report: Report, words: Words) -> Section:
    chain = report.facts.chain
    title = words.t("section.chain")
    if chain is None:
        return Section("chain", title, (Paragraph(words.t("gap.not_recorded"), "warn"),))
    items = (
        ("label.archive_id", cells(chain.archive_id, tone="code")),
        ("label.head", cells(words.t("as_of", seq=str(chain.head_seq), at=chain.head_at), chain.head_key)),
        ("label.entries", cells(words.number(chain.entries))),
        ("label.head_hash", cells(chain.head_hash, tone="code")),
        ("label.signature", cells(chain.head_signature, tone="code")),
        ("label.public_key", cells(chain.public_key, tone="code")),
        ("label.anchor", cells(report.anchor, tone="code") or configured("", words)),
    )
    return Section(
        "chain",
        title,
        (
            Facts(tuple((words.t(label), value) for label, value in items)),
            Paragraph(words.t("text.check")),
            Command(report.verify_command),
            Paragraph(words.t("text.check.head")),
            Command(f"sha256sum ./copy/{chain.head_key}"),
        ),
    )


def _gaps(report: Report, words: Words) -> Section:
    title = words.t("section.gaps")
    if not report.gaps:
        return Section("gaps", title, (Paragraph(words.t("text.gaps.none")),))
    rows: Rows = [
        (
            cells(_gap_label(gap.field, words)),
            cells(gap.field, tone="code"),
            cells(words.t(f"gap.{gap.state}"), tone="warn"),
        )
        for gap in report.gaps
    ]
    columns = (
        Column(words.t("column.field"), 3),
        Column(words.t("column.json"), 4),
        Column(words.t("column.state"), 2),
    )
    return Section("gaps", title, (Table(words.t("text.gaps"), columns, tuple(rows)),))


def _gap_label(path: str, words: Words) -> str:
    """``facts.datasets[x].observations[source]`` as a person calls it."""
    names = [part.split("[") for part in path.split(".")]
    dataset = next((part[1].rstrip("]") for part in names if part[0] == "datasets"), "")
    last = names[-1]
    if last[0] == "observations":
        label = f"{words.t('section.observed')} ({words.t(f'place.{last[1].rstrip(chr(93))}')})"
    else:
        label = field_label(last[0], words)
    return f"{dataset}: {label}" if dataset else label
