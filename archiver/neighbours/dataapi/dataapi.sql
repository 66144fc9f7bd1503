-- archiver: what the data API needs, so that a project's URL and secret key are enough.
--
-- Apply it once, as the project's owner: `supabase db push`, or paste it into the SQL editor. Applying it again is
-- harmless. To take it away again:
--   DROP FUNCTION public.archiver_look, public.archiver_describe, public.archiver_census, public.archiver_state,
--     public.archiver_duplicate_keys, public.archiver_proven, public.archiver_effects, public.archiver_purge,
--     public.archiver_anchor_read,
--     public.archiver_anchor_swap;
--   DROP SCHEMA archiver CASCADE;   -- the anchors of all archives with it
--
-- The functions stand in `public` because PostgREST calls only functions of exposed schemas; the table stands in a schema
-- that is not exposed. Nobody but service_role, the role of the secret key, may call them. Those that read or delete rows
-- run with the caller's rights; the anchor's run with the owner's, so that even the secret key cannot write the table but
-- by a swap.

BEGIN;

CREATE SCHEMA IF NOT EXISTS archiver;
REVOKE ALL ON SCHEMA archiver FROM PUBLIC, anon, authenticated;

CREATE TABLE IF NOT EXISTS archiver.archiver_anchor (
    archive_id text PRIMARY KEY,
    seq bigint NOT NULL CHECK (seq >= 0),
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    signature text NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE ALL ON archiver.archiver_anchor FROM PUBLIC, anon, authenticated, service_role;
COMMENT ON TABLE archiver.archiver_anchor IS 'archiver: the signed head of each archive''s ledger. Moved by archiver alone; editing it by hand makes every verification fail.';

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


-- The database's clock, how far back open transactions reach, and the settings that text forms depend on. Runs with the
-- owner's rights to see when others' transactions began; says nothing else about them.
CREATE OR REPLACE FUNCTION public.archiver_look() RETURNS jsonb
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    SELECT jsonb_build_object(
        'version', 2,
        'role', current_setting('role', true),
        'clock', clock_timestamp(),
        'oldest', (SELECT min(xact_start) FROM pg_catalog.pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()),
        'hides', (SELECT coalesce(bool_or(query = '<insufficient privilege>'), false) FROM pg_catalog.pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()),
        'prepared', (SELECT min(prepared) FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()),
        'settings', (SELECT jsonb_object_agg(name, current_setting(name)) FROM unnest(
            ARRAY['TimeZone', 'DateStyle', 'IntervalStyle', 'extra_float_digits', 'bytea_output']) AS name)
    )
$$;


-- Name, type as written, base type, whether that is built in, whether it is never NULL: of each column, in order.
CREATE OR REPLACE FUNCTION archiver.columns_of(target oid) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = '' AS $$
    WITH RECURSIVE base AS (
        SELECT a.attnum, a.atttypid AS type FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attnum, t.typbasetype FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'd'
    )
    SELECT jsonb_agg(jsonb_build_array(
        a.attname, format_type(a.atttypid, a.atttypmod), t.typname, t.typnamespace = 'pg_catalog'::regnamespace,
        a.attnotnull) ORDER BY a.attnum)
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd'
    JOIN pg_catalog.pg_attribute a ON a.attrelid = target AND a.attnum = b.attnum
$$;


-- Columns, keys, rights and row level security of a relation, as the caller's role has them. With no such relation: the
-- names of those that there are.
CREATE OR REPLACE FUNCTION public.archiver_describe(namespace text, relation text, time_column text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY INVOKER SET search_path = '' AS $$
    WITH rel AS (
        SELECT c.oid, c.relkind, n.oid AS namespace_oid, c.relrowsecurity, c.reloptions
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = namespace AND c.relname = relation AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    )
    SELECT jsonb_build_object(
        'role', current_user,
        'relation', (SELECT jsonb_build_array(
                rel.oid::bigint, rel.relkind,
                has_schema_privilege(rel.namespace_oid, 'USAGE'),
                has_schema_privilege(rel.namespace_oid, 'USAGE') AND has_table_privilege(rel.oid, 'SELECT'),
                (rel.relrowsecurity AND row_security_active(rel.oid)) OR EXISTS (
                    -- A view that reads as its caller hides what the tables under it hide.
                    SELECT FROM pg_catalog.pg_rewrite w
                    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
                    JOIN pg_catalog.pg_class u ON d.refclassid = 'pg_catalog.pg_class'::regclass AND u.oid = d.refobjid
                    WHERE w.ev_class = rel.oid AND rel.relkind = 'v' AND u.relrowsecurity AND row_security_active(u.oid)
                    AND EXISTS (SELECT FROM pg_options_to_table(rel.reloptions) o
                                WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)))
            FROM rel),
        'may_delete', (SELECT has_schema_privilege(rel.namespace_oid, 'USAGE')
            AND has_table_privilege(rel.oid, 'DELETE') FROM rel),
        'columns', (SELECT archiver.columns_of(rel.oid) FROM rel),
        'keys', (SELECT jsonb_agg(jsonb_build_array(i.indexrelid::bigint, a.attname)
                ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid, k.place)
            FROM pg_catalog.pg_index i JOIN rel ON i.indrelid = rel.oid
            CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
            AND k.place <= i.indnkeyatts AND NOT EXISTS (
                SELECT FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) AS u(attnum)
                JOIN pg_catalog.pg_attribute n ON n.attrelid = i.indrelid AND n.attnum = u.attnum
                WHERE NOT n.attnotnull)),
        'has_time_index', EXISTS (SELECT FROM pg_catalog.pg_index i JOIN rel ON i.indrelid = rel.oid
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indisvalid AND i.indpred IS NULL AND a.attname = time_column),
        'names', CASE WHEN NOT EXISTS (SELECT FROM rel) THEN (SELECT jsonb_agg(name) FROM (
            SELECT n.nspname || '.' || c.relname AS name
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') LIMIT 5000) AS others) END
    )
$$;


-- The condition for the rows of a window; without bounds, for the rows that no window holds. Dates and times without a
-- zone mean UTC. The bounds are the same as in archiver's model: year 1 to 9999-12-31.
CREATE OR REPLACE FUNCTION archiver.rows_of(time_column text, since timestamptz, until timestamptz, stamp text)
RETURNS text LANGUAGE sql STABLE SET search_path = '' SET timezone = 'UTC' AS $$
    SELECT CASE WHEN since IS NULL THEN format(
        '(r.%1$I IS NULL OR r.%1$I < %2$s ''0001-01-01 00:00:00'' OR r.%1$I >= %2$s ''9999-12-31 00:00:00'')',
        time_column, stamp)
    ELSE format('r.%1$I >= %2$s %3$L AND r.%1$I < %2$s %4$L', time_column, stamp, since::timestamp, until::timestamp) END
$$;

-- `timestamptz` or `timestamp`, whichever a time column is compared as.
CREATE OR REPLACE FUNCTION archiver.stamp_of(target regclass, time_column text)
RETURNS text LANGUAGE sql STABLE SET search_path = '' AS $$
    WITH RECURSIVE base AS (
        SELECT atttypid AS type FROM pg_catalog.pg_attribute WHERE attrelid = target AND attname = time_column
        UNION ALL
        SELECT t.typbasetype FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'd'
    )
    SELECT CASE WHEN EXISTS (SELECT FROM base WHERE type = 'pg_catalog.timestamptz'::regtype)
        THEN 'timestamptz' ELSE 'timestamp' END
$$;

-- The sum over the versions of rows: every update gives a row another xmin. Empty where rows have no versions.
CREATE OR REPLACE FUNCTION archiver.digest_of(target regclass)
RETURNS text LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT CASE WHEN relkind IN ('r', 'p') THEN 'coalesce(sum(hashint8extended(r.xmin::text::int8, 0)), 0)::text'
        ELSE '''''::text' END
    FROM pg_catalog.pg_class WHERE oid = target
$$;


-- Where a relation's rows lie on disk. It changes when they are written anew (VACUUM FULL, CLUSTER), which gives rows new
-- places without giving them new versions. Empty where rows have no place.
CREATE OR REPLACE FUNCTION archiver.place_of(target regclass)
RETURNS text LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT coalesce(string_agg(pg_relation_filenode(oid)::text, ',' ORDER BY oid), '') FROM (
        SELECT relid::oid AS oid FROM pg_partition_tree(target) UNION SELECT target::oid) AS pieces
$$;


-- [start, rows, digest] of every window that has rows; last, with start null, the rows that no window holds, when the
-- question has no bounds.
CREATE OR REPLACE FUNCTION public.archiver_census(
    namespace text, relation text, time_column text, window_s bigint, since timestamptz, until timestamptz
) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = '' SET timezone = 'UTC'
SET statement_timeout = '55s' AS $$
DECLARE
    target regclass := format('%I.%I', namespace, relation)::regclass;
    stamp text := archiver.stamp_of(target, time_column);
    state text := 'count(*) AS n, ' || archiver.digest_of(target) || ' AS d';
    found jsonb;
    undated jsonb;
BEGIN
    EXECUTE format(
        'SELECT coalesce(jsonb_agg(jsonb_build_array(b, n, d) ORDER BY b), ''[]'') FROM (SELECT date_bin(%L, r.%I::%s,'
        ' %s ''0001-01-01 00:00:00'') AS b, %s FROM %s AS r WHERE %s GROUP BY 1) AS g',
        window_s || ' s', time_column, stamp, stamp, state, target,
        archiver.rows_of(time_column, coalesce(since, '0001-01-01'), coalesce(until, '9999-12-31'), stamp)) INTO found;
    IF since IS NULL AND until IS NULL THEN
        EXECUTE format('SELECT jsonb_build_array(NULL, n, d) FROM (SELECT %s FROM %s AS r WHERE %s) AS g',
            state, target, archiver.rows_of(time_column, NULL, NULL, stamp)) INTO undated;
        found := found || jsonb_build_array(undated);
    END IF;
    RETURN found;
END
$$;


-- [rows, digest, place] of one window; without bounds, of the rows that no window holds.
CREATE OR REPLACE FUNCTION public.archiver_state(
    namespace text, relation text, time_column text, since timestamptz, until timestamptz
) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = '' SET timezone = 'UTC'
SET statement_timeout = '55s' AS $$
DECLARE
    target regclass := format('%I.%I', namespace, relation)::regclass;
    found jsonb;
BEGIN
    EXECUTE format('SELECT jsonb_build_array(n, d, %L) FROM (SELECT count(*) AS n, %s AS d FROM %s AS r WHERE %s) AS g',
        archiver.place_of(target), archiver.digest_of(target), target,
        archiver.rows_of(time_column, since, until, archiver.stamp_of(target, time_column))) INTO found;
    RETURN found;
END
$$;


-- How many rows of a window share their key with another row of it.
CREATE OR REPLACE FUNCTION public.archiver_duplicate_keys(
    namespace text, relation text, time_column text, since timestamptz, until timestamptz, key_columns text[]
) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = '' SET timezone = 'UTC'
SET statement_timeout = '55s' AS $$
DECLARE
    target regclass := format('%I.%I', namespace, relation)::regclass;
    names text := (SELECT string_agg(format('r.%I', name), ', ' ORDER BY place)
                   FROM unnest(key_columns) WITH ORDINALITY AS k(name, place));
    found bigint;
BEGIN
    EXECUTE format('SELECT coalesce(sum(n), 0)::bigint FROM (SELECT count(*) AS n FROM %s AS r WHERE %s GROUP BY %s'
        ' HAVING count(*) > 1) AS g', target,
        archiver.rows_of(time_column, since, until, archiver.stamp_of(target, time_column)), names) INTO found;
    RETURN found;
END
$$;


-- FROM and WHERE that find rows of a window by key and version. `proven` is an array of [version, key, …], all text.
CREATE OR REPLACE FUNCTION archiver.matching(
    target regclass, time_column text, since timestamptz, until timestamptz, key_columns text[]
) RETURNS text[] LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT ARRAY[
        format('(SELECT p ->> 0 AS v, %s FROM jsonb_array_elements($1) AS p)',
            string_agg(format('(p ->> %s)::%s AS k%s', k.place, format_type(a.atttypid, a.atttypmod), k.place),
                ', ' ORDER BY k.place)),
        format('r.xmin::text = k.v AND %s AND %s', string_agg(format('r.%I = k.k%s', k.name, k.place), ' AND '
                ORDER BY k.place),
            archiver.rows_of(time_column, since, until, archiver.stamp_of(target, time_column)))]
    FROM unnest(key_columns) WITH ORDINALITY AS k(name, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = target AND a.attname = k.name AND NOT a.attisdropped
$$;


-- [rows, digest] of those of some proven rows that are still there, unchanged. Deletes nothing.
CREATE OR REPLACE FUNCTION public.archiver_proven(
    namespace text, relation text, time_column text, since timestamptz, until timestamptz, key_columns text[],
    proven jsonb
) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = '' SET timezone = 'UTC'
SET statement_timeout = '55s' AS $$
DECLARE
    target regclass := format('%I.%I', namespace, relation)::regclass;
    parts text[] := archiver.matching(target, time_column, since, until, key_columns);
    found jsonb;
BEGIN
    EXECUTE format('SELECT jsonb_build_array(count(*), %s) FROM %s AS r, %s AS k WHERE %s',
        archiver.digest_of(target), target, parts[1], parts[2]) INTO found USING proven;
    RETURN found;
END
$$;


-- The relation, its partitions and children, and, for a view, what lies under it.
CREATE OR REPLACE FUNCTION archiver.kin_of(target regclass) RETURNS TABLE (oid oid, relkind "char")
LANGUAGE sql STABLE SET search_path = '' AS $$
    WITH RECURSIVE kin AS (
        SELECT c.oid, c.relkind FROM pg_catalog.pg_class c WHERE c.oid = target
        UNION
        SELECT c.oid, c.relkind FROM kin CROSS JOIN LATERAL (
            SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits i WHERE i.inhparent = kin.oid
            UNION ALL
            SELECT d.refobjid FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d
                ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
                AND d.refclassid = 'pg_catalog.pg_class'::regclass
            WHERE kin.relkind = 'v' AND w.ev_class = kin.oid AND w.ev_type = '1' AND d.refobjid <> kin.oid) x
        JOIN pg_catalog.pg_class c ON c.oid = x.oid AND c.relkind IN ('r', 'p', 'v', 'f')
    )
    SELECT kin.oid, kin.relkind FROM kin
$$;


-- What deleting rows of a relation does besides, as far as the catalogue says: [kind, name, relation, rows]. `rows` are
-- those that refer to rows from before the border; null where nobody can count them.
CREATE OR REPLACE FUNCTION public.archiver_effects(
    namespace text, relation text, time_column text, border timestamptz
) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = '' SET timezone = 'UTC'
SET statement_timeout = '55s' AS $$
DECLARE
    target regclass := format('%I.%I', namespace, relation)::regclass;
    found jsonb := '[]';
    one record;
    referring bigint;
    same text;
    younger text;
BEGIN
    FOR one IN
        WITH RECURSIVE kin AS (SELECT * FROM archiver.kin_of(target)),
        refs AS (
            SELECT k.oid, k.conname, k.conrelid, k.confrelid, k.confdeltype, k.conkey, k.confkey, 1 AS depth
            FROM pg_catalog.pg_constraint k
            WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid IN (SELECT kin.oid FROM kin)
            UNION
            SELECT k.oid, k.conname, k.conrelid, k.confrelid, k.confdeltype, k.conkey, k.confkey, r.depth + 1
            FROM refs r JOIN pg_catalog.pg_constraint k ON k.contype = 'f' AND k.conparentid = 0
                AND k.confrelid = r.conrelid AND r.confdeltype = 'c' AND k.conrelid <> r.conrelid
            WHERE r.depth < 16
        )
        SELECT CASE r.confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set_null' WHEN 'd' THEN 'set_default'
                ELSE 'restrict' END AS kind, r.conname::text AS name, r.conrelid AS rel,
            CASE WHEN r.depth = 1 AND r.confrelid = target THEN r.conkey END AS child, r.confkey AS parent
        FROM refs r
        UNION ALL
        SELECT 'trigger', t.tgname::text, t.tgrelid, NULL, NULL
        FROM pg_catalog.pg_trigger t JOIN kin ON kin.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND t.tgenabled NOT IN ('D', 'R') AND (t.tgtype & 8) <> 0 AND t.tgparentid = 0
        UNION ALL
        SELECT CASE WHEN w.is_instead THEN 'instead_rule' ELSE 'rule' END, w.rulename::text, w.ev_class, NULL, NULL
        FROM pg_catalog.pg_rewrite w JOIN kin ON kin.oid = w.ev_class WHERE w.ev_type = '4' AND w.ev_enabled <> 'D'
        UNION ALL
        -- Columns that children have and their parent lacks.
        SELECT 'child_columns', string_agg(a.attname::text, ', ' ORDER BY a.attnum), kin.oid, NULL, NULL
        FROM kin JOIN pg_catalog.pg_attribute a ON a.attrelid = kin.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE kin.oid <> target AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_attribute v WHERE v.attrelid = target AND v.attname = a.attname
            AND v.attnum > 0 AND NOT v.attisdropped AND v.atttypid = a.atttypid)
        GROUP BY kin.oid
        UNION ALL
        SELECT 'no_replica_identity', p.pubname::text, c.oid, NULL, NULL
        FROM kin JOIN pg_catalog.pg_class c ON c.oid = kin.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_publication_tables l ON l.schemaname = n.nspname AND l.tablename = c.relname
        JOIN pg_catalog.pg_publication p ON p.pubname = l.pubname AND p.pubdelete
        WHERE c.relkind = 'r' AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
        ORDER BY 1, 2
    LOOP
        referring := NULL;
        IF one.child IS NOT NULL AND has_table_privilege(one.rel, 'SELECT') THEN
            SELECT string_agg(format('c.%I = r.%I', a.attname, b.attname), ' AND ') INTO same
            FROM unnest(one.child, one.parent) AS p(child, parent)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = one.rel AND a.attnum = p.child
            JOIN pg_catalog.pg_attribute b ON b.attrelid = target AND b.attnum = p.parent;
            younger := CASE WHEN one.rel = target
                THEN format('AND (c.%1$I IS NULL OR c.%1$I >= %2$L::timestamptz)', time_column, border) ELSE '' END;
            EXECUTE format('SELECT count(*) FROM %s AS c WHERE EXISTS (SELECT FROM %s AS r WHERE %s'
                ' AND r.%I < %L::timestamptz) %s', one.rel::regclass, target, same, time_column, border, younger)
                INTO referring;
        END IF;
        found := found || jsonb_build_array(jsonb_build_array(one.kind, one.name, (
            SELECT format('%s.%s', n.nspname, c.relname) FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = one.rel), referring));
    END LOOP;
    RETURN found;
END
$$;


-- What this session has counted until now, by table: rows inserted, updated, deleted.
CREATE OR REPLACE FUNCTION archiver.counts() RETURNS jsonb
LANGUAGE sql VOLATILE SET search_path = '' AS $$
    SELECT coalesce(jsonb_object_agg(s.relid::text, jsonb_build_array(s.n_tup_ins, s.n_tup_upd, s.n_tup_del)), '{}')
    FROM pg_catalog.pg_stat_xact_user_tables s WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0
$$;

-- What was changed since then beyond so many deleted rows of a relation, whoever did it: [relation, inserted, updated,
-- deleted, altered] for each table; null when there is none. Tables that were emptied at once or altered are known by
-- their lock.
CREATE OR REPLACE FUNCTION archiver.changes(target regclass, before jsonb, gone bigint) RETURNS jsonb
LANGUAGE sql VOLATILE SET search_path = '' AS $$
    WITH kin AS (SELECT k.oid FROM archiver.kin_of(target) k),
    now AS (
        SELECT s.relid, format('%s.%s', s.schemaname, s.relname) AS name,
            s.n_tup_ins - coalesce((before -> s.relid::text ->> 0)::bigint, 0) AS ins,
            s.n_tup_upd - coalesce((before -> s.relid::text ->> 1)::bigint, 0) AS upd,
            s.n_tup_del - coalesce((before -> s.relid::text ->> 2)::bigint, 0) AS del
        FROM pg_catalog.pg_stat_xact_user_tables s JOIN pg_catalog.pg_class c ON c.oid = s.relid
        WHERE c.relpersistence <> 't'
    ),
    own AS (
        SELECT coalesce(sum(ins), 0)::bigint AS ins, coalesce(sum(upd), 0)::bigint AS upd,
            coalesce(sum(del), 0)::bigint AS del
        FROM now WHERE relid IN (SELECT oid FROM kin)
    ),
    found AS (
        SELECT name, ins, upd, del, 0 AS alt FROM now
        WHERE (ins <> 0 OR upd <> 0 OR del <> 0) AND relid NOT IN (SELECT oid FROM kin)
        UNION ALL
        SELECT format('%s.%s', n.nspname, c.relname), own.ins, own.upd, own.del - gone, 0
        FROM own, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = target AND (own.ins <> 0 OR own.upd <> 0 OR own.del <> gone)
        UNION ALL
        SELECT format('%s.%s', n.nspname, c.relname), 0, 0, 0, 1
        FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
        AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
    )
    SELECT jsonb_agg(jsonb_build_array(name, ins, upd, del, alt) ORDER BY name) FROM found
$$;


-- As archiver_purge, below. `app_path`: the search path that the application's own triggers run with.
CREATE OR REPLACE FUNCTION archiver.purge_rows(
    app_path text, namespace text, relation text, time_column text, since timestamptz, until timestamptz,
    key_columns text[], proven jsonb, compared_columns jsonb, may_change text[]
) RETURNS jsonb LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = '' SET timezone = 'UTC' AS $$
DECLARE
    target regclass := format('%I.%I', namespace, relation)::regclass;
    parts text[] := archiver.matching(target, time_column, since, until, key_columns);
    before jsonb;
    changed jsonb;
    gone bigint;
    stubborn bigint;
    state text;
    constraint_name text;
    table_name text;
    schema_name text;
BEGIN
    -- Nobody alters the table from here on: a column with a default gives rows other content and no other version.
    EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', target);
    IF compared_columns IS DISTINCT FROM archiver.columns_of(target) THEN
        RAISE EXCEPTION 'archiver: the columns are not those that were compared'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- Deferred constraints and triggers would do their work after the last look at what was changed.
    SET CONSTRAINTS ALL IMMEDIATE;
    before := archiver.counts();
    BEGIN
        -- The path is set once, before the first row is deleted; the statement itself was read under ours.
        EXECUTE format('DELETE FROM %s AS r USING %s AS k WHERE %s'
            ' AND (SELECT pg_catalog.set_config(''search_path'', $2, true)) IS NOT NULL', target, parts[1], parts[2])
            USING proven, app_path;
        GET DIAGNOSTICS gone = ROW_COUNT;
        PERFORM pg_catalog.set_config('search_path', '', true);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, constraint_name = CONSTRAINT_NAME, table_name = TABLE_NAME,
            schema_name = SCHEMA_NAME;
        IF left(state, 2) IN ('08', '40', '53', '57', '58', 'XX') OR state IN ('55P03', '55006') THEN
            RAISE;
        END IF;
        RAISE EXCEPTION 'archiver: the database does not let these rows go'
            USING ERRCODE = 'AR002', DETAIL = jsonb_build_array(state, constraint_name, schema_name, table_name)::text;
    END;
    IF gone <> jsonb_array_length(proven) THEN
        EXECUTE format('SELECT count(*) FROM %s AS r, %s AS k WHERE %s', target, parts[1], parts[2])
            INTO stubborn USING proven;
        IF stubborn > 0 THEN
            RAISE EXCEPTION 'archiver: a trigger or a rule keeps rows from being deleted'
                USING ERRCODE = 'triggered_data_change_violation';
        END IF;
        RAISE EXCEPTION 'archiver: % rows were proven and % are still the same', jsonb_array_length(proven), gone
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    changed := archiver.changes(target, before, gone);
    IF EXISTS (SELECT FROM jsonb_array_elements(changed) AS c WHERE (c ->> 4)::int <> 0 OR c ->> 0 <> ALL (may_change)) THEN
        RAISE EXCEPTION 'archiver: more was changed than the rows that were compared'
            USING ERRCODE = 'AR001', DETAIL = changed::text;
    END IF;
    RETURN jsonb_build_object('rows', gone, 'changed', coalesce(changed, '[]'));
END
$$;


-- Delete exactly these rows, each only while it is the version that was compared with the archive, and only while the
-- relation has the columns that were compared; returns how many, and what else was changed, of relations that `may_change`
-- names. When anything differs, or anything else would change, the whole statement fails and nothing is deleted. It waits
-- for others' locks for moments only. What it raises is never serialization_failure: PostgREST repeats such a transaction by
-- itself, for ever. AR001: something else would change. AR002: the database does not let the rows go.
DROP FUNCTION IF EXISTS public.archiver_purge(text, text, text, timestamptz, timestamptz, text[], jsonb, jsonb);
CREATE OR REPLACE FUNCTION public.archiver_purge(
    namespace text, relation text, time_column text, since timestamptz, until timestamptz, key_columns text[],
    proven jsonb, compared_columns jsonb, may_change text[] DEFAULT '{}'
) RETURNS jsonb LANGUAGE sql VOLATILE SECURITY INVOKER SET statement_timeout = '55s' SET lock_timeout = '5s' AS $$
    SELECT archiver.purge_rows(pg_catalog.current_setting('search_path'), namespace, relation, time_column, since, until,
        key_columns, proven, compared_columns, may_change)
$$;


CREATE OR REPLACE FUNCTION public.archiver_anchor_read(archive text) RETURNS jsonb
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    SELECT jsonb_build_object('clock', clock_timestamp(), 'checkpoint', (
        SELECT jsonb_build_object('archive_id', archive_id, 'seq', seq, 'hash', hash, 'signature', signature)
        FROM archiver.archiver_anchor WHERE archive_id = archive))
$$;


-- Compare and move: true when `new` stands there afterwards. Without `expected` there must be nothing yet. It only moves
-- forward, whoever asks: neither back nor to another hash of the same number.
CREATE OR REPLACE FUNCTION public.archiver_anchor_swap(archive text, expected jsonb, new jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF expected IS NULL THEN
        -- Under the same key only the same checkpoint counts as already there; the row is left as it is.
        INSERT INTO archiver.archiver_anchor AS a (archive_id, seq, hash, signature)
        VALUES (archive, (new ->> 'seq')::bigint, new ->> 'hash', new ->> 'signature')
        ON CONFLICT (archive_id) DO UPDATE SET moved_at = a.moved_at
        WHERE (a.seq, a.hash, a.signature) = (excluded.seq, excluded.hash, excluded.signature);
    ELSE
        UPDATE archiver.archiver_anchor AS a
        SET seq = (new ->> 'seq')::bigint, hash = new ->> 'hash', signature = new ->> 'signature',
            moved_at = clock_timestamp()
        WHERE a.archive_id = archive AND (
            a.seq < (new ->> 'seq')::bigint AND (a.seq, a.hash, a.signature)
                = ((expected ->> 'seq')::bigint, expected ->> 'hash', expected ->> 'signature')
            OR (a.seq, a.hash, a.signature) = ((new ->> 'seq')::bigint, new ->> 'hash', new ->> 'signature'));
    END IF;
    RETURN FOUND;
END
$$;


DO $$
DECLARE
    one regprocedure;
BEGIN
    FOR one IN
        SELECT p.oid::regprocedure FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'archiver' OR n.nspname = 'public' AND p.proname IN (
            'archiver_look', 'archiver_describe', 'archiver_census', 'archiver_state', 'archiver_duplicate_keys',
            'archiver_proven', 'archiver_effects', 'archiver_purge', 'archiver_anchor_read', 'archiver_anchor_swap')
    LOOP
        -- A new function is everybody's by default, and a project may have granted it to its other roles as well.
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, anon, authenticated', one);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO service_role', one);
    END LOOP;
END
$$;
GRANT USAGE ON SCHEMA archiver TO service_role;

COMMIT;

NOTIFY pgrst, 'reload schema';
