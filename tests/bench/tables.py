"""The table that the benchmarks of a database read: ``log_workflow_events`` of the demo, of any size.

Fourteen columns as a bot builder has them: three uuids, a numeric, an array, a jsonb, texts, NULLs. The rows lie in the
order in which they came, as they do in a table that is only ever appended to.
"""

from datetime import UTC, datetime, timedelta
from importlib import resources

from tests.support.postgres import Database

TABLE = "log_workflow_events"
ROWS_AT_ONCE = 250_000


def first_day(days: int) -> datetime:
    """Midnight UTC of the table's first day: so many whole days end with today's midnight."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days)


def fill_events(database: Database, rows: int, *, days: int) -> None:
    """Create the table with its indexes and spread ``rows`` evenly over the ``days`` before today."""
    script = (resources.files("archiver.demo") / "tables.sql").read_text("utf-8")
    begin = f"timestamptz '{first_day(days).isoformat()}'"
    step_us = timedelta(days=days) / timedelta(microseconds=1) / max(rows, 1)
    database.execute(*(statement for statement in script.split(";") if statement.strip()))
    database.execute(
        *(
            f"""INSERT INTO {TABLE} SELECT
    md5('event ' || i)::uuid,
    {begin} + interval '1 microsecond' * (i * {step_us!r})::int8,
    md5('workflow ' || i % 120)::uuid,
    md5('execution ' || i / 8)::uuid,
    'node-' || i % 23,
    (ARRAY['message.received', 'node.entered', 'node.left', 'message.sent', 'webhook.called'])[1 + i % 5],
    (ARRAY['ok', 'ok', 'ok', 'retry', 'failed'])[1 + i * 13 % 5],
    CASE WHEN i % 9 > 0 THEN '+49 152 28817' || lpad((i % 1000)::text, 3, '0') END,
    (ARRAY['Guten Tag! Ihre Bestellung ist unterwegs 🚚',
        'Möchten Sie einen Termin vereinbaren? Antworten Sie mit JA oder NEIN.',
        E'Vielen Dank für Ihre Nachricht.\\nWir melden uns in Kürze — Ihr Team „Grüne Straße“',
        'Leider ist "Größe XL" zurzeit nicht lieferbar, bitte wählen Sie eine andere.', NULL, ''])[1 + i * 5 % 6],
    CASE WHEN i % 7 > 0 THEN i * 31 % 4000 END,
    CASE WHEN i % 5 > 0 THEN (i * 17 % 100000) / 1000000.0 END,
    (1 + i % 3)::smallint,
    CASE WHEN i % 2 = 0 THEN ARRAY['whatsapp', 'kampagne-' || i % 12] ELSE '{{}}'::text[] END,
    jsonb_build_object('wa_id', md5('wa ' || i), 'knoten', i % 23, 'sprache', 'de', 'versuch', 1 + i % 3)
FROM generate_series({start}::int8, {min(start + ROWS_AT_ONCE, rows) - 1}) AS i"""
            for start in range(0, rows, ROWS_AT_ONCE)
        ),
        f"VACUUM (ANALYZE) {TABLE}",
    )
