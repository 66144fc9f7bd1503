"""Every setting that a file of deploy/ names is one that archiver knows, and every secret is found."""

import re
from pathlib import Path

import pytest

from archiver.app.keys import _others
from archiver.config import load
from archiver.config.sources import FIXED_NAMES
from archiver.errors import ConfigError
from tests.support.deployment import DEPLOY, UNITS, compose_service, pod, unit_values

OURS = re.compile(r"(?:ARCHIVER|SUPABASE|AWS)_\w+")
WORKER = next(unit for unit in UNITS if unit.name == "archiver@.service")
VALUES = {
    "supabase_db_url": "postgresql://archiver:secret@127.0.0.1:5432/postgres",
    "aws_access_key_id": "AKIDEXAMPLE",
    "aws_secret_access_key": "example",
    "archiver_signing_key": "a key",
    "archiver_privacy_key": "a key",
}


def _of_crontab() -> dict[str, str]:
    return dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", (DEPLOY / "crontab").read_text()))


def _of_example() -> dict[str, str]:
    return dict(re.findall(r"(?m)^([A-Z_]\w+)=(.*)$", (DEPLOY / ".env.example").read_text()))


def _of_compose() -> dict[str, str]:
    example = _of_example()
    return {
        name: re.sub(r"\$\{(\w+):?[-?]?([^}]*)\}", lambda m: example.get(m[1]) or m[2], value)
        for name, value in compose_service()["environment"].items()
    }


ENVIRONMENTS = {
    "crontab": _of_crontab(),
    ".env.example": _of_example(),
    "compose": _of_compose(),
    "systemd": dict(one.split("=", 1) for one in unit_values(WORKER, "Environment")),
    "kubernetes": {one["name"]: one["value"] for one in pod()["containers"][0]["env"]},
    "image": dict(re.findall(r"(ARCHIVER_\w+)=(\S+)", (DEPLOY / "Dockerfile").read_text())),
}
SECRETS = {
    "compose": set(compose_service()["secrets"]),
    "systemd": {one.split(":")[0] for one in unit_values(WORKER, "LoadCredential")},
    "kubernetes": set(re.findall(r"--from-file=(\w+)(?=[ \n])", (DEPLOY / "kubernetes" / "cronjob.yaml").read_text())),
}


@pytest.mark.parametrize("place", ENVIRONMENTS)
def test_every_variable_is_a_setting(place: str, tmp_path: Path) -> None:
    variables = ENVIRONMENTS[place]
    # The two that say where settings are are looked at below; here they would name places of another machine.
    environ = {
        name: value for name, value in variables.items() if name not in ("ARCHIVER_CONFIG", "ARCHIVER_SECRETS_DIR")
    }
    ours = [name for name in environ if OURS.fullmatch(name)]
    assert ours
    loaded = load(environ=environ, directory=tmp_path, config_file=_empty(tmp_path))
    origins = " ".join(loaded.origins.values())
    for name in ours:
        assert not environ[name] or f": {name}" in origins


def test_a_misspelt_variable_would_be_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ARCHIVER_STOR is no setting"):
        load(environ={**ENVIRONMENTS[".env.example"], "ARCHIVER_STOR": "x"}, directory=tmp_path)


@pytest.mark.parametrize("variable", ["CREDENTIALS_DIRECTORY", "ARCHIVER_SECRETS_DIR"])
@pytest.mark.parametrize("place", SECRETS)
def test_every_secret_reaches_its_setting(place: str, variable: str, tmp_path: Path) -> None:
    names = SECRETS[place]
    assert names == set(VALUES)
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in names:
        (folder / name).write_text(VALUES[name] + "\n")
    settings = load(environ={variable: str(folder)}, directory=tmp_path, config_file=_empty(tmp_path)).settings
    assert settings.supabase_db_url is not None
    assert settings.supabase_db_url.get_secret_value() == VALUES["supabase_db_url"]
    assert settings.aws_access_key_id == VALUES["aws_access_key_id"]
    assert settings.signing_key_file == folder / "archiver_signing_key"
    assert settings.privacy_key_file == folder / "archiver_privacy_key"


def test_the_example_configuration_is_understood(tmp_path: Path) -> None:
    loaded = load(environ={}, directory=tmp_path, config_file=DEPLOY / "archiver.toml")
    settings = loaded.settings
    for dataset in settings.resolved_datasets():
        assert dataset.archive_retention is not None
        assert dataset.purpose
        assert dataset.legal_basis
    assert settings.loki.archive_retention is not None


def test_the_example_configuration_and_the_example_environment_hold_no_secret() -> None:
    for file in (DEPLOY / "archiver.toml", DEPLOY / ".env.example", DEPLOY / "docker-compose.archiver.yml"):
        assert not re.search(r"postgres(ql)?://\w+:|sb_secret_|AKIA[0-9A-Z]{16}|BEGIN .*PRIVATE", file.read_text()), (
            file
        )
    assert not {
        name for name in ENVIRONMENTS[".env.example"] if name in FIXED_NAMES and re.search("KEY|TOKEN|DB_URL", name)
    }
    assert (DEPLOY / "secrets" / ".gitignore").read_text().splitlines()[0] == "*"


@pytest.mark.parametrize(
    ("mode", "owner", "user", "private"),
    [
        (0o600, 1000, 1000, True),
        (0o400, 0, 1000, True),
        (0o440, 0, 1000, True),  # systemd's credentials, Kubernetes' secrets with an fsGroup
        (0o640, 0, 1000, True),
        (0o660, 0, 1000, False),
        (0o444, 0, 1000, False),
        (0o440, 1000, 1000, False),
        (0o440, 1001, 1000, False),
        (0o440, 0, 0, False),
    ],
)
def test_who_else_may_read_a_key(mode: int, owner: int, user: int, private: bool) -> None:
    assert (mode & _others(owner, user) == 0) is private


def _empty(directory: Path) -> Path:
    """Instead of whatever configuration this machine has."""
    file = directory / "empty.toml"
    file.touch()
    return file
