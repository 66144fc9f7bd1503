"""The service itself: what comes in is recorded, what fires is compared with Alertmanager, who must hear is told."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from archiver.alerts.alertmanager import Alertmanagers, Listing
from archiver.alerts.nouns import Episode, Event, Told
from archiver.alerts.payload import WATCHDOG, Notification
from archiver.alerts.relay import ENDED, LASTS, Message, Rules, due, key_of
from archiver.alerts.store import Store
from archiver.errors import ArchiverError

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("archiver.alerts")

RECONCILE_EVERY_S: Final = 60.0
RELAY_EVERY_S: Final = 15.0
RETENTION_EVERY_S: Final = 3600.0
PING_EVERY_S: Final = 30.0
FRESH_S: Final = 5.0
"""Whoever asks what fires is answered from a comparison, or an attempt at one, that is no older."""
EPISODES_OF_ONE_MAX: Final = 50


class Channel(Protocol):
    """Somebody who can be told; ``channels.Channel`` is one."""

    @property
    def identity(self) -> str:
        """Stays the same from start to start."""

    @property
    def service(self) -> str:
        """Its kind, for logs and metrics."""

    @property
    def send(self) -> Callable[[str, str, bool], bool]:
        """Title, body, whether it is good news; whether it was taken."""


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Who hears of it besides those who ask.

    Attributes:
        ping: Called when a Watchdog came; whether it was taken. None: nobody is pinged.
    """

    channels: tuple[Channel, ...] = ()
    ping: Callable[[], bool] | None = None
    rules: Rules = field(default_factory=Rules)


