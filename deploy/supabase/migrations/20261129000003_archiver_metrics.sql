-- Messages, workflow nodes and payments as numbers for the monitoring stack (infra/monitoring, profile `bot`).
--
--   archiver_metrics.event   what the application's rows mean: THE ONE VIEW TO ADAPT, to your tables and your names of events
--   the other views          counts of the last minutes and hours; they know nothing but `event`
--   archiver_metrics         a role that may read those counts, and nothing else: no row, no table, no other view
--
-- Only numbers of windows, never totals: the rows behind them are purged every night, and a total that falls looks to
-- Prometheus like a restart. Labels come from closed sets, and no view but `event` has a column that could tell who somebody is.
--
-- Apply it as the project's owner; applying it again is harmless and leaves an adapted `event` as it is. Once, by hand:
--   psql "$OWNER_URL" -c '\password archiver_metrics'
-- A view stands in the way of dropping or retyping the columns that it reads. For such a change of the application:
--   DROP VIEW archiver_metrics.event CASCADE;   then the change, then this file again
-- To take all of it away:
--   DROP SCHEMA archiver_metrics CASCADE; DROP OWNED BY archiver_metrics; DROP ROLE archiver_metrics;

BEGIN;

CREATE SCHEMA IF NOT EXISTS archiver_metrics;
REVOKE ALL ON SCHEMA archiver_metrics FROM PUBLIC;

