"""A document in words: sections of paragraphs, facts, tables and charts. What renderers are given; no markup in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from archiver.reports.model import Level

ROWS_SHOWN_MAX = 400
"""Rows of one table on paper and on a page; all of them are in the JSON and CSV files."""

SPACES = "\u00a0\u202f"
PLAIN_MAX = 0x17F
"""The last letter of Latin Extended-A."""

SIGNS = "–…→„“”≤≥·€✓"  # noqa: RUF001
"""What else our own texts are set with."""

Tone = Literal["plain", "code", "good", "warn", "bad", "muted"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and how it is meant. ``english``: it is quoted as the program wrote it."""

    text: str
    tone: Tone = "plain"
    english: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title; numbers stand to the right. ``share``: of the width, where that is fixed."""

    title: str
    share: int = 1
    right: bool = False


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Command:
    """What a person types."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with what they stand for; several cells stand below each other."""

    items: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; a cell may have several lines."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[tuple[Cell, ...], ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and the same in words. ``svg`` has classes and no colours: a renderer has them."""

    title: str
    svg: str
    alt: str


@dataclass(frozen=True, slots=True)
class Note:
    """A remark: how much it weighs, what is the matter, what to do. ``action.english``: as for any cell."""

    level: Level
    label: str
    subject: str
    text: str
    action: Cell


@dataclass(frozen=True, slots=True)
class Notes:
    """Remarks, the worst first."""

    items: tuple[Note, ...]


Block = Paragraph | Command | Facts | Table | Chart | Notes


@dataclass(frozen=True, slots=True)
class Section:
    """A title with what belongs to it. ``depth`` 1 or 2. ``anchor`` is unique in the document."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the first screen, with what it was before."""

    label: str
    value: str
    before: str


@dataclass(frozen=True, slots=True)
class Document:
    """The whole of it.

    Attributes:
        verdict: None for a document that judges nothing.
        date: The document's own: the last day of what it tells of.
    """

    language: str
    title: str
    subtitle: str
    number: str
    verdict: Level | None
    verdict_label: str
    verdict_text: str
    verdict_note: str
    figures: tuple[Figure, ...]
    date: date
    sections: tuple[Section, ...]


Rows = list[tuple[tuple[Cell, ...], ...]]
"""Of a table, while they are gathered."""


def visible(text: str, *, plainly: bool = False) -> str:
    """The text with what cannot be seen spelled out: control characters, and marks that turn its direction.

    Args:
        plainly: Spell out all that the fonts of a PDF may lack, too.
    """
    return "".join(
        character
        if (character.isprintable() or character in SPACES)
        and not (plainly and ord(character) > PLAIN_MAX and character not in SIGNS)
        else f"\\u{{{ord(character):x}}}"
        for character in text
    )


def cells(*texts: str, tone: Tone = "plain") -> tuple[Cell, ...]:
    """Lines of one cell, or the values of one fact."""
    return tuple(Cell(text, tone) for text in texts if text)


def shortened(rows: Sequence[tuple[tuple[Cell, ...], ...]]) -> tuple[tuple[tuple[tuple[Cell, ...], ...], ...], int]:
    """The rows that are shown, and how many are not."""
    shown = tuple(rows[:ROWS_SHOWN_MAX])
    return shown, len(rows) - len(shown)
