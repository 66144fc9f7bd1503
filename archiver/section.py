"""What a room's settings are made of: ``Section``, durations as people write them, addresses that may be shown.

Each room declares its part of the configuration file in a ``settings.py`` of its own, with words and default; nothing
else stands in that module, so that reading settings loads no driver. ``config`` collects them into one tree.
"""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

MIB = 1024 * 1024
PART_SIZE_BYTES = 256 * MIB
"""About the size of what is written, or taken, as one piece."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DURATION_MAX = timedelta(days=36_525)
DURATION = re.compile(r"(\d{1,6})\s*([smhdw])")


def parse_duration(text: object) -> timedelta:
    """``90m``, ``24h``, ``30d``, ``2w``; at most a hundred years, so that every sum of it and a time exists.

    Raises:
        ValueError: It is anything else, or zero.
    """
    match = DURATION.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is no duration: write a number and a unit, such as 90m, 24h, 30d or 2w")
    duration = timedelta(seconds=int(match[1]) * UNITS[match[2]])
    if duration > DURATION_MAX:
        raise ValueError(f"{text!r} is longer than a hundred years: write at most {DURATION_MAX.days}d")
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back as the same."""
    seconds = int(duration.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % UNITS[unit] == 0:
            return f"{seconds // UNITS[unit]}{unit}"
    return f"{seconds}s"


def _duration(value: Any) -> Any:
    """A number without a unit is refused: whoever writes 365 means days, and would have been given seconds."""
    return value if value is None or isinstance(value, timedelta) else parse_duration(value)


def _retention(value: Any) -> Any:
    return None if value == "never" else _duration(value)


def _written(value: timedelta | None) -> str:
    return "never" if value is None else format_duration(value)


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(_written)]
Retention = Annotated[timedelta | None, BeforeValidator(_retention), PlainSerializer(_written)]
"""A duration, or ``never``."""


def web_address(value: str | None) -> str | None:
    """The value, which is an HTTP address without credentials: it is shown in messages, reports and `config show`.

    Raises:
        ValueError: It is anything else.
    """
    if value is None:
        return None
    if not re.match(r"https?://[^/\s]+", value):
        raise ValueError("must begin with http:// or https:// and name a host")
    if "@" in value.split("://", 1)[1].split("/", 1)[0]:
        raise ValueError("holds a user or a password, which is shown wherever the address is; set them on their own")
    return value


class Section(BaseModel):
    """A part of the tree. Whoever works by it adds to it, by inheritance, what only one run knows."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True, arbitrary_types_allowed=True
    )
