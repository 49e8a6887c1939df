import type { PoolClient, QueryResultRow } from "pg";
import type { Role } from "../../../src/adapters/postgres/database.ts";
import { EVENT_TABLES } from "../../../src/data/event-tables.ts";
import type { Engine } from "./engine.ts";
import { newEvent } from "./events.ts";

/** Two users who have the same in every table, and nobody, who has got in somehow. */
export const [ALICE, BOB] = ["alice", "bob"];

interface Setting {
  readonly user?: string | null;
  readonly users?: string | null;
}

/** What came of a statement: its rows, or the code that it was refused with. */
type Outcome = readonly QueryResultRow[] | string;

const ZERO = Buffer.alloc(32);
const EVENT = `(user_id, event_id, seq, event_type, body, body_sha256, prev_hash, hash, ingested_at)`;
const VALUES = `VALUES ($1, $2, 99, 'x', 'b', $3, $3, $3, now())`;

/** Gives both users an event in every table, and what retention leaves behind. */
export async function seed(engine: Engine): Promise<void> {
  for (const userId of [ALICE, BOB]) {
    await engine
      .store()
      .append(EVENT_TABLES.map((table) => newEvent(userId, { table, eventType: "seeded" })));
    await engine.admin("INSERT INTO hub.legal_hold VALUES ($1, '{}', 'r', 'a')", [userId]);
    await engine.admin("INSERT INTO hub.erasure VALUES ($1, 'd', 'ERASED', 1, NULL, '{}', 'r', 'a')", [
      userId,
    ]);
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
  { user, users }: Setting,
  text: string,
  values: unknown[] = [],
): Promise<Outcome> {
  await client.query(`BEGIN; SET LOCAL ROLE ${role}`);
  try {
    if (user !== undefined) await client.query("SELECT set_config('app.user_id', $1, true)", [user]);
    if (users !== undefined) await client.query("SELECT set_config('app.user_ids', $1, true)", [users]);
    const { rows, rowCount, command } = await client.query(text, values);
    return command === "SELECT" ? rows : [{ count: rowCount }];
  } catch (error) {
    return String((error as { code?: string }).code);
  } finally {
    await client.query("ROLLBACK");
  }
}

const list = (...users: string[]): string =>
  JSON.stringify(Object.fromEntries(users.map((user) => [user, 1])));
const DENIED = "42501";

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
  await expect("retention sees that all are there", 3, "hub_retention", {}, all);
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

/** What does not hold of another table. */
export async function otherTableFaults(client: PoolClient, table: string): Promise<string[]> {
  const faults: string[] = [];
  const expect = async (what: string, wanted: string | number, outcome: Promise<Outcome>): Promise<void> => {
    const found = await outcome;
    const is =
      typeof found === "string"
        ? found
        : found[0] && "count" in found[0]
          ? Number(found[0].count)
          : found.length;
    if (is !== wanted) faults.push(`${table}: ${what}: ${is} instead of ${wanted}`);
  };
  const all = `SELECT FROM hub.${table}`;
  if (table === "user_head") {
    const change = "UPDATE hub.user_head SET seq = seq + 1";
    const insert = `INSERT INTO hub.user_head VALUES ('carol', 0, $1)`;
    await expect("a writer sees its users", 1, attempt(client, "hub_append", { users: list(ALICE) }, all));
    await expect(
      "a writer changes its users",
      1,
      attempt(client, "hub_append", { users: list(ALICE) }, change),
    );
    // Reads no column, so that only the policy of the change itself guards it.
    const blind = "UPDATE hub.user_head SET seq = 7";
    await expect(
      "a writer who changes all changes its users",
      1,
      attempt(client, "hub_append", { users: list(ALICE) }, blind),
    );
    await expect("a writer of '' changes nothing", 0, attempt(client, "hub_append", { users: "" }, change));
    await expect(
      "a writer adds its users",
      1,
      attempt(client, "hub_append", { users: list("carol") }, insert, [ZERO]),
    );
    await expect(
      "a writer adds no other",
      DENIED,
      attempt(client, "hub_append", { users: list(ALICE) }, insert, [ZERO]),
    );
    await expect(
      "a writer of '' adds nothing",
      DENIED,
      attempt(client, "hub_append", { users: "" }, insert, [ZERO]),
    );
    await expect(
      "a writer moves nobody",
      DENIED,
      attempt(client, "hub_append", { users: list(ALICE) }, "UPDATE hub.user_head SET user_id = 'x'"),
    );
    await expect("a reader sees its users", 1, attempt(client, "hub_read", { users: list(ALICE) }, all));
    await expect("a reader without users sees nothing", 0, attempt(client, "hub_read", { users: "" }, all));
    const names = "SELECT user_id, seq FROM hub.user_head WHERE user_id <> ''";
    await expect("a relay sees whose heads there are", 2, attempt(client, "hub_relay", {}, names));
    await expect("a relay changes none", DENIED, attempt(client, "hub_relay", {}, change));
  } else if (table === "outbox") {
    const insert = `INSERT INTO hub.outbox (shard, user_id, seq, topic, event_id, event_type, data_type, table_name, created_at)
      VALUES (0, $1, 1, 't', gen_random_uuid(), 'x', 'd', 'user_auth', now())`;
    await expect(
      "a writer adds for its users",
      1,
      attempt(client, "hub_append", { users: list(ALICE) }, insert, [ALICE]),
    );
    await expect(
      "a writer adds for no other",
      DENIED,
      attempt(client, "hub_append", { users: list(ALICE) }, insert, [BOB]),
    );
    await expect(
      "a writer of '' adds nothing",
      DENIED,
      attempt(client, "hub_append", { users: "" }, insert, [""]),
    );
    await expect("a writer sees nothing", DENIED, attempt(client, "hub_append", { users: list(ALICE) }, all));
    await expect("a reader sees nothing", DENIED, attempt(client, "hub_read", { user: ALICE }, all));
    await expect("a relay sees all", 2, attempt(client, "hub_relay", {}, all));
    await expect(
      "a relay adds for the users that it names",
      1,
      attempt(client, "hub_relay", { users: list(ALICE) }, insert, [ALICE]),
    );
    await expect(
      "a relay adds for no other",
      DENIED,
      attempt(client, "hub_relay", { users: list(ALICE) }, insert, [BOB]),
    );
    await expect(
      "a relay of '' adds nothing",
      DENIED,
      attempt(client, "hub_relay", { users: "" }, insert, [""]),
    );
    await expect("a relay takes away", 2, attempt(client, "hub_relay", {}, "DELETE FROM hub.outbox"));
  } else if (table === "outbox_backfill") {
    const insert = "INSERT INTO hub.outbox_backfill (position, events) VALUES ('then', 1)";
    await expect("a relay sees what it noted", 1, attempt(client, "hub_relay", {}, all));
    await expect("a relay notes", 1, attempt(client, "hub_relay", {}, insert));
    await expect(
      "a relay takes nothing back",
      DENIED,
      attempt(client, "hub_relay", {}, "DELETE FROM hub.outbox_backfill"),
    );
    await expect("a writer sees nothing", DENIED, attempt(client, "hub_append", { users: list(ALICE) }, all));
    await expect("a reader sees nothing", DENIED, attempt(client, "hub_read", { user: ALICE }, all));
  } else if (table === "page_token_key") {
    await expect("a reader has it", 1, attempt(client, "hub_read", {}, all));
    await expect("a writer has not", DENIED, attempt(client, "hub_append", {}, all));
  } else if (table === "prune_draft") {
    const take = "DELETE FROM hub.prune_draft";
    await expect("retention sees all", 1, attempt(client, "hub_retention", {}, all));
    await expect("retention takes away", 1, attempt(client, "hub_retention", {}, take));
    await expect("a reader sees nothing", DENIED, attempt(client, "hub_read", { user: ALICE }, all));
    await expect("a writer sees nothing", DENIED, attempt(client, "hub_append", { users: list(ALICE) }, all));
  } else {
    await expect("a reader sees its own", 1, attempt(client, "hub_read", { user: ALICE }, all));
    await expect("a reader without a user sees nothing", 0, attempt(client, "hub_read", { user: "" }, all));
    await expect(
      "a reader deletes nothing",
      DENIED,
      attempt(client, "hub_read", { user: ALICE }, `DELETE FROM hub.${table}`),
    );
    await expect("a writer sees nothing", DENIED, attempt(client, "hub_append", { users: list(ALICE) }, all));
    await expect("retention sees all", 3, attempt(client, "hub_retention", {}, all));
  }
  return faults;
}
