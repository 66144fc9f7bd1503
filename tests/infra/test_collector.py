"""The collector's files. Its binary is not to be had on a build machine, so its structure is checked instead.

What `otelcol-contrib validate` would find first is here: components that nobody defined or nobody uses, connectors that stand
on one side only, keys that a component does not know. The keys are those of the configuration schemas which the collector's
repositories hold beside each component.
"""

from __future__ import annotations

import copy
import itertools
import re
from typing import Any

import pytest

from tests.support import monitoring

BASE: dict[str, Any] = monitoring.read("otel-collector-config.yaml")
TOKEN: dict[str, Any] = monitoring.read("otel-collector-token.yaml")

HTTP_CLIENT = {"endpoint", "compression", "timeout", "headers", "tls", "retry_on_failure", "sending_queue", "logs_endpoint", "traces_endpoint", "metrics_endpoint", "encoding", "auth"}  # fmt: skip
KEYS = {
    "otlp": {"protocols"},
    "memory_limiter": {"check_interval", "limit_mib", "spike_limit_mib", "limit_percentage", "spike_limit_percentage"},
    "attributes": {"actions", "include", "exclude"},
    "transform": {"error_mode", "trace_statements", "metric_statements", "log_statements", "profile_statements"},
    "batch": {"timeout", "send_batch_size", "send_batch_max_size", "metadata_keys", "metadata_cardinality_limit"},
    "spanmetrics": {
        "add_resource_attributes", "aggregation_cardinality_limit", "aggregation_temporality", "calls_dimensions", "dimensions",
        "events", "exclude_dimensions", "exemplars", "histogram", "include_instrumentation_scope", "metrics_expiration",
        "metrics_flush_interval", "namespace", "resource_metrics_cache_size", "resource_metrics_key_attributes", "series_expiration",
    },
    "prometheus": {
        "endpoint", "const_labels", "enable_open_metrics", "metric_expiration", "namespace", "resource_constant_labels",
        "send_timestamps", "sending_queue", "translation_strategy", "without_scope_info",
    },
    "otlp_http": HTTP_CLIENT,
    "health_check": {"endpoint", "path", "response_body", "check_collector_pipeline"},
    "bearertokenauth": {"filename", "file_retry", "header", "scheme", "token", "tokens"},
}  # fmt: skip


def merged() -> dict[str, Any]:
    """Lay the second file over the first as the collector does: maps are merged, everything else is replaced."""

    def lay(under: Any, over: Any) -> Any:
        if isinstance(under, dict) and isinstance(over, dict):
            return {
                k: lay(under[k], over[k]) if k in under and k in over else over.get(k, under.get(k))
                for k in {**under, **over}
            }
        return over

    whole = lay(copy.deepcopy(BASE), TOKEN)
    assert isinstance(whole, dict)
    return whole


both = pytest.mark.parametrize("config", [BASE, merged()], ids=["open", "with a token"])


@both
def test_every_component_in_a_pipeline_is_defined_and_every_defined_one_is_used(config: dict[str, Any]) -> None:
    pipelines = config["service"]["pipelines"]
    connectors = set(config["connectors"])
    receivers = {r for p in pipelines.values() for r in p["receivers"]}
    exporters = {e for p in pipelines.values() for e in p["exporters"]}
    processors = {x for p in pipelines.values() for x in p["processors"]}
    assert receivers == set(config["receivers"]) | connectors
    assert exporters == set(config["exporters"]) | connectors
    assert processors == set(config["processors"])
    assert set(config["service"]["extensions"]) == set(config["extensions"])


@both
def test_connectors_stand_on_both_sides(config: dict[str, Any]) -> None:
    pipelines = config["service"]["pipelines"]
    assert [n for n, p in pipelines.items() if "spanmetrics" in p["exporters"]] == ["traces"]
    assert [n for n, p in pipelines.items() if "spanmetrics" in p["receivers"]] == ["metrics"]


@both
def test_components_know_their_keys(config: dict[str, Any]) -> None:
    for kind in ("receivers", "processors", "connectors", "exporters", "extensions"):
        for name, settings in config[kind].items():
            assert set(settings) <= KEYS[name.split("/")[0]], name


