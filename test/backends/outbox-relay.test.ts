import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, expect, it } from "vitest";
import { openEventPublisher } from "../../src/adapters/kafka/event-publisher.ts";
import type { PostgresUserEventStore } from "../../src/adapters/postgres/user-event-store.ts";
import { newEventId } from "../../src/data/event-id.ts";
import { Ingest } from "../../src/data/ingest.ts";
import { Relay } from "../../src/data/relay.ts";
import type { NewEvent } from "../../src/data/user-event.ts";
import { type SharedKafka, sharedKafka } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { describeEngines, type Engine } from "../support/user-data/engine.ts";
import { newEvent } from "../support/user-data/events.ts";
import { firstSequences, readRecords } from "../support/user-data/kafka-records.ts";

const running: Relay[] = [];
const LISTENER = { onTrouble() {}, onOrphans() {} };

afterEach(async () => {
  await Promise.all(running.splice(0).map((relay) => relay.stop()));
});

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + 30_000; !(await isSo()); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
  }
}

let shared: SharedKafka | undefined;
const find = async (): Promise<SharedKafka> => {
  shared = await sharedKafka();
  return shared;
};
await describeWith("the Kafka that the outbox is sent to", find, (kafka) => {
  it("tells where it is", () => expect(kafka.bootstrap).toMatch(/:\d+$/));
});
const bootstrap = shared?.bootstrap ?? "";
const broker = { host: bootstrap.split(":")[0] ?? "", port: Number(bootstrap.split(":")[1]) };
const tool: SharedKafka["tool"] = (...args) => (shared as SharedKafka).tool(...args);

function start(store: PostgresUserEventStore, backfill?: Parameters<typeof store.outbox>[0]): Relay {
  const publisher = openEventPublisher({ brokers: [broker] });
  const relay = new Relay(store.outbox(backfill), publisher, LISTENER, { lagMs: 100 });
  running.push(relay);
  return relay;
}

const createTopic = (topic: string, ...settings: string[]): Promise<string> =>
  tool("topics", ["--create", "--topic", topic, "--partitions", "6", ...settings]);

async function rowsOf(engine: Engine, topic: string): Promise<number> {
  const [row] = await engine.admin<{ rows: number }>(
    "SELECT count(*)::int AS rows FROM hub.outbox WHERE topic = $1",
    [topic],
  );
  return row?.rows ?? 0;
}

