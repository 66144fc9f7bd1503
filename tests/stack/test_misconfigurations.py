"""Every misconfiguration by name: each is found as what it is, in a stack where everything else is in order.

A row changes one thing in a healthy stack (recorded servers, a compose file, a log directory, a bucket, a database)
and names the one check that must speak up, and how.
"""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from pydantic import BaseModel

from archiver.contracts import CronJob, LifecycleRule
from archiver.model import Failure, Verdict
from archiver.stack.check import check_stack, exit_status
from archiver.stack.loki import COMPACTOR_METRIC
from archiver.stack.targets import (
    Access,
    AlertmanagerTarget,
    BucketFacts,
    ComposeTarget,
    LogDirectoryTarget,
    LokiTarget,
    PrometheusTarget,
    StackTargets,
    SupabaseFacts,
    TableFacts,
)
from archiver.words import english_list
from tests.stack.answers import (
    NOW,
    Answer,
    changed,
    healthy,
    recorded,
    streams,
    verdicts,
    well_formed,
    with_oldest,
    with_version,
    with_yaml,
)
from tests.support.monitoring import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from archiver.model import Finding

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
DAY = timedelta(days=1)
SETTING, OBSERVED = "prometheus.retention.setting", "prometheus.retention.observed"


@dataclass
class Stack:
    """A stack in order, to be spoilt."""

    directory: Path
    targets: StackTargets
    servers: dict[str, dict[str, Answer]] = field(default_factory=dict)

    def look(self) -> tuple[Finding, ...]:
        def client_for(access: Access) -> httpx.Client:
            answers = self.servers[httpx.URL(access.url).host]

            def answer(request: httpx.Request) -> httpx.Response:
                found = answers.get(request.url.path, (404, "404 page not found"))
                if callable(found):
                    return found(request)
                status, body = found
                return httpx.Response(status, text=body if isinstance(body, str) else json.dumps(body))

            return httpx.Client(transport=httpx.MockTransport(answer))

        findings = check_stack(self.targets, NOW, client_for=client_for)
        well_formed(findings)
        return findings

    def spoil(self, kind: str, **changes: Any) -> None:
        """Change the only target of a kind."""
        (target,) = getattr(self.targets, kind)
        changed: Any = (
            target.model_copy(update=changes) if isinstance(target, BaseModel) else replace(target, **changes)
        )
        self.targets = replace(self.targets, **{kind: (changed,)})

    def compose(self, change: Callable[[dict[str, Any]], Any]) -> None:
        path = self.directory / "docker-compose.yml"
        document = yaml.safe_load(path.read_text())
        change(document["services"])
        path.write_text(yaml.safe_dump(document))

    def log(self, name: str, days: float) -> None:
        line = f"{NOW - days * DAY:%Y-%m-%dT%H:%M:%SZ} up\n"
        (self.directory / "pm2" / name).write_text(line)


