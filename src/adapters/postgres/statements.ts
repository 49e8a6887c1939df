import { BETWEEN_VALUES } from "../../data/event-page.ts";
import { EVENT_TABLES, type EventTable } from "../../data/event-tables.ts";
import { micros, perTable, type Statement } from "./statement.ts";

// Every statement about user data. Their text is made here, once, of constants: what callers say is a value always.

const COLUMNS = `user_id, event_id, event_type, body, ${micros("ingested_at")} AS record_us, seq, prev_hash, hash`;

/** Makes sure that users have heads. $1: their ids, in order. */
export const ENSURE_HEADS: Statement = {
  name: "ensure_heads",
  text: `INSERT INTO hub.user_head (user_id, seq, hash)
    SELECT u, 0, '\\x${"00".repeat(32)}'::bytea FROM unnest($1::text[]) AS u ORDER BY u COLLATE "C" ON CONFLICT DO NOTHING`,
};

/** Locks the heads of users, always in the same order, and tells who has been erased. $1: their ids. */
export const LOCK_HEADS: Statement = {
  name: "lock_heads",
  text: `SELECT user_id, seq, hash, erased_at IS NOT NULL AS erased FROM hub.user_head WHERE user_id = ANY($1::text[]) ORDER BY user_id FOR UPDATE`,
};

/** The database's time, after the lock. */
export const NOW: Statement = { name: "now", text: `SELECT ${micros("clock_timestamp()")} AS now_us` };

/** What a guess that was wrong is refused with, which undoes its transaction: a text that is no number. */
const WRONG_GUESS = "the hub guessed wrong";
const WRONG_GUESS_CODE = "22P02";

/** Whether an error says that a guess was wrong. It is not asked for its class: a hub starts without the driver. */
export function isWrongGuess(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === WRONG_GUESS_CODE && error.message.includes(WRONG_GUESS);
}

// Not a constant, which would be refused whenever a plan is made.
const wrongGuess = (about: string, what: string): string =>
  `('${WRONG_GUESS} about ${about}: ' || ${what})::bigint`;

/**
 * Locks the heads of users as LOCK_HEADS does, and tells the time after the lock, or fails when they are not what was
 * guessed, one has been erased, or the time lies ahead or a tenth of a second back. $1 to $3: users, sequences, hashes; $4: the
 * time, in microseconds since 1970.
 */
export const LOCK_GUESSED: Statement = {
  name: "lock_guessed",
  text: `WITH locked AS (
      SELECT user_id, seq, hash, erased_at FROM hub.user_head WHERE user_id = ANY($1::text[]) ORDER BY user_id FOR UPDATE
    ), found AS (
      SELECT count(*) AS same, ${micros("clock_timestamp()")} AS now_us
      FROM locked JOIN unnest($1::text[], $2::bigint[], $3::bytea[]) AS guessed (user_id, seq, hash) USING (user_id, seq, hash)
      WHERE erased_at IS NULL
    )
    SELECT CASE WHEN same = cardinality($1::text[]) AND now_us - $4::bigint BETWEEN 0 AND 100000 THEN now_us
      ELSE ${wrongGuess("heads or the time", "same")} END AS now_us
    FROM found`,
};

// Each pair is looked up by itself, in the index: a plan that is made while a month is empty would rather read all of it, and
// be kept when it has filled.
const knownEvents = EVENT_TABLES.map(
  (table) => `SELECT e.* FROM unnest($1::text[], $2::uuid[]) AS k (user_id, event_id) CROSS JOIN LATERAL (
        SELECT user_id, event_id, seq, event_type, body_sha256, ${micros("ingested_at")} AS record_us FROM hub.${table}
        WHERE user_id = k.user_id AND event_id = k.event_id LIMIT 1
      ) AS e`,
).join("\nUNION ALL\n");

/** Events that are there already. $1, $2: users and ids of events, in pairs. */
export const FIND_KNOWN: Statement = { name: "find_known", text: knownEvents };

/** Fails when any of them is. */
export const EXPECT_NEW: Statement = {
  name: "expect_new",
  text: `SELECT CASE WHEN count(*) > 0 THEN ${wrongGuess("ids", "count(*)")} END FROM (${knownEvents}) AS known`,
};

/** Adds events to a table. $1 to $8: its columns; $9: the time. */
export const INSERT: Readonly<Record<EventTable, Statement>> = perTable((table) => ({
  name: `insert_${table}`,
  text: `INSERT INTO hub.${table}
      (user_id, event_id, seq, event_type, body, body_sha256, prev_hash, hash, ingested_at)
    SELECT n.*, 'epoch'::timestamptz + $9::bigint * interval '1 microsecond'
    FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[]) AS n`,
}));

/** Moves heads. $1 to $3: users, sequences, hashes. The array has them taken from the index, as they are where they are locked. */
export const MOVE_HEADS: Statement = {
  name: "move_heads",
  text: `UPDATE hub.user_head h SET seq = n.seq, hash = n.hash
    FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS n (user_id, seq, hash)
    WHERE h.user_id = n.user_id AND h.user_id = ANY($1::text[])`,
};

