"""Asking a server: bounded, without a secret in any message, and never raising."""

from __future__ import annotations

import errno
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from archiver.model import Look
from archiver.stack.targets import Access, address
from archiver.stack.web import Server, clean, open_client, parse_yaml, secrets_of, unlabelled_samples
from archiver.stack.words import Unknown, instant_of, is_size, parse_duration, setting
from archiver.words import ENGLISH, english, english_list

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

URL = "https://me:p%40ss@server.example:8443/prefix/?token=geheim"


def ask(answer: Callable[[httpx.Request], httpx.Response], **changes: Any) -> Any:
    clock = changes.pop("clock", None)
    access = Access(url="http://server.example", **changes)
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        server = Server(access, http) if clock is None else Server(access, http, clock=clock)
        return server.get("/x")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "https://server.example:8443/prefix"),
        ("http://[::1]:9090/", "http://[::1]:9090"),
        ("server.example:9090", "a URL that cannot be read"),
        ("http://server.example:x/", "a URL that cannot be read"),
        ("http://[::1/", "a URL that cannot be read"),
        ("", "a URL that cannot be read"),
    ],
)
def test_an_address_as_it_is_shown(url: str, shown: str) -> None:
    assert address(url) == shown


def sent_by(access: Access) -> httpx.Request:
    with open_client(access) as http:
        request = http.build_request("GET", access.address)
        flow = http.auth.auth_flow(request) if http.auth is not None else iter([request])
        return next(iter(flow))


def test_credentials_that_are_sent() -> None:
    basic = "Basic bWU6cEBzcw=="
    assert sent_by(Access(url=URL)).headers["authorization"] == basic
    given = Access(url="http://s", username="me", password=SecretStr("p@ss"))
    assert sent_by(given).headers["authorization"] == basic
    token = Access(url="http://s", bearer_token=SecretStr("t-1"), headers={"X-Proxy": SecretStr("h-1")})
    assert sent_by(token).headers["authorization"] == "Bearer t-1"
    assert sent_by(token).headers["x-proxy"] == "h-1"
    assert set(secrets_of(token)) == {"t-1", "h-1"}
    assert set(secrets_of(Access(url=URL))) == {"p@ss", "p%40ss"}
    assert "t-1" not in repr(token)
    assert "p%40ss" not in repr(Access(url=URL))


def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy or a .netrc of somebody's shell must not decide who is asked."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with open_client(Access(url="http://s")) as http:
        assert http.trust_env is False
        assert http.follow_redirects is False


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for access in (
        Access(url="https://s", ca_file=tmp_path / "none"),
        Access(url="https://s", ca_file=broken),
        Access(url="https://s", client_certificate_file=broken),
    ):
        with pytest.raises((OSError, ssl.SSLError)):
            open_client(access)


def test_an_answer_without_end_in_time() -> None:
    """Bytes that trickle in are no answer."""
    now_s = 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += 30.0
        return now_s

    found = ask(lambda _: httpx.Response(200, content=(b"x" for _ in range(100))), clock=clock)
    assert found == Unknown(Look.TOO_SLOW(path="/x", timeout_s=60))


@pytest.mark.parametrize(
    ("problem", "said", "fix"),
    [
        (httpx.ReadTimeout("slow"), "no answer within 10 s", "see that it runs"),
        (httpx.ConnectError("geheim"), "not reached (ConnectError)", "see that it runs"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), "not reached", "ca_file"),
        (httpx.RemoteProtocolError(""), "RemoteProtocolError", "see that it runs"),
        (OSError(errno.ECONNRESET, "geheim"), "not reached (ECONNRESET)", "see that it runs"),
    ],
)
def test_a_server_that_is_not_reached(problem: Exception, said: str, fix: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise problem

    found = ask(fail)
    assert said in english(found.reason)
    assert "geheim" not in english(found.reason)
    assert fix in english_list(() if found.fix is None else (found.fix,))


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (401, "geheim", "refused with 401"),
        (403, "", "refused with 403"),
        (401, "no org id", "several tenants"),
        (302, "", "leads elsewhere (302)"),
        (500, "boom geheim\x1b[2J", "answered 500"),
        (502, "<html>nginx</html>", "answered 502"),
    ],
)
def test_a_server_that_refuses(status: int, text: str, said: str) -> None:
    found = ask(lambda _: httpx.Response(status, text=text), bearer_token=SecretStr("geheim"))
    assert said in english(found.reason)
    assert "geheim" not in english(found.reason)
    assert "\x1b" not in english(found.reason)
    assert "<" not in english(found.reason)


def test_a_long_message_is_cut() -> None:
    assert len(clean("x" * 10_000)) < 250


def test_samples() -> None:
    text = '# HELP a\na 1\nb{x="1"} 2\nc 3e9 1700000000\nd NaNsense\ne\n\n'
    assert unlabelled_samples(text) == {"a": 1.0, "c": 3e9}


@pytest.mark.parametrize("text", ["[", "- a", "", "a: " + "[" * 5000, "!!python/object:os.system {}"])
def test_yaml_that_is_no_mapping(text: str) -> None:
    assert isinstance(parse_yaml(text, "/config"), Unknown)


@pytest.mark.parametrize("text", ["", "d", "30", "30 d", "-1h", "1h30", "x1h", "∞"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "shown", "written"),
    [
        ("720h0m0s", "30 d", "30d"),
        ("1w2d", "9 d", "9d"),
        ("1.5h", "1.5 h", "90m"),
        ("90s", "1.5 min", "90s"),
        ("0", "0 s", "0s"),
        ("1y", "365 d", "365d"),
    ],
)
def test_durations(text: str, shown: str, written: str) -> None:
    found: timedelta = parse_duration(text)
    assert (ENGLISH.span(round(found.total_seconds())), setting(found)) == (shown, written)


def test_a_duration_that_nobody_lives_to_see() -> None:
    """2,562,047 hours 47 minutes are what Go's longest duration is; a million times 30 days do not fit either."""
    assert parse_duration("9" * 30 + "y") > parse_duration("290y")


def test_sizes_and_instants() -> None:
    assert [is_size(one) for one in ("1GB", "512 MiB", "80%", "0B", "0", "0%", "30d", "")] == [True] * 3 + [False] * 5
    assert instant_of(9.2e15) is None
