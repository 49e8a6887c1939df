import type { DescEnum } from "@bufbuild/protobuf";
import { connect, type JetStreamManager, type NatsConnection, StorageType, type StreamConfig } from "nats";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  FindingSeveritySchema,
  FindingTypeSchema,
  HealthStatus,
  ResourceStatus,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import type { CheckNatsStreamsResponse } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { openNatsObserver } from "../../src/adapters/nats/observer.ts";
import { openNatsTopology } from "../../src/adapters/nats/topology-writer.ts";
import { LiveConfig } from "../../src/config/live-config.ts";
import { NatsInspection } from "../../src/health/nats-inspection.ts";
import type { ObservedNats } from "../../src/health/observed-nats.ts";
import { managedSettings } from "../../src/health/stream-comparison.ts";
import { SystemWatch } from "../../src/health/system-watch.ts";
import { type Edit, edited } from "../config/documents.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { type NatsServer, startNats, startNatsCluster } from "../support/servers/nats.ts";

const never = new AbortController().signal;
const PERIOD_MS = 300;
const IN_TIME = { timeout: PERIOD_MS + 3_000, interval: 25 };
const NATS = "phase2/messaging/nats.json";

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** The streams of phase2 as a hub inspects them at this address. */
async function inspected(address: string, edits: readonly Edit[] = []) {
  const live = await LiveConfig.start(new MemoryRevisions().open(), edited(edits));
  const watch = new SystemWatch<ObservedNats>(async (target) => openNatsObserver(target));
  const inspection = new NatsInspection(live, watch);
  const target = { name: "nats", kind: "nats" as const, monitoringUrl: "", timeoutMs: 2_000 };
  watch.aim({ ...target, address, intervalMs: PERIOD_MS });
  opened.push(
    () => live.stop(),
    () => inspection.stop(),
    () => watch.stop(),
  );
  const { streams } = live.manager.snapshot.documents.versions.get("phase2")?.nats?.message ?? {};
  const writer = openNatsTopology({ address, timeoutMs: 2_000 });
  opened.push(() => writer.close());
  return {
    streams: () => inspection.streams("phase2"),
    onChange: (listener: () => void) => inspection.onChange(listener),
    make: async (name: string) => {
      const stream = streams?.[name];
      if (stream) await writer.createStream(name, managedSettings(stream), never);
    },
    mend: async (name: string) => {
      const stream = streams?.[name];
      if (stream) await writer.alterStream(name, managedSettings(stream), never);
    },
  };
}

const nameOf = (schema: DescEnum, value: number): string => schema.value[value]?.localName ?? String(value);

/** Every finding in short: severity, type, resource, setting. */
function told({ findings, streams }: CheckNatsStreamsResponse): string[] {
  return [...findings, ...Object.values(streams).flatMap((stream) => stream.findings)].map(
    ({ severity, type, resource, setting }) =>
      [nameOf(FindingSeveritySchema, severity), nameOf(FindingTypeSchema, type), resource, setting]
        .filter(Boolean)
        .join(" "),
  );
}