-- ── To adapt ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
--
--   at           when; an index on the column behind it keeps every scrape cheap
--   kind         message_in, message_out, node (a workflow's node was left), payment_started, payment_succeeded, payment_failed,
--                payment_refunded, or NULL: is not counted
--   outcome      ok, retry or failed
--   node         which node. It becomes a label: the name of a kind of node, never one that a customer typed
--   duration_s, cost_eur
--   provider, amount, currency, reason   of payments. Unknown words become `other`, so that the set stays closed
--   attempt_id   what a payment's start and its end have in common. It never leaves this view
--
-- As shipped it reads the two tables of `archiver demo` (deploy/supabase/sample_tables.sql). CREATE OR REPLACE VIEW with the same
-- columns, in your own migration, replaces it.
DO $$
BEGIN
    IF to_regclass('archiver_metrics.event') IS NOT NULL THEN
        RETURN;
    END IF;
    BEGIN
        CREATE VIEW archiver_metrics.event AS
        SELECT
            created_at AS at,
            CASE event_type
                WHEN 'message.received' THEN 'message_in'
                WHEN 'message.sent' THEN 'message_out'
                WHEN 'node.left' THEN 'node'
                WHEN 'payment.started' THEN 'payment_started'
                WHEN 'payment.succeeded' THEN 'payment_succeeded'
                WHEN 'payment.failed' THEN 'payment_failed'
                WHEN 'payment.refunded' THEN 'payment_refunded'
            END AS kind,
            CASE WHEN status IN ('failed', 'retry') THEN status ELSE 'ok' END AS outcome,
            CASE WHEN node_id ~ '^node-[0-9]{1,3}$' THEN node_id ELSE 'other' END AS node,
            duration_ms / 1000.0::double precision AS duration_s,
            cost_eur::double precision AS cost_eur,
            CASE WHEN payload ->> 'provider' IN ('stripe', 'paypal', 'klarna', 'mollie', 'sepa')
                THEN payload ->> 'provider' ELSE 'other' END AS provider,
            CASE WHEN jsonb_typeof(payload -> 'amount') = 'number'
                THEN (payload ->> 'amount')::double precision END AS amount,
            CASE WHEN payload ->> 'currency' IN ('EUR', 'USD', 'GBP', 'CHF')
                THEN payload ->> 'currency' ELSE 'other' END AS currency,
            CASE WHEN payload ->> 'reason' IN ('card_declined', 'insufficient_funds', 'expired', 'authentication', 'cancelled',
                'timeout', 'provider_error') THEN payload ->> 'reason' ELSE 'other' END AS reason,
            execution_id::text AS attempt_id
        FROM public.log_workflow_events;
    EXCEPTION WHEN undefined_table OR undefined_column OR undefined_function OR datatype_mismatch THEN
        RAISE NOTICE 'archiver_metrics.event is empty: public.log_workflow_events is not as in the demo (%). Replace the view', SQLERRM;
        CREATE VIEW archiver_metrics.event AS
        SELECT NULL::timestamptz AS at, NULL::text AS kind, NULL::text AS outcome, NULL::text AS node,
            NULL::double precision AS duration_s, NULL::double precision AS cost_eur, NULL::text AS provider,
            NULL::double precision AS amount, NULL::text AS currency, NULL::text AS reason, NULL::text AS attempt_id
        WHERE false;
    END;
END
$$;
COMMENT ON VIEW archiver_metrics.event IS 'archiver: what the application''s rows mean. The one view to adapt.';

-- ── Messages and nodes ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- Zero is a number here: a bot that falls silent must not take its series with it.
CREATE OR REPLACE VIEW archiver_metrics.bot_messages AS
WITH counted AS (
    SELECT kind,
        count(*) FILTER (WHERE at > now() - interval '30 minutes') AS n30m,
        count(*) FILTER (WHERE at > now() - interval '1 hour') AS n1h,
        count(*) AS n24h
    FROM archiver_metrics.event
    WHERE at > now() - interval '24 hours' AND at <= now() AND kind IN ('message_in', 'message_out')
    GROUP BY kind
)
SELECT d.direction, w."window", coalesce(CASE w."window" WHEN '30m' THEN n30m WHEN '1h' THEN n1h ELSE n24h END, 0) AS count
FROM (VALUES ('in', 'message_in'), ('out', 'message_out')) AS d(direction, kind)
CROSS JOIN (VALUES ('30m'), ('1h'), ('24h')) AS w("window")
LEFT JOIN counted USING (kind);

-- The same half hour of the week before: what is usual at this hour of this day.
CREATE OR REPLACE VIEW archiver_metrics.bot_week_ago AS
SELECT d.direction, (
    SELECT count(*) FROM archiver_metrics.event AS e
    WHERE e.at > now() - interval '7 days 30 minutes' AND e.at <= now() - interval '7 days' AND e.kind = d.kind) AS messages
FROM (VALUES ('in', 'message_in'), ('out', 'message_out')) AS d(direction, kind);

-- One pass over the day for all three windows.
CREATE OR REPLACE VIEW archiver_metrics.bot_steps AS
WITH aged AS (
    SELECT kind = 'node' AS node, outcome, cost_eur,
        at > now() - interval '15 minutes' AS in_15m, at > now() - interval '1 hour' AS in_1h
    FROM archiver_metrics.event WHERE at > now() - interval '24 hours' AND at <= now()
), counted AS (
    SELECT
        count(*) FILTER (WHERE node AND in_15m) AS events_15m,
        count(*) FILTER (WHERE node AND in_15m AND outcome = 'failed') AS failed_15m,
        count(*) FILTER (WHERE node AND in_15m AND outcome = 'retry') AS retried_15m,
        sum(cost_eur) FILTER (WHERE in_15m) AS cost_15m,
        count(*) FILTER (WHERE node AND in_1h) AS events_1h,
        count(*) FILTER (WHERE node AND in_1h AND outcome = 'failed') AS failed_1h,
        count(*) FILTER (WHERE node AND in_1h AND outcome = 'retry') AS retried_1h,
        sum(cost_eur) FILTER (WHERE in_1h) AS cost_1h,
        count(*) FILTER (WHERE node) AS events_24h,
        count(*) FILTER (WHERE node AND outcome = 'failed') AS failed_24h,
        count(*) FILTER (WHERE node AND outcome = 'retry') AS retried_24h,
        sum(cost_eur) AS cost_24h
    FROM aged
)
SELECT w."window", w.events, w.failed, w.retried, coalesce(w.cost_eur, 0) AS cost_eur
FROM counted, LATERAL (VALUES
    ('15m', events_15m, failed_15m, retried_15m, cost_15m),
    ('1h', events_1h, failed_1h, retried_1h, cost_1h),
    ('24h', events_24h, failed_24h, retried_24h, cost_24h)) AS w("window", events, failed, retried, cost_eur);

-- The thirty busiest nodes by name, the rest as `other`: however many there are, the series are few.
CREATE OR REPLACE VIEW archiver_metrics.recent_node AS
WITH recent AS MATERIALIZED (
    SELECT node, outcome, duration_s FROM archiver_metrics.event
    WHERE at > now() - interval '1 hour' AND at <= now() AND kind = 'node' AND node IS NOT NULL
), ranked AS (
    SELECT node, row_number() OVER (ORDER BY count(*) DESC, node) AS place FROM recent GROUP BY node
)
SELECT CASE WHEN place <= 30 THEN node ELSE 'other' END AS node, outcome, duration_s FROM recent JOIN ranked USING (node);

CREATE OR REPLACE VIEW archiver_metrics.bot_nodes AS
SELECT node,
    count(*) AS events,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    count(*) FILTER (WHERE outcome = 'retry') AS retried
FROM archiver_metrics.recent_node GROUP BY node;

CREATE OR REPLACE VIEW archiver_metrics.bot_node_duration AS
SELECT node, p.percentile, p.seconds
FROM (
    SELECT node, percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_s) AS found
    FROM archiver_metrics.recent_node WHERE duration_s IS NOT NULL GROUP BY node
) AS n, unnest(ARRAY['p50', 'p95', 'p99'], n.found) AS p(percentile, seconds);

