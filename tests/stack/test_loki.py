"""A deployed Loki: every setting that keeps lines longer is found, and a flag is never believed alone."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from archiver.model import Verdict
from archiver.stack.loki import COMPACTOR_METRIC, check
from archiver.stack.loki_disk import ChunkName, parse_chunk_path
from archiver.stack.targets import LokiTarget
from archiver.words import english_list
from tests.stack.answers import NOW, Answer, changed, client, healthy, of, recorded, streams, verdicts, well_formed

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from archiver.model import Finding

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
URL = "http://loki.example:3100"
STORES = Path(__file__).resolve().parents[1] / "data" / "loki"


def ask(answers: dict[str, Answer], **changes: Any) -> tuple[Finding, ...]:
    with client(answers) as http:
        findings = check(LokiTarget(url=URL, **changes), http, NOW)
    well_formed(findings)
    assert "Muster" not in repr(findings)
    return findings


def test_a_healthy_loki_is_ok() -> None:
    findings = ask(healthy())
    assert set(verdicts(findings).values()) == {OK}, findings
    assert "30 d and 4 h" in english_list(of(findings, "loki.retention.period").in_force)


def test_recorded_with_an_override_of_90_days() -> None:
    """The second key called retention_period, under table_manager, is 0s and deceives nobody."""
    findings = ask({**recorded("loki-3.7.6-retention-30d"), **streams(None)})
    assert of(findings, "loki.retention.period").verdict is OK
    override = of(findings, "loki.retention.stream")
    assert override.verdict is BREACH
    assert '{app="payments"}' in override.subject


def test_recorded_with_retention_off() -> None:
    """A period that nobody applies is a wish."""
    findings = ask({**recorded("loki-3.7.6-retention-off"), **streams(None)})
    assert of(findings, "loki.retention.enabled").verdict is BREACH
    assert "404" in english_list(of(findings, "loki.retention.enabled").in_force)
    assert of(findings, "loki.retention.period").verdict is BREACH


def test_recorded_with_no_period() -> None:
    """0s is for ever."""
    findings = ask({**recorded("loki-3.7.6-retention-forever"), **streams(None)})
    assert of(findings, "loki.retention.enabled").verdict is OK
    assert of(findings, "loki.retention.period").verdict is BREACH
    assert of(findings, "loki.compactor.ran").verdict is CANNOT_TELL  # 0, and nobody knows since when


@pytest.mark.parametrize(
    ("change", "check_name", "verdict"),
    [
        (lambda d: d["compactor"].update(retention_enabled=False), "loki.retention.enabled", BREACH),
        (lambda d: d["compactor"].pop("retention_enabled"), "loki.retention.enabled", CANNOT_TELL),
        (lambda d: d["compactor"].update(delete_request_store=""), "loki.retention.enabled", BREACH),
        (lambda d: d["schema_config"]["configs"][0]["index"].update(period="7d"), "loki.retention.enabled", BREACH),
        (lambda d: d["schema_config"].update(configs=[]), "loki.retention.enabled", CANNOT_TELL),
        (lambda d: d["limits_config"].update(retention_period="90d"), "loki.retention.period", BREACH),
        (lambda d: d["limits_config"].update(retention_period="0s"), "loki.retention.period", BREACH),
        (lambda d: d["limits_config"].update(retention_period="720h"), "loki.retention.period", OK),
        (lambda d: d["limits_config"].update(retention_period="1h"), "loki.retention.period", CANNOT_TELL),
        (lambda d: d["limits_config"].update(retention_period="ewig"), "loki.retention.period", CANNOT_TELL),
        (lambda d: d["limits_config"].pop("retention_period"), "loki.retention.period", CANNOT_TELL),
        (lambda d: d["table_manager"].update(retention_period="90d"), "loki.retention.period", OK),
        (lambda d: d["limits_config"].update(max_query_lookback="7d"), "loki.oldest_line", CANNOT_TELL),
        (lambda d: d["limits_config"].update(retention_stream="x"), "loki.retention.stream", CANNOT_TELL),
        (
            lambda d: d["limits_config"].update(retention_stream=[{"selector": '{a="b"}', "period": "0s"}]),
            "loki.retention.stream",
            BREACH,
        ),
        (
            lambda d: d["limits_config"].update(retention_stream=[{"selector": '{a="b"}', "period": "7d"}]),
            "loki.retention.stream",
            OK,
        ),
    ],
)
def test_configuration(change: Callable[[Any], Any], check_name: str, verdict: Verdict) -> None:
    """One setting is wrong, and exactly the finding that is about it says so."""
    assert verdicts(ask(changed(healthy(), change)))[check_name] is verdict


def test_the_running_process_contradicts_its_configuration() -> None:
    """Retention is configured, but the delete API is not there: somebody has to look."""
    findings = ask({**healthy(), "/loki/api/v1/delete": (404, "404 page not found")})
    assert of(findings, "loki.retention.enabled").verdict is CANNOT_TELL
    assert of(findings, "loki.retention.period").verdict is BREACH


def test_deletion_on_request_may_be_off_while_retention_is_on() -> None:
    denied = (403, "deletion is not available for this tenant")
    finding = of(ask({**healthy(), "/loki/api/v1/delete": denied}), "loki.retention.enabled")
    assert finding.verdict is OK
    assert "deletion_mode" in english_list(finding.in_force)


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        (f"{COMPACTOR_METRIC} {{recent}}", OK),
        (f"{COMPACTOR_METRIC} {{old}}", BREACH),
        (f"{COMPACTOR_METRIC} 0\nprocess_start_time_seconds {{recent}}", CANNOT_TELL),
        (f"{COMPACTOR_METRIC} 0\nprocess_start_time_seconds {{old}}", BREACH),
        ("go_goroutines 3", CANNOT_TELL),
    ],
)
def test_compactor(metrics: str, verdict: Verdict) -> None:
    """Retention without a compactor that runs deletes nothing; 0 means not since the process began."""
    text = metrics.format(recent=(NOW - timedelta(hours=1)).timestamp(), old=(NOW - timedelta(days=3)).timestamp())
    assert of(ask({**healthy(), "/metrics": (200, text)}), "loki.compactor.ran").verdict is verdict


@pytest.mark.parametrize(
    ("age_days", "verdict"), [(None, OK), (1, OK), (29.9, OK), (30.1, OK), (30.3, BREACH), (200, BREACH), (399, BREACH)]
)
def test_oldest_line(age_days: float | None, verdict: Verdict) -> None:
    """The age of a chunk and the delay of its deletion are granted, no more; however old, the walk finds it."""
    age = None if age_days is None else timedelta(days=age_days)
    assert of(ask({**healthy(), **streams(age)}), "loki.oldest_line").verdict is verdict


def test_a_line_older_than_a_hiding_lookback_is_a_breach_all_the_same() -> None:
    answers = changed(healthy(), lambda d: d["limits_config"].update(max_query_lookback="7d"))
    assert of(ask({**answers, **streams(timedelta(days=50))}), "loki.oldest_line").verdict is BREACH


def test_a_short_max_query_length_is_respected() -> None:
    """Otherwise the server refuses, and nothing would be known."""
    asked: list[httpx.Request] = []
    answers = changed(healthy(), lambda d: d["limits_config"].update(max_query_length="7d"))
    with client(answers, asked) as http:
        check(LokiTarget(url=URL), http, NOW)
    lengths = [int(one.url.params["end"]) - int(one.url.params["start"]) for one in asked if "start" in one.url.params]
    assert max(lengths) <= 7 * 86_400 * 10**9


def test_every_tenant_is_asked_and_judged() -> None:
    """A tenant's own override, and a tenant's own lines."""

    def by_tenant(request: httpx.Request) -> httpx.Response:
        tenant = request.headers["x-scope-orgid"]
        found = streams(timedelta(days=80 if tenant == "kunde_b" else 2))[request.url.path]
        assert callable(found)
        return found(request)

    answers = changed(healthy(), lambda d: d["runtime_config"].update(file="/etc/loki/runtime.yaml"))
    answers |= dict.fromkeys(["/loki/api/v1/labels", "/loki/api/v1/query_range"], by_tenant)
    overrides = {
        "kunde-a": {"retention_period": "7d", "retention_stream": [{"selector": '{x="y"}', "period": "60d"}]},
        "kunde_b": {"retention_period": "1y"},
        "empty": None,
    }
    answers["/runtime_config"] = (200, yaml.safe_dump({"overrides": overrides}))
    findings = ask(answers, tenants=("kunde-a", "kunde_b"))
    lines = {one.subject.rsplit(" ", 1)[-1]: one.verdict for one in findings if one.check == "loki.oldest_line"}
    assert lines == {"kunde-a": OK, "kunde_b": BREACH}
    tenants = {one.subject.rsplit(" ", 1)[-1]: one.verdict for one in findings if one.check == "loki.retention.tenant"}
    assert tenants == {"kunde-a": OK, "kunde_b": BREACH}
    assert of(findings, "loki.retention.stream").verdict is BREACH

    answers["/runtime_config"] = (404, "")
    assert of(ask(answers, tenants=("kunde-a",)), "loki.retention.tenant").verdict is CANNOT_TELL


def test_without_tenants_a_loki_of_several_says_so() -> None:
    findings = ask({**healthy(), "/loki/api/v1/labels": (401, "no org id")})
    finding = of(findings, "loki.oldest_line")
    assert finding.verdict is CANNOT_TELL
    assert english_list(finding.fix) == "name the tenants to ask for"


@pytest.mark.parametrize("path", ["/config", "/loki/api/v1/labels", "/loki/api/v1/query_range", "/metrics"])
@pytest.mark.parametrize("answer", [(401, ""), (500, "x"), (200, "<html>"), (200, "]["), (200, {"data": 3})])
def test_what_is_not_told_is_never_ok(path: str, answer: Answer) -> None:
    findings = ask({**healthy(), path: answer})
    assert CANNOT_TELL in verdicts(findings).values()


@pytest.mark.parametrize("version", ["1.6.1", "4.0.0", "k300-abc"])
def test_an_unknown_version_is_never_ok(version: str) -> None:
    answers = {**healthy(), "/loki/api/v1/status/buildinfo": (200, {"version": version})}
    assert of(ask(answers), "loki.retention.enabled").verdict is CANNOT_TELL


def test_something_else_than_a_loki() -> None:
    (finding,) = ask({**recorded("prometheus-2.42.0-30d")})
    assert (finding.check, finding.verdict) == ("loki.reachable", CANNOT_TELL)


# -- on disk


@pytest.mark.parametrize("store", ["v11-gzip", "v12-zstd", "mixed-schema"])
def test_every_chunk_of_a_real_store_is_understood(store: str) -> None:
    """Both layouts; what is not a chunk is Loki's own."""
    root = STORES / store / "store"
    files = [one for one in root.rglob("*") if one.is_file() and one.relative_to(root).parts[0] != "index"]
    names = [parse_chunk_path(one.relative_to(root).parts) for one in files]
    known = [one for one in names if one is not None]
    assert known
    assert {one.name for one, name in zip(files, names, strict=True) if name is None} <= {"loki_cluster_seed.json"}
    assert all(1.7e12 < one.from_ms <= one.through_ms < 1.8e12 for one in known)


