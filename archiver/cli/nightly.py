"""``archiver run nightly``."""

import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any, Literal

import typer

from archiver import __version__
from archiver.app import build as wiring
from archiver.app import deletion as wiring_deletion
from archiver.app import report as wiring_report
from archiver.app import stack as wiring_stack
from archiver.app.archive import opened_in
from archiver.app.night import (
    COMMAND,
    INTEGRITY,
    INTERRUPTED,
    PARTIAL,
    NightWork,
    Skipped,
    Step,
    due_for_verification,
    night_status,
    run_steps,
    work_of,
)
from archiver.app.verify import verify_archive
from archiver.cli.common import JsonOption, WaitOption, context
from archiver.cli.compact import execute_compaction
from archiver.cli.export import export_tables
from archiver.cli.loki import export_logs
from archiver.cli.purge import execute_expiry, execute_purge, expiry_work, purge_work
from archiver.cli.purge_loki import purge_logs
from archiver.cli.views import console as views
from archiver.cli.views import stack as render_stack
from archiver.cli.views import verify as verify_views
from archiver.cli.views.console import Output
from archiver.config import Settings
from archiver.errors import ArchiverError, Conflict, Interrupted
from archiver.ledger.ledger import Ledger
from archiver.model import (
    Dataset,
    Event,
    Exported,
    Finding,
    Observed,
    Purged,
    RunEnded,
    Skip,
    StackChecked,
    StepOutcome,
    StepResult,
    Verdict,
)
from archiver.model.statements import ordered
from archiver.operations.archive.observe import archive_observed, source_observed, source_unseen, unexplained
from archiver.operations.archive.verify import VerifyReceipt, VerifyScope, record
from archiver.operations.steps.commit import append_decided
from archiver.operations.steps.run import Run
from archiver.retention import still_there
from archiver.stack.check import exit_status as stack_status
from archiver.stack.targets import StackTargets
from archiver.telemetry import textfile
from archiver.telemetry.log import EventLog
from archiver.telemetry.metrics import DatasetCounts, RunFacts, series_of
from archiver.telemetry.ping import Pinger, PingFailed
from archiver.words import english, english_list


