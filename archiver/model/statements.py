"""Statements: a code of a closed set, and the facts that its sentence is made of. What is stored; never a sentence.

The names of facts say how a language writes them: ``…_at`` is an instant, ``…_s`` a length of time in seconds,
``…_bytes`` a size, any other number a number. Texts are names (a table, a setting, a URL), never words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self, Union

FactValue = Union[int, str, tuple[str, ...], tuple["Statement", ...], "Statement"]
Given = FactValue | datetime | timedelta
"""What a code is called with: an instant becomes its RFC 3339 text, a length of time its whole seconds."""

_CODES: dict[str, "Code"] = {}


class Code(StrEnum):
    """A closed set of codes. Called with its facts, a code gives the statement.

    Attributes:
        facts: The names of exactly those facts that its sentence is made of.
    """

    facts: tuple[str, ...]

    def __new__(cls, value: str, *facts: str) -> Self:
        """A member, known by its code from here on."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.facts = facts
        if value in _CODES:
            raise TypeError(f"the code {value} is taken")
        _CODES[value] = member
        return member

    def __call__(self, **facts: Given) -> "Statement":
        """The statement that this holds, with these facts."""
        return Statement(code=self.value, facts={name: _written(value) for name, value in facts.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A code and its facts. Equal statements are one: they can be counted.

    Raises:
        ValueError: The code is of no set, or its facts are not those that it has.
    """

    code: str
    facts: Mapping[str, FactValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        code = _CODES.get(self.code)
        if code is None:
            raise ValueError("a code that this version does not know")
        if set(self.facts) != set(code.facts):
            raise ValueError(f"{self.code} has the facts {code.facts}")

    def __hash__(self) -> int:
        return hash(self.sort_key)

    @property
    def sort_key(self) -> tuple[str, str]:
        """By code, then by facts."""
        return self.code, repr(sorted(self.facts.items(), key=lambda fact: fact[0]))


def known_codes() -> tuple[Code, ...]:
    """Every code of every set."""
    return tuple(_CODES.values())


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC, as facts have it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ordered(statements: Iterable[Statement]) -> list[Statement]:
    """In an order that no run changes."""
    return sorted(statements, key=lambda statement: statement.sort_key)


def _written(value: Given) -> FactValue:
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    return value
