import { EVENT_TABLES, type EventTable } from "../../data/event-tables.ts";
import { micros, perTable, type Statement } from "./statement.ts";

// What erasures ask. The text is made here of constants.

const moment = (us: string): string => `'epoch'::timestamptz + ${us} * interval '1 microsecond'`;

/** Marks a user as erased; one that is stays as it is. $1: user. */
export const MARK_HEAD: Statement = {
  name: "mark_head",
  text: `INSERT INTO hub.user_head (user_id, seq, hash, erased_at)
    VALUES ($1, 0, '\\x${"00".repeat(32)}'::bytea, clock_timestamp())
    ON CONFLICT (user_id) DO UPDATE SET erased_at = coalesce(user_head.erased_at, excluded.erased_at)`,
};

/** Withholds what a user has, until it is looked at, at once. $1: user; $2, $3: tables and data types; $4: reason; $5: author. */
export const MARK_EVENTS: Statement = {
  name: "mark_events",
  text: `INSERT INTO hub.erasure (user_id, data_type, action, events, held_by, reason, author, next_at)
    SELECT $1, t.data_type, 'RESTRICTED', 0, '{}', $4, $5, clock_timestamp()
    FROM unnest($2::text[], $3::text[]) AS t (table_name, data_type)
    WHERE ${EVENT_TABLES.map(
      (table) => `(t.table_name = '${table}' AND EXISTS (SELECT FROM hub.${table} WHERE user_id = $1))`,
    ).join("\n      OR ")}
    ON CONFLICT (user_id, data_type, action) DO UPDATE
      SET next_at = excluded.next_at, reason = excluded.reason, author = excluded.author`,
};

/** Takes back what waits to be sent. $1: shard; $2: user; $3: topics whose records are sent all the same. */
export const RECALL: Statement = {
  name: "recall",
  text: `DELETE FROM hub.outbox
    WHERE shard = $1::smallint AND user_id = $2 AND NOT is_tombstone AND topic <> ALL ($3::text[])`,
};

/** Adds tombstones that do not wait already. $1: shard; $2: user; $3 to $6: topics, data types, tables and ids of events. */
export const ADD_TOMBSTONES: Statement = {
  name: "add_tombstones",
  text: `INSERT INTO hub.outbox
      (shard, user_id, seq, topic, event_id, event_type, data_type, table_name, created_at, is_tombstone)
    SELECT $1::smallint, $2, h.seq, t.topic, t.event_id, 'user_erased', t.data_type, t.table_name, clock_timestamp(), true
    FROM unnest($3::text[], $4::text[], $5::text[], $6::uuid[]) AS t (topic, data_type, table_name, event_id),
      hub.user_head h
    WHERE h.user_id = $2 AND NOT EXISTS (SELECT FROM hub.outbox o
      WHERE o.shard = $1::smallint AND o.topic = t.topic AND o.user_id = $2 AND o.is_tombstone)`,
};

/** The hold of a user. $1: user. */
export const HOLD: Statement = {
  name: "hold",
  text: "SELECT data_types FROM hub.legal_hold WHERE user_id = $1",
};

/** What has been removed of a user. $1: user. */
export const ERASED: Statement = {
  name: "erased",
  text: "SELECT data_type, events FROM hub.erasure WHERE user_id = $1 AND action = 'ERASED'",
};

/** What a user has in each table. $1: user; $2, $3: tables and for how many microseconds they are kept, NULL: for ever. */
export const COUNT_FREE: Statement = {
  name: "count_free",
  text: EVENT_TABLES.map(
    (
      table,
    ) => `SELECT '${table}' AS table_name, count(*) AS events, count(*) FILTER (WHERE f.is_free) AS free,
      ${micros("min(e.ingested_at) FILTER (WHERE NOT f.is_free)")} AS first_kept_us,
      ${micros("max(e.ingested_at)")} AS last_us
    FROM unnest($2::text[], $3::bigint[]) AS k (table_name, us), hub.${table} e,
      LATERAL (SELECT coalesce(e.ingested_at <= now() - k.us * interval '1 microsecond', false) AS is_free) AS f
    WHERE e.user_id = $1 AND k.table_name = '${table}'`,
  ).join("\nUNION ALL\n"),
};

