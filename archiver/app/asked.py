"""A night that somebody asked for: taken once, and its end noted."""

import threading
from collections.abc import Callable
from typing import Final

from archiver.app.build import build_data_api, build_source
from archiver.config import Settings
from archiver.contracts import RunRequests
from archiver.errors import ArchiverError
from archiver.neighbours.retry import RetryPolicy

UNEXPECTED: Final = 1


def build_requests(settings: Settings, stop: threading.Event) -> RunRequests:
    """Where requests are kept: the database that the datasets are read from, on the same way.

    Raises:
        ConfigError: Neither SUPABASE_DB_URL nor SUPABASE_URL is set.
    """
    source = build_source(settings, stop)
    if settings.supabase_db_url is None:
        from archiver.neighbours.dataapi.requests import DataApiRunRequests

        return DataApiRunRequests(build_data_api(settings, "taking a request for a run"))
    from archiver.neighbours.postgres.requests import PostgresRunRequests
    from archiver.neighbours.postgres.source import PostgresSource

    assert isinstance(source, PostgresSource)
    return PostgresRunRequests(source)


def answer_request(
    requests: RunRequests,
    policy: RetryPolicy,
    who: str,
    night: Callable[[], int],
    warn: Callable[[str], None],
) -> int | None:
    """Run a night if one was asked for, and note how it ended. None: none was, and nothing was done.

    A night whose end could not be told counts for what it was; its request is taken again ten hours later.

    Args:
        who: A name that no other process uses: under it a lost answer is found out.
        night: Gives its exit status, or raises what ended it.

    Raises:
        ArchiverError: The request could not be taken; or what the night raised.
    """
    request = policy.call(lambda: requests.take(who), repeatable=True)
    if request is None:
        return None
    status = UNEXPECTED
    try:
        status = night()
    except ArchiverError as problem:
        status = problem.exit_status
        raise
    finally:
        try:
            if not policy.call(lambda: requests.end(request, status), repeatable=True):
                warn(f"{requests.location}: the request of {request.day} was taken by another worker meanwhile")
        except ArchiverError as problem:
            warn(f"the end of the run asked for on {request.day} was not told: {problem.message}")
    return status
