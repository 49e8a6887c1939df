import { Client } from "pg";
import { expect, it } from "vitest";
import { ShardLocks } from "../../src/adapters/postgres/shard-locks.ts";
import { RELAY_SHARDS } from "../../src/data/buckets.ts";
import { newEventId } from "../../src/data/event-id.ts";
import { startTestHub } from "../support/hub.ts";
import { type PgbouncerProgram, pgbouncerProgram, startPgbouncer } from "../support/servers/pgbouncer.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { historyFaults } from "../support/user-data/history.ts";

const USERS = 20;
const EVENTS = 400;

const find = async () => {
  await postgresProgram();
  return await pgbouncerProgram();
};

// A server of its own, directly and through a PgBouncer with so many sessions.
async function behind(
  program: PgbouncerProgram,
  mode: string,
  sessions: number,
  work: (direct: string, through: string) => Promise<void>,
): Promise<void> {
  const server = await startPostgres({ own: true, fsync: false });
  const pgbouncer = await startPgbouncer(program, server.url, {
    pool_mode: mode,
    default_pool_size: `${sessions}`,
  });
  try {
    await work(server.url, pgbouncer.through(server.url));
  } finally {
    await pgbouncer.stop();
    await server.stop();
  }
}

await describeWith("behind PgBouncer", find, (program) => {
  const modes = it.each(["transaction", "session"]);

  modes("in %s mode user data is saved and read, each user's own", (mode) =>
    behind(program, mode, 16, async (direct, through) => {
      const { url } = await startTestHub({
        databaseUrl: through,
        databaseAdminUrl: direct,
        databaseAllowBypass: true,
      });
      const client = userDataClient(url);
      const acknowledged = new Map<string, Map<string, bigint>>();
      const read = async (userId: string): Promise<void> => {
        const { events } = await client.getUserData({ userId, dataType: "trades", pageSize: 5 });
        expect(events.every((event) => event.userId === userId)).toBe(true);
      };
      await Promise.all(
        Array.from({ length: EVENTS }, async (_, n) => {
          const userId = `user-${n % USERS}`;
          const eventId = newEventId();
          const { sequence } = await client.saveUserEvent({
            userId,
            eventType: "trade_executed",
            eventId,
            eventJson: `{"n":${n}}`,
          });
          const own = acknowledged.get(userId) ?? new Map<string, bigint>();
          acknowledged.set(userId, own.set(eventId, sequence));
          await read(userId);
        }),
      );
      const faults: string[] = [];
      for (const [userId, own] of acknowledged) faults.push(...(await historyFaults(client, userId, own)));
      expect(faults).toEqual([]);
      expect(await sessionsWithLeftovers(direct)).toBe(0);
    }),
  );

  modes("in %s mode the relay's locks are refused once another session has them", (mode) =>
    behind(program, mode, 4, async (_, through) => {
      const locks = new ShardLocks(through);
      const other = new Client({ connectionString: through });
      try {
        expect((await locks.claim()).size).toBe(RELAY_SHARDS);
        await other.connect();
        // The session that comes free last is given out first.
        await other.query("BEGIN");
        await other.query("SELECT 1");
        const again = locks.claim();
        if (mode === "session") expect((await again).size).toBe(RELAY_SHARDS);
        else
          await expect(again).rejects.toMatchObject({
            ...{ reason: "DATABASE_UNFIT", message: expect.stringContaining("a pooler in transaction mode") },
          });
      } finally {
        locks.close();
        await other.end();
      }
    }),
  );
});

// No session of the server is left in a transaction.
async function sessionsWithLeftovers(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
  );
  await client.end();
  return rows[0].n;
}
