import { createHash } from "node:crypto";
import type { ObservedTopic } from "../health/observed-kafka.ts";
import type { ObservedStream } from "../health/observed-nats.ts";
import { seen } from "../health/seen.ts";
import type { Aspect } from "./change.ts";
import type { StreamSettings } from "./ports.ts";

/** What is not there. */
export const ABSENT = fingerprint("absent");
/** A resource that has just been made: as declared, whoever made it. */
export const AS_DECLARED = fingerprint("as declared");

/** Settings that decide on what the hub promises: a change of their value counts wherever it was made. */
const DECISIVE = new Set([
  ...["retention.ms", "retention.bytes", "cleanup.policy"],
  ...["min.insync.replicas", "max.message.bytes"],
]);

/** A side of a topic, in a few characters that are equal as long as nothing of it has moved. */
export function topicFingerprint(aspect: Aspect, topic: ObservedTopic | undefined): string {
  if (!topic) return ABSENT;
  if (aspect === "existence") return fingerprint(topic.id);
  if (aspect === "partitions") return fingerprint([topic.id, topic.partitions.length]);
  if (!topic.settings.isSeen) return fingerprint([topic.id, "unseen"]);
  const settings = [...topic.settings.value]
    .filter(([name, { source }]) => source === "topic" || DECISIVE.has(name))
    .map(([name, { value }]) => [name, value])
    .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return fingerprint([topic.id, settings]);
}

/** A topic as it is once settings are set. */
export function withSettings(topic: ObservedTopic, set: ReadonlyMap<string, string>): ObservedTopic {
  if (!topic.settings.isSeen) return topic;
  const settings = new Map(topic.settings.value);
  for (const [name, value] of set) settings.set(name, { value, source: "topic" });
  return { ...topic, settings: seen(settings) };
}

/** A topic as it is once it has so many partitions, which are like its first. */
export function withPartitions(topic: ObservedTopic, total: number): ObservedTopic {
  const [first] = topic.partitions;
  const like = first ?? { leader: -1, replicas: [], inSync: [] };
  const partitions = Array.from({ length: total }, (_, id) => topic.partitions[id] ?? { ...like, id });
  return { ...topic, partitions };
}

/** A side of a stream, as for a topic. */
export function streamFingerprint(aspect: Aspect, stream: ObservedStream | undefined): string {
  if (!stream) return ABSENT;
  if (aspect === "existence") return fingerprint(stream.created);
  const { created, subjects, maxAge, maxMsgs, maxBytes, maxMsgsPerSubject, storage, retention } = stream;
  const { discard, replicas, duplicateWindow, noAck, isMirror, denyDelete, denyPurge, sealed } = stream;
  return fingerprint([
    ...[created, [...subjects].sort(), String(maxAge), String(maxMsgs), String(maxBytes)],
    ...[String(maxMsgsPerSubject), storage, retention, discard, replicas, String(duplicateWindow)],
    ...[noAck, isMirror, denyDelete, denyPurge, sealed],
  ]);
}

/** A stream as it is once settings are set. */
export function withStreamSettings(stream: ObservedStream, settings: StreamSettings): ObservedStream {
  return { ...stream, ...settings };
}

/** Any plain value in a few characters. */
export function fingerprint(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("base64url").slice(0, 16);
}
