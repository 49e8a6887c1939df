import { describe, expect, it } from "vitest";
import { HealthStatus, ResourceStatus } from "../../gen/centralhub/health/v1/health_pb.ts";
import type { DocumentTexts } from "../../src/config/document-set.ts";
import { LiveConfig } from "../../src/config/live-config.ts";
import { KafkaInspection } from "../../src/health/kafka-inspection.ts";
import type { ObservedGroup, ObservedKafka, ObservedTopic } from "../../src/health/observed-kafka.ts";
import { seen, unseen } from "../../src/health/seen.ts";
import { SystemWatch } from "../../src/health/system-watch.ts";
import { type Declared, kafkaDocuments, told } from "../support/inspected-kafka.ts";
import { MemoryRevisions } from "../support/memory-revision-log.ts";
import { observedTopic } from "./observed-topic.ts";

const WEEK = 604_800_000;
const TOPICS = {
  trades: { name: "user.trades", partitions: 3, retention_ms: WEEK },
  auth: { name: "user.auth", partitions: 3, retention_ms: WEEK },
};

function cluster(
  over: Partial<ObservedKafka> = {},
  topics: readonly ObservedTopic[] = bothTopics(),
): ObservedKafka {
  return {
    time: Date.parse("2026-11-24T12:00:00Z"),
    clusterId: "cluster-1",
    controllerId: 1,
    brokers: [{ id: 1, address: "b:9092" }],
    topics: new Map(topics.map((topic) => [topic.name, topic])),
    hiddenTopics: new Map(),
    autoCreate: seen(false),
    groups: seen(new Map()),
    ...over,
  };
}

function bothTopics(trades: Readonly<Record<string, string>> = {}): ObservedTopic[] {
  return [observedTopic(trades), observedTopic({}, { name: "user.auth" })];
}

function group(name: string, over: Partial<ObservedGroup> = {}): [string, ObservedGroup] {
  return [
    name,
    { name, state: "Stable", members: seen(1), topics: ["user.trades"], committed: seen([]), ...over },
  ];
}

/** An inspection whose looks find what the test says. */
async function inspection(
  declared: Declared | DocumentTexts = { topics: TOPICS },
  ownTopics = new Set<string>(),
) {
  const documents = declared instanceof Map ? declared : kafkaDocuments(declared as Declared);
  const live = await LiveConfig.start(new MemoryRevisions().open(), documents);
  let found: ObservedKafka | Error = cluster();
  const watch = new SystemWatch<ObservedKafka>(async () => ({
    observe: async () => {
      if (found instanceof Error) throw found;
      return found;
    },
    close: async () => {},
  }));
  const kafka = new KafkaInspection(live, watch, ownTopics);
  const target = { name: "kafka", kind: "kafka", address: "b:9092", monitoringUrl: "" } as const;
  return {
    kafka,
    /** Looks, and finds this. */
    look: async (next: ObservedKafka | Error) => {
      found = next;
      watch.aim({ ...target, intervalMs: 3_600_000, timeoutMs: 1_000 });
      await watch.observe().catch(() => {});
      // The first aim looks by itself, perhaps before `found` was what it is now.
      await watch.observe().catch(() => {});
      return kafka.topics("");
    },
    stop: async () => {
      kafka.stop();
      live.stop();
      await watch.stop();
    },
  };
}

