import type { ObservedKafka, ObservedTopic } from "../../src/health/observed-kafka.ts";
import type { ObservedNats, ObservedStream } from "../../src/health/observed-nats.ts";
import { seen } from "../../src/health/seen.ts";
import type { Act } from "../../src/topology/change.ts";
import { withPartitions, withSettings, withStreamSettings } from "../../src/topology/fingerprints.ts";
import type { Plan } from "../../src/topology/plan.ts";
import { LOOKED_AT, observedStream } from "../health/observed-stream.ts";
import { KAFKA_DEFAULTS, observedTopic, placed, settingsFrom } from "../health/observed-topic.ts";

/** A Kafka with these topics. */
export function kafkaOf(topics: readonly ObservedTopic[], over: Partial<ObservedKafka> = {}): ObservedKafka {
  return {
    time: LOOKED_AT,
    clusterId: "kafka-1",
    controllerId: 1,
    brokers: [{ id: 1, address: "127.0.0.1:9092" }],
    topics: new Map(topics.map((topic) => [topic.name, topic])),
    hiddenTopics: new Map(),
    autoCreate: seen(false),
    groups: seen(new Map()),
    ...over,
  };
}

/** A NATS with these streams. */
export function natsOf(streams: readonly ObservedStream[], over: Partial<ObservedNats> = {}): ObservedNats {
  return {
    time: LOOKED_AT,
    clusterId: "nats-1",
    isCluster: false,
    serverVersion: "2.12.0",
    streams: seen(new Map(streams.map((stream) => [stream.name, stream]))),
    hiddenStreams: new Map(),
    ...over,
  };
}

/** The brokers as they are once a plan is carried out, as real ones would be. */
export function afterPlan(
  { changes }: Plan,
  kafka: ObservedKafka,
  nats: ObservedNats,
): { kafka: ObservedKafka; nats: ObservedNats } {
  const topics = new Map(kafka.topics);
  const streams = new Map(nats.streams.isSeen ? nats.streams.value : []);
  for (const { act } of changes) if (act) carryOut(act, topics, streams);
  return { kafka: { ...kafka, topics }, nats: { ...nats, streams: seen(streams) } };
}

function carryOut(act: Act, topics: Map<string, ObservedTopic>, streams: Map<string, ObservedStream>): void {
  const at = <Value>(map: Map<string, Value>, name: string): Value => {
    const value = map.get(name);
    if (value === undefined) throw new Error(`${name} is not there`);
    return value;
  };
  switch (act.kind) {
    case "create-topic": {
      const { name, partitions, settings } = act.topic;
      if (topics.has(name)) throw new Error(`${name} is there already`);
      const own = settingsFrom("topic", Object.fromEntries(settings));
      const all = seen(new Map([...KAFKA_DEFAULTS, ...own]));
      topics.set(
        name,
        observedTopic({}, { name, id: `new-${name}`, partitions: placed(partitions), settings: all }),
      );
      break;
    }
    case "add-partitions":
      topics.set(act.topic, withPartitions(at(topics, act.topic), act.total));
      break;
    case "alter-topic":
      topics.set(act.topic, withSettings(at(topics, act.topic), act.set));
      break;
    case "delete-topic":
      if (at(topics, act.topic).id !== act.id) throw new Error(`${act.topic} is another`);
      topics.delete(act.topic);
      break;
    case "create-stream":
      streams.set(act.stream, observedStream({ duplicateWindow: 0n, ...act.settings, name: act.stream }));
      break;
    case "alter-stream":
      streams.set(act.stream, withStreamSettings(at(streams, act.stream), act.settings));
      break;
    case "delete-stream":
      streams.delete(act.stream);
  }
}
