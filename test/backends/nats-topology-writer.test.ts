import { connect, type JetStreamManager, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openNatsTopology } from "../../src/adapters/nats/topology-writer.ts";
import { compareStream, managedSettings } from "../../src/health/stream-comparison.ts";
import type { NatsTopology } from "../../src/topology/ports.ts";
import { declaredStream } from "../health/observed-stream.ts";
import { type NatsServer, startNats } from "../support/servers/nats.ts";

const never = new AbortController().signal;

let server: NatsServer;
let writer: NatsTopology;
let client: NatsConnection;
let manager: JetStreamManager;
let keepsMetadata: boolean;
beforeAll(async () => {
  server = await startNats({ jetstream: true, own: true });
  writer = openNatsTopology({ address: server.url, timeoutMs: 2_000 });
  client = await connect({ servers: server.url });
  manager = await client.jetstreamManager();
  keepsMetadata = !client.info?.version.startsWith("2.9.");
});
afterAll(async () => {
  await writer?.close();
  await client?.close();
  await server?.stop();
});

/** How often the server was asked for an update of a stream. */
async function updatesDuring(stream: string, act: () => Promise<void>): Promise<number> {
  let updates = 0;
  const watch = client.subscribe(`$JS.API.STREAM.UPDATE.${stream}`, { callback: () => void updates++ });
  await client.flush();
  await act();
  await client.flush();
  watch.unsubscribe();
  return updates;
}

describe("a stream made from its declaration", () => {
  it("is as declared, for what is written out and what is left out", async () => {
    const declarations = {
      PLAIN: declaredStream({ subjects: ["plain.>"] }),
      FULL: declaredStream({
        ...{
          subjects: ["full.b", "full.a"],
          maxAge: 100n * 31_557_600_000n,
          maxMsgs: 0n,
          maxBytes: 1_048_576n,
        },
        ...{ storage: "file", retention: "interest", discard: "new", replicas: 1, duplicateWindow: 1_000n },
      }),
      QUIET: declaredStream({ subjects: ["quiet"], maxAge: 1_000n, noAck: true }),
    };
    for (const [name, declared] of Object.entries(declarations)) {
      expect(await writer.inspect(name, never)).toBeUndefined();
      await writer.createStream(name, managedSettings(declared), never);
      const made = await writer.inspect(name, never);
      expect(made && compareStream(declared, made), name).toEqual([]);
    }
    const { metadata } = (await manager.streams.info("PLAIN")).config;
    if (keepsMetadata) expect(metadata).toMatchObject({ created_by: "central-hub" });
    else expect(metadata).toBeUndefined();
  });

  it("is refused with the server's own words when another one stores a subject of it", async () => {
    await writer.createStream("FIRST", managedSettings(declaredStream({ subjects: ["same.>"] })), never);
    const second = writer.createStream(
      "SECOND",
      managedSettings(declaredStream({ subjects: ["same.a"] })),
      never,
    );
    await expect(second).rejects.toMatchObject({
      reason: "BROKER_REFUSED",
      message: expect.stringContaining("subjects overlap with an existing stream"),
    });
  });
});

describe("a stream that is changed", () => {
  it("keeps everything that nobody asked to change, also what the hub does not know", async () => {
    await manager.streams.add({
      ...{ name: "KEPT", subjects: ["kept.a", "kept.b"], description: "by hand", max_msgs_per_subject: 9 },
      ...{ max_msg_size: 1_000, allow_direct: true, allow_rollup_hdrs: true },
      ...(keepsMetadata ? { metadata: { owner: "desk" } } : {}),
    });
    const before = (await manager.streams.info("KEPT")).config;
    await writer.alterStream(
      "KEPT",
      { maxAge: 7n * 31_557_600_000n, maxMsgs: 5n, subjects: ["kept.>"] },
      never,
    );
    const after = (await manager.streams.info("KEPT")).config;
    const age = 7 * 31_557_600_000 * 1e6;
    expect(after).toEqual({ ...before, max_age: age, max_msgs: 5, subjects: ["kept.>"] });
  });

  it("is not touched when it is as asked for already", async () => {
    const declared = declaredStream({ subjects: ["idle.a", "idle.b"], maxBytes: 0n });
    await writer.createStream("IDLE", managedSettings(declared), never);
    const same = managedSettings({ ...declared, subjects: ["idle.b", "idle.a"] });
    expect(await updatesDuring("IDLE", () => writer.alterStream("IDLE", same, never))).toBe(0);
    const other = { ...same, maxMsgs: 0n };
    expect(await updatesDuring("IDLE", () => writer.alterStream("IDLE", other, never))).toBe(1);
    expect(await writer.inspect("IDLE", never)).toMatchObject({ maxMsgs: 0n });
  });

  it("may come to an age that is shorter than the duplicate window that nobody asked for", async () => {
    await writer.createStream("SHORT", managedSettings(declaredStream({ subjects: ["short"] })), never);
    await writer.alterStream("SHORT", { maxAge: 5_000n }, never);
    expect(await writer.inspect("SHORT", never)).toMatchObject({ maxAge: 5_000n, duplicateWindow: 5_000n });
  });

  it("is refused what the server cannot change, and what is not there", async () => {
    await writer.createStream("FIXED", managedSettings(declaredStream({ subjects: ["fixed"] })), never);
    await expect(writer.alterStream("FIXED", { storage: "file" }, never)).rejects.toMatchObject({
      reason: "BROKER_REFUSED",
      message: expect.stringContaining("can not change storage type"),
    });
    await expect(writer.alterStream("NOWHERE", { maxMsgs: 1n }, never)).rejects.toMatchObject({
      reason: "BROKER_REFUSED",
      message: expect.stringContaining("NOWHERE is not there"),
    });
  });
});

describe("a stream that is removed", () => {
  it("goes when it is the one that was meant, and stays when it was made anew since", async () => {
    const settings = managedSettings(declaredStream({ subjects: ["gone"] }));
    await writer.createStream("GONE", settings, never);
    const first = await writer.inspect("GONE", never);
    await manager.streams.delete("GONE");
    await writer.createStream("GONE", settings, never);
    await expect(writer.deleteStream("GONE", first?.created ?? "", never)).rejects.toMatchObject({
      reason: "PLAN_STALE",
      message: expect.stringContaining("is another one"),
    });
    const second = await writer.inspect("GONE", never);
    await writer.deleteStream("GONE", second?.created ?? "", never);
    expect(await writer.inspect("GONE", never)).toBeUndefined();
    await writer.deleteStream("GONE", second?.created ?? "", never);
  });
});

describe("a server out of reach", () => {
  it("is said to be so at the signal, or when the time is over", async () => {
    const away = openNatsTopology({ address: "127.0.0.1:1", timeoutMs: 500 });
    await expect(away.inspect("A", never)).rejects.toMatchObject({ reason: "BROKER_UNAVAILABLE" });
    await away.close();
    server.pause();
    try {
      const late = writer.inspect("PLAIN", AbortSignal.timeout(300));
      await expect(late).rejects.toMatchObject({ reason: "BROKER_UNAVAILABLE" });
    } finally {
      server.resume();
    }
  });
});
