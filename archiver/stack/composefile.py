"""The compose file: one file of YAML, read as ``docker compose config`` prints it.

That output is everything that compose does: files merged, variables substituted, ``include`` and ``extends`` followed.
None of this is done a second time here. A file that somebody wrote is read too, as far as it needs none of it: a needed
value that holds a variable, an override file beside it or a tag make it ``Unknown``, with the advice to hand over that
output.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from archiver.model import Fix, Look, Statement
from archiver.stack.web import at, parse_yaml
from archiver.stack.words import Unknown, error_name

FILE_BYTES_MAX: Final = 4 * 1024 * 1024

FLAGS_NEEDED: Final = frozenset(
    {
        "config.file",
        "storage.tsdb.retention.time",
        "storage.tsdb.retention.size",
        "storage.tsdb.retention",
        "store.retention",
        "compactor.retention-enabled",
        "compactor.delete-request-store",
        "data.retention",
    }
)
"""Of all services together. Any other flag may hold a variable."""

BOUNDED_DRIVERS: Final = frozenset({"none", "local", "journald", "syslog"})

_OVERRIDES: Final = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_DEFAULT_NAMES: Final = frozenset(name.replace(".override", "") for name in _OVERRIDES)


class _NotHere(Exception):
    """A value that is needed takes something that only compose does. Caught in this module; never leaves it."""

    def __init__(self, why: Statement) -> None:
        super().__init__(why.code)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service, with the values that are needed.

    Attributes:
        image: With its tag; empty where it is built.
        flags: Of entrypoint and command, without dashes; one without a value is ``true``.
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


def read(path: Path) -> tuple[Service, ...] | Unknown:
    """The services of a compose file."""
    document = read_document(path)
    if isinstance(document, Unknown):
        return document
    if document.get("include"):
        return Unknown(Look.INCLUDE(path=str(path)), Fix.RESOLVED())
    override = next((path.with_name(name) for name in _OVERRIDES if path.with_name(name).exists()), None)
    if override is not None and path.name in _DEFAULT_NAMES:
        return Unknown(Look.OVERRIDE(path=str(path), name=override.name), Fix.RESOLVED())
    written = document.get("services") or {}
    if not isinstance(written, Mapping) or not all(isinstance(service, Mapping) for service in written.values()):
        return Unknown(Look.SERVICES(path=str(path)))
    services: list[Service] = []
    for name, service in written.items():
        try:
            services.append(_service(str(name), service, path.parent))
        except _NotHere as problem:
            # Only a service that matters is worth a doubt: a missing password of another one changes nothing here.
            if _may_matter(str(name), service):
                why = Look.SERVICE(path=str(path), name=str(name), why=problem.why)
                return Unknown(why, Fix.RESOLVED())
            services.append(_other_service(str(name), service))
    return tuple(services) or Unknown(Look.NO_SERVICE(), Fix.NAME_STACK_FILE())


def read_document(path: Path) -> Mapping[str, Any] | Unknown:
    """A file of YAML that holds a mapping: the compose file, or a configuration file that it mounts."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except OSError as exc:
        return Unknown(Look.NO_FILE(path=str(path), error=error_name(exc)), Fix.NAME_READABLE())
    if len(text) > FILE_BYTES_MAX:
        return Unknown(Look.FILE_TOO_LARGE(path=str(path), most_bytes=FILE_BYTES_MAX))
    document = parse_yaml(text.decode(errors="replace"), str(path))
    return Unknown(document.reason, Fix.RESOLVED()) if isinstance(document, Unknown) else document


def host_path(service: Service, inside: str) -> Path | None:
    """Where a file of the container lies here; None where it is in the image or in a named volume."""
    place = inside.rstrip("/")
    for mounted in sorted(service.mounts, key=len, reverse=True):
        if _is_below(place, mounted):
            return service.mounts[mounted] / place[len(mounted.rstrip("/")) :].lstrip("/")
    return None


