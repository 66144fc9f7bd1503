"""The two guides: they name every port, path and variable as the files have them, and say the same in both languages."""

from __future__ import annotations

import re

import pytest

from tests.support import monitoring

GUIDES = {
    language: (monitoring.STACK / name).read_text() for language, name in (("en", "README.md"), ("de", "README.de.md"))
}
both = pytest.mark.parametrize("language", GUIDES)


@both
def test_ports(language: str) -> None:
    # What the operating guide of the stack names: each published port, and the exporters on the host.
    published = {
        host for name in monitoring.read("docker-compose.yml")["services"] for host in monitoring.published(name)
    }
    assert published == {3001, 3100, 4317, 4318, 8090, 9090, 9093, 9464, 12345, 13133}
    for port in {*published, 3000, 9080, 9100, 9113, 9200}:
        assert re.search(rf"\b{port}\b", GUIDES[language]), port


@both
def test_variables(language: str) -> None:
    used = set(
        re.findall(
            r"\$\{(\w+)",
            "".join(
                (monitoring.STACK / f).read_text() for f in ("docker-compose.yml", "docker-compose.otlp-token.yml")
            ),
        )
    )
    app = {
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "ENABLE_OTEL_TRACING",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "COMPOSE_PROFILES",
        "COMPOSE_FILE",
    }
    for variable in used | app:
        assert variable in GUIDES[language], variable
    assert "x-otlp-token" in GUIDES[language]
    assert "http://backend-mcp-alerts:8080/alerts" in GUIDES[language]


@both
def test_paths(language: str) -> None:
    read = [
        c["labels"]["__path__"]
        for j in monitoring.read("promtail-config.yaml")["scrape_configs"]
        for c in j["static_configs"]
    ]
    for path in read:
        assert f"`{path}`" in GUIDES[language], path
    for file in re.findall(r"(?m)^\| (`[^|]+) \|", GUIDES[language].split("Prometheus, Promtail")[0]):
        for name in re.findall(r"`([\w./-]+\.ya?ml|[\w./-]+\.alloy|[\w./-]+/)`", file):
            assert (monitoring.STACK / name).exists(), name
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", GUIDES[language]):
        assert (monitoring.STACK / link).exists(), link


@both
def test_versions(language: str) -> None:
    for service in monitoring.read("docker-compose.yml")["services"].values():
        version = service["image"].rsplit(":", 1)[1].removeprefix("v")
        assert version in GUIDES[language], service["image"]


@both
def test_retention_is_named_as_it_is_configured(language: str) -> None:
    assert "`--storage.tsdb.retention.time=30d`" in GUIDES[language]
    assert (
        f"`retention_period: {monitoring.read('loki-config.yaml')['limits_config']['retention_period']}`"
        in GUIDES[language]
    )


def test_both_languages_say_the_same() -> None:
    """Same sections, same tables, same commands, apart from what is said in comments and placeholders."""
    english, german = GUIDES["en"], GUIDES["de"]

    def shape(text: str) -> list[str]:
        return re.findall(r"(?m)^(#+) ", text)

    def commands(text: str) -> list[str]:
        blocks = re.findall(r"(?ms)^```\w+\n(.*?)^```", text)
        bare = [
            re.sub(r"\s*#.*|<[^>]*>|summary=\w+", "", line).strip() for block in blocks for line in block.splitlines()
        ]
        return [line for line in bare if line]

    assert shape(english) == shape(german)
    assert commands(english) == commands(german)
    assert english.count("\n|") == german.count("\n|")
    names = [set(re.findall(r"`([^`\s]+)`", text)) for text in (english, german)]
    assert {n for n in names[0] ^ names[1] if "<" not in n} == set()
