"""Requests for a run, through the data API."""

from dataclasses import dataclass
from datetime import date

from typing_extensions import override

from archiver.contracts import RunRequest, RunRequests
from archiver.neighbours.dataapi.client import DataApi


@dataclass(frozen=True, slots=True)
class DataApiRunRequests(RunRequests):
    """The requests for a run that wait in the project, over its data API."""

    api: DataApi

    @property
    @override
    def location(self) -> str:
        """Scheme, host and port."""
        return self.api.location

    @override
    def take(self, who: str) -> RunRequest | None:
        doing = "taking a request for a run"
        request = self.api.call("archiver_take_run", {"who": who}, doing=doing, expects=dict, writes=True)
        return RunRequest(date.fromisoformat(request["day"]), int(request["attempt"])) if request else None

    @override
    def end(self, request: RunRequest, exit_status: int) -> bool:
        arguments = {"day": request.day.isoformat(), "attempt": request.attempt, "exit_status": exit_status}
        doing = "noting how a run ended"
        return self.api.call("archiver_end_run", arguments, doing=doing, expects=bool, writes=True)
