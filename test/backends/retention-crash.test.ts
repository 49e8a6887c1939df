import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../support/hub.ts";
import { startProcess } from "../support/process.ts";
import { sharedPostgres } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { type Engine, openPglite, postgresEngine } from "../support/user-data/engine.ts";
import { newEvent } from "../support/user-data/events.ts";
import { eventIdAt, makeMonth } from "../support/user-data/old-months.ts";

const MONTHS = 6;
const USERS = 40;
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

/** A database that is there however often the hub that uses it ends. */
interface World {
  readonly env: Readonly<Record<string, string>>;
  /** Looks into it while no hub runs. */
  look<Result>(work: (engine: Engine) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

async function onServer(engine: Engine): Promise<World> {
  const { databaseUrl = "", databaseAdminUrl = "" } = engine.settings;
  return {
    env: { DATABASE_URL: databaseUrl, DATABASE_ADMIN_URL: databaseAdminUrl },
    look: (work) => work(engine),
    close: () => engine.close(),
  };
}

async function embedded(): Promise<World> {
  const dataDir = await temporaryDirectory();
  return {
    env: { HUB_DATA_DIR: dataDir },
    look: async (work) => {
      const engine = await openPglite({}, dataDir);
      await engine.store().open();
      try {
        return await work(engine);
      } finally {
        await engine.close();
      }
    },
    close: async () => {},
  };
}

const name = "has removed each of them wholly, with its records, or not at all";

async function expectWholeMonths(world: World, events: number): Promise<void> {
  const users = Array.from({ length: USERS }, (_, n) => `c${n}`);
  const partitions = await world.look(async (engine) => {
    const store = engine.store();
    const made: string[] = [];
    for (let month = 1; month <= MONTHS; month++) {
      const of = `2020-0${month}`;
      made.push(await makeMonth(engine, "user_auth", of));
      const from = Date.parse(`${of}-02T00:00:00Z`);
      const all = Array.from({ length: events }, (_, n) =>
        newEvent(users[n % USERS] ?? "", {
          ...{ table: "user_auth", dataType: "auth", eventType: "login", eventId: eventIdAt(from + n) },
        }),
      );
      for (let at = 0; at < all.length; at += 500) await store.append(all.slice(at, at + 500));
    }
    await store.setHold({ userId: HELD, dataTypes: [], reason: "r", author: "a" });
    await engine.admin(
      "CREATE TABLE public.original AS SELECT tableoid::regclass::text AS partition, user_id, seq FROM hub.user_auth",
    );
    return made;
  });
  const key = join(await temporaryDirectory({ "key.pem": pem() }), "key.pem");
  const held = events / USERS;
  const start = async () => {
    const hub = startProcess(["serve", "--port", "0"], {
      HUB_LOG_LEVEL: "error",
      ...world.env,
      DATABASE_SIGNING_KEY: key,
    });
    const [, url = ""] = await hub.waitFor(/serves at (http:\/\/\S+)/);
    const client = userDataClient(url);
    // The embedded database is opened by its first call, and looked through then.
    await client.getUserData({ userId: HELD, dataType: "auth" });
    return { hub, url, client };
  };
  const isDone = (all: readonly MonthState[]): boolean => all.every(({ left }) => left === held);
  let broken = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { hub } = await start();
    await sleep(Math.random() * 100 * round);
    hub.process.kill("SIGKILL");
    await hub.exited;
    const all = await world.look((engine) => states(engine, partitions));
    for (const { partition, left, recorded, both } of all) {
      const isWhole = left === events && recorded === 0;
      const isGone = left === held && recorded === events - held;
      expect({ partition, left, recorded, both, fits: isWhole || isGone }).toMatchObject({
        both: 0,
        fits: true,
      });
    }
    if (isDone(all)) break;
    broken++;
  }
  // Some were killed before all was done.
  expect(broken).toBeGreaterThan(0);
  const { hub, url, client } = await start();
  const metrics = async (): Promise<string> => await (await fetch(`${url}/metrics`)).text();
  await expect
    .poll(metrics, { timeout: 120_000, interval: 200 })
    .toMatch(/^hub_retention_last_done_timestamp_seconds [1-9]/m);
  for (const userId of users) {
    const verified = await client.verifyUserHistory({ userId });
    expect(verified).toMatchObject({
      intact: true,
      prunedEvents: userId === HELD ? 0n : BigInt(MONTHS * held),
    });
  }
  hub.process.kill("SIGTERM");
  await hub.exited;
  expect(isDone(await world.look((engine) => states(engine, partitions)))).toBe(true);
  await world.close();
}

await describeWith("a hub that is killed while it removes months", sharedPostgres, (server) => {
  it(name, { timeout: 300_000 }, async () => {
    await expectWholeMonths(await onServer(await postgresEngine(await server.createDatabase())), 2_000);
  });
});

describe("a hub that is killed while it removes months, with its embedded database", () => {
  it(name, { timeout: 300_000 }, async () => {
    await expectWholeMonths(await embedded(), 400);
  });
});
