import { versionOf } from "../config/declared.ts";
import type { LiveConfig } from "../config/live-config.ts";
import type { RolloutBoard } from "../config/rollout-board.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { Health } from "../health/health.ts";
import type { TopologySystem } from "./change.ts";
import { declarationFingerprint } from "./declaration.ts";
import { type ImportedDocuments, importDocuments } from "./import.ts";
import { chooseSystems, clusterIdsOf, type Observed, observe } from "./observation.ts";
import { makePlan, type Plan, type PlanOptions } from "./plan.ts";
import type { TopologyPorts } from "./ports.ts";
import { type PlanToken, writeToken } from "./token.ts";

/** What plans are made from and carried out with. */
export interface TopologyParts {
  readonly live: LiveConfig;
  readonly health: Health;
  readonly board: RolloutBoard;
  readonly ports: TopologyPorts;
  /** Kafka topics that the hub itself makes. */
  readonly ownTopics: ReadonlySet<string>;
}

/** Asks for a plan; what is empty is chosen by the hub. */
export interface PlanQuery {
  readonly version: string;
  readonly systems: readonly string[];
  readonly allowDelete: boolean;
  readonly stepMs: bigint | undefined;
}

/** A plan with all that it was made from. */
export interface Planned {
  readonly plan: Plan;
  readonly observed: Observed;
  readonly token: string;
  readonly version: string;
  readonly revision: bigint;
  readonly clusterIds: Partial<Readonly<Record<TopologySystem, string>>>;
}

/** Tells what would make brokers as declared, and what would make a declaration of brokers. Changes nothing. */
export class Topology {
  readonly parts: TopologyParts;

  constructor(parts: TopologyParts) {
    this.parts = parts;
  }

  /**
   * Looks at the brokers now and plans. Throws UNKNOWN_VERSION, NOT_DECLARED, NOT_CONFIGURED, BROKER_UNAVAILABLE,
   * LOG_UNAVAILABLE.
   */
  async plan(query: PlanQuery): Promise<Planned> {
    const { documents } = this.#snapshot;
    const version = versionOf(this.#snapshot, query.version).name;
    const systems = chooseSystems(documents, version, query.systems, this.parts.health);
    const { allowDelete, stepMs } = query;
    return await this.planFor({ version, systems, allowDelete, stepMs }, Date.now());
  }

  /** The same for options that are known, as of a time. */
  async planFor(options: PlanOptions, time: number): Promise<Planned> {
    const { health, ports, board, ownTopics } = this.parts;
    const [observed, owned] = await Promise.all([
      observe(health, options.systems),
      options.allowDelete ? ports.ownership.list() : [],
    ]);
    const { documents, epoch, revision } = this.#snapshot;
    const { version } = options;
    const live = {
      kafka: board.liveInstances(version, "kafka"),
      nats: board.liveInstances(version, "nats"),
    };
    const components = componentsOf(health);
    const plan = makePlan(options, {
      ...observed,
      documents,
      owned,
      ownTopics,
      time,
      impact: { live, components },
    });
    const declaration = declarationFingerprint(documents, options);
    const clusterIds = clusterIdsOf(observed);
    const token = writeToken({ epoch, revision, options, declaration, clusterIds, time }, plan);
    return { plan, observed, token, version, revision, clusterIds };
  }

  /** What of the newest documents a plan no longer agrees with, for people; empty when it does. */
  movedSince({ epoch, revision, options, declaration }: PlanToken): string {
    const { documents, epoch: now, revision: newest } = this.#snapshot;
    if (epoch !== now) return "the history was restored from another time";
    if (!documents.versions.has(options.version)) return `version ${options.version} is gone`;
    if (declarationFingerprint(documents, options) === declaration) return "";
    return `the declaration, from revision ${revision} to ${newest}`;
  }

  /** Makes documents of what the brokers have. Throws as plan. */
  async import(query: {
    readonly version: string;
    readonly systems: readonly string[];
    readonly domain: string;
  }): Promise<ImportedDocuments> {
    const { health, live, ownTopics } = this.parts;
    const version = versionOf(this.#snapshot, query.version).name;
    const configured = (["kafka", "nats"] as const).filter((system) => health[system].target);
    const named = (["kafka", "nats"] as const).filter((system) => query.systems.includes(system));
    const systems = named.length > 0 ? named : configured;
    const observed = await observe(health, systems.length > 0 ? systems : ["kafka"]);
    const texts = live.log.head?.documents ?? new Map();
    return importDocuments({
      version,
      domain: query.domain,
      documents: this.#snapshot.documents,
      texts,
      observed,
      ownTopics,
    });
  }

  get #snapshot(): Snapshot {
    return this.parts.live.manager.snapshot;
  }
}

function componentsOf(health: Health): Partial<Record<TopologySystem, string>> {
  const { kafka, nats } = health;
  return {
    ...(kafka.target ? { kafka: kafka.target.name } : {}),
    ...(nats.target ? { nats: nats.target.name } : {}),
  };
}
