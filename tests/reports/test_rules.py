"""The rules as the ledger states them, and the hash of what decides anything."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.app.report import config_sha256, processing_record, residual_copies, stated_rules
from archiver.config import Settings, load
from archiver.model import OF_DATABASE, ColumnPolicy, Copy, PolicyAction, ResidualRule


def settings(**given: Any) -> Settings:
    return Settings(**{"store": "s3://bucket/logs", "loki_store": "file:///loki/chunks", **given})


def test_the_rules_quote_every_dataset_and_who_is_responsible() -> None:
    rules = stated_rules(
        settings(
            datasets={
                "messages": {
                    "schema": "bot",
                    "relation": "Messages",
                    "columns": {"phone": "hmac", "ip": "truncate_ip"},
                    "source_retention": "14d",
                    "archive_retention": "365d",
                    "deletion_class": "K2",
                }
            },
            loki={"lines": {"phone": "hmac", "email": "drop"}, "archive_retention": "90d"},
            stack={"retention": "27d", "supabase": {"plan": "pro", "recovery_period": "14d"}},
            report={"controller": "Beispiel GmbH", "record": "VVT-7", "residuals": {"Monatssicherung": "60d"}},
        )
    )
    by_name = {one.dataset: one for one in rules.datasets}
    assert list(by_name) == ["app_audit_log", "log_workflow_events", "messages", "loki"]
    messages = by_name["messages"]
    assert (messages.place, messages.source_retention_s, messages.archive_retention_s, messages.deletion_class) == (
        "bot.Messages",
        14 * 86_400,
        365 * 86_400,
        "K2",
    )
    assert messages.policies == (
        ColumnPolicy(column="ip", action=PolicyAction.TRUNCATE_IP),
        ColumnPolicy(column="phone", action=PolicyAction.HMAC),
    )
    assert by_name["loki"].line_policies == ("email=drop", "phone=hmac")
    assert by_name["loki"].source_retention_s == rules.stack_retention_s == 27 * 86_400
    assert by_name["app_audit_log"].archive_retention_s is None
    assert (rules.controller, rules.record) == ("Beispiel GmbH", "VVT-7")
    assert rules.residuals == (
        ResidualRule(copy=Copy.NAMED(name="Monatssicherung"), period_s=60 * 86_400),
        ResidualRule(copy=Copy.DAILY_BACKUPS(plan="pro"), period_s=7 * 86_400),
        ResidualRule(copy=Copy.RECOVERY(), period_s=14 * 86_400),
    )


def test_a_report_knows_the_copies_of_the_database_by_their_names() -> None:
    stack = {"supabase": {"plan": "pro", "recovery_period": "14d"}}
    made = residual_copies(settings(stack=stack))
    assert len(made) == 2
    assert {one.copy.code for one in made} == OF_DATABASE


@pytest.mark.parametrize(
    "given",
    [
        {"work_dir": "/elsewhere"},
        {"signing_key_file": "/other/key.pem"},
        {"supabase_db_url": "postgresql://user:secret@host/db"},
        {"aws_access_key_id": "AKIA", "aws_secret_access_key": "secret"},
        {"loki_store": "file:///another/place"},
        {"export": {"jobs": 7}},
        {"report": {"directory": "/reports", "languages": ["en"]}},
    ],
)
def test_what_decides_nothing_does_not_change_the_hash(given: dict[str, Any]) -> None:
    assert config_sha256(settings(**given)) == config_sha256(settings())


@pytest.mark.parametrize(
    "given",
    [
        {"store": "s3://another/logs"},
        {"anchor": "postgres"},
        {"datasets": {"app_audit_log": {"source_retention": "31d"}}},
        {"datasets": {"app_audit_log": {"columns": {"actor": "drop"}}}},
        {"datasets": {"app_audit_log": {"enabled": False}}},
        {"loki": {"archive_retention": "90d"}},
        {"stack": {"retention": "31d"}},
        {"guard": {"share_max": 0.9}},
        {"report": {"officer": "dsb@example.org"}},
    ],
)
def test_what_decides_something_changes_the_hash(given: dict[str, Any]) -> None:
    assert config_sha256(settings(**given)) != config_sha256(settings())


def test_a_default_that_is_written_down_changes_nothing() -> None:
    written = settings(datasets={"app_audit_log": {"source_retention": timedelta(days=30)}}, cache_dir=Path("/c"))
    assert config_sha256(written) == config_sha256(settings())


def test_what_the_page_tells_to_configure_is_a_configuration(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "archiver.toml").write_text(f'store = "s3://a"\n{block}')
    loaded = load(environ={}, directory=tmp_path).settings
    record = processing_record(loaded)
    assert [one for one in record.missing if not one.startswith("log_workflow_events")] == []
    assert record.encryption == ""
    assert stated_rules(loaded).residuals == (
        ResidualRule(copy=Copy.NAMED(name="monatliche Sicherung"), period_s=60 * 86_400),
    )
