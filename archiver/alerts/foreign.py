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
    line = "".join(_visible(one) for one in cut)
    return line if len(text) <= limit else f"{line}… ({len(text):,} characters)"


def shown_pairs(pairs: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations, names and values likewise, in the order of their names; at most ``PAIRS_MAX``."""
    found = {shown(name, 128): shown(value) for name, value in sorted(pairs.items())[:PAIRS_MAX]}
    if len(pairs) > PAIRS_MAX:
        found["…"] = f"{len(pairs) - PAIRS_MAX} more"
    return found


def _visible(one: str) -> str:
    if one in _SPELLED_OUT:
        return _SPELLED_OUT[one]
    if unicodedata.category(one) not in _INVISIBLE:
        return one
    return f"\\u{ord(one):04x}" if ord(one) <= 0xFFFF else f"\\U{ord(one):08x}"  # noqa: PLR2004 - the end of \u
