import type { KafkaTopic } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import { FindingType } from "../../gen/centralhub/health/v1/health_pb.ts";
import type { ObservedTopic, SettingSource } from "./observed-kafka.ts";

/** What a topic is compared on, spelled as Kafka's own tools spell it. */
export type TopicSetting =
  | "partitions"
  | "replication.factor"
  | "cleanup.policy"
  | "retention.ms"
  | "retention.bytes"
  | "min.insync.replicas"
  | "max.message.bytes";

/** One thing in which a topic is not as declared. */
export interface TopicDifference {
  readonly type: FindingType;
  readonly setting: TopicSetting;
  /** The declared value, in canonical form. */
  readonly declared: string;
  /** The value in effect, in canonical form. */
  readonly actual: string;
  /** Where the value in effect comes from; undefined for what is no setting, such as the number of partitions. */
  readonly source: SettingSource | undefined;
}

/**
 * Everything in which an existing topic is not as declared, in a fixed order. Values are compared, not how they came
 * to be: a broker's default that equals the declaration is no difference. What the declaration leaves unset is not
 * compared, and neither is what could not be seen: who must be sure of the settings looks at `observed.settings` first.
 */
export function compareTopic(declared: KafkaTopic, observed: ObservedTopic): TopicDifference[] {
  return [...comparePlacement(declared, observed), ...compareSettings(declared, observed)];
}

/** The declared policy in canonical form; a topic that declares none has "delete". */
export function declaredPolicy({ cleanupPolicy }: Pick<KafkaTopic, "cleanupPolicy">): string {
  return canonicalPolicy(cleanupPolicy || "delete");
}

/** A list of policies as brokers and documents may write it, in the one form that is compared. */
export function canonicalPolicy(list: string): string {
  const policies = list.split(",").map((policy) => policy.trim().toLowerCase());
  return [...new Set(policies)].filter(Boolean).sort().join(",");
}

function comparePlacement(declared: KafkaTopic, { partitions }: ObservedTopic): TopicDifference[] {
  const differences: TopicDifference[] = [];
  const count = partitions.length;
  if (count !== declared.partitions) {
    differences.push({
      type: count < declared.partitions ? FindingType.PARTITIONS_FEWER : FindingType.PARTITIONS_MORE,
      setting: "partitions",
      declared: String(declared.partitions),
      actual: String(count),
      source: undefined,
    });
  }
  const wanted = declared.replicationFactor;
  const other = partitions
    .map(({ replicas }) => replicas.length)
    .filter((copies) => copies !== wanted)
    .sort((a, b) => a - b)[0];
  if (wanted !== undefined && other !== undefined) {
    differences.push({
      type: FindingType.REPLICATION_FACTOR,
      setting: "replication.factor",
      declared: String(wanted),
      actual: String(other),
      source: undefined,
    });
  }
  return differences;
}

function compareSettings(declared: KafkaTopic, observed: ObservedTopic): TopicDifference[] {
  if (!observed.settings.isSeen) return [];
  const settings = observed.settings.value;
  const differences: TopicDifference[] = [];
  const compare = (
    setting: TopicSetting,
    wanted: string | undefined,
    typeOf: (actual: string) => FindingType,
    canonical: (value: string) => string = canonicalNumber,
  ): void => {
    const found = settings.get(setting);
    if (wanted === undefined || found === undefined) return;
    const actual = canonical(found.value);
    if (actual !== wanted)
      differences.push({ type: typeOf(actual), setting, declared: wanted, actual, source: found.source });
  };

  const policy = declaredPolicy(declared);
  compare("cleanup.policy", policy, () => FindingType.CLEANUP_POLICY, canonicalPolicy);
  // A topic that is only compacted removes nothing by time, so that retention.ms has no effect, whatever it is.
  const isOnlyCompacted =
    policy === "compact" && canonicalPolicy(settings.get("cleanup.policy")?.value ?? "") === "compact";
  if (!isOnlyCompacted) {
    compare("retention.ms", String(declared.retentionMs), (actual) =>
      isLonger(actual, declared.retentionMs) ? FindingType.RETENTION_LONGER : FindingType.RETENTION_SHORTER,
    );
  }
  compare("retention.bytes", declared.retentionBytes?.toString(), () => FindingType.RETENTION_BYTES);
  compare(
    "min.insync.replicas",
    declared.minInsyncReplicas?.toString(),
    () => FindingType.MIN_INSYNC_REPLICAS,
  );
  compare("max.message.bytes", declared.maxMessageBytes?.toString(), () => FindingType.MAX_MESSAGE_BYTES);
  return differences;
}

// Brokers write numbers plainly; what is none is kept as it is, and so is never equal to a declared one.
function canonicalNumber(value: string): string {
  const trimmed = value.trim();
  return /^-?\d+$/.test(trimmed) ? BigInt(trimmed).toString() : trimmed;
}

function isLonger(actual: string, declaredMs: bigint): boolean {
  if (!/^-?\d+$/.test(actual) || declaredMs === -1n) return false;
  return actual === "-1" || BigInt(actual) > declaredMs;
}
