import { expect, it } from "vitest";
import { PostgresUserEventStore } from "../../src/adapters/postgres/user-event-store.ts";
import { MIGRATIONS_DIR } from "../../src/settings/settings.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { failure } from "../rpc/release-hub.ts";
import { startTestHub } from "../support/hub.ts";
import { sharedPostgres } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { postgresEngine } from "../support/user-data/engine.ts";

const EVENT = { userId: "u", eventType: "login", eventJson: "{}" };

await describeWith(
  "a login at PostgreSQL",
  () => sharedPostgres(),
  (server) => {
    it("that could bypass row security gets no user data, and keeps nobody from the configuration", async () => {
      const database = await server.createDatabase();
      const hub = await startTestHub({ databaseUrl: database.url, databaseAdminUrl: database.url });
      const refused = await failure(userDataClient(hub.url).saveUserEvent(EVENT));
      expect(refused).toMatchObject({ code: "FailedPrecondition", reason: "DATABASE_UNFIT" });
      expect(refused.message).toContain("bypasses row security");
      expect(refused.message).toContain("CREATE ROLE hub LOGIN");
      expect(await fetch(`${hub.url}/api/config/messaging/kafka/topics`)).toMatchObject({ status: 200 });
      await hub.stop();
      await database.drop();
    });

    it("that could is taken where that is asked for, and still takes another role in every transaction", async () => {
      const database = await server.createDatabase();
      const hub = await startTestHub({ databaseUrl: database.url, databaseAllowBypass: true });
      const client = userDataClient(hub.url);
      await client.saveUserEvent(EVENT);
      expect((await client.getUserData({ userId: "u", dataType: "auth" })).events).toHaveLength(1);
      expect((await client.getUserData({ userId: "v", dataType: "auth" })).events).toEqual([]);
      await hub.stop();
      await database.drop();
    });

    it("that may not migrate is told what is missing", async () => {
      const engine = await postgresEngine(await server.createDatabase());
      await engine.admin("DELETE FROM hub_migrations.applied");
      const store = new PostgresUserEventStore({
        place: { ...engine.place, adminUrl: "" } as typeof engine.place,
        migrations: MIGRATIONS_DIR,
        lanes: 1,
        connections: 1,
        monthsAhead: 3,
        hasOutbox: false,
        bounds: { events: 50_000, eventsPerUser: 5_000 },
        logger: silentLogger,
      });
      const error = await store.open().catch((thrown) => thrown);
      expect(error).toMatchObject({ reason: "DATABASE_UNFIT" });
      expect(error.message).toContain("migrations have not been applied: 0001_user_data");
      expect(store.status).toMatchObject({ state: "unfit", facts: { storage: "postgresql" } });
      await store.close();
      await engine.close();
    });

    it("is the same for several hubs that start at once on an empty database", async () => {
      const database = await server.createDatabase();
      const settings = { databaseUrl: database.url, databaseAllowBypass: true };
      const hubs = await Promise.all([1, 2, 3].map(() => startTestHub(settings)));
      const saved = await Promise.all(hubs.map(({ url }) => userDataClient(url).saveUserEvent(EVENT)));
      expect(saved.map(({ sequence }) => sequence).sort()).toEqual([1n, 2n, 3n]);
      const [first, second] = hubs.map(({ url }) => userDataClient(url));
      const query = { userId: "u", dataType: "auth", pageSize: 2 };
      const page = await first?.getUserData(query);
      // Any hub goes on where another has stopped.
      const rest = await second?.getUserData({ ...query, pageToken: page?.nextPageToken ?? "" });
      expect([page?.events.length, rest?.events.length]).toEqual([2, 1]);
      // What one hub stores is heard of by whoever follows at another.
      const heard: bigint[] = [];
      const stop = new AbortController();
      const following = (async () => {
        for await (const { events } of second?.watchUserData({ userId: "u" }, { signal: stop.signal }) ??
          []) {
          heard.push(...events.map(({ sequence }) => sequence));
        }
      })().catch(() => {});
      await expect
        .poll(
          async () => {
            await first?.saveUserEvent(EVENT);
            return heard.length;
          },
          { timeout: 10_000, interval: 200 },
        )
        .toBeGreaterThan(1);
      stop.abort();
      await following;
      expect(heard).toEqual(heard.map((_, index) => (heard[0] ?? 0n) + BigInt(index)));
      for (const hub of hubs) await hub.stop();
      await database.drop();
    });
  },
);
