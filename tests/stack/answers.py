"""A server as a plain function: answers by path, recorded or written in the test."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from archiver.model import Finding, Verdict

DATA = Path(__file__).resolve().parents[1] / "data" / "stack"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Answer = tuple[int, Any] | Callable[[httpx.Request], httpx.Response]


def recorded(name: str) -> dict[str, Answer]:
    """The answers of one recorded server by path."""
    found: dict[str, Answer] = {
        path: (one["status"], one["body"]) for path, one in json.loads((DATA / f"{name}.json").read_text()).items()
    }
    configuration = DATA / f"{name}.config.yaml.gz"
    if configuration.is_file():
        found["/config"] = (200, gzip.decompress(configuration.read_bytes()).decode())
    return found


def client(answers: dict[str, Answer], asked: list[httpx.Request] | None = None) -> httpx.Client:
    """A client whose server answers this, and 404 elsewhere."""

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        found = answers.get(request.url.path, (404, "404 page not found"))
        if callable(found):
            return found(request)
        status, body = found
        return httpx.Response(status, text=body if isinstance(body, str) else json.dumps(body))

    return httpx.Client(transport=httpx.MockTransport(answer))


def of(findings: tuple[Finding, ...], check: str) -> Finding:
    """The one finding of a check."""
    found = [one for one in findings if one.check == check]
    assert len(found) == 1, [one.check for one in findings]
    return found[0]


def verdicts(findings: tuple[Finding, ...]) -> dict[str, Verdict]:
    """The worst verdict by check."""
    order = [Verdict.OK, Verdict.CANNOT_TELL, Verdict.BREACH]
    found: dict[str, Verdict] = {}
    for one in findings:
        found[one.check] = max(found.get(one.check, Verdict.OK), one.verdict, key=order.index)
    return found


def well_formed(findings: tuple[Finding, ...]) -> None:
    """What holds for every finding: a fix where one is needed, and nowhere else; something is said."""
    assert findings
    for one in findings:
        assert bool(one.fix) == (one.verdict is not Verdict.OK), one
        assert one.subject, one
        assert one.configured or one.in_force or one.observed, one
