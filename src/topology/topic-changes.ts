import type { KafkaTopic } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import { ChangeRisk } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import type { ObservedTopic } from "../health/observed-kafka.ts";
import { compareTopic, declaredPolicy, type TopicDifference } from "../health/topic-comparison.ts";
import { impossible, type PlannedChange, possible } from "./change.ts";
import { ABSENT, AS_DECLARED, topicFingerprint, withPartitions } from "./fingerprints.ts";
import type { NewTopic } from "./ports.ts";
import { alteration } from "./topic-alteration.ts";
import { floorFaults, type TopicContext } from "./topic-floor.ts";

/** Everything that would make one topic as declared, and what cannot. What could not be seen is not changed. */
export function topicChanges(
  declared: KafkaTopic,
  observed: ObservedTopic | undefined,
  context: TopicContext,
): PlannedChange[] {
  if (!observed) return [creation(declared, context)];
  const differences = compareTopic(declared, observed);
  const changes = differences.flatMap((difference) => placement(declared, observed, difference, context));
  return [...changes, ...alteration(declared, observed, differences, context)];
}

/** The topic that a declaration asks for, with everything that it declares. */
export function newTopic(declared: KafkaTopic): NewTopic {
  const { name, partitions, replicationFactor, retentionMs, retentionBytes } = declared;
  const settings = new Map([
    ["cleanup.policy", declaredPolicy(declared)],
    ["retention.ms", String(retentionMs)],
  ]);
  const set = (key: string, value: bigint | number | undefined): void => {
    if (value !== undefined) settings.set(key, String(value));
  };
  set("retention.bytes", retentionBytes);
  set("min.insync.replicas", declared.minInsyncReplicas);
  set("max.message.bytes", declared.maxMessageBytes);
  return { name, partitions, replicationFactor: replicationFactor ?? -1, settings };
}

function creation(declared: KafkaTopic, { floor }: TopicContext): PlannedChange {
  const topic = newTopic(declared);
  const { name, partitions, replicationFactor, settings } = topic;
  const all = [
    ["partitions", String(partitions)],
    ...(replicationFactor === -1 ? [] : [["replication.factor", String(replicationFactor)]]),
    ...settings,
  ].map(([key = "", value = ""]) => ({ name: key, before: "", after: value, declared: value }));
  const text = {
    settings: all,
    summary: `makes the topic ${name}: ${all.map((one) => `${one.name} ${one.after}`).join(", ")}`,
  };
  const [fault] = floorFaults(declared, floor).values();
  if (fault !== undefined) {
    const state = { aspect: "existence", fingerprint: ABSENT } as const;
    return impossible("kafka", name, "create", fault, { ...text, summary: `cannot make ${name}` }, state);
  }
  const change = possible("kafka", name, "create-topic", { ...text, risk: ChangeRisk.SAFE });
  const act = { kind: "create-topic", topic } as const;
  return { change, act, aspect: "existence", before: ABSENT, after: AS_DECLARED };
}

// What decides on where records lie: none of it is a setting.
function placement(
  declared: KafkaTopic,
  observed: ObservedTopic,
  { setting, declared: wanted, actual }: TopicDifference,
  { key }: TopicContext,
): PlannedChange[] {
  const { name } = declared;
  const settings = [{ name: setting, before: actual, after: wanted, declared: wanted }];
  const fingerprint = topicFingerprint("partitions", observed);
  if (setting === "replication.factor") {
    const reason = "copies are moved by a reassignment of partitions, which needs a plan of its own";
    const summary = `${name} has partitions with ${actual} copies and is declared with ${wanted}; kafka-reassign-partitions changes that`;
    const state = { aspect: "partitions", fingerprint } as const;
    return [impossible("kafka", name, "replication-factor", reason, { settings, summary }, state)];
  }
  if (setting !== "partitions") return [];
  if (Number(actual) > declared.partitions) {
    const reason = `partitions cannot be removed: their records would be lost, and keys would move`;
    const summary = `${name} has ${actual} partitions and is declared with ${wanted}; declare ${actual}`;
    const state = { aspect: "partitions", fingerprint } as const;
    return [impossible("kafka", name, "partitions", reason, { settings, summary }, state)];
  }
  const text = {
    risk: ChangeRisk.CAUTION,
    settings,
    summary: `adds partitions to ${name}: ${actual} become ${wanted}`,
    warnings: orderWarnings(declared, key, Number(actual)),
  };
  const total = declared.partitions;
  return [
    {
      change: possible("kafka", name, "add-partitions", text),
      act: { kind: "add-partitions", topic: name, total },
      aspect: "partitions",
      before: fingerprint,
      after: topicFingerprint("partitions", withPartitions(observed, total)),
    },
  ];
}

// With murmur2 over n partitions that become m, a key stays where it is only when both remainders agree.
function orderWarnings(declared: KafkaTopic, key: string, before: number): string[] {
  const stays = Math.round((Math.min(before, declared.partitions) / declared.partitions) * 100);
  const warnings = [
    `most keys move: about ${stays} % of them at most stay in their partition, and records of one ${key || "key"} from before and after the change are in no order between them; let consumers read to the end before producers go on where that matters`,
    "partitions cannot be removed again",
  ];
  if (declaredPolicy(declared).includes("compact")) {
    warnings.unshift(
      `${declared.name} is compacted, so its records are keyed: an old value of a key stays in its old partition for ever beside the new one in another, and a reader may take the old one for the last; write all keys anew after the change`,
    );
  }
  return warnings;
}
