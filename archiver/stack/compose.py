"""What the compose file says, and whether the running servers agree with it.

The file is read as compose reads it: values are substituted (``interpolate``), a later file overrides an earlier one, a
command replaces the one before it. Only the values that are needed are substituted, so that a password which is not set
here, and need not be, stops nothing. What this does not follow (``include``, ``extends``, tags) gives ``cannot_tell``
and the advice to hand over the output of ``docker compose config`` instead.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from archiver.model import Finding, Verdict
from archiver.stack import prometheus
from archiver.stack.loki import Answers as LokiAnswers
from archiver.stack.prometheus import Answers as PrometheusAnswers
from archiver.stack.targets import ComposeTarget
from archiver.stack.web import at, parse_yaml
from archiver.stack.words import Unknown, parse_duration, setting, span

FILE_BYTES_MAX = 4 * 1024 * 1024
DEPTH_MAX = 16
LOOK_AT_RESOLVED = "hand over the output of `docker compose config` as a resolved file"
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


# ── Substitution ───────────────────────────────────────────────────────────────────────────────────────────────


class Unresolvable(Exception):
    """A value cannot be substituted. Caught in this module; never leaves it."""


_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


def interpolate(text: str, environment: Mapping[str, str], depth: int = 0) -> str:
    """Substitute as compose does: ``$VAR``, ``${VAR}``, ``:-`` ``-`` ``:?`` ``?`` ``:+`` ``+``, nested, ``$$``.

    A variable that is not set becomes empty. A ``$`` before anything else stays.

    Raises:
        Unresolvable: A required variable is not set, or a brace is not closed or holds something else.
    """
    if depth > DEPTH_MAX:
        raise Unresolvable("substitutions are nested too deeply")
    parts: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        parts.append(text[position:dollar])
        after = text[dollar + 1 : dollar + 2]
        if after == "$":
            parts.append("$")
            position = dollar + 2
        elif after == "{":
            end = _closing_brace(text, dollar + 2)
            parts.append(_expression(text[dollar + 2 : end], environment, depth))
            position = end + 1
        elif name := _NAME.match(text, dollar + 1):
            parts.append(environment.get(name[0], ""))
            position = name.end()
        else:
            parts.append("$")
            position = dollar + 1
    return "".join(parts) + text[position:]


def _closing_brace(text: str, start: int) -> int:
    level, position = 1, start
    while position < len(text):
        if text.startswith("$$", position):
            position += 2
            continue
        if text.startswith("${", position):
            level += 1
            position += 2
            continue
        if text[position] == "}":
            level -= 1
            if level == 0:
                return position
        position += 1
    raise Unresolvable("a ${ is not closed")


def _expression(inside: str, environment: Mapping[str, str], depth: int) -> str:
    name = _NAME.match(inside)
    if name is None:
        raise Unresolvable("a ${ is not followed by the name of a variable")
    rest = inside[name.end() :]
    value = environment.get(name[0])
    if not rest:
        return value or ""
    operator = next((one for one in _OPERATORS if rest.startswith(one)), None)
    if operator is None:
        raise Unresolvable(f"${{{name[0]}…}} has an operator that compose does not know")
    operand = rest[len(operator) :]
    present = value is not None and (value != "" or not operator.startswith(":"))
    if operator.endswith("-"):
        return (value or "") if present else interpolate(operand, environment, depth + 1)
    if operator.endswith("+"):
        return interpolate(operand, environment, depth + 1) if present else ""
    if not present:
        raise Unresolvable(f"the variable {name[0]} is required and not set")
    return value or ""


def read_environment_file(text: str, known: Mapping[str, str]) -> dict[str, str]:
    """The variables of an ``.env`` file.

    Values in single quotes are literal; others are substituted from ``known`` and from the lines above them.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"\s*(?:export\s+)?([_a-zA-Z][_a-zA-Z0-9.]*)\s*[=:]\s*(.*)$", line)
        if match is None:
            continue
        name, raw = match[1], match[2].strip()
        if quoted := re.match(r"'((?:[^'\\]|\\.)*)'", raw):
            found[name] = quoted[1].replace("\\'", "'")
            continue
        if quoted := re.match(r'"((?:[^"\\]|\\.)*)"', raw):
            raw = quoted[1].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        else:
            raw = re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].rstrip()
        try:
            found[name] = interpolate(raw, {**found, **known})
        except Unresolvable:
            continue
    return found


# ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of the merged files, with the values that are needed, substituted.

    Attributes:
        image: With its tag; empty where it is built.
        flags: Of the command, without dashes; one without a value is ``true``.
        mounts: Host path by path in the container; named volumes are left out.
        is_log_bounded: Whether the container's own output has a largest size.
    """

    name: str
    image: str
    flags: Mapping[str, str]
    mounts: Mapping[str, Path]
    is_log_bounded: bool

    @property
    def kind(self) -> str:
        """The image's last part without its tag: ``prometheus``, ``loki``, ``alertmanager``."""
        bare = self.image.partition("@")[0].rsplit("/", 1)[-1].split(":")[0]
        return bare or self.name

    @property
    def version(self) -> str:
        """The image's tag; empty where it names no version."""
        tag = self.image.partition("@")[0].rsplit("/", 1)[-1].partition(":")[2]
        return tag if re.match(r"v?\d+\.\d+\.\d+", tag) else ""


def read(target: ComposeTarget) -> tuple[Service, ...] | Unknown:
    """The services of a target's files, merged and substituted."""
    merged = _merged(target.files)
    environment = _environment(target)
    for one in (merged, environment):
        if isinstance(one, Unknown):
            return one
    assert not isinstance(merged, Unknown)
    assert not isinstance(environment, Unknown)
    base = target.files[0].parent
    found: list[Service] = []
    for name, written in merged.items():
        try:
            found.append(_service(name, written, base, environment, resolved=target.resolved))
        except Unresolvable as exc:
            # Only a service that matters is worth a doubt: a missing password of another one changes nothing here.
            if _may_matter(name, written):
                where = f"{target.files[0]}, service {name}"
                return Unknown(f"{where}: {exc}", f"give its environment, or {LOOK_AT_RESOLVED}")
    return tuple(found)


def _merged(files: tuple[Path, ...]) -> Mapping[str, Mapping[str, Any]] | Unknown:
    merged: dict[str, dict[str, Any]] = {}
    for path in files:
        services = _services(path)
        if isinstance(services, Unknown):
            return services
        for name, written in services.items():
            if not isinstance(written, Mapping):
                return Unknown(f"{path}: the service {name} is no mapping")
            _merge(merged.setdefault(str(name), {}), written)
    return merged or Unknown("no service is defined", "name the compose file that the stack was started with")


def _services(path: Path) -> Mapping[str, Any] | Unknown:
    document = _document(path)
    if isinstance(document, Unknown):
        return document
    if document.get("include"):
        return Unknown(f"{path}: include is not followed here", LOOK_AT_RESOLVED)
    services = document.get("services") or {}
    return services if isinstance(services, Mapping) else Unknown(f"{path}: services is no mapping")


def _may_matter(name: str, written: Mapping[str, Any]) -> bool:
    text = f"{name} {written.get('image', '')}".lower()
    return any(word in text for word in ("prometheus", "loki", "alertmanager", "$"))


def _document(path: Path) -> Mapping[str, Any] | Unknown:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except OSError as exc:
        return Unknown(f"{path}: {exc.strerror or type(exc).__name__}", "name the compose file, readable by archiver")
    if len(text) > FILE_BYTES_MAX:
        return Unknown(f"{path}: larger than {FILE_BYTES_MAX // 2**20} MiB")
    found = parse_yaml(text.decode(errors="replace"), str(path))
    return Unknown(found.reason, LOOK_AT_RESOLVED) if isinstance(found, Unknown) else found


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if key == "volumes" and isinstance(below.get(key), list) and isinstance(value, list):
            below[key] = [*below[key], *value]
        elif key == "logging" and isinstance(below.get(key), Mapping) and isinstance(value, Mapping):
            below[key] = {**below[key], **value}
        else:
            below[key] = value


def _environment(target: ComposeTarget) -> Mapping[str, str] | Unknown:
    if target.resolved:
        return {}
    files = target.environment_files
    beside = target.files[0].parent / ".env"
    try:
        if not files and beside.is_file():
            files = (beside,)
        found: dict[str, str] = {}
        for path in files:
            text = path.read_text(encoding="utf-8", errors="replace")
            found.update(read_environment_file(text, {**found, **target.environment}))
    except OSError as exc:
        return Unknown(f"environment file: {exc.strerror or type(exc).__name__}", LOOK_AT_RESOLVED)
    return {**found, **target.environment}


