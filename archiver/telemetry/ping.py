"""Dead-man pings: somebody outside complains when none comes. Healthchecks.io's manner, and Uptime Kuma's."""

from typing import Literal

import httpx

Style = Literal["healthchecks", "uptime-kuma"]

BODY_BYTES_MAX = 10_000
"""healthchecks.io keeps up to 100 kB of a body; the end of a log is enough."""


class PingFailed(Exception):
    """A ping did not arrive. Its text names no address: that is a secret."""


class Pinger:
    """Tells a service that a run began, succeeded or failed.

    Args:
        url: ``https://hc-ping.com/<uuid>`` or ``https://kuma/api/push/<token>``. Whoever knows it can fake a ping.
        style: Which of the two the service is.
    """

    def __init__(self, url: str, style: Style, *, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._style = style
        self._timeout_s = timeout_s

    def started(self) -> None:
        """A run began. Uptime Kuma knows no such thing and is not asked."""
        if self._style == "healthchecks":
            self._send(f"{self._url}/start", b"")

    def ended(self, exit_status: int, text: str, *, duration_s: float) -> None:
        """A run ended.

        Args:
            text: The end of its log; no secret and no personal data.
        """
        if self._style == "healthchecks":
            # /0 is success, /1 to /255 failure with that exit status.
            self._send(f"{self._url}/{exit_status}", text.encode()[-BODY_BYTES_MAX:])
            return
        message = text.strip().splitlines()[-1] if text.strip() else "OK"
        query = {
            "status": "up" if exit_status == 0 else "down",
            "msg": f"exit {exit_status}: {message}"[:200],
            "ping": str(round(duration_s * 1000)),
        }
        self._send(self._url, None, query)

    def _send(self, url: str, body: bytes | None, query: dict[str, str] | None = None) -> None:
        try:
            with httpx.Client(timeout=self._timeout_s, trust_env=True) as client:
                reply = client.get(url, params=query) if body is None else client.post(url, content=body)
                reply.raise_for_status()
        except httpx.HTTPStatusError as problem:
            raise PingFailed(f"the ping was answered {problem.response.status_code}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            raise PingFailed(f"the ping did not arrive ({type(problem).__name__})") from None