/** Adds rows to the outbox, in their order. $1 to $8: its columns; $9: the time. */
export const INSERT_OUTBOX: Statement = {
  name: "insert_outbox",
  text: `INSERT INTO hub.outbox (shard, user_id, seq, topic, event_id, event_type, data_type, table_name, created_at)
    SELECT n.shard, n.user_id, n.seq, n.topic, n.event_id, n.event_type, n.data_type, n.table_name,
      'epoch'::timestamptz + $9::bigint * interval '1 microsecond'
    FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[])
      WITH ORDINALITY AS n (shard, user_id, seq, topic, event_id, event_type, data_type, table_name, place)
    ORDER BY n.place`,
};

/**
 * The text of an EventPage, null without events, and their number. $1: user; $2, $3: ids from and before; $4: events at
 * most; $5: bytes of payloads at most, after the first: the payload of what goes beyond them is left out. An aggregate that
 * names no order takes its rows in that of a subquery that is sorted.
 */
export const PAGE: Readonly<Record<EventTable, Statement>> = perTable((table) => ({
  name: `page_${table}`,
  text: `SELECT string_agg(concat_ws(chr(${BETWEEN_VALUES}), event_id, event_type,
      CASE WHEN bytes <= $5::bigint OR bytes = octet_length(body) THEN convert_from(body, 'UTF8') ELSE '' END,
      ${micros("ingested_at")}, seq, encode(prev_hash, 'hex'), encode(hash, 'hex')
    ), chr(${BETWEEN_VALUES})) AS text, count(*)::int AS found
    FROM (
      SELECT *, sum(octet_length(body)) OVER (ORDER BY event_id DESC ROWS UNBOUNDED PRECEDING) AS bytes FROM (
        SELECT * FROM hub.${table}
        WHERE user_id = $1 AND event_id >= $2::uuid AND event_id < $3::uuid
        ORDER BY event_id DESC LIMIT $4::int
      ) AS newest ORDER BY event_id DESC
    ) AS counted`,
}));

/** Events after a sequence. $1: user; $2: sequence; $3: tables; $4: events at most; $5: bytes at most, after the first. */
export const AFTER: Statement = {
  name: "after",
  text: `SELECT table_name, ${COLUMNS} FROM (
      SELECT *, sum(octet_length(body)) OVER (ORDER BY seq) AS bytes, row_number() OVER (ORDER BY seq) AS place FROM (
        ${EVENT_TABLES.map(
          (table) =>
            `(SELECT '${table}' AS table_name, * FROM hub.${table}
          WHERE user_id = $1 AND seq > $2::bigint AND '${table}' = ANY($3::text[]) ORDER BY seq LIMIT $4::int)`,
        ).join("\n        UNION ALL\n        ")}
        ORDER BY seq LIMIT $4::int
      ) AS oldest
    ) AS counted
    WHERE bytes <= $5::bigint OR place = 1 ORDER BY seq`,
};

/** Number of a user's events. $1: user; $2: tables. */
export const COUNT: Statement = {
  name: "count",
  text: `SELECT (${EVENT_TABLES.map(
    (table) => `(SELECT count(*) FROM hub.${table} WHERE user_id = $1 AND '${table}' = ANY($2::text[]))`,
  ).join(" + ")})::bigint AS events`,
};

/** Where users stand. $1: their ids. */
export const HEADS: Statement = {
  name: "heads",
  text: "SELECT user_id, seq, hash FROM hub.user_head WHERE user_id = ANY($1::text[]) AND seq > 0",
};

/** The newest sequence that is gone. $1: user; $2: data types; none: all. */
export const PRUNED: Statement = {
  name: "pruned",
  text: `SELECT coalesce(max(newest_seq), 0)::bigint AS newest FROM hub.pruned
    WHERE user_id = $1 AND (cardinality($2::text[]) = 0 OR data_type = ANY($2::text[]))`,
};

/** Signed records of what is gone. $1: user; $2: data types, none: all; $3: after this id; $4: records at most. */
export const GONE: Statement = {
  name: "gone",
  text: `SELECT id, user_id, data_type, reason, ${micros("pruned_at")} AS time_us, seqs, hashes, key_id, signature
    FROM hub.pruned
    WHERE user_id = $1 AND (cardinality($2::text[]) = 0 OR data_type = ANY($2::text[])) AND id > $3::bigint
    ORDER BY id LIMIT $4::int`,
};

const SAME_HOLD = "(h.data_types, h.reason) IS NOT DISTINCT FROM (excluded.data_types, excluded.reason)";

/** Sets a hold; one that says the same keeps its author and time. $1: user; $2: data types; $3: reason; $4: author. */
export const SET_HOLD: Statement = {
  name: "set_hold",
  text: `INSERT INTO hub.legal_hold AS h (user_id, data_types, reason, author) VALUES ($1, $2::text[], $3, $4)
    ON CONFLICT (user_id) DO UPDATE SET data_types = excluded.data_types, reason = excluded.reason,
      author = CASE WHEN ${SAME_HOLD} THEN h.author ELSE excluded.author END,
      created_at = CASE WHEN ${SAME_HOLD} THEN h.created_at ELSE clock_timestamp() END
    RETURNING user_id, data_types, reason, author, ${micros("created_at")} AS create_us`,
};

/** Takes a hold away. $1: user. */
export const RELEASE_HOLD: Statement = {
  name: "release_hold",
  text: "DELETE FROM hub.legal_hold WHERE user_id = $1",
};

export const PAGE_TOKEN_KEY: Statement = {
  name: "page_token_key",
  text: "SELECT key FROM hub.page_token_key",
};
