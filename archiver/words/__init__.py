"""The catalogue: the words of every code, in German and English. Nothing else makes a sentence of a stored code.

Rooms above ask ``english`` for the terminal and the logs; reports take the language that was asked for.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from archiver.model import Statement
from archiver.words.fixes import FIXES
from archiver.words.found import FOUND
from archiver.words.language import Language, LanguageCode
from archiver.words.looks import LOOKS
from archiver.words.message import Message
from archiver.words.reasons import REASONS

STATEMENTS: Final[Mapping[str, Message]] = {**REASONS, **LOOKS, **FOUND, **FIXES}
"""By code. A test holds it together with the codes: none missing, none left over, and each with exactly its facts."""

ENGLISH: Final = Language("en", STATEMENTS)


def english(statement: Statement) -> str:
    """The English words of a statement: what a command prints."""
    return ENGLISH.statement(statement)


def english_list(statements: Iterable[Statement]) -> str:
    """Several statements in one line."""
    return ENGLISH.statements(statements)


__all__ = ["ENGLISH", "STATEMENTS", "Language", "LanguageCode", "Message", "english", "english_list"]
