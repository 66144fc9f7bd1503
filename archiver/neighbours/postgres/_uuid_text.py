# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: annotation_typing=False, infer_types=False
"""The text of uuids: one source, compiled where a compiler is at hand, plain Python otherwise.

``_uuid_text.pxd`` beside this file adds the C types and nothing else. It is called only where it is compiled:
elsewhere Postgres itself writes the text, at a seventh of a microsecond a value.
"""

from typing import Any

try:
    import cython
except ImportError:
    compiled = False
else:
    compiled = cython.compiled

BYTES = 16
CHARACTERS = 36

# No type stands in a signature here: mypy would ask for what only the .pxd can say, and Cython would box the rest.
Buffer = Any


def write_texts(data: Buffer, count: Buffer, text: Buffer, ends: Buffer) -> Buffer:
    """Write ``count`` uuids as Postgres does, lower case with hyphens, one behind the other.

    Args:
        data: ``16 * count`` bytes.
        text: Room for ``36 * count`` characters.
        ends: Room for ``count + 1`` offsets: an Arrow array's.
    """
    position = 0
    ends[0] = 0
    for index in range(count):
        start = 16 * index
        for place in range(16):
            byte = data[start + place]
            high = byte >> 4
            low = byte & 15
            # Where a byte's digits stand, and the digits: without a branch, as random digits cannot be predicted.
            at = position + 2 * place + (place > 3) + (place > 5) + (place > 7) + (place > 9)
            text[at] = high + 48 + 39 * (high > 9)
            text[at + 1] = low + 48 + 39 * (low > 9)
        text[position + 8] = text[position + 13] = text[position + 18] = text[position + 23] = 45
        position += 36
        ends[index + 1] = position
    return position
