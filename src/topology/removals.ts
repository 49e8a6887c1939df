import { create } from "@bufbuild/protobuf";
import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
  HealthFindingSchema,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { ChangeRisk } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import type { ObservedKafka, ObservedTopic } from "../health/observed-kafka.ts";
import type { ObservedNats, ObservedStream } from "../health/observed-nats.ts";
import { isInternalStream } from "../health/undeclared-streams.ts";
import { type Act, impossible, type PlannedChange, possible, type TopologySystem } from "./change.ts";
import { ABSENT, streamFingerprint, topicFingerprint } from "./fingerprints.ts";
import type { OwnedResource } from "./ports.ts";
import { listed } from "./texts.ts";

/** What decides on whether something may be removed. */
export interface RemovalContext {
  readonly allowDelete: boolean;
  /** What the hub made itself. */
  readonly owned: readonly OwnedResource[];
  /** Names that some version declares. */
  readonly declared: ReadonlySet<string>;
  /** Topics that user events are sent to, each with its data types. */
  readonly routed: ReadonlyMap<string, readonly string[]>;
}

/** What is there and declared nowhere: the removals of it, and what is said of the rest. */
export interface Undeclared {
  readonly changes: readonly PlannedChange[];
  readonly findings: readonly HealthFinding[];
}

/** Topics that no version declares. Kafka's own are left out. */
export function undeclaredTopics(observed: ObservedKafka, context: RemovalContext): Undeclared {
  const topics = [...observed.topics.values()].filter(
    ({ name, isInternal }) => !isInternal && !name.startsWith("__") && !context.declared.has(name),
  );
  return judge(topics, context, (topic) => ({
    ...{ system: "kafka", type: FindingType.TOPIC_UNDECLARED, noun: "topic", name: topic.name },
    isOwned: isOwned(context, "kafka", observed.clusterId, topic.name, topic.id),
    act: { kind: "delete-topic", topic: topic.name, id: topic.id },
    fingerprint: topicFingerprint("existence", topic),
    obstacle: topicObstacle(topic, observed, context),
  }));
}

/** Streams that no version declares. JetStream's own and the hub's are left out. */
export function undeclaredStreams(observed: ObservedNats, context: RemovalContext): Undeclared {
  if (!observed.streams.isSeen) return { changes: [], findings: [] };
  const streams = [...observed.streams.value.values()].filter(
    (stream) => !isInternalStream(stream) && !context.declared.has(stream.name),
  );
  return judge(streams, context, (stream) => ({
    ...{ system: "nats", type: FindingType.STREAM_UNDECLARED, noun: "stream", name: stream.name },
    isOwned: isOwned(context, "nats", observed.clusterId, stream.name, stream.created),
    act: { kind: "delete-stream", stream: stream.name, created: stream.created },
    fingerprint: streamFingerprint("existence", stream),
    obstacle: streamObstacle(stream),
  }));
}

interface Candidate {
  readonly system: TopologySystem;
  readonly type: FindingType;
  readonly noun: string;
  readonly name: string;
  readonly isOwned: boolean;
  readonly act: Act;
  readonly fingerprint: string;
  /** Why it may not be removed now; empty when it may. */
  readonly obstacle: string;
}

function judge<Resource>(
  resources: readonly Resource[],
  { allowDelete }: RemovalContext,
  candidate: (resource: Resource) => Candidate,
): Undeclared {
  const changes: PlannedChange[] = [];
  const findings: HealthFinding[] = [];
  for (const { system, type, noun, name, isOwned, act, fingerprint, obstacle } of resources.map(candidate)) {
    if (allowDelete && isOwned) {
      const text = {
        settings: [],
        summary: `removes the ${noun} ${name} with all that is in it; no version declares it`,
        warnings: ["what is in it cannot be brought back"],
      };
      const state = { aspect: "existence", fingerprint } as const;
      if (obstacle !== "") {
        const kept = {
          ...text,
          summary: `keeps the ${noun} ${name}, which no version declares`,
          warnings: [],
        };
        changes.push(impossible(system, name, "delete", obstacle, kept, state));
        continue;
      }
      const change = possible(system, name, act.kind, { ...text, risk: ChangeRisk.DESTRUCTIVE });
      changes.push({ change, act, aspect: "existence", before: fingerprint, after: ABSENT });
      continue;
    }
    const why = isOwned
      ? "the hub made it; a plan that allows to delete removes it"
      : "the hub did not make it and never removes it; declare it, or remove it with the broker's own tools";
    findings.push(
      create(HealthFindingSchema, {
        ...{ type, severity: FindingSeverity.INFO, resource: name },
        message: `the ${noun} ${name} is declared in no version; ${why}`,
      }),
    );
  }
  return { changes, findings };
}

function isOwned(
  { owned }: RemovalContext,
  system: TopologySystem,
  clusterId: string,
  name: string,
  incarnation: string,
): boolean {
  return owned.some(
    (one) =>
      one.system === system &&
      one.clusterId === clusterId &&
      one.name === name &&
      one.incarnation === incarnation,
  );
}

function topicObstacle(topic: ObservedTopic, { groups }: ObservedKafka, { routed }: RemovalContext): string {
  const routes = routed.get(topic.name) ?? [];
  if (routes.length > 0) return `events of ${listed(routes)} are sent to it; see data-routes.yaml`;
  if (!groups.isSeen) return `whether somebody reads it cannot be seen: ${groups.reason}`;
  const readers = [...groups.value.values()]
    // One whose members cannot be seen may have some.
    .filter(({ members, topics }) => !(members.isSeen && members.value === 0) && topics.includes(topic.name))
    .map(({ name }) => name)
    .sort();
  return readers.length > 0 ? `the groups ${listed(readers)} read it now; stop them first` : "";
}

function streamObstacle({ consumers, sealed, denyDelete }: ObservedStream): string {
  if (consumers > 0) return `it has ${consumers} consumers; remove them first`;
  return sealed && denyDelete ? "it is sealed" : "";
}
