"""Settings that are right one by one and wrong together: each pair is named once, with what to set instead."""

from pathlib import Path

import pytest

from archiver.config import Contradiction, contradictions, load, secret_files
from archiver.config.consistency import project_of
from archiver.errors import ConfigError

SOUND = """
store = "s3://bucket/logs"
anchor = "postgres"
signing_key_file = "/etc/archiver/key.pem"
privacy_key_file = "/etc/archiver/privacy.txt"
[datasets.app_audit_log]
archive_retention = "365d"
[datasets.log_workflow_events]
archive_retention = "365d"
"""
REF, OTHER = "abcdefghijklmnopqrst", "zyxwvutsrqponmlkjihg"


def found_in(directory: Path, text: str, **environment: str) -> tuple[Contradiction, ...]:
    file = directory / "archiver.toml"
    file.write_text(text)
    return contradictions(load(config_file=file, environ=environment, directory=directory).settings)


def test_sound_settings(tmp_path: Path) -> None:
    assert found_in(tmp_path, SOUND) == ()
    database = f"postgresql://postgres.{REF}:x@aws-0-eu.pooler.supabase.com:5432/postgres"
    assert found_in(tmp_path, SOUND, SUPABASE_DB_URL=database, SUPABASE_URL=f"https://{REF}.supabase.co",
                    SUPABASE_SECRET_KEY="sb_secret_x", AWS_ENDPOINT_URL_S3="https://s3.example",
                    ARCHIVER_LOKI_STORE="s3://loki/chunks", ARCHIVER_LOKI__ARCHIVE_RETENTION="90d") == ()  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "environment", "settings", "says", "stops"),
    [
        ('"s3://bucket/logs"', '"file:///srv/a"', {"ARCHIVER_LOKI_STORE": "file:///srv/a/loki",
          "ARCHIVER_LOKI__ARCHIVE_RETENTION": "9d"}, ("store", "loki_store"), "one lies in the other", True),
        ('"s3://bucket/logs"', '"s3://bucket/logs"', {"ARCHIVER_LOKI_STORE": "s3://bucket/logs",
          "ARCHIVER_LOKI__ARCHIVE_RETENTION": "9d"}, ("store", "loki_store"), "the same place", True),
        ('"s3://bucket/logs"\nanchor = "postgres"', '"file:///srv/a"\nanchor = "file:///srv/a/anchor.json"', {},
         ("anchor", "store"), "could move the anchor as well", True),
        ('"s3://bucket/logs"', '"file:///etc/archiver"', {}, ("signing_key_file", "store"), "sign in your name", True),
        ('"s3://bucket/logs"', '"file:///srv/a"', {"ARCHIVER_WORK_DIR": "/srv/a/tmp"}, ("work_dir", "store"), "no object",
         True),
        ('"365d"', '"365d"', {"AWS_ENDPOINT_URL_S3": "http://s3.example:9000"}, ("aws_endpoint_url_s3",),
         "not encrypted", False),
        ('"365d"', '"365d"', {"SUPABASE_URL": f"https://{REF}.supabase.co"}, ("supabase_url", "supabase_secret_key"),
         "an address without a key", True),
        ('"365d"', '"365d"', {"SUPABASE_SECRET_KEY": "sb_secret_x"}, ("supabase_secret_key", "supabase_url"),
         "a key without an address", False),
        ('"365d"', '"365d"', {"SUPABASE_URL": f"https://{REF}.supabase.co", "SUPABASE_SECRET_KEY": "sb_secret_x",
          "SUPABASE_DB_URL": f"postgresql://postgres:x@db.{OTHER}.supabase.co:5432/postgres"},
         ("supabase_db_url", "supabase_url"), f"two projects: {OTHER} and {REF}", True),
        ('"365d"', '"365d"', {"SUPABASE_DB_URL": f"postgresql://postgres:x@db.{REF}.supabase.co:5432/postgres",
          "AWS_ENDPOINT_URL_S3": f"https://{REF}.storage.supabase.co/storage/v1/s3"}, ("anchor", "store"),
         f"both lie in the project {REF}", False),
        ('"postgres"', '"supabase"', {"SUPABASE_URL": f"https://{REF}.supabase.co", "SUPABASE_SECRET_KEY": "sb_secret_x",
          "AWS_ENDPOINT_URL_S3": f"https://{REF}.supabase.co/storage/v1/s3"}, ("anchor", "store"),
         f"both lie in the project {REF}", False),
        ("[datasets.app_audit_log]", '[datasets.app_audit_log]\ncolumns = { ip = "hmac" }', {},
         ("privacy_key_file", "datasets.app_audit_log.columns.ip"), "no key to make it with", True),
        ("[datasets.app_audit_log]", '[datasets.app_audit_log]\nsource_retention = "365d"', {},
         ("datasets.app_audit_log.archive_retention", "datasets.app_audit_log.source_retention"),
         "never be purged there", True),
        ('[datasets.app_audit_log]\narchive_retention = "365d"', "", {}, ("datasets.app_audit_log.archive_retention",),
         "nothing of it ever expires", False),
        ('"365d"', '"365d"', {"ARCHIVER_LOKI_STORE": "s3://loki/chunks"}, ("loki.archive_retention",),
         "nothing of it ever expires", False),
        ('"365d"', '"365d"', {"ARCHIVER_LOKI_STORE": "s3://loki/chunks", "ARCHIVER_LOKI__ARCHIVE_RETENTION": "30d",
          "ARCHIVER_LOKI__DELETE": "files"}, ("loki.archive_retention", "loki.source_retention"), "no chunk could be proven",
         True),
        ('"365d"', '"365d"\nenabled = false', {}, ("datasets", "loki_store"), "nothing to archive", True),
    ],
)  # fmt: skip
def test_a_contradiction(
    tmp_path: Path, old: str, new: str, environment: dict[str, str], settings: tuple[str, ...], says: str, stops: bool
) -> None:
    assert old in SOUND
    text = SOUND.replace(old, new)
    if "columns" in new:
        text = text.replace('privacy_key_file = "/etc/archiver/privacy.txt"\n', "")
    if "/etc/archiver" in new:
        text = text.replace('privacy_key_file = "/etc/archiver/privacy.txt"\n', "")
    (said,) = found_in(tmp_path, text, **environment)
    assert said.settings == settings
    assert says in said.fact
    assert said.stops is stops
    assert said.fix
    assert "sb_secret_x" not in repr(said)


