"""Line policies: personal data taken out of the lines of logs before they are written. Off unless configured.

A pattern is found wherever it stands between other text, and is replaced by a mark (``drop``: ``<phone>``) or by a mark
with the keyed digest of what stood there (``hmac``: ``<phone:…64 hex digits…>``), so that lines about the same person
can still be told to be so. Two writings of one phone number or address give one digest.

What these patterns find is a matter of form: a version with four parts looks like an IPv4 address and goes, a name
does not look like anything and stays. They reduce what is kept; they do not make lines anonymous.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from archiver.model import ScrubCount

Action = Literal["drop", "hmac"]


class Pattern(StrEnum):
    """What can be taken out, in the order in which it is looked for: a token may contain what looks like a number."""

    BEARER = "bearer"
    EMAIL = "email"
    IPV6 = "ipv6"
    IPV4 = "ipv4"
    PHONE = "phone"


_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_WORD = r"[0-9A-Fa-f]{1,4}"
_GAP = r"[ ./()-]{0,2}"


@dataclass(frozen=True, slots=True)
class _Form:
    """How something is written: RE2, each alternative with what must stand before and after it."""

    before: str
    core: str
    after: str
    canonical: Callable[[str], str] = str


def _phone(written: str) -> str:
    """E.164 as far as the German ways of writing tell it."""
    digits = "".join(character for character in written if character.isascii() and character.isdigit())
    if written.startswith("+"):
        return f"+{digits}"
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    if digits.startswith("0"):
        return f"+49{digits[1:]}"
    return f"+{digits}"


_FORMS: Mapping[Pattern, tuple[_Form, ...]] = {
    Pattern.BEARER: (
        _Form(
            r"(?:^|[^0-9A-Za-z])",
            r"(?i:bearer[ \t]+[0-9a-z._~+/-]{8,}=*)|eyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]*",
            r"",
        ),
    ),
    Pattern.EMAIL: (
        _Form(r"", r"[0-9A-Za-z._%+-]+@(?:[0-9A-Za-z-]+\.)+[A-Za-z]{2,}", r"", lambda written: written.lower()),
    ),
    Pattern.IPV6: (
        _Form(
            r"(?:^|[^0-9A-Za-z:.])",
            rf"(?:{_WORD}:){{7}}{_WORD}"
            rf"|(?:{_WORD}(?::{_WORD}){{0,5}})?::(?:(?:{_WORD}:){{0,5}}(?:{_IPV4}|{_WORD}))"
            rf"|{_WORD}(?::{_WORD}){{0,6}}::",
            r"(?:$|[^0-9A-Za-z:])",
            lambda written: written.lower(),
        ),
    ),
    Pattern.IPV4: (_Form(r"(?:^|[^0-9A-Za-z.])", _IPV4, r"(?:$|[^0-9A-Za-z])"),),
    Pattern.PHONE: (
        _Form(r"", rf"\+[1-9][0-9](?:{_GAP}[0-9]){{5,13}}", r"(?:$|[^0-9A-Za-z])", _phone),
        _Form(
            r"(?:^|[^0-9A-Za-z])",
            # With 00; a German mobile number; a German one with a gap after its area; as WhatsApp has it, without +.
            rf"00[1-9][0-9](?:{_GAP}[0-9]){{5,13}}"
            rf"|01[5-7][0-9](?:{_GAP}[0-9]){{7,8}}"
            r"|\(?0[1-9][0-9]{1,4}(?:\)[ ./-]{0,2}|[ ]?[/-][ ]?| )[0-9]{2,8}(?:[ -][0-9]{2,5}){0,3}"
            r"|49[1-9][0-9]{8,11}",
            r"(?:$|[^0-9A-Za-z])",
            _phone,
        ),
    ),
}


class LineScrub:
    """Policies for lines. Safe to use from several threads.

    Args:
        digest: Of a text, 64 hex digits; needed where an action is ``hmac``.
    """

    def __init__(self, actions: Mapping[Pattern, Action], digest: Callable[[str], str] | None) -> None:
        if digest is None and "hmac" in actions.values():
            raise ValueError("an action is hmac, and there is no digest")
        self._actions = {pattern: actions[pattern] for pattern in Pattern if pattern in actions}
        self._digest = digest

    def scrub(self, lines: pa.Array) -> tuple[pa.Array, Sequence[ScrubCount]]:
        """Lines as they may be written, and how many each pattern was found in. NULL stays NULL.

        Args:
            lines: Text, or binary where it is not valid UTF-8.
        """
        if pa.types.is_binary(lines.type):
            # Rare. All patterns are ASCII, so that any encoding with one character a byte serves.
            text = pa.array(
                [None if line is None else line.decode("latin-1") for line in lines.to_pylist()], pa.string()
            )
            clean, counts = self.scrub(text)
            return pa.array([None if line is None else line.encode("latin-1") for line in clean.to_pylist()]), counts
        counts = []
        for pattern, action in self._actions.items():
            hits = pa.repeat(pa.scalar(False), len(lines))
            for form in _FORMS[pattern]:
                lines, hit = self._replaced(lines, pattern, action, form)
                hits = pc.or_(hits, hit)
            count = pc.sum(hits).as_py() or 0
            if count:
                counts.append(ScrubCount(pattern=pattern, action=action, lines=count))
        return lines, counts

    def _replaced(self, lines: pa.Array, pattern: Pattern, action: Action, form: _Form) -> tuple[pa.Array, pa.Array]:
        whole = f"{form.before}(?:{form.core}){form.after}"
        hits = pc.fill_null(pc.match_substring_regex(lines, whole), False)
        if not pc.any(hits).as_py():
            return lines, hits
        # One occurrence of each line a turn; the rest of the line is looked at in the next.
        after = f"(?:{form.after.removeprefix('(?:$|').removesuffix(')')}.*)?" if form.after else ".*"
        split = f"(?s)^(?P<before>.*?{form.before})(?P<hit>{form.core})(?P<rest>{after})$"
        rest = lines.filter(hits)
        done = pa.repeat(pa.scalar(""), len(rest))
        open_rows = pa.array(range(len(rest)), pa.int64())
        finished: list[tuple[pa.Array, pa.Array]] = []
        while len(rest):
            parts = pc.extract_regex(rest, split)
            is_split = parts.is_valid()
            last = pc.invert(is_split)
            finished.append(
                (open_rows.filter(last), pc.binary_join_element_wise(done.filter(last), rest.filter(last), ""))
            )
            parts, done, open_rows = parts.filter(is_split), done.filter(is_split), open_rows.filter(is_split)
            before, hit, rest = (parts.field(name) for name in ("before", "hit", "rest"))
            done = pc.binary_join_element_wise(done, before, self._marks(hit, pattern, action, form), "")
        rows = pa.concat_arrays([rows for rows, _ in finished])
        texts = pa.concat_arrays([texts for _, texts in finished])
        return pc.replace_with_mask(lines, hits, texts.take(pc.sort_indices(rows))), hits

    def _marks(self, hits: pa.Array, pattern: Pattern, action: Action, form: _Form) -> pa.Array:
        if action == "drop" or self._digest is None:
            return pa.repeat(pa.scalar(f"<{pattern}>"), len(hits))
        distinct = hits.dictionary_encode()
        marks = [f"<{pattern}:{self._digest(form.canonical(hit))}>" for hit in distinct.dictionary.to_pylist()]
        return pa.array(marks, pa.string()).take(distinct.indices)