describe("declared streams against a server", () => {
  let server: NatsServer;
  let client: NatsConnection;
  let manager: JetStreamManager;
  let hub: Awaited<ReturnType<typeof inspected>>;
  beforeAll(async () => {
    server = await startNats({ jetstream: true, own: true });
    client = await connect({ servers: server.url });
    manager = await client.jetstreamManager();
    hub = await inspected(server.url);
    closers.push(...opened.splice(0).reverse());
  });
  const closers: (() => unknown)[] = [];
  afterAll(async () => {
    for (const close of closers) await close();
    await client.close();
    await server.stop();
  });
  const isHealthy = () => expect.poll(() => hub.streams().status, IN_TIME).toBe(HealthStatus.HEALTHY);

  async function change(over: Partial<StreamConfig>): Promise<void> {
    await manager.streams.update("signals_stream", over);
  }

  it("are missing on an empty one, and healthy once they are made as declared", async () => {
    await expect
      .poll(() => hub.streams(), IN_TIME)
      .toMatchObject({ status: HealthStatus.DEGRADED, total: 2, missing: 2, healthy: 0, error: "" });
    expect(told(hub.streams())).toEqual([
      "FAIL STREAM_MISSING market_data_stream",
      "FAIL STREAM_MISSING signals_stream",
    ]);
    const since = hub.streams().streams.signals_stream?.findings[0]?.sinceTime;
    expect(since).toBeDefined();
    await new Promise<void>((resolve) => {
      const stop = hub.onChange(() => {
        stop();
        resolve();
      });
    });
    expect(hub.streams().streams.signals_stream?.findings[0]?.sinceTime).toEqual(since);

    await hub.make("market_data_stream");
    await hub.make("signals_stream");
    await isHealthy();
    expect(hub.streams()).toMatchObject({ total: 2, healthy: 2, version: "phase2", revision: 1n });
    expect(hub.streams().clusterId).not.toBe("");
    const { settings, exists } = hub.streams().streams.signals_stream ?? {};
    expect(exists).toBe(true);
    expect(settings?.find(({ name }) => name === "max_age")?.value).toBe("3600000");
  });

  it.each<[string, Partial<StreamConfig>, string]>([
    ["a longer age", { max_age: 7_200_000 * 1e6 }, "FAIL STREAM_MAX_AGE signals_stream max_age"],
    ["a shorter age", { max_age: 600_000 * 1e6 }, "FAIL STREAM_MAX_AGE signals_stream max_age"],
    ["more messages", { max_msgs: -1 }, "FAIL STREAM_MAX_MSGS signals_stream max_msgs"],
    ["a size", { max_bytes: 1_000_000 }, "FAIL STREAM_MAX_BYTES signals_stream max_bytes"],
    ["another subject", { subjects: ["signals.>", "more"] }, "FAIL STREAM_SUBJECTS signals_stream subjects"],
    ["fewer subjects", { subjects: ["signals.alerts.*"] }, "FAIL STREAM_SUBJECTS signals_stream subjects"],
    ["another discard", { discard: "new" as never }, "FAIL STREAM_DISCARD signals_stream discard"],
    ["no acknowledgements", { no_ack: true }, "FAIL STREAM_NO_ACK signals_stream no_ack"],
  ])("that were given %s are found to be, and mended", async (_what, over, finding) => {
    await change(over);
    await expect.poll(() => told(hub.streams()), IN_TIME).toEqual([finding]);
    expect(hub.streams()).toMatchObject({ status: HealthStatus.DEGRADED, drifted: 1, healthy: 1 });
    const [found] = hub.streams().streams.signals_stream?.findings ?? [];
    expect(found?.remedies.map(({ impossibleReason }) => impossibleReason)).toEqual(["", ""]);
    await hub.mend("signals_stream");
    await isHealthy();
  });

  it.each<[string, Partial<StreamConfig>, string, RegExp]>([
    ["storage", { storage: StorageType.File }, "FAIL STREAM_STORAGE signals_stream storage", /storage/],
    [
      "retention",
      { retention: "workqueue" as never },
      "FAIL STREAM_RETENTION signals_stream retention",
      /workqueue/,
    ],
  ])("with another %s are found, and cannot be changed", async (_what, over, finding, reason) => {
    const { config } = await manager.streams.info("signals_stream");
    await manager.streams.delete("signals_stream");
    await manager.streams.add({ ...config, ...over });
    await expect.poll(() => told(hub.streams()), IN_TIME).toEqual([finding]);
    const [fix, adopt] = hub.streams().streams.signals_stream?.findings[0]?.remedies ?? [];
    expect(fix?.impossibleReason).toMatch(reason);
    expect(adopt?.impossibleReason).toBe("");
    await expect(hub.mend("signals_stream")).rejects.toMatchObject({ reason: "BROKER_REFUSED" });
    await manager.streams.delete("signals_stream");
    await hub.make("signals_stream");
    await isHealthy();
  });

  it("lose messages to a limit for each subject, and to a size, which is told", async () => {
    await change({ max_msgs_per_subject: 1 });
    client.publish("signals.c.d", "x");
    for (let count = 0; count < 3; count++) client.publish("signals.a.b", "x");
    await expect
      .poll(() => told(hub.streams()), IN_TIME)
      .toEqual(["FAIL STREAM_LIMIT_BITES signals_stream max_msgs_per_subject"]);
    await change({ max_msgs_per_subject: -1, max_bytes: 10_000 });
    for (let count = 0; count < 200; count++) client.publish("signals.a.b", "x".repeat(500));
    await expect
      .poll(() => told(hub.streams()), IN_TIME)
      .toEqual([
        "FAIL STREAM_MAX_BYTES signals_stream max_bytes",
        "FAIL STREAM_LIMIT_BITES signals_stream max_bytes",
      ]);
    await hub.mend("signals_stream");
    await manager.streams.purge("signals_stream");
    await isHealthy();
  });

  it("stand beside others that nobody declares, which are told, but for those of JetStream and of hubs", async () => {
    await manager.streams.add({ name: "EXTRA", subjects: ["extra.>"] });
    await client.jetstream().views.kv("bucket");
    await client.jetstream().views.os("objects");
    await manager.streams.add({ name: "HISTORY", subjects: ["centralhub.revisions.HISTORY"] });
    await expect.poll(() => told(hub.streams()), IN_TIME).toEqual(["INFO STREAM_UNDECLARED EXTRA"]);
    expect(hub.streams().status).toBe(HealthStatus.HEALTHY);

    await manager.streams.delete("signals_stream");
    await manager.streams.add({ name: "SQUATTER", subjects: ["signals.alerts.*"] });
    await expect
      .poll(() => told(hub.streams()), IN_TIME)
      .toEqual([
        ...["INFO STREAM_UNDECLARED EXTRA", "WARN STREAM_UNDECLARED SQUATTER"],
        "FAIL STREAM_MISSING signals_stream",
      ]);
    expect(hub.streams().findings[1]?.message).toContain('in the way of "signals.>" of signals_stream');
    await manager.streams.delete("SQUATTER");
    await manager.streams.delete("EXTRA");
    await hub.make("signals_stream");
    await isHealthy();
  });
});

