import { EVENT_TABLES } from "../../data/event-tables.ts";
import type { Statement } from "./statement.ts";

// Every statement about the outbox; constant, as all of them are.

// Shards and their topics, found by stepping through the index, so that rows are not looked at. $1: shards.
const LANES = `WITH RECURSIVE lane (shard, topic) AS (
      SELECT s.shard, (SELECT o.topic FROM hub.outbox o WHERE o.shard = s.shard ORDER BY o.topic LIMIT 1)
      FROM unnest($1::smallint[]) AS s (shard)
      UNION ALL
      SELECT l.shard,
        (SELECT o.topic FROM hub.outbox o WHERE o.shard = l.shard AND o.topic > l.topic ORDER BY o.topic LIMIT 1)
      FROM lane l WHERE l.topic IS NOT NULL
    )`;

/**
 * For each shard and topic the first rows. $1: shards; $2: topics that are left out; $3, $4: shards and topics in pairs that
 * are; $5, $6: topics and users in pairs that are; $7: rows in all, shared equally; $8: rows of a shard and topic that may
 * be taken beyond that.
 */
export const NEXT_ROWS: Statement = {
  name: "outbox_next",
  text: `${LANES}, free AS MATERIALIZED (
      SELECT l.shard, l.topic FROM lane l
      WHERE l.topic IS NOT NULL AND l.topic <> ALL ($2::text[])
        AND NOT EXISTS (SELECT FROM unnest($3::smallint[], $4::text[]) AS b (shard, topic)
          WHERE b.shard = l.shard AND b.topic = l.topic)
    )
    SELECT first.* FROM free l CROSS JOIN LATERAL (
      SELECT o.id, o.shard, o.topic, o.user_id, o.seq, o.event_id, o.event_type, o.data_type, o.table_name, o.is_tombstone,
        (extract(epoch FROM o.created_at) * 1000000)::bigint AS created_us
      FROM hub.outbox o
      WHERE o.shard = l.shard AND o.topic = l.topic
        AND NOT EXISTS (SELECT FROM unnest($5::text[], $6::text[]) AS u (topic, user_id)
          WHERE u.topic = l.topic AND u.user_id = o.user_id)
      ORDER BY o.id LIMIT (SELECT greatest($7::int / count(*), $8::int) FROM free)
    ) AS first
    ORDER BY first.id`,
};

/**
 * The events that rows point at. $1 to $3: users, ids and tables, in the order of the rows; $4: bytes of payloads at most:
 * what comes after them is without its payload.
 */
export const EVENTS_OF_ROWS: Statement = {
  name: "outbox_events",
  text: `WITH wanted AS MATERIALIZED (
      SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[]) WITH ORDINALITY AS w (user_id, event_id, table_name, place)
    )
    SELECT place::int, record_us, hash,
      CASE WHEN bytes - octet_length(body) < $4::bigint THEN body END AS body
    FROM (
      SELECT *, sum(octet_length(body)) OVER (ORDER BY place) AS bytes FROM (
        ${EVENT_TABLES.map(
          (
            table,
          ) => `SELECT w.place, e.body, e.hash, (extract(epoch FROM e.ingested_at) * 1000000)::bigint AS record_us
        FROM wanted w JOIN hub.${table} e ON e.user_id = w.user_id AND e.event_id = w.event_id
        WHERE w.table_name = '${table}'`,
        ).join("\n        UNION ALL\n        ")}
      ) AS found
    ) AS counted ORDER BY place`,
};

/** Removes rows. $1, $2: shard and topic; $3: ids. Whatever the plan, it looks at no more than what lies between them. */
export const REMOVE_ROWS: Statement = {
  name: "outbox_remove",
  text: `DELETE FROM hub.outbox WHERE shard = $1::smallint AND topic = $2 AND id = ANY ($3::bigint[])
    AND id >= (SELECT min(i) FROM unnest($3::bigint[]) AS i) AND id <= (SELECT max(i) FROM unnest($3::bigint[]) AS i)`,
};