/** The oldest events that no floor keeps. $1: user; $2: for how many microseconds they are kept; $3: number at most. */
export const FREE_EVENTS: Readonly<Record<EventTable, Statement>> = perTable((table) => ({
  name: `free_${table}`,
  text: `SELECT seq, event_id, hash FROM hub.${table}
    WHERE user_id = $1 AND ingested_at <= now() - $2::bigint * interval '1 microsecond' ORDER BY seq LIMIT $3::int`,
}));

/** Removes events. $1: user; $2: their ids. */
export const DELETE_EVENTS: Readonly<Record<EventTable, Statement>> = perTable((table) => ({
  name: `delete_${table}`,
  text: `DELETE FROM hub.${table} WHERE user_id = $1 AND event_id = ANY ($2::uuid[])`,
}));

/** Notes that events have been removed. $1: user; $2: data type; $3: their number; $4: reason; $5: author. */
export const NOTE_ERASED: Statement = {
  name: "note_erased",
  text: `INSERT INTO hub.erasure (user_id, data_type, action, events, held_by, reason, author)
    VALUES ($1, $2, 'ERASED', $3::bigint, '{}', $4, $5)
    ON CONFLICT (user_id, data_type, action) DO UPDATE SET events = erasure.events + excluded.events`,
};

/** Forgets what was restricted of other data types. $1: user; $2: these data types. */
export const FORGET_RESTRICTED: Statement = {
  name: "forget_restricted",
  text: "DELETE FROM hub.erasure WHERE user_id = $1 AND action = 'RESTRICTED' AND data_type <> ALL ($2::text[])",
};

/** Notes what is restricted. $1: user; $2 to $6: data types, events, ends, times to look again and holders; $7: reason; $8: author. */
export const NOTE_RESTRICTED: Statement = {
  name: "note_restricted",
  text: `INSERT INTO hub.erasure (user_id, data_type, action, events, until_at, next_at, held_by, reason, author)
    SELECT $1, r.data_type, 'RESTRICTED', r.events, ${moment("r.until_us")}, ${moment("r.next_us")},
      ARRAY(SELECT jsonb_array_elements_text(r.held_by::jsonb)), $7, $8
    FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
      AS r (data_type, events, until_us, next_us, held_by)
    ON CONFLICT (user_id, data_type, action) DO UPDATE SET events = excluded.events, until_at = excluded.until_at,
      next_at = excluded.next_at, held_by = excluded.held_by, reason = excluded.reason, author = excluded.author`,
};

/** Users, in order, of whom something restricted may have to go. $1: after this one; $2: number at most; $3: all data types. */
export const DUE: Statement = {
  name: "erasures_due",
  text: `SELECT DISTINCT ON (user_id) user_id, reason, author FROM hub.erasure e
    WHERE user_id > $1 AND action = 'RESTRICTED' AND (next_at <= clock_timestamp()
      OR (next_at IS NULL AND e.user_id <> ALL (hub.held_users(e.data_type, $3::text[]))))
    ORDER BY user_id LIMIT $2::int`,
};

/** What is left of an erased user, after a sequence. $1: user; $2: sequence; $3: tables; $4: number at most. */
export const LEFT: Statement = {
  name: "left",
  text: `SELECT seq, hash FROM (
      ${EVENT_TABLES.map(
        (table) => `(SELECT seq, hash FROM hub.${table}
        WHERE user_id = $1 AND seq > $2::bigint AND '${table}' = ANY ($3::text[]) ORDER BY seq LIMIT $4::int)`,
      ).join("\n      UNION ALL\n      ")}
    ) AS left_over
    WHERE EXISTS (SELECT FROM hub.erasure WHERE user_id = $1) ORDER BY seq LIMIT $4::int`,
};
