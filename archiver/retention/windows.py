"""Windows: how time is cut."""

from datetime import datetime, timedelta

from archiver.model import EPOCH, Window


def window_at(instant: datetime, length: timedelta) -> Window:
    """The window of a given length that an instant belongs to. Windows are aligned to midnight UTC."""
    start = instant - (instant - EPOCH) % length
    return Window(start, start + length)
