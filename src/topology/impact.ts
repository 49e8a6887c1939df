import { create } from "@bufbuild/protobuf";
import { type Impact, ImpactSchema } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import type { DocumentSet } from "../config/document-set.ts";
import { overlaps } from "../config/subjects.ts";
import type { ObservedKafka } from "../health/observed-kafka.ts";
import type { TopologySystem } from "./change.ts";

const TENANTS_MAX = 1_000;

/** What tells who is touched by a change. */
export interface ImpactSources {
  readonly documents: DocumentSet;
  readonly version: string;
  /** Connected instances by service that follow a system in the version. */
  readonly live: Readonly<Record<TopologySystem, ReadonlyMap<string, number>>>;
  /** Names of the components that the systems are, as infrastructure.yaml has them. */
  readonly components: Partial<Readonly<Record<TopologySystem, string>>>;
  readonly kafka: ObservedKafka | undefined;
}

type Reasons = Map<string, { reasons: string[]; liveInstances: number }>;

/** Tells who is touched by changes of topics and streams; made once for a plan, asked for each change. */
export class Impacts {
  readonly #sources: ImpactSources;
  readonly #readers = new Map<string, string[]>();
  readonly #declared: readonly { name: string; topics: ReadonlySet<string>; pattern: RegExp | undefined }[];

  constructor(sources: ImpactSources) {
    this.#sources = sources;
    const groups = sources.documents.versions.get(sources.version)?.kafka?.message.consumerGroups ?? {};
    this.#declared = Object.entries(groups)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { topics }]) => ({ name, topics: new Set(topics), pattern: patternOf(name) }));
    const observed = sources.kafka?.groups;
    for (const group of observed?.isSeen ? observed.value.values() : []) {
      for (const topic of group.topics) {
        const readers = this.#readers.get(topic) ?? [];
        readers.push(group.name);
        this.#readers.set(topic, readers);
      }
    }
  }

  /** Who is touched when a topic changes. */
  ofTopic(topic: string): Impact {
    const { documents } = this.#sources;
    const declared = this.#declared.filter(({ topics }) => topics.has(topic)).map(({ name }) => name);
    const groups = new Set(declared);
    const tenants: string[] = [];
    for (const reader of this.#readers.get(topic) ?? []) {
      const tenant = this.#tenantOf(reader);
      if (tenant === undefined) groups.add(reader);
      else tenants.push(tenant);
    }
    const routes = Object.entries(documents.dataRoutes?.message.dataTypes ?? {});
    return create(ImpactSchema, {
      services: services(this.#followers("kafka", this.#dependants("kafka"))),
      consumerGroups: [...groups].sort(),
      tenants: tenants.sort().slice(0, TENANTS_MAX),
      tenantCount: tenants.length,
      dataTypes: routes.filter(([, route]) => route.topic === topic).map(([name]) => name),
    });
  }

  /** Who is touched when a stream with these subjects changes. */
  ofStream(subjects: readonly string[]): Impact {
    const { documents, version } = this.#sources;
    const found: Reasons = new Map();
    const permissions = documents.versions.get(version)?.nats?.message.permissions ?? {};
    for (const [service, { publish, subscribe }] of Object.entries(permissions)) {
      for (const [verb, allowed] of [
        ["publish", publish],
        ["subscribe", subscribe],
      ] as const) {
        const subject = allowed.find((one) => subjects.some((stored) => overlaps(one, stored)));
        if (subject !== undefined) note(found, service, `it may ${verb} ${subject}`);
      }
    }
    return create(ImpactSchema, { services: services(this.#followers("nats", found)) });
  }

  #dependants(system: TopologySystem): Reasons {
    const found: Reasons = new Map();
    const component = this.#sources.components[system];
    const platform = this.#sources.documents.infrastructure?.message.services ?? {};
    for (const [name, { dependsOn }] of Object.entries(platform)) {
      if (component !== undefined && dependsOn.includes(component))
        note(found, name, `it depends on ${component}`);
    }
    return found;
  }

  #followers(system: TopologySystem, found: Reasons): Reasons {
    for (const [service, count] of this.#sources.live[system]) {
      const who = count === 1 ? "1 live instance follows" : `${count} live instances follow`;
      note(found, service, `${who} ${this.#sources.version} ${system}`, count);
    }
    return found;
  }

  #tenantOf(group: string): string | undefined {
    if (this.#declared.some(({ name }) => name === group)) return undefined;
    for (const { pattern } of this.#declared) {
      const match = pattern?.exec(group);
      if (match) return match.slice(1).join("/");
    }
    return undefined;
  }
}

function note(found: Reasons, service: string, reason: string, liveInstances = 0): void {
  const known = found.get(service) ?? { reasons: [], liveInstances: 0 };
  known.reasons.push(reason);
  known.liveInstances += liveInstances;
  found.set(service, known);
}

function services(found: Reasons): { name: string; reason: string; liveInstances: number }[] {
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { reasons, liveInstances }]) => ({ name, reason: reasons.join("; "), liveInstances }));
}

// The live groups of a declared one with placeholders, such as "websocket_{user_id}"; undefined without any.
function patternOf(name: string): RegExp | undefined {
  const parts = name.split(/\{[a-z][a-z0-9_]*\}/);
  if (parts.length === 1) return undefined;
  const escaped = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\/-]/g, "\\$&"));
  return new RegExp(`^${escaped.join("(.+)")}$`, "s");
}
