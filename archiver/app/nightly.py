"""``run nightly``: the same use cases as by day, as a list of steps, and what is recorded and reported afterwards."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from archiver.app import build
from archiver.app.archive import Archive, datasets_of
from archiver.app.compact import compact
from archiver.app.deletion import purge_source
from archiver.app.expire import expire, expiry_of
from archiver.app.export import Asked, export_logs, export_tables
from archiver.app.metrics import publish
from archiver.app.night import (
    COMMAND,
    INTEGRITY,
    PARTIAL,
    NightProgress,
    NightWork,
    Skipped,
    Step,
    night_status,
    run_steps,
    work_of,
)
from archiver.app.outcome import Outcome, combined, each
from archiver.app.purge import purge_logs, purge_of, purge_tables
from archiver.app.report import report_directory, stated_rules, write_report
from archiver.app.stack import check_targets, stack_targets
from archiver.app.verify import Verified, verify_tonight
from archiver.config import Settings
from archiver.errors import ArchiverError
from archiver.model import (
    Dataset,
    Entry,
    Event,
    Finding,
    Observed,
    Purged,
    RunEnded,
    Skip,
    StackChecked,
    StepResult,
    Verdict,
)
from archiver.operations.archive.compact import CompactProgress
from archiver.operations.archive.expire import ExpireProgress
from archiver.operations.archive.observe import archive_observed, source_observed, source_unseen, unexplained
from archiver.operations.archive.verify import VerifyProgress
from archiver.operations.logs.decode import LokiProgress
from archiver.operations.steps.commit import append_decided
from archiver.operations.steps.run import Run
from archiver.operations.tables.export import ExportProgress
from archiver.operations.tables.purge import PurgeProgress
from archiver.retention import still_there
from archiver.stack.targets import StackTargets
from archiver.telemetry.ping import Pinger, PingFailed


class Watchers(Protocol):
    """Makes the watchers of the use cases: a new one for each."""

    def export(self) -> AbstractContextManager[ExportProgress]:
        """Tables being read."""
        ...

    def logs(self) -> AbstractContextManager[LokiProgress]:
        """Chunks being read."""
        ...

    def verify(self) -> AbstractContextManager[VerifyProgress]:
        """Segments being read back."""
        ...

    def purge(self) -> PurgeProgress:
        """Rows being deleted."""
        ...

    def proof(self) -> LokiProgress:
        """Chunks being proven."""
        ...

    def expire(self) -> ExpireProgress:
        """Objects being deleted."""
        ...

    def compact(self) -> CompactProgress:
        """Parts being merged."""
        ...


class NightReporter(NightProgress, Watchers, Protocol):
    """Reports on the night; must not raise."""

    def began(self, run: str, *, execute: bool) -> None:
        """The night begins."""

    def outcome(self, outcome: Outcome) -> None:
        """What a use case did."""

    def findings(self, findings: tuple[Finding, ...]) -> None:
        """What the stack check found."""

    def written(self, files: list[Path]) -> None:
        """The report's files."""

    def appended(self, entries: Iterable[Entry]) -> None:
        """What a step appended; called before ``ended``."""

    def finished(self, ended: RunEnded, work: NightWork, duration_s: float) -> None:
        """The night is over and noted."""

    def warn(self, text: str) -> None:
        """Something beside the night went wrong."""

    @property
    def tail(self) -> str:
        """The last of what was reported, for the ping."""
        ...


def spend_night(
    settings: Settings, run: Run, archive: Archive | ArchiverError, reporter: NightReporter, *, execute: bool
) -> int:
    """Run the night. Returns the exit status.

    Args:
        archive: Why it could not be opened, where it could not. Such a night is still to be seen: in the metrics, by
            the ping, and the stack is looked at all the same.
        execute: Delete what is due.
    """
    return _Night(settings, run, archive, reporter, execute=execute).spend()


