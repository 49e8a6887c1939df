import { Client } from "pg";
import { expect, it } from "vitest";
import { bucketOf } from "../../src/data/buckets.ts";
import { EVENT_TABLES } from "../../src/data/event-tables.ts";
import { startTestHub } from "../support/hub.ts";
import { sharedPostgres } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { historyFaults } from "../support/user-data/history.ts";

const MOVED_TABLES = [...EVENT_TABLES, "user_head", "legal_hold", "erasure"];

async function sql(url: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

// What docs/user-data.md says, with a copy by JSON in the place of psql's COPY.
async function moveBucket(bucket: number, from: string, to: string): Promise<void> {
  for (const table of MOVED_TABLES) {
    const [row] = await sql(
      from,
      `SELECT coalesce(jsonb_agg(t), '[]') AS rows FROM hub.${table} t WHERE hub.bucket_of(user_id) = $1`,
      [bucket],
    );
    const rows = JSON.stringify(row?.rows);
    await sql(
      to,
      `INSERT INTO hub.${table} SELECT * FROM jsonb_populate_recordset(NULL::hub.${table}, $1::jsonb)`,
      [rows],
    );
  }
  for (const table of MOVED_TABLES)
    await sql(from, `DELETE FROM hub.${table} WHERE hub.bucket_of(user_id) = $1`, [bucket]);
}

await describeWith(
  "several databases",
  () => sharedPostgres(),
  (server) => {
    it("share the users by bucket, and a bucket moves with its histories", async () => {
      const [a, b] = [await server.createDatabase(), await server.createDatabase()];
      const settings = { databaseAllowBypass: true };
      const users = Array.from({ length: 20 }, (_, n) => `user-${n}`);
      const moved = users.find((user) => bucketOf(user) < 512) as string;
      const bucket = bucketOf(moved);
      const acknowledged = new Map<string, Map<string, bigint>>();
      const save = async (client: ReturnType<typeof userDataClient>): Promise<void> => {
        const events = users.flatMap((userId) =>
          ["login", "trade"].map((eventType) => ({ userId, eventType, eventJson: "{}" })),
        );
        const { results } = await client.saveUserEvents({ events });
        for (const [index, { outcome }] of results.entries()) {
          if (outcome.case !== "saved") throw new Error(`not saved: ${outcome.value?.message}`);
          const userId = events[index]?.userId ?? "";
          const own = acknowledged.get(userId) ?? new Map<string, bigint>();
          acknowledged.set(userId, own.set(outcome.value.eventId, outcome.value.sequence));
        }
      };
      const faults = async (client: ReturnType<typeof userDataClient>): Promise<string[]> =>
        (
          await Promise.all(
            users.map((user) => historyFaults(client, user, acknowledged.get(user) ?? new Map())),
          )
        ).flat();
      const usersAt = async (url: string): Promise<unknown[]> =>
        (await sql(url, 'SELECT user_id FROM hub.user_head ORDER BY user_id COLLATE "C"')).map(
          ({ user_id }) => user_id,
        );
      const where = (isHere: (bucket: number) => boolean): string[] =>
        users.filter((user) => isHere(bucketOf(user))).toSorted();

      const before = await startTestHub({
        ...settings,
        databaseShards: [`0-511 ${a.url}`, `512-1023 ${b.url}`],
      });
      await save(userDataClient(before.url));
      expect(await usersAt(a.url)).toEqual(where((each) => each < 512));
      expect(await usersAt(b.url)).toEqual(where((each) => each >= 512));
      await before.stop();

      await moveBucket(bucket, a.url, b.url);
      const databaseShards = [`${bucket}-${bucket} ${b.url}`, `512-1023 ${b.url}`];
      if (bucket > 0) databaseShards.push(`0-${bucket - 1} ${a.url}`);
      if (bucket < 511) databaseShards.push(`${bucket + 1}-511 ${a.url}`);
      const after = await startTestHub({ ...settings, databaseShards });
      const client = userDataClient(after.url);
      await save(client);
      expect(await faults(client)).toEqual([]);
      expect(await usersAt(a.url)).toEqual(where((each) => each < 512 && each !== bucket));
      expect(acknowledged.get(moved)?.size).toBe(4);
      await after.stop();
      await Promise.all([a.drop(), b.drop()]);
    });
  },
);
