import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../support/hub.ts";
import { startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { readRecords } from "../support/user-data/kafka-records.ts";
import { Load } from "../support/user-data/load.ts";
import { expectAllInOrder, LOAD_TOPICS, startOutboxHub } from "../support/user-data/outbox-hub.ts";

const ROUNDS = process.env.LONG ? 20 : 3;

await describeWith(
  "a hub with its embedded database and a Kafka",
  () => kafkaProgram("4"),
  () => {
    const name = `loses nothing that it has acknowledged, killed ${ROUNDS} times`;
    it(name, { timeout: 180_000 + ROUNDS * 30_000 }, async () => {
      const kafka = await startKafka({ own: true });
      try {
        for (const topic of LOAD_TOPICS) {
          await kafka.tool("topics", ["--create", "--topic", topic, "--partitions", "3"]);
        }
        const dataDir = await temporaryDirectory();
        const start = () => startOutboxHub({ HUB_DATA_DIR: dataDir, KAFKA_BROKERS: kafka.bootstrap });
        const load = new Load(8);
        let hub = await start();
        for (let round = 0; round < ROUNDS; round++) {
          const running = load.run(hub.client, 8);
          await sleep(400 + Math.random() * 600);
          const dies = hub.kill();
          load.stop();
          await Promise.all([running, dies]);
          hub = await start();
          await load.settle(hub.client);
        }
        // What was sent and not stored before a kill has been saved again, so all that there is was acknowledged.
        const stored = new Map(
          [...load.acknowledged].map(([userId, own]) => [userId, Math.max(...[...own.values()].map(Number))]),
        );
        for (const [userId, own] of load.acknowledged) expect(own.size).toBe(stored.get(userId));
        expect(load.contradictions).toEqual([]);
        // The count is some seconds old.
        await expect.poll(() => hub.metric("hub_outbox_rows"), { timeout: 60_000 }).toBe(0);
        const read = () => readRecords(kafka.bootstrap, LOAD_TOPICS);
        const total = [...stored.values()].reduce((sum, events) => sum + events, 0);
        const arrived = async () => new Set((await read()).map(({ headers }) => headers.ce_id)).size;
        await expect.poll(arrived, { timeout: 30_000, interval: 1_000 }).toBe(total);
        expectAllInOrder(await read(), stored, ROUNDS);
        await hub.stop();
      } finally {
        await kafka.stop();
      }
    });
  },
);
