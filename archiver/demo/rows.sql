-- Invented rows over 45 days up to now, the same ones at every run but for their dates. No name, number or address is real:
-- the numbers are from the range that Germany keeps free for films, the addresses from those kept for documentation.

INSERT INTO app_audit_log
SELECT
    md5('audit ' || i)::uuid,
    :begin + i * ((now() - :begin) / :audit_rows),
    md5('actor ' || i % 40)::uuid,
    (ARRAY['anna', 'jürgen', 'fatima', 'björn', 'zoë'])[1 + i % 5] || '.' || i % 40 || '@beispiel.example',
    (ARRAY['login', 'logout', 'workflow.publish', 'workflow.delete', 'contact.export', 'api_key.create'])[1 + i * 7 % 6],
    (ARRAY['session', 'session', 'workflow', 'workflow', 'contact_list', 'api_key'])[1 + i * 7 % 6],
    CASE WHEN i % 3 > 0 THEN md5('entity ' || i % 900)::uuid END,
    CASE WHEN i % 11 = 0 THEN ('2001:db8::' || to_hex(i % 65536))::inet ELSE ('198.51.100.' || i % 256)::inet END,
    CASE WHEN i % 4 > 0 THEN 'Mozilla/5.0 (X11; Linux x86_64) Firefox/1' || 20 + i % 25 END,
    i % 17 > 0,
    jsonb_build_object(
        'grund', (ARRAY['Passwort geändert', 'Sitzung abgelaufen', 'Automatische Veröffentlichung', NULL])[1 + i % 4],
        'dauer_s', round((i % 1000) / 7.0, 12),
        'telefon', '+49 171 39200' || lpad((i % 100)::text, 2, '0')
    )
FROM generate_series(1, :audit_rows) AS i;

INSERT INTO log_workflow_events
SELECT
    md5('event ' || i)::uuid,
    :begin + i * ((now() - :begin) / :event_rows),
    md5('workflow ' || i % 120)::uuid,
    md5('execution ' || i / 8)::uuid,
    'node-' || i % 23,
    -- In every tenth execution somebody pays, or tries to, or goes away.
    CASE
        WHEN i % 80 = 17 THEN 'payment.started'
        WHEN i % 80 = 21 AND i / 80 % 6 = 0 THEN 'payment.failed'
        WHEN i % 80 = 21 AND i / 80 % 6 > 1 THEN 'payment.succeeded'
        WHEN i % 80 = 22 AND i / 80 % 18 = 2 THEN 'payment.refunded'
        ELSE (ARRAY['message.received', 'node.entered', 'node.left', 'message.sent', 'webhook.called'])[1 + i % 5]
    END,
    CASE WHEN i % 31 = 0 THEN 'failed' WHEN i % 17 = 0 THEN 'retry' ELSE 'ok' END,
    CASE WHEN i % 9 > 0 THEN '+49 152 28817' || lpad((i % 1000)::text, 3, '0') END,
    (ARRAY[
        'Guten Tag! Ihre Bestellung ist unterwegs 🚚',
        'Möchten Sie einen Termin vereinbaren? Antworten Sie mit JA oder NEIN.',
        E'Vielen Dank für Ihre Nachricht.\nWir melden uns in Kürze — Ihr Team „Grüne Straße“',
        'Leider ist "Größe XL" zurzeit nicht lieferbar \ bitte wählen Sie eine andere.',
        NULL,
        ''
    ])[1 + i * 5 % 6],
    CASE WHEN i % 7 > 0 THEN i * 31 % 4000 END,
    CASE WHEN i % 5 > 0 THEN (i * 17 % 100000) / 1000000.0 END,
    (1 + i % 3)::smallint,
    CASE WHEN i % 2 = 0 THEN ARRAY['whatsapp', 'kampagne-' || i % 12] ELSE '{}'::text[] END,
    jsonb_build_object('wa_id', md5('wa ' || i), 'knoten', i % 23, 'sprache', 'de', 'versuch', 1 + i % 3)
        || CASE WHEN i % 80 IN (17, 21, 22) THEN jsonb_build_object(
            'provider', (ARRAY['stripe', 'paypal', 'klarna'])[1 + i / 80 % 3], 'amount', 5 + i / 80 % 9000 / 100.0, 'currency', 'EUR',
            'reason', (ARRAY['card_declined', 'insufficient_funds', 'expired'])[1 + i / 480 % 3]) ELSE '{}' END
FROM generate_series(1, :event_rows) AS i;

ANALYZE app_audit_log, log_workflow_events;
