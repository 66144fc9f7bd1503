"""Where settings come from, in which order, and what is wrong with them.

The first that has a value wins: flag, environment, ``.env`` in the working directory, secrets directory,
configuration file. Of configuration files only one is read: ``--config`` or ``ARCHIVER_CONFIG``; else ``archiver.toml``
in the working directory, in the user's configuration directory, in ``/etc/archiver``, whichever is there first.

A misspelt setting is an error wherever it stands. Other programs' variables in the environment and in ``.env`` are none
of our business; those that begin with ``ARCHIVER_`` are.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

import platformdirs
from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from archiver.config.refusals import refuse
from archiver.config.settings import DEFAULT_DATASETS, Settings
from archiver.errors import ConfigError

PREFIX = "ARCHIVER_"
FIXED_NAMES: Mapping[str, str] = {
    "SUPABASE_DB_URL": "supabase_db_url",
    "SUPABASE_URL": "supabase_url",
    "SUPABASE_SECRET_KEY": "supabase_secret_key",
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
    "AWS_REGION": "aws_region",
    "AWS_DEFAULT_REGION": "aws_region",
    "AWS_ENDPOINT_URL_S3": "aws_endpoint_url_s3",
    "AWS_ENDPOINT_URL": "aws_endpoint_url_s3",
    "AWS_CA_BUNDLE": "aws_ca_bundle",
}
"""Names that other programs use too. Of two for one setting the first in this list wins."""

NOT_SETTINGS = frozenset({"ARCHIVER_CONFIG", "ARCHIVER_SECRETS_DIR"})
"""Names with our prefix that say where settings are, not what they are. Tests' own names are not among them."""

KEY_FILES = {"archiver_signing_key": "signing_key_file", "archiver_privacy_key": "privacy_key_file"}
"""Files in a secrets directory that are a key themselves, and the setting that names such a file."""

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """One setting as ``config show`` prints it. ``value`` is masked where it is a secret."""

    name: str
    value: str
    origin: str


@dataclass(slots=True)
class _Layer:
    """Values of one place, by path, each with the words that say where it stands."""

    values: dict[Path_, Any] = field(default_factory=dict)
    where: dict[Path_, str] = field(default_factory=dict)

    def put(self, path: Path_, value: Any, where: str) -> None:
        if path not in self.values:
            self.values[path] = value
            self.where[path] = where


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each one that is not a default came from."""

    settings: Settings
    origins: Mapping[Path_, str]
    config_file: Path | None


def load(
    *,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    directory: Path | None = None,
) -> Loaded:
    """Gather, check and validate.

    Args:
        config_file: From ``--config``; must exist.
        environ: None: the process's own.
        overrides: From flags, by dotted name; None values are left out.
        directory: The working directory; None: the process's own.

    Raises:
        ConfigError: One line for each mistake, all of them at once; what is wrong only together, one at a time. No
            secret is ever shown.
    """
    environ = os.environ if environ is None else environ
    directory = Path.cwd() if directory is None else directory
    problems: list[str] = []
    flags = _Layer()
    for name, value in (overrides or {}).items():
        if value is not None:
            flags.put(tuple(name.split(".")), value, "flag")
    chosen = _choose_file(config_file, environ, directory)
    layers = [
        flags,
        _named(environ, "environment", problems),
        _named(_dotenv(directory / ".env"), str(directory / ".env"), problems),
        _secrets(environ, problems),
        _toml(chosen, problems),
    ]
    merged: dict[Path_, Any] = {}
    origins: dict[Path_, str] = {}
    for layer in layers:
        for path, value in layer.values.items():
            # Wholes and parts of the same thing do not mix: a table given as JSON in the environment stands alone.
            if path not in merged:
                merged[path] = value
                origins[path] = layer.where[path]
    if problems:
        raise _several(problems)
    tree: dict[str, Any] = {}
    for path, value in merged.items():
        node = tree
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = value
    try:
        settings = Settings(**tree)
    except ValidationError as exc:
        raise _several(
            [
                _explain(tuple(str(part) for part in error["loc"]), error["msg"], error["type"], origins)
                for error in exc.errors(include_input=False, include_url=False)
            ]
        ) from None
    refuse(settings, tree)
    return Loaded(settings, origins, chosen)


def _several(problems: list[str]) -> ConfigError:
    lines = list(dict.fromkeys(problems))
    return ConfigError(
        "\n       ".join(lines), hint="`archiver config show --origin` lists every setting; nothing was touched"
    )


def _explain(loc: Path_, message: str, kind: str, origins: Mapping[Path_, str]) -> str:
    path = tuple(part for part in loc if part not in ("function-before", "__root__"))
    where = next((origins[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origins), "")
    message = message.removeprefix("Value error, ")
    name = ".".join(path)
    if kind == "missing":
        message = "is needed and not set"
    stands = f" ({where})" if where and where != name else ""
    return f"{name}{stands}: {message}" if name else message


# ── Layers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _named(variables: Mapping[str, str], where: str, problems: list[str]) -> _Layer:
    """Variables by name: ours by their prefix, the usual ones by their fixed names; empty ones count as unset."""
    layer = _Layer()
    for name, setting in FIXED_NAMES.items():
        if variables.get(name):
            layer.put((setting,), variables[name], f"{where}: {name}")
    for name, value in variables.items():
        if not name.upper().startswith(PREFIX) or name in NOT_SETTINGS or name.startswith("ARCHIVER_TEST_"):
            continue
        path = tuple(part.lower() for part in name[len(PREFIX) :].split("__"))
        problem = unknown_setting(path)
        if problem is not None:
            best = f"; did you mean {PREFIX}{'__'.join(problem).upper()}?" if problem else ""
            problems.append(f"{where}: {name} is no setting of archiver{best}")
        elif value:
            layer.put(path, _listed(value), f"{where}: {name}")
    return layer


def _listed(value: str) -> Any:
    """Lists and tables are written as JSON in the environment, which TOML's inline forms read almost the same."""
    if value[:1] in "[{":
        try:
            return tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            return value
    return value


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}


