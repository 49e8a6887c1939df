import type {
  ComponentHealth,
  ConsumerGroupHealth,
  HealthFinding,
  ServiceHealth,
  StreamHealth,
  TopicHealth,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { FindingType } from "../../gen/centralhub/health/v1/health_pb.ts";

// What counts as a change to those that watch: two states with the same mark are the same to them. Verdicts, statuses,
// reasons, settings and findings are in it; latencies, lags, counts and times of checks are not.

/** Findings whose text and actual value are measured, so that they differ from look to look. */
const MEASURED: ReadonlySet<FindingType> = new Set([
  FindingType.RETENTION_BYTES_BITES,
  FindingType.DATA_LOST,
  FindingType.STREAM_LIMIT_BITES,
  FindingType.GROUP_FALLING_BEHIND,
  FindingType.GROUP_STALLED,
  FindingType.GROUP_STOPPED,
]);

export function componentMark(component: ComponentHealth): string {
  const { kind, verdict, reason, sinceTime, address, warnings, impairedServices } = component;
  return mark([kind, verdict, reason, sinceTime, address, warnings, impairedServices]);
}

export function serviceMark({ verdict, causedBy }: ServiceHealth): string {
  return mark([verdict, causedBy]);
}

export function topicMark(topic: TopicHealth): string {
  const { domain, key, status, exists, expectedPartitions, expectedRetentionMs, partitions } = topic;
  const { replicationFactor, settings, floors, findings } = topic;
  const declared = [domain, key, expectedPartitions, expectedRetentionMs];
  return mark([
    declared,
    status,
    exists,
    partitions,
    replicationFactor,
    settings,
    floors,
    findings.map(core),
  ]);
}

export function streamMark({ status, exists, settings, findings }: StreamHealth): string {
  return mark([status, exists, settings, findings.map(core)]);
}

export function groupMark({ status, topics, findings }: ConsumerGroupHealth): string {
  return mark([status, topics, findings.map(core)]);
}

function core({ type, severity, resource, setting, expected, actual, message, sinceTime }: HealthFinding) {
  const always = [type, severity, resource, setting, expected, sinceTime];
  return MEASURED.has(type) ? always : [...always, actual, message];
}

function mark(parts: readonly unknown[]): string {
  return JSON.stringify(parts, (_key, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
}