/** How much waits in each of the shards in $1, counted up to $2, and how old the oldest of it is. */
export const LAG: Statement = {
  name: "outbox_lag",
  text: `${LANES} SELECT s.shard,
      (SELECT count(*) FROM (SELECT FROM hub.outbox o WHERE o.shard = s.shard LIMIT $2::int) AS counted) AS rows,
      (extract(epoch FROM clock_timestamp() - (
        SELECT min((SELECT o.created_at FROM hub.outbox o WHERE o.shard = l.shard AND o.topic = l.topic ORDER BY o.id LIMIT 1))
        FROM lane l WHERE l.shard = s.shard AND l.topic IS NOT NULL
      )) * 1000)::bigint AS oldest_ms
    FROM unnest($1::smallint[]) AS s (shard)`,
};

/** Takes shards that are free, for the session. $1: a number that all hubs know them by; $2: shards. */
export const TRY_LOCKS =
  "SELECT s AS shard, pg_try_advisory_lock($1::int, s) AS taken FROM unnest($2::int[]) AS s";

/**
 * Which session this is, and who has which shards; without locks there is one row, whose shard is null. A session that
 * another login has opened may keep its name to itself. $1 as above.
 */
export const HELD_LOCKS = `SELECT pg_backend_pid() AS session, l.objid::int AS shard, l.pid = pg_backend_pid() AS is_own,
    a.application_name AS name
  FROM (SELECT) AS always LEFT JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.classid = $1::int
    AND l.objsubid = 2 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid`;

/** Whether a back-fill has been carried through. $1: its position. */
export const IS_BACKFILLED: Statement = {
  text: "SELECT EXISTS (SELECT FROM hub.outbox_backfill WHERE position = $1) AS done",
};

/** The number after which a back-fill numbers its rows: below zero, so that they come before all others. */
export const LAST_BACKFILLED: Statement = {
  text: "SELECT coalesce(max(id), -4611686018427387904) AS id FROM hub.outbox WHERE id < 0",
};

/** Users after another who have not been erased, in order. $1: that user; $2: number at most. */
export const USERS_AFTER: Statement = {
  text: `SELECT user_id, seq FROM hub.user_head
    WHERE user_id > $1 AND seq > 0 AND erased_at IS NULL ORDER BY user_id LIMIT $2::int`,
};

/**
 * Adds the events of users to the outbox that are not in it, and tells how many rows that were. $1: users; $2, $3:
 * sequences after and up to; $4: stored from, in microseconds; $5 to $7: tables, data types and topics, together; $8: the
 * number before the first new row.
 */
export const BACKFILL: Statement = {
  name: "outbox_backfill",
  text: `WITH filled AS (INSERT INTO hub.outbox (id, shard, user_id, seq, topic, event_id, event_type, data_type, table_name, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT $8::bigint + row_number() OVER (ORDER BY e.user_id, e.seq, r.topic), hub.bucket_of(e.user_id) % 16,
      e.user_id, e.seq, r.topic, e.event_id, e.event_type, r.data_type, r.table_name, clock_timestamp()
    FROM (
      ${EVENT_TABLES.map(
        (table) => `SELECT '${table}' AS table_name, user_id, seq, event_id, event_type FROM hub.${table}
      WHERE user_id = ANY ($1::text[]) AND seq > $2::bigint AND seq <= $3::bigint
        AND ingested_at >= 'epoch'::timestamptz + $4::bigint * interval '1 microsecond'`,
      ).join("\n      UNION ALL\n      ")}
    ) AS e
    JOIN unnest($5::text[], $6::text[], $7::text[]) AS r (table_name, data_type, topic) ON r.table_name = e.table_name
    WHERE NOT EXISTS (SELECT FROM hub.outbox o
      WHERE o.shard = hub.bucket_of(e.user_id) % 16 AND o.topic = r.topic AND o.user_id = e.user_id AND o.seq = e.seq)
    RETURNING 1) SELECT count(*) AS rows FROM filled`,
};

/** Notes that a back-fill has been carried through. $1: its position; $2: number of rows. */
export const NOTE_BACKFILL: Statement = {
  text: "INSERT INTO hub.outbox_backfill (position, events) VALUES ($1, $2::bigint) ON CONFLICT DO NOTHING",
};
