import type { EventTable } from "../../data/event-tables.ts";
import { goneRows } from "./keeping.ts";
import { perTable, type Statement } from "./statement.ts";

// What the retention job asks. The text is made here of constants; names of partitions are values.

/** A UUID of version 7's time, in milliseconds since 1970. */
const millis = (id: string): string =>
  `('x' || lpad(left(replace(${id}::text, '-', ''), 12), 16, '0'))::bit(64)::bigint`;

/** All partitions, oldest first. */
export const MONTHS: Statement = {
  name: "months",
  text: `SELECT parent, partition_name, ${millis("from_id")} AS from_ms, ${millis("before_id")} AS end_ms,
      coalesce(pg_total_relation_size(relation), 0)::bigint AS bytes,
      (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms
    FROM hub.event_partitions() ORDER BY before_id, parent`,
};

const IN_MONTH = `e.event_id >= $1::uuid AND e.event_id < $2::uuid`;
const HELD = "(SELECT hub.held_users($3, $4::text[]))::text[]";

/** The next events without a record. $1, $2: bounds of ids; $3, $4: data type and all of them; $5: partition; $6: events at most. */
export const UNDRAFTED: Readonly<Record<EventTable, Statement>> = perTable((table) => ({
  name: `undrafted_${table}`,
  text: `WITH last AS (
      SELECT id, user_id, newest_seq FROM hub.prune_draft WHERE partition_name = $5 ORDER BY id DESC LIMIT 1
    )
    SELECT e.user_id, e.seq, e.hash, coalesce((SELECT id FROM last), 0) AS after FROM hub.${table} e
    WHERE ${IN_MONTH} AND e.user_id <> ALL (${HELD})
      AND (e.user_id, e.seq) > (coalesce((SELECT user_id FROM last), ''), coalesce((SELECT newest_seq FROM last), 0))
    ORDER BY e.user_id, e.seq LIMIT $6::int`,
}));

/** How many events are free and held. $1 to $4: as above; $5: how far is counted. */
export const COUNT_MONTH: Readonly<Record<EventTable, Statement>> = perTable((table) => {
  const count = (condition: string): string =>
    `(SELECT count(*)::int FROM (SELECT FROM hub.${table} e WHERE ${IN_MONTH} AND ${condition} LIMIT $5::int) AS found)`;
  return {
    name: `count_month_${table}`,
    text: `SELECT ${count(`e.user_id <> ALL (${HELD})`)} AS free, ${count(`e.user_id = ANY (${HELD})`)} AS held`,
  };
});

/** Where the records of a month end. $1: partition. */
export const LAST_DRAFT: Statement = {
  name: "last_draft",
  text: "SELECT coalesce(max(id), 0) AS last FROM hub.prune_draft WHERE partition_name = $1",
};

/** Adds records of a month. $1 to $10: as goneRows; $11: partition. */
export const INSERT_DRAFT: Statement = {
  name: "insert_draft",
  text: `INSERT INTO hub.prune_draft
    (partition_name, user_id, data_type, reason, pruned_at, seqs, hashes, newest_seq, key_id, signature)
    ${goneRows("$11::name,")}`,
};

/** Lets go of the records of a month. $1: partition. */
export const FORGET_DRAFTS: Statement = {
  name: "forget_drafts",
  text: "DELETE FROM hub.prune_draft WHERE partition_name = $1",
};

/** Removes a month. $1: partition; $2, $3: data type and all of them. */
export const PRUNE = "SELECT hub.prune_partition($1, $2, $3::text[]) AS events";
/** Whether a partition is there. $1: its name. */
export const IS_THERE =
  "SELECT EXISTS (SELECT FROM hub.event_partitions() WHERE partition_name = $1) AS there";