def silences(*days: float) -> Answer:
    return (
        200,
        [{"status": {"state": "expired"}, "endsAt": f"{NOW - one * DAY:%Y-%m-%dT%H:%M:%SZ}"} for one in days],
    )


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    logging = {"driver": "json-file", "options": {"max-size": "10m"}}
    (tmp_path / "loki.yaml").write_text(
        "compactor: {retention_enabled: true, delete_request_store: filesystem}\n"
        "limits_config: {retention_period: 720h}\n"
    )
    services = {
        "prometheus": {
            "image": "prom/prometheus:v2.42.0",
            "command": ["--storage.tsdb.retention.time=30d"],
            "logging": logging,
        },
        "loki": {
            "image": "grafana/loki:3.7.6",
            "command": ["-config.file=/loki.yaml"],
            "volumes": ["./loki.yaml:/loki.yaml:ro"],
            "logging": logging,
        },
        "alertmanager": {
            "image": "prom/alertmanager:v0.34.0",
            "command": ["--data.retention=720h"],
            "logging": logging,
        },
    }
    (tmp_path / "docker-compose.yml").write_text(yaml.safe_dump({"services": services}))
    (tmp_path / "pm2").mkdir()
    (tmp_path / "logrotate").write_text(f"{tmp_path}/pm2/*.log {{\ndaily\nrotate 28\n}}\n")
    data = tmp_path / "prometheus"
    (data / "01BLOCK").mkdir(parents=True)
    block(data / "01BLOCK", 20)
    targets = StackTargets(
        prometheus=(PrometheusTarget(url="http://prometheus", data_directory=data),),
        loki=(LokiTarget(url="http://loki"),),
        alertmanager=(AlertmanagerTarget(url="http://alertmanager"),),
        compose=(ComposeTarget(file=tmp_path / "docker-compose.yml"),),
        log_directories=(LogDirectoryTarget(path=tmp_path / "pm2", logrotate_files=(tmp_path / "logrotate",)),),
        buckets=(
            BucketFacts(
                location="s3://bucket/logs",
                prefix="logs",
                archive_retention=365 * DAY,
                versioning=True,
                rules=(LifecycleRule(name="old", noncurrent_after=7 * DAY),),
                public=False,
                lock_period=timedelta(0),
            ),
        ),
        supabase=(
            SupabaseFacts(
                location="postgresql://db/postgres",
                jobs=(CronJob(name="tidy", schedule="@daily", command="delete from sessions"),),
                tables=(TableFacts(relation="public.app_audit_log", oldest=NOW - 29 * DAY),),
                plan="pro",
            ),
        ),
    )
    servers: dict[str, dict[str, Answer]] = {
        "prometheus": with_oldest(recorded("prometheus-2.42.0-30d"), 29 * DAY),
        "loki": healthy(),
        "alertmanager": {
            "/api/v2/status": (200, {"versionInfo": {"version": "0.34.0"}}),
            "/api/v2/silences": silences(3),
        },
    }
    made = Stack(tmp_path, targets, servers)
    made.log("bot-out.log", 0.5)
    made.log("bot-out.log.27", 27)
    return made


def block(path: Path, days: float) -> None:
    begins = int((NOW - days * DAY).timestamp() * 1000)
    (path / "meta.json").write_text(json.dumps({"minTime": begins, "maxTime": begins + 7_200_000}))


def test_a_stack_in_order(stack: Stack) -> None:
    findings = stack.look()
    assert exit_status(findings) == 0, [one for one in findings if one.verdict is not OK]
    assert len(verdicts(findings)) == 20


# -- one row a misconfiguration


def prometheus(name: str) -> Callable[[Stack], None]:
    def spoil(stack: Stack) -> None:
        stack.servers["prometheus"] = with_oldest(recorded(name), 3 * DAY)
        # The compose file is spoilt alike, so that the setting alone is what is found.
        stack.targets = replace(stack.targets, compose=())
        stack.targets = replace(stack.targets, alertmanager=())

    return spoil


def loki(change: Callable[[Any], Any]) -> Callable[[Stack], None]:
    def spoil(stack: Stack) -> None:
        stack.servers["loki"] = changed(stack.servers["loki"], change)

    return spoil


def loki_answers(**answers: Answer) -> Callable[[Stack], None]:
    paths = {"metrics": "/metrics", "delete": "/loki/api/v1/delete", "config": "/config"}

    def spoil(stack: Stack) -> None:
        stack.servers["loki"].update({paths[name]: answer for name, answer in answers.items()})

    return spoil


def server(name: str, path: str, answer: Answer) -> Callable[[Stack], None]:
    def spoil(stack: Stack) -> None:
        stack.servers[name] = {**stack.servers[name], path: answer}

    return spoil


def target(kind: str, **changes: Any) -> Callable[[Stack], None]:
    return lambda stack: stack.spoil(kind, **changes)


def compose(service: str, **changes: Any) -> Callable[[Stack], None]:
    return lambda stack: stack.compose(lambda services: services[service].update(changes))


