"""Memory is bounded by the settings, not by the data: whole processes against a real Postgres."""

from pathlib import Path

from tests.bench.bench_export import export, new_archive
from tests.bench.tables import fill_events
from tests.support.postgres import PostgresServer, fresh_database

ROWS_A_DAY = 35_000
"""Somewhat more than a row group, so that a part's writer is full in any case."""


def test_an_export_needs_no_more_memory_for_larger_days(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """Batches on their way, row groups, and what freed memory the allocators keep: none of it grows with a window."""
    peaks_mib = {}
    for days, rows_a_day in ((3, ROWS_A_DAY), (3, 4 * ROWS_A_DAY), (1, 12 * ROWS_A_DAY)):
        with fresh_database(postgres_server, f"memory_{rows_a_day}") as database:
            fill_events(database, days * rows_a_day, days=days)
            program = new_archive(tmp_path / str(rows_a_day), database)
            peaks_mib[rows_a_day] = export(program, database, jobs=1).peak_mib
            assert program.rows("log_workflow_events") == days * rows_a_day
    assert max(peaks_mib.values()) <= 1.15 * peaks_mib[ROWS_A_DAY], peaks_mib
