"""What the service keeps of alerts, of who was told, and of who may ask.

Each change and the event that tells of it are one transaction, durable before anybody is answered. Times in the file
are whole milliseconds since 1970, UTC.

Alertmanager holds one alert for each fingerprint; an *episode* is one stretch of it, named by when it began. The last
report counts, because firing, resolved, firing with one and the same start is ordinary (a source that was silent past
``resolve_timeout``). Two kinds of old news are told from that: a resolution that is no later than the one already
recorded, and a firing of an episode that has ended, when Alertmanager itself says that it does not fire.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from archiver.alerts.database import Database, from_ms, to_ms
from archiver.alerts.nouns import Ack, Episode, Event, Token, Told
from archiver.alerts.payload import Notification, Report
from archiver.errors import ConfigError

WEBHOOK, RECONCILIATION = "notification", "reconciliation"
"""How a transition was learnt."""


class NoSuchAlert(ValueError):
    """No firing alert has this fingerprint; nothing was changed."""


class Store(Database):
    """The inbox. Not safe for two threads at once: its user gives it a thread of its own."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection, path)
        self._writes = 0
        self._written: dict[str, int] = {}

    # ── What is reported ───────────────────────────────────────────────────────────────────────────────────────

    def is_doubtful(self, reports: Sequence[Report]) -> bool:
        """Whether one of them says "firing" of something that has ended: it fires anew, or the message is old."""
        return any(
            report.is_firing
            and self._db.execute(
                "SELECT 1 FROM alert WHERE fingerprint = ? AND starts_at >= ? AND NOT is_firing LIMIT 1",
                (report.fingerprint, to_ms(report.starts_at)),
            ).fetchone()
            is not None
            for report in reports
        )

    def take(
        self, notification: Notification, now: datetime, *, firing_there: frozenset[str] | None = None
    ) -> list[Event]:
        """Record a notification; the transitions that it brought.

        Args:
            firing_there: The fingerprints that Alertmanager says are firing. None: it was not asked, or did not
                answer: then the report is believed, for a trouble told twice is better than one not told.
        """
        with self._transaction():
            events: list[Event] = []
            for report in notification.reports:
                if report.is_firing:
                    believed = firing_there is None or report.fingerprint in firing_there
                    events += self._fire(
                        report, now, WEBHOOK, believed=believed, is_from_alertmanager=notification.is_from_alertmanager
                    )
                else:
                    events += self._resolve(report, now, is_from_alertmanager=notification.is_from_alertmanager)
        return events

    def mark(self) -> int:
        """A point in time, by our own writes: ``reconcile`` leaves alone what was reported after it."""
        self._written.clear()
        return self._writes

    def reconcile(self, listing: Sequence[Report], now: datetime, *, since: int, is_complete: bool) -> list[Event]:
        """Make what fires here what fires there; the transitions that it took.

        Args:
            listing: What fires there, silenced and inhibited alerts included.
            since: The ``mark`` from before the listing was asked for.
            is_complete: Whether what it lacks has ended; not so where one of several Alertmanagers gave no answer.
        """
        with self._transaction():
            events: list[Event] = []
            for report in listing:
                if self._written.get(report.fingerprint, 0) <= since:
                    events += self._fire(report, now, RECONCILIATION, believed=True, is_from_alertmanager=True)
            if is_complete:
                there = {report.fingerprint for report in listing}
                for fingerprint, starts_at in self._db.execute(
                    "SELECT fingerprint, starts_at FROM alert WHERE is_firing AND is_from_alertmanager"
                ).fetchall():
                    if fingerprint not in there and self._written.get(fingerprint, 0) <= since:
                        self._end(fingerprint, starts_at, None)
                        events.append(self._event(now, fingerprint, starts_at, "resolved", RECONCILIATION))
        return events

    def _fire(
        self, report: Report, now: datetime, actor: str, *, believed: bool, is_from_alertmanager: bool
    ) -> list[Event]:
        start = to_ms(report.starts_at)
        current = self._db.execute(
            "SELECT starts_at FROM alert WHERE fingerprint = ? AND is_firing", (report.fingerprint,)
        ).fetchone()
        if current is not None and current[0] >= start:
            # The same; or an earlier start: an old message, or two reports that Alertmanager has merged into one.
            self._touch(report, current[0], now, actor)
            return []
        known = self._db.execute(
            "SELECT is_firing FROM alert WHERE fingerprint = ? AND starts_at = ?", (report.fingerprint, start)
        ).fetchone()
        if not believed and self.is_doubtful((report,)):
            return self._late(report, start, now, is_new=known is None, is_from_alertmanager=is_from_alertmanager)
        events = []
        if current is not None:
            # Alertmanager would have kept the earlier start, had it not ended before.
            self._end(report.fingerprint, current[0], None)
            events.append(
                self._event(now, report.fingerprint, current[0], "resolved", actor, {"because": "it fires anew"})
            )
        if known is None:
            self._insert(report, start, now, is_firing=True, is_from_alertmanager=is_from_alertmanager)
        else:
            self._touch(report, start, now, actor)
            self._db.execute(
                "UPDATE alert SET is_firing = 1, fired_at = ? WHERE fingerprint = ? AND starts_at = ?",
                (to_ms(now), report.fingerprint, start),
            )
        return [*events, self._event(now, report.fingerprint, start, "firing", actor)]

    def _late(
        self, report: Report, start: int, now: datetime, *, is_new: bool, is_from_alertmanager: bool
    ) -> list[Event]:
        """An episode fired of whose end we heard before; or a repetition."""
        if is_new:
            self._insert(report, start, now, is_firing=False, is_from_alertmanager=is_from_alertmanager)
        else:
            self._touch(report, start, now, WEBHOOK)
        heard = self._db.execute(
            "SELECT 1 FROM event WHERE fingerprint = ? AND starts_at = ? AND kind = 'firing'",
            (report.fingerprint, start),
        ).fetchone()
        return [] if heard else [self._event(now, report.fingerprint, start, "firing", WEBHOOK, {"late": True})]

    def _resolve(self, report: Report, now: datetime, *, is_from_alertmanager: bool) -> list[Event]:
        start, end = to_ms(report.starts_at), None if report.ends_at is None else to_ms(report.ends_at)
        known = self._db.execute(
            "SELECT is_firing, ends_at FROM alert WHERE fingerprint = ? AND starts_at = ?", (report.fingerprint, start)
        ).fetchone()
        if known is None:
            self._insert(report, start, now, is_firing=False, is_from_alertmanager=is_from_alertmanager)
            return [self._event(now, report.fingerprint, start, "resolved", WEBHOOK)]
        is_firing, recorded = known
        self._touch(report, start, now, WEBHOOK)
        is_old = recorded is not None and end is not None and end <= recorded
        if is_old:
            return []
        if not is_firing:
            self._db.execute(
                "UPDATE alert SET ends_at = ? WHERE fingerprint = ? AND starts_at = ?", (end, report.fingerprint, start)
            )
            return []
        self._end(report.fingerprint, start, end)
        return [self._event(now, report.fingerprint, start, "resolved", WEBHOOK)]

    def _insert(
        self, report: Report, start: int, now: datetime, *, is_firing: bool, is_from_alertmanager: bool
    ) -> None:
        self._stamp(report.fingerprint)
        self._db.execute(
            "INSERT INTO alert (fingerprint, starts_at, is_firing, ends_at, fired_at, name, severity, component,"
            " labels, annotations, first_seen, last_seen, deliveries, suppressed, is_from_alertmanager)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
            (
                *(
                    report.fingerprint,
                    start,
                    is_firing,
                    None if report.ends_at is None else to_ms(report.ends_at),
                    to_ms(now),
                ),
                *(report.name, report.labels.get("severity", ""), report.labels.get("component", "")),
                *(json.dumps(dict(report.labels)), json.dumps(dict(report.annotations)), to_ms(now), to_ms(now)),
                *(report.suppressed or "", is_from_alertmanager),
            ),
        )

    def _touch(self, report: Report, start: int, now: datetime, actor: str) -> None:
        """It was reported once more; a listing is no delivery."""
        self._stamp(report.fingerprint)
        self._db.execute(
            "UPDATE alert SET last_seen = ?, deliveries = deliveries + ?, annotations = ?,"
            " suppressed = coalesce(?, suppressed) WHERE fingerprint = ? AND starts_at = ?",
            (
                *(to_ms(now), int(actor == WEBHOOK), json.dumps(dict(report.annotations)), report.suppressed),
                *(report.fingerprint, start),
            ),
        )

    def _end(self, fingerprint: str, start: int, end: int | None) -> None:
        """It is over, and with it who had taken it on: what fires again is a new trouble."""
        self._stamp(fingerprint)
        self._db.execute(
            "UPDATE alert SET is_firing = 0, ends_at = coalesce(?, ends_at), suppressed = '', ack_by = NULL,"
            " ack_at = NULL, ack_until = NULL, ack_note = NULL WHERE fingerprint = ? AND starts_at = ?",
            (end, fingerprint, start),
        )

    def _stamp(self, fingerprint: str) -> None:
        self._writes += 1
        self._written[fingerprint] = self._writes

    # ── What people do ─────────────────────────────────────────────────────────────────────────────────────────

    def acknowledge(self, fingerprint: str, *, by: str, note: str, until: datetime, now: datetime) -> Episode:
        """Take it on; a second time replaces the first.

        Raises:
            NoSuchAlert: It does not fire.
        """
        with self._transaction():
            start = self._firing_start(fingerprint)
            self._db.execute(
                "UPDATE alert SET ack_by = ?, ack_at = ?, ack_until = ?, ack_note = ?"
                " WHERE fingerprint = ? AND starts_at = ?",
                (by, to_ms(now), to_ms(until), note, fingerprint, start),
            )
            self._event(now, fingerprint, start, "ack", by, {"until": until.isoformat(), "note": note})
        return self._episode(fingerprint, start)

    def unacknowledge(self, fingerprint: str, *, by: str, now: datetime) -> Episode:
        """Give it back.

        Raises:
            NoSuchAlert: It does not fire, or nobody has it.
        """
        with self._transaction():
            start = self._firing_start(fingerprint)
            if not self._episode(fingerprint, start).is_acknowledged(now):
                raise NoSuchAlert(f"the alert {fingerprint} is not acknowledged; nothing was changed")
            # The end stays: from it on nobody has it, and that is what escalation counts from.
            self._db.execute(
                "UPDATE alert SET ack_by = NULL, ack_at = NULL, ack_note = NULL, ack_until = ?"
                " WHERE fingerprint = ? AND starts_at = ?",
                (to_ms(now), fingerprint, start),
            )
            self._event(now, fingerprint, start, "unack", by)
        return self._episode(fingerprint, start)

    def note(self, fingerprint: str, kind: str, *, by: str, detail: Mapping[str, Any], now: datetime) -> None:
        """Put something that was done for an alert into its history."""
        with self._transaction():
            latest = self.latest(fingerprint)
            if latest is not None:
                self._event(now, fingerprint, to_ms(latest.starts_at), kind, by, detail)

    def silenced_by(self, silence_id: str) -> str | None:
        """The fingerprint of the alert that we made this silence for."""
        rows = self._read(
            "SELECT fingerprint FROM event WHERE kind = 'silence' AND json_extract(detail, '$.silence') = ? LIMIT 1",
            silence_id,
        )
        return str(rows[0][0]) if rows else None

    def _firing_start(self, fingerprint: str) -> int:
        row = self._db.execute(
            "SELECT starts_at FROM alert WHERE fingerprint = ? AND is_firing", (fingerprint,)
        ).fetchone()
        if row is None:
            raise NoSuchAlert(f"no firing alert has the fingerprint {fingerprint}; nothing was changed")
        return int(row[0])

    # ── What is read ───────────────────────────────────────────────────────────────────────────────────────────

    def firing(self) -> list[Episode]:
        """All that fires, the longest first."""
        return self._episodes("is_firing ORDER BY starts_at, fingerprint")

    def ended(self, limit: int) -> list[Episode]:
        """Ended episodes, the last one reported first."""
        return self._episodes("NOT is_firing ORDER BY last_seen DESC, fingerprint LIMIT ?", limit)

    def episodes_of(self, fingerprint: str, limit: int) -> list[Episode]:
        """One alert's episodes: one that fires first, then the latest."""
        return self._episodes("fingerprint = ? ORDER BY is_firing DESC, starts_at DESC LIMIT ?", fingerprint, limit)

    def latest(self, fingerprint: str) -> Episode | None:
        """The one that fires, else the last one; None for an unknown fingerprint."""
        episodes = self.episodes_of(fingerprint, 1)
        return episodes[0] if episodes else None

    def history(self, fingerprint: str, limit: int) -> list[Event]:
        """The last events of one alert, in their order."""
        rows = self._read(
            "SELECT * FROM (SELECT id, at, fingerprint, starts_at, kind, actor, detail FROM event WHERE fingerprint = ?"
            " ORDER BY id DESC LIMIT ?) ORDER BY id",
            fingerprint,
            limit,
        )
        return [_event_of(row) for row in rows]

    def count_events(self, fingerprint: str) -> int:
        """How many there are of one alert."""
        return int(self._read("SELECT count(*) FROM event WHERE fingerprint = ?", fingerprint)[0][0])

    def oldest(self) -> datetime | None:
        """When the oldest thing that is kept happened: an event, or the last report of an ended episode."""
        milliseconds = self._read(
            "SELECT min(at) FROM (SELECT min(at) AS at FROM event"
            " UNION ALL SELECT min(last_seen) FROM alert WHERE NOT is_firing UNION ALL SELECT min(at) FROM told)"
        )[0][0]
        return None if milliseconds is None else from_ms(milliseconds)

    def size_bytes(self) -> int:
        """Of the database, its log not counted."""
        return int(self._read("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0][0])

    def _episode(self, fingerprint: str, start: int) -> Episode:
        return self._episodes("fingerprint = ? AND starts_at = ?", fingerprint, start)[0]

    def _episodes(self, where: str, *values: Any) -> list[Episode]:
        columns = (
            "fingerprint, starts_at, is_firing, ends_at, fired_at, name, severity, component, labels, annotations,"
            " first_seen, last_seen, deliveries, suppressed, ack_by, ack_at, ack_until, ack_note"
        )
        # `where` is one of the few texts of this module; values are bound.
        return [_episode_of(row) for row in self._read(f"SELECT {columns} FROM alert WHERE {where}", *values)]  # noqa: S608

    # ── Who was told ───────────────────────────────────────────────────────────────────────────────────────────

    def told(self) -> dict[tuple[str, str], Told]:
        """What was last told, by (key, channel)."""
        return {(key, channel): Told(what, from_ms(at)) for key, channel, what, at in self._read("SELECT * FROM told")}

    def tell(self, key: str, channel: str, last: Told) -> None:
        """Note it *before* it is sent: whoever dies between the two tells nobody twice."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO told (key, channel, what, at) VALUES (?, ?, ?, ?)",
                (key, channel, last.what, to_ms(last.at)),
            )

    def untell(self, key: str, channel: str, before: Told | None) -> None:
        """It was refused: what stood there before stands again."""
        if before is not None:
            self.tell(key, channel, before)
            return
        with self._transaction():
            self._db.execute("DELETE FROM told WHERE key = ? AND channel = ?", (key, channel))

    # ── Tokens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def add_token(
        self, name: str, sha256: str, scopes: frozenset[str], now: datetime, *, expires_at: datetime | None = None
    ) -> None:
        """Remember a token's hash.

        Raises:
            ConfigError: There is one of that name.
        """
        with self._transaction():
            if self._db.execute("SELECT 1 FROM token WHERE name = ?", (name,)).fetchone():
                raise ConfigError(
                    f"there is a token {name} already; nothing was changed",
                    hint=f"archiver alerts token remove {name}, or choose another name",
                )
            self._put_token(name, sha256, scopes, now, expires_at)

    def set_token(self, name: str, sha256: str, scopes: frozenset[str], now: datetime) -> None:
        """The same, in place of what that name, or that token, stood for."""
        with self._transaction():
            self._db.execute("DELETE FROM token WHERE name = ? OR sha256 = ?", (name, sha256))
            self._put_token(name, sha256, scopes, now, None)

    def _put_token(
        self, name: str, sha256: str, scopes: frozenset[str], now: datetime, expires_at: datetime | None
    ) -> None:
        self._db.execute(
            "INSERT INTO token (name, sha256, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
            (name, sha256, " ".join(sorted(scopes)), to_ms(now), None if expires_at is None else to_ms(expires_at)),
        )

    def remove_token(self, name: str) -> bool:
        """Forget it; whether there was one. It counts no longer from the next request on."""
        with self._transaction():
            return self._db.execute("DELETE FROM token WHERE name = ?", (name,)).rowcount > 0

    def token(self, sha256: str, now: datetime) -> Token | None:
        """Whose hash this is; None where it is nobody's, or too old."""
        rows = self._read(
            "SELECT name, scopes, created_at, expires_at FROM token"
            " WHERE sha256 = ? AND (expires_at IS NULL OR expires_at > ?)",
            sha256,
            to_ms(now),
        )
        return _token_of(rows[0]) if rows else None

    def tokens(self) -> list[Token]:
        """All, by name."""
        return [_token_of(row) for row in self._read("SELECT name, scopes, created_at, expires_at FROM token")]

    # ── Retention ──────────────────────────────────────────────────────────────────────────────────────────────

    def expire(self, before: datetime) -> int:
        """Delete what is older, from the file and its log; how many rows. What fires stays, without its old events."""
        limit = to_ms(before)
        with self._transaction():
            deleted = sum(
                self._db.execute(statement, (limit,)).rowcount
                for statement in (
                    "DELETE FROM event WHERE at < ?",
                    "DELETE FROM alert WHERE NOT is_firing AND last_seen < ?",
                    "DELETE FROM told WHERE at < ?",
                    "DELETE FROM token WHERE expires_at < ?",
                )
            )
        if deleted:
            self._give_back()
        return deleted

    def _event(
        self,
        now: datetime,
        fingerprint: str,
        start: int,
        kind: str,
        actor: str,
        detail: Mapping[str, Any] | None = None,
    ) -> Event:
        number = self._db.execute(
            "INSERT INTO event (at, fingerprint, starts_at, kind, actor, detail) VALUES (?, ?, ?, ?, ?, ?)",
            (to_ms(now), fingerprint, start, kind, actor, json.dumps(dict(detail or {}))),
        ).lastrowid
        assert number is not None
        return Event(
            number=number, at=now, fingerprint=fingerprint, starts_at=from_ms(start), kind=kind, actor=actor,
            detail=dict(detail or {}),
        )  # fmt: skip


def _episode_of(row: tuple[Any, ...]) -> Episode:
    fingerprint, starts_at, is_firing, ends_at, fired_at, name, severity, component, labels, annotations = row[:10]
    first_seen, last_seen, deliveries, suppressed, ack_by, ack_at, ack_until, ack_note = row[10:]
    return Episode(
        fingerprint=fingerprint,
        starts_at=from_ms(starts_at),
        is_firing=bool(is_firing),
        ends_at=None if ends_at is None or is_firing else from_ms(ends_at),
        fired_at=from_ms(fired_at),
        unattended_since=from_ms(max(fired_at, ack_until or 0)),
        name=name,
        severity=severity,
        component=component,
        labels=json.loads(labels),
        annotations=json.loads(annotations),
        first_seen=from_ms(first_seen),
        last_seen=from_ms(last_seen),
        deliveries=deliveries,
        suppressed=suppressed,
        ack=None
        if ack_by is None
        else Ack(by=ack_by, at=from_ms(ack_at), until=from_ms(ack_until), note=ack_note or ""),
    )


def _event_of(row: tuple[Any, ...]) -> Event:
    number, at, fingerprint, starts_at, kind, actor, detail = row
    return Event(
        number=number, at=from_ms(at), fingerprint=fingerprint, starts_at=from_ms(starts_at), kind=kind, actor=actor,
        detail=json.loads(detail),
    )  # fmt: skip


def _token_of(row: tuple[Any, ...]) -> Token:
    name, scopes, created_at, expires_at = row
    return Token(
        name=name,
        scopes=frozenset(scopes.split()),
        created_at=from_ms(created_at),
        expires_at=None if expires_at is None else from_ms(expires_at),
    )
