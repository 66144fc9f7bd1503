"""Real servers, started when the first test asks for one, ended with the session."""

import os
from collections.abc import Iterator

import pytest

from tests.support import postgrest
from tests.support.postgres import Database, PostgresServer, fresh_database, postgres_cluster
from tests.support.s3 import S3Server, rclone_server, seaweedfs_server


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of what is random is tried."""
    parser.addoption("--seeds", type=int, default=12, help="how many random instants a killed process is killed at")
    parser.addoption(
        "--model-examples",
        type=int,
        default=0,
        help="how many random stories the model-based test tells; 0: a few, the same",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``seed``, or ``heavy_seed``, runs once for each."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("seeds")))
    if "heavy_seed" in metafunc.fixturenames:
        # Half as many: each of these starts a dozen processes.
        metafunc.parametrize("heavy_seed", range(max(1, metafunc.config.getoption("seeds") // 2)))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not reach a test, nor a test somebody's real archive."""
    for name in list(os.environ):
        if name.startswith(("ARCHIVER_", "SUPABASE_", "AWS_")) and not name.startswith("ARCHIVER_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real Postgres."""
    with postgres_cluster() as server:
        yield server


@pytest.fixture
def database(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database of its own for each test."""
    number = abs(hash(request.node.nodeid)) % 10**9
    with fresh_database(postgres_server, f"test_{number}") as made:
        yield made


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[S3Server]:
    """A real S3 server that honours conditions, versions and locks."""
    with seaweedfs_server() as server:
        yield server


@pytest.fixture(scope="session")
def rclone_s3() -> Iterator[S3Server]:
    """A real S3 server that ignores conditions."""
    with rclone_server() as server:
        yield server


@pytest.fixture
def data_api(database: Database) -> Iterator[postgrest.DataApi]:
    """A real PostgREST behind ``/rest/v1`` in front of the test's database, our migration applied."""
    postgrest.prepare(database)
    postgrest.migrate(database)
    with postgrest.data_api(database) as api:
        yield api


@pytest.fixture
def dsn(database: Database) -> str:
    """The address of a fresh database, as superuser."""
    return database.dsn
