"""Memory is bounded by the settings, not by the data: whole processes against a real Postgres."""

from pathlib import Path

from tests.bench.bench_export import export, new_archive
from tests.bench.tables import fill_events
from tests.support.postgres import PostgresServer, fresh_database

DAYS = 3
ROWS_A_DAY = 35_000
"""Somewhat more than a row group, so that a part's writer is full in either case."""


def test_an_export_of_four_times_the_rows_a_day_needs_no_more_memory(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Batches on their way, row groups, and what freed memory the allocators keep: none of it grows with a window."""
    peaks_mib = {}
    for times in (1, 4):
        with fresh_database(postgres_server, f"memory_{times}") as database:
            fill_events(database, times * DAYS * ROWS_A_DAY, days=DAYS)
            program = new_archive(tmp_path / str(times), database)
            peaks_mib[times] = export(program, database, jobs=1).peak_mib
            assert program.rows("log_workflow_events") == times * DAYS * ROWS_A_DAY
    assert peaks_mib[4] <= 1.15 * peaks_mib[1], peaks_mib
