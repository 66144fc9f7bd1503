"""Messages and payments: from the demo's rows through views, exporter and Prometheus to every panel, and past a purge."""

from __future__ import annotations

import itertools
import re
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pytest
import yaml

from tests.docs.commands import call
from tests.support import daemon, debian, monitoring, postgrest
from tests.support.daemon import until
from tests.support.postgres import PASSWORD, Database, PostgresServer, fresh_database
from tests.support.prometheus import Prometheus, prometheus
from tests.support.spans import collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MIGRATION = next(postgrest.MIGRATIONS.glob("*_archiver_metrics.sql"))
QUERIES = monitoring.STACK / "postgres-exporter" / "queries.yaml"
DEMO = monitoring.ROOT / "archiver" / "demo"
RULES = ("bot.yml", "payments.yml", "synthetic.yml", "app.yml")
BOARDS = ("bot-performance", "payment-conversions")
DAYS, ROWS = 33, 176_000  # as dense as the demo's 45 days
OLD, NEW = 12_000, 45_000  # of them the first two days, which a purge takes, and the last eight
SYNTHETIC = """
synthetic_duration_seconds{step="login",percentile="p95",instance="h"} 0.4
synthetic_limit_seconds{step="login",percentile="p95",instance="h"} 1.5
synthetic_limit_seconds{step="login",percentile="p99",instance="h"} 2.5
synthetic_failed_ratio{step="login",instance="h"} 0
synthetic_limit_failed_ratio{instance="h"} 0.05
"""
PROBE = """
probe_success{step="login",job="probe"} 1
probe_duration_seconds{step="login",job="probe"} 0.2
probe_ssl_earliest_cert_expiry{step="login",job="probe"} 2e9
"""


def applied(database: Database, *scripts: str) -> None:
    """Whole scripts, as psql -f would."""
    with database.server.connected(database.name) as connection, connection.cursor() as cursor:
        for script in scripts:
            cursor.adbc_statement.set_sql_query(script)
            cursor.adbc_statement.execute_update()


def demo_rows() -> str:
    """The demo's own rows, only up to now and for fewer days."""
    rows = (DEMO / "rows.sql").read_text()
    for name, value in (
        (":begin", f"(now() - interval '{DAYS} days')"),
        (":audit_rows", "200"),
        (":event_rows", str(ROWS)),
    ):
        rows = rows.replace(name, value)
    some = f"FROM (SELECT n::int FROM generate_series(1, {ROWS}) n WHERE n <= {OLD} OR n > {ROWS - NEW}) AS s(i)"
    assert f"FROM generate_series(1, {ROWS}) AS i" in rows
    return rows.replace(f"FROM generate_series(1, {ROWS}) AS i", some)


@dataclass
class Bot:
    database: Database
    exporter: str
    prometheus: Prometheus

    def scraped(self) -> dict[str, float]:
        """What the exporter says of the views, by series."""
        found = re.findall(r"^((?:bot|payments)_\w+\{.*\}) (\S+)$", daemon.get(self.exporter), re.MULTILINE)
        return {re.sub(r'server="[^"]*",?', "", series).replace(",}", "}"): float(value) for series, value in found}