@both
def test_the_limiter_is_first_and_the_batch_last(config: dict[str, Any]) -> None:
    for name, pipeline in config["service"]["pipelines"].items():
        assert pipeline["processors"][0] == "memory_limiter", name
        assert pipeline["processors"][-1] == "batch", name


def port(endpoint: str) -> int:
    return int(endpoint.rsplit(":", 1)[1].split("/", maxsplit=1)[0])


def test_ports_match_compose_and_prometheus() -> None:
    otlp = BASE["receivers"]["otlp"]["protocols"]
    listened = {
        port(otlp["grpc"]["endpoint"]): 4317,
        port(otlp["http"]["endpoint"]): 4318,
        port(BASE["exporters"]["prometheus"]["endpoint"]): 9464,
        port(BASE["extensions"]["health_check"]["endpoint"]): 13133,
    }
    assert all(a == b for a, b in listened.items())
    assert set(monitoring.published("otel-collector").values()) == set(listened)
    targets = {
        j["job_name"]: j.get("static_configs", [{}])[0].get("targets")
        for j in monitoring.read("prometheus/prometheus.yml")["scrape_configs"]
    }
    assert targets["app"] == ["otel-collector:9464"]
    (reader,) = BASE["service"]["telemetry"]["metrics"]["readers"]
    assert targets["otel-collector"] == [f"otel-collector:{reader['pull']['exporter']['prometheus']['port']}"]


def test_logs_go_to_lokis_otlp_endpoint() -> None:
    loki = monitoring.read("loki-config.yaml")
    assert BASE["exporters"]["otlp_http/loki"]["endpoint"] == f"http://loki:{loki['server']['http_listen_port']}/otlp"
    assert BASE["service"]["pipelines"]["logs"]["exporters"] == ["otlp_http/loki"]
    assert loki["limits_config"]["allow_structured_metadata"] is True, "OTLP needs it"


