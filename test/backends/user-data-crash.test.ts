import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { expect, it } from "vitest";
import { startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { historyFaults } from "../support/user-data/history.ts";
import { type KillableHub, startKillableHub } from "../support/user-data/killable-hub.ts";
import { Load } from "../support/user-data/load.ts";

const ROUNDS = 20;
const EMBEDDED_ROUNDS = 5;
const WRITERS = 12;

// The first call after a start or an outage may find the database still coming up.
async function ready(hub: KillableHub, load: Load): Promise<void> {
  for (const end = performance.now() + 60_000; ; ) {
    try {
      await load.settle(hub.client);
      await hub.client.saveUserEvent({ userId: "ready", eventType: "login", eventJson: "{}" });
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(100);
    }
  }
}

async function allFaults(hub: KillableHub, load: Load): Promise<string[]> {
  const faults = [...load.contradictions];
  for (const userId of load.users) {
    faults.push(...(await historyFaults(hub.client, userId, load.acknowledged.get(userId) ?? new Map())));
  }
  return faults;
}

// Each event has one row, and for each user the order of the rows is that of the sequences.
async function outboxFaults(url: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(
    `SELECT (SELECT sum(seq) FROM hub.user_head) - (SELECT count(*) FROM hub.outbox) AS missing,
      (SELECT count(*) FROM (
        SELECT seq, lag(seq, 1, 0) OVER (PARTITION BY user_id ORDER BY id) AS before FROM hub.outbox
      ) AS rows WHERE seq <> before + 1) AS misplaced`,
  );
  await client.end();
  return rows[0];
}

const acknowledgedBy = (load: Load): number =>
  [...load.acknowledged.values()].reduce((sum, { size }) => sum + size, 0);

await describeWith(
  "what was acknowledged",
  () => postgresProgram(),
  () => {
    it(`is stored once, in order and unbroken, after ${ROUNDS} kills of the hub, of PostgreSQL, or of both`, {
      timeout: 600_000,
    }, async () => {
      const server = await startPostgres({ own: true, settings: { synchronous_commit: "on" } });
      const env = { DATABASE_URL: server.url, DATABASE_ALLOW_BYPASS: "true", DATABASE_OUTBOX: "true" };
      const load = new Load(8);
      try {
        let hub = await startKillableHub(env);
        await ready(hub, load);
        for (let round = 0; round < ROUNDS; round++) {
          const running = load.run(hub.client, WRITERS);
          await sleep(150 + Math.random() * 600);
          const [isHubKilled, isServerKilled] = [round % 3 !== 1, round % 3 !== 0];
          await Promise.all([
            isHubKilled ? hub.kill() : undefined,
            isServerKilled ? server.kill() : undefined,
          ]);
          load.stop();
          await running;
          if (isServerKilled) await server.restart();
          if (isHubKilled) hub = await startKillableHub(env);
          await ready(hub, load);
          expect([round, await allFaults(hub, load)]).toEqual([round, []]);
        }
        expect(await outboxFaults(server.url)).toEqual({ missing: "0", misplaced: "0" });
        expect(load.open.size).toBe(0);
        expect(acknowledgedBy(load)).toBeGreaterThan(ROUNDS * WRITERS);
        await hub.kill();
      } finally {
        await server.stop();
      }
    });
  },
);

it(`is stored once, in order and unbroken, after ${EMBEDDED_ROUNDS} kills of a hub with its embedded database`, {
  timeout: 600_000,
}, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "central-hub-crash-"));
  const load = new Load(8);
  try {
    for (let round = 0; round <= EMBEDDED_ROUNDS; round++) {
      const hub = await startKillableHub({ HUB_DATA_DIR: dataDir });
      await ready(hub, load);
      expect([round, await allFaults(hub, load)]).toEqual([round, []]);
      const running = load.run(hub.client, WRITERS);
      await sleep(300 + Math.random() * 600);
      await hub.kill();
      load.stop();
      await running;
    }
    expect(acknowledgedBy(load)).toBeGreaterThan(EMBEDDED_ROUNDS * WRITERS);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});
