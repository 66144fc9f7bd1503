-- Watching and asking from the database: the only watcher that outlives the server.
--
--   archiver-watch   every hour: is the anchor older than 26 hours? Then an alert is posted through pg_net, again at every look,
--                    because pg_net does not repeat what was lost; and its end, once the anchor has moved
--   archiver-ask     every day: asks for a night, which `archiver run nightly --if-asked` takes exactly once
--   archiver-trim    every day: pg_cron's own log, which otherwise grows for ever
--
-- If both the database and the server are silent: the ping of the night (telemetry.ping), at whoever expects it. If only the
-- database is: Alertmanager's ArchiverNotRun.
--
-- This file schedules nothing. Switch it on in this order, as the project's owner:
--   1. CREATE EXTENSION pg_cron; CREATE EXTENSION pg_net;                      (or in the dashboard, Integrations)
--   2. SELECT vault.create_secret('https://alerts.example.com/alerts', 'archiver_watch_url');   -- who takes Alertmanager's webhooks
--      SELECT vault.create_secret('<its token>', 'archiver_watch_token');
--      SELECT vault.create_secret('https://hooks.slack.com/…', 'archiver_watch_message_url');   -- besides or instead: {"text": …}
--      One of the two must not be on the server that is watched.
--   3. SELECT archiver.schedule_jobs();                 -- or archiver.schedule_jobs(asking => true)
--   4. archiver stack check                             -- the job's state, an hour later also its success
-- To switch it off:
--   SELECT cron.unschedule(jobname) FROM cron.job WHERE jobname LIKE 'archiver-%';

BEGIN;

CREATE SCHEMA IF NOT EXISTS archiver;