def file(name: str, text: str) -> Callable[[Stack], None]:
    def spoil(stack: Stack) -> None:
        (stack.directory / name).write_text(text)

    return spoil


def remote_write(stack: Stack) -> None:
    stack.servers["prometheus"] = with_yaml(
        stack.servers["prometheus"], "remote_write: [{url: 'https://copy.example/api/v1/write'}]"
    )


def snapshot(stack: Stack) -> None:
    path = stack.directory / "prometheus" / "snapshots" / "20260901T000000Z-0" / "01OLD"
    path.mkdir(parents=True)
    block(path, 60)


def restored_block(stack: Stack) -> None:
    block(stack.directory / "prometheus" / "01BLOCK", 60)


def old_chunks(stack: Stack) -> None:
    """A chunk as Loki names it, whose last line is of 45 days ago, whenever the file was written."""
    through_ms = int((NOW - 45 * DAY).timestamp() * 1000)
    name = base64.b64encode(f"{through_ms - 1000:x}:{through_ms:x}:1a2b3c4d".encode()).decode()
    path = stack.directory / "chunks" / "fake" / "1f2e3d4c5b6a7988"
    path.mkdir(parents=True)
    (path / name).write_bytes(b"chunk")
    stack.spoil("loki", chunk_directory=stack.directory / "chunks")


def logs(name: str, days: float) -> Callable[[Stack], None]:
    return lambda stack: stack.log(name, days)


def logrotate(text: str) -> Callable[[Stack], None]:
    def spoil(stack: Stack) -> None:
        (stack.directory / "logrotate").write_text(f"{stack.directory}/pm2/*.log {{\n{text}\n}}\n")

    return spoil


def pm2(text: str) -> Callable[[Stack], None]:
    def spoil(stack: Stack) -> None:
        path = stack.directory / "module_conf.json"
        path.write_text(text)
        stack.spoil("log_directories", logrotate_files=(), pm2_configuration=path)

    return spoil


def limits(**changes: Any) -> Callable[[Any], Any]:
    return lambda document: document["limits_config"].update(changes)


def index_period(document: Any) -> None:
    document["schema_config"]["configs"][0]["index"]["period"] = "168h"


def loki_tenant_override(stack: Stack) -> None:
    answers = changed(stack.servers["loki"], lambda document: document["runtime_config"].update(file="/etc/o.yaml"))
    answers["/runtime_config"] = (200, "overrides: {bot: {retention_period: 2160h}}")
    stack.servers["loki"] = answers


def loki_lines(days: float) -> Callable[[Stack], None]:
    def spoil(stack: Stack) -> None:
        stack.servers["loki"] = {**stack.servers["loki"], **streams(days * DAY)}

    return spoil


def lifecycle(**changes: Any) -> Callable[[Stack], None]:
    def spoil(stack: Stack) -> None:
        (bucket,) = stack.targets.buckets
        assert bucket.rules is not None
        stack.spoil("buckets", rules=(*bucket.rules, LifecycleRule(**{"name": "r", **changes})))

    return spoil


def cron(command: str) -> Callable[[Stack], None]:
    return target("supabase", jobs=(CronJob(name="tidy", schedule="@daily", command=command),))


