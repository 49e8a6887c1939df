import type { KafkaConfig, KafkaTopic } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import type { Json } from "../documents/render.ts";
import type { ObservedKafka, ObservedTopic } from "../health/observed-kafka.ts";
import { canonicalPolicy, declaredPolicy } from "../health/topic-comparison.ts";
import { placeFor } from "./names.ts";

export type JsonObject = { [key: string]: Json };

/**
 * The topics of a cluster as a document. `before` is what the document said, whose wording, order and choices are kept;
 * `declared` is the same as a message. What cannot be taken over is noted.
 */
export function importKafka(
  before: JsonObject | undefined,
  declared: KafkaConfig | undefined,
  observed: ObservedKafka,
  { domain, ownTopics }: { readonly domain: string; readonly ownTopics: ReadonlySet<string> },
  notes: string[],
): JsonObject {
  const document: JsonObject = before ?? {
    description: `Kafka as it was found on the cluster ${observed.clusterId}.`,
    bootstrap_servers: observed.brokers.map(({ address }) => address).sort(),
    topics: {},
    consumer_groups: {},
  };
  const topics: JsonObject = {};
  const known = new Set<string>();
  for (const [name, { topics: own }] of Object.entries(declared?.topics ?? {})) {
    const kept: JsonObject = {};
    for (const [key, topic] of Object.entries(own)) {
      known.add(topic.name);
      const old = objectAt(objectAt(objectAt(document, "topics"), name), key);
      const now = adopted(old, topic, observed, notes);
      if (now) kept[key] = now;
    }
    if (Object.keys(kept).length > 0) topics[name] = kept;
  }
  for (const topic of [...observed.topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (known.has(topic.name) || ownTopics.has(topic.name) || topic.isInternal || topic.name.startsWith("__"))
      continue;
    add(topics, topic, domain, notes);
  }
  for (const [name, reason] of observed.hiddenTopics) {
    if (!known.has(name)) notes.push(`the topic ${name} cannot be seen and is left out: ${reason}`);
  }
  return { ...document, topics, ...groupsOf(document, topics, notes) };
}

function adopted(
  old: JsonObject,
  topic: KafkaTopic,
  observed: ObservedKafka,
  notes: string[],
): JsonObject | undefined {
  const { name } = topic;
  const found = observed.topics.get(name);
  const hidden = observed.hiddenTopics.get(name);
  if (!found && hidden === undefined) {
    notes.push(`the topic ${name} is declared and not on the broker, so it is left out`);
    return undefined;
  }
  if (!found?.settings.isSeen) {
    notes.push(
      `the topic ${name} stays as it is declared, because it cannot be seen: ${hidden ?? "its settings"}`,
    );
    return old;
  }
  const live = liveValues(found);
  const isCompacted = live.policy === "compact" && declaredPolicy(topic) === "compact";
  const set: JsonObject = {
    partitions: found.partitions.length,
    // Of a topic that is only compacted, retention.ms means nothing, and the declared one stands.
    retention_ms: isCompacted ? number(topic.retentionMs) : live.retentionMs,
  };
  if (live.policy !== declaredPolicy(topic)) set.cleanup_policy = live.policy;
  if (topic.retentionBytes !== undefined) set.retention_bytes = live.retentionBytes;
  if (topic.minInsyncReplicas !== undefined) set.min_insync_replicas = live.minInsyncReplicas;
  if (topic.maxMessageBytes !== undefined) set.max_message_bytes = live.maxMessageBytes;
  if (topic.replicationFactor !== undefined) {
    const copies = copiesOf(found);
    if (copies !== undefined) set.replication_factor = copies;
    else
      notes.push(`partitions of ${name} have different numbers of copies, so its replication_factor stays`);
  }
  // A declaration may be wordier than need be: what means the same stays as it is written.
  return { ...old, ...set };
}

function add(topics: JsonObject, topic: ObservedTopic, domain: string, notes: string[]): void {
  const { name } = topic;
  if (!topic.settings.isSeen) {
    notes.push(
      `the settings of the topic ${name} cannot be seen, so it is left out: ${topic.settings.reason}`,
    );
    return;
  }
  const place = placeFor(name, domain, (inDomain, key) => key in objectAt(topics, inDomain));
  if (place.isEscaped) notes.push(`the topic ${name} is put at ${place.domain}.${place.key}`);
  const live = liveValues(topic);
  const settings = topic.settings.value;
  const isOwn = (setting: string): boolean => settings.get(setting)?.source === "topic";
  const copies = copiesOf(topic) ?? 1;
  const content: JsonObject = {
    name,
    partitions: topic.partitions.length,
    retention_ms: live.policy === "compact" ? -1 : live.retentionMs,
    ...(isOwn("retention.bytes") ? { retention_bytes: live.retentionBytes } : {}),
    cleanup_policy: live.policy,
    ...(copies > 1 ? { replication_factor: copies } : {}),
    ...(isOwn("min.insync.replicas") ? { min_insync_replicas: live.minInsyncReplicas } : {}),
    ...(isOwn("max.message.bytes") ? { max_message_bytes: live.maxMessageBytes } : {}),
  };
  topics[place.domain] = { ...objectAt(topics, place.domain), [place.key]: content };
}

function liveValues({ settings }: ObservedTopic) {
  const value = (name: string): string => (settings.isSeen ? (settings.value.get(name)?.value ?? "") : "");
  const whole = (name: string): Json => number(BigInt(value(name) || "-1"));
  return {
    policy: canonicalPolicy(value("cleanup.policy") || "delete"),
    retentionMs: whole("retention.ms"),
    retentionBytes: whole("retention.bytes"),
    minInsyncReplicas: whole("min.insync.replicas"),
    maxMessageBytes: whole("max.message.bytes"),
  };
}

function copiesOf({ partitions }: ObservedTopic): number | undefined {
  const counts = new Set(partitions.map(({ replicas }) => replicas.length));
  return counts.size === 1 ? [...counts][0] : undefined;
}

// Groups are what services are meant to read by, which no broker knows: only those that are declared stay.
function groupsOf(document: JsonObject, topics: JsonObject, notes: string[]): JsonObject {
  if (!("consumer_groups" in document)) return {};
  const there = new Set<Json | undefined>();
  for (const domain of Object.values(topics)) {
    for (const topic of Object.values(domain as JsonObject)) there.add((topic as JsonObject).name);
  }
  const groups: JsonObject = {};
  for (const [group, read] of Object.entries(objectAt(document, "consumer_groups"))) {
    const kept = (Array.isArray(read) ? read : []).filter((topic) => there.has(topic));
    if (kept.length > 0) groups[group] = kept;
    else notes.push(`the consumer group ${group} reads no topic that is there, so it is left out`);
  }
  return { consumer_groups: groups };
}

/** A whole number as documents write it. One beyond 2^53, which none can hold, is kept to the digit, and so is a fault. */
export function number(value: bigint): Json {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

/** The object under a key; an empty one when there is none. */
export function objectAt(parent: JsonObject, key: string): JsonObject {
  const value = Object.hasOwn(parent, key) ? parent[key] : undefined;
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