describe("a server that cannot be seen", () => {
  it("is an error in time, from memory, whether it is stopped or hangs, and is seen when it is back", async () => {
    const server = await startNats({ jetstream: true, own: true });
    opened.push(() => server.stop());
    const hub = await inspected(server.url);
    await hub.make("signals_stream");
    await hub.make("market_data_stream");
    await expect.poll(() => hub.streams().status, IN_TIME).toBe(HealthStatus.HEALTHY);
    const isError = async () => {
      await expect.poll(() => hub.streams().status, IN_TIME).toBe(HealthStatus.ERROR);
      const began = performance.now();
      const answer = hub.streams();
      expect(performance.now() - began).toBeLessThan(100);
      expect(answer).toMatchObject({ total: 2, unknown: 2, healthy: 0, missing: 0 });
      expect(answer.error).toMatch(/^NATS cannot be seen: /);
      expect(answer.observeTime).toBeDefined();
      expect(answer.streams.signals_stream).toMatchObject({ status: ResourceStatus.UNKNOWN });
      expect(answer.streams.signals_stream?.exists).toBeUndefined();
    };
    server.pause();
    await isError();
    server.resume();
    await expect.poll(() => hub.streams().status, { timeout: 10_000 }).toBe(HealthStatus.HEALTHY);
    await server.kill();
    await isError();
    await server.restart();
    await expect.poll(() => hub.streams().status, { timeout: 10_000 }).not.toBe(HealthStatus.ERROR);
    // What was in memory is gone with the server, and that is told.
    expect(hub.streams().missing).toBe(2);
  });

  it("may be one without JetStream, or none at all", async () => {
    const server = await startNats({ own: true });
    opened.push(() => server.stop());
    const off = await inspected(server.url);
    await expect.poll(() => off.streams().error, IN_TIME).toMatch(/JetStream cannot be seen: .*is it on/);
    expect(off.streams()).toMatchObject({ status: HealthStatus.ERROR, unknown: 2 });
    const nowhere = await inspected("127.0.0.1:1");
    await expect.poll(() => nowhere.streams().error, IN_TIME).toContain("nobody listens there");
  });
});

describe("declared streams against a cluster of three", () => {
  it("are told when they have fewer copies, when copies are behind, and when no one can tell of them", {
    timeout: 240_000,
  }, async () => {
    const cluster = await startNatsCluster(3);
    opened.push(() => cluster.stop());
    const replicas: Edit = [NATS, '"max_msgs": 1000000,', '"max_msgs": 1000000,\n"replicas": 3,'];
    const hub = await inspected(cluster.url, [replicas]);
    await hub.make("market_data_stream");
    await hub.make("signals_stream");
    await expect.poll(() => hub.streams().status, { timeout: 15_000 }).toBe(HealthStatus.HEALTHY);
    expect(hub.streams().clusterId).toBe("central-hub-test");

    const client = await connect({
      servers: cluster.servers.map(({ url }) => url),
      maxReconnectAttempts: -1,
    });
    opened.push(() => client.close());
    const manager = await client.jetstreamManager();
    await manager.streams.update("signals_stream", { num_replicas: 1 });
    await expect
      .poll(() => told(hub.streams()), { timeout: 15_000 })
      .toEqual(["FAIL STREAM_REPLICAS signals_stream replicas"]);
    await hub.mend("signals_stream");
    await expect.poll(() => hub.streams().status, { timeout: 15_000 }).toBe(HealthStatus.HEALTHY);
    // A stream whose copies were taken away and made again does not always outlive its leader; one that is made with them does.
    await manager.streams.delete("signals_stream");
    await hub.make("signals_stream");
    await expect.poll(() => hub.streams().status, { timeout: 15_000 }).toBe(HealthStatus.HEALTHY);

    // The server that holds the only copy of one stream, and one of three of the other.
    const holder = (await manager.streams.info("market_data_stream")).cluster?.leader;
    await cluster.servers.find(({ name }) => name === holder)?.kill();
    // One look at a time: between two, the servers may choose leaders again, and a leader that was just chosen may call a copy
    // that is there behind for a moment.
    await expect
      .poll(
        () => {
          const { status, unknown, healthy, missing, streams } = hub.streams();
          const message = streams.signals_stream?.findings[0]?.message;
          return { told: told(hub.streams()).sort(), status, unknown, healthy, missing, message };
        },
        { timeout: 60_000 },
      )
      .toEqual({
        told: ["WARN NOT_VISIBLE market_data_stream", "WARN STREAM_REPLICA_BEHIND signals_stream replicas"],
        status: HealthStatus.DEGRADED,
        unknown: 1,
        healthy: 1,
        missing: 0,
        message: expect.stringMatching(new RegExp(`: ${holder}; 2 of 3`)),
      });

    const second = cluster.servers.find(({ name }) => name !== holder);
    await second?.kill();
    await expect
      .poll(() => hub.streams(), { timeout: 60_000 })
      .toMatchObject({ status: HealthStatus.ERROR, unknown: 2, missing: 0 });
  });
});
