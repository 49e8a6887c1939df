import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Relay } from "../../src/data/relay.ts";
import { ModelOutbox, ModelTopics, outboxEvent } from "./relay-model.ts";

const FAST = { pollMs: 2, restMs: 0, claimMs: 3, lagMs: 5 };
const running: Relay[] = [];
const told: string[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((relay) => relay.stop()));
  told.length = 0;
});

function start(outbox: ReturnType<ModelOutbox["of"]>, topics: ModelTopics): Relay {
  const relay = new Relay(
    outbox,
    topics,
    {
      onTrouble: (topic, userId = "*", reason) => told.push(`${topic} ${userId} ${reason}`),
      onOrphans: () => {},
    },
    FAST,
  );
  running.push(relay);
  return relay;
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; !isSo(); ) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await sleep(1);
  }
}

const upTo = (count: number): bigint[] => Array.from({ length: count }, (_, at) => BigInt(at + 1));

describe("a relay", () => {
  it("sends what is stored in the order of each user, and removes it", async () => {
    const outbox = new ModelOutbox();
    const topics = new ModelTopics();
    for (let at = 1; at <= 20; at++)
      for (const user of ["a", "b", "c"]) outbox.commit(outboxEvent(outbox.reserve(), user, at));
    start(outbox.of("one"), topics);
    await until(() => outbox.rows.size === 0, "nothing waits");
    for (const user of ["a", "b", "c"]) expect(topics.firstSeen(user, "user.trades")).toEqual(upTo(20));
    expect(topics.records).toHaveLength(60);
  });

  it("sends what commits late, after what others have stored meanwhile", async () => {
    const outbox = new ModelOutbox();
    const topics = new ModelTopics();
    const late = outboxEvent(outbox.reserve(), "a", 1);
    outbox.commit(outboxEvent(outbox.reserve(), "b", 1));
    start(outbox.of("one"), topics);
    await until(() => topics.records.length === 1 && outbox.rows.size === 0, "the other is sent");
    outbox.commit(late);
    outbox.commit(outboxEvent(outbox.reserve(), "a", 2));
    await until(() => outbox.rows.size === 0, "nothing waits");
    expect(topics.firstSeen("a", "user.trades")).toEqual([1n, 2n]);
  });

  it("sends again what it could not remove, and loses nothing", async () => {
    const outbox = new ModelOutbox();
    const topics = new ModelTopics();
    let lost = 0;
    for (let at = 1; at <= 5; at++) outbox.commit(outboxEvent(outbox.reserve(), "a", at));
    start(outbox.of("one", { losesRemovals: () => lost++ < 3 }), topics);
    await until(() => outbox.rows.size === 0, "nothing waits");
    expect(topics.firstSeen("a", "user.trades")).toEqual(upTo(5));
    expect(topics.records.length).toBeGreaterThan(5);
  });

  it("holds up only the user whose event is not taken, tells of it, and goes on when it is", async () => {
    const outbox = new ModelOutbox();
    const topics = new ModelTopics();
    let isPoison = true;
    topics.refuses = ({ userId, sequence }) =>
      isPoison && userId === "a" && sequence === 2n ? { isOfTopic: false, reason: "too large" } : undefined;
    for (let at = 1; at <= 10; at++)
      for (const user of ["a", "c"]) outbox.commit(outboxEvent(outbox.reserve(), user, at));
    const relay = start(outbox.of("one"), topics);
    await until(() => topics.firstSeen("c", "user.trades").length === 10, "the other user's are sent");
    expect(topics.firstSeen("a", "user.trades")).toEqual([1n]);
    expect(relay.status.troubles).toMatchObject([{ topic: "user.trades", userId: "a", reason: "too large" }]);
    expect(told).toEqual(["user.trades a too large"]);
    isPoison = false;
    await until(() => outbox.rows.size === 0, "nothing waits");
    expect(topics.firstSeen("a", "user.trades")).toEqual(upTo(10));
    expect(relay.status.troubles).toEqual([]);
  });

  it("holds up only the topic that cannot be written to", async () => {
    const outbox = new ModelOutbox();
    const topics = new ModelTopics();
    let isMissing = true;
    topics.refuses = ({ topic }) =>
      isMissing && topic === "user.auth" ? { isOfTopic: true, reason: "no such topic" } : undefined;
    for (let at = 1; at <= 10; at++) {
      outbox.commit(outboxEvent(outbox.reserve(), "a", at * 2 - 1, "user.auth"));
      outbox.commit(outboxEvent(outbox.reserve(), "a", at * 2, "user.trades"));
    }
    const relay = start(outbox.of("one"), topics);
    await until(() => topics.firstSeen("a", "user.trades").length === 10, "the other topic has all");
    expect(relay.status.troubles).toMatchObject([{ topic: "user.auth", userId: undefined }]);
    isMissing = false;
    await until(() => outbox.rows.size === 0, "nothing waits");
    expect(topics.firstSeen("a", "user.auth")).toHaveLength(10);
    expect(told).toEqual(["user.auth * no such topic"]);
  });

  it("lets another take over when it stops, and begins again when the database is back", async () => {
    const outbox = new ModelOutbox();
    const topics = new ModelTopics();
    const first = start(outbox.of("one"), topics);
    await until(() => first.status.shards.length === 2, "the first has the shards");
    const second = start(outbox.of("two"), topics);
    await sleep(20);
    expect(second.status.shards).toEqual([]);
    await first.stop();
    await until(() => second.status.shards.length === 2, "the second has the shards");
    outbox.isOut = true;
    await until(() => second.status.reason !== "", "it tells that it cannot read");
    expect(second.status.shards).toEqual([]);
    outbox.isOut = false;
    outbox.commit(outboxEvent(outbox.reserve(), "a", 1));
    await until(() => outbox.rows.size === 0, "nothing waits");
    expect(second.status).toMatchObject({ reason: "", shards: [0, 1] });
  });

  it("keeps each user's order and loses nothing, whatever fails, with two that race for all shards", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            user: fc.constantFrom("a", "b", "c", "d"),
            topic: fc.constantFrom("x", "y"),
            lateBy: fc.integer({ min: 0, max: 3 }),
          }),
          { minLength: 1, maxLength: 40 },
        ),
        fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
        async (stored, dice) => {
          const outbox = new ModelOutbox();
          const topics = new ModelTopics();
          let faults = 30;
          const fails = (): boolean => faults > 0 && (dice.next().value ?? 9) < 3 && faults-- > 0;
          topics.beforeAnswer = async () => {
            if (fails()) throw new Error("the answer was lost");
          };
          const options = { isLocked: false, losesRemovals: fails };
          const relays = [start(outbox.of("one", options), topics), start(outbox.of("two", options), topics)];
          const sequences = new Map<string, number>();
          // A user's transactions follow one another; those of different users commit in any order.
          const open = new Map<string, Promise<void>>();
          for (const { user, topic, lateBy } of stored) {
            const before = open.get(user) ?? Promise.resolve();
            open.set(
              user,
              before.then(async () => {
                const sequence = (sequences.get(user) ?? 0) + 1;
                sequences.set(user, sequence);
                const event = outboxEvent(outbox.reserve(), user, sequence, topic);
                await sleep(lateBy);
                outbox.commit(event);
              }),
            );
          }
          await Promise.all(open.values());
          await until(() => outbox.rows.size === 0, "nothing waits");
          await Promise.all(relays.map((relay) => relay.stop()));
          let seen = 0;
          for (const user of sequences.keys()) {
            for (const topic of ["x", "y"]) {
              const order = topics.firstSeen(user, topic);
              expect(order).toEqual([...order].sort((a, b) => Number(a - b)));
              seen += order.length;
            }
          }
          expect(seen).toBe(stored.length);
        },
      ),
      { numRuns: 25 },
    );
  });
});
