"""Requests for a run, through the data API."""

from dataclasses import dataclass
from datetime import date

from archiver.contracts import RunRequest
from archiver.neighbours.dataapi.client import DataApi


@dataclass(frozen=True, slots=True)
class DataApiRunRequests:
    """See ``contracts.RunRequests``."""

    api: DataApi

    @property
    def location(self) -> str:
        """Scheme, host and port."""
        return self.api.location

    def take(self, who: str) -> RunRequest | None:
        """See ``contracts.RunRequests``."""
        doing = "taking a request for a run"
        found = self.api.call("archiver_take_run", {"who": who}, doing=doing, expects=dict, writes=True)
        return RunRequest(date.fromisoformat(found["day"]), int(found["attempt"])) if found else None

    def end(self, request: RunRequest, exit_status: int) -> bool:
        """See ``contracts.RunRequests``."""
        arguments = {"day": request.day.isoformat(), "attempt": request.attempt, "exit_status": exit_status}
        doing = "noting how a run ended"
        return self.api.call("archiver_end_run", arguments, doing=doing, expects=bool, writes=True)
