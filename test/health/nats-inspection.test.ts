import { expect, it, onTestFinished } from "vitest";
import { HealthStatus, ResourceStatus } from "../../gen/centralhub/health/v1/health_pb.ts";
import { LiveConfig } from "../../src/config/live-config.ts";
import { NatsInspection } from "../../src/health/nats-inspection.ts";
import type { ObservedNats } from "../../src/health/observed-nats.ts";
import { seen, unseen } from "../../src/health/seen.ts";
import { SystemWatch } from "../../src/health/system-watch.ts";
import { SHIPPED } from "../config/documents.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { LOOKED_AT, observedNats, observedStream } from "./observed-stream.ts";

const SIGNALS = observedStream({ maxAge: 1n });

/** The shipped documents, held against what `look` finds each time that it is called. */
async function inspectedBy(look: () => ObservedNats) {
  const live = await LiveConfig.start(new MemoryRevisions().open(), SHIPPED);
  const watch = new SystemWatch<ObservedNats>(async () => ({
    observe: async () => look(),
    close: async () => {},
  }));
  const inspection = new NatsInspection(live, watch);
  onTestFinished(async () => {
    inspection.stop();
    await watch.stop();
    live.stop();
  });
  const target = { name: "n", kind: "nats" as const, monitoringUrl: "", address: "a", intervalMs: 3_600_000 };
  return { inspection, aim: () => watch.aim({ ...target, timeoutMs: 1_000 }), look: () => watch.observe() };
}

it("says of every version what it declares, and whom to ask when nothing is configured", async () => {
  const { inspection } = await inspectedBy(() => observedNats([]));
  const answer = inspection.streams("");
  expect(answer).toMatchObject({
    status: HealthStatus.ERROR,
    version: "phase2",
    revision: 1n,
    total: 2,
    unknown: 2,
  });
  expect(answer.error).toContain("set NATS_URL");
  expect(inspection.streams("phase2")).toBe(answer);
  expect(inspection.streams("phase1").version).toBe("phase1");
  expect(() => inspection.streams("phase9")).toThrow(expect.objectContaining({ reason: "UNKNOWN_VERSION" }));
});

it("tells since when, also when NATS was not seen meanwhile, and anew after a difference was mended", async () => {
  let found = observedNats([SIGNALS]);
  const { inspection, aim, look } = await inspectedBy(() => found);
  const since = () => {
    const [finding] = inspection.streams("").streams.signals_stream?.findings ?? [];
    return finding && Number(finding.sinceTime?.seconds) * 1_000;
  };
  aim();
  await look();
  expect(since()).toBe(LOOKED_AT);

  const later = (seconds: number) => ({ time: LOOKED_AT + seconds * 1_000 });
  found = observedNats([], { ...later(10), streams: unseen("JetStream is away") });
  await look();
  expect(inspection.streams("")).toMatchObject({
    status: HealthStatus.ERROR,
    error: expect.stringContaining("away"),
  });
  expect(since()).toBeUndefined();
  found = observedNats([SIGNALS], later(20));
  await look();
  expect(since()).toBe(LOOKED_AT);

  found = observedNats([observedStream()], later(30));
  await look();
  expect(inspection.streams("").streams.signals_stream?.status).toBe(ResourceStatus.HEALTHY);
  found = observedNats([SIGNALS], later(40));
  await look();
  expect(since()).toBe(LOOKED_AT + 40_000);
});

it("takes a stream that tells nothing for neither healthy nor missing", async () => {
  const hiddenStreams = new Map([["signals_stream", "its servers are gone"]]);
  const { inspection, aim, look } = await inspectedBy(() =>
    observedNats([], { hiddenStreams, streams: seen(new Map()) }),
  );
  aim();
  await look();
  const { signals_stream } = inspection.streams("").streams;
  expect(signals_stream).toMatchObject({ status: ResourceStatus.UNKNOWN, exists: true });
  expect(signals_stream?.findings[0]?.message).toContain("its servers are gone");
  expect(inspection.streams("")).toMatchObject({ status: HealthStatus.DEGRADED, missing: 1, unknown: 1 });
});
