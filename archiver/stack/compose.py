"""What the compose file says, and whether the running servers agree with it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from archiver.model import Finding, Fix, Force, Look, Promise, Setting, Statement, Verdict
from archiver.stack import prometheus
from archiver.stack.composefile import Service, host_path, read, read_document
from archiver.stack.loki import Answers as LokiAnswers
from archiver.stack.prometheus import Answers as PrometheusAnswers
from archiver.stack.targets import ComposeTarget
from archiver.stack.web import at
from archiver.stack.words import Unknown, parse_duration, setting

PROMETHEUS_FLAGS = ("storage.tsdb.retention.time", "storage.tsdb.retention.size", "storage.tsdb.retention")
LOKI_PATHS = (
    ("compactor", "retention_enabled"),
    ("compactor", "delete_request_store"),
    ("limits_config", "retention_period"),
)
LOKI_FLAGS = {
    "compactor.retention-enabled": ("compactor", "retention_enabled"),
    "compactor.delete-request-store": ("compactor", "delete_request_store"),
    "store.retention": ("limits_config", "retention_period"),
}
"""Flags win over the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the servers answered, where they were asked. None: nobody asked."""

    prometheus: PrometheusAnswers | None = None
    loki: LokiAnswers | None = None


def check(target: ComposeTarget, running: Running) -> tuple[Finding, ...]:
    """Judge a compose file against the promise, and against what runs."""
    services = read(target.file)
    return judge(target, services, running)


def judge(target: ComposeTarget, services: tuple[Service, ...] | Unknown, running: Running) -> tuple[Finding, ...]:
    """Decide. Reads the configuration files that the services mount."""
    if isinstance(services, Unknown):
        return (_cannot_tell(target, "compose.file", "", services),)
    findings: list[Finding] = []
    for service in services:
        if service.kind == "prometheus":
            findings.append(_prometheus_setting(target, service))
            findings += _prometheus_drift(target, service, running.prometheus)
        elif service.kind == "loki":
            findings += _loki(target, service, running.loki)
        elif service.kind == "alertmanager":
            findings.append(_alertmanager(target, service))
    if not findings:
        names = tuple(service.name for service in services)
        why = Unknown(Look.NOT_THE_STACK(names=names), Fix.NAME_STACK_FILE())
        findings.append(_cannot_tell(target, "compose.file", "", why))
    return (*findings, *_unbounded(target, services))


def alertmanager_flag(services: tuple[Service, ...] | Unknown) -> str | Unknown | None:
    """``--data.retention`` as deployed; None where the service does not set it."""
    if isinstance(services, Unknown):
        return services
    for service in services:
        if service.kind == "alertmanager":
            return service.flags.get("data.retention")
    return Unknown(Look.NO_ALERTMANAGER(), Fix.NAME_COMPOSE())


def _finding(
    target: ComposeTarget,
    check_name: str,
    service: str,
    verdict: Verdict,
    *,
    configured: tuple[Statement, ...] = (),
    in_force: tuple[Statement, ...] = (),
    observed: tuple[Statement, ...] = (),
    promised: Statement | None = None,
    fix: Statement,
) -> Finding:
    return Finding(
        check=check_name,
        subject=f"{target.file}{service and ' ' + service}",
        promised=(promised or Promise.AGE(limit_s=target.promise),),
        configured=configured,
        in_force=in_force,
        observed=observed,
        verdict=verdict,
        fix=() if verdict is Verdict.OK else (fix,),
    )


def _cannot_tell(target: ComposeTarget, check_name: str, service: str, why: Unknown) -> Finding:
    return _finding(
        target, check_name, service, Verdict.CANNOT_TELL, observed=(why.reason,), fix=why.fix or Fix.RESOLVED()
    )


def _mounted(service: Service, flag: str) -> Mapping[str, Any] | Unknown | None:
    """The configuration file that a flag names, where it lies on this host; None: it does not."""
    inside = service.flags.get(flag)
    path = None if inside is None else host_path(service, inside)
    return None if path is None else read_document(path)


def _prometheus_setting(target: ComposeTarget, service: Service) -> Finding:
    name = "compose.prometheus.retention"
    flags = prometheus.configured_by_flags(service.flags)
    file = _mounted(service, "config.file")
    written: prometheus.Configured | Unknown = flags
    if isinstance(flags, prometheus.Configured) and isinstance(file, Mapping):
        written = prometheus.configured_by_file(file, flags)
    elif isinstance(file, Unknown):
        written = file
    if isinstance(written, Unknown):
        return _cannot_tell(target, name, service.name, written)
    too_long = written.time is None or written.time > target.promise
    place = "storage.tsdb.retention.time: " if written.from_file else "--storage.tsdb.retention.time="
    wanted = f"{place}{setting(target.promise)}"
    return _finding(
        target,
        name,
        service.name,
        Verdict.BREACH if too_long else Verdict.OK,
        configured=written.statements,
        in_force=(Force.NO_LIMIT() if written.time is None else Force.AT_MOST(limit_s=written.time),),
        fix=Fix.SET_AND_UP(setting=wanted, service=service.name),
    )


def _prometheus_drift(target: ComposeTarget, service: Service, running: PrometheusAnswers | None) -> Iterator[Finding]:
    if running is None or isinstance(running.flags, Unknown):
        return
    differences = []
    for flag in PROMETHEUS_FLAGS:
        written, runs = service.flags.get(flag, ""), running.flags.get(flag, "")
        if _normal(written) != _normal(runs):
            differences.append((f"--{flag}={written}", f"--{flag}={runs}"))
    yield from _drift(target, service, differences, str(running.version))


def _normal(text: str) -> str:
    """One text for what a server may write in several ways: 720h is 30d, 1GB is 1GiB, unset is 0s or 0B."""
    word = str(text).strip()
    try:
        return f"{parse_duration(word).total_seconds():.3f}" if parse_duration(word) else ""
    except ValueError:
        bare = re.sub(r"(?<=[KMGTPE])iB$", "B", word)
        return "" if bare in ("0B", "") else bare.lower()


def _drift(
    target: ComposeTarget, service: Service, differences: list[tuple[str, str]], version: str
) -> Iterator[Finding]:
    shown = list(differences)
    tag, runs = service.version.lstrip("v"), version.partition("+")[0].lstrip("v")
    if tag and re.match(r"\d", runs) and tag.partition("-")[0] != runs.partition("-")[0]:
        shown.append((f"image {service.image}", f"version {version}"))
    yield _finding(
        target,
        f"compose.{service.kind}.drift",
        service.name,
        Verdict.BREACH if shown else Verdict.OK,
        promised=Promise.FILE_RUNS(),
        configured=tuple(Setting.WRITTEN(setting=written) for written, _ in shown),
        in_force=tuple(Force.RUNS(setting=other) for _, other in shown) or (Force.SAME(),),
        fix=Fix.RECREATE(service=service.name),
    )


def _loki(target: ComposeTarget, service: Service, running: LokiAnswers | None) -> Iterator[Finding]:
    name = "compose.loki.retention"
    file = _mounted(service, "config.file")
    if not isinstance(file, Mapping):
        why = file or Unknown(Look.NOT_MOUNTED(), Fix.RESOLVED())
        yield _cannot_tell(target, name, service.name, why)
        return
    values = {path: _loki_value(service, file, path) for path in LOKI_PATHS}
    variable = next((path for path, value in values.items() if isinstance(value, str) and "${" in value), None)
    if variable is not None:
        why = Unknown(Look.FROM_ENVIRONMENT(setting=".".join(variable)), Fix.INTO_FILE())
        yield _cannot_tell(target, name, service.name, why)
        return
    wrong = []
    enabled, store, period = values.values()
    if str(enabled).lower() != "true":
        wrong.append("compactor.retention_enabled: true")
    elif not store:
        wrong.append("compactor.delete_request_store: filesystem")
    try:
        kept = timedelta(0) if period is None else parse_duration(str(period))
    except ValueError:
        why = Unknown(Look.UNREADABLE(setting="retention_period", value=str(period)))
        yield _cannot_tell(target, name, service.name, why)
        return
    if not kept or kept > target.promise:
        wrong.append(f"limits_config.retention_period: {setting(target.promise)}")
    shown = ", ".join(f"{path[-1]}: {_shown(value)}" for path, value in values.items())
    yield _finding(
        target,
        name,
        service.name,
        Verdict.BREACH if wrong else Verdict.OK,
        configured=(Setting.WRITTEN(setting=shown),),
        fix=Fix.SET_AND_RECREATE(setting=", ".join(wrong), service=service.name),
    )
    if running is not None and not isinstance(running.configuration, Unknown):
        differences = [
            (f"{'.'.join(path)}: {_shown(value)}", f"{'.'.join(path)}: {_shown(at(running.configuration, *path))}")
            for path, value in values.items()
            if _normal(_shown(value)) != _normal(_shown(at(running.configuration, *path)))
        ]
        yield from _drift(target, service, differences, str(running.version))


def _loki_value(service: Service, file: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    flag = next(name for name, place in LOKI_FLAGS.items() if place == path)
    return service.flags.get(flag, at(file, *path))


def _shown(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _alertmanager(target: ComposeTarget, service: Service) -> Finding:
    written = service.flags.get("data.retention")
    try:
        kept = timedelta(hours=120) if written is None else parse_duration(written)
    except ValueError:
        why = Unknown(Look.UNREADABLE(setting="--data.retention", value=str(written)), Fix.FLAG())
        return _cannot_tell(target, "compose.alertmanager.retention", service.name, why)
    return _finding(
        target,
        "compose.alertmanager.retention",
        service.name,
        Verdict.OK if kept <= target.promise else Verdict.BREACH,
        configured=(
            Setting.DEFAULT(value="120h")
            if written is None
            else Setting.WRITTEN(setting=f"--data.retention={written}"),
        ),
        in_force=(Force.AT_MOST(limit_s=kept),),
        fix=Fix.DATA_RETENTION(value=setting(target.promise)),
    )


def _unbounded(target: ComposeTarget, services: tuple[Service, ...]) -> Iterator[Finding]:
    """What a container prints is a log too, and json-file, the default, keeps it as long as the container lives."""
    names = [service.name for service in services if not service.is_log_bounded]
    if names:
        yield _finding(
            target,
            "compose.output",
            ", ".join(names),
            Verdict.CANNOT_TELL,
            configured=(Setting.OUTPUT(),),
            in_force=(Force.OUTPUT_KEPT(),),
            fix=Fix.LOGGING(),
        )
