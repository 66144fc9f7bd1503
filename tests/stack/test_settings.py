"""From settings to targets: promises that default from one another, and mistakes that are named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from archiver.app.stack import check_deployed_stack, stack_targets
from archiver.config import describe, load
from archiver.errors import ConfigError

if TYPE_CHECKING:
    from archiver.config.sources import Loaded

DAY = timedelta(days=1)
EVERYTHING = """
prometheus_url = "http://prometheus:9090"
loki_url = "https://loki.example/prefix"
loki_store = "file:///var/lib/loki/chunks"

[stack]
retention = "20d"

[stack.prometheus]
bearer_token = "geheim"
strict = true
known_copies = ["copy.example"]
data_directory = "/srv/prometheus"

[stack.loki]
retention = "10d"
tenants = ["bot", "shop"]

[stack.alertmanager]
url = "http://alertmanager:9093"
username = "me"
password = "geheim"

[stack.compose]
file = "infra/monitoring/docker-compose.yml"
retention = "5d"

[stack.log_directories.pm2]
path = "/var/log/pm2"
pm2_configuration = "/home/bot/.pm2/module_conf.json"
timezone = "Europe/Berlin"

[stack.log_directories.nginx]
path = "/var/log/nginx"
patterns = ["*.log", "*.log.*"]
retention = "7d"
logrotate_files = ["/etc/logrotate.conf"]

[stack.supabase]
enabled = false
"""


def loaded(directory: Path, text: str, **environ: str) -> Loaded:
    (directory / "archiver.toml").write_text(text)
    return load(environ=environ, directory=directory)


def test_everything_that_can_be_named(tmp_path: Path) -> None:
    found = stack_targets(loaded(tmp_path, EVERYTHING).settings)
    (prometheus,), (loki,), (alertmanager,), (compose,) = (
        found.prometheus,
        found.loki,
        found.alertmanager,
        found.compose,
    )
    assert (prometheus.promise, prometheus.strict, prometheus.data_directory) == (
        20 * DAY,
        True,
        Path("/srv/prometheus"),
    )
    assert prometheus.known_copies == ("copy.example",)
    assert prometheus.bearer_token is not None
    assert (loki.promise, loki.tenants) == (10 * DAY, ("bot", "shop"))
    assert loki.chunk_directory == Path("/var/lib/loki/chunks")
    assert (alertmanager.promise, alertmanager.username) == (20 * DAY, "me")
    assert (compose.promise, compose.file) == (5 * DAY, Path("infra/monitoring/docker-compose.yml"))
    pm2, nginx = found.log_directories
    assert (pm2.promise, pm2.zone) == (20 * DAY, ZoneInfo("Europe/Berlin"))
    assert (nginx.promise, nginx.patterns) == (7 * DAY, ("*.log", "*.log.*"))
    assert (found.buckets, found.supabase) == ((), ())


def test_thirty_days_are_promised_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    found = stack_targets(
        loaded(tmp_path, "", ARCHIVER_PROMETHEUS_URL="http://p", ARCHIVER_LOKI_URL="http://l").settings
    )
    assert {one.promise for one in found.prometheus} | {one.promise for one in found.loki} == {30 * DAY}


def test_secrets_are_hidden(tmp_path: Path) -> None:
    shown = {one.name: one.value for one in describe(loaded(tmp_path, EVERYTHING))}
    assert shown["stack.prometheus.bearer_token"] == "(set, hidden)"
    assert shown["stack.log_directories.nginx.retention"] == "7d"
    assert "geheim" not in repr(shown)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('prometheus_url = "http://me:geheim@p:9090"', "holds a user or a password"),
        ('[stack.alertmanager]\nurl = "am:9093"', "must begin with http"),
        ('[stack.loki]\nbearer_token = "geheim"\npassword = "geheim"', "only one of them"),
        ('[stack.loki]\nclient_key_file = "k.pem"', "without client_certificate_file"),
        ('[stack.log_directories.pm2]\npath = "/x"\ntimezone = "Berlin"', "no time zone"),
        ('[stack.log_directories.pm2]\npatterns = ["*"]', "is needed and not set"),
        ('[stack.supabase]\nplan = "gold"', "stack.supabase.plan"),
        ('[stack.prometheus]\nretension = "30d"', "did you mean stack.prometheus.retention"),
        ('[stack.log_directories.pm2]\npaht = "/x"', "did you mean stack.log_directories.pm2.path"),
    ],
)
def test_mistakes_are_named_without_their_secrets(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as problem:
        loaded(tmp_path, text)
    assert said in problem.value.message
    assert "geheim" not in problem.value.message


def test_an_archive_in_a_directory_is_nothing_to_look_at(tmp_path: Path) -> None:
    settings = loaded(tmp_path, 'store = "file:///srv/archive"').settings
    with pytest.raises(ConfigError, match="nothing was asked"):
        check_deployed_stack(settings)