describe("declared topics", () => {
  it("are UNKNOWN where no broker is configured, and where none can be seen", async () => {
    const { kafka, look, stop } = await inspection();
    expect(kafka.topics("")).toMatchObject({
      status: HealthStatus.ERROR,
      error: expect.stringContaining("KAFKA_BROKERS"),
      total: 2,
      unknown: 2,
      version: "phase2",
      revision: 1n,
    });
    expect(kafka.topics("").topics["user.trades"]?.exists).toBeUndefined();
    const answer = await look(new Error("connection refused"));
    expect(answer).toMatchObject({ status: HealthStatus.ERROR, unknown: 2, clusterId: "" });
    expect(answer.error).toContain("connection refused");
    expect(answer.observeTime).toBeUndefined();
    await stop();
  });

  it("have their findings dated by the look that first found them, also when the broker is away in between", async () => {
    const { look, stop } = await inspection();
    const at = (minute: number) => ({ time: Date.parse("2026-11-24T12:00:00Z") + minute * 60_000 });
    const drifted = bothTopics({ "retention.ms": "5" });
    const since = (answer: Awaited<ReturnType<typeof look>>) =>
      Number(answer.topics["user.trades"]?.findings[0]?.sinceTime?.seconds) * 1_000;
    expect(since(await look(cluster(at(1), drifted)))).toBe(at(1).time);
    expect(since(await look(cluster(at(2), drifted)))).toBe(at(1).time);
    await look(new Error("away"));
    expect(since(await look(cluster(at(4), drifted)))).toBe(at(1).time);
    await look(cluster(at(5)));
    expect(since(await look(cluster(at(6), drifted)))).toBe(at(6).time);
    await stop();
  });

  it("stand beside undeclared ones, but for Kafka's own and the hub's own", async () => {
    const { look, stop } = await inspection({ topics: TOPICS }, new Set(["hub.round-trip"]));
    const extra = ["stray", "__consumer_offsets", "__other", "hub.round-trip"].map((name) =>
      observedTopic({}, { name, isInternal: name === "__consumer_offsets" }),
    );
    const answer = await look(cluster({ autoCreate: seen(true) }, [...bothTopics(), ...extra]));
    expect(told(answer.findings)).toEqual(["AUTO_CREATE auto.create.topics.enable", "TOPIC_UNDECLARED"]);
    expect(answer.findings[1]?.resource).toBe("stray");
    expect(answer).toMatchObject({ status: HealthStatus.HEALTHY, healthy: 2, clusterId: "cluster-1" });
    await stop();
  });

  it("have remedies that say what cannot be done, and why", async () => {
    const floors = { "user.trades": WEEK };
    const { look, stop } = await inspection({ topics: TOPICS, floors });
    const partitions = observedTopic().partitions.concat(observedTopic().partitions[0] ?? []);
    const trades = observedTopic({ "retention.ms": "60000" }, { partitions });
    const answer = await look(cluster({}, [trades]));
    const [more, shorter] = answer.topics["user.trades"]?.findings ?? [];
    expect(more?.remedies[0]?.impossibleReason).toContain("cannot take partitions away");
    expect(more?.remedies[1]).toMatchObject({
      action: expect.stringContaining("topics.d.trades.partitions to 4 in phase2/messaging/kafka.json"),
      impossibleReason: "",
    });
    expect(shorter?.remedies[0]).toMatchObject({
      action: expect.stringContaining("central-hub apply"),
      impossibleReason: "",
    });
    expect(shorter?.remedies[1]?.impossibleReason).toContain("the floor of RULE_0");
    expect(answer.topics["user.auth"]).toMatchObject({ status: ResourceStatus.MISSING, exists: false });
    await stop();
  });

  it("are asked for by version, with the errors that every question has", async () => {
    const { kafka, stop } = await inspection();
    expect(() => kafka.topics("phase9")).toThrow(expect.objectContaining({ reason: "UNKNOWN_VERSION" }));
    expect(() => kafka.topics("phase1")).toThrow(expect.objectContaining({ reason: "NOT_DECLARED" }));
    expect(() => kafka.groups("phase1")).toThrow(expect.objectContaining({ reason: "NOT_DECLARED" }));
    await stop();
  });

  it("are judged once for a look, in good time for 2,000 of them, and answered from memory", async () => {
    const names = Array.from({ length: 2_000 }, (_, index) => `load.topic-${index}`);
    const topics = Object.fromEntries(
      names.map((name, index) => [`t${index}`, { name, partitions: 3, retention_ms: WEEK }]),
    );
    const { kafka, look, stop } = await inspection({ topics });
    let told = 0;
    kafka.onChange(() => told++);
    const observed = names.map((name) => observedTopic({ "retention.ms": "5" }, { name }));
    const answer = await look(cluster({}, observed));
    expect(answer).toMatchObject({ total: 2_000, drifted: 2_000 });
    expect(told).toBeGreaterThan(0);
    const began = performance.now();
    for (let times = 0; times < 1_000; times++) expect(kafka.topics("")).toBe(answer);
    expect((performance.now() - began) / 1_000).toBeLessThan(1);
    await stop();
  });
});

describe("declared groups", () => {
  const groups = { trading_engine: ["user.trades"], "websocket_{user_id}": ["user.trades"] };

  it("are held against live ones, which a placeholder has many of", async () => {
    const { kafka, look, stop } = await inspection({ topics: TOPICS, groups });
    const users = Array.from({ length: 1_200 }, (_, user) => group(`websocket_${user}`));
    const live = new Map([...users, group("stranger"), group("elsewhere", { topics: ["not.declared"] })]);
    await look(cluster({ groups: seen(live) }));
    const answer = kafka.groups("");
    const sockets = answer.groups["websocket_{user_id}"];
    expect(sockets).toMatchObject({ status: ResourceStatus.HEALTHY, liveGroupCount: 1_200, findings: [] });
    expect(sockets?.liveGroups).toHaveLength(1_000);
    expect(answer.groups.trading_engine?.status).toBe(ResourceStatus.MISSING);
    expect(told(answer.groups.trading_engine?.findings ?? [])).toEqual(["GROUP_MISSING"]);
    expect(answer.findings.map(({ resource }) => resource)).toEqual(["stranger"]);
    // Nobody has died of a group that nobody runs.
    expect(answer.status).toBe(HealthStatus.HEALTHY);
    await stop();
  });

  it("are told when they read something else, while they have members", async () => {
    const { kafka, look, stop } = await inspection({ topics: TOPICS, groups });
    const reads = async (over: Partial<ObservedGroup>) => {
      await look(cluster({ groups: seen(new Map([group("trading_engine", over)])) }));
      return told(kafka.groups("").groups.trading_engine?.findings ?? []);
    };
    expect(await reads({})).toEqual([]);
    expect(await reads({ topics: ["user.auth", "user.trades"] })).toEqual(["GROUP_TOPICS topics"]);
    expect(await reads({ topics: [] })).toEqual(["GROUP_TOPICS topics"]);
    expect(await reads({ topics: [], members: seen(0) })).toEqual([]);
    await stop();
  });

  it("are UNKNOWN where groups cannot be seen", async () => {
    const { kafka, look, stop } = await inspection({ topics: TOPICS, groups });
    await look(cluster({ groups: unseen("no right") }));
    expect(kafka.groups("")).toMatchObject({
      status: HealthStatus.ERROR,
      error: expect.stringContaining("no right"),
    });
    expect(kafka.topics("").status).toBe(HealthStatus.HEALTHY);
    await look(
      cluster({ groups: seen(new Map([group("trading_engine", { members: unseen("no right") })])) }),
    );
    expect(kafka.groups("").groups.trading_engine?.status).toBe(ResourceStatus.UNKNOWN);
    await stop();
  });
});
