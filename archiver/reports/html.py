"""A document as one HTML file: no script, no request, nothing beside it. Light, dark and on paper."""

import base64
import hashlib
import re
from collections.abc import Iterator
from html import escape as _escape
from importlib import resources
from typing import assert_never

from archiver.reports.document import (
    Block,
    Cell,
    Chart,
    Column,
    Command,
    Document,
    Facts,
    Notes,
    Paragraph,
    Section,
    Table,
    visible,
)

LONG_MIN = 40
"""A digest or a key: on a narrow screen its column is scrolled to, and not squeezed to a few letters."""

STYLE_FILE = "report.css"
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w.-]{0,40}")
_COMMAND = re.compile(r"`([^`<>]+)`")


def html(document: Document) -> bytes:
    """The file's bytes, UTF-8."""
    style = (resources.files(__package__) / STYLE_FILE).read_text(encoding="utf-8")
    # The one style sheet is named by its digest: a style attribute that somebody smuggled in would not count either.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = escape(f"{document.title} {document.subtitle} – {document.number}".rstrip(" –"))  # noqa: RUF001
    lines = [
        "<!doctype html>",
        f'<html lang="{document.language}">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{title}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        *_header(document),
        "<main>",
        *(line for section in document.sections for line in _section(section)),
        "</main>",
        f"<footer>{escape(document.number)}</footer>",
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(lines).encode()


def escape(text: str) -> str:
    """Text as markup that shows it, and nothing else."""
    return _escape(visible(text))


def _header(document: Document) -> Iterator[str]:
    yield "<header>"
    yield f"<h1>{escape(document.title)}</h1>"
    subtitle = " · ".join(part for part in (document.subtitle, document.number) if part)
    yield f'<p class="sub">{escape(subtitle)}</p>'
    if document.verdict is not None:
        yield f'<div class="verdict {document.verdict}">'
        yield f"<strong>{escape(document.verdict_label)}</strong><p>{escape(document.verdict_text)}</p>"
        if document.verdict_note:
            yield f"<small>{escape(document.verdict_note)}</small>"
        yield "</div>"
    if document.figures:
        tiles = (
            f"<li><span>{escape(figure.label)}</span><b>{escape(figure.value)}</b><small>{escape(figure.before)}</small></li>"
            for figure in document.figures
        )
        yield f'<ul class="figures">{"".join(tiles)}</ul>'
    links = "".join(
        f'<li><a href="#{escape(section.anchor)}">{escape(section.title)}</a></li>'
        for section in document.sections
        if section.depth == 1
    )
    yield f"<nav><ul>{links}</ul></nav>"
    yield "</header>"


def _section(section: Section) -> Iterator[str]:
    level = section.depth + 1
    anchor = escape(section.anchor)
    yield f'<section aria-labelledby="{anchor}">'
    yield f'<h{level} id="{anchor}">{escape(section.title)}</h{level}>'
    for block in section.blocks:
        yield from _block(block, section.title)
    yield "</section>"


def _block(block: Block, title: str) -> Iterator[str]:
    match block:
        case Paragraph():
            marked = "" if block.tone == "plain" else f' class="{block.tone}"'
            yield f"<p{marked}>{_prose(block.text)}</p>"
        case Command():
            yield f"<pre><code>{escape(block.text)}</code></pre>"
        case Facts():
            yield "<dl>"
            for label, values in block.items:
                yield f"<dt>{escape(label)}</dt><dd>{_lines(values)}</dd>"
            yield "</dl>"
        case Table():
            yield from _table(block, title)
        case Chart():
            yield f"<figure><figcaption>{escape(block.title)}</figcaption>{block.svg}</figure>"
        case Notes():
            yield '<ol class="notes">'
            for note in block.items:
                yield (
                    f'<li class="{note.level}"><div class="tag">{escape(note.label)} · {escape(note.subject)}</div>'
                    f'<div class="what">{_prose(note.text)}</div><div class="next">→ {_action(note.action)}</div></li>'
                )
            yield "</ol>"
        case _:
            assert_never(block)


def _action(action: Cell) -> str:
    prose = _prose(action.text)
    return f'<span lang="en">{prose}</span>' if action.english else prose


def _prose(text: str) -> str:
    """Commands stand between backticks."""
    return _COMMAND.sub(r"<code>\1</code>", escape(text))


def _table(table: Table, title: str) -> Iterator[str]:
    # A wide table scrolls by itself; whoever has no pointer gets there with the keyboard.
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption or title)}"><table>'
    if table.caption:
        yield f"<caption>{escape(table.caption)}</caption>"
    heads = "".join(f'<th scope="col"{_aligned(column)}>{escape(column.title)}</th>' for column in table.columns)
    yield f"<thead><tr>{heads}</tr></thead><tbody>"
    for row in table.rows:
        parts = (
            f"<td{_aligned(column)}>{_lines(lines)}</td>" for column, lines in zip(table.columns, row, strict=True)
        )
        yield f"<tr>{''.join(parts)}</tr>"
    yield "</tbody></table></div>"
    if table.note:
        yield f'<p class="muted">{escape(table.note)}</p>'


def _aligned(column: Column) -> str:
    return ' class="num"' if column.right else ""


def _lines(lines: tuple[Cell, ...]) -> str:
    return _cell(lines[0]) if len(lines) == 1 else "".join(f"<div>{_cell(line)}</div>" for line in lines)


def _cell(cell: Cell) -> str:
    language = ' lang="en"' if cell.english else ""
    # An option is one word: it breaks after its dashes only where there is no other way.
    text = _OPTION.sub(r'<span class="option">\g<0></span>', escape(cell.text))
    if cell.tone == "plain" and not language:
        return text
    long = " long" if cell.tone == "code" and len(cell.text) > LONG_MIN else ""
    tone = "" if cell.tone == "plain" else f' class="{cell.tone}{long}"'
    return f"<span{tone}{language}>{text}</span>"
