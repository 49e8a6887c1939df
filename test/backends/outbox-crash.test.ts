import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { expect, it } from "vitest";
import { startProcess } from "../support/process.ts";
import { startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { firstSequences, readRecords } from "../support/user-data/kafka-records.ts";
import { Load } from "../support/user-data/load.ts";

const ROUNDS = 9;
const TOPICS = ["user.trades", "user.auth", "user.commands", "user.transactions"];

await describeWith(
  "what is stored while hubs and Kafka are killed and held",
  () => Promise.all([kafkaProgram("4"), postgresProgram()]),
  () => {
    it(`reaches Kafka, in the order of each user, after ${ROUNDS} rounds`, { timeout: 300_000 }, async () => {
      const [kafka, postgres] = await Promise.all([startKafka({ own: true }), startPostgres({ own: true })]);
      const database = new Client({ connectionString: postgres.url });
      try {
        for (const topic of TOPICS) {
          await kafka.tool("topics", ["--create", "--topic", topic, "--partitions", "3"]);
        }
        const start = async () => {
          const hub = startProcess(["serve", "--port", "0"], {
            HUB_LOG_LEVEL: "error",
            DATABASE_URL: postgres.url,
            DATABASE_ALLOW_BYPASS: "true",
            KAFKA_BROKERS: kafka.bootstrap,
          });
          const [, url = ""] = await hub.waitFor(/serves at (http:\/\/\S+)/);
          return { hub, client: userDataClient(url) };
        };
        const load = new Load(8);
        let { hub, client } = await start();
        await expect
          .poll(
            () =>
              load
                .settle(client)
                .then(() => client.saveUserEvent({ userId: "r", eventType: "login", eventJson: "{}" }))
                .then(
                  () => true,
                  () => false,
                ),
            { timeout: 30_000 },
          )
          .toBe(true);
        for (let round = 0; round < ROUNDS; round++) {
          const isHeld = round % 3 === 2;
          const running = load.run(client, 8);
          await sleep(300 + Math.random() * 500);
          if (round % 3 === 1) await kafka.kill();
          if (isHeld) kafka.pause();
          await sleep(300);
          hub.process.kill("SIGKILL");
          load.stop();
          await Promise.all([running, hub.exited]);
          if (isHeld) kafka.resume();
          else if (round % 3 === 1) await kafka.restart();
          ({ hub, client } = await start());
          await expect
            .poll(
              () =>
                load.settle(client).then(
                  () => true,
                  () => false,
                ),
              { timeout: 30_000 },
            )
            .toBe(true);
        }
        await database.connect();
        const waiting = async () =>
          (await database.query("SELECT count(*)::int AS n FROM hub.outbox")).rows[0].n;
        await expect.poll(waiting, { timeout: 60_000 }).toBe(0);
        const records = await readRecords(kafka.bootstrap, TOPICS);
        let seen = 0;
        for (const userId of [...load.users, "r"]) {
          for (const topic of TOPICS) {
            const order = firstSequences(records, topic, userId);
            expect(order).toEqual([...order].sort((a, b) => Number(a - b)));
            seen += order.length;
          }
        }
        const { rows } = await database.query("SELECT sum(seq)::int AS events FROM hub.user_head");
        expect(seen).toBe(rows[0].events);
        expect(seen).toBeGreaterThan(ROUNDS * 8);
      } finally {
        await database.end().catch(() => {});
        await Promise.all([kafka.stop(), postgres.stop()]);
      }
    });
  },
);
