"""How old a sample can get: Prometheus deletes whole blocks, when their newest sample is older than the retention."""

from datetime import timedelta

BLOCK_SMALLEST = timedelta(hours=2)
BLOCK_GROWTH = 3
BLOCK_RANGES = 10
BLOCK_LARGEST = timedelta(days=31)
HEAD_LAG = timedelta(hours=3)
"""The head becomes a block at one and a half times the smallest range, and age counts from the newest block."""


def oldest_possible(retention: timedelta, largest_block: timedelta | None = None) -> timedelta:
    """How old a sample can get under a retention: with 30 d about 32.4 d.

    A block goes as a whole, when its newest sample is older than the retention, counted from the newest block.

    Args:
        largest_block: ``--storage.tsdb.max-block-duration``; None: a tenth of the retention, as Prometheus sets it.
    """
    limit = min(retention / 10, BLOCK_LARGEST) if largest_block is None else largest_block
    ranges = [BLOCK_SMALLEST * BLOCK_GROWTH**step for step in range(BLOCK_RANGES)]
    return retention + max((length for length in ranges if length <= limit), default=BLOCK_SMALLEST) + HEAD_LAG


def setting_within(promise: timedelta) -> timedelta | None:
    """The longest retention, in whole days, under which no sample outlives the promise. None: there is none."""
    candidates = (timedelta(days=days) for days in range(promise.days, 0, -1))
    return next((period for period in candidates if oldest_possible(period) <= promise), None)