@dataclass
class _Night:
    """One night, from the first ping to the last."""

    settings: Settings
    run: Run
    opened: Archive | ArchiverError
    reporter: NightReporter
    execute: bool = field(kw_only=True)
    findings: tuple[Finding, ...] | None = None
    verified: Verified | None = None
    reported: int = 0

    def spend(self) -> int:
        started_at, began = build.now(), self.run.monotonic()
        pinger = self._pinger()
        if pinger is not None:
            self._ping(pinger.started)
        self.reporter.began(self.run.name, execute=self.execute)
        results = run_steps(self._steps(), stop=self.run.stop.is_set, monotonic=self.run.monotonic, progress=self)
        observed = self._observed(results)
        status = night_status(results)
        if status == 0 and unexplained(observed):
            status = PARTIAL
        ended = RunEnded(command=COMMAND, started_at=started_at, exit_status=status, steps=results, observed=observed)
        recorded = self._record(ended)
        if recorded != 0 and status in (0, PARTIAL):
            status, ended = recorded, replace(ended, exit_status=recorded)
        work = work_of(self._entries)
        duration_s = self.run.monotonic() - began
        self.reporter.finished(ended, work, duration_s)
        for problem in publish(
            self.settings,
            ended,
            work,
            holdings=None if self._archive is None else self._archive.ledger.holdings,
            verified=None if self.verified is None else self.verified.receipt,
            findings=self.findings,
            now=build.now(),
        ):
            self.reporter.warn(problem)
        if pinger is not None:
            self._ping(lambda: pinger.ended(status, self.reporter.tail, duration_s=duration_s))
        return status

    @property
    def _archive(self) -> Archive | None:
        return self.opened if isinstance(self.opened, Archive) else None

    @property
    def _open(self) -> Archive:
        """The archive, or why there is none."""
        if isinstance(self.opened, ArchiverError):
            raise self.opened
        return self.opened

    @property
    def _entries(self) -> tuple[Entry, ...]:
        return () if self._archive is None else tuple(self._archive.ledger.appended)

    # ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _steps(self) -> list[Step]:
        opened = ("export",) if self._archive is None else ()
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

    def _each(self, *parts: Callable[[], Outcome] | None) -> int:
        """Do each part and report it. Returns the exit status of all."""
        outcomes = []
        for outcome in each(*parts):
            self.reporter.outcome(outcome)
            outcomes.append(outcome)
        return combined(outcomes)

    def _export(self) -> int:
        archive = self._open

        def tables() -> Outcome:
            with self.reporter.export() as progress:
                return export_tables(archive, archive.tables, Asked(), progress)

        def logs() -> Outcome:
            with self.reporter.logs() as progress:
                return export_logs(archive.with_jobs(self.settings.loki.jobs), Asked(), progress)

        if not archive.datasets:
            raise Skipped(Skip.NO_DATASET)
        return self._each(tables if archive.tables else None, logs if archive.logs else None)

    def _verify(self) -> int:
        archive = self._open.with_jobs(self.settings.verify.jobs)

        def verify() -> Outcome:
            with self.reporter.verify() as progress:
                self.verified = verify_tonight(archive, progress)
            return self.verified

        return self._each(verify)

    def _purge(self) -> int:
        chosen, has_logs = self._purged_datasets(), self.settings.logs() is not None
        if not chosen and not has_logs:
            raise Skipped(Skip.NO_SOURCE_PERIOD)
        if not self.execute:
            raise Skipped(Skip.NOT_EXECUTED)
        archive = self._open

        def tables() -> Outcome:
            return purge_tables(archive, purge_source(archive), chosen, self.reporter.purge())

        def logs() -> Outcome:
            return purge_logs(archive.with_jobs(self.settings.loki.jobs), self.reporter.proof(), execute=True)

        return self._each(tables if chosen else None, logs if has_logs else None)

    def _purged_datasets(self) -> list[Dataset]:
        return [dataset for dataset in self.settings.resolved_datasets() if dataset.source_retention is not None]

    def _expire(self) -> int:
        chosen = [dataset for dataset in datasets_of(self.settings) if dataset.archive_retention is not None]
        if not chosen:
            raise Skipped(Skip.NO_ARCHIVE_PERIOD)
        if not self.execute:
            raise Skipped(Skip.NOT_EXECUTED)
        archive = self._open.with_jobs(self.settings.verify.jobs)
        return self._each(lambda: expire(archive, chosen, self.reporter.expire()))

    def _compact(self) -> int:
        if not self.execute:
            raise Skipped(Skip.NOT_EXECUTED)
        archive = self._open.with_jobs(self.settings.verify.jobs)
        return self._each(lambda: compact(archive, archive.datasets, self.reporter.compact()))

    def _stack_check(self) -> int:
        targets = stack_targets(self.settings)
        if targets == StackTargets():
            raise Skipped(Skip.NOTHING_NAMED)
        self.findings = check_targets(targets)
        self.reporter.findings(self.findings)
        # What cannot be told has findings, a metric and an alert of its own (StackCheckBlind). The night is green all
        # the same: else nobody would see a night fail where one setting is missing for ever.
        return INTEGRITY if any(finding.verdict is Verdict.BREACH for finding in self.findings) else 0

    def _report(self) -> int:
        if not self.settings.nightly.report:
            raise Skipped(Skip.NO_REPORT)
        rules = self.settings.report
        today = build.now().replace(hour=0, minute=0, second=0, microsecond=0)
        self.reporter.written(
            write_report(
                self.settings,
                self._open.ledger,
                today - timedelta(days=1),
                today,
                rules.languages,
                rules.formats,
                report_directory(self.settings),
            )
        )
        return 0

    # ── As they go: NightProgress ──────────────────────────────────────────────────────────────────────────────

    def started(self, step: str) -> None:
        self.reporter.started(step)

    def failed(self, step: str, problem: Exception) -> None:
        self.reporter.failed(step, problem)

    def ended(self, result: StepResult) -> None:
        entries = self._entries
        self.reporter.appended(entries[self.reported :])
        self.reported = len(entries)
        self.reporter.ended(result)

    # ── Afterwards ─────────────────────────────────────────────────────────────────────────────────────────────

    def _observed(self, results: tuple[StepResult, ...]) -> tuple[Observed, ...]:
        """Plan again what is left, independently of what the steps reported."""
        if self._archive is None:
            return ()
        by_name = {result.step: result for result in results}
        return (*self._sources(self._archive, by_name["purge"]), *self._archives(self._archive, by_name["expire"]))

    def _sources(self, archive: Archive, purge: StepResult) -> list[Observed]:
        chosen = self._purged_datasets()
        if not chosen:
            return []
        purged = [event for entry in self._entries for event in entry.events if isinstance(event, Purged)]
        try:
            plans, _ = purge_of(archive, purge_source(archive), chosen, self.reporter.purge()).plan()
        except ArchiverError:
            # The step that needed the source has said what is wrong with it.
            return [source_unseen(dataset.name) for dataset in chosen]
        why = still_there("purged", purge)
        return [
            source_observed(plan, [event for event in purged if event.dataset == plan.dataset], otherwise=why)
            for plan in plans
        ]

    def _archives(self, archive: Archive, expire: StepResult) -> list[Observed]:
        plans = {plan.dataset: plan for plan in expiry_of(archive, archive.datasets, self.reporter.expire()).plan()}
        why = still_there("expired", expire)
        return [
            archive_observed(
                dataset, archive.ledger.holdings.dataset(dataset.name), plans.get(dataset.name), otherwise=why
            )
            for dataset in archive.datasets
        ]

    def _record(self, ended: RunEnded) -> int:
        """Note the night in the ledger. Returns the exit status of that."""
        if self._archive is None:
            return 0
        ledger, rules = self._archive.ledger, stated_rules(self.settings)

        def events() -> list[Event]:
            stated: list[Event] = [] if ledger.holdings.rules == rules else [rules]
            if self.findings is not None:
                promised_s = int(self.settings.stack.retention.total_seconds())
                stated.append(StackChecked(promised_s=promised_s, findings=self.findings))
            return [*stated, ended]

        try:
            append_decided(ledger, events)
        except ArchiverError as problem:
            self.failed("record", problem)
            return problem.exit_status
        return 0

    def _pinger(self) -> Pinger | None:
        rules = self.settings.ping
        return (
            None if rules.url is None else Pinger(rules.url.get_secret_value(), rules.style, timeout_s=rules.timeout_s)
        )

    def _ping(self, send: Callable[[], None]) -> None:
        try:
            send()
        except PingFailed as problem:
            self.reporter.warn(str(problem))
