"""The Edge Function: type-checked and run by Deno, in front of a real data API."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import daemon, npm, postgrest
from tests.support.deployment import DEPLOY
from tests.support.listener import listening
from tests.support.postgres import PostgresServer, fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTION = DEPLOY / "supabase" / "functions" / "archiver-trigger" / "index.ts"
SECRET = "only-for-tests-only-for-tests-only-for-tests"


def deno() -> str:
    return str(npm.installed(Path(__file__).with_name("deno")) / "node_modules" / ".bin" / "deno")


def environment(home: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "DENO_DIR": str(home / "deno"), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1", **more}  # fmt: skip


@dataclass
class Trigger:
    url: str
    api: postgrest.DataApi

    def call(self, method: str = "POST", secret: str | None = SECRET) -> tuple[int, dict[str, Any]]:
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        request = urllib.request.Request(self.url, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status), json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def asked(self) -> int:
        return int(str(self.api.database.query("SELECT count(*) FROM archiver.run_request")[0][0]))


@pytest.fixture(scope="module")
def api(postgres_server: PostgresServer) -> Iterator[postgrest.DataApi]:
    with fresh_database(postgres_server, "trigger") as database:
        postgrest.prepare(database)
        postgrest.migrate(database)
        with postgrest.data_api(database) as running:
            yield running


@contextmanager
def serving(api: postgrest.DataApi, home: Path, **settings: str) -> Iterator[Trigger]:
    """The function as Supabase runs it, as far as it may use the network and the environment, and nothing else."""
    port = daemon.free_port()
    variables = {
        "SUPABASE_URL": api.url,
        "SUPABASE_SERVICE_ROLE_KEY": api.key,
        "ARCHIVER_TRIGGER_SECRET": SECRET,
        "DENO_SERVE_ADDRESS": f"tcp:127.0.0.1:{port}",
        **settings,
    }
    argv = ["/usr/bin/env", "-i", *(f"{k}={v}" for k, v in environment(home, **variables).items()), deno(), "run", "--quiet",
            "--no-remote", "--allow-net", "--allow-env", str(FUNCTION)]  # fmt: skip
    with daemon.listening(argv, port, home):
        yield Trigger(f"http://127.0.0.1:{port}/archiver-trigger", api)


@pytest.fixture(scope="module")
def trigger(api: postgrest.DataApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trigger]:
    with serving(api, tmp_path_factory.mktemp("deno")) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_asked(api: postgrest.DataApi) -> None:
    api.database.execute("DELETE FROM archiver.run_request")


def test_it_has_no_imports_and_deno_accepts_its_types(tmp_path: Path) -> None:
    assert "import " not in FUNCTION.read_text().split("const SECRET_LENGTH_MIN")[1]
    done = subprocess.run(
        [deno(), "check", "--quiet", "--no-remote", str(FUNCTION)],
        env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_right_secret_asks_once_a_day(trigger: Trigger) -> None:
    assert trigger.call() == (202, {"asked": True})
    assert trigger.call() == (202, {"asked": False})
    assert trigger.api.database.query("SELECT count(*), min(asked_by) FROM archiver.run_request") == [(1, "http")]


@pytest.mark.parametrize("secret", [None, "", "x", SECRET[:-1], SECRET + "x", SECRET.upper(), "ä" * 44])
def test_a_wrong_secret_asks_nothing_and_learns_nothing(trigger: Trigger, secret: str | None) -> None:
    secret = None if secret is None else secret.encode().decode("latin-1")
    for method in ("POST", "GET"):
        status, said = trigger.call(method, secret)
        assert (status, set(said)) == (401, {"error"})
    assert trigger.asked() == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(trigger: Trigger, method: str) -> None:
    assert trigger.call(method)[0] == 405
    assert trigger.asked() == 0


def test_how_things_stand(trigger: Trigger) -> None:
    assert trigger.call("GET") == (200, {"anchor_age_s": None, "last": None})
    trigger.call()
    status, said = trigger.call("GET")
    assert status == 200
    assert said["last"]["done_at"] is None
    assert set(said["last"]) == {"day", "asked_at", "taken_at", "done_at", "exit_status"}


@pytest.mark.parametrize("secret", ["", "short"])
def test_without_a_good_secret_nobody_is_let_in(api: postgrest.DataApi, secret: str, tmp_path: Path) -> None:
    with serving(api, tmp_path, ARCHIVER_TRIGGER_SECRET=secret) as open_door:
        assert open_door.call(secret=secret)[0] == 503
        assert open_door.asked() == 0


def test_a_database_that_is_away_is_said_without_details(api: postgrest.DataApi, tmp_path: Path) -> None:
    with serving(api, tmp_path, SUPABASE_URL=f"http://127.0.0.1:{daemon.free_port()}") as running:
        status, said = running.call()
    assert (status, set(said)) == (502, {"error"})
    assert "127.0.0.1" not in said["error"]


def test_somebody_else_is_called_once_for_a_request(api: postgrest.DataApi, tmp_path: Path) -> None:
    with listening() as elsewhere:
        elsewhere.status = 204
        with serving(api, tmp_path, DISPATCH_URL=f"{elsewhere.url}/dispatches", DISPATCH_TOKEN="t") as running:
            assert running.call() == (202, {"asked": True, "dispatched": 204})
            assert running.call() == (202, {"asked": False})
            assert elsewhere.heard == [("POST", "/dispatches", '{"event_type":"archiver-nightly"}')]
            api.database.execute("DELETE FROM archiver.run_request")
            elsewhere.status = 500
            status, said = running.call()
            assert (status, said["asked"], said["dispatched"]) == (502, True, 500), "asked, and that is said"
            assert running.asked() == 1
