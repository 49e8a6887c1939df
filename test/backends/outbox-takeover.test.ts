import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { expect, it } from "vitest";
import { startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { readRecords } from "../support/user-data/kafka-records.ts";
import { Load } from "../support/user-data/load.ts";
import { expectAllInOrder, LOAD_TOPICS, startOutboxHub } from "../support/user-data/outbox-hub.ts";

const ROUNDS = process.env.LONG ? 12 : 3;
/** A session ends with its process, and shards are asked for every second; the rest is for a busy machine. */
const TAKEOVER_MS = 10_000;

await describeWith(
  "two hubs that send one outbox",
  () => Promise.all([kafkaProgram("4"), postgresProgram()]),
  () => {
    const name = `go on for each other when the one that sends is killed, ${ROUNDS} times`;
    it(name, { timeout: 180_000 + ROUNDS * 30_000 }, async () => {
      const [kafka, postgres] = await Promise.all([startKafka({ own: true }), startPostgres({ own: true })]);
      const database = new Client({ connectionString: postgres.url });
      try {
        for (const topic of LOAD_TOPICS) {
          await kafka.tool("topics", ["--create", "--topic", topic, "--partitions", "3"]);
        }
        const start = () =>
          startOutboxHub({
            DATABASE_URL: postgres.url,
            DATABASE_ALLOW_BYPASS: "true",
            KAFKA_BROKERS: kafka.bootstrap,
          });
        const shards = (hub: Awaited<ReturnType<typeof start>>) => () => hub.metric("hub_outbox_shards");
        const load = new Load(8);
        let sender = await start();
        await expect.poll(shards(sender), { timeout: 10_000 }).toBe(16);
        const took: number[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          const other = await start();
          const writing = load.run(other.client, 8);
          await sleep(500 + Math.random() * 500);
          expect(await other.metric("hub_outbox_shards")).toBe(0);
          await sender.kill();
          const began = performance.now();
          await expect.poll(shards(other), { timeout: TAKEOVER_MS, interval: 20 }).toBe(16);
          took.push(Math.round(performance.now() - began));
          await sleep(300);
          load.stop();
          await writing;
          await load.settle(other.client);
          sender = other;
        }
        process.stdout.write(`taken over within ${took.join(", ")} ms\n`);
        expect(load.contradictions).toEqual([]);
        await database.connect();
        const waiting = async () =>
          (await database.query("SELECT count(*)::int AS n FROM hub.outbox")).rows[0].n;
        await expect.poll(waiting, { timeout: 30_000 }).toBe(0);
        const { rows: heads } = await database.query("SELECT user_id, seq::int FROM hub.user_head");
        const stored = new Map<string, number>(heads.map(({ user_id, seq }) => [user_id, seq]));
        expect([...stored.keys()].sort()).toEqual([...load.users].sort());
        expectAllInOrder(await readRecords(kafka.bootstrap, LOAD_TOPICS), stored, ROUNDS);
      } finally {
        await database.end().catch(() => {});
        await Promise.all([kafka.stop(), postgres.stop()]);
      }
    });
  },
);
