"""What follows from several settings at once."""

from pathlib import Path

import pytest

from archiver.config import load

API = {"SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co", "SUPABASE_SECRET_KEY": "sb_secret_x"}
DATABASE = {"SUPABASE_DB_URL": "postgresql://postgres:x@db.example:5432/postgres"}


@pytest.mark.parametrize(
    ("environment", "jobs"),
    [
        (DATABASE, 2),
        (API, 4),
        ({**API, **DATABASE}, 2),
        ({**API, "ARCHIVER_EXPORT__JOBS": "9"}, 4),
        ({**API, "ARCHIVER_DATA_API__JOBS": "1"}, 1),
        ({**DATABASE, "ARCHIVER_EXPORT__JOBS": "9", "ARCHIVER_DATA_API__JOBS": "1"}, 9),
    ],
)
def test_windows_read_at_once_depend_on_the_way_they_are_read(
    environment: dict[str, str], jobs: int, tmp_path: Path
) -> None:
    """Pages of the data API wait for their answers, a database connection works all the time."""
    assert load(environ=environment, directory=tmp_path).settings.export_jobs == jobs
