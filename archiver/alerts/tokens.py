"""Tokens: made here, shown once, kept as a hash. They are random, so that a plain SHA-256 is enough."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from typing import Final

from archiver.errors import ConfigError

READ: Final = "alerts:read"
WRITE: Final = "alerts:write"
POST: Final = "alerts:post"
SCOPES: Final = (READ, WRITE, POST)
PREFIX: Final = "aat_"
"""So that a scanner for secrets knows one when it sees one."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def new() -> str:
    """A token that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is kept of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def checked_name(name: str) -> str:
    """The name, as it will stand in the history.

    Raises:
        ConfigError: It is none.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name of a token; nothing was changed",
            hint="letters, digits and . _ @ -, at most 64: it stands in the history as who did something",
        )
    return name


def checked_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes; who may write may read.

    Raises:
        ConfigError: One is none of ours, or there is none.
    """
    granted = frozenset(scopes)
    wrong = sorted(granted - frozenset(SCOPES))
    if wrong or not granted:
        raise ConfigError(
            f"--scope {', '.join(map(repr, wrong)) or 'is missing'}: no such scope; no token was made",
            hint=f"one or more of {', '.join(SCOPES)}",
        )
    return granted | {READ} if WRITE in granted else granted
