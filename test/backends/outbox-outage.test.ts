import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { expect, it } from "vitest";
import { startKafka } from "../support/servers/kafka.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { readRecords } from "../support/user-data/kafka-records.ts";
import { expectAllInOrder, type OutboxHub, startOutboxHub } from "../support/user-data/outbox-hub.ts";

/** As many as come in an hour at 55 a second; in the short form what comes in some minutes. */
const EVENTS = process.env.LONG ? 200_000 : 10_000;
const PER_CALL = 500;
const USERS = Array.from({ length: 100 }, (_, n) => `user-${n}`);
const TOPICS = ["user.trades", "user.auth"];
/** What the hub may hold more at the end of an outage than it held before, in MiB. */
const MORE_MIB = 150;

/** Saves so many events, and tells how long a call took in the middle, in milliseconds. */
async function save(hub: OutboxHub, events: number): Promise<number> {
  const took: number[] = [];
  for (let sent = 0; sent < events; sent += PER_CALL) {
    const began = performance.now();
    await hub.client.saveUserEvents({
      events: Array.from({ length: PER_CALL }, (_, n) => ({
        userId: USERS[n % USERS.length] as string,
        eventType: n % 2 === Math.floor(n / USERS.length) % 2 ? "login" : "trade_executed",
        eventJson: `{"n":${sent + n},"text":"${"x".repeat(80)}"}`,
      })),
    });
    took.push(performance.now() - began);
  }
  return took.sort((a, b) => a - b)[took.length >> 1] ?? 0;
}

function residentMib(hub: OutboxHub): number {
  const status = readFileSync(`/proc/${hub.running.process.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

await describeWith(
  "a Kafka that is away for long",
  () => Promise.all([kafkaProgram("4"), postgresProgram()]),
  () => {
    const name = `costs lag and nothing else: ${EVENTS} events are saved meanwhile and sent after it`;
    it(name, { timeout: process.env.LONG ? 1_800_000 : 300_000 }, async () => {
      const [kafka, postgres] = await Promise.all([startKafka({ own: true }), startPostgres({ own: true })]);
      const database = new Client({ connectionString: postgres.url });
      try {
        for (const topic of TOPICS)
          await kafka.tool("topics", ["--create", "--topic", topic, "--partitions", "3"]);
        const hub = await startOutboxHub({
          DATABASE_URL: postgres.url,
          DATABASE_ALLOW_BYPASS: "true",
          KAFKA_BROKERS: kafka.bootstrap,
        });
        await database.connect();
        const waiting = async (): Promise<number> =>
          (await database.query("SELECT count(*)::int AS n FROM hub.outbox")).rows[0].n;
        const before = EVENTS / 2;
        await save(hub, before / 2);
        const usualMs = await save(hub, before / 2);
        await expect.poll(waiting, { timeout: 60_000 }).toBe(0);
        const usualMib = residentMib(hub);

        await kafka.kill();
        const awayMs = await save(hub, EVENTS);
        const awayMib = residentMib(hub);
        expect(await waiting()).toBe(EVENTS);
        await expect.poll(() => hub.metric("hub_outbox_rows"), { timeout: 60_000 }).toBe(EVENTS);

        await kafka.restart();
        const began = performance.now();
        const curve: string[] = [];
        for (let left = EVENTS; left > 0; await sleep(250)) {
          left = await waiting();
          curve.push(`${((performance.now() - began) / 1_000).toFixed(1)} s: ${left}`);
          expect(performance.now() - began).toBeLessThan(600_000);
        }
        const seconds = (performance.now() - began) / 1_000;
        const step = Math.ceil(curve.length / 12);
        process.stdout.write(
          `a call of ${PER_CALL}: ${usualMs.toFixed(0)} ms with Kafka, ${awayMs.toFixed(0)} ms without; ` +
            `memory ${usualMib.toFixed(0)} and ${awayMib.toFixed(0)} MiB; ` +
            `sent at ${(EVENTS / seconds).toFixed(0)} a second; waiting: ` +
            `${curve.filter((_, n) => n % step === 0 || n === curve.length - 1).join(", ")}\n`,
        );
        // A wide margin, for a machine that others use: what waits would make it slower and slower.
        expect(awayMs).toBeLessThan(3 * usualMs + 50);
        expect(awayMib - usualMib).toBeLessThan(MORE_MIB);
        const stored = new Map(USERS.map((userId) => [userId, (EVENTS + before) / USERS.length]));
        expectAllInOrder(await readRecords(kafka.bootstrap, TOPICS), stored, 1);
        await hub.stop();
      } finally {
        await database.end().catch(() => {});
        await Promise.all([kafka.stop(), postgres.stop()]);
      }
    });
  },
);
