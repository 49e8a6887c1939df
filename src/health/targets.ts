import type { InfrastructureConfig } from "../../gen/centralhub/config/v1/infrastructure_pb.ts";

/** What speaks at a component. */
export type ComponentKind = "nats" | "kafka" | "zookeeper" | "postgres" | "http" | "tcp";

/** One component that is to be looked at, with everything that the documents and the settings say of it. */
export interface Target {
  /** Its name in infrastructure.yaml. */
  readonly name: string;
  readonly kind: ComponentKind;
  /** "host:port", several of them with commas between, or a URL, which may hold secrets. Empty: not configured. */
  readonly address: string;
  /** Base address of its monitoring over HTTP; empty: none. */
  readonly monitoringUrl: string;
  /** Time between two looks, in milliseconds. */
  readonly intervalMs: number;
  /** Time that one look may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** Addresses from the hub's own settings, by kind. Empty: the document's counts. */
export interface Overrides {
  readonly addresses: Partial<Readonly<Record<ComponentKind, string>>>;
  /** Base address of NATS' monitoring. */
  readonly natsMonitorUrl: string;
  /** Where the revision log is: "file" or a URL. */
  readonly revisionLog?: string;
}

const INTERVAL_MS = 10_000;
const TIMEOUT_MS = 2_000;

/**
 * Every declared component as a target, by name. A setting wins over the document for the first component of its kind;
 * so the environment can say where things are, and a document can say it for all of them.
 */
export function targetsOf(infrastructure: InfrastructureConfig | undefined, overrides: Overrides): Target[] {
  const overridden = new Set<string>();
  return Object.entries(infrastructure?.components ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, component]) => {
      const kind = component.kind as ComponentKind;
      const isFirst = !overridden.has(kind);
      overridden.add(kind);
      const address = (isFirst && overrides.addresses[kind]) || component.address;
      const monitoringUrl =
        (isFirst && kind === "nats" && overrides.natsMonitorUrl) || component.monitoringUrl;
      return {
        name,
        kind,
        address,
        monitoringUrl,
        intervalMs: component.probeIntervalMs || INTERVAL_MS,
        timeoutMs: component.probeTimeoutMs || TIMEOUT_MS,
      };
    });
}

/** The component that declarations of a kind are held against: the first one that has an address. */
export function mainTarget(targets: readonly Target[], kind: ComponentKind): Target | undefined {
  return targets.find((target) => target.kind === kind && target.address !== "");
}
