"""A real Prometheus that runs our rules in a hurry: the same expressions, with every duration shortened as the test says."""

from __future__ import annotations

import json
import re
import urllib.parse
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml

from tests.support import daemon, debian

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def hurried(rules: Path, durations: Mapping[str, str]) -> str:
    """A rule file whose ranges, ``for`` and numbers of seconds are replaced; one that is not there is a mistake."""
    text = rules.read_text()
    for before, after in durations.items():
        assert before in text, f"{rules.name} has no {before!r}"
        text = text.replace(before, after)
    return re.sub(r"(?m)^( +for: ).*$", r"\g<1>0s", text)


class Prometheus:
    """What it has been told, and what it thinks of it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        answer = daemon.get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        data = json.loads(answer)["data"]
        return list(data["result"]) if data["resultType"] == "vector" else [data]

    def over(self, expression: str, seconds: float, step: str = "1s") -> list[dict[str, Any]]:
        """The series of a range query over the last seconds."""
        now = float(self.query("vector(time())")[0]["value"][1])
        asked = urllib.parse.urlencode({"query": expression, "start": now - seconds, "end": now, "step": step})
        return list(json.loads(daemon.get(f"{self.url}/api/v1/query_range?{asked}"))["data"]["result"])

    def value(self, expression: str) -> float | None:
        """The one value of an expression, None where there is no series."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {one["metric"]["alertname"] for one in self.query('ALERTS{alertstate="firing"}')}


@contextmanager
def prometheus(
    home: Path, jobs: Sequence[Mapping[str, Any]], rules: Mapping[str, str], interval: str = "1s"
) -> Iterator[Prometheus]:
    """Run one with these jobs and these texts of rules, by file name."""
    for name, text in rules.items():
        (home / name).write_text(text)
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(home / name) for name in rules],
        "scrape_configs": list(jobs),
    }
    (home / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = daemon.free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [
        debian.binary("prometheus"), f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/tsdb",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with daemon.running(argv, f"{url}/-/ready", home):
        yield Prometheus(url)
