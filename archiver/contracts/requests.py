"""A night that somebody asked for: a table in the database holds one request a day, and a worker takes it."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request that was taken.

    Attributes:
        day: In UTC.
        attempt: How often it was taken, this time included. Who took it earlier has no say any more.
    """

    day: date
    attempt: int


class RunRequests(Protocol):
    """Both methods may be repeated under the same arguments: a lost answer is found out by asking again."""

    @property
    def location(self) -> str:
        """For a person; no credentials."""

    def take(self, who: str) -> RunRequest | None:
        """Take the youngest open request, or give what ``who`` has taken and not ended; None: nothing was asked for.

        Of several at the same time one gets it. Older open requests are closed with it. One that was taken ten hours
        ago and never ended is taken again.

        Raises:
            ConfigError: The project does not have the functions, or this role may not call them; nothing was taken.
            TransientError: Nothing was taken.
            OutcomeUnknown: It may have been taken.
        """

    def end(self, request: RunRequest, exit_status: int) -> bool:
        """Note how the run ended; 5 and 130 give the request back. False: somebody else took it meanwhile.

        Raises:
            As ``take``.
        """