def _service(
    name: str, written: Mapping[str, Any], base: Path, environment: Mapping[str, str], *, resolved: bool
) -> Service:
    def value(raw: Any) -> str:
        text = "" if raw is None else str(raw)
        # `docker compose config` has substituted everything and doubles what is left, so that it can be read again.
        return text.replace("$$", "$") if resolved else interpolate(text, environment)

    if "extends" in written:
        raise Unresolvable("extends is not followed here")
    words: list[str] = []
    for key in ("entrypoint", "command"):
        raw = written.get(key)
        try:
            words += [value(one) for one in raw] if isinstance(raw, list) else shlex.split(value(raw))
        except ValueError as exc:
            raise Unresolvable(f"its {key} cannot be split into words") from exc
    logging = written.get("logging")
    driver = value(at(logging, "driver")) or "json-file"
    volumes = written.get("volumes") or []
    return Service(
        name=name,
        image=value(written.get("image")),
        flags=_flags(words),
        mounts=dict(_mounts(volumes if isinstance(volumes, list) else [], base, value)),
        is_log_bounded=driver in ("none", "local", "journald", "syslog")
        or (driver == "json-file" and bool(at(logging, "options", "max-size"))),
    )


def _flags(words: list[str]) -> dict[str, str]:
    """Flags as kingpin and Go read them: one dash or two, ``=value`` or the next word; the last one counts."""
    found: dict[str, str] = {}
    for position, word in enumerate(words):
        if not word.startswith("-"):
            continue
        name, equals, text = word.lstrip("-").partition("=")
        following = words[position + 1] if position + 1 < len(words) else "-"
        found[name] = text if equals else "true" if following.startswith("-") else following
    return found


def _mounts(volumes: list[Any], base: Path, value: Any) -> Iterator[tuple[str, Path]]:
    for one in volumes:
        if isinstance(one, Mapping):
            if one.get("type") != "bind":
                continue
            source, inside = value(one.get("source")), value(one.get("target"))
        else:
            parts = value(one).split(":")
            if len(parts) < 2:  # noqa: PLR2004
                continue
            source, inside = parts[0], parts[1]
        if source.startswith(("/", ".", "~")):
            yield inside.rstrip("/") or "/", (base / Path(source).expanduser())


def host_path(service: Service, inside: str) -> Path | None:
    """Where a file of the container lies here; None where it is in the image or in a named volume."""
    place = inside.rstrip("/")
    for mounted in sorted(service.mounts, key=len, reverse=True):
        if place == mounted:
            return service.mounts[mounted]
        if place.startswith(mounted.rstrip("/") + "/"):
            return service.mounts[mounted] / place[len(mounted.rstrip("/")) + 1 :]
    return None


# ── Judging ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the servers answered, where they were asked. None: nobody asked."""

    prometheus: PrometheusAnswers | None = None
    loki: LokiAnswers | None = None


def check(target: ComposeTarget, running: Running) -> tuple[Finding, ...]:
    """Judge a compose file against the promise, and against what runs."""
    services = read(target)
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
        names = ", ".join(one.name for one in services)
        why = Unknown(
            f"no Prometheus, Loki or Alertmanager among its services ({names})", "name the stack's compose file"
        )
        findings.append(_cannot_tell(target, "compose.file", "", why))
    return (*findings, *_unbounded(target, services))


def alertmanager_flag(services: tuple[Service, ...] | Unknown) -> str | Unknown | None:
    """``--data.retention`` as deployed; None where the service does not set it."""
    if isinstance(services, Unknown):
        return services
    for service in services:
        if service.kind == "alertmanager":
            return service.flags.get("data.retention")
    return Unknown("the compose file has no Alertmanager", "name the compose file that starts it")


def _finding(
    target: ComposeTarget,
    check_name: str,
    service: str,
    verdict: Verdict,
    *,
    configured: str = "",
    in_force: str = "",
    observed: str = "",
    promised: str = "",
    fix: str = "",
) -> Finding:
    return Finding(
        check=check_name,
        subject=f"{target.files[0] if target.files else 'compose file'}{service and ' ' + service}",
        promised=promised or span(target.promise),
        configured=configured,
        in_force=in_force,
        observed=observed,
        verdict=verdict,
        fix="" if verdict is Verdict.OK else fix,
    )


def _cannot_tell(target: ComposeTarget, check_name: str, service: str, why: Unknown) -> Finding:
    return _finding(
        target, check_name, service, Verdict.CANNOT_TELL, observed=why.reason, fix=why.fix or LOOK_AT_RESOLVED
    )


