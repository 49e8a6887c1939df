import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { KafkaServer } from "../support/servers/kafka.ts";

/** A topic as kafka.json has it. */
export interface TopicJson {
  readonly name: string;
  readonly partitions: number;
  readonly retention_ms: number;
  readonly retention_bytes?: number;
  readonly cleanup_policy?: string;
  readonly min_insync_replicas?: number;
  readonly max_message_bytes?: number;
  readonly replication_factor?: number;
}

/** What a broker goes by when a topic has no setting of its own; `kafka-topics --describe` prints only those. */
const DEFAULTS: Readonly<Record<string, string>> = {
  "retention.ms": "604800000",
  "retention.bytes": "-1",
  "cleanup.policy": "delete",
  "min.insync.replicas": "1",
  "max.message.bytes": "1048588",
};

/** The topics that phase2 of a directory of documents declares. */
export async function declaredTopics(configDir: string): Promise<readonly TopicJson[]> {
  const { topics } = JSON.parse(await readFile(join(configDir, "phase2/messaging/kafka.json"), "utf8"));
  return Object.values<Record<string, TopicJson>>(topics).flatMap((domain) => Object.values(domain));
}

/** How each declared topic is, by nothing but what `kafka-topics --describe` prints: healthy, missing or drifted. */
export async function printedStates(
  kafka: KafkaServer,
  declared: readonly TopicJson[],
): Promise<Record<string, string>> {
  const printed = await kafka.tool("topics", ["--describe"]);
  const rows = new Map(
    printed
      .split("\n")
      .filter((line) => line.includes("PartitionCount: "))
      .map((line) => [/Topic: (\S+)/.exec(line)?.[1] ?? "", line]),
  );
  return Object.fromEntries(declared.map((topic) => [topic.name, stateOf(topic, rows.get(topic.name))]));
}

function stateOf(topic: TopicJson, row: string | undefined): string {
  if (row === undefined) return "missing";
  const own = Object.fromEntries(
    [...row.matchAll(/([a-z.]+)=([^\s=]+?)(?=,[a-z.]+=|\s|$)/g)].map(([, key, value]) => [key, value]),
  );
  const wanted: Readonly<Record<string, number | string | undefined>> = {
    "retention.ms": topic.retention_ms,
    "retention.bytes": topic.retention_bytes,
    "cleanup.policy": topic.cleanup_policy,
    "min.insync.replicas": topic.min_insync_replicas,
    "max.message.bytes": topic.max_message_bytes,
  };
  const isAsDeclared =
    row.includes(`PartitionCount: ${topic.partitions}\t`) &&
    row.includes(`ReplicationFactor: ${topic.replication_factor ?? 1}\t`) &&
    Object.entries(wanted).every(
      ([key, value]) => value === undefined || String(value) === (own[key] ?? DEFAULTS[key]),
    );
  return isAsDeclared ? "healthy" : "drifted";
}