-- ── Payments ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- `converted` are those of the payments started in the window that have succeeded by now, so that converted / started is a share.
CREATE OR REPLACE VIEW archiver_metrics.payments AS
WITH payment AS MATERIALIZED (
    SELECT at, kind, provider, attempt_id FROM archiver_metrics.event
    WHERE at > now() - interval '24 hours' AND at <= now() AND kind LIKE 'payment\_%'
), succeeded AS (
    SELECT DISTINCT attempt_id FROM payment WHERE kind = 'payment_succeeded'
)
SELECT p.provider, w."window",
    count(*) FILTER (WHERE p.kind = 'payment_started' AND p.at > now() - w.length) AS started,
    count(*) FILTER (WHERE p.kind = 'payment_started' AND p.at > now() - w.length AND s.attempt_id IS NOT NULL) AS converted,
    count(*) FILTER (WHERE p.kind = 'payment_succeeded' AND p.at > now() - w.length) AS succeeded,
    count(*) FILTER (WHERE p.kind = 'payment_failed' AND p.at > now() - w.length) AS failed,
    count(*) FILTER (WHERE p.kind = 'payment_refunded' AND p.at > now() - w.length) AS refunded
FROM payment AS p
CROSS JOIN (VALUES ('1h', interval '1 hour'), ('24h', interval '24 hours')) AS w("window", length)
LEFT JOIN succeeded AS s ON s.attempt_id = p.attempt_id
GROUP BY p.provider, w."window";

CREATE OR REPLACE VIEW archiver_metrics.payments_amount AS
SELECT provider, currency,
    coalesce(sum(amount) FILTER (WHERE kind = 'payment_succeeded'), 0) AS succeeded,
    coalesce(sum(amount) FILTER (WHERE kind = 'payment_refunded'), 0) AS refunded
FROM archiver_metrics.event
WHERE at > now() - interval '24 hours' AND at <= now() AND kind IN ('payment_succeeded', 'payment_refunded')
GROUP BY provider, currency;

CREATE OR REPLACE VIEW archiver_metrics.payments_failed AS
SELECT provider, reason, count(*) AS count FROM archiver_metrics.event
WHERE at > now() - interval '24 hours' AND at <= now() AND kind = 'payment_failed'
GROUP BY provider, reason;

CREATE OR REPLACE VIEW archiver_metrics.payments_duration AS
SELECT p.percentile, p.seconds
FROM (
    SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM ended.at - started.at)) AS found
    FROM archiver_metrics.event AS started
    JOIN archiver_metrics.event AS ended ON ended.attempt_id = started.attempt_id AND ended.at >= started.at
        AND ended.kind = 'payment_succeeded' AND ended.at > now() - interval '24 hours' AND ended.at <= now()
    WHERE started.kind = 'payment_started' AND started.at > now() - interval '24 hours' AND started.at <= now()
) AS d, unnest(ARRAY['p50', 'p95'], d.found) AS p(percentile, seconds)
WHERE p.seconds IS NOT NULL;

-- ── Who may read them ───────────────────────────────────────────────────────────────────────────────────────────────────────

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'archiver_metrics') THEN
        CREATE ROLE archiver_metrics LOGIN NOINHERIT NOCREATEDB NOCREATEROLE;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO archiver_metrics', current_database());
END
$$;
ALTER ROLE archiver_metrics CONNECTION LIMIT 3;
ALTER ROLE archiver_metrics SET default_transaction_read_only = on;
-- A scrape that takes longer is a missing index, and must not become a load on the application.
ALTER ROLE archiver_metrics SET statement_timeout = '5s';
COMMENT ON ROLE archiver_metrics IS 'archiver: reads counts of messages and payments for the monitoring stack';
GRANT USAGE ON SCHEMA archiver_metrics TO archiver_metrics;
GRANT SELECT ON archiver_metrics.bot_messages, archiver_metrics.bot_week_ago, archiver_metrics.bot_steps,
    archiver_metrics.bot_nodes, archiver_metrics.bot_node_duration, archiver_metrics.payments, archiver_metrics.payments_amount,
    archiver_metrics.payments_failed, archiver_metrics.payments_duration TO archiver_metrics;

COMMIT;
