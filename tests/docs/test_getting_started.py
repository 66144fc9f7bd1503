"""docs/getting-started.md: its commands, in their order, with the example configuration and the role of the migrations."""

import re
from pathlib import Path

from tests.docs.commands import call
from tests.support import postgrest
from tests.support.deployment import DEPLOY, ROOT
from tests.support.postgres import PASSWORD, Database

PAGE = (ROOT / "docs" / "getting-started.md").read_text()


def steps(number: int) -> list[str]:
    """The lines of a step's commands, without their comments."""
    section = PAGE.partition(f"\n## {number}. ")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", section)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]


def test_the_way_from_nothing_to_a_purge(database: Database, tmp_path: Path) -> None:
    postgrest.prepare(database)
    with database.server.connected(database.name) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_sql_query((DEPLOY / "supabase" / "sample_tables.sql").read_text())
        cursor.adbc_statement.execute_update()
    postgrest.migrate(database)
    database.execute(
        f"ALTER ROLE archiver PASSWORD '{PASSWORD}'",
        "INSERT INTO app_audit_log (id, created_at, actor_email, action) SELECT gen_random_uuid(), now() - interval '1 day'"
        " * d, 'anna@beispiel.example', 'login' FROM unnest(ARRAY[1, 2, 41, 42, 43]) d, generate_series(1, 400) i",
    )
    secrets, etc, work = (tmp_path / name for name in ("secrets", "etc", "work"))
    for folder in (secrets, etc, work):
        folder.mkdir()
    (secrets / "supabase_db_url").write_text(database.dsn_of("archiver") + "\n")
    # What a person edits in step 4: a directory as the store, no Loki.
    text = (DEPLOY / "archiver.toml").read_text().replace("s3://my-bucket/logs", f"file://{tmp_path}/archive")
    (etc / "archiver.toml").write_text(re.sub(r"(?m)^(loki_store|loki_url|prometheus_url) = .*$", "", text))
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "COLUMNS": "100",
        "ARCHIVER_CONFIG": str(etc / "archiver.toml"),
        "ARCHIVER_SECRETS_DIR": str(secrets),
    }
    ran, printed = [], ""
    for line in [*steps(4), *steps(5), *steps(6), *re.findall(r"`(archiver purge --execute --confirm TOKEN)`", PAGE)]:
        known = line.replace("/etc/archiver/secrets", str(secrets))
        if variable := re.fullmatch(r"export (\w+)=(\S+)", known):
            environment[variable[1]] = variable[2]
        elif known.startswith("archiver "):
            if known.endswith(" TOKEN"):
                token = re.search(r"--confirm (\S+)", printed)
                assert token, printed
                known = known.replace("TOKEN", token[1].rstrip("`.,;"))
            status, printed = call(tuple(known.split()[1:]), environment, work)
            # The page says so: two thirds of a table at once need the plan's token.
            assert status == (6 if known == "archiver purge --execute" else 0), f"{known}\n{printed}"
            ran.append(line)
    assert [line.split()[1] for line in ran] == [
        "config",
        "init",
        "export",
        "export",
        "verify",
        "purge",
        "purge",
        "purge",
    ]
    assert {path.name for path in secrets.iterdir()} == {
        "supabase_db_url",
        "archiver_signing_key",
        "archiver_privacy_key",
    }
    left = database.query("SELECT count(*), min(created_at) > now() - interval '31 days' FROM app_audit_log")
    assert left[0][1] is True
    assert left[0][0] == 2 * 400
