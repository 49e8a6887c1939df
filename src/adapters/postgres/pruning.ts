import { DatabaseError, type PoolClient } from "pg";
import type { HeldBy, Pruned } from "../../data/retention-store.ts";
import type { Database } from "./database.ts";
import { toFailure } from "./failure.ts";
import { LOCK_KEEPING } from "./keeping.ts";
import { IS_THERE, PRUNE } from "./retention-statements.ts";

// As the other transactions of the hub, but for the time: all events of the month are looked at once more.
const BEGIN =
  "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL ROLE hub_retention; SET LOCAL lock_timeout = '4s'; SET LOCAL statement_timeout = '15min'";
/** What hub.prune_partition says when the records are others than those of the events. */
const STALE = "HU001";

/** Removes a month of events whose records have been made. */
export async function pruneMonth(
  use: <Result>(work: (database: Database) => Promise<Result>) => Promise<Result>,
  partition: string,
  by: HeldBy,
): Promise<Pruned> {
  try {
    return await use((database) => database.lend((client) => pruneNow(client, partition, by)));
  } catch (error) {
    if (error instanceof DatabaseError && error.code === STALE) return "stale";
    throw toFailure(error);
  }
}

// The connection is given up when this throws, and its transaction with it.
async function pruneNow(
  client: PoolClient,
  partition: string,
  { dataType, dataTypes }: HeldBy,
): Promise<Pruned> {
  await client.query(BEGIN);
  await client.query(LOCK_KEEPING.text);
  const pruned = await client.query<{ events: string | null }>(PRUNE, [partition, dataType, dataTypes]);
  const left = await client.query<{ there: boolean }>(IS_THERE, [partition]);
  const { command } = await client.query("COMMIT");
  if (command !== "COMMIT") throw new Error(`the transaction ended with ${command}`);
  const events = pruned.rows[0]?.events ?? null;
  return events === null ? "missing" : { events: Number(events), isGone: left.rows[0]?.there === false };
}
