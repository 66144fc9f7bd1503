"""The archive's places: its store, its anchor, its keys, and the clocks of all who have one."""

from datetime import datetime, timedelta
from typing import Final, Literal

from archiver.contracts import StoreFacts
from archiver.doctor.diagnosis import Diagnosis, ok, problem, warning
from archiver.doctor.facts import ClockFacts, HeadFacts
from archiver.errors import IntegrityError, Refused

NOT_TOLD: Final = "the store does not tell"


def judge_store(
    location: str,
    facts: StoreFacts,
    *,
    ordering: Literal["conditional", "anchor"] | None,
    encrypts_itself: bool = False,
) -> tuple[Diagnosis, ...]:
    """What the probe found out by trying.

    Args:
        ordering: What orders the archive's writers; None: there is no archive yet.
        encrypts_itself: Encryption is asked for with every object.
    """
    return (
        _conditional(location, facts.conditional_create, ordering),
        ok(
            "store.versioning",
            location,
            {
                None: f"{NOT_TOLD} whether it keeps old versions",
                True: "old versions are kept; whatever archiver deletes, it deletes with every version",
                False: "no old versions are kept",
            }[facts.versioning],
        ),
        ok(
            "store.lock",
            location,
            {
                None: f"{NOT_TOLD} whether objects can be locked",
                True: "objects can be locked: what is locked stays until its date, and reports say until when",
                False: "no object lock",
            }[facts.object_lock],
        ),
        _encryption(location, facts.encryption, encrypts_itself=encrypts_itself),
        _public(location, facts.public),
    )


def _conditional(location: str, honoured: bool, ordering: str | None) -> Diagnosis:
    if honoured:
        return ok("store.conditional", location, "creates only what is absent")
    if ordering == "conditional":
        return problem(
            "store.conditional",
            location,
            "overwrites silently, but the archive was begun on a store that creates only what is absent: two runs at"
            " once could overwrite each other's ledger entries",
            "run on one machine only, where the run lock keeps runs apart, and move the archive back to a store that"
            " honours If-None-Match",
            exit_status=IntegrityError.exit_status,
        )
    return ok("store.conditional", location, "overwrites silently; the anchor orders the writers")


def _encryption(location: str, encryption: str | None, *, encrypts_itself: bool) -> Diagnosis:
    if encrypts_itself:
        return ok("store.encryption", location, "asked for with every object (s3.sse)")
    if encryption is None:
        return ok("store.encryption", location, f"{NOT_TOLD} whether objects are encrypted at rest")
    if not encryption:
        return warning(
            "store.encryption",
            location,
            "objects are not encrypted at rest",
            'set s3.sse = "AES256", or a default encryption for the bucket',
        )
    return ok("store.encryption", location, f"encrypted at rest: {encryption}")


def _public(location: str, public: bool | None) -> Diagnosis:
    if public:
        return problem(
            "store.public",
            location,
            "anybody can read it",
            "block public access at the bucket and the account; for a directory: chmod -R go-rwx",
        )
    return ok("store.public", location, "not public" if public is False else f"{NOT_TOLD} whether it is public")


def judge_anchor(location: str, missing: tuple[str, ...], fix: str) -> Diagnosis:
    """The anchor, which could be read.

    Args:
        missing: Rights that moving it needs and that are not there.
        fix: How they are granted.
    """
    if missing:
        return problem(
            "anchor.rights",
            location,
            f"can be read, but moving it lacks {', '.join(missing)}: nothing is committed",
            fix,
        )
    return ok("anchor.rights", location, "can be read and moved")


def judge_head(facts: HeadFacts, now: datetime) -> Diagnosis:
    """The ledger: chain, signatures and anchor agree; how long ago anything was written."""
    pause = now - facts.at
    said = f"chain, signatures and anchor agree; entry {facts.seq} of {facts.at:%Y-%m-%d %H:%M} UTC"
    if pause > facts.pause_max:
        return warning(
            "archive.ledger",
            facts.location,
            f"{said}: nothing was written for {pause.days} days, at most {facts.pause_max.days} may pass",
            "find out why no run was at work (cron, systemd); the next deletion will ask for its plan's token",
        )
    return ok("archive.ledger", facts.location, said)


def judge_key(path: str, public_key: str, archive_key: str) -> Diagnosis:
    """Whether a private key is the archive's."""
    if public_key != archive_key:
        return problem(
            "key.signing",
            path,
            f"its public key is {public_key[:16]}…, the archive is signed with {archive_key[:16]}…",
            "set signing_key_file to this archive's key, or store to that key's archive",
        )
    return ok("key.signing", path, f"readable by nobody else, and the archive's: {public_key[:16]}…")


def judge_clock(facts: ClockFacts) -> Diagnosis:
    """How far another clock is from this machine's."""
    check = f"clock.{facts.name}"
    if facts.told is None:
        return ok(check, facts.location, "has no clock of its own")
    apart = facts.told - facts.local
    if abs(apart) <= facts.tolerance:
        return ok(check, facts.location, f"{_apart(apart)} this machine's")
    return problem(
        check,
        facts.location,
        f"{_apart(apart)} this machine's, at most {facts.tolerance} is tolerated: every deletion is refused",
        "set the clock that is wrong: `timedatectl set-ntp true` on this machine; guard.clock_tolerance is the limit",
        exit_status=Refused.exit_status,
    )


def _apart(apart: timedelta) -> str:
    seconds = apart.total_seconds()
    return f"{abs(seconds):,.1f} s {'ahead of' if seconds > 0 else 'behind'}"
