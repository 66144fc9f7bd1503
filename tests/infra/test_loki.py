"""loki-config.yaml: keys that a real Loki knows, and everything that retention needs."""

from __future__ import annotations

from typing import Any

from tests.support import monitoring

CONFIG: dict[str, Any] = monitoring.read("loki-config.yaml")
KNOWN = set((monitoring.ROOT / "tests" / "data" / "loki-3.7.6-config-keys.txt").read_text().splitlines()[1:])
KNOWN.add("auth_enabled")  # left out of GET /config while it is false


def keys(value: Any, path: str = "") -> list[str]:
    """Return every key as a dotted path."""
    if isinstance(value, dict):
        return [k for name, inside in value.items() for k in (f"{path}{name}", *keys(inside, f"{path}{name}."))]
    if isinstance(value, list):
        return [k for item in value for k in keys(item, path)]
    return []


def test_every_key_is_known_to_a_real_loki() -> None:
    assert set(keys(CONFIG)) <= KNOWN


def test_retention_is_on_and_can_work() -> None:
    compactor, limits = CONFIG["compactor"], CONFIG["limits_config"]
    assert compactor["retention_enabled"] is True
    assert compactor["delete_request_store"] == CONFIG["schema_config"]["configs"][0]["object_store"] == "filesystem"
    assert limits["retention_period"] == "720h"
    assert "retention_stream" not in limits
    assert limits["deletion_mode"] == "filter-and-delete"
    assert "max_query_lookback" not in limits, "it would hide what should be gone"
    for period in CONFIG["schema_config"]["configs"]:
        assert (period["store"], period["schema"], period["index"]["period"]) == ("tsdb", "v13", "24h")


def test_what_is_written_lies_in_the_volume() -> None:
    targets = [v.split(":")[1] for v in monitoring.service("loki")["volumes"]]
    assert "/loki" in targets
    written = [
        CONFIG["common"]["path_prefix"],
        CONFIG["common"]["storage"]["filesystem"]["chunks_directory"],
        CONFIG["compactor"]["working_directory"],
        CONFIG["ingester"]["wal"]["dir"],
    ]
    assert all(path.startswith("/loki") for path in written)


def test_the_port_is_the_one_that_everybody_uses() -> None:
    assert CONFIG["server"]["http_listen_port"] == 3100
    assert monitoring.published("loki") == {3100: 3100}
    urls = [c["url"] for c in monitoring.read("promtail-config.yaml")["clients"]]
    assert urls == ["http://loki:3100/loki/api/v1/push"]
    sources = {
        d["uid"]: d["url"] for d in monitoring.read("grafana/provisioning/datasources/datasources.yaml")["datasources"]
    }
    assert sources == {
        "prometheus": "http://prometheus:9090",
        "loki": "http://loki:3100",
        "alertmanager": "http://alertmanager:9093",
    }