if (shared)
  await describeEngines(
    "the outbox, to Kafka",
    (engine) => {
      let at = "";
      let trades = "";
      beforeAll(async () => {
        at = `${shared?.prefix}${randomUUID()}.`;
        trades = `${at}trades`;
        await createTopic(trades);
      });
      const trade = (userId: string, overrides: Parameters<typeof newEvent>[1] = {}): NewEvent =>
        newEvent(userId, { topic: trades, ...overrides });

      it("sends each event once for all that is well, in its user's order, with what is known of it", async () => {
        const store = engine().store();
        const relay = start(store);
        const users = ["alice", "bob", "Ψ", "用户-7", "a-user-with-a-long-name@example.com"];
        const bodies = Array.from({ length: 40 }, (_, n) => `{"n": ${n},  "price":1.10}`);
        for (const text of bodies) {
          await store.append(users.map((userId) => trade(userId, { text })));
          relay.wake();
        }
        await until(async () => (await rowsOf(engine(), trades)) === 0, "nothing waits");
        const records = await readRecords(bootstrap, [trades]);
        expect(records).toHaveLength(users.length * bodies.length);
        for (const userId of users) {
          const own = records.filter(({ key }) => key === userId);
          expect(new Set(own.map(({ partition }) => partition)).size).toBe(1);
          expect(own.map(({ value }) => value)).toEqual(bodies);
          const stored = await store.after(userId, ["user_trades"], 0n);
          for (const [n, { headers }] of own.entries()) {
            const event = stored[n];
            expect(headers).toEqual({
              ce_specversion: "1.0",
              ce_id: event?.eventId,
              ce_source: "/central-hub/user-data/trades",
              ce_type: "trade_executed",
              ce_subject: userId,
              ce_partitionkey: userId,
              ce_sequence: String(n + 1),
              ce_hash: event?.hash.toString("hex"),
              ce_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
              "content-type": "application/json",
            });
            const us =
              BigInt(Date.parse(headers.ce_time ?? "")) * 1000n + BigInt(headers.ce_time?.slice(-4, -1) ?? 0);
            expect(us).toBe(event?.recordTimeUs);
          }
        }

        // Kafka's own producer, which is the Java client, sends the same keys to the same partitions.
        const java = `${at}java`;
        await createTopic(java);
        const input = users.map((userId) => `${userId}\tx\n`).join("");
        await tool("console-producer", ["--topic", java, "--property", "parse.key=true"], { input });
        const partitions = (topic: typeof records) =>
          Object.fromEntries(topic.map(({ key, partition }) => [key, partition]));
        expect(partitions(records)).toEqual(partitions(await readRecords(bootstrap, [java])));
      });

      it("makes one record of a hundred calls that save one event at the same time", async () => {
        const store = engine().store();
        const relay = start(store);
        const ingest = new Ingest(store, { events: 1000, eventsPerUser: 1000 });
        const topic = `${at}once`;
        await createTopic(topic);
        const event = trade("storm", { eventId: newEventId(), topic });
        const patience = { deadline: performance.now() + 30_000, signal: new AbortController().signal };
        const saved = await Promise.all(Array.from({ length: 100 }, () => ingest.save(event, patience)));
        expect(new Set(saved.map((each) => (typeof each === "string" ? each : each.sequence))).size).toBe(1);
        relay.wake();
        await until(async () => (await rowsOf(engine(), topic)) === 0, "nothing waits");
        expect(await readRecords(bootstrap, [topic])).toHaveLength(1);
      });

      it("waits for a topic that is not there and for a record that is too large, and lets the others pass", async () => {
        const store = engine().store();
        const [missing, small] = [`${at}missing`, `${at}small`];
        await createTopic(small, "--config", "max.message.bytes=2000");
        const large = `{"text":"${"x".repeat(4000)}"}`;
        await store.append([
          trade("waiting", { topic: missing }),
          trade("fat", { topic: small }),
          trade("fat", { topic: small, text: large }),
          trade("fat", { topic: small }),
          trade("thin", { topic: small }),
          trade("thin", { topic: small }),
          trade("waiting"),
        ]);
        const relay = start(store);
        await until(
          async () => (await rowsOf(engine(), small)) === 2,
          "only the large one and what follows wait",
        );
        await until(async () => (await rowsOf(engine(), trades)) === 0, "the other topic has all");
        const records = await readRecords(bootstrap, [small]);
        expect(records.map(({ key }) => key).sort()).toEqual(["fat", "thin", "thin"]);
        expect(relay.status.troubles).toContainEqual(
          expect.objectContaining({ topic: missing, reason: expect.stringMatching(/UNKNOWN_TOPIC/) }),
        );
        expect(relay.status.troubles).toContainEqual(
          expect.objectContaining({
            topic: small,
            userId: "fat",
            reason: expect.stringMatching(/MESSAGE_TOO_LARGE/),
          }),
        );
        await until(() => relay.status.lag?.rows === 3, "the lag is known");

        await createTopic(missing);
        const resize = ["--alter", "--entity-type", "topics", "--entity-name", small, "--add-config"];
        await tool("configs", [...resize, "max.message.bytes=100000"]);
        await until(
          async () => (await rowsOf(engine(), missing)) + (await rowsOf(engine(), small)) === 0,
          "all is sent",
        );
        expect(firstSequences(await readRecords(bootstrap, [small]), small, "fat")).toEqual([
          2n - 1n,
          2n,
          3n,
        ]);
        expect(relay.status.troubles).toEqual([]);
      });

      it("lets go of rows whose events have been removed", async () => {
        const store = engine().store();
        const topic = `${at}gone`;
        await createTopic(topic);
        await store.append([trade("gone", { topic }), trade("gone", { topic })]);
        await engine().admin("DELETE FROM hub.user_trades WHERE user_id = 'gone' AND seq = 1");
        const relay = start(store);
        await until(async () => (await rowsOf(engine(), topic)) === 0, "nothing waits");
        await until(() => relay.status.orphans === 1, "one had nothing to send");
        expect(firstSequences(await readRecords(bootstrap, [topic]), topic, "gone")).toEqual([2n]);
      });

      it("begins where it is told to with what was stored before, once, and before what comes meanwhile", async () => {
        const store = engine().store();
        const topic = `${at}filled`;
        await createTopic(topic);
        // As if no outbox had been kept.
        for (let n = 0; n < 30; n++) await store.append([trade("old", { topic }), trade("older", { topic })]);
        await engine().admin("DELETE FROM hub.outbox WHERE topic = $1", [topic]);
        await store.append([trade("old", { topic })]);
        const backfill = {
          position: "beginning",
          fromUs: 0n,
          topics: () => [{ table: "user_trades", dataType: "trades", topic }],
        };
        const relay = start(store, backfill);
        await until(() => relay.status.shards.length === 16, "the back-fill has ended");
        await until(async () => (await rowsOf(engine(), topic)) === 0, "nothing waits");
        await relay.stop();
        const again = start(store, backfill);
        await until(() => again.status.shards.length === 16, "it is known to have been done");
        await sleep(300);
        const records = await readRecords(bootstrap, [topic]);
        const upTo = (count: number) => Array.from({ length: count }, (_, n) => BigInt(n + 1));
        expect(firstSequences(records, topic, "old")).toEqual(upTo(31));
        expect(firstSequences(records, topic, "older")).toEqual(upTo(30));
        expect(records.filter(({ key }) => key === "old")).toHaveLength(31);
      });
    },
    { hasOutbox: true },
  );
