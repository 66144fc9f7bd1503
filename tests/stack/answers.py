"""A server as a plain function: answers by path, recorded or written in the test."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from archiver.model import Finding, Verdict
from archiver.stack.loki import COMPACTOR_METRIC

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


def streams(age: timedelta | None) -> dict[str, Answer]:
    """A query API that holds one line of this age, by tenant the same."""
    stamp = None if age is None else round((NOW - age).timestamp() * 1e9)

    def bounds(request: httpx.Request) -> tuple[int, int]:
        start, end = int(request.url.params["start"]), int(request.url.params["end"])
        assert end - start <= 31 * 86_400 * 10**9, "longer than the server's max_query_length"
        return start, end

    def labels(request: httpx.Request) -> httpx.Response:
        start, end = bounds(request)
        # The index knows days: it names labels of the whole day that holds the line.
        near = stamp is not None and start - 86_400 * 10**9 <= stamp <= end + 86_400 * 10**9
        return httpx.Response(200, json={"status": "success", "data": ["app", "__hidden__"] if near else []})

    def lines(request: httpx.Request) -> httpx.Response:
        start, end = bounds(request)
        assert request.url.params["query"] == '{app=~".+"}'
        assert request.url.params["direction"] == "forward"
        result = []
        if stamp is not None and start <= stamp < end:
            result = [{"stream": {"app": "bot"}, "values": [[str(stamp), "Frau Muster hat sich angemeldet"]]}]
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "streams", "result": result}})

    return {"/loki/api/v1/labels": labels, "/loki/api/v1/query_range": lines}


def healthy() -> dict[str, Answer]:
    """The recorded Loki with retention on, without its longer override, its compactor just run, one line of 29 days."""
    return dict(_healthy())


@cache
def _healthy() -> dict[str, Answer]:
    answers = {**recorded("loki-3.7.6-retention-30d"), **streams(timedelta(days=29))}
    answers["/metrics"] = (200, f"{COMPACTOR_METRIC} {(NOW - timedelta(minutes=10)).timestamp():e}\n")
    return changed(answers, lambda document: document["limits_config"].update(retention_stream=[]))


@cache
def _parsed(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)


def changed(answers: dict[str, Answer], change: Callable[[Any], Any]) -> dict[str, Answer]:
    configuration = answers["/config"]
    assert isinstance(configuration, tuple)
    document = deepcopy(_parsed(configuration[1]))
    change(document)
    return {**answers, "/config": (200, yaml.dump(document, Dumper=yaml.CSafeDumper))}


def with_oldest(answers: dict[str, Answer], age: timedelta) -> dict[str, Answer]:
    seconds = (NOW - age).timestamp()
    return {**answers, "/metrics": (200, f"prometheus_tsdb_lowest_timestamp_seconds {seconds:e}\n")}


def with_yaml(answers: dict[str, Answer], text: str) -> dict[str, Answer]:
    return {**answers, "/api/v1/status/config": (200, {"status": "success", "data": {"yaml": text}})}


def with_version(answers: dict[str, Answer], version: str) -> dict[str, Answer]:
    return {**answers, "/api/v1/status/buildinfo": (200, {"status": "success", "data": {"version": version}})}


def texts(statements: list[dict[str, Any]]) -> str:
    """The English of statements as JSON has them."""
    return "; ".join(one["text"] for one in statements)
