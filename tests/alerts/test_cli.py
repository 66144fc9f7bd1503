"""The command line: tokens, the list, and a clear word for everything that a start can stumble over."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from archiver.alerts.channels import read_channels
from archiver.alerts.database import FILE, hold_directory
from archiver.alerts.payload import read_notification
from archiver.alerts.store import Store
from archiver.alerts.tokens import POST, READ, WRITE, digest
from archiver.cli import alerts, main
from tests.support.alerts import MOMENT, fingerprint, one, webhook
from tests.support.listener import listening

if TYPE_CHECKING:
    from pathlib import Path

# Apprise asks for a module that Python 3.13 no longer has, and does without.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = 0
    try:
        main(["alerts", *map(str, arguments)])
    except SystemExit as end:
        status = int(end.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def fired(data: Path, *notified: dict[str, Any]) -> None:
    store = Store.open(data)
    store.take(read_notification(json.dumps(webhook(*notified)).encode()), MOMENT)
    store.close()


def test_a_token_is_printed_once_and_kept_as_a_hash(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "token", "add", "claude", "--scope", WRITE, "--data", data)
    token = out.splitlines()[-1]
    assert status == 0
    assert len(token) > 40
    assert all(token.encode() not in file.read_bytes() for file in data.iterdir())
    store = Store.open(data)
    found = store.token(digest(token), MOMENT)
    store.close()
    assert found is not None
    assert found.scopes == {READ, WRITE}, "who may write may read"
    _, listed, _ = run(capsys, "token", "list", "--data", data)
    assert "claude" in listed
    assert token not in listed
    assert run(capsys, "token", "remove", "claude", "--data", data)[0] == 0
    assert run(capsys, "token", "remove", "claude", "--data", data)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", "--scope", "alerts:all"), "'alerts:all': no such scope; no token was made"),
        (("x", "--scope", "admin", "--scope", READ), "'admin': no such scope"),
        (("no name", "--scope", READ), "is no name of a token"),
        (("x", "--scope", READ, "--expires", "soon"), "--expires: 'soon' is no duration"),
        (("taken", "--scope", READ), "there is a token taken already"),
    ],
)
def test_no_token(data: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    run(capsys, "token", "add", "taken", "--scope", POST, "--data", data)
    status, out, err = run(capsys, "token", "add", *arguments, "--data", data)
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    _, listed, _ = run(capsys, "token", "list", "--data", data, "--json")
    assert [json.loads(line)["name"] for line in listed.splitlines()] == ["taken"]


def test_the_list_and_an_acknowledgement(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fired(data, one("Down\x1b[2J"), one("Ended", ends=MOMENT))
    _, out, _ = run(capsys, "list", "--data", data)
    assert "Down\\u001b[2J" in out
    assert "\x1b" not in out
    assert "Ended" not in out
    assert "Ended" in run(capsys, "list", "--ended", "--data", data)[1]
    found = fingerprint("Down\x1b[2J")
    assert run(capsys, "ack", found, "--note", "mine", "--by", "ana", "--data", data)[0] == 0
    *shown, last = [json.loads(line) for line in run(capsys, "list", "--json", "--data", data)[1].splitlines()]
    assert [each["acknowledged_by"] for each in shown] == ["ana"]
    assert last == {"type": "summary", "command": "alerts list", "alerts": 1, "exit": 0}
    status, _, err = run(capsys, "ack", "0" * 16, "--data", data)
    assert status == 2
    assert "no firing alert has the fingerprint" in err


def test_where_no_service_ever_ran(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("list",), ("ack", "0" * 16), ("token", "list"), ("token", "remove", "x")):
        status, _, err = run(capsys, *command, "--data", data)
        assert status == 2
        assert "does not exist; nothing was read" in err
    assert not data.exists()


# ── What a start stumbles over ─────────────────────────────────────────────────────────────────────────────────────


def serve(capsys: pytest.CaptureFixture[str], data: Path, *arguments: object) -> tuple[int, str]:
    status, _, err = run(capsys, "serve", "--listen", "127.0.0.1:0", "--data", data, *arguments)
    assert "Traceback" not in err
    assert "hint: " in err
    return status, err


@pytest.mark.parametrize("listen", ["8080", ":8080", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1", ""])
def test_an_address_that_is_none(data: Path, capsys: pytest.CaptureFixture[str], listen: str) -> None:
    status, err = serve(capsys, data, "--listen", listen)
    assert status == 2
    assert "is no HOST:PORT; nothing was started" in err
    assert not data.exists()


def test_a_port_in_use(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, err = serve(capsys, data, "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert status == 2
    assert "in use" in err


@pytest.mark.parametrize(
    "url", ["alertmanager:9093", "ftp://x", "http://", "http://user:s3cret@host:9093", "http://host:port", ""]
)
def test_an_alertmanager_that_is_none(data: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    status, err = serve(capsys, data, "--alertmanager", url)
    assert status == 2
    assert "--alertmanager is no address" in err
    assert "s3cret" not in err


@pytest.mark.parametrize("option", ["--escalate-after", "--repeat-every", "--watchdog-after", "--retention"])
def test_a_duration_that_is_none(data: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    status, err = serve(capsys, data, option, "15")
    assert status == 2
    assert f"{option}: '15' is no duration" in err


def test_a_data_directory_that_is_a_file(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.write_text("")
    status, err = serve(capsys, data)
    assert status == 2
    assert "cannot be used" in err


def test_a_data_directory_that_may_not_be_written(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere: for root the system's answer is put in its place."""
    data.mkdir(mode=0o500)
    if os.geteuid() == 0:
        true = os.open

        def refused(path: Any, *arguments: Any, **options: Any) -> int:
            if str(path).startswith(str(data)):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return true(path, *arguments, **options)

        monkeypatch.setattr(os, "open", refused)
    status, err = serve(capsys, data)
    assert status == 2
    assert "cannot be used (Permission denied)" in err