ROWS: dict[str, tuple[Callable[[Stack], None], str, Verdict]] = {
    # Prometheus
    "prometheus: 90d by flag": (prometheus("prometheus-2.42.0-90d"), SETTING, BREACH),
    "prometheus: a size alone": (prometheus("prometheus-2.42.0-size-only"), SETTING, BREACH),
    "prometheus: the file's block says 90d, the flag 30d": (
        prometheus("prometheus-3.14.0-block-90d.synthetic"),
        SETTING,
        BREACH,
    ),
    "prometheus: the file's block has a size alone": (
        prometheus("prometheus-3.14.0-block-size.synthetic"),
        SETTING,
        BREACH,
    ),
    "prometheus: the file's block has a percentage alone": (
        prometheus("prometheus-3.14.0-block-percentage.synthetic"),
        SETTING,
        BREACH,
    ),
    "prometheus: 3.9 applies the file's time a million times": (
        prometheus("prometheus-3.9.1-block-30d.synthetic"),
        SETTING,
        BREACH,
    ),
    "prometheus: 30d under a strict promise": (target("prometheus", strict=True), SETTING, BREACH),
    "prometheus: samples older than whole blocks explain": (
        lambda stack: stack.servers.update(prometheus=with_oldest(stack.servers["prometheus"], 33 * DAY)),
        OBSERVED,
        BREACH,
    ),
    "prometheus: remote write": (remote_write, "prometheus.remote_write", CANNOT_TELL),
    "prometheus: a snapshot": (snapshot, "prometheus.snapshot", BREACH),
    "prometheus: a block restored by hand": (restored_block, "prometheus.blocks", BREACH),
    "prometheus: password needed": (
        server("prometheus", "/api/v1/status/buildinfo", (401, "")),
        "prometheus.reachable",
        CANNOT_TELL,
    ),
    "prometheus: a version that nobody has looked at": (
        lambda stack: stack.servers.update(prometheus=with_version(stack.servers["prometheus"], "4.0.0")),
        SETTING,
        CANNOT_TELL,
    ),
    # Loki
    "loki: retention off": (
        loki(lambda document: document["compactor"].update(retention_enabled=False)),
        "loki.retention.enabled",
        BREACH,
    ),
    "loki: no store for delete requests": (
        loki(lambda document: document["compactor"].update(delete_request_store="")),
        "loki.retention.enabled",
        BREACH,
    ),
    "loki: an index period that the compactor cannot work with": (loki(index_period), "loki.retention.enabled", BREACH),
    "loki: 90d": (loki(limits(retention_period="2160h")), "loki.retention.period", BREACH),
    "loki: 0s, for ever": (loki(limits(retention_period="0s")), "loki.retention.period", BREACH),
    "loki: a stream with a longer period": (
        loki(limits(retention_stream=[{"selector": '{app="x"}', "period": "90d", "priority": 1}])),
        "loki.retention.stream",
        BREACH,
    ),
    "loki: a tenant with a longer period": (loki_tenant_override, "loki.retention.tenant", BREACH),
    "loki: the delete API says 404 though the file says on": (
        loki_answers(delete=(404, "404 page not found")),
        "loki.retention.enabled",
        CANNOT_TELL,
    ),
    "loki: the compactor stands still": (
        loki_answers(metrics=(200, f"{COMPACTOR_METRIC} {(NOW - 3 * DAY).timestamp():e}\n")),
        "loki.compactor.ran",
        BREACH,
    ),
    "loki: the compactor never ran": (
        loki_answers(
            metrics=(200, f"{COMPACTOR_METRIC} 0\nprocess_start_time_seconds {(NOW - 9 * DAY).timestamp():e}\n")
        ),
        "loki.compactor.ran",
        BREACH,
    ),
    "loki: lines older than promised": (loki_lines(45), "loki.oldest_line", BREACH),
    "loki: old lines hidden from queries": (
        loki(limits(max_query_lookback="720h")),
        "loki.oldest_line",
        CANNOT_TELL,
    ),
    "loki: chunk files that nobody deletes": (old_chunks, "loki.chunk_files", BREACH),
    "loki: password needed": (
        server("loki", "/loki/api/v1/status/buildinfo", (401, "")),
        "loki.reachable",
        CANNOT_TELL,
    ),
    # Alertmanager
    "alertmanager: 90 days": (
        compose("alertmanager", command=["--data.retention=2160h"]),
        "alertmanager.retention",
        BREACH,
    ),
    "alertmanager: old silences": (
        server("alertmanager", "/api/v2/silences", silences(90)),
        "alertmanager.retention",
        BREACH,
    ),
    # Compose
    "compose: 90d written, 30d running": (
        compose("prometheus", command=["--storage.tsdb.retention.time=90d"]),
        "compose.prometheus.retention",
        BREACH,
    ),
    "compose: flags of the file are not those that run": (
        compose("prometheus", command=["--storage.tsdb.retention.time=15d"]),
        "compose.prometheus.drift",
        BREACH,
    ),
    "compose: another version runs": (
        compose("prometheus", image="prom/prometheus:v3.16.0"),
        "compose.prometheus.drift",
        BREACH,
    ),
    "compose: loki's file is not what runs": (
        file(
            "loki.yaml",
            "compactor: {retention_enabled: true, delete_request_store: s3}\nlimits_config: {retention_period: 10d}",
        ),
        "compose.loki.drift",
        BREACH,
    ),
    "compose: a variable that is not set": (
        compose("prometheus", command=["--storage.tsdb.retention.time=${RETENTION:?set it}"]),
        "compose.file",
        CANNOT_TELL,
    ),
    "compose: a container's output without a bound": (compose("loki", logging={}), "compose.output", CANNOT_TELL),
    # Log directories
    "logs: a line that is too old": (logs("bot-out.log.40", 40), "logs.lines", BREACH),
    "logs: a rotated file that was forgotten": (logs("old-app-2026-08-01.log.gz", 90), "logs.lines", CANNOT_TELL),
    "logs: logrotate keeps 52 weeks": (logrotate("weekly\nrotate 52"), "logs.rotation", BREACH),
    "logs: logrotate knows no time": (logrotate("size 100M\nrotate 5"), "logs.rotation", BREACH),
    "logs: nothing rotates them": (
        file("logrotate", "/var/log/other/*.log { daily\n}\n"),
        "logs.rotation",
        BREACH,
    ),
    "logs: pm2-logrotate keeps all": (pm2('{"pm2-logrotate": {"retain": "all"}}'), "logs.rotation", BREACH),
    "logs: pm2-logrotate is not installed": (pm2("{}"), "logs.rotation", BREACH),
    # Object store
    "store: versions that nobody expires": (target("buckets", rules=()), "store.versions", BREACH),
    "store: versions expire too late": (
        target("buckets", rules=(LifecycleRule(name="old", noncurrent_after=90 * DAY),)),
        "store.versions",
        BREACH,
    ),
    "store: a rule deletes the ledger": (lifecycle(expires_after=400 * DAY), "store.lifecycle", BREACH),
    "store: a rule deletes segments too early": (
        lifecycle(expires_after=30 * DAY, prefix="logs/data/"),
        "store.lifecycle",
        BREACH,
    ),
    "store: a rule freezes segments": (lifecycle(archives_after=30 * DAY), "store.lifecycle", BREACH),
    "store: a lock longer than the retention": (target("buckets", lock_period=999 * DAY), "store.lock", BREACH),
    "store: public": (target("buckets", public=True), "store.public", BREACH),
    "store: it does not tell": (target("buckets", versioning=None), "store.versions", CANNOT_TELL),
    "store: away": (target("buckets", problem=Failure.TRANSIENT()), "store.reachable", CANNOT_TELL),
    # Supabase
    "supabase: a job deletes archived rows": (cron("delete from app_audit_log"), "supabase.jobs", BREACH),
    "supabase: a job copies archived rows": (
        cron("insert into copies select * from app_audit_log"),
        "supabase.jobs",
        CANNOT_TELL,
    ),
    "supabase: jobs that may not be read": (target("supabase", jobs=None), "supabase.jobs", CANNOT_TELL),
    "supabase: rows that are overdue": (
        target("supabase", tables=(TableFacts(relation="public.app_audit_log", oldest=NOW - 60 * DAY),)),
        "supabase.oldest_row",
        BREACH,
    ),
    "supabase: rows that may be hidden": (
        target("supabase", tables=(TableFacts(relation="public.app_audit_log", problem=Failure.ACCESS()),)),
        "supabase.oldest_row",
        CANNOT_TELL,
    ),
    "supabase: backups outlive the promise": (
        target("supabase", plan="enterprise", promise=14 * DAY),
        "supabase.backups",
        BREACH,
    ),
    "supabase: a plan that nobody said": (target("supabase", plan=""), "supabase.backups", CANNOT_TELL),
    "supabase: away": (target("supabase", problem=Failure.TRANSIENT()), "supabase.reachable", CANNOT_TELL),
}


