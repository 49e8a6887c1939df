import { Client } from "pg";
import { expect, it } from "vitest";
import { ErasureAction } from "../../gen/centralhub/userdata/v1/userdata_pb.ts";
import { bucketOf } from "../../src/data/buckets.ts";
import { EVENT_TABLES } from "../../src/data/event-tables.ts";
import { failure } from "../rpc/release-hub.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { sharedPostgres } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { historyFaults } from "../support/user-data/history.ts";

/** The tables that have rows of a bucket, and what is copied of each. */
const MOVED = new Map([
  ...[...EVENT_TABLES, "user_head", "legal_hold", "erasure"].map((table) => [table, "*"] as const),
  ["pruned", "user_id, data_type, seqs, hashes, newest_seq, reason, pruned_at, key_id, signature"] as const,
]);

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
  for (const [table, columns] of MOVED) {
    const [row] = await sql(
      from,
      `SELECT coalesce(jsonb_agg(t), '[]') AS rows FROM hub.${table} t WHERE hub.bucket_of(user_id) = $1`,
      [bucket],
    );
    await sql(
      to,
      `INSERT INTO hub.${table} ${columns === "*" ? "" : `(${columns})`}
        SELECT ${columns} FROM jsonb_populate_recordset(NULL::hub.${table}, $1::jsonb)`,
      [JSON.stringify(row?.rows)],
    );
  }
  for (const [table] of MOVED)
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

    it("erase each user where that one is, and what an erasure has left moves as well", async () => {
      const [a, b] = [await server.createDatabase(), await server.createDatabase()];
      // The key that records are signed with stays the same.
      const settings = { databaseAllowBypass: true, dataDir: await temporaryDirectory() };
      const all = Array.from({ length: 20 }, (_, n) => `user-${n}`);
      const isInA = (userId: string): boolean => bucketOf(userId) < 512;
      const pick = (isIt: (userId: string) => boolean): string => all.find(isIt) as string;
      const moved = pick(isInA);
      const gone = [moved, pick((userId) => !isInA(userId))];
      const stays = all.filter((userId) => !gone.includes(userId));
      const hub = await startTestHub({
        ...settings,
        databaseShards: [`0-511 ${a.url}`, `512-1023 ${b.url}`],
      });
      const client = userDataClient(hub.url);
      // What no floor keeps, and what one does.
      const events = all.flatMap((userId) =>
        ["login", "trade_executed"].map((eventType) => ({ userId, eventType, eventJson: "{}" })),
      );
      await client.saveUserEvents({ events });
      for (const userId of gone) {
        const { outcomes } = await client.eraseUser({ userId, reason: "r" });
        expect(outcomes.map(({ dataType, action }) => [dataType, action])).toEqual([
          ["auth", ErasureAction.ERASED],
          ["trades", ErasureAction.RESTRICTED],
        ]);
      }
      const erasedAt = async (url: string): Promise<unknown[]> =>
        (await sql(url, "SELECT DISTINCT user_id FROM hub.erasure")).map(({ user_id }) => user_id);
      expect([await erasedAt(a.url), await erasedAt(b.url)]).toEqual([[gone[0]], [gone[1]]]);
      for (const userId of stays) {
        expect(await client.verifyUserHistory({ userId })).toMatchObject({ intact: true, events: 2n });
      }
      await hub.stop();

      const bucket = bucketOf(moved);
      await moveBucket(bucket, a.url, b.url);
      const after = await startTestHub({ ...settings, databaseShards: [`0-1023 ${b.url}`] });
      const there = userDataClient(after.url);
      const again = { userId: moved, eventType: "login", eventJson: "{}" };
      expect(await failure(there.saveUserEvent(again))).toMatchObject({ reason: "USER_ERASED" });
      expect(await there.verifyUserHistory({ userId: moved })).toMatchObject({
        ...{ intact: true, events: 1n, prunedEvents: 1n },
      });
      expect((await there.getUserData({ userId: moved, dataType: "trades" })).events).toEqual([]);
      await after.stop();
      await Promise.all([a.drop(), b.drop()]);
    });
  },
);
