import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { ErasureAction } from "../../gen/centralhub/userdata/v1/userdata_pb.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { startKillableHub } from "../support/user-data/killable-hub.ts";

const ROUNDS = 6;
const STATUSES = 5_000;

await describeWith(
  "an erasure",
  () => postgresProgram(),
  () => {
    it(`hides all or nothing when hub or PostgreSQL are killed in its middle, ${ROUNDS} times, and is done by the next call`, {
      timeout: 600_000,
    }, async () => {
      const server = await startPostgres({ own: true });
      const env = {
        DATABASE_URL: server.url,
        DATABASE_ALLOW_BYPASS: "true",
        HUB_DATA_DIR: await temporaryDirectory(),
      };
      let hub = await startKillableHub(env);
      try {
        for (let round = 0; round < ROUNDS; round++) {
          const userId = `erased-${round}`;
          for (let sent = 0; sent < STATUSES; sent += 1000) {
            const events = Array.from({ length: 1000 }, () => ({
              ...{ userId, eventType: "mt5_status", eventJson: "{}" },
            }));
            await hub.client.saveUserEvents({ events });
          }
          await hub.client.saveUserEvent({ userId, eventType: "trade", eventJson: "{}" });
          const erasing = hub.client.eraseUser({ userId, reason: "r" }).catch(() => undefined);
          await sleep(20 + Math.random() * 300);
          if (round % 3 === 2) await Promise.all([hub.kill(), server.kill()]);
          else await hub.kill();
          const wasAcknowledged = (await erasing) !== undefined;
          if (round % 3 === 2) await server.restart();
          hub = await startKillableHub(env);
          const { client } = hub;
          await expect
            .poll(() => client.verifyUserHistory({ userId }).catch(String), { timeout: 60_000 })
            .toMatchObject({ intact: true, newestSequence: BigInt(STATUSES + 1) });
          const seen =
            (await client.getUserData({ userId, dataType: "mt5_status", pageSize: 1 })).events.length +
            (await client.getUserData({ userId, dataType: "trades" })).events.length;
          const dry = await client.eraseUser({ userId, reason: "r", dryRun: true });
          const { outcomes } = await client.eraseUser({ userId, reason: "r" });
          expect([round, seen === 0 || (seen === 2 && !wasAcknowledged)]).toEqual([round, true]);
          expect(outcomes).toMatchObject([
            { dataType: "mt5_status", action: ErasureAction.ERASED, events: BigInt(STATUSES) },
            { dataType: "trades", action: ErasureAction.RESTRICTED, events: 1n },
          ]);
          expect(dry.outcomes).toEqual(outcomes);
          expect(await client.verifyUserHistory({ userId })).toMatchObject({
            ...{ intact: true, events: 1n, prunedEvents: BigInt(STATUSES) },
          });
        }
      } finally {
        await hub.kill();
        await server.stop();
      }
    });
  },
);