class Service:
    """One inbox.

    Args:
        store: Used from one thread of the service's own.
        retention: What is older is deleted.
        now: The wall clock, aware; for what is written down.
        monotonic: Seconds that never go back; for how long the Watchdog has been silent.
    """

    def __init__(
        self,
        store: Store,
        alertmanagers: Alertmanagers,
        *,
        outside: Outside | None = None,
        retention: timedelta = timedelta(days=30),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self.alertmanagers = alertmanagers
        self.outside = outside or Outside()
        self.retention = retention
        self.now = now
        self._monotonic = monotonic
        self._began = monotonic()
        self._watchdog_at: float | None = None
        self._pinged_at: float | None = None
        self._tried_at: float | None = None
        self._refused_until: dict[tuple[str, str], float] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._comparing = asyncio.Lock()
        self._relaying = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: Counter[tuple[str, str, str]] = Counter()
        """By (metric, label, value)."""
        self.alertmanager_problems: tuple[str, ...] = ()
        self.last_reconciliation: datetime | None = None

    async def stored(self, act: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something with the store, in its thread; everything that is done so has an order."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: act(self._store, *args, **kwargs))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Compare, tell and delete for as long as the block lasts."""
        loops: tuple[tuple[str, float, Callable[[], Awaitable[object]]], ...] = (
            ("reconciliation", RECONCILE_EVERY_S, self.reconcile),
            ("relay", RELAY_EVERY_S, self.relay),
            ("retention", RETENTION_EVERY_S, self.expire),
        )
        tasks = [asyncio.create_task(self._forever(*loop)) for loop in loops]
        try:
            yield
        finally:
            for task in [*tasks, *self._tasks]:
                task.cancel()
            await asyncio.gather(*tasks, *self._tasks, return_exceptions=True)
            self._thread.shutdown()

    async def _forever(self, name: str, every_s: float, act: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await act()
            except ArchiverError as problem:
                self.counts["loop_failures", "loop", name] += 1
                log.warning("%s: %s", name, problem.message)
            except Exception:
                # The other loops, and what comes in, must go on; the failure is counted, and seen in the log.
                self.counts["loop_failures", "loop", name] += 1
                log.exception("%s failed unexpectedly", name)
            await asyncio.sleep(every_s)

    # ── What comes in ──────────────────────────────────────────────────────────────────────────────────────────

    async def take(self, notification: Notification) -> list[Event]:
        """Record a notification; when this returns it is durable.

        Raises:
            ArchiverError: It was not recorded: whoever sent it must send it again.
        """
        firing_there: frozenset[str] | None = None
        if notification.is_from_alertmanager and await self.stored(Store.is_doubtful, notification.reports):
            listing = await self._listing()
            if listing.is_complete:
                firing_there = frozenset(report.fingerprint for report in listing.reports)
        events = await self.stored(Store.take, notification, self.now(), firing_there=firing_there)
        self._count(events)
        if any(report.is_firing and report.name == WATCHDOG for report in notification.reports):
            self._heartbeat()
        return events

    def _heartbeat(self) -> None:
        at = self._monotonic()
        self._watchdog_at = at
        ping = self.outside.ping
        if ping is not None and (self._pinged_at is None or at - self._pinged_at >= PING_EVERY_S):
            self._pinged_at = at
            task = asyncio.create_task(self._ping(ping))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ping(self, ping: Callable[[], bool]) -> None:
        taken = await asyncio.to_thread(ping)
        self.counts["pings", "outcome", "ok" if taken else "failed"] += 1
        if not taken:
            log.warning("the ping outside was not taken")

    @property
    def watchdog_silence(self) -> timedelta:
        """Since the last Watchdog, else since the service began."""
        since = self._began if self._watchdog_at is None else self._watchdog_at
        return timedelta(seconds=self._monotonic() - since)

    @property
    def watchdog_seen(self) -> bool:
        """Whether one came since the service began."""
        return self._watchdog_at is not None

    # ── What Alertmanager says ─────────────────────────────────────────────────────────────────────────────────

    async def reconcile(self) -> list[Event]:
        """Make what fires here what fires there; the transitions that it took. Does nothing while it is not reached."""
        if not self.alertmanagers.urls:
            return []
        async with self._comparing:
            mark = await self.stored(Store.mark)
            listing = await self._listing()
            # Also where nobody answered: whoever asks next must not wait for it once more.
            self._tried_at = self._monotonic()
            if not listing.reports and not listing.is_complete:
                return []
            events = await self.stored(
                Store.reconcile, listing.reports, self.now(), since=mark, is_complete=listing.is_complete
            )
            self._count(events)
            if listing.is_complete:
                self.last_reconciliation = self.now()
            return events

    async def refresh(self, *, at_once: bool = False) -> None:
        """Compare now, unless it was tried just before. What fails is said by ``alertmanager_problems``."""
        is_fresh = self._tried_at is not None and self._monotonic() - self._tried_at < FRESH_S
        if at_once or not is_fresh:
            with contextlib.suppress(ArchiverError):
                await self.reconcile()

    async def _listing(self) -> Listing:
        listing = await self.alertmanagers.firing()
        if listing.problems != self.alertmanager_problems:
            for problem in listing.problems:
                log.warning("Alertmanager: %s", problem)
            if self.alertmanager_problems and not listing.problems:
                log.warning("Alertmanager answers again")
            self.alertmanager_problems = listing.problems
        return listing

    def _count(self, events: list[Event]) -> None:
        for event in events:
            self.counts["transitions", "kind", event.kind] += 1
            log.info("%s %s %s (%s)", event.kind, event.fingerprint, event.starts_at.isoformat(), event.actor)

    # ── Who is told ────────────────────────────────────────────────────────────────────────────────────────────

    async def relay(self) -> None:
        """Tell everybody what is due."""
        if not self.outside.channels:
            return
        async with self._relaying:
            told = await self.stored(Store.told)
            episodes = await self._at_stake(told)
            for channel in self.outside.channels:
                before = {key: last for (key, identity), last in told.items() if identity == channel.identity}
                for message in due(
                    self.now(),
                    episodes,
                    before,
                    self.outside.rules,
                    watchdog_silence=self.watchdog_silence,
                    watchdog_seen=self.watchdog_seen,
                ):
                    await self._tell(channel, message, before.get(message.key))

    async def _at_stake(self, told: Mapping[tuple[str, str], Told]) -> list[Episode]:
        """What fires, and what has ended since somebody was told of it."""
        firing = await self.stored(Store.firing)
        episodes = {key_of(episode): episode for episode in firing}
        for key in {key for (key, _), last in told.items() if last.what == LASTS and key not in episodes}:
            kind, _, rest = key.partition("/")
            if kind == "alert":
                for episode in await self.stored(Store.episodes_of, rest.partition("/")[0], EPISODES_OF_ONE_MAX):
                    if key_of(episode) == key:
                        episodes[key] = episode
        return list(episodes.values())

    async def _tell(self, channel: Channel, message: Message, before: Told | None) -> None:
        place = (message.key, channel.identity)
        if self._refused_until.get(place, 0.0) > self._monotonic():
            return
        await self.stored(Store.tell, message.key, channel.identity, Told(message.what, self.now()))
        try:
            taken = await asyncio.to_thread(channel.send, message.title, message.body, message.what == ENDED)
        except Exception:
            log.exception("%s failed unexpectedly", channel.service)
            taken = False
        self.counts["messages", "outcome", "ok" if taken else "failed"] += 1
        if taken:
            self._refused_until.pop(place, None)
            return
        log.error("%s: the message %r was not taken; tried again in a minute", channel.service, message.title)
        self._refused_until[place] = self._monotonic() + 60.0
        await self.stored(Store.untell, message.key, channel.identity, before)

    # ── What goes ──────────────────────────────────────────────────────────────────────────────────────────────

    async def expire(self) -> int:
        """Delete what is older than promised; how many rows."""
        deleted = await self.stored(Store.expire, self.now() - self.retention)
        if deleted:
            log.info("%d rows older than %s deleted", deleted, self.retention)
        return deleted
