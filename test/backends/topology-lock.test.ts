import { setTimeout as sleep } from "node:timers/promises";
import { connect, type KV, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openApplyLock } from "../../src/adapters/files/apply-lock.ts";
import { openApplyLease } from "../../src/adapters/nats/apply-lock.ts";
import { HubBucket } from "../../src/adapters/nats/hub-bucket.ts";
import { openOwnershipBucket } from "../../src/adapters/nats/ownership-bucket.ts";
import type { ApplyLock, OwnedResource } from "../../src/topology/ports.ts";
import { type NatsServer, startNats } from "../support/servers/nats.ts";

const never = new AbortController().signal;
const KEY = "apply.lock";

let server: NatsServer;
let client: NatsConnection;
beforeAll(async () => {
  server = await startNats({ jetstream: true, own: true });
  client = await connect({ servers: server.url });
});
afterAll(async () => {
  await client?.close();
  await server?.stop();
});

function bucketOf(name: string, url = server.url): HubBucket {
  const bucket = new HubBucket(`${url}/${name}`);
  onTestFinished(() => bucket.close());
  return bucket;
}

const rawBucket = (name: string): Promise<KV> =>
  client.jetstream().views.kv(`${name}_TOPOLOGY`, { bindOnly: true });

const LOCKS: readonly [string, () => readonly [ApplyLock, ApplyLock]][] = [
  [
    "of one process",
    () => {
      const lock = openApplyLock();
      return [lock, lock];
    },
  ],
  ["of two hubs on one NATS", () => [openApplyLease(bucketOf("L1")), openApplyLease(bucketOf("L1"))]],
];

describe.each(LOCKS)("a lock %s", (_name, locks) => {
  it("is held by one, refused with who has it, waited for, and free once it is given back", async () => {
    const [a, b] = locks();
    const lease = await a.acquire("alice", 0, never);
    expect(lease.lost.aborted).toBe(false);
    await expect(b.acquire("bob", 0, never)).rejects.toThrow(/another apply runs, by alice.* since 20/);
    const waiting = b.acquire("bob", 20_000, never);
    await sleep(300);
    await lease.release();
    const second = await waiting;
    await expect(a.acquire("alice", 0, never)).rejects.toThrow(/by bob/);
    await second.release();
    await (await a.acquire("alice", 0, never)).release();
  });

  it("goes to one of many who want it at once", async () => {
    const [a, b] = locks();
    const results = await Promise.allSettled(
      [a, b, a, b].map((lock, at) => lock.acquire(`w${at}`, 0, never)),
    );
    const held = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(held).toHaveLength(1);
    await held[0]?.release();
  });

  it("is not taken by who has left meanwhile", async () => {
    const [a, b] = locks();
    const lease = await a.acquire("alice", 0, never);
    const leave = new AbortController();
    const waiting = b.acquire("bob", 20_000, leave.signal);
    leave.abort();
    await expect(waiting).rejects.toThrow();
    await lease.release();
    await (await a.acquire("alice", 0, never)).release();
  });
});

describe("a lease in NATS", () => {
  it("of somebody who gives no sign of life any more ends within 15 seconds, also for who does not wait", async () => {
    const lock = openApplyLease(bucketOf("L2"));
    await (await lock.acquire("first", 0, never)).release();
    const dead = { id: "dead", name: "a dead hub", host: "gone", since: "2026-01-01T00:00:00Z", beat: 3 };
    await (await rawBucket("L2")).put(KEY, JSON.stringify(dead));
    const began = Date.now();
    const lease = await lock.acquire("heir", 0, never);
    expect(Date.now() - began).toBeGreaterThan(8_000);
    expect(Date.now() - began).toBeLessThan(15_000);
    await lease.release();
  });

  it("is lost as soon as it is another's", async () => {
    const lock = openApplyLease(bucketOf("L3"));
    const lease = await lock.acquire("paused", 0, never);
    const other = { id: "other", name: "another", host: "h", since: "2026-01-01T00:00:00Z", beat: 0 };
    const kv = await rawBucket("L3");
    await kv.put(KEY, JSON.stringify(other));
    await expect.poll(() => lease.lost.aborted, { timeout: 6_000 }).toBe(true);
    await lease.release();
    expect((await kv.get(KEY))?.string()).toContain("another");
  });

  it("is lost while NATS is gone, before anybody else could have it", async () => {
    const own = await startNats({ jetstream: true, own: true });
    try {
      const lock = openApplyLease(bucketOf("L4", own.url));
      const lease = await lock.acquire("alone", 0, never);
      const began = Date.now();
      await own.kill();
      await expect.poll(() => lease.lost.aborted, { timeout: 12_000, interval: 50 }).toBe(true);
      expect(Date.now() - began).toBeLessThan(10_000);
      await lease.release();
    } finally {
      await own.stop();
    }
  });
});

describe("records of what hubs made", () => {
  it("are shared, kept by the incarnation, and gone once they are forgotten", async () => {
    const [a, b] = [openOwnershipBucket(bucketOf("O1")), openOwnershipBucket(bucketOf("O1"))];
    expect(await a.list()).toEqual([]);
    const topic: OwnedResource = { system: "kafka", clusterId: "c", name: "user.auth", incarnation: "1" };
    const stream: OwnedResource = {
      system: "nats",
      clusterId: "c",
      name: "user auth/*",
      incarnation: "2026",
    };
    await Promise.all([a.record(topic), b.record(stream), b.record(topic)]);
    expect((await b.list()).map(({ name }) => name).sort()).toEqual(["user auth/*", "user.auth"]);
    await b.record({ ...topic, incarnation: "2" });
    expect(await a.list()).toContainEqual({ ...topic, incarnation: "2" });
    await a.forget(topic);
    expect(await b.list()).toEqual([stream]);
  });
});
