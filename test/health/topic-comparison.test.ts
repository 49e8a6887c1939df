import { describe, expect, it } from "vitest";
import { FindingTypeSchema } from "../../gen/centralhub/health/v1/health_pb.ts";
import { unseen } from "../../src/health/seen.ts";
import { compareTopic } from "../../src/health/topic-comparison.ts";
import { declaredTopic, observedTopic, placed } from "./observed-topic.ts";

function found(...args: Parameters<typeof compareTopic>): string[] {
  return compareTopic(...args).map(
    ({ type, setting, declared, actual, source }) =>
      `${FindingTypeSchema.value[type]?.localName} ${setting} ${declared} ${actual} ${source ?? "-"}`,
  );
}

describe("a topic against its declaration", () => {
  it.each([
    ["nothing", {}, observedTopic()],
    ["a default that equals the declaration", { minInsyncReplicas: 1 }, observedTopic()],
    [
      "policies in another order",
      { cleanupPolicy: "compact,delete" },
      observedTopic({ "cleanup.policy": "delete, compact" }),
    ],
    ["no declared policy, which is to delete", { cleanupPolicy: "" }, observedTopic()],
    [
      "no limit on both sides",
      { retentionMs: -1n, retentionBytes: -1n },
      observedTopic({ "retention.ms": "-1" }),
    ],
    [
      "what is not declared",
      {},
      observedTopic({ "max.message.bytes": "5", "min.insync.replicas": "2", "retention.bytes": "9" }),
    ],
    [
      "the time of a topic that is only compacted",
      { cleanupPolicy: "compact", retentionMs: -1n },
      observedTopic({ "cleanup.policy": "compact" }),
    ],
    [
      "settings that cannot be seen",
      { retentionMs: 1n },
      observedTopic({}, { settings: unseen("no right") }),
    ],
    ["a number of copies that is not declared", {}, observedTopic({}, { partitions: placed(3, 2) })],
  ])("finds no difference in %s", (_what, declared, observed) => {
    expect(found(declaredTopic(declared), observed)).toEqual([]);
  });

  it.each([
    ["PARTITIONS_FEWER partitions 3 2 -", {}, observedTopic({}, { partitions: placed(2) })],
    ["PARTITIONS_MORE partitions 3 4 -", {}, observedTopic({}, { partitions: placed(4) })],
    ["REPLICATION_FACTOR replication.factor 3 1 -", { replicationFactor: 3 }, observedTopic()],
    [
      "REPLICATION_FACTOR replication.factor 1 2 -",
      { replicationFactor: 1 },
      observedTopic({}, { partitions: [...placed(2), ...placed(1, 2)] }),
    ],
    ["RETENTION_SHORTER retention.ms 604800000 60000 topic", {}, observedTopic({ "retention.ms": "60000" })],
    [
      "RETENTION_LONGER retention.ms 604800000 604800001 topic",
      {},
      observedTopic({ "retention.ms": "604800001" }),
    ],
    ["RETENTION_LONGER retention.ms 604800000 -1 topic", {}, observedTopic({ "retention.ms": "-1" })],
    ["RETENTION_SHORTER retention.ms -1 604800000 default", { retentionMs: -1n }, observedTopic()],
    [
      "RETENTION_SHORTER retention.ms 315576000000 604800000 default",
      { retentionMs: 315_576_000_000n },
      observedTopic(),
    ],
    [
      "RETENTION_BYTES retention.bytes -1 1000 topic",
      { retentionBytes: -1n },
      observedTopic({ "retention.bytes": "1000" }),
    ],
    [
      "CLEANUP_POLICY cleanup.policy delete compact topic",
      {},
      observedTopic({ "cleanup.policy": "compact" }),
    ],
    [
      "CLEANUP_POLICY cleanup.policy delete compact,delete topic",
      {},
      observedTopic({ "cleanup.policy": "delete,compact" }),
    ],
    ["MIN_INSYNC_REPLICAS min.insync.replicas 2 1 default", { minInsyncReplicas: 2 }, observedTopic()],
    ["MAX_MESSAGE_BYTES max.message.bytes 0 1048588 default", { maxMessageBytes: 0 }, observedTopic()],
  ])("finds %s", (expected, declared, observed) => {
    expect(found(declaredTopic(declared), observed)).toEqual([expected]);
  });

  it("finds every difference of a topic, in a fixed order", () => {
    const declared = declaredTopic({ cleanupPolicy: "compact", retentionMs: -1n, replicationFactor: 2 });
    const observed = observedTopic({ "retention.ms": "5" }, { partitions: placed(1) });
    expect(compareTopic(declared, observed).map(({ setting }) => setting)).toEqual([
      "partitions",
      "replication.factor",
      "cleanup.policy",
      "retention.ms",
    ]);
  });
});
