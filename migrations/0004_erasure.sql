-- Erasures: users who are erased save nothing any more, what of theirs must be kept is withheld from readers, and compacted
-- topics are told.
SET LOCAL ROLE hub_owner;

-- Set by an erasure, and never taken back: whoever appends sees it under the lock that it takes anyway.
ALTER TABLE hub.user_head ADD COLUMN erased_at timestamptz;
GRANT INSERT, UPDATE (erased_at) ON hub.user_head TO hub_retention;
CREATE POLICY retention_select ON hub.user_head FOR SELECT TO hub_retention
  USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));
CREATE POLICY retention_insert ON hub.user_head FOR INSERT TO hub_retention
  WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));
CREATE POLICY retention_update ON hub.user_head FOR UPDATE TO hub_retention
  USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')))
  WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));
-- A back-fill of the outbox leaves erased users out.
GRANT SELECT (erased_at) ON hub.user_head TO hub_relay;

-- Of one data type some events may be gone, and others kept.
ALTER TABLE hub.erasure DROP CONSTRAINT erasure_pkey, ADD PRIMARY KEY (user_id, data_type, action);
-- When it is looked again whether restricted events may go. NULL: when a hold ends.
ALTER TABLE hub.erasure ADD COLUMN next_at timestamptz;

-- A tombstone has no event: it takes what a compacted topic keeps of its user out of it.
ALTER TABLE hub.outbox ADD COLUMN is_tombstone boolean NOT NULL DEFAULT false;
GRANT SELECT, INSERT, DELETE ON hub.outbox TO hub_retention;
CREATE POLICY retention_select ON hub.outbox FOR SELECT TO hub_retention
  USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));
CREATE POLICY retention_insert ON hub.outbox FOR INSERT TO hub_retention
  WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));
CREATE POLICY retention_delete ON hub.outbox FOR DELETE TO hub_retention
  USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')));

-- Readers of a user of whom hub.erasure tells see none of the events that are left, unless the transaction says that it
-- may: app.restricted is 'read'. A new data type needs a migration that calls this after hub.create_event_table.
CREATE PROCEDURE hub.withhold_erased(name text)
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
  EXECUTE format($sql$
    ALTER POLICY read_select ON hub.%I
      USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), ''))
        AND (SELECT current_setting('app.restricted', true) = 'read'
          OR NOT EXISTS (SELECT FROM hub.erasure
            WHERE erasure.user_id = NULLIF(current_setting('app.user_id', true), ''))));
  $sql$, name);
END
$body$;
REVOKE ALL ON PROCEDURE hub.withhold_erased(text) FROM PUBLIC;

CALL hub.withhold_erased('user_auth');
CALL hub.withhold_erased('user_settings');
CALL hub.withhold_erased('user_commands');
CALL hub.withhold_erased('user_trades');
CALL hub.withhold_erased('user_mt5_status');
CALL hub.withhold_erased('user_risk_alerts');
CALL hub.withhold_erased('user_transactions');
CALL hub.withhold_erased('user_backtests');

RESET ROLE;
