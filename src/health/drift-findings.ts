import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
  type Remedy,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import type { Floor } from "../config/checks/compliance.ts";
import { finding, fixBroker } from "./findings.ts";
import type { SettingSource } from "./observed-kafka.ts";
import { applyPlan, declareValue } from "./remedies.ts";
import { inDays } from "./retention.ts";
import type { TopicDifference, TopicSetting } from "./topic-comparison.ts";

/** Where a topic is declared, and which floors hold for it. */
export interface TopicPlace {
  readonly name: string;
  /** Such as "phase2/messaging/kafka.json". */
  readonly file: string;
  /** Such as "topics.user_domain.trades". */
  readonly path: string;
  readonly floors: readonly Floor[];
}

const FIELDS: Readonly<Record<TopicSetting, string>> = {
  partitions: "partitions",
  "replication.factor": "replication_factor",
  "cleanup.policy": "cleanup_policy",
  "retention.ms": "retention_ms",
  "retention.bytes": "retention_bytes",
  "min.insync.replicas": "min_insync_replicas",
  "max.message.bytes": "max_message_bytes",
};

const SOURCES: Readonly<Record<SettingSource, string>> = {
  topic: "set on the topic",
  "broker-dynamic": "set on a broker while it ran",
  "cluster-dynamic": "the default of all brokers, set while they ran",
  "broker-static": "from a broker's properties file",
  default: "Kafka's own default",
  unknown: "of unknown source",
};

/** A difference from the declaration, for people, with its two ways out. Drift in either direction is drift. */
export function driftFinding(difference: TopicDifference, place: TopicPlace): HealthFinding {
  const { type, setting, declared, actual, source } = difference;
  const told = (value: string): string =>
    setting === "retention.ms" && isNumber(value) ? inDays(BigInt(value)) : value;
  const origin = source ? `, ${SOURCES[source]}` : "";
  return finding({
    type,
    severity: FindingSeverity.FAIL,
    resource: place.name,
    setting,
    expected: declared,
    actual,
    message: `${place.name}: ${setting} is declared as ${told(declared)} and is ${told(actual)}${origin}`,
    remedies: [fixOf(difference), adoptionOf(difference, place)],
  });
}

function fixOf({ type, setting, declared, actual }: TopicDifference): Remedy {
  switch (type) {
    case FindingType.PARTITIONS_FEWER:
      return applyPlan(
        `adds partitions up to ${declared}; records of a key that come after may go to another partition than those before`,
      );
    case FindingType.PARTITIONS_MORE:
      return fixBroker(
        `make the topic anew with ${declared} partitions and copy what it holds`,
        `Kafka cannot take partitions away, and removing the topic loses its records: ${actual} it stays`,
      );
    case FindingType.REPLICATION_FACTOR:
      return fixBroker(
        `move replicas with Kafka's own kafka-reassign-partitions, until each partition has ${declared}`,
        "another replication factor needs a reassignment, which moves all data; the hub starts none",
      );
    case FindingType.RETENTION_LONGER:
      return applyPlan(`lowers retention.ms to ${declared} in steps, and removes older records for good`);
    default:
      return applyPlan(`sets ${setting} to ${declared}, and no other setting`);
  }
}

function adoptionOf(difference: TopicDifference, place: TopicPlace): Remedy {
  const { setting, actual } = difference;
  const value = setting === "cleanup.policy" ? `"${actual}"` : actual;
  const broken = place.floors.find(({ floorMs }) => breaksFloor(difference, floorMs));
  return declareValue(
    place.file,
    `${place.path}.${FIELDS[setting]}`,
    value,
    broken
      ? `the floor of ${broken.rule}, ${inDays(broken.floorMs)}, does not allow it; a waiver that expires could`
      : "",
  );
}

// Whether the value on the broker could not be declared, because of a floor.
function breaksFloor({ setting, actual }: TopicDifference, floorMs: bigint): boolean {
  if (setting === "cleanup.policy") return actual.includes("compact");
  if (setting === "retention.bytes") return actual !== "-1";
  return setting === "retention.ms" && isNumber(actual) && actual !== "-1" && BigInt(actual) < floorMs;
}

function isNumber(value: string): boolean {
  return /^-?\d+$/.test(value);
}
