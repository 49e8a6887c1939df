import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { KafkaTopic } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
  ResourceStatus,
  type TopicHealth,
  TopicHealthSchema,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { driftFinding, type TopicPlace } from "./drift-findings.ts";
import { adopt, finding, fixBroker, statusOf } from "./findings.ts";
import type { ObservedKafka, ObservedTopic } from "./observed-kafka.ts";
import { applyPlan } from "./remedies.ts";
import { replicaFindings } from "./replica-findings.ts";
import { evidenceOf, floorVerdict, retentionOf } from "./retention.ts";
import { retentionFindings } from "./retention-findings.ts";
import { compareTopic } from "./topic-comparison.ts";

/** A topic, and where it is declared. */
export interface DeclaredTopic extends TopicPlace {
  readonly domain: string;
  /** Its short name within the domain. */
  readonly key: string;
  readonly topic: KafkaTopic;
}

/** Settings that decide on retention and safety, in the order in which they are shown. */
const SHOWN = [
  ...["retention.ms", "retention.bytes", "cleanup.policy", "min.insync.replicas", "max.message.bytes"],
  ...["local.retention.ms", "remote.storage.enable"],
];

/** Judges one declared topic. `observed` undefined: the broker cannot be seen. `now` in milliseconds since 1970. */
export function judgeTopic(
  declared: DeclaredTopic,
  observed: ObservedKafka | undefined,
  now: number,
): TopicHealth {
  const topic = observed?.topics.get(declared.name);
  if (topic) return judgeExisting(declared, topic, now);
  const hidden = observed?.hiddenTopics.get(declared.name);
  const isMissing = observed !== undefined && hidden === undefined;
  const health = healthOf(declared, isMissing ? ResourceStatus.MISSING : ResourceStatus.UNKNOWN);
  if (isMissing) {
    health.exists = false;
    health.findings.push(missing(declared));
  }
  if (hidden !== undefined) health.findings.push(notVisible(declared.name, "", hidden));
  return health;
}

function judgeExisting(declared: DeclaredTopic, topic: ObservedTopic, now: number): TopicHealth {
  const { name, floors } = declared;
  const retention = retentionOf(topic.settings);
  const findings: HealthFinding[] = [
    ...compareTopic(declared.topic, topic).map((difference) => driftFinding(difference, declared)),
    ...retentionFindings(declared, topic, now),
    ...replicaFindings(topic),
  ];
  if (!topic.settings.isSeen) findings.push(notVisible(name, "settings", topic.settings.reason));
  if (!topic.offsets.isSeen) findings.push(notVisible(name, "offsets", topic.offsets.reason));
  const status = statusOf(findings);
  const isUnsure = status === ResourceStatus.HEALTHY && !topic.settings.isSeen;
  const health = healthOf(declared, isUnsure ? ResourceStatus.UNKNOWN : status);
  health.findings = findings;
  health.exists = true;
  health.partitions = topic.partitions.length;
  health.replicationFactor = Math.min(...topic.partitions.map(({ replicas }) => replicas.length));
  if (topic.settings.isSeen) {
    for (const name of SHOWN) {
      const found = topic.settings.value.get(name);
      if (found) health.settings.push(effectiveValue(name, found));
    }
  }
  for (const { rule, floorMs } of floors) {
    const { verdict } = floorVerdict(retention, floorMs);
    health.floors.push({ $typeName: "centralhub.health.v1.FloorHealth", rule, floorMs, verdict });
  }
  if (topic.offsets.isSeen) health.evidence = evidenceMessage(topic);
  return health;
}

function evidenceMessage(topic: ObservedTopic): TopicHealth["evidence"] {
  if (!topic.offsets.isSeen) return undefined;
  const { oldestTime, removed, records } = evidenceOf(topic.offsets.value);
  return {
    $typeName: "centralhub.health.v1.RetentionEvidence",
    ...(oldestTime === undefined ? {} : { oldestRecordTime: timestampFromMs(oldestTime) }),
    removedRecords: removed,
    records,
    ...(topic.sizeBytes.isSeen ? { sizeBytes: topic.sizeBytes.value } : {}),
  };
}

function effectiveValue(name: string, { value, source }: { value: string; source: string }) {
  return { $typeName: "centralhub.health.v1.EffectiveValue" as const, name, value, source };
}

function healthOf({ name, domain, key, topic }: DeclaredTopic, status: ResourceStatus): TopicHealth {
  return create(TopicHealthSchema, {
    name,
    domain,
    key,
    status,
    expectedPartitions: topic.partitions,
    expectedRetentionMs: topic.retentionMs,
  });
}

function missing({ name, file, path, topic }: DeclaredTopic): HealthFinding {
  return finding({
    type: FindingType.TOPIC_MISSING,
    severity: FindingSeverity.FAIL,
    resource: name,
    message: `${name} is declared and not on the broker`,
    remedies: [
      applyPlan(`makes it with ${topic.partitions} partitions`),
      adopt(`remove ${path} from ${file}, and from every consumer group and rule that names it`),
    ],
  });
}

function notVisible(name: string, what: string, reason: string): HealthFinding {
  return finding({
    type: FindingType.NOT_VISIBLE,
    severity: FindingSeverity.WARN,
    resource: name,
    setting: what,
    message: `${what ? `the ${what} of ${name}` : name} cannot be seen: ${reason}`,
    remedies: [
      fixBroker("give the hub's user the rights Describe and DescribeConfigs on the topic"),
      adopt("leave it: what the hub may not see it does not judge", "what cannot be seen cannot be adopted"),
    ],
  });
}