def exporting(database: Database, home: Path) -> tuple[list[str], str]:
    """The command of the compose file for Debian's older exporter, and where it answers."""
    port = daemon.free_port()
    secret = home / "metrics-db-password"
    secret.write_text(PASSWORD)
    command = [
        argument.replace("/etc/postgres-exporter/queries.yaml", str(QUERIES))
        for argument in monitoring.service("postgres-exporter")["command"]
        if not argument.startswith("--no-collector.")  # of versions that have collectors
    ]
    names = monitoring.service("postgres-exporter")["environment"]
    assert set(names) == {"DATA_SOURCE_URI", "DATA_SOURCE_USER", "DATA_SOURCE_PASS_FILE"}
    settings = {
        "DATA_SOURCE_URI": f"127.0.0.1:{database.server.port}/{database.name}?sslmode=disable",
        "DATA_SOURCE_USER": "archiver_metrics",
        "DATA_SOURCE_PASS_FILE": str(secret),
    }
    environment = [f"{name}={value}" for name, value in settings.items()]
    program = debian.binary("prometheus-postgres-exporter")
    argv = ["/usr/bin/env", *environment, program, *command, "--disable-settings-metrics", f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    return argv, f"http://127.0.0.1:{port}/metrics"


@pytest.fixture(scope="module")
def bot(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    home = tmp_path_factory.mktemp("bot")
    with ExitStack() as up:
        database = up.enter_context(fresh_database(postgres_server, "bot_metrics"))
        postgrest.prepare(database)
        applied(database, (DEMO / "tables.sql").read_text(), demo_rows())
        postgrest.migrate(database)
        database.execute(
            f"ALTER ROLE archiver_metrics PASSWORD '{PASSWORD}'", f"ALTER ROLE archiver PASSWORD '{PASSWORD}'"
        )
        argv, exporter = exporting(database, home)
        up.enter_context(daemon.running(argv, exporter, home))
        recent = f'synthetic_last_run_timestamp_seconds{{instance="h"}} {time.time()}\n'
        spans = up.enter_context(collector(SYNTHETIC, recent, PROBE))
        jobs: list[dict[str, Any]] = [
            {"job_name": "bot", "static_configs": [{"targets": [exporter.split("/")[2]]}]},
            {"job_name": "app", "honor_labels": True, "static_configs": [{"targets": [spans]}]},
        ]
        rules = {name: (monitoring.STACK / "prometheus" / "rules" / name).read_text() for name in RULES}
        running = up.enter_context(prometheus(home, jobs, rules))
        yield Bot(database, exporter, running)


# -- what the owner adapts. First, because the role has three connections and the fixture's exporter takes some of them.


@pytest.mark.parametrize("table", ["", "CREATE TABLE log_workflow_events (id uuid PRIMARY KEY, at timestamptz)"])
def test_another_projects_tables_are_no_obstacle(database: Database, table: str, tmp_path: Path) -> None:
    """No such table, or other columns: the views are there and count nothing, until the owner adapts the one."""
    if table:
        database.execute(table)
    applied(database, MIGRATION.read_text())
    database.execute(f"ALTER ROLE archiver_metrics PASSWORD '{PASSWORD}'")
    argv, exporter = exporting(database, tmp_path)
    with daemon.running(argv, exporter, tmp_path):
        text = daemon.get(exporter)
    assert re.search(r'bot_messages_count\{direction="in",.*window="24h"\} 0', text)
    assert "pg_exporter_last_scrape_error 0" in text


# -- on the demo's rows


def test_the_counts_are_those_of_the_table(bot: Bot) -> None:
    counted = bot.database.query(
        "SELECT count(*) FILTER (WHERE event_type = 'message.received'),"
        " count(*) FILTER (WHERE event_type = 'node.left'),"
        " count(*) FILTER (WHERE event_type = 'node.left' AND status = 'failed'),"
        " count(*) FILTER (WHERE event_type = 'payment.started'),"
        " count(*) FILTER (WHERE event_type = 'payment.succeeded'), sum(cost_eur)::float8"
        " FROM log_workflow_events WHERE created_at > now() - interval '24 hours'"
    )[0]
    seen = bot.scraped()

    def total(name: str) -> float:
        return sum(v for k, v in seen.items() if k.startswith(name + "{") and 'window="24h"' in k)

    found = (
        seen['bot_messages_count{direction="in",window="24h"}'], total("bot_steps_events"), total("bot_steps_failed"),
        total("payments_started"), total("payments_succeeded"), total("bot_steps_cost_eur"),
    )  # fmt: skip
    # Rows leave the window while we look: one every sixteen seconds.
    assert found == pytest.approx(counted, abs=2)
    assert all(value > 10 for value in found)
    converted, started = total("payments_converted"), total("payments_started")
    assert 0.5 < converted / started < 0.8, "four of six, and those still at it"


@pytest.mark.parametrize("name", BOARDS)
def test_no_panel_is_without_data_on_the_demos_rows(bot: Bot, name: str) -> None:
    """Every query of both dashboards, against a real Prometheus with the shipped rules. Loki is not to be had here."""
    board = monitoring.dashboard(monitoring.STACK / "dashboards" / f"{name}.json")
    queries = monitoring.promql(board)
    shown = {
        t["expr"] for p in monitoring.panels(board) for t in p["targets"] if t["datasource"]["type"] == "prometheus"
    }
    assert len(queries) - len([a for a in board["annotations"]["list"] if "expr" in a]) >= len(shown) > 15
    annotations = {a["name"] for a in board["annotations"]["list"]}

    def empty() -> list[str]:
        return [f"{title}: {e}" for title, e in queries if title not in annotations and not bot.prometheus.query(e)]

    seen = empty()

    def all_have_data() -> bool:
        nonlocal seen
        seen = empty()
        return not seen

    try:
        until(all_have_data, "data in every panel", 30)
    except AssertionError:
        assert seen == []


def test_healthy_numbers_raise_no_alert(bot: Bot) -> None:
    until(lambda: bot.prometheus.query("bot:steps_failed:ratio_15m"), "the recorded series")
    assert bot.prometheus.query('ALERTS{component=~"bot|payments|synthetic"}') == []


def test_every_name_that_the_rules_use_is_one_that_the_exporter_has(bot: Bot) -> None:
    exported = {series.split("{")[0] for series in bot.scraped()} | {"pg_up"}
    assert "pg_up 1" in daemon.get(bot.exporter)
    listed = set(
        yaml.safe_load((monitoring.ROOT / "tests" / "data" / "metrics" / "known.yaml").read_text())["bot"]["names"]
    )
    assert listed <= exported
    promised = {
        f"{name}_{column}"
        for name, query in yaml.safe_load(QUERIES.read_text()).items()
        for metric in query["metrics"]
        for column, how in metric.items()
        if how["usage"] == "GAUGE"
    }
    assert promised == exported - {"pg_up"}


# -- nothing that identifies anybody


CLOSED = {
    "direction": r"in|out",
    "window": r"15m|30m|1h|24h",
    "node": r"node-\d{1,3}|other",
    "percentile": r"p50|p95|p99",
    "provider": r"stripe|paypal|klarna|mollie|sepa|other",
    "currency": r"EUR|USD|GBP|CHF|other",
    "reason": r"card_declined|insufficient_funds|expired|authentication|cancelled|timeout|provider_error|other",
}


def test_labels_are_closed_whatever_the_rows_say(bot: Bot) -> None:
    bot.database.execute(
        "INSERT INTO log_workflow_events (id, created_at, workflow_id, execution_id, node_id, event_type, status, payload)"
        " SELECT gen_random_uuid(), now(), gen_random_uuid(), gen_random_uuid(), '+49 152 28817001', e, '+49 152 28817001',"
        """ '{"provider": "anna@beispiel.example", "currency": "+49 152", "reason": "Frau Anna Muster", "amount": "12"}'"""
        " FROM unnest(ARRAY['node.left', 'payment.started', 'payment.failed', 'payment.succeeded']) e"
    )
    try:
        text = daemon.get(bot.exporter)
        assert not re.search(r"28817|beispiel|Muster|\+49", text)
        series = bot.scraped()
        assert series['bot_nodes_events{node="other"}'] == 1
        assert 'payments_failed_by_reason{provider="other",reason="other"}' in series
        for one in series:
            for label, value in re.findall(r'(\w+)="([^"]*)"', one):
                assert re.fullmatch(CLOSED[label], value), one
    finally:
        bot.database.execute("DELETE FROM log_workflow_events WHERE node_id LIKE '+49%'")


def test_many_nodes_are_few_series(bot: Bot) -> None:
    bot.database.execute(
        "INSERT INTO log_workflow_events (id, created_at, workflow_id, execution_id, node_id, event_type, status, message)"
        " SELECT gen_random_uuid(), now(), gen_random_uuid(), gen_random_uuid(), 'node-' || 100 + n, 'node.left', 'ok', 'many'"
        " FROM generate_series(1, 200) n"
    )
    try:
        nodes = {series for series in bot.scraped() if series.startswith("bot_nodes_events")}
        assert len(nodes) == 31
    finally:
        bot.database.execute("DELETE FROM log_workflow_events WHERE message = 'many'")


@contextmanager
def as_exporter(database: Database) -> Iterator[Callable[[str], str]]:
    """Try statements as the exporter's role: each gives the error's SQLSTATE, or nothing."""
    with adbc_driver_postgresql.dbapi.connect(database.dsn_of("archiver_metrics"), autocommit=True) as connection:

        def attempt(statement: str) -> str:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    cursor.fetchall()
            except adbc_driver_manager.Error as error:
                return str(error.sqlstate)
            return ""

        yield attempt


def test_the_role_reads_counts_and_nothing_else(bot: Bot) -> None:
    tables = bot.database.query(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'archiver')"
    )
    assert len(tables) >= 3
    hidden = [str(row[0]) for row in tables] + ["archiver_metrics.event", "archiver_metrics.recent_node"]
    with as_exporter(bot.database) as attempt:
        for query in yaml.safe_load(QUERIES.read_text()).values():
            assert attempt(query["query"]) == ""
        for relation in hidden:
            assert attempt(f"SELECT * FROM {relation}") == "42501", relation
        for function in ("archiver_look()", "archiver_request_run()", "archiver_take_run('x')", "archiver_jobs()"):
            assert attempt(f"SELECT public.{function}") == "42501", function
        assert attempt("CREATE TEMPORARY TABLE mine (id int)") != ""
        # No scrape is a load on the application for long.
        assert attempt("SELECT 1 / (current_setting('statement_timeout') = '5s')::int") == ""
    assert bot.database.query(
        "SELECT rolconnlimit, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = 'archiver_metrics'"
    ) == [(3, False, False, False)]


def test_an_adapted_view_stays_when_the_migration_is_applied_again(bot: Bot) -> None:
    definition = "SELECT pg_get_viewdef('archiver_metrics.event'::regclass)::text"
    shipped = bot.database.query(definition)[0][0]
    bot.database.execute(f"CREATE OR REPLACE VIEW archiver_metrics.event AS SELECT * FROM ({str(shipped).rstrip(';')}) AS e WHERE true")  # fmt: skip
    adapted = bot.database.query(definition)
    assert adapted != [(shipped,)]
    applied(bot.database, MIGRATION.read_text())
    assert bot.database.query(definition) == adapted
    bot.database.execute(f"CREATE OR REPLACE VIEW archiver_metrics.event AS {shipped}")


# -- past a purge, last because it changes the table


def test_a_thousand_payments_and_a_purge_make_no_jump(bot: Bot, tmp_path: Path) -> None:
    bot.database.execute(
        "INSERT INTO log_workflow_events (id, created_at, workflow_id, execution_id, node_id, event_type, status, payload)"
        " SELECT gen_random_uuid(), now() - interval '10 minutes' + e.at * interval '1 minute', gen_random_uuid(), md5('pay ' || n)::uuid,"
        ' \'node-1\', e.type, \'ok\', \'{"provider": "mollie", "amount": 10, "currency": "EUR"}\''
        " FROM generate_series(1, 1000) n, (VALUES (1, 'payment.started'), (2, 'payment.succeeded')) AS e(at, type)"
        " WHERE e.at = 1 OR n <= 830"
    )
    ratio = 'sum(payments_converted{provider="mollie", window="24h"}) / sum(payments_started{provider="mollie", window="24h"})'
    assert until(lambda: bot.prometheus.value(ratio), "the payments in Prometheus") == pytest.approx(0.83)
    assert bot.prometheus.value('sum(payments_amount_succeeded{provider="mollie"})') == 8300

    before, rows = bot.scraped(), len_of(bot.database)
    began = time.time()
    environment = {
        "HOME": str(tmp_path),
        "SUPABASE_DB_URL": bot.database.dsn_of("archiver"),
        "ARCHIVER_ANCHOR": "postgres",
    }
    run("init", "--store", f"file://{tmp_path}/archive", "--archive-retention", "365d", "--purpose", "Nachweis",
        "--legal-basis", "Art. 6(1)(f) DSGVO", environment=environment, home=tmp_path)  # fmt: skip
    run("export", "log_workflow_events", environment=environment, home=tmp_path)
    run("verify", environment=environment, home=tmp_path)
    said = run("purge", "--execute", "--json", environment=environment, home=tmp_path, may_be=(0, 3, 6))
    if len_of(bot.database) == rows:  # a guard asks for the plan's token where much of a table goes at once
        word = re.search(r"--confirm (\S+)", said)
        assert word, said
        run("purge", "--execute", "--confirm", word[1], environment=environment, home=tmp_path, may_be=(0, 3))
    gone = rows - len_of(bot.database)
    assert gone > 5000

    after = bot.scraped()
    assert set(after) == set(before), "no series came or went"
    passed = (time.time() - began) / 16 + 2  # rows leave the windows by themselves, one every sixteen seconds
    for series, value in after.items():
        if "_seconds" not in series and "_eur" not in series and "_amount" not in series:
            assert abs(value - before[series]) <= passed, series
    # And as Prometheus has it: no value of any second of the time jumped, and nothing fired.
    bot_series = '{__name__=~"(bot|payments)_.*", window=~"24h|"}'
    for one in bot.prometheus.over(bot_series, time.time() - began + 1):
        values = [float(value) for _, value in one["values"]]
        assert min(values) >= 0
        if "_events" in one["metric"]["__name__"] or "_count" in one["metric"]["__name__"]:
            assert max(abs(b - a) for a, b in itertools.pairwise(values)) <= 20, one["metric"]
    assert bot.prometheus.query('ALERTS{component=~"bot|payments", alertname!="PaymentConversionLow"}') == []


def len_of(database: Database) -> int:
    return int(str(database.query("SELECT count(*) FROM log_workflow_events")[0][0]))


def run(*arguments: str, environment: dict[str, str], home: Path, may_be: tuple[int, ...] = (0,)) -> str:
    status, printed = call(arguments, environment, home)
    assert status in may_be, printed
    return printed
