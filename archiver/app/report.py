"""From settings and a ledger to a filed report."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785
from pydantic import BaseModel, SecretStr

from archiver import __version__
from archiver.app import build
from archiver.config import Location, Settings
from archiver.errors import ConfigError, LedgerBroken, LocalResourceError
from archiver.ledger.chain import read_chain
from archiver.ledger.entries import SignedEntry, sha256_hex
from archiver.ledger.ledger import Ledger
from archiver.model import Checkpoint, ColumnPolicy, Copy, Dataset, DatasetRules, ResidualRule, RulesStated
from archiver.operations.logs.settings import LOGS
from archiver.reports.build import Context, build_report
from archiver.reports.files import Format, rendered
from archiver.reports.model import Report
from archiver.reports.period import Period, closed_at, span
from archiver.reports.vvt import Activity, ProcessingRecord
from archiver.stack.supabase import BACKUPS_BY_PLAN
from archiver.words import LanguageCode

HOW_NOT_WHAT = frozenset(
    {
        ("work_dir",),
        ("cache_dir",),
        ("aws_access_key_id",),
        ("retry",),
        ("verify",),
        ("export", "jobs"),
        ("export", "part_size_bytes_max"),
        ("export", "commit_interval_s"),
        ("loki", "jobs"),
        ("loki", "round_size_bytes_max"),
        ("report", "directory"),
        ("report", "languages"),
        ("report", "formats"),
        ("nightly", "report"),
        ("ping",),
        ("metrics",),
        ("health",),
    }
)
"""Settings that change how the work is done and never what is kept, deleted or stated. All others decide something."""

STATED_AS_THEY_ARE = ("source", "time_column", "subject_columns", "purpose", "legal_basis", "deletion_class")
"""What the ledger states of a dataset under the same name and in the same form."""


# ── Reports ────────────────────────────────────────────────────────────────────────────────────────────────────


def report_on(settings: Settings, ledger: Ledger, period: Period) -> Report:
    """The report on a period, as far as it is over. Asks no source; needs no private key.

    Raises:
        ConfigError: The period lies in the future.
        LedgerBroken: The ledger contradicts itself.
    """
    assert ledger.head is not None
    now = build.now()
    if period.since > now:
        raise ConfigError(
            f"a report on {period.label}: the period has not begun; nothing was written",
            hint="choose a day, a month or a span that has begun",
        )
    context = Context(
        store=ledger.store.location,
        anchor="" if ledger.anchor is None else ledger.anchor.location,
        stated=stated_rules(settings),
    )
    return build_report(entries_of(ledger), closed_at(period, now=now, head_at=ledger.head.entry.at), context)


def entries_of(ledger: Ledger) -> Iterator[SignedEntry]:
    """Every entry up to the ledger's head, each checked against the one before; the head's signature vouches for all.

    Raises:
        LedgerBroken: What is read now is not what the ledger was opened with.
    """
    assert ledger.head is not None
    head = ledger.head
    tip = Checkpoint(archive_id=ledger.descriptor.archive_id, seq=head.entry.seq, hash=head.hash)
    for signed in read_chain(ledger.store, ledger.descriptor, tip=tip):
        yield signed
        if signed.entry.seq == head.entry.seq:
            if signed.hash != head.hash:
                break
            return
    raise LedgerBroken(
        f"{ledger.store.location}: entry {head.entry.seq} is not what it was a moment ago; no report was written",
        hint="run `archiver verify`",
    )


def write_report(
    settings: Settings,
    ledger: Ledger,
    since: datetime,
    until: datetime,
    languages: Sequence[LanguageCode],
    formats: Sequence[Format],
    directory: Path,
) -> list[Path]:
    """Build the report on a span (a whole month or day is known as such) and write its files.

    A file of the same name is replaced: the same ledger gives the same bytes, and a later one a fuller report.

    Args:
        since, until: UTC, half-open.

    Returns:
        The files, in the order in which they were written.

    Raises:
        ConfigError: The span lies in the future, or a PDF is asked for and what sets it is not installed.
        LedgerBroken: The ledger contradicts itself.
        LocalResourceError: A file cannot be written; those before it are whole.
    """
    return write_files(report_on(settings, ledger, span(since, until)), languages, formats, directory)


def report_directory(settings: Settings) -> Path:
    """Where reports are written: as set, or ``reports`` in the working directory."""
    return settings.report.directory or Path("reports")


def write_files(
    report: Report, languages: Sequence[LanguageCode], formats: Sequence[Format], directory: Path
) -> list[Path]:
    """Write a report's files."""
    return write_all(rendered(report, languages, formats), directory)


def write_all(files: Iterator[tuple[str, bytes]], directory: Path) -> list[Path]:
    """Each file appears whole or not at all.

    Raises:
        LocalResourceError: One cannot be written; those before it are whole.
    """
    written = []
    for name, data in files:
        path = directory / name
        try:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=f".{name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as exc:
            raise LocalResourceError(
                f"{path}: cannot be written ({exc.strerror or type(exc).__name__}); this file was left as it was",
                hint="see that the directory can be written to and that its disk has room",
            ) from exc
        written.append(path)
    return written


