-- The two tables as `archiver demo` has them, for a new project, or to try archiver out: psql "$OWNER_URL" -f sample_tables.sql
-- No migration: a project has tables of its own. One that has tables of these names keeps them as they are.

BEGIN;

CREATE TABLE IF NOT EXISTS public.app_audit_log (
    id          uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT now(),
    actor_id    uuid,
    actor_email text,
    action      text NOT NULL,
    entity_type text,
    entity_id   uuid,
    ip          inet,
    user_agent  text,
    success     boolean NOT NULL DEFAULT true,
    details     jsonb
);
CREATE INDEX IF NOT EXISTS app_audit_log_created_at ON public.app_audit_log (created_at);

CREATE TABLE IF NOT EXISTS public.log_workflow_events (
    id            uuid PRIMARY KEY,
    created_at    timestamptz NOT NULL DEFAULT now(),
    workflow_id   uuid NOT NULL,
    execution_id  uuid NOT NULL,
    node_id       text NOT NULL,
    event_type    text NOT NULL,
    status        text NOT NULL,
    contact_phone text,
    message       text,
    duration_ms   integer,
    cost_eur      numeric(12, 6),
    attempt       smallint NOT NULL DEFAULT 1,
    tags          text[] NOT NULL DEFAULT '{}',
    payload       jsonb
);
CREATE INDEX IF NOT EXISTS log_workflow_events_created_at ON public.log_workflow_events (created_at);

-- Without a policy nobody reaches the rows through the data API but service_role; the application's own policies come here.
ALTER TABLE public.app_audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.log_workflow_events ENABLE ROW LEVEL SECURITY;

COMMIT;