@pytest.mark.parametrize("name", ROWS)
def test_it_is_found(stack: Stack, name: str) -> None:
    spoil, check, verdict = ROWS[name]
    spoil(stack)
    findings = stack.look()
    assert exit_status(findings) == 4
    assert verdicts(findings).get(check) is verdict, [one for one in findings if one.check == check]


def test_every_check_speaks_up_in_some_row(stack: Stack) -> None:
    """A check that no row can make speak would be ok for ever."""
    assert {one.check for one in stack.look()} - {check for _, check, _ in ROWS.values()} <= {
        "compose.loki.retention",
        "compose.alertmanager.retention",
    }


def test_every_finding_has_its_place_in_the_page_for_operators(stack: Stack) -> None:
    page = (ROOT / "docs" / "stack-check.md").read_text()
    named = {one.check for one in stack.look()} | {check for _, check, _ in ROWS.values()}
    # What is away is said once for all parts, in the page's words about `cannot tell`.
    assert not [one for one in named if f"`{one}`" not in page and not one.endswith(".reachable")]


# -- one part's failure


@pytest.mark.parametrize("kind", ["prometheus", "loki", "alertmanager"])
def test_a_part_that_breaks_is_a_finding_and_stops_nothing(stack: Stack, kind: str) -> None:
    """Even a defect of ours: it is said, without what it stumbled over when that is a secret."""
    healthy_checks = {one.check for one in stack.look() if not one.check.startswith(kind)}
    stack.spoil(kind, url=f"http://me:geheim@{kind}", ca_file=Path("/nowhere/geheim.pem"))

    def explode(request: httpx.Request) -> httpx.Response:
        raise RuntimeError("geheim was not expected")

    stack.servers[kind] = dict.fromkeys(stack.servers[kind], explode)
    findings = stack.look()
    (broken,) = (one for one in findings if one.check == f"{kind}.check")
    assert (broken.verdict, broken.subject) == (CANNOT_TELL, f"http://{kind}")
    assert "RuntimeError" in english_list(broken.observed)
    assert "geheim" not in repr(broken)
    assert healthy_checks - {one.check for one in findings} <= {f"compose.{kind}.drift"}


def test_a_certificate_that_is_not_there_is_a_finding(stack: Stack) -> None:
    """With the real client: reading a file is this side's failure."""
    target = PrometheusTarget(url="https://prometheus", ca_file=stack.directory / "none.pem")
    targets = StackTargets(prometheus=(target,))
    (finding,) = check_stack(targets, NOW)
    assert (finding.check, finding.verdict) == ("prometheus.check", CANNOT_TELL)


def test_nothing_is_compared_where_nobody_knows_with_what(stack: Stack) -> None:
    """Two servers of a kind: which one the compose file starts is not known."""
    (one,) = stack.targets.prometheus
    stack.targets = replace(stack.targets, prometheus=(one, deepcopy(one)))
    assert "compose.prometheus.drift" not in verdicts(stack.look())


def test_a_promise_of_its_own(stack: Stack) -> None:
    """What breaks 30 days keeps 90."""
    prometheus("prometheus-2.42.0-90d")(stack)
    assert verdicts(stack.look())[SETTING] is BREACH
    stack.spoil("prometheus", promise=90 * DAY)
    assert verdicts(stack.look())[SETTING] is OK
