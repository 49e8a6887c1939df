import { create } from "@bufbuild/protobuf";
import { type KafkaTopic, KafkaTopicSchema } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import type { ObservedSetting, ObservedTopic, SettingSource } from "../../src/health/observed-kafka.ts";
import { seen } from "../../src/health/seen.ts";

/** A declared topic: 3 partitions, 7 days, deleted, unless told otherwise. */
export function declaredTopic(over: Partial<Omit<KafkaTopic, "$typeName">> = {}): KafkaTopic {
  return create(KafkaTopicSchema, {
    name: "user.trades",
    partitions: 3,
    retentionMs: 604_800_000n,
    cleanupPolicy: "delete",
    ...over,
  });
}

/** Settings as a broker tells them, all from one source. */
export function settingsFrom(
  source: SettingSource,
  values: Readonly<Record<string, string>>,
): Map<string, ObservedSetting> {
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, source }]));
}

/** Kafka's own defaults. */
export const KAFKA_DEFAULTS = settingsFrom("default", {
  "cleanup.policy": "delete",
  "retention.ms": "604800000",
  "retention.bytes": "-1",
  "min.insync.replicas": "1",
  "max.message.bytes": "1048588",
});

/** A topic on a broker that is just as `declaredTopic()` and holds nothing, but for the settings given. */
export function observedTopic(
  settings: Readonly<Record<string, string>> = {},
  over: Partial<ObservedTopic> = {},
): ObservedTopic {
  return {
    name: "user.trades",
    id: "topic-1",
    isInternal: false,
    partitions: placed(3),
    settings: seen(new Map([...KAFKA_DEFAULTS, ...settingsFrom("topic", settings)])),
    offsets: seen([]),
    sizeBytes: seen(0n),
    ...over,
  };
}

/** Partitions with as many copies, all of them in sync. */
export function placed(partitions: number, copies = 1): ObservedTopic["partitions"] {
  const replicas = Array.from({ length: copies }, (_, index) => index + 1);
  return Array.from({ length: partitions }, (_, id) => ({ id, leader: 1, replicas, inSync: replicas }));
}