def test_chunk_files_older_than_promised(tmp_path: Path) -> None:
    """The name's `through` decides; a file's modification time is the time of its flush."""
    ages = {"fresh": 1, "just": 30, "late": 45}
    for number, days in enumerate(ages.values()):
        through = int((NOW - timedelta(days=days)).timestamp() * 1000)
        name = base64.b64encode(f"{through - 1000:x}:{through:x}:{number + 1:x}".encode()).decode()
        folder = tmp_path / "kunde-a" / f"{number:x}abc"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(b"x")
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "whatever.gz").write_bytes(b"x")
    finding = of(ask(healthy(), chunk_directory=tmp_path), "loki.chunk_files")
    assert finding.verdict is BREACH
    assert re.search(r"3 chunk files; 1 of them older", english_list(finding.observed))

    late = next(one for one in tmp_path.rglob("*") if one.is_file() and one.parent.name == "2abc")
    late.unlink()
    assert of(ask(healthy(), chunk_directory=tmp_path), "loki.chunk_files").verdict is OK
    (tmp_path / "copy.tar").write_bytes(b"x")
    assert of(ask(healthy(), chunk_directory=tmp_path), "loki.chunk_files").verdict is CANNOT_TELL
    assert of(ask(healthy(), chunk_directory=tmp_path / "no"), "loki.chunk_files").verdict is CANNOT_TELL
    # The disk can be looked at while the server is down.
    assert of(ask({}, chunk_directory=tmp_path), "loki.chunk_files").verdict is CANNOT_TELL


def test_an_empty_chunk_directory_proves_nothing(tmp_path: Path) -> None:
    """More likely it is the wrong one."""
    assert of(ask(healthy(), chunk_directory=tmp_path), "loki.chunk_files").verdict is CANNOT_TELL


def test_flat_names() -> None:
    name = base64.b64encode(b"fake/1f:18c:18d:a").decode()
    assert parse_chunk_path((name,)) == ChunkName("fake", 0x18C, 0x18D)


@pytest.mark.parametrize(
    "parts",
    [("x",), ("a", "b"), ("a", "b", "c"), ("a", "b", base64.b64encode(b"1:2").decode()), ("t", "f", "MTIz", "x")],
)
def test_names_that_are_no_chunks(parts: tuple[str, ...]) -> None:
    assert parse_chunk_path(parts) is None
