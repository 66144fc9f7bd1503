"""The reference of all settings, from their own descriptions.

``python -m archiver.config.reference > docs/configuration.md`` writes the page; a test compares the two, so that no
setting is without its words and none of the words are old.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from archiver.config.settings import Settings
from archiver.config.sources import FIXED_NAMES, KEY_FILES, NOT_SETTINGS, PREFIX, section_of
from archiver.section import format_duration

INTRODUCTION = """\
# Every setting

<!-- Made by `python -m archiver.config.reference`, from the settings' own descriptions. Do not edit. -->

A setting has one name in three spellings: `export.jobs` in `archiver.toml` (`jobs` below `[export]`),
`ARCHIVER_EXPORT__JOBS` in the environment, `archiver_export__jobs` as a file in a secrets directory. The first place
that has a value wins:

1. a flag of the command,
2. the environment,
3. `.env` in the working directory,
4. a secrets directory, which `ARCHIVER_SECRETS_DIR` or systemd's `CREDENTIALS_DIRECTORY` names: a file for each value,
5. one configuration file: `--config` or `ARCHIVER_CONFIG`; else `archiver.toml` in the working directory, in the user's
   configuration directory (`~/.config/archiver`), in `/etc/archiver`, whichever is there first.

A misspelt setting is an error wherever it stands, and exits 2. `archiver config show --origin` lists what is in force
and where it came from, `archiver config validate` checks it without touching anything. An annotated example is
[deploy/archiver.toml](../deploy/archiver.toml).

Durations are a number and a unit: `30d`, `12h`, `15m`, `90s`, `52w`. Lists and tables are written in the environment as
in TOML: `["a", "b"]`.
"""

FIXED = """\
## Names that other programs use too

| Variable | Setting |
|---|---|
{rows}

Of two for one setting the first wins. {places} say where settings are. A secrets directory may hold the keys
themselves: {keys}.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the page tells it.

    Attributes:
        name: Dotted, as in the configuration file.
        variable: Of the environment.
        kind: In a person's words.
        default: As one would write it; empty where there is none.
    """

    name: str
    variable: str
    kind: str
    default: str
    description: str


@dataclass(frozen=True, slots=True)
class Part:
    """A table of the configuration file: its dotted name, what it is for, its settings."""

    name: str
    about: str
    settings: tuple[Setting, ...]


def parts() -> Iterator[Part]:
    """The tables of the configuration file, the top level first, in the order of their definition."""
    yield from _parts(Settings, ())


def _parts(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Part]:
    own: list[Setting] = []
    below: list[Part] = []
    for field, info in model.model_fields.items():
        here = (*path, info.alias or field)
        inner = section_of(info)
        if inner is None:
            own.append(_setting(here, info))
        else:
            is_mapping = get_origin(info.annotation) is Mapping
            below += _parts(inner, (*here, "<name>") if is_mapping else here)
    yield Part(".".join(path), re.sub(r"\s+", " ", (model.__doc__ or "").strip()), tuple(own))
    yield from below


def _setting(path: tuple[str, ...], info: FieldInfo) -> Setting:
    fixed = [variable for variable, setting in FIXED_NAMES.items() if path == (setting,)]
    return Setting(
        name=".".join(path),
        variable=fixed[0] if fixed else PREFIX + "__".join(path).upper(),
        kind=_kind(info.annotation),
        default=_default(info),
        description=re.sub(r"\s+", " ", info.description or "").strip(),
    )


_KINDS = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    timedelta: "duration",
    Path: "path",
    SecretStr: "secret",
}


def _kind(annotation: Any) -> str:
    """What a person writes for a value of this type."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        made = next(_kind(variant) for variant in inner if variant is not NoneType)
    elif origin is Literal:
        made = ", ".join(f"`{choice}`" if choice else "empty" for choice in inner)
    elif origin is tuple:
        made = f"list of {_kind(inner[0])}"
    elif origin is Mapping:
        made = f"table of {_kind(inner[1])}"
    elif hasattr(annotation, "__metadata__"):
        made = _kind(inner[0])
    elif issubclass(annotation, Enum):
        made = ", ".join(f"`{member.value}`" for member in annotation)
    else:
        made = _KINDS[annotation]
    return made


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True) if not info.is_required() else None
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, timedelta):
        return f'"{format_duration(value)}"'
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return json.dumps(value)


def page() -> str:
    """The whole page, Markdown."""
    made = [INTRODUCTION]
    for part in parts():
        title = f"`[{part.name}]`" if part.name else "The top level"
        made.append(f"## {title}\n\n{part.about}\n" if part.name else f"## {title}\n")
        if part.settings:
            made.append("| Setting | Variable | Kind | Default | |\n|---|---|---|---|---|")
            made += [
                f"| `{_last(setting.name)}` | `{setting.variable}` | {setting.kind} |"
                f" {f'`{setting.default}`' if setting.default else ''} | {_cell(setting.description)} |"
                for setting in part.settings
            ]
            made.append("")
    made.append(
        FIXED.format(
            rows="\n".join(f"| `{variable}` | `{setting}` |" for variable, setting in FIXED_NAMES.items()),
            places=" and ".join(f"`{name}`" for name in sorted(NOT_SETTINGS)),
            keys=", ".join(f"`{file}` for `{setting}`" for file, setting in KEY_FILES.items()),
        )
    )
    return "\n".join(made)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(page())