def _may_matter(name: str, written: Mapping[str, Any]) -> bool:
    repository = re.sub(r":[^/]*$", "", _text(written.get("image"))).rpartition("/")[2]
    text = f"{name} {repository}".lower()
    return any(word in text for word in ("prometheus", "loki", "alertmanager", "$"))


def _service(name: str, written: Mapping[str, Any], base: Path) -> Service:
    if "extends" in written:
        raise _NotHere(Look.EXTENDS())
    words = [word for key in ("entrypoint", "command") for word in _words(key, written.get(key))]
    flags = dict(_flags(words))
    return Service(
        name=name,
        image=_value(written.get("image"), "image"),
        flags=flags,
        mounts=dict(_mounts(written.get("volumes"), base, flags.get("config.file"))),
        is_log_bounded=_is_log_bounded(written),
    )


def _other_service(name: str, written: Mapping[str, Any]) -> Service:
    """One of which no more is needed than where its output goes."""
    return Service(name=name, image="", flags={}, mounts={}, is_log_bounded=_is_log_bounded(written))


def _is_log_bounded(written: Mapping[str, Any]) -> bool:
    logging = written.get("logging")
    driver = _text(at(logging, "driver")) or "json-file"
    return driver in BOUNDED_DRIVERS or (driver == "json-file" and bool(at(logging, "options", "max-size")))


def _text(raw: Any) -> str:
    return "" if raw is None else str(raw)


def _holds_variable(text: str) -> bool:
    return "$" in text.replace("$$", "")


def _value(raw: Any, what: str) -> str:
    """A value without variables. A dollar sign that is meant as such is written twice, by people and by compose."""
    text = _text(raw)
    if _holds_variable(text):
        raise _NotHere(Look.VARIABLE(setting=what))
    return text.replace("$$", "$")


def _words(key: str, raw: Any) -> list[str]:
    if isinstance(raw, list):
        return [_text(word) for word in raw]
    try:
        return shlex.split(_text(raw))
    except ValueError:
        raise _NotHere(Look.NO_WORDS(setting=key)) from None


def _flags(words: list[str]) -> Iterator[tuple[str, str]]:
    """Flags as kingpin and Go read them: one dash or two, ``=value`` or the next word; the last one counts."""
    for position, word in enumerate(words):
        if word.startswith("$") and not word.startswith("$$"):
            raise _NotHere(Look.VARIABLE(setting="command"))
        if not word.startswith("-"):
            continue
        name, equals, text = word.lstrip("-").partition("=")
        following = words[position + 1] if position + 1 < len(words) else "-"
        value = text if equals else "true" if following.startswith("-") else following
        name = _value(name, "command")
        yield name, _value(value, f"--{name}") if name in FLAGS_NEEDED else value


def _mounts(volumes: Any, base: Path, configuration: str | None) -> Iterator[tuple[str, Path]]:
    """Bind mounts. One that holds a variable is left out where the configuration file does not lie in it."""
    for volume in volumes if isinstance(volumes, list) else ():
        source, target = _source_and_target(volume)
        if not source.startswith(("/", ".", "~", "$")) or not target:
            continue  # a named volume, or an anonymous one
        target = target.rstrip("/") or "/"
        if _holds_variable(source + target):
            if _holds_variable(target) or (configuration is not None and _is_below(configuration, target)):
                raise _NotHere(Look.VARIABLE(setting="volumes"))
            continue
        yield target.replace("$$", "$"), base / Path(source.replace("$$", "$")).expanduser()


def _source_and_target(volume: Any) -> tuple[str, str]:
    if isinstance(volume, Mapping):
        is_bind = volume.get("type") == "bind"
        return (_text(volume.get("source")), _text(volume.get("target"))) if is_bind else ("", "")
    # The colon of ${NAME:-default} parts nothing.
    source, _, rest = re.sub(r"\$\{[^{}]*\}", "$", _text(volume)).partition(":")
    return source, rest.partition(":")[0]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
