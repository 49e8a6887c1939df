import type { PoolClient, QueryResultRow } from "pg";
import type { Role } from "../../../src/adapters/postgres/transaction.ts";
import { EVENT_TABLES } from "../../../src/data/event-tables.ts";
import type { Engine } from "./engine.ts";
import { newEvent } from "./events.ts";

/** Two users who have the same in every table, one who has been erased, and nobody, who has got in somehow. */
export const [ALICE, BOB, ERIN] = ["alice", "bob", "erin"];

interface Setting {
  readonly user?: string | null;
  readonly users?: string | null;
  readonly restricted?: string;
}

/** What came of a statement: its rows, or the code that it was refused with. */
export type Outcome = readonly QueryResultRow[] | string;

/** A hash, where it does not matter which. */
export const ZERO: Buffer = Buffer.alloc(32);
const EVENT = `(user_id, event_id, seq, event_type, body, body_sha256, prev_hash, hash, ingested_at)`;
const VALUES = `VALUES ($1, $2, 99, 'x', 'b', $3, $3, $3, now())`;

/** Gives all users an event in every table, and what retention leaves behind. */
export async function seed(engine: Engine): Promise<void> {
  await engine.store().append(EVENT_TABLES.map((table) => newEvent(ERIN, { table, eventType: "seeded" })));
  for (const userId of [ERIN, "frank"]) {
    await engine.admin("INSERT INTO hub.erasure VALUES ($1, 'd', 'ERASED', 1, NULL, '{}', 'r', 'a')", [
      userId,
    ]);
  }
  for (const userId of [ALICE, BOB]) {
    await engine
      .store()
      .append(EVENT_TABLES.map((table) => newEvent(userId, { table, eventType: "seeded" })));
    await engine.admin("INSERT INTO hub.legal_hold VALUES ($1, '{}', 'r', 'a')", [userId]);
    await engine.admin(
      `INSERT INTO hub.pruned (user_id, data_type, seqs, hashes, newest_seq, reason, pruned_at, key_id, signature)
        VALUES ($1, 'd', '{1}', $2, 1, 'retention', now(), 'k', 's')`,
      [userId, [ZERO]],
    );
    await engine.admin(
      `INSERT INTO hub.outbox (shard, user_id, seq, topic, event_id, event_type, data_type, table_name, created_at)
        VALUES (0, $1, 1, 't', $2, 'x', 'd', 'user_auth', now())`,
      [userId, newEvent("").eventId],
    );
  }
  await engine.admin(
    `INSERT INTO hub.prune_draft
        (partition_name, user_id, data_type, seqs, hashes, newest_seq, reason, pruned_at, key_id, signature)
      VALUES ('p', 'x', 'd', '{1}', $1, 1, 'retention', now(), 'k', 's')`,
    [[ZERO]],
  );
  // A user that no caller can name: what an empty setting would match.
  for (const table of EVENT_TABLES) {
    await engine.admin(`INSERT INTO hub.${table} ${EVENT} ${VALUES}`, ["", newEvent("").eventId, ZERO]);
  }
  await engine.admin("INSERT INTO hub.user_head VALUES ('', 0, $1)", [ZERO]);
  await engine.admin(
    `INSERT INTO hub.outbox (shard, user_id, seq, topic, event_id, event_type, data_type, table_name, created_at)
      VALUES (0, '', 1, 't', gen_random_uuid(), 'x', 'd', 'user_auth', now())`,
  );
  await engine.admin("INSERT INTO hub.legal_hold VALUES ('', '{}', 'r', 'a')");
  await engine.admin("INSERT INTO hub.outbox_backfill (position, events) VALUES ('seed', 0)");
  await engine.admin("INSERT INTO hub.erasure VALUES ('', 'd', 'ERASED', 1, NULL, '{}', 'r', 'a')");
  await engine.admin(
    `INSERT INTO hub.pruned (user_id, data_type, seqs, hashes, newest_seq, reason, pruned_at, key_id, signature)
      VALUES ('', 'd', '{1}', $1, 1, 'retention', now(), 'k', 's')`,
    [[ZERO]],
  );
}

/** Runs one statement as a role with these settings, and undoes it. */
export async function attempt(
  client: PoolClient,
  role: Role | "hub_owner",
  { user, users, restricted }: Setting,
  text: string,
  values: unknown[] = [],
): Promise<Outcome> {
  await client.query(`BEGIN; SET LOCAL ROLE ${role}`);
  try {
    if (user !== undefined) await client.query("SELECT set_config('app.user_id', $1, true)", [user]);
    if (users !== undefined) await client.query("SELECT set_config('app.user_ids', $1, true)", [users]);
    if (restricted !== undefined)
      await client.query("SELECT set_config('app.restricted', $1, true)", [restricted]);
    const { rows, rowCount, command } = await client.query(text, values);
    return command === "SELECT" ? rows : [{ count: rowCount }];
  } catch (error) {
    return String((error as { code?: string }).code);
  } finally {
    await client.query("ROLLBACK");
  }
}

/** Users, as a transaction names several. */
export const list = (...users: string[]): string =>
  JSON.stringify(Object.fromEntries(users.map((user) => [user, 1])));
/** What PostgreSQL says of what a role may not. */
export const DENIED = "42501";