def seconds(text: str) -> float:
    for unit, factor in (("ms", 0.001), ("s", 1.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise AssertionError(text)


def test_the_histogram_can_tell_p95_and_p99() -> None:
    """Between 50 ms and 2.5 s no bucket is more than twice as wide as the one before: that bounds the error of a quantile."""
    histogram = BASE["connectors"]["spanmetrics"]["histogram"]
    assert histogram["unit"] == "s"
    bounds = [seconds(b) for b in histogram["explicit"]["buckets"]]
    assert bounds == sorted(set(bounds))
    inside = [b for b in bounds if 0.05 <= b <= 2.5]
    assert all(later / earlier <= 2 for earlier, later in itertools.pairwise(inside))
    assert 2.5 in bounds, "the alert's threshold is exact"


def test_series_are_named_as_the_rules_spell_them() -> None:
    assert BASE["connectors"]["spanmetrics"]["namespace"] == "traces.span.metrics"
    assert BASE["exporters"]["prometheus"]["translation_strategy"] == "UnderscoreEscapingWithSuffixes"
    (reader,) = BASE["service"]["telemetry"]["metrics"]["readers"]
    assert reader["pull"]["exporter"]["prometheus"]["without_type_suffix"] is True


def test_addresses_and_users_do_not_become_labels() -> None:
    gone = {a["key"] for a in BASE["processors"]["attributes/minimise"]["actions"] if a["action"] == "delete"}
    assert {"client.address", "enduser.id", "network.peer.address", "user.email"} <= gone
    for name in ("traces", "metrics"):
        assert "attributes/minimise" in BASE["service"]["pipelines"][name]["processors"]
    assert not {d["name"] for d in BASE["connectors"]["spanmetrics"]["dimensions"]} & gone


def test_the_token_is_asked_for_on_both_protocols() -> None:
    config = merged()
    for protocol, settings in config["receivers"]["otlp"]["protocols"].items():
        assert settings["auth"]["authenticator"] in config["extensions"], protocol
        assert settings["endpoint"] == BASE["receivers"]["otlp"]["protocols"][protocol]["endpoint"]
    assert "auth" not in str(BASE["receivers"]), "without the overlay nobody is asked"


def test_the_authenticator_finds_the_header_in_http_and_in_grpc() -> None:
    """It looks up the lower-case name, then the name as configured; Go's HTTP server has the canonical one only."""
    settings = TOKEN["extensions"]["bearertokenauth/otlp"]
    header = settings["header"]
    assert header == header.title() == "X-Otlp-Token"
    assert header.lower() == "x-otlp-token"
    assert settings["scheme"] == ""
    assert settings["token"] == "${env:OTLP_TOKEN}"
    assert "filename" not in settings, "a newline at its end would make the empty token valid"


# -- which service was called: the statements of transform/providers, carried out


def carried_out(kind: str, name: str, attributes: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Apply the statements to one span, as OTTL means them. A form that is not known here fails."""
    attributes = dict(attributes)
    path = r'span\.attributes\["([\w.]+)"\]'

    def holds(condition: str) -> bool:
        if condition == "span.kind == SPAN_KIND_CLIENT":
            return kind == "SPAN_KIND_CLIENT"
        if found := re.fullmatch(rf"{path} (==|!=) nil", condition):
            return (found[1] not in attributes) == (found[2] == "==")
        found = re.fullmatch(rf'IsMatch\({path}, "(.*)"\)', condition)
        assert found, condition
        return found[1] in attributes and re.search(found[2], attributes[found[1]]) is not None

    for statement in BASE["processors"]["transform/providers"]["trace_statements"]:
        action, _, where = statement.partition(" where ")
        if where and not all(holds(condition) for condition in where.split(" and ")):
            continue
        if found := re.fullmatch(r'delete_key\(span\.attributes, "([\w.]+)"\)', action):
            attributes.pop(found[1], None)
        elif found := re.fullmatch(rf'set\({path}, "([\w.]+)"\)', action):
            attributes[found[1]] = found[2]
        elif found := re.fullmatch(rf"set\({path}, {path}\)", action):
            attributes[found[1]] = attributes[found[2]]
        else:
            found = re.fullmatch(rf'set\(span\.name, Concat\(\["(\w+)", {path}\], " "\)\)', action)
            assert found, action
            name = f"{found[1]} {attributes[found[2]]}"
    return name, attributes


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("graph.facebook.com", "whatsapp"),
        ("api.openai.com", "openai"),
        ("eu-bot.openai.azure.com", "openai"),
        ("api.anthropic.com", "anthropic"),
        ("generativelanguage.googleapis.com", "google"),
        ("api.stripe.com", "stripe"),
        ("api-m.paypal.com", "paypal"),
        ("abcdefgh.supabase.co", "supabase"),
        ("stripe.com.evil.example", "other"),
        ("notstripe.com", "other"),
        ("kunde-mueller.example", "other"),
    ],
)
@pytest.mark.parametrize("key", ["server.address", "net.peer.name"])
def test_a_called_service_is_one_word(address: str, provider: str, key: str) -> None:
    name = f"fetch POST https://{address}/v19.0/491712345678/messages"
    named, attributes = carried_out("SPAN_KIND_CLIENT", name, {key: address, "provider": "491712345678"})
    assert (named, attributes["provider"]) == (f"call {provider}", provider)


def test_who_sends_a_label_of_its_own_gets_none() -> None:
    named, attributes = carried_out("SPAN_KIND_SERVER", "GET /chat", {"provider": "+49171", "model": "+49171"})
    assert (named, attributes) == ("GET /chat", {})


@pytest.mark.parametrize(
    ("model", "family"),
    [("gpt-5.2-mini", "gpt"), ("o4-mini", "gpt"), ("claude-opus-5", "claude"), ("ft:mueller-bot-7", "other")],
)
def test_a_model_is_a_family(model: str, family: str) -> None:
    _, attributes = carried_out("SPAN_KIND_CLIENT", "chat", {"gen_ai.request.model": model})
    assert attributes["model"] == family


def test_labels_of_spans_are_listed_here() -> None:
    """So that a dimension that somebody adds is looked at: no bot, no number, no person."""
    assert [d["name"] for d in BASE["connectors"]["spanmetrics"]["dimensions"]] == [
        "http.request.method", "http.response.status_code", "http.route", "http.method", "http.status_code", "provider", "model",
    ]  # fmt: skip