def _secrets(environ: Mapping[str, str], problems: list[str]) -> _Layer:
    """Files named like variables, in lower or upper case, each holding one value; one trailing newline is cut."""
    layer = _Layer()
    for variable in ("ARCHIVER_SECRETS_DIR", "CREDENTIALS_DIRECTORY"):
        folder = environ.get(variable)
        if not folder:
            continue
        if not Path(folder).is_dir():
            problems.append(f"environment: {variable} names {folder}, which is no directory")
            continue
        values: dict[str, str] = {}
        for file in sorted(Path(folder).iterdir()):
            name = file.name.upper()
            if file.name.lower() in KEY_FILES:
                layer.put((KEY_FILES[file.name.lower()],), str(file), str(file))
            elif file.is_file() and (name in FIXED_NAMES or name.startswith(PREFIX)):
                try:
                    values[name] = file.read_text().removesuffix("\n")
                except (OSError, UnicodeDecodeError):
                    problems.append(f"{file}: cannot be read as text")
        named = _named(values, folder, problems)
        for path, value in named.values.items():
            layer.put(path, value, named.where[path])
    return layer


def _choose_file(given: Path | None, environ: Mapping[str, str], directory: Path) -> Path | None:
    named = given or (Path(environ["ARCHIVER_CONFIG"]) if environ.get("ARCHIVER_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(
                f"{named}: there is no such configuration file; nothing was touched",
                hint="correct --config or ARCHIVER_CONFIG, or write one with `archiver init`",
            )
        return named.absolute()
    places = (
        directory / "archiver.toml",
        Path(platformdirs.user_config_dir("archiver")) / "archiver.toml",
        Path("/etc/archiver/archiver.toml"),
    )
    return next((place for place in places if place.is_file()), None)


def _toml(path: Path | None, problems: list[str]) -> _Layer:
    layer = _Layer()
    if path is None:
        return layer
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as exc:
        problems.append(f"{path}: is not TOML: {exc}")
        return layer
    except (OSError, UnicodeDecodeError) as exc:
        problems.append(f"{path}: cannot be read ({type(exc).__name__})")
        return layer
    for place, value in _leaves(content, ()):
        nearest = unknown_setting(place)
        if nearest is not None:
            best = f"; did you mean {'.'.join(nearest)}?" if nearest else ""
            problems.append(f"{path}: {'.'.join(place)} is no setting of archiver{best}")
        else:
            layer.put(place, value, f"{path}: {'.'.join(place)}")
    return layer


def _leaves(node: Mapping[str, Any], path: Path_) -> Iterator[tuple[Path_, Any]]:
    """Every value with its path; an empty table is a value of its own, so that ``[datasets.x]`` alone counts."""
    for name, value in node.items():
        here = (*path, name)
        if isinstance(value, dict) and value:
            yield from _leaves(value, here)
        else:
            yield here, value


# ── Names ──────────────────────────────────────────────────────────────────────────────────────────────────────


def unknown_setting(path: Path_) -> Path_ | None:
    """None when the path is a setting; else the nearest one that is, or an empty path when none is near."""
    return _nearest(Settings, path)


def _nearest(model: type[BaseModel], path: Path_) -> Path_ | None:
    fields = _names(model)
    head, rest = path[0], path[1:]
    if head not in fields:
        near = difflib.get_close_matches(head, fields, n=1, cutoff=0.6)
        return (near[0], *rest) if near else ()
    if not rest:
        return None
    inner = section_of(fields[head])
    # In a mapping the next part is a free name.
    free = 1 if get_origin(fields[head].annotation) is Mapping else 0
    if len(rest) <= free:
        return None
    if inner is None:
        return path[: 1 + free]
    nested = _nearest(inner, rest[free:])
    return nested if not nested else (*path[: 1 + free], *nested)


def _names(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def section_of(info: FieldInfo) -> type[BaseModel] | None:
    """The table that a setting is, or whose entries it holds; None where it is a value."""
    for candidate in (info.annotation, *get_args(info.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


# ── Showing ────────────────────────────────────────────────────────────────────────────────────────────────────


def describe(loaded: Loaded) -> list[Origin]:
    """Every setting with its value and origin, in the tree's order. Secrets are masked."""
    shown: list[Origin] = []
    _describe(loaded.settings, (), loaded.origins, shown)
    return shown


def _describe(model: BaseModel, path: Path_, origins: Mapping[Path_, str], shown: list[Origin]) -> None:
    written = model.model_dump(mode="json", by_alias=True)
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        here = (*path, info.alias or name)
        if isinstance(value, BaseModel):
            _describe(value, here, origins, shown)
        elif here == ("datasets",):
            for dataset, rules in {**DEFAULT_DATASETS, **value}.items():
                _describe(rules, (*here, dataset), origins, shown)
        elif here == ("stack", "log_directories") and value:
            for place, rules in value.items():
                _describe(rules, (*here, place), origins, shown)
        else:
            is_secret = isinstance(value, SecretStr)
            text = "(set, hidden)" if is_secret else _text(written[info.alias or name])
            origin = next((where for at, where in origins.items() if at[: len(here)] == here), "default")
            shown.append(Origin(".".join(here), text, origin))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {item}" for name, item in value.items()) + "}"
    return str(value)
