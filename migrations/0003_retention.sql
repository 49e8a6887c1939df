-- What the retention job needs: signed records of what is about to go, and the one way in which a month of events goes.
-- docs/user-data.md tells how it works.
SET LOCAL ROLE hub_owner;

-- Records of events of a month that is going, as those of hub.pruned; they are moved there in the transaction that takes
-- the month away. It may be emptied at any time: what is missing is signed again.
CREATE UNLOGGED TABLE hub.prune_draft (
  id bigint GENERATED ALWAYS AS IDENTITY,
  partition_name name NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  data_type text NOT NULL,
  reason text NOT NULL CHECK (reason = 'retention'),
  pruned_at timestamptz NOT NULL,
  -- In ascending order; hashes stand in the same order.
  seqs bigint[] NOT NULL CHECK (cardinality(seqs) > 0),
  hashes bytea[] NOT NULL,
  newest_seq bigint NOT NULL,
  key_id text NOT NULL,
  signature bytea NOT NULL,
  CHECK (cardinality(seqs) = cardinality(hashes)),
  PRIMARY KEY (partition_name, id)
);
ALTER TABLE hub.prune_draft ENABLE ROW LEVEL SECURITY;
ALTER TABLE hub.prune_draft FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON hub.prune_draft TO hub_retention;
CREATE POLICY retention_all ON hub.prune_draft FOR ALL TO hub_retention USING (true) WITH CHECK (true);

-- The owner, as which hub.prune_partition runs, sees rows while it runs and never else: app.pruning is set by that alone.
CREATE POLICY owner_select ON hub.prune_draft FOR SELECT TO hub_owner
  USING ((SELECT current_setting('app.pruning', true)) = 'on');
CREATE POLICY owner_delete ON hub.prune_draft FOR DELETE TO hub_owner
  USING ((SELECT current_setting('app.pruning', true)) = 'on');
CREATE POLICY owner_insert ON hub.pruned FOR INSERT TO hub_owner
  WITH CHECK ((SELECT current_setting('app.pruning', true)) = 'on');
CREATE POLICY owner_select ON hub.legal_hold FOR SELECT TO hub_owner
  USING ((SELECT current_setting('app.pruning', true)) = 'on');

-- Lets retention take months from the table of a data type. A new data type needs a migration that calls this after
-- hub.create_event_table.
CREATE PROCEDURE hub.let_prune(name text)
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
  EXECUTE format($sql$
    CREATE POLICY owner_select ON hub.%1$I FOR SELECT TO hub_owner
      USING ((SELECT current_setting('app.pruning', true)) = 'on');
  $sql$, name);
END
$body$;
REVOKE ALL ON PROCEDURE hub.let_prune(text) FROM PUBLIC;
CALL hub.let_prune('user_auth');
CALL hub.let_prune('user_settings');
CALL hub.let_prune('user_commands');
CALL hub.let_prune('user_trades');
CALL hub.let_prune('user_mt5_status');
CALL hub.let_prune('user_risk_alerts');
CALL hub.let_prune('user_transactions');
CALL hub.let_prune('user_backtests');

-- The partitions of event tables, with the bounds of their ids.
CREATE FUNCTION hub.event_partitions(
  OUT parent name, OUT partition_name name, OUT relation oid, OUT from_id uuid, OUT before_id uuid
) RETURNS SETOF record
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT parent.relname, child.relname, child.oid, bounds[1]::uuid, bounds[2]::uuid
  FROM pg_class parent
    JOIN pg_inherits i ON i.inhparent = parent.oid
    JOIN pg_class child ON child.oid = i.inhrelid,
    regexp_match(pg_get_expr(child.relpartbound, child.oid),
      '^FOR VALUES FROM \(''([0-9a-f-]{36})''\) TO \(''([0-9a-f-]{36})''\)$') AS bounds
  WHERE parent.relnamespace = 'hub'::regnamespace AND parent.relkind = 'p'
    AND child.relnamespace = 'hub'::regnamespace AND child.relkind = 'r';
END;
REVOKE ALL ON FUNCTION hub.event_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hub.event_partitions() TO hub_retention;

-- Whose events of a data type a hold keeps. A hold of a data type that there is no more, by the names given, keeps all.
CREATE FUNCTION hub.held_users(data_type text, data_types text[]) RETURNS text[]
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT coalesce(array_agg(h.user_id), '{}') FROM hub.legal_hold h
  WHERE cardinality(h.data_types) = 0 OR held_users.data_type = ANY (h.data_types)
    OR NOT h.data_types <@ held_users.data_types;