/** What does not hold of a table of events; empty when each user is apart from all others. */
export async function eventTableFaults(
  client: PoolClient,
  table: string,
  partition: string,
): Promise<string[]> {
  const faults: string[] = [];
  const expect = async (
    what: string,
    wanted: string | number,
    role: Role | "hub_owner",
    setting: Setting,
    text: string,
    values: unknown[] = [],
  ): Promise<void> => {
    const outcome = await attempt(client, role, setting, text, values);
    const found =
      typeof outcome === "string"
        ? outcome
        : outcome[0] && "count" in outcome[0]
          ? Number(outcome[0].count)
          : outcome.length;
    if (found !== wanted) faults.push(`${table}: ${what}: ${found} instead of ${wanted}`);
  };
  const all = `SELECT user_id FROM hub.${table}`;
  const of = (user: string): string => `${all} WHERE user_id = '${user}'`;
  const insert = `INSERT INTO hub.${table} ${EVENT} ${VALUES}`;
  const row = (user: string): unknown[] => [user, newEvent("").eventId, ZERO];
  const big = "x".repeat(1024 * 1024);

  await expect("a reader sees its own", 1, "hub_read", { user: ALICE }, of(ALICE));
  await expect("a reader sees no other", 0, "hub_read", { user: ALICE }, of(BOB));
  await expect("a reader who asks for all sees its own", 1, "hub_read", { user: ALICE }, all);
  await expect("a reader sees nothing of who is erased", 0, "hub_read", { user: ERIN }, all);
  const whole = { user: ERIN, restricted: "read" };
  await expect("a reader of what is restricted sees it", 1, "hub_read", whole, of(ERIN));
  await expect("a reader of what is restricted sees no other", 0, "hub_read", whole, of(ALICE));
  await expect("a reader of '' restricted", 0, "hub_read", { user: ERIN, restricted: "" }, all);
  await expect("a reader without a user sees nothing", 0, "hub_read", {}, all);
  await expect("a reader of NULL sees nothing", 0, "hub_read", { user: null }, all);
  await expect("a reader of '' sees nothing", 0, "hub_read", { user: "" }, all);
  await expect("a reader of two joined sees nothing", 0, "hub_read", { user: `${ALICE}\u001f${BOB}` }, all);
  await expect("a reader of a list sees nothing", 0, "hub_read", { user: list(ALICE, BOB) }, all);
  await expect("a reader of 1 MB sees nothing", 0, "hub_read", { user: big }, all);
  await expect("a reader with a writer's users sees nothing", 0, "hub_read", { users: list(ALICE) }, all);
  await expect(
    "a reader writes nothing",
    DENIED,
    "hub_read",
    { user: ALICE, users: list(ALICE) },
    insert,
    row(ALICE),
  );
  await expect("a reader deletes nothing", DENIED, "hub_read", { user: ALICE }, `DELETE FROM hub.${table}`);
  await expect(
    "a reader does not go past the parent",
    DENIED,
    "hub_read",
    { user: ALICE },
    `SELECT FROM hub.${partition}`,
  );

  await expect("a writer adds for its users", 1, "hub_append", { users: list(ALICE) }, insert, row(ALICE));
  await expect("a writer adds for no other", DENIED, "hub_append", { users: list(ALICE) }, insert, row(BOB));
  await expect("a writer without users adds nothing", DENIED, "hub_append", {}, insert, row(ALICE));
  await expect("a writer of '' adds nothing", DENIED, "hub_append", { users: "" }, insert, row(""));
  await expect(
    "a writer of an empty list adds nothing",
    DENIED,
    "hub_append",
    { users: "{}" },
    insert,
    row(ALICE),
  );
  await expect(
    "a writer of 1 MB adds nothing else",
    DENIED,
    "hub_append",
    { users: list(big) },
    insert,
    row(ALICE),
  );
  await expect(
    "a writer with a reader's user adds nothing",
    DENIED,
    "hub_append",
    { user: ALICE },
    insert,
    row(ALICE),
  );
  await expect("a writer sees ids of its users", 1, "hub_append", { users: list(ALICE) }, all);
  await expect("a writer without users sees nothing", 0, "hub_append", { users: "" }, all);
  await expect(
    "a writer sees no payload",
    DENIED,
    "hub_append",
    { users: list(ALICE) },
    `SELECT body FROM hub.${table}`,
  );
  await expect(
    "a writer changes nothing",
    DENIED,
    "hub_append",
    { users: list(ALICE) },
    `UPDATE hub.${table} SET seq = 7`,
  );
  await expect(
    "a writer deletes nothing",
    DENIED,
    "hub_append",
    { users: list(ALICE) },
    `DELETE FROM hub.${table}`,
  );

  await expect("a relay sees its users", 2, "hub_relay", { users: list(ALICE, BOB) }, all);
  await expect("a relay sees no other", 0, "hub_relay", { users: list(ALICE) }, of(BOB));
  await expect("a relay without users sees nothing", 0, "hub_relay", { users: "" }, all);
  await expect("retention sees that all are there", 4, "hub_retention", {}, all);
  await expect(
    "retention sees no payload",
    DENIED,
    "hub_retention",
    { user: ALICE },
    `SELECT body FROM hub.${table}`,
  );
  await expect(
    "retention deletes its user's",
    1,
    "hub_retention",
    { user: ALICE },
    `DELETE FROM hub.${table}`,
  );
  await expect(
    "retention without a user deletes nothing",
    0,
    "hub_retention",
    { user: "" },
    `DELETE FROM hub.${table}`,
  );
  return faults;
}
