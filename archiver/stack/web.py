"""Asking one HTTP server: bounded in size and time, never raising for what the server or the network does.

No answer of a server is trusted to be small, quick, or free of our own secrets. A redirect is not followed: it leads to
a login page, or to a server that nobody named.
"""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import yaml

from archiver.model import Fix, Look
from archiver.stack.targets import Access
from archiver.stack.words import Unknown, error_name

ANSWER_BYTES_MAX = 32 * 1024 * 1024
REASON_CHARACTERS_MAX = 200
OK = 200
NO_CONTENT = 204
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    text: str


def open_client(access: Access) -> httpx.Client:
    """A client with the target's credentials and certificates; reads no proxy and no password from the environment.

    Raises:
        OSError: A certificate file cannot be read. ``ssl.SSLError`` is one of its kinds.
    """
    verify: ssl.SSLContext | bool = True
    if access.ca_file is not None or access.client_certificate_file is not None or not access.tls_verify:
        verify = ssl.create_default_context(cafile=None if access.ca_file is None else str(access.ca_file))
        if not access.tls_verify:
            verify.check_hostname = False
            verify.verify_mode = ssl.CERT_NONE
        if access.client_certificate_file is not None:
            verify.load_cert_chain(access.client_certificate_file, access.client_key_file)
    headers = {name: value.get_secret_value() for name, value in access.headers.items()}
    if access.bearer_token is not None:
        headers["Authorization"] = f"Bearer {access.bearer_token.get_secret_value()}"
    return httpx.Client(
        auth=_basic(access),
        headers=headers,
        verify=verify,
        timeout=access.timeout_s,
        follow_redirects=False,
        trust_env=False,
    )


def _basic(access: Access) -> httpx.BasicAuth | None:
    if access.username or access.password is not None:
        return httpx.BasicAuth(access.username, "" if access.password is None else access.password.get_secret_value())
    parts = urlsplit(access.url)
    if parts.username is None and parts.password is None:
        return None
    return httpx.BasicAuth(unquote(parts.username or ""), unquote(parts.password or ""))


def secrets_of(access: Access) -> tuple[str, ...]:
    """Every text that must never be shown."""
    parts = urlsplit(access.url)
    secrets = [parts.password or "", unquote(parts.password or "")]
    secrets += [secret.get_secret_value() for secret in (access.password, access.bearer_token) if secret is not None]
    secrets += [value.get_secret_value() for value in access.headers.values()]
    return tuple(sorted({secret for secret in secrets if secret}, key=len, reverse=True))


def clean(text: str, secrets: tuple[str, ...] = ()) -> str:
    """One short line of what somebody else wrote, without our secrets and without control characters."""
    for secret in secrets:
        text = text.replace(secret, "***")
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= REASON_CHARACTERS_MAX else f"{line[:REASON_CHARACTERS_MAX]}…"


def _cause(exc: BaseException) -> BaseException:
    """What an error comes from in the end: httpx wraps what the system said."""
    seen: set[int] = set()
    while (below := exc.__cause__ or exc.__context__) is not None and id(below) not in seen:
        seen.add(id(below))
        exc = below
    return exc


class Server:
    """One server, asked by path."""

    def __init__(self, access: Access, client: httpx.Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: seconds from anywhere, never going back; it bounds how long one answer may take."""
        self.address = access.address
        self._access = access
        self._client = client
        self._clock = clock

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accepted: tuple[int, ...] = (OK,),
    ) -> Reply | Unknown:
        """The answer of ``address + path``, or why there is none.

        Args:
            accepted: Every other status is unknown, with what the server says about it.
        """
        end = self._clock() + self._access.deadline_s
        body = bytearray()
        try:
            with self._client.stream("GET", self.address + path, params=params, headers=headers) as answer:
                status = answer.status_code
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        return Unknown(Look.TOO_LARGE(path=path, most_bytes=ANSWER_BYTES_MAX))
                    if self._clock() > end:
                        return Unknown(Look.TOO_SLOW(path=path, timeout_s=round(self._access.deadline_s)))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as exc:
            return self._unreachable(path, exc)
        text = body.decode(errors="replace")
        return Reply(status, text) if status in accepted else self._refused(path, status, text)

    def _unreachable(self, path: str, exc: Exception) -> Unknown:
        if isinstance(exc, httpx.TimeoutException):
            return Unknown(Look.NO_ANSWER(path=path, timeout_s=round(self._access.timeout_s)), Fix.RUNS())
        # What a library says may quote a header or an address: only the kind of the error is kept.
        cause = _cause(exc)
        is_tls = isinstance(cause, ssl.SSLError) or "CERTIFICATE" in str(exc).upper() or "SSL" in str(exc).upper()
        error = "TLS" if is_tls else error_name(cause) if isinstance(cause, OSError) else type(exc).__name__
        return Unknown(Look.NOT_REACHED(path=path, error=error), Fix.TLS() if is_tls else Fix.RUNS())

    def _refused(self, path: str, status: int, text: str) -> Unknown:
        if status in (UNAUTHORIZED, FORBIDDEN):
            if "org id" in text:
                return Unknown(Look.TENANTS(path=path, status=status), Fix.TENANTS())
            return Unknown(Look.REFUSED(path=path, status=status), Fix.CREDENTIALS())
        if 300 <= status < 400:  # noqa: PLR2004
            return Unknown(Look.REDIRECTED(path=path, status=status), Fix.BEHIND_REDIRECT())
        return Unknown(Look.ANSWERED(path=path, status=status), Fix.ADDRESS())

    def json(
        self, path: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any | Unknown:
        """The decoded JSON of an answer."""
        reply = self.get(path, params=params, headers=headers)
        if isinstance(reply, Unknown):
            return reply
        try:
            return json.loads(reply.text)
        except (ValueError, RecursionError):
            return Unknown(Look.NO_JSON(path=path), Fix.ADDRESS())

    def metrics(self, path: str = "/metrics") -> Mapping[str, float] | Unknown:
        """The samples without labels of a page of metrics, by name."""
        reply = self.get(path, headers={"Accept": "text/plain"})
        return reply if isinstance(reply, Unknown) else unlabelled_samples(reply.text)


def unlabelled_samples(text: str) -> dict[str, float]:
    """The samples without labels of Prometheus's text format; lines of any other kind are passed over."""
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("#") or "{" in line:
            continue
        name, _, value = line.partition(" ")
        try:
            samples[name] = float(value.split(" ")[0])
        except ValueError:
            continue
    return samples


def parse_yaml(text: str, what: str) -> Mapping[str, Any] | Unknown:
    """A YAML document that is a mapping."""
    try:
        # The C loader reads the same, ten times as fast; an installation without libyaml has only the other one.
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        if mark is None:
            return Unknown(Look.NO_YAML(place=what))
        return Unknown(Look.NO_YAML_LINE(place=what, line=mark.line + 1))
    return document if isinstance(document, dict) else Unknown(Look.NO_MAPPING(place=what))


def at(document: Any, *path: str) -> Any:
    """The value at a path of keys; None where there is none. Never by searching: names repeat in other places."""
    for key in path:
        if not isinstance(document, Mapping) or key not in document:
            return None
        document = document[key]
    return document
