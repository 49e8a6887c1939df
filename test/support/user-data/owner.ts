import { EVENT_TABLES } from "../../../src/data/event-tables.ts";
import type { Engine } from "./engine.ts";

/** What the owner sees, and may change, while hub.prune_partition runs; else nothing. */
const OWNERS: Readonly<Record<string, { readonly seen: number; readonly change?: string }>> = {
  ...Object.fromEntries(EVENT_TABLES.map((table) => [table, { seen: 4 }])),
  legal_hold: { seen: 3 },
  prune_draft: { seen: 1, change: "DELETE FROM hub.prune_draft" },
  pruned: {
    seen: 0,
    change: `INSERT INTO hub.pruned
        (user_id, data_type, seqs, hashes, newest_seq, reason, pruned_at, key_id, signature)
      VALUES ('carol', 'd', '{1}', '{x}', 1, 'retention', now(), 'k', 's')`,
  },
};

/** What does not hold of the tables' owner: it sees and changes rows as hub.prune_partition alone. */
export async function ownerFaults(engine: Engine, table: string): Promise<string[]> {
  const faults: string[] = [];
  const { seen, change } = OWNERS[table] ?? { seen: 0 };
  const count = async (): Promise<number> => {
    const [row] = await engine.admin<{ n: number }>(`SELECT count(*)::int AS n FROM hub.${table}`);
    return row?.n ?? 0;
  };
  for (const pruning of ["", "on"]) {
    const what = pruning ? "the owner, when it takes a month away," : "the owner";
    await engine.admin("BEGIN");
    try {
      const before = await count();
      await engine.admin("SET LOCAL ROLE hub_owner");
      await engine.admin("SELECT set_config('app.pruning', $1, true)", [pruning]);
      const found = await count();
      if (found !== (pruning ? seen : 0)) faults.push(`${table}: ${what} sees ${found}`);
      if (!change) continue;
      const isDone = await engine.admin(change).then(
        () => true,
        () => false,
      );
      if (isDone) await engine.admin("RESET ROLE");
      const isChanged = isDone && (await count()) !== before;
      if (isChanged !== (pruning === "on")) faults.push(`${table}: ${what} changes it: ${isChanged}`);
    } finally {
      await engine.admin("ROLLBACK");
    }
  }
  return faults;
}