def test_a_broken_database(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.mkdir()
    (data / FILE).write_bytes(b"no database" * 1000)
    status, err = serve(capsys, data)
    assert status == 2
    assert "is no sound database" in err
    assert (data / FILE).read_bytes() == b"no database" * 1000


def test_a_directory_that_another_service_has(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.mkdir()
    held = hold_directory(data)
    status, err = serve(capsys, data)
    os.close(held)
    assert status == 5
    assert "another alert service is at work" in err


@pytest.mark.parametrize("option", ["--notify-urls", "--ping-url"])
def test_a_secret_that_others_may_read(
    data: Path, capsys: pytest.CaptureFixture[str], option: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("https://example.com/s3cret")
    file.chmod(0o644)
    status, err = serve(capsys, data, option, file)
    assert status == 2
    assert "has mode 0644, and others may read" in err
    assert "s3cret" not in err


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--notify-urls", "# nobody yet\nntfy://topic\nnonsense s3cret\n", "line 3 is no Apprise address"),
        ("--notify-urls", "whatsapp://s3cret!@x/y\n", "line 1 is no Apprise address"),
        ("--ping-url", "s3cret", "holds no address to ping"),
        ("--ping-url", "https://a/s3cret https://b", "holds no address to ping"),
        ("--post-token-file", "s3cret", "holds no token of at least 16 characters"),
        ("--post-token-file", "s3cret s3cret s3cret s3cret", "holds no token"),
    ],
)
def test_a_secret_that_is_none(
    data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, text: str, said: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(text)
    file.chmod(0o600)
    status, err = serve(capsys, data, option, file)
    assert status == 2
    assert said in err
    assert "s3cret" not in err


def test_a_token_file_that_cannot_be_made(data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, err = serve(capsys, data, "--post-token-file", tmp_path / "no" / "such" / "token")
    assert status == 2
    assert "cannot be read or made (No such file or directory)" in err


def test_without_the_extra_one_line_says_what_to_install(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "find_spec", lambda name: None if name in ("mcp", "apprise") else True)
    status, err = serve(capsys, data)
    assert status == 2
    assert "needs mcp, apprise; nothing was started" in err
    assert "pip install 'archiver[alerts]'" in err
    assert not data.exists()


def test_a_nightly_run_imports_nothing_of_it() -> None:
    """Neither the service nor what it brings along, in a process that has seen nothing else."""
    program = (
        "import sys, archiver.cli; print([name for name in sys.modules"
        " if name.partition('.')[0] in ('mcp', 'uvicorn', 'apprise', 'starlette', 'mcp_types') or name.startswith('archiver.alerts')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ── Channels ───────────────────────────────────────────────────────────────────────────────────────────────────────


def channels_file(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "urls"
    file.write_text("\n".join(lines))
    file.chmod(0o600)
    return file


def test_an_address_is_told(tmp_path: Path) -> None:
    with listening() as listener:
        url = listener.url.replace("http", "json")
        (channel,) = read_channels(channels_file(tmp_path, "# comment", "", f"{url}/s3cret", f"{url}/s3cret"))
        assert "s3cret" not in repr(channel)
        assert channel.send("Title", "One line.", False)
        listener.status = 500
        assert not channel.send("Title", "One line.", True)
    (first, _) = listener.heard
    assert json.loads(first[2])["message"] == "One line."


def test_a_template_of_whatsapp_gets_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Meta's Cloud API would be sent: a template whose first value is the message, without a line break."""
    sent: list[Any] = []

    def post(url: str, **options: Any) -> Any:
        sent.append((url, json.loads(options["data"])))
        raise OSError

    monkeypatch.setattr("requests.post", post)
    url = "whatsapp://alerts_template:abc123@1234567/+4915112345678?lang=de&:body=1"
    (channel,) = read_channels(channels_file(tmp_path, url))
    with pytest.raises(OSError):
        channel.send("Title", "Critical: Down fires.", False)
    ((address, document),) = sent
    assert address.endswith("/1234567/messages")
    assert document["type"] == "template"
    assert document["template"]["name"] == "alerts_template"
    (parameter,) = document["template"]["components"][0]["parameters"]
    assert parameter["text"] == "Critical: Down fires."
