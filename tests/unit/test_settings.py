"""What follows from several settings at once."""

from pathlib import Path

import pytest

from archiver.config import load
from archiver.errors import ConfigError

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


@pytest.mark.parametrize("setting", ["archive_retention", "source_retention", "window"])
@pytest.mark.parametrize("value", ["365", "-5", "1.5", "true", "[]", '"365"', '"0d"', '"-5d"', '"P365D"', '""'])
def test_a_period_has_a_unit(tmp_path: Path, setting: str, value: str) -> None:
    """Taken for seconds, a period of 365 would empty the archive in one night."""
    file = tmp_path / "archiver.toml"
    file.write_text(f"[datasets.app_audit_log]\n{setting} = {value}\n")
    with pytest.raises(ConfigError, match=rf"{setting}.*is no duration: write a number and a unit"):
        load(config_file=file, environ={}, directory=tmp_path)


@pytest.mark.parametrize("value", ["36526d", "999999w"])
def test_a_period_ends_before_the_calendar_does(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=f"'{value}' is longer than a hundred years: write at most 36525d"):
        load(environ={"ARCHIVER_DATASETS__APP_AUDIT_LOG__ARCHIVE_RETENTION": value}, directory=tmp_path)
