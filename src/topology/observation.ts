import type { DocumentSet } from "../config/document-set.ts";
import { HubError, unknownName } from "../errors.ts";
import type { Health } from "../health/health.ts";
import type { ObservedKafka, ObservedTopic } from "../health/observed-kafka.ts";
import type { ObservedNats, ObservedStream } from "../health/observed-nats.ts";
import type { SystemWatch } from "../health/system-watch.ts";
import { type Aspect, TOPOLOGY_SYSTEMS, type TopologySystem } from "./change.ts";
import { ABSENT, streamFingerprint, topicFingerprint } from "./fingerprints.ts";

const LOOKS_MAX = 3;

/** What was seen of the systems that a plan is about. */
export interface Observed {
  readonly kafka: ObservedKafka | undefined;
  readonly nats: ObservedNats | undefined;
}

/** Looks at systems now. Throws NOT_CONFIGURED and BROKER_UNAVAILABLE, naming the system. */
export async function observe(health: Health, systems: readonly TopologySystem[]): Promise<Observed> {
  const look = async <Seen extends { readonly time: number }>(
    system: TopologySystem,
    watch: SystemWatch<Seen>,
  ): Promise<Seen | undefined> => (systems.includes(system) ? await lookNow(system, watch) : undefined);
  const [kafka, nats] = await Promise.all([look("kafka", health.kafka), look("nats", health.nats)]);
  return { kafka, nats };
}

// A look that was under way already may have missed what has just been changed.
async function lookNow<Seen extends { readonly time: number }>(
  system: TopologySystem,
  watch: SystemWatch<Seen>,
): Promise<Seen> {
  const since = Date.now();
  try {
    for (let looks = 1; ; looks++) {
      const seen = await watch.observe();
      if (seen.time >= since || looks === LOOKS_MAX) return seen;
    }
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    throw new HubError(error.reason, `${system}: ${error.message}`, { cause: error });
  }
}

/** Ids of the clusters that were looked at. */
export function clusterIdsOf({ kafka, nats }: Observed): Partial<Record<TopologySystem, string>> {
  return { ...(kafka ? { kafka: kafka.clusterId } : {}), ...(nats ? { nats: nats.clusterId } : {}) };
}

/** A side of a resource as it was seen. */
export function fingerprintIn(
  { kafka, nats }: Observed,
  system: string,
  name: string,
  aspect: Aspect,
): string {
  if (system === "kafka") return topicFingerprint(aspect, topicIn(kafka, name));
  if (system === "nats") return streamFingerprint(aspect, streamIn(nats, name));
  return ABSENT;
}

function topicIn(kafka: ObservedKafka | undefined, name: string): ObservedTopic | undefined {
  return kafka?.topics.get(name);
}

function streamIn(nats: ObservedNats | undefined, name: string): ObservedStream | undefined {
  return nats?.streams.isSeen ? nats.streams.value.get(name) : undefined;
}

/**
 * The systems to plan for: those that are named, or else all that are configured and declared. Throws UNKNOWN_VERSION,
 * NOT_DECLARED, NOT_CONFIGURED.
 */
export function chooseSystems(
  documents: DocumentSet,
  version: string,
  named: readonly string[],
  health: Health,
): TopologySystem[] {
  const declared = documents.versions.get(version);
  if (!declared) throw unknownName("UNKNOWN_VERSION", "version", version, documents.versions.keys());
  const isConfigured = (system: TopologySystem): boolean => health[system].target !== undefined;
  if (named.length === 0) {
    const chosen = TOPOLOGY_SYSTEMS.filter((system) => declared[system] && isConfigured(system));
    if (chosen.length > 0) return chosen;
    const text = "neither Kafka nor NATS is declared and has an address; set KAFKA_BROKERS or NATS_URL";
    throw new HubError("NOT_CONFIGURED", text);
  }
  return TOPOLOGY_SYSTEMS.filter((system) => {
    if (!named.includes(system)) return false;
    if (!declared[system]) {
      const text = `version "${version}" declares no ${system}`;
      throw new HubError("NOT_DECLARED", text, { metadata: { version, system } });
    }
    return true;
  });
}
