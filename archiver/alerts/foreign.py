"""Text that somebody else chose. A label can hold anything: an escape sequence, a line that looks like an order."""

import unicodedata
from collections.abc import Mapping

VALUE_CHARACTERS_MAX = 500
PAIRS_MAX = 64
_SPELLED_OUT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_INVISIBLE = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
"""Control, format (direction marks, zero width), unassigned, private, half of a pair, line and paragraph separators."""


def shown(text: str, limit: int = VALUE_CHARACTERS_MAX) -> str:
    """One line of printable characters: what is invisible is spelled out; what is too long is cut, and says so."""
    cut = text[:limit]
    line = "".join(_visible(character) for character in cut)
    return line if len(text) <= limit else f"{line}… ({len(text):,} characters)"


def shown_pairs(pairs: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations, names and values likewise, in the order of their names; at most ``PAIRS_MAX``."""
    cut = {shown(name, 128): shown(value) for name, value in sorted(pairs.items())[:PAIRS_MAX]}
    if len(pairs) > PAIRS_MAX:
        cut["…"] = f"{len(pairs) - PAIRS_MAX} more"
    return cut


def _visible(character: str) -> str:
    if character in _SPELLED_OUT:
        return _SPELLED_OUT[character]
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"  # noqa: PLR2004 - the end of \u
