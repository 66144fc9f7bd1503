"""Statements as a command shows them: English words for a person; code, facts and these words as JSON."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from archiver.model import Statement
from archiver.words import english


def said(statement: Statement | None) -> dict[str, Any] | None:
    """A statement for JSON: its code, its facts, and the English text."""
    if statement is None:
        return None
    return {"code": statement.code, "facts": dict(statement.facts), "text": english(statement)}


def counted(counts: Mapping[Statement, int], unit: str) -> list[dict[str, Any]]:
    """Counted reasons for JSON, each with its number of ``unit``: rows, chunks, slots."""
    return [
        {**(said(reason) or {}), unit: count}
        for reason, count in sorted(counts.items(), key=lambda item: item[0].sort_key)
        if count
    ]


def told(counts: Mapping[Statement, int]) -> list[tuple[str, int]]:
    """Counted reasons in English, in an order that no run changes."""
    return [
        (english(reason), count) for reason, count in sorted(counts.items(), key=lambda item: item[0].sort_key) if count
    ]


def with_texts(value: Any) -> Any:
    """JSON in which every statement has its English text."""
    if isinstance(value, Statement):
        return {**(said(value) or {}), "facts": with_texts(dict(value.facts))}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: with_texts(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        if set(value) == {"code", "facts"}:
            return with_texts(statement_of(value))
        return {name: with_texts(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_texts(item) for item in value]
    return value


def statement_of(written: Mapping[str, Any]) -> Statement:
    """A statement of which ``asdict`` has made a mapping."""

    def whole(value: Any) -> Any:
        if isinstance(value, Mapping):
            return statement_of(value)
        return tuple(whole(item) for item in value) if isinstance(value, list | tuple) else value

    return Statement(code=written["code"], facts={name: whole(fact) for name, fact in written["facts"].items()})
