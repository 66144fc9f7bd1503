-- The two tables as a WhatsApp bot builder has them.

CREATE TABLE app_audit_log (
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
CREATE INDEX app_audit_log_created_at ON app_audit_log (created_at);

CREATE TABLE log_workflow_events (
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
CREATE INDEX log_workflow_events_created_at ON log_workflow_events (created_at);
