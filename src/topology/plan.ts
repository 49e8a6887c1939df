import { create } from "@bufbuild/protobuf";
import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
  HealthFindingSchema,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { ChangeAction } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import { floorOf } from "../config/checks/compliance.ts";
import { declaredTopics } from "../config/checks/platform.ts";
import type { DocumentSet } from "../config/document-set.ts";
import type { ObservedKafka } from "../health/observed-kafka.ts";
import type { ObservedNats } from "../health/observed-nats.ts";
import type { PlannedChange, TopologySystem } from "./change.ts";
import { type ImpactSources, Impacts } from "./impact.ts";
import type { OwnedResource } from "./ports.ts";
import { type RemovalContext, type Undeclared, undeclaredStreams, undeclaredTopics } from "./removals.ts";
import { streamChanges } from "./stream-changes.ts";
import { topicChanges } from "./topic-changes.ts";

/** What is to be compared, and how. */
export interface PlanOptions {
  readonly version: string;
  readonly systems: readonly TopologySystem[];
  readonly allowDelete: boolean;
  /** Greatest step of a retention, in milliseconds; undefined: half of it. */
  readonly stepMs: bigint | undefined;
}

/** What a plan is made from. The same of it makes the same plan. */
export interface PlanSources {
  readonly documents: DocumentSet;
  /** Undefined: not among the systems, or not declared. */
  readonly kafka: ObservedKafka | undefined;
  readonly nats: ObservedNats | undefined;
  readonly owned: readonly OwnedResource[];
  /** Topics that hubs work with themselves, which nobody declares. */
  readonly ownTopics: ReadonlySet<string>;
  readonly impact: Pick<ImpactSources, "live" | "components">;
  /** When that is, for ages and for waivers, in milliseconds since 1970. */
  readonly time: number;
}

/** Everything that would make the brokers as declared, in the order in which it is done. */
export interface Plan {
  readonly changes: readonly PlannedChange[];
  readonly findings: readonly HealthFinding[];
  /** Declared resources that are as declared. */
  readonly unchanged: number;
}

/** Compares what a version declares with what was observed. */
export function makePlan(options: PlanOptions, sources: PlanSources): Plan {
  const impacts = new Impacts({ ...sources, ...sources.impact, version: options.version });
  const parts = [
    ...(sources.kafka ? [planKafka(options, sources, sources.kafka, impacts)] : []),
    ...(sources.nats ? [planNats(options, sources, sources.nats, impacts)] : []),
  ];
  return {
    changes: parts.flatMap(({ changes }) => changes).sort(inOrder),
    findings: parts.flatMap(({ findings }) => findings),
    unchanged: parts.reduce((sum, { unchanged }) => sum + unchanged, 0),
  };
}

function planKafka(
  options: PlanOptions,
  sources: PlanSources,
  observed: ObservedKafka,
  impacts: Impacts,
): Plan {
  const { documents, time } = sources;
  const config = documents.versions.get(options.version)?.kafka?.message;
  const key = config?.partitioningStrategy?.key ?? "";
  const changes: PlannedChange[] = [];
  const findings: HealthFinding[] = [];
  let unchanged = 0;
  for (const topic of Object.values(config?.topics ?? {}).flatMap(({ topics }) => Object.values(topics))) {
    const hidden = observed.hiddenTopics.get(topic.name);
    const found = observed.topics.get(topic.name);
    if (hidden !== undefined && !found) {
      findings.push(notVisible(topic.name, hidden));
      continue;
    }
    const floor = floorOf(documents, topic.name, time);
    const own = topicChanges(topic, found, { floor, stepMs: options.stepMs, time, key });
    for (const { change } of own) change.impact = impacts.ofTopic(topic.name);
    changes.push(...own);
    if (found && !found.settings.isSeen) findings.push(notVisible(topic.name, found.settings.reason));
    else if (own.length === 0) unchanged += 1;
  }
  if (observed.autoCreate.isSeen && observed.autoCreate.value) {
    findings.push(
      create(HealthFindingSchema, {
        ...{ type: FindingType.AUTO_CREATE, severity: FindingSeverity.WARN },
        setting: "auto.create.topics.enable",
        actual: "true",
        message:
          "brokers make topics by themselves, so a client may make a declared one with the wrong settings first",
      }),
    );
  }
  const routes = Object.entries(documents.dataRoutes?.message.dataTypes ?? {});
  const routed = Map.groupBy(routes, ([, { topic }]) => topic);
  const context: RemovalContext = {
    ...{ allowDelete: options.allowDelete, owned: sources.owned },
    declared: new Set([...declaredTopics(documents), ...sources.ownTopics]),
    routed: new Map([...routed].map(([topic, of]) => [topic, of.map(([name]) => name)])),
  };
  const undeclared = withImpact(undeclaredTopics(observed, context), (name) => impacts.ofTopic(name));
  return {
    changes: [...changes, ...undeclared.changes],
    findings: [...findings, ...undeclared.findings],
    unchanged,
  };
}

