"""A Chromium without a window, told what to do through a pipe (the DevTools protocol): how a page really looks and acts.

A page finds no host but through a proxy that only listens: whatever it asks for is heard.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support import debian
from tests.support.listener import Listener, listening

ANSWER_TIMEOUT_S = 60.0
"""A machine that does other things needs long to start a browser; what it waits for is an answer, never time."""

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-default-browser-check"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"),
    "--disable-features=PreconnectToSearch,AimEnabled,AimServerEligibilityEnabled",
)
OWN_HOSTS = ("www.google.com:443", "accounts.google.com:443")
"""What a version that knows other options asks for by itself, whatever page is open. If a page did, ``requests`` had it."""

NOWHERE = "http://127.0.0.1:9"
"""What the browser itself asks its maker for, options or not, goes here. Pages have a profile and a proxy of their own."""

AT_3_AND_4 = """
import os, sys
os.dup2(int(sys.argv[1]), 3), os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads commands from 3 and answers to 4."""

Colour = tuple[int, int, int]


class Browser:
    """One page at a time.

    Attributes:
        errors: What the console said on the page that is open.
        requests: Addresses that the page asked for, itself included.
    """

    def __init__(self, to: int, of: int, heard: Listener) -> None:
        self._to = to
        self._of = of
        self._heard = heard
        self._numbers = itertools.count(1)
        self._unread = b""
        self._session = ""
        self._context = ""
        self._target = ""
        self.errors: list[str] = []
        self.requests: list[str] = []

    @property
    def heard(self) -> list[str]:
        """Everything that pages, and the browser because of them, asked the network for so far."""
        return [f"{method} {path}" for method, path, _ in self._heard.heard if path not in OWN_HOSTS]

    def forget(self) -> None:
        """What was heard so far."""
        self._heard.heard.clear()

    # ── The protocol ───────────────────────────────────────────────────────────────────────────────────────────────

    def _message(self) -> dict[str, Any]:
        end = time.monotonic() + ANSWER_TIMEOUT_S
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._of], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self._of, 1 << 20) if ready else b""
            assert data, "the browser says nothing more"
            self._unread += data
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        told, what = message.get("params", {}), message.get("method")
        if what == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(told["entry"]["text"])
        elif what == "Runtime.exceptionThrown":
            self.errors.append(told["exceptionDetails"]["text"])
        elif what == "Runtime.consoleAPICalled" and told["type"] == "error":
            self.errors.append(str(told["args"]))
        elif what == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask for something, and wait for its answer."""
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": params}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._to, json.dumps(asked).encode() + b"\0")
        while (message := self._message()).get("id") != number:
            self._note(message)
        assert "error" not in message, f"{method}: {message['error']}"
        result: dict[str, Any] = message["result"]
        return result

    # ── Pages ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, path: Path) -> None:
        """Show a file in a page of its own instead of the one before, and wait until all of it is there."""
        self._session = ""
        self.errors, self.requests = [], []
        if not self._context:
            created = self.call(
                "Target.createBrowserContext", proxyServer=self._heard.url, proxyBypassList="<-loopback>"
            )
            self._context = created["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        if self._target:
            self.call("Target.closeTarget", targetId=self._target)
        self._target = target
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=path.as_uri())
        while self.evaluate("location.href + ' ' + document.readyState") != f"{path.as_uri()} complete":
            self._note(self._message())

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page. Not subject to the page's own policy."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def resize(self, width: int, height: int = 900) -> None:
        """To so many pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str) -> None:
        """``light`` or ``dark``."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, *, scale: float = 1.0, whole: bool = False) -> bytes:
        """PNG of what is seen, or of the whole page."""
        size = self.call("Page.getLayoutMetrics")
        seen, page = size["cssLayoutViewport"], size["cssContentSize"]
        clip = {
            "x": 0, "y": 0, "scale": scale, "width": seen["clientWidth"],
            "height": page["height"] if whole else seen["clientHeight"],
        }  # fmt: skip
        taken = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])

    def pdf(self) -> bytes:
        """As the page prints."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])


@contextmanager
def browsing(directory: Path) -> Iterator[Browser]:
    """A browser with an empty profile in this directory; it is gone afterwards."""
    program = debian.binary("chromium")
    # None of them is 3 or 4, which the other one would take away.
    commands, to, of, answers = (_moved(one) for pair in (os.pipe(), os.pipe()) for one in pair)
    with listening() as heard:
        argv = [
            *(sys.executable, "-c", AT_3_AND_4, str(commands), str(answers), program, *OPTIONS),
            *(f"--user-data-dir={directory}/profile", f"--proxy-server={NOWHERE}", "--proxy-bypass-list=<-loopback>"),
            *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank"),
        ]
        with (directory / "chromium.log").open("wb") as log:
            process = subprocess.Popen(
                argv, pass_fds=(commands, answers), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "HOME": str(directory)},
            )  # fmt: skip
        os.close(commands)
        os.close(answers)
        browser = Browser(to, of, heard)
        try:
            yield browser
        finally:
            with suppress(AssertionError, OSError):
                browser._session = ""
                browser.call("Browser.close")
            os.close(to)
            os.close(of)
            try:
                process.wait(ANSWER_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _moved(number: int) -> int:
    moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(number)
    return moved


def colours(png: bytes) -> Counter[Colour]:
    """How often each colour is in a picture with 8 bits for each of red, green and blue."""
    width, height, depth, kind = (int.from_bytes(png[n : n + size]) for n, size in ((16, 4), (20, 4), (24, 1), (25, 1)))
    assert (depth, kind) in ((8, 2), (8, 6))
    packed, position = b"", 8
    while position < len(png):
        length = int.from_bytes(png[position : position + 4])
        if png[position + 4 : position + 8] == b"IDAT":
            packed += png[position + 8 : position + 8 + length]
        position += length + 12
    step = 3 if kind == 2 else 4
    return _counted(zlib.decompress(packed), width, height, step)


def _counted(data: bytes, width: int, height: int, step: int) -> Counter[Colour]:
    found: Counter[Colour] = Counter()
    size = width * step
    above = bytes(size)
    for row in range(height):
        start = row * (size + 1)
        line = bytearray(data[start + 1 : start + 1 + size])
        _unfiltered(line, above, data[start], step)
        found.update(zip(line[0::step], line[1::step], line[2::step], strict=True))
        above = bytes(line)
    return found


def _unfiltered(line: bytearray, above: bytes, kind: int, step: int) -> None:
    """Undo one of PNG's five filters, in place."""
    for n in range(len(line)):
        left = line[n - step] if n >= step else 0
        corner = above[n - step] if n >= step else 0
        if kind == 1:
            line[n] = (line[n] + left) & 255
        elif kind == 2:
            line[n] = (line[n] + above[n]) & 255
        elif kind == 3:
            line[n] = (line[n] + (left + above[n]) // 2) & 255
        elif kind == 4:
            guess = left + above[n] - corner
            nearest = min((left, above[n], corner), key=lambda one: abs(guess - one))
            line[n] = (line[n] + nearest) & 255
