-- One index of the outbox instead of two: each row costs less to add, and whatever the planner believes of a table that is
-- empty most of the time, there is one way to the first rows of a shard and a topic.
SET LOCAL ROLE hub_owner;

ALTER TABLE hub.outbox DROP CONSTRAINT outbox_pkey;
DROP INDEX hub.outbox_lane;
ALTER TABLE hub.outbox ADD PRIMARY KEY (shard, topic, id);

RESET ROLE;