def nightly(
    execute: Annotated[
        bool,
        typer.Option("--execute", help="Delete what is due. Without, everything else is done and nothing deleted."),
    ] = False,
    wait: WaitOption = False,
    json_: JsonOption = False,
) -> None:
    """The whole night as one command, each failure contained.

    Export, verify, purge, expire, compact, stack check, report; one summary line and one exit status, the worst. What
    cron calls (jobs/nightly). Silent when all is well and nobody watches; -v gives log lines, JSON without a
    terminal.

    Example: archiver run nightly --execute
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    log = _log(output)
    with ExitStack() as stack:
        run = stack.enter_context(wiring.new_run(settings, jobs=settings.export_jobs))
        ledger, problem = None, None
        try:
            ledger = stack.enter_context(opened_in(run, settings, "write", wait=wait)).ledger
        except (Conflict, Interrupted):
            # Another run is at work, and tells of itself.
            raise
        except ArchiverError as found:
            # A night that cannot open its archive is still to be seen: in the metrics, by the ping, and the stack is
            # looked at all the same.
            problem = found
        night = _Night(output, settings, run, ledger, problem, log, execute=execute)
        status = night.spend()
    if status:
        raise typer.Exit(status)


def _log(output: Output) -> EventLog:
    return EventLog(sys.stderr if output.verbose else None, as_json=not output.err.is_terminal, now=wiring.now)


@dataclass
class _Night:
    """One night, from the first ping to the last."""

    output: Output
    settings: Settings
    run: Run
    ledger: Ledger | None
    problem: ArchiverError | None
    log: EventLog
    execute: bool = field(kw_only=True)
    findings: tuple[Finding, ...] | None = None
    verified: VerifyReceipt | None = None
    logged: int = 0

    def spend(self) -> int:
        """Do all of it. Returns the exit status."""
        started_at, began = wiring.now(), self.run.monotonic()
        pinger = self._pinger()
        if pinger is not None:
            self._ping(pinger.started)
        self.log.info("run.started", run=self.run.name, version=__version__, execute=self.execute)
        results = run_steps(self._steps(), stop=self.run.stop.is_set, monotonic=self.run.monotonic, progress=self)
        observed = self._observed(results)
        status = night_status(results)
        if status == 0 and unexplained(observed):
            status = PARTIAL
        ended = RunEnded(command=COMMAND, started_at=started_at, exit_status=status, steps=results, observed=observed)
        recorded = self._record(ended)
        if recorded != 0 and status in (0, PARTIAL):
            status, ended = recorded, replace(ended, exit_status=recorded)
        work = work_of(() if self.ledger is None else self.ledger.appended)
        duration_s = self.run.monotonic() - began
        self._tell(ended, work, duration_s)
        self._metrics(ended, work)
        if pinger is not None:
            self._ping(lambda: pinger.ended(status, self.log.tail, duration_s=duration_s))
        return status

    # ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _steps(self) -> list[Step]:
        opened = ("export",) if self.ledger is None else ()
        return [
            Step(name="export", work=self._export),
            Step(name="verify", work=self._verify, needs=opened),
            # What lies beside the archive (3) is to be looked at, and keeps nothing from being deleted on time.
            Step(name="purge", work=self._purge, needs=(*opened, "verify")),
            Step(name="expire", work=self._expire, needs=(*opened, "verify")),
            Step(name="compact", work=self._compact, needs=(*opened, "verify")),
            Step(name="stack_check", work=self._stack_check),
            Step(name="report", work=self._report, needs=opened),
        ]

    @property
    def _open(self) -> Ledger:
        if self.ledger is None:
            assert self.problem is not None
            raise self.problem
        return self.ledger

    @property
    def _datasets(self) -> tuple[Dataset, ...]:
        return self.settings.resolved_datasets()

    def _export(self) -> int:
        ledger, failed, status = self._open, None, 0
        if self._datasets:
            try:
                status = export_tables(self.output, self.settings, self.run, ledger, self._datasets, (None, None))
            except Interrupted:
                raise
            except ArchiverError as problem:
                # A database that is away must not keep logs from being archived before Loki deletes them.
                failed = problem
        if self.settings.logs() is not None:
            if failed is not None:
                self.failed("export", failed)
            run = replace(self.run, jobs=self.settings.loki.jobs)
            logs = export_logs(
                self.output, self.settings, run, ledger, (None, None), dry_run=False, accepts_drift=False
            )
            if logs == INTERRUPTED:
                raise Interrupted("asked to stop; what was committed stays", hint="run again to go on")
            if failed is not None:
                return failed.exit_status
            status = status or logs if 0 in (status, logs) else PARTIAL
        if failed is not None:
            raise failed
        if not self._datasets and self.settings.logs() is None:
            raise Skipped(Skip.NO_DATASET)
        return status

    def _verify(self) -> int:
        ledger = self._open
        ledger.refresh()
        keys = due_for_verification(ledger.holdings, nights=self.settings.nightly.deep_nights)
        scope = VerifyScope(keys=keys)
        run = replace(self.run, jobs=self.settings.verify.jobs)
        with verify_views.VerifyView(self.output) as view:
            receipt, holdings = verify_archive(
                self.settings,
                run,
                ledger.store,
                ledger.anchor,
                public_key=ledger.descriptor.public_key,
                depth="deep",
                scope=scope,
                progress=view,
            )
        self.verified = receipt
        verify_views.verify_receipt(self.output, receipt)
        if not receipt.problems:
            record(ledger, receipt, holdings, scope)
        return receipt.exit_status

    def _purge(self) -> int:
        chosen, has_logs = self._purged_datasets(), self.settings.logs() is not None
        if not chosen and not has_logs:
            raise Skipped(Skip.NO_SOURCE_PERIOD)
        if not self.execute:
            raise Skipped(Skip.NOT_EXECUTED)
        ledger, failed, statuses = self._open, None, set[int]()
        try:
            if chosen:
                source = wiring_deletion.build_purgeable(self.settings, self.run.stop)
                statuses.add(execute_purge(self.output, self.settings, self.run, ledger, source, chosen))
        except Interrupted:
            raise
        except ArchiverError as problem:
            # What becomes of the tables says nothing about the logs.
            failed = problem
        if has_logs:
            run = replace(self.run, jobs=self.settings.loki.jobs)
            statuses.add(purge_logs(self.output, self.settings, run, ledger, execute=True))
        if failed is not None:
            raise failed
        statuses.discard(0)
        return 0 if not statuses else statuses.pop() if len(statuses) == 1 else PARTIAL

    def _purged_datasets(self) -> list[Dataset]:
        return [one for one in self._datasets if one.source_retention is not None]

    def _expire(self) -> int:
        chosen = [one for one in self._expiring_datasets() if one.archive_retention is not None]
        if not chosen:
            raise Skipped(Skip.NO_ARCHIVE_PERIOD)
        if not self.execute:
            raise Skipped(Skip.NOT_EXECUTED)
        run = replace(self.run, jobs=self.settings.verify.jobs)
        return execute_expiry(self.output, self.settings, run, self._open, chosen)

    def _expiring_datasets(self) -> tuple[Dataset, ...]:
        logs = self.settings.logs()
        return (*self._datasets, *(() if logs is None else (logs,)))

    def _compact(self) -> int:
        if not self.execute:
            raise Skipped(Skip.NOT_EXECUTED)
        run = replace(self.run, jobs=self.settings.verify.jobs)
        return execute_compaction(self.output, self.settings, run, self._open, self._expiring_datasets())

    def _stack_check(self) -> int:
        targets = wiring_stack.stack_targets(self.settings)
        if targets == StackTargets():
            raise Skipped(Skip.NOTHING_NAMED)
        self.findings = wiring_stack.check_targets(targets)
        render_stack.findings(self.output, self.findings, stack_status(self.findings))
        # What cannot be told has findings, a metric and an alert of its own (StackCheckBlind). The night is green all
        # the same: else nobody would see a night fail where one setting is missing for ever.
        return INTEGRITY if any(one.verdict is Verdict.BREACH for one in self.findings) else 0

    def _report(self) -> int:
        if not self.settings.nightly.report:
            raise Skipped(Skip.NO_REPORT)
        rules = self.settings.report
        today = wiring.now().replace(hour=0, minute=0, second=0, microsecond=0)
        files = wiring_report.write_report(
            self.settings,
            self._open,
            today - timedelta(days=1),
            today,
            rules.languages,
            rules.formats,
            wiring_report.report_directory(self.settings),
        )
        self.log.info("report.written", files=len(files))
        return 0

    # ── As they go: NightProgress ──────────────────────────────────────────────────────────────────────────────

    def started(self, step: str) -> None:
        """See ``NightProgress``."""
        self.log.info("step.started", step=step)

    def failed(self, step: str, problem: Exception) -> None:
        """See ``NightProgress``."""
        if isinstance(problem, ArchiverError):
            self.output.error(problem)
        else:
            # A library's message may quote what it stumbled over, and that may be a row: only who asks sees it.
            self.output.warn(f"{step}: unexpected {type(problem).__name__}; run it with --verbose for the details")
            if self.output.verbose:
                traceback.print_exception(problem)

    def ended(self, result: StepResult) -> None:
        """See ``NightProgress``."""
        appended = () if self.ledger is None else self.ledger.appended[self.logged :]
        self.logged += len(appended)
        for entry in appended:
            for event in entry.events:
                self._log_event(entry.seq, event)
        reason = {} if result.reason is None else {"reason": result.reason.code}
        self.log.info(
            "step.ended",
            step=result.step,
            outcome=result.outcome.value,
            exit=result.exit_status,
            duration_s=result.duration_ms / 1000,
            **reason,
        )

    def _log_event(self, seq: int, event: Event) -> None:
        if isinstance(event, Exported):
            for segment in event.segments:
                self.log.info(
                    "segment.exported",
                    seq=seq,
                    dataset=event.dataset,
                    slot=str(event.slot),
                    rows=segment.rows,
                    size_bytes=segment.size_bytes,
                )
        elif isinstance(event, Purged):
            self.log.info("slot.purged", seq=seq, dataset=event.dataset, slot=str(event.slot), rows=event.rows)

    # ── Afterwards ─────────────────────────────────────────────────────────────────────────────────────────────

    def _observed(self, results: tuple[StepResult, ...]) -> tuple[Observed, ...]:
        """Look at what is left, with eyes that know nothing of what the steps believe."""
        if self.ledger is None:
            return ()
        by_name = {result.step: result for result in results}
        return (*self._sources(self.ledger, by_name["purge"]), *self._archives(self.ledger, by_name["expire"]))

    def _sources(self, ledger: Ledger, purge: StepResult) -> list[Observed]:
        chosen = self._purged_datasets()
        if not chosen:
            return []
        purged = [event for entry in ledger.appended for event in entry.events if isinstance(event, Purged)]
        try:
            source = wiring_deletion.build_purgeable(self.settings, self.run.stop)
            plans, _ = purge_work(self.output, self.settings, self.run, ledger, source, chosen).plan()
        except ArchiverError:
            # The step that needed the source has said what is wrong with it.
            return [source_unseen(one.name) for one in chosen]
        why = still_there("purged", purge)
        return [
            source_observed(plan, [one for one in purged if one.dataset == plan.dataset], otherwise=why)
            for plan in plans
        ]

    def _archives(self, ledger: Ledger, expire: StepResult) -> list[Observed]:
        chosen = self._expiring_datasets()
        plans = {
            plan.dataset: plan for plan in expiry_work(self.output, self.settings, self.run, ledger, chosen).plan()
        }
        why = still_there("expired", expire)
        return [
            archive_observed(one, ledger.holdings.dataset(one.name), plans.get(one.name), otherwise=why)
            for one in chosen
        ]

    def _record(self, ended: RunEnded) -> int:
        """Note the night in the ledger. Returns the exit status of that."""
        ledger = self.ledger
        if ledger is None:
            return 0
        rules = wiring_report.stated_rules(self.settings)

        def events() -> list[Event]:
            said: list[Event] = [] if ledger.holdings.rules == rules else [rules]
            if self.findings is not None:
                promised_s = int(self.settings.stack.retention.total_seconds())
                said.append(StackChecked(promised_s=promised_s, findings=self.findings))
            return [*said, ended]

        try:
            append_decided(ledger, events)
        except ArchiverError as problem:
            self.failed("record", problem)
            return problem.exit_status
        return 0

    def _tell(self, ended: RunEnded, work: NightWork, duration_s: float) -> None:
        self.log.info("run.ended", exit=ended.exit_status, duration_s=round(duration_s, 3))
        if self.output.as_json:
            fields: dict[str, Any] = {
                "command": COMMAND,
                "exit": ended.exit_status,
                "elapsed_s": duration_s,
                "rows_exported": work.rows_exported,
                "rows_purged": work.rows_purged,
                "rows_expired": work.rows_expired,
                "steps": ended.steps,
                "observed": ended.observed,
            }
            self.output.json_line("summary", fields)
            return
        line = _summary(ended, work)
        if ended.exit_status:
            self.output.warn(line)
        else:
            self.output.say(line)

    def _metrics(self, ended: RunEnded, work: NightWork) -> None:
        rules = self.settings.metrics
        if rules.textfile is None and rules.otlp_url is None:
            return
        now = wiring.now()
        facts = RunFacts(
            version=__version__,
            ended_at=now,
            ended=ended,
            counts=_counts(self._expiring_datasets(), work),
            holdings=None if self.ledger is None else self.ledger.holdings,
            retention=_retention(self._expiring_datasets()),
            verified=None if self.verified is None else _outcomes(self.verified),
            findings=self.findings,
        )
        before = {} if rules.textfile is None else textfile.read_series(rules.textfile)
        series = series_of(facts, before)
        try:
            if rules.textfile is not None:
                textfile.write_series(rules.textfile, series)
        except ArchiverError as problem:
            self.output.warn(problem.message)
        if rules.otlp_url is not None:
            from archiver.telemetry import otlp  # noqa: PLC0415 (a third of a second)

            token = rules.otlp_token
            headers = {} if token is None else {"x-otlp-token": token.get_secret_value()}
            try:
                otlp.send(rules.otlp_url, series, at=now, headers=headers, timeout_s=rules.timeout_s)
            except otlp.NotSent as problem:
                self.output.warn(str(problem))

    def _pinger(self) -> Pinger | None:
        rules = self.settings.ping
        if rules.url is None:
            return None
        return Pinger(rules.url.get_secret_value(), rules.style, timeout_s=rules.timeout_s)

    def _ping(self, send: Callable[[], None]) -> None:
        try:
            send()
        except PingFailed as problem:
            self.output.warn(str(problem))


def _summary(ended: RunEnded, work: NightWork) -> str:
    did = (
        f"{views.rows_text(work.rows_exported)} exported, {views.rows_text(work.rows_purged)} purged,"
        f" {views.rows_text(work.rows_expired)} expired"
    )
    bad = [f"{step.step} (exit {step.exit_status})" for step in ended.steps if step.outcome is StepOutcome.FAILED]
    skipped = [
        f"{step.step} ({english(step.reason)})"
        for step in ended.steps
        if step.outcome is StepOutcome.SKIPPED and step.reason is not None and step.reason.code == Skip.NEEDS
    ]
    overdue = unexplained(ended.observed)
    said = [f"nightly: exit {ended.exit_status}", did]
    if bad:
        said.append(f"failed: {', '.join(bad)}")
    if skipped:
        said.append(f"skipped: {', '.join(skipped)}")
    if overdue:
        reasons = ordered({one.reason for seen in ended.observed for one in seen.reasons})
        said.append(f"{views.rows_text(overdue)} overdue ({english_list(reasons)})")
    return "; ".join(said)


def _counts(datasets: tuple[Dataset, ...], work: NightWork) -> dict[str, DatasetCounts]:
    found = {one.name: DatasetCounts() for one in datasets}
    for name, one in work.datasets.items():
        found[name] = DatasetCounts(
            exported=one.rows_exported,
            purged=one.rows_purged,
            expired=one.rows_expired,
            bytes_exported=one.bytes_exported,
            bytes_expired=one.bytes_expired,
        )
    return found


def _retention(datasets: tuple[Dataset, ...]) -> dict[tuple[str, Literal["source", "archive"]], timedelta]:
    found: dict[tuple[str, Literal["source", "archive"]], timedelta] = {}
    for one in datasets:
        if one.source_retention is not None:
            found[one.name, "source"] = one.source_retention
        if one.archive_retention is not None:
            found[one.name, "archive"] = one.archive_retention
    return found


def _outcomes(receipt: VerifyReceipt) -> dict[Literal["ok", "failed", "unchecked"], int]:
    failed = len(receipt.problems)
    return {"ok": max(0, receipt.segments - failed), "failed": failed, "unchecked": receipt.skipped}
