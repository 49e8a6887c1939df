import { randomUUID } from "node:crypto";
import { eventIdFloor } from "../../../src/data/event-id.ts";
import type { EventTable } from "../../../src/data/event-tables.ts";
import type { Engine } from "./engine.ts";

/** An id of an event that was made at a time long past, in milliseconds since 1970. */
export function eventIdAt(ms: number): string {
  return `${eventIdFloor(ms).slice(0, 14)}7${randomUUID().slice(15)}`;
}

/** Makes the partition of a month that is past, such as "2020-02", as the hub would have made it then. Returns its name. */
export async function makeMonth(engine: Engine, table: EventTable, month: string): Promise<string> {
  const from = Date.parse(`${month}-01T00:00:00Z`);
  const end = new Date(from);
  end.setUTCMonth(end.getUTCMonth() + 1);
  const partition = `${table}_${month.replace("-", "_")}`;
  await engine.admin("SET ROLE hub_owner");
  try {
    await engine.admin(`CREATE TABLE hub.${partition} (LIKE hub.${table} INCLUDING ALL)`);
    await engine.admin(`ALTER TABLE hub.${partition} ENABLE ROW LEVEL SECURITY`);
    await engine.admin(`ALTER TABLE hub.${partition} FORCE ROW LEVEL SECURITY`);
    await engine.admin(
      `ALTER TABLE hub.${table} ATTACH PARTITION hub.${partition}
        FOR VALUES FROM ('${eventIdFloor(from)}') TO ('${eventIdFloor(end.getTime())}')`,
    );
  } finally {
    await engine.admin("RESET ROLE");
  }
  return partition;
}
