import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
  type Remedy,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { adopt, finding, fixBroker } from "./findings.ts";
import type { ObservedTopic } from "./observed-kafka.ts";

/** Partitions of a topic that lack copies, or a leader. That is no drift, but it stops writes, or soon may. */
export function replicaFindings(topic: ObservedTopic): HealthFinding[] {
  const { name, partitions } = topic;
  const findings: HealthFinding[] = [];
  const offline = partitions.filter(({ leader }) => leader === -1);
  if (offline.length > 0) {
    findings.push(
      finding({
        type: FindingType.OFFLINE_PARTITION,
        severity: FindingSeverity.FAIL,
        resource: name,
        actual: listed(offline),
        message: `${name}: partitions ${listed(offline)} have no leader and can be neither written nor read`,
        remedies: brokersBack(offline),
      }),
    );
  }
  const lacking = partitions.filter(({ replicas, inSync }) => inSync.length < replicas.length);
  if (lacking.length > 0) {
    const least = topic.settings.isSeen ? Number(topic.settings.value.get("min.insync.replicas")?.value) : 0;
    const refusing = lacking.filter(({ leader, inSync }) => leader !== -1 && inSync.length < least);
    const effect =
      refusing.length > 0
        ? `; partitions ${listed(refusing)} have fewer than min.insync.replicas=${least} and refuse writes with acks=all`
        : "";
    findings.push(
      finding({
        type: FindingType.UNDER_REPLICATED,
        severity: refusing.length > 0 ? FindingSeverity.FAIL : FindingSeverity.WARN,
        resource: name,
        actual: listed(lacking),
        message: `${name}: partitions ${listed(lacking)} have fewer copies in sync than they have copies${effect}`,
        remedies: brokersBack(lacking),
      }),
    );
  }
  return findings;
}

function brokersBack(partitions: ObservedTopic["partitions"]): Remedy[] {
  const out = new Set(
    partitions.flatMap(({ replicas, inSync }) => replicas.filter((broker) => !inSync.includes(broker))),
  );
  const brokers = [...out].sort((a, b) => a - b).join(", ");
  return [
    fixBroker(`bring the brokers ${brokers} back, or see why they do not keep up`),
    adopt(
      "declare nothing else",
      "copies that are missing are a state of the brokers, and no declaration makes it right",
    ),
  ];
}

const MOST_LISTED = 20;

function listed(partitions: ObservedTopic["partitions"]): string {
  const ids = partitions.slice(0, MOST_LISTED).map(({ id }) => id);
  const more = partitions.length - ids.length;
  return ids.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
