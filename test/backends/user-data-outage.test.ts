import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { expect, it } from "vitest";
import { newEventId } from "../../src/data/event-id.ts";
import { failure } from "../rpc/release-hub.ts";
import { startTestHub } from "../support/hub.ts";
import { type PostgresServer, startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";

const RECOVERY_MS = 5_000;
// Lanes, everything else, and one for what removes events.
const CONNECTIONS = 4 + 8 + 1;

type UserDataClient = ReturnType<typeof userDataClient>;

function login(userId: string) {
  return { userId, eventType: "login", eventJson: "{}", eventId: newEventId() };
}

// Time until the same call succeeds, in milliseconds.
async function recovery(client: UserDataClient): Promise<number> {
  const began = performance.now();
  const event = login("recovery");
  for (;;) {
    const isSaved = await client.saveUserEvent(event).then(
      () => true,
      () => false,
    );
    const took = performance.now() - began;
    if (isSaved || took > 30_000) return took;
    await sleep(50);
  }
}

async function connectionsAt(server: PostgresServer): Promise<number> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  const { rows } = await client.query(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'central-hub'",
  );
  await client.end();
  return rows[0].n;
}

await describeWith(
  "user data while PostgreSQL",
  () => postgresProgram(),
  () => {
    const withServer = async (work: (server: PostgresServer) => Promise<void>): Promise<void> => {
      const server = await startPostgres({ own: true });
      try {
        await work(server);
      } finally {
        await server.stop();
      }
    };
    const start = async (server: PostgresServer) => {
      const hub = await startTestHub({ databaseUrl: server.url, databaseAllowBypass: true });
      return { hub, client: userDataClient(hub.url) };
    };
    const unavailable = { code: "Unavailable", reason: "DATABASE_UNAVAILABLE" };

    it("is stopped is UNAVAILABLE at once, and comes back with it, without a connection too many", () =>
      withServer(async (server) => {
        const { hub, client } = await start(server);
        await client.saveUserEvent(login("a"));
        for (let round = 0; round < 3; round++) {
          await server.kill();
          const began = performance.now();
          const told = await Promise.all([
            failure(client.saveUserEvent(login("a"))),
            failure(client.getUserData({ userId: "a", dataType: "auth" })),
            failure(first(client.watchUserData({ userId: "a" }))),
          ]);
          expect(told).toMatchObject([unavailable, unavailable, unavailable]);
          expect(performance.now() - began).toBeLessThan(9_000);
          expect(await fetch(`${hub.url}/api/config/messaging/kafka/topics`)).toMatchObject({ status: 200 });
          await server.restart();
          expect(await recovery(client)).toBeLessThan(RECOVERY_MS);
          await Promise.all(Array.from({ length: 50 }, (_, n) => client.saveUserEvent(login(`user-${n}`))));
          expect(await connectionsAt(server)).toBeLessThanOrEqual(CONNECTIONS);
        }
        await hub.stop();
        // The server may notice a moment later that a client has left.
        await expect.poll(() => connectionsAt(server)).toBe(0);
      }));

    it("hangs is UNAVAILABLE within the deadline of the call, and comes back with it", () =>
      withServer(async (server) => {
        const { client } = await start(server);
        await client.saveUserEvent(login("a"));
        server.pause();
        const began = performance.now();
        const told = await Promise.all([
          failure(client.saveUserEvent(login("a"))),
          failure(client.getUserData({ userId: "a", dataType: "auth" })),
        ]);
        expect(told).toMatchObject([unavailable, unavailable]);
        expect(performance.now() - began).toBeLessThan(10_000);
        server.resume();
        expect(await recovery(client)).toBeLessThan(RECOVERY_MS);
      }));

    it("is not there at the start of the hub is UNAVAILABLE until it is", () =>
      withServer(async (server) => {
        await server.kill();
        const { client } = await start(server);
        expect(await failure(client.saveUserEvent(login("a")))).toMatchObject(unavailable);
        await server.restart();
        expect(await recovery(client)).toBeLessThan(RECOVERY_MS);
      }));

    it("is restarted between two calls is not noticed by the second", () =>
      withServer(async (server) => {
        const { client } = await start(server);
        await client.saveUserEvent(login("a"));
        await client.getUserData({ userId: "a", dataType: "auth" });
        await server.restart();
        await client.saveUserEvent({ ...login("a"), eventId: "" });
        expect((await client.getUserData({ userId: "a", dataType: "auth" })).events).toHaveLength(2);
      }));
  },
);

async function first<Message>(messages: AsyncIterable<Message>): Promise<Message | undefined> {
  for await (const message of messages) return message;
  return undefined;
}
