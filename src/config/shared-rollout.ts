import type { Delivery, Follows, Instance, Rollout } from "./rollout.ts";

/** What one hub tells the others of one instance. */
export interface PeerRecord {
  /** The hub that tells it; unique while it runs. */
  readonly hub: string;
  readonly service: string;
  readonly instance: string;
  /** Watches that are open at that hub. */
  readonly connections: number;
  readonly follows: Follows;
  readonly applied: Delivery | undefined;
  readonly rejected: readonly (readonly [nonce: string, error: string])[];
  /** Milliseconds since 1970, by that hub's clock. */
  readonly lastSeen: number;
}

/** Carries records between hubs. One that is lost is made good by the next round. */
export interface RolloutBus {
  send(record: PeerRecord): void;
  /** Calls back for the records of other hubs. Returns the way to stop. */
  onRecord(listener: (record: PeerRecord) => void): () => void;
}

/** Time between two rounds in which a hub tells of all its connected instances, in milliseconds. */
const ROUND_MS = 5_000;
/** Rounds after which a hub that says nothing is taken to be gone. */
const MISSED_ROUNDS = 3;
const FORGET_MS = 86_400_000;

interface Heard {
  readonly record: PeerRecord;
  /** When the hub last spoke of it, by our clock. */
  readonly heard: number;
}

/** An instance of a service. */
export type InstanceName = Pick<Instance, "service" | "instance">;

/** What the rest of the hub asks of a rollout, whether it is of one hub or of all. */
export interface RolloutView extends Pick<Rollout, "connect" | "report" | "rejections" | "instances"> {
  /** Whether an instance has refused a content. */
  hasRejected(service: string, instance: string, nonce: string): boolean;
  /** Calls back after each change, with the instance that has changed. Returns the way to stop. */
  onChange(listener: (instance: InstanceName) => void): () => void;
}

type Local = Pick<Rollout, "connect" | "report" | "hasRejected" | "rejections" | "instances" | "onChange">;

/** The rollout as all hubs of one log see it: each knows its own instances, and is told of the others'. */
export class SharedRollout implements RolloutView {
  readonly #local: Local;
  readonly #hub: string;
  readonly #now: () => number;
  /** By service and instance, then by hub. */
  readonly #peers = new Map<string, Map<string, Heard>>();
  readonly #listeners = new Set<(instance: InstanceName) => void>();
  readonly #stops: (() => void)[];

  constructor(local: Local, bus: RolloutBus, hub: string, now: () => number = Date.now) {
    this.#local = local;
    this.#hub = hub;
    this.#now = now;
    const round = setInterval(() => {
      this.#forget();
      for (const instance of local.instances())
        if (instance.connections > 0) bus.send(this.#toRecord(instance));
    }, ROUND_MS);
    this.#stops = [
      () => clearInterval(round),
      local.onChange((instance) => {
        bus.send(this.#toRecord(instance));
        this.#tell(instance);
      }),
      bus.onRecord((record) => {
        if (record.hub === hub) return;
        const key = keyOf(record);
        const hubs = this.#peers.get(key) ?? new Map<string, Heard>();
        this.#peers.set(key, hubs);
        hubs.set(record.hub, { record, heard: now() });
        this.#tell(record);
      }),
    ];
  }

  connect(service: string, instance: string, follows: Follows): () => void {
    return this.#local.connect(service, instance, follows);
  }

  report(service: string, instance: string, delivery: Delivery, error: string): void {
    this.#local.report(service, instance, delivery, error);
  }

  hasRejected(service: string, instance: string, nonce: string): boolean {
    if (this.#local.hasRejected(service, instance, nonce)) return true;
    const heard = this.#peers.get(keyOf({ service, instance }))?.values() ?? [];
    return [...heard].some(({ record }) => record.rejected.some(([rejected]) => rejected === nonce));
  }

  instances(service = ""): readonly Instance[] {
    const all = new Map<string, Instance>();
    for (const instance of [...this.#local.instances(service), ...this.#remote(service)]) {
      const key = keyOf(instance);
      const other = all.get(key);
      all.set(key, other ? merge(other, instance) : instance);
    }
    return [...all.values()].sort(
      (a, b) => a.service.localeCompare(b.service) || a.instance.localeCompare(b.instance),
    );
  }

  rejections(service: string, instance: string): readonly string[] {
    const heard = [...(this.#peers.get(keyOf({ service, instance }))?.values() ?? [])];
    const nonces = heard.flatMap(({ record }) => record.rejected.map(([nonce]) => nonce));
    return [...new Set([...this.#local.rejections(service, instance), ...nonces])];
  }

  onChange(listener: (instance: InstanceName) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops listening and telling. */
  stop(): void {
    for (const stop of this.#stops) stop();
  }

  #tell(instance: InstanceName): void {
    for (const listener of this.#listeners) listener(instance);
  }

  // As the local rollout, which forgets an instance that has been gone for a day.
  #forget(): void {
    for (const [key, hubs] of this.#peers) {
      for (const [hub, { heard }] of hubs) if (heard < this.#now() - FORGET_MS) hubs.delete(hub);
      if (hubs.size === 0) this.#peers.delete(key);
    }
  }

  // What the other hubs know. A hub that has fallen silent has no connections left that anyone can count on.
  #remote(service: string): Instance[] {
    const silentBefore = this.#now() - ROUND_MS * MISSED_ROUNDS;
    return [...this.#peers.values()]
      .flatMap((hubs) => [...hubs.values()])
      .filter(({ record }) => service === "" || record.service === service)
      .map(({ record, heard }) => ({
        ...record,
        connections: heard < silentBefore ? 0 : record.connections,
        rejected: new Map(record.rejected),
      }));
  }

  #toRecord({ service, instance, connections, follows, applied, rejected, lastSeen }: Instance): PeerRecord {
    return {
      hub: this.#hub,
      service,
      instance,
      connections,
      follows,
      applied,
      rejected: [...rejected],
      lastSeen,
    };
  }
}

function keyOf({ service, instance }: InstanceName): string {
  return `${service}\0${instance}`;
}

// The instance may have moved from one hub to another, so the newer of the two is right about what it follows.
function merge(a: Instance, b: Instance): Instance {
  const [older, newer] = a.lastSeen <= b.lastSeen ? [a, b] : [b, a];
  const applied = [older.applied, newer.applied].reduce((best, one) =>
    one && (!best || one.revision >= best.revision) ? one : best,
  );
  return {
    ...newer,
    connections: a.connections + b.connections,
    applied,
    rejected: new Map([...older.rejected, ...newer.rejected]),
    lastSeen: newer.lastSeen,
  };
}
