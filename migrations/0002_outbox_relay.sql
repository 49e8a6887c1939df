-- What the relay of the outbox needs: the rows of a shard and a topic in their order, and where a back-fill stands.
SET LOCAL ROLE hub_owner;

CREATE INDEX outbox_lane ON hub.outbox (shard, topic, id);

-- Which back-fills of the outbox have been carried through; `position` is what the setting said.
CREATE TABLE hub.outbox_backfill (
  position text PRIMARY KEY,
  events bigint NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE hub.outbox_backfill ENABLE ROW LEVEL SECURITY;
ALTER TABLE hub.outbox_backfill FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON hub.outbox_backfill TO hub_relay;
CREATE POLICY relay_select ON hub.outbox_backfill FOR SELECT TO hub_relay USING (true);
CREATE POLICY relay_insert ON hub.outbox_backfill FOR INSERT TO hub_relay WITH CHECK (true);

-- A back-fill adds rows, of users that it learns of from their heads.
GRANT INSERT ON hub.outbox TO hub_relay;
CREATE POLICY relay_insert ON hub.outbox FOR INSERT TO hub_relay
  WITH CHECK ((SELECT NULLIF(current_setting('app.user_ids', true), '')::jsonb) ? user_id);
GRANT SELECT (user_id, seq) ON hub.user_head TO hub_relay;
CREATE POLICY relay_select ON hub.user_head FOR SELECT TO hub_relay USING (true);

RESET ROLE;