function planNats(
  options: PlanOptions,
  sources: PlanSources,
  observed: ObservedNats,
  impacts: Impacts,
): Plan {
  const { documents, time } = sources;
  const declared = documents.versions.get(options.version)?.nats?.message.streams ?? {};
  if (!observed.streams.isSeen) {
    const reason = observed.streams.reason;
    return {
      changes: [],
      findings: Object.keys(declared).map((name) => notVisible(name, reason)),
      unchanged: 0,
    };
  }
  const streams = observed.streams.value;
  const host = { serverVersion: observed.serverVersion, isCluster: observed.isCluster };
  const changes: PlannedChange[] = [];
  const findings: HealthFinding[] = [];
  let unchanged = 0;
  for (const [name, stream] of Object.entries(declared)) {
    const hidden = observed.hiddenStreams.get(name);
    if (hidden !== undefined) {
      findings.push(notVisible(name, hidden));
      continue;
    }
    const own = streamChanges(name, stream, streams.get(name), { host, stepMs: options.stepMs, time });
    for (const { change } of own) change.impact = impacts.ofStream(stream.subjects);
    changes.push(...own);
    if (own.length === 0) unchanged += 1;
  }
  const anywhere = [...documents.versions.values()].flatMap(({ nats }) =>
    Object.keys(nats?.message.streams ?? {}),
  );
  const context = {
    ...{ allowDelete: options.allowDelete, owned: sources.owned, declared: new Set(anywhere) },
    routed: new Map(),
  };
  const undeclared = withImpact(undeclaredStreams(observed, context), (name) =>
    impacts.ofStream(streams.get(name)?.subjects ?? []),
  );
  return {
    changes: [...changes, ...undeclared.changes],
    findings: [...findings, ...undeclared.findings],
    unchanged,
  };
}

function withImpact(
  undeclared: Undeclared,
  impactOf: (name: string) => ReturnType<Impacts["ofTopic"]>,
): Undeclared {
  for (const { change } of undeclared.changes) change.impact = impactOf(change.resource);
  return undeclared;
}

function notVisible(resource: string, reason: string): HealthFinding {
  return create(HealthFindingSchema, {
    ...{ type: FindingType.NOT_VISIBLE, severity: FindingSeverity.WARN, resource },
    message: `${resource} cannot be seen as a whole, so nothing is planned for what is hidden: ${reason}`,
  });
}

const ORDER: Partial<Record<ChangeAction, number>> = {
  [ChangeAction.CREATE]: 0,
  [ChangeAction.ADD_PARTITIONS]: 1,
  [ChangeAction.ALTER]: 2,
  [ChangeAction.IMPOSSIBLE]: 3,
  [ChangeAction.DELETE]: 4,
};

// What is removed comes last; the rest of the order only keeps a plan the same from one time to the next.
function inOrder({ change: a }: PlannedChange, { change: b }: PlannedChange): number {
  const byAction = (ORDER[a.action] ?? 9) - (ORDER[b.action] ?? 9);
  return byAction || (a.id < b.id ? -1 : 1);
}
