import type { ObservedTopic } from "../health/observed-kafka.ts";
import type { ObservedStream } from "../health/observed-nats.ts";
import { canonicalPolicy } from "../health/topic-comparison.ts";
import type { Act, Aspect } from "./change.ts";
import { streamFingerprint, topicFingerprint } from "./fingerprints.ts";
import type { KafkaTopology, NatsTopology, OwnedResource, StreamSettings } from "./ports.ts";

/** The brokers that an apply changes. */
export interface Writers {
  kafka(): Promise<KafkaTopology>;
  nats(): Promise<NatsTopology>;
}

/** What a broker tells of the one resource that an act is about. */
export interface Inspection {
  readonly isDone: boolean;
  fingerprint(aspect: Aspect): string;
  /** Tells it from another of the same name; empty when it is not there. */
  readonly incarnation: string;
}

/** Looks at the resource of an act now. Throws BROKER_REFUSED, BROKER_UNAVAILABLE. */
export async function inspect(act: Act, writers: Writers, signal: AbortSignal): Promise<Inspection> {
  if ("stream" in act) {
    const stream = await (await writers.nats()).inspect(act.stream, signal);
    return {
      isDone: isStreamDone(act, stream),
      fingerprint: (aspect) => streamFingerprint(aspect, stream),
      incarnation: stream?.created ?? "",
    };
  }
  const topic = await (await writers.kafka()).inspect(topicOf(act), signal);
  return {
    isDone: isTopicDone(act, topic),
    fingerprint: (aspect) => topicFingerprint(aspect, topic),
    incarnation: topic?.id ?? "",
  };
}

/** Asks the broker to do it. Throws BROKER_REFUSED, BROKER_UNAVAILABLE. */
export async function request(act: Act, writers: Writers, signal: AbortSignal): Promise<void> {
  switch (act.kind) {
    case "create-topic":
      return await (await writers.kafka()).createTopic(act.topic, signal);
    case "add-partitions":
      return await (await writers.kafka()).addPartitions(act.topic, act.total, signal);
    case "alter-topic":
      return await (await writers.kafka()).alterSettings(act.topic, act.set, [], signal);
    case "delete-topic":
      return await (await writers.kafka()).deleteTopic(act.topic, act.id, signal);
    case "create-stream":
      return await (await writers.nats()).createStream(act.stream, act.settings, signal);
    case "alter-stream":
      return await (await writers.nats()).alterStream(act.stream, act.settings, signal);
    case "delete-stream":
      return await (await writers.nats()).deleteStream(act.stream, act.created, signal);
  }
}

/** What the hub owns, or owns no more, once the act is done; undefined when that changes nothing. */
export function ownedBy(
  act: Act,
  clusterId: string,
  incarnation: string,
): { readonly isMade: boolean; readonly resource: OwnedResource } | undefined {
  const owned = (system: OwnedResource["system"], name: string, id: string): OwnedResource => ({
    ...{ system, clusterId, name, incarnation: id },
  });
  switch (act.kind) {
    case "create-topic":
      return { isMade: true, resource: owned("kafka", act.topic.name, incarnation) };
    case "create-stream":
      return { isMade: true, resource: owned("nats", act.stream, incarnation) };
    case "delete-topic":
      return { isMade: false, resource: owned("kafka", act.topic, act.id) };
    case "delete-stream":
      return { isMade: false, resource: owned("nats", act.stream, act.created) };
    case "add-partitions":
    case "alter-topic":
    case "alter-stream":
      return undefined;
  }
}

type StreamAct = Extract<Act, { readonly stream: string }>;
type TopicAct = Exclude<Act, StreamAct>;

function topicOf(act: TopicAct): string {
  return act.kind === "create-topic" ? act.topic.name : act.topic;
}

function isTopicDone(act: TopicAct, topic: ObservedTopic | undefined): boolean {
  if (act.kind === "delete-topic") return topic?.id !== act.id;
  if (!topic) return false;
  if (act.kind === "add-partitions") return topic.partitions.length === act.total;
  if (act.kind === "alter-topic") return hasSettings(topic, act.set);
  const { partitions, replicationFactor, settings } = act.topic;
  const isPlaced = topic.partitions.every(
    ({ replicas }) => replicationFactor === -1 || replicas.length === replicationFactor,
  );
  return isPlaced && topic.partitions.length === partitions && hasSettings(topic, settings);
}

function hasSettings({ settings }: ObservedTopic, wanted: ReadonlyMap<string, string>): boolean {
  if (!settings.isSeen) return false;
  const canonical = (name: string, value: string): string =>
    name === "cleanup.policy" ? canonicalPolicy(value) : value;
  return [...wanted].every(([name, value]) => {
    const found = settings.value.get(name);
    return found !== undefined && canonical(name, found.value) === canonical(name, value);
  });
}

function isStreamDone(act: StreamAct, stream: ObservedStream | undefined): boolean {
  if (act.kind === "delete-stream") return !stream || stream.created !== act.created;
  return stream !== undefined && hasStreamSettings(stream, act.settings);
}

function hasStreamSettings(stream: ObservedStream, wanted: StreamSettings): boolean {
  const canonical = (value: unknown): string =>
    Array.isArray(value) ? [...value].sort().join("\n") : String(value);
  return Object.entries(wanted).every(
    ([name, value]) => canonical(stream[name as keyof StreamSettings]) === canonical(value),
  );
}