def test_fault_two_datasets_over_one_relation_are_refused(tmp_path: Path) -> None:
    """A hold on one would not stop the other, and the one that drops columns deletes what the other has not archived."""
    shared = SOUND + '[datasets.extra]\nrelation = "app_audit_log"\n'
    with pytest.raises(ConfigError) as raised:
        found_in(tmp_path, shared)
    assert raised.value.exit_status == 2
    assert "datasets app_audit_log and extra are one relation, public.app_audit_log" in raised.value.message
    assert "merge" in raised.value.hint
    assert "datasets.app_audit_log.enabled = false or datasets.extra.enabled = false" in raised.value.hint


@pytest.mark.parametrize(
    "other",
    [
        'relation = "app_audit_log"\nenabled = false',
        'relation = "App_Audit_Log"',
        'relation = "app_audit_log"\nschema = "other"',
    ],
)
def test_relations_that_are_not_the_same(tmp_path: Path, other: str) -> None:
    said = found_in(tmp_path, f'{SOUND}[datasets.extra]\narchive_retention = "365d"\n{other}\n')
    assert said == ()


SHORT = [
    ("datasets.app_audit_log", "source_retention", "30m", "30d"),
    ("datasets.log_workflow_events", "archive_retention", "60m", "60d"),
    ("datasets.extra", "source_retention", "23h", "23d"),
    ("datasets.extra", "archive_retention", "86399s", "36525d"),
    ("loki", "source_retention", "12h", "12d"),
    ("loki", "archive_retention", "7h", "7d"),
]


def short(section: str, setting: str, value: str) -> dict[str, str]:
    variable = f"ARCHIVER_{section.replace('.', '__')}__".upper()
    return {f"{variable}ARCHIVE_RETENTION": "365d", f"{variable}{setting.upper()}": value}


@pytest.mark.parametrize(("section", "setting", "value", "meant"), SHORT)
def test_fault_a_period_of_less_than_a_day_is_asked_for_twice(
    tmp_path: Path, section: str, setting: str, value: str, meant: str
) -> None:
    """A retention of 30m where 30d was meant would empty a table."""
    with pytest.raises(ConfigError) as raised:
        found_in(tmp_path, SOUND, **short(section, setting, value))
    assert raised.value.exit_status == 2
    assert f"{section}.{setting} = {value} is less than a day" in raised.value.message
    assert f"did you mean {meant}?" in raised.value.hint
    assert f"{section}.short_periods = true" in raised.value.hint


@pytest.mark.parametrize(("section", "setting", "value", "_meant"), SHORT)
def test_a_short_period_that_is_confirmed(tmp_path: Path, section: str, setting: str, value: str, _meant: str) -> None:
    """It confirms its own dataset's, no other one's; a whole day needs no word."""
    given = short(section, setting, value)
    confirmed = f"ARCHIVER_{section.replace('.', '__')}__SHORT_PERIODS".upper()
    found_in(tmp_path, SOUND, **given, **{confirmed: "true"})
    found_in(tmp_path, SOUND, **short(section, setting, "24h"))
    with pytest.raises(ConfigError, match=r"datasets\.other\.source_retention = 5m"):
        found_in(tmp_path, SOUND, **given, **{confirmed: "true", "ARCHIVER_DATASETS__OTHER__SOURCE_RETENTION": "5m"})


def test_a_table_of_the_environment_is_held_to_the_same(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"datasets\.x\.source_retention = 90m"):
        found_in(tmp_path, 'store = "s3://b"', ARCHIVER_DATASETS='{ x = { source_retention = "90m" } }')


def test_which_project_an_address_names() -> None:
    assert project_of(f"https://{REF}.supabase.co") == REF
    assert project_of(f"postgresql://postgres:x@db.{REF}.supabase.co:5432/postgres") == REF
    assert project_of(f"postgresql://archiver.{REF}:x@aws-0-eu-central-1.pooler.supabase.com:5432/postgres") == REF
    assert project_of("postgresql://postgres:x@10.0.0.7:5432/postgres") == ""
    assert project_of("https://supabase.example") == ""


def test_files_that_secrets_were_read_from(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SUPABASE_DB_URL=postgresql://a:b@h:5432/d\nARCHIVER_EXPORT__JOBS=3\n")
    file = tmp_path / "archiver.toml"
    file.write_text('[stack.prometheus]\nbearer_token = "x"\n[export]\ncommit_interval_s = 3\n')
    found = secret_files(load(config_file=file, environ={"AWS_SECRET_ACCESS_KEY": "y", "AWS_ACCESS_KEY_ID": "z"},
                              directory=tmp_path))  # fmt: skip
    assert found == {
        tmp_path / ".env": frozenset({"supabase_db_url"}),
        file: frozenset({"stack.prometheus.bearer_token"}),
    }
