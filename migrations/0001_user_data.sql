-- User data: one partitioned table for each data type, the head of each user's chain, the outbox, and what retention,
-- legal holds and erasures leave behind. docs/user-data.md tells how it fits together.
--
-- Whoever runs this needs CREATE on the database, and CREATEROLE unless the roles are there already.

-- Roles are common to all databases of a server, so another hub may have made them, or be making them now.
DO $roles$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['hub_owner', 'hub_append', 'hub_read', 'hub_relay', 'hub_retention'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION', role);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
      END;
    END IF;
  END LOOP;
  IF NOT pg_has_role(current_user, 'hub_owner', 'MEMBER') THEN
    EXECUTE format('GRANT hub_owner TO %I', current_user);
  END IF;
END
$roles$;

CREATE SCHEMA hub AUTHORIZATION hub_owner;
GRANT USAGE ON SCHEMA hub_migrations TO hub_read;
GRANT SELECT ON hub_migrations.applied TO hub_read;

SET LOCAL ROLE hub_owner;
GRANT USAGE ON SCHEMA hub TO hub_append, hub_read, hub_relay, hub_retention;

-- The least UUID of version 7 of a moment, whatever its version bits say: the bound between those before and from it.
CREATE FUNCTION hub.uuid_floor(moment timestamptz) RETURNS uuid
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
  RETURN (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- The bucket of a user, 0 to 1,023: the first ten bits of the SHA-256 of the id. It chooses the database.
CREATE FUNCTION hub.bucket_of(user_id text) RETURNS integer
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
  RETURN (get_byte(sha256(convert_to(user_id, 'UTF8')), 0) << 2) | (get_byte(sha256(convert_to(user_id, 'UTF8')), 1) >> 6);

-- Makes the table of a data type. A new data type needs a migration that calls this, and the name in the hub's own list
-- (src/data/event-tables.ts).
--
-- Context is set for one transaction: app.user_id is the user whose data is read; app.user_ids is a JSON object whose
-- keys are the users whose data is written or relayed. Unset, it is NULL or '' and lets nothing through.
CREATE PROCEDURE hub.create_event_table(name text)
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
  EXECUTE format($sql$
    CREATE TABLE hub.%1$I (
      user_id text COLLATE "C" NOT NULL,
      event_id uuid NOT NULL,
      seq bigint NOT NULL CHECK (seq > 0),
      event_type text NOT NULL,
      body bytea NOT NULL,
      body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
      prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
      hash bytea NOT NULL CHECK (octet_length(hash) = 32),
      ingested_at timestamptz NOT NULL,
      PRIMARY KEY (user_id, event_id)
    ) PARTITION BY RANGE (event_id);
    CREATE INDEX ON hub.%1$I (user_id, seq);
    ALTER TABLE hub.%1$I ENABLE ROW LEVEL SECURITY;
    ALTER TABLE hub.%1$I FORCE ROW LEVEL SECURITY;

    GRANT INSERT, SELECT (user_id, event_id, seq, event_type, body_sha256, ingested_at) ON hub.%1$I TO hub_append;
    CREATE POLICY append_insert ON hub.%1$I FOR INSERT TO hub_append
      WITH CHECK ((SELECT NULLIF(current_setting('app.user_ids', true), '')::jsonb) ? user_id);
    CREATE POLICY append_select ON hub.%1$I FOR SELECT TO hub_append
      USING ((SELECT NULLIF(current_setting('app.user_ids', true), '')::jsonb) ? user_id);

    GRANT SELECT ON hub.%1$I TO hub_read;
    CREATE POLICY read_select ON hub.%1$I FOR SELECT TO hub_read
      USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));

    GRANT SELECT ON hub.%1$I TO hub_relay;
    CREATE POLICY relay_select ON hub.%1$I FOR SELECT TO hub_relay
      USING ((SELECT NULLIF(current_setting('app.user_ids', true), '')::jsonb) ? user_id);

    GRANT DELETE, SELECT (user_id, event_id, seq, event_type, prev_hash, hash, ingested_at) ON hub.%1$I TO hub_retention;
    CREATE POLICY retention_select ON hub.%1$I FOR SELECT TO hub_retention USING (true);
    CREATE POLICY retention_delete ON hub.%1$I FOR DELETE TO hub_retention
      USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));
  $sql$, name);