END;
REVOKE ALL ON FUNCTION hub.held_users(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hub.held_users(text, text[]) TO hub_retention;

-- Takes a month of events away: a partition whose end is more than a day past. The records of hub.prune_draft, which must
-- be those of all of its events but those of held users, become those of hub.pruned. Held users' events stay, in a
-- partition that takes the place of the old one. Returns how many events went; NULL when there is no such partition.
--
-- data_type is that of the table, data_types are all there are. Reads and writes go on meanwhile: they wait for the moment
-- in which the partition is taken out, and for half a second at most when that moment does not come at once.
--
-- Errors: HU001 when the records are not those of the events that would go, HU002 when the month is not past.
CREATE FUNCTION hub.prune_partition(partition_name name, data_type text, data_types text[]) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
  gone bigint;
BEGIN
  PERFORM set_config('app.pruning', 'on', true);
  gone := hub.prune_seen_partition(partition_name, data_type, data_types);
  PERFORM set_config('app.pruning', '', true);
  RETURN gone;
END
$body$;
REVOKE ALL ON FUNCTION hub.prune_partition(name, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hub.prune_partition(name, text, text[]) TO hub_retention;

-- The same, for the one above alone, which lets the owner see the rows meanwhile.
CREATE FUNCTION hub.prune_seen_partition(partition_name name, data_type text, data_types text[]) RETURNS bigint
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '4s'
AS $body$
#variable_conflict use_variable
DECLARE
  p record;
  held text[];
  kept name := partition_name || '_kept';
  is_held boolean;
  is_other boolean;
  gone bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(724186532, 2);
  SELECT * INTO p FROM hub.event_partitions() e WHERE e.partition_name = prune_seen_partition.partition_name;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF p.before_id > hub.uuid_floor(clock_timestamp() - interval '1 day') THEN
    RAISE EXCEPTION 'hub.% has not been past for a day', p.partition_name USING ERRCODE = 'HU002';
  END IF;
  held := hub.held_users(data_type, data_types);
  -- Nobody adds to it or takes from it until this has ended; reading goes on.
  EXECUTE format('LOCK TABLE hub.%I IN SHARE MODE', p.partition_name);

  DELETE FROM hub.prune_draft d WHERE d.partition_name = p.partition_name AND d.user_id = ANY (held);
  EXECUTE format($sql$
    SELECT EXISTS (
      SELECT FROM (
          SELECT user_id, seq, hash FROM hub.%I WHERE event_id >= $1 AND event_id < $2 AND user_id <> ALL ($3)
        ) AS e
        FULL JOIN (
          SELECT d.user_id, g.seq, g.hash, d.data_type FROM hub.prune_draft d, unnest(d.seqs, d.hashes) AS g (seq, hash)
          WHERE d.partition_name = $4
        ) AS d USING (user_id, seq)
      WHERE e.hash IS DISTINCT FROM d.hash OR d.data_type <> $5)
  $sql$, p.parent) INTO is_other USING p.from_id, p.before_id, held, p.partition_name, data_type;
  IF is_other THEN
    RAISE EXCEPTION 'the records of hub.% are not those of its events', p.partition_name USING ERRCODE = 'HU001';
  END IF;
  SELECT coalesce(sum(cardinality(d.seqs)), 0) INTO gone FROM hub.prune_draft d WHERE d.partition_name = p.partition_name;
  INSERT INTO hub.pruned (user_id, data_type, seqs, hashes, newest_seq, reason, pruned_at, key_id, signature)
    SELECT d.user_id, d.data_type, d.seqs, d.hashes, d.newest_seq, d.reason, d.pruned_at, d.key_id, d.signature
    FROM hub.prune_draft d WHERE d.partition_name = p.partition_name ORDER BY d.id;
  DELETE FROM hub.prune_draft d WHERE d.partition_name = p.partition_name;

  EXECUTE format('SELECT EXISTS (SELECT FROM hub.%I WHERE event_id >= $1 AND event_id < $2 AND user_id = ANY ($3))', p.parent)
    INTO is_held USING p.from_id, p.before_id, held;
  IF is_held AND gone = 0 THEN
    RETURN 0;
  END IF;
  IF is_held THEN
    EXECUTE format('CREATE TABLE hub.%I (LIKE hub.%I INCLUDING ALL)', kept, p.parent);
    EXECUTE format('INSERT INTO hub.%I SELECT * FROM hub.%I WHERE event_id >= $1 AND event_id < $2 AND user_id = ANY ($3)',
      kept, p.parent) USING p.from_id, p.before_id, held;
    EXECUTE format('ALTER TABLE hub.%I ENABLE ROW LEVEL SECURITY', kept);
    EXECUTE format('ALTER TABLE hub.%I FORCE ROW LEVEL SECURITY', kept);
  END IF;

  -- Whoever comes while this waits for the parent waits behind it, so it gives up soon and comes again.
  PERFORM set_config('lock_timeout', '500ms', true);
  FOR tries IN 1..30 LOOP
    BEGIN
      EXECUTE format('ALTER TABLE hub.%I DETACH PARTITION hub.%I', p.parent, p.partition_name);
      EXIT;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      IF tries = 30 THEN
        RAISE;
      END IF;
      PERFORM pg_sleep(least(0.05 * tries, 1));
    END;
  END LOOP;
  EXECUTE format('DROP TABLE hub.%I', p.partition_name);
  IF is_held THEN
    EXECUTE format('ALTER TABLE hub.%I RENAME TO %I', kept, p.partition_name);
    EXECUTE format('ALTER TABLE hub.%I ATTACH PARTITION hub.%I FOR VALUES FROM (%L) TO (%L)',
      p.parent, p.partition_name, p.from_id, p.before_id);
  END IF;
  RETURN gone;
END
$body$;
REVOKE ALL ON FUNCTION hub.prune_seen_partition(name, text, text[]) FROM PUBLIC;

RESET ROLE;