def processing_record(settings: Settings) -> ProcessingRecord:
    """The record of processing activities that the settings give today."""
    rules = stated_rules(settings)
    datasets = settings.all_datasets()
    own = {name: (dataset.data_categories, dataset.person_categories) for name, dataset in datasets.items()}
    own[LOGS] = (settings.loki.data_categories, settings.loki.person_categories)
    is_bucket = settings.store is not None and Location.of_store(settings.store).kind == "s3"
    return ProcessingRecord(
        written_by=f"archiver {__version__}",
        as_of=build.now().date(),
        rules=rules,
        activities=tuple(
            Activity(dataset=rule.dataset, data_categories=own[rule.dataset][0], person_categories=own[rule.dataset][1])
            for rule in rules.datasets
        ),
        recipients=settings.report.recipients,
        transfers=settings.report.transfers,
        encryption=settings.s3.sse if is_bucket else None,
        measures=settings.report.measures,
    )


# ── Rules ──────────────────────────────────────────────────────────────────────────────────────────────────────


def stated_rules(settings: Settings) -> RulesStated:
    """The rules that a run works by, as the ledger states them. Pure; holds no secret and no path of this machine."""
    logs = settings.logs()
    return RulesStated(
        config_sha256=config_sha256(settings),
        datasets=(
            *(
                _dataset_rules(dataset, f"{dataset.namespace}.{dataset.relation}")
                for dataset in settings.resolved_datasets()
            ),
            *(() if logs is None else (_log_rules(settings, logs),)),
        ),
        stack_retention_s=_seconds(settings.stack.retention),
        controller=settings.report.controller,
        processor=settings.report.processor,
        officer=settings.report.officer,
        record=settings.report.record,
        residuals=residual_copies(settings),
    )


def residual_copies(settings: Settings) -> tuple[ResidualRule, ...]:
    """Copies that outlive a deletion elsewhere: those that are configured, and the database's own backups."""
    rules = settings.stack.supabase
    copies = [(Copy.NAMED(name=name), period) for name, period in sorted(settings.report.residuals.items())]
    if rules.plan and BACKUPS_BY_PLAN[rules.plan]:
        copies.append((Copy.DAILY_BACKUPS(plan=rules.plan), BACKUPS_BY_PLAN[rules.plan]))
    if rules.recovery_period is not None:
        copies.append((Copy.RECOVERY(), rules.recovery_period))
    return tuple(ResidualRule(copy=copy, period_s=_seconds(period)) for copy, period in copies)


def config_sha256(settings: Settings) -> str:
    """Of the settings that decide anything, without secrets and without this machine's paths; 64 hex digits.

    A setting counts unless it is named in ``HOW_NOT_WHAT``: one that is forgotten there makes the rules be stated once
    more, and never hides a change.
    """
    decisive = dict(_decisive(settings, ()))
    decisive["datasets"] = {
        name: dict(_decisive(rules, ("datasets", name))) for name, rules in settings.all_datasets().items()
    }
    return sha256_hex(rfc8785.dumps(decisive))


def _decisive(model: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, info in type(model).model_fields.items():
        written = info.alias or name
        here = (*path, written)
        if here not in HOW_NOT_WHAT:
            value = _plain(getattr(model, name), here)
            if value is not None:
                yield written, value


def _plain(value: Any, path: tuple[str, ...]) -> Any:
    """As JSON has it; None for a secret, a path, and what is not set."""
    if isinstance(value, BaseModel):
        return dict(_decisive(value, path))
    if isinstance(value, Mapping):
        plain = {str(name): _plain(item, (*path, str(name))) for name, item in value.items()}
        return {name: item for name, item in plain.items() if item is not None}
    if isinstance(value, tuple | list):
        return [item for item in (_plain(element, path) for element in value) if item is not None]
    return None if isinstance(value, Path | SecretStr) else _leaf(value, path)


def _leaf(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, timedelta):
        return _seconds(value)
    if value is not None and path in {("store",), ("loki_store",), ("anchor",)}:
        place = Location.of_anchor(value) if path == ("anchor",) else Location.of_store(value)
        return [place.kind, place.bucket, place.prefix]
    return value


def _log_rules(settings: Settings, logs: Dataset) -> DatasetRules:
    # A directory is a path of this machine, and says nothing to anybody else.
    place = settings.loki_store if settings.loki_store and settings.loki_store.startswith("s3:") else LOGS
    return replace(
        _dataset_rules(logs, place),
        line_policies=tuple(sorted(f"{pattern}={action}" for pattern, action in settings.loki.lines.items())),
        # Loki's compactor deletes there; what is promised of it is what the stack check holds it to.
        source_retention_s=_seconds(settings.stack.loki.retention or settings.stack.retention),
    )


def _dataset_rules(dataset: Dataset, place: str) -> DatasetRules:
    return DatasetRules(
        dataset=dataset.name,
        place=place,
        policies=tuple(
            ColumnPolicy(column=column, action=action) for column, action in sorted(dataset.policies.items())
        ),
        source_retention_s=None if dataset.source_retention is None else _seconds(dataset.source_retention),
        archive_retention_s=None if dataset.archive_retention is None else _seconds(dataset.archive_retention),
        **{name: getattr(dataset, name) for name in STATED_AS_THEY_ARE},
    )


def _seconds(period: timedelta) -> int:
    return int(period.total_seconds())
