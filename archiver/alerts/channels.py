"""How somebody outside is told: Apprise addresses, and a ping for as long as the Watchdog comes."""

import hashlib
import logging
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from apprise import Apprise, NotifyBase, NotifyFormat, NotifyType

from archiver.errors import ConfigError

SECRET_BYTES_MAX: Final = 64 * 1024
# It quotes tokens and addresses of what it cannot use. What failed is said by the service itself.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Channel:
    """One address.

    Attributes:
        identity: Stays the same from start to start; does not give the address away.
        service: What kind it is: ``ntfy``, ``WhatsApp``. No part of the address.
        send: Title, body and whether it is good news; whether it was taken. Blocks for seconds.
    """

    identity: str
    service: str
    send: Callable[[str, str, bool], bool] = field(repr=False)


def read_channels(file: Path) -> tuple[Channel, ...]:
    """The Apprise addresses of a file, one a line; ``#`` begins a comment.

    Raises:
        ConfigError: Others may read the file, or a line is no address.
    """
    channels: dict[str, Channel] = {}
    for number, line in enumerate(read_secret(file).splitlines(), 1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        made = Apprise.instantiate(url)
        if made is None:
            raise ConfigError(
                f"{file}: line {number} is no Apprise address; nothing was started",
                hint="one a line, such as ntfys://TOPIC or mailtos://USER:PASSWORD@HOST; see docs/alert-service.md",
            )
        identity = hashlib.sha256(url.encode()).hexdigest()[:16]
        channels[identity] = Channel(identity, str(made.service_name), _sender(made))
    return tuple(channels.values())


def _sender(service: NotifyBase) -> Callable[[str, str, bool], bool]:
    # What has no title would put it into the body, with a line break that WhatsApp's templates refuse.
    has_title = bool(getattr(service, "title_maxlen", 0))

    def send(title: str, body: str, is_good: bool) -> bool:
        kind = NotifyType.SUCCESS if is_good else NotifyType.FAILURE
        return bool(
            service.notify(body=body, title=title if has_title else "", notify_type=kind, body_format=NotifyFormat.TEXT)
        )

    return send


def ping(url: str, *, timeout_s: float = 10.0) -> bool:
    """Tell a service outside that the chain works (healthchecks.io, Uptime Kuma); whether it was taken."""
    try:
        return httpx.get(url, timeout=timeout_s, follow_redirects=True).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def read_secret(file: Path) -> str:
    """A file that nobody else may read; systemd's credentials and mounted secrets may be root's and our group's.

    Raises:
        ConfigError: It cannot be read, or others may read it.
    """
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno())
            text = opened.read(SECRET_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "no text"
        raise ConfigError(
            f"{file}: cannot be read ({reason}); nothing was started",
            hint="give it to the user that the service runs as, mode 0400",
        ) from None
    forbidden = 0o037 if mode.st_uid == 0 and os.geteuid() != 0 else 0o077
    if mode.st_mode & forbidden:
        raise ConfigError(
            f"{file}: has mode {stat.S_IMODE(mode.st_mode):04o}, and others may read the secrets in it;"
            " nothing was started",
            hint=f"chmod 0600 {file}",
        )
    return text
