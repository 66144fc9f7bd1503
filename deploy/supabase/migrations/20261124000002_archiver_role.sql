-- The role `archiver` for SUPABASE_DB_URL: what the worker needs, and nothing else.
--
--   may      read and delete rows of the datasets below; read, add and move forward its own anchor; make temporary tables
--   may not  change or add a row, empty a table, see any other table, call a function of the data API, make anything that stays
--
-- Apply it as the project's owner, after the two others; applying it again is harmless. A dataset of your own: add it to the list
-- in the middle and apply the file again. It sets no password, because a migration is kept in version control. Once, by hand:
--   psql "$OWNER_URL" -c '\password archiver'
-- and then SUPABASE_DB_URL=postgresql://archiver.<ref>:<password>@<session pooler>:5432/postgres
--
-- To take it away again: DROP OWNED BY archiver; DROP ROLE archiver;

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'archiver') THEN
        CREATE ROLE archiver LOGIN NOINHERIT NOCREATEDB NOCREATEROLE;
    END IF;
END
$$;
-- Row level security would hide rows silently, and a row that nobody sees is neither archived nor deleted. The grants below are
-- the limit, not policies.
ALTER ROLE archiver BYPASSRLS;
-- A night's connections: export.jobs, the anchor, the stack check. A worker that hangs must not use up the project's.
ALTER ROLE archiver CONNECTION LIMIT 12;
-- Supabase's two minutes are short for the first export of a large table. archiver itself goes on in smaller pieces.
ALTER ROLE archiver SET statement_timeout = '15min';
COMMENT ON ROLE archiver IS 'archiver: archives and deletes the rows of its datasets';

DO $$
DECLARE
    one text;
BEGIN
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO archiver', current_database());
    -- The datasets: schema and relation in their exact case, as in archiver.toml.
    FOREACH one IN ARRAY ARRAY[
        'public.app_audit_log',
        'public.log_workflow_events'
    ] LOOP
        IF to_regclass(one) IS NULL THEN
            RAISE NOTICE 'archiver: there is no %, nothing was granted on it', one;
            CONTINUE;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO archiver', (
            SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid = to_regclass(one)));
        EXECUTE format('GRANT SELECT, DELETE ON %s TO archiver', to_regclass(one));
    END LOOP;
END
$$;

-- ── The anchor ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE SCHEMA IF NOT EXISTS archiver;
CREATE TABLE IF NOT EXISTS archiver.archiver_anchor (
    archive_id text PRIMARY KEY,
    seq bigint NOT NULL CHECK (seq >= 0),
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    signature text NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT USAGE ON SCHEMA archiver TO archiver;
GRANT SELECT, INSERT, UPDATE ON archiver.archiver_anchor TO archiver;

-- Whoever steals a key of the worker's could put an older, rightly signed head back and so hide that entries were cut off, or
-- another one beside it so that every verification fails, or make the anchor look fresh. The table itself refuses; only its
-- owner can take this away.
CREATE OR REPLACE FUNCTION archiver.anchor_only_forward() RETURNS trigger
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF NEW.archive_id <> OLD.archive_id OR NEW.seq < OLD.seq
        OR (NEW.seq = OLD.seq AND (NEW.hash, NEW.signature) <> (OLD.hash, OLD.signature))
    THEN
        RAISE EXCEPTION 'archiver: an anchor only moves forward' USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.moved_at := CASE WHEN NEW.seq > OLD.seq THEN clock_timestamp() ELSE OLD.moved_at END;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION archiver.anchor_only_forward() FROM PUBLIC;
CREATE OR REPLACE TRIGGER anchor_only_forward BEFORE UPDATE ON archiver.archiver_anchor
    FOR EACH ROW EXECUTE FUNCTION archiver.anchor_only_forward();

-- ── Nothing else ────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Every function is everybody's until somebody says otherwise: the helpers of the data API are not for this role.
DO $$
DECLARE
    one regprocedure;
BEGIN
    FOR one IN SELECT p.oid::regprocedure FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'archiver'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', one);
    END LOOP;
END
$$;

COMMIT;
