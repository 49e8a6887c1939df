import type { LegalHold } from "../../data/user-event-store.ts";
import type { Answer } from "./batch.ts";
import type { Database } from "./database.ts";
import { LOCK_KEEPING } from "./keeping.ts";
import { bind, type Statement } from "./statement.ts";
import { RELEASE_HOLD, SET_HOLD } from "./statements.ts";

interface HoldRow {
  readonly data_types: readonly string[];
  readonly reason: string;
  readonly author: string;
  readonly create_us: string;
}

// A hold that has been set holds: what is being removed meanwhile is gone before, or stays.
const locked = (statement: Statement) => (): readonly Statement[] => [LOCK_KEEPING, statement];
const nothingMore = () => ({ statements: [], result: undefined });
const holdRow = ([, answer]: readonly Answer[]) => ({
  statements: [],
  result: answer?.rows[0] as HoldRow,
});

/** Sets a user's hold. */
export async function setHold(
  database: Database,
  { userId, dataTypes, reason, author }: Omit<LegalHold, "createTimeUs">,
): Promise<LegalHold> {
  const statement = bind(SET_HOLD, userId, dataTypes, reason, author);
  const row = await database.twice("hub_retention", { userId }, locked(statement), holdRow);
  return {
    userId,
    dataTypes: row.data_types,
    reason: row.reason,
    author: row.author,
    createTimeUs: BigInt(row.create_us),
  };
}

/** Takes a user's hold away. */
export async function releaseHold(database: Database, userId: string): Promise<void> {
  await database.twice("hub_retention", { userId }, locked(bind(RELEASE_HOLD, userId)), nothingMore);
}
