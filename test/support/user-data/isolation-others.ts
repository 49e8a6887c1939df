import type { PoolClient } from "pg";
import { ALICE, attempt, BOB, DENIED, ERIN, list, type Outcome, ZERO } from "./isolation.ts";

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
    await expect("a relay sees whose heads there are", 3, attempt(client, "hub_relay", {}, names));
    await expect("a relay changes none", DENIED, attempt(client, "hub_relay", {}, change));
    const erase = "UPDATE hub.user_head SET erased_at = now()";
    const born = `INSERT INTO hub.user_head VALUES ('carol', 0, $1, now())`;
    await expect("retention erases its user", 1, attempt(client, "hub_retention", { user: ALICE }, erase));
    await expect("retention of '' erases nobody", 0, attempt(client, "hub_retention", { user: "" }, erase));
    await expect("retention sees its user", 1, attempt(client, "hub_retention", { user: ALICE }, all));
    await expect("retention of '' sees nobody", 0, attempt(client, "hub_retention", { user: "" }, all));
    await expect(
      "retention adds its user",
      1,
      attempt(client, "hub_retention", { user: "carol" }, born, [ZERO]),
    );
    await expect(
      "retention of '' adds nobody",
      DENIED,
      attempt(client, "hub_retention", { user: "" }, born.replace("carol", ""), [ZERO]),
    );
    await expect(
      "retention adds no other",
      DENIED,
      attempt(client, "hub_retention", { user: ALICE }, born, [ZERO]),
    );
    await expect(
      "retention moves no head",
      DENIED,
      attempt(client, "hub_retention", { user: ALICE }, change),
    );
    await expect(
      "a writer takes no erasure back",
      DENIED,
      attempt(client, "hub_append", { users: list(ALICE) }, "UPDATE hub.user_head SET erased_at = NULL"),
    );
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
    await expect("a relay sees all", 3, attempt(client, "hub_relay", {}, all));
    const whose = { user: ALICE };
    await expect("retention sees its user's", 1, attempt(client, "hub_retention", whose, all));
    await expect("retention of '' sees nothing", 0, attempt(client, "hub_retention", { user: "" }, all));
    await expect("retention adds its user's", 1, attempt(client, "hub_retention", whose, insert, [ALICE]));
    await expect("retention adds no other's", DENIED, attempt(client, "hub_retention", whose, insert, [BOB]));
    await expect(
      "retention of '' adds nothing",
      DENIED,
      attempt(client, "hub_retention", { user: "" }, insert, [""]),
    );
    const takeAway = "DELETE FROM hub.outbox";
    await expect("retention takes its user's", 1, attempt(client, "hub_retention", whose, takeAway));
    await expect(
      "retention of '' takes nothing",
      0,
      attempt(client, "hub_retention", { user: "" }, takeAway),
    );
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
    await expect("a relay takes away", 3, attempt(client, "hub_relay", {}, takeAway));
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
    const own = table === "erasure" ? ERIN : ALICE;
    await expect("a reader sees its own", 1, attempt(client, "hub_read", { user: own }, all));
    await expect("a reader without a user sees nothing", 0, attempt(client, "hub_read", { user: "" }, all));
    await expect(
      "a reader deletes nothing",
      DENIED,
      attempt(client, "hub_read", { user: own }, `DELETE FROM hub.${table}`),
    );
    await expect("a writer sees nothing", DENIED, attempt(client, "hub_append", { users: list(ALICE) }, all));
    await expect("retention sees all", 3, attempt(client, "hub_retention", {}, all));
  }
  return faults;
}
