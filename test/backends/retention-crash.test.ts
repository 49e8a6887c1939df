import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../support/hub.ts";
import { startProcess } from "../support/process.ts";
import { sharedPostgres } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { type Engine, postgresEngine } from "../support/user-data/engine.ts";
import { newEvent } from "../support/user-data/events.ts";
import { eventIdAt, makeMonth } from "../support/user-data/old-months.ts";

const MONTHS = 6;
const USERS = 40;
const EVENTS_PER_MONTH = 2_000;
const HELD = "c0";
const MAX_ROUNDS = 12;

/** One key for all the hubs, as several of one database need it. */
function pem(): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

interface MonthState {
  readonly partition: string;
  readonly left: number;
  readonly recorded: number;
  readonly both: number;
}

/** Of each month, the events that are there, those with a record, and those that are both. */
async function states(engine: Engine, partitions: readonly string[]): Promise<readonly MonthState[]> {
  const rows = await engine.admin<MonthState & { partition: string }>(
    `WITH gone AS (SELECT user_id, unnest(seqs) AS seq FROM hub.pruned),
        told AS (SELECT o.partition, o.user_id, o.seq, g.seq IS NOT NULL AS recorded, e.seq IS NOT NULL AS there
          FROM public.original o LEFT JOIN gone g USING (user_id, seq) LEFT JOIN hub.user_auth e USING (user_id, seq))
      SELECT partition, count(*) FILTER (WHERE there)::int AS left, count(*) FILTER (WHERE recorded)::int AS recorded,
        count(*) FILTER (WHERE recorded AND there)::int AS both
      FROM told GROUP BY partition ORDER BY partition`,
  );
  expect(rows).toHaveLength(partitions.length);
  return rows;
}

await describeWith("a hub that is killed while it removes months", sharedPostgres, (server) => {
  it("has removed each of them wholly, with its records, or not at all", { timeout: 300_000 }, async () => {
    const engine = await postgresEngine(await server.createDatabase());
    const store = engine.store();
    const users = Array.from({ length: USERS }, (_, n) => `c${n}`);
    const partitions: string[] = [];
    for (let month = 1; month <= MONTHS; month++) {
      const name = `2020-0${month}`;
      partitions.push(await makeMonth(engine, "user_auth", name));
      const from = Date.parse(`${name}-02T00:00:00Z`);
      const events = Array.from({ length: EVENTS_PER_MONTH }, (_, n) =>
        newEvent(users[n % USERS] ?? "", {
          ...{ table: "user_auth", dataType: "auth", eventType: "login", eventId: eventIdAt(from + n) },
        }),
      );
      for (let at = 0; at < events.length; at += 500) await store.append(events.slice(at, at + 500));
    }
    await store.setHold({ userId: HELD, dataTypes: [], reason: "r", author: "a" });
    await engine.admin(
      "CREATE TABLE public.original AS SELECT tableoid::regclass::text AS partition, user_id, seq FROM hub.user_auth",
    );
    const key = join(await temporaryDirectory({ "key.pem": pem() }), "key.pem");
    const held = EVENTS_PER_MONTH / USERS;
    const start = async () => {
      const { databaseUrl = "", databaseAdminUrl = "" } = engine.settings;
      const hub = startProcess(["serve", "--port", "0"], {
        HUB_LOG_LEVEL: "error",
        ...{ DATABASE_URL: databaseUrl, DATABASE_ADMIN_URL: databaseAdminUrl },
        DATABASE_SIGNING_KEY: key,
      });
      const [, url = ""] = await hub.waitFor(/serves at (http:\/\/\S+)/);
      return { hub, url };
    };
    const isDone = (all: readonly MonthState[]): boolean => all.every(({ left }) => left === held);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { hub } = await start();
      await sleep(Math.random() * 100 * (round + 1));
      hub.process.kill("SIGKILL");
      await hub.exited;
      const all = await states(engine, partitions);
      for (const { partition, left, recorded, both } of all) {
        const isWhole = left === EVENTS_PER_MONTH && recorded === 0;
        const isGone = left === held && recorded === EVENTS_PER_MONTH - held;
        expect({ partition, left, recorded, both, fits: isWhole || isGone }).toMatchObject({
          both: 0,
          fits: true,
        });
      }
      if (isDone(all)) break;
    }
    const { hub, url } = await start();
    await expect.poll(async () => isDone(await states(engine, partitions)), { timeout: 60_000 }).toBe(true);
    const client = userDataClient(url);
    for (const userId of users) {
      const verified = await client.verifyUserHistory({ userId });
      expect(verified).toMatchObject({
        intact: true,
        prunedEvents: userId === HELD ? 0n : BigInt(MONTHS * held),
      });
    }
    hub.process.kill("SIGTERM");
    await hub.exited;
    await engine.close();
  });
});
