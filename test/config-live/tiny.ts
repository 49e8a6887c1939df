import type { WatchMessagingConfigResponse } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import type { DocumentTexts } from "../../src/config/document-set.ts";

/** Documents so small that a test can say by itself what each client is to see. */
export type Slot = "phase1 nats" | "phase1 kafka" | "phase1 zookeeper" | "phase2 nats" | "phase2 kafka";
export const SLOTS: readonly Slot[] = [
  "phase1 nats",
  "phase1 kafka",
  "phase1 zookeeper",
  "phase2 nats",
  "phase2 kafka",
];

/** Who is moved to phase1; everyone else follows phase2. */
export interface Moved {
  readonly services: readonly string[];
  readonly instances: readonly string[];
}

/** What one client follows. */
export interface Follower {
  readonly service: string;
  readonly instance: string;
  readonly systems: readonly string[];
  readonly version: string;
}

const NOBODY: Moved = { services: [], instances: [] };

export function fileOf(slot: Slot): string {
  const [version, system] = slot.split(" ");
  return `${version}/messaging/${system}.json`;
}

/** A document that says its value, and nothing else that differs. */
export function textOf(slot: Slot, value: number | string, spaces = 0): string {
  const description = `${slot} ${value}`;
  const topics = { d: { t: { name: "d.t", partitions: 1, retention_ms: -1, cleanup_policy: "delete" } } };
  const content = slot.endsWith("kafka")
    ? { description, bootstrap_servers: ["k:9092"], topics, consumer_groups: {} }
    : slot.endsWith("nats")
      ? { description, servers: ["nats://n:4222"] }
      : { description, servers: ["z:2181"] };
  return JSON.stringify(content, null, spaces);
}

export function flagsOf({ services, instances }: Moved): string {
  const isMoved = {
    or: [{ in: [{ var: "service" }, services] }, { in: [{ var: "instance" }, instances] }],
  };
  const messaging_config_version = {
    state: "ENABLED",
    variants: { phase1: "phase1", phase2: "phase2" },
    defaultVariant: "phase2",
    targeting: { if: [isMoved, "phase1", null] },
  };
  return JSON.stringify({ flags: { messaging_config_version } });
}

/** The first set of documents. */
export function tinyDocuments(value: number | string = 0): Map<string, string> {
  return new Map([
    ...SLOTS.map((slot) => [fileOf(slot), textOf(slot, value)] as const),
    ["flags.json", flagsOf(NOBODY)],
  ]);
}

/** What a client is to see at a revision with these texts, as `seenIn` writes it. */
export function expectedOf(texts: DocumentTexts, follower: Follower): string {
  const version = follower.version || (isMoved(texts, follower) ? "phase1" : "phase2");
  return write(version, (system) => {
    const text = texts.get(`${version}/messaging/${system}.json`);
    if (text === undefined || !follows(follower, system)) return undefined;
    return (JSON.parse(text) as { description: string }).description;
  });
}

/** What a client was sent; undefined for a bookmark. */
export function seenIn({ header, event }: WatchMessagingConfigResponse): string | undefined {
  if (event.case !== "snapshot") return undefined;
  const { value } = event;
  return write(header?.version ?? "", (system) => value[system]?.description);
}

function isMoved(texts: DocumentTexts, { service, instance }: Follower): boolean {
  if (!service) return false;
  const { flags } = JSON.parse(texts.get("flags.json") ?? "") as {
    flags: {
      messaging_config_version: {
        targeting: { if: [{ or: [{ in: [unknown, string[]] }, { in: [unknown, string[]] }] }] };
      };
    };
  };
  const [{ or }] = flags.messaging_config_version.targeting.if;
  return or[0].in[1].includes(service) || or[1].in[1].includes(instance);
}

function follows({ systems }: Follower, system: string): boolean {
  return systems.length === 0 || systems.includes(system);
}

type SystemName = "nats" | "kafka" | "zookeeper";

function write(version: string, say: (system: SystemName) => string | undefined): string {
  const parts = (["nats", "kafka", "zookeeper"] as const).map((system) => say(system) ?? "-");
  return [version, ...parts].join(" | ");
}
