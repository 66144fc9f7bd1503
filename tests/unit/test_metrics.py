"""The metrics of a run: their names, their values, and what stays said when a run finds nothing out."""

import os
import re
import stat
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from archiver.errors import LocalResourceError
from archiver.ledger.holdings import Holdings
from archiver.model import Finding, Observed, Reason, RowsKept, RunEnded, StepOutcome, StepResult, Verdict
from archiver.telemetry import otlp, textfile
from archiver.telemetry.metrics import (
    HELP,
    SUBJECTS,
    DatasetCounts,
    Exposed,
    RunFacts,
    Series,
    parsed,
    series_of,
)
from tests.support import debian
from tests.support.monitoring import ROOT

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FINDING = Finding(
    check="prometheus.retention.setting", subject="http://p", verdict=Verdict.BREACH,
)  # fmt: skip


def step(name: str, outcome: StepOutcome = StepOutcome.DONE, status: int = 0) -> StepResult:
    return StepResult(step=name, outcome=outcome, exit_status=status, duration_ms=1500)


def facts() -> RunFacts:
    observed = (
        Observed(
            dataset="app_audit_log", place="source", rows=100, rows_overdue=12, oldest="2026-10-25T00:00:00Z",
            reasons=(RowsKept(reason=Reason.HOLD(references=("case 7",)), rows=8), RowsKept(reason=Reason.DIFFERS(), rows=4)),
        ),
        Observed(dataset="app_audit_log", place="archive", rows=5, rows_overdue=0, oldest="2026-01-01T00:00:00.123456789Z"),
        Observed(dataset="other", place="source", rows=None, rows_overdue=0, oldest=None),
    )  # fmt: skip
    ended = RunEnded(
        command="nightly", started_at=NOW, exit_status=3, steps=(step("export"), step("purge", StepOutcome.FAILED, 3)),
        observed=observed,
    )  # fmt: skip
    return RunFacts(
        version="1.2.3",
        ended_at=NOW,
        ended=ended,
        counts={"app_audit_log": DatasetCounts(exported=10, purged=3, bytes_exported=999)},
        holdings=Holdings(seq=41, last_successes={"nightly": NOW - timedelta(days=1)}),
        retention={("app_audit_log", "source"): timedelta(days=30)},
        verified={"ok": 3, "failed": 0, "unchecked": 7},
        findings=(FINDING,),
    )


def value(series: Series, name: str, **labels: str) -> float:
    return series[name, tuple(sorted(labels.items()))]


def test_names_labels_and_values_are_those_of_the_documentation() -> None:
    """docs/metrics.md, the code, and by other tests the dashboards and the rules, speak of the same series."""
    text = (ROOT / "docs" / "metrics.md").read_text()
    documented = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(archiver_\w+)` \|([^|]*)\|", text, re.MULTILINE)
    }
    assert set(documented) == set(HELP)
    for name, labels in series_of(facts(), {}):
        assert {label for label, _ in labels} == documented[name], name
    values = {
        label: set(re.findall(r"`(\w+)`", row))
        for label, row in re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE)
    }
    for _, labels in series_of(facts(), {}):
        for label, said in labels:
            if label in values and label != "dataset":
                assert said in values[label], f"{label}={said}"
    assert set(SUBJECTS) == values["subject"]


def test_what_a_run_did_and_left_alone() -> None:
    series = series_of(facts(), {})
    one = {"dataset": "app_audit_log"}
    assert value(series, "archiver_last_run_exit_status") == 3
    assert value(series, "archiver_last_run_duration_seconds", step="export") == 1.5
    assert value(series, "archiver_last_success_timestamp_seconds", step="export") == NOW.timestamp()
    assert (
        value(series, "archiver_last_success_timestamp_seconds", step="nightly")
        == (NOW - timedelta(days=1)).timestamp()
    )
    assert value(series, "archiver_last_run_rows", **one, operation="held") == 8
    assert value(series, "archiver_last_run_rows", **one, operation="refused") == 4
    assert value(series, "archiver_overdue_rows", **one, place="source") == 12
    assert value(series, "archiver_retention_seconds", **one, place="source") == 30 * 86400
    assert value(series, "archiver_stack_findings", subject="prometheus", verdict="breach") == 1
    assert value(series, "archiver_stack_findings", subject="loki", verdict="breach") == 0
    assert not [key for key in series if ("dataset", "other") in key[1]], "what nobody could look at is absent, never 0"


def test_what_could_not_be_found_out_stays_as_it_was_said() -> None:
    """A night that cannot open its archive must not make the last success vanish, nor its own failure."""
    before = series_of(facts(), {})
    blind = replace(facts(), holdings=None, counts={}, verified=None, findings=None, ended=RunEnded(
        command="nightly", started_at=NOW, exit_status=75, steps=(step("export", StepOutcome.FAILED, 75),),
    ))  # fmt: skip
    after = series_of(blind, before)
    assert value(after, "archiver_last_run_exit_status") == 75
    for name in (
        "archiver_ledger_head_sequence",
        "archiver_overdue_rows",
        "archiver_verify_objects",
        "archiver_stack_findings",
    ):
        assert {k: v for k, v in after.items() if k[0] == name} == {k: v for k, v in before.items() if k[0] == name}
    assert value(after, "archiver_last_success_timestamp_seconds", step="export") == NOW.timestamp()
    assert not [key for key in after if key[0] == "archiver_last_run_rows"]


def test_promtool_takes_the_text_and_it_reads_back() -> None:
    series = series_of(facts(), {})
    text = generate_latest(Exposed(series)).decode()
    assert parsed(text) == pytest.approx(series)
    argv = [debian.binary("promtool"), "check", "metrics"]
    done = subprocess.run(argv, input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_label_may_hold_anything() -> None:
    series: Series = {("archiver_overdue_rows", (("dataset", 'a "b"\\c\n{d="e"} ü'), ("place", "source"))): 0.1}
    assert parsed(generate_latest(Exposed(series)).decode()) == series


def test_what_cannot_be_read_takes_nothing_of_what_stands_before_it() -> None:
    series: Series = {("archiver_ledger_head_sequence", ()): 41}
    text = generate_latest(Exposed(series)).decode() + 'node_load1 0.5\narchiver_overdue_rows{dataset="a'
    assert parsed(text) == series


def test_the_file_is_replaced_whole_and_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "archiver.prom"
    assert textfile.read_series(path) == {}
    umask = os.umask(0o077)
    try:
        textfile.write_series(path, series_of(facts(), {}))
    finally:
        os.umask(umask)
    assert textfile.read_series(path) == pytest.approx(series_of(facts(), {}))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "whatever the umask"
    path.write_bytes(b"\xff{ half a line")
    assert textfile.read_series(path) == {}
    assert [one.name for one in tmp_path.iterdir()] == ["archiver.prom"]
    with pytest.raises(LocalResourceError, match="the old ones stay"):
        textfile.write_series(tmp_path / "missing" / "archiver.prom", {})


def test_otlp_has_every_series_once() -> None:
    series = series_of(facts(), {})
    ((metrics,),) = (
        [scope.metrics for scope in one.scope_metrics] for one in otlp.metrics_data(series, NOW).resource_metrics
    )
    points = [(metric.name, point) for metric in metrics for point in metric.data.data_points]
    assert sorted((name, tuple((point.attributes or {}).items())) for name, point in points) == sorted(series)
    assert {point.time_unix_nano for _, point in points} == {int(NOW.timestamp()) * 10**9}
