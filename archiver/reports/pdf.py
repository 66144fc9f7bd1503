"""A document as PDF/A-3a and PDF/UA-1: tagged, for ever readable, with the data attached. Same document, same bytes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from archiver.errors import ConfigError
from archiver.reports.document import Block, Chart, Command, Document, Facts, Notes, Paragraph, Table, visible

TEMPLATE_FILE = "report.typ"
NO_GLYPH = "could not be displayed"
CHART_STYLE = (
    "<style>text{font-family:'Libertinus Serif'}.grid{stroke:#dfe3e8;stroke-width:1}"
    ".tick,.key{fill:#4d5967;font-size:11px}.archived{fill:#2f6fbb}.relocated{fill:#d08700}.deleted{fill:#b3261e}"
    ".source{fill:#d08700}.archive{fill:#2f6fbb}.line{fill:none;stroke-width:2}"
    ".line.source,.limit.source{stroke:#d08700}.line.archive,.limit.archive{stroke:#2f6fbb}"
    ".limit{stroke-width:1.2;stroke-dasharray:5 4}</style>"
)
KINDS: Mapping[type[Block], str] = {
    Paragraph: "paragraph",
    Command: "command",
    Facts: "facts",
    Table: "table",
    Chart: "chart",
    Notes: "notes",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside of the PDF; text."""

    name: str
    data: str
    type: str
    description: str


def pdf(document: Document, attachments: Sequence[Attachment] = ()) -> bytes:
    """The file's bytes.

    Raises:
        ConfigError: The package that sets it is not installed.
    """
    try:
        import typst  # noqa: PLC0415 - 40 MB that the other formats and commands do without
    except ImportError as exc:
        raise ConfigError(
            "a PDF needs the package typst, which is not installed; no PDF was written",
            hint="pip install typst, or leave pdf out of --format",
        ) from exc
    template = (resources.files(__package__) / TEMPLATE_FILE).read_bytes()

    def compiled(*, plainly: bool) -> bytes:
        inputs = {
            **_shown(_plain(document), plainly=plainly),
            "attachments": [asdict(attachment) for attachment in attachments],
        }
        # Fonts of this machine would make another file of the same document; the package brings its own.
        return bytes(
            typst.compile(
                template,
                format="pdf",
                ignore_system_fonts=True,
                sys_inputs={"document": json.dumps(inputs, ensure_ascii=False)},
                pdf_standards=["a-3a", "ua-1"],
                timestamp=0,
            )
        )

    try:
        return compiled(plainly=False)
    except typst.TypstError as problem:
        # An archival file must have every glyph; a letter that the fonts lack is spelled out instead.
        if NO_GLYPH not in str(problem):
            raise
        return compiled(plainly=True)


def _shown(value: Any, *, plainly: bool) -> Any:
    """Every text as it can be seen; a drawing is markup, and shows what it must by itself."""
    if isinstance(value, str):
        return visible(value, plainly=plainly)
    if isinstance(value, dict):
        return {name: _shown(value, plainly=plainly) for name, value in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item, plainly=plainly) for item in value]
    return value


def _plain(document: Document) -> dict[str, Any]:
    plain = asdict(document)
    plain["date"] = [document.date.year, document.date.month, document.date.day]
    plain["sections"] = [
        {
            "title": section.title,
            "depth": section.depth,
            "blocks": [_block(block) for block in section.blocks],
        }
        for section in document.sections
    ]
    return plain


def _block(block: Block) -> dict[str, Any]:
    plain = {**asdict(block), "kind": KINDS[type(block)]}
    if isinstance(block, Facts):
        plain["items"] = [{"label": label, "cells": [asdict(cell) for cell in values]} for label, values in block.items]
    elif isinstance(block, Chart):
        head, _, rest = block.svg.partition(">")
        plain["svg"] = f"{head}>{CHART_STYLE}{rest}"
    return plain