END
$body$;
REVOKE ALL ON PROCEDURE hub.create_event_table(text) FROM PUBLIC;

-- Makes the partitions of all event tables that are not there yet, month by month, from that of two days ago to that of
-- so many months ahead. Returns how many it made. Reads and writes go on meanwhile.
CREATE FUNCTION hub.create_partitions(months_ahead integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
  parent name;
  month timestamp;
  now_utc timestamp := clock_timestamp() AT TIME ZONE 'UTC';
  partition name;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(724186532, 1);
  FOR parent IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'hub'::regnamespace AND c.relkind = 'p' ORDER BY 1 LOOP
    FOR month IN
      SELECT * FROM generate_series(
        date_trunc('month', now_utc - interval '2 days'),
        date_trunc('month', now_utc) + make_interval(months => least(months_ahead, 24)),
        interval '1 month')
    LOOP
      partition := parent || to_char(month, '"_"YYYY"_"MM');
      CONTINUE WHEN to_regclass(format('hub.%I', partition)) IS NOT NULL;
      EXECUTE format('CREATE TABLE hub.%I (LIKE hub.%I INCLUDING ALL)', partition, parent);
      EXECUTE format('ALTER TABLE hub.%I ENABLE ROW LEVEL SECURITY', partition);
      EXECUTE format('ALTER TABLE hub.%I FORCE ROW LEVEL SECURITY', partition);
      -- Unlike CREATE TABLE … PARTITION OF, this does not wait for those who read or write the parent.
      EXECUTE format('ALTER TABLE hub.%I ATTACH PARTITION hub.%I FOR VALUES FROM (%L) TO (%L)', parent, partition,
        hub.uuid_floor(month AT TIME ZONE 'UTC'), hub.uuid_floor((month + interval '1 month') AT TIME ZONE 'UTC'));
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END
$body$;
REVOKE ALL ON FUNCTION hub.create_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hub.create_partitions(integer) TO hub_retention;

CALL hub.create_event_table('user_auth');
CALL hub.create_event_table('user_settings');
CALL hub.create_event_table('user_commands');
CALL hub.create_event_table('user_trades');
CALL hub.create_event_table('user_mt5_status');
CALL hub.create_event_table('user_risk_alerts');
CALL hub.create_event_table('user_transactions');
CALL hub.create_event_table('user_backtests');

-- The newest event of each user: locked by whoever appends, so that sequences have no gaps and chains do not fork.
CREATE TABLE hub.user_head (
  user_id text COLLATE "C" PRIMARY KEY,
  seq bigint NOT NULL CHECK (seq >= 0),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE hub.user_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE hub.user_head FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE (seq, hash) ON hub.user_head TO hub_append;
GRANT SELECT ON hub.user_head TO hub_read, hub_retention;
CREATE POLICY append_insert ON hub.user_head FOR INSERT TO hub_append
  WITH CHECK ((SELECT NULLIF(current_setting('app.user_ids', true), '')::jsonb) ? user_id);
CREATE POLICY append_update ON hub.user_head FOR UPDATE TO hub_append
  USING ((SELECT NULLIF(current_setting('app.user_ids', true), '')::jsonb) ? user_id)
  WITH CHECK ((SELECT NULLIF(current_setting('app.user_ids', true), '')::jsonb) ? user_id);
CREATE POLICY head_select ON hub.user_head FOR SELECT TO hub_append, hub_read, hub_retention
  USING ((SELECT NULLIF(current_setting('app.user_ids', true), '')::jsonb) ? user_id);

-- What is still to be sent to Kafka: a row points at its event. Only filled while Kafka is configured. For one user the
-- order of ids is that of sequences and that of commits.
CREATE TABLE hub.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY,
  -- 0 to 15, by the user's bucket: one relay at a time sends the rows of a shard.
  shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 15),
  user_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  topic text NOT NULL,
  event_id uuid NOT NULL,
  event_type text NOT NULL,
  data_type text NOT NULL,
  table_name text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (shard, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE hub.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE hub.outbox FORCE ROW LEVEL SECURITY;
GRANT INSERT ON hub.outbox TO hub_append;
GRANT SELECT, DELETE ON hub.outbox TO hub_relay;
CREATE POLICY append_insert ON hub.outbox FOR INSERT TO hub_append
  WITH CHECK ((SELECT NULLIF(current_setting('app.user_ids', true), '')::jsonb) ? user_id);
CREATE POLICY relay_select ON hub.outbox FOR SELECT TO hub_relay USING (true);
CREATE POLICY relay_delete ON hub.outbox FOR DELETE TO hub_relay USING (true);

-- Holds: what they name stays, whatever retention or an erasure say.
CREATE TABLE hub.legal_hold (
  user_id text COLLATE "C" PRIMARY KEY,
  -- Empty: all.
  data_types text[] NOT NULL,
  reason text NOT NULL,
  author text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What retention or an erasure has removed of a user's chain, signed, so that the rest still verifies.
CREATE TABLE hub.pruned (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id text COLLATE "C" NOT NULL,
  data_type text NOT NULL,
  -- In ascending order; hashes stand in the same order.
  seqs bigint[] NOT NULL CHECK (cardinality(seqs) > 0),
  hashes bytea[] NOT NULL,
  newest_seq bigint NOT NULL,
  reason text NOT NULL CHECK (reason IN ('retention', 'erasure')),
  pruned_at timestamptz NOT NULL,
  key_id text NOT NULL,
  signature bytea NOT NULL,
  CHECK (cardinality(seqs) = cardinality(hashes))
);
CREATE INDEX ON hub.pruned (user_id, newest_seq);

-- What erasures did: a row for each data type that they concerned. RESTRICTED events are stored and not returned.
CREATE TABLE hub.erasure (
  user_id text COLLATE "C" NOT NULL,
  data_type text NOT NULL,
  action text NOT NULL CHECK (action IN ('ERASED', 'RESTRICTED')),
  events bigint NOT NULL,
  until_at timestamptz,
  held_by text[] NOT NULL,
  reason text NOT NULL,
  author text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (user_id, data_type)
);

DO $keeping$
DECLARE
  kept name;
BEGIN
  FOREACH kept IN ARRAY ARRAY['legal_hold', 'pruned', 'erasure']::name[] LOOP
    EXECUTE format($sql$
      ALTER TABLE hub.%1$I ENABLE ROW LEVEL SECURITY;
      ALTER TABLE hub.%1$I FORCE ROW LEVEL SECURITY;
      GRANT SELECT ON hub.%1$I TO hub_read;
      CREATE POLICY read_select ON hub.%1$I FOR SELECT TO hub_read
        USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));
      GRANT SELECT, INSERT, UPDATE, DELETE ON hub.%1$I TO hub_retention;
      CREATE POLICY retention_all ON hub.%1$I FOR ALL TO hub_retention USING (true) WITH CHECK (true);
    $sql$, kept);
  END LOOP;
END
$keeping$;

-- The key of page tokens, here so that all hubs have the same. It authorizes nothing.
CREATE TABLE hub.page_token_key (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  key bytea NOT NULL CHECK (octet_length(key) = 32)
);
INSERT INTO hub.page_token_key (key)
  VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
ALTER TABLE hub.page_token_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE hub.page_token_key FORCE ROW LEVEL SECURITY;
GRANT SELECT ON hub.page_token_key TO hub_read;
CREATE POLICY read_select ON hub.page_token_key FOR SELECT TO hub_read USING (true);

DO $$ BEGIN PERFORM hub.create_partitions(3); END $$;
RESET ROLE;
