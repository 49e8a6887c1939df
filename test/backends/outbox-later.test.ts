import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { expect, it } from "vitest";
import { runCli } from "../cli/run-cli.ts";
import { startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { type SharedPostgres, sharedPostgres } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { firstSequences, readRecords } from "../support/user-data/kafka-records.ts";
import { type OutboxHub, startOutboxHub } from "../support/user-data/outbox-hub.ts";

const USERS = ["alice", "bob", "carol"];
const TOPICS = ["user.settings", "user.settings.events", "user.trades"];

async function save(hub: OutboxHub, rounds: number): Promise<void> {
  for (let n = 0; n < rounds; n++) {
    const events = USERS.flatMap((userId) =>
      ["setting_changed", "trade_executed"].map((eventType) => ({
        userId,
        eventType,
        eventJson: `{"n":${n}}`,
      })),
    );
    await hub.client.saveUserEvents({ events });
  }
}

await describeWith(
  "Kafka that comes later than the first events",
  async () => {
    await kafkaProgram("4");
    return await sharedPostgres();
  },
  (postgres: SharedPostgres) => {
    it("gets them from the position that the operator chooses, and none was noted before", {
      timeout: 300_000,
    }, async () => {
      const kafka = await startKafka({ own: true });
      const { url, drop } = await postgres.createDatabase();
      const database = new Client({ connectionString: url });
      try {
        for (const topic of TOPICS)
          await kafka.tool("topics", ["--create", "--topic", topic, "--partitions", "3"]);
        const common = { DATABASE_URL: url, DATABASE_ALLOW_BYPASS: "true" };
        const alone = await startOutboxHub(common);
        await database.connect();
        const rows = async () =>
          (await database.query("SELECT count(*)::int AS n FROM hub.outbox")).rows[0].n;
        await save(alone, 5);
        await sleep(10);
        const position = new Date().toISOString();
        await sleep(10);
        await save(alone, 5);
        expect(await rows()).toBe(0);
        expect(await alone.outbox()).toBeUndefined();
        expect(await runCli(["data", "outbox", "--url", alone.url])).toMatchObject({
          code: 1,
          err: expect.stringMatching(/KAFKA_BROKERS.*DATABASE_OUTBOX_FROM/),
        });
        await alone.stop();

        const sending = { ...common, KAFKA_BROKERS: kafka.bootstrap };
        const arrived = async (userId: string): Promise<Record<string, number[]>> => {
          const records = await readRecords(kafka.bootstrap, TOPICS);
          return Object.fromEntries(
            TOPICS.map((topic) => [topic, firstSequences(records, topic, userId).map(Number)]),
          );
        };
        const odd = (from: number, to: number) =>
          Array.from({ length: (to - from) / 2 + 1 }, (_, n) => from + 2 * n);
        const expected = (settings: readonly number[]) => ({
          "user.settings": settings,
          "user.settings.events": settings,
          "user.trades": settings.map((sequence) => sequence + 1),
        });
        const all = async (hub: OutboxHub, settings: readonly number[]): Promise<void> => {
          await expect.poll(rows, { timeout: 30_000 }).toBe(0);
          for (const userId of USERS) {
            await expect
              .poll(() => arrived(userId), { timeout: 30_000, interval: 500 })
              .toEqual(expected(settings));
          }
          await hub.stop();
        };
        // From a moment on: what is older stays where it is, and what is newer goes after it.
        const some = await startOutboxHub({ ...sending, DATABASE_OUTBOX_FROM: position });
        await save(some, 5);
        await all(some, odd(11, 29));
        const sentBefore = (await readRecords(kafka.bootstrap, TOPICS)).length;
        expect(sentBefore).toBe(USERS.length * TOPICS.length * 10);

        // The same position again does nothing; another one is carried through.
        await all(await startOutboxHub({ ...sending, DATABASE_OUTBOX_FROM: position }), odd(11, 29));
        expect(await readRecords(kafka.bootstrap, TOPICS)).toHaveLength(sentBefore);
        const whole = await startOutboxHub({ ...sending, DATABASE_OUTBOX_FROM: "beginning" });
        const perTopic = 15 * USERS.length;
        await expect
          .poll(async () => (await readRecords(kafka.bootstrap, TOPICS)).length, {
            timeout: 30_000,
            interval: 500,
          })
          .toBe(sentBefore + TOPICS.length * perTopic);
        for (const userId of USERS) {
          const records = (await readRecords(kafka.bootstrap, ["user.trades"])).filter(
            ({ key }) => key === userId,
          );
          const sequences = records.map(({ headers }) => Number(headers.ce_sequence));
          expect(sequences.slice(-15)).toEqual(odd(2, 30));
        }
        await whole.stop();
      } finally {
        await database.end().catch(() => {});
        await kafka.stop();
        await drop();
      }
    });
  },
);