-- ── Watch ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- What was told, so that its end can be told. One row.
CREATE TABLE IF NOT EXISTS archiver.watch_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    starts_at timestamptz,
    ends_at timestamptz,
    webhook_request bigint,
    message_request bigint,
    message_at timestamptz,
    looked_at timestamptz
);
INSERT INTO archiver.watch_state DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION archiver.secret(name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    RETURN (SELECT s.decrypted_secret FROM vault.decrypted_secrets AS s WHERE s.name = secret.name);
END
$$;

-- Whether somebody answered with 2xx. pg_net keeps answers for hours, a look comes every hour.
CREATE OR REPLACE FUNCTION archiver.arrived(request bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    RETURN EXISTS (SELECT FROM net._http_response AS r WHERE r.id = request AND r.status_code BETWEEN 200 AND 299);
END
$$;

-- Alertmanager's webhook, version 4, with one alert. `externalURL` is left out on purpose: no Alertmanager knows of this alert,
-- so that only its sender can end it.
CREATE OR REPLACE FUNCTION archiver.watch_alert(starts timestamptz, ends timestamptz) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT jsonb_build_object(
        'version', '4', 'groupKey', '{}:{alertname="ArchiverAnchorStale"}', 'truncatedAlerts', 0, 'status', said.status,
        'receiver', 'archiver-watch', 'groupLabels', jsonb_build_object('alertname', 'ArchiverAnchorStale'),
        'commonLabels', said.labels, 'commonAnnotations', said.annotations,
        'alerts', jsonb_build_array(jsonb_build_object(
            'status', said.status, 'labels', said.labels, 'annotations', said.annotations, 'generatorURL', '',
            'startsAt', to_char(starts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'endsAt', coalesce(to_char(ends AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '0001-01-01T00:00:00Z'),
            'fingerprint', substr(md5(said.labels::text), 1, 16))))
    FROM (SELECT
        CASE WHEN ends IS NULL THEN 'firing' ELSE 'resolved' END AS status,
        '{"alertname": "ArchiverAnchorStale", "severity": "critical", "component": "archiver", "source": "supabase"}'::jsonb AS labels,
        jsonb_build_object(
            'summary', 'The archive''s anchor has not moved for too long',
            'description', 'No nightly run has ended well since, by the database''s own clock. The server may be gone.',
            'runbook_url', 'docs/alerts/ArchiverAnchorStale.md') AS annotations) AS said
$$;

-- One look. Says what it saw: `no anchor`, `fresh`, `stale`, or `moved again`.
CREATE OR REPLACE FUNCTION archiver.watch(stale_after interval DEFAULT '26 hours') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    -- An archive that was given up keeps its row; the one that is alive is the youngest.
    starts timestamptz := (SELECT max(moved_at) FROM archiver.archiver_anchor) + stale_after;
    webhook text := archiver.secret('archiver_watch_url');
    message text := archiver.secret('archiver_watch_message_url');
    headers jsonb := jsonb_build_object('Content-Type', 'application/json') || coalesce(
        jsonb_build_object('Authorization', 'Bearer ' || archiver.secret('archiver_watch_token')), '{}');
    was archiver.watch_state;
    seen text;
BEGIN
    IF coalesce(webhook, message) IS NULL THEN
        RAISE EXCEPTION 'archiver: nobody would be told, the Vault has neither archiver_watch_url nor archiver_watch_message_url';
    END IF;
    SELECT * INTO STRICT was FROM archiver.watch_state FOR UPDATE;
    IF starts IS NULL THEN
        seen := 'no anchor';
    ELSIF clock_timestamp() > starts THEN
        seen := 'stale';
        IF was.starts_at IS DISTINCT FROM starts THEN
            IF was.starts_at IS NOT NULL AND webhook IS NOT NULL THEN
                -- It moved once between two looks: that alert is over, and this is another.
                PERFORM net.http_post(webhook, archiver.watch_alert(was.starts_at, coalesce(was.ends_at, starts - stale_after)),
                    headers => headers);
            END IF;
            was := ROW(true, starts, NULL, NULL, NULL, NULL, NULL);
        END IF;
        was.ends_at := NULL;
    ELSIF was.starts_at IS NOT NULL THEN
        seen := 'moved again';
        IF was.ends_at IS NULL THEN
            was.ends_at := clock_timestamp();
            was.webhook_request := NULL;
            was.message_request := NULL;
        END IF;
    ELSE
        seen := 'fresh';
    END IF;

    IF seen = 'stale' THEN
        IF webhook IS NOT NULL THEN
            was.webhook_request := net.http_post(webhook, archiver.watch_alert(was.starts_at, NULL), headers => headers);
        END IF;
        -- Whoever reads messages is told once, and once a day after that; again where it did not arrive.
        IF message IS NOT NULL AND (was.message_at IS NULL OR was.message_at < clock_timestamp() - interval '23 hours 30 minutes'
            OR NOT archiver.arrived(was.message_request)) THEN
            was.message_request := net.http_post(message, jsonb_build_object('text', format(
                'ArchiverAnchorStale: the archive''s anchor has not moved since %s UTC. No nightly run has ended well; the server may'
                ' be gone. docs/alerts/ArchiverAnchorStale.md',
                to_char((was.starts_at - stale_after) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'))));
            IF was.message_at IS NULL OR was.message_at < clock_timestamp() - interval '23 hours 30 minutes' THEN
                was.message_at := clock_timestamp();
            END IF;
        END IF;
    ELSIF seen = 'moved again' THEN
        -- The end is told until it has arrived, for a day.
        IF webhook IS NOT NULL AND NOT archiver.arrived(was.webhook_request) THEN
            was.webhook_request := net.http_post(webhook, archiver.watch_alert(was.starts_at, was.ends_at), headers => headers);
        ELSE
            webhook := NULL;
        END IF;
        IF message IS NOT NULL AND was.message_at IS NOT NULL AND NOT archiver.arrived(was.message_request) THEN
            was.message_request := net.http_post(message, jsonb_build_object('text',
                'ArchiverAnchorStale is over: the archive''s anchor moves again.'));
        ELSE
            message := NULL;
        END IF;
        IF coalesce(webhook, message) IS NULL OR was.ends_at < clock_timestamp() - interval '1 day' THEN
            was := ROW(true, NULL, NULL, NULL, NULL, NULL, NULL);
        END IF;
    END IF;
    UPDATE archiver.watch_state SET starts_at = was.starts_at, ends_at = was.ends_at, webhook_request = was.webhook_request,
        message_request = was.message_request, message_at = was.message_at, looked_at = clock_timestamp();
    RETURN seen;
END
$$;

-- ── Ask ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE IF NOT EXISTS archiver.run_request (
    day date NOT NULL,
    command text NOT NULL CHECK (command = 'nightly'),
    asked_by text NOT NULL CHECK (length(asked_by) <= 40),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempt integer NOT NULL DEFAULT 0,
    taken_by text,
    taken_at timestamptz,
    done_at timestamptz,
    exit_status integer,
    PRIMARY KEY (day, command)
);
COMMENT ON TABLE archiver.run_request IS 'archiver: one night asked for a day; taken by `archiver run nightly --if-asked`.';
COMMENT ON COLUMN archiver.run_request.exit_status IS 'NULL with done_at set: a later day''s run did the work of this one as well.';

-- Ask for today's night (UTC). True: asked now. False: it had been asked already, which is no mistake.
CREATE OR REPLACE FUNCTION public.archiver_request_run(asked_by text DEFAULT 'api') RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO archiver.run_request (day, command, asked_by)
    VALUES ((clock_timestamp() AT TIME ZONE 'UTC')::date, 'nightly', left(archiver_request_run.asked_by, 40))
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;

-- Take the youngest open request: {day, attempt}, or {} where there is none. Of two at the same time one gets it. Who asks again
-- under the same name gets what it took already, because its first answer may have been lost. One that was taken ten hours ago and
-- never ended is taken again: that worker is dead. Older open days are closed along with it: one night does the work of all.
CREATE OR REPLACE FUNCTION public.archiver_take_run(who text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    taken archiver.run_request;
BEGIN
    -- One at a time, so that what the second one sees is what the first one did.
    LOCK TABLE archiver.run_request IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO taken FROM archiver.run_request AS r WHERE r.taken_by = who AND r.done_at IS NULL;
    IF NOT FOUND THEN
        UPDATE archiver.run_request AS r SET taken_by = who, taken_at = clock_timestamp(), attempt = r.attempt + 1
        WHERE (r.day, r.command) = (
            SELECT o.day, o.command FROM archiver.run_request AS o
            WHERE o.done_at IS NULL AND (o.taken_at IS NULL OR o.taken_at < clock_timestamp() - interval '10 hours')
                -- Somebody is at work on a day that is as young: that run does this one's work.
                AND NOT EXISTS (SELECT FROM archiver.run_request AS w WHERE w.day > o.day AND (w.done_at IS NOT NULL
                    OR w.taken_at >= clock_timestamp() - interval '10 hours'))
            ORDER BY o.day DESC LIMIT 1)
        RETURNING * INTO taken;
        IF NOT FOUND THEN
            RETURN '{}';
        END IF;
        UPDATE archiver.run_request AS r SET done_at = clock_timestamp()
        WHERE r.day < taken.day AND r.done_at IS NULL
            AND (r.taken_at IS NULL OR r.taken_at < clock_timestamp() - interval '10 hours');
    END IF;
    RETURN jsonb_build_object('day', taken.day, 'attempt', taken.attempt);
END
$$;

-- Note how it ended. False: it is not this attempt's any more. Status 5 (another run was at work) and 130 (asked to stop, as by a
-- restart of the server) give the request back.
CREATE OR REPLACE FUNCTION public.archiver_end_run(day date, attempt integer, exit_status integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF exit_status IN (5, 130) THEN
        UPDATE archiver.run_request AS r SET taken_by = NULL, taken_at = NULL
        WHERE r.day = archiver_end_run.day AND r.attempt = archiver_end_run.attempt AND r.done_at IS NULL;
    ELSE
        UPDATE archiver.run_request AS r SET done_at = clock_timestamp(), exit_status = archiver_end_run.exit_status
        WHERE r.day = archiver_end_run.day AND r.attempt = archiver_end_run.attempt AND (r.done_at IS NULL
            -- Told twice, because the first answer was lost.
            OR r.exit_status = archiver_end_run.exit_status);
    END IF;
    RETURN FOUND;
END
$$;

-- How things stand, for whoever may ask for a run: the last request, and the anchor's age. No personal data.
CREATE OR REPLACE FUNCTION public.archiver_run_status() RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT jsonb_build_object(
        'anchor_age_s', (SELECT extract(epoch FROM clock_timestamp() - max(moved_at))::bigint FROM archiver.archiver_anchor),
        'last', (SELECT jsonb_build_object('day', day, 'asked_at', asked_at, 'taken_at', taken_at, 'done_at', done_at,
            'exit_status', exit_status) FROM archiver.run_request ORDER BY day DESC LIMIT 1))
$$;

-- ── Jobs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- pg_cron's log, and requests that nobody needs to see any more. Returns how many rows of the log went.
CREATE OR REPLACE FUNCTION archiver.trim_log(keep interval DEFAULT '30 days') RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM cron.job_run_details AS d WHERE coalesce(d.end_time, d.start_time) < clock_timestamp() - keep;
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM archiver.run_request AS r WHERE r.day < (clock_timestamp() - interval '90 days')::date;
    RETURN gone;
END
$$;

-- Switch it on. Scheduling again is harmless; a job that is not wanted any more is taken away.
CREATE OR REPLACE FUNCTION archiver.schedule_jobs(watching boolean DEFAULT true, asking boolean DEFAULT false) RETURNS SETOF text
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    one record;
BEGIN
    IF to_regclass('cron.job') IS NULL THEN
        RAISE EXCEPTION 'archiver: pg_cron is not there, nothing was scheduled' USING HINT = 'CREATE EXTENSION pg_cron';
    END IF;
    IF watching AND to_regclass('net._http_response') IS NULL THEN
        RAISE EXCEPTION 'archiver: pg_net is not there, nothing was scheduled' USING HINT = 'CREATE EXTENSION pg_net';
    END IF;
    IF watching AND coalesce(archiver.secret('archiver_watch_url'), archiver.secret('archiver_watch_message_url')) IS NULL THEN
        RAISE EXCEPTION 'archiver: the Vault says nobody to be told, nothing was scheduled'
            USING HINT = 'vault.create_secret(''https://…'', ''archiver_watch_url'') or archiver_watch_message_url';
    END IF;
    FOR one IN SELECT * FROM (VALUES
        ('archiver-watch', watching, '7 * * * *', 'SELECT archiver.watch()'),
        ('archiver-ask', asking, '15 2 * * *', 'SELECT public.archiver_request_run(''pg_cron'')'),
        ('archiver-trim', true, '41 3 * * *', 'SELECT archiver.trim_log()')) AS j(name, wanted, schedule, command)
    LOOP
        IF one.wanted THEN
            PERFORM cron.schedule(one.name, one.schedule, one.command);
            RETURN NEXT one.name;
        ELSIF EXISTS (SELECT FROM cron.job WHERE jobname = one.name) THEN
            PERFORM cron.unschedule(one.name);
        END IF;
    END LOOP;
END
$$;

-- What `archiver stack check` looks at, with the owner's eyes: the state of our jobs, and how old pg_cron's log is. NULL: there is
-- no pg_cron. A job's command and what it answered are not told.
CREATE OR REPLACE FUNCTION public.archiver_jobs() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF to_regclass('cron.job') IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN jsonb_build_object(
        'clock', clock_timestamp(),
        'oldest_run', (SELECT min(coalesce(end_time, start_time)) FROM cron.job_run_details),
        'jobs', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', j.jobname, 'schedule', j.schedule, 'active', j.active,
                'status', last.status, 'ended_at', last.end_time,
                'succeeded_at', (SELECT max(d.end_time) FROM cron.job_run_details AS d
                    WHERE d.jobid = j.jobid AND d.status = 'succeeded')) ORDER BY j.jobname), '[]')
            FROM cron.job AS j LEFT JOIN LATERAL (
                SELECT d.status, d.end_time FROM cron.job_run_details AS d WHERE d.jobid = j.jobid AND d.end_time IS NOT NULL
                ORDER BY d.runid DESC LIMIT 1) AS last ON true
            WHERE j.jobname IN ('archiver-watch', 'archiver-ask', 'archiver-trim')));
END
$$;

-- ── Who may what ────────────────────────────────────────────────────────────────────────────────────────────────────────────

REVOKE ALL ON archiver.watch_state, archiver.run_request FROM PUBLIC, anon, authenticated, service_role;
DO $$
DECLARE
    one regprocedure;
    worker boolean := EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'archiver');
BEGIN
    FOR one IN
        SELECT p.oid::regprocedure FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'archiver' AND p.proname IN ('secret', 'arrived', 'watch_alert', 'watch', 'trim_log', 'schedule_jobs')
            OR n.nspname = 'public' AND p.proname IN ('archiver_request_run', 'archiver_take_run', 'archiver_end_run',
                'archiver_run_status', 'archiver_jobs')
    LOOP
        -- A new function is everybody's by default, and a project may have granted it to its other roles as well.
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, anon, authenticated, service_role', one);
    END LOOP;
    FOR one IN
        SELECT unnest(ARRAY['public.archiver_take_run(text)', 'public.archiver_end_run(date, integer, integer)',
            'public.archiver_run_status()', 'public.archiver_jobs()'])::regprocedure
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO service_role', one);
        IF worker THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO archiver', one);
        END IF;
    END LOOP;
    GRANT EXECUTE ON FUNCTION public.archiver_request_run(text) TO service_role;
END
$$;

COMMIT;

NOTIFY pgrst, 'reload schema';
