"""Structured log lines: an event, a noun and what became of it, with fields whose names carry their units.

JSON, a line each, where nobody watches; plain words on a terminal. No field holds a row, a subject or a secret.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TextIO


class EventLog:
    """Writes events as they happen, and remembers the last of them.

    Args:
        stream: None: nothing is written, and still remembered.
        now: Stands on every event.
    """

    KEPT_MAX = 100

    def __init__(self, stream: TextIO | None, *, as_json: bool, now: Callable[[], datetime]) -> None:
        self._stream = stream
        self._as_json = as_json
        self._now = now
        self._kept: list[str] = []

    def info(self, event: str, **fields: Any) -> None:
        """Note one event, such as ``segment.exported``."""
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        self._kept = [*self._kept[-self.KEPT_MAX + 1 :], f"{event} {words}".strip()]
        if self._stream is None:
            return
        at = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._as_json:
            line = json.dumps({"at": at, "event": event, **fields}, ensure_ascii=False, default=str)
        else:
            line = f"{at} {self._kept[-1]}"
        self._stream.write(line + "\n")
        self._stream.flush()

    @property
    def tail(self) -> str:
        """The last events, a line each, oldest first."""
        return "\n".join(self._kept)
