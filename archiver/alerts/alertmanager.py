"""Alertmanager's API: what fires there, and silences. Several of a cluster are one: a silence in one is in all."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from archiver.alerts.payload import NotUnderstood, Report, read_listing
from archiver.errors import ConfigError, OutcomeUnknown, TransientError

ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
SILENCE_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
EVERYTHING: Final = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Listing:
    """What fires.

    Attributes:
        is_complete: Every Alertmanager answered: what is not listed does not fire.
        problems: Why one did not.
    """

    reports: tuple[Report, ...]
    is_complete: bool
    problems: tuple[str, ...]


class Matcher(BaseModel, frozen=True):
    """One condition of a silence."""

    name: str
    value: str
    isRegex: bool = False  # noqa: N815 - Alertmanager's names
    isEqual: bool = True  # noqa: N815


class _State(BaseModel, frozen=True):
    state: str


class Silence(BaseModel, frozen=True):
    """As Alertmanager has it; matchers, author and comment are somebody else's text."""

    id: str
    status: _State
    startsAt: AwareDatetime  # noqa: N815
    endsAt: AwareDatetime  # noqa: N815
    createdBy: str = ""  # noqa: N815
    comment: str = ""
    matchers: list[Matcher]


_SILENCES = TypeAdapter(list[Silence])


class Alertmanagers:
    """One, or the members of a cluster.

    Args:
        urls: Without credentials, query or fragment.

    Raises:
        ConfigError: One is no address.
    """

    def __init__(self, urls: Sequence[str], *, timeout_s: float = 5.0) -> None:
        self.urls = tuple(_checked(url) for url in urls)
        # Neither proxies nor passwords of the environment: who answers must be who was named.
        self._client = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def firing(self) -> Listing:
        """What any of them says is firing; silenced and inhibited alerts included."""
        reports: dict[str, Report] = {}
        problems: list[str] = []
        for url in self.urls:
            try:
                body = await self._ask("GET", url, "/api/v2/alerts", params=EVERYTHING)
                for report in read_listing(body):
                    # Of two members the one that had it earlier knows more.
                    if report.fingerprint not in reports or report.starts_at < reports[report.fingerprint].starts_at:
                        reports[report.fingerprint] = report
            except (TransientError, OutcomeUnknown) as problem:
                problems.append(problem.message)
            except NotUnderstood as problem:
                problems.append(f"{url}: the answer is not Alertmanager's ({problem})")
        return Listing(tuple(reports.values()), bool(self.urls) and not problems, tuple(problems))

    async def silences(self) -> list[Silence]:
        """Those in force and those to come.

        Raises:
            TransientError: Nobody answered.
        """
        body = await self._ask_any("GET", "/api/v2/silences")
        try:
            return [silence for silence in _SILENCES.validate_json(body) if silence.status.state != "expired"]
        except ValidationError:
            raise TransientError("the list of silences is not Alertmanager's") from None

    async def silence(self, labels: Mapping[str, str], *, until: datetime, by: str, comment: str, now: datetime) -> str:
        """Silence what has exactly these labels, and nothing else; gives the silence's id.

        Raises:
            TransientError: It was not made.
            OutcomeUnknown: It was asked for and no answer came.
        """
        document = {
            "matchers": [Matcher(name=name, value=value).model_dump() for name, value in sorted(labels.items())],
            "startsAt": now.astimezone(UTC).isoformat(),
            "endsAt": until.astimezone(UTC).isoformat(),
            "createdBy": by,
            "comment": comment,
        }
        body = await self._ask_any("POST", "/api/v2/silences", content=json.dumps(document).encode())
        try:
            made = json.loads(body)["silenceID"]
        except (ValueError, KeyError, TypeError):
            raise OutcomeUnknown("Alertmanager's answer names no silence; it may have been made") from None
        return str(made)

    async def expire(self, silence_id: str) -> bool:
        """End a silence; False where there is none of that id.

        Raises:
            TransientError: It was not ended.
            OutcomeUnknown: It was asked for and no answer came.
        """
        assert SILENCE_ID.fullmatch(silence_id)
        return await self._ask_any("DELETE", f"/api/v2/silence/{silence_id}", missing=b"-") != b"-"

    async def _ask_any(self, method: str, path: str, **options: Any) -> bytes:
        """The first one that can be reached; after a request that may have arrived no other is asked."""
        problem: TransientError | None = None
        for url in self.urls:
            try:
                return await self._ask(method, url, path, **options)
            except TransientError as refused:
                problem = refused
        raise problem or TransientError("no Alertmanager is configured (--alertmanager); nothing was done")

    async def _ask(self, method: str, url: str, path: str, *, missing: bytes | None = None, **options: Any) -> bytes:
        headers = {"Content-Type": "application/json"} if method == "POST" else {}
        body = bytearray()
        try:
            async with self._client.stream(method, url + path, headers=headers, **options) as answer:
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        raise TransientError(f"{url}: an answer of more than {ANSWER_BYTES_MAX >> 20} MiB")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
            raise TransientError(f"{url}: not reached ({type(problem).__name__}); nothing was done") from None
        except httpx.HTTPError as problem:
            if method == "GET":
                raise TransientError(f"{url}: no answer ({type(problem).__name__})") from None
            raise OutcomeUnknown(
                f"{url}: no answer to {method} came ({type(problem).__name__}); it may have been done"
            ) from None
        if answer.status_code == NOT_FOUND and missing is not None:
            return missing
        if answer.is_success:
            return bytes(body)
        raise TransientError(f"{url}: answered {answer.status_code} to {method}; nothing was done")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good, parts = False, urlsplit("")
    if not is_good or parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(
            "--alertmanager is no address of an Alertmanager; nothing was started",
            hint="write http://HOST:PORT, with the path before /api where there is one, and no user or password",
        )
    return url.strip().rstrip("/")
