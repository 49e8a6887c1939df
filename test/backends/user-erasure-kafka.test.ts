import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { openEventPublisher } from "../../src/adapters/kafka/event-publisher.ts";
import { Relay } from "../../src/data/relay.ts";
import { type SharedKafka, sharedKafka } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { describeEngines } from "../support/user-data/engine.ts";
import { newEvent } from "../support/user-data/events.ts";
import { readRecords } from "../support/user-data/kafka-records.ts";

let shared: SharedKafka | undefined;
await describeWith(
  "the Kafka that hears of erasures",
  async () => {
    shared = await sharedKafka();
    return shared;
  },
  (kafka) => {
    it("tells where it is", () => expect(kafka.bootstrap).toMatch(/:\d+$/));
  },
);

if (shared) {
  const kafka = shared;
  await describeEngines(
    "an erasure, to Kafka",
    (engine) => {
      const settings = (userId: string, events: string, state: string, n: number) =>
        newEvent(userId, {
          ...{ table: "user_settings", dataType: "settings", eventType: "settings", text: `{"n":${n}}` },
          ...{ topic: events, stateTopic: state },
        });

      it("takes back what waits, and is the last that a compacted topic hears of the user", async () => {
        const at = `${kafka.prefix}erased.${randomUUID()}.`;
        const [events, state, floored] = [`${at}events`, `${at}state`, `${at}floored`];
        await Promise.all([
          kafka.tool("topics", ["--create", "--topic", events, "--partitions", "3"]),
          kafka.tool("topics", ["--create", "--topic", floored, "--partitions", "3"]),
          kafka.tool("topics", [
            ...["--create", "--topic", state, "--partitions", "3"],
            ...["--config", "cleanup.policy=compact"],
          ]),
        ]);
        const store = engine().store();
        const [host = "", port] = kafka.bootstrap.split(":");
        const publisher = openEventPublisher({ brokers: [{ host, port: Number(port) }] });
        const relay = new Relay(store.outbox(), publisher, { onTrouble() {}, onOrphans() {} });
        const isEmpty = async (): Promise<void> => {
          for (const end = Date.now() + 30_000; Date.now() < end; await sleep(20)) {
            const [row] = await engine().admin<{ n: number }>("SELECT count(*)::int AS n FROM hub.outbox");
            if (row?.n === 0) return;
            relay.wake();
          }
          throw new Error("something waits");
        };
        try {
          for (let n = 0; n < 5; n++)
            await store.append(["gone", "stays"].map((userId) => settings(userId, events, state, n)));
          await isEmpty();
          await relay.stop();
          // What waits when the user is erased.
          await store.append([
            settings("gone", events, state, 5),
            settings("stays", events, state, 5),
            newEvent("gone", { topic: floored }),
          ]);
          const order = { userId: "gone", reason: "r", author: "a" };
          const compacted = [{ topic: state, dataType: "settings", table: "user_settings" }] as const;
          for (let times = 0; times < 2; times++)
            await store.erasures().mark(order, [], { keptTopics: [floored], compacted });
          const again = new Relay(
            store.outbox(),
            openEventPublisher({ brokers: [{ host, port: Number(port) }] }),
            {
              onTrouble() {},
              onOrphans() {},
            },
          );
          await isEmpty();
          await again.stop();
          const records = await readRecords(kafka.bootstrap, [events, state, floored]);
          const of = (topic: string, userId: string) =>
            records.filter((record) => record.topic === topic && record.key === userId);
          const sent = (from: typeof records) => from.map(({ value }) => value);
          const values = (count: number) => Array.from({ length: count }, (_, n) => `{"n":${n}}`);
          expect(sent(of(events, "gone"))).toEqual(values(5));
          expect(sent(of(state, "gone"))).toEqual([...values(5), "null"]);
          expect(of(state, "gone").at(-1)?.headers).toMatchObject({
            ...{ ce_type: "user_erased", ce_subject: "gone", ce_sequence: "7" },
            ce_source: "/central-hub/user-data/settings",
          });
          expect(of(state, "gone").at(-1)?.headers).not.toHaveProperty("ce_hash");
          expect(new Set(of(state, "gone").map(({ partition }) => partition)).size).toBe(1);
          expect(of(floored, "gone")).toHaveLength(1);
          expect(sent(of(state, "stays"))).toEqual(values(6));
        } finally {
          await relay.stop();
        }
      });
    },
    { hasOutbox: true },
  );
}
