"""What somebody asked Loki to delete, applied to entries that are about to be archived.

A query is understood as far as requests use it: a stream selector, line filters (``|=``, ``!=``, ``|~``, ``!~``), and
comparisons of one label or one name of structured metadata. Whatever is written otherwise is not guessed: the chunks
that it may touch wait.

Regular expressions are RE2 in Loki and here. Text that is not valid UTF-8 has no agreed meaning to them, so that a
chunk with such lines waits where a request has one.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from archiver.contracts import ChunkRef, DeletionRequest

MILLISECOND_NS = 10**6
Comparison = Literal["=", "!=", "=~", "!~"]


class Inexact(Exception):
    """A request cannot be evaluated exactly. Its text says why, and quotes nothing of the query."""


@dataclass(frozen=True, slots=True)
class _Matcher:
    name: str
    comparison: Comparison
    value: str


@dataclass(frozen=True, slots=True)
class _LineFilter:
    comparison: Literal["|=", "!=", "|~", "!~"]
    value: str


@dataclass(frozen=True, slots=True)
class Query:
    """A query that is understood whole."""

    selector: tuple[_Matcher, ...]
    stages: tuple[_LineFilter | _Matcher, ...]


_SPACE = re.compile(r"\s*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMPARISON = re.compile(r"=~|!~|!=|=(?!=)")
_LINE_FILTER = re.compile(r"\|=|\|~|!=|!~")


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        Inexact: It says more than is understood here.
    """
    reader = _Reader(text)
    reader.expect("{")
    selector: list[_Matcher] = []
    while not reader.skip("}"):
        if selector:
            reader.expect(",")
        selector.append(reader.matcher())
    if not selector:
        raise Inexact("the query selects no stream")
    stages: list[_LineFilter | _Matcher] = []
    while not reader.at_end():
        operator = reader.take(_LINE_FILTER)
        if operator is not None:
            value = reader.string()
            stages.append(_LineFilter(operator, value))  # type: ignore[arg-type]
        else:
            reader.expect("|")
            stages.append(reader.matcher())
    return Query(tuple(selector), tuple(stages))


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        self._pass_space()
        return self._at == len(self._text)

    def skip(self, mark: str) -> bool:
        self._pass_space()
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def expect(self, mark: str) -> None:
        if not self.skip(mark):
            raise Inexact(f"the query has something else than {mark!r} at character {self._at}")

    def take(self, pattern: re.Pattern[str]) -> str | None:
        self._pass_space()
        match = pattern.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def string(self) -> str:
        written = self.take(_STRING)
        if written is None:
            raise Inexact(f"the query has no plain string at character {self._at}")
        if written[0] == "`":
            return written[1:-1]
        try:
            # Go's escapes that JSON does not know (\x, \a, \') are refused here rather than guessed.
            return str(json.loads(written, strict=False))
        except ValueError:
            raise Inexact(f"the query has an escape that is not understood before character {self._at}") from None

    def matcher(self) -> _Matcher:
        name = self.take(_NAME)
        comparison = self.take(_COMPARISON) if name else None
        if name is None or comparison is None:
            raise Inexact(f"the query has no comparison of a label with a string at character {self._at}")
        return _Matcher(name, comparison, self.string())  # type: ignore[arg-type]

    def _pass_space(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        self._at = space.end()


@dataclass(frozen=True, slots=True)
class Rule:
    """A request; ``query`` is None where it is not understood, and ``why`` says so."""

    request: DeletionRequest
    query: Query | None
    why: str = ""


def rules(requests: Sequence[DeletionRequest]) -> tuple[Rule, ...]:
    """Read every request's query, once."""
    parsed = []
    for request in requests:
        try:
            parsed.append(Rule(request, parse(request.query)))
        except Inexact as exc:
            parsed.append(Rule(request, None, str(exc)))
    return tuple(parsed)


def may_touch(rule: Rule, ref: ChunkRef) -> bool:
    """Whether a request may cover entries of a chunk, by its name alone. Bounds in names can be off by empty lines."""
    # Loki puts no entry into a chunk that is older than the chunk may be; a day is more than any such setting.
    slack_ns = 86_400 * 10**9
    return (
        rule.request.tenant == ref.tenant
        and rule.request.start_ns <= ref.through_ms * MILLISECOND_NS + slack_ns
        and ref.from_ms * MILLISECOND_NS - slack_ns <= rule.request.end_ns
    )


def covered(rule: Rule, labels: Mapping[str, str], table: pa.Table) -> pa.ChunkedArray | None:
    """Which entries a request covers; None when it covers none.

    Args:
        table: As in ``contracts.ChunkRows``.

    Raises:
        Inexact: It cannot be decided exactly.
    """
    times = table.column("timestamp").cast(pa.int64())
    inside = pc.and_(
        pc.greater_equal(times, pa.scalar(rule.request.start_ns, pa.int64())),
        pc.less_equal(times, pa.scalar(rule.request.end_ns, pa.int64())),
    )
    if not pc.any(inside).as_py():
        return None
    if rule.query is None:
        raise Inexact(rule.why)
    if not all(_label_matches(matcher, labels.get(matcher.name, "")) for matcher in rule.query.selector):
        return None
    for stage in rule.query.stages:
        if isinstance(stage, _LineFilter):
            inside = pc.and_(inside, _lines_match(stage, table, inside))
        else:
            inside = pc.and_(inside, _values_match(stage, labels, table))
    return inside if pc.any(inside).as_py() else None


def _label_matches(matcher: _Matcher, value: str) -> bool:
    return bool(_matches(matcher, pa.array([value])).to_pylist()[0])


def _matches(matcher: _Matcher, values: pa.Array) -> pa.Array:
    """Compare whole values, as selectors do."""
    if matcher.comparison in ("=", "!="):
        hits = pc.equal(values, matcher.value)
    else:
        hits = _regex(values, f"^(?s:{matcher.value})$")
    return pc.invert(hits) if matcher.comparison.startswith("!") else hits


def _regex(values: pa.Array, pattern: str) -> pa.Array:
    try:
        return pc.match_substring_regex(values, pattern)
    except pa.ArrowInvalid:
        raise Inexact("a regular expression in the query is not RE2") from None


def _lines_match(line_filter: _LineFilter, table: pa.Table, inside: pa.ChunkedArray) -> pa.ChunkedArray:
    lines, line_bytes = table.column("line"), table.column("line_bytes")
    if line_filter.comparison in ("|=", "!="):
        plain = pc.coalesce(lines.cast(pa.binary()), line_bytes)
        hits = pc.match_substring(plain, line_filter.value.encode())
    else:
        if pc.any(pc.and_(inside, pc.is_null(lines))).as_py():
            raise Inexact("the query has a regular expression, and some lines are not UTF-8")
        hits = pc.fill_null(_regex(lines, line_filter.value), False)
    return pc.invert(hits) if line_filter.comparison.startswith("!") else hits


def _values_match(matcher: _Matcher, labels: Mapping[str, str], table: pa.Table) -> pa.ChunkedArray:
    """Compare a label, or what the structured metadata have under a name; what is missing is the empty string."""
    if matcher.name in labels:
        matches = _label_matches(matcher, labels[matcher.name])
        return pa.chunked_array([pa.repeat(pa.scalar(matches), table.num_rows)])
    metadata = table.column("structured_metadata")
    if metadata.null_count:
        raise Inexact("the query compares structured metadata, and some are not UTF-8")
    # Loki's answers spell names anew. Where that makes one out of another, its filter and ours would part.
    plain = pc.unique(metadata.combine_chunks().keys)
    spelt = pc.replace_substring_regex(plain, "[^A-Za-z0-9]+", "_")
    spelt = pc.replace_substring_regex(spelt, "^([0-9])", r"key_\1")
    alike = pc.and_(pc.equal(spelt, matcher.name), pc.not_equal(plain, matcher.name))
    if pc.any(alike).as_py():
        raise Inexact("the query compares structured metadata, and Loki spells some of their names otherwise")
    values = pc.fill_null(pc.map_lookup(metadata, pa.scalar(matcher.name), "last"), "")
    return pa.chunked_array([_matches(matcher, values.combine_chunks())])
