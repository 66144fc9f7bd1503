"""One text in both languages.

``{rows}`` is a fact, written in the language's own way; ``{rows|row|rows}`` is a number with its noun.
"""

from typing import NamedTuple


class Message(NamedTuple):
    """German and English side by side."""

    de: str
    en: str