def _mounted(service: Service, flag: str) -> Mapping[str, Any] | Unknown | None:
    """The configuration file that a flag names, where it lies on this host; None: it does not."""
    inside = service.flags.get(flag)
    path = None if inside is None else host_path(service, inside)
    return None if path is None else _document(path)


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
    shortest = prometheus.setting_within(target.promise)
    hint = f" ({setting(shortest)}: then no sample outlives the promise)" if shortest else ""
    place = "storage.tsdb.retention.time: " if written.from_file else "--storage.tsdb.retention.time="
    wanted = f"{place}{setting(target.promise)}{hint}"
    return _finding(
        target,
        name,
        service.name,
        Verdict.BREACH if too_long else Verdict.OK,
        configured=written.words,
        in_force="no limit in time" if written.time is None else span(written.time),
        fix=f"set {wanted}, then `docker compose up -d {service.name}`",
    )


def _prometheus_drift(target: ComposeTarget, service: Service, running: PrometheusAnswers | None) -> Iterator[Finding]:
    if running is None or isinstance(running.flags, Unknown):
        return
    differences = []
    for flag in PROMETHEUS_FLAGS:
        written, runs = service.flags.get(flag, ""), running.flags.get(flag, "")
        if _normal(written) != _normal(runs):
            differences.append((f"--{flag}={written or '(unset)'}", f"--{flag}={runs}"))
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
        promised="what the file says is what runs",
        configured=", ".join(one for one, _ in shown),
        in_force=", ".join(other for _, other in shown) or "the same",
        fix=f"`docker compose up -d --force-recreate {service.name}`, or correct the file",
    )


def _loki(target: ComposeTarget, service: Service, running: LokiAnswers | None) -> Iterator[Finding]:
    name = "compose.loki.retention"
    file = _mounted(service, "config.file")
    if not isinstance(file, Mapping):
        why = file or Unknown("its configuration file is not mounted from a path on this host", LOOK_AT_RESOLVED)
        yield _cannot_tell(target, name, service.name, why)
        return
    values = {path: _loki_value(service, file, path) for path in LOKI_PATHS}
    variable = next((path for path, one in values.items() if isinstance(one, str) and "${" in one), None)
    if variable is not None:
        why = Unknown(
            f"{'.'.join(variable)} is taken from the container's environment", "write the value into the file"
        )
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
        yield _cannot_tell(target, name, service.name, Unknown(f"retention_period {period!r} cannot be read"))
        return
    if not kept or kept > target.promise:
        wrong.append(f"limits_config.retention_period: {setting(target.promise)}")
    shown = ", ".join(f"{path[-1]}: {_shown(one)}" for path, one in values.items())
    yield _finding(
        target,
        name,
        service.name,
        Verdict.BREACH if wrong else Verdict.OK,
        configured=shown,
        fix=f"set {', '.join(wrong)}; then `docker compose up -d --force-recreate {service.name}`",
    )
    if running is not None and not isinstance(running.configuration, Unknown):
        differences = [
            (f"{'.'.join(path)}: {_shown(one)}", f"{'.'.join(path)}: {_shown(at(running.configuration, *path))}")
            for path, one in values.items()
            if _normal(_shown(one)) != _normal(_shown(at(running.configuration, *path)))
        ]
        yield from _drift(target, service, differences, str(running.version))


def _loki_value(service: Service, file: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    flag = next(one for one, place in LOKI_FLAGS.items() if place == path)
    return service.flags.get(flag, at(file, *path))


def _shown(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _alertmanager(target: ComposeTarget, service: Service) -> Finding:
    written = service.flags.get("data.retention")
    try:
        kept = timedelta(hours=120) if written is None else parse_duration(written)
    except ValueError:
        why = Unknown(f"--data.retention={written} cannot be read", "correct the flag")
        return _cannot_tell(target, "compose.alertmanager.retention", service.name, why)
    return _finding(
        target,
        "compose.alertmanager.retention",
        service.name,
        Verdict.OK if kept <= target.promise else Verdict.BREACH,
        configured="no flag: the default, 120h" if written is None else f"--data.retention={written}",
        in_force=span(kept),
        fix=f"set --data.retention to {setting(target.promise)} or less",
    )


def _unbounded(target: ComposeTarget, services: tuple[Service, ...]) -> Iterator[Finding]:
    """What a container prints is a log too, and json-file, the default, keeps it as long as the container lives."""
    names = [one.name for one in services if not one.is_log_bounded]
    if names:
        yield _finding(
            target,
            "compose.output",
            ", ".join(names),
            Verdict.CANNOT_TELL,
            configured="no logging.options.max-size",
            in_force="unless the Docker daemon's own default bounds it, what a container prints is kept while it lives",
            fix="set logging: {driver: json-file, options: {max-size: 10m, max-file: '3'}}",
        )
